// SPDX-License-Identifier: MIT
// See store.h and store_impl.h. Statements come from sql.def, are prepared once at start and reset after
// every use; values are bound, never pasted.
#include "server/store.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "server/asset.h"
#include "server/store_impl.h"

static const char *const sql_texts[SQL_COUNT] = {
#define X(name, text) text,
#include "server/sql.def"
};

static const char *const sql_setup[] = {
#define SETUP(text) text,
#include "server/sql.def"
};

const char *const job_state_names[JOB_STATES] = {"queued", "leased", "done", "failed"};
const char *const event_kind_names[EVENT_KINDS] = {"job", "campaign", "log"};

// --- statements -----------------------------------------------------------------------------------------------------

int store_fail(struct store *s, const char *what, struct err *e)
{
    return err_set(e, ERR_IO, "database: %s (%.160s)", sqlite3_errmsg(s->db), what);
}

static int store_bind(struct store *s, enum sql_id id, const char *fmt, va_list ap)
{
    sqlite3_stmt *q = s->stmt[id];
    int rc = SQLITE_OK;
    for (int i = 1; fmt[i - 1] && rc == SQLITE_OK; i++) {
        switch (fmt[i - 1]) {
        case 't': {
            const char *text = va_arg(ap, const char *);
            rc = text && *text ? sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC)
                               : sqlite3_bind_null(q, i);
            break;
        }
        case 's':
            rc = sqlite3_bind_text(q, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'i':
            rc = sqlite3_bind_int64(q, i, va_arg(ap, int64_t));
            break;
        case 'd':
            rc = sqlite3_bind_double(q, i, va_arg(ap, double));
            break;
        case 'I': {
            int64_t v = va_arg(ap, int64_t);
            rc = v < 0 ? sqlite3_bind_null(q, i) : sqlite3_bind_int64(q, i, v);
            break;
        }
        case 'D': {
            double v = va_arg(ap, double);
            rc = v < 0 ? sqlite3_bind_null(q, i) : sqlite3_bind_double(q, i, v);
            break;
        }
        case 'n': {
            double v = va_arg(ap, double);
            rc = isnan(v) ? sqlite3_bind_null(q, i) : sqlite3_bind_double(q, i, v);
            break;
        }
        case 'b': {
            const void *bytes = va_arg(ap, const void *);
            size_t n = va_arg(ap, size_t);
            rc = sqlite3_bind_blob64(q, i, n ? bytes : "", n, SQLITE_STATIC);
            break;
        }
        default:
            rc = SQLITE_MISUSE;
        }
    }
    return rc;
}

static void store_done(struct store *s, enum sql_id id)
{
    sqlite3_reset(s->stmt[id]);
    sqlite3_clear_bindings(s->stmt[id]);
}

int store_query(struct store *s, enum sql_id id, struct err *e, const char *fmt, ...)
{
    pthread_mutex_lock(&s->lock);
    va_list ap;
    va_start(ap, fmt);
    int rc = store_bind(s, id, fmt, ap);
    va_end(ap);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s->stmt[id]);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : store_fail(s, sql_texts[id], e);
}

int store_next(struct store *s, enum sql_id id, struct err *e)
{
    int rc = sqlite3_step(s->stmt[id]);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : store_fail(s, sql_texts[id], e);
}

void store_finish(struct store *s, enum sql_id id)
{
    store_done(s, id);
    pthread_mutex_unlock(&s->lock);
}

int store_run(struct store *s, enum sql_id id, struct err *e, const char *fmt, ...)
{
    pthread_mutex_lock(&s->lock);
    va_list ap;
    va_start(ap, fmt);
    int rc = store_bind(s, id, fmt, ap);
    va_end(ap);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s->stmt[id]);
    int bad = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : store_fail(s, sql_texts[id], e);
    store_finish(s, id);
    return bad;
}

int store_integer_end(struct store *s, enum sql_id id, int row, int64_t *out)
{
    if (row > 0)
        *out = sqlite3_column_int64(s->stmt[id], 0);
    store_finish(s, id);
    return row < 0 ? -1 : 0;
}

int store_insert_end(struct store *s, enum sql_id id, int row, int64_t *out, struct err *e)
{
    if (row > 0) {
        *out = sqlite3_column_int64(s->stmt[id], 0);
        row = store_next(s, id, e);
    }
    store_finish(s, id);
    return row < 0 ? -1 : 0;
}

void col_text(sqlite3_stmt *q, int i, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(q, i);
    snprintf(out, size, "%s", text ? (const char *)text : "");
}

int64_t col_i64(sqlite3_stmt *q, int i)
{
    return sqlite3_column_int64(q, i);
}

int col_int(sqlite3_stmt *q, int i)
{
    return sqlite3_column_int(q, i);
}

uint32_t col_u32(sqlite3_stmt *q, int i)
{
    return (uint32_t)sqlite3_column_int64(q, i);
}

bool col_is_null(sqlite3_stmt *q, int i)
{
    return sqlite3_column_type(q, i) == SQLITE_NULL;
}

// --- open and migrate -----------------------------------------------------------------------------------------------

