// SPDX-License-Identifier: MIT
// Sums of 16-bit products for cores whose multiplier adds to one accumulator while it loads the next operands (MAC16 of
// Xtensa): a product an instruction. Portable C where the machine has none.
#ifndef KERNELS_MAC16_H
#define KERNELS_MAC16_H

#include "firmware/kernels/simd.h"

#include <stddef.h>

// start + 4 * quads products, quads > 0. x and w are 4-aligned; two values behind the last of each are read.
static inline int32_t mac16_dot(const int16_t *x, const int16_t *w, int quads, int32_t start)
{
#if defined(KERNELS_LX7)
    uintptr_t at_x = (uintptr_t)x - 4, at_w = (uintptr_t)w - 4; // LDINC adds 4 first
    __asm__ volatile("lx7_align\n"
                     "lx7_wsr_acclo %[sum]\n"
                     "lx7_ldinc 0, %[x]\n"
                     "lx7_ldinc 2, %[w]\n"
                     "lx7_loop %[quads], 12\n"
                     "lx7_mula_dd_ldinc ll, 1, %[x], 0, 2\n"
                     "lx7_mula_dd_ldinc hh, 3, %[w], 0, 2\n"
                     "lx7_mula_dd_ldinc ll, 0, %[x], 1, 3\n"
                     "lx7_mula_dd_ldinc hh, 2, %[w], 1, 3\n"
                     "lx7_rsr_acclo %[sum]\n"
                     : [sum] "+r"(start), [x] "+r"(at_x), [w] "+r"(at_w)
                     : [quads] "r"(quads)
                     : "memory");
    return start;
#else
    uint32_t sum = (uint32_t)start;
    for (int i = 0; i < 4 * quads; i++)
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): behind the window, times 0
        sum += (uint32_t)(x[i] * w[i]);
    return (int32_t)sum;
#endif
}

// A byte, sign-extended.
static inline int32_t mac16_byte(const int8_t *x)
{
#if defined(KERNELS_LX7)
    int32_t v = *(const uint8_t *)x;
    __asm__("lx7_sext8 %0, %0" : "+r"(v));
    return v;
#else
    return *x;
#endif
}

// n bytes that lie together.
static inline void mac16_widen(const int8_t *x, int n, int16_t *to)
{
    for (const int8_t *const end = x + (n & ~3); x < end; x += 4, to += 4) {
        to[0] = (int16_t)mac16_byte(x);
        to[1] = (int16_t)mac16_byte(x + 1);
        to[2] = (int16_t)mac16_byte(x + 2);
        to[3] = (int16_t)mac16_byte(x + 3);
    }
    for (n &= 3; n > 0; n--)
        *to++ = (int16_t)mac16_byte(x++);
}

// n > 0 bytes x_step apart, to_step bytes apart.
static inline void mac16_widen_strided(const int8_t *x, ptrdiff_t x_step, int n, int16_t *to,
                                       ptrdiff_t to_step)
{
#if defined(KERNELS_LX7)
    int32_t v;
    __asm__ volatile("lx7_align\n"
                     "nop.n\n"
                     ".begin no-transform\n"
                     "lx7_loop %[n], 15\n"
                     "l8ui %[v], %[x], 0\n"
                     "add %[x], %[x], %[x_step]\n"
                     "lx7_sext8 %[v], %[v]\n"
                     "s16i %[v], %[to], 0\n"
                     "add %[to], %[to], %[to_step]\n"
                     ".end no-transform\n"
                     : [v] "=&r"(v), [x] "+r"(x), [to] "+r"(to)
                     : [n] "r"(n), [x_step] "r"(x_step), [to_step] "r"(to_step)
                     : "memory");
#else
    for (; n > 0; n--, x += x_step, to += to_step / 2)
        *to = *x;
#endif
}

#endif
