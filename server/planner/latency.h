// SPDX-License-Identifier: MIT
// Predicted latency: what kernels and interpreter have to do, counted, times cycles. The coefficients of
// a board are in its board.json ("latency"), fitted by tools/fit-latency to what the board measured for each layer
// and for the interpreter between the kernels.
//
//   cycles of a layer = sum over the terms of
//       coefficient[class][term]    of the board: cycles, one set for each class of kernels
//     * factor[term]                of the layer and its kernel: how much there is to do each time
//     * count of the term           of the schedule: how many times (struct latency_counts)
//
// So a layer in a schedule has a price a count (struct latency_price), and a search only counts.
#ifndef PLANNER_LATENCY_H
#define PLANNER_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "server/planner/graph.h"

enum latency_class {   // kernels that are alike
    LATENCY_POINTWISE, // 1x1 convolutions of the board's kernel variant
    LATENCY_CONV,      // its other convolutions
    LATENCY_LARGE,     // those, 1x1 or not, whose windows are too large to be held at once
    LATENCY_DWCONV_3X3,
    LATENCY_DWCONV,
    LATENCY_PLAIN_CONV, // those that the variant leaves to the generic kernels
    LATENCY_PLAIN_DWCONV,
    LATENCY_SUM, // 1x1 convolutions summed up over groups of channels, or pixel by pixel (dense layers)
    LATENCY_ADD,
    LATENCY_POOL,
    LATENCY_FED_POOL, // pixel by pixel
    LATENCY_SOFTMAX,
    LATENCY_OTHER, // rescaling, padding, copies
    LATENCY_CLASSES
};
extern const char *const latency_class_names[LATENCY_CLASSES]; // "pointwise", ...

enum latency_term {
    // of a kernel call
    LATENCY_CALL,
    LATENCY_CHANNEL, // what is prepared for each output channel, or for each tap
    LATENCY_CLIPPED, // products with what lies outside the tensor, where a call begins with those
    // of an output position, or of an input position where a layer is fed pixel by pixel
    LATENCY_POSITION,
    LATENCY_RUN,     // loops over products that are begun
    LATENCY_PRODUCT, // products, those with padding to whole words or groups of channels included
    LATENCY_INPUT,   // inputs copied or widened
    LATENCY_OUTSIDE, // products with the model input, where it does not lie in RAM
    // of a pass: positions that are computed together, so that weights are read once
    LATENCY_PASS_RUN,
    LATENCY_PASS_PRODUCT,
    LATENCY_PASS_OUTSIDE,
    // of a position whose window has to be collected tap by tap
    LATENCY_BORDER,       // taps
    LATENCY_BORDER_INPUT, // bytes, or words where taps are whole words
    // of an output position that is finished
    LATENCY_OUTPUT, // bytes
    LATENCY_SIMPLE, // bytes whose last step is PROG_END_SIMPLE
    LATENCY_ANY,    // PROG_END_ANY
    LATENCY_TERMS
};
extern const char *const latency_term_names[LATENCY_TERMS]; // "call", ...

// How often kernels do something for a layer. Positions are of the output, or of the input where a layer is fed pixel by
// pixel; those that groups of channels compute by turns count for each.
struct latency_counts {
    uint64_t calls, clipped, positions, passes, borders, ends;
};

enum latency_work {  // of the interpreter
    LATENCY_KERNEL,  // a kernel call
    LATENCY_SPECIAL, // ... of a stage that is not simple (struct prog_stage): what it costs more
    LATENCY_STEP,    // a slice of a stage
    LATENCY_BAND,    // a call of a cell
    LATENCY_BYTE,    // moved between blocks and calls
    LATENCY_BLOCK,
    LATENCY_WORKS
};
extern const char *const latency_work_names[LATENCY_WORKS]; // "kernel", ...

struct latency_model {
    char kernels[32]; // the board's kernel variant
    double cycles[LATENCY_CLASSES][LATENCY_TERMS];
    double interpreter[LATENCY_WORKS];
    // Error of predictions for configurations that were not in the fit, as parts of 1.
    double median_error, worst_error;
    uint32_t tested; // how many those were; 0: unknown
};

// The kernels that a variant has for a layer (enum prog_kernel).
struct latency_kernel {
    uint16_t kernel;
    uint16_t end; // enum prog_end
};
struct latency_place { // how a schedule runs a layer
    bool cols;         // slices are columns
    bool fed;          // a closing reduction, pixel by pixel
    bool sum;          // the projection of a cell of groups
    bool packed;       // pixels of an input slice lie together
    bool outside;      // the input is the model's
    int group;         // channels at a time, of the first three layers of such a cell; 0 = all
};

struct latency_shape { // of a layer in its place
    enum latency_class kind;
    double factor[LATENCY_TERMS];
    int pass; // positions of a pass; 0: the kernel has none
    // Positions [lo, hi) of a slice have windows inside it, the others are borders. Slices but [slice_lo, slice_hi), of
    // which there are clipped_slices, have windows that reach outside the tensor: with rows_apart their calls are
    // clipped, else all of their positions are borders.
    int lo, hi, slice_lo, slice_hi;
    uint32_t clipped_slices;
    bool rows_apart;
    bool alone; // borders are passes of their own
};
void latency_shape_of(struct latency_kernel k, const struct layer *l,
                      const struct latency_place *at, struct latency_shape *out);
// The amount of each term: its factor, as often as it counts.
void latency_amounts(const struct latency_shape *s, const struct latency_counts *n,
                     double amount[LATENCY_TERMS]);

struct latency_price { // of a layer in its place: cycles of each count
    double call, clipped, position, pass, border, end;
    struct latency_shape shape;
};

// What a board charges for the layers of a graph.
struct latency_table {
    struct latency_model model;
    // private
    const struct graph *g;          // NULL: there are no prices yet
    char kernels_of[32];            // variant
    struct latency_kernel *kernels; // [n_layers]
    struct latency_price *prices;   // [n_layers][places without groups]
};
// Fills a table that is zeroed, or has been filled for the same graph: kernels that it has already are kept. -1: ERR_BAD_FIELD
// (an unknown variant of kernels), ERR_NO_MEMORY.
int latency_table_fill(struct latency_table *t, const struct graph *g,
                       const struct latency_model *m, struct err *e);
void latency_table_free(struct latency_table *t); // accepts a zeroed one
void latency_price_of(const struct latency_table *t, int layer, const struct latency_place *at,
                      struct latency_price *out);

#endif
