// SPDX-License-Identifier: MIT
// The server's JSON as the command line shows it.
#include "cli/reply.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "cli/look.h"
#include "cli/table.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
#define NONE "-"

static void copy_text(char *out, size_t size, const char *text)
{
    struct buf clean;
    buf_init(&clean, 1u << 20);
    text_clean(&clean, text);
    snprintf(out, size, "%s", buf_str(&clean));
    buf_free(&clean);
}

static cJSON *parse(const char *json, struct err *e)
{
    cJSON *root = cJSON_Parse(json);
    if (!root)
        err_set(e, ERR_BAD_JSON, "the reply is not JSON; is that a farm-server?");
    return root;
}

static cJSON *parse_array(const char *json, struct err *e)
{
    cJSON *root = parse(json, e);
    if (root && !cJSON_IsArray(root)) {
        err_set(e, ERR_BAD_JSON, "the reply is not a list");
        cJSON_Delete(root);
        root = NULL;
    }
    return root;
}

void reply_problem(const char *json, struct api_problem *out)
{
    *out = (struct api_problem){0};
    cJSON *root = cJSON_Parse(json);
    copy_text(out->type, sizeof out->type, look_text(root, "type"));
    copy_text(out->title, sizeof out->title, look_text(root, "title"));
    copy_text(out->detail, sizeof out->detail, look_text(root, "detail"));
    copy_text(out->field, sizeof out->field, look_text(root, "field"));
    const cJSON *nearest = look_at(root, "nearest");
    if (look_number(nearest, "arena_bytes", &out->nearest_arena_bytes) &&
        look_number(nearest, "overhead", &out->nearest_overhead))
        copy_text(out->nearest, sizeof out->nearest, look_text(nearest, "spec"));
    cJSON_Delete(root);
}

int reply_page(const char *json, struct buf *items, char *cursor, size_t cursor_size, struct err *e)
{
    int result = -1;
    cJSON *root = parse(json, e);
    const cJSON *list = cJSON_IsArray(root) ? root : look_at(root, "items");
    const cJSON *item = NULL;
    if (!root)
        goto out;
    if (!cJSON_IsArray(list)) {
        err_set(e, ERR_BAD_JSON, "the reply has no list of items");
        goto out;
    }
    if (items->len == 0)
        buf_puts(items, "[");
    cJSON_ArrayForEach(item, list)
    {
        char *text = cJSON_PrintUnformatted(item);
        if (!text) {
            err_set(e, ERR_NO_MEMORY, "no memory for a list");
            goto out;
        }
        buf_puts(items, items->len > 1 ? ",\n" : "");
        buf_puts(items, text);
        cJSON_free(text);
    }
    double number;
    const char *next = cJSON_IsArray(root) ? "" : look_text(root, "next");
    if (!*next && cJSON_IsNumber(look_at(root, "next")) && look_number(root, "next", &number))
        snprintf(cursor, cursor_size, "%.0f", number);
    else
        snprintf(cursor, cursor_size, "%s", next);
    result = 0;
out:
    cJSON_Delete(root);
    return result;
}

// How a field becomes a cell.
enum cell { TEXT, SHORT_ID, COUNT_OF, BIG, BYTES, KB, MS, FACTOR, TIME, YES, WORDS };

// An array of texts, with commas.
static void add_words(struct table *t, const cJSON *list)
{
    char text[256] = "";
    const cJSON *word = NULL;
    size_t n = 0;
    cJSON_ArrayForEach(word, list)
    {
        if (cJSON_IsString(word) && n < sizeof text - 1)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? "," : "",
                                  word->valuestring);
    }
    table_cell(t, *text ? text : NONE);
}

static void add_cell(struct table *t, const cJSON *object, const char *path, enum cell kind)
{
    double v = 0;
    bool has = look_number(object, path, &v);
    const char *text = look_text(object, path);
    switch (kind) {
    case WORDS:
        add_words(t, look_at(object, path));
        return;
    case TEXT:
        table_cell(t, *text ? text : NONE);
        return;
    case SHORT_ID:
        table_cell_printf(t, "%.12s", *text ? text : NONE);
        return;
    case TIME: // 2026-01-31T12:00:00.123Z -> 2026-01-31 12:00:00
        if (strlen(text) >= 19)
            table_cell_printf(t, "%.10s %.8s", text, text + 11);
        else
            table_cell(t, NONE);
        return;
    case YES:
        table_cell(t, cJSON_IsTrue(look_at(object, path))    ? "yes"
                      : cJSON_IsFalse(look_at(object, path)) ? "no"
                                                             : NONE);
        return;
    default:
        break;
    }
    if (!has)
        table_cell(t, NONE);
    else if (kind == KB)
        table_cell_printf(t, "%.1f", v / 1000);
    else if (kind == MS)
        table_cell_printf(t, "%.2f", v);
    else if (kind == FACTOR)
        table_cell_printf(t, "%.3f", v);
    else
        table_cell_printf(t, "%.0f", v);
}

