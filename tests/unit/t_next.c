// SPDX-License-Identifier: MIT
// What to measure next: on random fronts whose true latencies lie within the limits, measuring what
// is chosen until nothing is chosen finds the true front: exactly without a grain, within the grain
// with one, and then with a fraction of the runs that measuring everything takes. And one by hand.
#include "tests/tap.h"

#include "server/planner/next.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 200 };

static uint32_t state = 12345;

static double uniform(double lo, double hi)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return lo + (hi - lo) * (state / 4294967296.0);
}

static bool on_front(const double *ms, const struct next_candidate *c, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++) {
        if (k != i && c[k].arena_bytes <= c[i].arena_bytes && ms[k] <= ms[i] &&
            (c[k].arena_bytes < c[i].arena_bytes || ms[k] < ms[i]))
            return false;
    }
    return true;
}

// Rising RAM, predicted latency falling; the truth is off by a common factor and by up to `error`.
// Every true point has a measured one with no more RAM that is as fast but for the grain.
static bool found(const double *ms, const struct next_candidate *c, size_t n, double grain)
{
    for (size_t i = 0; i < n; i++) {
        double best = INFINITY;
        for (size_t k = 0; k < n; k++) {
            if (c[k].measured_ms >= 0 && c[k].arena_bytes <= c[i].arena_bytes)
                best = fmin(best, c[k].measured_ms);
        }
        if (on_front(ms, c, n, i) && best * (1 - grain) > ms[i] + 1e-9)
            return false;
    }
    return true;
}

static bool check_front(size_t n, double error, double grain, size_t budget, size_t *runs)
{
    struct next_candidate c[MOST];
    double truth[MOST];
    size_t picks[MOST];
    for (size_t i = 0; i < n; i++) {
        double ms = 100 * (1 + 0.6 * exp(-4.0 * (double)i / (double)n)) + uniform(-1, 1);
        c[i] = (struct next_candidate){.arena_bytes =
                                           5000 + 100 * (uint32_t)i + (uint32_t)uniform(0, 99),
                                       .predicted_ms = ms,
                                       .measured_ms = -1};
        truth[i] = ms * (1 + uniform(-error, error));
    }
    for (size_t rounds = 0;; rounds++) {
        for (size_t i = 0; i < n; i++) { // limits that hold: calibration may not narrow them here
            c[i].low = c[i].measured_ms >= 0 ? c[i].measured_ms : c[i].predicted_ms * (1 - error);
            c[i].high = c[i].measured_ms >= 0 ? c[i].measured_ms : c[i].predicted_ms * (1 + error);
        }
        size_t got = next_pick(c, n, grain, budget, picks);
        if (got == 0)
            break;
        for (size_t k = 0; k < got; k++) {
            if (c[picks[k]].measured_ms >= 0 || (k == 0 && !next_matters(c, n, picks[k], grain)))
                return false; // twice, or in vain
            c[picks[k]].measured_ms = truth[picks[k]];
        }
        *runs += got;
        if (rounds > n)
            return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (next_matters(c, n, i, grain) ||
            (grain == 0 && on_front(truth, c, n, i) && c[i].measured_ms < 0))
            return false;
    }
    return found(truth, c, n, grain);
}

static void test_fronts(double grain)
{
    for (size_t n = 1; n <= 150; n += n < 10 ? 1 : 35) {
        size_t runs = 0, bad = 0;
        enum { FRONTS = 100 };
        for (int i = 0; i < FRONTS; i++)
            bad += !check_front(n, 0.01, grain, 1 + (size_t)uniform(0, 8), &runs);
        OKF(bad == 0 && (grain == 0 || n < 40 || runs < FRONTS * n * 3 / 4),
            "%zu configurations, grain %g: the true front is found with %zu of %zu runs (%zu bad)",
            n, grain, runs, FRONTS * n, bad);
    }
}

static void test_by_hand(void)
{
    struct next_candidate c[] = {
        {1000, 100, -1, 0, 0}, // nothing has less RAM: matters
        {1100, 120, -1, 0, 0}, // slower and larger than the first, even at best: does not
        {1200, 104, -1, 0, 0}, // may be faster than the first: matters
        {1300, 80, 82, 0, 0},  // measured
        {1400, 90, -1, 0, 0},  // cannot be faster than 82
    };
    size_t picks[5];
    next_limits(c, 5, 0.05);
    OK(fabs(c[0].low - 95) < 1e-9 && fabs(c[0].high - 105) < 1e-9);
    OK(c[3].low == 82 && c[3].high == 82);
    OK(next_matters(c, 5, 0, 0) && !next_matters(c, 5, 1, 0) && next_matters(c, 5, 2, 0));
    OK(!next_matters(c, 5, 3, 0) && !next_matters(c, 5, 4, 0));
    EQ_INT(next_pick(c, 5, 0, 5, picks), 2);
    EQ_INT(picks[0], 0);
    EQ_INT(picks[1], 2);
    EQ_INT(next_pick(c, 5, 0, 1, picks), 1);
    // Three measured that are all 2 % slower than predicted: the rest is expected to be as well.
    c[0].measured_ms = 102;
    c[1].measured_ms = 122.4;
    c[3].measured_ms = 81.6;
    next_limits(c, 5, 0.05);
    OKF(fabs(c[2].low - 104 * 1.02 * 0.995) < 1e-6 && fabs(c[2].high - 104 * 1.02 * 1.005) < 1e-6,
        "%g .. %g", c[2].low, c[2].high);
    OK(!next_matters(c, 5, 2, 0));
    EQ_INT(next_pick(c, 5, 0, 5, picks), 0);
    EQ_INT(next_pick(c, 0, 0, 5, picks), 0);
}

int main(void)
{
    test_by_hand();
    test_fronts(0);
    test_fronts(0.01);
    return tap_done();
}
