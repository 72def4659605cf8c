// SPDX-License-Identifier: MIT
// Faults on the wire. A fault of the core, or of the start, ends all measuring: the firmware
// reports it and then only listens, answering every command but `reset` with the same record.
#ifndef FIRMWARE_FAULT_H
#define FIRMWARE_FAULT_H

#include <stdint.h>

struct fault {
    const char *code;   // "hardfault", ...: the list is in docs/serial-protocol.md
    const char *detail; // one sentence
    uint32_t pc, lr;    // 0 when the code does not concern an instruction
};

void fault_report(const struct fault *f);
_Noreturn void fault_stop(const struct fault *f);

#endif
