// SPDX-License-Identifier: MIT
// See store_runs.h.
#include "server/store_runs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/store_impl.h"

const char *const run_trigger_names[RUN_TRIGGERS] = {"cron", "missed", "manual", "import"};
const char *const run_state_names[RUN_STATES] = {"planning", "running", "confirming", "done",
                                                 "skipped",  "failed",  "cancelled"};
const char *const row_state_names[ROW_STATES] = {"open", "done", "failed", "not-run", "no-fit"};

static int col_name(sqlite3_stmt *q, int i, const char *const *names, int n)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    for (int k = 0; text && k < n; k++) {
        if (strcmp(text, names[k]) == 0)
            return k;
    }
    return 0;
}

// Integer or -1, number or NaN, text or "".
static int64_t col_count(sqlite3_stmt *q, int i)
{
    return col_is_null(q, i) ? -1 : col_i64(q, i);
}

static double col_number(sqlite3_stmt *q, int i)
{
    return col_is_null(q, i) ? NAN : sqlite3_column_double(q, i);
}

static const char *col_str(sqlite3_stmt *q, int i)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    return text ? text : "";
}

static int64_t or_null(int64_t id)
{
    return id ? id : -1;
}

// --- plans ----------------------------------------------------------------------------------------------------------

int store_plan_get(struct store *s, const char *plan, char schedule[512], int64_t *seen_ms,
                   struct err *e)
{
    int row = store_query(s, SQL_PLAN_GET, e, "s", plan);
    *seen_ms = -1;
    schedule[0] = '\0';
    if (row > 0) {
        col_text(s->stmt[SQL_PLAN_GET], 0, schedule, 512);
        *seen_ms = col_i64(s->stmt[SQL_PLAN_GET], 1);
    }
    store_finish(s, SQL_PLAN_GET);
    return row < 0 ? -1 : 0;
}

int store_plan_put(struct store *s, const char *plan, const char *schedule, int64_t seen_ms,
                   struct err *e)
{
    return store_run(s, SQL_PLAN_PUT, e, "ssi", plan, schedule, seen_ms);
}

// --- runs -----------------------------------------------------------------------------------------------------------

int store_run_add(struct store *s, struct run *r, const char *plan_text, bool *added, struct err *e)
{
    r->id = 0;
    int bad =
        store_insert(s, SQL_RUN_ADD, &r->id, e, "sisstttiII", r->plan, r->slot_ms,
                     run_trigger_names[r->trigger], run_state_names[r->state], r->detail, plan_text,
                     r->note, r->created_ms, or_null(r->deadline_ms), or_null(r->finished_ms));
    *added = !bad && r->id != 0;
    return bad;
}

static void store_run_read(sqlite3_stmt *q, struct run *r)
{
    *r = (struct run){.id = col_i64(q, 0),
                      .slot_ms = col_i64(q, 2),
                      .trigger = (enum run_trigger)col_name(q, 3, run_trigger_names, RUN_TRIGGERS),
                      .state = (enum run_state)col_name(q, 4, run_state_names, RUN_STATES),
                      .created_ms = col_i64(q, 8),
                      .deadline_ms = col_i64(q, 9),
                      .finished_ms = col_i64(q, 10),
                      .points = col_i64(q, 11),
                      .done = col_i64(q, 12),
                      .failed = col_i64(q, 13),
                      .infrastructure = col_i64(q, 14),
                      .not_run = col_i64(q, 15),
                      .no_fit = col_i64(q, 16),
                      .open = col_i64(q, 17),
                      .regressions = col_i64(q, 18),
                      .findings = col_i64(q, 19)};
    col_text(q, 1, r->plan, sizeof r->plan);
    col_text(q, 5, r->verdict, sizeof r->verdict);
    col_text(q, 6, r->detail, sizeof r->detail);
    col_text(q, 7, r->note, sizeof r->note);
}

int store_run_get(struct store *s, int64_t id, struct run *out, struct err *e)
{
    int row = store_query(s, SQL_RUN_GET, e, "i", id);
    if (row > 0)
        store_run_read(s->stmt[SQL_RUN_GET], out);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "there is no run %lld", (long long)id);
    store_finish(s, SQL_RUN_GET);
    return row < 0 ? -1 : 0;
}

