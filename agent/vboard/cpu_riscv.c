// SPDX-License-Identifier: GPL-2.0-only
// See cpu_riscv.h.
#include "agent/vboard/cpu_riscv.h"
#include "agent/vboard/riscv_debug.h"
#include "common/log.h"

#include <stdlib.h>

enum { SP = 2 }; // the register of the calling convention

struct cpu_riscv {
    struct cpu cpu; // first: a struct cpu * is one to this
    struct cpu_bus bus;
    struct riscv *core;
    struct riscv_debug debug;
    uint32_t (*cost)(void *user, uint32_t address, unsigned size);
    void *cost_user;
    uint32_t (*entry_point)(void *user);
    bool lockup_told;
};

static struct cpu_riscv *riscv(struct cpu *c)
{
    return (struct cpu_riscv *)c;
}

static struct riscv *core_of(const struct cpu *c)
{
    return ((const struct cpu_riscv *)c)->core;
}

struct riscv *cpu_riscv_core(struct cpu *c)
{
    return core_of(c);
}

static void rv_close(struct cpu *c)
{
    riscv_free(core_of(c));
    free(c);
}

static unsigned rights_of(unsigned access)
{
    return (access & CPU_READ ? RISCV_READ : 0u) | (access & CPU_WRITE ? RISCV_WRITE : 0u) |
           (access & CPU_EXECUTE ? RISCV_EXECUTE : 0u) |
           (access & CPU_WORDS_ONLY ? RISCV_WORDS_ONLY : 0u);
}

static int rv_map_memory(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory,
                         unsigned access, struct err *e)
{
    if (riscv_map_page(core_of(c), base, memory))
        return 0;
    return riscv_map_memory(core_of(c), base, size, memory, rights_of(access), e);
}

int cpu_riscv_map_window(struct cpu *c, uint32_t base, uint32_t size, uint32_t page_bytes,
                         unsigned access, struct err *e)
{
    return riscv_map_window(core_of(c), base, size, page_bytes, rights_of(access), e);
}

int cpu_riscv_map_slow(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory,
                       uint32_t (*cost)(void *user, uint32_t address, unsigned size), void *user,
                       struct err *e)
{
    riscv(c)->cost = cost;
    riscv(c)->cost_user = user;
    return riscv_map_memory(core_of(c), base, size, memory, RISCV_READ | RISCV_EXECUTE | RISCV_SLOW,
                            e);
}

static uint32_t slow_read(void *user, uint32_t address, unsigned size)
{
    struct cpu_riscv *r = user;
    return r->cost(r->cost_user, address, size);
}

static uint32_t entry_point(void *user)
{
    struct cpu_riscv *r = user;
    return r->entry_point(r->bus.user);
}

static uint32_t bus_read(void *user, uint32_t address, unsigned size)
{
    struct cpu_riscv *r = user;
    return r->bus.read(r->bus.user, address, size);
}

static void bus_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    struct cpu_riscv *r = user;
    r->bus.write(r->bus.user, address, size, value);
}

static int rv_map_io(struct cpu *c, uint32_t base, uint32_t size, struct err *e)
{
    return riscv_map_io(core_of(c), base, size, e);
}

static bool rv_is_io(const struct cpu *c, uint32_t address)
{
    return riscv_is_io(core_of(c), address);
}

static void rv_reset(struct cpu *c)
{
    riscv_reset(core_of(c));
    riscv(c)->lockup_told = false;
    riscv_debug_core_was_reset(&riscv(c)->debug);
}

static void rv_run(struct cpu *c, uint64_t instructions)
{
    struct cpu_riscv *r = riscv(c);
    riscv_run(r->core, instructions);
    if (riscv_state(r->core) == RISCV_LOCKED_UP && !r->lockup_told) {
        uint32_t pc = 0, cause = 0;
        riscv_csr_read(r->core, 0x7b1, true, &pc);
        riscv_csr_read(r->core, 0x342, true, &cause);
        log_warn("core", "trap upon trap at pc 0x%08x (mcause %u): the core makes no progress", pc,
                 cause);
        r->lockup_told = true;
    }
}

