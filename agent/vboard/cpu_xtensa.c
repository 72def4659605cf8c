// SPDX-License-Identifier: GPL-2.0-only
// See cpu_xtensa.h.
#include "agent/vboard/cpu_xtensa.h"
#include "agent/vboard/xtensa_debug.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_IO = 16, SP = 1 }; // the register of the calling convention

struct cpu_xtensa {
    struct cpu cpu;
    struct xtensa *core;
    struct xtensa_debug debug;
    struct cpu_bus bus;
    uint32_t (*entry)(void *user);
    bool sleeping;
    uint32_t last_fault_pc; // complained about
    struct {
        uint32_t base, size;
    } io[MAX_IO];
    int io_count;
};

static struct cpu_xtensa *self(struct cpu *c)
{
    return (struct cpu_xtensa *)c;
}

static const struct cpu_xtensa *peek(const struct cpu *c)
{
    return (const struct cpu_xtensa *)c;
}

struct xtensa *cpu_xtensa_core(struct cpu *c)
{
    return self(c)->core;
}

static bool is_io(const struct cpu_xtensa *x, uint32_t address)
{
    for (int i = 0; i < x->io_count; i++) {
        if (address - x->io[i].base < x->io[i].size)
            return true;
    }
    return false;
}

static bool core_read(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    struct cpu_xtensa *x = user;
    if (!is_io(x, address)) {
        log_warn("cpu", "load from 0x%08x, where there is nothing to load that way", address);
        return false;
    }
    *value = x->bus.read(x->bus.user, address, size);
    return true;
}

static bool core_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    struct cpu_xtensa *x = user;
    if (!is_io(x, address)) {
        log_warn("cpu", "store to 0x%08x, where there is nothing to store that way", address);
        return false;
    }
    x->bus.write(x->bus.user, address, size, value);
    return true;
}

static void xtensa_close(struct cpu *c)
{
    xtensa_free(self(c)->core);
    free(c);
}

static int xtensa_map_memory(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory,
                             unsigned access, struct err *e)
{
    unsigned bits = 0;
    if (base % XTENSA_PAGE || size % XTENSA_PAGE)
        return err_set(e, ERR_INTERNAL, "memory at 0x%08x is not made of whole pages", base);
    if (access & CPU_READ)
        bits |= access & CPU_WORDS_ONLY ? XTENSA_READ_WORD : XTENSA_READ;
    if (access & CPU_WRITE)
        bits |= access & CPU_WORDS_ONLY ? XTENSA_WRITE_WORD : XTENSA_WRITE;
    if (access & CPU_EXECUTE)
        bits |= XTENSA_FETCH;
    xtensa_map(self(c)->core, base, size, memory, bits);
    return 0;
}

static int xtensa_map_io(struct cpu *c, uint32_t base, uint32_t size, struct err *e)
{
    struct cpu_xtensa *x = self(c);
    if (x->io_count == MAX_IO)
        return err_set(e, ERR_INTERNAL, "more than %d ranges of registers", (int)MAX_IO);
    x->io[x->io_count].base = base;
    x->io[x->io_count++].size = size;
    return 0;
}

static bool xtensa_is_io(const struct cpu *c, uint32_t address)
{
    return is_io(peek(c), address);
}

static void cpu_reset(struct cpu *c)
{
    struct cpu_xtensa *x = self(c);
    xtensa_reset(x->core, x->entry(x->bus.user));
    xtensa_debug_core_was_reset(&x->debug);
    x->sleeping = false;
    x->last_fault_pc = 0;
}

static void cpu_run(struct cpu *c, uint64_t instructions)
{
    struct cpu_xtensa *x = self(c);
    switch (xtensa_run(x->core, instructions)) {
    case XTENSA_BREAK:
        if (xtensa_debug_break(&x->debug))
            break;
        if (x->last_fault_pc != xtensa_pc(x->core))
            log_warn("cpu", "BREAK at pc 0x%08x and no debugger: debug exception",
                     xtensa_pc(x->core));
        x->last_fault_pc = xtensa_pc(x->core);
        xtensa_debug_exception(x->core);
        break;
    case XTENSA_SLEEP:
        x->sleeping = true;
        break;
    case XTENSA_BUDGET:
        break;
    }
}

