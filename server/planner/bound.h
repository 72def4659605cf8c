// SPDX-License-Identifier: MIT
// How little RAM a network can possibly take where nothing is computed twice (F = 1): not of this planner's
// schedules, but of all that make each tensor once, row by row or column by column, and keep what is still to
// be read.
//
// Layers may be at work at the same time, each at any pixel. Whatever the order, there is a moment at which
// layer i has just made its position r. Then
//
//   layer i-1 has made at least what that takes, and has made more or not; what it has made and layer i has not
//             read for the last time is in RAM; so for layer i-2, and up to the model input
//   layer i+1 has made no more than that gives, and the rest is in RAM; so down to the output
//
// The least sum of these bytes, over all positions that the other layers may have, is found exactly by dynamic
// programming along the layers. The greatest of it over all i and r is the bound.
//
// It leaves out chunks, sums, the pixel in the making and tensors that skip layers, so it is a little too low. Not covered
// are schedules that make a tensor in parts, neither row by row nor column by column: groups of channels, which compute
// nothing twice only where all of a unit's input and of its int32 sums is in RAM; and bands or tiles, which do where
// windows do not overlap.
#ifndef PLANNER_BOUND_H
#define PLANNER_BOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "server/planner/graph.h"

// In bytes, without the model input, and without the model output where that lies outside the arena. Looks at the
// layers from the first on as long as each reads the one before it, up to one that makes a single pixel (dense heads,
// means). 0: nothing can be said; such is a network with windows that do not overlap, or less than its padding is wide.
// -1: no memory. Takes time with the square of heights and widths: 0.1 s where the largest tensor has 80 rows.
int64_t bound_without_recomputing(const struct graph *g, bool output_outside);

#endif
