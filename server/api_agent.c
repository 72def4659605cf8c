// SPDX-License-Identifier: MIT
// /agent: the calls of farm-agent. What they mean is queue.c's business.
#include <inttypes.h>
#include <stdio.h>

#include "server/api.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/http.h"
#include "server/json_in.h"
#include "server/json_out.h"
#include "server/queue.h"

static void lease_write(const struct app *a, const struct job *j, struct buf *b)
{
    buf_printf(b, "{\"job\":%" PRId64 ",\"attempt\":%d,\"lease\":\"%s\",\"rig\":", j->id,
               j->attempt, j->lease);
    buf_json_str(b, j->rig);
    buf_puts(b, ",\"board\":");
    buf_json_str(b, j->board);
    buf_printf(b, ",\"campaign\":%" PRId64 ",\"spec\":", j->campaign);
    buf_json_str(b, j->spec);
    buf_printf(b,
               ",\"program_url\":\"" API_BASE "/jobs/%" PRId64
               "/program\",\"program_crc32\":\"%08" PRIx32 "\",\"program_bytes\":%" PRIu32
               ",\"macs\":%" PRIu64 ",\"repeats\":%d,\"deadline_s\":%d,\"firmware\":null}",
               j->id, j->program_crc32, j->program_bytes, j->macs, j->repeats, a->options.lease_s);
}

enum outcome api_agent_lease(struct request *r, struct reply *out, struct problem *p)
{
    struct lease_in in;
    struct job j;
    struct queue_change ch = {0};
    bool leased = false;
    if (json_in_lease(buf_str(&r->body), r->body.len, &in, p))
        return OUTCOME_REPLY;
    // An agent that has hung up while it waited must not be given a job that nobody would work on.
    if (!r->peer_gone(r) && queue_lease(r->app, &in, &j, &leased, &out->wake_boards, &ch, p))
        return OUTCOME_REPLY;
    http_wake(r->app->http, &ch);
    if (leased) {
        lease_write(r->app, &j, &out->body);
        return OUTCOME_REPLY;
    }
    out->park_until_ms = r->started_ms + (int64_t)in.wait_s * 1000;
    if (!r->last_call && clock_monotonic_ms() < out->park_until_ms)
        return OUTCOME_PARK;
    out->status = 204;
    return OUTCOME_REPLY;
}

enum outcome api_agent_heartbeat(struct request *r, struct reply *out, struct problem *p)
{
    struct heartbeat_in in = {0};
    struct queue_change ch = {0};
    int64_t id = 0;
    if (request_param_id(r, 0, &id, p) || json_in_heartbeat(buf_str(&r->body), r->body.len, &in, p))
        return OUTCOME_REPLY;
    if (queue_heartbeat(r->app, id, &in, &ch, p) == 0) {
        buf_printf(&out->body, "{\"deadline_s\":%d}", r->app->options.lease_s);
        http_wake(r->app->http, &ch);
    }
    heartbeat_in_free(&in);
    return OUTCOME_REPLY;
}

static void verdict_write(struct app *a, const char *verdict, const struct queue_change *ch,
                          struct reply *out)
{
    buf_puts(&out->body, "{\"verdict\":");
    buf_json_str(&out->body, verdict);
    buf_puts(&out->body, "}");
    http_wake(a->http, ch);
}

enum outcome api_agent_result(struct request *r, struct reply *out, struct problem *p)
{
    struct result_in in;
    struct queue_change ch = {0};
    char verdict[32] = "";
    int64_t id = 0;
    if (request_param_id(r, 0, &id, p) == 0 &&
        json_in_result(buf_str(&r->body), r->body.len, &in, p) == 0 &&
        queue_result(r->app, id, &in, verdict, &ch, p) == 0)
        verdict_write(r->app, verdict, &ch, out);
    return OUTCOME_REPLY;
}

enum outcome api_agent_failure(struct request *r, struct reply *out, struct problem *p)
{
    struct failure_in in;
    struct queue_change ch = {0};
    char verdict[32] = "";
    int64_t id = 0;
    if (request_param_id(r, 0, &id, p) == 0 &&
        json_in_failure(buf_str(&r->body), r->body.len, &in, p) == 0 &&
        queue_failure(r->app, id, &in, verdict, &ch, p) == 0)
        verdict_write(r->app, verdict, &ch, out);
    return OUTCOME_REPLY;
}

enum outcome api_agent_health(struct request *r, struct reply *out, struct problem *p)
{
    struct health_in in;
    if (!json_in_id_valid(r->params[0])) {
        err_set(&p->err, ERR_NOT_FOUND, "\"%.64s\" is not the name of a rig", r->params[0]);
        return OUTCOME_REPLY;
    }
    if (json_in_health(buf_str(&r->body), r->body.len, &in, p) == 0 &&
        queue_health(r->app, r->params[0], &in, p) == 0)
        out->status = 204;
    return OUTCOME_REPLY;
}

enum outcome api_agent_offline(struct request *r, struct reply *out, struct problem *p)
{
    struct offline_in in;
    if (!json_in_id_valid(r->params[0])) {
        err_set(&p->err, ERR_NOT_FOUND, "\"%.64s\" is not the name of a rig", r->params[0]);
        return OUTCOME_REPLY;
    }
    if (json_in_offline(buf_str(&r->body), r->body.len, &in, p) == 0 &&
        queue_offline(r->app, r->params[0], &in, p) == 0)
        out->status = 204;
    return OUTCOME_REPLY;
}
