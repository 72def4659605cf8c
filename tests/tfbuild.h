// SPDX-License-Identifier: MIT
// Int8 networks for tests, operator by operator, in the static `net`: shapes and scales follow from the input, weights
// are random but repeatable. random_net() makes whole ones. Write the result with tfnet_write().
#ifndef TESTS_TFBUILD_H
#define TESTS_TFBUILD_H

#include <math.h>

#include "tests/tfnet.h"

#define DIMS(...)                                                                                  \
    (int)(sizeof((int32_t[]){__VA_ARGS__}) / 4), (const int32_t[])                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define INPUTS(...)                                                                                \
    (int)(sizeof((int32_t[]){__VA_ARGS__}) / 4), (const int32_t[])                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static struct tfnet net;

static inline void net_begin(uint32_t seed)
{
    memset(&net, 0, sizeof net);
    net.state = seed;
}

static inline int net_input(float scale, int zero, int n_dims, const int32_t *dims)
{
    int t = tfnet_act(&net, scale, zero, n_dims, dims);
    net.inputs[net.n_inputs++] = t;
    return t;
}

static inline void net_output(int t)
{
    net.outputs[net.n_outputs++] = t;
}

// A tensor with the quantisation of another.
static inline int like(int t, int n_dims, const int32_t *dims)
{
    return tfnet_act(&net, net.tensors[t].scale[0], (int)net.tensors[t].zero, n_dims, dims);
}

// An operator that only needs a constant list of integers beside its input.
static inline int with_ints(int code, int in, int count, const int32_t *ints, int n_dims,
                            const int32_t *dims)
{
    int out = like(in, n_dims, dims);
    int list = tfnet_ints(&net, ints, count);
    tfnet_op(&net, code, out, INPUTS(in, list));
    return out;
}

struct conv {
    int out_c, kh, kw, sh, sw, mult; // mult: depthwise
    bool same, per_channel, no_bias;
    enum tflite_activation act;
};

static inline int size_after(int in, int k, int s, bool same)
{
    return same ? (in + s - 1) / s : (in - k + s) / s;
}

static inline int conv(int in, struct conv c)
{
    const int32_t *d = net.tensors[in].dims;
    int sh = c.sh ? c.sh : 1, sw = c.sw ? c.sw : 1, in_c = d[3];
    int out_c = c.mult ? in_c * c.mult : c.out_c;
    int depth = c.kh * c.kw * (c.mult ? 1 : in_c);
    float ws = 0.01f,
          out_scale = net.tensors[in].scale[0] * ws * 5300.0f * sqrtf((float)depth) / 40.0f;
    int out = tfnet_act(
        &net, out_scale, tfnet_pick(&net, -128, 127),
        DIMS(1, size_after(d[1], c.kh, sh, c.same), size_after(d[2], c.kw, sw, c.same), out_c));
    int w =
        c.mult
            ? tfnet_weights(&net, ws, DIMS(1, c.kh, c.kw, out_c), 3, c.per_channel ? out_c : 1)
            : tfnet_weights(&net, ws, DIMS(out_c, c.kh, c.kw, in_c), 0, c.per_channel ? out_c : 1);
    int bias = c.no_bias ? -1 : tfnet_bias(&net, out_c);
    struct tfnet_op *op = tfnet_op(&net, c.mult ? TFLITE_OP_DEPTHWISE_CONV_2D : TFLITE_OP_CONV_2D,
                                   out, INPUTS(in, w, bias));
    op->sh = sh;
    op->sw = sw;
    op->same = c.same;
    op->mult = c.mult;
    op->act = c.act;
    return out;
}

static inline int pool(int code, int in, int kh, int kw, int sh, int sw, bool same)
{
    const int32_t *d = net.tensors[in].dims;
    int out =
        like(in, DIMS(1, size_after(d[1], kh, sh, same), size_after(d[2], kw, sw, same), d[3]));
    struct tfnet_op *op = tfnet_op(&net, code, out, INPUTS(in));
    op->kh = kh;
    op->kw = kw;
    op->sh = sh;
    op->sw = sw;
    op->same = same;
    return out;
}