struct column {
    const char *header, *path;
    enum cell kind;
};

static const struct column model_columns[] = {{"model", "id", SHORT_ID},
                                              {"name", "name", TEXT},
                                              {"layers", "layers", COUNT_OF},
                                              {"MACs", "macs", BIG},
                                              {"weights kB", "weight_bytes", KB},
                                              {"plain RAM kB", "plain_arena_bytes", KB},
                                              {"input B", "input.bytes", BYTES},
                                              {"created", "created", TIME},
                                              {NULL, NULL, TEXT}};
static const struct column campaign_columns[] = {
    {"campaign", "id", COUNT_OF},        {"name", "name", TEXT},
    {"model", "model_name", TEXT},       {"state", "state", TEXT},
    {"queued", "jobs.queued", COUNT_OF}, {"running", "jobs.leased", COUNT_OF},
    {"done", "jobs.done", COUNT_OF},     {"failed", "jobs.failed", COUNT_OF},
    {"created", "created", TIME},        {NULL, NULL, TEXT}};
static const struct column rig_columns[] = {{"rig", "name", TEXT},
                                            {"agent", "agent", TEXT},
                                            {"board", "board", TEXT},
                                            {"state", "state", TEXT},
                                            {"job", "job", COUNT_OF},
                                            {"failures", "failures", COUNT_OF},
                                            {"emulated", "emulated", YES},
                                            {"last seen", "last_seen", TIME},
                                            {NULL, NULL, TEXT}};
static const struct column board_columns[] = {
    {"board", "id", TEXT},           {"name", "name", TEXT},
    {"core", "core", TEXT},          {"RAM kB", "ram_bytes", KB},
    {"flash kB", "flash_bytes", KB}, {"clock Hz", "clock_hz", BIG},
    {"kernels", "kernels", TEXT},    {NULL, NULL, TEXT}};
static const struct column result_columns[] = {{"result", "id", COUNT_OF},
                                               {"board", "board", TEXT},
                                               {"rig", "rig", TEXT},
                                               {"RAM B", "arena_bytes", BYTES},
                                               {"predicted B", "predicted_arena_bytes", BYTES},
                                               {"stack B", "stack_bytes", BYTES},
                                               {"ms", "ms", MS},
                                               {"cycles min", "cycles.min", BIG},
                                               {"median", "cycles.median", BIG},
                                               {"max", "cycles.max", BIG},
                                               {"instructions", "instructions", BIG},
                                               {"emulated", "emulated", YES},
                                               {"output", "output", TEXT},
                                               {"strategy", "strategies", WORDS},
                                               {"configuration", "spec", TEXT},
                                               {NULL, NULL, TEXT}};
static const struct column job_columns[] = {{"job", "id", COUNT_OF},
                                            {"board", "board", TEXT},
                                            {"state", "state", TEXT},
                                            {"phase", "phase", TEXT},
                                            {"attempts", "attempts", COUNT_OF},
                                            {"rig", "rig", TEXT},
                                            {"error", "error.type", TEXT},
                                            {"detail", "error.detail", TEXT},
                                            {"strategy", "strategies", WORDS},
                                            {"configuration", "spec", TEXT},
                                            {NULL, NULL, TEXT}};
static const struct column *const list_columns[] = {
    [REPLY_MODELS] = model_columns,   [REPLY_CAMPAIGNS] = campaign_columns,
    [REPLY_RIGS] = rig_columns,       [REPLY_BOARDS] = board_columns,
    [REPLY_RESULTS] = result_columns, [REPLY_JOBS] = job_columns};

static bool is_number(enum cell kind)
{
    return kind != TEXT && kind != SHORT_ID && kind != TIME && kind != YES && kind != WORDS;
}

