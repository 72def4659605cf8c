// SPDX-License-Identifier: MIT
// TFLite operators -> graph layers. Every tensor of the file is a *view* of a graph tensor: its
// dimensions name axes of that tensor, so that transpositions cost nothing, or it is the same bytes
// in another shape. A layer is only made where elements are computed.
#include "server/planner/graph.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/planner/tflite.h"

// Of all layers together. A small file can name the same weights again and again; what they cost
// here is bounded.
#define MAX_WEIGHTS (32u << 20)
#define MAX_CHANNELS (1 << 20)

enum axis { AXIS_H, AXIS_W, AXIS_C, AXIS_ONE };

struct padding {
    int top, bottom, left, right;
    int32_t value;
};

struct view {
    bool known;
    int tensor; // of the graph
    int n_dims;
    int32_t dims[TFLITE_MAX_DIMS];
    bool direct;                     // dims[i] is the axis axis[i]; AXIS_ONE has size 1
    enum axis axis[TFLITE_MAX_DIMS]; // each of H, W and C at most once; an axis that is missing has
                                     // size 1
    bool chw;    // not direct: the bytes are those of [C, H, W] instead of [H, W, C]
    bool padded; // direct: dims include a padding that no layer has made yet
    struct padding pad;
};

struct storage { // what the graph owns, in one list
    struct storage *next;
};

struct builder {
    struct graph *g;
    const struct tflite_model *m;
    struct err *e;
    struct view *views; // [n_tensors of the file]
    int *uses;          // [n_tensors]: live operators that read it, plus one for the core output
    bool *live;         // [n_ops]
    int core_in, core_out;
    int op;           // being imported
    uint64_t weights; // so far
    int channels;     // likewise, of layers with weights
    bool input_open;  // nothing but reshapes and transpositions has read the input so far
};

const char *const layer_op_names[LAYER_OP_COUNT] = {
    "conv", "dwconv", "add", "avgpool", "maxpool", "mean", "softmax", "rescale", "pad", "reshape"};

#define SUPPORTED                                                                                  \
    "CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, PAD, "  \
    "RELU, RELU6, SOFTMAX, RESHAPE, TRANSPOSE, QUANTIZE"

/* ---- errors and memory ---- */

static int refuse_op(const struct builder *b, int index, enum err_code code, const char *what)
{
    const struct tflite_op *op = &b->m->ops[index];
    int out = op->n_outputs > 0 ? op->outputs[0] : -1;
    return err_set(b->e, code, "operator %d %s (output tensor %d '%.60s'): %s", index, op->name,
                   out, out >= 0 ? b->m->tensors[out].name : "", what);
}

__attribute__((format(printf, 2, 3))) static int refuse(const struct builder *b, const char *fmt,
                                                        ...)
{
    char what[220];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return refuse_op(b, b->op, ERR_UNSUPPORTED, what);
}

__attribute__((format(printf, 2, 3))) static int bad(const struct builder *b, const char *fmt, ...)
{
    char what[220];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return refuse_op(b, b->op, ERR_BAD_MODEL, what);
}

static void *graph_alloc(struct builder *b, size_t count, size_t size)
{
    size_t header = (sizeof(struct storage) + 15) & ~(size_t)15;
    struct storage *s = calloc(1, header + (count ? count : 1) * size);
    if (!s) {
        err_set(b->e, ERR_NO_MEMORY, "out of memory while importing a model");
        return NULL;
    }
    s->next = b->g->storage;
    b->g->storage = s;
    return (char *)s + header;
}

/* ---- quantisation ---- */

static float scale_of(const struct tflite_tensor *t)
{
    return tflite_scale(t, 0);
}

static int32_t zero_of(const struct tflite_tensor *t)
{
    return (int32_t)tflite_zero(t, 0);
}

// An int8 activation with one positive scale and a zero point of its range.
static int want_activation(const struct builder *b, int index)
{
    const struct tflite_tensor *t = &b->m->tensors[index];
    if (t->type != TFLITE_INT8)
        return refuse(b,
                      "tensor %d '%.60s' is %s; only int8 activations are supported (quantise the "
                      "model to full int8)",
                      index, t->name, tflite_type_name(t->type));
    int64_t zero = tflite_zero(t, 0);
    if (t->n_scales != 1 || !(scale_of(t) > 0) || scale_of(t) > FLT_MAX)
        return refuse(b, "tensor %d '%.60s' has %d scales; one positive scale is needed", index,
                      t->name, t->n_scales);
    if (zero < -128 || zero > 127)
        return bad(b, "zero point %lld of tensor %d is outside -128..127", (long long)zero, index);
    return 0;
}

static bool same_quantisation(const struct tflite_tensor *a, const struct tflite_tensor *b)
{
    return scale_of(a) == scale_of(b) && zero_of(a) == zero_of(b);
}

static int make_requant(const struct builder *b, double real, struct requant *out)
{
    *out = (struct requant){0, 0};
    if (!(real >= 0) || real > 1048576.0) // what is left of an int32 beside 8 bits of data
        return refuse(b, "scale ratio %g is out of range", real);
    if (real == 0)
        return 0;
    int shift;
    int64_t q = (int64_t)round(frexp(real, &shift) * 2147483648.0);
    if (q == INT64_C(1) << 31) {
        q /= 2;
        shift++;
    }
    if (shift >= -31) // smaller ratios make everything 0
        *out = (struct requant){(int32_t)q, shift};
    return 0;
}

static int32_t limit(int64_t v)
{
    return v < -128 ? -128 : v > 127 ? 127 : (int32_t)v;
}

// The range of an activation in a quantisation.
static int activation_range(const struct builder *b, enum tflite_activation act,
                            const struct tflite_tensor *t, int32_t *low, int32_t *high)
{
    int64_t zero = zero_of(t);
    float one = roundf(1.0f / scale_of(t)), six = roundf(6.0f / scale_of(t));
    *low = -128;
    *high = 127;
    if (act == TFLITE_ACT_NONE)
        return 0;
    if (!(six < 2147483000.0f))
        return refuse(b, "output scale %g is too small", (double)scale_of(t));
    if (act == TFLITE_ACT_RELU || act == TFLITE_ACT_RELU6)
        *low = limit(zero);
    if (act == TFLITE_ACT_RELU6)
        *high = limit(zero + (int64_t)six);
    if (act == TFLITE_ACT_RELU_N1_TO_1) {
        *low = limit(zero - (int64_t)one);
        *high = limit(zero + (int64_t)one);
    }
    if (act > TFLITE_ACT_RELU6)
        return refuse(b,
                      "fused activation %d (only NONE, RELU, RELU_N1_TO_1 and RELU6 are supported)",
                      (int)act);
    return 0;
}

/* ---- views ---- */

static int32_t axis_size(const struct tensor *t, enum axis a)
{
    return a == AXIS_H ? t->h : a == AXIS_W ? t->w : a == AXIS_C ? t->c : 1;
}

// The axes of more than one element, in the order of the view's dimensions.
static int long_axes(const struct view *v, enum axis *out)
{
    int n = 0;
    for (int d = 0; d < v->n_dims; d++) {
        if (v->axis[d] != AXIS_ONE && v->dims[d] > 1)
            out[n++] = v->axis[d];
    }
    return n;
}

// Whether the view's row-major bytes are the tensor's.
static bool is_ordered(const struct view *v)
{
    enum axis axes[3];
    if (!v->direct)
        return !v->chw;
    int n = long_axes(v, axes);
    for (int i = 1; i < n; i++) {
        if (axes[i] < axes[i - 1])
            return false;
    }
    return true;
}

// Whether they are the tensor's when that is permuted to [C, H, W].
static bool is_chw(const struct view *v)
{
    enum axis axes[3];
    if (!v->direct)
        return v->chw;
    int n = long_axes(v, axes), h = -1, w = -1, c = -1;
    for (int i = 0; i < n; i++) {
        h = axes[i] == AXIS_H ? i : h;
        w = axes[i] == AXIS_W ? i : w;
        c = axes[i] == AXIS_C ? i : c;
    }
    return c <= 0 && (h < 0 || w < 0 || h < w);
}

static struct view view_nhwc(const struct graph *g, int tensor)
{
    const struct tensor *t = &g->tensors[tensor];
    return (struct view){.known = true,
                         .tensor = tensor,
                         .n_dims = 4,
                         .dims = {1, t->h, t->w, t->c},
                         .direct = true,
                         .axis = {AXIS_ONE, AXIS_H, AXIS_W, AXIS_C}};
}

