// SPDX-License-Identifier: MIT
// Change points: the cut against its definition summed by hand, simulated nights with known steps (precision and recall
// are printed and held to), a published series, and the limits.
#include "tests/tap.h"
#include "tests/history/simulate.h"

#include <time.h>

#include "server/nightly/changepoint.h"

enum {
    NIGHTS = 120,
    SERIES = 40,
    MARGIN = 3 // nights that a change point may be off
};

static long find(const double *x, size_t n, struct changepoint *out, size_t max)
{
    struct changepoint_options o = changepoint_options_default();
    struct err e = {0};
    long found = changepoint_find(x, n, &o, out, max, &e);
    if (found < 0)
        printf("# %s\n", e.msg);
    return found;
}

/* ---- the definition ---- */

static double rank_of(const double *x, size_t n, size_t i)
{
    double below = 0, equal = 0;
    for (size_t k = 0; k < n; k++) {
        below += x[k] < x[i];
        equal += x[k] == x[i];
    }
    return below + (equal + 1) / 2;
}

static double mean_distance(const double *rank, size_t a, size_t a_end, size_t b, size_t b_end)
{
    double sum = 0, pairs = 0;
    for (size_t i = a; i < a_end; i++) {
        for (size_t k = b; k < b_end; k++) {
            if (i != k) {
                sum += fabs(rank[i] - rank[k]);
                pairs++;
            }
        }
    }
    return sum / pairs;
}

static size_t cut_by_definition(const double *x, size_t n, size_t min_segment)
{
    double rank[64], best = -1;
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        rank[i] = rank_of(x, n, i);
    for (size_t cut = min_segment; cut + min_segment <= n; cut++) {
        double l = (double)cut, r = (double)(n - cut);
        double q = l * r / (l + r) *
                   (2 * mean_distance(rank, 0, cut, cut, n) - mean_distance(rank, 0, cut, 0, cut) -
                    mean_distance(rank, cut, n, cut, n));
        if (q > best * (1 + 1e-9) || at == 0) {
            best = q;
            at = cut;
        }
    }
    return at;
}

static void check_definition(void)
{
    struct simulate s = simulate_seed(7);
    int compared = 0, bad = 0;
    for (int round = 0; round < 100; round++) {
        double x[64];
        size_t n = 20 + (size_t)(simulate_uniform(&s) * 44);
        size_t step = 6 + (size_t)(simulate_uniform(&s) * (double)(n - 12));
        for (size_t i = 0; i < n; i++) // whole numbers: many are equal
            x[i] = 100 + floor(4 * simulate_uniform(&s)) + (i >= step ? 3 : 0);
        struct changepoint c[8];
        if (find(x, n, c, 8) == 1) { // its cut was placed over the whole series
            compared++;
            bad += c[0].at != cut_by_definition(x, n, 5);
        }
    }
    OKF(compared > 70 && bad == 0, "the cut is the definition's: %d series, %d differ", compared,
        bad);
}

/* ---- known answers ---- */

struct score {
    int planted, found, right;
};

// One series with a step of +-percent at each of the places; 0 ends them.
static void score_series(struct simulate *s, const size_t *steps, double percent, double outliers,
                         struct score *score)
{
    double x[NIGHTS], level = 1e6;
    size_t next = 0;
    for (size_t i = 0; i < NIGHTS; i++) {
        if (steps[next] && i == steps[next]) {
            level *= 1 + (simulate_bits(s) & 1 ? percent : -percent) / 100;
            next++;
        }
        x[i] = level * (1 + simulate_jitter(s, 0.1, outliers));
    }
    struct changepoint c[NIGHTS];
    long n = find(x, NIGHTS, c, NIGHTS);
    score->found += (int)n;
    for (size_t k = 0; steps[k]; k++) {
        score->planted++;
        for (long i = 0; i < n; i++) {
            long off = (long)c[i].at - (long)steps[k];
            if (off >= -MARGIN && off <= MARGIN) {
                score->right++;
                break;
            }
        }
    }
}

static void check_scores(double percent, double precision_wanted, double recall_wanted)
{
    struct score score = {0};
    for (int seed = 0; seed < SERIES; seed++) {
        struct simulate s = simulate_seed((uint64_t)seed + 1000);
        size_t first = 15 + simulate_bits(&s) % 35, second = first + 15 + simulate_bits(&s) % 35;
        const size_t steps[] = {first, seed % 3 ? second : 0,
                                0}; // a third has one step, the others two
        score_series(&s, steps, percent, 0.005, &score);
    }
    double precision = (double)score.right / score.found,
           recall = (double)score.right / score.planted;
    OKF(precision >= precision_wanted && recall >= recall_wanted,
        "steps of %.1f %% in simulated nights (MAD 0.1 %%, outliers): %d planted, %d found; "
        "precision %.3f, recall %.3f",
        percent, score.planted, score.found, precision, recall);
}

static void check_quiet(double outliers)
{
    struct score score = {0};
    for (int seed = 0; seed < 4 * SERIES; seed++) {
        struct simulate s = simulate_seed((uint64_t)seed + 5000);
        score_series(&s, (const size_t[]){0}, 0, outliers, &score);
    }
    OKF(score.found == 0, "%d series of noise and %.1f %% outliers: %d change points", 4 * SERIES,
        outliers * 100, score.found);
}

