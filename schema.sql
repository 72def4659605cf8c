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

-- version 4
-- Nightly runs.   plan (a file) 1--n runs 1--n points n--1 series 1--n findings 1--n finding_notes
--                                     \-- 1--n deliveries (webhook)
--
-- What the scheduler knows of a plan's file. seen_slot_ms: slots up to there are dealt with, so that none runs twice;
-- schedule: the cron expression and time zone that it is about, for a changed one starts afresh.
CREATE TABLE plans(
  name TEXT PRIMARY KEY,
  schedule TEXT NOT NULL,
  seen_slot_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- slot_ms: the instant that the run stands for: of a manual run when it was asked for, of an imported one its own date.
-- plan_text: the plan as it was. A run holds what it has measured in points, and needs no campaign to be read later.
CREATE TABLE runs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  plan TEXT NOT NULL,
  slot_ms INTEGER NOT NULL,
  trigger TEXT NOT NULL CHECK(trigger IN ('cron', 'missed', 'manual', 'import')),
  state TEXT NOT NULL CHECK(state IN ('planning', 'running', 'confirming', 'done', 'skipped', 'failed', 'cancelled')),
  verdict TEXT CHECK(verdict IN ('ok', 'improved', 'incomplete', 'rig', 'suspected', 'regression')),
  detail TEXT,
  plan_text TEXT,
  note TEXT,
  created_ms INTEGER NOT NULL,
  deadline_ms INTEGER,
  finished_ms INTEGER,
  UNIQUE(plan, slot_ms),
  CHECK((state IN ('planning', 'running', 'confirming')) = (finished_ms IS NULL))
) STRICT;
CREATE INDEX runs_open ON runs(id) WHERE finished_ms IS NULL;

CREATE TABLE series(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  plan TEXT NOT NULL,
  model TEXT NOT NULL,
  model_name TEXT NOT NULL,
  board TEXT NOT NULL,
  config TEXT NOT NULL,
  UNIQUE(plan, model, board, config)
) STRICT;

-- What a run got, or should have got, of a series. rerun 0: the night's own point; 1..: confirmations of a latency.
-- baseline 1: somebody said that the history begins anew with this run.
CREATE TABLE points(
  series INTEGER NOT NULL REFERENCES series(id),
  run INTEGER NOT NULL REFERENCES runs(id),
  rerun INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK(state IN ('open', 'done', 'failed', 'not-run', 'no-fit')),
  baseline INTEGER NOT NULL DEFAULT 0,
  job INTEGER REFERENCES jobs(id),
  spec TEXT NOT NULL,
  overhead REAL,
  class TEXT CHECK(class IN ('infrastructure', 'model')),
  error_type TEXT,
  error_detail TEXT,
  cycles_min INTEGER, cycles_median INTEGER, cycles_max INTEGER,
  repeats INTEGER,
  instructions INTEGER,
  clock_hz INTEGER,
  arena_bytes INTEGER, stack_bytes INTEGER, static_bytes INTEGER, flash_bytes INTEGER,
  firmware TEXT, program TEXT, toolchain TEXT, kernels TEXT,
  agent TEXT, rig TEXT,
  emulated INTEGER,
  timing TEXT, timing_version INTEGER,
  PRIMARY KEY(series, run, rerun),
  CHECK((state = 'failed') = (class IS NOT NULL)),
  CHECK(state <> 'done' OR (cycles_median IS NOT NULL AND arena_bytes IS NOT NULL AND firmware IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX points_of_run ON points(run, series);
CREATE INDEX points_counted ON points(run, rerun, state, class);

-- Of a series, or (series NULL) of count series: all of a rig or board, or the front of a model on a board. first_run: the
-- run it began with, and so the first bad build; last_run: where it was last seen. A finding that goes on is one row; was,
-- current and percent are those of last_run. accepted: what current was when somebody acknowledged it; worse reopens it.
CREATE TABLE findings(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  plan TEXT NOT NULL,
  series INTEGER REFERENCES series(id),
  model TEXT, model_name TEXT,
  board TEXT NOT NULL,
  rig TEXT,
  config TEXT,
  count INTEGER NOT NULL,
  kind TEXT NOT NULL,
  metric TEXT NOT NULL,
  reason TEXT NOT NULL,
  first_run INTEGER NOT NULL REFERENCES runs(id),
  last_run INTEGER NOT NULL REFERENCES runs(id),
  was REAL,
  current REAL,
  percent REAL,
  noise REAL,
  firmware TEXT,
  firmware_changed INTEGER NOT NULL,
  program_changed INTEGER NOT NULL,
  rig_changed INTEGER NOT NULL,
  accepted REAL,
  state TEXT NOT NULL CHECK(state IN ('suspected', 'confirmed', 'unconfirmed', 'acknowledged', 'expected', 'resolved')),
  owner TEXT,
  note TEXT,
  updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX findings_of_plan ON findings(plan, id);
CREATE INDEX findings_open ON findings(plan, kind, series) WHERE state <> 'resolved';

-- Which runs saw a finding, for the runs between its first and its last.
CREATE TABLE run_findings(
  run INTEGER NOT NULL REFERENCES runs(id),
  finding INTEGER NOT NULL REFERENCES findings(id),
  PRIMARY KEY(run, finding)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding_notes(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  finding INTEGER NOT NULL REFERENCES findings(id),
  created_ms INTEGER NOT NULL,
  action TEXT NOT NULL,
  owner TEXT,
  note TEXT
) STRICT;
CREATE INDEX finding_notes_of ON finding_notes(finding, id);

-- Messages to a plan's webhook: due_ms NULL = delivered or given up.
CREATE TABLE deliveries(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL REFERENCES runs(id),
  body TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_ms INTEGER,
  state TEXT NOT NULL CHECK(state IN ('pending', 'delivered', 'failed')),
  status INTEGER,
  error TEXT,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_due ON deliveries(due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_of_run ON deliveries(run, id);

-- version 5
-- 1: the agent said that the rig's board is not there (last_error says why) and has not asked for a job since.
ALTER TABLE rigs ADD COLUMN offline INTEGER NOT NULL DEFAULT 0;

-- version 6
-- Build id of the firmware whose output or RAM was wrong: a regression's first suspect.
ALTER TABLE attempts ADD COLUMN firmware TEXT;

-- version 7
-- What a campaign chose to measure next on each board: {"board","candidates","known","chosen","left","saved"}.
ALTER TABLE campaigns ADD COLUMN choice_json TEXT NOT NULL DEFAULT '[]';
