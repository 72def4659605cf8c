// SPDX-License-Identifier: GPL-2.0-only
// A Cortex-M core on Unicorn: runs slices of translated code, counts retired instructions and cycles block by block
// and reports why it stopped. It knows nothing of exceptions, debuggers or peripherals: armv7m.c and the SoC do.
#ifndef VBOARD_CORE_ARM_H
#define VBOARD_CORE_ARM_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct core; // opaque: owns the Unicorn engine and the block table

// What the core calls while guest code runs. None of them may run the core; core_request_stop() is allowed.
struct core_bus {
    void *user;
    uint32_t (*read)(void *user, uint32_t address,
                     unsigned size); // peripheral load, size 1, 2 or 4
    void (*write)(void *user, uint32_t address, unsigned size, uint32_t value);
    // A store into read-only memory (flash). Returns the bytes that the memory must hold afterwards.
    uint32_t (*rom_write)(void *user, uint32_t address, unsigned size, uint32_t value);
};

enum core_reg { // numbering of DCRSR: 0-12, then these
    CORE_SP = 13,
    CORE_LR = 14,
    CORE_PC = 15,
    CORE_XPSR = 16,
    CORE_MSP = 17,
    CORE_PSP = 18,
    CORE_SPECIAL = 20, // CONTROL, FAULTMASK, BASEPRI, PRIMASK, one byte each
    CORE_FPSCR = 33,
    CORE_S0 = 64, // to 95
};

enum core_stop {
    CORE_BUDGET,     // the slice is used up, or a stop was requested
    CORE_BKPT,       // pc is at the BKPT
    CORE_SVC,        // pc is after the SVC
    CORE_EXC_RETURN, // a branch to an EXC_RETURN value; pc holds it
    CORE_SLEEP,      // WFI, or a branch to itself: nothing will happen without input
    CORE_UNDEFINED,  // pc is at the instruction
    CORE_INVSTATE,   // a branch to an even address: a Cortex-M has no Arm state
    CORE_NOCP,       // a floating-point instruction while the FPU is off
    CORE_BUS_READ,   // address has no memory; pc is at the instruction
    CORE_BUS_WRITE,
    CORE_BUS_FETCH,
    CORE_BROKEN, // Unicorn itself failed; text in the log
};

struct core_event {
    enum core_stop stop;
    uint32_t pc;
    uint32_t address; // of CORE_BUS_*
};

// model: "cortex-m4" or "cortex-m7" (timing tables m4-table and m7-table). NULL and e on failure.
struct core *core_new(const char *model, const struct core_bus *bus, struct err *e);
void core_free(struct core *c);

// Memory that the board owns; base and size in multiples of 4096, at most 16 regions. Not writable: guest stores go
// through bus->rom_write.
int core_map_memory(struct core *c, uint32_t base, uint32_t size, uint8_t *memory, bool writable,
                    struct err *e);
int core_map_io(struct core *c, uint32_t base, uint32_t size, struct err *e);
bool core_is_io(const struct core *c, uint32_t address); // inside a core_map_io() range
// Someone other than the guest changed memory: forget what was translated from it. Cheap, applied at the next run.
void core_memory_changed(struct core *c, uint32_t base, uint32_t size);
void core_forget_code(struct core *c); // forgets every decoded block's cost

// Runs until the instruction counter reaches now + instructions (at a block's end) or something happens.
void core_run(struct core *c, uint64_t instructions, struct core_event *ev);
void core_step(struct core *c, struct core_event *ev); // one instruction; slow, for the debugger
void core_request_stop(struct core *c); // from a callback: stop before the next block

uint32_t core_get(struct core *c, unsigned reg);
void core_set(struct core *c, unsigned reg, uint32_t value);
uint32_t core_ipsr(struct core *c);
void core_set_ipsr(struct core *c, uint32_t number);
void core_enable_fpu(struct core *c, bool enabled); // CPACR; off after core_new
void core_has_double(struct core *c, bool has); // its FPU does double precision; not after core_new
void core_clear_registers(
    struct core *c); // reset: r0-r12, lr, PRIMASK and friends, thread mode, Thumb state

uint64_t core_instructions(const struct core *c); // retired since core_new; exact at block ends
uint64_t
core_cycles(const struct core *c); // of the timing model, plus what core_skip_cycles() added
void core_skip_cycles(struct core *c, uint64_t cycles);
const char *core_timing_name(const struct core *c);
unsigned core_timing_version(const struct core *c);

#endif
