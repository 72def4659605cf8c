// SPDX-License-Identifier: MIT
// What one block of fused layers costs, to the byte and to the MAC, and everything that the program
// compiler needs to lay it out. A block is layers first..last of a graph run slice by slice on one
// axis.
//
//   layers     conv   dw   1x1   add       a stage is a layer and the pixel-by-pixel layers that
//   stages    [conv] [dw > 1x1 > add]      follow it: inside it a pixel or a few ("chunk") are
//                                          kept, between stages a ring of slices
//
// Arena of a block, bottom to top (RAM is the sum, there are no holes but <= 3 bytes of alignment):
//
//   live tensors that cross the block, oldest first
//   whole tensors made here that later blocks read ("kept"), oldest first
//   in/out region: Y grows from its bottom, X sits at its top and dies row by row
//   rings, chunks
//   int32 accumulators of a closing reduction
#ifndef PLANNER_FUSION_H
#define PLANNER_FUSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "server/planner/graph.h"
#include "server/planner/latency.h"

enum fusion_axis {
    FUSION_ROWS,  // slices are rows; nothing is recomputed
    FUSION_COLS,  // horizontal bands of band_rows output rows; slices are columns; rows between
                  // bands are recomputed
    FUSION_PATCH, // n x n patches, each by itself, layer after layer: what two patches both need is
                  // computed twice. A patch's part of a tensor is a tile; slices are its columns
};

enum fusion_role { // of a tensor in a block
    FUSION_NONE,
    FUSION_INPUT, // the model input, outside the arena
    FUSION_LIVE,  // whole, made earlier, needed here or later
    FUSION_X,     // whole, made by the layer before the block, dies in it: shares the in/out region
    FUSION_Y,     // whole, output of the last layer
    FUSION_OUTPUT, // as Y, but the caller's memory: the model output, where it lies outside the arena
    FUSION_WINDOW, // some rows, from one cell of the block to another (cells.h)
    FUSION_KEPT,   // whole, made here, read by later blocks
    FUSION_RING,   // or, of FUSION_PATCH, a tile: its slots are the columns of the widest
    FUSION_CHUNK,
};

struct fusion_tensor {
    enum fusion_role role;
    uint32_t slots;     // RING: slices
    uint32_t positions; // RING: positions a slice holds
    uint32_t offset;    // arena
    uint32_t bytes;     // in the arena
};

struct fusion_stage {
    int head, tail; // layers; next[] links head to tail
    int n_layers;
    int n_slices; // that a complete run has
    int done;     // slices produced by the simulation
    bool special; // with f->latency: has what is not simple (struct prog_stage), but for chunks
};

struct fusion_step {
    uint16_t stage, slice;
};

struct fusion_interval {
    int lo, hi;
};

// The in/out region while steps first_step.. run: rows of Y that are there, those being written
// included, and what is still needed of X. cols and patch: once a band. A block of cells: once a call,
// and inner_bytes are its windows and scratch.
struct fusion_moment {
    uint32_t first_step; // counted through all bands
    int layer;           // the stage that runs begins with it; cols and patch: the block does
    uint32_t y_bytes, x_bytes, inner_bytes;
};

struct fusion_cost {
    uint32_t arena_bytes;
    uint64_t macs;
    uint64_t calls; // kernel calls
    // With f->latency alone: what kernels and interpreter do (latency.h), and cycles.
    struct latency_counts counts;
    uint64_t works[LATENCY_WORKS];
    double cycles;
};

// A cell of a block of cells (cells.h), as asked for.
struct cell {
    int first, last;
    int band_rows; // 0 = all
    int group;     // channels at a time, 0 = all
    int strip;     // with group: columns of a band at a time, 0 = all
};

// A graph and the working memory to look at one block at a time. Results of fusion_block_*() stay
// valid until the next.
struct fusion {
    const struct graph *g;
    bool output_outside; // the model output is not in the arena; the caller may set it
    uint32_t
        spend; // a configuration may take so many bytes for larger chunks; likewise. 0: its peak
    int *last_use; // [n_tensors] last layer that reads it; n_layers for the output
    int *uses;     // [n_tensors + 1] into use_layer: the layers that read a tensor
    int *use_layer;
    // the block at hand
    int first, last;
    int block_first, block_last; // the same, or the block that first..last is a cell of
    bool cell;
    bool by_rows; // a cell of one stage: its slices are rows
    int group;    // channels of layers expand and expand + 1 that are computed at a time; 0 = all
    int expand;   // with group: what is before it in the cell runs once; -1 without
    int strip;    // columns of a band for which all groups run before the next; 0 = all
    enum fusion_axis axis;
    int band_rows, n_bands;
    int patches; // FUSION_PATCH: n
    int chunk;   // pixels that pass through a stage together
    bool acc;    // the last layer is a reduction fed by the stage before it
    int n_stages;
    struct fusion_stage *stages;          // [n_layers]
    int *stage_of, *next;                 // [n_layers]; next within a stage, -1 = tail
    struct fusion_tensor *tensors;        // [n_tensors]
    struct fusion_interval *need;         // [n_tensors] positions that the band at hand needs
    struct fusion_interval *need_columns; // [n_tensors] slices that the patch at hand needs
    struct fusion_step *steps;            // recorded by fusion_block_layout()
    size_t n_steps, cap_steps;
    struct fusion_moment *moments; // recorded likewise; at the first X is whole, at the last Y is
    size_t n_moments, cap_moments;
    struct fusion_cost *layer_cost; // [n_layers] recorded likewise: each layer's part of the cost
    bool record, out_of_memory;
    const struct latency_table *latency; // NULL: nothing is predicted. The caller sets it
    struct latency_price *price;         // [n_layers] of the block at hand
    uint64_t live_bytes, kept_bytes, io_bytes, ring_bytes, acc_bytes; // parts of arena_bytes
    uint32_t acc_offset;
    uint32_t sums_offset, sums_bytes; // int32 sums of a cell of groups, above its rings
    struct fusion_cost cost;
    // Steps of work done so far, counted exactly: the same model takes as many everywhere. A search
    // gives up beyond max_work (0: never). The caller sets both.
    uint64_t work, max_work;
};

