// SPDX-License-Identifier: MIT
// /models: upload, list, look up, and what the planner makes of them.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/api.h"
#include "server/api_front.h"
#include "server/app.h"
#include "server/hash.h"
#include "server/json_out.h"
#include "server/page.h"
#include "server/planning.h"
#include "server/store.h"

enum outcome api_model_add(struct request *r, struct reply *out, struct problem *p)
{
    const char *name = request_query(r, "name");
    struct model m;
    bool known = false;
    if (name && !json_in_name_valid(name)) {
        problem_field(p, ERR_BAD_FIELD, "name",
                      "must have 1 to 127 bytes and no control characters");
        return OUTCOME_REPLY;
    }
    if (r->body.len == 0) {
        err_set(&p->err, ERR_BAD_MODEL, "the body is empty; send the bytes of a .tflite file");
        return OUTCOME_REPLY;
    }
    if (planning_import(r->app, r->body.data, r->body.len, name ? name : "unnamed", &m, &known, p))
        return OUTCOME_REPLY;
    out->status = known ? 200 : 201;
    snprintf(out->location, sizeof out->location, API_BASE "/models/%s", m.id);
    json_out_model(&out->body, &m);
    return OUTCOME_REPLY;
}

static void model_page_add(void *cls, const struct model *m)
{
    struct page *page = cls;
    if (page_item(page, m->seq))
        json_out_model(page->list.buf, m);
}

enum outcome api_model_list(struct request *r, struct reply *out, struct problem *p)
{
    struct page page;
    int64_t before = 0;
    if (page_open(&page, r, out, INT64_MAX, &before, p) == 0 &&
        store_model_list(r->app->store, before, page.limit + 1, model_page_add, &page, &p->err) ==
            0)
        page_close(&page);
    return OUTCOME_REPLY;
}

// The id of the path; what is not an id is a model that does not exist.
static int model_param(const struct request *r, struct problem *p)
{
    if (!hash_hex_valid(r->params[0]))
        return err_set(&p->err, ERR_NOT_FOUND,
                       "there is no model \"%.70s\"; ids are 64 lower-case hex digits",
                       r->params[0]);
    return 0;
}

enum outcome api_model_get(struct request *r, struct reply *out, struct problem *p)
{
    struct model m;
    if (model_param(r, p) == 0 && store_model_get(r->app->store, r->params[0], &m, &p->err) == 0)
        json_out_model(&out->body, &m);
    return OUTCOME_REPLY;
}

enum outcome api_model_layers(struct request *r, struct reply *out, struct problem *p)
{
    if (model_param(r, p) == 0)
        store_model_layers(r->app->store, r->params[0], &out->body, &p->err);
    return OUTCOME_REPLY;
}

enum outcome api_model_file(struct request *r, struct reply *out, struct problem *p)
{
    struct model m;
    if (model_param(r, p) || store_model_get(r->app->store, r->params[0], &m, &p->err) ||
        store_blob_get(r->app->store, m.id, &out->body, &p->err))
        return OUTCOME_REPLY;
    out->type = "application/octet-stream";
    out->disposition = "attachment; filename=\"model.tflite\"";
    out->cache = "private, max-age=31536000, immutable";
    snprintf(out->etag, sizeof out->etag, "\"%.32s\"", m.id);
    return OUTCOME_REPLY;
}

static int latency_front(struct request *r, const struct front_query *q, struct front *f,
                         struct problem *p)
{
    if (!q->board)
        return problem_field(p, ERR_BAD_FIELD, "board",
                             "axis=latency needs the board to predict for");
    if (!q->board->has_latency)
        return problem_field(p, ERR_BAD_FIELD, "board",
                             "%s has no latency coefficients: tools/fit-latency measures them",
                             q->board->id);
    return planning_latency_front(r->app, r->params[0], q->board, f, p);
}

