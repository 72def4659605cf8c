// SPDX-License-Identifier: MIT
// See run.h.
#include "server/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "server/clock.h"
#include "server/judge.h"
#include "server/run_out.h"

#define MAX_CAMPAIGNS 1000 // of a run with queued jobs, at once
#define IMPORT_AHEAD_MS                                                                            \
    60000 // an import may be so much later than this server's clock: clocks differ

// *moved false: somebody has cancelled it in the meantime.
static int run_to(struct app *a, struct run *r, enum run_state to, bool *moved, struct err *e)
{
    r->state = to;
    if (store_run_put(a->store, r, moved, e))
        return -1;
    if (*moved)
        log_info("plans", "run %" PRId64 " of %s: %s%s%s", r->id, r->plan, run_state_names[to],
                 r->verdict[0] ? ", " : "", r->verdict);
    return 0;
}

static int run_moved(struct app *a, struct run *r, enum run_state to, struct err *e)
{
    bool moved = false;
    return run_to(a, r, to, &moved, e);
}

static int run_failed(struct app *a, struct run *r, const char *why, int64_t now_ms, struct err *e)
{
    snprintf(r->detail, sizeof r->detail, "%.399s", why);
    r->finished_ms = now_ms;
    log_error("plans", "run %" PRId64 " of %s failed: %s", r->id, r->plan, why);
    return run_moved(a, r, RUN_FAILED, e);
}

int run_plan_of(struct store *s, int64_t run, struct plan *out, struct err *e)
{
    struct buf text;
    struct problem p = {0};
    *out = (struct plan){0};
    buf_init(&text, PLAN_MAX_BYTES);
    int bad = store_run_text(s, run, &text, e);
    if (!bad && text.len && plan_parse(buf_str(&text), text.len, NULL, out, &p))
        bad = err_set(e, p.err.code, "%s: %s", p.field, p.err.msg);
    buf_free(&text);
    return bad;
}

struct detect_limits run_limits(struct store *s, int64_t run)
{
    struct detect_limits limits = detect_limits_default();
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan && run_plan_of(s, run, plan, NULL) == 0) {
        if (plan->n_models)
            limits = plan->thresholds;
        plan_free(plan);
    }
    free(plan);
    return limits;
}

// Worth another try: the plan is not to blame.
static bool is_passing(enum err_code code)
{
    return code == ERR_IO || code == ERR_NO_MEMORY || code == ERR_RATE;
}

// What is queued is taken out of the queue; what is leased comes to its end by itself.
static int run_cancel_jobs(struct app *a, int64_t run, struct queue_change *ch, struct err *e)
{
    int64_t ids[MAX_CAMPAIGNS];
    int n = 0;
    if (store_run_campaigns(a->store, run, ids, MAX_CAMPAIGNS, &n, e))
        return -1;
    for (int i = 0; i < n; i++) {
        struct problem p = {0};
        if (queue_cancel(a, ids[i], ch, &p))
            return err_set(e, p.err.code, "%s", p.err.msg);
    }
    return 0;
}

// What was made for a run while somebody cancelled it goes the way of the rest.
static int run_withdraw(struct app *a, int64_t run, struct queue_change *ch, struct err *e)
{
    return run_cancel_jobs(a, run, ch, e) || store_point_collect(a->store, run, e) ||
                   store_point_close(a->store, run, "cancelled", "the run was cancelled", e)
               ? -1
               : 0;
}

// Goes on to a state with jobs that have just been made.
static int run_to_jobs(struct app *a, struct run *r, enum run_state to, struct queue_change *ch,
                       struct err *e)
{
    bool moved = false;
    if (run_to(a, r, to, &moved, e))
        return -1;
    return moved ? 0 : run_withdraw(a, r->id, ch, e);
}

// Leaves a message for the plan's webhook, if it has one that wants to hear of such a run.
static int run_tell(struct app *a, const struct run *r, const struct plan *plan, bool pass,
                    struct err *e)
{
    struct buf body;
    if (!plan->webhook.url[0] || r->trigger == RUN_IMPORT || (pass && !plan->webhook.always))
        return 0;
    buf_init(&body, 4u << 20);
    int bad = run_out_message(a, r->id, &body, e) ||
              store_delivery_add(a->store, r->id, buf_str(&body), clock_now_ms(), e);
    buf_free(&body);
    return bad ? -1 : 0;
}

static int step_plan_failed(struct app *a, struct run *r, const struct plan *plan, const char *why,
                            int64_t now_ms, struct err *e)
{
    if (store_begin(a->store, e))
        return -1;
    if (run_failed(a, r, why, now_ms, e) || run_tell(a, r, plan, false, e)) {
        store_rollback(a->store);
        return -1;
    }
    return store_commit(a->store, e);
}

