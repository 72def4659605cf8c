// SPDX-License-Identifier: MIT
// The nightly part of the database (schema.sql, version 4): what the scheduler knows of plans, runs, series and their points,
// findings and their triage, webhook deliveries. Rows in and out of plain structs, as in store.h; policy is run.c's.
//
// Functions return 0, or -1 with e set: ERR_NOT_FOUND where a key has no row, ERR_IO for everything else.
#ifndef SERVER_STORE_RUNS_H
#define SERVER_STORE_RUNS_H

#include "server/store.h"

// --- plans ---

// What the scheduler knows of a plan. *seen_ms -1: nothing yet.
int store_plan_get(struct store *s, const char *plan, char schedule[512], int64_t *seen_ms,
                   struct err *e);
int store_plan_put(struct store *s, const char *plan, const char *schedule, int64_t seen_ms,
                   struct err *e);

// --- runs ---

enum run_trigger { RUN_CRON, RUN_MISSED, RUN_MANUAL, RUN_IMPORT, RUN_TRIGGERS };
extern const char *const run_trigger_names[RUN_TRIGGERS];
enum run_state {
    RUN_PLANNING,   // its campaigns are being made
    RUN_RUNNING,    // its jobs run
    RUN_CONFIRMING, // reruns of what looks slower run
    RUN_DONE,
    RUN_SKIPPED, // not run: the one before was still running
    RUN_FAILED,  // could not be run
    RUN_CANCELLED,
    RUN_STATES
};
extern const char *const run_state_names[RUN_STATES];

struct run {
    int64_t id;
    char plan[STORE_NAME_SIZE];
    int64_t slot_ms; // unique in the plan
    enum run_trigger trigger;
    enum run_state state;
    char verdict[16];             // "" = none yet
    char detail[STORE_TEXT_SIZE]; // why it failed, was skipped or cancelled; "" = none
    char note[STORE_TEXT_SIZE];   // of whoever asked for it; "" = none
    int64_t created_ms, deadline_ms, finished_ms; // 0: not yet
    // counted from its points and findings:
    int64_t points, done, failed, infrastructure, not_run, no_fit, open;
    int64_t regressions, findings;
};
// Adds a run with the plan's text. *added false: the plan has a run of that slot already, nothing has changed.
int store_run_add(struct store *s, struct run *r, const char *plan_text, bool *added,
                  struct err *e); // sets r->id
int store_run_get(struct store *s, int64_t id, struct run *out, struct err *e);
int store_run_text(struct store *s, int64_t id, struct buf *plan_text, struct err *e);
// Writes state, verdict, detail, deadline and finish. *changed false: it has ended in the meantime, and stays as it is.
int store_run_put(struct store *s, const struct run *r, bool *changed, struct err *e);
int store_run_open(struct store *s, const char *plan, int64_t *ids, int max, int *n,
                   struct err *e); // plan NULL: of all; oldest first
// The newest run of a plan by slot; finished: that has ended as RUN_DONE. ERR_NOT_FOUND: none.
int store_run_last(struct store *s, const char *plan, bool finished, struct run *out,
                   struct err *e);
typedef void store_run_cb(void *cls, const struct run *r);
// Newest first by slot; plan NULL: of all plans. before_slot: only older slots.
int store_run_list(struct store *s, const char *plan, int64_t before_slot, int limit,
                   store_run_cb *cb, void *cls, struct err *e);
int store_run_counts(struct store *s, int64_t counts[RUN_STATES], struct err *e);
int store_run_open_jobs(struct store *s, int64_t run, int64_t *n, struct err *e);
int store_run_campaigns(struct store *s, int64_t run, int64_t *ids, int max, int *n,
                        struct err *e); // that have queued jobs

// --- series and points ---

struct series {
    int64_t id;
    char plan[STORE_NAME_SIZE];
    char model[STORE_ID_SIZE], model_name[STORE_NAME_SIZE];
    char board[STORE_NAME_SIZE], config[STORE_NAME_SIZE];
    int64_t last_run; // of its points; 0 = none
};
// Finds or adds; sets out->id.
int store_series_add(struct store *s, struct series *out, struct err *e);
int store_series_get(struct store *s, int64_t id, struct series *out, struct err *e);
typedef void store_series_cb(void *cls, const struct series *s);
struct series_filter {
    const char *plan, *model, *board; // NULL: all
};
int store_series_list(struct store *s, const struct series_filter *f, int64_t after, int limit,
                      store_series_cb *cb, void *cls, struct err *e);

enum row_state { ROW_OPEN, ROW_DONE, ROW_FAILED, ROW_NOT_RUN, ROW_NO_FIT, ROW_STATES };
extern const char *const row_state_names[ROW_STATES];

