// SPDX-License-Identifier: MIT
// The firmware's own memcpy, memmove, memset, memcmp, strncmp against byte loops: all lengths,
// alignments and overlaps around the word loops. The file is compiled here under other names, with
// the unaligned path of the Arm build.
#include "tests/tap.h"

void *fw_memcpy(void *restrict dst, const void *restrict src, size_t n);
void *fw_memmove(void *dst, const void *src, size_t n);
void *fw_memset(void *dst, int c, size_t n);
int fw_memcmp(const void *a, const void *b, size_t n);
int fw_strncmp(const char *a, const char *b, size_t n);

#define __ARM_FEATURE_UNALIGNED 1
#define memcpy fw_memcpy
#define memmove fw_memmove
#define memset fw_memset
#define memcmp fw_memcmp
#define strncmp fw_strncmp
#include "firmware/libc/mem.c" // NOLINT(bugprone-suspicious-include): it must not replace the host's libc
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strncmp

#define SIZE 160
#define MAX_LEN 70

static void fill(uint8_t *p)
{
    for (int i = 0; i < SIZE; i++)
        p[i] = (uint8_t)(i * 7 + 3);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

int main(void)
{
    _Alignas(8) uint8_t got[SIZE], want[SIZE], from[SIZE];
    int wrong = 0, cases = 0;
    fill(from);
    for (size_t d = 0; d < 8; d++) {
        for (size_t s = 0; s < 8; s++) {
            for (size_t n = 0; n < MAX_LEN; n++, cases++) {
                memset(got, 0xEE, SIZE);
                memset(want, 0xEE, SIZE);
                for (size_t i = 0; i < n; i++)
                    want[d + i] = from[s + i];
                wrong += fw_memcpy(got + d, from + s, n) != got + d || memcmp(got, want, SIZE) != 0;
            }
        }
    }
    OKF(wrong == 0 && cases == 64 * MAX_LEN, "memcpy: %d of %d cases wrong", wrong, cases);

    wrong = cases = 0;
    for (size_t d = 0; d < 48; d++) {
        for (size_t s = 0; s < 48; s++) {
            for (size_t n = 0; n < MAX_LEN; n++, cases++) {
                fill(got);
                fill(want);
                for (size_t i = 0; i < n; i++)
                    want[d + i] = from[s + i];
                wrong += fw_memmove(got + d, got + s, n) != got + d || memcmp(got, want, SIZE) != 0;
            }
        }
    }
    OKF(wrong == 0 && cases == 48 * 48 * MAX_LEN, "memmove: %d of %d cases wrong", wrong, cases);

    wrong = cases = 0;
    for (size_t d = 0; d < 8; d++) {
        for (size_t n = 0; n < MAX_LEN; n++, cases++) {
            fill(got);
            fill(want);
            for (size_t i = 0; i < n; i++)
                want[d + i] = 0xC3;
            wrong += fw_memset(got + d, 0x3C3, n) != got + d || memcmp(got, want, SIZE) != 0;
        }
    }
    OKF(wrong == 0 && cases == 8 * MAX_LEN, "memset: %d of %d cases wrong", wrong, cases);

    wrong = 0;
    fill(got);
    fill(want);
    wrong += fw_memcmp(got, want, SIZE) != 0;
    for (size_t i = 0; i < SIZE; i++) {
        want[i] ^= 0x80;
        wrong += sign(fw_memcmp(got, want, SIZE)) != sign(memcmp(got, want, SIZE));
        wrong += fw_memcmp(got, want, i) != 0;
        want[i] ^= 0x80;
    }
    OKF(wrong == 0, "memcmp: %d cases wrong", wrong);

    OK(fw_strncmp("generic", "generic", 16) == 0);
    OK(fw_strncmp("generic", "generic2", 16) < 0);
    OK(fw_strncmp("generic2", "generic", 16) > 0);
    OK(fw_strncmp("generic2", "generic", 7) == 0);
    OK(fw_strncmp("a\xff", "a\x01", 2) > 0);
    return tap_done();
}
