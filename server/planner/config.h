// SPDX-License-Identifier: MIT
// A configuration as a list of blocks, its text ("0-8:rows 9:plain 10-20:cols4") and its arena.
#ifndef PLANNER_CONFIG_H
#define PLANNER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "server/planner/cells.h"
#include "server/planner/fusion.h"

struct config_block {
    int first, last; // layers
    enum fusion_axis axis;
    int band_rows; // FUSION_COLS: output rows a band; FUSION_PATCH: n; 0 for rows and plain
                   // (plain: first == last)
    // A block of cells (cells.h) is one entry a cell, with axis FUSION_COLS.
    int group; // channels at a time; 0 = all. band_rows 0: all rows
    int strip; // columns of a band of groups at a time; 0 = all
    int cells; // this and following cells of the block; 0: not a cell
};

// Entries that block b takes: its cells, or 1.
int config_entries(const struct config_block *b);
// As a cell.
struct cell config_cell(const struct config_block *b);
// Its last layer.
int config_last(const struct config_block *b);

// Parses a text that must cover layers 0..n_layers-1 once, in order; "a-b:plain" becomes b-a+1
// blocks. blocks holds n_layers entries. -1: ERR_BAD_FIELD names the block and what was expected.
int config_parse(const char *text, int n_layers, struct config_block *blocks, int *n_blocks,
                 struct err *e);
// What may stand behind the blocks: "arena:BYTES", then "output:outside".
#define CONFIG_MAX_SPEND 999999
struct config_options {
    uint32_t
        spend; // bytes that it may take for larger chunks, though its peak is below; 0: its peak
    bool output_outside; // the model output is not in the arena
};
struct config_options config_options(const char *text); // of a text that config_parse() takes
// Writes the text; runs of plain blocks are joined. -1: ERR_TOO_LARGE.
int config_format(const struct config_block *blocks, int n_blocks,
                  const struct config_options *options, char *text, size_t size, struct err *e);

// The schedule of a block: "plain", "rows", "cols4", "patch3", "groups8x2",
// "groups8x2x6",
// "cells(0-2:cols1,3-5:groups8x2)".
#define CONFIG_MAX_SCHEDULE 8192 // as long as the text of a whole configuration may be
void config_schedule(const struct config_block *b, char text[CONFIG_MAX_SCHEDULE]);

// Arena of a configuration: the largest of its blocks', as they are with the smallest chunks, or, where
// f->spend is more, with the largest chunks within that. -1: a block cannot run (ERR_BAD_FIELD).
int config_arena(struct fusion *f, const struct config_block *blocks, int n, uint32_t *arena_bytes,
                 struct err *e);
// Lays out one block as it runs in a configuration of `arena_bytes`. Of a block of cells only the
// cost remains.
int config_block_fill(struct fusion *f, const struct config_block *b, uint32_t arena_bytes,
                      struct err *e);
// Lays out a block of cells likewise, for the program compiler. c: cells_close() after success.
int config_cells_fill(struct fusion *f, const struct config_block *b, uint32_t arena_bytes,
                      struct cells *c, struct err *e);

#endif
