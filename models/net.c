// SPDX-License-Identifier: MIT
// See net.h. Real values are integers in units of 2^-16 here ("fx").
#include "models/net.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/draw.h"

#define FX_BITS 16
#define FX_ONE (1 << FX_BITS)

// ---- Small helpers ----
static int fail(struct net *n, enum err_code code, const char *what)
{
    err_set(&n->err, code, "%s: %s", n->description, what);
    return -1;
}

static void *alloc(struct net *n, size_t count, size_t size)
{
    void *p = n->err.code ? NULL : calloc(count ? count : 1, size);
    if (!p)
        fail(n, ERR_NO_MEMORY, "out of memory for the calibration; free some and try again");
    return p;
}

static int clamp(int64_t v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : (int)v;
}

// ---- Tensors and operators ----
static int add_tensor(struct net *n, const char *name, const char *suffix, enum net_type type,
                      int n_dims, const int *dims)
{
    if (n->err.code)
        return -1;
    if (n->n_tensors == NET_MAX_TENSORS)
        return fail(n, ERR_INTERNAL, "more tensors than NET_MAX_TENSORS");
    struct net_tensor *t = &n->tensors[n->n_tensors];
    t->type = type;
    t->n_dims = n_dims;
    t->elements = 1;
    snprintf(t->name, sizeof t->name, "%s%s", name, suffix);
    for (int i = 0; i < n_dims; i++) {
        t->dims[i] = dims[i];
        t->elements *= (size_t)dims[i];
    }
    return n->n_tensors++;
}

// A constant with room for its elements.
static int add_constant(struct net *n, const char *name, const char *suffix, enum net_type type,
                        int n_dims, const int *dims)
{
    int i = add_tensor(n, name, suffix, type, n_dims, dims);
    if (i >= 0) {
        struct net_tensor *t = &n->tensors[i];
        t->data = alloc(n, t->elements, type == NET_INT8 ? 1 : 4);
    }
    return n->err.code ? -1 : i;
}

static struct scale *add_scales(struct net *n, int tensor, int count, int zero, int quantized_dim)
{
    struct net_tensor *t = &n->tensors[tensor];
    t->scales = alloc(n, (size_t)count, sizeof *t->scales);
    t->n_scales = t->scales ? count : 0;
    t->zero = zero;
    t->quantized_dim = quantized_dim;
    return t->scales;
}

static int add_activation(struct net *n, const char *name, int n_dims, const int *dims,
                          struct scale scale, int zero)
{
    int i = add_tensor(n, name, "", NET_INT8, n_dims, dims);
    if (i < 0)
        return -1;
    struct scale *s = add_scales(n, i, 1, zero, 0);
    n->tensors[i].images = alloc(n, n->tensors[i].elements * (size_t)n->n_images, 1);
    if (n->err.code || !s)
        return -1;
    *s = scale;
    return i;
}

static void add_op(struct net *n, struct net_op op)
{
    if (n->err.code)
        return;
    if (n->n_ops == NET_MAX_OPS) {
        fail(n, ERR_INTERNAL, "more operators than NET_MAX_OPS");
        return;
    }
    n->ops[n->n_ops++] = op;
    n->output = op.output;
}

// Gives `tensor` the scale and zero point that cover fx[] (0 included, as TFLite wants it), or
// those of the activation's own range, and stores the quantised values as its images.
static void quantize(struct net *n, int tensor, const int32_t *fx, enum net_act act)
{
    struct net_tensor *t = &n->tensors[tensor];
    size_t count = t->elements * (size_t)n->n_images;
    int32_t lo = 0, hi = act == NET_ACT_RELU6 ? 6 * FX_ONE : 0;
    for (size_t i = 0; i < count && act != NET_ACT_RELU6; i++) {
        hi = fx[i] > hi ? fx[i] : hi;
        lo = fx[i] < lo && act == NET_ACT_NONE ? fx[i] : lo;
    }
    if (hi - lo < FX_ONE / 256)
        hi = lo + FX_ONE / 256;
    int64_t range = (int64_t)hi - lo;
    t->scales[0] = scale_shift(scale_ratio((uint64_t)range, 255), -FX_BITS);
    t->zero = clamp(-128 + div_round(-(int64_t)lo * 255, range), -128, 127);
    for (size_t i = 0; i < count; i++) {
        int64_t q = t->zero + div_round((int64_t)fx[i] * 255, range);
        t->images[i] = (int8_t)clamp(q, act == NET_ACT_NONE ? -128 : t->zero, 127);
    }
}

