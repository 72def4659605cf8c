// SPDX-License-Identifier: MIT
// What the kernels with packed constants share: where a pixel's taps lie, and the last step from a
// sum to a byte.
#ifndef KERNELS_FAST_H
#define KERNELS_FAST_H

#include <stdbool.h>

#include "firmware/kernels/kernels.h"
#include "firmware/kernels/simd.h"

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

// The last step of the kernels for Armv7E-M, from the sum that its constants are made for: 4-fold, or 2-fold.
static inline int32_t fast_end_relu(int32_t sum4, uint32_t mult, uint32_t round, uint32_t right)
{
    const int32_t v = simd_mul_high_add(sum4, (int32_t)mult, (int32_t)round);
    return simd_saturate8(simd_shift_right(v, right));
}

// Ties go away from zero by the sign of the sum, not by that of its product as in fast_finish(). They differ
// where a negative sum has a product that rounds to 0: then one less is shifted, but half - 1 >> right is 0
// like half >> right, for right > 0.
static inline int32_t fast_end_simple(int32_t sum2, uint32_t mult, uint32_t round, uint32_t right)
{
    const int32_t v = simd_mul_high_round_add(sum2, (int32_t)mult, (int32_t)round);
    return simd_saturate8(simd_shift_right(v + simd_shift_right(sum2, 31), right));
}

#endif
