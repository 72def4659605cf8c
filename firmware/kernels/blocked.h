// SPDX-License-Identifier: MIT
// Sums of products with weights of four output channels side by side, for cores with a multiplier for single words: a
// block of pixels times four channels stays in registers, so that a load serves several products.
#ifndef KERNELS_BLOCKED_H
#define KERNELS_BLOCKED_H

#include "firmware/kernels/fast.h"

struct block4 { // sums of one pixel's four channels
    int32_t c0, c1, c2, c3;
};

// Keeps loads in the order that they are written in, that of their addresses: a serial flash without a
// cache then goes on where it was, which is seven times faster than to begin anew.
#define BLOCKED_ORDER __asm__ volatile("" ::: "memory")

#define BLOCKED_LOAD(i)                                                                            \
    int32_t w0, w1, w2, w3;                                                                        \
    w0 = w[4 * (i)];                                                                               \
    BLOCKED_ORDER;                                                                                 \
    w1 = w[4 * (i) + 1];                                                                           \
    BLOCKED_ORDER;                                                                                 \
    w2 = w[4 * (i) + 2];                                                                           \
    BLOCKED_ORDER;                                                                                 \
    w3 = w[4 * (i) + 3];                                                                           \
    BLOCKED_ORDER;
#define BLOCKED_ADD(x, a, i)                                                                       \
    do {                                                                                           \
        const int32_t v = (x)[i];                                                                  \
        (a).c0 += v * w0;                                                                          \
        (a).c1 += v * w1;                                                                          \
        (a).c2 += v * w2;                                                                          \
        (a).c3 += v * w3;                                                                          \
    } while (0)

// n products for each channel of one pixel; w [n][4].
static inline struct block4 blocked_dot1(const int8_t *x, const int8_t *w, int n, struct block4 a)
{
    for (const int8_t *const end = x + n; x < end; x++, w += 4) {
        BLOCKED_LOAD(0)
        BLOCKED_ADD(x, a, 0);
    }
    return a;
}

// The same for two and for three pixels that lie `step` bytes apart, two products at a time.
#define BLOCKED_STEP2(i)                                                                           \
    do {                                                                                           \
        BLOCKED_LOAD(i)                                                                            \
        BLOCKED_ADD(x0, a0, i);                                                                    \
        BLOCKED_ADD(x1, a1, i);                                                                    \
    } while (0)
#define BLOCKED_STEP3(i)                                                                           \
    do {                                                                                           \
        BLOCKED_LOAD(i)                                                                            \
        BLOCKED_ADD(x0, a0, i);                                                                    \
        BLOCKED_ADD(x1, a1, i);                                                                    \
        BLOCKED_ADD(x2, a2, i);                                                                    \
    } while (0)

static inline void blocked_dot2(const int8_t *x, ptrdiff_t step, const int8_t *w, int n,
                                struct block4 sums[2])
{
    struct block4 a0 = sums[0], a1 = sums[1];
    const int8_t *x0 = x, *x1 = x0 + step;
    const int8_t *const end = x + n, *const even = x + (n & ~1);
    for (; x0 < even; x0 += 2, x1 += 2, w += 8) {
        BLOCKED_STEP2(0);
        BLOCKED_STEP2(1);
    }
    if (x0 < end)
        BLOCKED_STEP2(0);
    sums[0] = a0;
    sums[1] = a1;
}

static inline void blocked_dot3(const int8_t *x, ptrdiff_t step, const int8_t *w, int n,
                                struct block4 sums[3])
{
    struct block4 a0 = sums[0], a1 = sums[1], a2 = sums[2];
    const int8_t *x0 = x, *x1 = x0 + step, *x2 = x1 + step;
    const int8_t *const end = x + n, *const even = x + (n & ~1);
    for (; x0 < even; x0 += 2, x1 += 2, x2 += 2, w += 8) {
        BLOCKED_STEP3(0);
        BLOCKED_STEP3(1);
    }
    if (x0 < end)
        BLOCKED_STEP3(0);
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
}

// One sum to a byte, as the layer's end has it (struct prog_requant_fast).
static inline int8_t blocked_end_relu(const struct prog_requant_fast *r, int32_t sum)
{
    const int32_t v = simd_mul_high((int32_t)((uint32_t)sum * 4), r->mult);
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
