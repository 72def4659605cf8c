// SPDX-License-Identifier: MIT
// The naive interpreter behind reference.h. The arithmetic is that of TFLite Micro's reference
// kernels (commit 90b983c2, double rounding): gemmlowp fixed point, integer accumulators, clamps in
// the output's quantisation. Integer overflow, which those kernels leave undefined, wraps here.
#include "server/planner/reference.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSOR_BYTES (256u << 20) // all tensors of a run together
#define MAX_WORK UINT64_C(8000000000) // inner loop steps of a run
#define MAX_CHANNELS (1 << 20)
#define MAX_SOFTMAX_DEPTH 4095 // more could overflow the Q12.19 sum
#define MAX_FILTER 65536       // kernel side, stride, dilation

struct reference {
    const struct tflite_model *model;
    void **data; // [n_tensors]; NULL: not written
    size_t *bytes;
};

struct run {
    struct reference *r;
    const struct tflite_model *m;
    int op; // being executed
    uint64_t work, total_bytes;
    struct err *e;
};

__attribute__((format(printf, 2, 3))) static void op_say(struct run *run, const char *fmt, ...)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    int out = op->n_outputs > 0 ? op->outputs[0] : -1;
    err_set(run->e, ERR_UNSUPPORTED, "operator %d %s (output tensor %d '%.60s'): %s", run->op,
            op->name, out, out >= 0 ? run->m->tensors[out].name : "", what);
}
// The -1 is here because analyzers do not look into a function of variable arguments.
#define op_fail(...) (op_say(__VA_ARGS__), -1)

/* ---- fixed point ---- */

struct multiplier {
    int32_t mult;
    int shift; // left when positive
};

static int32_t wrap_add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static int32_t wrap_shift_left(int32_t x, int n)
{
    return (int32_t)((uint32_t)x << n);
}

// (a * b * 2) >> 32, rounded half away from zero, saturated.
static int32_t doubling_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    int64_t product = (int64_t)a * b;
    int64_t nudge = product >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30);
    return (int32_t)((product + nudge) / (INT64_C(1) << 31));
}

// x / 2^n, rounded half away from zero; n in 0..31.
static int32_t rounding_divide_pot(int32_t x, int n)
{
    int32_t mask = (int32_t)((UINT32_C(1) << n) - 1);
    int32_t remainder = x & mask;
    int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> n) + (remainder > threshold ? 1 : 0);
}

static int32_t multiply(int32_t x, struct multiplier m)
{
    int left = m.shift > 0 ? m.shift : 0, right = m.shift > 0 ? 0 : -m.shift;
    return rounding_divide_pot(doubling_high_mul(wrap_shift_left(x, left), m.mult), right);
}

// -1 when the scale has no fixed-point form (negative, infinite, above 2^30).
static int quantize_multiplier(double real, struct multiplier *out)
{
    *out = (struct multiplier){0, 0};
    if (!(real >= 0) || real > 1073741824.0)
        return -1;
    if (real == 0)
        return 0;
    int shift;
    int64_t q = (int64_t)round(frexp(real, &shift) * 2147483648.0);
    if (q == INT64_C(1) << 31) {
        q /= 2;
        shift++;
    }
    if (shift < -31) {
        shift = 0;
        q = 0;
    }
    *out = (struct multiplier){(int32_t)q, shift};
    return 0;
}

static int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    x = x > low ? x : low; // the order matters when low > high
    return x < high ? x : high;
}

/* ---- tensors ---- */

static const struct tflite_tensor *tensor_of(const struct run *run, int index)
{
    return &run->m->tensors[index];
}

static float scale_of(const struct tflite_tensor *t)
{
    return tflite_scale(t, 0);
}

static int32_t zero_of(const struct tflite_tensor *t)
{
    return (int32_t)tflite_zero(t, 0);
}

// Input k of the running operator with its bytes, constant or computed.
static int get_input(struct run *run, int k, const struct tflite_tensor **t, const uint8_t **bytes)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    if (k >= op->n_inputs || op->inputs[k] < 0)
        return op_fail(run, "input %d is missing", k);
    int index = op->inputs[k];
    *t = tensor_of(run, index);
    if (tflite_type_bytes((*t)->type) == 0)
        return op_fail(run, "input tensor %d is %s", index, tflite_type_name((*t)->type));
    *bytes = run->r->data[index] ? run->r->data[index] : (*t)->data;
    if (!*bytes)
        return op_fail(run, "input tensor %d '%.60s' is read before it is written", index,
                       (*t)->name);
    return 0;
}

static bool has_input(const struct run *run, int k)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    return k < op->n_inputs && op->inputs[k] >= 0;
}

static int allocate(struct run *run, int index)
{
    const struct tflite_tensor *t = tensor_of(run, index);
    size_t n = (size_t)t->elements * tflite_type_bytes(t->type);
    run->total_bytes += n;
    if (run->total_bytes > MAX_TENSOR_BYTES)
        return err_set(run->e, ERR_UNSUPPORTED, "the tensors of the model need more than %u MB",
                       MAX_TENSOR_BYTES >> 20);
    run->r->data[index] = calloc(1, n ? n : 1);
    run->r->bytes[index] = n; // -fanalyzer: no leak, the run has it
    if (run->r->data[index])
        return 0;
    err_set(run->e, ERR_NO_MEMORY, "out of memory for tensor %d", index);
    return -1;
}

static int get_output(struct run *run, const struct tflite_tensor **t, void **bytes)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    if (op->n_outputs != 1)
        return op_fail(run, "%d outputs, one is expected", op->n_outputs);
    int index = op->outputs[0];
    *t = tensor_of(run, index);
    if (tflite_type_bytes((*t)->type) == 0)
        return op_fail(run, "output tensor is %s", tflite_type_name((*t)->type));
    if (run->r->data[index] || (*t)->data)
        return op_fail(run, "its output tensor is written twice");
    if (allocate(run, index))
        return -1;
    *bytes = run->r->data[index];
    return 0;
}

static int want_type(struct run *run, const struct tflite_tensor *t, enum tflite_type type)
{
    if (t->type != type)
        return op_fail(run, "tensor '%.60s' is %s, expected %s", t->name, tflite_type_name(t->type),
                       tflite_type_name(type));
    return 0;
}

static int want_int8(struct run *run, const struct tflite_tensor *t)
{
    if (want_type(run, t, TFLITE_INT8))
        return -1;
    int64_t zero = tflite_zero(t, 0);
    float scale = scale_of(t);
    if (t->n_scales != 1 || !(scale > 0) || scale > FLT_MAX)
        return op_fail(run, "tensor '%.60s' has %d scales, expected one positive scale", t->name,
                       t->n_scales);
    if (zero < -128 || zero > 127)
        return op_fail(run, "zero point %lld of '%.60s' is outside -128..127", (long long)zero,
                       t->name);
    return 0;
}

