// SPDX-License-Identifier: MIT
// The import. On files made here, and on random ones: the graph computes the bytes that the reference interpreter
// computes from the file. What cannot be imported is refused by operator, tensor and reason. On the optional model
// folder: int8 networks build with the published number of MACs, everything else is refused by name.
#include <math.h>

#include "server/planner/graph.h"
#include "server/planner/reference.h"
#include "server/planner/tflite.h"
#include "tests/graph_run.h"
#include "tests/tfbuild.h"
#include "tests/unit/golden.h"

/* ---- comparing ---- */

struct imported {
    struct buf file;
    struct tflite_model m;
    struct graph g;
    struct err e;
    int rc;
};

static void import(struct imported *i)
{
    *i = (struct imported){.rc = -1};
    buf_init(&i->file, 4u << 20);
    tfnet_write(&net, &i->file);
    if (!i->file.failed)
        i->rc = tflite_parse(&i->m, i->file.data, i->file.len, &i->e);
    if (i->rc == 0)
        i->rc = graph_build(&i->g, &i->m, &i->e);
}

static void drop(struct imported *i)
{
    graph_free(&i->g);
    tflite_free(&i->m);
    buf_free(&i->file);
}

static size_t tensor_bytes(const struct tensor *t)
{
    return (size_t)t->h * (size_t)t->w * (size_t)t->c;
}

// The largest difference between the reference's output and the graph's on a random input; -1: something failed.
static int difference(const struct imported *i, uint32_t seed, bool extreme, struct err *e)
{
    const struct tensor *ti = &i->g.tensors[i->g.input], *to = &i->g.tensors[i->g.output];
    size_t n_in = tensor_bytes(ti), n_out = tensor_bytes(to), n = 0;
    struct tfnet random = {.state = seed};
    struct reference *r = NULL;
    int8_t *in = malloc(n_in), *hwc = malloc(n_in), *want = malloc(n_out), *got = NULL;
    int worst = -1;
    if (!in || !hwc || !want)
        goto out;
    for (size_t k = 0; k < n_in; k++) {
        int v = tfnet_pick(&random, -128, 127);
        in[k] = (int8_t)(extreme ? (v < 0 ? -128 : 127) : v);
    }
    if (reference_run_core(&i->m, in, n_in, &r, e))
        goto out;
    const int8_t *bytes = reference_tensor(r, reference_core_output(&i->m), &n);
    if (!bytes || n != n_out)
        goto out;
    memcpy(hwc, in, n_in);
    memcpy(want, bytes, n_out);
    if (i->g.input_chw)
        graph_run_permute(ti, in, hwc, false);
    if (i->g.output_chw)
        graph_run_permute(to, bytes, want, false);
    got = graph_run(&i->g, hwc, 1);
    if (!got)
        goto out;
    worst = 0;
    for (size_t k = 0; k < n_out; k++)
        worst = abs(got[k] - want[k]) > worst ? abs(got[k] - want[k]) : worst;
out:
    free(in);
    free(hwc);
    free(want);
    free(got);
    reference_free(r);
    return worst;
}

static void layer_list(const struct graph *g, char *out, size_t n)
{
    out[0] = 0;
    for (int i = 0; i < g->n_layers; i++) {
        size_t used = strlen(out);
        snprintf(out + used, n - used, "%s%s", i ? " " : "", layer_op_names[g->layers[i].op]);
    }
}

// Imports the net, expects the layers, and compares on a few inputs. The softmax here is in floating point: its bytes
// may be off by one.
static void expect(const char *what, int output, const char *layers)
{
    struct imported i;
    char list[400] = "";
    net_output(output);
    import(&i);
    if (OKF(i.rc == 0, "%s: builds %s", what, i.e.msg)) {
        struct err e = {0};
        int sound = graph_check(&i.g, &e);
        OKF(sound == 0, "%s: sound %s", what, e.msg);
        layer_list(&i.g, list, sizeof list);
        if (!OKF(strcmp(list, layers) == 0, "%s: becomes %s", what, layers))
            printf("#   got %s\n", list);
        int worst = 0;
        for (uint32_t k = 0; k < 4; k++) {
            int d = difference(&i, 77 + k, k == 3, &e);
            worst = d < 0 ? 999 : d > worst ? d : worst;
        }
        int allowed = strstr(layers, "softmax") ? 1 : 0;
        OKF(worst <= allowed, "%s: computes what the file says (off by %d) %s", what, worst, e.msg);
    }
    drop(&i);
}