int reply_table(enum reply_list kind, const char *json_array, struct buf *out, struct err *e)
{
    const struct column *columns = list_columns[kind];
    const cJSON *item = NULL;
    cJSON *root = parse_array(json_array, e);
    if (!root)
        return -1;
    struct table t;
    table_init(&t);
    for (const struct column *c = columns; c->header; c++)
        table_column(&t, c->header, is_number(c->kind));
    cJSON_ArrayForEach(item, root)
    {
        for (const struct column *c = columns; c->header; c++)
            add_cell(&t, item, c->path, c->kind);
    }
    table_render(&t, out);
    table_free(&t);
    cJSON_Delete(root);
    return 0;
}

// Columns of a front that only some campaigns need.
struct front_columns {
    bool board, strategy;
};

// One row for a point on a board: measured is a measurement of the point, or NULL; job the point's
// job there, or NULL.
static void add_front_row(struct table *t, const cJSON *point, const cJSON *measured,
                          const cJSON *job, struct front_columns with)
{
    add_cell(t, point, "arena_bytes", KB);
    add_cell(t, point, "arena_bytes", BYTES);
    add_cell(t, point, "overhead", FACTOR);
    double ms;
    const cJSON *prediction =
        look_number(job, "predicted.ms", &ms) ? look_at(job, "predicted") : NULL;
    add_cell(t, prediction ? prediction : point, prediction ? "ms" : "predicted_ms", MS);
    add_cell(t, measured, "ms", MS);
    if (with.board)
        table_cell(t, *look_text(measured, "board") ? look_text(measured, "board")
                      : *look_text(job, "board")    ? look_text(job, "board")
                                                    : NONE);
    const cJSON *emulated = look_at(measured, "emulated");
    table_cell(t, cJSON_IsTrue(emulated) ? "emulated" : cJSON_IsFalse(emulated) ? "real" : NONE);
    const char *state = look_text(job, "state");
    if (measured)
        table_cell(t, *look_text(measured, "output") ? look_text(measured, "output") : NONE);
    else if (strcmp(state, "failed") == 0)
        table_cell_printf(t, "failed: %s",
                          *look_text(job, "error.type") ? look_text(job, "error.type") : "?");
    else if (*state)
        table_cell(t, state);
    else
        table_cell(t, NONE);
    if (with.strategy)
        add_cell(t, job ? job : point, "strategies", WORDS);
    add_cell(t, point, "spec", TEXT);
}

static const cJSON *find_measured(const cJSON *point, const char *board)
{
    const cJSON *m = NULL, *found = NULL;
    cJSON_ArrayForEach(m, look_at(point, "measured"))
    {
        if (strcmp(look_text(m, "board"), board) == 0)
            found = m; // the last one is the newest
    }
    return found;
}

// How many different boards the jobs name: 0, 1 or 2 for "several".
static int count_boards(const cJSON *jobs)
{
    const cJSON *job = NULL;
    const char *first = NULL;
    cJSON_ArrayForEach(job, jobs)
    {
        const char *board = look_text(job, "board");
        if (!first)
            first = board;
        else if (strcmp(first, board) != 0)
            return 2;
    }
    return first != NULL;
}

// Did another strategy than pareto choose any of the jobs?
static bool has_strategies(const cJSON *jobs)
{
    const cJSON *job = NULL, *name = NULL;
    cJSON_ArrayForEach(job, jobs)
    {
        cJSON_ArrayForEach(name, look_at(job, "strategies"))
        {
            if (cJSON_IsString(name) && strcmp(name->valuestring, "pareto") != 0)
                return true;
        }
    }
    return false;
}

static void add_point(struct table *t, const cJSON *point, const cJSON *jobs, bool all,
                      struct front_columns with)
{
    const cJSON *job = NULL, *measured = NULL;
    bool any = false;
    cJSON_ArrayForEach(job, jobs)
    {
        if (strcmp(look_text(job, "spec"), look_text(point, "spec")) != 0)
            continue;
        add_front_row(t, point, find_measured(point, look_text(job, "board")), job, with);
        any = true;
    }
    if (any)
        return;
    cJSON_ArrayForEach(measured, look_at(point, "measured"))
    {
        add_front_row(t, point, measured, NULL, with);
        any = true;
    }
    if (!any && all)
        add_front_row(t, point, NULL, NULL, with);
}

