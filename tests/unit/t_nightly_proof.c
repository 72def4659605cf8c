// SPDX-License-Identifier: MIT
// The proof, without a server: simulated histories of sixty nights, judged night by night as a live farm would judge
// them. Everything that was planted is found, in its night and by its name, and nothing else is.
// tests/http/nightly_proof.t loads one of the same histories through the API.
#include "tests/tap.h"

#include <time.h>

#include "tests/history/history.h"

static struct history h;
static bool was_found[HISTORY_EXPECTED_MAX];
static long false_alarms, unconfirmed, findings;

static bool is_of_series(const struct history_expected *x, const struct finding *f)
{
    if (f->series == FINDING_NO_SERIES)
        return x->model < 0 && strcmp(f->board, history_board(x->board)) == 0;
    return x->model >= 0 && f->series == (size_t)history_series(x->board, x->model, x->config);
}

static bool is_expected(const struct finding *f)
{
    for (size_t i = 0; i < h.n_expected; i++) {
        const struct history_expected *x = &h.expected[i];
        if (x->kind != f->kind || x->metric != f->metric || !is_of_series(x, f) ||
            (size_t)x->night != f->first_bad)
            continue;
        if (f->kind == DETECT_RIG_SUSPECT && f->reason != x->reason)
            continue;
        if (x->model >= 0 && f->firmware_changed != x->firmware_changed)
            continue;
        was_found[i] = true;
        return true;
    }
    return false;
}

// One night's findings, the weekly ones too.
static void count(const struct finding *found, long n, size_t nights)
{
    for (long i = 0; i < n; i++) {
        const struct finding *f = &found[i];
        findings++;
        unconfirmed += f->state == FINDING_UNCONFIRMED;
        if (f->state == FINDING_UNCONFIRMED || is_expected(f))
            continue;
        false_alarms++;
        printf("# seed %lu night %zu: %s %s %s %s, series %zd, first bad %zu, %+.2f %%\n",
               (unsigned long)h.seed, nights - 1, detect_kind_name(f->kind),
               detect_metric_name(f->metric), detect_state_name(f->state),
               detect_reason_name(f->reason), (ssize_t)f->series, f->first_bad, f->percent);
    }
}

static void judge(size_t nights)
{
    static struct detect_series s[HISTORY_SERIES];
    struct detect_limits l = detect_limits_default();
    struct finding *found = NULL;
    struct err e = {0};
    for (int i = 0; i < HISTORY_SERIES; i++)
        s[i] = (struct detect_series){history_board(i / (HISTORY_MODELS * HISTORY_CONFIGS)),
                                      h.at[i], nights};
    long n = detect_run(s, HISTORY_SERIES, &l, &found, &e);
    count(found, n, nights);
    free(found);
    if (n >= 0 && nights % 7 == 0) {
        n = detect_drift(s, HISTORY_SERIES, &l, &found, &e);
        count(found, n, nights);
        free(found);
    }
    if (n < 0)
        OKF(false, "night %zu: %s", nights - 1, e.msg);
}

static void prove(uint64_t seed)
{
    history_make(&h, seed);
    memset(was_found, 0, sizeof was_found);
    false_alarms = unconfirmed = findings = 0;
    clock_t begin = clock();
    for (size_t nights = 1; nights <= HISTORY_NIGHTS; nights++)
        judge(nights);
    double ms = (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
    for (int p = 0; p < HISTORY_PLANTS; p++) {
        long wanted = 0, found = 0;
        for (size_t i = 0; i < h.n_expected; i++) {
            if ((int)h.expected[i].plant != p)
                continue;
            wanted++;
            found += was_found[i];
            if (!was_found[i])
                printf("# seed %lu: not found: board %d model %d configuration %d, night %d\n",
                       (unsigned long)seed, h.expected[i].board, h.expected[i].model,
                       h.expected[i].config, h.expected[i].night);
        }
        OKF(wanted > 0 && found == wanted, "seed %lu: %s: %ld of %ld", (unsigned long)seed,
            history_plant_text(p), found, wanted);
    }
    OKF(false_alarms == 0,
        "seed %lu: %ld findings in 60 nights, %ld suspicions cleared by reruns, %ld false alarms; "
        "%.0f ms of CPU",
        (unsigned long)seed, findings, unconfirmed, false_alarms, ms);
}

int main(int argc, char **argv)
{
    uint64_t last = argc > 1 ? strtoull(argv[1], NULL, 10) : 4; // t_nightly_proof LAST [FIRST]
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (uint64_t seed = first; seed <= last; seed++)
        prove(seed);
    return tap_done();
}
