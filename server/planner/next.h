// SPDX-License-Identifier: MIT
// What to measure next: of configurations whose latency is predicted within limits, those that could
// be on the true front of RAM and latency. Where one with no more RAM is surely as fast, measuring
// cannot change the front; where it is surely as fast but for a small part, `grain`, hardly. Pure.
#ifndef PLANNER_NEXT_H
#define PLANNER_NEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct next_candidate {
    uint32_t arena_bytes;
    double predicted_ms;
    double measured_ms; // negative: not measured yet
    double low, high;   // the latency lies between; next_limits() sets them
};

// Where measured, the limits are that. Elsewhere the prediction, times the median of measured /
// predicted, and around it twice the largest deviation that the measured ones have from that, but at
// least 0.5 % and no more than `error` (a part of 1); with fewer than three measured: error.
void next_limits(struct next_candidate *c, size_t n, double error);
// Not measured, and none with no more RAM is surely as fast, nor measured to be so but for `grain` of
// its latency. After next_limits().
bool next_matters(const struct next_candidate *c, size_t n, size_t i, double grain);
// Indices of at most `budget` candidates that matter, those first that could move the front most,
// each taken as measured as predicted before the next is chosen. Returns how many; 0: the front is
// known. picks has room for budget entries.
size_t next_pick(const struct next_candidate *c, size_t n, double grain, size_t budget,
                 size_t *picks);

#endif
