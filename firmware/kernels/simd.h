// SPDX-License-Identifier: MIT
// Two 16-bit lanes in a 32-bit word, as the DSP extension of Armv7E-M has them; portable C where
// the machine has none, so that the same kernels run, bit for bit, on the host.
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#include <stdint.h>

#if defined(KERNELS_LX7)
#include "firmware/kernels/lx7.h"
#endif

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define SIMD_NATIVE 1
#else
#define SIMD_NATIVE 0
#endif

// Four bytes at any address.
static inline uint32_t simd_load(const int8_t *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, 4); // freestanding code would call memcpy()
    return v;
}

// Two bytes at any address, below zeros.
static inline uint32_t simd_load_half(const int8_t *p)
{
    uint16_t v;
    __builtin_memcpy(&v, p, 2);
    return v;
}

#if SIMD_NATIVE
typedef uint64_t __attribute__((may_alias, aligned(4))) simd_two_words;
#endif

// Two words that lie side by side, 4-aligned.
static inline void simd_load2(const uint32_t *p, uint32_t *a, uint32_t *b)
{
#if SIMD_NATIVE
    __asm__ volatile("ldrd %0, %1, %2"
                     : "=r"(*a), "=r"(*b)
                     : "m"(*(const simd_two_words *)(const void *)p));
#else
    *a = p[0];
    *b = p[1];
#endif
}

static inline void simd_pointers2(const int8_t *const *p, const int8_t **a, const int8_t **b)
{
#if SIMD_NATIVE
    __asm__ volatile("ldrd %0, %1, %2"
                     : "=r"(*a), "=r"(*b)
                     : "m"(*(const simd_two_words *)(const void *)p));
#else
    *a = p[0]; // NOLINT(clang-analyzer-core.uninitialized.Assign): of all kernel rows
    *b = p[1];
#endif
}

// Likewise, and p goes on to the next two. Of constants, or behind SIMD_WRITTEN(): the compiler is not
// told what is read, which would cost a register more.
static inline void simd_next2(const uint32_t **p, uint32_t *a, uint32_t *b)
{
    const uint32_t *at = *p;
#if SIMD_NATIVE
    uint32_t first, second;
    __asm__ volatile("ldrd %0, %1, [%2], #8" : "=r"(first), "=r"(second), "+r"(at));
    *a = first;
    *b = second;
#else
    *a = *at++;
    *b = *at++;
#endif
    *p = at;
}

static inline void simd_next_pointers2(const int8_t *const **p, const int8_t **a, const int8_t **b)
{
#if SIMD_NATIVE
    __asm__ volatile("ldrd %0, %1, [%2], #8"
                     : "=&r"(*a), "=&r"(*b), "+r"(*p)
                     : "m"(*(const simd_two_words *)(const void *)*p));
#else
    *a = *(*p)++;
    *b = *(*p)++;
#endif
}

// Writes a byte, and goes on to the next.
static inline void simd_store_next(int8_t **p, int32_t v)
{
#if SIMD_NATIVE
    __asm__ volatile("strb %1, [%0], #1" : "+r"(*p) : "r"(v) : "memory");
#else
    *(*p)++ = (int8_t)v;
#endif
}

// Bytes 0 and 2, sign-extended to the two lanes.
static inline uint32_t simd_even(uint32_t v)
{
#if SIMD_NATIVE
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(v));
    return r;
#else
    return (uint16_t)(int8_t)v | (uint32_t)(uint16_t)(int8_t)(v >> 16) << 16;
#endif
}

// Bytes 1 and 3, likewise.
static inline uint32_t simd_odd(uint32_t v)
{
#if SIMD_NATIVE
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(v));
    return r;
#else
    return (uint16_t)(int8_t)(v >> 8) | (uint32_t)(uint16_t)(int8_t)(v >> 24) << 16;
#endif
}

// Writes two words, and goes on behind them.
static inline void simd_put2(uint32_t **p, uint32_t a, uint32_t b)
{
    uint32_t *at = *p;
#if SIMD_NATIVE
    __asm__ volatile("strd %1, %2, [%0], #8" : "+r"(at) : "r"(a), "r"(b) : "memory");
#else
    *at++ = a;
    *at++ = b;
#endif
    *p = at;
}