struct net *net_new(const char *name, uint64_t seed, int n_images)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    snprintf(n->description, sizeof n->description,
             "%s seed %llu (farm-models: weights drawn, not trained)", name,
             (unsigned long long)seed);
    n->rng = draw_seed(name, seed);
    n->n_images = n_images;
    n->output = -1;
    return n;
}

void net_free(struct net *n)
{
    if (!n)
        return;
    for (int i = 0; i < n->n_tensors; i++) {
        free(n->tensors[i].data);
        free(n->tensors[i].images);
        free(n->tensors[i].scales);
    }
    free(n);
}

// ---- The input and its calibration images ----
int net_input(struct net *n, int h, int w, int c, struct scale scale, int zero)
{
    int t = add_activation(n, "input", 4, (int[]){1, h, w, c}, scale, zero);
    for (int i = 0; t >= 0 && i < n->n_images; i++) {
        int8_t *image = n->tensors[t].images + (size_t)i * n->tensors[t].elements;
        draw_image(&n->rng, (enum draw_kind)(i % DRAW_KINDS), image, h, w, c);
    }
    return t;
}

// ---- Convolution ----
struct shape {
    int h, w, c;
};

static struct shape shape_of(const struct net_tensor *t)
{
    assert(t->n_dims == 4);
    return (struct shape){t->dims[1], t->dims[2], t->dims[3]};
}

// How one axis of a window slides. Padding below or right follows from out.
struct axis {
    int in, out, k, stride, before;
    bool same; // what SAME would do as well
};

static struct axis slide(int in, int k, int stride, int pad)
{
    int same_out = (in + stride - 1) / stride;
    int total = (same_out - 1) * stride + k - in;
    total = total > 0 ? total : 0;
    if (pad == NET_PAD_SAME)
        return (struct axis){in, same_out, k, stride, total / 2, true};
    int out = (in + 2 * pad - k) / stride + 1;
    // What SAME adds on the far side follows from the output size, and what a window never reaches
    // does not matter.
    return (struct axis){in, out, k, stride, pad, out == same_out && total / 2 == pad};
}

// acc[image][y][x][o] of a convolution without its bias.
static void convolve(const int8_t *images, int n_images, int zero, const int8_t *weights,
                     bool depthwise, int in_c, int out_c, struct axis ay, struct axis ax,
                     int32_t *acc)
{
    size_t image_bytes = (size_t)ay.in * (size_t)ax.in * (size_t)in_c;
    for (int i = 0; i < n_images; i++, images += image_bytes) {
        for (int oy = 0; oy < ay.out; oy++) {
            for (int ox = 0; ox < ax.out; ox++, acc += out_c) {
                memset(acc, 0, (size_t)out_c * sizeof *acc);
                for (int ky = 0; ky < ay.k; ky++) {
                    int y = oy * ay.stride - ay.before + ky;
                    if (y < 0 || y >= ay.in)
                        continue;
                    for (int kx = 0; kx < ax.k; kx++) {
                        int x = ox * ax.stride - ax.before + kx;
                        if (x < 0 || x >= ax.in)
                            continue;
                        const int8_t *p =
                            images + ((size_t)y * (size_t)ax.in + (size_t)x) * (size_t)in_c;
                        int tap = ky * ax.k + kx;
                        if (depthwise) {
                            const int8_t *f = weights + (size_t)tap * (size_t)out_c;
                            for (int o = 0; o < out_c; o++)
                                acc[o] += (p[o / (out_c / in_c)] - zero) * f[o];
                            continue;
                        }
                        for (int o = 0; o < out_c; o++) {
                            const int8_t *f =
                                weights +
                                ((size_t)o * (size_t)(ay.k * ax.k) + (size_t)tap) * (size_t)in_c;
                            int32_t sum = 0;
                            for (int c = 0; c < in_c; c++)
                                sum += (p[c] - zero) * f[c];
                            acc[o] += sum;
                        }
                    }
                }
            }
        }
    }
}

