// SPDX-License-Identifier: MIT
// farm: the command line client. Each command is one or a few calls to the server and one piece of
// text on stdout; what went wrong goes to stderr with what to do next. Exit statuses: see
// cli_usage.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "cli/api.h"
#include "cli/args.h"
#include "cli/nightly.h"
#include "cli/explain.h"
#include "cli/offline.h"
#include "cli/reply.h"

#define API "/api/v1"
#define MAX_REPLY_BYTES (256u << 20)
#define MAX_MODEL_BYTES (32u << 20)
#define MAX_PAGES 100000
#define WATCH_PERIOD_MS 500

#ifndef FARM_VERSION
#define FARM_VERSION "0.1.0"
#endif

enum exit_status {
    EXIT_OK = 0,
    EXIT_MEASURED_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_SERVER = 3,
    EXIT_REFUSED = 4,
    EXIT_NO_VERDICT = 5
};

struct session {
    const struct cli_args *args;
    struct api *api;
    struct buf body; // of the last reply
    struct buf text; // what is to be printed
    struct err err;
};

static int get(struct session *s, const char *path)
{
    struct api_request rq = {.method = "GET", .path = path};
    return api_call(s->api, &rq, &s->body, &s->err);
}

// All pages of a list as the text of one JSON array.
static int get_list(struct session *s, const char *path, struct buf *items)
{
    int result = -1;
    char cursor[256] = "";
    struct buf url;
    buf_init(&url, 4096);
    for (int page = 0; page < MAX_PAGES; page++) {
        buf_reset(&url);
        buf_puts(&url, path);
        if (*cursor) {
            buf_puts(&url, "?cursor=");
            api_escape(&url, cursor);
        }
        if (get(s, buf_str(&url)) ||
            reply_page(buf_str(&s->body), items, cursor, sizeof cursor, &s->err))
            goto out;
        if (!*cursor)
            break;
    }
    buf_puts(items, "]");
    if (items->failed)
        err_set(&s->err, ERR_TOO_LARGE, "the list at %s is too long", path);
    else
        result = 0;
out:
    buf_free(&url);
    return result;
}

static int print(struct session *s, const struct buf *text)
{
    if (text->failed)
        return err_set(&s->err, ERR_TOO_LARGE, "the text is too long to print");
    fwrite(text->data, 1, text->len, stdout);
    if (text->len && text->data[text->len - 1] != '\n')
        putchar('\n');
    return fflush(stdout) ? err_set(&s->err, ERR_IO, "cannot write to stdout: %s", strerror(errno))
                          : 0;
}

static int list_command(struct session *s, enum reply_list kind, const char *path)
{
    struct buf items;
    buf_init(&items, MAX_REPLY_BYTES);
    int result = get_list(s, path, &items);
    if (result == 0 && s->args->json)
        result = print(s, &items);
    else if (result == 0)
        result =
            reply_table(kind, buf_str(&items), &s->text, &s->err) || print(s, &s->text) ? -1 : 0;
    buf_free(&items);
    return result;
}

static bool is_number(const char *text)
{
    return *text && strlen(text) < 16 && strspn(text, "0123456789") == strlen(text);
}

// "/api/v1/campaigns/7/jobs" of the target, which must be a number.
static int path_of(struct session *s, char *path, size_t size, const char *what, const char *tail)
{
    const char *target = s->args->target;
    if (!is_number(target))
        return err_set(&s->err, ERR_BAD_REQUEST,
                       "\"%s\" is not the number of one of the %s; farm campaigns lists them",
                       target, what);
    snprintf(path, size, API "/%s/%s%s", what, target, tail);
    return 0;
}

static int find_model(struct session *s, char id[65])
{
    struct buf items;
    buf_init(&items, MAX_REPLY_BYTES);
    int result = get_list(s, API "/models", &items);
    if (result == 0)
        result = reply_find_model(buf_str(&items), s->args->target, id, &s->err);
    buf_free(&items);
    return result;
}