static int same_elements(struct run *run, const struct tflite_tensor *a,
                         const struct tflite_tensor *b)
{
    if (a->elements != b->elements)
        return op_fail(run, "%u elements in, %u out", a->elements, b->elements);
    return 0;
}

static int add_work(struct run *run, uint64_t a, uint64_t b)
{
    // Both factors are at most 2^26 * 2^32 apart; test before multiplying.
    if (a && b > MAX_WORK / a)
        return op_fail(run, "too much work to check this model");
    run->work += a * b;
    if (run->work > MAX_WORK)
        return op_fail(run, "too much work to check this model");
    return 0;
}

static int32_t load_i32(const uint8_t *p, size_t i)
{
    int32_t v;
    memcpy(&v, p + 4 * i, sizeof v);
    return v;
}

// Clamp of a fused activation in the output's quantisation.
static int activation_range(struct run *run, const struct tflite_tensor *out, int32_t *low,
                            int32_t *high)
{
    enum tflite_activation act = run->m->ops[run->op].activation;
    float scale = scale_of(out);
    int32_t zero = zero_of(out);
    float six = roundf(6.0f / scale), one = roundf(1.0f / scale);
    *low = INT8_MIN;
    *high = INT8_MAX;
    if (act == TFLITE_ACT_NONE)
        return 0;
    if (!(six < 2147483000.0f))
        return op_fail(run, "output scale %g is too small", (double)scale);
    switch (act) {
    case TFLITE_ACT_RELU:
        *low = zero > *low ? zero : *low;
        return 0;
    case TFLITE_ACT_RELU6:
        *low = zero > *low ? zero : *low;
        *high = (int64_t)zero + (int64_t)six < *high ? zero + (int32_t)six : *high;
        return 0;
    case TFLITE_ACT_RELU_N1_TO_1:
        *low = (int64_t)zero - (int64_t)one > *low ? zero - (int32_t)one : *low;
        *high = (int64_t)zero + (int64_t)one < *high ? zero + (int32_t)one : *high;
        return 0;
    default:
        return op_fail(run, "fused activation %d", (int)act);
    }
}

/* ---- convolutions and pools ---- */

struct window {
    int in_h, in_w, in_c, out_h, out_w, out_c;
    int kh, kw, sh, sw, dh, dw, pad_top, pad_left;
};

static int out_size(int in, int kernel, int stride, int dilation, bool same)
{
    int64_t span = (int64_t)(kernel - 1) * dilation + 1;
    int64_t n = same ? ((int64_t)in + stride - 1) / stride : (in + stride - span) / stride;
    return n > 0 ? (int)n : 0;
}

static int padding_before(int in, int out, int kernel, int stride, int dilation)
{
    int64_t total = (int64_t)(out - 1) * stride + (int64_t)(kernel - 1) * dilation + 1 - in;
    return total > 0 ? (int)(total / 2) : 0;
}

static bool in_limit(int v)
{
    return v >= 1 && v <= MAX_FILTER;
}

// Shapes, strides and padding; kh and kw are set by the caller.
static int make_window(struct run *run, const struct tflite_tensor *in,
                       const struct tflite_tensor *out, struct window *w)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    if (in->n_dims != 4 || out->n_dims != 4)
        return op_fail(run, "%d and %d dimensions, expected 4", in->n_dims, out->n_dims);
    if (in->dims[0] != out->dims[0])
        return op_fail(run, "batch %d in, %d out", in->dims[0], out->dims[0]);
    w->in_h = in->dims[1];
    w->in_w = in->dims[2];
    w->in_c = in->dims[3];
    w->out_h = out->dims[1];
    w->out_w = out->dims[2];
    w->out_c = out->dims[3];
    w->sh = op->stride_h;
    w->sw = op->stride_w;
    w->dh = op->dilation_h;
    w->dw = op->dilation_w;
    if (!in_limit(w->kh) || !in_limit(w->kw) || !in_limit(w->sh) || !in_limit(w->sw) ||
        !in_limit(w->dh) || !in_limit(w->dw))
        return op_fail(run, "kernel %dx%d, stride %dx%d, dilation %dx%d", w->kh, w->kw, w->sh,
                       w->sw, w->dh, w->dw);
    if (w->out_h != out_size(w->in_h, w->kh, w->sh, w->dh, op->padding_same) ||
        w->out_w != out_size(w->in_w, w->kw, w->sw, w->dw, op->padding_same))
        return op_fail(run, "output of %dx%d does not follow from an input of %dx%d", w->out_h,
                       w->out_w, w->in_h, w->in_w);
    w->pad_top = padding_before(w->in_h, w->out_h, w->kh, w->sh, w->dh);
    w->pad_left = padding_before(w->in_w, w->out_w, w->kw, w->sw, w->dw);
    return 0;
}

// Weights, multipliers and bias of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED.
struct filter {
    const struct tflite_tensor *t;
    const int8_t *w;
    int32_t *bias;        // [channels], owned
    struct multiplier *m; // [channels], owned
};

static void filter_free(struct filter *f)
{
    free(f->bias);
    free(f->m);
}

static int load_filter(struct run *run, const struct tflite_tensor *in,
                       const struct tflite_tensor *out, int dim, bool dense, struct filter *f)
{
    const uint8_t *bytes;
    *f = (struct filter){0};
    if (get_input(run, 1, &f->t, &bytes) || want_type(run, f->t, TFLITE_INT8))
        return -1;
    if (dim >= f->t->n_dims)
        return op_fail(run, "weights of %d dimensions", f->t->n_dims);
    int channels = f->t->dims[dim], scales = f->t->n_scales;
    if (channels < 1 || channels > MAX_CHANNELS || (scales != 1 && scales != channels))
        return op_fail(run, "%d weight scales for %d channels", scales, channels);
    if (scales > 1 && f->t->quantized_dim != dim)
        return op_fail(run, "weights are quantised along dimension %d, expected %d",
                       f->t->quantized_dim, dim);
    f->w = (const int8_t *)bytes;
    f->bias = calloc((size_t)channels, sizeof *f->bias);
    f->m = calloc((size_t)channels, sizeof *f->m);
    if (!f->bias || !f->m)
        return err_set(run->e, ERR_NO_MEMORY, "out of memory for %d channels", channels);
    for (int c = 0; c < channels; c++) {
        // Fully connected layers with one scale multiply the scales in float, everything else in
        // double.
        float ws = tflite_scale(f->t, c), is = scale_of(in);
        double product = dense && scales == 1 ? (double)(is * ws) : (double)is * (double)ws;
        if (tflite_zero(f->t, c) != 0)
            return op_fail(run, "the weights' zero point is %lld, expected 0",
                           (long long)tflite_zero(f->t, c));
        if (quantize_multiplier(product / (double)scale_of(out), &f->m[c]))
            return op_fail(run, "channel %d has no usable scale", c);
    }
    if (!has_input(run, 2))
        return 0;
    const struct tflite_tensor *bias;
    if (get_input(run, 2, &bias, &bytes) || want_type(run, bias, TFLITE_INT32))
        return -1;
    if (bias->elements != (uint32_t)channels)
        return op_fail(run, "%u biases for %d channels", bias->elements, channels);
    memcpy(f->bias, bytes, (size_t)channels * sizeof *f->bias);
    return 0;
}

