// SPDX-License-Identifier: GPL-2.0-only
// A JTAG test access port (IEEE 1149.1): the state machine and both shift registers. What an instruction selects and
// what its data mean is the device's business.
#ifndef VBOARD_JTAG_TAP_H
#define VBOARD_JTAG_TAP_H

#include <stdbool.h>
#include <stdint.h>

struct jtag_device {
    void *user;
    unsigned ir_bits;  // 2 to 32
    uint32_t ir_reset; // instruction after Test-Logic-Reset: IDCODE, or BYPASS
    // Capture-DR: the value that is shifted out. Returns its length in bits, 1 to 64; 0: the bypass register.
    unsigned (*capture_dr)(void *user, uint32_t ir, uint64_t *value);
    void (*update_dr)(void *user, uint32_t ir,
                      uint64_t value);          // not called for the bypass register
    void (*update_ir)(void *user, uint32_t ir); // NULL: not interested
    void (*reset)(void *user);                  // Test-Logic-Reset; NULL likewise
};

struct jtag_tap {
    struct jtag_device device;
    uint8_t state;
    uint32_t ir, ir_shift;
    uint64_t dr_shift;
    unsigned dr_bits; // 1 to 64
    bool bypass;
};

void jtag_tap_init(struct jtag_tap *t, const struct jtag_device *device);
// One cycle of TCK. Returns TDO as it stood before the rising edge.
bool jtag_tap_clock(struct jtag_tap *t, bool tms, bool tdi);

#endif