static bool dims_are(const struct tflite_tensor *t, const struct view *v)
{
    return t->n_dims == v->n_dims &&
           memcmp(t->dims, v->dims, (size_t)v->n_dims * sizeof v->dims[0]) == 0;
}

// Publishes the output of the running operator. The file must agree with the dimensions that follow
// from its input.
static int set_view(struct builder *b, const struct view *v)
{
    int out = b->m->ops[b->op].outputs[0];
    if (!dims_are(&b->m->tensors[out], v))
        return bad(b, "the shape of its output does not follow from its input");
    if (b->views[out].known || out == b->core_in || b->m->tensors[out].data)
        return bad(b, "its output tensor is written twice");
    b->views[out] = *v;
    b->views[out].known = true;
    return 0;
}

static int in_limits(const struct builder *b, int64_t h, int64_t w, int64_t c)
{
    if (h < 1 || w < 1 || c < 1)
        return refuse(b, "a tensor of %lldx%lldx%lld is empty", (long long)h, (long long)w,
                      (long long)c);
    if (h > GRAPH_MAX_DIM || w > GRAPH_MAX_DIM || c > GRAPH_MAX_DIM ||
        h * w * c > GRAPH_MAX_TENSOR_BYTES)
        return refuse(b, "a tensor of %lldx%lldx%lld is too large (sides up to %d, %u bytes)",
                      (long long)h, (long long)w, (long long)c, GRAPH_MAX_DIM,
                      GRAPH_MAX_TENSOR_BYTES);
    return 0;
}

static int add_tensor(struct builder *b, int h, int w, int c, int tflite_index, int producer)
{
    const struct tflite_tensor *t = &b->m->tensors[tflite_index];
    b->g->tensors[b->g->n_tensors] = (struct tensor){.h = h,
                                                     .w = w,
                                                     .c = c,
                                                     .zero = zero_of(t),
                                                     .scale = scale_of(t),
                                                     .producer = producer,
                                                     .tflite_index = tflite_index};
    return b->g->n_tensors++;
}

// The part of a name that tells layers apart: MLIR joins the names of fused operators with ';'.
static void copy_name(char *out, size_t size, const char *name)
{
    size_t n = strcspn(name, ";");
    snprintf(out, size, "%.*s", (int)(n < size - 1 ? n : size - 1), name);
}

// Operators that move bytes do not rescale, so what counts is the quantisation that the reading operator's own input has
// in the file. A new layer that reads graph tensor `in` and writes a new tensor of the given shape, which stands
// for a tensor of the file. The caller has tested the shape.
static struct layer *add_layer(struct builder *b, enum layer_op op, int in, int tflite_index, int h,
                               int w, int c)
{
    struct graph *g = b->g;
    const struct tensor *from = &g->tensors[in];
    struct layer *l = &g->layers[g->n_layers];
    int out = add_tensor(b, h, w, c, tflite_index, g->n_layers++);
    *l = (struct layer){
        .op = op,
        .in = {in, -1},
        .out = out,
        .in_h = from->h,
        .in_w = from->w,
        .in_c = from->c,
        .out_h = h,
        .out_w = w,
        .out_c = c,
        .kh = 1,
        .kw = 1,
        .sh = 1,
        .sw = 1,
        .mult_c = 1,
        .in_zero = zero_of(&b->m->tensors[b->m->ops[b->op].inputs[0]]),
        .out_zero = g->tensors[out].zero,
        .act_min = -128,
        .act_max = 127,
        .tflite_op = b->op,
    };
    copy_name(l->name, sizeof l->name, b->m->tensors[tflite_index].name);
    return l;
}

// Makes a pending padding real, as a layer that writes the given tensor of the file.
static int settle_padding(struct builder *b, struct view *v, int tflite_index)
{
    if (!v->padded)
        return 0;
    const struct tensor *t = &b->g->tensors[v->tensor];
    int h = t->h + v->pad.top + v->pad.bottom, w = t->w + v->pad.left + v->pad.right;
    if (in_limits(b, h, w, t->c))
        return -1;
    struct layer *l = add_layer(b, LAYER_PAD, v->tensor, tflite_index, h, w, t->c);
    l->pad_top = v->pad.top;
    l->pad_left = v->pad.left;
    l->in_zero = l->out_zero = v->pad.value;
    v->tensor = l->out;
    v->padded = false;
    return 0;
}

// Input k as a view. Constants and tensors that nobody wrote are refused.
static int get_view(struct builder *b, int k, struct view *v)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (k >= op->n_inputs || op->inputs[k] < 0)
        return bad(b, "input %d is missing", k);
    int index = op->inputs[k];
    const struct tflite_tensor *t = &b->m->tensors[index];
    if (t->data)
        return refuse(
            b, "input %d (tensor %d '%.60s') is a constant; only activations are supported there",
            k, index, t->name);
    if (!b->views[index].known)
        return bad(b, "tensor %d '%.60s' is read before it is written", index, t->name);
    if (op->n_outputs != 1)
        return bad(b, "%d outputs, expected 1", op->n_outputs);
    *v = b->views[index];
    return want_activation(b, index) || want_activation(b, op->outputs[0]) ? -1 : 0;
}

// Like get_view(), with the padding in front made real.
static int get_settled_view(struct builder *b, int k, struct view *v)
{
    if (get_view(b, k, v))
        return -1;
    int index = b->m->ops[b->op].inputs[k];
    if (settle_padding(b, v, index))
        return -1;
    b->views[index] = *v; // later readers share the layer
    return 0;
}

// Turns a view of 4 dimensions into a graph tensor of exactly that H, W and C, copying only if it
// must.
static int want_nhwc(struct builder *b, struct view *v)
{
    if (v->n_dims != 4)
        return refuse(b, "its input has %d dimensions, expected 4", v->n_dims);
    if (v->dims[0] != 1)
        return refuse(b, "batch %d; only 1 is supported", v->dims[0]);
    if (!is_ordered(v))
        return refuse(b, "its input is transposed; only [N, H, W, C] is supported here");
    const struct tensor *t = &b->g->tensors[v->tensor];
    int h = v->dims[1], w = v->dims[2], c = v->dims[3];
    int ph = v->padded ? v->pad.top + v->pad.bottom : 0,
        pw = v->padded ? v->pad.left + v->pad.right : 0;
    if (t->h + ph == h && t->w + pw == w && t->c == c) {
        if (!v->padded)
            *v = view_nhwc(b->g, v->tensor);
        return 0;
    }
    if (settle_padding(b, v, b->m->ops[b->op].inputs[0]) || in_limits(b, h, w, c))
        return -1;
    struct layer *l = add_layer(b, LAYER_RESHAPE, v->tensor, b->m->ops[b->op].inputs[0], h, w, c);
    *v = view_nhwc(b->g, l->out);
    return 0;
}

// A constant int32 tensor of the running operator.
static int get_int32(const struct builder *b, int k, size_t max, int32_t *out, size_t *n)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (k >= op->n_inputs || op->inputs[k] < 0)
        return bad(b, "input %d is missing", k);
    const struct tflite_tensor *t = &b->m->tensors[op->inputs[k]];
    if (!t->data || t->type != TFLITE_INT32)
        return refuse(b, "input %d (tensor %d '%.60s') is not an int32 constant", k, op->inputs[k],
                      t->name);
    if (t->elements > max)
        return bad(b, "input %d has %u elements, at most %zu are expected", k, t->elements, max);
    *n = t->elements;
    memcpy(out, t->data, *n * sizeof *out);
    return 0;
}

/* ---- layers with weights ---- */

