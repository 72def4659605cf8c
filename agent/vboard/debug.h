// SPDX-License-Identifier: GPL-2.0-only
// The debug port of a virtual board: what a probe does to the target, free of any probe's protocol.
#ifndef VBOARD_DEBUG_H
#define VBOARD_DEBUG_H

#include "agent/vboard/board.h"

enum debug_status { DEBUG_OK, DEBUG_FAULT }; // FAULT: at least one access hit nothing

// n bytes in units of 1, 2 or 4; n is rounded down to whole units. increment false: the same address each time.
enum debug_status debug_read(struct board *b, uint32_t address, unsigned unit, uint8_t *out,
                             size_t n, bool increment);
enum debug_status debug_write(struct board *b, uint32_t address, unsigned unit, const uint8_t *in,
                              size_t n, bool increment);
uint32_t debug_reg_read(struct board *b, unsigned reg); // DCRSR numbering; 0 while the core runs
void debug_reg_write(struct board *b, unsigned reg, uint32_t value);
void debug_system_reset(struct board *b);

#endif