bool fusion_spent(const struct fusion *f); // work is beyond max_work

// All but the arena.
void fusion_cost_add(struct fusion_cost *to, const struct fusion_cost *from);

int fusion_open(struct fusion *f, const struct graph *g, struct err *e);
void fusion_close(struct fusion *f); // accepts a zeroed fusion

// Takes up block first..last. NULL, or the reason why its layers cannot be fused (a constant
// string).
const char *fusion_block_begin(struct fusion *f, int first, int last);
// Takes up a cell of block block_first..block_last (cells.h); its band_rows are not looked at. Rings
// and chunks are placed from 0 up; other offsets mean nothing.
const char *fusion_cell_begin(struct fusion *f, int block_first, int block_last,
                              const struct cell *cell);
// Prices the cell at hand and, with f->record, notes its steps. The cost is that of the first
// `bands` bands. A cell of one stage keeps no ring, so its slices may as well be rows: chunks are then
// pixels of a row, of which there are more than rows in a band.
const char *fusion_cell_cols(struct fusion *f, int band_rows, int chunk, int bands);
// With f->steps recorded: dead[x] is the number of columns of `tensor`, an input of the cell, that
// nobody in the band needs any more when column x of the cell's output is written.
void fusion_cell_dead(struct fusion *f, int tensor, int *dead);
// False: in chunks of this size that is none. A layer that reads what it writes over has to go pixel by
// pixel.
bool fusion_cell_overlaps(const struct fusion *f);
int fusion_strip_columns(const struct fusion *f); // with f->group: of the cell's output
// Before the program compiler looks at a cell by_rows: turns it from bands of columns into one of rows, a
// step a row.
void fusion_cell_turn(struct fusion *f);
// Of a cell by itself: that does not depend on its block.
bool fusion_cell_is_by_rows(struct fusion *f, const struct cell *cell);
// Positions that pass through a stage at a time, 0: a whole slice. A cell of one layer goes pixel by pixel
// where chunks are single pixels, for that its output may lie over its input.
int fusion_chunks_of(const struct fusion *f, const struct fusion_stage *s);
uint32_t fusion_channels(const struct fusion *f, int layer); // of its output that exist at a time
// Prices the block in f->cost. band_rows: 1..fusion_max_band(); ignored for rows. NULL or the
// reason why it cannot run. After fusion_block_begin(), any number of times; rows and cols need one
// simulation each.
const char *fusion_block_rows(struct fusion *f);
const char *fusion_block_cols(struct fusion *f, int band_rows);
// n >= 1. Takes the stages of fusion_block_begin() apart: rows and cols come before it.
const char *fusion_block_patch(struct fusion *f, int n);
// Prices the same schedule again, for another f->chunk (pixels that pass through a stage together).
const char *fusion_block_again(struct fusion *f);
bool fusion_has_chunks(const struct fusion *f);
#define FUSION_CHUNK_SIZES 5
extern const int fusion_chunk_sizes[FUSION_CHUNK_SIZES]; // rising, from 1
int fusion_max_patch(const struct fusion *f);            // n beyond it changes nothing
int fusion_next_patch(const struct fusion *f, int n);    // the next n that makes other patches
int fusion_max_band(const struct fusion *f);             // rows of the tensor that the bands divide
// As the two above with single pixels as chunks, and records steps and offsets for the program compiler. -1: ERR_NO_MEMORY or
// ERR_BAD_FIELD.
int fusion_block_layout(struct fusion *f, int first, int last, enum fusion_axis axis, int band_rows,
                        struct err *e);
// Lays the block out with the largest chunk (more pixels in a kernel call, fewer calls) that keeps it
// within `limit` bytes, or with single pixels where even those do not.
int fusion_block_fill(struct fusion *f, int first, int last, enum fusion_axis axis, int band_rows,
                      uint32_t limit, struct err *e);
// Positions of every tensor that band `band` needs, in f->need (cols, patch; rows: whole slices).
void fusion_band(struct fusion *f, int band);

// The layer closes the block by taking its input pixel by pixel.
bool fusion_fed(const struct fusion *f, int layer);
// An output pixel needs the input pixel at the same place only.
bool fusion_pointwise(const struct layer *l);
uint32_t fusion_tensor_bytes(const struct graph *g, int tensor);

#endif
