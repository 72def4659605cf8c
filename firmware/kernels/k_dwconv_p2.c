// SPDX-License-Identifier: MIT
// Depthwise convolution with packed constants: two taps of a row times four channels at a time. Weights
// and biases are doubled, so that sums are ready for the last step.
#include "firmware/kernels/fast.h"

#include <stdbool.h>

// Channels c .. c + 3 of a pixel; those beyond `left` are not read.
static inline uint32_t load_channels(const int8_t *x, int left)
{
    if (left >= 4)
        return simd_load(x);
    uint32_t v = (uint8_t)x[0];
    if (left > 1)
        v |= (uint32_t)(uint8_t)x[1] << 8;
    if (left > 2)
        v |= (uint32_t)(uint8_t)x[2] << 16;
    return v;
}

// Two taps; w: of each channel, the weights of both.
static inline __attribute__((always_inline)) struct fast_sums
pair(uint32_t x0, uint32_t x1, const uint32_t *w, struct fast_sums s)
{
    uint32_t low = simd_pack_low(x0, x1);   // t0c0 t0c1 t1c0 t1c1
    uint32_t high = simd_pack_high(x0, x1); // t0c2 t0c3 t1c2 t1c3
    s.a0 = simd_mac2(simd_even(low), w[0], s.a0);
    s.a1 = simd_mac2(simd_odd(low), w[1], s.a1);
    s.a2 = simd_mac2(simd_even(high), w[2], s.a2);
    s.a3 = simd_mac2(simd_odd(high), w[3], s.a3);
    return s;
}

static inline __attribute__((always_inline)) struct fast_sums single(uint32_t x, const uint32_t *w,
                                                                     struct fast_sums s)
{
    uint32_t even = simd_even(x), odd = simd_odd(x); // c0 c2, c1 c3
    s.a0 = simd_mac_bottom(even, w[0], s.a0);
    s.a1 = simd_mac_bottom(odd, w[1], s.a1);
    s.a2 = simd_mac_top(even, w[2], s.a2);
    s.a3 = simd_mac_top(odd, w[3], s.a3);
    return s;
}

static inline struct fast_sums start(const int32_t *bias)
{
    return (struct fast_sums){bias[0], bias[1], bias[2], bias[3]};
}

// The taps of one row; ka is a constant where it matters.
static inline __attribute__((always_inline)) struct fast_sums
row(int ka, const int8_t *x, size_t step, const uint32_t *w, struct fast_sums s)
{
#pragma GCC unroll 4
    for (int a = 1; a < ka; a += 2, x += 2 * step, w += 4)
        s = pair(simd_load(x), simd_load(x + step), w, s);
    return ka % 2 ? single(simd_load(x), w, s) : s;
}

// A pixel whose window lies inside the tensor. The last of the groups of four channels ends with the last
// channel: where their number is no multiple of four, it computes some of the group before once more.
struct inner {
    const struct k_consts *k;
    struct fast_out o;
    size_t step; // from pixel to pixel
    int ks, ka, out_c;
    const int8_t *rows[FAST_MAX_ROWS];
};

// How far the group that begins `left` channels before the end has to go back.
static inline int group_back(int left)
{
    return left < 4 ? 4 - left : 0;
}

static inline __attribute__((always_inline)) void inner_pixel(const struct inner *in, int ka,
                                                              ptrdiff_t at, int8_t *y)
{
    const int row_words = (ka + 1) / 2 * 4;
    const uint32_t *w = (const uint32_t *)(const void *)in->k->weights;
    const int32_t *bias = in->k->bias;
    const struct prog_requant_fast *r = in->k->fast;
    for (int left = in->out_c; left > 0; left -= 4) {
        const int back = group_back(left);
        at -= back, y -= back, bias -= back, r -= back;
        struct fast_sums s = start(bias);
        for (int i = 0; i < in->ks; i++, w += row_words)
            s = row(ka, in->rows[i] + at, in->step, w, s);
        fast_finish4(&in->o, r, 4, s, y);
        at += 4, y += 4, bias += 4, r += 4;
    }
}

// Functions of their own, so that each has all registers.
static __attribute__((noinline)) void inner_any(const struct inner *in, ptrdiff_t at, int8_t *y)
{
    inner_pixel(in, in->ka, at, y);
}