static void expect_refusal(const char *what, enum err_code code, const char *text)
{
    struct imported i;
    import(&i);
    OKF(i.rc == -1 && i.e.code == code && strstr(i.e.msg, text), "%s is refused: %s", what,
        i.rc ? i.e.msg : "no");
    drop(&i);
}

static int begin(int h, int w, int c)
{
    net_begin((uint32_t)(h * 100 + w * 10 + c));
    return net_input(0.05f, -3, DIMS(1, h, w, c));
}

static void test_convolutions(void)
{
    int x = begin(7, 6, 3);
    expect("CONV VALID", conv(x, K(4, 3)), "conv");
    x = begin(7, 6, 3);
    expect("CONV SAME, strides 2x3, per channel, RELU6",
           conv(x, (struct conv){.out_c = 5,
                                 .kh = 3,
                                 .kw = 2,
                                 .sh = 2,
                                 .sw = 3,
                                 .same = true,
                                 .per_channel = true,
                                 .act = TFLITE_ACT_RELU6}),
           "conv");
    x = begin(7, 6, 3);
    expect("CONV without bias, RELU_N1_TO_1",
           conv(x,
                (struct conv){
                    .out_c = 2, .kh = 1, .kw = 1, .no_bias = true, .act = TFLITE_ACT_RELU_N1_TO_1}),
           "conv");
    x = begin(9, 5, 3);
    expect("depth multiplier 2",
           conv(x, (struct conv){.kh = 3,
                                 .kw = 3,
                                 .mult = 2,
                                 .same = true,
                                 .per_channel = true,
                                 .act = TFLITE_ACT_RELU}),
           "dwconv");
    x = begin(9, 5, 1);
    expect("depth multiplier 8 of one channel",
           conv(x, (struct conv){.kh = 4, .kw = 2, .sh = 2, .sw = 2, .mult = 8}), "dwconv");
}

static void test_padding(void)
{
    int x = begin(7, 6, 3);
    expect("PAD into a VALID convolution", conv(pad(x, 1, 1, 1, 1), K(4, 3)), "conv");
    x = begin(7, 6, 3);
    expect("PAD on one side, stride 2",
           conv(pad(x, 0, 1, 0, 1), (struct conv){.kh = 3, .kw = 3, .sh = 2, .sw = 2, .mult = 1}),
           "dwconv");
    x = begin(7, 6, 3);
    expect("PAD into a SAME convolution",
           conv(pad(x, 1, 0, 0, 1),
                (struct conv){.out_c = 3, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .same = true}),
           "conv");
    x = begin(7, 6, 3);
    expect("PAD of PAD", conv(pad(pad(x, 1, 0, 0, 1), 0, 1, 1, 0), K(4, 3)), "conv");
    x = begin(5, 5, 2);
    expect("PAD wider than the kernel", conv(pad(x, 3, 3, 3, 3), K(2, 3)), "pad conv");
    x = begin(5, 5, 2);
    int p = pad(x, 1, 1, 1, 1);
    expect("PAD read by a convolution and an addition",
           add(conv(p, (struct conv){.out_c = 2, .kh = 3, .kw = 3, .same = true}), p, 0.1f, 4),
           "conv pad add");
    x = begin(5, 5, 2);
    expect("PAD at the output", pad(x, 1, 2, 0, 3), "pad");
    x = begin(6, 6, 2);
    expect("PADV2 with -128 into MAX_POOL",
           pool(TFLITE_OP_MAX_POOL_2D, pad_value(x, 1, -128), 3, 3, 2, 2, false), "maxpool");
    x = begin(6, 6, 2);
    expect("PAD with the zero point before MAX_POOL",
           pool(TFLITE_OP_MAX_POOL_2D, pad(x, 1, 1, 1, 1), 3, 3, 2, 2, false), "pad maxpool");
    x = begin(6, 6, 2);
    expect("PAD before AVERAGE_POOL",
           pool(TFLITE_OP_AVERAGE_POOL_2D, pad(x, 1, 1, 1, 1), 3, 3, 2, 2, false), "pad avgpool");
    x = begin(5, 5, 2);
    expect("PADV2 with another value", conv(pad_value(x, 1, 55), K(2, 3)), "pad conv");
    x = begin(4, 4, 2);
    int c = with_ints(TFLITE_OP_PAD, x, 8, (int32_t[]){0, 0, 1, 0, 0, 2, 1, 3}, DIMS(1, 5, 6, 6));
    expect("PAD of channels", conv(c, K(2, 3)), "pad conv");
    x = begin(6, 5, 4);
    int t = transpose(x, NHWC_TO_NCHW);
    t = with_ints(TFLITE_OP_PAD, t, 8, (int32_t[]){0, 0, 0, 0, 1, 1, 2, 0}, DIMS(1, 4, 8, 7));
    expect("PAD between transpositions", conv(transpose(t, NCHW_TO_NHWC), K(2, 3)), "pad conv");
}

