// SPDX-License-Identifier: GPL-2.0-only
// Timing model of a core: the cost of one straight-line block of code, from a table per instruction class and a
// small in-order issue model. docs/timing.md has the numbers and what is not modelled.
#ifndef VBOARD_TIMING_H
#define VBOARD_TIMING_H

#include "common/err.h"

#include <stdint.h>

enum { TIMING_FLAG_FPU = 1, TIMING_FLAG_SPIN = 2, TIMING_FLAG_DOUBLE = 4 };

enum timing_predict {
    TIMING_PREDICT_NONE,
    TIMING_PREDICT_FALL, // conditional: before the branch has a history, it is taken not to be taken
    TIMING_PREDICT_TAKEN,  // conditional: ... to be taken
    TIMING_PREDICT_TARGET, // indirect: it goes where it went the last time
};

struct timing_block {
    uint16_t instructions; // in the block; those that an IT block skips count as well
    uint16_t cycles;       // of the block without what its end costs
    uint8_t half;          // 1: and a half
    uint8_t predict;       // enum timing_predict: how the core guesses what comes next
    uint16_t miss;         // added when it guessed wrong
    uint16_t fall;         // added when execution goes on right behind the block
    uint16_t taken;        // added when it goes on elsewhere
    uint16_t
        flags; // FPU: it has floating-point code, DOUBLE: in double precision; SPIN: one branch to itself
    uint32_t fpu_address;    // the first floating-point instruction, with TIMING_FLAG_FPU
    uint32_t double_address; // the first in double precision, with TIMING_FLAG_DOUBLE
};

struct timing; // opaque: decoder and scratch

struct timing *timing_m4_new(struct err *e);
struct timing *timing_m7_new(struct err *e);
void timing_free(struct timing *t);
const char *timing_name(const struct timing *t);
unsigned timing_version(const struct timing *t);
// Pure: the same bytes at the same address give the same answer. bytes: size bytes of Thumb code.
void timing_block(struct timing *t, const uint8_t *bytes, uint32_t address, uint32_t size,
                  struct timing_block *out);

// Finds the load or store of a block that touched address, given the register file at the time of the fault
// (r0-r15, sp and lr included). Returns the instruction's address, or the block's when nothing fits.
uint32_t timing_find_access(struct timing *t, const uint8_t *bytes, uint32_t block, uint32_t size,
                            const uint32_t regs[16], uint32_t address);
uint32_t timing_instruction_length(const uint8_t *bytes); // 2 or 4, from the first halfword
// Instructions of the block that lie before pc.
unsigned timing_count_before(struct timing *t, const uint8_t *bytes, uint32_t block, uint32_t size,
                             uint32_t pc);

#endif
