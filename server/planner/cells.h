// SPDX-License-Identifier: MIT
// A block of cells: a run of layers cut into cells, each of which runs `cols` (cell.c), one band of
// output rows at a time, whenever the next cell asks for rows. Between cells lie windows: the rows
// of a tensor that some cell still needs, and no others. A cell of one stage runs a band row by row.
//
//   cell 0          window 0     cell 1          window 1    cell 2
//   [expand dw 1x1] = = = =  --> [expand dw 1x1] = = = = --> [expand dw 1x1] --> Y, row by row
//    rings of a few columns, in one scratch that all cells share: only one cell runs at a time
//
// Nothing has a fixed place. Where a call (one band of one cell) does not find the room that it needs,
// what is alive is moved together first, so the arena is the most that is alive at any moment, not the
// sum of each one's most. What is free then lies above the windows, for their next rows:
//
//   live tensors | Y so far |   free   | scratch | window n-2 .. window 0 | rows of X still needed |
//                                                                            int32 accumulators
//
// Rows that a band is the last to need die in it, column by column, and what the band makes may lie
// over them: a window over the one above it, Y over the lowest window (then the scratch lies above the
// windows) or, of a block of one cell, over X (then the scratch lies above X).
//
//   row r - 1 of X, which dies   xxxxxxxxxxxx        row r - 1 of X   ......xxxxxx   6 of 12 columns
//   row r - 1 of the output      yyyyyyyyyyyy   ->   row r            yyyyyy         done
//
// Chunks lie in the scratch, and chunks change nothing else: neither bands nor windows. So each cell
// has a chunk size of its own, the largest with which its own calls stay within the limit, whatever
// the others take. A cell that is not at the peak passes many pixels at a time; the block's cost
// in a limit is a sum over cells (struct cells_choice).
#ifndef PLANNER_CELLS_H
#define PLANNER_CELLS_H

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/fusion.h"

#define CELL_MAX_INPUTS 4

struct cell_facts { // of a cell, whatever block it is in
    struct cell cell;
    const char *why; // it cannot run: a constant string; else NULL
    uint32_t scratch_bytes;
    bool sums, acc;     // needs a scratch that is 4-aligned; ends with a reduction
    uint32_t acc_bytes; // of the reduction
    int band_rows, n_bands, n_inputs;
    int in[CELL_MAX_INPUTS]; // tensors of the arena that it reads
    // Of each: how many bytes of a band's output may at most lie over its rows that die in the band.
    uint32_t overlap[CELL_MAX_INPUTS];
    // Of input k and band b, at need[k * n_bands + b]: the first row that this band or a later one
    // needs (INT32_MAX: none), and one past the last row that this band needs.
    struct fusion_interval *need;
    uint64_t *macs, *calls; // [n_bands + 1] of the first b bands
    // With a search over latency, of all bands and each chunk size: what front_cells.c knows already.
    bool knows_chunks;
    bool chunk_apart[FUSION_CHUNK_SIZES];
    uint32_t chunk_scratch[FUSION_CHUNK_SIZES];
    double chunk_cycles[FUSION_CHUNK_SIZES];
};

// Looks at a cell with chunks of `chunk` pixels. NULL: no memory. Freed with free().
struct cell_facts *cell_facts(struct fusion *f, const struct cell *cell, int chunk);

struct cells_window { // the output of every cell but the last
    int lo, made;     // rows alive
    int most_rows;    // so far
    uint32_t row_bytes, offset, bytes;
    int room; // bands of its cell that it may grow by from where it was moved to
    uint32_t kept_offset, kept_bytes; // where the rows lie that outlive the call before
};

struct cells_call { // band `band` of cell `cell`
    int cell, band;
    uint32_t scratch;                // arena offset
    uint32_t first_move, first_base; // into moves and bases; up to those of the next call
};

struct cells_move {
    uint32_t dst, src, bytes;
};

struct
    cells_base { // of the cell's inputs that are windows, in order, then of its output if it is one
    int tensor;
    uint32_t offset;
    int lo;
};

#define CELLS_MAX_OPTIONS 13

