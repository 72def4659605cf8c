// SPDX-License-Identifier: MIT
// Fixed-point arithmetic of TFLite's int8 specification (gemmlowp semantics, double rounding).
#ifndef KERNELS_FIXED_H
#define KERNELS_FIXED_H

#include <stdint.h>

// High 32 bits of 2 * a * b, rounded to nearest (ties up, which is what gemmlowp's sign-dependent
// nudge amounts to).
static inline int32_t fx_mul_high(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

// x / 2^n, rounded half away from zero; n in 0..31.
static inline int32_t fx_shift_right(int32_t x, int n)
{
    int32_t mask = (int32_t)((1u << n) - 1u);
    int32_t remainder = x & mask;
    int32_t threshold = (mask >> 1) + (x < 0);
    // cppcheck-suppress [shiftNegativeLHS, shiftTooManyBitsSigned] ; gcc and clang define it: the sign is shifted in
    return (x >> n) + (remainder > threshold);
}

// x * mult * 2^(shift - 31).
static inline int32_t fx_requant(int32_t x, int32_t mult, int32_t shift)
{
    int left = shift > 0 ? shift : 0;
    int right = shift > 0 ? 0 : -shift;
    return fx_shift_right(fx_mul_high((int32_t)((uint32_t)x << left), mult), right);
}

static inline int32_t fx_clamp(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

#endif