// Bias and multipliers. dim: the dimension of the weights that counts output channels.
static int set_constants(struct builder *b, struct layer *l, const struct tflite_tensor *w, int dim,
                         bool dense)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]],
                               *out = &b->m->tensors[op->outputs[0]];
    int n = l->out_c;
    b->weights += w->elements;
    b->channels += n;
    if (b->weights > MAX_WEIGHTS || b->channels > MAX_CHANNELS)
        return refuse(b, "the layers up to here have more than %u weights or %d channels",
                      MAX_WEIGHTS, MAX_CHANNELS);
    if (w->n_scales != 1 && w->n_scales != n)
        return bad(b, "%d weight scales for %d output channels", w->n_scales, n);
    if (w->n_scales > 1 && w->quantized_dim != dim)
        return refuse(b, "weights are quantised along dimension %d, expected %d", w->quantized_dim,
                      dim);
    int32_t *bias = graph_alloc(b, (size_t)n, sizeof *bias);
    l->requant = graph_alloc(b, (size_t)n, sizeof *l->requant);
    l->bias = bias;
    if (!bias || !l->requant)
        return -1;
    for (int c = 0; c < n; c++) {
        // As TFLite does: one scale of a dense layer is multiplied in float, everything else in
        // double.
        float ws = tflite_scale(w, c);
        double product = dense && w->n_scales == 1 ? (double)(scale_of(in) * ws)
                                                   : (double)scale_of(in) * (double)ws;
        if (tflite_zero(w, c) != 0)
            return refuse(b, "the weights' zero point is %lld; int8 weights must be symmetric",
                          (long long)tflite_zero(w, c));
        if (make_requant(b, product / (double)scale_of(out), &l->requant[c]))
            return -1;
    }
    if (op->n_inputs > 2 && op->inputs[2] >= 0) {
        const struct tflite_tensor *t = &b->m->tensors[op->inputs[2]];
        if (t->type != TFLITE_INT32 || !t->data || t->elements != (uint32_t)n)
            return refuse(b, "bias tensor %d '%.60s' is not a constant of %d int32", op->inputs[2],
                          t->name, n);
        memcpy(bias, t->data, (size_t)n * sizeof *bias);
    }
    return 0;
}

// Refuses weights and biases whose sum could leave 32 bits, rescaled or not: kernels need not agree on the result then.
static int check_accumulator(const struct builder *b, const struct layer *l)
{
    size_t depth = (size_t)l->kh * (size_t)l->kw * (l->op == LAYER_CONV ? (size_t)l->in_c : 1);
    size_t step = l->op == LAYER_CONV ? 1 : (size_t)l->out_c;
    for (int c = 0; c < l->out_c; c++) {
        const int8_t *w = l->weights + (l->op == LAYER_CONV ? (size_t)c * depth : (size_t)c);
        int64_t sum = 0;
        for (size_t i = 0; i < depth; i++)
            sum += abs(w[i * step]);
        int64_t bias = l->bias[c];
        int left = l->requant[c].shift > 0 ? l->requant[c].shift : 0;
        int64_t bound = (sum * 255 + (bias < 0 ? -bias : bias)) * (INT64_C(1) << left);
        if (bound > INT32_MAX - 256)
            return refuse(b, "channel %d could overflow the 32-bit accumulator (bias %lld)", c,
                          (long long)bias);
    }
    return 0;
}

static const struct tflite_tensor *get_weights(const struct builder *b, int n_dims)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (op->n_inputs < 2 || op->inputs[1] < 0) {
        bad(b, "weights are missing");
        return NULL;
    }
    const struct tflite_tensor *w = &b->m->tensors[op->inputs[1]];
    if (w->type != TFLITE_INT8 || !w->data || w->n_dims != n_dims) {
        refuse(b,
               "weights (tensor %d '%.60s', %s, %d dimensions) are not an int8 constant of %d "
               "dimensions",
               op->inputs[1], w->name, tflite_type_name(w->type), w->n_dims, n_dims);
        return NULL;
    }
    return w;
}

struct span {                                  // one axis of a window
    int64_t in, kernel, stride, before, after; // before, after: padding that the file has as a PAD
    int64_t pad, out;                          // results
};

// TFLite's output size and padding over the padded input.
static void resolve_span(struct span *s, bool same)
{
    int64_t in = s->in + s->before + s->after;
    s->out = same ? (in + s->stride - 1) / s->stride : (in + s->stride - s->kernel) / s->stride;
    int64_t total = (s->out - 1) * s->stride + s->kernel - in;
    s->pad = s->before + (total > 0 ? total / 2 : 0);
}

static bool touches(const struct span *s)
{
    return s->pad < s->kernel && (s->out - 1) * s->stride - s->pad < s->in;
}

static bool side_ok(int v)
{
    return v >= 1 && v <= GRAPH_MAX_DIM;
}

// Kernel, stride, padding and output size of a convolution or pool over view v. Pending padding is
// folded when `fold` says that its value has no influence; else, or where a window would see
// nothing but padding, it becomes a layer.
static int resolve_windows(struct builder *b, struct view *v, bool fold, int kh, int kw,
                           struct span s[2])
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (want_nhwc(b, v))
        return -1;
    if (!side_ok(kh) || !side_ok(kw) || !side_ok(op->stride_h) || !side_ok(op->stride_w))
        return bad(b, "kernel %dx%d, stride %dx%d", kh, kw, op->stride_h, op->stride_w);
    if (op->dilation_h != 1 || op->dilation_w != 1)
        return refuse(b, "dilation %dx%d; only 1 is supported", op->dilation_h, op->dilation_w);
    for (int pass = 0; pass < 2; pass++) {
        const struct tensor *t = &b->g->tensors[v->tensor];
        s[0] = (struct span){.in = t->h, .kernel = kh, .stride = op->stride_h};
        s[1] = (struct span){.in = t->w, .kernel = kw, .stride = op->stride_w};
        if (v->padded) {
            s[0].before = v->pad.top;
            s[0].after = v->pad.bottom;
            s[1].before = v->pad.left;
            s[1].after = v->pad.right;
        }
        resolve_span(&s[0], op->padding_same);
        resolve_span(&s[1], op->padding_same);
        if (!v->padded || (fold && touches(&s[0]) && touches(&s[1])))
            break;
        if (get_settled_view(b, 0, v))
            return -1;
    }
    if (s[0].out < 1 || s[1].out < 1)
        return bad(b, "a kernel of %dx%d does not fit its input", kh, kw);
    if (!touches(&s[0]) || !touches(&s[1]))
        return bad(b, "a window sees nothing but padding");
    return 0;
}

static void set_windows(struct layer *l, const struct span s[2])
{
    l->kh = (int)s[0].kernel;
    l->kw = (int)s[1].kernel;
    l->sh = (int)s[0].stride;
    l->sw = (int)s[1].stride;
    l->pad_top = (int)s[0].pad;
    l->pad_left = (int)s[1].pad;
}

static int import_conv(struct builder *b, bool depthwise)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    struct span s[2];
    const struct tflite_tensor *w;
    if (get_view(b, 0, &v) || !(w = get_weights(b, 4)))
        return -1;
    bool zero_padded = v.padded && v.pad.value == zero_of(&b->m->tensors[op->inputs[0]]);
    if (resolve_windows(b, &v, zero_padded, w->dims[1], w->dims[2], s))
        return -1;
    int in_c = b->g->tensors[v.tensor].c, out_c = w->dims[depthwise ? 3 : 0];
    if (depthwise && (w->dims[0] != 1 || out_c % in_c || op->depth_multiplier != out_c / in_c))
        return bad(b, "weights [%d,%d,%d,%d] and depth multiplier %d do not fit %d input channels",
                   w->dims[0], w->dims[1], w->dims[2], w->dims[3], op->depth_multiplier, in_c);
    if (!depthwise && w->dims[3] != in_c && w->dims[3] > 0 && in_c % w->dims[3] == 0)
        return refuse(b, "grouped convolution (%d groups) is not supported", in_c / w->dims[3]);
    if (!depthwise && w->dims[3] != in_c)
        return bad(b, "weights for %d input channels, the input has %d", w->dims[3], in_c);
    if (in_limits(b, s[0].out, s[1].out, out_c))
        return -1;
    struct layer *l = add_layer(b, depthwise ? LAYER_DWCONV : LAYER_CONV, v.tensor, op->outputs[0],
                                (int)s[0].out, (int)s[1].out, out_c);
    set_windows(l, s);
    l->weights = (const int8_t *)w->data;
    l->mult_c = depthwise ? out_c / in_c : 1;
    struct view out = view_nhwc(b->g, l->out);
    if (set_constants(b, l, w, depthwise ? 3 : 0, false) || check_accumulator(b, l) ||
        activation_range(b, op->activation, &b->m->tensors[op->outputs[0]], &l->act_min,
                         &l->act_max))
        return -1;
    return set_view(b, &out);
}

// Weights of a dense layer that reads [C, H, W], reordered for a tensor that is [H, W, C].
static const int8_t *reorder_weights(struct builder *b, const int8_t *from, int rows,
                                     const struct tensor *t)
{
    size_t pixels = (size_t)t->h * (size_t)t->w, depth = pixels * (size_t)t->c;
    int8_t *to = graph_alloc(b, (size_t)rows * depth, 1);
    for (size_t r = 0; to && r < (size_t)rows; r++) {
        for (size_t p = 0; p < pixels; p++) {
            for (size_t c = 0; c < (size_t)t->c; c++)
                to[r * depth + p * (size_t)t->c + c] = from[r * depth + c * pixels + p];
        }
    }
    return to;
}