int store_run_text(struct store *s, int64_t id, struct buf *plan_text, struct err *e)
{
    int row = store_query(s, SQL_RUN_TEXT, e, "i", id);
    if (row > 0)
        buf_puts(plan_text, col_str(s->stmt[SQL_RUN_TEXT], 0));
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "there is no run %lld", (long long)id);
    store_finish(s, SQL_RUN_TEXT);
    return row < 0 ? -1 : 0;
}

int store_run_put(struct store *s, const struct run *r, bool *changed, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    int bad = store_run(s, SQL_RUN_PUT, e, "isttII", r->id, run_state_names[r->state], r->verdict,
                        r->detail, or_null(r->deadline_ms), or_null(r->finished_ms));
    *changed = !bad && sqlite3_changes(s->db) > 0;
    pthread_mutex_unlock(&s->lock);
    return bad;
}

int store_run_open(struct store *s, const char *plan, int64_t *ids, int max, int *n, struct err *e)
{
    return store_ids(s, SQL_RUN_OPEN, store_query(s, SQL_RUN_OPEN, e, "t", plan), ids, max, n, e);
}

int store_run_campaigns(struct store *s, int64_t run, int64_t *ids, int max, int *n, struct err *e)
{
    return store_ids(s, SQL_RUN_CAMPAIGNS, store_query(s, SQL_RUN_CAMPAIGNS, e, "i", run), ids, max,
                     n, e);
}

int store_run_last(struct store *s, const char *plan, bool finished, struct run *out, struct err *e)
{
    int row = store_query(s, SQL_RUN_LAST, e, "si", plan, (int64_t)finished);
    if (row > 0)
        store_run_read(s->stmt[SQL_RUN_LAST], out);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "plan %s has not run yet", plan);
    store_finish(s, SQL_RUN_LAST);
    return row < 0 ? -1 : 0;
}

int store_run_list(struct store *s, const char *plan, int64_t before, int limit, store_run_cb *cb,
                   void *cls, struct err *e)
{
    enum sql_id id = plan ? SQL_RUN_LIST : SQL_RUN_LIST_ALL;
    int row = plan ? store_query(s, id, e, "sii", plan, before, (int64_t)limit)
                   : store_query(s, id, e, "ii", before, (int64_t)limit);
    for (; row > 0; row = store_next(s, id, e)) {
        struct run r;
        store_run_read(s->stmt[id], &r);
        cb(cls, &r);
    }
    store_finish(s, id);
    return row;
}

int store_run_counts(struct store *s, int64_t counts[RUN_STATES], struct err *e)
{
    memset(counts, 0, RUN_STATES * sizeof *counts);
    int row = store_query(s, SQL_RUN_COUNTS, e, "");
    for (; row > 0; row = store_next(s, SQL_RUN_COUNTS, e)) {
        sqlite3_stmt *q = s->stmt[SQL_RUN_COUNTS];
        counts[col_name(q, 0, run_state_names, RUN_STATES)] = col_i64(q, 1);
    }
    store_finish(s, SQL_RUN_COUNTS);
    return row;
}

int store_run_open_jobs(struct store *s, int64_t run, int64_t *n, struct err *e)
{
    return store_integer(s, SQL_RUN_OPEN_JOBS, n, e, "i", run);
}

int store_run_horizon(struct store *s, const char *plan, int64_t slot_ms, int n, int64_t *from_ms,
                      struct err *e)
{
    *from_ms = slot_ms;
    return store_integer(s, SQL_RUN_HORIZON, from_ms, e, "sii", plan, slot_ms, (int64_t)n);
}

// --- series ---------------------------------------------------------------------------------------------------------

int store_series_add(struct store *s, struct series *out, struct err *e)
{
    return store_insert(s, SQL_SERIES_ADD, &out->id, e, "sssss", out->plan, out->model,
                        out->model_name, out->board, out->config);
}

static void store_series_read(sqlite3_stmt *q, struct series *out)
{
    *out = (struct series){.id = col_i64(q, 0), .last_run = col_i64(q, 6)};
    col_text(q, 1, out->plan, sizeof out->plan);
    col_text(q, 2, out->model, sizeof out->model);
    col_text(q, 3, out->model_name, sizeof out->model_name);
    col_text(q, 4, out->board, sizeof out->board);
    col_text(q, 5, out->config, sizeof out->config);
}

