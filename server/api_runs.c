// SPDX-License-Identifier: MIT
// /runs: one execution of a plan, in every form; and two of them compared.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api.h"
#include "server/api_nightly.h"
#include "server/app.h"
#include "server/http.h"
#include "server/json_out.h"
#include "server/nightly/front_diff.h"
#include "server/page.h"
#include "server/run.h"
#include "server/run_out.h"
#include "server/scheduler.h"

static int run_param(struct request *r, int i, struct run *out, struct problem *p)
{
    int64_t id = 0;
    return request_param_id(r, i, &id, p) || store_run_get(r->app->store, id, out, &p->err) ? -1
                                                                                            : 0;
}

static void run_page_add(void *cls, const struct run *run)
{
    struct page *page = cls;
    if (page_item(page, run->id)) {
        run_out_run(page->list.buf, run);
        buf_puts(page->list.buf, "}");
    }
}

enum outcome api_run_list(struct request *r, struct reply *out, struct problem *p)
{
    struct page page;
    int64_t before = 0;
    if (page_open(&page, r, out, INT64_MAX, &before, p) == 0 &&
        store_run_list(r->app->store, NULL, before, page.limit + 1, run_page_add, &page, &p->err) ==
            0)
        page_close(&page);
    return OUTCOME_REPLY;
}

enum outcome api_run_get(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    if (run_param(r, 0, &run, p))
        return OUTCOME_REPLY;
    run_out_run(&out->body, &run);
    buf_puts(&out->body, ",");
    run_out_grid(r->app, &run, &out->body, &p->err);
    buf_puts(&out->body, "}");
    return OUTCOME_REPLY;
}

enum outcome api_run_cancel(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    struct queue_change ch = {0};
    if (run_param(r, 0, &run, p) == 0 &&
        run_cancel(r->app, run.id, scheduler_now_ms(r->app), &run, &ch, p) == 0) {
        run_out_run(&out->body, &run);
        buf_puts(&out->body, "}");
    }
    http_wake(r->app->http, &ch);
    return OUTCOME_REPLY;
}

static void point_page_add(void *cls, const struct point *point)
{
    struct page *page = cls;
    if (page_item(page, point->series * 8 + point->rerun))
        run_out_point(page->list.buf, point);
}

enum outcome api_run_points(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    struct page page;
    int64_t after = 0;
    if (run_param(r, 0, &run, p) == 0 && page_open(&page, r, out, 0, &after, p) == 0 &&
        store_point_of_run(r->app->store, run.id, after, page.limit + 1, point_page_add, &page,
                           &p->err) == 0)
        page_close(&page);
    return OUTCOME_REPLY;
}

enum outcome api_run_points_csv(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    run_out_points_csv_head(&out->body);
    if (run_param(r, 0, &run, p) == 0)
        store_point_of_run(r->app->store, run.id, 0, -1, run_out_point_csv, &out->body, &p->err);
    out->type = "text/csv; charset=utf-8";
    out->disposition = "attachment; filename=\"points.csv\"";
    return OUTCOME_REPLY;
}

enum outcome api_run_findings(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    struct json_list list;
    if (run_param(r, 0, &run, p))
        return OUTCOME_REPLY;
    json_list_open(&list, &out->body);
    if (store_finding_of_run(r->app->store, run.id, run_out_finding_item, &list, &p->err) == 0)
        json_list_close(&list, 0);
    return OUTCOME_REPLY;
}

enum outcome api_run_findings_csv(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    run_out_findings_csv_head(&out->body);
    if (run_param(r, 0, &run, p) == 0)
        store_finding_of_run(r->app->store, run.id, run_out_finding_csv, &out->body, &p->err);
    out->type = "text/csv; charset=utf-8";
    out->disposition = "attachment; filename=\"findings.csv\"";
    return OUTCOME_REPLY;
}

enum outcome api_run_junit(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    if (run_param(r, 0, &run, p) == 0)
        run_out_junit(r->app, &run, &out->body, &p->err);
    out->type = "application/xml; charset=utf-8";
    return OUTCOME_REPLY;
}

enum outcome api_run_summary(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    if (run_param(r, 0, &run, p) == 0)
        run_out_markdown(r->app, &run, &out->body, &p->err);
    out->type = "text/markdown; charset=utf-8";
    return OUTCOME_REPLY;
}

enum outcome api_run_published(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    if (run_param(r, 0, &run, p) == 0)
        run_out_published(r->app, &run, &out->body, &p->err);
    return OUTCOME_REPLY;
}

static void delivery_list_add(void *cls, const struct delivery *d)
{
    struct json_list *list = cls;
    json_list_item(list);
    run_out_delivery(list->buf, d);
}