static int import_dense(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *w, *file_out = &b->m->tensors[op->outputs[0]];
    struct view v;
    if (get_settled_view(b, 0, &v) || !(w = get_weights(b, 2)))
        return -1;
    if (op->weights_format != 0)
        return refuse(b, "shuffled weights (format %d)", op->weights_format);
    int n = w->dims[0], k = w->dims[1];
    const struct tensor *t = &b->g->tensors[v.tensor];
    int64_t elements = (int64_t)t->h * t->w * t->c;
    if (n < 1 || k < 1 || elements % k ||
        file_out->elements != (uint64_t)(elements / k) * (uint64_t)n)
        return bad(b, "weights [%d,%d] do not fit %lld inputs and %u outputs", n, k,
                   (long long)elements, file_out->elements);
    bool whole = elements == k;
    bool per_pixel = !whole && k == t->c && is_ordered(&v);
    if (!is_ordered(&v) && !(whole && is_chw(&v)))
        return refuse(b, "its input is transposed in a way that is not supported");
    if (!whole && !per_pixel) { // M rows of K elements that are not the pixels of the tensor
        if (in_limits(b, elements / k, 1, k))
            return -1;
        v.tensor =
            add_layer(b, LAYER_RESHAPE, v.tensor, op->inputs[0], (int)(elements / k), 1, k)->out;
        t = &b->g->tensors[v.tensor];
    }
    int h = whole ? 1 : t->h, width = whole ? 1 : t->w;
    if (in_limits(b, h, width, n))
        return -1;
    struct layer *l = add_layer(b, LAYER_CONV, v.tensor, op->outputs[0], h, width, n);
    t = &b->g->tensors[l->in[0]];
    if (whole) {
        l->kh = t->h;
        l->kw = t->w;
    }
    l->weights = (const int8_t *)w->data;
    if (!is_ordered(&v) && !(l->weights = reorder_weights(b, l->weights, n, t)))
        return -1;
    if (set_constants(b, l, w, 0, true) || check_accumulator(b, l) ||
        activation_range(b, op->activation, file_out, &l->act_min, &l->act_max))
        return -1;
    // The result is rows of n; where rows are the pixels, it stays a view with axes if the file
    // keeps them.
    struct view out = {.known = true, .tensor = l->out, .n_dims = file_out->n_dims};
    memcpy(out.dims, file_out->dims, sizeof out.dims);
    if (whole) {
        out.direct = true;
        for (int d = 0; d < out.n_dims; d++)
            out.axis[d] = d == out.n_dims - 1 ? AXIS_C : AXIS_ONE;
        if (out.n_dims < 1 || out.dims[out.n_dims - 1] != n)
            return bad(b, "its output does not end in %d channels", n);
    } else if (v.direct && v.n_dims == out.n_dims && out.dims[out.n_dims - 1] == n) {
        out.direct = true;
        memcpy(out.axis, v.axis, sizeof out.axis);
        for (int d = 0; d < out.n_dims; d++) {
            if (axis_size(&b->g->tensors[l->out], out.axis[d]) != out.dims[d])
                out.direct = false;
        }
    }
    return set_view(b, &out);
}

/* ---- the other layers ---- */

static int import_pool(struct builder *b, bool average)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    struct span s[2];
    // Padding with the smallest value never wins a maximum; in a mean it counts.
    if (get_view(b, 0, &v) || resolve_windows(b, &v, !average && v.padded && v.pad.value == -128,
                                              op->filter_h, op->filter_w, s))
        return -1;
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]],
                               *out = &b->m->tensors[op->outputs[0]];
    if (zero_of(in) != zero_of(out) || fabs((double)scale_of(in) - (double)scale_of(out)) > 1.0e-6)
        return refuse(b, "input and output have different scales");
    if (s[0].kernel * s[1].kernel > GRAPH_MAX_WINDOW)
        return refuse(b, "a window of %dx%d is too large", op->filter_h, op->filter_w);
    int c = b->g->tensors[v.tensor].c;
    if (in_limits(b, s[0].out, s[1].out, c))
        return -1;
    struct layer *l = add_layer(b, average ? LAYER_AVGPOOL : LAYER_MAXPOOL, v.tensor,
                                op->outputs[0], (int)s[0].out, (int)s[1].out, c);
    set_windows(l, s);
    if (activation_range(b, op->activation, out, &l->act_min, &l->act_max))
        return -1;
    struct view result = view_nhwc(b->g, l->out);
    return set_view(b, &result);
}

static bool same_axes(const struct view *a, const struct view *b, const struct tensor *ta,
                      const struct tensor *tb)
{
    if (ta->h != tb->h || ta->w != tb->w || ta->c != tb->c)
        return false;
    if (is_ordered(a) && is_ordered(b))
        return true;
    return a->direct == b->direct && a->chw == b->chw &&
           (!a->direct || memcmp(a->axis, b->axis, (size_t)a->n_dims * sizeof a->axis[0]) == 0);
}

static int import_add(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    struct view v[2];
    if (get_settled_view(b, 0, &v[0]) || get_settled_view(b, 1, &v[1]))
        return -1;
    if (v[0].n_dims != v[1].n_dims ||
        memcmp(v[0].dims, v[1].dims, (size_t)v[0].n_dims * sizeof v[0].dims[0]) != 0)
        return refuse(b, "its operands have different shapes; broadcasting is not supported");
    const struct tensor *t = &b->g->tensors[v[0].tensor];
    if (!same_axes(&v[0], &v[1], t, &b->g->tensors[v[1].tensor])) {
        if (!is_ordered(&v[0]) || !is_ordered(&v[1]))
            return refuse(b, "one of its operands is transposed");
        v[1].tensor =
            add_layer(b, LAYER_RESHAPE, v[1].tensor, op->inputs[1], t->h, t->w, t->c)->out;
    }
    struct layer *l = add_layer(b, LAYER_ADD, v[0].tensor, op->outputs[0], t->h, t->w, t->c);
    l->in[1] = v[1].tensor;
    double s0 = (double)scale_of(&b->m->tensors[op->inputs[0]]),
           s1 = (double)scale_of(&b->m->tensors[op->inputs[1]]);
    double twice_max = 2 * (s0 > s1 ? s0 : s1);
    l->add.left_shift = 20;
    l->add.in_zero[0] = zero_of(&b->m->tensors[op->inputs[0]]);
    l->add.in_zero[1] = zero_of(&b->m->tensors[op->inputs[1]]);
    if (make_requant(b, s0 / twice_max, &l->add.in[0]) ||
        make_requant(b, s1 / twice_max, &l->add.in[1]) ||
        make_requant(b, twice_max / ((1 << 20) * (double)scale_of(out)), &l->add.out) ||
        activation_range(b, op->activation, out, &l->act_min, &l->act_max))
        return -1;
    if (l->add.out.shift > 0)
        return refuse(b, "scales %g and %g are too large for the output's %g", s0, s1,
                      (double)scale_of(out));
    struct view result = v[0];
    result.tensor = l->out;
    return set_view(b, &result);
}

// Marks the dimensions that a MEAN reduces.
static int get_reduced(struct builder *b, const struct view *v, bool *reduced)
{
    int32_t axes[TFLITE_MAX_DIMS];
    size_t n;
    if (get_int32(b, 1, TFLITE_MAX_DIMS, axes, &n))
        return -1;
    for (size_t i = 0; i < n; i++) {
        int64_t d = axes[i] < 0 ? (int64_t)axes[i] + v->n_dims : axes[i];
        if (d < 0 || d >= v->n_dims)
            return bad(b, "axis %d of %d dimensions", axes[i], v->n_dims);
        reduced[d] = true;
    }
    return 0;
}

// The dimension of a [1, H * W, C] or [1, C, H * W] that counts pixels; -1: the view is neither.
static int pixel_dim(const struct view *v, const struct tensor *t)
{
    int pixels = v->chw ? 2 : 1;
    if (v->direct || v->n_dims != 3 || v->dims[0] != 1 || v->dims[3 - pixels] != t->c)
        return -1;
    return pixels;
}

