// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "server/nightly/stats.h"
#include "server/nightly/walk.h"

#define CLEARLY 1.5 // times the band: one rerun is enough

static const enum detect_metric exact_metrics[WALK_EXACT] = {METRIC_ARENA, METRIC_STACK,
                                                             METRIC_STATIC, METRIC_FLASH};

bool walk_same(const char *a, const char *b)
{
    return !a || !b || strcmp(a, b) == 0;
}

static const struct series_point *point(const struct walk *w, size_t night)
{
    return &w->series->at[night];
}

static bool same_hashes(const struct series_point *a, const struct series_point *b)
{
    return walk_same(a->firmware, b->firmware) && walk_same(a->program, b->program);
}

/* ---- windows ---- */

static void window_push(struct window *win, size_t night, int size)
{
    size_t max = size < 1 ? 1 : size > DETECT_WINDOW_MAX ? DETECT_WINDOW_MAX : (size_t)size;
    if (win->n >= max) {
        memmove(&win->at[0], &win->at[win->n - max + 1], (max - 1) * sizeof win->at[0]);
        win->n = max - 1;
    }
    win->at[win->n++] = night;
}

// Cycles of the window's nights, of one rig alone where rig is given.
static size_t window_cycles(const struct walk *w, const struct window *win, const char *rig,
                            double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < win->n; i++) {
        const struct series_point *p = point(w, win->at[i]);
        if (!rig || walk_same(p->rig, rig))
            out[n++] = (double)p->cycles;
    }
    return n;
}

static double window_median(const struct walk *w, const struct window *win)
{
    double cycles[DETECT_WINDOW_MAX];
    return stats_median(cycles, window_cycles(w, win, NULL, cycles));
}

/* ---- a look ---- */

void walk_begin(struct walk *w, const struct detect_series *s, const struct detect_limits *l)
{
    memset(w, 0, sizeof *w);
    w->series = s;
    w->limits = l;
}

static void forget_speed(struct walk *w, size_t night)
{
    w->window.n = 0;
    w->step.open = w->has_beneath = false;
    w->begins = night;
}

// Nights of the rig of this one.
static void forget_rig(struct walk *w, size_t night)
{
    struct window *win = &w->window;
    size_t kept = 0;
    for (size_t i = 0; i < win->n; i++)
        if (!walk_same(point(w, win->at[i])->rig, point(w, night)->rig))
            win->at[kept++] = win->at[i];
    win->n = kept;
    w->begins = night;
}

static void forget_all(struct walk *w, size_t night)
{
    forget_speed(w, night);
    memset(w->exact, 0, sizeof w->exact);
    w->has_good = w->has_ok = false;
    w->wrong.state = w->absent.state = POINT_OK;
}

static bool timing_changed(const struct walk *w, size_t night)
{
    const struct series_point *p = point(w, night);
    return w->has_good && p->emulated && !walk_same(p->timing, point(w, w->last_good)->timing);
}

void walk_look(struct walk *w, size_t night)
{
    const struct series_point *p = point(w, night);
    const struct detect_limits *l = w->limits;
    double cycles[DETECT_WINDOW_MAX];
    w->look = (struct look){0};
    if (p->baseline)
        forget_all(w, night);
    if (p->state != POINT_OK)
        return;
    if (timing_changed(w, night))
        forget_speed(w, night);
    size_t n = window_cycles(w, &w->window, p->rig, cycles);
    bool replaced = n == 0 && w->window.n > 0;
    if (replaced)
        n = window_cycles(w, &w->window, NULL, cycles);
    if (n == 0)
        return;
    struct look *look = &w->look;
    look->judged = true;
    look->nights = n;
    look->young = n < (size_t)l->young_nights && !p->emulated;
    look->median = stats_median(cycles, n);
    look->mad = p->emulated ? 0 : stats_mad(cycles, n, look->median);
    look->same_hashes = same_hashes(p, point(w, w->last_good));
    look->same_as_yesterday = w->has_ok && same_hashes(p, point(w, w->last_ok));
    look->yesterday = w->has_ok ? (double)point(w, w->last_ok)->cycles : 0;
    look->rig_replaced = replaced;
    // Another board of the same kind may well be a little faster: where the code changed too, it is not for us to
    // say.
    bool unsure = look->young || (replaced && !look->same_hashes);
    double young = l->young_percent * (n == 1 ? 2 : 1); // one night may be the outlier itself
    double floor = unsure && !p->emulated ? young : l->latency_percent;
    look->band = fmax(floor / 100 * look->median, l->mad_multiple * look->mad);
}