static __attribute__((noinline)) void inner_7(const struct inner *in, ptrdiff_t at, int8_t *y)
{
    inner_pixel(in, 7, at, y);
}

static __attribute__((noinline)) void inner_5(const struct inner *in, ptrdiff_t at, int8_t *y)
{
    inner_pixel(in, 5, at, y);
}

// 3 x 3, by far the most common.
static __attribute__((noinline)) void inner_3x3(const struct inner *in, ptrdiff_t at, int8_t *y)
{
    const int8_t *x0 = in->rows[0] + at, *x1 = in->rows[1] + at, *x2 = in->rows[2] + at;
    const size_t step = in->step;
    const uint32_t *w = (const uint32_t *)(const void *)in->k->weights;
    const int32_t *bias = in->k->bias;
    const struct prog_requant_fast *r = in->k->fast;
    for (int left = in->out_c; left > 0; left -= 4) {
        const int back = group_back(left);
        x0 -= back, x1 -= back, x2 -= back, y -= back, bias -= back, r -= back;
        struct fast_sums s = start(bias);
        s = row(3, x0, step, w, s);
        s = row(3, x1, step, w + 8, s);
        s = row(3, x2, step, w + 16, s);
        fast_finish4(&in->o, r, 4, s, y);
        x0 += 4, x1 += 4, x2 += 4, y += 4, bias += 4, r += 4;
        w += 24;
    }
}

// A pixel anywhere: `left` channels from the c-th.
static inline __attribute__((always_inline)) void
border_group(const struct prog_op *op, const int8_t *const *taps, int c, int left,
             const uint32_t *w, const struct k_consts *k, const struct fast_out *o, int8_t *y)
{
    struct fast_sums s = start(k->bias + c);
    for (int i = 0; i < op->ks; i++) {
        for (int a = 1; a < op->ka; a += 2, taps += 2, w += 4)
            // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): taps are ks * ka
            s = pair(load_channels(taps[0] + c, left), load_channels(taps[1] + c, left), w, s);
        if (op->ka % 2) {
            // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): taps are ks * ka
            s = single(load_channels(*taps++ + c, left), w, s);
            w += 4;
        }
    }
    fast_finish4(o, k->fast + c, left, s, y + c);
}

static __attribute__((noinline)) void border_pixel(const struct prog_op *op,
                                                   const struct k_consts *k,
                                                   const struct k_window *in, int p, int8_t *y)
{
    const int8_t *taps[PROG_MAX_TAPS];
    const struct fast_out o = fast_out_of(op);
    const uint32_t *w = (const uint32_t *)(const void *)k->weights;
    const int out_c = op->out_c, words = op->ks * ((op->ka + 1) / 2) * 4;
    fast_find_taps(op, in, k->zeros, p, taps);
    if (out_c < 4) {
        border_group(op, taps, 0, out_c, w, k, &o, y);
        return;
    }
    for (int left = out_c; left > 0; left -= 4, w += words)
        border_group(op, taps, out_c - left - group_back(left), 4, w, k, &o, y);
}

void k_dwconv_p2(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
                 const struct k_out *out)
{
    struct inner inner = {.k = k,
                          .o = fast_out_of(op),
                          .step = in->pix_step,
                          .ks = op->ks,
                          .ka = op->ka,
                          .out_c = op->out_c};
    const bool by_rows = in->taps == op->ks && op->ks <= FAST_MAX_ROWS && op->out_c >= 4;
    void (*const pixel)(const struct inner *, ptrdiff_t, int8_t *) = op->ka == 3 && op->ks == 3
                                                                         ? inner_3x3
                                                                     : op->ka == 5 ? inner_5
                                                                     : op->ka == 7 ? inner_7
                                                                                   : inner_any;
    int8_t *y = out->pixel;
    if (by_rows)
        fast_find_rows(op, in, inner.rows);
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        if (by_rows && fast_inside(op, p))
            pixel(&inner, (ptrdiff_t)(p * op->sa - op->pad_a) * (ptrdiff_t)in->pix_step, y);
        else
            border_pixel(op, k, in, p, y);
    }
}
