// SPDX-License-Identifier: MIT
// Convolution with packed constants: four input channels times four output channels at a time.
#include "firmware/kernels/fast.h"

#include <stdbool.h>

struct sums { // of four output channels
    int32_t a0, a1, a2, a3;
};

// Adds `words` * 4 products to each sum; w holds four output channels' words side by side.
static inline __attribute__((always_inline)) struct sums dot(const int8_t *x, const uint32_t *w,
                                                             int words, struct sums a)
{
    for (const int8_t *end = x + 4 * words; x < end; w += 4) {
        uint32_t v = simd_load(x), even = simd_even(v), odd = simd_odd(v);
        uint32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
        x += 4;
        a.a0 = simd_mac2(even, simd_even(w0), a.a0);
        a.a0 = simd_mac2(odd, simd_odd(w0), a.a0);
        a.a1 = simd_mac2(even, simd_even(w1), a.a1);
        a.a1 = simd_mac2(odd, simd_odd(w1), a.a1);
        a.a2 = simd_mac2(even, simd_even(w2), a.a2);
        a.a2 = simd_mac2(odd, simd_odd(w2), a.a2);
        a.a3 = simd_mac2(even, simd_even(w3), a.a3);
        a.a3 = simd_mac2(odd, simd_odd(w3), a.a3);
    }
    return a;
}

// All output channels of one pixel whose window is one run of bytes.
static void pixel(const struct prog_op *op, const struct k_consts *k, const int8_t *x, int words,
                  int8_t *y)
{
    const struct fast_out o = fast_out_of(op);
    const uint32_t *w = (const uint32_t *)(const void *)k->weights;
    const int32_t *bias = k->bias;
    const struct prog_requant_fast *r = k->fast;
    for (int left = op->out_c; left > 0; left -= 4) {
        struct sums a = {bias[0], bias[1], bias[2], bias[3]};
        a = dot(x, w, words, a);
        fast_finish4(&o, r, left, a.a0, a.a1, a.a2, a.a3, y);
        w += 4 * words;
        bias += 4;
        r += 4;
        y += 4;
    }
}

// The same over a list of taps.
static void pixel_of_taps(const struct prog_op *op, const struct k_consts *k,
                          const int8_t *const *taps, int n_taps, int words, int8_t *y)
{
    const struct fast_out o = fast_out_of(op);
    const uint32_t *w = (const uint32_t *)(const void *)k->weights;
    const int32_t *bias = k->bias;
    const struct prog_requant_fast *r = k->fast;
    for (int left = op->out_c; left > 0; left -= 4) {
        struct sums a = {bias[0], bias[1], bias[2], bias[3]};
        for (int t = 0; t < n_taps; t++, w += 4 * words)
            a = dot(taps[t], w, words, a);
        fast_finish4(&o, r, left, a.a0, a.a1, a.a2, a.a3, y);
        bias += 4;
        r += 4;
        y += 4;
    }
}

void k_conv_p4(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
               const struct k_out *out)
{
    const int8_t *taps[PROG_MAX_TAPS];
    const int n_taps = op->ks * op->ka, words = op->in_c / 4;
    int8_t *y = out->pixel;
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        fast_find_taps(op, in, k->zeros, p, taps);
        if (n_taps == 1)
            pixel(op, k, taps[0], words, y);
        else
            pixel_of_taps(op, k, taps, n_taps, words, y);
    }
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
    const int bytes = op->ks * op->ka * op->in_c;
    int8_t *y = out->pixel;
    for (int i = bytes; i % 4; i++)
        window[i] = 0; // meets weights of zero
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        copy_window(op, k, in, p, window);
        pixel(op, k, window, (bytes + 3) / 4, y);
    }
}
