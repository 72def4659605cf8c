// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "server/nightly/stats.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// A baseline has twenty nights, and there are many: qsort() with its calls takes five times as long for those.
static void sort(double *x, size_t n)
{
    if (n > 48) {
        qsort(x, n, sizeof *x, by_value);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        double v = x[i];
        size_t k = i;
        for (; k > 0 && x[k - 1] > v; k--)
            x[k] = x[k - 1];
        x[k] = v;
    }
}

double stats_median(double *x, size_t n)
{
    if (n == 0)
        return 0;
    sort(x, n);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

double stats_mad(double *x, size_t n, double center)
{
    for (size_t i = 0; i < n; i++)
        x[i] = fabs(x[i] - center);
    return stats_median(x, n);
}
