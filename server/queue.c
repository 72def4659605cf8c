// SPDX-License-Identifier: MIT
// See queue.h.
#include "server/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "server/clock.h"
#include "server/hash.h"
#include "server/json_out.h"

static void change_campaign(struct queue_change *ch, int64_t campaign)
{
    for (int i = 0; i < ch->n_campaigns; i++) {
        if (ch->campaigns[i] == campaign)
            return;
    }
    if (ch->n_campaigns < (int)(sizeof ch->campaigns / sizeof *ch->campaigns))
        ch->campaigns[ch->n_campaigns++] = campaign;
}

// Notes that a job changed, and with it the counts of its campaign; closes the campaign with its last job.
static int queue_job_changed(struct app *a, const struct job *j, struct queue_change *ch,
                             struct err *e)
{
    bool finished = false;
    if (store_event_add(a->store, j->campaign, EVENT_JOB, j->id, e) ||
        store_campaign_finish(a->store, j->campaign, clock_now_ms(), &finished, e) ||
        store_event_add(a->store, j->campaign, EVENT_CAMPAIGN, j->campaign, e))
        return -1;
    change_campaign(ch, j->campaign);
    if (finished)
        log_info("queue", "campaign %" PRId64 " has finished", j->campaign);
    return 0;
}

// --- leases ---------------------------------------------------------------------------------------------------------

// What a lease request looks like before anything is written. Waiting agents ask again at every wake: that must cost no
// write, or a crowd of them would keep the disk busy for each new job.
struct lease_view {
    bool work;  // one of the rigs could be given a job
    bool stale; // the list of rigs needs an update
    bool ready[JSON_IN_MAX_RIGS];
};

static int queue_lease_look(struct app *a, const struct lease_in *in, int64_t now,
                            struct lease_view *v, uint64_t *wait_boards, struct err *e)
{
    *v = (struct lease_view){0};
    *wait_boards = 0;
    for (int i = 0; i < in->n_rigs; i++) {
        struct rig rig = {0};
        struct err none = {0};
        int64_t busy = 0, next = 0;
        const char *board = in->rigs[i].board;
        if (store_rig_get(a->store, in->agent, in->rigs[i].name, &rig, &none)) {
            if (none.code != ERR_NOT_FOUND)
                return err_set(e, none.code, "%s", none.msg);
            v->stale = true;
        }
        if (store_job_of_rig(a->store, in->agent, in->rigs[i].name, &busy, e) ||
            store_job_next(a->store, board, &next, e))
            return -1;
        v->stale = v->stale || rig.offline || strcmp(rig.board, board) != 0 ||
                   now - rig.last_seen_ms > QUEUE_SEEN_MS;
        v->ready[i] = busy == 0 && rig.quarantine_until_ms <= now;
        v->work = v->work || (v->ready[i] && next != 0);
        if (v->ready[i])
            *wait_boards |= boards_bit(&a->boards, board);
    }
    return 0;
}

static int queue_lease_one(struct app *a, const struct lease_in *in, int i, int64_t now,
                           struct job *job, bool *leased, struct queue_change *ch, struct err *e)
{
    int64_t id = 0;
    char lease[33];
    if (store_job_next(a->store, in->rigs[i].board, &id, e))
        return -1;
    if (id == 0)
        return 0;
    int64_t until = now + (int64_t)a->options.lease_s * 1000;
    if (hash_random_hex(lease, 32, e) ||
        store_job_lease(a->store, id, in->agent, in->rigs[i].name, lease, until, now, e) ||
        store_job_get(a->store, id, job, e) ||
        store_attempt_add(a->store, id, job->attempt, in->agent, in->rigs[i].name, lease, now, e) ||
        queue_job_changed(a, job, ch, e))
        return -1;
    *leased = true;
    return 0;
}