static int import_mean(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]];
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    struct view v;
    bool reduced[TFLITE_MAX_DIMS] = {false};
    if (get_settled_view(b, 0, &v) || get_reduced(b, &v, reduced))
        return -1;
    int pixels = pixel_dim(&v, &b->g->tensors[v.tensor]);
    bool over_c = false;
    for (int d = 0; v.direct && d < v.n_dims; d++)
        over_c = over_c || (reduced[d] && v.axis[d] == AXIS_C && v.dims[d] > 1);
    // What is C in the tensor can be H or W in the file, behind a RESHAPE.
    if ((over_c || (!v.direct && pixels < 0)) && v.n_dims == 4 && is_ordered(&v) &&
        want_nhwc(b, &v))
        return -1;
    const struct tensor *t = &b->g->tensors[v.tensor];
    if (pixels >= 0) {
        v.axis[0] = v.axis[pixels] = AXIS_ONE;
        v.axis[3 - pixels] = AXIS_C;
    }
    if ((!v.direct && pixels < 0) || (pixels >= 0 && !reduced[pixels]))
        return refuse(b, "a mean over a reshaped tensor of %d dimensions", v.n_dims);
    int kh = pixels >= 0 ? t->h : 1, kw = pixels >= 0 ? t->w : 1;
    for (int d = 0; d < v.n_dims; d++) {
        if (reduced[d] && v.axis[d] == AXIS_C && t->c > 1)
            return refuse(b, "a mean over the channels (axis %d)", d);
        kh = reduced[d] && v.axis[d] == AXIS_H ? t->h : kh;
        kw = reduced[d] && v.axis[d] == AXIS_W ? t->w : kw;
    }
    if ((int64_t)kh * kw > GRAPH_MAX_WINDOW)
        return refuse(b, "a mean over %dx%d is too large", kh, kw);
    struct view result = {.known = true, .direct = true};
    for (int d = 0; d < v.n_dims; d++) {
        if (reduced[d] && !op->keep_dims)
            continue;
        result.dims[result.n_dims] = reduced[d] ? 1 : v.dims[d];
        result.axis[result.n_dims++] = reduced[d] ? AXIS_ONE : v.axis[d];
    }
    struct layer *l =
        add_layer(b, LAYER_MEAN, v.tensor, op->outputs[0], t->h / kh, t->w / kw, t->c);
    result.tensor = l->out;
    l->kh = kh;
    l->kw = kw;
    l->requant = graph_alloc(b, 1, sizeof *l->requant);
    if (!l->requant || make_requant(b, (double)scale_of(in) / (double)scale_of(out), l->requant))
        return -1;
    // The count goes into the multiplier with as many extra bits as the shift leaves, as TFLite
    // does.
    int64_t count = (int64_t)kh * kw;
    int bits = 63 - __builtin_clzll((unsigned long long)count);
    bits = bits < 31 + l->requant->shift ? bits : 31 + l->requant->shift;
    l->requant->mult = (int32_t)(((int64_t)l->requant->mult << bits) / count);
    l->requant->shift -= bits;
    return set_view(b, &result);
}

static int import_softmax(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    struct view v;
    if (get_settled_view(b, 0, &v))
        return -1;
    if (scale_of(out) != 1.0f / 256 || zero_of(out) != -128)
        return refuse(b, "output scale %g and zero point %d; 1/256 and -128 are required",
                      (double)scale_of(out), zero_of(out));
    if (v.n_dims < 1)
        return refuse(b, "softmax of a scalar");
    int depth = v.dims[v.n_dims - 1];
    const struct tensor *t = &b->g->tensors[v.tensor];
    int64_t elements = (int64_t)t->h * t->w * t->c;
    if (depth < 1 || depth > GRAPH_MAX_SOFTMAX)
        return refuse(b, "softmax over %d elements; 1 to %d are supported", depth,
                      GRAPH_MAX_SOFTMAX);
    bool last_is_c = v.direct ? v.axis[v.n_dims - 1] == AXIS_C || (depth == 1 && t->c == 1)
                              : !v.chw && depth == t->c;
    if (!last_is_c) {
        if (!is_ordered(&v))
            return refuse(b, "softmax over a transposed axis");
        if (in_limits(b, elements / depth, 1, depth))
            return -1;
        v.tensor =
            add_layer(b, LAYER_RESHAPE, v.tensor, op->inputs[0], (int)(elements / depth), 1, depth)
                ->out;
        v.direct = false;
        v.chw = false;
        t = &b->g->tensors[v.tensor];
    }
    struct layer *l = add_layer(b, LAYER_SOFTMAX, v.tensor, op->outputs[0], t->h, t->w, t->c);
    double real = (double)op->beta * (double)scale_of(&b->m->tensors[op->inputs[0]]) * (1 << 26);
    real = real < 2147483647.0 ? real : 2147483647.0;
    if (!(real > 1))
        return refuse(b, "beta %g with this input scale is too small", (double)op->beta);
    struct requant q;
    int shift;
    double fraction = frexp(real, &shift); // as make_requant(), which stops at 2^30
    int64_t rounded = (int64_t)round(fraction * 2147483648.0);
    q = rounded == INT64_C(1) << 31 ? (struct requant){1 << 30, shift + 1}
                                    : (struct requant){(int32_t)rounded, shift};
    l->softmax.beta_mult = q.mult;
    l->softmax.beta_shift = q.shift;
    l->softmax.diff_min = -(int)floor(31.0 * (1 << 26) / (double)(INT64_C(1) << q.shift));
    v.tensor = l->out;
    return set_view(b, &v);
}

// Narrows the clamp of the layer that made the view, if it is the only reader.
static bool fold_clamp(struct builder *b, const struct view *v, int32_t low, int32_t high)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    int index = op->inputs[0];
    struct tensor *t = &b->g->tensors[v->tensor];
    if (b->uses[index] != 1 || t->tflite_index != index || t->producer < 0)
        return false;
    struct layer *l = &b->g->layers[t->producer];
    if (l->op == LAYER_SOFTMAX || l->op == LAYER_PAD || l->op == LAYER_RESHAPE)
        return false;
    l->act_min = l->act_min < low ? low : l->act_min > high ? high : l->act_min;
    l->act_max = l->act_max < low ? low : l->act_max > high ? high : l->act_max;
    t->tflite_index = op->outputs[0];
    copy_name(l->name, sizeof l->name, b->m->tensors[op->outputs[0]].name);
    return true;
}

static int import_rescale(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    if (get_settled_view(b, 0, &v))
        return -1;
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]],
                               *out = &b->m->tensors[op->outputs[0]];
    bool clamps = op->code != TFLITE_OP_QUANTIZE;
    enum tflite_activation act = op->code == TFLITE_OP_RELU    ? TFLITE_ACT_RELU
                                 : op->code == TFLITE_OP_RELU6 ? TFLITE_ACT_RELU6
                                 : clamps                      ? TFLITE_ACT_RELU_N1_TO_1
                                                               : TFLITE_ACT_NONE;
    int32_t low, high;
    // TFLite Micro's RELU6 only clamps, whatever the scale of its output says.
    bool only_clamps = op->code == TFLITE_OP_RELU6 || same_quantisation(in, out);
    if (activation_range(b, act, op->code == TFLITE_OP_RELU6 ? in : out, &low, &high))
        return -1;
    if (only_clamps && fold_clamp(b, &v, low, high))
        return set_view(b, &v);
    const struct tensor *t = &b->g->tensors[v.tensor];
    struct layer *l = add_layer(b, LAYER_RESCALE, v.tensor, op->outputs[0], t->h, t->w, t->c);
    l->act_min = low;
    l->act_max = high;
    l->requant = graph_alloc(b, 1, sizeof *l->requant);
    // TFLite divides the scales in float for an activation, in double for QUANTIZE.
    double ratio = clamps ? (double)(scale_of(in) / scale_of(out))
                          : (double)scale_of(in) / (double)scale_of(out);
    if (only_clamps) {
        ratio = 1;
        l->out_zero = l->in_zero;
    }
    if (!l->requant || make_requant(b, ratio, l->requant))
        return -1;
    v.tensor = l->out;
    return set_view(b, &v);
}

