// SPDX-License-Identifier: GPL-2.0-only
// The flash as a file: mapped shared, so that whatever the board wrote is there however the process ends, and locked,
// so that two boards cannot share it. (A crash of the whole machine may lose the last seconds.)
#ifndef VBOARD_STATE_H
#define VBOARD_STATE_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct state {
    int fd; // -1: memory only
    uint8_t *memory;
    size_t bytes;
};

// path NULL: erased memory that is not kept. A new file starts erased; one of another size is refused.
int state_open(struct state *s, const char *path, size_t bytes, struct err *e);
void state_close(struct state *s);

#endif
