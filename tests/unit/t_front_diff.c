// SPDX-License-Identifier: MIT
// Two fronts compared: who left, who entered and why, and how far the front moved; then many random pairs against the
// definitions, and simulated nights of jitter that must say nothing.
#include "tests/tap.h"
#include "tests/history/simulate.h"

#include "server/nightly/front_diff.h"

static const struct front_diff_point plain[] = {
    {"a", 10000, 2000000}, {"b", 20000, 1500000}, {"c", 40000, 1000000}, {"off", 40000, 1800000}};

static struct front_diff_point tonight[16];
static struct front_diff d;

static void compare(size_t n, double tolerance)
{
    struct err e = {0};
    front_diff_free(&d);
    if (front_diff(plain, 4, tonight, n, tolerance, &d, &e))
        printf("# %s\n", e.msg);
}

static void same(void)
{
    memcpy(tonight, plain, sizeof plain);
}

// "a:stayed b:slower ..."
static const char *text(void)
{
    static char out[400];
    out[0] = '\0';
    for (size_t i = 0; i < d.n; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s:%s", i ? " " : "", d.at[i].key,
                 front_diff_change_name(d.at[i].change));
    return out;
}

static void check_changes(void)
{
    same();
    compare(4, 0);
    EQ_STR(text(), "a:stayed b:stayed c:stayed");
    OK(d.comparable && d.latency_percent == 0 && d.n_left == 0 && d.n_entered == 0);
    EQ_INT(d.least_ram_after, 10000);
    EQ_INT(d.least_cycles_after, 1000000);

    same();
    tonight[1].cycles = 2100000; // slower than a, which needs less
    compare(4, 0.5);
    EQ_STR(text(), "a:stayed b:slower c:stayed");
    OK(d.n_left == 1 && d.at[1].before == 1 && d.at[1].after == 1 && d.at[1].beaten_by == 0);
    // from 20000 to 40000 bytes the front is a's 2,000,000 and was b's 1,500,000; that is half of 10000..40000
    OK(fabs(d.latency_percent - (exp(log(2000000.0 / 1500000) / 2) - 1) * 100) < 1e-9);

    same();
    tonight[1].ram_bytes = 48000;
    compare(4, 0.5);
    EQ_STR(text(), "a:stayed c:stayed b:larger");
    // from 1,500,000 to 2,000,000 cycles the front is c's 40000 bytes and was b's 20000, of 1,000,000 to 2,000,000:
    // twice as much on log2(4 / 3) of the way
    OK(fabs(d.ram_percent - 100.0 / 3) < 1e-9);
    EQ_INT(d.at[2].beaten_by, 2);

    same();
    tonight[3] = (struct front_diff_point){"off", 18000, 1400000};
    compare(4, 0.5);
    EQ_STR(text(), "a:stayed off:entered b:beaten c:stayed");
    OK(d.n_left == 1 && d.n_entered == 1 && d.latency_percent < 0 && d.at[2].beaten_by == 3);

    same();
    tonight[4] = (struct front_diff_point){"new", 5000, 3000000};
    compare(5, 0.5);
    EQ_STR(text(), "new:entered a:stayed b:stayed c:stayed");
    OK(d.least_ram_before == 10000 && d.least_ram_after == 5000 && fabs(d.latency_percent) < 1e-9);

    same();
    compare(2, 0.5); // c and off have no number tonight
    EQ_STR(text(), "a:stayed b:stayed c:missing");
    OK(d.n_left == 0 && fabs(d.latency_percent) < 1e-9);

    compare(0, 0.5);
    EQ_STR(text(), "a:missing b:missing c:missing");
    OK(!d.comparable);
}

static void check_moved(void)
{
    same();
    for (int i = 0; i < 4; i++)
        tonight[i].cycles = tonight[i].cycles * 103 / 100;
    compare(4, 0.5);
    EQ_STR(text(), "a:stayed b:stayed c:stayed");
    OK(fabs(d.latency_percent - 3) < 1e-4);
    tonight[0] = (struct front_diff_point){"c", 40000, 1020000}; // one point alone
    compare(1, 0.5);
    OK(d.comparable && fabs(d.latency_percent - 2) < 1e-4);
}

static void check_tolerance(void)
{
    same();
    tonight[1].cycles = 2000100; // a hair slower than a
    compare(4, 0.5);
    EQ_STR(text(), "a:stayed b:stayed c:stayed");
    compare(4, 0);
    EQ_STR(text(), "a:stayed b:slower c:stayed");
    tonight[1].cycles = 2000000; // equal, with more RAM
    compare(4, 0);
    EQ_STR(text(), "a:stayed b:slower c:stayed");
}

