// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/nightly/stats.h"
#include "server/nightly/team.h"

#define NO_RIG ((size_t)-1)
#define SAME_SIDE 0.9    // share of a rig's series that must move the same way
#define LEAST_MAD 0.0002 // of the median: rounding is no noise
#define QUIET_AGAIN 0.5  // of rig_noise, below which a noisy rig is taken for quiet again

int team_open(struct team *t, const struct detect_series *series, size_t n,
              const struct detect_limits *l, struct err *e)
{
    *t = (struct team){.series = series, .n = n, .limits = l};
    t->walks = calloc(n ? n : 1, sizeof *t->walks);
    t->rig_of = calloc(n ? n : 1, sizeof *t->rig_of);
    t->z = calloc(n ? n : 1, sizeof *t->z);
    t->off = calloc(n ? n : 1, sizeof *t->off);
    t->usual = calloc(n ? n : 1, sizeof *t->usual);
    t->move = calloc(n ? n : 1, sizeof *t->move);
    if (!t->walks || !t->rig_of || !t->z || !t->off || !t->usual || !t->move)
        return err_set(e, ERR_NO_MEMORY, "no memory for the detection over %zu series", n);
    for (size_t i = 0; i < n; i++) {
        walk_begin(&t->walks[i], &series[i], l);
        t->nights = series[i].n > t->nights ? series[i].n : t->nights;
    }
    return 0;
}

void team_close(struct team *t)
{
    free(t->walks);
    free(t->rigs);
    free(t->rig_of);
    free(t->z);
    free(t->off);
    free(t->usual);
    free(t->move);
    *t = (struct team){0};
}

bool team_index(const struct team *t, size_t series, size_t night, size_t *index)
{
    size_t later = t->nights - t->series[series].n;
    *index = night - later;
    return night >= later;
}

static int find_rig(struct team *t, const char *name, const char *board, size_t *out, struct err *e)
{
    for (*out = 0; *out < t->n_rigs; (*out)++)
        if (strcmp(t->rigs[*out].name, name) == 0)
            return 0;
    if (t->n_rigs == t->cap_rigs) {
        size_t cap = t->cap_rigs ? 2 * t->cap_rigs : 16;
        struct team_rig *rigs = realloc(t->rigs, cap * sizeof *rigs);
        if (!rigs)
            return err_set(e, ERR_NO_MEMORY, "no memory for %zu rigs", cap);
        t->rigs = rigs;
        t->cap_rigs = cap;
    }
    t->rigs[t->n_rigs++] = (struct team_rig){.name = name, .board = board};
    return 0;
}

// A look at every series, and which rig it ran on.
static int look(struct team *t, size_t night, struct err *e)
{
    for (size_t r = 0; r < t->n_rigs; r++)
        t->rigs[r].seen = false;
    for (size_t i = 0; i < t->n; i++) {
        size_t at;
        t->rig_of[i] = NO_RIG;
        if (!team_index(t, i, night, &at))
            continue;
        walk_look(&t->walks[i], at);
        const struct series_point *p = &t->series[i].at[at];
        if (p->state != POINT_OK || !p->rig)
            continue;
        if (find_rig(t, p->rig, t->series[i].board, &t->rig_of[i], e))
            return -1;
        t->rigs[t->rig_of[i]].seen = true;
    }
    return 0;
}

// What all have in common is taken away first: a rig that moved is not noisy for that.
static void judge_noise(struct team *t, struct team_rig *rig, size_t n, size_t night)
{
    double limit = t->limits->rig_noise;
    memcpy(t->z, t->off, n * sizeof *t->z);
    double center = stats_median(t->z, n);
    for (size_t i = 0; i < n; i++)
        t->z[i] = (t->off[i] - center) / t->usual[i];
    double scatter = stats_mad(t->z, n, 0);
    bool was = rig->state.scatter > 0;
    bool is = scatter >= (was ? QUIET_AGAIN * limit : limit);
    if (is && !was)
        rig->noisy_since = night;
    rig->state.scatter = is ? scatter : 0;
    rig->state.noise = is ? stats_mad(t->off, n, center) : 0;
}