/* ---- findings ---- */

static struct finding *add(struct walk *w, size_t night, enum detect_kind kind,
                           enum detect_metric metric, size_t first, size_t good, bool has_good)
{
    struct finding *f = &w->findings[w->n_findings++];
    const struct series_point *p = point(w, first), *before = has_good ? point(w, good) : p;
    *f = (struct finding){
        .kind = kind,
        .metric = metric,
        .state = FINDING_CONFIRMED,
        .board = w->series->board,
        .rig = point(w, night)->rig,
        .count = 1,
        .first_bad = first,
        .is_new = first == night,
        .firmware_changed = !walk_same(p->firmware, before->firmware),
        .program_changed = !walk_same(p->program, before->program),
        .rig_changed = !walk_same(p->rig, before->rig),
    };
    f->reason = f->firmware_changed || f->program_changed ? REASON_CODE : REASON_NONE;
    return f;
}

static void set_figures(struct finding *f, double was, double is, double mad)
{
    f->was = was;
    f->is = is;
    f->percent = was > 0 ? (is / was - 1) * 100 : 0;
    f->noise_multiple = mad > 0 ? fabs(is - was) / mad : 0;
}

/* ---- figures in bytes ---- */

static uint32_t exact_value(const struct series_point *p, int i)
{
    const uint32_t values[WALK_EXACT] = {p->arena_bytes, p->stack_bytes, p->static_bytes,
                                         p->flash_bytes};
    return values[i];
}

static void settle_exact(struct walk *w, size_t night, int i)
{
    struct exact *x = &w->exact[i];
    uint32_t value = exact_value(point(w, night), i);
    uint32_t allowed =
        exact_metrics[i] == METRIC_FLASH ? w->limits->flash_bytes : w->limits->ram_bytes;
    if (value == 0)
        return;
    if (!x->known) {
        x->known = true;
        x->accepted = value;
    } else if ((uint64_t)value > (uint64_t)x->accepted + allowed) {
        if (!x->open || value > x->level) {
            x->was = x->open ? x->level : x->accepted;
            x->first = night;
            x->good = w->last_ok;
        }
        x->open = true;
        x->level = value;
        enum detect_kind kind =
            exact_metrics[i] == METRIC_FLASH ? DETECT_FLASH_GROWTH : DETECT_RAM_GROWTH;
        set_figures(add(w, night, kind, exact_metrics[i], x->first, x->good, w->has_ok), x->was,
                    value, 0);
    } else {
        if (value < x->accepted) {
            struct finding *f =
                add(w, night, DETECT_SMALLER, exact_metrics[i], night, w->last_ok, w->has_ok);
            set_figures(f, x->accepted, value, 0);
            x->accepted = value;
        }
        x->open = false;
    }
}

/* ---- cycles ---- */

// A suspicion that was not confirmed was noise: its nights join the baseline, or else it would never learn how large
// the noise is.
static void close_step(struct walk *w)
{
    struct step *s = &w->step;
    for (size_t i = 0; s->open && !s->confirmed && i < s->level.n; i++)
        window_push(&w->window, s->level.at[i], w->limits->window_nights);
    s->open = false;
    w->has_beneath = false;
}

static void good_night(struct walk *w, size_t night)
{
    close_step(w);
    w->has_good = true;
    w->last_good = night;
    window_push(&w->window, night, w->limits->window_nights);
}

// What an emulated board counted otherwise than on an earlier night with the same hashes.
static enum detect_metric counts_differ(const struct series_point *p, const struct series_point *q)
{
    if (!p->emulated || !q->emulated || !same_hashes(p, q))
        return METRIC_NONE;
    if (p->instructions && q->instructions && p->instructions != q->instructions)
        return METRIC_INSTRUCTIONS;
    return walk_same(p->timing, q->timing) && p->cycles != q->cycles ? METRIC_CYCLES : METRIC_NONE;
}

