// SPDX-License-Identifier: GPL-2.0-only
// Fault injection for tests of the agent: a virtual board that misbehaves on purpose. Never active by default.
// What the board does about a fault that is due (strike, disguise) is in board.c.
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
    FAULT_CUT,     // each @out record is cut in half, its end of line included
    FAULT_HANG,    // the CPU stops for good after n instructions since reset
    FAULT_RESET,   // the board resets n instructions after a "run" arrived
    FAULT_STACK, // n instructions after a "run" arrived, all but the last bytes of the stack are taken
    FAULT_CRASH,   // n instructions after a "run" arrived, an instruction cannot be fetched
    FAULT_BITFLIP, // one bit of the program's flash flips when the first "run" arrives, never again
    FAULT_OUTPUT,  // its input flips when the first "@run" was sent: too late for the program's CRC
    FAULT_OTHER_FIRMWARE, // the build-id in flash is another one
    FAULT_OTHER_BOARD,    // the board's name in flash is another one
    FAULT_STLINK_HANG,    // the debug probe stops answering after n requests
};

struct fault {
    enum fault_kind kind;
    uint64_t n;
    char file[256];    // where the kind is read from at each reset; "": nowhere
    uint64_t requests; // of the debug probe, so far
    uint32_t noise;
    char line[32]; // start of the line that the board is sending
    size_t line_length;
    size_t asked,
        answered; // characters of "run" and "@run" seen at a line's start; SIZE_MAX: another line
};

extern const char fault_help[]; // for --help
// text: one of fault_help's kinds, or "@FILE"; NULL: no fault.
int fault_parse(struct fault *f, const char *text, struct err *e);
// The board is reset: reads FILE again. An empty or missing FILE is no fault, a wrong one is logged.
void fault_reset(struct fault *f);
// What becomes of a byte that the board sends: true and *byte to be sent, false to be dropped.
bool fault_transmit(struct fault *f, uint8_t *byte);
// Watches what the board receives and sends; true at the end of the word "run" and "@run".
bool fault_asked(struct fault *f, uint8_t received);
bool fault_answered(struct fault *f, uint8_t sent);
bool fault_stlink_silent(struct fault *f); // counts a request

#endif