static void test_pools_and_means(void)
{
    int x = begin(7, 6, 3);
    expect("AVERAGE_POOL SAME", pool(TFLITE_OP_AVERAGE_POOL_2D, x, 3, 2, 2, 2, true), "avgpool");
    x = begin(7, 6, 3);
    expect("MAX_POOL SAME", pool(TFLITE_OP_MAX_POOL_2D, x, 3, 3, 2, 2, true), "maxpool");
    x = begin(7, 6, 3);
    expect("MEAN over H and W", mean(x, 2, (int32_t[]){1, 2}, false, DIMS(1, 3)), "mean");
    x = begin(7, 6, 3);
    expect("MEAN over W and H, negative, kept",
           mean(x, 2, (int32_t[]){-2, -3}, true, DIMS(1, 1, 1, 3)), "mean");
    x = begin(7, 6, 3);
    expect("MEAN over H", mean(x, 1, (int32_t[]){1}, false, DIMS(1, 6, 3)), "mean");
    x = begin(7, 6, 3);
    int m = mean(x, 1, (int32_t[]){2}, false, DIMS(1, 7, 3));
    expect("MEAN over W, then over H", mean(m, 1, (int32_t[]){1}, false, DIMS(1, 3)), "mean mean");
    x = begin(7, 6, 3);
    m = mean(transpose(x, NHWC_TO_NCHW), 1, (int32_t[]){3}, false, DIMS(1, 3, 7));
    m = mean(m, 1, (int32_t[]){2}, false, DIMS(1, 3));
    expect("MEAN over W, then H of [N, C, H, W], then dense", dense(m, 4, 3, DIMS(1, 4)),
           "mean mean conv");
    x = begin(4, 5, 3);
    m = mean(reshape(conv(x, K(4, 2)), DIMS(1, 12, 4)), 1, (int32_t[]){1}, false, DIMS(1, 4));
    expect("MEAN over pixels in a row", dense(m, 2, 4, DIMS(1, 2)), "conv mean conv");
    x = begin(4, 5, 3);
    m = reshape(transpose(conv(x, K(4, 2)), NHWC_TO_NCHW), DIMS(1, 4, 12));
    expect("MEAN over pixels of [N, C, H * W]", mean(m, 1, (int32_t[]){-1}, true, DIMS(1, 4, 1)),
           "conv mean");
    x = begin(1, 5, 3);
    m = reshape(conv(x, K(4, 1)), DIMS(1, 5, 4, 1));
    expect("MEAN over what was C", mean(m, 1, (int32_t[]){2}, true, DIMS(1, 5, 1, 1)),
           "conv reshape mean");
    x = begin(4, 4, 3);
    m = mean(conv(x, K(4, 3)), 2, (int32_t[]){1, 2}, true, DIMS(1, 1, 1, 4));
    expect("MEAN kept, then 1x1", conv(m, K(3, 1)), "conv mean conv");
}