// Compared with the last good night, and with the last night at all: a slower one may be open since.
static bool not_deterministic(struct walk *w, size_t night)
{
    const struct series_point *p = point(w, night);
    const size_t earlier[] = {w->last_good, w->last_ok};
    for (int i = 0; i < 2; i++) {
        const struct series_point *q = point(w, earlier[i]);
        enum detect_metric metric = w->has_good ? counts_differ(p, q) : METRIC_NONE;
        if (metric == METRIC_NONE)
            continue;
        if (!w->step.open)
            w->step =
                (struct step){.open = true, .confirmed = true, .first = night, .good = earlier[i]};
        struct finding *f =
            add(w, night, DETECT_DETERMINISM, metric, w->step.first, w->step.good, true);
        bool instructions = metric == METRIC_INSTRUCTIONS;
        set_figures(f, (double)(instructions ? q->instructions : q->cycles),
                    (double)(instructions ? p->instructions : p->cycles), 0);
        return true;
    }
    return false;
}

static bool step_by_code(const struct walk *w, const struct step *s)
{
    return !same_hashes(point(w, s->first), point(w, s->good));
}

static void open_step(struct walk *w, size_t night, int sign, size_t good, double was)
{
    w->step = (struct step){.open = true, .sign = sign, .first = night, .good = good, .was = was};
}

// What a level of so many nights says no more of.
static double step_band(const struct walk *w, double level, size_t nights)
{
    const struct detect_limits *l = w->limits;
    bool young = nights < (size_t)l->young_nights && w->look.mad > 0;
    double floor = young ? l->young_percent : l->latency_percent;
    return fmax(floor / 100 * level, l->mad_multiple * w->look.mad);
}

// A confirmed step may get worse: by code that changed since last night, and clearly beyond its own level. What it
// was is kept beneath, for the night that it is no worse after all.
static void follow_step(struct walk *w, size_t night)
{
    struct step *s = &w->step;
    const struct series_point *p = point(w, night);
    double x = (double)p->cycles;
    if (w->has_beneath && (x - s->was) * s->sign <= step_band(w, s->was, w->beneath.level.n)) {
        *s = w->beneath;
        w->has_beneath = false;
    }
    if (!s->confirmed || s->level.n == 0)
        return;
    size_t last = s->level.at[s->level.n - 1];
    double level = window_median(w, &s->level);
    if (fabs(x - level) <= step_band(w, level, s->level.n) || same_hashes(p, point(w, last)))
        return;
    if ((x > level) == (s->sign > 0)) {
        w->beneath = *s;
        w->has_beneath = true;
        open_step(w, night, s->sign, last, level);
    } else {
        s->level.n = 0; // half way back: a new level of the same step
    }
}

// Reruns of the night, and the nights before it, decide. -1: one does not agree.
static int agreement(const struct walk *w, size_t night, double band)
{
    const struct series_point *p = point(w, night);
    int agreeing = w->step.agreeing;
    for (int i = 0; i < p->n_reruns && i < DETECT_RERUNS_MAX; i++) {
        double off = ((double)p->rerun_cycles[i] - w->step.was) * w->step.sign;
        if (off <= band)
            return -1;
        agreeing++;
    }
    return agreeing;
}

// Little is likely to be noise, and so is what no code explains.
static int reruns_needed(const struct walk *w, size_t night, double band)
{
    const struct series_point *p = point(w, night);
    if (p->emulated)
        return 0;
    bool little = fabs((double)p->cycles - w->step.was) < CLEARLY * band;
    return !little && step_by_code(w, &w->step) ? 1 : DETECT_RERUNS_MAX;
}

