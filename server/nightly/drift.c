// SPDX-License-Identifier: MIT
// The slow pass: only good nights count, so that what the nightly rule told already is not told again.
#include <stdlib.h>

#include "server/nightly/changepoint.h"
#include "server/nightly/team.h"

enum { STEPS_MAX = 64 };

// The good nights of a series since its baseline began, as indices into its points.
struct good {
    size_t n, begins;
    size_t *at; // room for all its nights
};

static int good_nights(struct team *t, struct good *good, struct err *e)
{
    for (size_t night = 0; night < t->nights; night++) {
        if (team_walk(t, night, e))
            return -1;
        for (size_t i = 0; i < t->n; i++) {
            const struct walk *w = &t->walks[i];
            struct good *g = &good[i];
            size_t index;
            if (!team_index(t, i, night, &index))
                continue;
            if (w->begins != g->begins)
                g->n = 0;
            g->begins = w->begins;
            if (w->has_good && w->last_good == index)
                // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): room for all nights of the series
                g->at[g->n++] = index;
        }
    }
    return 0;
}

static void describe(const struct detect_series *s, size_t which, const size_t *good, size_t n,
                     const struct changepoint *first, const struct changepoint *last,
                     struct finding *out)
{
    const struct series_point *from = &s->at[good[first->at - 1]], *to = &s->at[good[n - 1]];
    *out = (struct finding){
        .kind = DETECT_DRIFT,
        .metric = METRIC_CYCLES,
        .reason = REASON_CODE,
        .state = FINDING_CONFIRMED,
        .series = which,
        .board = s->board,
        .rig = to->rig,
        .count = 1,
        .was = first->before,
        .is = last->after,
        .percent = (last->after / first->before - 1) * 100,
        .first_bad = good[first->at],
        .firmware_changed = !walk_same(from->firmware, to->firmware),
        .program_changed = !walk_same(from->program, to->program),
        .rig_changed = !walk_same(from->rig, to->rig),
    };
    if (!out->firmware_changed && !out->program_changed) { // whatever drifts, it is not the code
        out->kind = DETECT_RIG_SUSPECT;
        out->reason = REASON_SAME_HASHES;
    }
}

// 1 = *out is set, 0 = no drift, -1: ERR_NO_MEMORY
static int drift_of(const struct detect_series *s, size_t which, const struct good *g,
                    double *cycles, const struct detect_limits *l, struct finding *out,
                    struct err *e)
{
    struct changepoint_options o = changepoint_options_default();
    struct changepoint steps[STEPS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < g->n;
         i++) { // another rig may be a little faster for ever: that is no drift
        const struct series_point *p = &s->at[g->at[i]], *last = &s->at[g->at[g->n - 1]];
        if (!walk_same(p->rig, last->rig))
            continue;
        g->at[n] = g->at[i];
        cycles[n++] = (double)p->cycles;
    }
    long found = changepoint_find(cycles, n, &o, steps, STEPS_MAX, e);
    if (found <= 0 || steps[found - 1].after < steps[0].before * (1 + l->drift_percent / 100))
        return found < 0 ? -1 : 0;
    describe(s, which, g->at, n, &steps[0], &steps[found - 1], out);
    return 1;
}

long detect_drift(const struct detect_series *series, size_t n, const struct detect_limits *l,
                  struct finding **out, struct err *e)
{
    struct team t;
    struct good *good = calloc(n + 1, sizeof *good);
    size_t *nights = NULL, all = 0;
    double *cycles = NULL;
    struct finding *found = NULL;
    long n_found = -1;
    *out = NULL;
    if (team_open(&t, series, n, l, e))
        goto out;
    for (size_t i = 0; i < n; i++)
        all += series[i].n;
    nights = calloc(all + 1, sizeof *nights);
    cycles = calloc(t.nights + 1, sizeof *cycles);
    found = calloc(n + 1, sizeof *found);
    if (!good || !nights || !cycles || !found) {
        err_set(e, ERR_NO_MEMORY, "no memory to look for drift in %zu series", n);
        goto out;
    }
    for (size_t i = 0, at = 0; i < n; at += series[i++].n)
        good[i].at = nights + at;
    if (good_nights(&t, good, e))
        goto out;
    n_found = 0;
    for (size_t i = 0; i < n; i++) {
        int one = drift_of(&series[i], i, &good[i], cycles, l, &found[n_found], e);
        if (one < 0) {
            n_found = -1;
            goto out;
        }
        n_found += one;
    }
    if (n_found > 0) {
        *out = found;
        found = NULL;
    }
out:
    free(good);
    free(nights);
    free(cycles);
    free(found);
    team_close(&t);
    return n_found;
}
