// SPDX-License-Identifier: MIT
// What is in RAM when, block by block, so that a person sees where a configuration's peak comes
// from. At every moment of a block
//
//   bytes = parts that are there throughout + Y made so far + X still needed
//           + (a block of cells) windows and scratch of the moment
//
// and the largest of these sums, over all blocks, is the configuration's arena, to the byte.
#ifndef PLANNER_TIMELINE_H
#define PLANNER_TIMELINE_H

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"

enum timeline_kind {
    TIMELINE_SKIPPED,      // a whole tensor of an earlier block, for this or a later one
    TIMELINE_KEPT,         // a whole tensor made here that later blocks read
    TIMELINE_RING,         // the last slices of a layer's output
    TIMELINE_TILES,        // the patch's parts of all tensors inside, which share their memory
    TIMELINE_SCRATCH,      // a chunk of pixels between the layers of a stage
    TIMELINE_ACCUMULATORS, // int32 sums of a closing reduction
    TIMELINE_ALIGNMENT,
};
extern const char *const timeline_kind_names[]; // "skipped", ...

struct timeline_part { // there throughout the block
    enum timeline_kind kind;
    int layer; // that made it; -1: of no single one
    uint32_t slots, bytes;
};

struct timeline_block {
    const struct config_block *block;  // its first entry, the caller's
    int last;                          // its last layer
    uint32_t arena_bytes, fixed_bytes; // fixed: sum of parts
    uint32_t steps;
    size_t n_parts, n_moments, peak; // peak: the moment with the largest sum, the first of equals
    struct timeline_part *parts;
    struct fusion_moment *moments;
};

// Of the block that was laid out last (config_block_fill()); *out is emptied first. -1:
// ERR_NO_MEMORY.
int timeline_of(const struct fusion *f, const struct config_block *b, struct timeline_block *out,
                struct err *e);
void timeline_free(struct timeline_block *t); // accepts a zeroed one
// Moments in order, at most `most` of them: each the largest of the stretch that it stands for.
void timeline_thin(struct timeline_block *t, size_t most);

static inline uint32_t timeline_bytes(const struct timeline_block *t, size_t moment)
{
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): `moment` is one of them
    return t->fixed_bytes + t->moments[moment].y_bytes + t->moments[moment].x_bytes +
           t->moments[moment].inner_bytes;
}

// The whole configuration (planner.h documents it as planner_timeline_json()).
int timeline_json(struct fusion *f, const struct config_block *blocks, int n, struct buf *out,
                  struct err *e);

#endif