// One output element of a convolution; a depthwise one has depth 1.
static int32_t convolve(const struct window *w, const int8_t *in, int32_t in_zero,
                        const int8_t *weights, size_t weights_step, int depth, int y, int x)
{
    uint32_t acc = 0;
    for (int ky = 0; ky < w->kh; ky++) {
        int64_t iy = (int64_t)y * w->sh - w->pad_top + (int64_t)ky * w->dh;
        if (iy < 0 || iy >= w->in_h)
            continue;
        for (int kx = 0; kx < w->kw; kx++) {
            int64_t ix = (int64_t)x * w->sw - w->pad_left + (int64_t)kx * w->dw;
            if (ix < 0 || ix >= w->in_w)
                continue;
            const int8_t *pixel = in + (iy * w->in_w + ix) * w->in_c;
            const int8_t *tap = weights + (size_t)(ky * w->kw + kx) * weights_step;
            for (int c = 0; c < depth; c++)
                acc += (uint32_t)(tap[c] * (pixel[c] - in_zero));
        }
    }
    return (int32_t)acc;
}

static int run_conv(struct run *run, bool depthwise)
{
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *out_bytes;
    struct filter f = {0};
    struct window w = {0};
    int32_t low, high;
    int rc = -1;
    int dim = depthwise ? 3 : 0;

    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &out_bytes) ||
        want_int8(run, in) || want_int8(run, out) || activation_range(run, out, &low, &high) ||
        load_filter(run, in, out, dim, false, &f))
        goto out;
    if (f.t->n_dims != 4) {
        op_say(run, "weights of %d dimensions, expected 4", f.t->n_dims);
        goto out;
    }
    w.kh = f.t->dims[1];
    w.kw = f.t->dims[2];
    if (make_window(run, in, out, &w))
        goto out;
    // Grouped convolutions have fewer input channels in the weights than in the input.
    int depth = depthwise ? 1 : f.t->dims[3];
    int groups = depth > 0 ? w.in_c / depth : 0;
    if (w.out_c != f.t->dims[dim] || groups < 1 || groups * depth != w.in_c || w.out_c % groups ||
        (depthwise &&
         (f.t->dims[0] != 1 || run->m->ops[run->op].depth_multiplier != w.out_c / w.in_c))) {
        op_say(run, "weights [%d,%d,%d,%d] do not fit %d input and %d output channels",
               f.t->dims[0], f.t->dims[1], f.t->dims[2], f.t->dims[3], w.in_c, w.out_c);
        goto out;
    }
    if (add_work(run, (uint64_t)out->elements, (uint64_t)w.kh * (uint64_t)w.kw) ||
        add_work(run, (uint64_t)out->elements * (uint64_t)w.kh, (uint64_t)w.kw * (uint64_t)depth))
        goto out;
    int per_group = w.out_c / groups;
    size_t step = depthwise ? (size_t)w.out_c : (size_t)depth;
    size_t filter_size = (size_t)w.kh * (size_t)w.kw * (size_t)depth;
    int8_t *o = out_bytes;
    for (int n = 0; n < in->dims[0]; n++) {
        const int8_t *image =
            (const int8_t *)in_bytes + (size_t)n * (size_t)w.in_h * (size_t)w.in_w * (size_t)w.in_c;
        for (int y = 0; y < w.out_h; y++) {
            for (int x = 0; x < w.out_w; x++) {
                for (int c = 0; c < w.out_c; c++) {
                    const int8_t *weights = f.w + (depthwise ? (size_t)c : (size_t)c * filter_size);
                    int first = depthwise ? c / per_group : c / per_group * depth;
                    int32_t acc =
                        convolve(&w, image + first, zero_of(in), weights, step, depth, y, x);
                    acc = multiply(wrap_add(acc, f.bias[c]), f.m[c]);
                    *o++ = (int8_t)clamp(wrap_add(acc, zero_of(out)), low, high);
                }
            }
        }
    }
    rc = 0;
out:
    filter_free(&f);
    return rc;
}

static int run_fully_connected(struct run *run)
{
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *out_bytes;
    struct filter f = {0};
    int32_t low, high;
    int rc = -1;

    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &out_bytes) ||
        want_int8(run, in) || want_int8(run, out) || activation_range(run, out, &low, &high) ||
        load_filter(run, in, out, 0, true, &f))
        goto out;
    if (f.t->n_dims != 2 || run->m->ops[run->op].weights_format != 0) {
        op_say(run, "weights of %d dimensions in format %d", f.t->n_dims,
               run->m->ops[run->op].weights_format);
        goto out;
    }
    uint64_t n = (uint64_t)f.t->dims[0], depth = (uint64_t)f.t->dims[1];
    uint64_t rows = depth ? in->elements / depth : 0;
    if (depth == 0 || rows * depth != in->elements || rows * n != out->elements) {
        op_say(run, "weights [%d,%d] do not fit %u inputs and %u outputs", f.t->dims[0],
               f.t->dims[1], in->elements, out->elements);
        goto out;
    }
    if (add_work(run, out->elements, depth))
        goto out;
    const int8_t *row = (const int8_t *)in_bytes;
    int8_t *o = out_bytes;
    for (uint64_t r = 0; r < rows; r++, row += depth) {
        for (uint64_t c = 0; c < n; c++) {
            uint32_t acc = (uint32_t)f.bias[c];
            for (uint64_t k = 0; k < depth; k++)
                acc += (uint32_t)(f.w[c * depth + k] * (row[k] - zero_of(in)));
            int32_t scaled = multiply((int32_t)acc, f.m[c]);
            *o++ = (int8_t)clamp(wrap_add(scaled, zero_of(out)), low, high);
        }
    }
    rc = 0;
out:
    filter_free(&f);
    return rc;
}

