// SPDX-License-Identifier: GPL-2.0-only
// The debug module of a RISC-V chip behind JTAG (RISC-V External Debug Support 0.13.2), as far as OpenOCD 0.12 uses it:
// halt, resume, single step, registers by abstract commands, memory by the system bus, reset. One hart, no program
// buffer, no triggers. Silicon of the FE310 has a program buffer and no system bus; OpenOCD takes what it finds.
#ifndef VBOARD_RISCV_DEBUG_H
#define VBOARD_RISCV_DEBUG_H

#include "agent/vboard/core_riscv.h"
#include "agent/vboard/jtag_tap.h"

struct riscv_debug_bus { // the chip as the debugger sees it
    void *user;
    bool (*read)(void *user, uint32_t address, unsigned size, uint32_t *value);
    bool (*write)(void *user, uint32_t address, unsigned size, uint32_t value);
    void (*chip_reset)(void *user);
};

struct riscv_debug {
    struct riscv *core;
    struct riscv_debug_bus bus;
    uint32_t idcode;
    bool active, in_reset, have_reset, resume_ack;
    bool halt_request;
    uint32_t data[2], command, abstract_error, abstract_auto;
    uint32_t sbcs, sbaddress, sbdata;
    uint64_t answer; // of the last operation, for the next scan
};

void riscv_debug_init(struct riscv_debug *d, struct riscv *core, uint32_t idcode,
                      const struct riscv_debug_bus *bus);
struct jtag_device riscv_debug_device(struct riscv_debug *d);
void riscv_debug_core_was_reset(struct riscv_debug *d);
// One register of the module; what JTAG does. For tests.
uint32_t riscv_debug_read(struct riscv_debug *d, unsigned address);
void riscv_debug_write(struct riscv_debug *d, unsigned address, uint32_t value);

#endif
