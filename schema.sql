-- The farm's database, compiled into farm-server and applied at start. Each "-- version N" section is one migration: it
-- runs once, in one transaction, when PRAGMA user_version is below N. Append sections, never change an old one.
--
--   models 1--n campaigns 1--n jobs 1--n attempts      rigs: who measured; events: what a watcher of a campaign is told
--     |                         |  \-- 1--1 results    blobs: model files and programs by SHA-256
--     \-- 1--n front_points     \----- 1--n job_logs
--
-- Times are milliseconds since 1970 UTC. 64-bit counts (macs, cycles) are INTEGER.

-- version 1
CREATE TABLE blobs(
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE models(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE REFERENCES blobs(sha256),
  name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  layers INTEGER NOT NULL,
  macs INTEGER NOT NULL,
  weight_bytes INTEGER NOT NULL,
  plain_arena_bytes INTEGER NOT NULL,
  in_h INTEGER NOT NULL, in_w INTEGER NOT NULL, in_c INTEGER NOT NULL,
  in_bytes INTEGER NOT NULL, in_scale REAL NOT NULL, in_zero INTEGER NOT NULL,
  out_h INTEGER NOT NULL, out_w INTEGER NOT NULL, out_c INTEGER NOT NULL,
  out_bytes INTEGER NOT NULL, out_scale REAL NOT NULL, out_zero INTEGER NOT NULL,
  layers_json TEXT NOT NULL
) STRICT;

-- The front of a model as one build of the planner computed it; another build computes it again.
CREATE TABLE fronts(
  model TEXT PRIMARY KEY REFERENCES models(id),
  planner TEXT NOT NULL,
  computed_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE front_points(
  model TEXT NOT NULL REFERENCES fronts(model) ON DELETE CASCADE,
  i INTEGER NOT NULL,
  spec TEXT NOT NULL,
  arena_bytes INTEGER NOT NULL,
  macs INTEGER NOT NULL,
  overhead REAL NOT NULL,
  input_streamed INTEGER NOT NULL,
  input_bytes INTEGER NOT NULL,
  blocks INTEGER NOT NULL,
  PRIMARY KEY(model, i)
) STRICT, WITHOUT ROWID;

CREATE TABLE campaigns(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  model TEXT NOT NULL REFERENCES models(id),
  boards_json TEXT NOT NULL,
  repeats INTEGER NOT NULL,
  input_kind TEXT NOT NULL,
  input_seed INTEGER NOT NULL,
  output_crc32 INTEGER NOT NULL,
  output_bytes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  finished_ms INTEGER,
  idempotency_key TEXT UNIQUE,
  request_sha256 TEXT
) STRICT;

CREATE TABLE jobs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign INTEGER NOT NULL REFERENCES campaigns(id),
  board TEXT NOT NULL,
  spec TEXT NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('queued', 'leased', 'done', 'failed')),
  phase TEXT CHECK(phase IN ('flashing', 'running', 'collecting')),
  progress REAL NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0,
  agent TEXT,
  rig TEXT,
  lease TEXT,
  lease_until_ms INTEGER,
  error_type TEXT,
  error_detail TEXT,
  program TEXT NOT NULL REFERENCES blobs(sha256),
  program_crc32 INTEGER NOT NULL,
  program_bytes INTEGER NOT NULL,
  arena_bytes INTEGER NOT NULL,
  macs INTEGER NOT NULL,
  overhead REAL NOT NULL,
  predicted_ms REAL,
  log_bytes INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  CHECK((state = 'leased') = (lease IS NOT NULL)),
  CHECK((lease IS NULL) = (lease_until_ms IS NULL)),
  CHECK(state <> 'failed' OR error_type IS NOT NULL)
) STRICT;
CREATE INDEX jobs_of_campaign ON jobs(campaign, id);
CREATE INDEX jobs_by_campaign_state ON jobs(campaign, state);
CREATE INDEX jobs_queued ON jobs(board, attempt, id) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs(lease_until_ms) WHERE state = 'leased';
CREATE INDEX jobs_by_state ON jobs(state);
CREATE INDEX jobs_by_program ON jobs(program);

-- One row per lease that was ever given: what makes results idempotent by (job, attempt).
CREATE TABLE attempts(
  job INTEGER NOT NULL REFERENCES jobs(id),
  attempt INTEGER NOT NULL,
  agent TEXT NOT NULL,
  rig TEXT NOT NULL,
  lease TEXT NOT NULL,
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  verdict TEXT,
  detail TEXT,
  PRIMARY KEY(job, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE results(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL UNIQUE REFERENCES jobs(id),
  attempt INTEGER NOT NULL,
  campaign INTEGER NOT NULL REFERENCES campaigns(id),
  board TEXT NOT NULL,
  agent TEXT NOT NULL,
  rig TEXT NOT NULL,
  spec TEXT NOT NULL,
  arena_bytes INTEGER NOT NULL,
  predicted_arena_bytes INTEGER NOT NULL,
  stack_bytes INTEGER NOT NULL,
  static_bytes INTEGER NOT NULL,
  code_bytes INTEGER NOT NULL,
  cycles_min INTEGER NOT NULL,
  cycles_median INTEGER NOT NULL,
  cycles_max INTEGER NOT NULL,
  instructions INTEGER,
  clock_hz INTEGER NOT NULL,
  ms REAL NOT NULL,
  emulated INTEGER NOT NULL,
  timing TEXT,
  timing_version INTEGER,
  kernels TEXT NOT NULL,
  firmware TEXT NOT NULL,
  program_crc32 INTEGER NOT NULL,
  output_crc32 INTEGER NOT NULL,
  runs_json TEXT NOT NULL,
  blocks_json TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  CHECK(arena_bytes = predicted_arena_bytes)
) STRICT;
CREATE INDEX results_of_campaign ON results(campaign, id);

CREATE TABLE job_logs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL REFERENCES jobs(id),
  created_ms INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX job_logs_of_job ON job_logs(job, id);

-- quarantine_until_ms: NULL = in use. Until then no job; after it one job is tried, whose success ends the quarantine.
CREATE TABLE rigs(
  agent TEXT NOT NULL,
  name TEXT NOT NULL,
  board TEXT NOT NULL,
  last_seen_ms INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  quarantine_until_ms INTEGER,
  emulated INTEGER,
  PRIMARY KEY(agent, name)
) STRICT, WITHOUT ROWID;

-- What changed, not what it changed to: a watcher is sent the present state of ref, so that one row per thing is enough.
-- kind 'job': ref = jobs.id, 'campaign': campaigns.id, 'log': job_logs.id.
CREATE TABLE events(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign INTEGER NOT NULL REFERENCES campaigns(id),
  kind TEXT NOT NULL CHECK(kind IN ('job', 'campaign', 'log')),
  ref INTEGER NOT NULL,
  UNIQUE(kind, ref)
) STRICT;
CREATE INDEX events_of_campaign ON events(campaign, id);

-- version 2
-- Cycles and instructions of layers, interpreter and blocks; NULL: the firmware gave none.
ALTER TABLE results ADD COLUMN profile_json TEXT;

-- version 3
-- Which strategies chose a job's configuration: bit i is planner_strategy i; 0: it was asked for by name. omitted_json:
-- [{"board","strategy","arena_bytes"}] of which no configuration fits; arena_bytes is the smallest one's.
ALTER TABLE jobs ADD COLUMN strategies INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN strategies INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN omitted_json TEXT NOT NULL DEFAULT '[]';
