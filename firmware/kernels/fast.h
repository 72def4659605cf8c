// SPDX-License-Identifier: MIT
// What the kernels with packed constants share: where a pixel's taps lie, and the last step from a
// sum to a byte.
#ifndef KERNELS_FAST_H
#define KERNELS_FAST_H

#include <stdbool.h>

#include "firmware/kernels/kernels.h"
#include "firmware/kernels/simd.h"

// The slice of the next tap.
static inline const int8_t *fast_next_slice(const struct k_window *in, const int8_t *slice)
{
    slice += in->slice_step;
    return slice >= in->end ? slice - in->ring_bytes : slice;
}

// Pointers to the input pixels of all ks * ka taps of output position p; taps outside the tensor
// point to the zero-point pixel, so that sums need to know of no borders.
static inline void fast_find_taps(const struct prog_op *op, const struct k_window *in,
                                  const int8_t *zeros, int p, const int8_t **taps)
{
    const int first = p * op->sa - op->pad_a, ka = op->ka;
    const int8_t *slice = in->slice;
    for (int s = 0; s < op->ks; s++) {
        const bool inside = s >= in->tap && s < in->tap + in->taps;
        const unsigned positions = inside ? op->in_len : 0;
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)in->pix_step;
        for (int a = first; a < first + ka; a++, x += in->pix_step)
            *taps++ = (unsigned)a < positions ? x : zeros;
        if (inside)
            slice = fast_next_slice(in, slice);
    }
}

#define FAST_MAX_ROWS 8 // slices that a window may have to be read row by row

// Pointers to position 0 of the window's slices, which all lie inside the tensor.
static inline void fast_find_rows(const struct prog_op *op, const struct k_window *in,
                                  const int8_t **rows)
{
    const int8_t *slice = in->slice;
    for (int s = 0; s < op->ks; s++) {
        rows[s] = slice - (ptrdiff_t)in->lo * (ptrdiff_t)in->pix_step;
        slice = fast_next_slice(in, slice);
    }
}

// Does the window of position p lie inside the tensor, along a slice?
static inline bool fast_inside(const struct prog_op *op, int p)
{
    const int first = p * op->sa - op->pad_a;
    return first >= 0 && first + op->ka <= op->in_len;
}

// Output positions [lo, hi) have windows that lie inside the slice.
struct fast_range {
    int lo, hi;
};

static inline struct fast_range fast_range_inside(const struct prog_op *op)
{
    const int room = op->in_len - op->ka + op->pad_a; // of the last window that fits
    return (struct fast_range){(op->pad_a + op->sa - 1) / op->sa, room < 0 ? 0 : room / op->sa + 1};
}

struct fast_out { // what the last step needs of the operator, in registers
    int zero, min, max;
    int simple; // PROG_END_SIMPLE
};

static inline struct fast_out fast_out_of(const struct prog_op *op)
{
    return (struct fast_out){op->out_zero, op->act_min, op->act_max, op->p[1] == PROG_END_SIMPLE};
}

// From twice the sum to the byte. The simple case: 5 instructions on Armv7E-M.
static inline int8_t fast_finish_simple(const struct prog_requant_fast *r, int32_t sum2)
{
    int32_t v = simd_mul_high_round(sum2, r->mult);
    // cppcheck-suppress shiftTooManyBitsSigned ; gcc and clang define it: the sign is shifted in
    return (int8_t)simd_saturate8((v + (v >> 31) + r->round) >> r->right);
}

static inline int8_t fast_finish(const struct fast_out *o, const struct prog_requant_fast *r,
                                 int32_t sum2)
{
    if (o->simple)
        return fast_finish_simple(r, sum2);
    int32_t v = simd_mul_high_round((int32_t)((uint32_t)sum2 << r->left), r->mult);
    if (r->right)
        // cppcheck-suppress shiftTooManyBitsSigned ; gcc and clang define it: the sign is shifted in
        v = (v + (v >> 31) + r->round) >> r->right;
    v += o->zero;
    v = v < o->min ? o->min : v;
    return (int8_t)(v > o->max ? o->max : v);
}

struct fast_sums { // of four output channels, times two
    int32_t a0, a1, a2, a3;
};

static __attribute__((noinline)) void fast_finish_any(const struct fast_out *o,
                                                      const struct prog_requant_fast *r, int left,
                                                      struct fast_sums s, int8_t *y)
{
    y[0] = fast_finish(o, r, s.a0);
    if (left > 1)
        y[1] = fast_finish(o, r + 1, s.a1);
    if (left > 2)
        y[2] = fast_finish(o, r + 2, s.a2);
    if (left > 3)
        y[3] = fast_finish(o, r + 3, s.a3);
}

// Writes the bytes of four channels, or of `left` < 4.
static inline __attribute__((always_inline)) void fast_finish4(const struct fast_out *o,
                                                               const struct prog_requant_fast *r,
                                                               int left, struct fast_sums s,
                                                               int8_t *y)
{
    if (!o->simple || left < 4) {
        fast_finish_any(o, r, left, s, y);
        return;
    }
    y[0] = fast_finish_simple(r, s.a0);
    y[1] = fast_finish_simple(r + 1, s.a1);
    y[2] = fast_finish_simple(r + 2, s.a2);
    y[3] = fast_finish_simple(r + 3, s.a3);
}

#endif
