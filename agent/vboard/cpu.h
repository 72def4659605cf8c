// SPDX-License-Identifier: GPL-2.0-only
// A processor as the board sees it: core, exceptions and debug logic together. Each architecture has a cpu_*.c whose
// struct begins with a struct cpu; the SoC makes the one that its chip has.
#ifndef VBOARD_CPU_H
#define VBOARD_CPU_H

#include "agent/vboard/jtag_tap.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

// What the processor reaches on the board. Addresses are multiples of size, size is 1, 2 or 4.
struct cpu_bus {
    void *user;
    // Registers inside a cpu_map_io() range.
    uint32_t (*read)(void *user, uint32_t address, unsigned size);
    void (*write)(void *user, uint32_t address, unsigned size, uint32_t value);
    // A store into read-only memory (flash). Returns the bytes that the memory must hold afterwards.
    uint32_t (*rom_write)(void *user, uint32_t address, unsigned size, uint32_t value);
    // Memory as exception entry sees it; NULL when there is none. write: the caller will change it.
    uint8_t *(*memory)(void *user, uint32_t address, uint32_t size, bool write);
    // What the processor's debug logic does on behalf of a debugger. false: nothing at the address.
    bool (*debug_read)(void *user, uint32_t address, unsigned size, uint32_t *value);
    bool (*debug_write)(void *user, uint32_t address, unsigned size, uint32_t value);
    void (*chip_reset)(void *user);
};

enum cpu_access { // of memory, for cpu_map_memory()
    CPU_READ = 1,
    CPU_WRITE = 2, // without it stores go to bus->rom_write, where the architecture has that
    CPU_EXECUTE = 4,
    CPU_WORDS_ONLY = 8, // an instruction bus: loads and stores of aligned words only
};

enum cpu_state {
    CPU_RUNS,
    CPU_SLEEPS,  // until cpu_wake()
    CPU_STOPPED, // halted or locked up: only a debugger or a reset gets it going again
};

struct cpu;

struct cpu_ops {
    void (*close)(struct cpu *c);
    // base and size in multiples of 8 KB for all architectures' sake; the memory stays the caller's. Where the
    // architecture has an MMU of the SoC in front: NULL: nothing there any more.
    int (*map_memory)(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory, unsigned access,
                      struct err *e);
    int (*map_io)(struct cpu *c, uint32_t base, uint32_t size, struct err *e);
    bool (*is_io)(const struct cpu *c, uint32_t address);
    // Registers of the processor itself on the bus; NULL: it has none there.
    bool (*owns)(uint32_t address);
    uint32_t (*read)(struct cpu *c, uint32_t address, bool debugger);
    void (*write)(struct cpu *c, uint32_t address, uint32_t value, bool debugger);

    void (*reset)(struct cpu *c);
    bool (*reset_requested)(
        const struct cpu *c); // by a register of its own; NULL: it has none. reset() ends it
    void (*reset_pin_low)(struct cpu *c); // NULL: not interested
    // Runs about that many instructions, or until it stops or sleeps; deals with exceptions itself.
    void (*run)(struct cpu *c, uint64_t instructions);
    void (*request_stop)(struct cpu *c); // from a bus callback: end the run soon
    void (*wake)(struct cpu *c);
    enum cpu_state (*state)(const struct cpu *c);
    void (*bus_fault)(struct cpu *c, const char *why); // at the present pc, and why
    uint32_t (*stack_pointer)(const struct cpu *c);
    void (*set_stack_pointer)(struct cpu *c, uint32_t value);
    void (*memory_changed)(struct cpu *c, uint32_t base,
                           uint32_t size); // by someone else: it may have been code

    uint64_t (*instructions)(const struct cpu *c); // retired since it was made
    uint64_t (*cycles)(const struct cpu *c);       // of the timing model, plus what was skipped
    void (*skip_cycles)(struct cpu *c, uint64_t cycles);
    const char *(*timing_name)(const struct cpu *c);
    unsigned (*timing_version)(const struct cpu *c);

    // Its debug port, when that is JTAG; NULL: an ST-LINK.
    struct jtag_device (*jtag)(struct cpu *c);
};

struct cpu {
    const struct cpu_ops *ops;
};

static inline uint64_t cpu_cycles(const struct cpu *c)
{
    return c->ops->cycles(c);
}

static inline uint64_t cpu_instructions(const struct cpu *c)
{
    return c->ops->instructions(c);
}

static inline void cpu_skip_cycles(struct cpu *c, uint64_t cycles)
{
    c->ops->skip_cycles(c, cycles);
}

static inline void cpu_request_stop(struct cpu *c)
{
    c->ops->request_stop(c);
}

static inline void cpu_memory_changed(struct cpu *c, uint32_t base, uint32_t size)
{
    c->ops->memory_changed(c, base, size);
}

static inline int cpu_map_memory(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory,
                                 unsigned access, struct err *e)
{
    return c->ops->map_memory(c, base, size, memory, access, e);
}

static inline int cpu_map_io(struct cpu *c, uint32_t base, uint32_t size, struct err *e)
{
    return c->ops->map_io(c, base, size, e);
}

#endif
