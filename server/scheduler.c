// SPDX-License-Identifier: MIT
// See scheduler.h.
#include "server/scheduler.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "server/clock.h"
#include "server/http.h"
#include "server/run.h"
#include "server/webhook.h"

#define TICK_MS 200
#define RELOAD_MS 2000
#define LATE_MS 120000 // a slot that is found later than this was missed
#define RETRY_MS 10000 // after an error that may pass
#define MAX_OPEN 100   // runs that are moved on in one tick

struct scheduler {
    struct app *app;
    pthread_mutex_t lock; // of plans
    struct plans plans;
    pthread_mutex_t wait_lock; // held to set stopping, so that nobody misses the wake
    pthread_cond_t wake;
    atomic_bool stopping;
    int n_threads;
    pthread_t thread[2];
    int64_t reloaded_ms, retry_ms; // monotonic
};

int64_t scheduler_now_ms(const struct app *a)
{
    char text[32] = "";
    FILE *f = a->options.clock ? fopen(a->options.clock, "r") : NULL;
    if (!f)
        return clock_now_ms();
    bool got = fgets(text, sizeof text, f) != NULL;
    fclose(f);
    int64_t ms = got ? strtoll(text, NULL, 10) : 0;
    return ms > 0 ? ms : clock_now_ms();
}

const struct plans *scheduler_lock(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    return &s->plans;
}

void scheduler_unlock(struct scheduler *s)
{
    pthread_mutex_unlock(&s->lock);
}

int64_t scheduler_next_slot(const struct plan_entry *entry, int64_t now_ms)
{
    if (!entry->zone || entry->wrong.err.code != ERR_NONE)
        return 0;
    return cron_next(&entry->cron, entry->zone, now_ms);
}

// --- the folder -----------------------------------------------------------------------------------------------------

static void scheduler_tell(const struct plans *plans)
{
    for (size_t i = 0; i < plans->n; i++) {
        const struct plan_entry *p = plans->at[i];
        if (p->wrong.err.code != ERR_NONE)
            log_warn("plans", "%s.json cannot run: %s%s%s", p->name, p->wrong.field,
                     p->wrong.field[0] ? ": " : "", p->wrong.err.msg);
        else
            log_info("plans", "%s: %s %s", p->name, p->plan.cron[0] ? p->plan.cron : "by hand",
                     p->plan.timezone);
    }
}

static void scheduler_reload(struct scheduler *s)
{
    const char *dir = s->app->options.plans;
    int64_t now = clock_monotonic_ms();
    struct plans fresh, old;
    struct err e = {0};
    if (now - s->reloaded_ms < RELOAD_MS)
        return;
    s->reloaded_ms = now;
    uint64_t stamp = plans_stamp(dir);
    if (stamp == s->plans.stamp)
        return;
    if (plans_load(dir, &s->app->boards, &fresh, &e)) {
        log_error("plans", "%s; the plans stay as they were", e.msg);
        s->plans.stamp =
            stamp; // told once: a folder that cannot be taken is looked at again when it changes
        return;
    }
    scheduler_tell(&fresh);
    pthread_mutex_lock(&s->lock);
    old = s->plans;
    s->plans = fresh;
    pthread_mutex_unlock(&s->lock);
    plans_free(&old);
}

// --- slots ----------------------------------------------------------------------------------------------------------

// The run of a slot, and the note that the slot is dealt with, in one transaction.
static int slot_run(struct scheduler *s, const struct plan_entry *p, const char *schedule,
                    int64_t slot, int64_t now, struct err *e)
{
    struct store *store = s->app->store;
    struct run r = {.slot_ms = slot,
                    .trigger = now - slot > LATE_MS ? RUN_MISSED : RUN_CRON,
                    .created_ms = now};
    int64_t open = 0;
    int n = 0;
    bool added = false;
    snprintf(r.plan, sizeof r.plan, "%s", p->name);
    if (store_begin(store, e))
        return -1;
    if (store_run_open(store, p->name, &open, 1, &n, e))
        goto fail;
    if (n) {
        r.state = RUN_SKIPPED;
        r.finished_ms = now;
        snprintf(r.detail, sizeof r.detail, "run %" PRId64 " was still running", open);
    }
    if (store_run_add(store, &r, n ? NULL : p->text, &added, e) ||
        store_plan_put(store, p->name, schedule, slot, e))
        goto fail;
    if (added)
        log_info("plans", "run %" PRId64 " of %s: %s", r.id, p->name,
                 n ? r.detail : run_trigger_names[r.trigger]);
    return store_commit(store, e);
fail:
    store_rollback(store);
    return -1;
}

