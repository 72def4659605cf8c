// SPDX-License-Identifier: GPL-2.0-only
// A Bus Pirate in OpenOCD mode on a pseudo-terminal: the JTAG adapter that OpenOCD's driver "buspirate" speaks to
// (adapter driver buspirate; buspirate port TTY). One TAP in the chain.
#ifndef VBOARD_BUSPIRATE_H
#define VBOARD_BUSPIRATE_H

#include "agent/vboard/jtag_tap.h"
#include "common/err.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buspirate; // opaque: terminal, command under way

struct buspirate_hooks {
    void *user;
    void (*system_reset)(void *user, bool asserted); // SRST
    bool (*silent)(void *user); // fault injection: true for a command that gets no answer
};

// tap and what hooks->user points to are borrowed.
struct buspirate *buspirate_new(struct jtag_tap *tap, const struct buspirate_hooks *hooks,
                                struct err *e);
void buspirate_free(struct buspirate *p);
const char *buspirate_tty(const struct buspirate *p);
bool buspirate_busy(const struct buspirate *p); // OpenOCD is connected

enum { BUSPIRATE_FDS = 1 };
// What to poll for, and what to do with the answer. Never blocks.
void buspirate_poll_prepare(struct buspirate *p, struct pollfd fds[BUSPIRATE_FDS]);
void buspirate_poll_handle(struct buspirate *p, const struct pollfd fds[BUSPIRATE_FDS]);
// The same for bytes that come from elsewhere (tests): takes them all.
void buspirate_input(struct buspirate *p, const uint8_t *bytes, size_t n);

#endif
