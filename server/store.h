// SPDX-License-Identifier: MIT
// The database (SQLite, schema.sql): rows in and out of plain structs. No policy: queue.c decides, this keeps. One
// connection, one writer; every function may be called from any thread and waits for its turn. What a function returned 0
// for is on disk (WAL, synchronous=FULL), unless a transaction is open: then after store_commit().
//
// Functions return 0, or -1 with e set: ERR_NOT_FOUND where a key has no row, ERR_IO for everything else.
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/planner.h"

#define STORE_ID_SIZE 65    // a SHA-256 in hex and its NUL
#define STORE_NAME_SIZE 128 // names and board, agent, rig ids
#define STORE_TEXT_SIZE 400 // error details
#define STORE_MAX_BLOB (64u << 20)

struct store;

// Opens or creates dir/farm.db and brings it to the newest schema. The caller holds the lock of dir.
int store_open(const char *dir, struct store **out, struct err *e);
void store_close(struct store *s); // accepts NULL

// A transaction over several calls; the thread that began it holds the store until commit or rollback, so keep it short.
int store_begin(struct store *s, struct err *e);
int store_commit(struct store *s, struct err *e); // rolls back when it fails
void store_rollback(struct store *s);
int store_ping(struct store *s, struct err *e); // does the database answer?

// Bytes by the SHA-256 of their content.
int store_blob_add(struct store *s, const char *sha256, const void *bytes, size_t n, struct err *e);
int store_blob_get(struct store *s, const char *sha256, struct buf *out, struct err *e);
int store_blob_sweep(struct store *s, struct err *e); // drops blobs that no model and no job names

struct model {
    int64_t seq; // order of upload; the cursor of lists
    char id[STORE_ID_SIZE];
    char name[STORE_NAME_SIZE];
    int64_t bytes, created_ms;
    struct planner_info info;
};
int store_model_add(struct store *s, const struct model *m, const char *layers_json,
                    struct err *e); // known: no change
int store_model_get(struct store *s, const char *id, struct model *out, struct err *e);
int store_model_layers(struct store *s, const char *id, struct buf *out, struct err *e);
typedef void store_model_cb(void *cls, const struct model *m);
int store_model_list(struct store *s, int64_t before_seq, int limit, store_model_cb *cb, void *cls,
                     struct err *e);

// The cached front. get: ERR_NOT_FOUND when this build of the planner has not computed it yet.
int store_front_put(struct store *s, const char *model, const char *planner, const struct front *f,
                    int64_t now_ms, struct err *e);
int store_front_get(struct store *s, const char *model, const char *planner, struct front *out,
                    struct err *e);

enum job_state { JOB_QUEUED, JOB_LEASED, JOB_DONE, JOB_FAILED, JOB_STATES };
extern const char *const job_state_names[JOB_STATES];

struct campaign {
    int64_t id;
    char name[STORE_NAME_SIZE];
    char model[STORE_ID_SIZE], model_name[STORE_NAME_SIZE];
    char boards_json[1024]; // array of board ids
    int repeats;
    char input_kind[16];
    uint32_t input_seed;
    uint32_t output_crc32, output_bytes; // what the reference says every job must put out
    int64_t created_ms, finished_ms;     // finished 0: still running
    char request_sha256
        [STORE_ID_SIZE]; // body of the request that made it; "" without Idempotency-Key
    int64_t jobs[JOB_STATES];
    int64_t cancelled; // of the failed jobs
    uint32_t
        strategies; // that its points come from: bit i = enum planner_strategy i; 0: chosen specs
    char choice_json
        [4096]; // array of {"board",...}: what was chosen to measure next, and why so few
    char omitted_json[16384]; // array of {"board","strategy","arena_bytes"}: nothing of it fits
};
int store_campaign_add(struct store *s, struct campaign *c, const char *idempotency_key,
                       struct err *e); // sets c->id
int store_campaign_get(struct store *s, int64_t id, struct campaign *out, struct err *e);
int store_campaign_by_key(struct store *s, const char *idempotency_key, struct campaign *out,
                          struct err *e);
int store_campaign_finish(struct store *s, int64_t id, int64_t now_ms, bool *finished,
                          struct err *e); // if no job is open
