// SPDX-License-Identifier: GPL-2.0-only
// What a timing model (timing_m4.c, timing_m7.c) gives to timing.c, which decodes and drives it. Private to these files.
#ifndef VBOARD_TIMING_MODEL_H
#define VBOARD_TIMING_MODEL_H

#include "agent/vboard/timing.h"

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stdint.h>

enum { TIMING_UNITS = 8, TIMING_REGISTERS = ARM_REG_ENDING };

// The pipeline while the instructions of one block are issued; zeros at the block's start.
struct timing_pipe {
    uint32_t cycle;                   // of the last issue (m7-table), of the next one (m4-table)
    uint32_t end;                     // when all that was issued is through: the block's cost
    uint32_t width_used;              // instructions issued in this cycle
    uint32_t ready[TIMING_REGISTERS]; // cycle at which a register's value can be used
    uint32_t free_at[TIMING_UNITS];   // cycle at which a unit takes the next instruction
    bool access_open; // the last instruction was a load whose data phase an access may overlap
};

struct timing_insn {
    const cs_insn *insn;            // NULL: the decoder does not know it
    uint16_t used[64], written[64]; // registers, as Capstone numbers them
    uint8_t used_count, written_count;
};

struct timing_model {
    const char *name;
    unsigned version;
    void (*issue)(struct timing_pipe *p, const struct timing_insn *i); // the next instruction
    // The block's last instruction is known: fills taken and fall.
    void (*branch)(const cs_insn *insn, struct timing_block *out);
};

struct timing *timing_new(const struct timing_model *model, struct err *e);
bool timing_starts_with(const char *text, const char *prefix);

#endif