int queue_lease(struct app *a, const struct lease_in *in, struct job *job, bool *leased,
                uint64_t *wait_boards, struct queue_change *ch, struct problem *p)
{
    int64_t now = clock_now_ms();
    struct lease_view view;
    *leased = false;
    *wait_boards = 0;
    for (int i = 0; i < in->n_rigs; i++) {
        if (!boards_find(&a->boards, in->rigs[i].board)) {
            char field[32];
            snprintf(field, sizeof field, "rigs[%d].board", i);
            return problem_field(p, ERR_UNKNOWN_BOARD, field,
                                 "there is no board \"%s\"; GET /api/v1/boards lists them",
                                 in->rigs[i].board);
        }
    }
    if (queue_lease_look(a, in, now, &view, wait_boards, &p->err))
        return -1;
    if (!view.work && !view.stale)
        return 0;
    if (store_begin(a->store, &p->err))
        return -1;
    // Looked at again: between look and begin another request may have been served.
    if (queue_lease_look(a, in, now, &view, wait_boards, &p->err))
        goto fail;
    for (int i = 0; i < in->n_rigs; i++) {
        if (store_rig_seen(a->store, in->agent, in->rigs[i].name, in->rigs[i].board, now, &p->err))
            goto fail;
        if (!*leased && view.ready[i] && queue_lease_one(a, in, i, now, job, leased, ch, &p->err))
            goto fail;
    }
    if (store_commit(a->store, &p->err))
        return -1;
    if (*leased)
        atomic_fetch_add(&a->count.leases, 1);
    return 0;
fail:
    store_rollback(a->store);
    return -1;
}

static int queue_stale(struct problem *p, int64_t job)
{
    return err_set(&p->err, ERR_STALE_LEASE,
                   "job %" PRId64 " is no longer leased to you: stop working on it and lease again",
                   job);
}

// Loads a job that must be leased with this lease, still in time.
static int queue_leased_job(struct app *a, int64_t id, const char *lease, int64_t now,
                            struct job *j, struct problem *p)
{
    if (store_job_get(a->store, id, j, &p->err))
        return -1;
    if (j->state != JOB_LEASED || strcmp(j->lease, lease) != 0 || j->lease_until_ms < now)
        return queue_stale(p, id);
    return 0;
}

int queue_heartbeat(struct app *a, int64_t job, const struct heartbeat_in *in,
                    struct queue_change *ch, struct problem *p)
{
    int64_t now = clock_now_ms(), log_id = 0;
    struct job j;
    if (store_begin(a->store, &p->err))
        return -1;
    if (queue_leased_job(a, job, in->lease, now, &j, p))
        goto fail;
    if (store_job_beat(a->store, job, in->phase, in->progress,
                       now + (int64_t)a->options.lease_s * 1000, now, &p->err) ||
        store_rig_touch(a->store, j.agent, j.rig, now, &p->err) ||
        store_event_add(a->store, j.campaign, EVENT_JOB, job, &p->err))
        goto fail;
    if (in->log && j.log_bytes + (int64_t)strlen(in->log) <= QUEUE_LOG_MAX) {
        if (store_log_add(a->store, job, in->log, now, &log_id, &p->err) ||
            store_event_add(a->store, j.campaign, EVENT_LOG, log_id, &p->err))
            goto fail;
    }
    change_campaign(ch, j.campaign);
    return store_commit(a->store, &p->err);
fail:
    store_rollback(a->store);
    return -1;
}

// --- ends of an attempt ---------------------------------------------------------------------------------------------

// The rig is to blame: try again while there are attempts left, and count it against the rig.
static int queue_infra(struct app *a, const struct job *j, const char *type, const char *detail,
                       struct queue_change *ch, struct err *e)
{
    int64_t now = clock_now_ms(), until = 0;
    struct rig rig;
    char why[STORE_TEXT_SIZE];
    atomic_fetch_add(&a->count.infra_failures, 1);
    if (store_attempt_end(a->store, j->id, j->attempt, type, detail, now, e) ||
        store_rig_get(a->store, j->agent, j->rig, &rig, e))
        return -1;
    if (rig.failures + 1 >= QUEUE_QUARANTINE_AFTER) {
        int doublings = rig.failures + 1 - QUEUE_QUARANTINE_AFTER;
        int64_t length = (int64_t)a->options.quarantine_s * 1000 *
                         (INT64_C(1) << (doublings < 6 ? doublings : 6));
        until = now + (length < 3600000 ? length : 3600000);
        log_warn("queue", "rig %s/%s is in quarantine after %d failures: %s: %s", j->agent, j->rig,
                 rig.failures + 1, type, detail);
    }
    snprintf(why, sizeof why, "%s: %.360s", type, detail);
    if (store_rig_failed(a->store, j->agent, j->rig, why, until, e))
        return -1;
    if (j->attempt < a->options.attempts) {
        ch->boards |= boards_bit(&a->boards, j->board);
        if (store_job_requeue(a->store, j->id, type, detail, now, e))
            return -1;
    } else if (store_job_fail(a->store, j->id, type, detail, now, e)) {
        return -1;
    }
    return queue_job_changed(a, j, ch, e);
}

