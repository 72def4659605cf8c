// SPDX-License-Identifier: MIT
// JSON and CSV of runs, see run_out.h.
#include "server/run_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/json_out.h"
#include "server/nightly/detect.h"
#include "server/scheduler.h"

bool run_out_is_regression(const char *kind)
{
    for (int k = 0; k < DETECT_KINDS; k++) {
        if (strcmp(kind, detect_kind_name((enum detect_kind)k)) == 0)
            return detect_kind_is_regression((enum detect_kind)k);
    }
    return false;
}

// --- members --------------------------------------------------------------------------------------------------------

static void out_text(struct buf *b, const char *key, const char *text)
{
    buf_printf(b, ",\"%s\":", key);
    json_out_text_or_null(b, text);
}

static void out_int(struct buf *b, const char *key, int64_t v)
{
    if (v < 0)
        buf_printf(b, ",\"%s\":null", key);
    else
        buf_printf(b, ",\"%s\":%" PRId64, key, v);
}

static void out_id(struct buf *b, const char *key, int64_t id)
{
    out_int(b, key, id ? id : -1);
}

static void out_count(struct buf *b, const char *key, int64_t v) // may exceed 2^53: a string
{
    if (v < 0)
        buf_printf(b, ",\"%s\":null", key);
    else
        buf_printf(b, ",\"%s\":\"%" PRId64 "\"", key, v);
}

static void out_number(struct buf *b, const char *key, double v)
{
    buf_printf(b, ",\"%s\":", key);
    json_out_double(b, v);
}

static void out_time(struct buf *b, const char *key, int64_t ms)
{
    buf_printf(b, ",\"%s\":", key);
    json_out_time(b, ms);
}

static void out_bool(struct buf *b, const char *key, bool v)
{
    buf_printf(b, ",\"%s\":%s", key, v ? "true" : "false");
}

// --- things ---------------------------------------------------------------------------------------------------------

void run_out_run(struct buf *b, const struct run *r)
{
    buf_printf(b, "{\"id\":%" PRId64, r->id);
    out_text(b, "plan", r->plan);
    out_time(b, "slot", r->slot_ms);
    out_text(b, "trigger", run_trigger_names[r->trigger]);
    out_text(b, "state", run_state_names[r->state]);
    out_text(b, "verdict", r->verdict);
    out_text(b, "detail", r->detail);
    out_text(b, "note", r->note);
    out_time(b, "created", r->created_ms);
    out_time(b, "deadline", r->deadline_ms);
    out_time(b, "finished", r->finished_ms);
    buf_printf(b,
               ",\"points\":{\"all\":%" PRId64 ",\"done\":%" PRId64 ",\"failed\":%" PRId64
               ",\"infrastructure\":%" PRId64 ",\"not_run\":%" PRId64 ",\"no_fit\":%" PRId64
               ",\"open\":%" PRId64 "},\"findings\":%" PRId64 ",\"regressions\":%" PRId64,
               r->points, r->done, r->failed, r->infrastructure, r->not_run, r->no_fit, r->open,
               r->findings, r->regressions);
}

static double point_ms(const struct point *p)
{
    return p->cycles_median < 0 || p->clock_hz <= 0
               ? NAN
               : (double)p->cycles_median * 1000 / (double)p->clock_hz;
}

void run_out_point(struct buf *b, const struct point *p)
{
    buf_printf(b, "{\"series\":%" PRId64 ",\"run\":%" PRId64, p->series, p->run);
    out_time(b, "slot", p->slot_ms);
    out_text(b, "trigger", run_trigger_names[p->trigger]);
    out_int(b, "rerun", p->rerun);
    out_text(b, "state", row_state_names[p->state]);
    out_bool(b, "baseline", p->baseline);
    out_id(b, "job", p->job);
    out_text(b, "model", p->model);
    out_text(b, "model_name", p->model_name);
    out_text(b, "board", p->board);
    out_text(b, "configuration", p->config);
    out_text(b, "spec", p->spec);
    out_number(b, "overhead", p->overhead < 0 ? NAN : p->overhead);
    out_text(b, "class", p->class);
    out_text(b, "error_type", p->error_type);
    out_text(b, "error_detail", p->error_detail);
    if (p->cycles_median < 0)
        buf_puts(b, ",\"cycles\":null");
    else
        buf_printf(b,
                   ",\"cycles\":{\"min\":\"%" PRId64 "\",\"median\":\"%" PRId64
                   "\",\"max\":\"%" PRId64 "\"}",
                   p->cycles_min, p->cycles_median, p->cycles_max);
    out_number(b, "ms", point_ms(p));
    out_int(b, "repeats", p->repeats);
    out_count(b, "instructions", p->instructions);
    out_int(b, "clock_hz", p->clock_hz);
    out_int(b, "arena_bytes", p->arena_bytes);
    out_int(b, "stack_bytes", p->stack_bytes);
    out_int(b, "static_bytes", p->static_bytes);
    out_int(b, "flash_bytes", p->flash_bytes);
    out_text(b, "firmware", p->firmware);
    out_text(b, "program", p->program);
    out_text(b, "toolchain", p->toolchain);
    out_text(b, "kernels", p->kernels);
    out_text(b, "agent", p->agent);
    out_text(b, "rig", p->rig);
    if (p->emulated < 0)
        buf_puts(b, ",\"emulated\":null");
    else
        out_bool(b, "emulated", p->emulated != 0);
    out_text(b, "timing", p->timing);
    out_int(b, "timing_version", p->timing_version);
    buf_puts(b, "}");
}

