// SPDX-License-Identifier: MIT
// /series and /findings: how one configuration of a model does on a board from run to run, and what people say about it.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api.h"
#include "server/api_nightly.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/hash.h"
#include "server/judge.h"
#include "server/json_out.h"
#include "server/nightly/changepoint.h"
#include "server/page.h"
#include "server/run.h"
#include "server/run_in.h"
#include "server/run_out.h"

#define MAX_CHANGES 64 // change points of a series that are told

static void series_page_add(void *cls, const struct series *s)
{
    struct page *page = cls;
    if (page_item(page, s->id)) {
        run_out_series(page->list.buf, s);
        buf_puts(page->list.buf, "}");
    }
}

enum outcome api_series_list(struct request *r, struct reply *out, struct problem *p)
{
    struct page page;
    int64_t after = 0;
    struct series_filter f = {.plan = request_query(r, "plan"),
                              .model = request_query(r, "model"),
                              .board = request_query(r, "board")};
    if (page_open(&page, r, out, 0, &after, p) == 0 &&
        store_series_list(r->app->store, &f, after, page.limit + 1, series_page_add, &page,
                          &p->err) == 0)
        page_close(&page);
    return OUTCOME_REPLY;
}

static int series_param(struct request *r, struct series *s, struct problem *p)
{
    int64_t id = 0;
    return request_param_id(r, 0, &id, p) || store_series_get(r->app->store, id, s, &p->err) ? -1
                                                                                             : 0;
}

// What a point is made of besides its figures; a change of one of these is a marker on the series' line.
enum { MARKS = 6 };
static const char *const mark_names[MARKS] = {"firmware",  "program", "rig",
                                              "toolchain", "timing",  "spec"};

struct series_view {
    struct buf *points, *markers;
    int n_points, n_markers;
    char last[MARKS][160];
};

static void series_marks(const struct point *p, char marks[MARKS][160])
{
    snprintf(marks[0], 160, "%s", p->firmware);
    snprintf(marks[1], 160, "%s", p->program);
    snprintf(marks[2], 160, "%s%s%s", p->agent, p->rig[0] ? "/" : "", p->rig);
    snprintf(marks[3], 160, "%s", p->toolchain);
    snprintf(marks[4], 160, "%s", p->timing);
    if (p->timing[0])
        snprintf(marks[4], 160, "%.100s/%" PRId64, p->timing, p->timing_version);
    snprintf(marks[5], 160, "%.159s", p->spec);
}

static void series_marker(struct series_view *v, const struct point *p, const char *kind,
                          const char *from, const char *to)
{
    struct buf *b = v->markers;
    buf_printf(b, "%s{\"run\":%" PRId64 ",\"slot\":", v->n_markers++ ? "," : "", p->run);
    json_out_time(b, p->slot_ms);
    buf_printf(b, ",\"kind\":\"%s\",\"from\":", kind);
    json_out_text_or_null(b, from);
    buf_puts(b, ",\"to\":");
    json_out_text_or_null(b, to);
    buf_puts(b, "}");
}

static void series_view_add(void *cls, const struct point *p)
{
    struct series_view *v = cls;
    char marks[MARKS][160];
    buf_puts(v->points, v->n_points++ ? "," : "");
    run_out_point(v->points, p);
    if (p->rerun == 0 && p->baseline)
        series_marker(v, p, "baseline", "", "");
    if (p->rerun != 0 || p->state != ROW_DONE)
        return;
    series_marks(p, marks);
    for (int i = 0; i < MARKS; i++) {
        if (!marks[i][0])
            continue; // not known: no change
        if (v->last[i][0] && strcmp(v->last[i], marks[i]) != 0)
            series_marker(v, p, mark_names[i], v->last[i], marks[i]);
        memcpy(v->last[i], marks[i], sizeof marks[i]);
    }
}

// Median and band that each night was judged by: what the baseline was before it.
static void series_band_out(struct buf *b, const struct judge_series *j)
{
    buf_puts(b, ",\"band\":[");
    for (size_t i = 0; i < j->n; i++) {
        const struct detect_band *band = &j->band[i];
        buf_printf(b, "%s{\"run\":%" PRId64 ",\"nights\":%zu,\"median\":", i ? "," : "", j->runs[i],
                   band->nights);
        json_out_double(b, band->nights ? band->median : NAN);
        buf_puts(b, ",\"low\":");
        json_out_double(b, band->nights ? band->low : NAN);
        buf_puts(b, ",\"high\":");
        json_out_double(b, band->nights ? band->high : NAN);
        buf_printf(b, ",\"begins\":%s}", band->begins ? "true" : "false");
    }
    buf_puts(b, "]");
}