static int upload(struct session *s, char id[65])
{
    const char *path = s->args->target, *slash = strrchr(path, '/'),
               *name = slash ? slash + 1 : path;
    int result = -1;
    struct buf file, url;
    buf_init(&file, MAX_MODEL_BYTES);
    buf_init(&url, 8192);
    if (access(path, F_OK)) { // not a file: perhaps a model that the server has
        result = find_model(s, id);
        goto out;
    }
    if (buf_read_file(&file, path)) {
        err_set(&s->err, ERR_BAD_REQUEST, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    size_t n = strlen(name), suffix = strlen(".tflite");
    char stem[256];
    snprintf(stem, sizeof stem, "%.*s",
             (int)(n > suffix && strcmp(name + n - suffix, ".tflite") == 0 ? n - suffix : n), name);
    buf_puts(&url, API "/models?name=");
    api_escape(&url, stem);
    struct api_request rq = {.method = "POST",
                             .path = buf_str(&url),
                             .content_type = "application/octet-stream",
                             .body = file.len ? (const void *)file.data : "",
                             .body_bytes = file.len};
    if (api_call(s->api, &rq, &s->body, &s->err))
        goto out;
    result = reply_model_id(buf_str(&s->body), id, &s->err);
out:
    buf_free(&url);
    buf_free(&file);
    return result;
}

static void add_words(struct buf *json, const char *const *words, int n)
{
    buf_puts(json, "[");
    for (int i = 0; i < n; i++) {
        buf_puts(json, i ? "," : "");
        buf_json_str(json, words[i]);
    }
    buf_puts(json, "]");
}

static int add_boards(struct session *s, struct buf *json)
{
    const struct cli_args *a = s->args;
    if (a->n_boards) {
        add_words(json, a->boards, a->n_boards);
        return 0;
    }
    struct buf rigs;
    buf_init(&rigs, MAX_REPLY_BYTES);
    int n = get_list(s, API "/rigs", &rigs) ? -1 : reply_live_boards(buf_str(&rigs), json, &s->err);
    buf_free(&rigs);
    if (n == 0)
        return err_set(
            &s->err, ERR_BAD_REQUEST,
            "no rig answers now: start a farm-agent, or name boards to queue for with --boards");
    return n < 0 ? -1 : 0;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

// One line over the last: [#####.....] 5/12 done, 1 failed; f767-1 flashing
static void draw_bar(const struct reply_campaign *c, const char *running)
{
    enum { CELLS = 24 };
    long ended = c->succeeded + c->failed, total = ended + c->queued + c->leased;
    int filled = total > 0 ? (int)(CELLS * ended / total) : 0;
    char bar[CELLS + 1], failed[40] = "";
    memset(bar, '.', CELLS);
    memset(bar, '#', (size_t)filled);
    bar[CELLS] = '\0';
    if (c->failed)
        snprintf(failed, sizeof failed, ", %ld failed", c->failed);
    struct winsize w = {0};
    int width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1 : 79;
    char line[512];
    snprintf(line, sizeof line, "[%s] %ld/%ld done%s%s%s", bar, ended, total, failed,
             *running ? "; " : "", running);
    printf("\r\033[K%.*s", width, line);
    fflush(stdout);
}

// One look at the campaign: tells which jobs ended, and how far it is.
static int watch_once(struct session *s, const char *path, bool tty, struct reply_seen *seen,
                      struct reply_campaign *c)
{
    int result = -1;
    struct buf jobs, running;
    buf_init(&jobs, MAX_REPLY_BYTES);
    buf_init(&running, 4096);
    char jobs_path[128];
    snprintf(jobs_path, sizeof jobs_path, "%s/jobs", path);
    buf_reset(&s->text);
    // The campaign first: when it says done, the jobs that are read after it are all in their final
    // state.
    if (get(s, path) || reply_campaign(buf_str(&s->body), c, &s->err) ||
        get_list(s, jobs_path, &jobs) ||
        reply_ended_jobs(buf_str(&jobs), seen, &s->text, &s->err) ||
        reply_running_jobs(buf_str(&jobs), &running, &s->err))
        goto out;
    long ended = c->succeeded + c->failed;
    if (s->text.len) {
        if (tty)
            printf("\r\033[K");
        if (print(s, &s->text))
            goto out;
        if (!tty)
            printf("campaign %" PRId64 ": %ld of %ld jobs ended, %ld failed\n", c->id, ended,
                   ended + c->queued + c->leased, c->failed);
    }
    if (tty && !c->done)
        draw_bar(c, buf_str(&running));
    result = 0;
out:
    fflush(stdout);
    buf_free(&running);
    buf_free(&jobs);
    return result;
}

static int watch(struct session *s, const char *id, int *status)
{
    int result = -1;
    char path[64];
    snprintf(path, sizeof path, API "/campaigns/%s", id);
    bool tty = isatty(STDOUT_FILENO) && !s->args->json;
    struct reply_seen seen = {0};
    struct reply_campaign c = {0};
    struct api_patience patience = {0};
    for (;;) {
        if (watch_once(s, path, tty, &seen, &c) == 0) {
            patience.limit_s = s->args->patience; // from the first answer on
            api_heard(&patience);
        } else if (api_may_return(&patience, &s->err)) {
            err_clear(&s->err);
        } else {
            goto out;
        }
        if (c.done)
            break;
        sleep_ms(WATCH_PERIOD_MS);
    }
    if (s->args->json) {
        if (get(s, path) || print(s, &s->body))
            goto out;
    } else {
        printf("%scampaign %" PRId64
               " of %s: %ld measured, %ld failed. The front: farm front %" PRId64 "\n",
               tty ? "\r\033[K" : "", c.id, c.model_name, c.succeeded, c.failed, c.id);
    }
    *status = c.failed ? EXIT_MEASURED_FAILED : EXIT_OK;
    result = 0;
out:
    free(seen.ids);
    return result;
}

static int submit(struct session *s, int *status)
{
    const struct cli_args *a = s->args;
    int result = -1;
    char model[65];
    struct buf json;
    buf_init(&json, 1u << 16);
    if (upload(s, model))
        goto out;
    buf_printf(&json, "{\"model\":\"%s\",\"boards\":", model);
    if (add_boards(s, &json))
        goto out;
    if (a->n_strategies) {
        buf_puts(&json, ",\"strategies\":");
        add_words(&json, a->strategies, a->n_strategies);
    }
    if (a->points)
        buf_printf(&json, ",\"points\":%ld", a->points);
    if (a->next)
        buf_puts(&json, ",\"choose\":\"next\"");
    if (a->repeats)
        buf_printf(&json, ",\"repeats\":%ld", a->repeats);
    if (a->name) {
        buf_puts(&json, ",\"name\":");
        buf_json_str(&json, a->name);
    }
    buf_puts(&json, "}");
    if (json.failed) {
        err_set(&s->err, ERR_BAD_REQUEST, "the names are too long");
        goto out;
    }
    unsigned char random[16];
    char key[2 * sizeof random + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        err_set(&s->err, ERR_IO, "no random numbers: %s", strerror(errno));
        goto out;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(key + 2 * i, 3, "%02x", random[i]);
    struct api_request rq = {.method = "POST",
                             .path = API "/campaigns",
                             .content_type = "application/json",
                             .body = json.data,
                             .body_bytes = json.len,
                             .idempotency_key = key};
    // The key makes a repeat harmless: an answer that was lost must not leave the user with two
    // campaigns.
    int rc = api_call(s->api, &rq, &s->body, &s->err);
    for (int i = 0; rc && s->err.code == ERR_OFFLINE && i < 3; i++) {
        sleep_ms(500);
        err_clear(&s->err);
        rc = api_call(s->api, &rq, &s->body, &s->err);
    }
    struct reply_campaign c;
    if (rc || reply_campaign(buf_str(&s->body), &c, &s->err))
        goto out;
    char id[32];
    snprintf(id, sizeof id, "%" PRId64, c.id);
    if (a->json && !a->watch) {
        result = print(s, &s->body);
        goto out;
    }
    if (!a->json)
        printf("campaign %s: %ld jobs of %s queued%s\n", id,
               c.queued + c.leased + c.succeeded + c.failed, c.model_name,
               a->watch ? "" : ". Follow it: farm watch (the number)");
    buf_reset(&s->text);
    if (!a->json && (reply_omitted(buf_str(&s->body), &s->text, &s->err) ||
                     (s->text.len && print(s, &s->text))))
        goto out;
    fflush(stdout);
    result = a->watch ? watch(s, id, status) : 0;
out:
    buf_free(&json);
    return result;
}

static int front(struct session *s)
{
    const struct cli_args *a = s->args;
    int result = -1;
    struct buf url, jobs, front_json;
    buf_init(&url, 4096);
    buf_init(&jobs, MAX_REPLY_BYTES);
    buf_init(&front_json, MAX_REPLY_BYTES);
    bool campaign = is_number(a->target);
    if (campaign) {
        buf_printf(&url, API "/campaigns/%s/front?", a->target);
    } else {
        char id[65];
        if (find_model(s, id))
            goto out;
        buf_printf(&url, API "/models/%s/front?", id);
        if (a->n_boards) {
            buf_puts(&url, "board=");
            api_escape(&url, a->boards[0]);
            buf_puts(&url, "&");
        }
        if (a->n_strategies) {
            buf_puts(&url, "strategy=");
            api_escape(&url, a->strategies[0]);
            buf_puts(&url, "&");
        }
    }
    if (a->by_latency)
        buf_puts(&url, "axis=latency&");
    if (a->max_ram >= 0)
        buf_printf(&url, "max_ram=%" PRId64 "&", a->max_ram);
    if (a->max_overhead >= 0)
        buf_printf(&url, "max_overhead=%.17g&", a->max_overhead);
    url.data[--url.len] = '\0'; // the last ? or &
    if (get(s, buf_str(&url)))
        goto out;
    if (a->json) {
        result = print(s, &s->body);
        goto out;
    }
    buf_add(&front_json, s->body.data, s->body.len);
    if (campaign) {
        char path[64];
        snprintf(path, sizeof path, API "/campaigns/%s/jobs", a->target);
        if (get_list(s, path, &jobs))
            goto out;
    }
    struct reply_front_options o = {
        .all = a->all, .max_overhead = a->max_overhead, .max_ram = a->max_ram};
    if (reply_front(buf_str(&front_json), campaign ? buf_str(&jobs) : NULL, &o, &s->text, &s->err))
        goto out;
    result = print(s, &s->text);
out:
    buf_free(&front_json);
    buf_free(&jobs);
    buf_free(&url);
    return result;
}

// A path to something that is there: then nothing needs a server.
static bool is_file(const char *path)
{
    return !is_number(path) && access(path, F_OK) == 0;
}

static int plan(struct session *s)
{
    const char *target = s->args->target;
    if (access(target, F_OK) && !strchr(target, '/') && !strchr(target, '.'))
        return err_set(&s->err, ERR_BAD_REQUEST,
                       "%s: there is no such file; farm front %s asks the "
                       "server for its model",
                       target, target);
    return offline_plan(s->args, &s->text, &s->err) ? -1 : print(s, &s->text);
}

// Copies the reply at `path` to `out`.
static int fetch(struct session *s, const char *path, struct buf *out)
{
    if (get(s, path))
        return -1;
    buf_reset(out);
    buf_add(out, s->body.data, s->body.len);
    return out->failed ? err_set(&s->err, ERR_TOO_LARGE, "the reply at %s is too long", path) : 0;
}

// A job, or a model with a configuration, of the server.
static int explain_of_server(struct session *s)
{
    const struct cli_args *a = s->args;
    int result = -1;
    char model[65], path[128];
    struct buf job, layers, timeline, url;
    buf_init(&job, MAX_REPLY_BYTES);
    buf_init(&layers, MAX_REPLY_BYTES);
    buf_init(&timeline, MAX_REPLY_BYTES);
    buf_init(&url, 32768);
    struct reply_job j = {0};
    if (is_number(a->target)) {
        snprintf(path, sizeof path, API "/jobs/%s", a->target);
        if (fetch(s, path, &job) || reply_job(buf_str(&job), &j, &s->err))
            goto out;
        snprintf(model, sizeof model, "%s", j.model);
    } else if (find_model(s, model)) {
        goto out;
    }
    const char *spec = j.spec ? j.spec : a->spec;
    if (!spec) {
        err_set(&s->err, ERR_BAD_REQUEST,
                "which configuration? farm front %s lists some: farm "
                "explain %s SPEC",
                a->target, a->target);
        goto out;
    }
    buf_printf(&url, API "/models/%s/timeline?spec=", model);
    api_escape(&url, spec);
    snprintf(path, sizeof path, API "/models/%s/layers", model);
    if (fetch(s, buf_str(&url), &timeline) || fetch(s, path, &layers))
        goto out;
    if (a->json) {
        result = print(s, a->measured ? &job : &timeline);
        goto out;
    }
    if (a->measured && !j.result) {
        err_set(&s->err, ERR_BAD_REQUEST,
                "--measured takes a job that is done: farm explain JOB "
                "--measured");
        goto out;
    }
    buf_puts(&s->text, spec);
    buf_puts(&s->text, "\n");
    int bad =
        a->measured
            ? explain_profile(j.result, buf_str(&timeline), buf_str(&layers), &s->text, &s->err)
            : explain_timeline(buf_str(&timeline), buf_str(&layers), &s->text, &s->err);
    result = bad ? -1 : print(s, &s->text);
out:
    reply_job_free(&j);
    buf_free(&url);
    buf_free(&timeline);
    buf_free(&layers);
    buf_free(&job);
    return result;
}

static int explain(struct session *s)
{
    if (!is_file(s->args->target))
        return explain_of_server(s);
    if (s->args->measured)
        return err_set(
            &s->err, ERR_BAD_REQUEST,
            "--measured takes a job of the server, not a file: farm explain JOB --measured");
    return offline_explain(s->args, &s->text, &s->err) ? -1 : print(s, &s->text);
}

static int nightly(struct session *s, int *status)
{
    static const int statuses[] = {[NIGHTLY_PASS] = EXIT_OK,
                                   [NIGHTLY_RED] = EXIT_MEASURED_FAILED,
                                   [NIGHTLY_NO_VERDICT] = EXIT_NO_VERDICT};
    enum nightly_outcome outcome;
    if (nightly_command(s->api, s->args, &s->text, &outcome, &s->err) || print(s, &s->text))
        return -1;
    *status = statuses[outcome];
    return 0;
}

static int run(struct session *s, int *status)
{
    char path[128];
    switch (s->args->command) {
    case CLI_HELP:
        fputs(cli_usage, stdout);
        return 0;
    case CLI_VERSION:
        printf("farm %s, libcurl %s\n", FARM_VERSION, curl_version_info(CURLVERSION_NOW)->version);
        return 0;
    case CLI_SUBMIT:
        return submit(s, status);
    case CLI_WATCH:
        if (path_of(s, path, sizeof path, "campaigns", ""))
            return -1;
        return watch(s, s->args->target, status);
    case CLI_FRONT:
        return is_file(s->args->target) ? plan(s) : front(s);
    case CLI_PLAN:
        return plan(s);
    case CLI_NIGHTLY:
        return nightly(s, status);
    case CLI_EXPLAIN:
        return explain(s);
    case CLI_RESULTS:
        if (path_of(s, path, sizeof path, "campaigns", "/results"))
            return -1;
        return list_command(s, REPLY_RESULTS, path);
    case CLI_JOBS:
        if (path_of(s, path, sizeof path, "campaigns", "/jobs"))
            return -1;
        return list_command(s, REPLY_JOBS, path);
    case CLI_MODELS:
        return list_command(s, REPLY_MODELS, API "/models");
    case CLI_CAMPAIGNS:
        return list_command(s, REPLY_CAMPAIGNS, API "/campaigns");
    case CLI_RIGS:
        return list_command(s, REPLY_RIGS, API "/rigs");
    case CLI_BOARDS:
        return list_command(s, REPLY_BOARDS, API "/boards");
    case CLI_LOG:
        if (path_of(s, path, sizeof path, "jobs", "/log") || get(s, path))
            return -1;
        return print(s, &s->body);
    }
    return err_set(&s->err, ERR_INTERNAL, "unknown command");
}

static int report(const struct session *s)
{
    const struct api_problem *p = s->api ? api_problem(s->api) : NULL;
    if (s->err.code == ERR_OFFLINE && (!p || !p->title[0])) {
        fprintf(stderr,
                "farm: %s\n  next: start one with `make run`, or name another with --server URL or "
                "$FARM_SERVER\n",
                s->err.msg);
        return EXIT_NO_SERVER;
    }
    if (!p || p->status < 300 || !p->title[0]) {
        fprintf(stderr, "farm: %s\n", s->err.msg);
        return s->err.code == ERR_BAD_REQUEST ? EXIT_USAGE : EXIT_REFUSED;
    }
    fprintf(stderr, "farm: %s\n  %s\n", p->title, p->detail);
    if (p->field[0])
        fprintf(stderr, "  field: %s\n", p->field);
    if (p->nearest[0])
        fprintf(stderr, "  nearest: %.0f bytes at %.3f x the computation: %s\n",
                p->nearest_arena_bytes, p->nearest_overhead, p->nearest);
    const char *advice = api_advice(p->type);
    if (advice)
        fprintf(stderr, "  next: %s\n", advice);
    return EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    int status = EXIT_OK;
    struct cli_args args;
    struct session s = {.args = &args};
    buf_init(&s.body, MAX_REPLY_BYTES);
    buf_init(&s.text, MAX_REPLY_BYTES);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (cli_args_parse(&args, argc, argv, getenv("FARM_SERVER"), getenv("FARM_TOKEN"), &s.err)) {
        fprintf(stderr, "farm: %s\n", s.err.msg);
        status = EXIT_USAGE;
    } else if (api_open(&s.api, args.server, args.token, &s.err) || run(&s, &status)) {
        status = report(&s);
    }
    api_close(s.api);
    buf_free(&s.text);
    buf_free(&s.body);
    curl_global_cleanup();
    return status;
}
