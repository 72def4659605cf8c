// SPDX-License-Identifier: MIT
// Quantisation scales as integers: a 24-bit mantissa and an exponent, so that a model file is the
// same bytes whatever the compiler, FPU or libm of the machine that wrote it. The conversion to
// float is exact.
#ifndef MODELS_SCALE_H
#define MODELS_SCALE_H

#include <stdint.h>

struct scale {
    uint32_t m; // 2^23 <= m < 2^24
    int e;      // value = m * 2^e
};

struct scale scale_make(uint64_t m, int e);             // m * 2^e, rounded half up; m > 0
struct scale scale_ratio(uint64_t num, uint64_t den);   // num / den; 0 < den < 2^39, 0 < num
struct scale scale_mul(struct scale a, struct scale b); // a * b
struct scale scale_div(struct scale a, struct scale b); // a / b
struct scale scale_shift(struct scale a, int bits);     // a * 2^bits
// x * s, rounded half away from zero. |x| < 2^39, and the result must fit into 62 bits.
int64_t scale_apply(int64_t x, struct scale s);
float scale_float(struct scale s); // exact

// a / b rounded half away from zero; b > 0.
int64_t div_round(int64_t a, int64_t b);

#endif
