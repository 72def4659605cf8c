// SPDX-License-Identifier: MIT
// The slow pass over one series: only good nights count, so that what the nightly rule told already is not told again.
#include <stdlib.h>

#include "server/nightly/changepoint.h"
#include "server/nightly/team.h"

enum { STEPS_MAX = 64 };

// The good nights since the baseline began: indices into the series' points, -1 on failure.
static long good_nights(struct team *t, size_t which, size_t *at, struct err *e)
{
    long n = 0;
    size_t begins = 0, night, index;
    for (night = 0; night < t->nights; night++) {
        if (team_walk(t, night, e))
            return -1;
        const struct walk *w = &t->walks[which];
        if (!team_index(t, which, night, &index))
            continue;
        if (w->begins != begins) {
            begins = w->begins;
            n = 0;
        }
        if (w->has_good && w->last_good == index)
            at[n++] = index;
    }
    return n;
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

int detect_drift(const struct detect_series *series, size_t n, size_t which,
                 const struct detect_limits *l, struct finding *out, struct err *e)
{
    const struct detect_series *s = &series[which];
    struct changepoint_options o = changepoint_options_default();
    struct changepoint steps[STEPS_MAX];
    size_t *good = calloc(s->n, sizeof *good);
    double *cycles = calloc(s->n, sizeof *cycles);
    struct team t = {0};
    int rc = -1;
    if (!good || !cycles) {
        err_set(e, ERR_NO_MEMORY, "no memory for a series of %zu nights", s->n);
        goto out;
    }
    if (team_open(&t, series, n, l, e))
        goto out;
    long nights = good_nights(&t, which, good, e);
    if (nights < 0)
        goto out;
    for (long i = 0; i < nights; i++)
        cycles[i] = (double)s->at[good[i]].cycles;
    long found = changepoint_find(cycles, (size_t)nights, &o, steps, STEPS_MAX, e);
    if (found < 0)
        goto out;
    rc = found > 0 && steps[found - 1].after >= steps[0].before * (1 + l->drift_percent / 100);
    if (rc)
        describe(s, which, good, (size_t)nights, &steps[0], &steps[found - 1], out);
out:
    free(good);
    free(cycles);
    team_close(&t);
    return rc;
}
