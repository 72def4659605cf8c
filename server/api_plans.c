// SPDX-License-Identifier: MIT
// /plans: what runs by itself, running it by hand, its runs, importing runs.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/api.h"
#include "server/api_nightly.h"
#include "server/app.h"
#include "server/asset.h"
#include "server/page.h"
#include "server/run_out.h"
#include "server/scheduler.h"

enum outcome api_plan_schema(struct request *r, struct reply *out, struct problem *p)
{
    (void)r;
    (void)p;
    buf_puts(&out->body, asset_plan_schema_json());
    out->type = "application/schema+json";
    return OUTCOME_REPLY;
}

// One plan as JSON. The caller holds the plans.
static int plan_out(struct app *a, const struct plan_entry *entry, struct buf *b, struct err *e)
{
    struct run last;
    struct err none = {0};
    int64_t open = 0;
    int n = 0;
    bool ran = store_run_last(a->store, entry->name, true, &last, &none) == 0;
    if (!ran && none.code != ERR_NOT_FOUND)
        return err_set(e, none.code, "%s", none.msg);
    if (store_run_open(a->store, entry->name, &open, 1, &n, e))
        return -1;
    run_out_plan(b, entry, scheduler_now_ms(a), ran ? &last : NULL, n ? open : 0);
    return 0;
}

enum outcome api_plan_list(struct request *r, struct reply *out, struct problem *p)
{
    struct json_list list;
    json_list_open(&list, &out->body);
    const struct plans *plans = scheduler_lock(r->app->scheduler);
    for (size_t i = 0; i < plans->n; i++) {
        json_list_item(&list);
        if (plan_out(r->app, plans->at[i], &out->body, &p->err))
            break;
    }
    scheduler_unlock(r->app->scheduler);
    json_list_close(&list, 0);
    return OUTCOME_REPLY;
}

enum outcome api_plan_get(struct request *r, struct reply *out, struct problem *p)
{
    const struct plan_entry *entry = plans_find(scheduler_lock(r->app->scheduler), r->params[0]);
    if (entry)
        plan_out(r->app, entry, &out->body, &p->err);
    else
        err_set(&p->err, ERR_NOT_FOUND, "there is no plan %.63s; GET /api/v1/plans lists them",
                r->params[0]);
    scheduler_unlock(r->app->scheduler);
    return OUTCOME_REPLY;
}

static void reply_run(struct reply *out, const struct run *run, int status)
{
    out->status = status;
    snprintf(out->location, sizeof out->location, API_BASE "/runs/%" PRId64, run->id);
    run_out_run(&out->body, run);
    buf_puts(&out->body, "}");
}

enum outcome api_plan_run(struct request *r, struct reply *out, struct problem *p)
{
    struct run_request_in in;
    struct run run;
    if (json_in_run_request(buf_str(&r->body), r->body.len, &in, p) == 0 &&
        scheduler_run_now(r->app, r->params[0], &in, &run, p) == 0)
        reply_run(out, &run, 202);
    return OUTCOME_REPLY;
}

enum outcome api_plan_import(struct request *r, struct reply *out, struct problem *p)
{
    struct run_import_in in;
    struct run run;
    if (json_in_run_import(buf_str(&r->body), r->body.len, &in, p))
        return OUTCOME_REPLY;
    if (scheduler_import(r->app, r->params[0], &in, &run, p) == 0)
        reply_run(out, &run, 201);
    run_import_in_free(&in);
    return OUTCOME_REPLY;
}

// Runs of a plan go by slot, which is unique in it: that is the cursor.
static void run_page_add(void *cls, const struct run *run)
{
    struct page *page = cls;
    if (page_item(page, run->slot_ms)) {
        run_out_run(page->list.buf, run);
        buf_puts(page->list.buf, "}");
    }
}

enum outcome api_plan_runs(struct request *r, struct reply *out, struct problem *p)
{
    struct page page;
    int64_t before = 0;
    if (page_open(&page, r, out, INT64_MAX, &before, p) == 0 &&
        store_run_list(r->app->store, r->params[0], before, page.limit + 1, run_page_add, &page,
                       &p->err) == 0)
        page_close(&page);
    return OUTCOME_REPLY;
}

enum outcome api_plan_runs_csv(struct request *r, struct reply *out, struct problem *p)
{
    run_out_runs_csv_head(&out->body);
    store_run_list(r->app->store, r->params[0], INT64_MAX, -1, run_out_run_csv, &out->body,
                   &p->err);
    out->type = "text/csv; charset=utf-8";
    out->disposition = "attachment; filename=\"runs.csv\"";
    return OUTCOME_REPLY;
}

enum outcome api_plan_points_csv(struct request *r, struct reply *out, struct problem *p)
{
    run_out_points_csv_head(&out->body);
    store_point_of_plan(r->app->store, r->params[0], run_out_point_csv, &out->body, &p->err);
    out->type = "text/csv; charset=utf-8";
    out->disposition = "attachment; filename=\"points.csv\"";
    return OUTCOME_REPLY;
}

enum outcome api_plan_findings_csv(struct request *r, struct reply *out, struct problem *p)
{
    struct finding_filter f = {.plan = r->params[0]};
    run_out_findings_csv_head(&out->body);
    store_finding_list(r->app->store, &f, INT64_MAX, -1, run_out_finding_csv, &out->body, &p->err);
    out->type = "text/csv; charset=utf-8";
    out->disposition = "attachment; filename=\"findings.csv\"";
    return OUTCOME_REPLY;
}

enum outcome api_plan_badge(struct request *r, struct reply *out, struct problem *p)
{
    struct run last;
    struct err none = {0};
    bool ran = store_run_last(r->app->store, r->params[0], true, &last, &none) == 0;
    const struct plans *plans = scheduler_lock(r->app->scheduler);
    bool known = ran || plans_find(plans, r->params[0]);
    scheduler_unlock(r->app->scheduler);
    if (!known || !json_in_id_valid(r->params[0]))
        err_set(&p->err, ERR_NOT_FOUND, "there is no plan %.63s; GET /api/v1/plans lists them",
                r->params[0]);
    else
        run_out_badge(&out->body, r->params[0], ran ? last.verdict : "");
    out->type = "image/svg+xml";
    return OUTCOME_REPLY;
}