static int store_exec(struct store *s, const char *sql, struct err *e)
{
    char *msg = NULL;
    if (sqlite3_exec(s->db, sql, NULL, NULL, &msg) == SQLITE_OK)
        return 0;
    err_set(e, ERR_IO, "database: %s: %.80s", msg ? msg : "failed", sql);
    sqlite3_free(msg);
    return -1;
}

static int store_user_version(struct store *s, int *version, struct err *e)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL) != SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW)
        store_fail(s, "PRAGMA user_version", e);
    else
        *version = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return *version < 0 ? -1 : 0;
}

// Runs the sections "-- version N" of schema.sql that this database has not seen, each in one transaction with its
// number, so that a crash leaves it either before or after a step.
static int store_migrate(struct store *s, struct err *e)
{
    int have = -1, newest = 0;
    if (store_user_version(s, &have, e))
        return -1;
    static const char mark[] = "\n-- version ";
    for (const char *at = strstr(asset_schema_sql(), mark); at;) {
        const char *body = at + sizeof mark - 1;
        const char *next = strstr(body, mark);
        newest = atoi(body);
        if (newest > have) {
            struct buf sql;
            buf_init(&sql, 1u << 20);
            buf_puts(&sql, "BEGIN IMMEDIATE; -- version ");
            buf_add(&sql, body, next ? (size_t)(next - body) : strlen(body));
            buf_printf(&sql, "\nPRAGMA user_version = %d; COMMIT;", newest);
            int bad = sql.failed ? err_set(e, ERR_NO_MEMORY, "schema.sql is too large")
                                 : store_exec(s, buf_str(&sql), e);
            buf_free(&sql);
            if (bad)
                return -1;
        }
        at = next;
    }
    if (have > newest)
        return err_set(e, ERR_IO,
                       "database: its schema is version %d, this server knows only up to %d; start "
                       "the newer farm-server",
                       have, newest);
    return 0;
}

int store_open(const char *dir, struct store **out, struct err *e)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NO_MEMORY, "no memory for the database");
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    char path[4096];
    if (snprintf(path, sizeof path, "%s/farm.db", dir) >= (int)sizeof path) {
        err_set(e, ERR_IO, "%.60s...: the path is too long", dir);
        goto fail;
    }
    if (sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        err_set(e, ERR_IO, "%s: %s", path, sqlite3_errmsg(s->db));
        goto fail;
    }
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, (int)STORE_MAX_BLOB + (1 << 20));
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    for (size_t i = 0; i < sizeof sql_setup / sizeof *sql_setup; i++) {
        if (store_exec(s, sql_setup[i], e))
            goto fail;
    }
    if (store_migrate(s, e))
        goto fail;
    for (int i = 0; i < SQL_COUNT; i++) {
        if (sqlite3_prepare_v3(s->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i],
                               NULL) != SQLITE_OK) {
            store_fail(s, sql_texts[i], e);
            goto fail;
        }
    }
    *out = s;
    return 0;
fail:
    store_close(s);
    return -1;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(s->stmt[i]);
    sqlite3_close(s->db);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int store_begin(struct store *s, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    if (store_run(s, SQL_BEGIN, e, "") == 0)
        return 0;
    pthread_mutex_unlock(&s->lock);
    return -1;
}

int store_commit(struct store *s, struct err *e)
{
    int bad = store_run(s, SQL_COMMIT, e, "");
    if (bad)
        store_run(s, SQL_ROLLBACK, NULL, "");
    pthread_mutex_unlock(&s->lock);
    return bad;
}

void store_rollback(struct store *s)
{
    store_run(s, SQL_ROLLBACK, NULL, "");
    pthread_mutex_unlock(&s->lock);
}

int store_ping(struct store *s, struct err *e)
{
    int64_t n = 0;
    return store_integer(s, SQL_PING, &n, e, "");
}

// --- blobs ----------------------------------------------------------------------------------------------------------

int store_blob_add(struct store *s, const char *sha256, const void *bytes, size_t n, struct err *e)
{
    return store_run(s, SQL_BLOB_ADD, e, "sb", sha256, bytes, n);
}

int store_blob_get(struct store *s, const char *sha256, struct buf *out, struct err *e)
{
    int row = store_query(s, SQL_BLOB_GET, e, "s", sha256);
    if (row > 0) {
        sqlite3_stmt *q = s->stmt[SQL_BLOB_GET];
        const void *bytes = sqlite3_column_blob(q, 0);
        buf_add(out, bytes, (size_t)sqlite3_column_bytes(q, 0));
        if (out->failed)
            row = err_set(e, ERR_NO_MEMORY, "blob %s: no memory", sha256);
    } else if (row == 0) {
        row = err_set(e, ERR_NOT_FOUND, "there are no bytes %s", sha256);
    }
    store_finish(s, SQL_BLOB_GET);
    return row < 0 ? -1 : 0;
}

int store_blob_sweep(struct store *s, struct err *e)
{
    return store_run(s, SQL_BLOB_SWEEP, e, "");
}

// --- models ---------------------------------------------------------------------------------------------------------