// A point as it is stored. Texts are borrowed, "" = none; numbers are negative where there is none.
struct point {
    int64_t series, run;
    int rerun; // 0: the run's own, 1..: confirmations
    enum row_state state;
    bool baseline;
    int64_t job; // 0: none
    const char *spec;
    double overhead;
    const char *class; // "infrastructure", "model"
    const char *error_type, *error_detail;
    int64_t cycles_min, cycles_median, cycles_max, repeats, instructions, clock_hz;
    int64_t arena_bytes, stack_bytes, static_bytes, flash_bytes;
    const char *firmware, *program, *toolchain, *kernels, *agent, *rig;
    int emulated; // 1, 0, -1: not known
    const char *timing;
    int64_t timing_version;
    // of its series and run, when it was read
    const char *plan, *model, *model_name, *board, *config;
    int64_t slot_ms;
    enum run_trigger trigger;
};
struct point point_blank(void); // an open point with nothing in it
int store_point_add(struct store *s, const struct point *p, struct err *e); // there: no change
int store_point_baseline(struct store *s, int64_t series, int64_t run, bool on, struct err *e);
// Takes over what the jobs of a run's open points came to; what is open after that becomes not-run for this reason.
int store_point_collect(struct store *s, int64_t run, struct err *e);
int store_point_close(struct store *s, int64_t run, const char *error_type, const char *detail,
                      struct err *e);
// Adds a not-run point for each series that the plan's run before this one had and this one has not.
int store_point_absent(struct store *s, int64_t run, const char *plan, int64_t slot_ms,
                       struct err *e);

typedef void store_point_cb(void *cls, const struct point *p); // p lives for the call
// after: cursor = series * 8 + rerun of the last one.
int store_point_of_run(struct store *s, int64_t run, int64_t after, int limit, store_point_cb *cb,
                       void *cls, struct err *e);
int store_point_of_series(struct store *s, int64_t series, int64_t until_slot_ms,
                          store_point_cb *cb, void *cls, struct err *e); // by slot, rerun
int store_point_of_plan(struct store *s, const char *plan, store_point_cb *cb, void *cls,
                        struct err *e); // by slot, series, rerun
// All points of the series that a run has (of one board where it is not NULL), of the runs from from_slot_ms up to its own;
// by series, slot, rerun. Only what detection looks at is set.
int store_point_history(struct store *s, int64_t run, const char *board, int64_t from_slot_ms,
                        int64_t slot_ms, store_point_cb *cb, void *cls, struct err *e);
// The slot that has at most n runs of the plan from it up to slot_ms.
int store_run_horizon(struct store *s, const char *plan, int64_t slot_ms, int n, int64_t *from_ms,
                      struct err *e);

// --- findings ---

struct finding_row {
    int64_t id;
    char plan[STORE_NAME_SIZE];
    int64_t series;                                         // 0: stands for several
    char model[STORE_ID_SIZE], model_name[STORE_NAME_SIZE]; // "": of several models
    char board[STORE_NAME_SIZE], rig[2 * STORE_NAME_SIZE], config[STORE_NAME_SIZE];
    int64_t count;
    char kind[32], metric[32], reason[32];
    int64_t first_run, last_run;
    double was, current, percent, noise; // NaN: none
    char firmware[STORE_ID_SIZE];        // of the first bad run; "": not known
    bool firmware_changed, program_changed, rig_changed;
    double accepted; // NaN: never acknowledged
    char state[16];
    char owner[STORE_NAME_SIZE], note[STORE_TEXT_SIZE];
    int64_t updated_ms;
    int64_t first_slot_ms, last_slot_ms; // of its runs, when it was read
};
int store_finding_add(struct store *s, struct finding_row *f, struct err *e); // sets f->id
int store_finding_put(struct store *s, const struct finding_row *f, struct err *e);
int store_finding_seen(struct store *s, int64_t finding, int64_t run, struct err *e);
int store_finding_get(struct store *s, int64_t id, struct finding_row *out, struct err *e);
typedef void store_finding_cb(void *cls, const struct finding_row *f);
// Those that are neither resolved nor expected; plan NULL: of all.
int store_finding_open(struct store *s, const char *plan, store_finding_cb *cb, void *cls,
                       struct err *e);
int store_finding_of_run(struct store *s, int64_t run, store_finding_cb *cb, void *cls,
                         struct err *e);
struct finding_filter {
    const char *plan, *state;
    int64_t series; // 0: all
};
// Newest first.
int store_finding_list(struct store *s, const struct finding_filter *f, int64_t before, int limit,
                       store_finding_cb *cb, void *cls, struct err *e);
int store_finding_counts(struct store *s, int64_t *open, int64_t *regressions, struct err *e);

int store_note_add(struct store *s, int64_t finding, const char *action, const char *owner,
                   const char *note, int64_t now_ms, struct err *e);
typedef void store_note_cb(void *cls, int64_t created_ms, const char *action, const char *owner,
                           const char *note);
int store_note_list(struct store *s, int64_t finding, store_note_cb *cb, void *cls, struct err *e);

// --- webhook deliveries ---

struct delivery {
    int64_t id, run;
    char plan[STORE_NAME_SIZE];
    int attempts;
    int64_t due_ms; // 0: nothing more will be tried
    char state[16]; // "pending", "delivered", "failed"
    int status;     // HTTP; 0: none
    char error[STORE_TEXT_SIZE];
    int64_t created_ms, updated_ms;
};
int store_delivery_add(struct store *s, int64_t run, const char *body, int64_t now_ms,
                       struct err *e);
int store_delivery_due(struct store *s, int64_t now_ms, struct delivery *out, struct buf *body,
                       bool *found, struct err *e);
int store_delivery_put(struct store *s, const struct delivery *d, struct err *e);
typedef void store_delivery_cb(void *cls, const struct delivery *d);
int store_delivery_of_run(struct store *s, int64_t run, store_delivery_cb *cb, void *cls,
                          struct err *e);
int store_delivery_counts(struct store *s, int64_t *pending, int64_t *failed, struct err *e);

#endif
