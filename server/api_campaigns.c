// SPDX-License-Identifier: MIT
// /campaigns: create, list, watch, cancel, and the measured front.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api.h"
#include "server/api_front.h"
#include "server/app.h"
#include "server/events.h"
#include "server/hash.h"
#include "server/http.h"
#include "server/json_out.h"
#include "server/page.h"
#include "server/planning.h"
#include "server/queue.h"
#include "server/store.h"

enum outcome api_campaign_add(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign_in in = {0};
    struct campaign c;
    struct queue_change ch = {0};
    bool known = false;
    char sha[HASH_HEX_SIZE];
    const char *key = r->idempotency_key[0] ? r->idempotency_key : NULL;
    if (hash_hex(r->body.data, r->body.len, sha, &p->err) ||
        json_in_campaign(buf_str(&r->body), r->body.len, &in, p))
        return OUTCOME_REPLY;
    if (planning_campaign(r->app, &in, key, sha, &c, &known, &ch, p) == 0) {
        out->status = known ? 200 : 201;
        snprintf(out->location, sizeof out->location, API_BASE "/campaigns/%" PRId64, c.id);
        json_out_campaign(&out->body, &c);
        http_wake(r->app->http, &ch);
    }
    campaign_in_free(&in);
    return OUTCOME_REPLY;
}

static void campaign_page_add(void *cls, const struct campaign *c)
{
    struct page *page = cls;
    if (page_item(page, c->id))
        json_out_campaign(page->list.buf, c);
}

enum outcome api_campaign_list(struct request *r, struct reply *out, struct problem *p)
{
    struct page page;
    int64_t before = 0;
    const char *model = request_query(r, "model");
    if (model && !hash_hex_valid(model)) {
        problem_field(p, ERR_BAD_FIELD, "model",
                      "must be the id of a model: 64 lower-case hex digits");
        return OUTCOME_REPLY;
    }
    if (page_open(&page, r, out, INT64_MAX, &before, p) == 0 &&
        store_campaign_list(r->app->store, before, model, page.limit + 1, campaign_page_add, &page,
                            &p->err) == 0)
        page_close(&page);
    return OUTCOME_REPLY;
}

static int campaign_param(struct request *r, struct campaign *c, struct problem *p)
{
    int64_t id = 0;
    return request_param_id(r, 0, &id, p) || store_campaign_get(r->app->store, id, c, &p->err) ? -1
                                                                                               : 0;
}

enum outcome api_campaign_get(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign c;
    if (campaign_param(r, &c, p) == 0)
        json_out_campaign(&out->body, &c);
    return OUTCOME_REPLY;
}

enum outcome api_campaign_cancel(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign c;
    struct queue_change ch = {0};
    if (campaign_param(r, &c, p) || queue_cancel(r->app, c.id, &ch, p) ||
        store_campaign_get(r->app->store, c.id, &c, &p->err))
        return OUTCOME_REPLY;
    http_wake(r->app->http, &ch);
    json_out_campaign(&out->body, &c);
    return OUTCOME_REPLY;
}

static void job_page_add(void *cls, const struct job *j)
{
    struct page *page = cls;
    if (page_item(page, j->id))
        events_job_json(page->app, j, page->list.buf);
}

enum outcome api_campaign_jobs(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign c;
    struct page page;
    int64_t after = 0;
    if (campaign_param(r, &c, p) == 0 && page_open(&page, r, out, 0, &after, p) == 0 &&
        store_job_list(r->app->store, c.id, after, page.limit + 1, job_page_add, &page, &p->err) ==
            0)
        page_close(&page);
    return OUTCOME_REPLY;
}

static void result_page_add(void *cls, const struct result *result)
{
    struct page *page = cls;
    if (page_item(page, result->id))
        json_out_result(page->list.buf, result);
}

enum outcome api_campaign_results(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign c;
    struct page page;
    int64_t after = 0;
    if (campaign_param(r, &c, p) == 0 && page_open(&page, r, out, 0, &after, p) == 0 &&
        store_result_list(r->app->store, c.id, after, page.limit + 1, result_page_add, &page,
                          &p->err) == 0)
        page_close(&page);
    return OUTCOME_REPLY;
}

// --- the measured front ---------------------------------------------------------------------------------------------

struct measured { // one result, as text, under its configuration
    char spec[PLANNER_MAX_SPEC];
    char *json; // owned
};

struct campaign_front {
    struct measured *at;
    size_t n, max;
    bool failed;
    struct front others; // configurations of the campaign that are not on the model's front
    size_t max_others;   // its jobs
    const struct front *front;
    uint32_t *strategies; // of the front's points, then of the others'
};

static int measured_compare(const void *a, const void *b)
{
    return strcmp(((const struct measured *)a)->spec, ((const struct measured *)b)->spec);
}

static void campaign_front_result(void *cls, const struct result *r)
{
    struct campaign_front *f = cls;
    struct buf json;
    if (f->n == f->max) {
        size_t max = f->max ? 2 * f->max : 64;
        struct measured *at = realloc(f->at, max * sizeof *at);
        if (!at) {
            f->failed = true;
            return;
        }
        f->at = at;
        f->max = max;
    }
    buf_init(&json, 16u << 10);
    json_out_measured(&json, r);
    struct measured *m = &f->at[f->n++];
    memcpy(m->spec, r->spec, sizeof m->spec);
    m->json = buf_take(&json, NULL);
    f->failed = f->failed || !m->json;
}

