// SPDX-License-Identifier: GPL-2.0-only
// Fault injection for tests of the agent: a virtual board that misbehaves on purpose. Never active by default.
#ifndef VBOARD_FAULT_H
#define VBOARD_FAULT_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_SILENT,  // nothing that the board sends reaches the line
    FAULT_GARBAGE, // every byte that it sends is replaced by a random one
    FAULT_HANG,    // the CPU stops for good after n instructions since reset
    FAULT_BITFLIP, // one bit of the program's flash flips when the first "run" arrives, never again
    FAULT_CUT,     // each @out record is cut in half, its end of line included
    FAULT_STLINK_HANG, // the ST-LINK stops answering after n requests
};

struct fault {
    enum fault_kind kind;
    uint64_t n;
    uint64_t requests; // ST-LINK requests so far
    uint32_t noise;
    char line[32]; // start of the line that the board is sending
    size_t line_length;
    size_t run_match; // characters of "run" seen in a row at a line's start
    bool at_line_start;
    bool flipped;
};

extern const char fault_help[]; // for --help
// text: "silent", "garbage", "hang:N", "bitflip", "cut", "stlink-hang[:N]"; NULL: no fault.
int fault_parse(struct fault *f, const char *text, struct err *e);
// What becomes of a byte that the board sends: true and *byte to be sent, false to be dropped.
bool fault_transmit(struct fault *f, uint8_t *byte);
// Watches what the board receives; true once, when the bit is to flip.
bool fault_flip_now(struct fault *f, uint8_t received);
bool fault_stlink_silent(struct fault *f); // counts a request

#endif