typedef void store_campaign_cb(void *cls, const struct campaign *c);
int store_campaign_list(struct store *s, int64_t before, const char *model, int limit,
                        store_campaign_cb *cb, void *cls,
                        struct err *e); // model NULL: of all models
// Ids of at most max queued jobs.
int store_campaign_queued(struct store *s, int64_t campaign, int64_t *ids, int max, int *n,
                          struct err *e);

struct job {
    int64_t id, campaign;
    char model[STORE_ID_SIZE];
    char board[STORE_NAME_SIZE];
    char spec[PLANNER_MAX_SPEC];
    uint32_t strategies; // that chose the spec: bit i = enum planner_strategy i; 0: asked for
    enum job_state state;
    char phase[16]; // "" = none
    double progress;
    int attempt;                                                             // leases given so far
    char agent[STORE_NAME_SIZE], rig[STORE_NAME_SIZE], lease[STORE_ID_SIZE]; // "" = none
    int64_t lease_until_ms;
    char error_type[32],
        error_detail
            [STORE_TEXT_SIZE]; // "" = none; of the last attempt, also while it is tried again
    char program[STORE_ID_SIZE];
    uint32_t program_crc32, program_bytes;
    uint32_t arena_bytes; // predicted
    uint64_t macs;
    double overhead;
    double predicted_ms; // negative: the board has no latency coefficients
    int64_t log_bytes;
    int repeats;                         // of the campaign
    uint32_t output_crc32, output_bytes; // of the campaign
};
int store_job_add(struct store *s, struct job *j, int64_t now_ms, struct err *e); // sets j->id
int store_job_get(struct store *s, int64_t id, struct job *out, struct err *e);
typedef void store_job_cb(void *cls, const struct job *j);
int store_job_list(struct store *s, int64_t campaign, int64_t after, int limit, store_job_cb *cb,
                   void *cls, struct err *e);
int store_job_next(struct store *s, const char *board, int64_t *id, struct err *e); // 0: none
int store_job_of_rig(struct store *s, const char *agent, const char *rig, int64_t *id,
                     struct err *e); // 0: none
int store_job_lapsed(struct store *s, int64_t now_ms, int64_t *ids, int max, int *n, struct err *e);
int store_job_lease(struct store *s, int64_t id, const char *agent, const char *rig,
                    const char *lease, int64_t until_ms, int64_t now_ms, struct err *e);
int store_job_beat(struct store *s, int64_t id, const char *phase, double progress,
                   int64_t until_ms, int64_t now_ms, struct err *e);
int store_job_requeue(struct store *s, int64_t id, const char *type, const char *detail,
                      int64_t now_ms, struct err *e);
int store_job_fail(struct store *s, int64_t id, const char *type, const char *detail,
                   int64_t now_ms, struct err *e);
int store_job_done(struct store *s, int64_t id, int64_t now_ms, struct err *e);
int store_job_counts(struct store *s, int64_t counts[JOB_STATES], struct err *e);

struct attempt {
    char agent[STORE_NAME_SIZE], rig[STORE_NAME_SIZE], lease[STORE_ID_SIZE];
    char verdict[32], detail[STORE_TEXT_SIZE]; // "" = still open
};
int store_attempt_add(struct store *s, int64_t job, int attempt, const char *agent, const char *rig,
                      const char *lease, int64_t now_ms, struct err *e);
int store_attempt_get(struct store *s, int64_t job, int attempt, struct attempt *out,
                      struct err *e);
// The firmware that gave a wrong result; a right one is in results.
int store_attempt_firmware(struct store *s, int64_t job, int attempt, const char *firmware,
                           struct err *e);
int store_attempt_end(struct store *s, int64_t job, int attempt, const char *verdict,
                      const char *detail, int64_t now_ms, struct err *e);

