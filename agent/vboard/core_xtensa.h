// SPDX-License-Identifier: GPL-2.0-only
// An Xtensa core with the call0 ABI (the instructions of xtensa_decode.h) as an interpreter with a cache of decoded
// blocks: exact instruction counts, cycles by the table "lx7-table" (docs/timing.md), exceptions to the vector base as
// the ESP32-S3's LX7 has them. No interrupts, no caches, no windowed registers: WINDOWBASE stays 0.
#ifndef VBOARD_CORE_XTENSA_H
#define VBOARD_CORE_XTENSA_H

#include "agent/vboard/xtensa_decode.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct xtensa; // opaque

// What the core reaches outside the memory that xtensa_map() gave it. size is 1, 2 or 4, the address a multiple of it.
// false: nothing there, the core takes a load or store exception.
struct xtensa_bus {
    void *user;
    bool (*read)(void *user, uint32_t address, unsigned size, uint32_t *value);
    bool (*write)(void *user, uint32_t address, unsigned size, uint32_t value);
};

enum xtensa_access { // for xtensa_map(); an instruction bus takes loads and stores of whole words only
    XTENSA_FETCH = 1,
    XTENSA_READ_WORD = 2,
    XTENSA_READ_NARROW = 4,
    XTENSA_WRITE_WORD = 8,
    XTENSA_WRITE_NARROW = 16,
    XTENSA_READ = XTENSA_READ_WORD | XTENSA_READ_NARROW,
    XTENSA_WRITE = XTENSA_WRITE_WORD | XTENSA_WRITE_NARROW,
};

enum xtensa_stop {
    XTENSA_BUDGET, // the slice is used up, or a stop was requested
    XTENSA_BREAK,  // pc is at a BREAK
    XTENSA_SLEEP,  // WAITI (pc behind it), or a jump to itself
};

enum xtensa_cause { // EXCCAUSE
    XTENSA_CAUSE_ILLEGAL = 0,
    XTENSA_CAUSE_SYSCALL = 1,
    XTENSA_CAUSE_LOAD_STORE = 3,
    XTENSA_CAUSE_DIVIDE = 6,
    XTENSA_CAUSE_ALIGNMENT = 9,
    XTENSA_CAUSE_FETCH_PROHIBITED = 20,
    XTENSA_CAUSE_LOAD_PROHIBITED = 28,
    XTENSA_CAUSE_STORE_PROHIBITED = 29,
};

enum {
    XTENSA_PAGE = 8192, // unit of xtensa_map()
    XTENSA_PS_EXCM = 1 << 4,
    XTENSA_PS_UM = 1 << 5,
    XTENSA_PS_RESET = 0x1f, // INTLEVEL 15, EXCM
    // vectors: offsets from VECBASE
    XTENSA_VECTOR_DEBUG = 0x280,
    XTENSA_VECTOR_KERNEL = 0x300,
    XTENSA_VECTOR_USER = 0x340,
    XTENSA_VECTOR_DOUBLE = 0x3c0,
    XTENSA_DEBUG_LEVEL = 6,
};

// vecbase: VECBASE after reset.
struct xtensa *xtensa_new(uint32_t vecbase, const struct xtensa_bus *bus, struct err *e);
void xtensa_free(struct xtensa *x);
// base and size in multiples of XTENSA_PAGE; access: a set of enum xtensa_access. The memory stays the caller's;
// NULL: nothing there (any more).
void xtensa_map(struct xtensa *x, uint32_t base, uint32_t size, uint8_t *memory, unsigned access);
// Someone other than the guest changed memory that may hold code.
void xtensa_forget_code(struct xtensa *x);

// Registers 0, special registers at their reset values; pc as given.
void xtensa_reset(struct xtensa *x, uint32_t pc);
// Runs until the instruction counter reaches now + instructions (at a block's end) or something happens.
enum xtensa_stop xtensa_run(struct xtensa *x, uint64_t instructions);
enum xtensa_stop xtensa_step(struct xtensa *x); // one instruction
void xtensa_request_stop(struct xtensa *x);     // from a bus callback: stop after the current block
// Takes a debug exception at pc, as a BREAK does when no debugger listens.
void xtensa_debug_exception(struct xtensa *x);
// Takes a fault that the SoC raises at pc.
void xtensa_raise(struct xtensa *x, enum xtensa_cause cause, uint32_t address);

uint32_t xtensa_ar(const struct xtensa *x, unsigned n); // a0 to a15
void xtensa_set_ar(struct xtensa *x, unsigned n, uint32_t value);
uint32_t xtensa_pc(const struct xtensa *x);
void xtensa_set_pc(struct xtensa *x, uint32_t pc);
uint32_t xtensa_sr(const struct xtensa *x, unsigned n); // n below 256
void xtensa_set_sr(struct xtensa *x, unsigned n, uint32_t value);

// Retired since xtensa_new(). Exact at any time, bus callbacks included: the access that calls counts.
uint64_t xtensa_instructions(const struct xtensa *x);
uint64_t xtensa_cycles(const struct xtensa *x); // of the timing table, plus what was skipped
void xtensa_skip_cycles(struct xtensa *x, uint64_t cycles);
const char *xtensa_timing_name(void);
unsigned xtensa_timing_version(void);

#endif
