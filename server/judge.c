// SPDX-License-Identifier: MIT
// See judge.h.
#include "server/judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "server/nightly/front_diff.h"

#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

// --- points as the detection sees them ------------------------------------------------------------------------------

// Texts that many points share, each kept once.
struct texts {
    char **at; // open addressing, NULL = free
    size_t n, size;
};

static size_t text_hash(const char *text)
{
    size_t h = 5381;
    for (; *text; text++)
        h = h * 33 + (unsigned char)*text;
    return h;
}

static bool texts_grow(struct texts *t)
{
    size_t size = t->size ? 2 * t->size : 256;
    char **at = calloc(size, sizeof *at);
    if (!at)
        return false;
    for (size_t i = 0; i < t->size; i++) {
        if (!t->at[i])
            continue;
        size_t k = text_hash(t->at[i]) & (size - 1);
        while (at[k])
            k = (k + 1) & (size - 1);
        at[k] = t->at[i];
    }
    free(t->at);
    t->at = at;
    t->size = size;
    return true;
}

// The kept copy; NULL for "" and when memory is out (*failed).
static const char *texts_keep(struct texts *t, const char *text, bool *failed)
{
    if (!*text)
        return NULL;
    if (2 * t->n >= t->size && !texts_grow(t)) {
        *failed = true;
        return NULL;
    }
    size_t k = text_hash(text) & (t->size - 1);
    for (; t->at[k]; k = (k + 1) & (t->size - 1)) {
        if (strcmp(t->at[k], text) == 0)
            return t->at[k];
    }
    t->at[k] = strdup(text);
    *failed = *failed || !t->at[k];
    t->n += t->at[k] != NULL;
    return t->at[k];
}

static void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->size; i++)
        free(t->at[i]);
    free(t->at);
    *t = (struct texts){0};
}

struct night_info { // what the detection need not know of a point
    int64_t run, slot_ms;
    int reruns; // that were tried
};

struct judged { // a series of the run
    int64_t id; // they come by rising id
    const char *model, *model_name, *board, *config;
    size_t first, n; // points
};

struct history {
    struct texts texts;
    struct series_point *points;
    struct night_info *nights; // of each point
    size_t n_points, max_points;
    struct judged *series;
    size_t n_series, max_series;
    bool failed;
};

static bool grow(void **at, size_t *max, size_t n, size_t item)
{
    if (n < *max)
        return true;
    size_t bigger = *max ? 2 * *max : 256;
    void *p = realloc(*at, bigger * item);
    if (!p)
        return false;
    *at = p;
    *max = bigger;
    return true;
}

static enum point_state history_state(const struct point *p)
{
    if (p->state == ROW_DONE)
        return POINT_OK;
    if (p->state == ROW_NO_FIT)
        return POINT_FAILED;
    if (p->state != ROW_FAILED)
        return POINT_MISSING;
    if (strcmp(p->class, "model") != 0)
        return POINT_INFRASTRUCTURE;
    return strcmp(p->error_type, "output-mismatch") == 0 ? POINT_MISMATCH : POINT_FAILED;
}