struct result {
    int64_t id, job, campaign;
    int attempt;
    char board[STORE_NAME_SIZE], agent[STORE_NAME_SIZE], rig[STORE_NAME_SIZE];
    char spec[PLANNER_MAX_SPEC];
    uint32_t arena_bytes, predicted_arena_bytes, stack_bytes, static_bytes, code_bytes;
    uint64_t cycles_min, cycles_median, cycles_max;
    int64_t instructions; // median; negative: the board does not count them
    int64_t clock_hz;
    double ms; // median cycles / clock
    bool emulated;
    char timing[48]; // "" = real hardware
    int64_t timing_version;
    char kernels[32], firmware[STORE_ID_SIZE];
    uint32_t program_crc32, output_crc32;
    uint32_t strategies;                 // of the job
    const char *runs_json, *blocks_json; // borrowed
    const char *profile_json;            // likewise; NULL or "": none
    int64_t created_ms;
};
int store_result_add(struct store *s, struct result *r, struct err *e); // sets r->id
typedef void store_result_cb(void *cls, const struct result *r);        // r lives for the call
int store_result_get(struct store *s, int64_t id, store_result_cb *cb, void *cls, struct err *e);
int store_result_of_job(struct store *s, int64_t job, store_result_cb *cb, void *cls,
                        struct err *e);
int store_result_list(struct store *s, int64_t campaign, int64_t after, int limit,
                      store_result_cb *cb, void *cls, struct err *e);
// Configurations of a model that were measured on a board with the firmware of its newest result.
typedef void store_known_cb(void *cls, const char *spec, double ms);
int store_result_known(struct store *s, const char *model, const char *board, store_known_cb *cb,
                       void *cls, struct err *e);
int store_result_count(struct store *s, int64_t *n, struct err *e);

int store_log_add(struct store *s, int64_t job, const char *text, int64_t now_ms, int64_t *id,
                  struct err *e);
int store_log_get(struct store *s, int64_t id, int64_t *job, struct buf *text, struct err *e);
int store_log_all(struct store *s, int64_t job, struct buf *text, struct err *e);

struct rig {
    char agent[STORE_NAME_SIZE], name[STORE_NAME_SIZE], board[STORE_NAME_SIZE];
    int64_t last_seen_ms;
    int failures;                     // infrastructure failures in a row
    char last_error[STORE_TEXT_SIZE]; // "" = none
    int64_t quarantine_until_ms;      // 0: not in quarantine
    int emulated;                     // 1, 0, or -1: not known yet
    bool offline;                     // its agent says so
};
// The agent says that the board is not there. The next store_rig_seen() ends that.
int store_rig_offline(struct store *s, const char *agent, const char *name, const char *board,
                      const char *why, int64_t now_ms, struct err *e);
int store_rig_seen(struct store *s, const char *agent, const char *name, const char *board,
                   int64_t now_ms, struct err *e);
int store_rig_get(struct store *s, const char *agent, const char *name, struct rig *out,
                  struct err *e);
typedef void store_rig_cb(void *cls, const struct rig *r);
int store_rig_list(struct store *s, const char *after_agent, const char *after_name, int limit,
                   store_rig_cb *cb, void *cls, struct err *e);
int store_rig_failed(struct store *s, const char *agent, const char *name, const char *why,
                     int64_t quarantine_until_ms, struct err *e);
// emulated: 1, 0, or -1 when not known
int store_rig_worked(struct store *s, const char *agent, const char *name, int emulated,
                     int64_t now_ms, struct err *e);
int store_rig_touch(struct store *s, const char *agent, const char *name, int64_t now_ms,
                    struct err *e);
struct rig_counts {
    int64_t all, quarantined, offline;
};
int store_rig_counts(struct store *s, int64_t offline_before_ms, struct rig_counts *out,
                     struct err *e);

enum event_kind { EVENT_JOB, EVENT_CAMPAIGN, EVENT_LOG, EVENT_KINDS };
extern const char *const event_kind_names[EVENT_KINDS];
struct event {
    int64_t id, ref;
    enum event_kind kind;
};
int store_event_add(struct store *s, int64_t campaign, enum event_kind kind, int64_t ref,
                    struct err *e);
int store_event_list(struct store *s, int64_t campaign, int64_t after, struct event *out, int max,
                     int *n, struct err *e);
int store_event_last(struct store *s, int64_t campaign, int64_t *id, struct err *e); // 0: none
int store_model_count(struct store *s, int64_t *n, struct err *e);

#endif
