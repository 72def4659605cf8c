// SPDX-License-Identifier: MIT
// See nightly.h.
#include "cli/nightly.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/look.h"
#include "cli/table.h"

#define API "/api/v1"
#define MAX_REPLY (64u << 20)
#define POLL_MS 500
#define LOG_EVERY_S 30 // no terminal: so often at the most

// What wait_line() said last.
struct told {
    int64_t at, open;
};

// --- replies --------------------------------------------------------------------------------------------------------

int nightly_parse_run(const char *json, struct nightly_run *out, struct err *e)
{
    cJSON *root = cJSON_Parse(json);
    *out = (struct nightly_run){.id = look_int(root, "id", 0),
                                .points = look_int(root, "points.all", 0),
                                .open = look_int(root, "points.open", 0),
                                .finished = look_text(root, "finished")[0] != '\0'};
    snprintf(out->plan, sizeof out->plan, "%s", look_text(root, "plan"));
    snprintf(out->state, sizeof out->state, "%s", look_text(root, "state"));
    snprintf(out->verdict, sizeof out->verdict, "%s", look_text(root, "verdict"));
    bool good = out->id > 0 && out->state[0];
    cJSON_Delete(root);
    return good ? 0 : err_set(e, ERR_BAD_JSON, "the server's answer is not a run");
}

enum nightly_outcome nightly_outcome_of(const struct nightly_run *r)
{
    if (strcmp(r->verdict, "regression") == 0)
        return NIGHTLY_RED;
    bool pass = strcmp(r->verdict, "ok") == 0 || strcmp(r->verdict, "improved") == 0;
    return strcmp(r->state, "done") == 0 && pass ? NIGHTLY_PASS : NIGHTLY_NO_VERDICT;
}

static void plan_row(struct table *t, const cJSON *p)
{
    const cJSON *error = look_at(p, "error");
    char next[17];
    table_cell(t, look_text(p, "name"));
    if (cJSON_IsObject(error)) {
        struct buf why;
        buf_init(&why, 4096);
        buf_printf(&why, "wrong: %s: %s", look_text(error, "field"), look_text(error, "detail"));
        table_cell(t, "-");
        table_cell(t, "-");
        table_cell(t, "-");
        table_cell(t, buf_str(&why));
        buf_free(&why);
        return;
    }
    snprintf(next, sizeof next, "%.16s", look_text(p, "next_slot"));
    table_cell(t, next[0] ? next : "by hand");
    int64_t running = look_int(p, "running", 0), last = look_int(p, "last_run.id", 0);
    if (running)
        table_cell_printf(t, "%" PRId64 " running", running);
    else if (last)
        table_cell_printf(t, "%" PRId64, last);
    else
        table_cell(t, "-");
    table_cell(t, last ? look_text(p, "last_run.verdict") : "-");
    table_cell(t, look_text(p, "title"));
}

int nightly_plan_table(const char *plans_json, struct buf *out, struct err *e)
{
    cJSON *root = cJSON_Parse(plans_json);
    const cJSON *items = look_at(root, "items"), *p = NULL;
    struct table t;
    if (!cJSON_IsArray(items)) {
        cJSON_Delete(root);
        return err_set(e, ERR_BAD_JSON, "the server's answer is not a list of plans");
    }
    table_init(&t);
    static const char *const columns[] = {"PLAN", "NEXT, UTC", "RUN", "VERDICT", "TITLE"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_column(&t, columns[i], false);
    cJSON_ArrayForEach(p, items) plan_row(&t, p);
    if (cJSON_GetArraySize(items))
        table_render(&t, out);
    else
        buf_puts(out, "There are no plans: start farm-server with --plans DIR.\n");
    table_free(&t);
    cJSON_Delete(root);
    return 0;
}

// --- calls ----------------------------------------------------------------------------------------------------------

static int get(struct api *api, const char *path, struct buf *body, struct err *e)
{
    struct api_request rq = {.method = "GET", .path = path};
    return api_call(api, &rq, body, e);
}

// The same while something is waited for: a server that is away may come back.
static int get_patiently(struct api *api, struct api_patience *w, const char *path,
                         struct buf *body, struct err *e)
{
    for (;;) {
        struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        struct err why = {0};
        if (get(api, path, body, &why) == 0) {
            api_heard(w);
            return 0;
        }
        if (!api_may_return(w, &why))
            return err_set(e, why.code, "%s", why.msg);
        nanosleep(&pause, NULL);
    }
}

static void take(struct buf *out, const struct buf *body)
{
    buf_add(out, body->data, body->len);
}

static void plan_path_of(struct buf *path, const char *name, const char *tail)
{
    buf_puts(path, API "/plans/");
    api_escape(path, name);
    buf_puts(path, tail);
}

static int list(struct api *api, const struct cli_args *a, struct buf *out, struct err *e)
{
    struct buf body;
    buf_init(&body, MAX_REPLY);
    int bad = get(api, API "/plans", &body, e);
    if (!bad && a->json)
        take(out, &body);
    else if (!bad)
        bad = nightly_plan_table(buf_str(&body), out, e);
    buf_free(&body);
    return bad;
}

// The run that is meant by a plan's name: its newest that is done, or by a number: that run.
static int find_run(struct api *api, const char *name, struct nightly_run *run, struct buf *body,
                    struct err *e)
{
    struct buf path;
    bool number = strspn(name, "0123456789") == strlen(name) && strlen(name) < 16;
    buf_init(&path, 4096);
    if (number)
        buf_printf(&path, API "/runs/%s", name);
    else
        plan_path_of(&path, name, "");
    int bad = get(api, buf_str(&path), body, e);
    buf_free(&path);
    if (bad || number)
        return bad ? -1 : nightly_parse_run(buf_str(body), run, e);
    cJSON *root = cJSON_Parse(buf_str(body));
    int64_t id = look_int(root, "last_run.id", 0);
    cJSON_Delete(root);
    if (id <= 0)
        return err_set(e, ERR_NOT_FOUND,
                       "%s has not finished a run yet; farm plan run %s --wait runs it", name,
                       name);
    *run = (struct nightly_run){.id = id};
    return 0;
}

static int show_run(struct api *api, struct api_patience *w, int64_t id, bool json, struct buf *out,
                    struct err *e)
{
    struct buf body;
    char path[64];
    buf_init(&body, MAX_REPLY);
    snprintf(path, sizeof path, API "/runs/%" PRId64 "%s", id, json ? "" : "/summary.md");
    int bad = get_patiently(api, w, path, &body, e);
    if (!bad && json)
        take(out, &body);
    for (size_t i = 0; !bad && !json && i < body.len; i++) {
        char c = (char)body.data[i]; // a name must not drive the terminal
        buf_add(out, (unsigned char)c < 0x20 && c != '\n' ? "?" : c == 0x7F ? "?" : &c, 1);
    }
    buf_free(&body);
    return bad;
}

static int write_junit(struct api *api, struct api_patience *w, int64_t id, const char *file,
                       struct err *e)
{
    struct buf body;
    char path[64];
    buf_init(&body, MAX_REPLY);
    snprintf(path, sizeof path, API "/runs/%" PRId64 "/junit.xml", id);
    int bad = get_patiently(api, w, path, &body, e);
    FILE *f = bad ? NULL : fopen(file, "wb");
    if (!bad && (!f || fwrite(body.data, 1, body.len, f) != body.len))
        bad = err_set(e, ERR_IO, "cannot write %s: %s", file, strerror(errno));
    if (f && fclose(f) && !bad)
        bad = err_set(e, ERR_IO, "cannot write %s: %s", file, strerror(errno));
    buf_free(&body);
    return bad;
}

static int64_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec;
}