static void judge_move(struct team *t, struct team_rig *rig, size_t replaced, size_t night)
{
    size_t same_side = 0;
    double median;
    memcpy(t->z, t->move, rig->judged * sizeof *t->z);
    median = stats_median(t->z, rig->judged);
    for (size_t i = 0; i < rig->judged; i++)
        same_side += t->move[i] != 0 && (t->move[i] > 0) == (median > 0);
    rig->state.moved = fabs(median) > t->limits->latency_percent / 100 &&
                       (double)same_side >= SAME_SIDE * (double)rig->judged;
    rig->moved_percent = median * 100;
    rig->replaced = 2 * replaced > rig->judged;
    if (rig->state.moved) {
        rig->has_moved = true;
        rig->moved_night = night;
    }
}

// How far a series is off, as a part of its cycles: from its baseline, or where the code changed since, from last
// night. False when the code changed tonight, or too little is known.
static bool deviation(const struct series_point *p, const struct look *l, double *off)
{
    if (p->emulated || !l->judged || l->young || (!l->same_hashes && !l->same_as_yesterday))
        return false;
    *off = l->same_hashes
               ? ((double)p->cycles - l->median) / l->median
               : ((double)p->cycles - l->yesterday) / (l->median * sqrt(2)); // both nights are off
    return true;
}

// Where too few series say something of the rig, because the firmware changed tonight, a noisy rig is taken to be as
// noisy as it was.
static void judge(struct team *t, size_t which, size_t night)
{
    struct team_rig *rig = &t->rigs[which];
    size_t replaced = 0, comparable = 0;
    rig->judged = rig->series = 0;
    rig->state.moved = false;
    for (size_t i = 0; i < t->n; i++) {
        size_t at;
        if (t->rig_of[i] != which || !team_index(t, i, night, &at))
            continue;
        rig->series++;
        const struct look *l = &t->walks[i].look;
        const struct series_point *p = &t->series[i].at[at];
        double off;
        if (!deviation(p, l, &off))
            continue;
        t->off[comparable] = off;
        t->usual[comparable++] = fmax(l->mad / l->median, LEAST_MAD);
        if (l->same_hashes) {
            t->move[rig->judged++] = off;
            replaced += l->rig_replaced;
        }
    }
    size_t enough = (size_t)t->limits->rig_series;
    if (comparable >= enough)
        judge_noise(t, rig, comparable, night);
    if (rig->judged >= enough && rig->state.scatter == 0)
        judge_move(t, rig, replaced, night);
}

// The rig of a series tonight, as the series must see it: one that was not there when its rig moved sees that now.
static struct rig_state rig_for(const struct team *t, size_t series, size_t at)
{
    static const struct rig_state fine = {0};
    if (t->rig_of[series] == NO_RIG)
        return fine;
    const struct team_rig *rig = &t->rigs[t->rig_of[series]];
    const struct walk *w = &t->walks[series];
    struct rig_state state = rig->state;
    size_t later = t->nights - t->series[series].n; // its nights count from there
    if (rig->has_moved && w->has_good && w->last_good + later < rig->moved_night &&
        !t->series[series].at[at].emulated)
        state.moved = true;
    return state;
}

int team_walk(struct team *t, size_t night, struct err *e)
{
    if (look(t, night, e))
        return -1;
    for (size_t r = 0; r < t->n_rigs; r++)
        if (t->rigs[r].seen)
            judge(t, r, night);
    for (size_t i = 0; i < t->n; i++) {
        size_t at;
        if (!team_index(t, i, night, &at))
            continue;
        struct rig_state state = rig_for(t, i, at);
        walk_settle(&t->walks[i], at, &state);
    }
    return 0;
}