int store_model_add(struct store *s, const struct model *m, const char *layers_json, struct err *e)
{
    const struct planner_info *i = &m->info;
    return store_run(s, SQL_MODEL_ADD, e, "ssiiiiiiiiiidiiiiidis", m->id, m->name, m->bytes,
                     m->created_ms, (int64_t)i->layers, (int64_t)i->macs, (int64_t)i->weight_bytes,
                     (int64_t)i->plain_arena_bytes, (int64_t)i->input.h, (int64_t)i->input.w,
                     (int64_t)i->input.c, (int64_t)i->input.bytes, (double)i->input.scale,
                     (int64_t)i->input.zero, (int64_t)i->output.h, (int64_t)i->output.w,
                     (int64_t)i->output.c, (int64_t)i->output.bytes, (double)i->output.scale,
                     (int64_t)i->output.zero, layers_json);
}

static void store_model_tensor(sqlite3_stmt *q, int at, struct planner_tensor *t)
{
    t->h = col_int(q, at);
    t->w = col_int(q, at + 1);
    t->c = col_int(q, at + 2);
    t->bytes = col_u32(q, at + 3);
    t->scale = (float)sqlite3_column_double(q, at + 4);
    t->zero = (int32_t)col_int(q, at + 5);
}

static void store_model_read(sqlite3_stmt *q, struct model *m)
{
    *m = (struct model){.seq = col_i64(q, 0), .bytes = col_i64(q, 3), .created_ms = col_i64(q, 4)};
    col_text(q, 1, m->id, sizeof m->id);
    col_text(q, 2, m->name, sizeof m->name);
    m->info.layers = col_int(q, 5);
    m->info.macs = (uint64_t)col_i64(q, 6);
    m->info.weight_bytes = (size_t)col_i64(q, 7);
    m->info.plain_arena_bytes = col_u32(q, 8);
    store_model_tensor(q, 9, &m->info.input);
    store_model_tensor(q, 15, &m->info.output);
}

int store_model_get(struct store *s, const char *id, struct model *out, struct err *e)
{
    int row = store_query(s, SQL_MODEL_GET, e, "s", id);
    if (row > 0)
        store_model_read(s->stmt[SQL_MODEL_GET], out);
    else if (row == 0)
        row =
            err_set(e, ERR_NOT_FOUND, "there is no model %.64s; GET /api/v1/models lists them", id);
    store_finish(s, SQL_MODEL_GET);
    return row < 0 ? -1 : 0;
}

int store_model_layers(struct store *s, const char *id, struct buf *out, struct err *e)
{
    int row = store_query(s, SQL_MODEL_LAYERS, e, "s", id);
    if (row > 0)
        buf_puts(out, (const char *)sqlite3_column_text(s->stmt[SQL_MODEL_LAYERS], 0));
    else if (row == 0)
        row =
            err_set(e, ERR_NOT_FOUND, "there is no model %.64s; GET /api/v1/models lists them", id);
    store_finish(s, SQL_MODEL_LAYERS);
    return row < 0 ? -1 : 0;
}

int store_model_list(struct store *s, int64_t before_seq, int limit, store_model_cb *cb, void *cls,
                     struct err *e)
{
    int row = store_query(s, SQL_MODEL_LIST, e, "ii", before_seq, (int64_t)limit);
    for (; row > 0; row = store_next(s, SQL_MODEL_LIST, e)) {
        struct model m;
        store_model_read(s->stmt[SQL_MODEL_LIST], &m);
        cb(cls, &m);
    }
    store_finish(s, SQL_MODEL_LIST);
    return row;
}

int store_model_count(struct store *s, int64_t *n, struct err *e)
{
    return store_integer(s, SQL_MODEL_COUNT, n, e, "");
}

int store_front_put(struct store *s, const char *model, const char *planner, const struct front *f,
                    int64_t now_ms, struct err *e)
{
    if (store_begin(s, e))
        return -1;
    if (store_run(s, SQL_FRONT_DROP, e, "s", model) ||
        store_run(s, SQL_FRONT_ADD, e, "ssi", model, planner, now_ms))
        goto fail;
    for (size_t i = 0; i < f->n; i++) {
        const struct config *c = &f->at[i];
        if (store_run(s, SQL_FRONT_POINT_ADD, e, "sisiidiii", model, (int64_t)i, c->spec,
                      (int64_t)c->arena_bytes, (int64_t)c->macs, c->overhead,
                      (int64_t)c->input_streamed, (int64_t)c->input_bytes, (int64_t)c->blocks))
            goto fail;
    }
    return store_commit(s, e);
fail:
    store_rollback(s);
    return -1;
}

