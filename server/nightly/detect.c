// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "server/nightly/detect.h"
#include "server/nightly/team.h"

static const struct {
    const char *name;
    bool regression;
} kinds[] = {
#define X(id, name, regression) {name, regression},
    DETECT_KIND_MAP(X)
#undef X
};
#define X(id, name) name,
static const char *const metrics[] = {DETECT_METRIC_MAP(X)};
static const char *const reasons[] = {DETECT_REASON_MAP(X)};
#undef X

const char *detect_kind_name(enum detect_kind k)
{
    return kinds[k].name;
}

bool detect_kind_is_regression(enum detect_kind k)
{
    return kinds[k].regression;
}

const char *detect_metric_name(enum detect_metric m)
{
    return metrics[m];
}

const char *detect_reason_name(enum detect_reason r)
{
    return reasons[r];
}

const char *detect_state_name(enum finding_state s)
{
    static const char *const names[] = {"suspected", "confirmed", "unconfirmed"};
    return names[s];
}

const char *detect_verdict_name(enum detect_verdict v)
{
    static const char *const names[] = {"ok",  "improved",  "incomplete",
                                        "rig", "suspected", "regression"};
    return names[v];
}

struct detect_limits detect_limits_default(void)
{
    return (struct detect_limits){
        .latency_percent = 0.5,
        .mad_multiple = 4,
        .young_percent = 3,
        .young_nights = 5,
        .window_nights = 20,
        .drift_percent = 1,
        .rig_noise = 3,
        .rig_series = 8,
    };
}

/* ---- the findings of a night ---- */

struct list {
    struct finding *at;
    size_t n;
};

// Room for all that a night can say: every series' own, two of a rig, two of a board (there are no more than series).
static struct finding *room(size_t n_series, struct err *e)
{
    struct finding *f = calloc(n_series * (WALK_FINDINGS + 4) + 1, sizeof *f);
    if (!f)
        err_set(e, ERR_NO_MEMORY, "no memory for the findings of %zu series", n_series);
    return f;
}

static struct finding *group_of(struct list *l, const struct finding *f)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].kind == f->kind && l->at[i].metric == METRIC_NONE &&
            strcmp(l->at[i].board, f->board) == 0)
            return &l->at[i];
    return NULL;
}

// A board without numbers is one finding; f counts its nights by the series' own points.
static void add_absent(struct list *l, const struct team *t, size_t series, const struct finding *f)
{
    size_t first = f->first_bad + (t->nights - t->series[series].n);
    struct finding *g = group_of(l, f);
    if (!g) {
        g = &l->at[l->n++];
        *g = *f;
        g->series = FINDING_NO_SERIES;
        g->rig = NULL;
        g->first_bad = first;
        return;
    }
    g->count++;
    g->is_new = g->is_new && f->is_new;
    if (first < g->first_bad)
        g->first_bad = first;
}

static void add_series(struct list *l, const struct team *t, size_t series)
{
    const struct walk *w = &t->walks[series];
    size_t rig = t->rig_of[series];
    bool noisy = rig < t->n_rigs && t->rigs[rig].state.scatter > 0;
    for (size_t i = 0; i < w->n_findings; i++) {
        const struct finding *f = &w->findings[i];
        if (f->metric == METRIC_NONE) {
            add_absent(l, t, series, f);
        } else if (!noisy || f->kind != DETECT_RIG_SUSPECT) { // the rig's own finding explains it
            l->at[l->n] = *f;
            l->at[l->n++].series = series;
        }
    }
}