void run_out_finding(struct buf *b, const struct finding_row *f)
{
    buf_printf(b, "{\"id\":%" PRId64, f->id);
    out_text(b, "plan", f->plan);
    out_id(b, "series", f->series);
    out_text(b, "model", f->model);
    out_text(b, "model_name", f->model_name);
    out_text(b, "board", f->board);
    out_text(b, "rig", f->rig);
    out_text(b, "configuration", f->config);
    out_int(b, "count", f->count);
    out_text(b, "kind", f->kind);
    out_bool(b, "regression", run_out_is_regression(f->kind));
    out_text(b, "metric", f->metric);
    out_text(b, "reason", f->reason);
    out_text(b, "state", f->state);
    out_int(b, "first_run", f->first_run);
    out_time(b, "first_slot", f->first_slot_ms);
    out_int(b, "last_run", f->last_run);
    out_time(b, "last_slot", f->last_slot_ms);
    out_number(b, "was", f->was);
    out_number(b, "is", f->current);
    out_number(b, "percent", f->percent);
    out_number(b, "noise", f->noise);
    out_text(b, "firmware", f->firmware);
    out_bool(b, "firmware_changed", f->firmware_changed);
    out_bool(b, "program_changed", f->program_changed);
    out_bool(b, "rig_changed", f->rig_changed);
    out_text(b, "owner", f->owner);
    out_text(b, "note", f->note);
    out_time(b, "updated", f->updated_ms);
}

void run_out_finding_item(void *list, const struct finding_row *f)
{
    struct json_list *l = list;
    json_list_item(l);
    run_out_finding(l->buf, f);
    buf_puts(l->buf, "}");
}

void run_out_series(struct buf *b, const struct series *s)
{
    buf_printf(b, "{\"id\":%" PRId64, s->id);
    out_text(b, "plan", s->plan);
    out_text(b, "model", s->model);
    out_text(b, "model_name", s->model_name);
    out_text(b, "board", s->board);
    out_text(b, "configuration", s->config);
    out_id(b, "last_run", s->last_run);
}

void run_out_delivery(struct buf *b, const struct delivery *d)
{
    buf_printf(b, "{\"id\":%" PRId64 ",\"run\":%" PRId64, d->id, d->run);
    out_text(b, "state", d->state);
    out_int(b, "attempts", d->attempts);
    out_id(b, "status", d->status);
    out_text(b, "error", d->error);
    out_time(b, "created", d->created_ms);
    out_time(b, "updated", d->updated_ms);
    out_time(b, "due", d->due_ms);
    buf_puts(b, "}");
}

static void plan_models_out(struct buf *b, const struct plan *p)
{
    static const char *const kinds[] = {"network", "file", "folder", "model"};
    buf_puts(b, ",\"models\":[");
    for (int i = 0; i < p->n_models; i++) {
        const struct plan_model *m = &p->models[i];
        buf_printf(b, "%s{\"%s\":", i ? "," : "", kinds[m->kind]);
        buf_json_str(b, m->text);
        out_bool(b, "optional", m->optional);
        buf_puts(b, "}");
    }
    buf_puts(b, "],\"boards\":[");
    for (int i = 0; i < p->n_boards; i++)
        buf_printf(b, "%s\"%s\"", i ? "," : "", p->boards[i]);
    buf_puts(b, "],\"configurations\":[");
    bool first = true;
    for (int i = 0; i < p->n_configs; i++) {
        for (int k = 0; k == 0 || k < p->configs[i].points; k++) {
            char key[PLAN_KEY_SIZE];
            plan_key(&p->configs[i], k, key);
            buf_puts(b, first ? "" : ",");
            buf_json_str(b, key);
            first = false;
        }
    }
    buf_puts(b, "],\"owners\":[");
    for (int i = 0; i < p->n_owners; i++) {
        buf_puts(b, i ? "," : "");
        buf_json_str(b, p->owners[i]);
    }
    buf_puts(b, "]");
}

