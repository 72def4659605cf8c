// SPDX-License-Identifier: MIT
// /jobs and /results.
#include <inttypes.h>
#include <stdio.h>

#include "server/api.h"
#include "server/app.h"
#include "server/events.h"
#include "server/json_out.h"
#include "server/store.h"

static int job_param(struct request *r, struct job *j, struct problem *p)
{
    int64_t id = 0;
    return request_param_id(r, 0, &id, p) || store_job_get(r->app->store, id, j, &p->err) ? -1 : 0;
}

enum outcome api_job_get(struct request *r, struct reply *out, struct problem *p)
{
    struct job j;
    if (job_param(r, &j, p) == 0)
        events_job_json(r->app, &j, &out->body);
    return OUTCOME_REPLY;
}

enum outcome api_job_log(struct request *r, struct reply *out, struct problem *p)
{
    struct job j;
    if (job_param(r, &j, p) == 0)
        store_log_all(r->app->store, j.id, &out->body, &p->err);
    out->type = "text/plain; charset=utf-8";
    return OUTCOME_REPLY;
}

enum outcome api_job_program(struct request *r, struct reply *out, struct problem *p)
{
    struct job j;
    if (job_param(r, &j, p) || store_blob_get(r->app->store, j.program, &out->body, &p->err))
        return OUTCOME_REPLY;
    out->type = "application/octet-stream";
    out->disposition = "attachment; filename=\"program.bin\"";
    out->cache = "private, max-age=31536000, immutable";
    snprintf(out->etag, sizeof out->etag, "\"%.32s\"", j.program);
    return OUTCOME_REPLY;
}

static void result_write(void *cls, const struct result *r)
{
    json_out_result(cls, r);
}

enum outcome api_result_get(struct request *r, struct reply *out, struct problem *p)
{
    int64_t id = 0;
    if (request_param_id(r, 0, &id, p) == 0)
        store_result_get(r->app->store, id, result_write, &out->body, &p->err);
    return OUTCOME_REPLY;
}