static void add_rig(struct list *l, const struct team *t, const struct team_rig *rig)
{
    if (!rig->seen || (!rig->state.moved && rig->state.scatter == 0))
        return;
    struct finding *f = &l->at[l->n++];
    *f = (struct finding){
        .kind = DETECT_RIG_SUSPECT,
        .metric = METRIC_CYCLES,
        .reason = REASON_RIG_NOISY,
        .state = FINDING_CONFIRMED,
        .series = FINDING_NO_SERIES,
        .board = rig->board,
        .rig = rig->name,
        .count = rig->series,
        .noise_multiple = rig->state.scatter,
        .first_bad = rig->noisy_since,
        .is_new = rig->noisy_since == t->nights - 1,
    };
    if (rig->state.moved) {
        f->reason = rig->replaced ? REASON_RIG_REPLACED : REASON_RIG_MOVED;
        f->percent = rig->moved_percent;
        f->first_bad = t->nights - 1;
        f->is_new = true;
        f->rig_changed = rig->replaced;
    }
}

static int by_kind(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    if (x->metric != y->metric)
        return x->metric < y->metric ? -1 : 1;
    int board = strcmp(x->board, y->board);
    return board ? board : strcmp(x->rig ? x->rig : "", y->rig ? y->rig : "");
}

long detect_run(const struct detect_series *series, size_t n, const struct detect_limits *l,
                struct finding **out, struct err *e)
{
    struct team t;
    struct list list = {0};
    long found = -1;
    *out = NULL;
    if (team_open(&t, series, n, l, e))
        goto out;
    for (size_t night = 0; night < t.nights; night++)
        if (team_walk(&t, night, e))
            goto out;
    if (!(list.at = room(n, e)))
        goto out;
    for (size_t i = 0; i < n; i++)
        add_series(&list, &t, i);
    for (size_t r = 0; r < t.n_rigs; r++)
        add_rig(&list, &t, &t.rigs[r]);
    qsort(list.at, list.n, sizeof *list.at, by_kind);
    found = (long)list.n;
    if (list.n > 0) {
        *out = list.at;
        list.at = NULL;
    }
out:
    free(list.at);
    team_close(&t);
    return found;
}

static void band_of(const struct walk *w, size_t night, struct detect_band *out)
{
    const struct look *look = &w->look;
    *out = (struct detect_band){.begins = w->begins == night};
    if (!look->judged)
        return;
    out->nights = look->nights;
    out->median = look->median;
    out->low = look->median - look->band;
    out->high = look->median + look->band;
}

int detect_bands(const struct detect_series *series, size_t n, size_t which,
                 const struct detect_limits *l, struct detect_band *out, struct err *e)
{
    struct team t = {0};
    struct detect_series *same = calloc(n, sizeof *same); // a rig's series are all of one board
    size_t n_same = 0, at = 0;
    int rc = -1;
    if (!same) {
        err_set(e, ERR_NO_MEMORY, "no memory for the detection over %zu series", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(series[i].board, series[which].board) != 0)
            continue;
        at = i == which ? n_same : at;
        same[n_same++] = series[i];
    }
    if (team_open(&t, same, n_same, l, e))
        goto out;
    for (size_t night = 0; night < t.nights; night++) {
        size_t index;
        if (team_walk(&t, night, e))
            goto out;
        if (team_index(&t, at, night, &index))
            band_of(&t.walks[at], index, &out[index]);
    }
    rc = 0;
out:
    free(same);
    team_close(&t);
    return rc;
}

enum detect_verdict detect_verdict(const struct finding *f, size_t n)
{
    enum detect_verdict worst = VERDICT_OK;
    for (size_t i = 0; i < n; i++) {
        enum detect_verdict v = VERDICT_OK;
        if (f[i].state == FINDING_SUSPECTED)
            v = VERDICT_SUSPECTED;
        else if (f[i].state == FINDING_UNCONFIRMED)
            v = VERDICT_OK;
        else if (detect_kind_is_regression(f[i].kind))
            v = VERDICT_REGRESSION;
        else if (f[i].kind == DETECT_RIG_SUSPECT)
            v = VERDICT_RIG;
        else if (f[i].kind == DETECT_MISSING || f[i].kind == DETECT_INFRASTRUCTURE)
            v = VERDICT_INCOMPLETE;
        else
            v = VERDICT_IMPROVED;
        worst = v > worst ? v : worst;
    }
    return worst;
}
