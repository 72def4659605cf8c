// SPDX-License-Identifier: MIT
// A graph executed layer by layer with plain loops, straight from graph.h's comments: what tests compare the import
// against. It shares nothing with the reference interpreter, which runs the file, nor with the kernels.
#ifndef TESTS_GRAPH_RUN_H
#define TESTS_GRAPH_RUN_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/planner/graph.h"

// round(x * mult * 2^(shift - 31)) in two rounded steps, in wide integers.
static inline int32_t graph_run_scale(int32_t x, struct requant q)
{
    int32_t left = (int32_t)((uint32_t)x << (q.shift > 0 ? q.shift : 0));
    int64_t high = ((int64_t)left * q.mult + (INT64_C(1) << 30)) >> 31; // ties up
    int right = q.shift < 0 ? -q.shift : 0;
    int64_t half = right ? INT64_C(1) << (right - 1) : 0;
    int64_t magnitude = ((high < 0 ? -high : high) + half) >> right; // ties away from zero
    return (int32_t)(high < 0 ? -magnitude : magnitude);
}

static inline int8_t graph_run_clamp(const struct layer *l, int32_t v)
{
    return (int8_t)(v < l->act_min ? l->act_min : v > l->act_max ? l->act_max : v);
}

struct graph_run_window {
    uint32_t acc; // sum of products, or of elements; wraps
    int32_t count, max;
};

// Visits the window of output (y, x, c).
static inline struct graph_run_window graph_run_visit(const struct layer *l, const int8_t *in,
                                                      int y, int x, int c)
{
    struct graph_run_window r = {0, 0, -128};
    for (int ky = 0; ky < l->kh; ky++) {
        for (int kx = 0; kx < l->kw; kx++) {
            int iy = y * l->sh - l->pad_top + ky, ix = x * l->sw - l->pad_left + kx;
            if (iy < 0 || ix < 0 || iy >= l->in_h || ix >= l->in_w)
                continue;
            const int8_t *pixel =
                in + ((size_t)iy * (size_t)l->in_w + (size_t)ix) * (size_t)l->in_c;
            size_t tap = (size_t)ky * (size_t)l->kw + (size_t)kx;
            if (l->op == LAYER_CONV) {
                const int8_t *w = l->weights + ((size_t)c * (size_t)l->kh * (size_t)l->kw + tap) *
                                                   (size_t)l->in_c;
                for (int k = 0; k < l->in_c; k++)
                    r.acc += (uint32_t)((pixel[k] - l->in_zero) * w[k]);
            } else if (l->op == LAYER_DWCONV) {
                r.acc += (uint32_t)((pixel[c / l->mult_c] - l->in_zero) *
                                    l->weights[tap * (size_t)l->out_c + (size_t)c]);
            } else {
                int32_t v = pixel[c];
                r.acc += (uint32_t)v;
            }
            r.max = pixel[c % l->in_c] > r.max ? pixel[c % l->in_c] : r.max;
            r.count++;
        }
    }
    return r;
}

static inline int32_t graph_run_element(const struct layer *l, const int8_t *a, const int8_t *b,
                                        int y, int x, int c)
{
    size_t i = ((size_t)y * (size_t)l->out_w + (size_t)x) * (size_t)l->out_c + (size_t)c;
    struct graph_run_window w;
    switch (l->op) {
    case LAYER_CONV:
    case LAYER_DWCONV:
        w = graph_run_visit(l, a, y, x, c);
        return (int32_t)((uint32_t)graph_run_scale((int32_t)(w.acc + (uint32_t)l->bias[c]),
                                                   l->requant[c]) +
                         (uint32_t)l->out_zero);
    case LAYER_AVGPOOL: {
        w = graph_run_visit(l, a, y, x, c);
        int32_t sum = (int32_t)w.acc;
        return (sum > 0 ? sum + w.count / 2 : sum - w.count / 2) / w.count;
    }
    case LAYER_MAXPOOL:
        return graph_run_visit(l, a, y, x, c).max;
    case LAYER_MEAN:
        w = graph_run_visit(l, a, y * l->kh, x * l->kw, c);
        return graph_run_scale((int32_t)w.acc - w.count * l->in_zero, *l->requant) + l->out_zero;
    case LAYER_ADD: {
        int32_t p =
            graph_run_scale((a[i] - l->add.in_zero[0]) * (1 << l->add.left_shift), l->add.in[0]);
        int32_t q = b[i] - l->add.in_zero[1]; // -fanalyzer: an addition has two inputs
        q = graph_run_scale(q * (1 << l->add.left_shift), l->add.in[1]);
        return graph_run_scale(p + q, l->add.out) + l->out_zero;
    }
    case LAYER_RESCALE:
        return (int32_t)((uint32_t)graph_run_scale(a[i] - l->in_zero, *l->requant) +
                         (uint32_t)l->out_zero);
    case LAYER_PAD: {
        int iy = y - l->pad_top, ix = x - l->pad_left, ic = c - l->pad_c;
        if (iy < 0 || ix < 0 || ic < 0 || iy >= l->in_h || ix >= l->in_w || ic >= l->in_c)
            return l->in_zero;
        return a[((size_t)iy * (size_t)l->in_w + (size_t)ix) * (size_t)l->in_c + (size_t)ic];
    }
    case LAYER_RESHAPE:
        return a[i];
    default:
        return 0;
    }
}