// One line over the last on a terminal; in a log a line of its own, when something has changed and not every second.
static void wait_line(const struct nightly_run *r, struct told *last)
{
    int64_t now = now_s();
    bool tty = isatty(STDERR_FILENO);
    if (!tty && !r->finished && (r->open == last->open || now < last->at + LOG_EVERY_S))
        return;
    *last = (struct told){.at = now, .open = r->open};
    fprintf(stderr, "%srun %" PRId64 " of %s: %s, %" PRId64 " of %" PRId64 " points%s",
            tty ? "\r\033[K" : "", r->id, r->plan, r->state, r->points - r->open, r->points,
            tty && !r->finished ? "" : "\n");
}

static int wait_for(struct api *api, struct api_patience *w, struct nightly_run *r, struct err *e)
{
    struct buf body;
    char path[64];
    int bad = 0;
    struct told last = {.at = now_s(), .open = -1};
    buf_init(&body, MAX_REPLY);
    snprintf(path, sizeof path, API "/runs/%" PRId64, r->id);
    while (!bad && !r->finished) {
        struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        nanosleep(&pause, NULL);
        bad = get_patiently(api, w, path, &body, e) || nightly_parse_run(buf_str(&body), r, e);
        if (!bad)
            wait_line(r, &last);
    }
    buf_free(&body);
    return bad;
}

static int start(struct api *api, const struct cli_args *a, struct nightly_run *run,
                 struct buf *body, struct err *e)
{
    struct buf path, json;
    buf_init(&path, 4096);
    buf_init(&json, 8192);
    plan_path_of(&path, a->plan, "/runs");
    buf_puts(&json, "{\"boards\":[");
    for (int i = 0; i < a->n_boards; i++) {
        buf_puts(&json, i ? "," : "");
        buf_json_str(&json, a->boards[i]);
    }
    buf_puts(&json, "]}");
    struct api_request rq = {.method = "POST",
                             .path = buf_str(&path),
                             .content_type = "application/json",
                             .body = json.data,
                             .body_bytes = json.len};
    int bad = api_call(api, &rq, body, e) || nightly_parse_run(buf_str(body), run, e);
    buf_free(&json);
    buf_free(&path);
    return bad ? -1 : 0;
}

static int run(struct api *api, const struct cli_args *a, struct buf *out,
               enum nightly_outcome *outcome, struct err *e)
{
    struct nightly_run r;
    struct buf body;
    struct api_patience w = {.limit_s = a->patience};
    buf_init(&body, MAX_REPLY);
    int bad = start(api, a, &r, &body, e);
    if (!bad && !a->wait) {
        if (a->json)
            take(out, &body);
        else
            buf_printf(out, "run %" PRId64 " of %s has begun: farm plan show %" PRId64 "\n", r.id,
                       a->plan, r.id);
    } else if (!bad) {
        bad = wait_for(api, &w, &r, e) || (a->junit && write_junit(api, &w, r.id, a->junit, e)) ||
              show_run(api, &w, r.id, a->json, out, e);
        *outcome = nightly_outcome_of(&r);
    }
    buf_free(&body);
    return bad ? -1 : 0;
}

int nightly_command(struct api *api, const struct cli_args *a, struct buf *out,
                    enum nightly_outcome *outcome, struct err *e)
{
    *outcome = NIGHTLY_PASS;
    if (strcmp(a->target, "list") == 0)
        return list(api, a, out, e);
    if (strcmp(a->target, "run") == 0)
        return run(api, a, out, outcome, e);
    struct nightly_run r = {0};
    struct buf body;
    struct api_patience none = {0};
    buf_init(&body, MAX_REPLY);
    int bad = find_run(api, a->plan, &r, &body, e) || show_run(api, &none, r.id, a->json, out, e);
    buf_free(&body);
    return bad ? -1 : 0;
}