// The model or configuration is to blame: final. The rig did its work.
static int queue_model_failure(struct app *a, const struct job *j, const char *type,
                               const char *detail, int emulated, struct queue_change *ch,
                               struct err *e)
{
    int64_t now = clock_now_ms();
    atomic_fetch_add(&a->count.model_failures, 1);
    log_warn("queue", "job %" PRId64 " failed: %s: %s", j->id, type, detail);
    if (store_attempt_end(a->store, j->id, j->attempt, type, detail, now, e) ||
        store_rig_worked(a->store, j->agent, j->rig, emulated, now, e) ||
        store_job_fail(a->store, j->id, type, detail, now, e))
        return -1;
    return queue_job_changed(a, j, ch, e);
}

// Finds the attempt that a report is about. ended: it has its verdict already, which is repeated instead of judging twice.
static int queue_attempt(struct app *a, int64_t job, int attempt, const char *lease, struct job *j,
                         bool *ended, char verdict[32], struct problem *p)
{
    struct attempt at;
    struct err none = {0};
    if (store_job_get(a->store, job, j, &p->err))
        return -1;
    if (store_attempt_get(a->store, job, attempt, &at, &none))
        return none.code == ERR_NOT_FOUND ? queue_stale(p, job)
                                          : err_set(&p->err, none.code, "%s", none.msg);
    if (strcmp(at.lease, lease) != 0)
        return queue_stale(p, job);
    *ended = at.verdict[0] != '\0';
    if (*ended) {
        if (strcmp(at.verdict, "lease-lapsed") == 0)
            return queue_stale(p, job);
        snprintf(verdict, 32, "%s", at.verdict);
        return 0;
    }
    return queue_leased_job(a, job, lease, clock_now_ms(), j, p);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare_u64);
    uint64_t low = values[(n - 1) / 2], high = values[n / 2];
    return low + (high - low) / 2;
}

static int queue_store_result(struct app *a, const struct job *j, const struct result_in *in,
                              struct err *e)
{
    uint64_t sorted[JSON_IN_MAX_RUNS] = {0};
    struct result r = {.job = j->id,
                       .campaign = j->campaign,
                       .attempt = j->attempt,
                       .arena_bytes = in->mem.arena,
                       .predicted_arena_bytes = j->arena_bytes,
                       .stack_bytes = in->mem.stack,
                       .static_bytes = in->mem.static_bytes,
                       .code_bytes = in->mem.code,
                       .instructions = -1,
                       .clock_hz = in->hello.clock_hz,
                       .emulated = in->hello.emulated,
                       .timing_version = in->hello.timing_version,
                       .program_crc32 = j->program_crc32,
                       .output_crc32 = in->out.crc32,
                       .created_ms = clock_now_ms()};
    snprintf(r.board, sizeof r.board, "%s", j->board);
    snprintf(r.agent, sizeof r.agent, "%s", j->agent);
    snprintf(r.rig, sizeof r.rig, "%s", j->rig);
    snprintf(r.spec, sizeof r.spec, "%s", j->spec);
    snprintf(r.timing, sizeof r.timing, "%s", in->hello.timing);
    snprintf(r.kernels, sizeof r.kernels, "%s", in->hello.kernels);
    snprintf(r.firmware, sizeof r.firmware, "%s", in->hello.firmware);
    bool counted = true;
    for (int i = 0; i < in->n_runs; i++)
        counted = counted && in->runs[i].instructions >= 0;
    if (counted) {
        for (int i = 0; i < in->n_runs; i++)
            sorted[i] = (uint64_t)in->runs[i].instructions;
        r.instructions = (int64_t)median(sorted, in->n_runs);
    }
    for (int i = 0; i < in->n_runs; i++)
        sorted[i] = in->runs[i].cycles;
    r.cycles_median = median(sorted, in->n_runs);
    r.cycles_min = sorted[0];
    r.cycles_max = sorted[in->n_runs - 1];
    r.ms = (double)r.cycles_median * 1000 / (double)r.clock_hz;
    struct buf runs, blocks, profile;
    buf_init(&runs, 64u << 10);
    buf_init(&blocks, 64u << 10);
    buf_init(&profile, 512u << 10);
    json_out_runs(&runs, in);
    json_out_block_cycles(&blocks, in);
    json_out_profile(&profile, in);
    r.runs_json = buf_str(&runs);
    r.blocks_json = buf_str(&blocks);
    r.profile_json = buf_str(&profile);
    int bad = runs.failed || blocks.failed || profile.failed
                  ? err_set(e, ERR_NO_MEMORY, "no memory for the result of job %" PRId64, j->id)
                  : store_result_add(a->store, &r, e);
    buf_free(&runs);
    buf_free(&blocks);
    buf_free(&profile);
    return bad;
}