// Mean of n values `step` apart, and the mean of their distances from it in 1/16, at least 1.
static void measure(const int32_t *v, size_t n, size_t step, int64_t *mean, int64_t *spread16)
{
    int64_t sum = 0, away = 0;
    *mean = 0;
    *spread16 = 1;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        sum += v[i * step];
    *mean = div_round(sum, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        away += v[i * step] > *mean ? v[i * step] - *mean : *mean - v[i * step];
    away = div_round(away * 16, (int64_t)n);
    *spread16 = away > 1 ? away : 1;
}

// The weight scale that gives accumulators of that spread a real spread of target/256.
static struct scale scale_for(int target, int64_t spread16, struct scale in)
{
    return scale_div(scale_ratio((uint64_t)target, (uint64_t)spread16 * 16), in);
}

// The bias that moves accumulators from `mean` to the real value target/256.
static int32_t bias_for(int target, int64_t mean, struct scale unit)
{
    int64_t want = 0;
    if (target)
        want = scale_apply(1, scale_div(scale_ratio((uint64_t)abs(target), 256), unit));
    return clamp((target < 0 ? -want : want) - mean, -(1 << 30), 1 << 30);
}

int net_pad(struct net *n, const char *name, int in, int p)
{
    if (n->err.code)
        return -1;
    struct net_tensor from = n->tensors[in];
    struct shape s = shape_of(&from);
    int amounts = add_constant(n, name, "/paddings", NET_INT32, 2, (int[]){4, 2});
    char out_name[NET_NAME];
    snprintf(out_name, sizeof out_name, "%s/padded", name);
    int out = add_activation(n, out_name, 4, (int[]){1, s.h + 2 * p, s.w + 2 * p, s.c},
                             from.scales[0], from.zero);
    if (amounts < 0 || out < 0)
        return -1;
    int32_t *a = n->tensors[amounts].data;
    for (int i = 2; i < 6; i++)
        a[i] = p;
    struct net_tensor *t = &n->tensors[out];
    memset(t->images, t->zero, t->elements * (size_t)n->n_images);
    size_t row = (size_t)s.w * (size_t)s.c, padded_row = (size_t)t->dims[2] * (size_t)s.c;
    for (int i = 0; i < n->n_images; i++) {
        for (int y = 0; y < s.h; y++)
            memcpy(t->images + (size_t)i * t->elements + (size_t)(y + p) * padded_row +
                       (size_t)(p * s.c),
                   from.images + (size_t)i * from.elements + (size_t)y * row, row);
    }
    add_op(n,
           (struct net_op){.code = NET_PAD, .n_inputs = 2, .inputs = {in, amounts}, .output = out});
    return n->err.code ? -1 : out;
}

// Scales, biases and quantises the accumulators of a convolution, channel by channel. acc becomes
// fx.
static void normalize(struct net *n, int weights, int bias, int in, int out, int32_t *acc,
                      enum net_act act)
{
    struct net_tensor *w = &n->tensors[weights], *b = &n->tensors[bias], *t = &n->tensors[out];
    struct scale in_scale = n->tensors[in].scales[0];
    size_t channels = (size_t)t->dims[3];
    size_t count = t->elements / channels * (size_t)n->n_images;
    for (size_t o = 0; o < channels; o++) {
        int64_t mean, spread16;
        measure(acc + o, count, channels, &mean, &spread16);
        int spread = draw_range(&n->rng, 208, 352);
        int centre =
            act == NET_ACT_NONE ? draw_range(&n->rng, -128, 128) : draw_range(&n->rng, 0, 384);
        w->scales[o] = scale_for(spread, spread16, in_scale);
        b->scales[o] = scale_mul(in_scale, w->scales[o]);
        int32_t bias_value = bias_for(centre, mean, b->scales[o]);
        ((int32_t *)b->data)[o] = bias_value;
        struct scale fx = scale_shift(b->scales[o], FX_BITS);
        for (size_t i = 0; i < count; i++)
            acc[i * channels + o] = clamp(
                scale_apply((int64_t)acc[i * channels + o] + bias_value, fx), -(1 << 29), 1 << 29);
    }
    quantize(n, out, acc, act);
}

int net_conv(struct net *n, int in, const struct net_conv *c)
{
    int32_t *acc = NULL;
    int *scratch = NULL;
    if (n->err.code)
        return -1;
    struct shape s = shape_of(&n->tensors[in]);
    struct axis ay = slide(s.h, c->kh, c->stride, c->pad),
                ax = slide(s.w, c->kw, c->stride, c->pad);
    const int multiplier = c->multiplier ? c->multiplier : 1;
    int out_c = c->depthwise ? s.c * multiplier : c->out_c;
    bool same = ay.same && ax.same;
    if (!same && c->pad > 0) {
        in = net_pad(n, c->name, in, c->pad);
        if (in < 0)
            return -1;
        s = shape_of(&n->tensors[in]);
        ay = slide(s.h, c->kh, c->stride, 0);
        ax = slide(s.w, c->kw, c->stride, 0);
    }
    int w_dims[4] = {out_c, c->kh, c->kw, s.c};
    if (c->depthwise) {
        w_dims[0] = 1;
        w_dims[3] = out_c;
    }
    int weights = add_constant(n, c->name, "/weights", NET_INT8, 4, w_dims);
    int bias = add_constant(n, c->name, "/bias", NET_INT32, 1, &out_c);
    int out =
        add_activation(n, c->name, 4, (int[]){1, ay.out, ax.out, out_c}, scale_ratio(1, 1), 0);
    if (weights < 0 || bias < 0 || out < 0)
        return -1;
    add_scales(n, weights, out_c, 0, c->depthwise ? 3 : 0);
    add_scales(n, bias, out_c, 0, 0);
    size_t taps = (size_t)(c->kh * c->kw) * (size_t)(c->depthwise ? 1 : s.c);
    scratch = alloc(n, taps, sizeof *scratch);
    acc = alloc(n, n->tensors[out].elements * (size_t)n->n_images, sizeof *acc);
    if (n->err.code)
        goto out;
    int8_t *w = n->tensors[weights].data;
    for (size_t o = 0; o < (size_t)out_c; o++)
        draw_weights(&n->rng, c->depthwise ? w + o : w + o * taps, scratch, taps,
                     c->depthwise ? (size_t)out_c : 1);
    convolve(n->tensors[in].images, n->n_images, n->tensors[in].zero, w, c->depthwise, s.c, out_c,
             ay, ax, acc);
    normalize(n, weights, bias, in, out, acc, c->act);
    n->macs += n->tensors[out].elements * taps;
    n->weight_bytes += (taps + 4) * (size_t)out_c;
    add_op(n, (struct net_op){.code = c->depthwise ? NET_DEPTHWISE_CONV_2D : NET_CONV_2D,
                              .n_inputs = 3,
                              .inputs = {in, weights, bias},
                              .output = out,
                              .act = c->act,
                              .same = same,
                              .stride_h = c->stride,
                              .stride_w = c->stride,
                              .multiplier = multiplier});
out:
    free(acc);
    free(scratch);
    return n->err.code ? -1 : out;
}

// ---- The other operators ----
// The real value of element i of a tensor's images.
static int32_t real_fx(const struct net_tensor *t, size_t i)
{
    return (int32_t)scale_apply(t->images[i] - t->zero, scale_shift(t->scales[0], FX_BITS));
}

int net_add(struct net *n, const char *name, int a, int b)
{
    if (n->err.code)
        return -1;
    assert(memcmp(n->tensors[a].dims, n->tensors[b].dims, sizeof n->tensors[a].dims) == 0);
    int out = add_activation(n, name, 4, n->tensors[a].dims, scale_ratio(1, 1), 0);
    size_t count = n->tensors[a].elements * (size_t)n->n_images;
    int32_t *fx = alloc(n, count, sizeof *fx);
    if (out >= 0 && fx) {
        for (size_t i = 0; i < count; i++)
            fx[i] = real_fx(&n->tensors[a], i) + real_fx(&n->tensors[b], i);
        quantize(n, out, fx, NET_ACT_NONE);
    }
    free(fx);
    add_op(n, (struct net_op){.code = NET_ADD, .n_inputs = 2, .inputs = {a, b}, .output = out});
    return n->err.code ? -1 : out;
}

int net_max_pool(struct net *n, const char *name, int in, int filter, int stride)
{
    if (n->err.code)
        return -1;
    struct net_tensor from = n->tensors[in];
    struct shape s = shape_of(&from);
    struct axis ay = slide(s.h, filter, stride, 0), ax = slide(s.w, filter, stride, 0);
    int out =
        add_activation(n, name, 4, (int[]){1, ay.out, ax.out, s.c}, from.scales[0], from.zero);
    if (out < 0)
        return -1;
    int8_t *q = n->tensors[out].images;
    for (int i = 0; i < n->n_images; i++) {
        for (int o = 0; o < ay.out * ax.out * s.c; o++) {
            int c = o % s.c, x = o / s.c % ax.out * stride, y = o / s.c / ax.out * stride,
                best = -128;
            for (int k = 0; k < filter * filter; k++) {
                int at = ((y + k / filter) * s.w + x + k % filter) * s.c + c;
                int v = from.images[(size_t)i * from.elements + (size_t)at];
                best = v > best ? v : best;
            }
            *q++ = (int8_t)best; // NOLINT(clang-analyzer-core.NullDereference): it was added above
        }
    }
    add_op(n, (struct net_op){.code = NET_MAX_POOL_2D,
                              .n_inputs = 1,
                              .inputs = {in},
                              .output = out,
                              .stride_h = stride,
                              .stride_w = stride,
                              .filter_h = filter,
                              .filter_w = filter});
    return n->err.code ? -1 : out;
}

// fx[image][c] = mean over the plane.
static void plane_means(const struct net *n, int in, int32_t *fx)
{
    const struct net_tensor *t = &n->tensors[in];
    size_t c = (size_t)t->dims[3], pixels = t->elements / c;
    for (size_t o = 0; o < c * (size_t)n->n_images; o++) {
        const int8_t *q = t->images + o / c * t->elements + o % c;
        int64_t sum = 0;
        for (size_t p = 0; p < pixels; p++)
            sum += q[p * c] - t->zero;
        fx[o] = (int32_t)div_round(scale_apply(sum, scale_shift(t->scales[0], FX_BITS)),
                                   (int64_t)pixels);
    }
}

int net_average_pool(struct net *n, const char *name, int in)
{
    if (n->err.code)
        return -1;
    struct net_tensor from = n->tensors[in];
    struct shape s = shape_of(&from);
    int out = add_activation(n, name, 4, (int[]){1, 1, 1, s.c}, from.scales[0], from.zero);
    int32_t *fx = alloc(n, (size_t)(s.c * n->n_images), sizeof *fx);
    if (out >= 0 && fx) {
        plane_means(n, in, fx);
        struct scale unit = scale_div(scale_ratio(1, FX_ONE), from.scales[0]);
        for (int i = 0; i < s.c * n->n_images; i++)
            n->tensors[out].images[i] =
                (int8_t)clamp(from.zero + scale_apply(fx[i], unit), -128, 127);
    }
    free(fx);
    add_op(n, (struct net_op){.code = NET_AVERAGE_POOL_2D,
                              .n_inputs = 1,
                              .inputs = {in},
                              .output = out,
                              .stride_h = s.h,
                              .stride_w = s.w,
                              .filter_h = s.h,
                              .filter_w = s.w});
    return n->err.code ? -1 : out;
}

int net_mean(struct net *n, const char *name, int in)
{
    if (n->err.code)
        return -1;
    struct shape s = shape_of(&n->tensors[in]);
    int axes = add_constant(n, name, "/axes", NET_INT32, 1, &(int){2});
    int out = add_activation(n, name, 2, (int[]){1, s.c}, scale_ratio(1, 1), 0);
    int32_t *fx = alloc(n, (size_t)(s.c * n->n_images), sizeof *fx);
    if (axes >= 0 && out >= 0 && fx) {
        memcpy(n->tensors[axes].data, (int32_t[]){1, 2}, 2 * sizeof(int32_t));
        plane_means(n, in, fx);
        quantize(n, out, fx, NET_ACT_NONE);
    }
    free(fx);
    add_op(n,
           (struct net_op){.code = NET_MEAN, .n_inputs = 2, .inputs = {in, axes}, .output = out});
    return n->err.code ? -1 : out;
}

int net_flatten(struct net *n, const char *name, int in)
{
    if (n->err.code)
        return -1;
    struct net_tensor from = n->tensors[in];
    int32_t dims[2] = {1, (int32_t)from.elements};
    int shape = add_constant(n, name, "/shape", NET_INT32, 1, &(int){2});
    int out = add_activation(n, name, 2, (int[]){dims[0], dims[1]}, from.scales[0], from.zero);
    if (shape < 0 || out < 0)
        return -1;
    memcpy(n->tensors[shape].data, dims, sizeof dims);
    memcpy(n->tensors[out].images, from.images, from.elements * (size_t)n->n_images);
    add_op(n, (struct net_op){
                  .code = NET_RESHAPE, .n_inputs = 2, .inputs = {in, shape}, .output = out});
    return n->err.code ? -1 : out;
}

// A dense layer has one weight scale, as TFLite's converter writes it, and its spread is that over
// the images: what a classifier must amplify is the difference between two inputs, not that between
// two units.
int net_dense(struct net *n, const char *name, int in, int units, enum net_act act, int spread)
{
    int32_t *acc = NULL;
    int *scratch = NULL;
    if (n->err.code)
        return -1;
    int depth = (int)n->tensors[in].elements;
    int weights = add_constant(n, name, "/weights", NET_INT8, 2, (int[]){units, depth});
    int bias = add_constant(n, name, "/bias", NET_INT32, 1, &units);
    int out = add_activation(n, name, 2, (int[]){1, units}, scale_ratio(1, 1), 0);
    if (weights < 0 || bias < 0 || out < 0)
        return -1;
    size_t n_weights = (size_t)units * (size_t)depth;
    struct scale *w_scale = add_scales(n, weights, 1, 0, 0),
                 *b_scale = add_scales(n, bias, 1, 0, 0);
    acc = alloc(n, (size_t)units * (size_t)n->n_images, sizeof *acc);
    scratch = alloc(n, n_weights, sizeof *scratch);
    if (n->err.code)
        goto out;
    struct net_tensor *from = &n->tensors[in];
    draw_weights(&n->rng, n->tensors[weights].data, scratch, n_weights, 1);
    struct axis one = slide(1, 1, 1, 0);
    convolve(from->images, n->n_images, from->zero, n->tensors[weights].data, false, depth, units,
             one, one, acc);
    int64_t spread_sum = 0, mean, spread16;
    for (int u = 0; u < units; u++) {
        measure(acc + u, (size_t)n->n_images, (size_t)units, &mean, &spread16);
        spread_sum += spread16;
    }
    *w_scale = scale_for(spread, div_round(spread_sum, units), from->scales[0]);
    *b_scale = scale_mul(from->scales[0], *w_scale);
    struct scale fx = scale_shift(*b_scale, FX_BITS);
    int32_t *b = n->tensors[bias].data;
    for (int u = 0; u < units; u++) {
        measure(acc + u, (size_t)n->n_images, (size_t)units, &mean, &spread16);
        b[u] = bias_for(draw_range(&n->rng, act == NET_ACT_NONE ? -spread : 0, spread), mean,
                        *b_scale);
        for (int i = 0; i < n->n_images; i++) {
            int32_t *a = &acc[i * units + u];
            *a = clamp(scale_apply((int64_t)*a + b[u], fx), -(1 << 29), 1 << 29);
        }
    }
    quantize(n, out, acc, act);
    n->macs += n_weights;
    n->weight_bytes += n_weights + 4 * (size_t)units;
    add_op(n, (struct net_op){.code = NET_FULLY_CONNECTED,
                              .n_inputs = 3,
                              .inputs = {in, weights, bias},
                              .output = out,
                              .act = act});
out:
    free(acc);
    free(scratch);
    return n->err.code ? -1 : out;
}

// Its images stay zero: nothing follows a softmax.
int net_softmax(struct net *n, const char *name, int in)
{
    if (n->err.code)
        return -1;
    int out = add_activation(n, name, n->tensors[in].n_dims, n->tensors[in].dims,
                             scale_ratio(1, 256), -128);
    add_op(n, (struct net_op){.code = NET_SOFTMAX, .n_inputs = 1, .inputs = {in}, .output = out});
    return n->err.code ? -1 : out;
}