static void cpu_stop_soon(struct cpu *c)
{
    xtensa_request_stop(self(c)->core);
}

static void cpu_wake_up(struct cpu *c)
{
    self(c)->sleeping = false;
}

static enum cpu_state cpu_state(const struct cpu *c)
{
    const struct cpu_xtensa *x = peek(c);
    return x->debug.halted ? CPU_STOPPED : x->sleeping ? CPU_SLEEPS : CPU_RUNS;
}

static void cpu_bus_fault(struct cpu *c, const char *why)
{
    struct xtensa *x = self(c)->core;
    log_warn("cpu", "the fetch at pc 0x%08x fails: %s", xtensa_pc(x), why);
    xtensa_raise(x, XTENSA_CAUSE_FETCH_PROHIBITED, xtensa_pc(x));
}

static uint32_t cpu_stack_pointer(const struct cpu *c)
{
    return xtensa_ar(peek(c)->core, SP);
}

static void cpu_set_stack_pointer(struct cpu *c, uint32_t value)
{
    xtensa_set_ar(self(c)->core, SP, value);
}

static void cpu_code_changed(struct cpu *c, uint32_t base, uint32_t size)
{
    (void)base;
    (void)size;
    xtensa_forget_code(self(c)->core);
}

static uint64_t cpu_count(const struct cpu *c)
{
    return xtensa_instructions(peek(c)->core);
}

static uint64_t cpu_time(const struct cpu *c)
{
    return xtensa_cycles(peek(c)->core);
}

static void cpu_skip(struct cpu *c, uint64_t cycles)
{
    xtensa_skip_cycles(self(c)->core, cycles);
}

static const char *cpu_timing_name(const struct cpu *c)
{
    (void)c;
    return xtensa_timing_name();
}

static unsigned cpu_timing_version(const struct cpu *c)
{
    (void)c;
    return xtensa_timing_version();
}

static struct jtag_device cpu_jtag(struct cpu *c)
{
    return xtensa_debug_device(&self(c)->debug);
}

static const struct cpu_ops xtensa_ops = {
    .close = xtensa_close,
    .map_memory = xtensa_map_memory,
    .map_io = xtensa_map_io,
    .is_io = xtensa_is_io,
    .reset = cpu_reset,
    .run = cpu_run,
    .request_stop = cpu_stop_soon,
    .wake = cpu_wake_up,
    .state = cpu_state,
    .bus_fault = cpu_bus_fault,
    .stack_pointer = cpu_stack_pointer,
    .set_stack_pointer = cpu_set_stack_pointer,
    .memory_changed = cpu_code_changed,
    .instructions = cpu_count,
    .cycles = cpu_time,
    .skip_cycles = cpu_skip,
    .timing_name = cpu_timing_name,
    .timing_version = cpu_timing_version,
    .jtag = cpu_jtag,
};

struct cpu *cpu_xtensa_new(uint32_t vecbase, uint32_t (*entry)(void *user),
                           const struct cpu_bus *bus, struct err *e)
{
    struct cpu_xtensa *x = calloc(1, sizeof *x);
    if (!x) {
        err_set(e, ERR_NO_MEMORY, "no memory for the processor");
        return NULL;
    }
    x->cpu.ops = &xtensa_ops;
    x->bus = *bus;
    x->entry = entry;
    const struct xtensa_bus core_bus = {x, core_read, core_write};
    x->core = xtensa_new(vecbase, &core_bus, e);
    if (!x->core) {
        free(x);
        return NULL;
    }
    const struct xtensa_debug_bus debug_bus = {bus->user, bus->debug_read, bus->debug_write,
                                               bus->chip_reset};
    xtensa_debug_init(&x->debug, x->core, &debug_bus);
    return &x->cpu;
}