static int run_pool(struct run *run, bool average)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *out_bytes;
    struct window w = {.kh = op->filter_h, .kw = op->filter_w};
    int32_t low, high;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &out_bytes) ||
        want_int8(run, in) || want_int8(run, out) || activation_range(run, out, &low, &high) ||
        make_window(run, in, out, &w))
        return -1;
    if (w.in_c != w.out_c || zero_of(in) != zero_of(out) ||
        fabs((double)scale_of(in) - (double)scale_of(out)) > 1.0e-6)
        return op_fail(run, "input and output differ in channels or quantisation");
    if (add_work(run, (uint64_t)out->elements * (uint64_t)w.kh, (uint64_t)w.kw))
        return -1;
    int8_t *o = out_bytes;
    for (int n = 0; n < in->dims[0]; n++) {
        const int8_t *image =
            (const int8_t *)in_bytes + (size_t)n * (size_t)w.in_h * (size_t)w.in_w * (size_t)w.in_c;
        for (int y = 0; y < w.out_h; y++) {
            for (int x = 0; x < w.out_w; x++) {
                for (int c = 0; c < w.out_c; c++) {
                    int32_t sum = 0, count = 0, max = INT8_MIN;
                    for (int k = 0; k < w.kh * w.kw; k++) {
                        int64_t iy = (int64_t)y * w.sh - w.pad_top + k / w.kw;
                        int64_t ix = (int64_t)x * w.sw - w.pad_left + k % w.kw;
                        if (iy < 0 || iy >= w.in_h || ix < 0 || ix >= w.in_w)
                            continue;
                        int32_t v = image[(iy * w.in_w + ix) * w.in_c + c];
                        sum += v;
                        count++;
                        max = v > max ? v : max;
                    }
                    if (average && count == 0)
                        return op_fail(run, "a window lies outside the input");
                    if (average)
                        max = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
                    *o++ = (int8_t)clamp(max, low, high);
                }
            }
        }
    }
    return 0;
}

/* ---- element-wise ---- */

static int run_add(struct run *run)
{
    const struct tflite_tensor *a, *b, *out;
    const uint8_t *a_bytes, *b_bytes;
    void *out_bytes;
    int32_t low, high;
    if (get_input(run, 0, &a, &a_bytes) || get_input(run, 1, &b, &b_bytes) ||
        get_output(run, &out, &out_bytes) || want_int8(run, a) || want_int8(run, b) ||
        want_int8(run, out) || activation_range(run, out, &low, &high) ||
        same_elements(run, a, out) || same_elements(run, b, out))
        return -1;
    double sa = (double)scale_of(a), sb = (double)scale_of(b), twice_max = 2 * (sa > sb ? sa : sb);
    struct multiplier ma, mb, mo;
    if (quantize_multiplier(sa / twice_max, &ma) || quantize_multiplier(sb / twice_max, &mb) ||
        quantize_multiplier(twice_max / ((1 << 20) * (double)scale_of(out)), &mo) || mo.shift > 0)
        return op_fail(run, "the scales %g and %g do not fit the output's %g", sa, sb,
                       (double)scale_of(out));
    const int8_t *pa = (const int8_t *)a_bytes, *pb = (const int8_t *)b_bytes;
    int8_t *o = out_bytes;
    for (uint32_t i = 0; i < out->elements; i++) {
        int32_t va = multiply((pa[i] - zero_of(a)) * (1 << 20), ma);
        int32_t vb = multiply((pb[i] - zero_of(b)) * (1 << 20), mb);
        o[i] = (int8_t)clamp(wrap_add(multiply(va + vb, mo), zero_of(out)), low, high);
    }
    return 0;
}

static int run_relu(struct run *run)
{
    int code = run->m->ops[run->op].code;
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *out_bytes;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &out_bytes) ||
        want_int8(run, in) || want_int8(run, out) || same_elements(run, in, out))
        return -1;
    struct multiplier m;
    int32_t low = zero_of(out), high = INT8_MAX, zero_in = zero_of(in), zero_out = zero_of(out);
    float one = roundf(1.0f / scale_of(out)), six = roundf(6.0f / scale_of(in));
    if (quantize_multiplier((double)(scale_of(in) / scale_of(out)), &m))
        return op_fail(run, "the scales %g and %g do not fit", (double)scale_of(in),
                       (double)scale_of(out));
    if (code == TFLITE_OP_RELU_N1_TO_1 && one < 256) {
        low = zero_out - (int32_t)one > INT8_MIN ? zero_out - (int32_t)one : INT8_MIN;
        high = zero_out + (int32_t)one < INT8_MAX ? zero_out + (int32_t)one : INT8_MAX;
    } else if (code == TFLITE_OP_RELU_N1_TO_1) {
        low = INT8_MIN;
    } else if (code == TFLITE_OP_RELU6) { // only clamps, in the input's quantisation
        low = zero_in;
        high = six < 256 && zero_in + (int32_t)six < INT8_MAX ? zero_in + (int32_t)six : INT8_MAX;
        zero_out = zero_in;
        quantize_multiplier(1, &m);
    }
    const int8_t *p = (const int8_t *)in_bytes;
    int8_t *o = out_bytes;
    for (uint32_t i = 0; i < out->elements; i++)
        o[i] = (int8_t)clamp(wrap_add(multiply(p[i] - zero_in, m), zero_out), low, high);
    return 0;
}

