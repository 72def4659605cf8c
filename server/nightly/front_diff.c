// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/nightly/front_diff.h"

struct night {
    const struct front_diff_point *at;
    size_t n;
};

// A front as a staircase: from x on (to the next step), the least height is y. Logarithms of RAM and cycles, or of
// cycles and RAM.
struct stair {
    double x, y;
};

const char *front_diff_change_name(enum front_diff_change c)
{
    static const char *const names[] = {"stayed", "entered", "slower",
                                        "larger", "beaten",  "missing"};
    return names[c];
}

static bool dominates(const struct front_diff_point *a, const struct front_diff_point *b)
{
    return a->ram_bytes <= b->ram_bytes && a->cycles <= b->cycles &&
           (a->ram_bytes < b->ram_bytes || a->cycles < b->cycles);
}

static bool beats_clearly(const struct front_diff_point *a, const struct front_diff_point *b,
                          double tolerance)
{
    return dominates(a, b) &&
           (tolerance == 0 || (double)a->cycles < (double)b->cycles * (1 - tolerance));
}

static bool on_front(struct night night, size_t i)
{
    for (size_t k = 0; k < night.n; k++)
        if (dominates(&night.at[k], &night.at[i]))
            return false;
    return true;
}

// The fastest of those that beat it clearly, -1 = none does.
static long beaten_by(struct night night, size_t i, double tolerance)
{
    long best = -1;
    for (size_t k = 0; k < night.n; k++)
        if (beats_clearly(&night.at[k], &night.at[i], tolerance) &&
            (best < 0 || night.at[k].cycles < night.at[best].cycles))
            best = (long)k;
    return best;
}

static long index_of(struct night night, const char *key)
{
    for (size_t i = 0; i < night.n; i++)
        if (strcmp(night.at[i].key, key) == 0)
            return (long)i;
    return -1;
}

/* ---- entries ---- */

static enum front_diff_change why_left(const struct front_diff_point *was,
                                       const struct front_diff_point *is, double tolerance)
{
    if (is->ram_bytes > was->ram_bytes)
        return FRONT_LEFT_LARGER;
    return (double)is->cycles > (double)was->cycles * (1 + tolerance) ? FRONT_LEFT_SLOWER
                                                                      : FRONT_LEFT_BEATEN;
}

static void add(struct front_diff *d, struct front_diff_entry entry)
{
    d->at[d->n++] = entry;
    d->n_entered += entry.change == FRONT_ENTERED;
    d->n_left += entry.change == FRONT_LEFT_SLOWER || entry.change == FRONT_LEFT_LARGER ||
                 entry.change == FRONT_LEFT_BEATEN;
}

// A point that was on the front.
static void follow(struct front_diff *d, struct night before, size_t i, struct night after,
                   double tolerance)
{
    struct front_diff_entry entry = {FRONT_STAYED, before.at[i].key, (long)i, -1, -1};
    entry.after = index_of(after, entry.key);
    if (entry.after < 0) {
        entry.change = FRONT_LEFT_MISSING;
    } else {
        entry.beaten_by = beaten_by(after, (size_t)entry.after, tolerance);
        if (entry.beaten_by >= 0)
            entry.change = why_left(&before.at[i], &after.at[entry.after], tolerance);
    }
    add(d, entry);
}

// A point that is on the front and was not.
static void welcome(struct front_diff *d, struct night before, struct night after, size_t i,
                    double tolerance)
{
    struct front_diff_entry entry = {FRONT_STAYED, after.at[i].key, -1, (long)i, -1};
    entry.before = index_of(before, entry.key);
    if (entry.before < 0 || beaten_by(before, (size_t)entry.before, tolerance) >= 0)
        entry.change = FRONT_ENTERED;
    add(d, entry);
}

struct sortable {
    struct front_diff_entry entry;
    uint32_t ram_bytes;
};

static int by_ram(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    if (x->ram_bytes != y->ram_bytes)
        return x->ram_bytes < y->ram_bytes ? -1 : 1;
    return strcmp(x->entry.key, y->entry.key);
}

static int sort(struct front_diff *d, struct night before, struct night after, struct err *e)
{
    struct sortable *s = calloc(d->n + 1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NO_MEMORY, "no memory to compare fronts");
    for (size_t i = 0; i < d->n; i++) {
        const struct front_diff_entry *x = &d->at[i];
        s[i].entry = *x;
        s[i].ram_bytes =
            x->after >= 0 ? after.at[x->after].ram_bytes : before.at[x->before].ram_bytes;
    }
    qsort(s, d->n, sizeof *s, by_ram);
    for (size_t i = 0; i < d->n; i++)
        d->at[i] = s[i].entry;
    free(s);
    return 0;
}

