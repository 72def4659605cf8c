// SPDX-License-Identifier: MIT
// The known program of a health check: a small seeded network in its least RAM, made here and not fetched, so that a
// check does not depend on what a server happens to have.
#ifndef AGENT_HEALTH_H
#define AGENT_HEALTH_H

#include <stdint.h>

#include "agent/session.h"
#include "common/buf.h"
#include "common/err.h"

struct health_program {
    struct buf bytes;
    char crc32[9], output_crc32[9]; // 8 hex digits
    uint32_t arena_bytes;
};

// For a kernel variant. Takes some milliseconds. -1: ERR_INTERNAL, ERR_NO_MEMORY.
int health_program_make(const char *kernels, struct health_program *out, struct err *e);
void health_program_free(struct health_program *p);

// Is what the board measured what the program must give? -1 with ERR_MISMATCH.
int health_program_judge(const struct health_program *p, const struct measurement *m,
                         struct err *e);

#endif
