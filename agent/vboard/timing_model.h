// SPDX-License-Identifier: GPL-2.0-only
// What a timing model (timing_m4.c, timing_m7.c) gives to timing.c, which decodes and drives it. Private to these files.
#ifndef VBOARD_TIMING_MODEL_H
#define VBOARD_TIMING_MODEL_H

#include "agent/vboard/timing.h"

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stdint.h>

enum { TIMING_UNITS = 8, TIMING_STORES = 4, TIMING_REGISTERS = ARM_REG_ENDING };

// The pipeline while the instructions of one block are issued. At the block's start cycle and end are TIMING_START, long
// after all that came before, and the rest zeros.
enum { TIMING_START = 16 };
struct timing_pipe {
    uint32_t cycle;                   // of the last issue (m7-table), of the next one (m4-table)
    uint32_t end;                     // when all that was issued is through
    uint32_t width_used;              // instructions issued in this cycle
    uint32_t ready[TIMING_REGISTERS]; // cycle at which a register's value can be used
    // m4-table
    bool access_open; // the last instruction was a load whose data phase an access may overlap
    // m7-table
    uint32_t used[TIMING_UNITS];           // ports taken in this cycle, by unit
    bool from_word_load[TIMING_REGISTERS]; // the value comes from one
    uint32_t flags_at;                     // cycle in which the flags were last set
    uint32_t halves;                       // half cycles beside the whole ones
    unsigned load_base;                    // of this cycle's first load: register,
    bool load_index;                       // whether it has an index register as well,
    int32_t load_offset;                   // offset
    struct timing_store {                  // where it stored lately, to find loads from there
        unsigned base;                     // ARM_REG_INVALID: no longer known
        int32_t offset;
        uint32_t at; // cycle
    } stores[TIMING_STORES];
    unsigned next_store;
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
    // The block's last instruction is known: fills taken and fall, predict and miss.
    void (*branch)(const struct timing_pipe *p, const cs_insn *insn, struct timing_block *out);
    bool
        pairs; // issues two at a time, also across the border of two blocks: a free slot there is the next block's
};

struct timing *timing_new(const struct timing_model *model, struct err *e);
bool timing_starts_with(const char *text, const char *prefix);

#endif
