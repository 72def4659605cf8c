// SPDX-License-Identifier: GPL-2.0-only
// See cpu_arm.h.
#include "agent/vboard/cpu_arm.h"

#include <stdlib.h>

#define PPB_BASE 0xe0000000u
#define PPB_BYTES 0x100000u
#define DBGMCU_BASE 0xe0042000u // on the private bus, but the SoC's

struct cpu_arm *cpu_arm(struct cpu *c)
{
    return (struct cpu_arm *)c;
}

static const struct cpu_arm *arm(const struct cpu *c)
{
    return (const struct cpu_arm *)c;
}

static void arm_close(struct cpu *c)
{
    core_free(cpu_arm(c)->core);
    free(c);
}

static int arm_map_memory(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory,
                          unsigned access, struct err *e)
{
    return core_map_memory(arm(c)->core, base, size, memory, (access & CPU_WRITE) != 0, e);
}

static int arm_map_io(struct cpu *c, uint32_t base, uint32_t size, struct err *e)
{
    return core_map_io(arm(c)->core, base, size, e);
}

static bool arm_is_io(const struct cpu *c, uint32_t address)
{
    return core_is_io(arm(c)->core, address);
}

static bool arm_owns(uint32_t address)
{
    return address - PPB_BASE < PPB_BYTES && address - DBGMCU_BASE >= 0x400;
}

static uint32_t arm_read(struct cpu *c, uint32_t address, bool debugger)
{
    return armv7m_read(&cpu_arm(c)->m, address, debugger);
}

static void arm_write(struct cpu *c, uint32_t address, uint32_t value, bool debugger)
{
    armv7m_write(&cpu_arm(c)->m, address, value, debugger);
}

static void arm_reset(struct cpu *c)
{
    core_forget_code(arm(c)->core);
    armv7m_reset(&cpu_arm(c)->m);
}

static bool arm_reset_requested(const struct cpu *c)
{
    return arm(c)->m.reset_requested;
}

static void arm_reset_pin_low(struct cpu *c)
{
    cpu_arm(c)->m.reset_seen = true;
}

static void arm_run(struct cpu *c, uint64_t instructions)
{
    struct core_event ev;
    core_run(arm(c)->core, instructions, &ev);
    armv7m_handle(&cpu_arm(c)->m, &ev);
}

static void arm_request_stop(struct cpu *c)
{
    core_request_stop(arm(c)->core);
}

static void arm_wake(struct cpu *c)
{
    cpu_arm(c)->m.sleeping = false;
}

static enum cpu_state arm_state(const struct cpu *c)
{
    const struct armv7m *m = &arm(c)->m;
    return m->halted || m->lockup ? CPU_STOPPED : m->sleeping ? CPU_SLEEPS : CPU_RUNS;
}

static void arm_bus_fault(struct cpu *c, const char *why)
{
    struct cpu_arm *a = cpu_arm(c);
    if (!a->m.lockup)
        armv7m_bus_fault(&a->m, core_get(a->core, CORE_PC), why);
}

static uint32_t arm_stack_pointer(const struct cpu *c)
{
    return core_get(arm(c)->core, CORE_SP);
}

static void arm_set_stack_pointer(struct cpu *c, uint32_t value)
{
    core_set(arm(c)->core, CORE_SP, value);
}

static void arm_memory_changed(struct cpu *c, uint32_t base, uint32_t size)
{
    core_memory_changed(arm(c)->core, base, size);
}

static uint64_t arm_instructions(const struct cpu *c)
{
    return core_instructions(arm(c)->core);
}

static uint64_t arm_cycles(const struct cpu *c)
{
    return core_cycles(arm(c)->core);
}

static void arm_skip_cycles(struct cpu *c, uint64_t cycles)
{
    core_skip_cycles(arm(c)->core, cycles);
}

static const char *arm_timing_name(const struct cpu *c)
{
    return core_timing_name(arm(c)->core);
}

static unsigned arm_timing_version(const struct cpu *c)
{
    return core_timing_version(arm(c)->core);
}

static const struct cpu_ops arm_ops = {
    .close = arm_close,
    .map_memory = arm_map_memory,
    .map_io = arm_map_io,
    .is_io = arm_is_io,
    .owns = arm_owns,
    .read = arm_read,
    .write = arm_write,
    .reset = arm_reset,
    .reset_requested = arm_reset_requested,
    .reset_pin_low = arm_reset_pin_low,
    .run = arm_run,
    .request_stop = arm_request_stop,
    .wake = arm_wake,
    .state = arm_state,
    .bus_fault = arm_bus_fault,
    .stack_pointer = arm_stack_pointer,
    .set_stack_pointer = arm_set_stack_pointer,
    .memory_changed = arm_memory_changed,
    .instructions = arm_instructions,
    .cycles = arm_cycles,
    .skip_cycles = arm_skip_cycles,
    .timing_name = arm_timing_name,
    .timing_version = arm_timing_version,
};

struct cpu *cpu_arm_new(const char *model, uint32_t boot_address, const struct cpu_bus *bus,
                        struct err *e)
{
    struct cpu_arm *a = calloc(1, sizeof *a);
    if (!a) {
        err_set(e, ERR_NO_MEMORY, "no memory for the processor");
        return NULL;
    }
    a->cpu.ops = &arm_ops;
    a->bus = *bus;
    struct core_bus core_bus = {bus->user, bus->read, bus->write, bus->rom_write};
    a->core = core_new(model, &core_bus, e);
    if (!a->core) {
        free(a);
        return NULL;
    }
    armv7m_init(&a->m, a->core, boot_address, a->bus.memory, a->bus.user);
    return &a->cpu;
}
