// SPDX-License-Identifier: MIT
// A serial port as bytes with timeouts. A device is configured by libserialport (8N1, no flow
// control); a pseudo-terminal, which libserialport declines to handle, is put in raw mode and
// otherwise used alike.
#ifndef AGENT_SERIAL_H
#define AGENT_SERIAL_H

#include <stddef.h>

#include "common/err.h"

struct serial;

// path: a tty device or a link to one. Takes an exclusive lock: a second open of the same device
// fails. Returns NULL with ERR_OFFLINE when the device is missing, busy or cannot be configured.
struct serial *serial_open(const char *path, int baud, struct err *e);
void serial_close(struct serial *s); // accepts NULL

// Waits up to timeout_ms for bytes. Returns how many were read, 0 when none came, -1 with
// ERR_OFFLINE when the device is gone (unplugged, or the virtual board ended).
int serial_read(struct serial *s, void *bytes, size_t max, int timeout_ms, struct err *e);

// Writes all n bytes within timeout_ms: 0, or -1 with ERR_SERIAL (stuck) or ERR_OFFLINE (gone).
int serial_write(struct serial *s, const void *bytes, size_t n, int timeout_ms, struct err *e);

// Drops what arrived and was not read yet.
void serial_discard(struct serial *s);

#endif