// Ways to run a cell: the same layers and bands, in other groups and strips.
struct cells_variety {
    int n;
    const struct cell_facts *facts[CELLS_MAX_OPTIONS];
};

// A block of cells and the working memory to lay it out.
struct cells {
    struct fusion *f;
    int first, last, n;
    const struct cell_facts **facts; // [n]
    struct cell_facts **own;         // of cells_fill()
    int n_own;                       // likewise
    int *chunk;                      // [n] pixels that pass through a stage of the cell together
    int x;                           // tensor, or -1
    uint32_t live_bytes, x_offset, acc_offset, acc_bytes;
    uint32_t arena_bytes;
    uint64_t macs, calls_made;    // of the bands that run
    struct cells_window *windows; // [n]
    int *done;                    // [n] bands
    uint64_t *apart;              // [n] the same if the output does not lie over the input
    uint64_t *beside; // [n] the most that is alive beside the scratch of the cell's calls
    const struct cells_variety **varieties; // [n] or NULL
    uint64_t *beside_option; // [n][CELLS_MAX_OPTIONS] likewise, of each way to run the cell
    int *source;             // [n][CELL_MAX_INPUTS] cell that makes the input; -1: X, -2: whole
    int *reader; // [n + 1] of X and of each cell's output: an input that it is, in source; -1: none
    int *next_reader; // [n][CELL_MAX_INPUTS] another one
    bool record;
    struct buf calls, moves, bases; // of cells_lay_out()
    struct buf moments;             // struct fusion_moment, likewise
    uint32_t steps;                 // calls so far
    uint32_t region;                // top of X
};

int cells_open(struct cells *c, struct fusion *f, struct err *e);
void cells_close(struct cells *c); // accepts a zeroed one

// Prices the block of `n` cells. NULL or the reason why it cannot run.
const char *cells_price(struct cells *c, const struct cell_facts *const *facts, int n);
// Prices the block with the first way to run each cell, into facts[n], and all other ways with it:
// which one a cell takes changes nothing for the others.
const char *cells_price_varieties(struct cells *c, const struct cells_variety *const *varieties,
                                  const struct cell_facts **facts, int n);
// Then: the arena that the calls of cell i need if it runs its way k. The block needs the most of all.
uint32_t cells_option_arena(const struct cells *c, int i, int k);
// The same as cells_price(), with calls, moves and bases.
const char *cells_lay_out(struct cells *c, const struct cell_facts *const *facts, int n);

// What a cell of the block that was priced may choose. In `limit` bytes it takes the last choice with
// arena_bytes <= limit, or the first if there is none; the block's arena is then the most of all
// cells' choices, its cost the sum.
struct cells_choice {
    int chunk;
    bool apart; // the cell's output does not lie over its input
    uint32_t scratch_bytes;
    uint32_t arena_bytes;    // that the cell's own calls need
    struct fusion_cost cost; // of the bands that run, without the arena
};
// Of cell i, one for each of fusion_chunk_sizes[]. Takes the cell up in c->f.
void cells_choices(struct cells *c, int i, struct cells_choice choices[FUSION_CHUNK_SIZES]);
// After cells_price_varieties(): the arena that the calls of cell i need if it runs its way k with a choice like that.
// Cost, scratch and `apart` of a choice depend on the way alone, not on the block.
uint32_t cells_chunk_arena(const struct cells *c, int i, int k, bool apart, uint32_t scratch_bytes);
// Predicted cycles of the interpreter for the block that was priced, beside kernel calls and steps.
double cells_overhead(const struct cells *c);

// Lays out a block of `n` cells that are runs of layers one after the other, each with its choice in
// `limit` bytes. Its cost is then f->cost. -1: ERR_BAD_FIELD (it cannot run), ERR_NO_MEMORY.
int cells_fill(struct cells *c, const struct cell *cells, int n, uint32_t limit, struct err *e);
// Makes cell i the one at hand in c->f, with the cost of its first `bands` bands; with c->f->record as
// the program compiler wants it.
void cells_take_up_cell(struct cells *c, int i, int bands);

#endif