static int import_pad(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    int32_t pads[2 * TFLITE_MAX_DIMS];
    size_t n;
    if (get_view(b, 0, &v) || get_int32(b, 1, 2 * TFLITE_MAX_DIMS, pads, &n))
        return -1;
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    if (n != 2 * (size_t)v.n_dims)
        return bad(b, "%zu paddings for %d dimensions", n, v.n_dims);
    int32_t value = zero_of(out);
    if (op->n_inputs > 2 && op->inputs[2] >= 0) {
        const struct tflite_tensor *t = &b->m->tensors[op->inputs[2]];
        if (t->type != TFLITE_INT8 || !t->data || t->elements != 1)
            return refuse(b, "the value to pad with (tensor %d) is not an int8 constant",
                          op->inputs[2]);
        value = (int8_t)t->data[0];
    }
    if (v.padded && v.pad.value != value && get_settled_view(b, 0, &v))
        return -1;
    if (v.n_dims == 4 && is_ordered(&v) && !v.padded && want_nhwc(b, &v))
        return -1;
    if (!v.direct)
        return refuse(b, "padding of a reshaped tensor of %d dimensions", v.n_dims);
    struct padding p = v.padded ? v.pad : (struct padding){.value = value};
    int64_t before[4] = {0, 0, 0, 0}, after[4] = {0, 0, 0, 0};
    for (int d = 0; d < v.n_dims; d++) {
        if (pads[2 * d] < 0 || pads[2 * d + 1] < 0 || pads[2 * d] > GRAPH_MAX_DIM ||
            pads[2 * d + 1] > GRAPH_MAX_DIM)
            return bad(b, "paddings %d and %d of dimension %d", pads[2 * d], pads[2 * d + 1], d);
        before[v.axis[d]] += pads[2 * d];
        after[v.axis[d]] += pads[2 * d + 1];
        v.dims[d] += pads[2 * d] + pads[2 * d + 1];
    }
    if (before[AXIS_ONE] || after[AXIS_ONE])
        return refuse(b, "it pads a dimension of size 1 that is neither H, W nor C");
    int64_t top = p.top + before[AXIS_H], bottom = p.bottom + after[AXIS_H];
    int64_t left = p.left + before[AXIS_W], right = p.right + after[AXIS_W];
    const struct tensor *t = &b->g->tensors[v.tensor];
    int64_t c = t->c + before[AXIS_C] + after[AXIS_C];
    if (in_limits(b, t->h + top + bottom, t->w + left + right, c))
        return -1;
    p = (struct padding){(int)top, (int)bottom, (int)left, (int)right, value};
    v.padded = true;
    v.pad = p;
    if (c != t->c) { // channels: at once, everything in one layer
        struct layer *l = add_layer(b, LAYER_PAD, v.tensor, op->outputs[0], t->h + p.top + p.bottom,
                                    t->w + p.left + p.right, (int)c);
        l->pad_top = p.top;
        l->pad_left = p.left;
        l->pad_c = (int)before[AXIS_C];
        l->in_zero = l->out_zero = value;
        v.tensor = l->out;
        v.padded = false;
    }
    return set_view(b, &v);
}

/* ---- shapes ---- */

// While only reshapes have read the input, its own shape can still be chosen: that of the first one
// with 4 dimensions.
static bool adopt_input_shape(struct builder *b, struct view *v, const int32_t *dims)
{
    struct tensor *t = &b->g->tensors[b->g->input];
    if (!b->input_open || v->tensor != b->g->input || !is_ordered(v) || b->g->input_chw)
        return false;
    if (dims[0] != 1 || !side_ok(dims[1]) || !side_ok(dims[2]) || !side_ok(dims[3]))
        return false;
    t->h = dims[1];
    t->w = dims[2];
    t->c = dims[3];
    *v = view_nhwc(b->g, b->g->input);
    return true;
}

// Names the axes of a new shape that differs from the old one only by dimensions of size 1.
static bool keep_axes(const struct view *v, struct view *out)
{
    int from = 0;
    for (int d = 0; d < out->n_dims; d++) {
        out->axis[d] = AXIS_ONE;
        if (out->dims[d] == 1)
            continue;
        while (from < v->n_dims && v->dims[from] == 1)
            from++;
        if (from == v->n_dims || v->dims[from] != out->dims[d])
            return false;
        out->axis[d] = v->axis[from++];
    }
    while (from < v->n_dims && v->dims[from] == 1)
        from++;
    return from == v->n_dims;
}

static int import_reshape(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *in, *out;
    struct view v;
    if (get_settled_view(b, 0, &v))
        return -1;
    in = &b->m->tensors[op->inputs[0]];
    out = &b->m->tensors[op->outputs[0]];
    if (in->elements != out->elements)
        return bad(b, "%u elements in, %u out", in->elements, out->elements);
    if (out->n_dims == 4 && adopt_input_shape(b, &v, out->dims))
        return set_view(b, &v);
    struct view result = v;
    result.n_dims = out->n_dims;
    memcpy(result.dims, out->dims, sizeof result.dims);
    result.direct = v.direct && keep_axes(&v, &result);
    if (!result.direct) {
        result.chw = !is_ordered(&v);
        if (!is_ordered(&v) && !is_chw(&v))
            return refuse(b,
                          "it reshapes a tensor that is transposed in a way that is not supported");
    }
    return set_view(b, &result);
}

static int import_transpose(struct builder *b)
{
    struct view v;
    int32_t perm[TFLITE_MAX_DIMS];
    size_t n;
    if (get_settled_view(b, 0, &v) || get_int32(b, 1, TFLITE_MAX_DIMS, perm, &n))
        return -1;

    if (n != (size_t)v.n_dims)
        return bad(b, "a permutation of %zu for %d dimensions", n, v.n_dims);
    if (!v.direct && v.n_dims == 4 && is_ordered(&v) && want_nhwc(b, &v))
        return -1;
    struct view result = v;
    bool used[TFLITE_MAX_DIMS] = {false};
    int last_long = -1;
    bool moves = false;
    for (size_t d = 0; d < n; d++) {
        int32_t from = perm[d];
        if (from < 0 || (size_t)from >= n || used[from])
            return bad(b, "bad permutation at dimension %zu", d);
        used[from] = true;
        result.dims[d] = v.dims[from];
        result.axis[d] = v.axis[from];
        if (v.dims[from] > 1) {
            moves = moves || from < last_long;
            last_long = from;
        }
    }
    if (!v.direct && moves)
        return refuse(b, "it transposes a reshaped tensor");
    // The file's input is [C, H, W]: rename its axes.
    if (v.direct && is_ordered(&v) && moves && b->input_open && v.tensor == b->g->input &&
        !b->g->input_chw) {
        enum axis axes[3];
        struct tensor *t = &b->g->tensors[v.tensor];
        size_t tail = n - 3;
        bool wrapper = n >= 3 && long_axes(&result, axes) > 0;
        for (size_t d = 0; wrapper && d < tail; d++)
            wrapper = result.dims[d] == 1;
        for (size_t d = 0; wrapper && d < 3; d++)
            wrapper = perm[tail + d] == (int32_t)(tail + (d + 1) % 3);
        if (wrapper) {
            t->h = result.dims[tail];
            t->w = result.dims[tail + 1];
            t->c = result.dims[tail + 2];
            for (size_t d = 0; d < n; d++)
                result.axis[d] = d < tail ? AXIS_ONE : (enum axis)(d - tail);
            b->g->input_chw = true;
        }
    }
    return set_view(b, &result);
}

/* ---- the model ---- */

static bool moves_bytes(int code)
{
    return code == TFLITE_OP_RESHAPE || code == TFLITE_OP_SQUEEZE ||
           code == TFLITE_OP_EXPAND_DIMS || code == TFLITE_OP_TRANSPOSE;
}

static bool is_supported(int code)
{
    switch (code) {
    case TFLITE_OP_CONV_2D:
    case TFLITE_OP_DEPTHWISE_CONV_2D:
    case TFLITE_OP_FULLY_CONNECTED:
    case TFLITE_OP_ADD:
    case TFLITE_OP_AVERAGE_POOL_2D:
    case TFLITE_OP_MAX_POOL_2D:
    case TFLITE_OP_MEAN:
    case TFLITE_OP_PAD:
    case TFLITE_OP_PADV2:
    case TFLITE_OP_RELU:
    case TFLITE_OP_RELU6:
    case TFLITE_OP_RELU_N1_TO_1:
    case TFLITE_OP_SOFTMAX:
    case TFLITE_OP_QUANTIZE:
    case TFLITE_OP_DEQUANTIZE:
        return true;
    default:
        return moves_bytes(code);
    }
}

// How many of an operator's inputs are activations; what follows is shapes, axes, weights.
static int data_inputs(const struct tflite_op *op)
{
    int n = is_supported(op->code) ? (op->code == TFLITE_OP_ADD ? 2 : 1) : op->n_inputs;
    return n < op->n_inputs ? n : op->n_inputs;
}

// Marks the operators that the given tensors need; those in front of the core's input do not count.
static void mark_live(struct builder *b, const int32_t *outputs, int n, int stop_at, bool *wanted)
{
    const struct tflite_model *m = b->m;
    memset(wanted, 0, (size_t)m->n_tensors * sizeof *wanted);
    memset(b->live, 0, (size_t)m->n_ops * sizeof *b->live);
    for (int i = 0; i < n; i++)
        wanted[outputs[i]] = true;
    for (int i = m->n_ops - 1; i >= 0; i--) {
        const struct tflite_op *op = &m->ops[i];
        for (int k = 0; k < op->n_outputs; k++)
            b->live[i] = b->live[i] || (wanted[op->outputs[k]] && op->outputs[k] != stop_at);
        for (int k = 0; b->live[i] && k < data_inputs(op); k++) {
            if (op->inputs[k] >= 0)
                wanted[op->inputs[k]] = true;
        }
    }
}