static int run_mean(struct run *run)
{
    const struct tflite_tensor *in, *axis, *out;
    const uint8_t *in_bytes, *axis_bytes;
    void *out_bytes;
    if (get_input(run, 0, &in, &in_bytes) || get_input(run, 1, &axis, &axis_bytes) ||
        get_output(run, &out, &out_bytes) || want_int8(run, in) || want_int8(run, out) ||
        want_type(run, axis, TFLITE_INT32))
        return -1;
    bool reduced[TFLITE_MAX_DIMS] = {false};
    if (axis->elements > TFLITE_MAX_DIMS)
        return op_fail(run, "%u axes", axis->elements);
    for (uint32_t i = 0; i < axis->elements; i++) {
        int32_t a = load_i32(axis_bytes, i);
        int64_t dim = a < 0 ? (int64_t)a + in->n_dims : a;
        if (dim < 0 || dim >= in->n_dims)
            return op_fail(run, "axis %d of %d dimensions", a, in->n_dims);
        reduced[dim] = true;
    }
    // Strides of the output for every dimension of the input: 0 where it is reduced.
    uint32_t stride[TFLITE_MAX_DIMS] = {0}, kept = 1;
    int64_t count = 1;
    for (int d = in->n_dims - 1; d >= 0; d--) {
        if (reduced[d]) {
            count *= in->dims[d];
        } else {
            stride[d] = kept;
            kept *= (uint32_t)in->dims[d];
        }
    }
    if (kept != out->elements || count == 0)
        return op_fail(run, "%u means do not fit %u outputs", kept, out->elements);
    int32_t *sums = calloc(kept ? kept : 1, sizeof *sums);
    if (!sums)
        return err_set(run->e, ERR_NO_MEMORY, "out of memory for %u sums", kept);
    const int8_t *p = (const int8_t *)in_bytes;
    for (uint32_t i = 0; i < in->elements; i++) {
        uint32_t rest = i, at = 0;
        for (int d = in->n_dims - 1; d >= 0; d--) {
            at += rest % (uint32_t)in->dims[d] * stride[d];
            rest /= (uint32_t)in->dims[d];
        }
        sums[at] = wrap_add(sums[at], p[i]);
    }
    struct multiplier m;
    int rc = -1;
    if (quantize_multiplier((double)scale_of(in) / (double)scale_of(out), &m)) {
        op_say(run, "the scales %g and %g do not fit", (double)scale_of(in), (double)scale_of(out));
        goto out;
    }
    // The division by the count goes into the multiplier, with as many extra bits as the shift
    // allows.
    int bits = 63 - __builtin_clzll((unsigned long long)count);
    bits = bits < 32 ? bits : 32;
    bits = bits < 31 + m.shift ? bits : 31 + m.shift;
    m.mult = (int32_t)(((int64_t)m.mult << bits) / count);
    m.shift -= bits;
    int8_t *o = out_bytes;
    for (uint32_t i = 0; i < kept; i++) {
        int32_t centred = (int32_t)(uint32_t)(sums[i] - zero_of(in) * count);
        o[i] = (int8_t)clamp(wrap_add(multiply(centred, m), zero_of(out)), INT8_MIN, INT8_MAX);
    }
    rc = 0;
out:
    free(sums);
    return rc;
}

static int32_t load_integer(const uint8_t *p, enum tflite_type type, uint32_t i)
{
    int16_t v;
    switch (type) {
    case TFLITE_INT8:
        return (int8_t)p[i];
    case TFLITE_UINT8:
        return p[i];
    case TFLITE_INT16:
        memcpy(&v, p + 2 * (size_t)i, sizeof v);
        return v;
    default:
        return load_i32(p, i);
    }
}

static void store_integer(void *p, enum tflite_type type, uint32_t i, int32_t v)
{
    int16_t v16 = (int16_t)v;
    switch (type) {
    case TFLITE_INT8:
    case TFLITE_UINT8:
        ((uint8_t *)p)[i] = (uint8_t)v;
        break;
    case TFLITE_INT16:
        memcpy((uint8_t *)p + 2 * (size_t)i, &v16, sizeof v16);
        break;
    default:
        memcpy((uint8_t *)p + 4 * (size_t)i, &v, sizeof v);
        break;
    }
}

static bool integer_range(enum tflite_type type, int32_t *low, int32_t *high)
{
    switch (type) {
    case TFLITE_INT8:
        *low = INT8_MIN;
        *high = INT8_MAX;
        return true;
    case TFLITE_UINT8:
        *low = 0;
        *high = UINT8_MAX;
        return true;
    case TFLITE_INT16:
        *low = INT16_MIN;
        *high = INT16_MAX;
        return true;
    case TFLITE_INT32:
        *low = INT32_MIN;
        *high = INT32_MAX;
        return true;
    default:
        return false;
    }
}

static int want_quantised(struct run *run, const struct tflite_tensor *t)
{
    float scale = scale_of(t);
    int32_t low, high;
    int64_t zero = tflite_zero(t, 0);
    if (!integer_range(t->type, &low, &high))
        return op_fail(run, "tensor '%.60s' is %s", t->name, tflite_type_name(t->type));
    if (t->n_scales != 1 || !(scale > 0) || scale > FLT_MAX || zero < low || zero > high)
        return op_fail(run, "tensor '%.60s' has no usable quantisation", t->name);
    return 0;
}

static int run_quantize(struct run *run)
{
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *o;
    int32_t low, high;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &o) ||
        want_quantised(run, out) || same_elements(run, in, out))
        return -1;
    integer_range(out->type, &low, &high);
    if (in->type == TFLITE_FLOAT32) {
        if (out->type != TFLITE_INT8 && out->type != TFLITE_INT16)
            return op_fail(run, "float32 to %s", tflite_type_name(out->type));
        for (uint32_t i = 0; i < out->elements; i++) {
            float v;
            memcpy(&v, in_bytes + 4 * (size_t)i, sizeof v);
            float q = roundf(v / scale_of(out));
            // Beyond the range of int32 the reference is undefined; NaN becomes the zero point.
            q = q > 1.0e9f ? 1.0e9f : q < -1.0e9f ? -1.0e9f : q;
            int32_t unclamped = (q == q ? (int32_t)q : 0) + zero_of(out);
            store_integer(o, out->type, i, clamp(unclamped, low, high));
        }
        return 0;
    }
    struct multiplier m;
    if (want_quantised(run, in))
        return -1;
    if (quantize_multiplier((double)scale_of(in) / (double)scale_of(out), &m))
        return op_fail(run, "the scales %g and %g do not fit", (double)scale_of(in),
                       (double)scale_of(out));
    for (uint32_t i = 0; i < out->elements; i++) {
        int32_t v =
            (int32_t)((uint32_t)load_integer(in_bytes, in->type, i) - (uint32_t)zero_of(in));
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): want_quantised() knows the range
        store_integer(o, out->type, i, clamp(wrap_add(multiply(v, m), zero_of(out)), low, high));
    }
    return 0;
}

static int run_dequantize(struct run *run)
{
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *o;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &o) || want_quantised(run, in) ||
        want_type(run, out, TFLITE_FLOAT32) || same_elements(run, in, out))
        return -1;
    for (uint32_t i = 0; i < out->elements; i++) {
        int64_t centred = (int64_t)load_integer(in_bytes, in->type, i) - zero_of(in);
        float v = (float)((double)scale_of(in) * (double)centred);
        memcpy((uint8_t *)o + 4 * (size_t)i, &v, sizeof v);
    }
    return 0;
}

/* ---- softmax ---- */

