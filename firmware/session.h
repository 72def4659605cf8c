// SPDX-License-Identifier: MIT
// The conversation with the host: says hello, then obeys commands for ever. docs/serial-protocol.md
// describes it.
#ifndef FIRMWARE_SESSION_H
#define FIRMWARE_SESSION_H

#include "firmware/wire/wire.h"

_Noreturn void session_run(void);
// Begins a record on the serial line.
void session_begin(struct wire_writer *w, const char *name);

#endif
