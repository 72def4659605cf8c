// SPDX-License-Identifier: MIT
// What the files that price schedules share (fusion.c, patch.c, cell.c); nothing else includes it.
#ifndef PLANNER_FUSION_INSIDE_H
#define PLANNER_FUSION_INSIDE_H

#include "server/planner/fusion.h"

// Adds to f->work what looking at so many layers of a band or of a slice takes.
static inline void fusion__count_work(struct fusion *f, int layers)
{
    f->work += 4 * (uint64_t)layers;
}

// Roles and stages of first..last, which is a block or a cell as f->cell says.
const char *fusion__begin(struct fusion *f, int first, int last);
// The reason why the block cannot run in bands of rows, or NULL.
const char *fusion__no_bands(const struct fusion *f);
// Runs a band's steps on the columns: ring slots, slices done, and with f->record the steps.
void fusion__simulate_cols(struct fusion *f);
// First slice of a tensor that any layer of the block still needs, by what the stages have done.
int fusion__first_needed_slice(const struct fusion *f, int tensor);
// Has every slice made that `layer` needs for slice `slice` of its output.
void fusion__demand(struct fusion *f, int layer, int slice);
// Cost, in/out region and positions, before the first band.
void fusion__begin_bands(struct fusion *f, int band_rows);
// Adds one band: f->need, work, positions, in/out region. A stage's `done` says how many slices it
// makes in a band. NULL or the reason why not.
const char *fusion__add_band(struct fusion *f, int band);
// MACs, calls and predicted cycles of positions [lo, hi) of each slice of layer i's stage.
void fusion__add_work(struct fusion *f, int i, int lo, int hi);
void fusion__record_moment(struct fusion *f, const struct fusion_moment *m);
void fusion__close_accumulators(struct fusion *f); // adds the call
// What the interpreter does once in a block: bands or calls of cells, bytes that are moved.
void fusion__add_interpreter(struct fusion *f, uint64_t bands, uint64_t moved);
void fusion__record_step(struct fusion *f, int stage, int slice);
// Places everything and adds up. Rings stand side by side on top of the in/out region.
void fusion__add_up(struct fusion *f);
// Places rings and chunks from `from` up; f->ring_bytes is what they take.
void fusion__place_rings(struct fusion *f, uint64_t from);

#endif
