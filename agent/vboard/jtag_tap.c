// SPDX-License-Identifier: GPL-2.0-only
// See jtag_tap.h.
#include "agent/vboard/jtag_tap.h"

#include <string.h>

// clang-format off
enum tap_state {
    RESET, IDLE, SELECT_DR, CAPTURE_DR, SHIFT_DR, EXIT1_DR, PAUSE_DR, EXIT2_DR, UPDATE_DR,
    SELECT_IR, CAPTURE_IR, SHIFT_IR, EXIT1_IR, PAUSE_IR, EXIT2_IR, UPDATE_IR,
};

static const uint8_t next_state[16][2] = { // by TMS
    [RESET]      = {IDLE, RESET},
    [IDLE]       = {IDLE, SELECT_DR},
    [SELECT_DR]  = {CAPTURE_DR, SELECT_IR},
    [CAPTURE_DR] = {SHIFT_DR, EXIT1_DR},
    [SHIFT_DR]   = {SHIFT_DR, EXIT1_DR},
    [EXIT1_DR]   = {PAUSE_DR, UPDATE_DR},
    [PAUSE_DR]   = {PAUSE_DR, EXIT2_DR},
    [EXIT2_DR]   = {SHIFT_DR, UPDATE_DR},
    [UPDATE_DR]  = {IDLE, SELECT_DR},
    [SELECT_IR]  = {CAPTURE_IR, RESET},
    [CAPTURE_IR] = {SHIFT_IR, EXIT1_IR},
    [SHIFT_IR]   = {SHIFT_IR, EXIT1_IR},
    [EXIT1_IR]   = {PAUSE_IR, UPDATE_IR},
    [PAUSE_IR]   = {PAUSE_IR, EXIT2_IR},
    [EXIT2_IR]   = {SHIFT_IR, UPDATE_IR},
    [UPDATE_IR]  = {IDLE, SELECT_DR},
};
// clang-format on

static void enter_reset(struct jtag_tap *t)
{
    t->ir = t->device.ir_reset;
    if (t->device.reset)
        t->device.reset(t->device.user);
}

void jtag_tap_init(struct jtag_tap *t, const struct jtag_device *device)
{
    memset(t, 0, sizeof *t);
    t->device = *device;
    t->state = RESET;
    t->dr_bits = 1;
    enter_reset(t);
}

static void capture_dr(struct jtag_tap *t)
{
    t->dr_shift = 0;
    t->dr_bits = t->device.capture_dr(t->device.user, t->ir, &t->dr_shift);
    t->bypass = t->dr_bits == 0;
    if (t->bypass) {
        t->dr_bits = 1;
        t->dr_shift = 0;
    }
}

static void enter(struct jtag_tap *t)
{
    switch (t->state) {
    case RESET:
        enter_reset(t);
        break;
    case CAPTURE_DR:
        capture_dr(t);
        break;
    case UPDATE_DR:
        if (!t->bypass)
            t->device.update_dr(t->device.user, t->ir, t->dr_shift);
        break;
    case CAPTURE_IR:
        t->ir_shift = 1; // the standard wants 01 in the lowest bits
        break;
    case UPDATE_IR:
        t->ir = t->ir_shift;
        if (t->device.update_ir)
            t->device.update_ir(t->device.user, t->ir);
        break;
    default:
        break;
    }
}

bool jtag_tap_clock(struct jtag_tap *t, bool tms, bool tdi)
{
    bool tdo = false;
    if (t->state == SHIFT_DR) {
        tdo = t->dr_shift & 1;
        t->dr_shift = t->dr_shift >> 1 | (uint64_t)tdi << (t->dr_bits - 1);
    } else if (t->state == SHIFT_IR) {
        tdo = t->ir_shift & 1;
        t->ir_shift = t->ir_shift >> 1 | (uint32_t)tdi << (t->device.ir_bits - 1);
    }
    uint8_t before = t->state;
    t->state = next_state[t->state][tms];
    if (t->state != before) // staying in a state is not entering it
        enter(t);
    return tdo;
}
