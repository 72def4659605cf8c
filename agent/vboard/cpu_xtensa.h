// SPDX-License-Identifier: GPL-2.0-only
// Xtensa as a struct cpu: core_xtensa.h and its debug module.
#ifndef VBOARD_CPU_XTENSA_H
#define VBOARD_CPU_XTENSA_H

#include "agent/vboard/core_xtensa.h"
#include "agent/vboard/cpu.h"

// vecbase: VECBASE after reset. entry: where the program begins after a reset, called anew each time.
struct cpu *cpu_xtensa_new(uint32_t vecbase, uint32_t (*entry)(void *user),
                           const struct cpu_bus *bus, struct err *e);
struct xtensa *cpu_xtensa_core(struct cpu *c);

#endif
