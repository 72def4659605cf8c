// SPDX-License-Identifier: GPL-2.0-only
// A RISC-V core with its debug module, as the board's processor.
#ifndef VBOARD_CPU_RISCV_H
#define VBOARD_CPU_RISCV_H

#include "agent/vboard/core_riscv.h"
#include "agent/vboard/cpu.h"

// idcode: of the JTAG port. config->entry_point is called with bus->user. NULL and e when there is no memory.
struct cpu *cpu_riscv_new(const struct riscv_config *config, uint32_t idcode,
                          const struct cpu_bus *bus, struct err *e);
struct riscv *cpu_riscv_core(struct cpu *c);
// A window behind the SoC's MMU: cpu_map_memory() then maps and unmaps (NULL) its pages.
int cpu_riscv_map_window(struct cpu *c, uint32_t base, uint32_t size, uint32_t page_bytes,
                         unsigned access, struct err *e);
// As cpu_map_memory(), for memory that is slow to read: cost() says how many cycles a load takes.
int cpu_riscv_map_slow(struct cpu *c, uint32_t base, uint32_t size, uint8_t *memory,
                       uint32_t (*cost)(void *user, uint32_t address, unsigned size), void *user,
                       struct err *e);

#endif