int store_front_get(struct store *s, const char *model, const char *planner, struct front *out,
                    struct err *e)
{
    *out = (struct front){0};
    int64_t n = 0;
    pthread_mutex_lock(&s->lock); // count and rows belong together
    int row = -1;
    if (store_integer(s, SQL_FRONT_KNOWN, &n, e, "ss", model, planner))
        goto out;
    if (n == 0) {
        err_set(e, ERR_NOT_FOUND, "the front of model %.64s has not been computed", model);
        goto out;
    }
    out->at = calloc((size_t)n, sizeof *out->at);
    if (!out->at) {
        err_set(e, ERR_NO_MEMORY, "no memory for a front of %lld points", (long long)n);
        goto out;
    }
    sqlite3_stmt *q = s->stmt[SQL_FRONT_POINTS];
    row = store_query(s, SQL_FRONT_POINTS, e, "s", model);
    for (; row > 0 && out->n < (size_t)n; row = store_next(s, SQL_FRONT_POINTS, e)) {
        struct config *c = &out->at[out->n++];
        col_text(q, 0, c->spec, sizeof c->spec);
        c->arena_bytes = col_u32(q, 1);
        c->macs = (uint64_t)col_i64(q, 2);
        c->overhead = sqlite3_column_double(q, 3);
        c->believed_bytes = c->arena_bytes;
        c->believed_overhead = c->overhead;
        c->input_streamed = col_int(q, 4) != 0;
        c->input_bytes = col_u32(q, 5);
        c->blocks = col_u32(q, 6);
    }
    store_finish(s, SQL_FRONT_POINTS);
out:
    pthread_mutex_unlock(&s->lock);
    if (row < 0) {
        free(out->at);
        *out = (struct front){0};
        return -1;
    }
    return 0;
}

// --- campaigns ------------------------------------------------------------------------------------------------------

int store_campaign_add(struct store *s, struct campaign *c, const char *idempotency_key,
                       struct err *e)
{
    return store_insert(s, SQL_CAMPAIGN_ADD, &c->id, e, "sssisiiiittiss", c->name, c->model,
                        c->boards_json, (int64_t)c->repeats, c->input_kind, (int64_t)c->input_seed,
                        (int64_t)c->output_crc32, (int64_t)c->output_bytes, c->created_ms,
                        idempotency_key, c->request_sha256, (int64_t)c->strategies, c->omitted_json,
                        c->choice_json[0] ? c->choice_json : "[]");
}

static int store_state_counts(struct store *s, enum sql_id id, int row, int64_t counts[JOB_STATES],
                              struct err *e)
{
    for (int i = 0; i < JOB_STATES; i++)
        counts[i] = 0;
    for (; row > 0; row = store_next(s, id, e)) {
        char state[16];
        col_text(s->stmt[id], 0, state, sizeof state);
        for (int i = 0; i < JOB_STATES; i++) {
            if (strcmp(state, job_state_names[i]) == 0)
                counts[i] = col_i64(s->stmt[id], 1);
        }
    }
    store_finish(s, id);
    return row;
}

static int store_campaign_read(struct store *s, sqlite3_stmt *q, struct campaign *c, struct err *e)
{
    *c = (struct campaign){.id = col_i64(q, 0),
                           .repeats = col_int(q, 5),
                           .input_seed = col_u32(q, 7),
                           .output_crc32 = col_u32(q, 8),
                           .output_bytes = col_u32(q, 9),
                           .created_ms = col_i64(q, 10),
                           .finished_ms = col_i64(q, 11),
                           .strategies = col_u32(q, 13)};
    col_text(q, 14, c->omitted_json, sizeof c->omitted_json);
    col_text(q, 15, c->choice_json, sizeof c->choice_json);
    col_text(q, 1, c->name, sizeof c->name);
    col_text(q, 2, c->model, sizeof c->model);
    col_text(q, 3, c->model_name, sizeof c->model_name);
    col_text(q, 4, c->boards_json, sizeof c->boards_json);
    col_text(q, 6, c->input_kind, sizeof c->input_kind);
    col_text(q, 12, c->request_sha256, sizeof c->request_sha256);
    int row = store_query(s, SQL_CAMPAIGN_CANCELLED, e, "i", c->id);
    if (row > 0)
        c->cancelled = col_i64(s->stmt[SQL_CAMPAIGN_CANCELLED], 0);
    store_finish(s, SQL_CAMPAIGN_CANCELLED);
    if (row < 0)
        return -1;
    return store_state_counts(s, SQL_CAMPAIGN_COUNTS,
                              store_query(s, SQL_CAMPAIGN_COUNTS, e, "i", c->id), c->jobs, e);
}

int store_campaign_get(struct store *s, int64_t id, struct campaign *out, struct err *e)
{
    int row = store_query(s, SQL_CAMPAIGN_GET, e, "i", id);
    if (row > 0)
        row = store_campaign_read(s, s->stmt[SQL_CAMPAIGN_GET], out, e);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND,
                      "there is no campaign %lld; GET /api/v1/campaigns lists them", (long long)id);
    store_finish(s, SQL_CAMPAIGN_GET);
    return row < 0 ? -1 : 0;
}

int store_campaign_by_key(struct store *s, const char *idempotency_key, struct campaign *out,
                          struct err *e)
{
    int row = store_query(s, SQL_CAMPAIGN_BY_KEY, e, "s", idempotency_key);
    if (row > 0)
        row = store_campaign_read(s, s->stmt[SQL_CAMPAIGN_BY_KEY], out, e);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "no campaign has this Idempotency-Key");
    store_finish(s, SQL_CAMPAIGN_BY_KEY);
    return row < 0 ? -1 : 0;
}