static int32_t shift_left_saturating(int32_t x, int n)
{
    int64_t v = (int64_t)x * (INT64_C(1) << n);
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

// exp(x) for x in Q5.26, x <= 0; result in Q0.31. The fraction below 1/4 by a polynomial around
// -1/8, the rest as a product of exp(-2^k).
static int32_t exp_on_negative(int32_t x)
{
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    const int32_t exp_minus_eighth = 1895147668, third = 715827883, quarter = 1 << 24;
    if (x == 0)
        return INT32_MAX;
    int32_t low = (x & (quarter - 1)) - quarter; // in [-1/4, 0)
    int32_t rest = low - x;
    int32_t a = shift_left_saturating(low, 5) + (1 << 28);
    int32_t a2 = doubling_high_mul(a, a);
    int32_t a3 = doubling_high_mul(a2, a);
    int32_t a4 = doubling_high_mul(a2, a2);
    int32_t sum = doubling_high_mul(rounding_divide_pot(a4, 2) + a3, third) + a2;
    int32_t result =
        exp_minus_eighth + doubling_high_mul(exp_minus_eighth, a + rounding_divide_pot(sum, 1));
    for (int k = 0; k < 7; k++) {
        if (rest & (1 << (24 + k)))
            result = doubling_high_mul(result, factors[k]);
    }
    return result;
}

// 1 / (1 + x) for x in Q0.31, 0 <= x < 1, by Newton's method; result in Q0.31.
static int32_t one_over_one_plus(int32_t x)
{
    int64_t sum = (int64_t)x + INT32_MAX;
    int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t y = 1515870810 + doubling_high_mul(half, -1010580540); // 48/17 - 32/17 half, Q2.29
    for (int i = 0; i < 3; i++) {
        int32_t residue = (1 << 29) - doubling_high_mul(half, y);
        y += shift_left_saturating(doubling_high_mul(y, residue), 2);
    }
    return shift_left_saturating(y, 1);
}

static int run_softmax(struct run *run)
{
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *out_bytes;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &out_bytes) ||
        want_int8(run, in) || want_int8(run, out) || same_elements(run, in, out))
        return -1;
    if (scale_of(out) != 1.0f / 256 || zero_of(out) != -128)
        return op_fail(run, "output scale %g and zero point %d, expected 1/256 and -128",
                       (double)scale_of(out), zero_of(out));
    int depth = in->n_dims > 0 ? in->dims[in->n_dims - 1] : 1;
    if (depth < 1 || depth > MAX_SOFTMAX_DEPTH)
        return op_fail(run, "softmax over %d elements, at most %d", depth, MAX_SOFTMAX_DEPTH);
    double real = (double)run->m->ops[run->op].beta * (double)scale_of(in) * (1 << 26);
    real = real < 2147483647.0 ? real : 2147483647.0;
    if (!(real > 1))
        return op_fail(run, "beta %g with input scale %g", (double)run->m->ops[run->op].beta,
                       (double)scale_of(in));
    int shift;
    int64_t q = (int64_t)round(frexp(real, &shift) * 2147483648.0);
    if (q == INT64_C(1) << 31) {
        q /= 2;
        shift++;
    }
    int32_t mult = (int32_t)q;
    int32_t diff_min = -(int32_t)floor(31.0 * (1 << 26) / (double)(INT64_C(1) << shift));
    const int8_t *p = (const int8_t *)in_bytes;
    int8_t *o = out_bytes;
    for (uint32_t row = 0; row < in->elements / (uint32_t)depth; row++, p += depth, o += depth) {
        int32_t max = INT8_MIN, sum = 0;
        for (int c = 0; c < depth; c++)
            max = p[c] > max ? p[c] : max;
        for (int c = 0; c < depth; c++) {
            if (p[c] - max >= diff_min)
                sum += rounding_divide_pot(exp_on_negative(doubling_high_mul(
                                               wrap_shift_left(p[c] - max, shift & 31), mult)),
                                           12);
        }
        int headroom = __builtin_clz((unsigned)sum);
        int32_t scale =
            one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31)));
        int exponent = 12 - headroom + 31 - 8;
        for (int c = 0; c < depth; c++) {
            o[c] = INT8_MIN;
            if (p[c] - max >= diff_min) {
                int32_t e = exp_on_negative(
                    doubling_high_mul(wrap_shift_left(p[c] - max, shift & 31), mult));
                o[c] = (int8_t)clamp(
                    rounding_divide_pot(doubling_high_mul(scale, e), exponent) - 128, -128, 127);
            }
        }
    }
    return 0;
}

/* ---- moving bytes and shapes ---- */

static int run_reshape(struct run *run)
{
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *o;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &o) ||
        want_type(run, out, in->type) || same_elements(run, in, out))
        return -1;
    memcpy(o, in_bytes, (size_t)in->elements * tflite_type_bytes(in->type));
    return 0;
}

static int run_transpose(struct run *run)
{
    const struct tflite_tensor *in, *perm, *out;
    const uint8_t *in_bytes, *perm_bytes;
    void *o;
    if (get_input(run, 0, &in, &in_bytes) || get_input(run, 1, &perm, &perm_bytes) ||
        get_output(run, &out, &o) || want_type(run, out, in->type) ||
        want_type(run, perm, TFLITE_INT32) || same_elements(run, in, out))
        return -1;
    int n = in->n_dims;
    if (perm->elements != (uint32_t)n || out->n_dims != n)
        return op_fail(run, "a permutation of %u for %d dimensions", perm->elements, n);
    size_t in_stride[TFLITE_MAX_DIMS], stride[TFLITE_MAX_DIMS];
    bool used[TFLITE_MAX_DIMS] = {false};
    size_t step = 1;
    for (int d = n - 1; d >= 0; d--) {
        in_stride[d] = step;
        step *= (size_t)in->dims[d];
    }
    for (int d = 0; d < n; d++) {
        int32_t from = load_i32(perm_bytes, (size_t)d);
        if (from < 0 || from >= n || used[from] || out->dims[d] != in->dims[from])
            return op_fail(run, "bad permutation or output shape at dimension %d", d);
        used[from] = true;
        stride[d] = in_stride[from];
    }
    size_t bytes = tflite_type_bytes(in->type);
    for (uint32_t i = 0; i < out->elements; i++) {
        size_t rest = i, at = 0;
        for (int d = n - 1; d >= 0; d--) {
            at += rest % (size_t)out->dims[d] * stride[d];
            rest /= (size_t)out->dims[d];
        }
        memcpy((uint8_t *)o + i * bytes, in_bytes + at * bytes, bytes);
    }
    return 0;
}