int store_series_get(struct store *s, int64_t id, struct series *out, struct err *e)
{
    int row = store_query(s, SQL_SERIES_GET, e, "i", id);
    if (row > 0)
        store_series_read(s->stmt[SQL_SERIES_GET], out);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "there is no series %lld", (long long)id);
    store_finish(s, SQL_SERIES_GET);
    return row < 0 ? -1 : 0;
}

int store_series_list(struct store *s, const struct series_filter *f, int64_t after, int limit,
                      store_series_cb *cb, void *cls, struct err *e)
{
    int row = store_query(s, SQL_SERIES_LIST, e, "ittti", after, f->plan, f->model, f->board,
                          (int64_t)limit);
    for (; row > 0; row = store_next(s, SQL_SERIES_LIST, e)) {
        struct series one;
        store_series_read(s->stmt[SQL_SERIES_LIST], &one);
        cb(cls, &one);
    }
    store_finish(s, SQL_SERIES_LIST);
    return row;
}

// --- points ---------------------------------------------------------------------------------------------------------

struct point point_blank(void)
{
    return (struct point){.state = ROW_OPEN,
                          .spec = "",
                          .overhead = -1,
                          .class = "",
                          .error_type = "",
                          .error_detail = "",
                          .cycles_min = -1,
                          .cycles_median = -1,
                          .cycles_max = -1,
                          .repeats = -1,
                          .instructions = -1,
                          .clock_hz = -1,
                          .arena_bytes = -1,
                          .stack_bytes = -1,
                          .static_bytes = -1,
                          .flash_bytes = -1,
                          .firmware = "",
                          .program = "",
                          .toolchain = "",
                          .kernels = "",
                          .agent = "",
                          .rig = "",
                          .emulated = -1,
                          .timing = "",
                          .timing_version = -1};
}

int store_point_add(struct store *s, const struct point *p, struct err *e)
{
    return store_run(s, SQL_POINT_ADD, e, "iiisIsDtttIIIIIIIIIIttttttItI", p->series, p->run,
                     (int64_t)p->rerun, row_state_names[p->state], or_null(p->job), p->spec,
                     p->overhead, p->class, p->error_type, p->error_detail, p->cycles_min,
                     p->cycles_median, p->cycles_max, p->repeats, p->instructions, p->clock_hz,
                     p->arena_bytes, p->stack_bytes, p->static_bytes, p->flash_bytes, p->firmware,
                     p->program, p->toolchain, p->kernels, p->agent, p->rig, (int64_t)p->emulated,
                     p->timing, p->timing_version);
}

int store_point_baseline(struct store *s, int64_t series, int64_t run, bool on, struct err *e)
{
    return store_run(s, SQL_POINT_BASELINE, e, "iii", series, run, (int64_t)on);
}

int store_point_collect(struct store *s, int64_t run, struct err *e)
{
    return store_run(s, SQL_POINT_MEASURED, e, "i", run) ||
                   store_run(s, SQL_POINT_FAILED, e, "i", run)
               ? -1
               : 0;
}

int store_point_close(struct store *s, int64_t run, const char *error_type, const char *detail,
                      struct err *e)
{
    return store_run(s, SQL_POINT_CLOSE, e, "itt", run, error_type, detail);
}

int store_point_absent(struct store *s, int64_t run, const char *plan, int64_t slot_ms,
                       struct err *e)
{
    return store_run(s, SQL_POINT_ABSENT, e, "isi", run, plan, slot_ms);
}

