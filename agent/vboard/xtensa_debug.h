// SPDX-License-Identifier: GPL-2.0-only
// The on-chip debug module of an Xtensa core behind JTAG, as far as OpenOCD 0.12 uses it to halt the core, to look at
// registers and memory, and to load memory: power registers, the "Nexus" register access, injected instructions. No
// breakpoints, no single step, no trace. The debugger sees 64 address registers through the register window.
#ifndef VBOARD_XTENSA_DEBUG_H
#define VBOARD_XTENSA_DEBUG_H

#include "agent/vboard/core_xtensa.h"
#include "agent/vboard/jtag_tap.h"

struct xtensa_debug_bus { // the chip as the debugger sees it
    void *user;
    bool (*read)(void *user, uint32_t address, unsigned size, uint32_t *value);
    bool (*write)(void *user, uint32_t address, unsigned size, uint32_t value);
    void (*core_reset)(void *user);
};

struct xtensa_debug {
    struct xtensa *core;
    struct xtensa_debug_bus bus;
    bool halted;
    uint8_t pwrctl, pwrstat;
    uint32_t dcr, dsr, ddr, dir0;
    uint8_t nar; // register that the next data scan is about, and its direction
    bool nar_selected;
    uint32_t ar[64];          // 16 to 63; the first 16 are the core's
    uint32_t ur[256], fr[16]; // user and floating-point registers: storage only
    uint32_t unknown;         // last injected instruction that was not understood
};

void xtensa_debug_init(struct xtensa_debug *d, struct xtensa *core,
                       const struct xtensa_debug_bus *bus);
struct jtag_device xtensa_debug_device(struct xtensa_debug *d);
void xtensa_debug_core_was_reset(struct xtensa_debug *d);
// The core met a BREAK. true: the debugger has halted it; false: nobody listens.
bool xtensa_debug_break(struct xtensa_debug *d);

#endif