enum outcome api_run_deliveries(struct request *r, struct reply *out, struct problem *p)
{
    struct run run;
    struct json_list list;
    if (run_param(r, 0, &run, p))
        return OUTCOME_REPLY;
    json_list_open(&list, &out->body);
    if (store_delivery_of_run(r->app->store, run.id, delivery_list_add, &list, &p->err) == 0)
        json_list_close(&list, 0);
    return OUTCOME_REPLY;
}

// --- two runs compared ----------------------------------------------------------------------------------------------

struct side_point {
    char model[STORE_ID_SIZE], model_name[STORE_NAME_SIZE], board[STORE_NAME_SIZE],
        config[STORE_NAME_SIZE];
    int64_t series;
    uint32_t ram;
    uint64_t cycles;
    int64_t clock_hz;
    bool emulated;
};

struct side {
    struct side_point *at;
    size_t n, max;
    bool failed;
};

static void side_add(void *cls, const struct point *p)
{
    struct side *s = cls;
    if (p->rerun != 0 || p->state != ROW_DONE || p->arena_bytes <= 0 || p->cycles_median <= 0)
        return;
    if (s->n == s->max) {
        size_t max = s->max ? 2 * s->max : 256;
        struct side_point *at = realloc(s->at, max * sizeof *at);
        if (!at) {
            s->failed = true;
            return;
        }
        s->at = at;
        s->max = max;
    }
    struct side_point *q = &s->at[s->n++];
    *q = (struct side_point){.series = p->series,
                             .ram = (uint32_t)p->arena_bytes,
                             .cycles = (uint64_t)p->cycles_median,
                             .clock_hz = p->clock_hz,
                             .emulated = p->emulated > 0};
    snprintf(q->model, sizeof q->model, "%s", p->model);
    snprintf(q->model_name, sizeof q->model_name, "%s", p->model_name);
    snprintf(q->board, sizeof q->board, "%s", p->board);
    snprintf(q->config, sizeof q->config, "%s", p->config);
}

static int side_compare(const void *a, const void *b)
{
    const struct side_point *x = a, *y = b;
    int name = strcmp(x->model_name, y->model_name), model = strcmp(x->model, y->model);
    int board = strcmp(x->board, y->board);
    if (name || model || board)
        return name ? name : model ? model : board;
    return x->ram < y->ram ? -1 : x->ram > y->ram ? 1 : strcmp(x->config, y->config);
}

static int side_load(struct app *a, const struct run *run, struct side *s, struct err *e)
{
    *s = (struct side){0};
    if (store_point_of_run(a->store, run->id, 0, -1, side_add, s, e))
        return -1;
    if (s->failed)
        return err_set(e, ERR_NO_MEMORY, "no memory to compare runs");
    if (s->n)
        qsort(s->at, s->n, sizeof *s->at, side_compare);
    return 0;
}

// Points of one model on one board: s->at[from..from+n).
static size_t side_cell(const struct side *s, size_t from)
{
    size_t n = 1;
    while (from + n < s->n && strcmp(s->at[from].model, s->at[from + n].model) == 0 &&
           strcmp(s->at[from].board, s->at[from + n].board) == 0)
        n++;
    return n;
}

static void side_diff_points(const struct side_point *at, size_t n, struct front_diff_point *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (struct front_diff_point){
            .key = at[i].config, .ram_bytes = at[i].ram, .cycles = at[i].cycles};
}

static void compare_points(struct buf *b, const char *name, const struct side_point *at, size_t n,
                           const struct front_diff *d, bool before)
{
    buf_printf(b, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        bool on = false;
        for (size_t k = 0; k < d->n; k++) {
            const struct front_diff_entry *x = &d->at[k];
            on = on || (before ? x->before == (long)i && x->change != FRONT_ENTERED
                               : x->after == (long)i &&
                                     (x->change == FRONT_ENTERED || x->change == FRONT_STAYED));
        }
        buf_printf(b, "%s{\"series\":%" PRId64 ",\"configuration\":", i ? "," : "", at[i].series);
        buf_json_str(b, at[i].config);
        buf_printf(b, ",\"ram_bytes\":%" PRIu32 ",\"cycles\":\"%" PRIu64 "\",\"ms\":", at[i].ram,
                   at[i].cycles);
        json_out_double(b, (double)at[i].cycles * 1000 / (double)at[i].clock_hz);
        buf_printf(b, ",\"emulated\":%s,\"on_front\":%s}", at[i].emulated ? "true" : "false",
                   on ? "true" : "false");
    }
    buf_puts(b, "]");
}

static void compare_index(struct buf *b, const char *name, long i)
{
    if (i < 0)
        buf_printf(b, ",\"%s\":null", name);
    else
        buf_printf(b, ",\"%s\":%ld", name, i);
}

