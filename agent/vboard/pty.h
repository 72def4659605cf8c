// SPDX-License-Identifier: GPL-2.0-only
// The board's serial port: a pseudo-terminal in raw mode, with a symbolic link to it under a stable name.
#ifndef VBOARD_PTY_H
#define VBOARD_PTY_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pty {
    int master, slave; // the slave stays open, so that a client may come and go
    char name[64];     // "/dev/pts/7"
    char link[256];    // "" for none
    uint8_t out[16384];
    size_t out_used;
    uint64_t lost; // bytes that nobody read in time
};

// link: path of the symbolic link to make, or NULL. A dangling or stale link there is replaced, a file is not.
int pty_open(struct pty *p, const char *link, struct err *e);
void pty_close(struct pty *p); // removes the link
void pty_put(struct pty *p, uint8_t byte);
void pty_flush(struct pty *p); // writes what the terminal takes; a full line loses its newest bytes
size_t pty_read(struct pty *p, uint8_t *bytes, size_t n);

#endif