static int run_pad(struct run *run)
{
    const struct tflite_tensor *in, *paddings, *value, *out;
    const uint8_t *in_bytes, *pad_bytes, *value_bytes;
    void *o;
    if (get_input(run, 0, &in, &in_bytes) || get_input(run, 1, &paddings, &pad_bytes) ||
        get_output(run, &out, &o) || want_int8(run, in) || want_int8(run, out) ||
        want_type(run, paddings, TFLITE_INT32))
        return -1;
    int n = in->n_dims;
    if (paddings->elements != 2 * (uint32_t)n || out->n_dims != n)
        return op_fail(run, "%u paddings for %d dimensions", paddings->elements, n);
    int32_t fill = zero_of(out);
    if (has_input(run, 2)) {
        if (get_input(run, 2, &value, &value_bytes) || want_type(run, value, TFLITE_INT8))
            return -1;
        if (value->elements != 1)
            return op_fail(run, "%u padding values", value->elements);
        fill = (int8_t)value_bytes[0];
    }
    int32_t before[TFLITE_MAX_DIMS];
    for (int d = 0; d < n; d++) {
        int32_t after = load_i32(pad_bytes, 2 * (size_t)d + 1);
        before[d] = load_i32(pad_bytes, 2 * (size_t)d);
        if (before[d] < 0 || after < 0 || (int64_t)in->dims[d] + before[d] + after != out->dims[d])
            return op_fail(run, "paddings %d and %d of dimension %d do not give %d", before[d],
                           after, d, out->dims[d]);
    }
    for (uint32_t i = 0; i < out->elements; i++) {
        size_t rest = i, at = 0, step = 1;
        bool in_tensor = true;
        for (int d = n - 1; d >= 0; d--) {
            // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all n are set above
            int64_t c = (int64_t)(rest % (size_t)out->dims[d]) - before[d];
            rest /= (size_t)out->dims[d];
            in_tensor = in_tensor && c >= 0 && c < in->dims[d];
            at += in_tensor ? (size_t)c * step : 0;
            step *= (size_t)in->dims[d];
        }
        ((int8_t *)o)[i] = in_tensor ? (int8_t)in_bytes[at] : (int8_t)fill;
    }
    return 0;
}

static int run_shape(struct run *run)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    const struct tflite_tensor *out;
    void *o;
    if (op->n_inputs != 1 || op->inputs[0] < 0)
        return op_fail(run, "%d inputs", op->n_inputs);
    const struct tflite_tensor *in = tensor_of(run, op->inputs[0]);
    if (get_output(run, &out, &o) || want_type(run, out, TFLITE_INT32))
        return -1;
    if (out->elements != (uint32_t)in->n_dims)
        return op_fail(run, "%u outputs for %d dimensions", out->elements, in->n_dims);
    for (int d = 0; d < in->n_dims; d++)
        store_integer(o, TFLITE_INT32, (uint32_t)d, in->dims[d]);
    return 0;
}

static int64_t slice_bound(int64_t v, int32_t size, int32_t stride)
{
    int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
    v = v < 0 ? v + size : v;
    return v < low ? low : v > high ? high : v;
}

// One dimension is all that shape arithmetic needs.
static int run_strided_slice(struct run *run)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    const struct tflite_tensor *in, *part[3], *out;
    const uint8_t *in_bytes, *part_bytes[3];
    void *o;
    if (get_input(run, 0, &in, &in_bytes) || get_output(run, &out, &o) ||
        want_type(run, in, TFLITE_INT32) || want_type(run, out, TFLITE_INT32))
        return -1;
    for (int k = 0; k < 3; k++) {
        if (get_input(run, k + 1, &part[k], &part_bytes[k]) ||
            want_type(run, part[k], TFLITE_INT32))
            return -1;
        if (in->n_dims != 1 || part[k]->elements != 1)
            return op_fail(run, "slices of %d dimensions, only 1 is supported", in->n_dims);
    }
    int32_t size = in->dims[0], stride = load_i32(part_bytes[2], 0);
    if (stride == 0 || op->ellipsis_mask || op->new_axis_mask)
        return op_fail(run, "stride %d, ellipsis mask %u, new axis mask %u", stride,
                       op->ellipsis_mask, op->new_axis_mask);
    int64_t begin = slice_bound(load_i32(part_bytes[0], 0), size, stride);
    int64_t end = slice_bound(load_i32(part_bytes[1], 0), size, stride);
    if (op->begin_mask & 1)
        begin = stride > 0 ? 0 : size - 1;
    if (op->end_mask & 1)
        end = stride > 0 ? size : -1;
    if (op->shrink_axis_mask & 1)
        end = begin + 1;
    uint32_t n = 0;
    for (int64_t i = begin; stride > 0 ? i < end : i > end; i += stride, n++) {
        if (n >= out->elements || i < 0 || i >= size)
            return op_fail(run, "the slice does not fit its output of %u elements", out->elements);
        store_integer(o, TFLITE_INT32, n, load_i32(in_bytes, (size_t)i));
        if ((op->shrink_axis_mask & 1) && n == 0) {
            n = 1;
            break;
        }
    }
    return n == out->elements ? 0
                              : op_fail(run, "%u elements for an output of %u", n, out->elements);
}

static int run_pack(struct run *run)
{
    const struct tflite_op *op = &run->m->ops[run->op];
    const struct tflite_tensor *in, *out;
    const uint8_t *in_bytes;
    void *o;
    if (get_output(run, &out, &o) || want_type(run, out, TFLITE_INT32))
        return -1;
    if (op->axis != 0 || out->elements != (uint32_t)op->n_inputs)
        return op_fail(run, "axis %d, %d inputs for %u outputs: only scalars are packed", op->axis,
                       op->n_inputs, out->elements);
    for (int k = 0; k < op->n_inputs; k++) {
        if (get_input(run, k, &in, &in_bytes) || want_type(run, in, TFLITE_INT32))
            return -1;
        if (in->elements != 1)
            return op_fail(run, "input %d has %u elements, expected a scalar", k, in->elements);
        store_integer(o, TFLITE_INT32, (uint32_t)k, load_i32(in_bytes, 0));
    }
    return 0;
}

/* ---- the run ---- */

static int run_op(struct run *run)
{
    switch (run->m->ops[run->op].code) {
    case TFLITE_OP_CONV_2D:
        return run_conv(run, false);
    case TFLITE_OP_DEPTHWISE_CONV_2D:
        return run_conv(run, true);
    case TFLITE_OP_FULLY_CONNECTED:
        return run_fully_connected(run);
    case TFLITE_OP_AVERAGE_POOL_2D:
        return run_pool(run, true);
    case TFLITE_OP_MAX_POOL_2D:
        return run_pool(run, false);
    case TFLITE_OP_ADD:
        return run_add(run);
    case TFLITE_OP_RELU:
    case TFLITE_OP_RELU6:
    case TFLITE_OP_RELU_N1_TO_1:
        return run_relu(run);
    case TFLITE_OP_MEAN:
        return run_mean(run);
    case TFLITE_OP_SOFTMAX:
        return run_softmax(run);
    case TFLITE_OP_QUANTIZE:
        return run_quantize(run);
    case TFLITE_OP_DEQUANTIZE:
        return run_dequantize(run);
    case TFLITE_OP_PAD:
    case TFLITE_OP_PADV2:
        return run_pad(run);
    case TFLITE_OP_RESHAPE:
    case TFLITE_OP_SQUEEZE:
    case TFLITE_OP_EXPAND_DIMS:
        return run_reshape(run);
    case TFLITE_OP_TRANSPOSE:
        return run_transpose(run);
    case TFLITE_OP_SHAPE:
        return run_shape(run);
    case TFLITE_OP_STRIDED_SLICE:
        return run_strided_slice(run);
    case TFLITE_OP_PACK:
        return run_pack(run);
    default:
        return op_fail(run, "the reference does not know this operator");
    }
}

