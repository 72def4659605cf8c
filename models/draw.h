// SPDX-License-Identifier: MIT
// Pseudo-random weights and images from one generator, splitmix64: its state is a plain uint64_t.
// All of it is integer arithmetic, and one call takes a fixed number of steps, so that a state
// fixes everything drawn from it.
#ifndef MODELS_DRAW_H
#define MODELS_DRAW_H

#include <stddef.h>
#include <stdint.h>

// The state for a network: the seed, exclusive-or the FNV-1a hash of the name.
uint64_t draw_seed(const char *name, uint64_t seed);

// Evenly from lo to hi, both included.
int draw_range(uint64_t *rng, int lo, int hi);

// n bell-shaped weights, `step` apart, that fill -127..127: the largest becomes 127 or -127.
// scratch has room for n.
void draw_weights(uint64_t *rng, int8_t *w, int *scratch, size_t n, size_t step);

// An image of h * w * c values over the whole range: independent noise, a random walk in row-major
// order, or a smooth field, the low frequencies that photographs have.
enum draw_kind { DRAW_NOISE, DRAW_WALK, DRAW_SMOOTH, DRAW_KINDS };
void draw_image(uint64_t *rng, enum draw_kind kind, int8_t *x, int h, int w, int c);

#endif