// The first operator that can never be part of an int8 CNN, before anything else is said about the
// model.
static int scan_operators(struct builder *b)
{
    for (b->op = 0; b->op < b->m->n_ops; b->op++) {
        const struct tflite_op *op = &b->m->ops[b->op];
        if (!b->live[b->op])
            continue;
        if (!is_supported(op->code))
            return refuse(b, "not an int8 CNN operator; supported are " SUPPORTED);
        if (op->n_inputs < 1 || op->inputs[0] < 0 || op->n_outputs != 1)
            return bad(b, "%d inputs and %d outputs", op->n_inputs, op->n_outputs);
        const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]];
        bool border = moves_bytes(op->code) || op->code == TFLITE_OP_QUANTIZE ||
                      op->code == TFLITE_OP_DEQUANTIZE;
        if (!border && in->type != TFLITE_INT8)
            return want_activation(b, op->inputs[0]);
    }
    return 0;
}

static bool same_type(const struct tflite_model *m, const struct tflite_op *op)
{
    return m->tensors[op->inputs[0]].type == m->tensors[op->outputs[0]].type;
}

// Where the int8 core begins: behind the first QUANTIZE, which may sit behind operators that only move bytes.
static int core_input(const struct tflite_model *m)
{
    int at = m->inputs[0];
    for (int i = 0; i < m->n_ops && m->tensors[at].type != TFLITE_INT8; i++) {
        const struct tflite_op *op = &m->ops[i];
        if (op->n_inputs < 1 || op->inputs[0] != at || op->n_outputs != 1)
            continue;
        if (op->code == TFLITE_OP_QUANTIZE || (moves_bytes(op->code) && same_type(m, op)))
            at = op->outputs[0];
    }
    return at;
}

static int core_output(const struct tflite_model *m)
{
    int at = m->outputs[0];
    for (int i = m->n_ops - 1; i >= 0 && m->tensors[at].type != TFLITE_INT8; i--) {
        const struct tflite_op *op = &m->ops[i];
        if (op->n_outputs != 1 || op->outputs[0] != at || op->n_inputs < 1 || op->inputs[0] < 0)
            continue;
        if (op->code == TFLITE_OP_DEQUANTIZE || op->code == TFLITE_OP_QUANTIZE ||
            (moves_bytes(op->code) && same_type(m, op)))
            at = op->inputs[0];
    }
    return at;
}

static int open_border(struct builder *b, bool *wanted)
{
    const struct tflite_model *m = b->m;
    if (m->n_outputs < 1 || m->n_inputs < 1)
        return err_set(b->e, ERR_BAD_MODEL, "the model has %d inputs and %d outputs", m->n_inputs,
                       m->n_outputs);
    mark_live(b, m->outputs, m->n_outputs, -1, wanted);
    if (scan_operators(b))
        return -1;
    if (m->n_inputs != 1 || m->n_outputs != 1)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the model has %d inputs and %d outputs; one of each is supported",
                       m->n_inputs, m->n_outputs);
    b->core_in = core_input(m);
    b->core_out = core_output(m);
    const struct tflite_tensor *in = &m->tensors[b->core_in], *out = &m->tensors[b->core_out];
    if (in->type != TFLITE_INT8 || in->data)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the model input (tensor %d '%.60s', %s) does not reach int8 by QUANTIZE",
                       b->core_in, in->name, tflite_type_name(in->type));
    if (out->type != TFLITE_INT8)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the model output (tensor %d '%.60s', %s) does not come from an int8 tensor",
                       b->core_out, out->name, tflite_type_name(out->type));
    int32_t output = b->core_out;
    mark_live(b, &output, 1, b->core_in, wanted);
    b->uses[b->core_out]++;
    for (int i = 0; i < m->n_ops; i++) {
        const struct tflite_op *op = &m->ops[i];
        for (int k = 0; b->live[i] && k < data_inputs(op); k++) {
            if (op->inputs[k] >= 0)
                b->uses[op->inputs[k]]++;
        }
    }
    return 0;
}

// Tensor 0. Up to 4 dimensions; fewer are the last ones of [1, H, W, C].
static int import_input(struct builder *b)
{
    const struct tflite_tensor *t = &b->m->tensors[b->core_in];
    int32_t hwc[3] = {1, 1, 1};
    struct view v = {.known = true, .n_dims = t->n_dims, .direct = true};
    int64_t zero = tflite_zero(t, 0);
    if (t->n_scales != 1 || !(scale_of(t) > 0) || scale_of(t) > FLT_MAX || zero < -128 ||
        zero > 127)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the input tensor %d '%.60s' has no usable quantisation", b->core_in,
                       t->name);
    if (t->n_dims > 4 || (t->n_dims == 4 && t->dims[0] != 1))
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the input tensor %d '%.60s' has %d dimensions and batch %d; [1, H, W, C] "
                       "is supported",
                       b->core_in, t->name, t->n_dims, t->n_dims > 0 ? t->dims[0] : 0);
    for (int d = 0; d < t->n_dims; d++) {
        int axis = 3 - t->n_dims + d;
        v.dims[d] = t->dims[d];
        v.axis[d] = axis < 0 ? AXIS_ONE : (enum axis)axis;
        if (axis >= 0)
            hwc[axis] = t->dims[d];
    }
    if (t->elements < 1 || t->elements > GRAPH_MAX_TENSOR_BYTES || hwc[0] > GRAPH_MAX_DIM ||
        hwc[1] > GRAPH_MAX_DIM || hwc[2] > GRAPH_MAX_DIM)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the input tensor %d '%.60s' has %u elements (sides up to %d, %u bytes)",
                       b->core_in, t->name, t->elements, GRAPH_MAX_DIM, GRAPH_MAX_TENSOR_BYTES);
    v.tensor = b->g->input = add_tensor(b, hwc[0], hwc[1], hwc[2], b->core_in, -1);
    b->views[b->core_in] = v;
    return 0;
}

static int import_op(struct builder *b)
{
    int code = b->m->ops[b->op].code;
    // As long as one chain of reshapes leads away from the input, its shape and layout are still
    // free.
    if (!moves_bytes(code) || b->uses[b->m->ops[b->op].inputs[0]] != 1)
        b->input_open = false;
    switch (code) {
    case TFLITE_OP_CONV_2D:
        return import_conv(b, false);
    case TFLITE_OP_DEPTHWISE_CONV_2D:
        return import_conv(b, true);
    case TFLITE_OP_FULLY_CONNECTED:
        return import_dense(b);
    case TFLITE_OP_ADD:
        return import_add(b);
    case TFLITE_OP_AVERAGE_POOL_2D:
        return import_pool(b, true);
    case TFLITE_OP_MAX_POOL_2D:
        return import_pool(b, false);
    case TFLITE_OP_MEAN:
        return import_mean(b);
    case TFLITE_OP_PAD:
    case TFLITE_OP_PADV2:
        return import_pad(b);
    case TFLITE_OP_RELU:
    case TFLITE_OP_RELU6:
    case TFLITE_OP_RELU_N1_TO_1:
    case TFLITE_OP_QUANTIZE:
        return import_rescale(b);
    case TFLITE_OP_SOFTMAX:
        return import_softmax(b);
    case TFLITE_OP_RESHAPE:
    case TFLITE_OP_SQUEEZE:
    case TFLITE_OP_EXPAND_DIMS:
        return import_reshape(b);
    case TFLITE_OP_TRANSPOSE:
        return import_transpose(b);
    case TFLITE_OP_DEQUANTIZE:
        return refuse(b, "floating point inside the network; only its output may be dequantised");
    default:
        return refuse(b, "not an int8 CNN operator; supported are " SUPPORTED);
    }
}

