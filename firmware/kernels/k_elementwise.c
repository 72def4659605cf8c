// SPDX-License-Identifier: MIT
// Operators that map pixels to pixels: add, rescale, pad, copy.
#include <string.h>

#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"
#include "firmware/kernels/simd.h"

static const int8_t *input_pixel(const struct prog_op *op, const struct k_call *k, int position)
{
    return k->in + (size_t)position * op->in[0].pix_step;
}

// One operand or the sum through its multiplier, for shifts of at most 0 and |x| < 2^30.
static inline int32_t scale(int32_t x, int32_t mult, int32_t right, int32_t round,
                            int32_t sign_mask)
{
    int32_t v = simd_mul_high_round((int32_t)((uint32_t)x << 1), mult);
    // cppcheck-suppress shiftTooManyBitsSigned ; gcc and clang define it: the sign is shifted in
    return (v + ((v >> 31) & sign_mask) + round) >> right;
}

struct scaling {
    int32_t mult, right, round, sign_mask;
};

static struct scaling scaling_of(int32_t mult, int32_t shift)
{
    return (struct scaling){mult, -shift, shift < 0 ? 1 << (-shift - 1) : 0, shift < 0 ? -1 : 0};
}

// TFLite scales both operands to twice the larger scale, so that no shift is to the left and every
// intermediate stays below 2^30: 255 << 20, halved, twice.
static void add_common(const struct prog_op *op, const struct k_call *k, const int8_t *in0,
                       const int8_t *in1)
{
    const int32_t *p = op->p;
    const int32_t zero0 = p[0], zero1 = p[1], left = p[8], zero = op->out_zero;
    const int32_t min = op->act_min, max = op->act_max;
    const struct scaling s0 = scaling_of(p[2], p[3]), s1 = scaling_of(p[4], p[5]);
    const struct scaling s = scaling_of(p[6], p[7]);
    for (int i = 0; i < k->n; i++) {
        const size_t at = (size_t)(k->first + i);
        const int8_t *a = in0 + at * op->in[0].pix_step, *b = in1 + at * op->in[1].pix_step;
        int8_t *y = k->out + (size_t)i * op->out.pix_step;
        for (const int8_t *end = y + op->out_c; y < end;) {
            int32_t va =
                scale((*a++ - zero0) * (1 << left), s0.mult, s0.right, s0.round, s0.sign_mask);
            int32_t vb =
                scale((*b++ - zero1) * (1 << left), s1.mult, s1.right, s1.round, s1.sign_mask);
            int32_t v = scale(va + vb, s.mult, s.right, s.round, s.sign_mask) + zero;
            v = v < min ? min : v;
            *y++ = (int8_t)(v > max ? max : v);
        }
    }
}

void k_add(const struct prog_op *op, const struct k_call *k, const int8_t *in0, const int8_t *in1)
{
    const int32_t *p = op->p;
    if (p[3] <= 0 && p[5] <= 0 && p[7] <= 0 && p[8] <= 20) {
        add_common(op, k, in0, in1);
        return;
    }
    for (int i = 0; i < k->n; i++) {
        const size_t at = (size_t)(k->first + i);
        const int8_t *a = in0 + at * op->in[0].pix_step, *b = in1 + at * op->in[1].pix_step;
        int8_t *y = k->out + (size_t)i * op->out.pix_step;
        for (int c = 0; c < op->out_c; c++) {
            int32_t va = fx_requant((a[c] - p[0]) * (1 << p[8]), p[2], p[3]);
            int32_t vb = fx_requant((b[c] - p[1]) * (1 << p[8]), p[4], p[5]);
            int32_t v = fx_requant(va + vb, p[6], p[7]) + op->out_zero;
            y[c] = (int8_t)fx_clamp(v, op->act_min, op->act_max);
        }
    }
}

void k_rescale(const struct prog_op *op, const struct k_call *k)
{
    for (int i = 0; i < k->n; i++) {
        const int8_t *x = input_pixel(op, k, k->first + i);
        int8_t *y = k->out + (size_t)i * op->out.pix_step;
        for (int c = 0; c < op->out_c; c++) {
            int32_t v =
                fx_requant(x[c] - op->in_zero, k_requant(op, k)->mult, k_requant(op, k)->shift) +
                op->out_zero;
            y[c] = (int8_t)fx_clamp(v, op->act_min, op->act_max);
        }
    }
}

void k_pad(const struct prog_op *op, const struct k_call *k)
{
    (void)k;
    for (int i = 0; i < k->n; i++) {
        int position = k->first + i - op->pad_a;
        int8_t *y = k->out + (size_t)i * op->out.pix_step;
        memset(y, op->in_zero, op->out_c);
        if (k->taps.n == 1 && position >= 0 && position < op->in_len)
            memcpy(y + op->pad_c, input_pixel(op, k, position), op->in_c);
    }
}

void k_copy(const int8_t *in, int8_t *out, size_t bytes)
{
    memmove(out, in, bytes);
}
