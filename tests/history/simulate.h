// SPDX-License-Identifier: MIT
// Simulated nights: the noise of a measuring rig, from a seed. Nothing here was measured.
#ifndef TESTS_SIMULATE_H
#define TESTS_SIMULATE_H

#include <math.h>
#include <stdint.h>

struct simulate {
    uint64_t state;
};

// xorshift64* (Vigna 2016, ACM Trans. Math. Softw. 42(4)).
static inline uint64_t simulate_bits(struct simulate *s)
{
    s->state ^= s->state >> 12;
    s->state ^= s->state << 25;
    s->state ^= s->state >> 27;
    return s->state * UINT64_C(2685821657736338717);
}

static inline struct simulate simulate_seed(uint64_t seed)
{
    struct simulate s = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    for (int i = 0; i < 8; i++)
        simulate_bits(&s);
    return s;
}

static inline double simulate_uniform(struct simulate *s) // [0, 1)
{
    return (double)(simulate_bits(s) >> 11) / 9007199254740992.0;
}

static inline double simulate_normal(struct simulate *s)
{
    double u = 1 - simulate_uniform(s), v = simulate_uniform(s);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

// Relative deviation of a night: normal with a MAD of mad_percent (MAD = 0.6745 standard deviations), and with a
// probability of outliers a night of 1 to 4 % more, as when something else ran on the board.
static inline double simulate_jitter(struct simulate *s, double mad_percent, double outliers)
{
    double jitter = simulate_normal(s) * mad_percent / 67.45;
    return simulate_uniform(s) < outliers ? jitter + 0.01 + 0.03 * simulate_uniform(s) : jitter;
}

#endif
