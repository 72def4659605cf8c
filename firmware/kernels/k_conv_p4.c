// SPDX-License-Identifier: MIT
// Convolution with packed constants: four input channels times four output channels at a time.
// A 16-bit lane holds the weights of two output channels, 256 * upper + lower, so that one multiplication
// of a lane serves both: over all taps, lanes give 256 * sum(upper) + sum(lower), and the lower bytes
// by themselves sum(lower). That unpacks each word once instead of twice.
#include "firmware/kernels/fast.h"

#include <stdbool.h>

struct lanes { // sums of two pairs of output channels: 256 * upper + lower, and lower
    int32_t both0, lower0, both1, lower1;
};

// Four inputs times two pairs of output channels.
static inline __attribute__((always_inline)) struct lanes step(const int8_t *x, const uint32_t *w,
                                                               struct lanes s)
{
    uint32_t v = simd_load(x), even = simd_even(v), odd = simd_odd(v);
    uint32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
    s.both0 = simd_mac2(even, w0, s.both0);
    s.both1 = simd_mac2(even, w2, s.both1);
    s.lower0 = simd_mac2(even, simd_even(w0), s.lower0);
    s.lower1 = simd_mac2(even, simd_even(w2), s.lower1);
    s.both0 = simd_mac2(odd, w1, s.both0);
    s.both1 = simd_mac2(odd, w3, s.both1);
    s.lower0 = simd_mac2(odd, simd_even(w1), s.lower0);
    s.lower1 = simd_mac2(odd, simd_even(w3), s.lower1);
    return s;
}

// Adds `words` * 4 products to each sum; w holds the words of both pairs side by side.
static inline __attribute__((always_inline)) struct lanes dot(const int8_t *x, const uint32_t *w,
                                                              int words, struct lanes s)
{
    for (const int8_t *end = x + 4 * (words - 1); x < end; x += 8, w += 8)
        s = step(x + 4, w + 4, step(x, w, s));
    if (words % 2)
        s = step(x, w, s);
    return s;
}

static inline struct lanes start(const int32_t *bias)
{
    return (struct lanes){bias[0], bias[1], bias[2], bias[3]};
}

// Twice the sums; 256 * sum(upper) fits in 32 bits, whatever wrapped around on the way.
static inline struct fast_sums split(struct lanes s)
{
    int32_t upper0 = (int32_t)((uint32_t)s.both0 - (uint32_t)s.lower0);
    int32_t upper1 = (int32_t)((uint32_t)s.both1 - (uint32_t)s.lower1);
    return (struct fast_sums){upper0 >> 7, s.lower0 * 2, upper1 >> 7, s.lower1 * 2};
}

// All output channels of one pixel whose window is one run of bytes.
static inline __attribute__((always_inline)) void pixel(const struct k_consts *k,
                                                        const struct fast_out *o, int out_c,
                                                        const int8_t *x, int words, int8_t *y)
{
    const uint32_t *w = (const uint32_t *)(const void *)k->weights;
    const int32_t *bias = k->bias;
    const struct prog_requant_fast *r = k->fast;
    for (int left = out_c; left > 0; left -= 4) {
        struct lanes s = dot(x, w, words, start(bias));
        fast_finish4(o, r, left, split(s), y);
        w += 4 * words;
        bias += 4;
        r += 4;
        y += 4;
    }
}

// One tap, every position of it inside the tensor.
static __attribute__((noinline)) void pointwise(const struct prog_op *op, const struct k_consts *k,
                                                const struct k_window *in, const struct k_out *out)
{
    const struct fast_out o = fast_out_of(op);
    const int words = op->in_c / 4, out_c = op->out_c;
    const size_t x_step = op->sa * in->pix_step;
    const int8_t *x =
        in->slice + (ptrdiff_t)(out->first * op->sa - in->lo) * (ptrdiff_t)in->pix_step;
    int8_t *y = out->pixel;
    for (int n = out->n; n > 0; n--, x += x_step, y += out->pix_step)
        pixel(k, &o, out_c, x, words, y);
}

