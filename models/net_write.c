// SPDX-License-Identifier: MIT
// A finished network -> the bytes of a .tflite file. Field numbers are those of TFLite's
// schema.fbs, version 3.
//
//   root | TFL3 | Model | description | operator codes | subgraph: tensors, operators | buffers
//   (16-aligned data)
//
// Buffer 0 is empty and belongs to every activation; each constant has its own.
#include "models/net.h"

#include <stdlib.h>

#include "models/fb.h"

#define SCHEMA_VERSION 3
#define MAX_FILE_BYTES (32u << 20)

// The version of each operator that knows int8, and its options' member of the union
// BuiltinOptions.
static const struct {
    enum net_code code;
    int version, options_type;
} ops[] = {
    // clang-format off
    {NET_ADD,               2, 11},
    {NET_AVERAGE_POOL_2D,   2, 5},
    {NET_CONV_2D,           3, 1},
    {NET_DEPTHWISE_CONV_2D, 3, 2},
    {NET_FULLY_CONNECTED,   4, 8},
    {NET_MAX_POOL_2D,       2, 5},
    {NET_RESHAPE,           1, 17},
    {NET_SOFTMAX,           2, 9},
    {NET_PAD,               2, 22},
    {NET_MEAN,              2, 27},
    // clang-format on
};
#define N_OPS (sizeof ops / sizeof *ops)

static size_t op_row(enum net_code code)
{
    size_t i = 0;
    while (i < N_OPS - 1 && ops[i].code != code)
        i++;
    return i;
}

static size_t write_options(struct buf *b, const struct net_op *op, const struct net_tensor *out)
{
    int padding = op->same ? 0 : 1; // Padding.SAME, Padding.VALID
    switch (op->code) {
    case NET_ADD:
    case NET_FULLY_CONNECTED:
        return fb_table(b, (struct fb_field[]){fb_u8(0, (int)op->act)}, 1);
    case NET_CONV_2D:
        return fb_table(b,
                        (struct fb_field[]){fb_u8(0, padding), fb_i32(1, op->stride_w),
                                            fb_i32(2, op->stride_h), fb_u8(3, (int)op->act),
                                            fb_i32(4, 1), fb_i32(5, 1)},
                        6);
    case NET_DEPTHWISE_CONV_2D:
        return fb_table(b,
                        (struct fb_field[]){fb_u8(0, padding), fb_i32(1, op->stride_w),
                                            fb_i32(2, op->stride_h), fb_i32(3, op->multiplier),
                                            fb_u8(4, (int)op->act), fb_i32(5, 1), fb_i32(6, 1)},
                        7);
    case NET_AVERAGE_POOL_2D:
    case NET_MAX_POOL_2D:
        return fb_table(b,
                        (struct fb_field[]){fb_u8(0, padding), fb_i32(1, op->stride_w),
                                            fb_i32(2, op->stride_h), fb_i32(3, op->filter_w),
                                            fb_i32(4, op->filter_h), fb_u8(5, (int)op->act)},
                        6);
    case NET_RESHAPE: {
        size_t t = fb_table(b, (struct fb_field[]){fb_ref(0)}, 1);
        fb_link(b, t, 0, fb_i32s(b, (int32_t[]){out->dims[0], out->dims[1]}, 2));
        return t;
    }
    case NET_SOFTMAX:
        return fb_table(b, (struct fb_field[]){fb_f32(0, 1.0f)}, 1); // beta
    case NET_MEAN:
        return fb_table(b, (struct fb_field[]){fb_u8(0, 0)}, 1); // keep_dims
    case NET_PAD:
        break;
    }
    return fb_table(b, NULL, 0);
}

static size_t write_op(struct buf *b, const struct net *n, const struct net_op *op,
                       const int *opcode_index)
{
    size_t row = op_row(op->code);
    size_t t = fb_table(b,
                        (struct fb_field[]){fb_i32(0, opcode_index[row]), fb_ref(1), fb_ref(2),
                                            fb_u8(3, ops[row].options_type), fb_ref(4)},
                        5);
    int32_t inputs[3], output = op->output;
    for (int i = 0; i < op->n_inputs; i++)
        inputs[i] = op->inputs[i];
    fb_link(b, t, 1, fb_i32s(b, inputs, (size_t)op->n_inputs));
    fb_link(b, t, 2, fb_i32s(b, &output, 1));
    fb_link(b, t, 4, write_options(b, op, &n->tensors[op->output]));
    return t;
}

static size_t write_quantization(struct buf *b, const struct net_tensor *t)
{
    size_t q =
        fb_table(b, (struct fb_field[]){fb_ref(2), fb_ref(3), fb_i32(6, t->quantized_dim)}, 3);
    size_t count = (size_t)t->n_scales;
    float *scales = calloc(count, sizeof *scales);
    int64_t *zeros = calloc(count, sizeof *zeros);
    if (scales && zeros) {
        for (size_t i = 0; i < count; i++) {
            scales[i] = scale_float(t->scales[i]);
            zeros[i] = t->zero;
        }
        fb_link(b, q, 2, fb_f32s(b, scales, count));
        fb_link(b, q, 3, fb_i64s(b, zeros, count));
    } else {
        b->failed = true;
    }
    free(zeros);
    free(scales);
    return q;
}