static int step_plan(struct app *a, struct run *r, const struct plan *plan, const char *plans_dir,
                     int64_t now_ms, struct queue_change *ch, struct err *e)
{
    struct err why = {0};
    if (run_plan(a, r, plan, plans_dir, ch, &why))
        return is_passing(why.code) ? err_set(e, why.code, "%s", why.msg)
                                    : step_plan_failed(a, r, plan, why.msg, now_ms, e);
    r->deadline_ms = now_ms + (int64_t)plan->max_minutes * 60000;
    return run_to_jobs(a, r, RUN_RUNNING, ch, e);
}

// The verdict is written together with the findings that it is made of, and with the message about both.
static int run_conclude(struct app *a, struct run *r, const struct plan *plan,
                        const struct judgement *j, int64_t now_ms, struct err *e)
{
    struct run now;
    bool pass = strcmp(j->verdict, "ok") == 0 || strcmp(j->verdict, "improved") == 0;
    if (store_run_get(a->store, r->id, &now, e))
        return -1;
    // What has never worked is no regression when it fails, but no pass either; nor is a run that measured nothing at all.
    bool hollow = pass && (now.failed > 0 || now.done == 0);
    pass = pass && !hollow;
    snprintf(r->verdict, sizeof r->verdict, "%s", hollow ? "incomplete" : j->verdict);
    r->finished_ms = now_ms;
    return run_moved(a, r, RUN_DONE, e) || run_tell(a, r, plan, pass, e) ? -1 : 0;
}

// Judges what has been measured. Wants reruns as long as there is time for them.
static int run_judge(struct app *a, struct run *r, const struct plan *plan, bool may_rerun,
                     int64_t now_ms, struct judgement *j, struct err *e)
{
    *j = (struct judgement){0};
    if (store_point_collect(a->store, r->id, e) ||
        store_point_close(a->store, r->id, "not-run", "the job is gone", e))
        return -1;
    if (may_rerun) {
        if (judge_run(a->store, r, &plan->thresholds, false, now_ms, j, e))
            return -1;
        if (j->n_wishes)
            return 0;
        judgement_free(j);
    }
    if (judge_run(a->store, r, &plan->thresholds, true, now_ms, j, e))
        return -1;
    free(j->wishes);
    j->wishes = NULL;
    j->n_wishes = 0;
    return run_conclude(a, r, plan, j, now_ms, e);
}

static int step_end(struct app *a, struct run *r, const struct plan *plan, int64_t now_ms,
                    struct queue_change *ch, struct err *e)
{
    struct judgement j = {0};
    struct run now;
    if (store_begin(a->store, e))
        return -1;
    // Cancelled since it was looked at: then there is nothing to judge.
    bool over = store_run_get(a->store, r->id, &now, e) == 0 && now.finished_ms;
    if (over || e->code != ERR_NONE ||
        run_judge(a, r, plan, now_ms < r->deadline_ms, now_ms, &j, e)) {
        store_rollback(a->store);
        judgement_free(&j);
        return over ? 0 : -1;
    }
    int bad = store_commit(a->store, e);
    if (!bad && j.n_wishes) {
        // A crash between here and the next line: the points are judged again, with the same wishes.
        bad = run_rerun(a, r, plan, j.wishes, j.n_wishes, ch, e) ||
              run_to_jobs(a, r, RUN_CONFIRMING, ch, e);
    }
    judgement_free(&j);
    return bad ? -1 : 0;
}

int run_step(struct app *a, struct run *r, const char *plans_dir, int64_t now_ms, bool *moved,
             struct queue_change *ch, struct err *e)
{
    struct plan *plan = calloc(1, sizeof *plan);
    enum run_state before = r->state;
    struct err why = {0};
    int64_t open = 0;
    int bad = -1;
    *moved = false;
    if (!plan) {
        err_set(e, ERR_NO_MEMORY, "no memory for run %" PRId64, r->id);
    } else if (run_plan_of(a->store, r->id, plan, &why)) {
        bad = is_passing(why.code) ? err_set(e, why.code, "%s", why.msg)
                                   : run_failed(a, r, why.msg, now_ms, e);
    } else if (r->state == RUN_PLANNING) {
        bad = step_plan(a, r, plan, plans_dir, now_ms, ch, e);
    } else if (store_run_open_jobs(a->store, r->id, &open, e) == 0) {
        // Points are told as they come in: a night takes hours, and somebody may be looking.
        if (open == 0)
            bad = step_end(a, r, plan, now_ms, ch, e);
        else
            bad = store_point_collect(a->store, r->id, e) ||
                  (now_ms > r->deadline_ms && run_cancel_jobs(a, r->id, ch, e));
    }
    if (plan)
        plan_free(plan);
    free(plan);
    *moved = !bad && r->state != before;
    return bad;
}