static void plan_limits_out(struct buf *b, const struct plan *p)
{
    const struct detect_limits *l = &p->thresholds;
    buf_printf(b,
               ",\"repeats\":%d,\"budget\":{\"max_jobs\":%d,\"max_minutes\":%d},\"thresholds\":{"
               "\"window_nights\":%d",
               p->repeats, p->max_jobs, p->max_minutes, l->window_nights);
    out_number(b, "latency_percent", l->latency_percent);
    out_number(b, "mad_multiple", l->mad_multiple);
    out_number(b, "young_percent", l->young_percent);
    out_number(b, "drift_percent", l->drift_percent);
    out_int(b, "ram_bytes", l->ram_bytes);
    out_int(b, "flash_bytes", l->flash_bytes);
    buf_puts(b, "}");
    // The address may hold a password: whether there is one is all that is told.
    out_bool(b, "webhook", p->webhook.url[0] != '\0');
    out_bool(b, "published", p->n_published > 0);
}

void run_out_plan(struct buf *b, const struct plan_entry *p, int64_t now_ms, const struct run *last,
                  int64_t open)
{
    bool valid = p->wrong.err.code == ERR_NONE;
    buf_puts(b, "{\"name\":");
    buf_json_str(b, p->name);
    out_bool(b, "valid", valid);
    if (valid) {
        buf_puts(b, ",\"error\":null");
        out_text(b, "title", p->plan.title);
        out_text(b, "description", p->plan.description);
    } else {
        buf_puts(b, ",\"error\":{\"field\":");
        json_out_text_or_null(b, p->wrong.field);
        out_text(b, "detail", p->wrong.err.msg);
        buf_puts(b, "},\"title\":null,\"description\":null");
    }
    if (valid && p->plan.cron[0]) {
        buf_puts(b, ",\"schedule\":{\"cron\":");
        buf_json_str(b, p->plan.cron);
        out_text(b, "timezone", p->plan.timezone);
        buf_puts(b, "}");
    } else {
        buf_puts(b, ",\"schedule\":null");
    }
    out_time(b, "next_slot", scheduler_next_slot(p, now_ms));
    if (valid) {
        plan_models_out(b, &p->plan);
        plan_limits_out(b, &p->plan);
    }
    out_id(b, "running", open);
    buf_puts(b, ",\"last_run\":");
    if (last) {
        run_out_run(b, last);
        buf_puts(b, "}}");
    } else {
        buf_puts(b, "null}");
    }
}

// --- the grid -------------------------------------------------------------------------------------------------------

struct cell {
    char model[STORE_ID_SIZE], model_name[STORE_NAME_SIZE], board[STORE_NAME_SIZE];
    int points, state[ROW_STATES], infrastructure;
    int regressions, suspects, improvements, known;
};

struct grid {
    struct cell *at;
    size_t n, max;
    bool failed;
};

static struct cell *grid_cell(struct grid *g, const char *model, const char *board)
{
    for (size_t i = g->n; i-- > 0;) { // points come by series: most often it is the last
        if (strcmp(g->at[i].model, model) == 0 && strcmp(g->at[i].board, board) == 0)
            return &g->at[i];
    }
    return NULL;
}

static void grid_point(void *cls, const struct point *p)
{
    struct grid *g = cls;
    if (p->rerun != 0 || g->failed)
        return;
    struct cell *c = grid_cell(g, p->model, p->board);
    if (!c) {
        if (g->n == g->max) {
            size_t max = g->max ? 2 * g->max : 64;
            struct cell *at = realloc(g->at, max * sizeof *at);
            if (!at) {
                g->failed = true;
                return;
            }
            g->at = at;
            g->max = max;
        }
        c = &g->at[g->n++];
        *c = (struct cell){0};
        snprintf(c->model, sizeof c->model, "%s", p->model);
        snprintf(c->model_name, sizeof c->model_name, "%s", p->model_name);
        snprintf(c->board, sizeof c->board, "%s", p->board);
    }
    c->points++;
    c->state[p->state]++;
    c->infrastructure += p->state == ROW_FAILED && strcmp(p->class, "infrastructure") == 0;
}

