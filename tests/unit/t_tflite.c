// SPDX-License-Identifier: MIT
// The TFLite reader: what it reads from a good file, and that no bad one breaks it: cut short at every length, every bit
// flipped, every 32-bit word replaced by hostile values. Each copy lies in memory of exactly its size, so that a
// sanitizer sees the first byte read beyond it.
#include "server/planner/tflite.h"
#include "server/planner/graph.h"
#include "tests/tap.h"
#include "tests/tfnet.h"

static struct tfnet net;

static void put_f32(struct tfnet_tensor *t, float scale, int64_t zero)
{
    t->n_scales = 1;
    t->scale[0] = scale;
    t->zero = zero;
}

// [1, 5, 4, 2] -> CONV 3x3 -> RESHAPE -> SOFTMAX.
static void make_small(struct buf *b)
{
    memset(&net, 0, sizeof net);
    int x = tfnet_act(&net, 0.5f, -7, 4, (int32_t[]){1, 5, 4, 2});
    int w = tfnet_weights(&net, 0.25f, 4, (int32_t[]){3, 3, 3, 2}, 0, 3);
    int bias = tfnet_bias(&net, 3);
    int y = tfnet_act(&net, 8.0f, 11, 4, (int32_t[]){1, 3, 2, 3});
    struct tfnet_op *op = tfnet_op(&net, TFLITE_OP_CONV_2D, y, 3, (int32_t[]){x, w, bias});
    op->act = TFLITE_ACT_RELU6;
    int shape = tfnet_ints(&net, (int32_t[]){1, 18}, 2);
    int flat = tfnet_act(&net, 8.0f, 11, 2, (int32_t[]){1, 18});
    tfnet_op(&net, TFLITE_OP_RESHAPE, flat, 2, (int32_t[]){y, shape});
    int out = tfnet_act(&net, 1.0f / 256, -128, 2, (int32_t[]){1, 18});
    tfnet_op(&net, TFLITE_OP_SOFTMAX, out, 1, (int32_t[]){flat})->beta = 2;
    net.inputs[net.n_inputs++] = x;
    net.outputs[net.n_outputs++] = out;
    buf_init(b, 1u << 20);
    tfnet_write(&net, b);
}

static void test_good(void)
{
    struct buf b;
    struct tflite_model m;
    struct err e = {0};
    make_small(&b);
    if (OKF(!b.failed && tflite_parse(&m, b.data, b.len, &e) == 0, "a good file parses %s",
            e.msg)) {
        EQ_INT(m.n_tensors, 7);
        EQ_INT(m.n_ops, 3);
        EQ_INT(m.n_inputs, 1);
        EQ_INT(m.outputs[0], 6);
        EQ_STR(m.description, "test");
        EQ_STR(m.tensors[1].name, "t01");
        EQ_INT(m.tensors[1].type, TFLITE_INT8);
        EQ_INT(m.tensors[1].elements, 54);
        EQ_INT(m.tensors[1].data_bytes, 54);
        OK(m.tensors[1].data && memcmp(m.tensors[1].data, net.tensors[1].data, 54) == 0);
        EQ_INT(m.tensors[1].n_scales, 3);
        OK(tflite_scale(&m.tensors[1], 2) == net.tensors[1].scale[2]);
        OK(m.tensors[0].data == NULL);
        EQ_INT(m.tensors[0].dims[1], 5);
        EQ_INT(tflite_zero(&m.tensors[0], 0), -7);
        EQ_INT(tflite_zero(&m.tensors[0], 5), -7);
        OK(tflite_scale(&m.tensors[0], 5) == 0.5f);
        EQ_STR(m.ops[0].name, "CONV_2D");
        EQ_INT(m.ops[0].stride_h, 1);
        EQ_INT(m.ops[0].padding_same, false);
        EQ_INT(m.ops[0].activation, TFLITE_ACT_RELU6);
        EQ_INT(m.ops[0].inputs[2], 2);
        OK(m.ops[2].beta == 2.0f);
        tflite_free(&m);
    }
    buf_free(&b);
}