static void store_point_read(sqlite3_stmt *q, struct point *p)
{
    *p = (struct point){.series = col_i64(q, 0),
                        .run = col_i64(q, 1),
                        .rerun = col_int(q, 2),
                        .state = (enum row_state)col_name(q, 3, row_state_names, ROW_STATES),
                        .baseline = col_int(q, 4) != 0,
                        .job = col_i64(q, 5),
                        .spec = col_str(q, 6),
                        .overhead = col_is_null(q, 7) ? -1 : sqlite3_column_double(q, 7),
                        .class = col_str(q, 8),
                        .error_type = col_str(q, 9),
                        .error_detail = col_str(q, 10),
                        .cycles_min = col_count(q, 11),
                        .cycles_median = col_count(q, 12),
                        .cycles_max = col_count(q, 13),
                        .repeats = col_count(q, 14),
                        .instructions = col_count(q, 15),
                        .clock_hz = col_count(q, 16),
                        .arena_bytes = col_count(q, 17),
                        .stack_bytes = col_count(q, 18),
                        .static_bytes = col_count(q, 19),
                        .flash_bytes = col_count(q, 20),
                        .firmware = col_str(q, 21),
                        .program = col_str(q, 22),
                        .toolchain = col_str(q, 23),
                        .kernels = col_str(q, 24),
                        .agent = col_str(q, 25),
                        .rig = col_str(q, 26),
                        .emulated = (int)col_count(q, 27),
                        .timing = col_str(q, 28),
                        .timing_version = col_count(q, 29),
                        .plan = col_str(q, 30),
                        .model = col_str(q, 31),
                        .model_name = col_str(q, 32),
                        .board = col_str(q, 33),
                        .config = col_str(q, 34),
                        .slot_ms = col_i64(q, 35),
                        .trigger =
                            (enum run_trigger)col_name(q, 36, run_trigger_names, RUN_TRIGGERS)};
}

static int store_point_rows(struct store *s, enum sql_id id, int row, store_point_cb *cb, void *cls,
                            struct err *e)
{
    for (; row > 0; row = store_next(s, id, e)) {
        struct point p;
        store_point_read(s->stmt[id], &p);
        cb(cls, &p);
    }
    store_finish(s, id);
    return row;
}

int store_point_of_run(struct store *s, int64_t run, int64_t after, int limit, store_point_cb *cb,
                       void *cls, struct err *e)
{
    return store_point_rows(s, SQL_POINT_OF_RUN,
                            store_query(s, SQL_POINT_OF_RUN, e, "iii", run, after, (int64_t)limit),
                            cb, cls, e);
}

int store_point_of_series(struct store *s, int64_t series, int64_t until_slot_ms,
                          store_point_cb *cb, void *cls, struct err *e)
{
    return store_point_rows(s, SQL_POINT_OF_SERIES,
                            store_query(s, SQL_POINT_OF_SERIES, e, "ii", series, until_slot_ms), cb,
                            cls, e);
}

int store_point_of_plan(struct store *s, const char *plan, store_point_cb *cb, void *cls,
                        struct err *e)
{
    return store_point_rows(s, SQL_POINT_OF_PLAN, store_query(s, SQL_POINT_OF_PLAN, e, "s", plan),
                            cb, cls, e);
}

int store_point_history(struct store *s, int64_t run, const char *board, int64_t from_slot_ms,
                        int64_t slot_ms, store_point_cb *cb, void *cls, struct err *e)
{
    enum sql_id id = SQL_POINT_HISTORY;
    sqlite3_stmt *q = s->stmt[id];
    int row = store_query(s, id, e, "iiis", run, from_slot_ms, slot_ms, board);
    for (; row > 0; row = store_next(s, id, e)) {
        struct point p = {.series = col_i64(q, 0),
                          .run = col_i64(q, 1),
                          .rerun = col_int(q, 2),
                          .state = (enum row_state)col_name(q, 3, row_state_names, ROW_STATES),
                          .baseline = col_int(q, 4) != 0,
                          .class = col_str(q, 5),
                          .error_type = col_str(q, 6),
                          .cycles_median = col_count(q, 7),
                          .instructions = col_count(q, 8),
                          .arena_bytes = col_count(q, 9),
                          .stack_bytes = col_count(q, 10),
                          .static_bytes = col_count(q, 11),
                          .flash_bytes = col_count(q, 12),
                          .firmware = col_str(q, 13),
                          .program = col_str(q, 14),
                          .agent = col_str(q, 15),
                          .rig = col_str(q, 16),
                          .emulated = (int)col_count(q, 17),
                          .timing = col_str(q, 18),
                          .timing_version = col_count(q, 19),
                          .model = col_str(q, 20),
                          .model_name = col_str(q, 21),
                          .board = col_str(q, 22),
                          .config = col_str(q, 23),
                          .slot_ms = col_i64(q, 24)};
        cb(cls, &p);
    }
    store_finish(s, id);
    return row;
}

// --- findings -------------------------------------------------------------------------------------------------------