static uint32_t history_bytes(int64_t v)
{
    return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void history_series(struct history *h, const struct point *p)
{
    if (!grow((void **)&h->series, &h->max_series, h->n_series, sizeof *h->series)) {
        h->failed = true;
        return;
    }
    h->series[h->n_series++] =
        (struct judged){.id = p->series,
                        .model = texts_keep(&h->texts, p->model, &h->failed),
                        .model_name = texts_keep(&h->texts, p->model_name, &h->failed),
                        .board = texts_keep(&h->texts, p->board, &h->failed),
                        .config = texts_keep(&h->texts, p->config, &h->failed),
                        .first = h->n_points};
}

static void history_rerun(struct history *h, const struct point *p)
{
    struct series_point *night = &h->points[h->n_points - 1];
    h->nights[h->n_points - 1].reruns = p->rerun;
    if (p->state == ROW_DONE && night->n_reruns < DETECT_RERUNS_MAX)
        night->rerun_cycles[night->n_reruns++] = (uint64_t)p->cycles_median;
}

// Rows come by series, slot and rerun.
static void history_add(void *cls, const struct point *p)
{
    struct history *h = cls;
    char rig[2 * STORE_NAME_SIZE] = "", timing[96] = "";
    if (h->failed)
        return;
    if (p->rerun > 0) {
        if (h->n_points && h->nights[h->n_points - 1].run == p->run)
            history_rerun(h, p);
        return;
    }
    if (h->n_series == 0 || h->series[h->n_series - 1].id != p->series)
        history_series(h, p);
    size_t max = h->max_points;
    if (h->failed || !grow((void **)&h->points, &h->max_points, h->n_points, sizeof *h->points) ||
        !grow((void **)&h->nights, &max, h->n_points, sizeof *h->nights)) {
        h->failed = true;
        return;
    }
    if (p->agent[0] || p->rig[0])
        snprintf(rig, sizeof rig, "%s/%s", p->agent, p->rig);
    if (p->timing[0])
        snprintf(timing, sizeof timing, "%s/%" PRId64, p->timing, p->timing_version);
    h->points[h->n_points] =
        (struct series_point){.state = history_state(p),
                              .emulated = p->emulated > 0,
                              .baseline = p->baseline,
                              .cycles = p->cycles_median < 0 ? 0 : (uint64_t)p->cycles_median,
                              .instructions = p->instructions < 0 ? 0 : (uint64_t)p->instructions,
                              .arena_bytes = history_bytes(p->arena_bytes),
                              .stack_bytes = history_bytes(p->stack_bytes),
                              .static_bytes = history_bytes(p->static_bytes),
                              .flash_bytes = history_bytes(p->flash_bytes),
                              .firmware = texts_keep(&h->texts, p->firmware, &h->failed),
                              .program = texts_keep(&h->texts, p->program, &h->failed),
                              .rig = texts_keep(&h->texts, rig, &h->failed),
                              .timing = texts_keep(&h->texts, timing, &h->failed)};
    h->nights[h->n_points++] = (struct night_info){.run = p->run, .slot_ms = p->slot_ms};
    h->series[h->n_series - 1].n++;
}

static void history_free(struct history *h)
{
    texts_free(&h->texts);
    free(h->points);
    free(h->nights);
    free(h->series);
    *h = (struct history){0};
}

// --- the same nights for every series -------------------------------------------------------------------------------

// The detection compares series night by night, so each must have all nights since it began: those in which it was not run
// become points without a number.
static int night_compare(const void *a, const void *b)
{
    const struct night_info *x = a, *y = b;
    return (x->slot_ms > y->slot_ms) - (x->slot_ms < y->slot_ms);
}

// All nights of all series, each once, in order. NULL: no memory.
static struct night_info *history_nights(const struct history *h, size_t *n)
{
    struct night_info *at = calloc(h->n_points + 1, sizeof *at);
    *n = 0;
    if (!at || h->n_points == 0)
        return at;
    memcpy(at, h->nights, h->n_points * sizeof *at);
    qsort(at, h->n_points, sizeof *at, night_compare);
    for (size_t i = 0; i < h->n_points; i++) {
        if (i == 0 || at[i].slot_ms != at[*n - 1].slot_ms)
            at[(*n)++] = at[i];
    }
    return at;
}

static int history_align(struct history *h, struct err *e)
{
    size_t n_nights = 0, n = 0;
    struct night_info *all = history_nights(h, &n_nights);
    struct series_point *points = calloc(h->n_series * n_nights + 1, sizeof *points);
    struct night_info *nights = calloc(h->n_series * n_nights + 1, sizeof *nights);
    if (!all || !points || !nights) {
        free(all);
        free(points);
        free(nights);
        return err_set(e, ERR_NO_MEMORY, "no memory for %zu series", h->n_series);
    }
    for (size_t i = 0; i < h->n_series; i++) {
        struct judged *s = &h->series[i];
        size_t from = s->first, end = s->first + s->n, first = n;
        for (size_t k = 0; k < n_nights; k++) {
            if (from < end && h->nights[from].slot_ms == all[k].slot_ms) {
                points[n] = h->points[from];
                nights[n++] = h->nights[from++];
            } else if (n > first) {
                points[n] = (struct series_point){.state = POINT_MISSING};
                nights[n++] = (struct night_info){.run = all[k].run, .slot_ms = all[k].slot_ms};
            }
        }
        s->first = first;
        s->n = n - first;
    }
    free(all);
    free(h->points);
    free(h->nights);
    h->points = points;
    h->nights = nights;
    h->n_points = n;
    return 0;
}

// The history of the series of a run (of one board where it is not NULL), and the series as the detection takes them.
static int history_load(struct store *s, int64_t run, const char *plan, const char *board,
                        int64_t slot_ms, struct history *h, struct detect_series **out,
                        struct err *e)
{
    int64_t from = 0;
    if (store_run_horizon(s, plan, slot_ms, JUDGE_HORIZON, &from, e) ||
        store_point_history(s, run, board, from, slot_ms, history_add, h, e))
        return -1;
    if (h->failed)
        return err_set(e, ERR_NO_MEMORY, "no memory to judge run %" PRId64, run);
    if (history_align(h, e))
        return -1;
    *out = calloc(h->n_series + 1, sizeof **out);
    if (!*out)
        return err_set(e, ERR_NO_MEMORY, "no memory to judge run %" PRId64, run);
    for (size_t i = 0; i < h->n_series; i++) {
        const struct judged *j = &h->series[i];
        (*out)[i] =
            (struct detect_series){.board = j->board, .at = &h->points[j->first], .n = j->n};
    }
    return 0;
}

int judge_series(struct store *s, const struct series *series, const struct detect_limits *limits,
                 struct judge_series *out, struct err *e)
{
    struct history h = {0};
    struct detect_series *all = NULL;
    struct run last;
    size_t i = 0;
    int bad = -1;
    *out = (struct judge_series){0};
    if (series->last_run == 0)
        return 0;
    if (store_run_get(s, series->last_run, &last, e) ||
        history_load(s, last.id, last.plan, series->board, last.slot_ms, &h, &all, e))
        goto out;
    while (i < h.n_series && h.series[i].id != series->id)
        i++;
    if (i == h.n_series) {
        bad = err_set(e, ERR_INTERNAL, "run %" PRId64 " has lost series %" PRId64, last.id,
                      series->id);
        goto out;
    }
    const struct judged *mine = &h.series[i];
    out->n = mine->n;
    out->at = calloc(out->n, sizeof *out->at);
    out->band = calloc(out->n, sizeof *out->band);
    out->runs = calloc(out->n, sizeof *out->runs);
    if (!out->at || !out->band || !out->runs) {
        err_set(e, ERR_NO_MEMORY, "no memory for series %" PRId64, series->id);
        goto out;
    }
    for (size_t k = 0; k < out->n; k++) {
        out->at[k] = h.points[mine->first + k];
        out->runs[k] = h.nights[mine->first + k].run;
    }
    bad = detect_bands(all, h.n_series, i, limits, out->band, e);
out:
    free(all);
    history_free(&h);
    if (bad)
        judge_series_free(out);
    return bad;
}

void judge_series_free(struct judge_series *j)
{
    free(j->at);
    free(j->band);
    free(j->runs);
    *j = (struct judge_series){0};
}

// --- findings -------------------------------------------------------------------------------------------------------

struct judge {
    struct store *store;
    const struct run *run;
    const struct detect_limits *limits;
    int64_t now_ms;
    struct history h;
    struct detect_series *series; // as h.series
    struct finding_row *open;     // of the plan, before this run
    bool *seen;                   // of each: it goes on
    size_t n_open, max_open;
    struct finding *told; // findings that count for the verdict
    size_t n_told, max_told;
    bool drift_looked_for;
    struct err *e;
    bool failed;
};

static void judge_open_add(void *cls, const struct finding_row *f)
{
    struct judge *j = cls;
    size_t max = j->max_open;
    if (!grow((void **)&j->open, &j->max_open, j->n_open, sizeof *j->open) ||
        !grow((void **)&j->seen, &max, j->n_open, sizeof *j->seen)) {
        j->failed = true;
        return;
    }
    j->seen[j->n_open] = false;
    j->open[j->n_open++] = *f;
}

static const struct judged *judge_longest(const struct judge *j)
{
    const struct judged *longest = &j->h.series[0];
    for (size_t i = 1; i < j->h.n_series; i++) {
        if (j->h.series[i].n > longest->n)
            longest = &j->h.series[i];
    }
    return longest;
}

// The run of a night of the series with the most nights.
static int64_t judge_oldest(const struct judge *j, size_t night)
{
    const struct judged *longest = judge_longest(j);
    return j->h.nights[longest->first + (night < longest->n ? night : longest->n - 1)].run;
}

// A finding of this run as a row, before its triage is known.
static void judge_row(const struct judge *j, const struct finding *f, struct finding_row *row)
{
    *row = (struct finding_row){.count = (int64_t)f->count,
                                .first_run = j->run->id,
                                .last_run = j->run->id,
                                .was = f->was,
                                .current = f->is,
                                .percent = f->percent,
                                .noise = f->noise_multiple,
                                .firmware_changed = f->firmware_changed,
                                .program_changed = f->program_changed,
                                .rig_changed = f->rig_changed,
                                .accepted = NAN,
                                .updated_ms = j->now_ms};
    snprintf(row->plan, sizeof row->plan, "%s", j->run->plan);
    snprintf(row->board, sizeof row->board, "%s", f->board ? f->board : "");
    snprintf(row->rig, sizeof row->rig, "%s", f->rig ? f->rig : "");
    snprintf(row->kind, sizeof row->kind, "%s", detect_kind_name(f->kind));
    snprintf(row->metric, sizeof row->metric, "%s", detect_metric_name(f->metric));
    snprintf(row->reason, sizeof row->reason, "%s", detect_reason_name(f->reason));
    snprintf(row->state, sizeof row->state, "%s", detect_state_name(f->state));
    if (f->series == FINDING_NO_SERIES) {
        row->first_run = judge_oldest(j, f->first_bad);
        return;
    }
    const struct judged *s = &j->h.series[f->series];
    size_t bad = s->first + (f->first_bad < s->n ? f->first_bad : s->n - 1);
    const char *firmware = j->h.points[bad].firmware;
    row->series = s->id;
    row->first_run = j->h.nights[bad].run;
    snprintf(row->model, sizeof row->model, "%s", s->model ? s->model : "");
    snprintf(row->model_name, sizeof row->model_name, "%s", s->model_name ? s->model_name : "");
    snprintf(row->config, sizeof row->config, "%s", s->config ? s->config : "");
    snprintf(row->firmware, sizeof row->firmware, "%s", firmware ? firmware : "");
}

static bool same_thing(const struct finding_row *a, const struct finding_row *b)
{
    if (strcmp(a->kind, b->kind) != 0 || strcmp(a->metric, b->metric) != 0 ||
        a->series != b->series)
        return false;
    return a->series != 0 || (strcmp(a->board, b->board) == 0 && strcmp(a->rig, b->rig) == 0 &&
                              strcmp(a->model, b->model) == 0);
}

// Has it become worse than what was acknowledged, by more than a latency may vary?
static bool worse_than_accepted(const struct judge *j, const struct finding_row *row)
{
    if (isnan(row->accepted) || isnan(row->current) || row->accepted <= 0)
        return false;
    double percent = (row->current / row->accepted - 1) * 100;
    return percent > (strcmp(row->metric, "cycles") == 0 ? j->limits->latency_percent : 0);
}

// Takes over what a person has said about a finding that goes on.
static void judge_triage(const struct judge *j, const struct finding_row *old,
                         struct finding_row *row)
{
    row->id = old->id;
    row->first_run = old->first_run;
    row->accepted = old->accepted;
    memcpy(row->owner, old->owner, sizeof row->owner);
    memcpy(row->note, old->note, sizeof row->note);
    if (strcmp(old->state, "acknowledged") == 0 && !worse_than_accepted(j, row))
        snprintf(row->state, sizeof row->state, "acknowledged");
}

static int judge_tell(struct judge *j, const struct finding *f)
{
    if (!grow((void **)&j->told, &j->max_told, j->n_told, sizeof *j->told))
        return err_set(j->e, ERR_NO_MEMORY, "no memory for findings");
    j->told[j->n_told++] = *f;
    return 0;
}

// Writes one finding of this run.
static int judge_keep(struct judge *j, const struct finding *f, const char *model,
                      const char *model_name)
{
    struct finding_row row;
    judge_row(j, f, &row);
    if (model) {
        snprintf(row.model, sizeof row.model, "%s", model);
        snprintf(row.model_name, sizeof row.model_name, "%s", model_name);
    }
    for (size_t i = 0; i < j->n_open && !row.id; i++) {
        if (!j->seen[i] && same_thing(&j->open[i], &row)) {
            j->seen[i] = true;
            judge_triage(j, &j->open[i], &row);
        }
    }
    if (row.id ? store_finding_put(j->store, &row, j->e) : store_finding_add(j->store, &row, j->e))
        return -1;
    if (store_finding_seen(j->store, row.id, j->run->id, j->e))
        return -1;
    return strcmp(row.state, "acknowledged") == 0 ? 0 : judge_tell(j, f);
}

// A series of the run; NULL: it is not part of it.
static const struct judged *judge_find(const struct judge *j, int64_t series)
{
    size_t lo = 0, hi = j->h.n_series; // by id
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (j->h.series[mid].id < series)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < j->h.n_series && j->h.series[lo].id == series ? &j->h.series[lo] : NULL;
}

// Is what an open finding is about part of this run? Only then can the run say that it has stopped.
static bool judge_covers(const struct judge *j, const struct finding_row *f)
{
    if (f->series == 0) {
        for (size_t i = 0; i < j->h.n_series; i++) {
            if (strcmp(j->h.series[i].board, f->board) == 0)
                return true;
        }
        return false;
    }
    return judge_find(j, f->series) != NULL;
}

// What has stopped. A run that got no number of a series says nothing about its earlier findings.
static bool judge_has_number(const struct judge *j, const struct finding_row *f)
{
    if (strcmp(f->kind, "missing") == 0 || strcmp(f->kind, "infrastructure") == 0 || f->series == 0)
        return true;
    const struct judged *s = judge_find(j, f->series);
    enum point_state state = s ? j->h.points[s->first + s->n - 1].state : POINT_MISSING;
    return state != POINT_MISSING && state != POINT_INFRASTRUCTURE;
}

static int judge_resolve(struct judge *j)
{
    for (size_t i = 0; i < j->n_open; i++) {
        struct finding_row *f = &j->open[i];
        if (j->seen[i] || !judge_covers(j, f) || !judge_has_number(j, f) ||
            (strcmp(f->kind, "drift") == 0 && !j->drift_looked_for))
            continue;
        snprintf(f->state, sizeof f->state, "resolved");
        f->updated_ms = j->now_ms;
        if (store_finding_put(j->store, f, j->e) ||
            store_note_add(j->store, f->id, "resolved", "", "", j->now_ms, j->e))
            return -1;
    }
    return 0;
}

// --- fronts ---------------------------------------------------------------------------------------------------------

// A front is compared with that of the run before the first of its configurations became worse, so that what it lost is
// told as long as it is lost. Without a confirmed cause nothing is told: latencies jitter, and with them who is on a front.
static bool judge_is_cause(const struct finding *f)
{
    return f->series != FINDING_NO_SERIES && f->state == FINDING_CONFIRMED && f->first_bad > 0 &&
           (f->kind == DETECT_SLOWER || f->kind == DETECT_DETERMINISM ||
            (f->kind == DETECT_RAM_GROWTH && f->metric == METRIC_ARENA));
}

struct front_pair {
    struct front_diff_point *before, *after;
    size_t *before_series, *after_series;
    size_t n_before, n_after;
};

static void front_pair_free(struct front_pair *p)
{
    free(p->before);
    free(p->after);
    free(p->before_series);
    free(p->after_series);
}

static void front_pair_take(const struct series_point *p, const char *key, size_t series,
                            struct front_diff_point *out, size_t *out_series, size_t *n)
{
    if (p->state != POINT_OK || !key || p->arena_bytes == 0 || p->cycles == 0)
        return;
    out_series[*n] = series;
    out[(*n)++] =
        (struct front_diff_point){.key = key, .ram_bytes = p->arena_bytes, .cycles = p->cycles};
}

// Points of tonight and of the last night before base_slot, over all series of a model on a board.
static int front_pair_load(const struct judge *j, const struct judged *like, int64_t base_slot,
                           struct front_pair *p, struct err *e)
{
    size_t n = j->h.n_series;
    *p = (struct front_pair){.before = calloc(n, sizeof *p->before),
                             .after = calloc(n, sizeof *p->after),
                             .before_series = calloc(n, sizeof *p->before_series),
                             .after_series = calloc(n, sizeof *p->after_series)};
    if (!p->before || !p->after || !p->before_series || !p->after_series)
        return err_set(e, ERR_NO_MEMORY, "no memory to compare fronts");
    for (size_t i = 0; i < n; i++) {
        const struct judged *s = &j->h.series[i];
        if (s->model != like->model || s->board != like->board)
            continue;
        front_pair_take(&j->h.points[s->first + s->n - 1], s->config, i, p->after, p->after_series,
                        &p->n_after);
        for (size_t k = s->n - 1; k-- > 0;) {
            if (j->h.nights[s->first + k].slot_ms < base_slot) {
                front_pair_take(&j->h.points[s->first + k], s->config, i, p->before,
                                p->before_series, &p->n_before);
                break;
            }
        }
    }
    return 0;
}

static int judge_front_left(struct judge *j, const struct front_pair *p,
                            const struct front_diff_entry *x, const struct finding *cause)
{
    if ((x->change != FRONT_LEFT_SLOWER && x->change != FRONT_LEFT_LARGER) || x->before < 0 ||
        x->after < 0)
        return 0;
    const struct front_diff_point *was = &p->before[x->before], *is = &p->after[x->after];
    bool slower = x->change == FRONT_LEFT_SLOWER;
    struct finding f = *cause;
    f.kind = DETECT_FRONT_LEFT;
    f.metric = slower ? METRIC_CYCLES : METRIC_ARENA;
    f.series = p->after_series[x->after];
    f.was = slower ? (double)was->cycles : was->ram_bytes;
    f.is = slower ? (double)is->cycles : is->ram_bytes;
    f.percent = (f.is / f.was - 1) * 100;
    f.noise_multiple = 0;
    return judge_keep(j, &f, NULL, NULL);
}

static int judge_front_moved(struct judge *j, const struct front_diff *d,
                             const struct finding *cause)
{
    const struct judged *s = &j->h.series[cause->series];
    bool slower = d->latency_percent > j->limits->latency_percent,
         larger = d->least_ram_after > d->least_ram_before;
    if (!d->comparable || (!slower && !larger))
        return 0;
    struct finding f = *cause;
    f.kind = DETECT_FRONT_MOVED;
    f.series = FINDING_NO_SERIES;
    f.first_bad += judge_longest(j)->n - s->n; // counts from the oldest night of all
    f.metric = slower ? METRIC_CYCLES : METRIC_ARENA;
    // A front that is slower at equal RAM has no one figure before and after, only by how much.
    f.was = slower ? (double)NAN : (double)d->least_ram_before;
    f.is = slower ? (double)NAN : (double)d->least_ram_after;
    f.percent = slower ? d->latency_percent : (f.is / f.was - 1) * 100;
    f.count = d->n;
    f.noise_multiple = 0;
    f.rig = NULL;
    return judge_keep(j, &f, s->model, s->model_name);
}

static int judge_front(struct judge *j, const struct finding *cause, int64_t base_slot)
{
    struct front_pair p;
    struct front_diff d = {0};
    const struct judged *s = &j->h.series[cause->series];
    bool emulated = j->h.points[s->first + s->n - 1].emulated;
    int bad = front_pair_load(j, s, base_slot, &p, j->e);
    if (!bad && p.n_before > 1 && p.n_after > 1) { // a single point is no front
        bad = front_diff(p.before, p.n_before, p.after, p.n_after,
                         emulated ? 0 : j->limits->latency_percent, &d, j->e);
        for (size_t i = 0; i < d.n && !bad; i++)
            bad = judge_front_left(j, &p, &d.at[i], cause);
        bad = bad || judge_front_moved(j, &d, cause);
        front_diff_free(&d);
    }
    front_pair_free(&p);
    return bad ? -1 : 0;
}

static int64_t judge_first_bad_slot(const struct judge *j, const struct finding *f)
{
    return j->h.nights[j->h.series[f->series].first + f->first_bad].slot_ms;
}

// Every model and board with a cause, once, against the night before the earliest of its causes.
static int judge_fronts(struct judge *j, const struct finding *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!judge_is_cause(&f[i]))
            continue;
        const struct judged *s = &j->h.series[f[i].series];
        int64_t base = judge_first_bad_slot(j, &f[i]);
        bool done = false;
        for (size_t k = 0; k < n; k++) {
            if (k == i || !judge_is_cause(&f[k]))
                continue;
            const struct judged *other = &j->h.series[f[k].series];
            if (other->model != s->model || other->board != s->board)
                continue;
            done = done || k < i;
            int64_t slot = judge_first_bad_slot(j, &f[k]);
            base = slot < base ? slot : base;
        }
        if (!done && judge_front(j, &f[i], base))
            return -1;
    }
    return 0;
}

