// SPDX-License-Identifier: MIT
// Sums of products with weights of four output channels side by side, for cores with a multiplier for single words: a
// block of pixels times four channels stays in registers, so that a load serves several products.
#ifndef KERNELS_BLOCKED_H
#define KERNELS_BLOCKED_H

#include "firmware/kernels/fast.h"

struct block4 { // sums of one pixel's four channels
    int32_t c0, c1, c2, c3;
};

#define BLOCKED_LOAD(i)                                                                            \
    const int32_t w0 = w[4 * (i)], w1 = w[4 * (i) + 1], w2 = w[4 * (i) + 2], w3 = w[4 * (i) + 3];
#define BLOCKED_ADD(x, a, i)                                                                       \
    do {                                                                                           \
        const int32_t v = (x)[i];                                                                  \
        (a).c0 += v * w0;                                                                          \
        (a).c1 += v * w1;                                                                          \
        (a).c2 += v * w2;                                                                          \
        (a).c3 += v * w3;                                                                          \
    } while (0)
#define BLOCKED_STEP1(i)                                                                           \
    do {                                                                                           \
        BLOCKED_LOAD(i)                                                                            \
        BLOCKED_ADD(x, a, i);                                                                      \
    } while (0)
#define BLOCKED_STEP4(i)                                                                           \
    do {                                                                                           \
        BLOCKED_LOAD(i)                                                                            \
        BLOCKED_ADD(x0, a0, i);                                                                    \
        BLOCKED_ADD(x1, a1, i);                                                                    \
        BLOCKED_ADD(x2, a2, i);                                                                    \
        BLOCKED_ADD(x3, a3, i);                                                                    \
    } while (0)

// n products for each channel of one pixel; w [n][4].
static inline struct block4 blocked_dot1(const int8_t *x, const int8_t *w, int n, struct block4 a)
{
    const int8_t *const end = x + n, *const end4 = x + (n & ~3);
    for (; x < end4; x += 4, w += 16) {
        BLOCKED_STEP1(0);
        BLOCKED_STEP1(1);
        BLOCKED_STEP1(2);
        BLOCKED_STEP1(3);
    }
    for (; x < end; x++, w += 4)
        BLOCKED_STEP1(0);
    return a;
}

// The same for four pixels that lie `step` bytes apart.
static inline void blocked_dot4(const int8_t *x, intptr_t step, const int8_t *w, int n,
                                struct block4 sums[4])
{
    struct block4 a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    const int8_t *x0 = x, *x1 = x0 + step, *x2 = x1 + step, *x3 = x2 + step;
    const int8_t *const end = x + n, *const end4 = x + (n & ~3);
    for (; x0 < end4; x0 += 4, x1 += 4, x2 += 4, x3 += 4, w += 16) {
        BLOCKED_STEP4(0);
        BLOCKED_STEP4(1);
        BLOCKED_STEP4(2);
        BLOCKED_STEP4(3);
    }
    for (; x0 < end; x0++, x1++, x2++, x3++, w += 4)
        BLOCKED_STEP4(0);
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
}

// One sum to a byte, as the layer's end has it (struct prog_requant_fast).
static inline int8_t blocked_end_relu(const struct prog_requant_fast *r, int32_t sum)
{
    const int32_t v = (int32_t)(((int64_t)(int32_t)((uint32_t)sum * 4) * r->mult) >> 32);
    return (int8_t)simd_saturate8((v + r->round) >> r->right);
}

static inline int8_t blocked_end(const struct fast_out *o, int relu,
                                 const struct prog_requant_fast *r, int32_t sum)
{
    return relu ? blocked_end_relu(r, sum) : fast_finish(o, r, (int32_t)((uint32_t)sum * 2));
}

// Those of four channels, or of `left` < 4.
static inline void blocked_end4(const struct fast_out *o, int relu,
                                const struct prog_requant_fast *r, int left, struct block4 a,
                                int8_t *y)
{
    y[0] = blocked_end(o, relu, r, a.c0);
    if (left > 1)
        y[1] = blocked_end(o, relu, r + 1, a.c1);
    if (left > 2)
        y[2] = blocked_end(o, relu, r + 2, a.c2);
    if (left > 3)
        y[3] = blocked_end(o, relu, r + 3, a.c3);
}

#endif
