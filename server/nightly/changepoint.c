// SPDX-License-Identifier: MIT
// The scan: moving one point from the right side of the cut to the left changes the three sums of distances by the
// point's distances to either side. Those to the left come from a Fenwick tree over the ranks (how many and what sum
// lie below), those to all points are known beforehand, and the right is the difference.
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/nightly/changepoint.h"
#include "server/nightly/stats.h"

struct member {
    double value;     // while sorting
    double rank;      // mean rank among equals, from 1
    double to_others; // sum of distances of ranks to all points of the segment
    size_t order;     // place in the sorted segment, from 1; distinct also among equals
    size_t at;        // place in time
};

struct scan {
    struct member *in_time; // the segment, or a permutation of it
    struct member *sorted;
    double *tree_sum; // Fenwick trees over `order`
    double *tree_count;
    double *scratch; // medians
    size_t *found, n_found;
    uint64_t random;
};

struct changepoint_options changepoint_options_default(void)
{
    return (struct changepoint_options){
        .min_segment = 5, .significance = 0.001, .permutations = 999, .min_percent = 0.2};
}

// splitmix64 (Steele, Lea, Flood 2014, OOPSLA): its constants define it.
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void shuffle(struct scan *s, size_t n)
{
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = (size_t)(((next_random(&s->random) >> 32) * (i + 1)) >> 32);
        struct member swap = s->in_time[i];
        s->in_time[i] = s->in_time[k];
        s->in_time[k] = swap;
    }
}

static int by_value(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

// Ranks of x[0..n), and each one's distances to all others, into s->in_time.
static void rank(struct scan *s, const double *x, size_t n)
{
    struct member *m = s->sorted;
    for (size_t i = 0; i < n; i++)
        m[i] = (struct member){.value = x[i], .at = i};
    qsort(m, n, sizeof *m, by_value);
    double all = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && m[end].value == m[i].value; end++)
            ;
        for (size_t k = i; k < end; k++) {
            m[k].rank = (double)(i + 1 + end) / 2;
            m[k].order = k + 1;
            all += m[k].rank;
        }
    }
    double below = 0;
    for (size_t i = 0; i < n; i++) {
        double above = all - below - m[i].rank;
        m[i].to_others = m[i].rank * (double)i - below + above - m[i].rank * (double)(n - 1 - i);
        below += m[i].rank;
    }
    for (size_t i = 0; i < n; i++)
        s->in_time[m[i].at] = m[i];
}

// The cut of s->in_time[0..n) with the largest energy statistic; its place in *at.
static double best_cut(struct scan *s, size_t n, size_t min_segment, size_t *at)
{
    double within_left = 0, within_right = 0, between = 0; // sums over pairs
    double left_sum = 0, best = -INFINITY;
    memset(s->tree_sum, 0, (n + 1) * sizeof *s->tree_sum);
    memset(s->tree_count, 0, (n + 1) * sizeof *s->tree_count);
    for (size_t i = 0; i < n; i++)
        within_right += s->in_time[i].to_others / 2;
    for (size_t i = 0; i + min_segment < n; i++) {
        const struct member *p = &s->in_time[i];
        double below_sum = 0, below = 0;
        for (size_t k = p->order; k > 0; k &= k - 1) {
            below_sum += s->tree_sum[k];
            below += s->tree_count[k];
        }
        double to_left =
            p->rank * below - below_sum + (left_sum - below_sum) - p->rank * ((double)i - below);
        double to_right = p->to_others - to_left;
        within_left += to_left;
        within_right -= to_right;
        between += to_right - to_left;
        left_sum += p->rank;
        for (size_t k = p->order; k <= n; k += k & (0 - k)) {
            s->tree_sum[k] += p->rank;
            s->tree_count[k] += 1;
        }
        double l = (double)(i + 1), r = (double)(n - i - 1);
        if (i + 1 < min_segment)
            continue;
        double q = l * r / (l + r) *
                   (2 * between / (l * r) - 2 * within_left / (l * (l - 1)) -
                    2 * within_right / (r * (r - 1)));
        if (q > best) {
            best = q;
            *at = i + 1;
        }
    }
    return best;
}

// Whether fewer permutations of the segment than the significance allows have a cut as good. Destroys s->in_time.
static bool is_significant(struct scan *s, size_t n, double q, const struct changepoint_options *o)
{
    int allowed = (int)(o->significance * (o->permutations + 1) + 1e-9) - 1, as_good = 0;
    for (int i = 0; i < o->permutations; i++) {
        size_t at;
        shuffle(s, n);
        as_good += best_cut(s, n, o->min_segment, &at) >= q * (1 - 1e-9);
        if (as_good > allowed)
            return false;
    }
    return as_good <= allowed;
}

