// SPDX-License-Identifier: MIT
// Small TFLite files for tests, any operator in any shape, right or wrong: list tensors and operators, then write.
// Nothing is checked; too many tensors or operators abort the test.
#ifndef TESTS_TFNET_H
#define TESTS_TFNET_H

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "models/fb.h"
#include "server/planner/tflite.h"

#define TFNET_MAX 64

struct tfnet_tensor {
    enum tflite_type type;
    int n_dims;
    int32_t dims[6];
    int n_scales;
    float scale[32];
    int64_t zero;
    int quantized_dim;
    size_t bytes; // 0: an activation
    uint8_t data[2048];
};

struct tfnet_op {
    int code;
    int n_inputs;
    int32_t inputs[4], output;
    bool same, keep_dims;
    int kh, kw, sh, sw, dilation, mult; // 0 for a stride, dilation or multiplier means 1
    enum tflite_activation act;
    float beta;
};

struct tfnet {
    uint32_t state; // of the generator
    int n_tensors, n_ops, n_inputs, n_outputs;
    struct tfnet_tensor tensors[TFNET_MAX];
    struct tfnet_op ops[TFNET_MAX];
    int32_t inputs[4], outputs[4];
};

static inline uint32_t tfnet_next(struct tfnet *n)
{
    n->state = n->state ? n->state : 0x12345678u;
    n->state ^= n->state << 13;
    n->state ^= n->state >> 17;
    n->state ^= n->state << 5;
    return n->state;
}

static inline int tfnet_pick(struct tfnet *n, int low, int high)
{
    return low + (int)((tfnet_next(n) >> 8) % (uint32_t)(high - low + 1));
}

static inline int tfnet_tensor(struct tfnet *n, enum tflite_type type, int n_dims,
                               const int32_t *dims)
{
    if (n->n_tensors == TFNET_MAX || n_dims > 6)
        abort();
    struct tfnet_tensor *t = &n->tensors[n->n_tensors];
    *t = (struct tfnet_tensor){.type = type, .n_dims = n_dims};
    if (n_dims)
        memcpy(t->dims, dims, (size_t)n_dims * sizeof *dims);
    return n->n_tensors++;
}

// An int8 activation.
static inline int tfnet_act(struct tfnet *n, float scale, int zero, int n_dims, const int32_t *dims)
{
    int i = tfnet_tensor(n, TFLITE_INT8, n_dims, dims);
    n->tensors[i].n_scales = 1;
    n->tensors[i].scale[0] = scale;
    n->tensors[i].zero = zero;
    return i;
}

static inline int tfnet_ints(struct tfnet *n, const int32_t *v, int count)
{
    int i = tfnet_tensor(n, TFLITE_INT32, 1, (int32_t[]){count});
    n->tensors[i].bytes = 4 * (size_t)count;
    for (int k = 0; k < count; k++) {
        for (int byte = 0; byte < 4; byte++)
            n->tensors[i].data[4 * k + byte] = (uint8_t)((uint32_t)v[k] >> (8 * byte));
    }
    return i;
}

// Random weights; channels > 1 gives a scale to each index of dimension dim.
static inline int tfnet_weights(struct tfnet *n, float scale, int n_dims, const int32_t *dims,
                                int dim, int channels)
{
    int i = tfnet_tensor(n, TFLITE_INT8, n_dims, dims);
    struct tfnet_tensor *t = &n->tensors[i];
    t->bytes = 1;
    for (int d = 0; d < n_dims; d++)
        t->bytes *= (size_t)dims[d];
    if (t->bytes > sizeof t->data || channels > 32)
        abort();
    for (size_t k = 0; k < t->bytes; k++)
        t->data[k] = (uint8_t)tfnet_pick(n, -127, 127);
    t->n_scales = channels;
    t->quantized_dim = dim;
    for (int c = 0; c < channels; c++)
        t->scale[c] = scale * (1.0f + 0.1f * (float)c);
    return i;
}

static inline int tfnet_bias(struct tfnet *n, int count)
{
    int32_t v[64];
    for (int k = 0; k < count && k < 64; k++)
        v[k] = tfnet_pick(n, -2000, 2000);
    return tfnet_ints(n, v, count);
}

static inline struct tfnet_op *tfnet_op(struct tfnet *n, int code, int output, int n_inputs,
                                        const int32_t *inputs)
{
    if (n->n_ops == TFNET_MAX || n_inputs > 4)
        abort();
    struct tfnet_op *op = &n->ops[n->n_ops++];
    *op = (struct tfnet_op){.code = code, .n_inputs = n_inputs, .output = output, .beta = 1};
    memcpy(op->inputs, inputs, (size_t)n_inputs * sizeof *inputs);
    return op;
}

