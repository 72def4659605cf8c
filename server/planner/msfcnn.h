// SPDX-License-Identifier: MIT
// The cost model and the optimizers of the msf-CNN paper, as its scripts compute them: a peer to
// compare with, not how this farm prices. RAM and MACs of a fused block, and problems P1 and P2 on
// the graph whose nodes are cut points.
//
//   one layer     RAM = input + output; MACs = plain
//   layers a..b   one output row a band ("H-cache"). Backwards from one row, a tile of T input rows
//                 and a stride S between bands; impossible where T exceeds the input.
//                 RAM = input + output + sum of k * t * in_c, t the rows of the *last* tile at each
//                 layer. A tile gains the padding where its first row, divided by the strides so
//                 far, is 0, and where that plus its rows reaches the end of the layer's input.
//                 MACs = sum of bands * width * rows * out_c * m with whole bands only: what is left
//                 over at the border is not counted, so that F comes out too low.
//   a path        the input of the network and its output are not counted; RAM is the largest
//                 block's, MACs are the sum.
//
// Where the scripts know chains of square layers only: height and width have their own kernel,
// stride and padding here, padding is the larger of both sides, an addition is a 1x1 layer whose
// second operand is free, and a pooling has no MACs.
// Source: https://github.com/TinyPART/msf-CNN, analysis/ (commit fd74a7c).
#ifndef PLANNER_MSFCNN_H
#define PLANNER_MSFCNN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "server/planner/graph.h"

struct msfcnn_axis { // height or width of a layer
    int in, out, k, stride, pad;
};

struct msfcnn_layer {
    struct msfcnn_axis h, w;
    int in_c, out_c;
    uint64_t macs_per_output; // of one output element
};

struct msfcnn_edge {
    uint64_t ram, macs;
    bool possible;
};

struct msfcnn {
    int n; // layers
    uint64_t plain_macs;
    struct msfcnn_edge *edges; // [n][n]: block first..last is edges[first * n + last]
    struct msfcnn_node *nodes; // [n + 1] scratch
};

struct msfcnn_path {
    uint64_t ram, macs;
    int n_blocks;
    int *last; // the caller's, [layers]: last layer of each block
};

// Prices every block. -1: ERR_NO_MEMORY.
int msfcnn_open(struct msfcnn *m, const struct msfcnn_layer *layers, int n, struct err *e);
int msfcnn_open_graph(struct msfcnn *m, const struct graph *g, struct err *e);
void msfcnn_close(struct msfcnn *m);                       // accepts a zeroed one
void msfcnn_forbid(struct msfcnn *m, int first, int last); // a block that cannot be executed

// The least MACs among paths of at most `ram` bytes. False: there is none. Called again with the
// path's RAM - 1 until it fails, it walks the whole trade-off.
bool msfcnn_shortest(struct msfcnn *m, uint64_t ram, struct msfcnn_path *path);
// P1: the least RAM with at most f_max times the plain MACs. P2: the least MACs with less than
// `ram` bytes, and of those the least RAM.
bool msfcnn_p1(struct msfcnn *m, double f_max, struct msfcnn_path *path);
bool msfcnn_p2(struct msfcnn *m, uint64_t ram, struct msfcnn_path *path);
// The paper's "heuristic": one fused block from the first layer on, single layers behind it; least
// RAM.
bool msfcnn_heuristic(struct msfcnn *m, struct msfcnn_path *path);

#endif
