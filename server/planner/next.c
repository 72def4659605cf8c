// SPDX-License-Identifier: MIT
// See next.h.
#include "server/planner/next.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH 3           // measured ones to learn from
#define LEAST_SPREAD 0.005 // that so few cannot rule out

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Median of measured / predicted and the largest deviation from it. False: too few are measured.
static bool calibrate(const struct next_candidate *c, size_t n, double *scale, double *spread)
{
    double *ratio = malloc((n + 1) * sizeof *ratio);
    size_t known = 0;
    for (size_t i = 0; i < n && ratio; i++) {
        if (c[i].measured_ms >= 0 && c[i].predicted_ms > 0)
            ratio[known++] = c[i].measured_ms / c[i].predicted_ms;
    }
    bool enough = known >= ENOUGH;
    if (enough) {
        qsort(ratio, known, sizeof *ratio, by_value);
        *scale = ratio[known / 2];
        *spread = fmax(1 - ratio[0] / *scale, ratio[known - 1] / *scale - 1);
    }
    free(ratio);
    return enough;
}

void next_limits(struct next_candidate *c, size_t n, double error)
{
    double scale = 1, spread = 0, part = error;
    if (calibrate(c, n, &scale, &spread))
        part = fmin(error, fmax(LEAST_SPREAD, 2 * spread));
    for (size_t i = 0; i < n; i++) {
        double ms = c[i].predicted_ms * scale;
        c[i].low = c[i].measured_ms >= 0 ? c[i].measured_ms : ms * (1 - part);
        c[i].high = c[i].measured_ms >= 0 ? c[i].measured_ms : ms * (1 + part);
    }
}

// Candidate i must be below this to matter. Against one that is measured the grain counts; one that is
// not may itself be left out for its grain, so that parts would add up.
static double sure_ms(const struct next_candidate *c, size_t n, size_t i, double grain)
{
    double least = INFINITY;
    for (size_t k = 0; k < n; k++) {
        if (k != i && c[k].arena_bytes <= c[i].arena_bytes)
            least = fmin(least, c[k].measured_ms >= 0 ? c[k].measured_ms * (1 - grain) : c[k].high);
    }
    return least;
}

bool next_matters(const struct next_candidate *c, size_t n, size_t i, double grain)
{
    return c[i].measured_ms < 0 && c[i].low < sure_ms(c, n, i, grain);
}

size_t next_pick(const struct next_candidate *c, size_t n, double grain, size_t budget,
                 size_t *picks)
{
    struct next_candidate *own = malloc((n + 1) * sizeof *own);
    size_t picked = 0;
    if (!own)
        return 0;
    memcpy(own, c, n * sizeof *own);
    while (picked < budget) {
        size_t best = n;
        double most = 0;
        for (size_t i = 0; i < n; i++) {
            // A part of the sure latency; the first one of all has nothing to compare with.
            double sure = sure_ms(own, n, i, grain),
                   gain = isinf(sure) ? 2 : (sure - own[i].low) / sure;
            if (next_matters(own, n, i, grain) && gain > most) {
                most = gain;
                best = i;
            }
        }
        if (best == n)
            break;
        picks[picked++] = best;
        own[best].measured_ms = own[best].low = own[best].high =
            (own[best].low + own[best].high) / 2;
    }
    free(own);
    return picked;
}