// Between writing an array and reading it with simd_next2(), which the compiler does not see.
#define SIMD_WRITTEN(array) __asm__ volatile("" ::"r"(array) : "memory")

// acc + a.lo * b.lo + a.hi * b.hi
static inline int32_t simd_mac2(uint32_t a, uint32_t b, int32_t acc)
{
#if SIMD_NATIVE
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
#else
    uint32_t low = (uint32_t)((int16_t)a * (int16_t)b);
    uint32_t high = (uint32_t)((int16_t)(a >> 16) * (int16_t)(b >> 16));
    return (int32_t)((uint32_t)acc + low + high); // wraps, as the instruction does
#endif
}

// acc + a.hi * b.lo
static inline int32_t simd_mac_top(uint32_t a, uint32_t b, int32_t acc)
{
#if SIMD_NATIVE // as it is: the compiler would put it off, and hold its operands until then
    int32_t r;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
#else
    return (int32_t)((uint32_t)acc + (uint32_t)((int16_t)(a >> 16) * (int16_t)b));
#endif
}

// Lower half of a below lower half of b.
static inline uint32_t simd_pack_low(uint32_t a, uint32_t b)
{
#if SIMD_NATIVE
    uint32_t r;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return (a & 0xFFFF) | b << 16;
#endif
}

// (a * b) >> 32
static inline int32_t simd_mul_high(int32_t a, int32_t b)
{
#if defined(KERNELS_LX7)
    int32_t r;
    __asm__("lx7_mulsh %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return (int32_t)(((int64_t)a * b) >> 32);
#endif
}

// The low bytes of a and b as the two bytes at p.
static inline void simd_store2(int8_t *p, int32_t a, int32_t b)
{
#if SIMD_NATIVE
    __asm__("bfi %0, %1, #8, #8" : "+r"(a) : "r"(b));
    const uint16_t both = (uint16_t)a;
    __builtin_memcpy(p, &both, 2);
#else
    p[0] = (int8_t)a;
    p[1] = (int8_t)b;
#endif
}

// (a * b + 2^31) >> 32
static inline int32_t simd_mul_high_round(int32_t a, int32_t b)
{
#if SIMD_NATIVE
    int32_t r;
    __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    const uint32_t low = (uint32_t)a * (uint32_t)b;
    return simd_mul_high(a, b) + (int32_t)(low >> 31);
#endif
}

// acc + ((a * b) >> 32)
static inline int32_t simd_mul_high_add(int32_t a, int32_t b, int32_t acc)
{
#if SIMD_NATIVE
    int32_t r;
    __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
#else
    return (int32_t)((uint32_t)acc + (uint32_t)simd_mul_high(a, b));
#endif
}

// acc + ((a * b + 2^31) >> 32)
static inline int32_t simd_mul_high_round_add(int32_t a, int32_t b, int32_t acc)
{
#if SIMD_NATIVE
    int32_t r;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
#else
    return (int32_t)((uint32_t)acc + (uint32_t)simd_mul_high_round(a, b));
#endif
}

// v >> the lowest byte of `by`, which is below 32; what is above it does not matter.
static inline int32_t simd_shift_right(int32_t v, uint32_t by)
{
#if SIMD_NATIVE
    if (!__builtin_constant_p(by)) {
        int32_t r;
        __asm__("asr %0, %1, %2" : "=r"(r) : "r"(v), "r"(by));
        return r;
    }
#endif
    // cppcheck-suppress shiftTooManyBitsSigned ; gcc and clang define it: the sign is shifted in
    return v >> (by & 31);
}

static inline int32_t simd_saturate8(int32_t v)
{
#if SIMD_NATIVE
    int32_t r;
    __asm__("ssat %0, #8, %1" : "=r"(r) : "r"(v));
    return r;
#elif defined(KERNELS_LX7)
    int32_t r;
    __asm__("lx7_clamps8 %0, %1" : "=r"(r) : "r"(v));
    return r;
#else
    // cppcheck-suppress shiftTooManyBitsSigned ; gcc and clang define it: the sign is shifted in
    return (uint32_t)(v + 128) > 255 ? (v >> 31) ^ 127 : v;
#endif
}

#endif
