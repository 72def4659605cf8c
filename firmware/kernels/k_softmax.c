// SPDX-License-Identifier: MIT
// Softmax over the channels of each pixel, int8 in, int8 out with scale 1/256 and zero point -128.
// Fixed point as TFLite's specification has it: exp() on Q5.26 by table of powers and a short
// series, the sum in Q12.19, Newton's reciprocal.
#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

// x * 2^n for n >= 0, saturating.
static int32_t shift_left_saturating(int32_t x, int n)
{
    int32_t limit = INT32_MAX >> n;
    if (x > limit)
        return INT32_MAX;
    if (x < -limit - 1)
        return INT32_MIN;
    return (int32_t)((uint32_t)x << n);
}

// exp(a) in Q0.31 for a in Q0.31, a in [-1/4, 0).
static int32_t exp_quarter(int32_t a)
{
    const int32_t exp_minus_eighth = 1895147668, third = 715827883;
    int32_t x = a + (1 << 28);
    int32_t x2 = fx_mul_high(x, x);
    int32_t x3 = fx_mul_high(x2, x);
    int32_t x4 = fx_mul_high(x2, x2);
    int32_t x4_over_4 = fx_shift_right(x4, 2);
    int32_t tail = fx_shift_right(fx_mul_high(x4_over_4 + x3, third) + x2, 1);
    int64_t sum = (int64_t)exp_minus_eighth + fx_mul_high(exp_minus_eighth, x + tail);
    return sum > INT32_MAX ? INT32_MAX : (int32_t)sum;
}

// exp(a) in Q0.31 for a in Q5.26, a <= 0.
static int32_t exp_negative(int32_t a)
{
    static const int32_t powers[7] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    const int32_t quarter = 1 << 24;
    if (a == 0)
        return INT32_MAX;
    int32_t fraction = (a & (quarter - 1)) - quarter;
    int32_t result = exp_quarter(shift_left_saturating(fraction, 5));
    int32_t remainder = fraction - a; // multiples of 1/4 that are still to be multiplied in
    for (int i = 0; i < 7; i++) {
        if (remainder & (1 << (24 + i)))
            result = fx_mul_high(result, powers[i]);
    }
    return result;
}

// 1 / (1 + a) in Q0.31 for a in Q0.31, a in [0, 1).
static int32_t reciprocal_one_plus(int32_t a)
{
    const int32_t c48_17 = 1515870810, minus_c32_17 = -1010580540; // Q2.29
    int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = c48_17 + fx_mul_high(half, minus_c32_17);
    for (int i = 0; i < 3; i++) {
        int32_t rest = (1 << 29) - fx_mul_high(half, x);
        x += shift_left_saturating(fx_mul_high(x, rest), 2);
    }
    return shift_left_saturating(x, 1);
}

// Difference to the largest logit, in Q5.26.
static int32_t scaled_difference(const struct prog_op *op, int32_t diff)
{
    return fx_mul_high((int32_t)((uint32_t)diff << op->p[1]), op->p[0]);
}

void k_softmax(const struct prog_op *op, const struct k_call *k)
{
    (void)k;
    for (int i = 0; i < k->n; i++) {
        const int8_t *x = k->in + (size_t)(k->first + i) * op->in[0].pix_step;
        int8_t *y = k->out + (size_t)i * op->out.pix_step;
        int32_t top = -128, sum = 0; // sum: Q12.19
        for (int c = 0; c < op->out_c; c++)
            top = x[c] > top ? x[c] : top;
        for (int c = 0; c < op->out_c; c++) {
            if (x[c] - top >= op->p[2])
                sum += fx_shift_right(exp_negative(scaled_difference(op, x[c] - top)), 12);
        }
        int headroom = __builtin_clz((uint32_t)sum);
        int32_t scale = reciprocal_one_plus((int32_t)(((uint32_t)sum << headroom) - (1u << 31)));
        int over_unit = 12 - headroom;
        for (int c = 0; c < op->out_c; c++) {
            int32_t v = -128;
            if (x[c] - top >= op->p[2]) {
                int32_t e = exp_negative(scaled_difference(op, x[c] - top));
                v = fx_clamp(fx_shift_right(fx_mul_high(scale, e), over_unit + 31 - 8) - 128, -128,
                             127);
            }
            y[c] = (int8_t)v;
        }
    }
}
