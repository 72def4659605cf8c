// SPDX-License-Identifier: MIT
// See draw.h.
#include "models/draw.h"

#include <stdlib.h>

#include "models/scale.h"

uint64_t draw_seed(const char *name, uint64_t seed)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return h ^ seed;
}

// One step of splitmix64.
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int draw_range(uint64_t *rng, int lo, int hi)
{
    return lo + (int)(((next(rng) >> 32) * (uint64_t)(hi - lo + 1)) >> 32);
}

// The sum of four bytes less its mean: bell-shaped, -510..510.
static int bell(uint64_t *rng)
{
    uint64_t r = next(rng);
    return (int)(r & 255) + (int)(r >> 8 & 255) + (int)(r >> 16 & 255) + (int)(r >> 24 & 255) - 510;
}

void draw_weights(uint64_t *rng, int8_t *w, int *scratch, size_t n, size_t step)
{
    int peak = 1;
    for (size_t i = 0; i < n; i++) {
        scratch[i] = bell(rng);
        if (abs(scratch[i]) > peak)
            peak = abs(scratch[i]);
    }
    for (size_t i = 0; i < n; i++)
        w[i * step] = (int8_t)div_round((int64_t)scratch[i] * 127, peak);
}

static int clamp_int8(int64_t v)
{
    return v < -128 ? -128 : v > 127 ? 127 : (int)v;
}

// Random values at the points of a coarse grid, interpolated between.
static void smooth(uint64_t *rng, int8_t *x, int h, int w, int c)
{
    enum { GRID = 5 };
    int grid[GRID + 1][GRID + 1];
    for (int ch = 0; ch < c; ch++) {
        for (int i = 0; i <= GRID; i++) {
            for (int j = 0; j <= GRID; j++)
                grid[i][j] = draw_range(rng, -128, 127);
        }
        for (int y = 0; y < h; y++) {
            for (int xx = 0; xx < w; xx++) {
                int gy = y * GRID / h, gx = xx * GRID / w;
                int fy = y * GRID % h, fx = xx * GRID % w;
                int64_t top = (int64_t)grid[gy][gx] * (w - fx) + (int64_t)grid[gy][gx + 1] * fx;
                int64_t low =
                    (int64_t)grid[gy + 1][gx] * (w - fx) + (int64_t)grid[gy + 1][gx + 1] * fx;
                int64_t v = div_round(top * (h - fy) + low * fy, (int64_t)h * w);
                x[(y * w + xx) * c + ch] = (int8_t)clamp_int8(v);
            }
        }
    }
}

void draw_image(uint64_t *rng, enum draw_kind kind, int8_t *x, int h, int w, int c)
{
    if (kind == DRAW_SMOOTH) {
        smooth(rng, x, h, w, c);
        return;
    }
    int v = 0;
    for (int i = 0; i < h * w * c; i++) {
        if (kind == DRAW_NOISE)
            v = draw_range(rng, -128, 127);
        else
            v = clamp_int8(v + draw_range(rng, -15, 15));
        x[i] = (int8_t)v;
    }
}
