// SPDX-License-Identifier: MIT
// Random small networks for property tests, built straight as a graph: chains with residuals, odd
// sizes, strides, asymmetric padding, pooling and dense heads. The same seed gives the same
// network.
#ifndef TESTS_NETGEN_H
#define TESTS_NETGEN_H

#include <stdlib.h>
#include <string.h>

#include "server/planner/graph.h"

#define NETGEN_MAX 24

struct netgen {
    uint32_t state;
    struct graph g;
    struct layer layers[NETGEN_MAX];
    struct tensor tensors[NETGEN_MAX + 1];
    void *owned[4 * NETGEN_MAX];
    int n_owned;
};

static inline uint32_t netgen_next(struct netgen *n)
{
    n->state ^= n->state << 13;
    n->state ^= n->state >> 17;
    n->state ^= n->state << 5;
    return n->state;
}

static inline int netgen_pick(struct netgen *n, int lo, int hi) // lo..hi
{
    return lo + (int)(netgen_next(n) % (uint32_t)(hi - lo + 1));
}

static inline void *netgen_alloc(struct netgen *n, size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        abort();
    n->owned[n->n_owned++] = p;
    return p;
}

// Appends a layer that reads tensors a (and b); its output shape must be set. Fills constants.
static inline struct layer *netgen_layer(struct netgen *n, struct layer l, int a, int b)
{
    struct graph *g = &n->g;
    const struct tensor *in = &n->tensors[a];
    l.in[0] = a;
    l.in[1] = b;
    l.out = g->n_tensors;
    l.in_h = in->h;
    l.in_w = in->w;
    l.in_c = in->c;
    l.in_zero = in->zero;
    l.out_zero = netgen_pick(n, -20, 20);
    l.act_min = netgen_pick(n, 0, 3) ? -128 : l.out_zero;
    l.act_max = 127;
    if (!l.kh) {
        l.kh = l.kw = 1;
    }
    if (!l.sh) {
        l.sh = l.sw = 1;
    }
    if (!l.mult_c)
        l.mult_c = 1;
    if (l.op == LAYER_CONV || l.op == LAYER_DWCONV) {
        size_t taps = (size_t)l.kh * (size_t)l.kw,
               fan_in = l.op == LAYER_CONV ? taps * (size_t)l.in_c : taps;
        int8_t *w = netgen_alloc(n, fan_in * (size_t)l.out_c);
        int32_t *bias = netgen_alloc(n, (size_t)l.out_c * sizeof *bias);
        l.requant = netgen_alloc(n, (size_t)l.out_c * sizeof *l.requant);
        const bool whole_range =
            netgen_pick(n, 0, 3) == 0; // -128 is rare: TFLite's converter never makes it
        for (size_t i = 0; i < fan_in * (size_t)l.out_c; i++) {
            w[i] = (int8_t)(netgen_next(n) >> 24);
            if (w[i] == -128 && !whole_range)
                w[i] = -127;
        }
        int shift = -6;
        for (size_t f = fan_in; f > 1; f /= 4)
            shift--;
        for (int o = 0; o < l.out_c; o++) {
            bias[o] = netgen_pick(n, -5000, 5000);
            l.requant[o] = (struct requant){0x40000000 + (int32_t)(netgen_next(n) >> 3), shift};
        }
        l.weights = w;
        l.bias = bias;
    }
    if (l.op == LAYER_MEAN || l.op == LAYER_RESCALE) {
        l.requant = netgen_alloc(n, sizeof *l.requant);
        *l.requant = (struct requant){0x50000000, 0};
        if (l.op == LAYER_MEAN)
            l.requant->mult /= l.kh * l.kw;
    }
    if (l.op == LAYER_ADD && b >= 0) {
        l.add.in_zero[0] = n->tensors[a].zero;
        l.add.in_zero[1] = n->tensors[b].zero;
        l.add.in[0] = (struct requant){0x40000000, 0};
        l.add.in[1] = (struct requant){0x60000000, -1};
        l.add.out = (struct requant){0x70000000, -19};
        l.add.left_shift = 20;
    }
    if (l.op == LAYER_AVGPOOL || l.op == LAYER_MAXPOOL || l.op == LAYER_PAD)
        l.out_zero = l.in_zero;
    if (l.op == LAYER_PAD || l.op == LAYER_RESHAPE)
        l.act_min = -128; // they move bytes
    if (l.op == LAYER_SOFTMAX) {
        l.softmax.beta_mult = 0x60000000;
        l.softmax.beta_shift = 22;
        l.softmax.diff_min = -200;
        l.out_zero = -128;
        l.act_min = -128;
    }
    n->tensors[l.out] =
        (struct tensor){l.out_h, l.out_w, l.out_c, l.out_zero, 0.1f, g->n_layers, g->n_tensors};
    n->layers[g->n_layers] = l;
    g->n_tensors++;
    g->macs += layer_macs_per_pixel(&l) * (uint64_t)l.out_h * (uint64_t)l.out_w;
    return &n->layers[g->n_layers++];
}