int store_campaign_finish(struct store *s, int64_t id, int64_t now_ms, bool *finished,
                          struct err *e)
{
    pthread_mutex_lock(&s->lock);
    int bad = store_run(s, SQL_CAMPAIGN_FINISH, e, "ii", id, now_ms);
    *finished = !bad && sqlite3_changes(s->db) > 0;
    pthread_mutex_unlock(&s->lock);
    return bad;
}

int store_campaign_list(struct store *s, int64_t before, const char *model, int limit,
                        store_campaign_cb *cb, void *cls, struct err *e)
{
    int row = store_query(s, SQL_CAMPAIGN_LIST, e, "iti", before, model, (int64_t)limit);
    for (; row > 0; row = store_next(s, SQL_CAMPAIGN_LIST, e)) {
        struct campaign c;
        if (store_campaign_read(s, s->stmt[SQL_CAMPAIGN_LIST], &c, e)) {
            row = -1;
            break;
        }
        cb(cls, &c);
    }
    store_finish(s, SQL_CAMPAIGN_LIST);
    return row;
}

int store_ids(struct store *s, enum sql_id id, int row, int64_t *ids, int max, int *n,
              struct err *e)
{
    *n = 0;
    for (; row > 0 && *n < max; row = store_next(s, id, e))
        ids[(*n)++] = col_i64(s->stmt[id], 0);
    store_finish(s, id);
    return row < 0 ? -1 : 0;
}

int store_campaign_queued(struct store *s, int64_t campaign, int64_t *ids, int max, int *n,
                          struct err *e)
{
    return store_ids(s, SQL_CAMPAIGN_QUEUED, store_query(s, SQL_CAMPAIGN_QUEUED, e, "i", campaign),
                     ids, max, n, e);
}

// --- jobs -----------------------------------------------------------------------------------------------------------

int store_job_add(struct store *s, struct job *j, int64_t now_ms, struct err *e)
{
    return store_insert(s, SQL_JOB_ADD, &j->id, e, "isssiiiidDii", j->campaign, j->board, j->spec,
                        j->program, (int64_t)j->program_crc32, (int64_t)j->program_bytes,
                        (int64_t)j->arena_bytes, (int64_t)j->macs, j->overhead, j->predicted_ms,
                        now_ms, (int64_t)j->strategies);
}

static void store_job_read(sqlite3_stmt *q, struct job *j)
{
    char state[16];
    *j = (struct job){.id = col_i64(q, 0),
                      .campaign = col_i64(q, 1),
                      .progress = sqlite3_column_double(q, 7),
                      .attempt = col_int(q, 8),
                      .lease_until_ms = col_i64(q, 12),
                      .program_crc32 = col_u32(q, 16),
                      .program_bytes = col_u32(q, 17),
                      .arena_bytes = col_u32(q, 18),
                      .macs = (uint64_t)col_i64(q, 19),
                      .overhead = sqlite3_column_double(q, 20),
                      .predicted_ms = col_is_null(q, 21) ? -1 : sqlite3_column_double(q, 21),
                      .log_bytes = col_i64(q, 22),
                      .repeats = col_int(q, 23),
                      .output_crc32 = col_u32(q, 24),
                      .output_bytes = col_u32(q, 25),
                      .strategies = col_u32(q, 26)};
    col_text(q, 2, j->model, sizeof j->model);
    col_text(q, 3, j->board, sizeof j->board);
    col_text(q, 4, j->spec, sizeof j->spec);
    col_text(q, 5, state, sizeof state);
    col_text(q, 6, j->phase, sizeof j->phase);
    col_text(q, 9, j->agent, sizeof j->agent);
    col_text(q, 10, j->rig, sizeof j->rig);
    col_text(q, 11, j->lease, sizeof j->lease);
    col_text(q, 13, j->error_type, sizeof j->error_type);
    col_text(q, 14, j->error_detail, sizeof j->error_detail);
    col_text(q, 15, j->program, sizeof j->program);
    for (int i = 0; i < JOB_STATES; i++) {
        if (strcmp(state, job_state_names[i]) == 0)
            j->state = (enum job_state)i;
    }
}

int store_job_get(struct store *s, int64_t id, struct job *out, struct err *e)
{
    int row = store_query(s, SQL_JOB_GET, e, "i", id);
    if (row > 0)
        store_job_read(s->stmt[SQL_JOB_GET], out);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
    store_finish(s, SQL_JOB_GET);
    return row < 0 ? -1 : 0;
}

int store_job_list(struct store *s, int64_t campaign, int64_t after, int limit, store_job_cb *cb,
                   void *cls, struct err *e)
{
    int row = store_query(s, SQL_JOB_LIST, e, "iii", campaign, after, (int64_t)limit);
    for (; row > 0; row = store_next(s, SQL_JOB_LIST, e)) {
        struct job j;
        store_job_read(s->stmt[SQL_JOB_LIST], &j);
        cb(cls, &j);
    }
    store_finish(s, SQL_JOB_LIST);
    return row;
}

