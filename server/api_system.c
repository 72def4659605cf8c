// SPDX-License-Identifier: MIT
// Health, metrics, the description of the API, and the page.
#include <inttypes.h>
#include <stdatomic.h>

#include "server/api.h"
#include "server/app.h"
#include "server/asset.h"
#include "server/clock.h"
#include "server/queue.h"
#include "server/store.h"
#include "server/store_runs.h"
#include "server/web.h"

enum outcome api_healthz(struct request *r, struct reply *out, struct problem *p)
{
    char started[CLOCK_TEXT_SIZE];
    if (store_ping(r->app->store, &p->err))
        return OUTCOME_REPLY;
    buf_printf(&out->body, "{\"status\":\"ok\",\"started\":\"%s\",\"boards\":%zu,\"tokens\":%s}",
               clock_text(r->app->started_ms, started), r->app->boards.n,
               r->app->tokens.n ? "true" : "false");
    out->cache = "no-store";
    return OUTCOME_REPLY;
}

static void metric(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void metric_value(struct buf *b, const char *name, const char *labels, int64_t v)
{
    buf_printf(b, "%s%s %" PRId64 "\n", name, labels, v);
}

static int nightly_metrics(struct app *a, struct buf *b, struct err *e)
{
    int64_t runs[RUN_STATES], open = 0, regressions = 0, pending = 0, failed = 0;
    if (store_run_counts(a->store, runs, e) ||
        store_finding_counts(a->store, &open, &regressions, e) ||
        store_delivery_counts(a->store, &pending, &failed, e))
        return -1;
    metric(b, "farm_runs", "gauge", "Runs of plans by state.");
    for (int i = 0; i < RUN_STATES; i++)
        buf_printf(b, "farm_runs{state=\"%s\"} %" PRId64 "\n", run_state_names[i], runs[i]);
    metric(b, "farm_findings", "gauge", "Findings that are open, and those that make a run red.");
    metric_value(b, "farm_findings", "{set=\"open\"}", open);
    metric_value(b, "farm_findings", "{set=\"regressions\"}", regressions);
    metric(b, "farm_webhook_messages", "gauge", "Webhook messages on their way, and given up.");
    metric_value(b, "farm_webhook_messages", "{state=\"pending\"}", pending);
    metric_value(b, "farm_webhook_messages", "{state=\"failed\"}", failed);
    return 0;
}

enum outcome api_metrics(struct request *r, struct reply *out, struct problem *p)
{
    struct app *a = r->app;
    struct buf *b = &out->body;
    int64_t jobs[JOB_STATES], models = 0, results = 0, now = clock_now_ms();
    struct rig_counts rigs = {0};
    if (store_job_counts(a->store, jobs, &p->err) ||
        store_model_count(a->store, &models, &p->err) ||
        store_result_count(a->store, &results, &p->err) ||
        store_rig_counts(a->store, now - QUEUE_OFFLINE_MS, &rigs, &p->err))
        return OUTCOME_REPLY;
    metric(b, "farm_uptime_seconds", "gauge", "Time since the server started.");
    metric_value(b, "farm_uptime_seconds", "", (now - a->started_ms) / 1000);
    metric(b, "farm_models", "gauge", "Models in the database.");
    metric_value(b, "farm_models", "", models);
    metric(b, "farm_results", "gauge", "Verified results in the database.");
    metric_value(b, "farm_results", "", results);
    metric(b, "farm_jobs", "gauge", "Jobs by state.");
    for (int i = 0; i < JOB_STATES; i++)
        buf_printf(b, "farm_jobs{state=\"%s\"} %" PRId64 "\n", job_state_names[i], jobs[i]);
    metric(b, "farm_rigs", "gauge",
           "Rigs that have ever asked for work, those in quarantine, those not heard of lately.");
    metric_value(b, "farm_rigs", "{set=\"all\"}", rigs.all);
    metric_value(b, "farm_rigs", "{set=\"quarantined\"}", rigs.quarantined);
    metric_value(b, "farm_rigs", "{set=\"offline\"}", rigs.offline);
    metric(b, "farm_leases_total", "counter", "Jobs leased since start.");
    metric_value(b, "farm_leases_total", "", atomic_load(&a->count.leases));
    metric(b, "farm_leases_lapsed_total", "counter", "Leases that ended without a heartbeat.");
    metric_value(b, "farm_leases_lapsed_total", "", atomic_load(&a->count.lapsed));
    metric(b, "farm_results_total", "counter", "Results judged since start.");
    metric_value(b, "farm_results_total", "{verdict=\"match\"}",
                 atomic_load(&a->count.results_match));
    metric_value(b, "farm_results_total", "{verdict=\"mismatch\"}",
                 atomic_load(&a->count.results_mismatch));
    metric(b, "farm_failures_total", "counter", "Failed attempts by class.");
    metric_value(b, "farm_failures_total", "{class=\"infrastructure\"}",
                 atomic_load(&a->count.infra_failures));
    metric_value(b, "farm_failures_total", "{class=\"model\"}",
                 atomic_load(&a->count.model_failures));
    metric(b, "farm_http_requests_total", "counter", "HTTP requests answered, by class of status.");
    for (int i = 2; i < 6; i++)
        buf_printf(b, "farm_http_requests_total{status=\"%dxx\"} %lld\n", i,
                   atomic_load(&a->count.requests[i]));
    if (nightly_metrics(a, b, &p->err))
        return OUTCOME_REPLY;
    out->type = "text/plain; version=0.0.4; charset=utf-8";
    out->cache = "no-store";
    return OUTCOME_REPLY;
}

enum outcome api_openapi(struct request *r, struct reply *out, struct problem *p)
{
    (void)r;
    (void)p;
    buf_puts(&out->body, asset_openapi_json());
    return OUTCOME_REPLY;
}

enum outcome api_web(struct request *r, struct reply *out, struct problem *p)
{
    struct web_file file = {0};
    if (web_read(r->app->options.web, r->path, &out->body, &file, &p->err))
        return OUTCOME_REPLY;
    out->type = file.type;
    out->policy = web_policy;
    if (file.immutable)
        out->cache = "public, max-age=31536000, immutable";
    return OUTCOME_REPLY;
}
