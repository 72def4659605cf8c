// SPDX-License-Identifier: MIT
// See scale.h.
#include "models/scale.h"

#include <math.h>

struct scale scale_make(uint64_t m, int e)
{
    while (m >= 1u << 25) { // keep one bit below the mantissa to round with
        m >>= 1;
        e++;
    }
    if (m >= 1u << 24) {
        m = (m + 1) >> 1;
        e++;
    }
    if (m == 1u << 24) { // the rounding carried
        m >>= 1;
        e++;
    }
    while (m < 1u << 23) {
        m <<= 1;
        e--;
    }
    return (struct scale){.m = (uint32_t)m, .e = e};
}

struct scale scale_ratio(uint64_t num, uint64_t den)
{
    int e = 0;
    while (num < UINT64_C(1) << 63) {
        num <<= 1;
        e--;
    }
    return scale_make(num / den, e);
}

struct scale scale_mul(struct scale a, struct scale b)
{
    return scale_make((uint64_t)a.m * b.m, a.e + b.e);
}

struct scale scale_div(struct scale a, struct scale b)
{
    return scale_make(((uint64_t)a.m << 39) / b.m, a.e - b.e - 39);
}

struct scale scale_shift(struct scale a, int bits)
{
    return (struct scale){.m = a.m, .e = a.e + bits};
}

int64_t scale_apply(int64_t x, struct scale s)
{
    int64_t product = x * (int64_t)s.m;
    if (s.e >= 0)
        return product * (INT64_C(1) << s.e);
    if (s.e < -62)
        return 0;
    return div_round(product, INT64_C(1) << -s.e);
}

float scale_float(struct scale s)
{
    return ldexpf((float)s.m, s.e);
}

int64_t div_round(int64_t a, int64_t b)
{
    return a < 0 ? -((-a + b / 2) / b) : (a + b / 2) / b;
}