static int series_changes_out(struct buf *b, const struct judge_series *j, struct err *e)
{
    struct changepoint at[MAX_CHANGES];
    struct changepoint_options o = changepoint_options_default();
    double *x = calloc(j->n + 1, sizeof *x);
    int64_t *runs = calloc(j->n + 1, sizeof *runs);
    size_t n = 0;
    long found = -1;
    if (!x || !runs) {
        err_set(e, ERR_NO_MEMORY, "no memory for a series");
        goto out;
    }
    for (size_t i = 0; i < j->n; i++) {
        if (j->at[i].state != POINT_OK)
            continue;
        x[n] = (double)j->at[i].cycles;
        runs[n++] = j->runs[i];
    }
    found = changepoint_find(x, n, &o, at, MAX_CHANGES, e);
    buf_puts(b, ",\"changes\":[");
    for (long i = 0; i < found; i++) {
        buf_printf(b, "%s{\"run\":%" PRId64 ",\"metric\":\"cycles\",\"before\":", i ? "," : "",
                   runs[at[i].at]);
        json_out_double(b, at[i].before);
        buf_puts(b, ",\"after\":");
        json_out_double(b, at[i].after);
        buf_puts(b, ",\"percent\":");
        json_out_double(b, at[i].percent);
        buf_puts(b, "}");
    }
    buf_puts(b, "]");
out:
    free(x);
    free(runs);
    return found < 0 ? -1 : 0;
}

enum outcome api_series_get(struct request *r, struct reply *out, struct problem *p)
{
    struct series s;
    struct buf points, markers, *b = &out->body;
    struct judge_series j = {0};
    struct series_view v = {.points = &points, .markers = &markers};
    buf_init(&points, 32u << 20);
    buf_init(&markers, 8u << 20);
    if (series_param(r, &s, p) ||
        store_point_of_series(r->app->store, s.id, INT64_MAX, series_view_add, &v, &p->err))
        goto out;
    // Of the newest run's plan, which is what the next night is judged by.
    struct detect_limits limits = run_limits(r->app->store, s.last_run);
    if (judge_series(r->app->store, &s, &limits, &j, &p->err))
        goto out;
    run_out_series(b, &s);
    buf_puts(b, ",\"points\":[");
    buf_puts(b, buf_str(&points));
    buf_puts(b, "],\"markers\":[");
    buf_puts(b, buf_str(&markers));
    buf_puts(b, "]");
    series_band_out(b, &j);
    if (series_changes_out(b, &j, &p->err))
        goto out;
    struct json_list list = {.buf = b};
    struct finding_filter f = {.series = s.id};
    buf_puts(b, ",\"findings\":[");
    store_finding_list(r->app->store, &f, INT64_MAX, -1, run_out_finding_item, &list, &p->err);
    buf_puts(b, "]}");
    b->failed = b->failed || points.failed || markers.failed;
out:
    judge_series_free(&j);
    buf_free(&points);
    buf_free(&markers);
    return OUTCOME_REPLY;
}

enum outcome api_series_csv(struct request *r, struct reply *out, struct problem *p)
{
    struct series s;
    run_out_points_csv_head(&out->body);
    if (series_param(r, &s, p) == 0)
        store_point_of_series(r->app->store, s.id, INT64_MAX, run_out_point_csv, &out->body,
                              &p->err);
    out->type = "text/csv; charset=utf-8";
    out->disposition = "attachment; filename=\"points.csv\"";
    return OUTCOME_REPLY;
}

enum outcome api_series_baseline(struct request *r, struct reply *out, struct problem *p)
{
    struct series s;
    struct run run;
    struct baseline_in in;
    if (json_in_baseline(buf_str(&r->body), r->body.len, &in, p) || series_param(r, &s, p))
        return OUTCOME_REPLY;
    if (store_run_get(r->app->store, in.run, &run, &p->err) || strcmp(run.plan, s.plan) != 0) {
        p->err = (struct err){0};
        problem_field(p, ERR_BAD_FIELD, "run", "plan %s has no run %" PRId64, s.plan, in.run);
        return OUTCOME_REPLY;
    }
    if (store_point_baseline(r->app->store, s.id, in.run, true, &p->err))
        return OUTCOME_REPLY;
    run_out_series(&out->body, &s);
    buf_puts(&out->body, "}");
    return OUTCOME_REPLY;
}

// --- findings -------------------------------------------------------------------------------------------------------

static void finding_page_add(void *cls, const struct finding_row *f)
{
    struct page *page = cls;
    if (page_item(page, f->id)) {
        run_out_finding(page->list.buf, f);
        buf_puts(page->list.buf, "}");
    }
}

enum outcome api_finding_list(struct request *r, struct reply *out, struct problem *p)
{
    static const char *const states[] = {"open",         "suspected", "confirmed", "unconfirmed",
                                         "acknowledged", "expected",  "resolved"};
    struct page page;
    int64_t before = 0;
    struct finding_filter f = {.plan = request_query(r, "plan"),
                               .state = request_query(r, "state")};
    bool known = !f.state;
    for (size_t i = 0; i < sizeof states / sizeof *states && !known; i++)
        known = strcmp(states[i], f.state) == 0;
    if (!known) {
        problem_field(p, ERR_BAD_FIELD, "state",
                      "must be open, suspected, confirmed, unconfirmed, acknowledged, expected or "
                      "resolved");
        return OUTCOME_REPLY;
    }
    if (request_query_integer(r, "series", 1, INT64_MAX, 0, &f.series, p) ||
        page_open(&page, r, out, INT64_MAX, &before, p))
        return OUTCOME_REPLY;
    if (store_finding_list(r->app->store, &f, before, page.limit + 1, finding_page_add, &page,
                           &p->err) == 0)
        page_close(&page);
    return OUTCOME_REPLY;
}