static void cell_finding(struct cell *c, const struct finding_row *f)
{
    bool regression = run_out_is_regression(f->kind);
    if (strcmp(f->kind, "faster") == 0 || strcmp(f->kind, "smaller") == 0)
        c->improvements++;
    else if (strcmp(f->state, "acknowledged") == 0 || strcmp(f->state, "expected") == 0)
        c->known++;
    else if (strcmp(f->kind, "rig-suspect") == 0 || strcmp(f->state, "suspected") == 0)
        c->suspects++;
    else if (regression && strcmp(f->state, "unconfirmed") != 0)
        c->regressions++;
}

static void grid_finding(void *cls, const struct finding_row *f)
{
    struct grid *g = cls;
    for (size_t i = 0; i < g->n; i++) {
        struct cell *c = &g->at[i];
        if (strcmp(c->board, f->board) == 0 && (!f->model[0] || strcmp(c->model, f->model) == 0))
            cell_finding(c, f);
    }
}

// How a cell looks: the worst first; a cell without numbers says why it has none.
static const char *cell_look(const struct cell *c)
{
    int model = c->state[ROW_FAILED] - c->infrastructure;
    if (c->regressions)
        return "regression";
    if (c->suspects)
        return "suspect";
    if (c->state[ROW_OPEN])
        return "running";
    if (model)
        return "failed";
    if (c->infrastructure)
        return "infrastructure";
    if (c->state[ROW_NOT_RUN])
        return "not-run";
    if (c->state[ROW_DONE] == 0)
        return "no-fit";
    return c->improvements ? "improved" : c->known ? "known" : "pass";
}

int run_out_grid(struct app *a, const struct run *r, struct buf *b, struct err *e)
{
    struct grid g = {0};
    int bad = store_point_of_run(a->store, r->id, 0, -1, grid_point, &g, e) ||
              store_finding_of_run(a->store, r->id, grid_finding, &g, e);
    if (!bad && g.failed)
        bad = err_set(e, ERR_NO_MEMORY, "no memory for the grid of run %" PRId64, r->id);
    buf_puts(b, "\"grid\":[");
    for (size_t i = 0; i < g.n && !bad; i++) {
        const struct cell *c = &g.at[i];
        buf_printf(b, "%s{\"model\":\"%s\"", i ? "," : "", c->model);
        out_text(b, "model_name", c->model_name);
        out_text(b, "board", c->board);
        out_text(b, "look", cell_look(c));
        out_int(b, "points", c->points);
        out_int(b, "done", c->state[ROW_DONE]);
        out_int(b, "failed", c->state[ROW_FAILED] - c->infrastructure);
        out_int(b, "infrastructure", c->infrastructure);
        out_int(b, "not_run", c->state[ROW_NOT_RUN]);
        out_int(b, "no_fit", c->state[ROW_NO_FIT]);
        out_int(b, "open", c->state[ROW_OPEN]);
        out_int(b, "regressions", c->regressions);
        out_int(b, "suspects", c->suspects);
        out_int(b, "improvements", c->improvements);
        out_int(b, "known", c->known);
        buf_puts(b, "}");
    }
    buf_puts(b, "]");
    free(g.at);
    return bad ? -1 : 0;
}

// --- CSV ------------------------------------------------------------------------------------------------------------

// A field in quotes; what a spreadsheet would take for a formula is made text.
static void csv_text(struct buf *b, const char *text)
{
    buf_puts(b, strchr("=+-@\t\r", text[0]) && text[0] ? "\"'" : "\"");
    for (; *text; text++) {
        if (*text == '"')
            buf_puts(b, "\"");
        buf_add(b, text, 1);
    }
    buf_puts(b, "\"");
}

static void csv_int(struct buf *b, int64_t v)
{
    if (v >= 0)
        buf_printf(b, "%" PRId64, v);
}

static void csv_time(struct buf *b, int64_t ms)
{
    if (ms)
        json_out_time(b, ms);
}

static void csv_number(struct buf *b, double v)
{
    if (isfinite(v))
        json_out_double(b, v);
}

// Fields with a comma behind each.
static void csv_texts(struct buf *b, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        csv_text(b, texts[i]);
        buf_puts(b, ",");
    }
}

