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
    const int first = p * op->sa - op->pad_a, ka = op->ka;
    const int inside = first >= 0 && first + ka <= op->in_len;
    const size_t step = in->pix_step;
    const int8_t *slice = in->slice;
    for (int s = 0; s < op->ks; s++) {
        if (s < in->tap || s >= in->tap + in->taps) {
            for (int a = 0; a < ka; a++)
                *taps++ = zeros;
            continue;
        }
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)step;
        if (inside) {
            for (const int8_t **end = taps + ka; taps < end; x += step)
                *taps++ = x;
        } else {
            for (int a = first; a < first + ka; a++, x += step)
                *taps++ = a >= 0 && a < op->in_len ? x : zeros;
        }
        slice += in->slice_step;
        if (slice >= in->end)
            slice -= in->ring_bytes;
    }
}

struct fast_out { // what the last step needs of the operator, in registers
    int zero, min, max;
    int simple; // every right shift is at least 1, the clamp is that of int8
};

static inline struct fast_out fast_out_of(const struct prog_op *op)
{
    return (struct fast_out){op->out_zero, op->act_min, op->act_max, op->p[1]};
}

// The common case: 9 instructions on Armv7E-M.
static inline int8_t fast_finish_simple(const struct prog_requant_fast *r, int zero, int32_t acc)
{
    int32_t v = simd_mul_high_round((int32_t)((uint32_t)acc << r->left1), r->mult);
    v = (v + (v >> 31) + r->round) >> r->right;
    return (int8_t)simd_saturate8(v + zero);
}

static inline int8_t fast_finish(const struct fast_out *o, const struct prog_requant_fast *r,
                                 int32_t acc)
{
    int32_t v = simd_mul_high_round((int32_t)((uint32_t)acc << r->left1), r->mult);
    if (r->round)
        v = (v + (v >> 31) + r->round) >> r->right;
    v += o->zero;
    v = v < o->min ? o->min : v;
    return (int8_t)(v > o->max ? o->max : v);
}

// Writes the bytes of four channels, or of `left` < 4.
static inline void fast_finish4(const struct fast_out *o, const struct prog_requant_fast *r,
                                int left, int32_t a0, int32_t a1, int32_t a2, int32_t a3, int8_t *y)
{
    if (o->simple && left >= 4) {
        y[0] = fast_finish_simple(r, o->zero, a0);
        y[1] = fast_finish_simple(r + 1, o->zero, a1);
        y[2] = fast_finish_simple(r + 2, o->zero, a2);
        y[3] = fast_finish_simple(r + 3, o->zero, a3);
        return;
    }
    y[0] = fast_finish(o, r, a0);
    if (left > 1)
        y[1] = fast_finish(o, r + 1, a1);
    if (left > 2)
        y[2] = fast_finish(o, r + 2, a2);
    if (left > 3)
        y[3] = fast_finish(o, r + 3, a3);
}

#endif