// All output channels of one pixel whose window is several runs of bytes.
static inline __attribute__((always_inline)) void
pixel_of_runs(const struct prog_op *op, const struct k_consts *k, const int8_t *const *runs,
              int n_runs, ptrdiff_t at, int words, int8_t *y)
{
    const struct fast_out o = fast_out_of(op);
    const uint32_t *w = (const uint32_t *)(const void *)k->weights;
    const int32_t *bias = k->bias;
    const struct prog_requant_fast *r = k->fast;
    for (int left = op->out_c; left > 0; left -= 4, bias += 4, r += 4, y += 4) {
        struct lanes sums = start(bias);
        for (int i = 0; i < n_runs; i++, w += 4 * words)
            // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): there are n_runs of them
            sums = dot(runs[i] + at, w, words, sums);
        fast_finish4(&o, r, left, split(sums), y);
    }
}

// A pixel whose window lies inside the tensor: each row of taps is a run.
static __attribute__((noinline)) void inner_pixel(const struct prog_op *op,
                                                  const struct k_consts *k,
                                                  const int8_t *const *rows, ptrdiff_t at,
                                                  int8_t *y)
{
    pixel_of_runs(op, k, rows, op->ks, at, op->ka * op->in_c / 4, y);
}

// Any pixel, tap by tap.
static __attribute__((noinline)) void border_pixel(const struct prog_op *op,
                                                   const struct k_consts *k,
                                                   const struct k_window *in, int p, int8_t *y)
{
    const int8_t *taps[PROG_MAX_TAPS];
    fast_find_taps(op, in, k->zeros, p, taps);
    pixel_of_runs(op, k, taps, op->ks * op->ka, 0, op->in_c / 4, y);
}

static void windows(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
                    const struct k_out *out)
{
    const int8_t *rows[FAST_MAX_ROWS];
    const bool runs =
        in->taps == op->ks && op->ks <= FAST_MAX_ROWS && in->pix_step == (size_t)op->in_c;
    int8_t *y = out->pixel;
    if (runs)
        fast_find_rows(op, in, rows);
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        if (runs && fast_inside(op, p))
            inner_pixel(op, k, rows, (ptrdiff_t)(p * op->sa - op->pad_a) * op->in_c, y);
        else
            border_pixel(op, k, in, p, y);
    }
}

void k_conv_p4(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
               const struct k_out *out)
{
    if (op->ks * op->ka == 1 && in->taps == 1 && op->pad_a == 0 &&
        (out->first + out->n - 1) * op->sa < op->in_len)
        pointwise(op, k, in, out);
    else
        windows(op, k, in, out);
}

// The window of position p, tap after tap, in `window`; what is outside the tensor is zero point.
static void copy_window(const struct prog_op *op, const struct k_consts *k,
                        const struct k_window *in, int p, int8_t *window)
{
    const int first = p * op->sa - op->pad_a, in_c = op->in_c;
    const bool packed = in->pix_step == (size_t)in_c && first >= 0 && first + op->ka <= op->in_len;
    const int run = packed ? op->ka * in_c : in_c; // bytes that lie together
    const int8_t *slice = in->slice;
    for (int s = 0; s < op->ks; s++) {
        bool inside = s >= in->tap && s < in->tap + in->taps;
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)in->pix_step;
        if (inside && packed) {
            for (const int8_t *end = x + run; x < end;)
                *window++ = *x++;
        } else {
            for (int a = first; a < first + op->ka; a++, x += in->pix_step) {
                const int8_t *from = inside && a >= 0 && a < op->in_len ? x : k->zeros;
                for (int c = 0; c < in_c; c++)
                    *window++ = from[c];
            }
        }
        if (inside) {
            slice += in->slice_step;
            if (slice >= in->end)
                slice -= in->ring_bytes;
        }
    }
}

void k_conv_copy4(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
                  const struct k_out *out)
{
    _Alignas(4) int8_t window[PROG_MAX_WINDOW];
    const struct fast_out o = fast_out_of(op);
    const int bytes = op->ks * op->ka * op->in_c;
    int8_t *y = out->pixel;
    for (int i = bytes; i % 4; i++)
        window[i] = 0; // meets weights of zero
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        copy_window(op, k, in, p, window);
        pixel(k, &o, op->out_c, window, (bytes + 3) / 4, y);
    }
}