static void add_answer(struct buf *out, const cJSON *point, const char *question, const char *none)
{
    buf_printf(out, "%s: ", question);
    double bytes, overhead;
    if (!look_number(point, "arena_bytes", &bytes) || !look_number(point, "overhead", &overhead)) {
        buf_printf(out, "%s\n", none);
        return;
    }
    buf_printf(out, "%.1f kB (%.0f bytes), F %.3f", bytes / 1000, bytes, overhead);
    double ms;
    const cJSON *measured = cJSON_GetArrayItem(look_at(point, "measured"), 0);
    if (look_number(measured, "ms", &ms))
        buf_printf(out, ", measured %.2f ms (%s)", ms,
                   cJSON_IsTrue(look_at(measured, "emulated")) ? "emulated" : "real");
    else if (look_number(point, "predicted_ms", &ms))
        buf_printf(out, ", predicted %.2f ms", ms);
    buf_puts(out, "\n  ");
    text_clean(out, look_text(point, "spec"));
    buf_puts(out, "\n");
}

int reply_front(const char *front_json, const char *jobs_json, const struct reply_front_options *o,
                struct buf *out, struct err *e)
{
    int result = -1;
    struct table t;
    table_init(&t);
    cJSON *jobs = NULL, *front = parse(front_json, e);
    if (!front || (jobs_json && !(jobs = parse_array(jobs_json, e))))
        goto out;
    const cJSON *points = look_at(front, "points"), *point = NULL;
    if (!cJSON_IsArray(points)) {
        err_set(e, ERR_BAD_JSON, "the reply has no points");
        goto out;
    }
    struct front_columns with = {count_boards(jobs) > 1, has_strategies(jobs)};
    bool all = o->all || !jobs;
    table_column(&t, "RAM kB", true);
    table_column(&t, "bytes", true);
    table_column(&t, "F", true);
    table_column(&t, "predicted ms", true);
    table_column(&t, "measured ms", true);
    if (with.board)
        table_column(&t, "board", false);
    table_column(&t, "by", false);
    table_column(&t, "output", false);
    if (with.strategy)
        table_column(&t, "strategy", false);
    table_column(&t, "configuration", false);
    cJSON_ArrayForEach(point, points)
    {
        add_point(&t, point, jobs, all, with);
    }
    table_render(&t, out);
    if (o->max_overhead >= 0) {
        char question[80];
        snprintf(question, sizeof question, "least RAM with F <= %g", o->max_overhead);
        add_answer(out, look_at(front, "p1"), question, "none");
    }
    if (o->max_ram >= 0) {
        char question[80];
        snprintf(question, sizeof question, "least computation in %lld bytes",
                 (long long)o->max_ram);
        add_answer(out, look_at(front, "p2"), question,
                   "none; the first row is the least RAM there is");
    }
    result = 0;
out:
    table_free(&t);
    cJSON_Delete(jobs);
    cJSON_Delete(front);
    return result;
}

int reply_campaign(const char *json, struct reply_campaign *out, struct err *e)
{
    *out = (struct reply_campaign){0};
    cJSON *root = parse(json, e);
    if (!root)
        return -1;
    out->id = look_int(root, "id", -1);
    copy_text(out->name, sizeof out->name, look_text(root, "name"));
    copy_text(out->model_name, sizeof out->model_name, look_text(root, "model_name"));
    out->done = strcmp(look_text(root, "state"), "running") != 0;
    out->queued = (long)look_int(root, "jobs.queued", 0);
    out->leased = (long)look_int(root, "jobs.leased", 0);
    out->succeeded = (long)look_int(root, "jobs.done", 0);
    out->failed = (long)look_int(root, "jobs.failed", 0);
    bool ok = out->id >= 0 && *look_text(root, "state");
    cJSON_Delete(root);
    return ok ? 0 : err_set(e, ERR_BAD_JSON, "the reply is not a campaign");
}