int store_job_next(struct store *s, const char *board, int64_t *id, struct err *e)
{
    *id = 0;
    return store_integer(s, SQL_JOB_NEXT, id, e, "s", board);
}

int store_job_of_rig(struct store *s, const char *agent, const char *rig, int64_t *id,
                     struct err *e)
{
    *id = 0;
    return store_integer(s, SQL_JOB_OF_RIG, id, e, "ss", agent, rig);
}

int store_job_lapsed(struct store *s, int64_t now_ms, int64_t *ids, int max, int *n, struct err *e)
{
    return store_ids(s, SQL_JOB_LAPSED, store_query(s, SQL_JOB_LAPSED, e, "i", now_ms), ids, max, n,
                     e);
}

int store_job_lease(struct store *s, int64_t id, const char *agent, const char *rig,
                    const char *lease, int64_t until_ms, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_JOB_LEASE, e, "isssii", id, agent, rig, lease, until_ms, now_ms);
}

int store_job_beat(struct store *s, int64_t id, const char *phase, double progress,
                   int64_t until_ms, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_JOB_BEAT, e, "itdii", id, phase, progress, until_ms, now_ms);
}

int store_job_requeue(struct store *s, int64_t id, const char *type, const char *detail,
                      int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_JOB_REQUEUE, e, "itti", id, type, detail, now_ms);
}

int store_job_fail(struct store *s, int64_t id, const char *type, const char *detail,
                   int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_JOB_FAIL, e, "itti", id, type, detail, now_ms);
}

int store_job_done(struct store *s, int64_t id, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_JOB_DONE, e, "ii", id, now_ms);
}

int store_job_counts(struct store *s, int64_t counts[JOB_STATES], struct err *e)
{
    return store_state_counts(s, SQL_JOB_COUNTS, store_query(s, SQL_JOB_COUNTS, e, ""), counts, e);
}

int store_attempt_add(struct store *s, int64_t job, int attempt, const char *agent, const char *rig,
                      const char *lease, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_ATTEMPT_ADD, e, "iisssi", job, (int64_t)attempt, agent, rig, lease,
                     now_ms);
}

int store_attempt_get(struct store *s, int64_t job, int attempt, struct attempt *out, struct err *e)
{
    int row = store_query(s, SQL_ATTEMPT_GET, e, "ii", job, (int64_t)attempt);
    if (row > 0) {
        sqlite3_stmt *q = s->stmt[SQL_ATTEMPT_GET];
        col_text(q, 0, out->agent, sizeof out->agent);
        col_text(q, 1, out->rig, sizeof out->rig);
        col_text(q, 2, out->lease, sizeof out->lease);
        col_text(q, 3, out->verdict, sizeof out->verdict);
        col_text(q, 4, out->detail, sizeof out->detail);
    } else if (row == 0) {
        row = err_set(e, ERR_NOT_FOUND, "job %lld has no attempt %d", (long long)job, attempt);
    }
    store_finish(s, SQL_ATTEMPT_GET);
    return row < 0 ? -1 : 0;
}

int store_attempt_firmware(struct store *s, int64_t job, int attempt, const char *firmware,
                           struct err *e)
{
    return store_run(s, SQL_ATTEMPT_FIRMWARE, e, "iit", job, (int64_t)attempt, firmware);
}

int store_attempt_end(struct store *s, int64_t job, int attempt, const char *verdict,
                      const char *detail, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_ATTEMPT_END, e, "iiitt", job, (int64_t)attempt, now_ms, verdict,
                     detail);
}

// --- results and logs -----------------------------------------------------------------------------------------------

int store_result_add(struct store *s, struct result *r, struct err *e)
{
    return store_insert(s, SQL_RESULT_ADD, &r->id, e, "iiissssiiiiiiiiIiditIssiissit", r->job,
                        (int64_t)r->attempt, r->campaign, r->board, r->agent, r->rig, r->spec,
                        (int64_t)r->arena_bytes, (int64_t)r->predicted_arena_bytes,
                        (int64_t)r->stack_bytes, (int64_t)r->static_bytes, (int64_t)r->code_bytes,
                        (int64_t)r->cycles_min, (int64_t)r->cycles_median, (int64_t)r->cycles_max,
                        r->instructions, r->clock_hz, r->ms, (int64_t)r->emulated, r->timing,
                        r->timing[0] ? r->timing_version : (int64_t)-1, r->kernels, r->firmware,
                        (int64_t)r->program_crc32, (int64_t)r->output_crc32, r->runs_json,
                        r->blocks_json, r->created_ms, r->profile_json);
}