static void test_activations(void)
{
    int x = begin(5, 5, 3);
    expect("RELU behind a convolution", unary_like(TFLITE_OP_RELU, conv(x, K(4, 3))), "conv");
    x = begin(5, 5, 3);
    expect("RELU6 behind an addition", unary_like(TFLITE_OP_RELU6, add(x, x, 0.1f, -20)), "add");
    x = begin(5, 5, 3);
    expect(
        "RELU_N1_TO_1 behind MEAN",
        unary_like(TFLITE_OP_RELU_N1_TO_1, mean(x, 2, (int32_t[]){1, 2}, true, DIMS(1, 1, 1, 3))),
        "mean");
    x = begin(5, 5, 3);
    expect("RELU with another scale", unary(TFLITE_OP_RELU, conv(x, K(4, 3)), 0.7f, -128),
           "conv rescale");
    x = begin(5, 5, 3);
    expect("RELU of the input", unary_like(TFLITE_OP_RELU, x), "rescale");
    x = begin(5, 5, 3);
    int c = conv(x, K(3, 1));
    expect("RELU of a tensor that something else reads",
           add(unary_like(TFLITE_OP_RELU, c), c, 1.1f, 3), "conv rescale add");
    x = begin(5, 5, 3);
    expect("QUANTIZE int8 to int8", conv(unary(TFLITE_OP_QUANTIZE, x, 0.013f, 17), K(2, 2)),
           "rescale conv");
    x = begin(5, 5, 3);
    expect("RELU behind RELU6",
           unary_like(TFLITE_OP_RELU, unary_like(TFLITE_OP_RELU6, conv(x, K(4, 3)))), "conv");
    x = begin(5, 5, 3);
    expect("RELU6 with another scale only clamps",
           conv(unary(TFLITE_OP_RELU6, conv(x, K(4, 3)), 0.9f, -128), K(2, 2)), "conv conv");
    x = begin(5, 5, 3);
    expect("RELU6 of the input with another scale",
           conv(unary(TFLITE_OP_RELU6, x, 0.9f, -128), K(2, 2)), "rescale conv");
    x = begin(4, 3, 6);
    expect("SOFTMAX over the channels", unary(TFLITE_OP_SOFTMAX, x, 1.0f / 256, -128), "softmax");
    x = begin(4, 3, 6);
    int r = reshape(conv(x, K(2, 1)), DIMS(1, 12, 2));
    expect("SOFTMAX over the channels of pixels in a row",
           unary(TFLITE_OP_SOFTMAX, r, 1.0f / 256, -128), "conv softmax");
    x = begin(4, 3, 6);
    r = reshape(conv(x, K(2, 1)), DIMS(1, 24));
    expect("SOFTMAX over everything", unary(TFLITE_OP_SOFTMAX, r, 1.0f / 256, -128),
           "conv reshape softmax");
}

static void test_dense(void)
{
    int x = begin(4, 3, 5);
    expect("dense over a flattened tensor", dense(reshape(x, DIMS(1, 60)), 7, 60, DIMS(1, 7)),
           "conv");
    x = begin(4, 3, 5);
    expect("dense over a tensor of 4 dimensions", dense(conv(x, K(3, 2)), 6, 18, DIMS(1, 6)),
           "conv conv");
    x = begin(4, 3, 5);
    expect(
        "dense over [C, H, W]",
        dense(reshape(transpose(conv(x, K(3, 2)), NHWC_TO_NCHW), DIMS(1, 18)), 6, 18, DIMS(1, 6)),
        "conv conv");
    x = begin(4, 3, 5);
    expect("dense over pixels", dense(x, 7, 5, DIMS(1, 4, 3, 7)), "conv");
    x = begin(4, 3, 5);
    int d = dense(reshape(x, DIMS(12, 5)), 7, 5, DIMS(12, 7));
    expect("dense over rows that are pixels, and back", conv(reshape(d, DIMS(1, 4, 3, 7)), K(2, 3)),
           "conv conv");
    x = begin(4, 3, 5);
    expect("dense over rows that are not pixels",
           dense(reshape(conv(x, K(6, 1)), DIMS(6, 12)), 3, 12, DIMS(6, 3)), "conv reshape conv");
    x = begin(4, 3, 5);
    d = dense(dense(x, 24, 60, DIMS(1, 24)), 8, 24, DIMS(1, 8));
    expect("dense, dense, then a convolution", conv(reshape(d, DIMS(1, 2, 2, 2)), K(3, 2)),
           "conv conv reshape conv");
}