static int slot_due(struct scheduler *s, const struct plan_entry *p, int64_t now, struct err *e)
{
    char known[512], schedule[2 * CRON_TEXT_MAX + 8];
    int64_t seen = 0;
    if (p->wrong.err.code != ERR_NONE || !p->zone)
        return 0;
    snprintf(schedule, sizeof schedule, "%s %s", p->plan.cron, p->plan.timezone);
    if (store_plan_get(s->app->store, p->name, known, &seen, e))
        return -1;
    if (seen < 0 || strcmp(known, schedule) != 0)
        return store_plan_put(s->app->store, p->name, schedule, now, e);
    // The clock was ahead: that must not silence the plan until then. What has run does not run again, slots are unique.
    if (seen > now)
        return store_plan_put(s->app->store, p->name, schedule, now, e);
    int64_t slot = cron_prev(&p->cron, p->zone, now);
    return slot > seen ? slot_run(s, p, schedule, slot, now, e) : 0;
}

static int scheduler_slots(struct scheduler *s, struct err *e)
{
    int64_t now = scheduler_now_ms(s->app);
    int bad = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->plans.n && !bad; i++)
        bad = slot_due(s, s->plans.at[i], now, e);
    pthread_mutex_unlock(&s->lock);
    return bad;
}

static int scheduler_runs(struct scheduler *s, struct err *e)
{
    int64_t ids[MAX_OPEN];
    int n = 0;
    if (store_run_open(s->app->store, NULL, ids, MAX_OPEN, &n, e))
        return -1;
    for (int i = 0; i < n; i++) {
        struct run r;
        struct queue_change ch = {0};
        bool moved = false;
        if (store_run_get(s->app->store, ids[i], &r, e))
            return -1;
        int bad = r.finished_ms ? 0
                                : run_step(s->app, &r, s->app->options.plans,
                                           scheduler_now_ms(s->app), &moved, &ch, e);
        http_wake(s->app->http, &ch);
        if (bad)
            return -1;
    }
    return 0;
}

// --- threads --------------------------------------------------------------------------------------------------------

// False: the server goes down.
static bool scheduler_wait(struct scheduler *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until); // the wall clock may be put back while this waits
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&s->wait_lock);
    if (!s->stopping)
        pthread_cond_timedwait(&s->wake, &s->wait_lock, &until);
    bool go = !s->stopping;
    pthread_mutex_unlock(&s->wait_lock);
    return go;
}

static void *scheduler_thread(void *cls)
{
    struct scheduler *s = cls;
    while (scheduler_wait(s)) {
        struct err e = {0};
        if (clock_monotonic_ms() < s->retry_ms)
            continue;
        scheduler_reload(s);
        if (scheduler_slots(s, &e) || scheduler_runs(s, &e)) {
            log_error("plans", "%s", e.msg);
            s->retry_ms = clock_monotonic_ms() + RETRY_MS;
        }
    }
    return NULL;
}

static void *webhook_thread(void *cls)
{
    struct scheduler *s = cls;
    while (scheduler_wait(s)) {
        struct err e = {0};
        if (webhook_deliver(s->app, s->app->options.plans, &s->stopping, &e))
            log_error("webhook", "%s", e.msg);
    }
    return NULL;
}

int scheduler_open(struct app *a, struct scheduler **out, struct err *e)
{
    struct scheduler *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return err_set(e, ERR_NO_MEMORY, "no memory for the scheduler");
    s->app = a;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->wait_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (a->options.plans && plans_load(a->options.plans, &a->boards, &s->plans, e)) {
        scheduler_close(s);
        *out = NULL;
        return -1;
    }
    scheduler_tell(&s->plans);
    return 0;
}