/* ---- staircases ---- */

static int by_x(const void *a, const void *b)
{
    const struct stair *s = a, *t = b;
    if (s->x != t->x)
        return s->x < t->x ? -1 : 1;
    return (s->y > t->y) - (s->y < t->y);
}

// The steps of a night's points, of those alone that the other night has as well where `other` is given.
static size_t staircase(struct night night, const struct night *other, bool exchanged,
                        struct stair *out)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < night.n; i++) {
        double ram = log(night.at[i].ram_bytes), cycles = log((double)night.at[i].cycles);
        if (!other || index_of(*other, night.at[i].key) >= 0)
            out[n++] = exchanged ? (struct stair){cycles, ram} : (struct stair){ram, cycles};
    }
    qsort(out, n, sizeof *out, by_x);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || out[i].y < out[kept - 1].y)
            out[kept++] = out[i];
    return kept;
}

// Mean height of b above a over x, from where both begin to the last step of either.
static double height(const struct stair *a, size_t n_a, const struct stair *b, size_t n_b)
{
    double from = fmax(a[0].x, b[0].x), to = fmax(a[n_a - 1].x, b[n_b - 1].x);
    double area = 0, x = from;
    size_t i = 0, k = 0;
    for (;;) {
        while (i + 1 < n_a && a[i + 1].x <= x)
            i++;
        while (k + 1 < n_b && b[k + 1].x <= x)
            k++;
        double here = b[k].y - a[i].y;
        if (x >= to)
            return to > from ? area / (to - from) : here;
        double next = to;
        if (i + 1 < n_a)
            next = fmin(next, a[i + 1].x);
        if (k + 1 < n_b)
            next = fmin(next, b[k + 1].x);
        area += here * (next - x);
        x = next;
    }
}

static double percent(double height_of_logs)
{
    return (exp(height_of_logs) - 1) * 100;
}

static int measure(struct front_diff *d, struct night before, struct night after, struct err *e)
{
    struct stair *a = calloc(before.n + after.n + 2, sizeof *a), *b = a ? a + before.n + 1 : NULL;
    if (!a)
        return err_set(e, ERR_NO_MEMORY, "no memory to compare fronts");
    size_t n_a = staircase(before, &after, true, a), n_b = staircase(after, NULL, true, b);
    d->comparable = n_a > 0 && n_b > 0;
    if (d->comparable) {
        d->ram_percent = percent(height(a, n_a, b, n_b));
        n_a = staircase(before, &after, false, a);
        n_b = staircase(after, NULL, false, b);
        d->latency_percent = percent(height(a, n_a, b, n_b));
        d->least_ram_before = (uint32_t)lround(exp(a[0].x));
        d->least_ram_after = (uint32_t)lround(exp(b[0].x));
        d->least_cycles_before = (uint64_t)llround(exp(a[n_a - 1].y));
        d->least_cycles_after = (uint64_t)llround(exp(b[n_b - 1].y));
    }
    free(a);
    return 0;
}

int front_diff(const struct front_diff_point *before, size_t n_before,
               const struct front_diff_point *after, size_t n_after, double tolerance_percent,
               struct front_diff *out, struct err *e)
{
    struct night was = {before, n_before}, is = {after, n_after};
    double tolerance = tolerance_percent / 100;
    *out = (struct front_diff){0};
    out->at = calloc(n_before + n_after + 1, sizeof *out->at);
    if (!out->at)
        return err_set(e, ERR_NO_MEMORY, "no memory to compare fronts");
    for (size_t i = 0; i < n_before; i++)
        if (on_front(was, i))
            follow(out, was, i, is, tolerance);
    for (size_t i = 0; i < n_after; i++) {
        long earlier = index_of(was, after[i].key);
        if (on_front(is, i) && (earlier < 0 || !on_front(was, (size_t)earlier)))
            welcome(out, was, is, i, tolerance);
    }
    if (sort(out, was, is, e))
        return -1;
    return measure(out, was, is, e);
}

void front_diff_free(struct front_diff *d)
{
    free(d->at);
    *d = (struct front_diff){0};
}