static void test_shapes(void)
{
    net_begin(5);
    int x = net_input(0.05f, -3, DIMS(1, 3, 6, 5));
    int t = conv(transpose(x, NCHW_TO_NHWC), K(4, 3));
    expect("[C, H, W] in and out", transpose(t, NHWC_TO_NCHW), "conv");
    net_begin(5);
    x = net_input(0.05f, -3, DIMS(1, 60));
    expect("a flat input", conv(reshape(x, DIMS(1, 5, 4, 3)), K(4, 3)), "conv");
    net_begin(5);
    x = net_input(0.05f, -3, DIMS(5, 4, 3));
    expect("an input without batch",
           conv(with_ints(TFLITE_OP_EXPAND_DIMS, x, 1, (int32_t[]){0}, DIMS(1, 5, 4, 3)), K(4, 3)),
           "conv");
    x = begin(3, 3, 2);
    t = conv(x, K(6, 3));
    int s = like(t, DIMS(1, 6));
    tfnet_op(&net, TFLITE_OP_SQUEEZE, s, INPUTS(t));
    expect("SQUEEZE, dense", dense(s, 3, 6, DIMS(1, 3)), "conv conv");
    x = begin(4, 6, 2);
    expect("RESHAPE at the output", reshape(conv(x, K(3, 1)), DIMS(1, 8, 9)), "conv");
    x = begin(4, 6, 2);
    t = reshape(conv(x, K(3, 1)), DIMS(1, 6, 4, 3));
    expect("RESHAPE between convolutions", conv(t, K(2, 2)), "conv reshape conv");
    x = begin(4, 6, 2);
    t = transpose(transpose(conv(x, K(3, 1)), NHWC_TO_NCHW), NCHW_TO_NHWC);
    expect("there and back", conv(t, K(2, 2)), "conv conv");
    x = begin(4, 6, 2);
    t = transpose(x, NHWC_TO_NCHW);
    s = transpose(conv(x, K(2, 1)), NHWC_TO_NCHW);
    expect("ADD of two [C, H, W]", add(t, s, 0.3f, 1), "conv add");
    x = begin(4, 6, 2);
    t = conv(x, K(2, 1));
    expect("ADD of two views of one shape",
           add(reshape(t, DIMS(1, 48)), reshape(x, DIMS(1, 48)), 0.3f, 1), "conv add");
    x = begin(4, 6, 2);
    t = reshape(x, DIMS(1, 4, 6, 2));
    net.tensors[t].zero += 9; // TFLite does not rescale here
    s = pad(t, 1, 1, 1, 1);
    net.tensors[s].zero -= 4;
    expect("RESHAPE and PAD between zero points", conv(s, K(3, 3)), "conv");
    x = begin(4, 6, 2);
    int dead = conv(x, K(2, 1));
    tfnet_op(&net, TFLITE_OP_RESHAPE, like(dead, DIMS(48)), INPUTS(dead));
    expect("operators that nothing reads", conv(x, K(3, 2)), "conv");
}

static void test_borders(void)
{
    net_begin(9);
    int f = tfnet_tensor(&net, TFLITE_FLOAT32, DIMS(1, 5, 4, 2));
    net.inputs[net.n_inputs++] = f;
    int x = tfnet_act(&net, 0.02f, 5, DIMS(1, 5, 4, 2));
    tfnet_op(&net, TFLITE_OP_QUANTIZE, x, INPUTS(f));
    int c = conv(x, K(3, 3));
    int o = tfnet_tensor(&net, TFLITE_FLOAT32, DIMS(1, 3, 2, 3));
    tfnet_op(&net, TFLITE_OP_DEQUANTIZE, o, INPUTS(c));
    expect("float32 in and out", o, "conv");
    net_begin(9);
    f = tfnet_act(&net, 0.02f, 128, DIMS(1, 5, 4, 2));
    net.tensors[f].type = TFLITE_UINT8;
    net.inputs[net.n_inputs++] = f;
    x = tfnet_act(&net, 0.02f, 0, DIMS(1, 5, 4, 2));
    tfnet_op(&net, TFLITE_OP_QUANTIZE, x, INPUTS(f));
    c = conv(x, K(3, 3));
    o = tfnet_act(&net, net.tensors[c].scale[0], (int)net.tensors[c].zero + 128, DIMS(1, 3, 2, 3));
    net.tensors[o].type = TFLITE_UINT8;
    tfnet_op(&net, TFLITE_OP_QUANTIZE, o, INPUTS(c));
    expect("uint8 in and out", o, "conv");
    net_begin(9);
    f = tfnet_tensor(&net, TFLITE_FLOAT32, DIMS(1, 2, 5, 4));
    net.inputs[net.n_inputs++] = f;
    int q = tfnet_act(&net, 0.02f, 5, DIMS(1, 2, 5, 4));
    tfnet_op(&net, TFLITE_OP_QUANTIZE, q, INPUTS(f));
    expect("float32 [C, H, W] in", conv(transpose(q, NCHW_TO_NHWC), K(3, 3)), "conv");
}

