// SPDX-License-Identifier: MIT
// Convolution with packed constants: four input channels times four output channels at a time.
#include "firmware/kernels/fast.h"

#include <stdbool.h>

// acc[l] += sum of `words` * 4 products; w holds four output channels' words side by side.
static inline const uint32_t *dot(const int8_t *x, const uint32_t *w, int words, int32_t acc[4])
{
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (const int8_t *end = x + 4 * words; x < end; x += 4, w += 4) {
        uint32_t v = simd_load(x), even = simd_even(v), odd = simd_odd(v);
        uint32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
        a0 = simd_mac2(even, simd_even(w0), a0);
        a0 = simd_mac2(odd, simd_odd(w0), a0);
        a1 = simd_mac2(even, simd_even(w1), a1);
        a1 = simd_mac2(odd, simd_odd(w1), a1);
        a2 = simd_mac2(even, simd_even(w2), a2);
        a2 = simd_mac2(odd, simd_odd(w2), a2);
        a3 = simd_mac2(even, simd_even(w3), a3);
        a3 = simd_mac2(odd, simd_odd(w3), a3);
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
    return w;
}

void k_conv_p4(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
               const struct k_out *out)
{
    const int8_t *taps[PROG_MAX_TAPS];
    const int n_taps = op->ks * op->ka, words = op->in_c / 4;
    int8_t *y = out->pixel;
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        const uint32_t *w = (const uint32_t *)(const void *)k->weights;
        fast_find_taps(op, in, k->zeros, p, taps);
        for (int o = 0; o < op->out_c; o += 4) {
            int32_t acc[4] = {k->bias[o], k->bias[o + 1], k->bias[o + 2], k->bias[o + 3]};
            for (int t = 0; t < n_taps; t++)
                w = dot(taps[t], w, words, acc);
            fast_finish4(op, k, o, acc, y);
        }
    }
}

// The window of position p, tap after tap, in `window`; what is outside the tensor is zero point.
static void copy_window(const struct prog_op *op, const struct k_consts *k,
                        const struct k_window *in, int p, int8_t *window)
{
    const int first = p * op->sa - op->pad_a;
    const int in_c = op->in_c;
    const int8_t *slice = in->slice;
    for (int s = 0; s < op->ks; s++) {
        bool inside = s >= in->tap && s < in->tap + in->taps;
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)in->pix_step;
        for (int a = first; a < first + op->ka; a++) {
            const int8_t *from = inside && a >= 0 && a < op->in_len ? x : k->zeros;
            for (int c = 0; c < in_c; c++)
                *window++ = from[c];
            x += in->pix_step;
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
    _Alignas(4) int8_t window[PROG_MAX_WINDOW] = {0};
    const int words = (op->ks * op->ka * op->in_c + 3) / 4;
    int8_t *y = out->pixel;
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        const uint32_t *w = (const uint32_t *)(const void *)k->weights;
        copy_window(op, k, in, p, window);
        for (int o = 0; o < op->out_c; o += 4) {
            int32_t acc[4] = {k->bias[o], k->bias[o + 1], k->bias[o + 2], k->bias[o + 3]};
            w = dot(window, w, words, acc);
            fast_finish4(op, k, o, acc, y);
        }
    }
}