struct outcome {
    int parsed, built, silent; // silent: refused without words
};

// Parses a copy of exactly n bytes; whatever parses is imported as well.
static void try_bytes(const uint8_t *bytes, size_t n, struct outcome *o)
{
    struct tflite_model m;
    struct graph g = {0};
    struct err e = {0};
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, bytes, n);
    if (tflite_parse(&m, copy, n, &e) == 0) {
        o->parsed++;
        if (graph_build(&g, &m, &e) == 0)
            o->built++;
        else
            o->silent += e.msg[0] == 0;
    } else {
        o->silent += e.msg[0] == 0 || m.storage != NULL;
    }
    graph_free(&g);
    tflite_free(&m);
    free(copy);
}

// Behind the last constant come only the empty buffers of activations, which nothing points to.
static size_t last_needed(const struct buf *b)
{
    struct tflite_model m;
    size_t end = 0;
    if (tflite_parse(&m, b->data, b->len, NULL))
        return b->len;
    for (int i = 0; i < m.n_tensors; i++) {
        const struct tflite_tensor *t = &m.tensors[i];
        size_t last = t->data ? (size_t)(t->data - b->data) + t->data_bytes : 0;
        end = last > end ? last : end;
    }
    tflite_free(&m);
    return end;
}

static void test_truncated(void)
{
    struct buf b;
    struct outcome o = {0};
    make_small(&b);
    size_t end = last_needed(&b);
    for (size_t n = 0; n < end; n++)
        try_bytes(b.data, n, &o);
    OKF(o.parsed == 0 && o.silent == 0 && end > 1000,
        "cut short anywhere in %zu bytes it is refused with a reason (%d parsed)", end, o.parsed);
    for (size_t n = end; n <= b.len; n++)
        try_bytes(b.data, n, &o);
    EQ_INT(o.built, b.len - end + 1);
    buf_free(&b);
}