static void store_result_read(sqlite3_stmt *q, struct result *r)
{
    *r = (struct result){.id = col_i64(q, 0),
                         .job = col_i64(q, 1),
                         .attempt = col_int(q, 2),
                         .campaign = col_i64(q, 3),
                         .arena_bytes = col_u32(q, 8),
                         .predicted_arena_bytes = col_u32(q, 9),
                         .stack_bytes = col_u32(q, 10),
                         .static_bytes = col_u32(q, 11),
                         .code_bytes = col_u32(q, 12),
                         .cycles_min = (uint64_t)col_i64(q, 13),
                         .cycles_median = (uint64_t)col_i64(q, 14),
                         .cycles_max = (uint64_t)col_i64(q, 15),
                         .instructions = col_is_null(q, 16) ? -1 : col_i64(q, 16),
                         .clock_hz = col_i64(q, 17),
                         .ms = sqlite3_column_double(q, 18),
                         .emulated = col_int(q, 19) != 0,
                         .timing_version = col_i64(q, 21),
                         .program_crc32 = col_u32(q, 24),
                         .output_crc32 = col_u32(q, 25),
                         .runs_json = (const char *)sqlite3_column_text(q, 26),
                         .blocks_json = (const char *)sqlite3_column_text(q, 27),
                         .created_ms = col_i64(q, 28),
                         .profile_json = (const char *)sqlite3_column_text(q, 29),
                         .strategies = col_u32(q, 30)};
    col_text(q, 4, r->board, sizeof r->board);
    col_text(q, 5, r->agent, sizeof r->agent);
    col_text(q, 6, r->rig, sizeof r->rig);
    col_text(q, 7, r->spec, sizeof r->spec);
    col_text(q, 20, r->timing, sizeof r->timing);
    col_text(q, 22, r->kernels, sizeof r->kernels);
    col_text(q, 23, r->firmware, sizeof r->firmware);
}

static int store_result_one(struct store *s, enum sql_id id, int64_t key, const char *what,
                            store_result_cb *cb, void *cls, struct err *e)
{
    int row = store_query(s, id, e, "i", key);
    if (row > 0) {
        struct result r;
        store_result_read(s->stmt[id], &r);
        cb(cls, &r);
    } else if (row == 0) {
        row = err_set(e, ERR_NOT_FOUND, "there is no %s %lld", what, (long long)key);
    }
    store_finish(s, id);
    return row < 0 ? -1 : 0;
}

int store_result_get(struct store *s, int64_t id, store_result_cb *cb, void *cls, struct err *e)
{
    return store_result_one(s, SQL_RESULT_GET, id, "result", cb, cls, e);
}

int store_result_of_job(struct store *s, int64_t job, store_result_cb *cb, void *cls, struct err *e)
{
    return store_result_one(s, SQL_RESULT_OF_JOB, job, "result of job", cb, cls, e);
}

int store_result_list(struct store *s, int64_t campaign, int64_t after, int limit,
                      store_result_cb *cb, void *cls, struct err *e)
{
    int row = store_query(s, SQL_RESULT_LIST, e, "iii", campaign, after, (int64_t)limit);
    for (; row > 0; row = store_next(s, SQL_RESULT_LIST, e)) {
        struct result r;
        store_result_read(s->stmt[SQL_RESULT_LIST], &r);
        cb(cls, &r);
    }
    store_finish(s, SQL_RESULT_LIST);
    return row;
}

int store_result_known(struct store *s, const char *model, const char *board, store_known_cb *cb,
                       void *cls, struct err *e)
{
    int row = store_query(s, SQL_RESULT_KNOWN, e, "ss", model, board);
    for (; row > 0; row = store_next(s, SQL_RESULT_KNOWN, e)) {
        sqlite3_stmt *q = s->stmt[SQL_RESULT_KNOWN];
        cb(cls, (const char *)sqlite3_column_text(q, 0), sqlite3_column_double(q, 1));
    }
    store_finish(s, SQL_RESULT_KNOWN);
    return row;
}

int store_result_count(struct store *s, int64_t *n, struct err *e)
{
    return store_integer(s, SQL_RESULT_COUNT, n, e, "");
}

int store_log_add(struct store *s, int64_t job, const char *text, int64_t now_ms, int64_t *id,
                  struct err *e)
{
    if (store_insert(s, SQL_LOG_ADD, id, e, "iis", job, now_ms, text))
        return -1;
    return store_run(s, SQL_JOB_LOGGED, e, "ii", job, (int64_t)strlen(text));
}

int store_log_get(struct store *s, int64_t id, int64_t *job, struct buf *text, struct err *e)
{
    int row = store_query(s, SQL_LOG_GET, e, "i", id);
    if (row > 0) {
        *job = col_i64(s->stmt[SQL_LOG_GET], 0);
        buf_puts(text, (const char *)sqlite3_column_text(s->stmt[SQL_LOG_GET], 1));
    } else if (row == 0) {
        row = err_set(e, ERR_NOT_FOUND, "there is no log entry %lld", (long long)id);
    }
    store_finish(s, SQL_LOG_GET);
    return row < 0 ? -1 : 0;
}

int store_log_all(struct store *s, int64_t job, struct buf *text, struct err *e)
{
    int row = store_query(s, SQL_LOG_LIST, e, "i", job);
    for (; row > 0; row = store_next(s, SQL_LOG_LIST, e))
        buf_puts(text, (const char *)sqlite3_column_text(s->stmt[SQL_LOG_LIST], 0));
    store_finish(s, SQL_LOG_LIST);
    return row;
}

