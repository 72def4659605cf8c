// SPDX-License-Identifier: GPL-2.0-only
// An RV32IMAC core in machine mode: instructions, CSRs, traps, counters, halting. An interpreter with decoded
// instructions kept: what a load costs depends on its address (docs/timing.md), traps and counters are exact.
// No interrupts, no memory protection, no user mode.
#ifndef VBOARD_CORE_RISCV_H
#define VBOARD_CORE_RISCV_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct riscv; // opaque

struct riscv_bus { // addresses are multiples of size: 1, 2 or 4
    void *user;
    uint32_t (*read)(void *user, uint32_t address, unsigned size);
    void (*write)(void *user, uint32_t address, unsigned size, uint32_t value);
    // A load from memory that was mapped with RISCV_SLOW: cycles until its value can be used, at least 1; the core waits.
    uint32_t (*slow_read)(void *user, uint32_t address, unsigned size);
};

// The cost table of a core. latency: cycles from an instruction to one that uses its result, 1: the next one can.
struct riscv_timing {
    const char *name;
    unsigned version;
    unsigned load_word, load_narrow, csr; // latencies
    unsigned multiply;                    // latency; the multiplier is busy as long
    unsigned divide_max;   // latency for a quotient of 32 bits, less for shorter ones; busy as long
    unsigned mispredicted; // added for a change of flow that the front end did not foresee
    unsigned trap;         // entering a trap
};

struct riscv_config {
    uint32_t reset_pc;
    uint32_t (*entry_point)(void *user); // of the bus: where it begins after reset; NULL: reset_pc
    uint32_t misa, mvendorid, marchid, mimpid;
    // An ESP32-C3's: a counter of 32 bits behind CSRs 0x7e0 to 0x7e2 in place of mcycle and minstret, no mie and mip;
    // mtvec is always vectored, its table on a multiple of 256 bytes.
    bool espressif_csrs;
    const struct riscv_timing *timing;
};

enum { RISCV_READ = 1, RISCV_WRITE = 2, RISCV_EXECUTE = 4, RISCV_SLOW = 8, RISCV_WORDS_ONLY = 16 };

enum riscv_state { RISCV_RUNS, RISCV_SLEEPS, RISCV_HALTED, RISCV_LOCKED_UP };

enum { // cause field of dcsr
    RISCV_DEBUG_EBREAK = 1,
    RISCV_DEBUG_HALTREQ = 3,
    RISCV_DEBUG_STEP = 4,
};

struct riscv *riscv_new(const struct riscv_config *config, const struct riscv_bus *bus,
                        struct err *e);
void riscv_free(struct riscv *c);
// The first range that holds an address wins: map what is used most first. memory stays the caller's.
int riscv_map_memory(struct riscv *c, uint32_t base, uint32_t size, uint8_t *memory,
                     unsigned access, struct err *e);
int riscv_map_io(struct riscv *c, uint32_t base, uint32_t size, struct err *e);
// A window with an MMU of the SoC in front: nothing in it until riscv_map_page().
int riscv_map_window(struct riscv *c, uint32_t base, uint32_t size, uint32_t page_bytes,
                     unsigned access, struct err *e);
// false: base is in no window. NULL: nothing there any more.
bool riscv_map_page(struct riscv *c, uint32_t base, uint8_t *memory);
bool riscv_is_io(const struct riscv *c, uint32_t address);
// Takes memory away (false) and gives it back: an access in between is an access fault.
void riscv_enable_memory(struct riscv *c, uint32_t base, bool enabled);
void riscv_forget_code(struct riscv *c); // memory changed behind its back

void riscv_reset(struct riscv *c); // runs from reset_pc, counters go on
void riscv_run(struct riscv *c, uint64_t instructions);
void riscv_request_stop(struct riscv *c); // from a bus callback
void riscv_wake(struct riscv *c);         // ends a WFI
enum riscv_state riscv_state(const struct riscv *c);
void riscv_fetch_fault(struct riscv *c); // a trap at the present pc

// For the debug module. Halting takes effect at once, also out of lockup.
void riscv_halt(struct riscv *c, unsigned cause);
void riscv_resume(struct riscv *c);                      // or steps one instruction, with dcsr.step
uint32_t riscv_get(const struct riscv *c, unsigned reg); // 0 to 31
void riscv_set(struct riscv *c, unsigned reg, uint32_t value);
bool riscv_csr_read(struct riscv *c, unsigned csr, bool debugger,
                    uint32_t *value); // false: there is none
bool riscv_csr_write(struct riscv *c, unsigned csr, bool debugger, uint32_t value);

uint64_t riscv_instructions(const struct riscv *c);
uint64_t riscv_cycles(const struct riscv *c);
void riscv_skip_cycles(struct riscv *c, uint64_t cycles);
const struct riscv_timing *riscv_timing_of(const struct riscv *c);

extern const struct riscv_timing riscv_timing_c3, riscv_timing_fe310; // docs/timing.md

#endif
