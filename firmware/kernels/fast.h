// SPDX-License-Identifier: MIT
// What the kernels with packed constants share: where a pixel's taps lie, and the last step from a
// sum to a byte.
#ifndef KERNELS_FAST_H
#define KERNELS_FAST_H

#include "firmware/kernels/kernels.h"
#include "firmware/kernels/simd.h"

// Pointers to the input pixels of all ks * ka taps of output position p; taps outside the tensor
// point to the zero-point pixel, so that no kernel needs to know of borders.
static inline void fast_find_taps(const struct prog_op *op, const struct k_window *in,
                                  const int8_t *zeros, int p, const int8_t **taps)
{
    const int first = p * op->sa - op->pad_a;
    const int8_t *slice = in->slice;
    for (int s = 0; s < op->ks; s++) {
        if (s < in->tap || s >= in->tap + in->taps) {
            for (int a = 0; a < op->ka; a++)
                *taps++ = zeros;
            continue;
        }
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)in->pix_step;
        for (int a = first; a < first + op->ka; a++) {
            *taps++ = a >= 0 && a < op->in_len ? x : zeros;
            x += in->pix_step;
        }
        slice += in->slice_step;
        if (slice >= in->end)
            slice -= in->ring_bytes;
    }
}

static inline int8_t fast_finish(const struct prog_op *op, const struct prog_requant_fast *r,
                                 int32_t acc)
{
    int32_t v = simd_mul_high_round((int32_t)((uint32_t)acc << r->left1), r->mult);
    if (r->round)
        v = (v + r->round + (v >> 31)) >> r->right;
    v += op->out_zero;
    v = v < op->act_min ? op->act_min : v;
    return (int8_t)(v > op->act_max ? op->act_max : v);
}

// Writes the bytes of up to 4 channels.
static inline void fast_finish4(const struct prog_op *op, const struct k_consts *k, int channel,
                                const int32_t acc[4], int8_t *y)
{
    const struct prog_requant_fast *r = k->fast + channel;
    int lanes = op->out_c - channel < 4 ? op->out_c - channel : 4;
    for (int l = 0; l < lanes; l++)
        y[channel + l] = fast_finish(op, r + l, acc[l]);
}

#endif