// Chosen configurations and those of other strategies may lie off the front: they are points too, each once.
static void campaign_front_job(void *cls, const struct job *j)
{
    struct campaign_front *f = cls;
    for (size_t i = 0; i < f->front->n; i++) {
        if (strcmp(f->front->at[i].spec, j->spec) == 0) {
            f->strategies[i] |= j->strategies;
            return;
        }
    }
    uint32_t *strategies = f->strategies + f->front->n;
    for (size_t i = 0; i < f->others.n; i++) {
        if (strcmp(f->others.at[i].spec, j->spec) == 0) {
            strategies[i] |= j->strategies;
            return;
        }
    }
    if (f->others.n == f->max_others)
        return;
    strategies[f->others.n] = j->strategies;
    struct config *c = &f->others.at[f->others.n++];
    *c = (struct config){.arena_bytes = j->arena_bytes, .macs = j->macs, .overhead = j->overhead};
    memcpy(c->spec, j->spec, sizeof c->spec);
}

static void campaign_front_extend(void *cls, struct buf *b, const struct config *c)
{
    const struct campaign_front *f = cls;
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(f->at[mid].spec, c->spec) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool on_front = c < f->others.at || c >= f->others.at + f->max_others;
    size_t at = on_front ? (size_t)(c - f->front->at) : f->front->n + (size_t)(c - f->others.at);
    buf_printf(b, ",\"on_front\":%s,\"strategies\":", on_front ? "true" : "false");
    json_out_strategies(b, f->strategies[at] | (on_front ? 1u << PLANNER_PARETO : 0));
    buf_puts(b, ",\"measured\":[");
    for (size_t i = lo; i < f->n && strcmp(f->at[i].spec, c->spec) == 0; i++)
        buf_printf(b, "%s%s", i > lo ? "," : "", f->at[i].json);
    buf_puts(b, "]");
}

static int campaign_front_load(struct app *a, const struct campaign *c,
                               const struct planner *planner, struct campaign_front *f,
                               struct problem *p)
{
    for (int i = 0; i < JOB_STATES; i++)
        f->max_others += (size_t)c->jobs[i];
    f->others.at = calloc(f->max_others + 1, sizeof *f->others.at);
    f->strategies = calloc(f->front->n + f->max_others + 1, sizeof *f->strategies);
    if (!f->others.at || !f->strategies)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for a front");
    if (store_result_list(a->store, c->id, 0, -1, campaign_front_result, f, &p->err) ||
        store_job_list(a->store, c->id, 0, -1, campaign_front_job, f, &p->err))
        return -1;
    if (f->failed)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for the results of campaign %" PRId64,
                       c->id);
    for (size_t i = 0; i < f->others.n; i++) {
        char spec[PLANNER_MAX_SPEC];
        memcpy(spec, f->others.at[i].spec, sizeof spec);
        if (planner_price(planner, spec, &f->others.at[i], &p->err))
            return -1;
    }
    if (f->n)
        qsort(f->at, f->n, sizeof *f->at, measured_compare);
    return 0;
}

enum outcome api_campaign_front(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign c;
    struct model m;
    struct front_query q;
    struct front front = {0};
    struct campaign_front f = {.front = &front};
    const struct planner *planner = NULL;
    if (campaign_param(r, &c, p) || front_query_read(r, &q, p) ||
        store_model_get(r->app->store, c.model, &m, &p->err) ||
        planning_front(r->app, c.model, PLANNER_PARETO, &front, p) ||
        !(planner = planning_acquire(r->app, c.model, p)) ||
        campaign_front_load(r->app, &c, planner, &f, p))
        goto out;
    char only[64];
    // A campaign on one board speaks of that board unless told otherwise.
    if (!q.board && sscanf(c.boards_json, "[\"%63[^\"]\"]", only) == 1 &&
        !strchr(c.boards_json, ','))
        q.board = boards_find(&r->app->boards, only);
    struct front_view v = {.model = &m,
                           .front = &front,
                           .planner = planner,
                           .query = &q,
                           .extend = campaign_front_extend,
                           .others = &f.others,
                           .cls = &f};
    buf_printf(&out->body, "{\"campaign\":%" PRId64 ",\"model\":\"%s\",", c.id, c.model);
    front_view_write(&v, &out->body);
    buf_puts(&out->body, "}");
out:
    planning_release(r->app, planner);
    front_free(&front);
    for (size_t i = 0; i < f.n; i++)
        free(f.at[i].json);
    free(f.at);
    free(f.others.at);
    free(f.strategies);
    return OUTCOME_REPLY;
}

enum outcome api_campaign_events(struct request *r, struct reply *out, struct problem *p)
{
    struct campaign c;
    int64_t since = -1;
    if (campaign_param(r, &c, p) || request_query_integer(r, "since", 0, INT64_MAX, -1, &since, p))
        return OUTCOME_REPLY;
    // A reconnecting browser repeats the URL, so what it has seen last counts more than ?since.
    events_open(r->app, c.id, r->last_event_id >= 0 ? r->last_event_id : since, &out->stream, p);
    return OUTCOME_REPLY;
}
