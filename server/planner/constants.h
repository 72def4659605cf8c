// SPDX-License-Identifier: MIT
// Constants of an operator as its kernel wants them: weights, biases, multipliers, laid out for a kernel variant and the
// schedule's slice axis (firmware/executor/program.h draws the layouts).
#ifndef PLANNER_CONSTANTS_H
#define PLANNER_CONSTANTS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "firmware/executor/program.h"
#include "server/planner/graph.h"

struct variant; // of kernels, by name

// NULL: ERR_BAD_FIELD names those that are known.
const struct variant *constants_variant(const char *name, struct err *e);

// Chooses the variant's kernel for the layer (op->kernel holds that of the generic variant), appends the constants and
// sets their offsets, relative to the buffer's start and + 1, so that 0 stays "none". cols: slices are columns.
// -1: no memory.
int constants_add(struct buf *consts, const struct variant *v, const struct layer *l, bool cols,
                  struct prog_op *op);

// The two halves of it, for an operator that takes its constants group by group of channels: what all
// groups share, from the whole layer, then the constants of some channels. A layer without weights,
// biases or requantisation gets none of them.
int constants_choose(const struct variant *v, const struct layer *l, struct prog_op *op);
int constants_lay_out(struct buf *consts, const struct layer *l, bool cols, struct prog_op *op);

#endif