static void rv_request_stop(struct cpu *c)
{
    riscv_request_stop(core_of(c));
}

static void rv_wake(struct cpu *c)
{
    riscv_wake(core_of(c));
}

static enum cpu_state rv_state(const struct cpu *c)
{
    switch (riscv_state(core_of(c))) {
    case RISCV_RUNS:
        return CPU_RUNS;
    case RISCV_SLEEPS:
        return CPU_SLEEPS;
    default:
        return CPU_STOPPED;
    }
}

static void rv_bus_fault(struct cpu *c, const char *why)
{
    log_warn("core", "the next fetch fails: %s", why);
    if (riscv_state(core_of(c)) == RISCV_RUNS)
        riscv_fetch_fault(core_of(c));
}

static uint32_t rv_stack_pointer(const struct cpu *c)
{
    return riscv_get(core_of(c), SP);
}

static void rv_set_stack_pointer(struct cpu *c, uint32_t value)
{
    riscv_set(core_of(c), SP, value);
}

static void rv_memory_changed(struct cpu *c, uint32_t base, uint32_t size)
{
    (void)base;
    (void)size;
    riscv_forget_code(core_of(c));
}

static uint64_t rv_instructions(const struct cpu *c)
{
    return riscv_instructions(core_of(c));
}

static uint64_t rv_cycles(const struct cpu *c)
{
    return riscv_cycles(core_of(c));
}

static void rv_skip_cycles(struct cpu *c, uint64_t cycles)
{
    riscv_skip_cycles(core_of(c), cycles);
}

static const char *rv_timing_name(const struct cpu *c)
{
    return riscv_timing_of(core_of(c))->name;
}

static unsigned rv_timing_version(const struct cpu *c)
{
    return riscv_timing_of(core_of(c))->version;
}

static struct jtag_device rv_jtag(struct cpu *c)
{
    return riscv_debug_device(&riscv(c)->debug);
}

static const struct cpu_ops riscv_ops = {
    .close = rv_close,
    .map_memory = rv_map_memory,
    .map_io = rv_map_io,
    .is_io = rv_is_io,
    .reset = rv_reset,
    .run = rv_run,
    .request_stop = rv_request_stop,
    .wake = rv_wake,
    .state = rv_state,
    .bus_fault = rv_bus_fault,
    .stack_pointer = rv_stack_pointer,
    .set_stack_pointer = rv_set_stack_pointer,
    .memory_changed = rv_memory_changed,
    .instructions = rv_instructions,
    .cycles = rv_cycles,
    .skip_cycles = rv_skip_cycles,
    .timing_name = rv_timing_name,
    .timing_version = rv_timing_version,
    .jtag = rv_jtag,
};

struct cpu *cpu_riscv_new(const struct riscv_config *config, uint32_t idcode,
                          const struct cpu_bus *bus, struct err *e)
{
    struct cpu_riscv *r = calloc(1, sizeof *r);
    if (!r) {
        err_set(e, ERR_NO_MEMORY, "no memory for the processor");
        return NULL;
    }
    r->cpu.ops = &riscv_ops;
    r->bus = *bus;
    const struct riscv_bus core_bus = {r, bus_read, bus_write, slow_read};
    struct riscv_config own = *config;
    r->entry_point = config->entry_point;
    own.entry_point = config->entry_point ? entry_point : NULL;
    r->core = riscv_new(&own, &core_bus, e);
    if (!r->core) {
        free(r);
        return NULL;
    }
    const struct riscv_debug_bus debug_bus = {bus->user, bus->debug_read, bus->debug_write,
                                              bus->chip_reset};
    riscv_debug_init(&r->debug, r->core, idcode, &debug_bus);
    return &r->cpu;
}