static size_t write_tensor(struct buf *b, const struct net_tensor *t, int buffer)
{
    struct fb_field fields[5] = {fb_ref(0), fb_u8(1, (int)t->type), fb_i32(2, buffer), fb_ref(3),
                                 fb_ref(4)};
    size_t at = fb_table(b, fields, t->n_scales ? 5 : 4);
    int32_t dims[4];
    for (int i = 0; i < t->n_dims; i++)
        dims[i] = t->dims[i];
    fb_link(b, at, 0, fb_i32s(b, dims, (size_t)t->n_dims));
    fb_link(b, at, 3, fb_string(b, t->name));
    if (t->n_scales)
        fb_link(b, at, 4, write_quantization(b, t));
    return at;
}

static size_t write_subgraph(struct buf *b, const struct net *n, const int *opcode_index)
{
    size_t t =
        fb_table(b, (struct fb_field[]){fb_ref(0), fb_ref(1), fb_ref(2), fb_ref(3), fb_ref(4)}, 5);
    int32_t input = 0, output = n->output;
    size_t tensors = fb_refs(b, (size_t)n->n_tensors);
    fb_link(b, t, 0, tensors);
    int buffer = 1;
    for (int i = 0; i < n->n_tensors; i++) {
        bool constant = n->tensors[i].data != NULL;
        fb_link_at(b, tensors, (size_t)i, write_tensor(b, &n->tensors[i], constant ? buffer : 0));
        buffer += constant;
    }
    fb_link(b, t, 1, fb_i32s(b, &input, 1));
    fb_link(b, t, 2, fb_i32s(b, &output, 1));
    size_t operators = fb_refs(b, (size_t)n->n_ops);
    fb_link(b, t, 3, operators);
    for (int i = 0; i < n->n_ops; i++)
        fb_link_at(b, operators, (size_t)i, write_op(b, n, &n->ops[i], opcode_index));
    fb_link(b, t, 4, fb_string(b, "main"));
    return t;
}

// A constant's elements, little-endian.
static size_t write_data(struct buf *b, const struct net_tensor *t)
{
    if (t->type == NET_INT8)
        return fb_bytes(b, t->data, t->elements);
    struct buf le;
    buf_init(&le, MAX_FILE_BYTES);
    for (size_t i = 0; i < t->elements; i++) {
        uint32_t v = (uint32_t)((const int32_t *)t->data)[i];
        buf_add(&le,
                (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)},
                4);
    }
    b->failed |= le.failed;
    size_t at = fb_bytes(b, le.data, le.len);
    buf_free(&le);
    return at;
}

static size_t write_buffers(struct buf *b, const struct net *n)
{
    size_t count = 1;
    for (int i = 0; i < n->n_tensors; i++)
        count += n->tensors[i].data != NULL;
    size_t buffers = fb_refs(b, count);
    fb_link_at(b, buffers, 0, fb_table(b, NULL, 0));
    size_t at = 1;
    for (int i = 0; i < n->n_tensors; i++) {
        if (!n->tensors[i].data)
            continue;
        size_t t = fb_table(b, (struct fb_field[]){fb_ref(0)}, 1);
        fb_link_at(b, buffers, at++, t);
        fb_link(b, t, 0, write_data(b, &n->tensors[i]));
    }
    return buffers;
}

int net_write(const struct net *n, struct buf *out, struct err *e)
{
    if (n->err.code)
        return err_set(e, n->err.code, "%s", n->err.msg);
    struct buf b;
    buf_init(&b, MAX_FILE_BYTES);
    fb_begin(&b, "TFL3");
    size_t model = fb_table(
        &b,
        (struct fb_field[]){fb_i32(0, SCHEMA_VERSION), fb_ref(1), fb_ref(2), fb_ref(3), fb_ref(4)},
        5);
    fb_link_root(&b, model);
    fb_link(&b, model, 3, fb_string(&b, n->description));

    bool used[N_OPS] = {false};
    int opcode_index[N_OPS] = {0};
    int n_codes = 0;
    for (int i = 0; i < n->n_ops; i++)
        used[op_row(n->ops[i].code)] = true;
    for (size_t i = 0; i < N_OPS; i++) {
        if (used[i])
            opcode_index[i] = n_codes++;
    }
    size_t codes = fb_refs(&b, (size_t)n_codes);
    fb_link(&b, model, 1, codes);
    for (size_t i = 0; i < N_OPS; i++) {
        int code = (int)ops[i].code;
        if (used[i]) // the code twice: old readers know field 0 alone, new ones read field 3
            fb_link_at(&b, codes, (size_t)opcode_index[i],
                       fb_table(&b,
                                (struct fb_field[]){fb_u8(0, code), fb_i32(2, ops[i].version),
                                                    fb_i32(3, code)},
                                3));
    }
    size_t subgraphs = fb_refs(&b, 1);
    fb_link(&b, model, 2, subgraphs);
    fb_link_at(&b, subgraphs, 0, write_subgraph(&b, n, opcode_index));
    fb_link(&b, model, 4, write_buffers(&b, n));
    buf_align(&b, 16);
    buf_add(out, b.data, b.failed ? 0 : b.len);
    bool failed = b.failed || out->failed;
    buf_free(&b);
    if (failed)
        return err_set(e, ERR_TOO_LARGE,
                       "%s: the file would be larger than %u bytes, or memory ran out",
                       n->description, MAX_FILE_BYTES);
    return 0;
}