static inline size_t tfnet_write_options(struct buf *b, const struct tfnet_op *op, int *kind)
{
    int pad = op->same ? 0 : 1, sh = op->sh ? op->sh : 1, sw = op->sw ? op->sw : 1;
    int act = (int)op->act, dil = op->dilation ? op->dilation : 1;
    *kind = 0;
    switch (op->code) {
    case TFLITE_OP_CONV_2D:
        *kind = 1;
        return fb_table(b,
                        (struct fb_field[]){fb_u8(0, pad), fb_i32(1, sw), fb_i32(2, sh),
                                            fb_u8(3, act), fb_i32(4, dil), fb_i32(5, dil)},
                        6);
    case TFLITE_OP_DEPTHWISE_CONV_2D:
        *kind = 2;
        return fb_table(b,
                        (struct fb_field[]){fb_u8(0, pad), fb_i32(1, sw), fb_i32(2, sh),
                                            fb_i32(3, op->mult ? op->mult : 1), fb_u8(4, act),
                                            fb_i32(5, dil), fb_i32(6, dil)},
                        7);
    case TFLITE_OP_AVERAGE_POOL_2D:
    case TFLITE_OP_MAX_POOL_2D:
        *kind = 5;
        return fb_table(b,
                        (struct fb_field[]){fb_u8(0, pad), fb_i32(1, sw), fb_i32(2, sh),
                                            fb_i32(3, op->kw), fb_i32(4, op->kh), fb_u8(5, act)},
                        6);
    case TFLITE_OP_FULLY_CONNECTED:
        *kind = 8;
        return fb_table(b, (struct fb_field[]){fb_u8(0, act)}, 1);
    case TFLITE_OP_SOFTMAX:
        *kind = 9;
        return fb_table(b, (struct fb_field[]){fb_f32(0, op->beta)}, 1);
    case TFLITE_OP_ADD:
        *kind = 11;
        return fb_table(b, (struct fb_field[]){fb_u8(0, act)}, 1);
    case TFLITE_OP_MEAN:
        *kind = 27;
        return fb_table(b, (struct fb_field[]){fb_u8(0, op->keep_dims)}, 1);
    default:
        return fb_table(b, NULL, 0);
    }
}

static inline size_t tfnet_write_tensor(struct buf *b, const struct tfnet_tensor *t, int index,
                                        int buffer)
{
    size_t at = fb_table(b,
                         (struct fb_field[]){fb_ref(0), fb_u8(1, (int)t->type), fb_i32(2, buffer),
                                             fb_ref(3), fb_ref(4)},
                         t->n_scales ? 5 : 4);
    fb_link(b, at, 0, fb_i32s(b, t->dims, (size_t)t->n_dims));
    char name[8] = {'t', (char)('0' + index / 10), (char)('0' + index % 10), 0};
    fb_link(b, at, 3, fb_string(b, name));
    if (t->n_scales) {
        int64_t zeros[32];
        for (int c = 0; c < t->n_scales; c++)
            zeros[c] = t->zero;
        size_t q =
            fb_table(b, (struct fb_field[]){fb_ref(2), fb_ref(3), fb_i32(6, t->quantized_dim)}, 3);
        fb_link(b, q, 2, fb_f32s(b, t->scale, (size_t)t->n_scales));
        fb_link(b, q, 3, fb_i64s(b, zeros, (size_t)t->n_scales));
        fb_link(b, at, 4, q);
    }
    return at;
}

static inline size_t tfnet_write_op(struct buf *b, const struct tfnet_op *op, int code_index)
{
    size_t at = fb_table(
        b, (struct fb_field[]){fb_i32(0, code_index), fb_ref(1), fb_ref(2), fb_u8(3, 0), fb_ref(4)},
        5);
    int kind;
    fb_link(b, at, 1, fb_i32s(b, op->inputs, (size_t)op->n_inputs));
    fb_link(b, at, 2, fb_i32s(b, &op->output, 1));
    fb_link(b, at, 4, tfnet_write_options(b, op, &kind));
    if (!b->failed) { // the union's tag, which is known only now: the table's only byte, behind its four references
        size_t vtable = at - b->data[at];
        b->data[at + b->data[vtable + 4 + 2 * 3]] = (uint8_t)kind;
    }
    return at;
}

// Appends the file; every operator has a code of its own.
static inline void tfnet_write(const struct tfnet *n, struct buf *b)
{
    fb_begin(b, "TFL3");
    size_t model = fb_table(
        b, (struct fb_field[]){fb_i32(0, 3), fb_ref(1), fb_ref(2), fb_ref(3), fb_ref(4)}, 5);
    fb_link_root(b, model);
    fb_link(b, model, 3, fb_string(b, "test"));
    size_t codes = fb_refs(b, (size_t)n->n_ops);
    fb_link(b, model, 1, codes);
    for (int i = 0; i < n->n_ops; i++)
        fb_link_at(b, codes, (size_t)i,
                   fb_table(b,
                            (struct fb_field[]){fb_u8(0, n->ops[i].code), fb_i32(2, 1),
                                                fb_i32(3, n->ops[i].code)},
                            3));
    size_t subgraphs = fb_refs(b, 1);
    fb_link(b, model, 2, subgraphs);
    size_t sub = fb_table(b, (struct fb_field[]){fb_ref(0), fb_ref(1), fb_ref(2), fb_ref(3)}, 4);
    fb_link_at(b, subgraphs, 0, sub);
    size_t tensors = fb_refs(b, (size_t)n->n_tensors);
    fb_link(b, sub, 0, tensors);
    for (int i = 0; i < n->n_tensors; i++)
        fb_link_at(b, tensors, (size_t)i,
                   tfnet_write_tensor(b, &n->tensors[i], i, n->tensors[i].bytes ? i + 1 : 0));
    fb_link(b, sub, 1, fb_i32s(b, n->inputs, (size_t)n->n_inputs));
    fb_link(b, sub, 2, fb_i32s(b, n->outputs, (size_t)n->n_outputs));
    size_t ops = fb_refs(b, (size_t)n->n_ops);
    fb_link(b, sub, 3, ops);
    for (int i = 0; i < n->n_ops; i++)
        fb_link_at(b, ops, (size_t)i, tfnet_write_op(b, &n->ops[i], i));
    size_t buffers = fb_refs(b, (size_t)n->n_tensors + 1);
    fb_link(b, model, 4, buffers);
    fb_link_at(b, buffers, 0, fb_table(b, NULL, 0));
    for (int i = 0; i < n->n_tensors; i++) {
        size_t t = fb_table(b, (struct fb_field[]){fb_ref(0)}, 1);
        fb_link_at(b, buffers, (size_t)i + 1, t);
        fb_link(b, t, 0, fb_bytes(b, n->tensors[i].data, n->tensors[i].bytes));
    }
}

#endif
