// SPDX-License-Identifier: GPL-2.0-only
// Cortex-M as a struct cpu: core_arm.h with armv7m.h around it.
#ifndef VBOARD_CPU_ARM_H
#define VBOARD_CPU_ARM_H

#include "agent/vboard/armv7m.h"
#include "agent/vboard/core_arm.h"
#include "agent/vboard/cpu.h"

struct cpu_arm {
    struct cpu cpu;
    struct core *core;
    struct armv7m m;
    struct cpu_bus bus;
};

// model: of core_new(). boot_address: of the vector table after reset. The SoC sets m.cpuid and m.fpu_double.
struct cpu *cpu_arm_new(const char *model, uint32_t boot_address, const struct cpu_bus *bus,
                        struct err *e);
// For those who know that it is one: the ST-LINK, the SoCs of the family, tests.
struct cpu_arm *cpu_arm(struct cpu *c);

#endif