int run_cancel(struct app *a, int64_t id, int64_t now_ms, struct run *out, struct queue_change *ch,
               struct problem *p)
{
    struct err *e = &p->err;
    if (store_begin(a->store, e))
        return -1;
    if (store_run_get(a->store, id, out, e))
        goto fail;
    if (out->finished_ms) {
        err_set(e, ERR_CONFLICT, "run %" PRId64 " is over already", id);
        goto fail;
    }
    snprintf(out->detail, sizeof out->detail, "cancelled");
    out->finished_ms = now_ms;
    if (run_moved(a, out, RUN_CANCELLED, e))
        goto fail;
    // The queue's transactions are its own.
    return store_commit(a->store, e) || run_withdraw(a, id, ch, e) ||
                   store_run_get(a->store, id, out, e)
               ? -1
               : 0;
fail:
    store_rollback(a->store);
    return -1;
}

// --- imports --------------------------------------------------------------------------------------------------------

static int import_point_add(struct app *a, const struct run *r, const struct run_import_point *in,
                            struct err *e)
{
    struct series s = {0};
    struct point p = in->point;
    snprintf(s.plan, sizeof s.plan, "%s", r->plan);
    snprintf(s.model, sizeof s.model, "%s", in->model);
    snprintf(s.model_name, sizeof s.model_name, "%s", in->model_name);
    snprintf(s.board, sizeof s.board, "%s", in->board);
    snprintf(s.config, sizeof s.config, "%s", in->config);
    if (store_series_add(a->store, &s, e))
        return -1;
    p.series = s.id;
    p.run = r->id;
    if (store_point_add(a->store, &p, e))
        return -1;
    for (int i = 0; i < in->n_reruns; i++) {
        p.rerun = i + 1;
        p.state = ROW_DONE;
        p.class = p.error_type = p.error_detail = "";
        p.cycles_min = p.cycles_median = p.cycles_max = in->reruns[i];
        if (p.arena_bytes < 0 || !p.firmware[0])
            continue; // the point itself has no figures: there is nothing to confirm
        if (store_point_add(a->store, &p, e))
            return -1;
    }
    return 0;
}

// Imports come in order of date. One from the future would stand in the way of all that come until then.
static int import_date(struct app *a, const char *plan, int64_t slot_ms, int64_t now_ms,
                       struct problem *p)
{
    struct run last;
    struct err none = {0};
    char now[CLOCK_TEXT_SIZE];
    if (slot_ms > now_ms + IMPORT_AHEAD_MS)
        return problem_field(p, ERR_BAD_FIELD, "date",
                             "is in the future: the server's clock says %s",
                             clock_text(now_ms, now));
    if (store_run_last(a->store, plan, false, &last, &none))
        return none.code == ERR_NOT_FOUND ? 0 : err_set(&p->err, none.code, "%s", none.msg);
    if (last.slot_ms >= slot_ms)
        return problem_field(p, ERR_CONFLICT, "date",
                             "the plan has a run of that date or later, %" PRId64
                             "; runs are imported in order of date",
                             last.id);
    return 0;
}

int run_import(struct app *a, const char *plan, const char *plan_text, const struct plan *how,
               const struct run_import_in *in, int64_t now_ms, struct run *out, struct problem *p)
{
    struct err *e = &p->err;
    struct judgement j = {0};
    bool added = false;
    *out = (struct run){
        .slot_ms = in->slot_ms, .trigger = RUN_IMPORT, .state = RUN_RUNNING, .created_ms = now_ms};
    snprintf(out->plan, sizeof out->plan, "%s", plan);
    snprintf(out->note, sizeof out->note, "%s", in->note);
    if (store_begin(a->store, e))
        return -1;
    if (import_date(a, plan, in->slot_ms, now_ms, p))
        goto fail;
    if (store_run_add(a->store, out, plan_text, &added, e))
        goto fail;
    for (int i = 0; i < in->n_points; i++) {
        if (import_point_add(a, out, &in->points[i], e))
            goto fail;
    }
    if (store_point_absent(a->store, out->id, plan, out->slot_ms, e) ||
        run_judge(a, out, how, false, now_ms, &j, e) || store_run_get(a->store, out->id, out, e))
        goto fail;
    judgement_free(&j);
    return store_commit(a->store, e);
fail:
    judgement_free(&j);
    store_rollback(a->store);
    return -1;
}