// Marks the operators that the model's outputs need, given the start tensor.
static void mark_needed(const struct tflite_model *m, int start, bool *wanted, bool *needed)
{
    for (int i = 0; i < m->n_outputs; i++)
        wanted[m->outputs[i]] = true;
    for (int i = m->n_ops - 1; i >= 0; i--) {
        const struct tflite_op *op = &m->ops[i];
        for (int k = 0; k < op->n_outputs; k++)
            needed[i] = needed[i] || (wanted[op->outputs[k]] && op->outputs[k] != start);
        for (int k = 0; needed[i] && k < op->n_inputs; k++) {
            if (op->inputs[k] >= 0)
                wanted[op->inputs[k]] = true;
        }
    }
}

// Writes the start tensor and runs what the outputs need.
static int run_from(const struct tflite_model *m, int start, const void *input, size_t n,
                    struct reference **out, struct err *e)
{
    struct run run = {.m = m, .e = e};
    struct reference *r = calloc(1, sizeof *r);
    bool *wanted = calloc((size_t)m->n_tensors + 1, sizeof *wanted);
    bool *needed = calloc((size_t)m->n_ops + 1, sizeof *needed);
    int rc = -1;
    if (!r || !wanted || !needed)
        goto no_memory;
    r->model = m;
    r->data = calloc((size_t)m->n_tensors + 1, sizeof *r->data);
    r->bytes = calloc((size_t)m->n_tensors + 1, sizeof *r->bytes);
    if (!r->data || !r->bytes)
        goto no_memory;
    run.r = r;
    if (allocate(&run, start))
        goto out;
    if (n != r->bytes[start]) {
        err_set(e, ERR_BAD_REQUEST, "input tensor %d '%.60s' has %zu bytes, not %zu", start,
                m->tensors[start].name, r->bytes[start], n);
        goto out;
    }
    // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): allocate() has set it
    memcpy(r->data[start], input, n);
    mark_needed(m, start, wanted, needed);
    for (run.op = 0; run.op < m->n_ops; run.op++) {
        if (needed[run.op] && run_op(&run))
            goto out;
    }
    rc = 0;
    *out = r;
    r = NULL;
    goto out;
no_memory:
    err_set(e, ERR_NO_MEMORY, "out of memory for a model of %d tensors", m->n_tensors);
out:
    reference_free(r);
    free(wanted);
    free(needed);
    return rc;
}

static int one_input(const struct tflite_model *m, struct err *e)
{
    if (m->n_inputs != 1)
        return err_set(e, ERR_UNSUPPORTED, "the model has %d inputs, one is supported",
                       m->n_inputs);
    return 0;
}

int reference_run(const struct tflite_model *m, const void *input, size_t n, struct reference **out,
                  struct err *e)
{
    *out = NULL;
    return one_input(m, e) ? -1 : run_from(m, m->inputs[0], input, n, out, e);
}

int reference_run_core(const struct tflite_model *m, const int8_t *input, size_t n,
                       struct reference **out, struct err *e)
{
    *out = NULL;
    if (one_input(m, e))
        return -1;
    int start = reference_core_input(m);
    if (m->tensors[start].type != TFLITE_INT8)
        return err_set(e, ERR_UNSUPPORTED,
                       "input tensor %d '%.60s' is %s and no QUANTIZE to int8 follows it", start,
                       m->tensors[start].name, tflite_type_name(m->tensors[start].type));
    return run_from(m, start, input, n, out, e);
}

const void *reference_tensor(const struct reference *r, int tensor, size_t *n)
{
    if (tensor < 0 || tensor >= r->model->n_tensors || !r->data[tensor])
        return NULL;
    *n = r->bytes[tensor];
    return r->data[tensor];
}

void reference_free(struct reference *r)
{
    if (!r)
        return;
    for (int i = 0; r->data && i < r->model->n_tensors; i++)
        free(r->data[i]);
    free(r->data);
    free(r->bytes);
    free(r);
}

static bool moves_bytes(int code)
{
    return code == TFLITE_OP_RESHAPE || code == TFLITE_OP_SQUEEZE ||
           code == TFLITE_OP_EXPAND_DIMS || code == TFLITE_OP_TRANSPOSE;
}

// The border is behind the first QUANTIZE to int8, which may sit behind operators that only move
// bytes.
int reference_core_input(const struct tflite_model *m)
{
    if (m->n_inputs < 1)
        return -1;
    int at = m->inputs[0];
    if (m->tensors[at].type == TFLITE_INT8)
        return at;
    for (int i = 0; i < m->n_ops; i++) {
        const struct tflite_op *op = &m->ops[i];
        if (op->n_inputs < 1 || op->inputs[0] != at || op->n_outputs != 1)
            continue;
        if (op->code == TFLITE_OP_QUANTIZE && m->tensors[op->outputs[0]].type == TFLITE_INT8)
            return op->outputs[0];
        if (moves_bytes(op->code) && m->tensors[op->outputs[0]].type == m->tensors[at].type)
            at = op->outputs[0];
    }
    return m->inputs[0];
}

int reference_core_output(const struct tflite_model *m)
{
    if (m->n_outputs < 1)
        return -1;
    int at = m->outputs[0];
    if (m->tensors[at].type == TFLITE_INT8)
        return at;
    for (int i = m->n_ops - 1; i >= 0; i--) {
        const struct tflite_op *op = &m->ops[i];
        if (op->n_outputs != 1 || op->outputs[0] != at || op->n_inputs < 1 || op->inputs[0] < 0)
            continue;
        if ((op->code == TFLITE_OP_DEQUANTIZE || op->code == TFLITE_OP_QUANTIZE) &&
            m->tensors[op->inputs[0]].type == TFLITE_INT8)
            return op->inputs[0];
        if (moves_bytes(op->code) && m->tensors[op->inputs[0]].type == m->tensors[at].type)
            at = op->inputs[0];
    }
    return m->outputs[0];
}