static void test_refusals(void)
{
    int x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    net.ops[0].dilation = 2;
    expect_refusal("dilation", ERR_UNSUPPORTED,
                   "operator 0 CONV_2D (output tensor 1 't01'): dilation 2x2");
    x = begin(5, 5, 4);
    net_output(conv(x, K(4, 3)));
    net.tensors[2].dims[3] = 2;
    expect_refusal("groups", ERR_UNSUPPORTED, "grouped convolution (2 groups)");
    x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    net.tensors[2].zero = 1;
    expect_refusal("asymmetric weights", ERR_UNSUPPORTED, "zero point is 1");
    x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    net.tensors[2].n_scales = 3;
    expect_refusal("too few weight scales", ERR_BAD_MODEL, "3 weight scales for 4 output channels");
    x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    net.tensors[3].type = TFLITE_INT16;
    expect_refusal("a bias of int16", ERR_UNSUPPORTED, "bias tensor 3 't03'");
    x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    memcpy(net.tensors[3].data, (uint8_t[]){0xff, 0xff, 0xff, 0x7f}, 4);
    expect_refusal("a bias that can overflow", ERR_UNSUPPORTED, "32-bit accumulator");
    x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    net.tensors[1].dims[2]++;
    expect_refusal("a wrong output shape", ERR_BAD_MODEL, "shape of its output");
    x = begin(5, 5, 3);
    net_output(unary(TFLITE_OP_SOFTMAX, x, 1.0f / 128, -128));
    expect_refusal("softmax with another output scale", ERR_UNSUPPORTED,
                   "1/256 and -128 are required");
    x = begin(5, 5, 3);
    net_output(unary_like(28, x));
    expect_refusal("TANH", ERR_UNSUPPORTED,
                   "operator 0 TANH (output tensor 1 't01'): not an int8 CNN operator");
    x = begin(5, 5, 3);
    net_output(add(x, like(x, DIMS(1, 1, 1, 3)), 0.1f, 0));
    net.inputs[net.n_inputs++] = 1;
    expect_refusal("two inputs", ERR_UNSUPPORTED, "2 inputs and 1 outputs");
    x = begin(5, 5, 3);
    int p = pool(TFLITE_OP_AVERAGE_POOL_2D, x, 5, 5, 1, 1, false);
    net_output(add(x, p, 0.1f, 0));
    expect_refusal("a broadcast", ERR_UNSUPPORTED, "broadcasting");
    x = begin(5, 5, 3);
    int k = tfnet_weights(&net, 0.1f, DIMS(1, 5, 5, 3), 0, 1);
    net_output(add(x, k, 0.1f, 0));
    expect_refusal("a constant operand", ERR_UNSUPPORTED, "input 1 (tensor 1 't01') is a constant");
    x = begin(5, 5, 3);
    net_output(mean(x, 1, (int32_t[]){3}, true, DIMS(1, 5, 5, 1)));
    expect_refusal("MEAN over the channels", ERR_UNSUPPORTED, "over the channels");
    x = begin(5, 4, 3);
    net_output(conv(transpose(conv(x, K(2, 1)), 4, (int32_t[]){0, 2, 1, 3}), K(2, 2)));
    expect_refusal("a convolution over [N, W, H, C]", ERR_UNSUPPORTED, "its input is transposed");
    net_begin(3);
    x = net_input(0.1f, 0, DIMS(2, 5, 4, 3));
    net_output(unary_like(TFLITE_OP_RELU, x));
    expect_refusal("batch 2", ERR_UNSUPPORTED, "batch 2");
    x = begin(5, 4, 3);
    net_output(unary_like(TFLITE_OP_RELU, like(x, DIMS(1, 5, 4, 3))));
    expect_refusal("a tensor that nobody writes", ERR_BAD_MODEL, "read before it is written");
    x = begin(5, 4, 3);
    net.tensors[x].type = TFLITE_FLOAT32;
    net_output(conv(x, K(2, 1)));
    expect_refusal("float32", ERR_UNSUPPORTED, "tensor 0 't00' is float32; only int8");
    x = begin(5, 4, 3);
    int f = tfnet_tensor(&net, TFLITE_FLOAT32, DIMS(1, 5, 4, 3));
    tfnet_op(&net, TFLITE_OP_DEQUANTIZE, f, INPUTS(x));
    int q = tfnet_act(&net, 0.1f, 0, DIMS(1, 5, 4, 3));
    tfnet_op(&net, TFLITE_OP_QUANTIZE, q, INPUTS(f));
    net_output(q);
    expect_refusal("floating point in the middle", ERR_UNSUPPORTED, "floating point inside");
    x = begin(5, 4, 3);
    net_output(reshape(x, DIMS(1, 60)));
    expect_refusal("nothing to compute", ERR_UNSUPPORTED, "no layer computes the output");
    x = begin(5, 5, 3);
    net_output(pool(TFLITE_OP_AVERAGE_POOL_2D, x, 2, 2, 1, 1, false));
    net.tensors[1].scale[0] *= 2;
    expect_refusal("a pool between scales", ERR_UNSUPPORTED, "different scales");
    x = begin(5, 5, 3);
    net_output(conv(x, K(4, 3)));
    net.ops[0].sh = -1;
    expect_refusal("a negative stride", ERR_BAD_MODEL, "stride -1x1");
}