// A windowed layer with random padding; out size follows.
static inline void netgen_window(struct netgen *n, enum layer_op op, int in, int k_max, int s_max,
                                 int out_c)
{
    const struct tensor *t = &n->tensors[in];
    struct layer l = {.op = op};
    l.kh = netgen_pick(n, 1, k_max < t->h ? k_max : t->h);
    l.kw = netgen_pick(n, 0, 2) ? (l.kh < t->w ? l.kh : t->w)
                                : netgen_pick(n, 1, k_max < t->w ? k_max : t->w);
    l.sh = netgen_pick(n, 1, s_max);
    l.sw = netgen_pick(n, 0, 2) ? l.sh : netgen_pick(n, 1, s_max);
    int extra_h = netgen_pick(n, 0, l.kh - 1), extra_w = netgen_pick(n, 0, l.kw - 1);
    l.pad_top = netgen_pick(n, 0, extra_h);
    l.pad_left = netgen_pick(n, 0, extra_w);
    l.out_h = (t->h + extra_h - l.kh) / l.sh + 1;
    l.out_w = (t->w + extra_w - l.kw) / l.sw + 1;
    l.mult_c = op == LAYER_DWCONV && !netgen_pick(n, 0, 3) ? 2 : 1;
    l.out_c = op == LAYER_CONV ? out_c : t->c * l.mult_c;
    netgen_layer(n, l, in, -1);
}

static inline void netgen_pointwise(struct netgen *n, enum layer_op op, int a, int b, int out_c)
{
    const struct tensor *t = &n->tensors[a];
    netgen_layer(n, (struct layer){.op = op, .out_h = t->h, .out_w = t->w, .out_c = out_c}, a, b);
}

static inline int netgen_top(const struct netgen *n)
{
    return n->g.n_tensors - 1;
}

static inline void netgen_free(struct netgen *n)
{
    for (int i = 0; i < n->n_owned; i++)
        free(n->owned[i]);
    n->n_owned = 0;
}

// An empty network and the beginning of its random numbers.
static inline void netgen_begin(struct netgen *n, uint32_t seed)
{
    memset(n, 0, sizeof *n);
    n->state = seed * 2654435761u + 1;
    for (int i = 0; i < 8; i++)
        netgen_next(n);
    n->g.layers = n->layers;
    n->g.tensors = n->tensors;
}

// An inverted residual with enough channels for groups.
static inline void netgen_unit(struct netgen *n)
{
    netgen_pointwise(n, LAYER_CONV, netgen_top(n), -1, netgen_pick(n, 7, 21));
    netgen_window(n, LAYER_DWCONV, netgen_top(n), 5, 2, 0);
    netgen_pointwise(n, LAYER_CONV, netgen_top(n), -1, netgen_pick(n, 1, 4));
}

// A convolution and some inverted residuals, some of which add what they read.
static inline void netgen_mobile(struct netgen *n, uint32_t seed)
{
    netgen_begin(n, seed);
    n->tensors[0] = (struct tensor){
        netgen_pick(n, 4, 17), netgen_pick(n, 2, 15), netgen_pick(n, 1, 3), 0, 0.1f, -1, 0};
    n->g.n_tensors = 1;
    netgen_window(n, LAYER_CONV, 0, 3, 2, netgen_pick(n, 1, 5));
    for (int units = netgen_pick(n, 1, 4); units > 0; units--) {
        const int in = netgen_top(n);
        const struct tensor *from = &n->tensors[in], *to;
        netgen_unit(n);
        to = &n->tensors[netgen_top(n)];
        if (from->h == to->h && from->w == to->w && from->c == to->c)
            netgen_pointwise(n, LAYER_ADD, netgen_top(n), in, to->c);
    }
    n->g.output = netgen_top(n);
}