int store_finding_add(struct store *s, struct finding_row *f, struct err *e)
{
    return store_insert(s, SQL_FINDING_ADD, &f->id, e, "sIttsttisssiinnnntiiinstti", f->plan,
                        or_null(f->series), f->model, f->model_name, f->board, f->rig, f->config,
                        f->count, f->kind, f->metric, f->reason, f->first_run, f->last_run, f->was,
                        f->current, f->percent, f->noise, f->firmware, (int64_t)f->firmware_changed,
                        (int64_t)f->program_changed, (int64_t)f->rig_changed, f->accepted, f->state,
                        f->owner, f->note, f->updated_ms);
}

int store_finding_put(struct store *s, const struct finding_row *f, struct err *e)
{
    return store_run(s, SQL_FINDING_PUT, e, "iinnnnsitnstti", f->id, f->last_run, f->was,
                     f->current, f->percent, f->noise, f->reason, f->count, f->rig, f->accepted,
                     f->state, f->owner, f->note, f->updated_ms);
}

int store_finding_seen(struct store *s, int64_t finding, int64_t run, struct err *e)
{
    return store_run(s, SQL_FINDING_SEEN, e, "ii", run, finding);
}

static void store_finding_read(sqlite3_stmt *q, struct finding_row *f)
{
    *f = (struct finding_row){.id = col_i64(q, 0),
                              .series = col_i64(q, 2),
                              .count = col_i64(q, 8),
                              .first_run = col_i64(q, 12),
                              .last_run = col_i64(q, 13),
                              .was = col_number(q, 14),
                              .current = col_number(q, 15),
                              .percent = col_number(q, 16),
                              .noise = col_number(q, 17),
                              .firmware_changed = col_int(q, 19) != 0,
                              .program_changed = col_int(q, 20) != 0,
                              .rig_changed = col_int(q, 21) != 0,
                              .accepted = col_number(q, 22),
                              .updated_ms = col_i64(q, 26),
                              .first_slot_ms = col_i64(q, 27),
                              .last_slot_ms = col_i64(q, 28)};
    col_text(q, 1, f->plan, sizeof f->plan);
    col_text(q, 3, f->model, sizeof f->model);
    col_text(q, 4, f->model_name, sizeof f->model_name);
    col_text(q, 5, f->board, sizeof f->board);
    col_text(q, 6, f->rig, sizeof f->rig);
    col_text(q, 7, f->config, sizeof f->config);
    col_text(q, 9, f->kind, sizeof f->kind);
    col_text(q, 10, f->metric, sizeof f->metric);
    col_text(q, 11, f->reason, sizeof f->reason);
    col_text(q, 18, f->firmware, sizeof f->firmware);
    col_text(q, 23, f->state, sizeof f->state);
    col_text(q, 24, f->owner, sizeof f->owner);
    col_text(q, 25, f->note, sizeof f->note);
}

int store_finding_get(struct store *s, int64_t id, struct finding_row *out, struct err *e)
{
    int row = store_query(s, SQL_FINDING_GET, e, "i", id);
    if (row > 0)
        store_finding_read(s->stmt[SQL_FINDING_GET], out);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "there is no finding %lld", (long long)id);
    store_finish(s, SQL_FINDING_GET);
    return row < 0 ? -1 : 0;
}

static int store_finding_rows(struct store *s, enum sql_id id, int row, store_finding_cb *cb,
                              void *cls, struct err *e)
{
    for (; row > 0; row = store_next(s, id, e)) {
        struct finding_row f;
        store_finding_read(s->stmt[id], &f);
        cb(cls, &f);
    }
    store_finish(s, id);
    return row;
}

int store_finding_open(struct store *s, const char *plan, store_finding_cb *cb, void *cls,
                       struct err *e)
{
    return store_finding_rows(s, SQL_FINDING_OPEN, store_query(s, SQL_FINDING_OPEN, e, "t", plan),
                              cb, cls, e);
}

int store_finding_of_run(struct store *s, int64_t run, store_finding_cb *cb, void *cls,
                         struct err *e)
{
    return store_finding_rows(s, SQL_FINDING_OF_RUN,
                              store_query(s, SQL_FINDING_OF_RUN, e, "i", run), cb, cls, e);
}