static void csv_ints(struct buf *b, const int64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        csv_int(b, values[i]);
        buf_puts(b, ",");
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

void run_out_runs_csv_head(struct buf *b)
{
    buf_puts(b, "run,plan,slot,trigger,state,verdict,points,done,failed,infrastructure,not_run,"
                "no_fit,open,findings,regressions,created,finished,detail,note\r\n");
}

void run_out_run_csv(void *buf, const struct run *r)
{
    struct buf *b = buf;
    const int64_t counts[] = {r->points, r->done, r->failed,   r->infrastructure, r->not_run,
                              r->no_fit, r->open, r->findings, r->regressions};
    buf_printf(b, "%" PRId64 ",", r->id);
    csv_text(b, r->plan);
    buf_puts(b, ",");
    csv_time(b, r->slot_ms);
    buf_printf(b, ",%s,%s,%s,", run_trigger_names[r->trigger], run_state_names[r->state],
               r->verdict);
    csv_ints(b, counts, COUNT_OF(counts));
    csv_time(b, r->created_ms);
    buf_puts(b, ",");
    csv_time(b, r->finished_ms);
    buf_puts(b, ",");
    csv_text(b, r->detail);
    buf_puts(b, ",");
    csv_text(b, r->note);
    buf_puts(b, "\r\n");
}

void run_out_points_csv_head(struct buf *b)
{
    buf_puts(b, "run,slot,trigger,series,model,model_name,board,configuration,rerun,state,class,"
                "error_type,spec,overhead,cycles_min,cycles_median,cycles_max,repeats,instructions,"
                "clock_hz,ms,arena_bytes,stack_bytes,static_bytes,flash_bytes,firmware,program,"
                "toolchain,kernels,agent,rig,emulated,timing,timing_version,baseline\r\n");
}

void run_out_point_csv(void *buf, const struct point *p)
{
    struct buf *b = buf;
    const char *const names[] = {p->model, p->model_name, p->board, p->config};
    const int64_t counts[] = {p->cycles_min, p->cycles_median, p->cycles_max,
                              p->repeats,    p->instructions,  p->clock_hz};
    const int64_t bytes[] = {p->arena_bytes, p->stack_bytes, p->static_bytes, p->flash_bytes};
    const char *const build[] = {p->firmware, p->program, p->toolchain,
                                 p->kernels,  p->agent,   p->rig};
    buf_printf(b, "%" PRId64 ",", p->run);
    csv_time(b, p->slot_ms);
    buf_printf(b, ",%s,%" PRId64 ",", run_trigger_names[p->trigger], p->series);
    csv_texts(b, names, COUNT_OF(names));
    buf_printf(b, "%d,%s,%s,", p->rerun, row_state_names[p->state], p->class);
    csv_text(b, p->error_type);
    buf_puts(b, ",");
    csv_text(b, p->spec);
    buf_puts(b, ",");
    csv_number(b, p->overhead < 0 ? NAN : p->overhead);
    buf_puts(b, ",");
    csv_ints(b, counts, COUNT_OF(counts));
    csv_number(b, point_ms(p));
    buf_puts(b, ",");
    csv_ints(b, bytes, COUNT_OF(bytes));
    csv_texts(b, build, COUNT_OF(build));
    csv_int(b, p->emulated);
    buf_puts(b, ",");
    csv_text(b, p->timing);
    buf_puts(b, ",");
    csv_int(b, p->timing_version);
    buf_printf(b, ",%d\r\n", p->baseline);
}

void run_out_findings_csv_head(struct buf *b)
{
    buf_puts(b,
             "id,plan,kind,regression,state,model,model_name,board,configuration,rig,count,"
             "metric,reason,was,is,percent,noise,first_run,first_slot,last_run,last_slot,firmware,"
             "firmware_changed,program_changed,rig_changed,owner,note,series\r\n");
}

void run_out_finding_csv(void *buf, const struct finding_row *f)
{
    struct buf *b = buf;
    const char *const names[] = {f->model, f->model_name, f->board, f->config, f->rig};
    const double numbers[] = {f->was, f->current, f->percent, f->noise};
    buf_printf(b, "%" PRId64 ",", f->id);
    csv_text(b, f->plan);
    buf_printf(b, ",%s,%d,%s,", f->kind, run_out_is_regression(f->kind), f->state);
    csv_texts(b, names, COUNT_OF(names));
    buf_printf(b, "%" PRId64 ",%s,%s,", f->count, f->metric, f->reason);
    for (size_t i = 0; i < 4; i++) {
        csv_number(b, numbers[i]);
        buf_puts(b, ",");
    }
    buf_printf(b, "%" PRId64 ",", f->first_run);
    csv_time(b, f->first_slot_ms);
    buf_printf(b, ",%" PRId64 ",", f->last_run);
    csv_time(b, f->last_slot_ms);
    buf_puts(b, ",");
    csv_text(b, f->firmware);
    buf_printf(b, ",%d,%d,%d,", f->firmware_changed, f->program_changed, f->rig_changed);
    csv_text(b, f->owner);
    buf_puts(b, ",");
    csv_text(b, f->note);
    buf_puts(b, ",");
    csv_int(b, f->series ? f->series : -1);
    buf_puts(b, "\r\n");
}
