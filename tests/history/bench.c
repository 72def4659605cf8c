// SPDX-License-Identifier: MIT
// nightly-bench: CPU time of the detection on a simulated history (history.h), each the mean of many.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/nightly/changepoint.h"
#include "server/nightly/cron.h"
#include "tests/history/history.h"
#include "tests/history/simulate.h"

enum { LONG = 1000 };

static struct history h;
static struct detect_series series[HISTORY_SERIES];
static struct detect_limits limits;
static double nights[LONG];
static struct cron_zone *zone;

static void judge(void)
{
    struct finding *found = NULL;
    if (detect_run(series, HISTORY_SERIES, &limits, &found, NULL) < 0)
        exit(1);
    free(found);
}

static void drift(void)
{
    struct finding *found = NULL;
    if (detect_drift(series, HISTORY_SERIES, &limits, &found, NULL) < 0)
        exit(1);
    free(found);
}

static void bands(void)
{
    static struct detect_band band[HISTORY_NIGHTS];
    if (detect_bands(series, HISTORY_SERIES, 3, &limits, band, NULL))
        exit(1);
}

static void changepoints(void)
{
    struct changepoint_options o = changepoint_options_default();
    struct changepoint c[LONG];
    if (changepoint_find(nights, LONG, &o, c, LONG, NULL) != 2)
        exit(1);
}

static void year_of_slots(void)
{
    struct cron c;
    if (cron_parse(&c, "30 2 * * *", NULL))
        exit(1);
    int64_t t = INT64_C(1767225600000);
    for (int i = 0; i < 365; i++)
        t = cron_next(&c, zone, t);
}

static void measure(const char *what, int times, void (*run)(void))
{
    clock_t begin = clock();
    for (int i = 0; i < times; i++)
        run();
    printf("%-66s %9.3f ms\n", what, (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC / times);
}

int main(void)
{
    struct simulate s = simulate_seed(11);
    history_make(&h, 1);
    limits = detect_limits_default();
    zone = cron_zone_open("Europe/Vienna", NULL);
    if (!zone)
        return 1;
    for (int i = 0; i < HISTORY_SERIES; i++)
        series[i] = (struct detect_series){history_board(i / (HISTORY_MODELS * HISTORY_CONFIGS)),
                                           h.at[i], HISTORY_NIGHTS};
    for (int i = 0; i < LONG; i++)
        nights[i] = 1e6 * (1 + (i >= 300 ? 0.01 : 0) + (i >= 700 ? 0.01 : 0) +
                           simulate_jitter(&s, 0.1, 0.005));
    measure("a night judged: 300 series with 60 nights each", 50, judge);
    measure("the weekly pass for drift over them", 5, drift);
    measure("median and band of a series, of a board with 50", 200, bands);
    measure("change points of 1,000 nights with two steps", 10, changepoints);
    measure("a year of nightly slots in Europe/Vienna", 200, year_of_slots);
    cron_zone_close(zone);
    return 0;
}