// Slow drift is no step, but a year of it is found as some.
static void check_drift(void)
{
    struct simulate s = simulate_seed(3);
    double x[365];
    for (size_t i = 0; i < 365; i++)
        x[i] = 1e6 * (1 + 0.00008 * (double)i + simulate_jitter(&s, 0.1, 0.005));
    struct changepoint c[40];
    long n = find(x, 365, c, 40);
    OKF(n >= 3 && c[0].before < c[n - 1].after * 0.98,
        "a drift of 2.9 %% in a year is cut in %ld steps", n);
    for (long i = 0; i < n; i++)
        OKF(c[i].percent > 0, "upwards at %zu: %.2f %%", c[i].at, c[i].percent);
}

// Yearly flow of the Nile at Aswan 1871-1970, 10^8 m3 (Cobb 1978, Biometrika 65, 243: a change in 1898; the Turing
// Change Point Dataset, van den Burg and Williams 2020, has three of five annotators at index 28 and two at none).
static void check_nile(void)
{
    static const double nile[] = {
        1120, 1160, 963, 1210, 1160, 1160, 813,  1230, 1370, 1140, 995,  935,  1110, 994,  1020,
        960,  1180, 799, 958,  1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774,  840,
        874,  694,  940, 833,  701,  916,  692,  1020, 1050, 969,  831,  726,  456,  824,  702,
        1120, 1100, 832, 764,  821,  768,  845,  864,  862,  698,  845,  744,  796,  1040, 759,
        781,  865,  845, 944,  984,  897,  822,  1010, 771,  676,  649,  846,  812,  742,  801,
        1040, 860,  874, 848,  890,  744,  749,  838,  1050, 918,  986,  797,  923,  975,  815,
        1020, 906,  901, 1170, 912,  746,  919,  718,  714,  740};
    struct changepoint c[10];
    size_t n = sizeof nile / sizeof *nile;
    EQ_INT(n, 100);
    EQ_INT(find(nile, n, c, 10), 1);
    EQ_INT(c[0].at, 28);
    EQ_INT(c[0].before, 1130);
    EQ_INT(c[0].after, 842);
}

/* ---- limits ---- */

static void check_exact_counts(void)
{
    double x[60];
    struct changepoint c[8];
    for (size_t i = 0; i < 60; i++)
        x[i] = 1000000;
    EQ_INT(find(x, 60, c, 8), 0);
    for (size_t i = 40; i < 60; i++)
        x[i] = 1010000;
    EQ_INT(find(x, 60, c, 8), 1);
    OK(c[0].at == 40 && c[0].before == 1000000 && c[0].after == 1010000 &&
       fabs(c[0].percent - 1) < 1e-9);
    for (size_t i = 40; i < 60; i++)
        x[i] = 1001000; // 0.1 % is too little to tell
    EQ_INT(find(x, 60, c, 8), 0);
    x[55] = 2000000; // one night is no level
    EQ_INT(find(x, 60, c, 8), 0);
    EQ_INT(find(x, 9, c, 8), 0);
    EQ_INT(find(x, 0, c, 8), 0);
}

static void check_max(void)
{
    double x[200];
    struct changepoint c[4], again[4];
    for (size_t i = 0; i < 200; i++)
        x[i] = 1000 + (i >= 50 ? 10 : 0) + (i >= 100 ? 100 : 0) + (i >= 150 ? 20 : 0);
    EQ_INT(find(x, 200, c, 4), 3);
    OK(c[0].at == 50 && c[1].at == 100 && c[2].at == 150);
    OK(c[1].before == 1010 && c[1].after == 1110);
    EQ_INT(find(x, 200, again, 1), 1); // the largest
    OK(again[0].at == 100 && again[0].before == 1005 && again[0].after == 1120);
    EQ_INT(find(x, 200, again, 0), 0);
}

static void check_too_long(void)
{
    struct changepoint_options o = changepoint_options_default();
    struct err e = {0};
    double *x = calloc(CHANGEPOINT_N_MAX + 1, sizeof *x);
    struct changepoint c[1];
    if (!x)
        exit(1);
    OK(changepoint_find(x, CHANGEPOINT_N_MAX + 1, &o, c, 1, &e) == -1 && e.code == ERR_TOO_LARGE);
    free(x);
}

static void check_long_series(void)
{
    enum { N = 1000 };
    static double x[N];
    static struct changepoint first[N], second[N];
    struct simulate s = simulate_seed(11);
    for (size_t i = 0; i < N; i++)
        x[i] = 1e6 * (1 + (i >= 300 ? 0.01 : 0) + (i >= 700 ? 0.01 : 0) +
                      simulate_jitter(&s, 0.1, 0.005));
    clock_t begin = clock();
    long n = find(x, N, first, N);
    double ms = (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
    OKF(n == 2 && first[0].at == 300 && first[1].at == 700,
        "two steps in %d nights, %.0f ms of CPU", N, ms);
    OK(find(x, N, second, N) == n && memcmp(first, second, (size_t)n * sizeof *first) == 0);
}

int main(void)
{
    check_definition();
    check_scores(0.3, 0.95, 0.90);
    check_scores(0.5, 0.97, 0.97);
    check_scores(1.0, 0.98, 0.99);
    check_quiet(0);
    check_quiet(0.005);
    check_quiet(0.05);
    check_drift();
    check_nile();
    check_exact_counts();
    check_max();
    check_too_long();
    check_long_series();
    return tap_done();
}