// Softmax in floating point: its bytes are within one of the fixed-point ones, so compare with that tolerance. It is
// only ever followed by what keeps the difference small.
static inline void graph_run_softmax(const struct layer *l, float in_scale, float beta,
                                     const int8_t *in, int8_t *out)
{
    for (size_t p = 0; p < (size_t)l->out_h * (size_t)l->out_w;
         p++, in += l->out_c, out += l->out_c) {
        double sum = 0;
        int max = -128;
        for (int c = 0; c < l->out_c; c++)
            max = in[c] > max ? in[c] : max;
        for (int c = 0; c < l->out_c; c++)
            sum += exp((double)beta * (double)in_scale * (in[c] - max));
        for (int c = 0; c < l->out_c; c++) {
            double v =
                round(exp((double)beta * (double)in_scale * (in[c] - max)) / sum * 256) - 128;
            out[c] = (int8_t)(v > 127 ? 127 : v);
        }
    }
}

// Runs the graph on an input in [H, W, C]. Returns the output tensor's bytes, to be freed; NULL: out of memory.
static inline int8_t *graph_run(const struct graph *g, const int8_t *input, float beta)
{
    int8_t **data = calloc((size_t)g->n_tensors, sizeof *data), *result = NULL;
    bool ok = data != NULL;
    for (int i = 0; ok && i < g->n_tensors; i++) {
        const struct tensor *t = &g->tensors[i];
        size_t n = (size_t)t->h * (size_t)t->w * (size_t)t->c;
        ok = (data[i] = malloc(n)) != NULL;
        if (ok && i == g->input)
            memcpy(data[i], input, n);
    }
    for (int i = 0; ok && i < g->n_layers; i++) {
        const struct layer *l = &g->layers[i];
        const int8_t *a = data[l->in[0]], *b = l->in[1] >= 0 ? data[l->in[1]] : NULL;
        int8_t *o = data[l->out];
        if (l->op == LAYER_SOFTMAX) {
            graph_run_softmax(l, g->tensors[l->in[0]].scale, beta, a, o);
            continue;
        }
        for (int y = 0; y < l->out_h; y++)
            for (int x = 0; x < l->out_w; x++)
                for (int c = 0; c < l->out_c; c++)
                    *o++ = graph_run_clamp(l, graph_run_element(l, a, b, y, x, c));
    }
    for (int i = 0; data && i < g->n_tensors; i++) {
        if (ok && i == g->output)
            result = data[i];
        else
            free(data[i]);
    }
    free(data);
    return result;
}

static inline void graph_run_permute(const struct tensor *t, const int8_t *from, int8_t *to,
                                     bool to_chw)
{
    size_t plane = (size_t)t->h * (size_t)t->w, channels = (size_t)t->c;
    for (size_t p = 0; p < plane; p++) {
        for (size_t c = 0; c < channels; c++) {
            if (to_chw)
                to[c * plane + p] = from[p * channels + c];
            else
                // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): callers give all of it
                to[p * channels + c] = from[c * plane + p];
        }
    }
}

#endif
