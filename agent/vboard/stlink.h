// SPDX-License-Identifier: GPL-2.0-only
// An ST-LINK/V2-1 behind the TCP protocol of ST's "stlink-server", which OpenOCD speaks as
// `hla_stlink_backend tcp PORT`. Loopback only, one client at a time, further ones are hung up on.
#ifndef VBOARD_STLINK_H
#define VBOARD_STLINK_H

#include "agent/vboard/board.h"
#include "common/err.h"

#include <poll.h>

struct stlink; // opaque: sockets and the request under way

// port 0: any free one. The board is borrowed.
struct stlink *stlink_new(struct board *b, uint16_t port, struct err *e);
void stlink_free(struct stlink *s);
uint16_t stlink_port(const struct stlink *s);
// Serves a connected stream socket as if it had been accepted; the ST-LINK owns it from now on. Only while not busy.
void stlink_attach(struct stlink *s, int fd);
bool stlink_busy(const struct stlink *s); // a client is connected

enum { STLINK_FDS = 2 };
// What to poll for, and what to do with the answer. Never blocks.
void stlink_poll_prepare(struct stlink *s, struct pollfd fds[STLINK_FDS]);
void stlink_poll_handle(struct stlink *s, const struct pollfd fds[STLINK_FDS]);

#endif