// A board measured, and something is wrong with it. Counted apart, and its firmware is kept.
static int queue_wrong(struct app *a, const struct job *j, const struct result_in *in,
                       const char *type, const char *detail, struct queue_change *ch, struct err *e)
{
    atomic_fetch_add(&a->count.results_mismatch, 1);
    if (store_attempt_firmware(a->store, j->id, j->attempt, in->hello.firmware, e))
        return -1;
    return queue_model_failure(a, j, type, detail, in->hello.emulated, ch, e);
}

// Judges a result: is it ours, is it right, is it as predicted? Only then is it a data point.
static int queue_judge(struct app *a, const struct job *j, const struct result_in *in,
                       char verdict[32], struct queue_change *ch, struct problem *p)
{
    char detail[STORE_TEXT_SIZE], crc[16];
    struct err *e = &p->err;
    int64_t now = clock_now_ms();
    snprintf(crc, sizeof crc, "%08" PRIx32, j->program_crc32);
    if (strcmp(in->hello.board, j->board) != 0 || strcmp(in->hello.program, crc) != 0) {
        snprintf(verdict, 32, "wrong-board");
        snprintf(detail, sizeof detail,
                 "board %s with program %s answered; %s with program %s was to be measured",
                 in->hello.board, in->hello.program, j->board, crc);
        return queue_infra(a, j, verdict, detail, ch, e);
    }
    if (in->out.crc32 != j->output_crc32 || in->out.bytes != j->output_bytes) {
        snprintf(verdict, 32, "output-mismatch");
        snprintf(detail, sizeof detail,
                 "the output has %" PRIu32 " bytes with CRC-32 %08" PRIx32
                 ", the reference %" PRIu32 " with %08" PRIx32,
                 in->out.bytes, in->out.crc32, j->output_bytes, j->output_crc32);
        return queue_wrong(a, j, in, verdict, detail, ch, e);
    }
    if (in->mem.arena != j->arena_bytes) {
        snprintf(verdict, 32, "ram-mismatch");
        snprintf(detail, sizeof detail,
                 "the device used %" PRIu32 " bytes of arena, %" PRIu32 " were predicted",
                 in->mem.arena, j->arena_bytes);
        return queue_wrong(a, j, in, verdict, detail, ch, e);
    }
    if (in->n_runs != j->repeats)
        return problem_field(p, ERR_BAD_FIELD, "runs", "has %d runs, the campaign asks for %d",
                             in->n_runs, j->repeats);
    snprintf(verdict, 32, "match");
    if (queue_store_result(a, j, in, e) ||
        store_attempt_end(a->store, j->id, j->attempt, verdict, NULL, now, e) ||
        store_job_done(a->store, j->id, now, e) ||
        store_rig_worked(a->store, j->agent, j->rig, in->hello.emulated, now, e))
        return -1;
    atomic_fetch_add(&a->count.results_match, 1);
    return queue_job_changed(a, j, ch, e);
}

int queue_result(struct app *a, int64_t job, const struct result_in *in, char verdict[32],
                 struct queue_change *ch, struct problem *p)
{
    struct job j;
    bool ended = false;
    if (store_begin(a->store, &p->err))
        return -1;
    if (queue_attempt(a, job, in->attempt, in->lease, &j, &ended, verdict, p))
        goto fail;
    if (!ended && queue_judge(a, &j, in, verdict, ch, p))
        goto fail;
    return store_commit(a->store, &p->err);
fail:
    store_rollback(a->store);
    return -1;
}