// --- the run --------------------------------------------------------------------------------------------------------

// Once a week, with the first run of it, the whole of each series is looked at for what comes in small steps.
static int judge_drift(struct judge *j)
{
    int64_t before = INT64_MIN;
    for (size_t i = 0; i < j->h.n_series; i++) {
        const struct judged *s = &j->h.series[i];
        if (s->n >= 2) {
            int64_t slot = j->h.nights[s->first + s->n - 2].slot_ms;
            before = slot > before ? slot : before;
        }
    }
    if (before == INT64_MIN || before / WEEK_MS == j->run->slot_ms / WEEK_MS)
        return 0;
    j->drift_looked_for = true;
    struct finding *found = NULL;
    long n = detect_drift(j->series, j->h.n_series, j->limits, &found, j->e);
    int bad = n < 0;
    for (long i = 0; i < n && !bad; i++)
        bad = judge_keep(j, &found[i], NULL, NULL);
    free(found);
    return bad ? -1 : 0;
}

static int judge_wishes(struct judge *j, const struct finding *f, size_t n, struct judgement *out)
{
    size_t max = 0;
    for (size_t i = 0; i < n; i++) {
        if (f[i].reruns_wanted <= 0 || f[i].series == FINDING_NO_SERIES)
            continue;
        const struct judged *s = &j->h.series[f[i].series];
        int tried = j->h.nights[s->first + s->n - 1].reruns;
        int wanted = f[i].reruns_wanted;
        if (wanted > DETECT_RERUNS_MAX - tried)
            wanted = DETECT_RERUNS_MAX - tried;
        if (wanted <= 0)
            continue;
        if (!grow((void **)&out->wishes, &max, out->n_wishes, sizeof *out->wishes))
            return err_set(j->e, ERR_NO_MEMORY, "no memory for reruns");
        out->wishes[out->n_wishes++] =
            (struct judge_wish){.series = s->id, .first = tried + 1, .n = wanted};
    }
    return 0;
}

