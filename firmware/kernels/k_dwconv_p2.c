// SPDX-License-Identifier: MIT
// Depthwise convolution with packed constants: two taps times four channels at a time.
#include "firmware/kernels/fast.h"

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

// One group of four channels over all taps.
static inline __attribute__((always_inline)) void
group(const int8_t *const *taps, int pairs, int c, int left, const uint32_t *w, const int32_t *bias,
      const struct fast_out *o, const struct prog_requant_fast *r, int8_t *y)
{
    int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
    for (const int8_t *const *end = taps + 2 * pairs; taps < end; w += 4) {
        uint32_t x0 = load_channels(taps[0] + c, left), x1 = load_channels(taps[1] + c, left);
        uint32_t low = simd_pack_low(x0, x1);   // t0c0 t0c1 t1c0 t1c1
        uint32_t high = simd_pack_high(x0, x1); // t0c2 t0c3 t1c2 t1c3
        taps += 2;
        a0 = simd_mac2(simd_even(low), w[0], a0);
        a1 = simd_mac2(simd_odd(low), w[1], a1);
        a2 = simd_mac2(simd_even(high), w[2], a2);
        a3 = simd_mac2(simd_odd(high), w[3], a3);
    }
    fast_finish4(o, r, left, a0, a1, a2, a3, y + c);
}

void k_dwconv_p2(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
                 const struct k_out *out)
{
    const int8_t *taps[PROG_MAX_TAPS + 1];
    const struct fast_out o = fast_out_of(op);
    const int n_taps = op->ks * op->ka, pairs = (n_taps + 1) / 2, out_c = op->out_c;
    int8_t *y = out->pixel;
    for (int p = out->first; p < out->first + out->n; p++, y += out->pix_step) {
        const uint32_t *w = (const uint32_t *)(const void *)k->weights;
        int c = 0;
        fast_find_taps(op, in, k->zeros, p, taps);
        taps[n_taps] = taps[n_taps - 1]; // an odd count's partner, with weights of zero
        for (; c + 4 <= out_c; c += 4, w += 4 * pairs)
            group(taps, pairs, c, 4, w, k->bias + c, &o, k->fast + c, y);
        if (c < out_c)
            group(taps, pairs, c, out_c - c, w, k->bias + c, &o, k->fast + c, y);
    }
}