// Mean over the logarithm of RAM, by sums over small pieces.
static double height_by_sums(const struct front_diff_point *a, size_t n_a,
                             const struct front_diff_point *b, size_t n_b)
{
    enum { PIECES = 20000 };
    double least[2] = {INFINITY, INFINITY}, most = 0, sum = 0;
    const struct front_diff_point *at[2] = {a, b};
    size_t n[2] = {n_a, n_b};
    for (int w = 0; w < 2; w++) {
        uint64_t best = UINT64_MAX;
        for (size_t i = 0; i < n[w]; i++) {
            least[w] = fmin(least[w], at[w][i].ram_bytes);
            best = at[w][i].cycles < best ? at[w][i].cycles : best;
        }
        double ends = INFINITY; // where the least latency is reached
        for (size_t i = 0; i < n[w]; i++)
            if (at[w][i].cycles == best)
                ends = fmin(ends, at[w][i].ram_bytes);
        most = fmax(most, ends);
    }
    double from = log(fmax(least[0], least[1])), to = log(most);
    if (to <= from)
        return NAN;
    for (int p = 0; p < PIECES; p++) {
        double ram = exp(from + (to - from) * (p + 0.5) / PIECES), best[2] = {INFINITY, INFINITY};
        for (int w = 0; w < 2; w++)
            for (size_t i = 0; i < n[w]; i++)
                if (at[w][i].ram_bytes <= ram)
                    best[w] = fmin(best[w], (double)at[w][i].cycles);
        sum += log(best[1]) - log(best[0]);
    }
    return (exp(sum / PIECES) - 1) * 100;
}

static void check_random(void)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct simulate s = simulate_seed(21);
    int compared = 0, bad = 0;
    for (int round = 0; round < 200; round++) {
        struct front_diff_point was[8], is[8];
        for (int i = 0; i < 8; i++) {
            was[i] =
                (struct front_diff_point){keys[i], 1000 + (uint32_t)(simulate_uniform(&s) * 20000),
                                          100000 + (uint64_t)(simulate_uniform(&s) * 1e6)};
            is[i] = was[i];
            if (simulate_uniform(&s) < 0.5)
                is[i].cycles = 100000 + (uint64_t)(simulate_uniform(&s) * 1e6);
        }
        front_diff_free(&d);
        if (front_diff(was, 8, is, 8, 0, &d, NULL))
            exit(1);
        double want = height_by_sums(was, 8, is, 8);
        if (isnan(want))
            continue;
        compared++;
        bad += fabs(want - d.latency_percent) > 0.02 * fabs(want) + 0.05;
        for (size_t i = 0; i < d.n; i++) {
            const struct front_diff_entry *x = &d.at[i];
            bad += x->change == FRONT_STAYED && x->beaten_by >= 0;
            bad += x->change == FRONT_LEFT_MISSING;
        }
    }
    OKF(compared > 150 && bad == 0,
        "%d random pairs of fronts against sums over 20,000 pieces: %d differ", compared, bad);
}

static void check_jitter(void)
{
    struct simulate s = simulate_seed(33);
    long changes = 0, nights = 2000;
    double most = 0;
    for (long n = 0; n < nights; n++) {
        struct front_diff_point was[8], is[8];
        for (int i = 0; i < 8; i++) {
            static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
            uint64_t cycles =
                2000000 -
                200000 *
                    (uint64_t)(i / 2); // pairs of equal latency: either may be beaten by a hair
            was[i] = (struct front_diff_point){keys[i], 10000 + 1000 * (uint32_t)i, cycles};
            is[i] = was[i];
            was[i].cycles = (uint64_t)((double)cycles * (1 + simulate_jitter(&s, 0.05, 0)));
            is[i].cycles = (uint64_t)((double)cycles * (1 + simulate_jitter(&s, 0.05, 0)));
        }
        front_diff_free(&d);
        if (front_diff(was, 8, is, 8, 0.5, &d, NULL))
            exit(1);
        changes += (long)(d.n_left + d.n_entered);
        most = fmax(most, fabs(d.latency_percent));
    }
    OKF(changes == 0 && most < 0.5,
        "%ld nights of jitter: %ld points left or entered, the front moved by %.2f %% at most",
        nights, changes, most);
}

int main(void)
{
    check_changes();
    check_moved();
    check_tolerance();
    check_random();
    check_jitter();
    front_diff_free(&d);
    front_diff_free(&d);
    return tap_done();
}