static void test_bit_flips(void)
{
    struct buf b;
    struct outcome o = {0};
    make_small(&b);
    for (size_t i = 0; i < 8 * b.len; i++) {
        b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
        try_bytes(b.data, b.len, &o);
        b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    OKF(o.silent == 0 && o.parsed > 0 && o.parsed < 8 * (int)b.len,
        "%zu flipped bits: %d still parse, %d still build, the rest is refused with a reason",
        8 * b.len, o.parsed, o.built);
    buf_free(&b);
}

static void test_hostile_words(void)
{
    static const uint32_t words[] = {0,          1,          4,          0x7fffffff, 0x80000000,
                                     0xffffffff, 0xfffffffc, 0x3fffffff, 0x40000000, 0x00010001};
    struct buf b;
    struct outcome o = {0};
    int tried = 0;
    make_small(&b);
    for (size_t at = 0; at + 4 <= b.len; at += 2) {
        uint8_t saved[4];
        memcpy(saved, b.data + at, 4);
        for (size_t k = 0; k < sizeof words / sizeof *words; k++, tried++) {
            for (int byte = 0; byte < 4; byte++)
                b.data[at + (size_t)byte] = (uint8_t)(words[k] >> (8 * byte));
            try_bytes(b.data, b.len, &o);
        }
        memcpy(b.data + at, saved, 4);
    }
    OKF(o.silent == 0 && tried > 1000,
        "%d hostile words: %d parse, %d build, the rest is refused with a reason", tried, o.parsed,
        o.built);
    buf_free(&b);
}

static void refused(const char *what, struct buf *b, enum err_code code, const char *text)
{
    struct tflite_model m;
    struct err e = {0};
    int rc = tflite_parse(&m, b->data, b->len, &e);
    OKF(rc == -1 && e.code == code && strstr(e.msg, text) != NULL, "%s: %s", what,
        rc ? e.msg : "accepted");
    tflite_free(&m);
    buf_free(b);
}

// A model table with the given fields, every vector empty unless it is linked.
static size_t begin_model(struct buf *b, const struct fb_field *fields, size_t n)
{
    buf_init(b, 1u << 20);
    fb_begin(b, "TFL3");
    size_t model = fb_table(b, fields, n);
    fb_link_root(b, model);
    return model;
}

static void test_refusals(void)
{
    struct buf b;
    make_small(&b);
    b.data[4] = 'X';
    refused("another identifier", &b, ERR_BAD_MODEL, "byte 4, file identifier");
    buf_init(&b, 100);
    buf_add(&b, "short", 5);
    refused("five bytes", &b, ERR_BAD_MODEL, "too few");
    begin_model(&b, (struct fb_field[]){fb_i32(0, 2)}, 1);
    refused("schema version 2", &b, ERR_BAD_MODEL, "field version: schema version 2");
    begin_model(&b, (struct fb_field[]){fb_i32(0, 3)}, 1);
    refused("no subgraph", &b, ERR_BAD_MODEL, "table Model[0], field subgraphs");

    size_t model = begin_model(&b, (struct fb_field[]){fb_i32(0, 3), fb_ref(2)}, 2);
    size_t subs = fb_refs(&b, 2);
    fb_link(&b, model, 2, subs);
    size_t sub = fb_table(&b, NULL, 0);
    fb_link_at(&b, subs, 0, sub);
    fb_link_at(&b, subs, 1, sub);
    refused("two subgraphs", &b, ERR_UNSUPPORTED, "2 subgraphs");

    // A vector whose count wraps around when it is multiplied by the size of its elements.
    model = begin_model(&b, (struct fb_field[]){fb_i32(0, 3), fb_ref(2)}, 2);
    fb_link(&b, model, 2, fb_i32s(&b, (int32_t[]){0x40000001, 0}, 2));
    size_t count = b.len - 12;
    memcpy(b.data + count, (uint8_t[]){1, 0, 0, 0x40}, 4);
    refused("a vector that wraps around", &b, ERR_BAD_MODEL, "1073741825 elements does not fit");

    memset(&net, 0, sizeof net);
    tfnet_act(&net, 1, 0, 4, (int32_t[]){1, 65536, 65536, 65536});
    buf_init(&b, 1u << 20);
    tfnet_write(&net, &b);
    refused("too many elements", &b, ERR_BAD_MODEL,
            "table Tensor[0], field shape: 't00' has more than");

    memset(&net, 0, sizeof net);
    tfnet_act(&net, 1, 0, 2, (int32_t[]){1, -1});
    buf_init(&b, 1u << 20);
    tfnet_write(&net, &b);
    refused("a negative dimension", &b, ERR_BAD_MODEL, "dimension 1 of 't00' is -1");

    memset(&net, 0, sizeof net);
    tfnet_weights(&net, 1, 1, (int32_t[]){8}, 0, 1);
    net.tensors[0].dims[0] = 9;
    buf_init(&b, 1u << 20);
    tfnet_write(&net, &b);
    refused("a constant that is too short", &b, ERR_BAD_MODEL,
            "8 bytes, but tensor 0 't00' needs 9");

    memset(&net, 0, sizeof net);
    tfnet_op(&net, TFLITE_OP_RELU, 0, 1, (int32_t[]){1});
    tfnet_act(&net, 1, 0, 1, (int32_t[]){1});
    buf_init(&b, 1u << 20);
    tfnet_write(&net, &b);
    refused("an operator that reads tensor 1 of 1", &b, ERR_BAD_MODEL,
            "field inputs: element 0 is tensor 1 of 1");

    struct tflite_model m;
    struct err e = {0};
    int rc = tflite_parse(&m, "", (size_t)TFLITE_MAX_FILE_BYTES + 1, &e);
    OKF(rc == -1 && e.code == ERR_BAD_MODEL, "a file that is too large is refused unread: %s",
        e.msg);
}

// Constants behind the flatbuffer, as in models beyond 2 GB: Buffer.offset and Buffer.size.
static void test_outside_buffer(void)
{
    for (int beyond = 0; beyond < 2; beyond++) {
        struct buf b;
        memset(&net, 0, sizeof net);
        int w = tfnet_weights(&net, 1, 1, (int32_t[]){8}, 0, 1);
        net.inputs[net.n_inputs++] = w;
        size_t model = begin_model(&b, (struct fb_field[]){fb_i32(0, 3), fb_ref(2), fb_ref(4)}, 3);
        size_t subs = fb_refs(&b, 1);
        fb_link(&b, model, 2, subs);
        size_t sub = fb_table(&b, (struct fb_field[]){fb_ref(0)}, 1);
        fb_link_at(&b, subs, 0, sub);
        size_t tensors = fb_refs(&b, 1);
        fb_link(&b, sub, 0, tensors);
        fb_link_at(&b, tensors, 0, tfnet_write_tensor(&b, &net.tensors[0], 0, 1));
        size_t buffers = fb_refs(&b, 2);
        fb_link(&b, model, 4, buffers);
        fb_link_at(&b, buffers, 0, fb_table(&b, NULL, 0));
        // A table {offset: ulong, size: ulong} by hand: the writer has no 64-bit fields.
        buf_align(&b, 4);
        size_t vtable = b.len;
        buf_add(&b, (uint8_t[]){10, 0, 20, 0, 0, 0, 4, 0, 12, 0, 0, 0}, 12);
        size_t table = b.len;
        uint64_t at = table + 20 + (beyond ? 1 : 0), size = 8;
        uint8_t bytes[20] = {(uint8_t)(table - vtable)};
        for (int i = 0; i < 8; i++) {
            bytes[4 + i] = (uint8_t)(at >> (8 * i));
            bytes[12 + i] = (uint8_t)(size >> (8 * i));
        }
        buf_add(&b, bytes, sizeof bytes);
        fb_link_at(&b, buffers, 1, table);
        buf_add(&b, "\1\2\3\4\5\6\7\10", 8);
        if (beyond) {
            refused("a constant beyond the end", &b, ERR_BAD_MODEL,
                    "table Buffer[1], field offset: 8 bytes");
            continue;
        }
        struct tflite_model m;
        struct err e = {0};
        int rc = tflite_parse(&m, b.data, b.len, &e);
        OKF(rc == 0 && m.tensors[0].data == b.data + at && m.tensors[0].data_bytes == 8,
            "a constant behind the flatbuffer is found %s", e.msg);
        tflite_free(&m);
        buf_free(&b);
    }
}

static void test_names(void)
{
    struct buf b;
    struct tflite_model m;
    struct err e = {0};
    memset(&net, 0, sizeof net);
    int x = tfnet_tensor(&net, TFLITE_FLOAT32, 1, (int32_t[]){1});
    put_f32(&net.tensors[x], 1, 0);
    tfnet_op(&net, 27, x, 1, (int32_t[]){x});
    tfnet_op(&net, TFLITE_OP_CUSTOM, x, 1, (int32_t[]){x});
    tfnet_op(&net, 209, x, 1, (int32_t[]){-1});
    buf_init(&b, 1u << 20);
    tfnet_write(&net, &b);
    if (OKF(tflite_parse(&m, b.data, b.len, &e) == 0, "unknown operators parse %s", e.msg)) {
        EQ_STR(m.ops[0].name, "SVDF");
        EQ_STR(m.ops[1].name, "CUSTOM()");
        EQ_STR(m.ops[2].name, "BUILTIN(209)");
        EQ_INT(m.ops[2].inputs[0], -1);
        tflite_free(&m);
    }
    buf_free(&b);
    EQ_STR(tflite_type_name(TFLITE_INT8), "int8");
    EQ_STR(tflite_type_name((enum tflite_type)200), "an unknown type");
    EQ_INT(tflite_type_bytes((enum tflite_type)5), 0);
    tflite_free(&m); // twice is harmless
}

int main(void)
{
    test_good();
    test_truncated();
    test_bit_flips();
    test_hostile_words();
    test_refusals();
    test_outside_buffer();
    test_names();
    return tap_done();
}