static int judge_load(struct judge *j)
{
    if (history_load(j->store, j->run->id, j->run->plan, NULL, j->run->slot_ms, &j->h, &j->series,
                     j->e) ||
        store_finding_open(j->store, j->run->plan, judge_open_add, j, j->e))
        return -1;
    return j->failed ? err_set(j->e, ERR_NO_MEMORY, "no memory to judge run %" PRId64, j->run->id)
                     : 0;
}

int judge_run(struct store *s, const struct run *r, const struct detect_limits *limits, bool final,
              int64_t now_ms, struct judgement *out, struct err *e)
{
    struct judge j = {.store = s, .run = r, .limits = limits, .now_ms = now_ms, .e = e};
    struct finding *f = NULL;
    long n = 0;
    int bad = -1;
    *out = (struct judgement){0};
    if (judge_load(&j))
        goto out;
    if (j.h.n_series && (n = detect_run(j.series, j.h.n_series, limits, &f, e)) < 0)
        goto out;
    for (long i = 0; i < n; i++) {
        if (judge_keep(&j, &f[i], NULL, NULL))
            goto out;
    }
    if (judge_wishes(&j, f, (size_t)n, out))
        goto out;
    if (final && (judge_fronts(&j, f, (size_t)n) || judge_drift(&j) || judge_resolve(&j)))
        goto out;
    snprintf(out->verdict, sizeof out->verdict, "%s",
             detect_verdict_name(detect_verdict(j.told, j.n_told)));
    bad = 0;
out:
    free(f);
    free(j.told);
    free(j.open);
    free(j.seen);
    free(j.series);
    history_free(&j.h);
    if (bad)
        judgement_free(out);
    return bad;
}

void judgement_free(struct judgement *j)
{
    free(j->wishes);
    *j = (struct judgement){0};
}
