// SPDX-License-Identifier: MIT
// A program whose result three processors must agree on: the host, QEMU, and the virtual board's Xtensa core. It uses
// everything that the compiler calls helper routines for, branches in all directions and goes through memory.
#include <stdint.h>

#define WORDS 64
uint32_t oracle_result[WORDS];
void oracle_main(void);

static uint32_t seed = 1;

static uint32_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static void sort(int16_t *v, int n)
{
    for (int i = 1; i < n; i++) {
        int16_t x = v[i];
        int j = i - 1;
        for (; j >= 0 && v[j] > x; j--)
            v[j + 1] = v[j];
        v[j + 1] = x;
    }
}

static uint32_t crc32(const uint8_t *p, uint32_t n)
{
    uint32_t crc = 0xffffffffu;
    while (n--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static int32_t dot(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

// Fixed-point rescaling as the kernels do it: 64-bit product, rounding, shift by a variable.
static int32_t rescale(int32_t x, int32_t multiplier, int shift)
{
    int64_t product = (int64_t)x * multiplier + (1 << 30);
    return (int32_t)(product >> 31) >> shift;
}

void oracle_main(void)
{
    static int16_t shorts[300];
    static int8_t bytes[1024];
    uint32_t *out = oracle_result;
    for (int i = 0; i < 300; i++)
        shorts[i] = (int16_t)next();
    sort(shorts, 300);
    for (int i = 0; i < 8; i++)
        *out++ = (uint16_t)shorts[37 * i];
    for (int i = 0; i < 1024; i++)
        bytes[i] = (int8_t)next();
    *out++ = crc32((const uint8_t *)shorts, sizeof shorts);
    *out++ = crc32((const uint8_t *)bytes, sizeof bytes);
    for (int i = 0; i < 6; i++)
        *out++ = (uint32_t)dot(bytes + i, bytes + 511 + 2 * i, 500);
    uint32_t sum[10] = {0};
    for (int i = 0; i < 3000; i++) {
        uint32_t a = next() >> (next() & 31), b = next() >> (next() & 31);
        int32_t c = (int32_t)next() >> (next() & 31);
        b |= b == 0;
        c |= c == 0;
        uint64_t wide = (uint64_t)a << 32 | next();
        sum[0] += a / b ^ a % b;
        sum[1] += (uint32_t)((int32_t)(a >> 1) / c) ^ (uint32_t)((int32_t)(a >> 1) % c);
        sum[2] += (uint32_t)(wide / b) ^ (uint32_t)(wide % b);
        sum[3] += (uint32_t)rescale(c, (int32_t)(a >> 1), (int)(b & 15));
        sum[4] += (uint32_t)(wide >> (b & 63)) ^ (uint32_t)(wide << (a & 63));
        sum[5] += (uint32_t)((int64_t)wide >> (b & 63));
        sum[6] += (uint32_t)((wide * (wide ^ b)) >> 32);
        sum[7] += (uint32_t)((int64_t)(wide >> 1) / c);
        sum[8] += (uint32_t)((int64_t)(wide >> 1) % c);
        sum[9] += b ? (uint32_t)__builtin_clz(b) : 32;
    }
    for (int i = 0; i < 10; i++)
        *out++ = sum[i];
}
