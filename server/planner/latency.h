// SPDX-License-Identifier: MIT
// Predicted latency: amounts of work times coefficients. The coefficients of a board are in its
// board.json ("latency", cycles), fitted by tools/fit-latency to what the board measured for each
// layer and for the interpreter between the kernels.
#ifndef PLANNER_LATENCY_H
#define PLANNER_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/planner/graph.h"

enum latency_class { // layers that the same kind of kernel runs
    LATENCY_CONV,
    LATENCY_FIRST,     // convolutions whose input channels are no multiple of 4
    LATENCY_POINTWISE, // 1x1 convolutions and dense layers
    LATENCY_DWCONV,
    LATENCY_ADD,
    LATENCY_POOL,
    LATENCY_OTHER, // softmax, rescale, padding, copies
    LATENCY_CLASSES
};
extern const char *const latency_class_names[LATENCY_CLASSES]; // "conv", ...

enum latency_term {
    LATENCY_MAC,
    LATENCY_OUTPUT, // elements written, or fed into accumulators
    LATENCY_PIXEL,  // positions: finding the taps of a window
    LATENCY_CALL,
    LATENCY_LOAD, // bytes of weights read, once a call
    LATENCY_TERMS
};
extern const char *const latency_term_names[LATENCY_TERMS]; // "mac", ...

struct latency_model {
    double cycles[LATENCY_CLASSES][LATENCY_TERMS];
    double interpreter; // a kernel call
    // Error of predictions for configurations that were not in the fit, as parts of 1.
    double median_error, worst_error;
    uint32_t tested; // how many those were; 0: unknown
};

struct latency_work { // of one layer of a configuration
    enum latency_class kind;
    double amount[LATENCY_TERMS];
};

// fed: the layer is a reduction that takes its input pixel by pixel.
void latency_work_of(const struct layer *l, bool fed, uint64_t macs, uint64_t pixels,
                     uint64_t calls, struct latency_work *out);
double latency_cycles(const struct latency_model *m, const struct latency_work *w);

#endif