int scheduler_start(struct scheduler *s, struct err *e)
{
    static void *(*const threads[])(void *) = {scheduler_thread, webhook_thread};
    for (; s->app->options.plans && s->n_threads < 2; s->n_threads++) {
        if (pthread_create(&s->thread[s->n_threads], NULL, threads[s->n_threads], s))
            return err_set(e, ERR_NO_MEMORY, "cannot start the scheduler");
    }
    return 0;
}

void scheduler_stop(struct scheduler *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->wait_lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->wait_lock);
    for (; s->n_threads > 0; s->n_threads--)
        pthread_join(s->thread[s->n_threads - 1], NULL);
}

void scheduler_close(struct scheduler *s)
{
    if (!s)
        return;
    scheduler_stop(s);
    plans_free(&s->plans);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->wait_lock);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

// --- by hand --------------------------------------------------------------------------------------------------------

// The plan that is asked for, if it can run. The caller holds the plans.
static const struct plan_entry *plan_asked_for(struct scheduler *s, const char *name,
                                               struct problem *p)
{
    const struct plan_entry *entry = plans_find(&s->plans, name);
    if (!entry)
        err_set(&p->err, ERR_NOT_FOUND, "there is no plan %.63s; GET /api/v1/plans lists them",
                name);
    else if (entry->wrong.err.code != ERR_NONE)
        err_set(&p->err, ERR_CONFLICT, "%s.json is wrong: %s%s%s", name, entry->wrong.field,
                entry->wrong.field[0] ? ": " : "", entry->wrong.err.msg);
    else
        return entry;
    return NULL;
}

static int run_now_add(struct app *a, const char *plan, const char *text,
                       const struct run_request_in *in, struct run *out, struct problem *p)
{
    int64_t open = 0, now = scheduler_now_ms(a);
    int n = 0;
    bool added = false;
    *out = (struct run){.trigger = RUN_MANUAL, .slot_ms = now, .created_ms = now};
    snprintf(out->plan, sizeof out->plan, "%s", plan);
    snprintf(out->note, sizeof out->note, "%s", in->note);
    if (store_begin(a->store, &p->err))
        return -1;
    if (store_run_open(a->store, plan, &open, 1, &n, &p->err))
        goto fail;
    if (n) {
        err_set(&p->err, ERR_CONFLICT, "run %" PRId64 " of this plan is still running", open);
        goto fail;
    }
    for (; !added; out->slot_ms++) { // two in one millisecond, or a slot of cron
        if (store_run_add(a->store, out, text, &added, &p->err))
            goto fail;
    }
    if (store_run_get(a->store, out->id, out, &p->err))
        goto fail;
    return store_commit(a->store, &p->err);
fail:
    store_rollback(a->store);
    return -1;
}

int scheduler_run_now(struct app *a, const char *plan, const struct run_request_in *in,
                      struct run *out, struct problem *p)
{
    struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    pthread_mutex_lock(&a->scheduler->lock);
    const struct plan_entry *entry = plan_asked_for(a->scheduler, plan, p);
    int bad = !entry || plan_restrict(entry->text, entry->bytes, in, &text, p);
    pthread_mutex_unlock(&a->scheduler->lock);
    if (!bad && text.failed)
        bad = err_set(&p->err, ERR_NO_MEMORY, "no memory for a plan");
    bad = bad || run_now_add(a, plan, buf_str(&text), in, out, p);
    buf_free(&text);
    return bad ? -1 : 0;
}

int scheduler_import(struct app *a, const char *plan, const struct run_import_in *in,
                     struct run *out, struct problem *p)
{
    struct plan *how = calloc(1, sizeof *how);
    struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    int bad = how ? 0 : err_set(&p->err, ERR_NO_MEMORY, "no memory for a plan");
    if (!bad) {
        pthread_mutex_lock(&a->scheduler->lock);
        const struct plan_entry *entry = plan_asked_for(a->scheduler, plan, p);
        if (entry)
            buf_add(&text, entry->text, entry->bytes);
        pthread_mutex_unlock(&a->scheduler->lock);
        bad = !entry || plan_parse(buf_str(&text), text.len, NULL, how, p) ||
              run_import(a, plan, buf_str(&text), how, in, scheduler_now_ms(a), out, p);
        plan_free(how);
    }
    free(how);
    buf_free(&text);
    return bad ? -1 : 0;
}