// A night beyond the band.
static void bad_night(struct walk *w, size_t night, double band)
{
    struct step *s = &w->step;
    const struct look *look = &w->look;
    const struct series_point *p = point(w, night);
    int sign = (double)p->cycles > look->median ? 1 : -1;
    if (s->open && s->sign == sign)
        follow_step(w, night);
    else
        open_step(w, night, sign, w->last_good, look->median);

    int needed = reruns_needed(w, night, band);
    int agreeing = s->confirmed ? needed : agreement(w, night, band);
    if (agreeing < 0 && w->has_beneath) {
        *s = w->beneath; // no worse than it was
        w->has_beneath = false;
        agreeing = needed;
    }
    bool code = step_by_code(w, s);
    enum detect_kind kind = !code ? DETECT_RIG_SUSPECT : sign > 0 ? DETECT_SLOWER : DETECT_FASTER;
    struct finding *f = add(w, night, kind, METRIC_CYCLES, s->first, s->good, true);
    set_figures(f, s->was, (double)p->cycles, look->mad);
    f->reason = code ? REASON_CODE : REASON_SAME_HASHES;
    if (agreeing < 0) {
        f->state = FINDING_UNCONFIRMED;
        good_night(w, night);
        return;
    }
    if (agreeing < needed) {
        f->state = FINDING_SUSPECTED;
        f->reruns_wanted = needed - agreeing;
    }
    s->confirmed = agreeing >= needed;
    s->agreeing = agreeing + 1; // tomorrow, tonight is a witness
    s->doubted = false;
    window_push(&s->level, night, w->limits->window_nights);
    if (s->confirmed && kind == DETECT_FASTER) {
        forget_speed(w, night);
        good_night(w, night);
    } else if (s->confirmed && kind == DETECT_RIG_SUSPECT && f->rig_changed) {
        good_night(w, night); // another rig has nights of its own from now on
    }
}

// One good night among bad ones of the same code may be the outlier: the second one ends a confirmed step.
static bool is_doubtful(struct walk *w, size_t night)
{
    struct step *s = &w->step;
    const struct series_point *p = point(w, night);
    if (!s->open || !s->confirmed || s->doubted || p->emulated || s->level.n == 0 ||
        !same_hashes(p, point(w, s->level.at[s->level.n - 1])))
        return false;
    s->doubted = true;
    return true;
}

static void settle_cycles(struct walk *w, size_t night, const struct rig_state *rig)
{
    const struct look *look = &w->look;
    if (not_deterministic(w, night))
        return;
    if (rig->moved) {
        forget_rig(w, night); // what was measured on it says nothing any more
        good_night(w, night);
        return;
    }
    // With few nights behind it, one of which may be an outlier, a series does not accuse its rig.
    if (!look->judged || (look->young && look->same_hashes && !w->step.open)) {
        good_night(w, night);
        return;
    }
    double band = fmax(look->band, w->limits->mad_multiple * rig->noise * look->median);
    if (fabs((double)point(w, night)->cycles - look->median) > band)
        bad_night(w, night, band);
    else if (rig->scatter > 0)
        w->step.open = false; // good, but too uncertain to learn from
    else if (!is_doubtful(w, night))
        good_night(w, night);
}

/* ---- nights without numbers ---- */

static void settle_trouble(struct walk *w, size_t night)
{
    enum point_state state = point(w, night)->state;
    bool wrong = state == POINT_MISMATCH || state == POINT_FAILED;
    struct trouble *t = wrong ? &w->wrong : &w->absent;
    if (t->state != state)
        *t = (struct trouble){state, night};
    switch (state) {
    case POINT_MISMATCH:
        add(w, night, DETECT_OUTPUT_MISMATCH, METRIC_OUTPUT, t->first, w->last_ok, w->has_ok);
        break;
    case POINT_FAILED:
        if (w->has_ok)
            add(w, night, DETECT_FAILED, METRIC_OUTPUT, t->first, w->last_ok, true);
        break;
    case POINT_INFRASTRUCTURE:
        add(w, night, DETECT_INFRASTRUCTURE, METRIC_NONE, t->first, w->last_ok, w->has_ok);
        break;
    case POINT_MISSING:
        add(w, night, DETECT_MISSING, METRIC_NONE, t->first, w->last_ok, w->has_ok);
        break;
    case POINT_OK:
        break;
    }
    if (wrong)
        w->absent.state = POINT_OK; // it was there
}

void walk_settle(struct walk *w, size_t night, const struct rig_state *rig)
{
    w->n_findings = 0;
    if (point(w, night)->state != POINT_OK) {
        settle_trouble(w, night);
        return;
    }
    w->wrong.state = w->absent.state = POINT_OK;
    for (int i = 0; i < WALK_EXACT; i++)
        settle_exact(w, night, i);
    settle_cycles(w, night, rig);
    w->has_ok = true;
    w->last_ok = night;
}
