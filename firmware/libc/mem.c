// SPDX-License-Identifier: MIT
// memcpy, memmove, memset, memcmp, strncmp: four words an iteration where the addresses allow it.
// Fused programs copy slices of a few hundred bytes, so the loops matter more than the tails.
// Compiled with -fno-tree-loop-distribute-patterns, or the compiler would turn each loop into a
// call of itself.
#include <string.h>
#include <stdint.h>

// A word at any address where the core takes unaligned ones, an aligned word elsewhere.
#ifdef __ARM_FEATURE_UNALIGNED
struct __attribute__((packed, may_alias)) word {
#else
struct __attribute__((may_alias)) word {
#endif
    uint32_t v;
};

static int words_allowed(const void *dst, const void *src)
{
#ifdef __ARM_FEATURE_UNALIGNED
    (void)dst;
    (void)src;
    return 1;
#else
    return (((uintptr_t)dst ^ (uintptr_t)src) & 3) == 0;
#endif
}

static void copy_up(uint8_t *d, const uint8_t *s, size_t n)
{
    if (n >= 8 && words_allowed(d, s)) {
        while ((uintptr_t)d & 3) {
            *d++ = *s++;
            n--;
        }
        for (; n >= 16; n -= 16, d += 16, s += 16) {
            const struct word *from = (const struct word *)s;
            struct word *to = (struct word *)d;
            uint32_t a = from[0].v, b = from[1].v, c = from[2].v, e = from[3].v;
            to[0].v = a;
            to[1].v = b;
            to[2].v = c;
            to[3].v = e;
        }
        for (; n >= 4; n -= 4, d += 4, s += 4)
            ((struct word *)d)->v = ((const struct word *)s)->v;
    }
    while (n--)
        *d++ = *s++;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    copy_up(dst, src, n);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    // Upwards is safe when dst is below src: every word is read before a word at or below it is
    // written.
    if ((uintptr_t)d - (uintptr_t)s >= n) {
        copy_up(d, s, n);
        return dst;
    }
    d += n;
    s += n;
    if (n >= 8 && words_allowed(d, s)) {
        while ((uintptr_t)d & 3) {
            *--d = *--s;
            n--;
        }
        for (; n >= 16; n -= 16) {
            d -= 16;
            s -= 16;
            const struct word *from = (const struct word *)s;
            struct word *to = (struct word *)d;
            uint32_t a = from[0].v, b = from[1].v, c = from[2].v, e = from[3].v;
            to[3].v = e;
            to[2].v = c;
            to[1].v = b;
            to[0].v = a;
        }
        for (; n >= 4; n -= 4) {
            d -= 4;
            s -= 4;
            ((struct word *)d)->v = ((const struct word *)s)->v;
        }
    }
    while (n--)
        *--d = *--s;
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    uint8_t *d = dst;
    uint32_t word = (uint8_t)c * 0x01010101u;
    if (n >= 8) {
        while ((uintptr_t)d & 3) {
            *d++ = (uint8_t)c;
            n--;
        }
        for (; n >= 16; n -= 16, d += 16) {
            struct word *to = (struct word *)d;
            to[0].v = word;
            to[1].v = word;
            to[2].v = word;
            to[3].v = word;
        }
        for (; n >= 4; n -= 4, d += 4)
            ((struct word *)d)->v = word;
    }
    while (n--)
        *d++ = (uint8_t)c;
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;
    for (; n; n--, p++, q++) {
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        if (*a != *b)
            return (unsigned char)*a - (unsigned char)*b;
        if (*a == '\0')
            break;
    }
    return 0;
}
