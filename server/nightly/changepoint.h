// SPDX-License-Identifier: MIT
// Change points of a series: where its distribution became another one. E-divisive: the cut with the largest energy
// distance between the two sides, kept when a permutation test says that chance hardly ever does as well, then again on
// each side. Works on ranks, so that an outlier weighs no more than its place. Deterministic: the permutations come
// from a fixed seed.
//
//   x   - - - - - - - -                  ___ - - _ - -       q(cut) = mn/(m+n) * (2 E|X-Y| - E|X-X'| - E|Y-Y'|)
//                       - - - -  - - - -                     one scan of all cuts: O(n log n), by Fenwick trees
//             first cut ^        second ^                     over the ranks
//
// source: Matteson, James 2014, J. Am. Stat. Assoc. 109(505), 334 (E-divisive); its use on nightly benchmarks: Daly et
// al. 2020, ICPE (MongoDB). Own here: ranks, the scan in O(n log n), a test that stops as soon as it is decided, and
// windows for levels that come and go (a short form of seeded binary segmentation, Kovacs et al. 2023, Biometrika 110).
#ifndef NIGHTLY_CHANGEPOINT_H
#define NIGHTLY_CHANGEPOINT_H

#include <stddef.h>

#include "common/err.h"

enum {
    CHANGEPOINT_N_MAX = 20000 // points; longer series are refused
};

struct changepoint {
    size_t at; // index of the first point of the new level
    double before,
        after; // medians of the segments on both sides, as far as the neighbouring change points
    double percent; // (after / before - 1) * 100; 0 when before is 0
};

// changepoint_options_default() gives the figures in [].
struct changepoint_options {
    size_t min_segment;  // points between two change points, and to the ends, >= 2 [5]
    double significance; // of the permutation test of each cut [0.001]
    int permutations;    // at most [999]
    double min_percent;  // steps of the median that are smaller are dropped, smallest first [0.2]
};
struct changepoint_options changepoint_options_default(void);

// Change points of x[0..n) in rising order; where there are more than max, the largest steps. The values are finite.
// returns how many, or -1: ERR_NO_MEMORY, ERR_TOO_LARGE (n)
long changepoint_find(const double *x, size_t n, const struct changepoint_options *o,
                      struct changepoint *out, size_t max, struct err *e);

#endif