// A network of about `size` layers.
static inline void netgen_make(struct netgen *n, uint32_t seed, int size)
{
    netgen_begin(n, seed);
    n->tensors[0] = (struct tensor){netgen_pick(n, 3, 14),
                                    netgen_pick(n, 1, 12),
                                    netgen_pick(n, 1, 4),
                                    netgen_pick(n, -9, 9),
                                    0.1f,
                                    -1,
                                    0};
    n->g.n_tensors = 1;
    while (n->g.n_layers < size && n->g.n_layers < NETGEN_MAX - 6) {
        int top = netgen_top(n), c = n->tensors[top].c;
        switch (netgen_pick(n, 0, 9)) {
        case 0:
            netgen_window(n, LAYER_CONV, top, 5, 2, netgen_pick(n, 1, 7));
            break;
        case 1:
            netgen_window(n, LAYER_DWCONV, top, 5, 2, 0);
            break;
        case 2:
            netgen_window(n, LAYER_CONV, top, 3, 1, netgen_pick(n, 1, 7));
            break;
        case 3:
            netgen_window(n, netgen_pick(n, 0, 1) ? LAYER_AVGPOOL : LAYER_MAXPOOL, top, 3, 2, 0);
            break;
        case 4: { // inverted residual
            netgen_pointwise(n, LAYER_CONV, top, -1, c * 2);
            struct layer dw = {
                .op = LAYER_DWCONV, .kh = 3, .kw = 3, .pad_top = 1, .pad_left = 1, .out_c = c * 2};
            dw.out_h = n->tensors[top].h;
            dw.out_w = n->tensors[top].w;
            netgen_layer(n, dw, netgen_top(n), -1);
            netgen_pointwise(n, LAYER_CONV, netgen_top(n), -1, c);
            netgen_pointwise(n, LAYER_ADD, netgen_top(n), top, c);
            break;
        }
        case 5: { // two branches
            netgen_pointwise(n, LAYER_CONV, top, -1, 3);
            int main_branch = netgen_top(n);
            netgen_pointwise(n, LAYER_CONV, top, -1, 3);
            netgen_pointwise(n, LAYER_ADD, main_branch, netgen_top(n), 3);
            break;
        }
        case 6:
            netgen_pointwise(n, LAYER_RESCALE, top, -1, c);
            break;
        case 7: { // pad
            const struct tensor *t = &n->tensors[top];
            struct layer l = {
                .op = LAYER_PAD, .pad_top = netgen_pick(n, 0, 2), .pad_left = netgen_pick(n, 0, 2)};
            l.out_h = t->h + l.pad_top + netgen_pick(n, 0, 2);
            l.out_w = t->w + l.pad_left + netgen_pick(n, 0, 2);
            l.pad_c = netgen_pick(n, 0, 1);
            l.out_c = t->c + l.pad_c;
            netgen_layer(n, l, top, -1);
            break;
        }
        default:
            netgen_pointwise(n, LAYER_CONV, top, -1, netgen_pick(n, 1, 8));
            break;
        }
    }
    int top = netgen_top(n);
    const struct tensor *t = &n->tensors[top];
    struct layer head = {.kh = t->h, .kw = t->w, .out_h = 1, .out_w = 1, .out_c = t->c};
    switch (netgen_pick(n, 0, 4)) {
    case 0:
        head.op = LAYER_CONV;
        head.out_c = 5;
        netgen_layer(n, head, top, -1);
        netgen_pointwise(n, LAYER_SOFTMAX, netgen_top(n), -1, 5);
        break;
    case 1:
        head.op = LAYER_AVGPOOL;
        netgen_layer(n, head, top, -1);
        netgen_pointwise(n, LAYER_CONV, netgen_top(n), -1, 4);
        break;
    case 2:
        head.op = LAYER_MEAN;
        netgen_layer(n, head, top, -1);
        break;
    case 3: // reshape, then dense
        netgen_layer(
            n, (struct layer){.op = LAYER_RESHAPE, .out_h = 1, .out_w = t->h * t->w, .out_c = t->c},
            top, -1);
        n->layers[n->g.n_layers - 1].out_zero = t->zero;
        netgen_pointwise(n, LAYER_CONV, netgen_top(n), -1, 2);
        break;
    default:
        break;
    }
    n->g.input = 0;
    n->g.output = netgen_top(n);
}

#endif