static inline int dense(int in, int n, int k, int n_dims, const int32_t *dims)
{
    float ws = 0.01f, scale = net.tensors[in].scale[0] * ws * 5300.0f * sqrtf((float)k) / 40.0f;
    int out = tfnet_act(&net, scale, tfnet_pick(&net, -60, 60), n_dims, dims);
    int w = tfnet_weights(&net, ws, DIMS(n, k), 0, 1);
    int bias = tfnet_bias(&net, n);
    tfnet_op(&net, TFLITE_OP_FULLY_CONNECTED, out, INPUTS(in, w, bias));
    return out;
}

static inline int pad(int in, int top, int bottom, int left, int right)
{
    const int32_t *d = net.tensors[in].dims;
    return with_ints(TFLITE_OP_PAD, in, 8, (int32_t[]){0, 0, top, bottom, left, right, 0, 0},
                     DIMS(1, d[1] + top + bottom, d[2] + left + right, d[3]));
}

static inline int pad_value(int in, int n, int value)
{
    int out = pad(in, n, n, n, n), t = like(in, 0, NULL);
    net.tensors[t].bytes = 1;
    net.tensors[t].data[0] = (uint8_t)value;
    struct tfnet_op *op = &net.ops[net.n_ops - 1];
    op->code = TFLITE_OP_PADV2;
    op->inputs[op->n_inputs++] = t;
    return out;
}

static inline int add(int a, int b, float scale, int zero)
{
    int out = tfnet_act(&net, scale, zero, net.tensors[a].n_dims, net.tensors[a].dims);
    tfnet_op(&net, TFLITE_OP_ADD, out, INPUTS(a, b));
    return out;
}

static inline int unary(int code, int in, float scale, int zero)
{
    int out = tfnet_act(&net, scale, zero, net.tensors[in].n_dims, net.tensors[in].dims);
    tfnet_op(&net, code, out, INPUTS(in));
    return out;
}

static inline int unary_like(int code, int in)
{
    return unary(code, in, net.tensors[in].scale[0], (int)net.tensors[in].zero);
}

static inline int mean(int in, int n_axes, const int32_t *axes, bool keep, int n_dims,
                       const int32_t *dims)
{
    float scale = net.tensors[in].scale[0] * 0.4f;
    int out = tfnet_act(&net, scale, tfnet_pick(&net, -50, 50), n_dims, dims);
    int list = tfnet_ints(&net, axes, n_axes);
    tfnet_op(&net, TFLITE_OP_MEAN, out, INPUTS(in, list))->keep_dims = keep;
    return out;
}

static inline int transpose(int in, int n, const int32_t *perm)
{
    int32_t dims[6];
    for (int d = 0; d < n; d++)
        dims[d] = net.tensors[in].dims[perm[d]];
    return with_ints(TFLITE_OP_TRANSPOSE, in, n, perm, n, dims);
}

static inline int reshape(int in, int n_dims, const int32_t *dims)
{
    return with_ints(TFLITE_OP_RESHAPE, in, n_dims, dims, n_dims, dims);
}

#define K(c, k) ((struct conv){.out_c = (c), .kh = (k), .kw = (k)})
#define NHWC_TO_NCHW                                                                               \
    4, (const int32_t[])                                                                           \
    {                                                                                              \
        0, 3, 1, 2                                                                                 \
    }
#define NCHW_TO_NHWC                                                                               \
    4, (const int32_t[])                                                                           \
    {                                                                                              \
        0, 2, 3, 1                                                                                 \
    }

/* ---- random networks ---- */