// --- rigs -----------------------------------------------------------------------------------------------------------

int store_rig_seen(struct store *s, const char *agent, const char *name, const char *board,
                   int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_RIG_SEEN, e, "sssi", agent, name, board, now_ms);
}

int store_rig_offline(struct store *s, const char *agent, const char *name, const char *board,
                      const char *why, int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_RIG_OFFLINE, e, "ssssi", agent, name, board, why, now_ms);
}

static void store_rig_read(sqlite3_stmt *q, struct rig *r)
{
    *r = (struct rig){.last_seen_ms = col_i64(q, 3),
                      .failures = col_int(q, 4),
                      .quarantine_until_ms = col_i64(q, 6),
                      .emulated = col_is_null(q, 7) ? -1 : col_int(q, 7),
                      .offline = col_int(q, 8) != 0};
    col_text(q, 0, r->agent, sizeof r->agent);
    col_text(q, 1, r->name, sizeof r->name);
    col_text(q, 2, r->board, sizeof r->board);
    col_text(q, 5, r->last_error, sizeof r->last_error);
}

int store_rig_get(struct store *s, const char *agent, const char *name, struct rig *out,
                  struct err *e)
{
    int row = store_query(s, SQL_RIG_GET, e, "ss", agent, name);
    if (row > 0)
        store_rig_read(s->stmt[SQL_RIG_GET], out);
    else if (row == 0)
        row = err_set(e, ERR_NOT_FOUND, "agent %s has no rig %s; GET /api/v1/rigs lists them",
                      agent, name);
    store_finish(s, SQL_RIG_GET);
    return row < 0 ? -1 : 0;
}

int store_rig_list(struct store *s, const char *after_agent, const char *after_name, int limit,
                   store_rig_cb *cb, void *cls, struct err *e)
{
    int row = store_query(s, SQL_RIG_LIST, e, "ssi", after_agent, after_name, (int64_t)limit);
    for (; row > 0; row = store_next(s, SQL_RIG_LIST, e)) {
        struct rig r;
        store_rig_read(s->stmt[SQL_RIG_LIST], &r);
        cb(cls, &r);
    }
    store_finish(s, SQL_RIG_LIST);
    return row;
}

int store_rig_failed(struct store *s, const char *agent, const char *name, const char *why,
                     int64_t quarantine_until_ms, struct err *e)
{
    return store_run(s, SQL_RIG_FAILED, e, "sstI", agent, name, why,
                     quarantine_until_ms ? quarantine_until_ms : (int64_t)-1);
}

int store_rig_worked(struct store *s, const char *agent, const char *name, int emulated,
                     int64_t now_ms, struct err *e)
{
    return store_run(s, SQL_RIG_WORKED, e, "ssIi", agent, name, (int64_t)emulated, now_ms);
}

int store_rig_touch(struct store *s, const char *agent, const char *name, int64_t now_ms,
                    struct err *e)
{
    return store_run(s, SQL_RIG_TOUCH, e, "ssi", agent, name, now_ms);
}

int store_rig_counts(struct store *s, int64_t offline_before_ms, struct rig_counts *out,
                     struct err *e)
{
    int row = store_query(s, SQL_RIG_COUNTS, e, "i", offline_before_ms);
    if (row > 0) {
        sqlite3_stmt *q = s->stmt[SQL_RIG_COUNTS];
        *out = (struct rig_counts){col_i64(q, 0), col_i64(q, 1), col_i64(q, 2)};
    }
    store_finish(s, SQL_RIG_COUNTS);
    return row < 0 ? -1 : 0;
}

// --- events ---------------------------------------------------------------------------------------------------------

int store_event_add(struct store *s, int64_t campaign, enum event_kind kind, int64_t ref,
                    struct err *e)
{
    return store_run(s, SQL_EVENT_ADD, e, "isi", campaign, event_kind_names[kind], ref);
}

int store_event_list(struct store *s, int64_t campaign, int64_t after, struct event *out, int max,
                     int *n, struct err *e)
{
    *n = 0;
    int row = store_query(s, SQL_EVENT_LIST, e, "iii", campaign, after, (int64_t)max);
    for (; row > 0 && *n < max; row = store_next(s, SQL_EVENT_LIST, e)) {
        sqlite3_stmt *q = s->stmt[SQL_EVENT_LIST];
        char kind[16];
        struct event *ev = &out[(*n)++];
        *ev = (struct event){.id = col_i64(q, 0), .ref = col_i64(q, 2)};
        col_text(q, 1, kind, sizeof kind);
        for (int i = 0; i < EVENT_KINDS; i++) {
            if (strcmp(kind, event_kind_names[i]) == 0)
                ev->kind = (enum event_kind)i;
        }
    }
    store_finish(s, SQL_EVENT_LIST);
    return row < 0 ? -1 : 0;
}

int store_event_last(struct store *s, int64_t campaign, int64_t *id, struct err *e)
{
    *id = 0;
    return store_integer(s, SQL_EVENT_LAST, id, e, "i", campaign);
}