/* ---- random networks ---- */

static void test_random(void)
{
    int built = 0, refused = 0, wrong = 0;
    for (uint32_t seed = 1; seed <= 2000; seed++) {
        struct imported i;
        struct err e = {0};
        net_output(random_net(seed));
        import(&i);
        if (i.rc == 0) {
            built++;
            int d = graph_check(&i.g, &e) ? -2 : difference(&i, seed, seed % 4 == 0, &e);
            if (d != 0 && wrong++ < 5)
                printf("# seed %u: off by %d %s\n", seed, d, e.msg);
        } else {
            refused++;
            // A chain of reshapes alone computes nothing; that is the only refusal that this generator can earn.
            if (!strstr(i.e.msg, "no layer computes") && wrong++ < 5)
                printf("# seed %u: %s\n", seed, i.e.msg);
        }
        drop(&i);
    }
    OKF(wrong == 0 && built > 1800,
        "%d random networks compute what their files say (%d refused, %d wrong)", built, refused,
        wrong);
}

/* ---- the optional model folder ---- */

static void check_model(const cJSON *model)
{
    const char *name = golden_str(model, "name");
    struct buf file;
    struct tflite_model m = {0};
    struct graph g = {0};
    struct err e = {0};
    bool odd = strncmp(name, "odd_", 4) == 0;
    bool have = golden_read(&file, "%s", golden_str(model, "file"));
    int rc = have ? tflite_parse(&m, file.data, file.len, &e) : -1;
    rc = rc ? rc : graph_build(&g, &m, &e);
    if (odd) {
        OKF(have && rc == -1 && e.code == ERR_UNSUPPORTED && strncmp(e.msg, "operator ", 9) == 0,
            "%s is refused: %s", name, e.msg);
    } else if (OKF(rc == 0, "%s builds %s", name, e.msg)) {
        EQ_INT(g.macs, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(model, "macs")));

        int sound = graph_check(&g, &e);
        OKF(sound == 0, "%s is sound %s", name, e.msg);
        int counts[LAYER_OP_COUNT] = {0};
        for (int i = 0; i < g.n_layers; i++)
            counts[g.layers[i].op]++;
        printf("# %s:", name);
        for (int i = 0; i < LAYER_OP_COUNT; i++)
            if (counts[i])
                printf(" %s %d", layer_op_names[i], counts[i]);
        printf("%s%s\n", g.input_chw ? " input_chw" : "", g.output_chw ? " output_chw" : "");
    }
    graph_free(&g);
    tflite_free(&m);
    buf_free(&file);
}

int main(void)
{
    test_convolutions();
    test_padding();
    test_pools_and_means();
    test_activations();
    test_dense();
    test_shapes();
    test_borders();
    test_refusals();
    test_random();
    if (tap_models()) {
        cJSON *manifest = golden_json("MANIFEST.json");
        const cJSON *model;
        OK(manifest != NULL);
        cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(manifest, "models"))
            check_model(model);
        cJSON_Delete(manifest);
    } else {
        SKIP("published models", "no model folder; set FARM_MODELS");
    }
    return tap_done();
}