static void compare_cell_out(struct buf *b, const struct side_point *x, size_t n_x,
                             const struct side_point *y, size_t n_y, const struct front_diff *d)
{
    const struct side_point *any = n_x ? x : y;
    buf_printf(b, "{\"model\":\"%s\",\"model_name\":", any->model);
    buf_json_str(b, any->model_name);
    buf_puts(b, ",\"board\":");
    buf_json_str(b, any->board);
    buf_printf(b, ",\"left\":%zu,\"entered\":%zu,\"latency_percent\":", d->n_left, d->n_entered);
    json_out_double(b, d->comparable ? d->latency_percent : NAN);
    buf_puts(b, ",\"ram_percent\":");
    json_out_double(b, d->comparable ? d->ram_percent : NAN);
    if (d->comparable)
        buf_printf(b,
                   ",\"least_ram\":{\"before\":%" PRIu32 ",\"after\":%" PRIu32
                   "},\"least_cycles\":{\"before\":\"%" PRIu64 "\",\"after\":\"%" PRIu64 "\"}",
                   d->least_ram_before, d->least_ram_after, d->least_cycles_before,
                   d->least_cycles_after);
    else
        buf_puts(b, ",\"least_ram\":null,\"least_cycles\":null");
    compare_points(b, "before", x, n_x, d, true);
    compare_points(b, "after", y, n_y, d, false);
    buf_puts(b, ",\"changes\":[");
    bool first = true;
    for (size_t i = 0; i < d->n; i++) {
        const struct front_diff_entry *c = &d->at[i];
        if (c->change == FRONT_STAYED)
            continue;
        buf_puts(b, first ? "{\"configuration\":" : ",{\"configuration\":");
        first = false;
        buf_json_str(b, c->key);
        buf_printf(b, ",\"change\":\"%s\"", front_diff_change_name(c->change));
        compare_index(b, "before", c->before);
        compare_index(b, "after", c->after);
        compare_index(b, "beaten_by", c->beaten_by);
        buf_puts(b, "}");
    }
    buf_puts(b, "]}");
}

static int compare_cell(struct buf *b, const struct side_point *x, size_t n_x,
                        const struct side_point *y, size_t n_y, double tolerance, struct err *e)
{
    struct front_diff d = {0};
    struct front_diff_point *before = calloc(n_x + 1, sizeof *before);
    struct front_diff_point *after = calloc(n_y + 1, sizeof *after);
    bool emulated = (n_x ? x : y)->emulated && (n_y ? y : x)->emulated;
    int bad = -1;
    if (!before || !after) {
        err_set(e, ERR_NO_MEMORY, "no memory to compare fronts");
        goto out;
    }
    side_diff_points(x, n_x, before);
    side_diff_points(y, n_y, after);
    bad = front_diff(before, n_x, after, n_y, emulated ? 0 : tolerance, &d, e);
    if (!bad)
        compare_cell_out(b, x, n_x, y, n_y, &d);
    front_diff_free(&d);
out:
    free(before);
    free(after);
    return bad;
}

// Both sides are sorted by model and board: walks them side by side.
static int compare_sides(struct buf *b, const struct side *x, const struct side *y,
                         double tolerance, struct err *e)
{
    size_t i = 0, k = 0;
    buf_puts(b, "[");
    for (bool first = true; i < x->n || k < y->n; first = false) {
        int order = i == x->n ? 1 : k == y->n ? -1 : 0;
        if (order == 0) {
            struct side_point a = x->at[i], c = y->at[k];
            a.ram = c.ram = 0;
            a.config[0] = c.config[0] = '\0';
            order = side_compare(&a, &c);
        }
        size_t n_x = order <= 0 ? side_cell(x, i) : 0, n_y = order >= 0 ? side_cell(y, k) : 0;
        buf_puts(b, first ? "" : ",");
        if (compare_cell(b, x->at + i, n_x, y->at + k, n_y, tolerance, e))
            return -1;
        i += n_x;
        k += n_y;
    }
    buf_puts(b, "]");
    return 0;
}

enum outcome api_run_compare(struct request *r, struct reply *out, struct problem *p)
{
    struct run before, after;
    struct side x = {0}, y = {0};
    if (run_param(r, 0, &before, p) || run_param(r, 1, &after, p) ||
        side_load(r->app, &before, &x, &p->err) || side_load(r->app, &after, &y, &p->err))
        goto out;
    buf_puts(&out->body, "{\"before\":");
    run_out_run(&out->body, &before);
    buf_puts(&out->body, "},\"after\":");
    run_out_run(&out->body, &after);
    buf_puts(&out->body, "},\"cells\":");
    double tolerance = run_limits(r->app->store, after.id).latency_percent; // as it was judged by
    compare_sides(&out->body, &x, &y, tolerance, &p->err);
    buf_puts(&out->body, "}");
out:
    free(x.at);
    free(y.at);
    return OUTCOME_REPLY;
}