static bool is_id(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

int reply_job(const char *json, struct reply_job *out, struct err *e)
{
    *out = (struct reply_job){0};
    cJSON *root = parse(json, e);
    if (!root)
        return -1;
    const char *spec = look_text(root, "spec"), *model = look_text(root, "model");
    const cJSON *result = look_at(root, "result");
    bool ok = *spec && is_id(model);
    if (ok) {
        snprintf(out->model, sizeof out->model, "%s", model);
        out->spec = strdup(spec);
        ok = out->spec != NULL;
        out->result = cJSON_IsObject(result) ? cJSON_PrintUnformatted(result) : NULL;
    }
    cJSON_Delete(root);
    return ok ? 0
              : err_set(e, ERR_BAD_JSON, "the reply is not a job, or there is no memory for it");
}

void reply_job_free(struct reply_job *j)
{
    free(j->spec);
    free(j->result);
    *j = (struct reply_job){0};
}

int reply_model_id(const char *json, char id[65], struct err *e)
{
    cJSON *root = parse(json, e);
    if (!root)
        return -1;
    bool ok = is_id(look_text(root, "id"));
    if (ok)
        memcpy(id, look_text(root, "id"), 65);
    cJSON_Delete(root);
    return ok ? 0 : err_set(e, ERR_BAD_JSON, "the reply is not a model");
}

int reply_find_model(const char *models_json, const char *text, char id[65], struct err *e)
{
    int result = -1, n_prefix = 0;
    const cJSON *m = NULL, *by_name = NULL, *by_id = NULL;
    cJSON *root = parse_array(models_json, e);
    if (!root)
        return -1;
    cJSON_ArrayForEach(m, root)
    {
        const char *name = look_text(m, "name"), *model_id = look_text(m, "id");
        if (!is_id(model_id))
            continue;
        if (strlen(text) >= 6 && strncmp(model_id, text, strlen(text)) == 0) {
            by_id = m;
            n_prefix++;
        }
        if (strcmp(name, text) == 0 &&
            (!by_name || strcmp(look_text(m, "created"), look_text(by_name, "created")) > 0))
            by_name = m;
    }
    if (!by_name && n_prefix > 1) {
        err_set(e, ERR_CONFLICT, "%d models begin with \"%s\"; give more digits (farm models)",
                n_prefix, text);
    } else if (!by_name && !by_id) {
        err_set(e, ERR_NOT_FOUND,
                "there is no file and no model \"%s\"; farm models lists those of the server",
                text);
    } else {
        memcpy(id, look_text(by_name ? by_name : by_id, "id"), 65);
        result = 0;
    }
    cJSON_Delete(root);
    return result;
}

int reply_live_boards(const char *rigs_json, struct buf *out, struct err *e)
{
    cJSON *root = parse_array(rigs_json, e);
    if (!root)
        return -1;
    int n = 0;
    buf_puts(out, "[");
    const cJSON *rig = NULL, *earlier = NULL;
    cJSON_ArrayForEach(rig, root)
    {
        const char *board = look_text(rig, "board");
        bool live = *board && strcmp(look_text(rig, "state"), "offline") != 0;
        for (earlier = root->child; live && earlier != rig; earlier = earlier->next)
            live = strcmp(look_text(earlier, "board"), board) != 0 ||
                   strcmp(look_text(earlier, "state"), "offline") == 0;
        if (!live)
            continue;
        buf_puts(out, n++ ? "," : "");
        buf_json_str(out, board);
    }
    buf_puts(out, "]");
    cJSON_Delete(root);
    return n;
}

// true when the id was not yet there (and now is).
static bool see(struct reply_seen *seen, int64_t id)
{
    for (size_t i = 0; i < seen->n; i++) {
        if (seen->ids[i] == id)
            return false;
    }
    if (seen->n == seen->cap) {
        size_t cap = seen->cap ? 2 * seen->cap : 64;
        int64_t *ids = realloc(seen->ids, cap * sizeof *ids);
        if (!ids)
            return true; // at worst a line is told twice
        seen->ids = ids;
        seen->cap = cap;
    }
    seen->ids[seen->n++] = id;
    return true;
}

// An attempt failed and the job waits for another: said once for each attempt (its key in seen is negative).
static void add_retry(struct buf *out, const cJSON *job, int64_t id, int64_t attempts,
                      struct reply_seen *seen)
{
    enum { MAX_ATTEMPTS = 1000 };
    if (!*look_text(job, "error.type") || id < 0 || id > INT64_MAX / MAX_ATTEMPTS - 1 ||
        attempts < 0 || attempts >= MAX_ATTEMPTS || !see(seen, -1 - (id * MAX_ATTEMPTS + attempts)))
        return;
    buf_printf(out, "job %lld ", (long long)id);
    text_clean(out, look_text(job, "board"));
    buf_puts(out, " is tried again after ");
    text_clean(out, look_text(job, "error.type"));
    buf_puts(out, ": ");
    text_clean(out, look_text(job, "error.detail"));
    buf_puts(out, "\n");
}

int reply_ended_jobs(const char *jobs_json, struct reply_seen *seen, struct buf *out, struct err *e)
{
    cJSON *root = parse_array(jobs_json, e);
    if (!root)
        return -1;
    const cJSON *job = NULL;
    cJSON_ArrayForEach(job, root)
    {
        const char *state = look_text(job, "state");
        bool failed = strcmp(state, "failed") == 0, done = strcmp(state, "done") == 0;
        int64_t id = look_int(job, "id", -1), attempts = look_int(job, "attempts", 0);
        if (!failed && !done) {
            add_retry(out, job, id, attempts, seen);
            continue;
        }
        if (!see(seen, id))
            continue;
        buf_printf(out, "job %lld ", (long long)id);
        text_clean(out, look_text(job, "board"));
        double ms, bytes;
        if (failed) {
            buf_puts(out, " FAILED ");
            text_clean(out, *look_text(job, "error.type") ? look_text(job, "error.type") : "?");
            buf_puts(out, ": ");
            text_clean(out, look_text(job, "error.detail"));
            buf_printf(out, " (attempts: %lld; farm log %lld)", (long long)attempts, (long long)id);
        } else {
            buf_puts(out, " done");
            if (look_number(job, "result.arena_bytes", &bytes) ||
                look_number(job, "predicted.arena_bytes", &bytes))
                buf_printf(out, ", %.1f kB", bytes / 1000);
            if (look_number(job, "result.ms", &ms))
                buf_printf(out, ", %.2f ms%s", ms,
                           cJSON_IsTrue(look_at(job, "result.emulated")) ? " (emulated)" : "");
            if (*look_text(job, "result.output")) {
                buf_puts(out, ", output ");
                text_clean(out, look_text(job, "result.output"));
            }
        }
        buf_puts(out, "\n");
    }
    cJSON_Delete(root);
    return 0;
}

int reply_running_jobs(const char *jobs_json, struct buf *out, struct err *e)
{
    cJSON *root = parse_array(jobs_json, e);
    if (!root)
        return -1;
    const cJSON *job = NULL;
    bool any = false;
    cJSON_ArrayForEach(job, root)
    {
        if (strcmp(look_text(job, "state"), "leased") != 0)
            continue;
        buf_puts(out, any ? ", " : "");
        any = true;
        text_clean(out, *look_text(job, "rig") ? look_text(job, "rig") : look_text(job, "board"));
        buf_puts(out, " ");
        text_clean(out, *look_text(job, "phase") ? look_text(job, "phase") : "starting");
        double progress;
        if (look_number(job, "progress", &progress) && progress > 0 && progress <= 1)
            buf_printf(out, " %.0f %%", 100 * progress);
    }
    cJSON_Delete(root);
    return 0;
}

int reply_omitted(const char *json, struct buf *out, struct err *e)
{
    cJSON *root = parse(json, e);
    const cJSON *item = NULL;
    if (!root)
        return -1;
    cJSON_ArrayForEach(item, look_at(root, "omitted"))
    {
        double bytes = 0;
        look_number(item, "arena_bytes", &bytes);
        buf_puts(out, "left out: nothing of ");
        text_clean(out, look_text(item, "strategy"));
        buf_puts(out, " fits ");
        text_clean(out, look_text(item, "board"));
        buf_printf(out, "; its smallest configuration needs %.0f bytes\n", bytes);
    }
    cJSON_ArrayForEach(item, look_at(root, "choice"))
    {
        buf_puts(out, "  ");
        text_clean(out, look_text(item, "board"));
        buf_printf(out,
                   ": %lld of %lld configurations are measured, %lld are chosen, %lld could matter "
                   "too; %lld runs saved: they could not make the front faster by 1 %%\n",
                   (long long)look_int(item, "known", 0),
                   (long long)look_int(item, "candidates", 0),
                   (long long)look_int(item, "chosen", 0), (long long)look_int(item, "left", 0),
                   (long long)look_int(item, "saved", 0));
    }
    cJSON_Delete(root);
    return 0;
}