static int close_output(struct builder *b)
{
    struct graph *g = b->g;
    struct view *v = &b->views[b->core_out];
    for (b->op = b->m->n_ops - 1; b->op > 0 && !b->live[b->op]; b->op--)
        continue; // what is said here is said of the last operator
    if (!v->known)
        return err_set(b->e, ERR_BAD_MODEL, "no operator writes the output tensor %d '%.60s'",
                       b->core_out, b->m->tensors[b->core_out].name);
    if (settle_padding(b, v, b->core_out))
        return -1;
    if (g->n_layers == 0 || g->tensors[v->tensor].producer != g->n_layers - 1)
        return err_set(b->e, ERR_UNSUPPORTED, "no layer computes the output tensor %d '%.60s'",
                       b->core_out, b->m->tensors[b->core_out].name);
    if (!is_ordered(v) && !is_chw(v))
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the output tensor %d '%.60s' is transposed; [H, W, C] and [C, H, W] are "
                       "supported",
                       b->core_out, b->m->tensors[b->core_out].name);
    g->output = v->tensor;
    g->output_chw = !is_ordered(v);
    g->tensors[g->output].zero = zero_of(&b->m->tensors[b->core_out]);
    g->tensors[g->output].scale = scale_of(&b->m->tensors[b->core_out]);
    for (int i = 0; i < g->n_layers; i++) {
        const struct layer *l = &g->layers[i];
        g->macs += layer_macs_per_pixel(l) * (uint64_t)l->out_h * (uint64_t)l->out_w;
        if (l->weights)
            g->weight_bytes += layer_macs_per_pixel(l) + 4 * (size_t)l->out_c;
    }
    return 0;
}

int graph_build(struct graph *g, const struct tflite_model *m, struct err *e)
{
    *g = (struct graph){.input = -1, .output = -1};
    struct builder b = {.g = g, .m = m, .e = e, .core_in = -1, .core_out = -1, .input_open = true};
    int rc = -1;
    bool *wanted = calloc((size_t)m->n_tensors + 1, sizeof *wanted);
    b.views = calloc((size_t)m->n_tensors + 1, sizeof *b.views);
    b.uses = calloc((size_t)m->n_tensors + 1, sizeof *b.uses);
    b.live = calloc((size_t)m->n_ops + 1, sizeof *b.live);
    // An operator makes at most one layer of its own, a padding for each of two operands and a
    // copy.
    size_t max_layers = 4 * (size_t)m->n_ops + 2;
    g->layers = graph_alloc(&b, max_layers, sizeof *g->layers);
    g->tensors = graph_alloc(&b, max_layers + 1, sizeof *g->tensors);
    if (!wanted || !b.views || !b.uses || !b.live || !g->layers || !g->tensors) {
        err_set(e, ERR_NO_MEMORY, "out of memory while importing a model");
        goto out;
    }
    if (open_border(&b, wanted) || import_input(&b))
        goto out;
    for (b.op = 0; b.op < m->n_ops; b.op++) {
        if (b.live[b.op] && import_op(&b))
            goto out;
    }
    rc = close_output(&b);
out:
    free(wanted);
    free(b.views);
    free(b.uses);
    free(b.live);
    if (rc)
        graph_free(g);
    return rc;
}

void graph_free(struct graph *g)
{
    struct storage *s = g->storage;
    while (s) {
        struct storage *next = s->next;
        free(s);
        s = next;
    }
    *g = (struct graph){0};
}

uint64_t layer_macs_per_pixel(const struct layer *l)
{
    uint64_t window = (uint64_t)l->kh * (uint64_t)l->kw * (uint64_t)l->out_c;
    return l->op == LAYER_CONV ? window * (uint64_t)l->in_c : l->op == LAYER_DWCONV ? window : 0;
}

/* ---- invariants ---- */

static bool fits(int in, int out, int kernel, int stride, int pad)
{
    return kernel >= 1 && stride >= 1 && kernel <= GRAPH_MAX_DIM && stride <= GRAPH_MAX_DIM &&
           pad >= 0 && pad < kernel && (int64_t)(out - 1) * stride - pad < in;
}

static const char *layer_fault(const struct graph *g, int i)
{
    const struct layer *l = &g->layers[i];
    if (l->in[0] < 0 || l->in[0] >= g->n_tensors || l->out < 0 || l->out >= g->n_tensors ||
        l->in[1] >= g->n_tensors)
        return "a tensor does not exist";
    if (g->tensors[l->in[0]].producer >= i || (l->in[1] >= 0 && g->tensors[l->in[1]].producer >= i))
        return "it reads a tensor that is written later";
    if (g->tensors[l->out].producer != i)
        return "its output belongs to another layer";
    const struct tensor *in = &g->tensors[l->in[0]], *out = &g->tensors[l->out];
    if (in->h != l->in_h || in->w != l->in_w || in->c != l->in_c)
        return "its input has another shape";
    if (out->h != l->out_h || out->w != l->out_w || out->c != l->out_c)
        return "its output has another shape";
    if (l->act_min < -128 || l->act_max > 127 || l->act_min > l->act_max)
        return "bad clamp";
    if (l->in_zero < -128 || l->in_zero > 127 || l->out_zero < -128 || l->out_zero > 127)
        return "bad zero point";
    bool same_size = l->in_h == l->out_h && l->in_w == l->out_w;
    bool windows = fits(l->in_h, l->out_h, l->kh, l->sh, l->pad_top) &&
                   fits(l->in_w, l->out_w, l->kw, l->sw, l->pad_left);
    int n_requant = 0;
    switch (l->op) {
    case LAYER_CONV:
    case LAYER_DWCONV:
        if (!windows || !l->weights || !l->bias)
            return "bad window or no weights";
        if (l->op == LAYER_DWCONV && l->out_c != l->in_c * l->mult_c)
            return "channels do not fit";
        n_requant = l->out_c;
        break;
    case LAYER_AVGPOOL:
    case LAYER_MAXPOOL:
        if (!windows || l->in_c != l->out_c)
            return "bad window";
        break;
    case LAYER_MEAN:
        n_requant = 1;
        if (l->in_c != l->out_c || (l->kh != 1 && l->kh != l->in_h) ||
            (l->kw != 1 && l->kw != l->in_w) || l->out_h * l->kh != l->in_h ||
            l->out_w * l->kw != l->in_w)
            return "bad extent";
        break;
    case LAYER_ADD: {
        if (l->in[1] < 0)
            return "one operand";
        const struct tensor *t = &g->tensors[l->in[1]];
        if (!same_size || l->in_c != l->out_c || t->h != in->h || t->w != in->w || t->c != in->c)
            return "operands differ in shape";
        break;
    }
    case LAYER_SOFTMAX:
    case LAYER_RESCALE:
        n_requant = l->op == LAYER_RESCALE;
        if (!same_size || l->in_c != l->out_c)
            return "input and output differ in shape";
        break;
    case LAYER_PAD:
        if (l->pad_top < 0 || l->pad_left < 0 || l->pad_c < 0 || l->pad_top + l->in_h > l->out_h ||
            l->pad_left + l->in_w > l->out_w || l->pad_c + l->in_c > l->out_c ||
            l->in_zero != l->out_zero)
            return "bad padding";
        break;
    case LAYER_RESHAPE:
        if ((int64_t)l->in_h * l->in_w * l->in_c != (int64_t)l->out_h * l->out_w * l->out_c)
            return "sizes differ";
        break;
    default:
        return "unknown layer";
    }
    if ((l->requant != NULL) != (n_requant > 0))
        return "multipliers are missing";
    for (int c = 0; c < n_requant; c++) {
        if (l->requant[c].mult < 0 || l->requant[c].shift < -31 || l->requant[c].shift > 31)
            return "bad multiplier";
    }
    return NULL;
}

int graph_check(const struct graph *g, struct err *e)
{
    if (g->n_layers < 1 || g->n_tensors != g->n_layers + 1 || g->input != 0 ||
        g->tensors[0].producer != -1)
        return err_set(e, ERR_INTERNAL, "%d layers, %d tensors", g->n_layers, g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) {
        const struct tensor *t = &g->tensors[i];
        if (t->h < 1 || t->w < 1 || t->c < 1 || t->h > GRAPH_MAX_DIM || t->w > GRAPH_MAX_DIM ||
            t->c > GRAPH_MAX_DIM || (int64_t)t->h * t->w * t->c > GRAPH_MAX_TENSOR_BYTES)
            return err_set(e, ERR_INTERNAL, "tensor %d is %dx%dx%d", i, t->h, t->w, t->c);
    }
    for (int i = 0; i < g->n_layers; i++) {
        const char *fault = layer_fault(g, i);
        if (fault)
            return err_set(e, ERR_INTERNAL, "layer %d %s: %s", i, layer_op_names[g->layers[i].op],
                           fault);
    }
    if (g->output != g->layers[g->n_layers - 1].out)
        return err_set(e, ERR_INTERNAL, "the last layer does not write the output");
    return 0;
}