// The best cut of x[begin..end) if it is significant, else 0.
static size_t cut_of(struct scan *s, const double *x, size_t begin, size_t end,
                     const struct changepoint_options *o)
{
    size_t n = end - begin, cut = 0;
    if (n < 2 * o->min_segment)
        return 0;
    rank(s, x + begin, n);
    double q = best_cut(s, n, o->min_segment, &cut);
    s->random = 1; // every test has permutations of its own, whatever was tested before
    return q > 0 && is_significant(s, n, q, o) ? begin + cut : 0;
}

// A level that comes and goes hides from one cut of the whole, where both sides hold some of it: so ever shorter
// windows that overlap by half are tried, the long ones first.
static size_t cut_of_windows(struct scan *s, const double *x, size_t begin, size_t end,
                             const struct changepoint_options *o)
{
    size_t cut = cut_of(s, x, begin, end, o);
    for (size_t len = (end - begin) / 2; !cut && len >= 4 * o->min_segment; len /= 2)
        for (size_t from = begin; !cut && from + len <= end; from += len / 2)
            cut = cut_of(s, x, from, from + len, o);
    return cut;
}

static void divide(struct scan *s, const double *x, size_t begin, size_t end,
                   const struct changepoint_options *o)
{
    size_t cut = cut_of_windows(s, x, begin, end, o);
    if (!cut)
        return;
    divide(s, x, begin, cut, o);
    s->found[s->n_found++] = cut;
    divide(s, x, cut, end, o);
}

static size_t bound(const struct scan *s, size_t i,
                    size_t n) // of segment i: begins at bound(i), ends at bound(i + 1)
{
    return i == 0 ? 0 : i <= s->n_found ? s->found[i - 1] : n;
}

static void drop(struct scan *s, size_t i)
{
    s->n_found--;
    memmove(&s->found[i], &s->found[i + 1], (s->n_found - i) * sizeof *s->found);
}

// A cut was placed when its neighbours were not known yet, or in a window: place and test it again between them.
static void settle(struct scan *s, const double *x, size_t n, const struct changepoint_options *o)
{
    for (size_t i = 0; i < s->n_found;) {
        size_t cut = cut_of(s, x, bound(s, i, n), bound(s, i + 2, n), o);
        if (cut)
            s->found[i++] = cut;
        else
            drop(s, i);
    }
}

static double median_of(struct scan *s, const double *x, size_t begin, size_t end)
{
    memcpy(s->scratch, x + begin, (end - begin) * sizeof *x);
    return stats_median(s->scratch, end - begin);
}

static struct changepoint describe(struct scan *s, const double *x, size_t n, size_t i)
{
    struct changepoint c = {.at = s->found[i]};
    c.before = median_of(s, x, bound(s, i, n), c.at);
    c.after = median_of(s, x, c.at, bound(s, i + 2, n));
    c.percent = c.before != 0 ? (c.after / c.before - 1) * 100 : 0;
    return c;
}

// Drops the smallest step while it is below the threshold or there are more than max.
static void drop_small(struct scan *s, const double *x, size_t n, double min_percent, size_t max)
{
    while (s->n_found > 0) {
        size_t smallest = 0;
        double percent = INFINITY;
        for (size_t i = 0; i < s->n_found; i++) {
            double p = fabs(describe(s, x, n, i).percent);
            if (p < percent) {
                percent = p;
                smallest = i;
            }
        }
        if (percent >= min_percent && s->n_found <= max)
            return;
        drop(s, smallest);
    }
}

long changepoint_find(const double *x, size_t n, const struct changepoint_options *o,
                      struct changepoint *out, size_t max, struct err *e)
{
    if (n > CHANGEPOINT_N_MAX)
        return err_set(e, ERR_TOO_LARGE, "a series of %zu points; %d at most", n,
                       CHANGEPOINT_N_MAX);
    if (n < 2 * o->min_segment)
        return 0;
    struct scan s = {0};
    long found = -1;
    s.in_time = calloc(n, sizeof *s.in_time);
    s.sorted = calloc(n, sizeof *s.sorted);
    s.tree_sum = calloc(n + 1, sizeof *s.tree_sum);
    s.tree_count = calloc(n + 1, sizeof *s.tree_count);
    s.scratch = calloc(n, sizeof *s.scratch);
    s.found = calloc(n / o->min_segment, sizeof *s.found);
    if (!s.in_time || !s.sorted || !s.tree_sum || !s.tree_count || !s.scratch || !s.found) {
        err_set(e, ERR_NO_MEMORY, "no memory for the change points of %zu points", n);
        goto out;
    }
    divide(&s, x, 0, n, o);
    settle(&s, x, n, o);
    drop_small(&s, x, n, o->min_percent, max);
    for (size_t i = 0; i < s.n_found; i++)
        out[i] = describe(&s, x, n, i);
    found = (long)s.n_found;
out:
    free(s.in_time);
    free(s.sorted);
    free(s.tree_sum);
    free(s.tree_count);
    free(s.scratch);
    free(s.found);
    return found;
}
