// SPDX-License-Identifier: MIT
// What the files of the program compiler share (program.c, program_cells.c); nothing else includes
// it.
#ifndef PLANNER_PROGRAM_INSIDE_H
#define PLANNER_PROGRAM_INSIDE_H

#include "firmware/executor/program.h"
#include "server/planner/constants.h"
#include "server/planner/program.h"

struct compiler {
    struct fusion *f;
    const struct graph *g;
    struct buf blocks, stages, ops, parts, calls, tables, consts;
    uint32_t *position; // [n_tensors] arena offset of every whole tensor that is alive
    bool input_streamed;
    const struct variant *variant;
    bool no_memory; // sticky
    uint32_t arena_bytes;
    int group;          // channels of expansion and depthwise convolution at hand, 0 = all
    uint16_t *stage_at; // [n_layers] of the program, of the block's or cell's stages that are there
};

struct part_steps { // in the tables
    uint32_t at, n;
};

uint32_t program__n_of(const struct buf *b, size_t item); // items in it
// Layer i of the block or cell at hand as an operator; its constants are still to be added.
struct prog_op program__op(const struct compiler *c, int i, bool acc);
// A part without stages, to be filled.
struct prog_part program__part(const struct compiler *c);
// Stage `stage` of the block or cell at hand, before its operators are added; then those from offset `head` on.
void program__begin_stage(struct compiler *c, int stage);
void program__end_stage(struct compiler *c, struct prog_part *part, size_t head, int chunk);
// The same around the operators of `layer` (-1: none) to its tail; others may be there already, from `head` on.
void program__add_stage(struct compiler *c, struct prog_part *part, int stage, int layer,
                        size_t head);
// A step of the part, whose stages are there, behind those in `steps`; one that only goes on where the last one
// ended becomes part of it.
void program__add_step(struct compiler *c, const struct prog_part *part, int stage, int slice,
                       struct part_steps *steps);
// Stages [first, ...) of the program, all those of the block or cell at hand, in each of its bands.
void program__add_bands(struct compiler *c, int first);
// The block or cell at hand as one part.
struct part_steps program__add_part(struct compiler *c);
// Live tensors slide down, oldest first, so none runs over another; X, the youngest, goes last.
void program__add_moves(struct compiler *c, struct prog_call *call);

// Parts and calls of a block of cells.
int program__add_cells(struct compiler *c, const struct config_block *cb, struct err *e);
// Index into a call's bases of a window that the cell at hand reads or writes.
uint16_t program__base_of(const struct compiler *c, int tensor);

#endif