enum outcome api_model_front(struct request *r, struct reply *out, struct problem *p)
{
    struct front_query q;
    struct front f = {0};
    const struct planner *planner = NULL;
    const char *name = request_query(r, "strategy");
    int strategy = name ? planner_strategy(name) : PLANNER_PARETO;
    if (strategy < 0) {
        problem_field(p, ERR_BAD_FIELD, "strategy",
                      "must be vanilla, mcunetv2, streamnet, msfcnn, msfcnn-paper or pareto");
        return OUTCOME_REPLY;
    }
    const char *axis = request_query(r, "axis");
    bool by_latency = axis && strcmp(axis, "latency") == 0;
    if (axis && !by_latency && strcmp(axis, "macs") != 0) {
        problem_field(p, ERR_BAD_FIELD, "axis", "must be macs or latency");
        return OUTCOME_REPLY;
    }
    if (by_latency && strategy != PLANNER_PARETO) {
        problem_field(p, ERR_BAD_FIELD, "strategy", "axis=latency has the strategy pareto alone");
        return OUTCOME_REPLY;
    }
    if (model_param(r, p) || front_query_read(r, &q, p) ||
        (by_latency ? latency_front(r, &q, &f, p)
                    : planning_front(r->app, r->params[0], (enum planner_strategy)strategy, &f, p)))
        goto out;
    if (q.board && q.board->has_latency && !(planner = planning_acquire(r->app, r->params[0], p)))
        goto out;
    struct model m;
    if (store_model_get(r->app->store, r->params[0], &m, &p->err))
        goto out;
    struct front_view v = {
        .model = &m, .front = &f, .planner = planner, .query = &q, .by_latency = by_latency};
    buf_printf(&out->body, "{\"model\":\"%s\",\"strategy\":\"%s\",\"axis\":\"%s\",", m.id,
               planner_strategy_names[strategy], by_latency ? "latency" : "macs");
    front_view_write(&v, &out->body);
    buf_puts(&out->body, "}");
out:
    planning_release(r->app, planner);
    front_free(&f);
    return OUTCOME_REPLY;
}

enum outcome api_model_config(struct request *r, struct reply *out, struct problem *p)
{
    const char *spec = request_query(r, "spec");
    struct front_query q;
    struct config c;
    struct model m;
    struct err e = {0};
    const struct planner *planner = NULL;
    if (model_param(r, p) || front_query_read(r, &q, p))
        return OUTCOME_REPLY;
    if (!spec) {
        problem_field(p, ERR_BAD_FIELD, "spec", "is missing; /models/{id}/front lists some");
        return OUTCOME_REPLY;
    }
    if (store_model_get(r->app->store, r->params[0], &m, &p->err) ||
        !(planner = planning_acquire(r->app, r->params[0], p)))
        return OUTCOME_REPLY;
    if (planner_price(planner, spec, &c, &e)) {
        problem_field(p, e.code, "spec", "%s", e.msg);
        goto out;
    }
    struct front_view v = {.model = &m, .planner = planner, .query = &q};
    front_view_point_open(&v, &out->body, &c);
    buf_printf(&out->body, ",\"model\":\"%s\",\"board\":", m.id);
    json_out_text_or_null(&out->body, q.board ? q.board->id : "");
    buf_puts(&out->body, ",\"block_list\":");
    planner_blocks_json(planner, c.spec, &out->body, &p->err);
    buf_puts(&out->body, "}");
out:
    planning_release(r->app, planner);
    return OUTCOME_REPLY;
}

enum outcome api_model_timeline(struct request *r, struct reply *out, struct problem *p)
{
    const char *spec = request_query(r, "spec");
    struct err e = {0};
    if (model_param(r, p))
        return OUTCOME_REPLY;
    if (!spec) {
        problem_field(p, ERR_BAD_FIELD, "spec", "is missing; /models/{id}/front lists some");
        return OUTCOME_REPLY;
    }
    const struct planner *planner = planning_acquire(r->app, r->params[0], p);
    if (planner && planner_timeline_json(planner, spec, &out->body, &e))
        problem_field(p, e.code, "spec", "%s", e.msg);
    planning_release(r->app, planner);
    return OUTCOME_REPLY;
}