static void note_list_add(void *cls, int64_t created_ms, const char *action, const char *owner,
                          const char *note)
{
    struct json_list *list = cls;
    json_list_item(list);
    buf_puts(list->buf, "{\"at\":");
    json_out_time(list->buf, created_ms);
    buf_puts(list->buf, ",\"action\":");
    buf_json_str(list->buf, action);
    buf_puts(list->buf, ",\"owner\":");
    json_out_text_or_null(list->buf, owner);
    buf_puts(list->buf, ",\"note\":");
    json_out_text_or_null(list->buf, note);
    buf_puts(list->buf, "}");
}

static void finding_reply(struct app *a, const struct finding_row *f, struct buf *b, struct err *e)
{
    struct json_list list = {.buf = b};
    run_out_finding(b, f);
    buf_puts(b, ",\"history\":[");
    store_note_list(a->store, f->id, note_list_add, &list, e);
    buf_puts(b, "]}");
}

static int finding_param(struct request *r, struct finding_row *f, struct problem *p)
{
    int64_t id = 0;
    return request_param_id(r, 0, &id, p) || store_finding_get(r->app->store, id, f, &p->err) ? -1
                                                                                              : 0;
}

enum outcome api_finding_get(struct request *r, struct reply *out, struct problem *p)
{
    struct finding_row f;
    if (finding_param(r, &f, p) == 0)
        finding_reply(r->app, &f, &out->body, &p->err);
    return OUTCOME_REPLY;
}

static bool finding_is(const struct finding_row *f, const char *state)
{
    return strcmp(f->state, state) == 0;
}

// The effect of an action on a finding. Only what is open can be acknowledged or expected, only that can be reopened.
static int triage_apply(struct app *a, const struct triage_in *in, struct finding_row *f,
                        struct problem *p)
{
    bool open =
        finding_is(f, "suspected") || finding_is(f, "confirmed") || finding_is(f, "acknowledged");
    if ((in->action == TRIAGE_ACKNOWLEDGE || in->action == TRIAGE_EXPECT) && !open)
        return err_set(&p->err, ERR_CONFLICT, "finding %" PRId64 " is %s, not open", f->id,
                       f->state);
    if (in->action == TRIAGE_ACKNOWLEDGE) {
        snprintf(f->state, sizeof f->state, "acknowledged");
        f->accepted = f->current;
    } else if (in->action == TRIAGE_EXPECT) {
        if (f->series == 0)
            return err_set(&p->err, ERR_CONFLICT,
                           "finding %" PRId64 " is not about one series: expect those of its "
                           "series, or acknowledge it",
                           f->id);
        snprintf(f->state, sizeof f->state, "expected");
        if (store_point_baseline(a->store, f->series, f->last_run, true, &p->err))
            return -1;
    } else if (in->action == TRIAGE_REOPEN) {
        if (!finding_is(f, "acknowledged") && !finding_is(f, "expected"))
            return err_set(&p->err, ERR_CONFLICT,
                           "finding %" PRId64 " is %s, neither acknowledged nor expected", f->id,
                           f->state);
        if (finding_is(f, "expected") && f->series &&
            store_point_baseline(a->store, f->series, f->last_run, false, &p->err))
            return -1;
        snprintf(f->state, sizeof f->state, "confirmed");
        f->accepted = NAN;
    }
    return 0;
}

// Saying the same once more changes nothing, and so is not told in the history.
static bool triage_changes(const struct finding_row *was, const struct finding_row *is)
{
    bool accepted = was->accepted == is->accepted || (isnan(was->accepted) && isnan(is->accepted));
    return !accepted || strcmp(was->state, is->state) != 0 || strcmp(was->owner, is->owner) != 0 ||
           strcmp(was->note, is->note) != 0;
}

enum outcome api_finding_triage(struct request *r, struct reply *out, struct problem *p)
{
    struct finding_row f, was;
    struct triage_in in;
    struct app *a = r->app;
    if (json_in_triage(buf_str(&r->body), r->body.len, &in, p) || store_begin(a->store, &p->err))
        return OUTCOME_REPLY;
    if (finding_param(r, &f, p))
        goto fail;
    was = f;
    if (triage_apply(a, &in, &f, p))
        goto fail;
    if (in.owner[0])
        snprintf(f.owner, sizeof f.owner, "%s", in.owner);
    if (in.note[0])
        snprintf(f.note, sizeof f.note, "%s", in.note);
    if (triage_changes(&was, &f)) {
        f.updated_ms = clock_now_ms();
        if (store_finding_put(a->store, &f, &p->err) ||
            store_note_add(a->store, f.id, triage_action_names[in.action], in.owner, in.note,
                           f.updated_ms, &p->err))
            goto fail;
    }
    if (store_commit(a->store, &p->err) == 0)
        finding_reply(a, &f, &out->body, &p->err);
    return OUTCOME_REPLY;
fail:
    store_rollback(a->store);
    return OUTCOME_REPLY;
}