int queue_failure(struct app *a, int64_t job, const struct failure_in *in, char verdict[32],
                  struct queue_change *ch, struct problem *p)
{
    struct job j;
    bool ended = false;
    if (store_begin(a->store, &p->err))
        return -1;
    if (queue_attempt(a, job, in->attempt, in->lease, &j, &ended, verdict, p))
        goto fail;
    if (!ended) {
        snprintf(verdict, 32, "%s", in->type);
        int bad = strcmp(in->type, "board-fault") == 0
                      ? queue_model_failure(a, &j, in->type, in->detail, -1, ch, &p->err)
                      : queue_infra(a, &j, in->type, in->detail, ch, &p->err);
        if (bad)
            goto fail;
    }
    return store_commit(a->store, &p->err);
fail:
    store_rollback(a->store);
    return -1;
}

int queue_health(struct app *a, const char *rig, const struct health_in *in, struct problem *p)
{
    struct rig r;
    int64_t now = clock_now_ms();
    if (store_begin(a->store, &p->err))
        return -1;
    if (store_rig_get(a->store, in->agent, rig, &r, &p->err))
        goto fail;
    if (in->ok ? store_rig_worked(a->store, in->agent, rig, -1, now, &p->err)
               : store_rig_failed(a->store, in->agent, rig, in->detail,
                                  now + (int64_t)a->options.quarantine_s * 1000, &p->err))
        goto fail;
    if (in->ok && r.quarantine_until_ms)
        log_info("queue", "rig %s/%s is healthy again", in->agent, rig);
    return store_commit(a->store, &p->err);
fail:
    store_rollback(a->store);
    return -1;
}

int queue_offline(struct app *a, const char *rig, const struct offline_in *in, struct problem *p)
{
    if (!boards_find(&a->boards, in->board))
        return problem_field(p, ERR_UNKNOWN_BOARD, "board",
                             "there is no board \"%s\"; GET /api/v1/boards lists them", in->board);
    return store_rig_offline(a->store, in->agent, rig, in->board, in->detail, clock_now_ms(),
                             &p->err);
}

int queue_cancel(struct app *a, int64_t campaign, struct queue_change *ch, struct problem *p)
{
    int64_t ids[1000], now = clock_now_ms();
    int n = 0;
    bool finished = false;
    struct campaign c;
    if (store_campaign_get(a->store, campaign, &c, &p->err) || store_begin(a->store, &p->err))
        return -1;
    do {
        if (store_campaign_queued(a->store, campaign, ids, (int)(sizeof ids / sizeof *ids), &n,
                                  &p->err))
            goto fail;
        for (int i = 0; i < n; i++) {
            if (store_job_fail(a->store, ids[i], "cancelled", "the campaign was cancelled", now,
                               &p->err) ||
                store_event_add(a->store, campaign, EVENT_JOB, ids[i], &p->err))
                goto fail;
        }
    } while (n > 0);
    if (store_campaign_finish(a->store, campaign, now, &finished, &p->err) ||
        store_event_add(a->store, campaign, EVENT_CAMPAIGN, campaign, &p->err))
        goto fail;
    change_campaign(ch, campaign);
    return store_commit(a->store, &p->err);
fail:
    store_rollback(a->store);
    return -1;
}

int queue_lapse(struct app *a, struct queue_change *ch, bool *more, struct err *e)
{
    int64_t ids[50], now = clock_now_ms();
    int n = 0;
    *more = false;
    if (store_job_lapsed(a->store, now, ids, 50, &n, e))
        return -1;
    if (n == 0)
        return 0;
    if (store_begin(a->store, e))
        return -1;
    for (int i = 0; i < n; i++) {
        struct job j;
        char detail[STORE_TEXT_SIZE];
        if (store_job_get(a->store, ids[i], &j, e))
            goto fail;
        if (j.state != JOB_LEASED || j.lease_until_ms >= now)
            continue; // a heartbeat came in between
        snprintf(detail, sizeof detail, "agent %s sent no heartbeat for rig %s within %d s",
                 j.agent, j.rig, a->options.lease_s);
        log_warn("queue", "job %" PRId64 ", attempt %d: %s", j.id, j.attempt, detail);
        if (queue_infra(a, &j, "lease-lapsed", detail, ch, e))
            goto fail;
        atomic_fetch_add(&a->count.lapsed, 1);
    }
    *more = n == 50;
    return store_commit(a->store, e);
fail:
    store_rollback(a->store);
    return -1;
}
