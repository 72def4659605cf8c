// SPDX-License-Identifier: MIT
// High-water marks of memory: fill a region with a byte, run, look how much of it changed. A byte
// that the run wrote with the very value of the paint looks untouched, so the caller does this
// twice with different paints and takes the larger mark: that is exact.
#ifndef FIRMWARE_PAINT_H
#define FIRMWARE_PAINT_H

#include <stdint.h>

#define PAINT_A 0xA5u
#define PAINT_B 0x5Au

void paint_arena(uint8_t paint);
uint32_t
paint_arena_mark(uint8_t paint); // bytes from the arena's start to its highest changed byte
// Fills the stack below the caller's frame. Call it right before the code to be measured, in the
// same function.
void paint_stack(uint8_t paint);
uint32_t paint_stack_mark(uint8_t paint); // bytes from the lowest changed byte to the stack's top

#endif