// A chain of random operators with an occasional residual, over [1, H, W, C].
static inline int random_net(uint32_t seed)
{
    net_begin(seed * 2654435761u + 1);
    int h = tfnet_pick(&net, 1, 9), w = tfnet_pick(&net, 1, 9), c = tfnet_pick(&net, 1, 6);
    bool chw = tfnet_pick(&net, 0, 3) == 0;
    int at = chw ? net_input(0.04f, tfnet_pick(&net, -128, 127), DIMS(1, c, h, w))
                 : net_input(0.04f, tfnet_pick(&net, -128, 127), DIMS(1, h, w, c));
    if (chw)
        at = transpose(at, NCHW_TO_NHWC);
    int n = tfnet_pick(&net, 1, 7);
    for (int i = 0; i < n; i++) {
        const int32_t *d = net.tensors[at].dims;
        int kh = tfnet_pick(&net, 1, d[1] < 3 ? d[1] : 3),
            kw = tfnet_pick(&net, 1, d[2] < 3 ? d[2] : 3);
        int sh = tfnet_pick(&net, 1, 2), sw = tfnet_pick(&net, 1, 2);
        bool same = tfnet_pick(&net, 0, 1), wide = d[1] < 20 && d[2] < 20;
        struct conv any = {.out_c = tfnet_pick(&net, 1, 8),
                           .kh = kh,
                           .kw = kw,
                           .sh = sh,
                           .sw = sw,
                           .same = same,
                           .per_channel = tfnet_pick(&net, 0, 1),
                           .act = (enum tflite_activation)tfnet_pick(&net, 0, 3)};
        switch (tfnet_pick(&net, 0, 11)) {
        case 0:
        case 1:
            at = conv(at, any);
            break;
        case 2:
            any.mult = tfnet_pick(&net, 1, d[3] < 5 ? 2 : 1);
            at = conv(at, any);
            break;
        case 3:
            at = wide ? pad(at, tfnet_pick(&net, 0, 2), tfnet_pick(&net, 0, 2),
                            tfnet_pick(&net, 0, 2), tfnet_pick(&net, 0, 2))
                      : at;
            break;
        case 4:
            at = pool(tfnet_pick(&net, 0, 1) ? TFLITE_OP_MAX_POOL_2D : TFLITE_OP_AVERAGE_POOL_2D,
                      at, kh, kw, sh, sw, same);
            break;
        case 5: {
            any.sh = any.sw = 1;
            any.same = true;
            any.out_c = d[3];
            int side = conv(at, any);
            at = add(at, side, 0.5f, tfnet_pick(&net, -100, 100));
            break;
        }
        case 6:
            at = unary_like(tfnet_pick(&net, 0, 1) ? TFLITE_OP_RELU : TFLITE_OP_RELU6, at);
            break;
        case 7:
            at = unary(tfnet_pick(&net, 0, 1) ? TFLITE_OP_RELU : TFLITE_OP_QUANTIZE, at, 0.3f,
                       tfnet_pick(&net, -128, 0));
            break;
        case 8:
            at = wide ? pad_value(at, 1, tfnet_pick(&net, 0, 1) ? -128 : 9) : at;
            break;
        case 9:
            at = mean(at, 1, (int32_t[]){tfnet_pick(&net, 0, 1) ? 1 : -3}, true,
                      DIMS(1, 1, d[2], d[3]));
            break;
        case 10:
            at = transpose(transpose(at, NHWC_TO_NCHW), NCHW_TO_NHWC);
            break;
        default:
            at = reshape(at, DIMS(1, d[2], d[1], d[3]));
            break;
        }
    }
    const int32_t *d = net.tensors[at].dims;
    int k = d[1] * d[2] * d[3];
    switch (tfnet_pick(&net, 0, 5)) {
    case 0:
        return transpose(at, NHWC_TO_NCHW);
    case 1:
        return k <= 400 ? dense(reshape(at, DIMS(1, k)), 4, k, DIMS(1, 4)) : at;
    case 2:
        return k <= 400 ? dense(reshape(transpose(at, NHWC_TO_NCHW), DIMS(1, k)), 3, k, DIMS(1, 3))
                        : at;
    case 3:
        return mean(at, 2, (int32_t[]){1, 2}, false, DIMS(1, d[3]));
    default:
        return at;
    }
}

#endif