int store_finding_list(struct store *s, const struct finding_filter *f, int64_t before, int limit,
                       store_finding_cb *cb, void *cls, struct err *e)
{
    return store_finding_rows(s, SQL_FINDING_LIST,
                              store_query(s, SQL_FINDING_LIST, e, "ittIi", before, f->plan,
                                          f->state, or_null(f->series), (int64_t)limit),
                              cb, cls, e);
}

int store_finding_counts(struct store *s, int64_t *open, int64_t *regressions, struct err *e)
{
    int row = store_query(s, SQL_FINDING_COUNTS, e, "");
    if (row > 0) {
        *open = col_i64(s->stmt[SQL_FINDING_COUNTS], 0);
        *regressions = col_i64(s->stmt[SQL_FINDING_COUNTS], 1);
    }
    store_finish(s, SQL_FINDING_COUNTS);
    return row < 0 ? -1 : 0;
}

int store_note_add(struct store *s, int64_t finding, const char *action, const char *owner,
                   const char *note, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_NOTE_ADD, e, "iistt", finding, now_ms, action, owner, note);
}

int store_note_list(struct store *s, int64_t finding, store_note_cb *cb, void *cls, struct err *e)
{
    sqlite3_stmt *q = s->stmt[SQL_NOTE_LIST];
    int row = store_query(s, SQL_NOTE_LIST, e, "i", finding);
    for (; row > 0; row = store_next(s, SQL_NOTE_LIST, e))
        cb(cls, col_i64(q, 0), col_str(q, 1), col_str(q, 2), col_str(q, 3));
    store_finish(s, SQL_NOTE_LIST);
    return row;
}

// --- deliveries -----------------------------------------------------------------------------------------------------

int store_delivery_add(struct store *s, int64_t run, const char *body, int64_t now_ms,
                       struct err *e)
{
    return store_run(s, SQL_DELIVERY_ADD, e, "isi", run, body, now_ms);
}

static void store_delivery_read(sqlite3_stmt *q, struct delivery *d)
{
    *d = (struct delivery){.id = col_i64(q, 0),
                           .run = col_i64(q, 1),
                           .attempts = col_int(q, 3),
                           .due_ms = col_i64(q, 4),
                           .status = col_int(q, 6),
                           .created_ms = col_i64(q, 8),
                           .updated_ms = col_i64(q, 9)};
    col_text(q, 2, d->plan, sizeof d->plan);
    col_text(q, 5, d->state, sizeof d->state);
    col_text(q, 7, d->error, sizeof d->error);
}

int store_delivery_due(struct store *s, int64_t now_ms, struct delivery *out, struct buf *body,
                       bool *found, struct err *e)
{
    int row = store_query(s, SQL_DELIVERY_DUE, e, "i", now_ms);
    *found = row > 0;
    if (row > 0) {
        store_delivery_read(s->stmt[SQL_DELIVERY_DUE], out);
        buf_puts(body, col_str(s->stmt[SQL_DELIVERY_DUE], 10));
    }
    store_finish(s, SQL_DELIVERY_DUE);
    return row < 0 ? -1 : 0;
}

int store_delivery_put(struct store *s, const struct delivery *d, struct err *e)
{
    return store_run(s, SQL_DELIVERY_PUT, e, "iiIsIti", d->id, (int64_t)d->attempts,
                     or_null(d->due_ms), d->state, or_null(d->status), d->error, d->updated_ms);
}

int store_delivery_of_run(struct store *s, int64_t run, store_delivery_cb *cb, void *cls,
                          struct err *e)
{
    enum sql_id id = SQL_DELIVERY_OF_RUN;
    int row = store_query(s, id, e, "i", run);
    for (; row > 0; row = store_next(s, id, e)) {
        struct delivery d;
        store_delivery_read(s->stmt[id], &d);
        cb(cls, &d);
    }
    store_finish(s, id);
    return row;
}

int store_delivery_counts(struct store *s, int64_t *pending, int64_t *failed, struct err *e)
{
    int row = store_query(s, SQL_DELIVERY_COUNTS, e, "");
    if (row > 0) {
        *pending = col_i64(s->stmt[SQL_DELIVERY_COUNTS], 0);
        *failed = col_i64(s->stmt[SQL_DELIVERY_COUNTS], 1);
    }
    store_finish(s, SQL_DELIVERY_COUNTS);
    return row < 0 ? -1 : 0;
}
