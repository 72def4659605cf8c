// SPDX-License-Identifier: MIT
// The arithmetic that the compiler calls functions for and that libgcc for lx106 leaves to that chip's ROM. LX7 has
// instructions for the heart of it (MULUH, QUOU), which an lx106 compiler and assembler do not know: they are written
// as bytes. With ARITH_BASE_ONLY the functions do without, for processors that lack them too.
// Division by zero: QUOU raises an exception, the other variant returns all ones.
#include <stdint.h>

uint64_t __umulsidi3(uint32_t a, uint32_t b);
int64_t __muldi3(int64_t a, int64_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
int32_t __divsi3(int32_t a, int32_t b);
int32_t __modsi3(int32_t a, int32_t b);
uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
int64_t __moddi3(int64_t a, int64_t b);

#ifdef ARITH_BASE_ONLY
static uint32_t multiply_high(uint32_t a, uint32_t b)
{
    uint32_t al = a & 0xFFFFu, ah = a >> 16, bl = b & 0xFFFFu, bh = b >> 16;
    uint32_t middle = ah * bl + (al * bl >> 16); // cannot exceed 32 bits
    uint32_t other = al * bh + (middle & 0xFFFFu);
    return ah * bh + (middle >> 16) + (other >> 16);
}

static uint32_t divide(uint32_t a, uint32_t b)
{
    uint32_t q = 0, rest = 0;
    for (int i = 31; i >= 0; i--) {
        rest = rest << 1 | (a >> i & 1);
        if (rest >= b) {
            rest -= b;
            q |= 1u << i;
        }
    }
    return q;
}
#else
static inline uint32_t multiply_high(uint32_t a, uint32_t b)
{
    register uint32_t x __asm__("a4") = a;
    register uint32_t y __asm__("a5") = b;
    __asm__(".byte 0x50, 0x44, 0xA2" : "+r"(x) : "r"(y)); // MULUH a4, a4, a5
    return x;
}

static inline uint32_t divide(uint32_t a, uint32_t b)
{
    register uint32_t x __asm__("a4") = a;
    register uint32_t y __asm__("a5") = b;
    __asm__ volatile(".byte 0x50, 0x44, 0xC2" : "+r"(x) : "r"(y)); // QUOU a4, a4, a5
    return x;
}
#endif

static uint32_t magnitude(int32_t v)
{
    return v < 0 ? 0u - (uint32_t)v : (uint32_t)v;
}

static uint64_t magnitude64(int64_t v)
{
    return v < 0 ? 0u - (uint64_t)v : (uint64_t)v;
}

uint64_t __umulsidi3(uint32_t a, uint32_t b)
{
    return (uint64_t)multiply_high(a, b) << 32 | a * b;
}

int64_t __muldi3(int64_t a, int64_t b)
{
    uint32_t al = (uint32_t)a, bl = (uint32_t)b;
    uint32_t ah = (uint32_t)((uint64_t)a >> 32), bh = (uint32_t)((uint64_t)b >> 32);
    uint32_t high = multiply_high(al, bl) + ah * bl + al * bh;
    return (int64_t)((uint64_t)high << 32 | al * bl);
}

uint32_t __udivsi3(uint32_t a, uint32_t b)
{
    return divide(a, b);
}

uint32_t __umodsi3(uint32_t a, uint32_t b)
{
    return a - divide(a, b) * b;
}

int32_t __divsi3(int32_t a, int32_t b)
{
    uint32_t q = divide(magnitude(a), magnitude(b));
    return (int32_t)((a ^ b) < 0 ? 0u - q : q);
}

int32_t __modsi3(int32_t a, int32_t b)
{
    uint32_t ua = magnitude(a), ub = magnitude(b);
    uint32_t rest = ua - divide(ua, ub) * ub;
    return (int32_t)(a < 0 ? 0u - rest : rest);
}

static uint64_t divide64(uint64_t a, uint64_t b, uint64_t *rest_out)
{
    uint64_t q = 0, rest = 0;
    for (int i = 63; i >= 0; i--) {
        uint64_t carry = rest >> 63; // the rest may need 65 bits
        rest = rest << 1 | (a >> i & 1);
        if (carry || rest >= b) {
            rest -= b;
            q |= (uint64_t)1 << i;
        }
    }
    *rest_out = rest;
    return q;
}

uint64_t __udivdi3(uint64_t a, uint64_t b)
{
    uint64_t rest;
    return divide64(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b)
{
    uint64_t rest;
    divide64(a, b, &rest);
    return rest;
}

int64_t __divdi3(int64_t a, int64_t b)
{
    uint64_t rest, q = divide64(magnitude64(a), magnitude64(b), &rest);
    return (int64_t)((a ^ b) < 0 ? 0u - q : q);
}

int64_t __moddi3(int64_t a, int64_t b)
{
    uint64_t rest;
    divide64(magnitude64(a), magnitude64(b), &rest);
    return (int64_t)(a < 0 ? 0u - rest : rest);
}
