// SPDX-License-Identifier: MIT
// Robust location and scale. The values are finite; the functions put them in another order.
#ifndef NIGHTLY_STATS_H
#define NIGHTLY_STATS_H

#include <stddef.h>

double stats_median(double *x,
                    size_t n); // the mean of the middle two where n is even; 0 when n is 0
// Median distance from `center`, raw: for normal noise 0.6745 standard deviations. Overwrites x with the distances.
double stats_mad(double *x, size_t n, double center);

#endif
