// SPDX-License-Identifier: MIT
// Compiles a configuration to the executor's bytes (firmware/executor/program.h).
#ifndef PLANNER_PROGRAM_H
#define PLANNER_PROGRAM_H

#include "common/buf.h"
#include "server/planner/config.h"

#define PROGRAM_MAX_BYTES (16u << 20)

// input: the test input, [h][w][c]. The program is appended to out, which must be empty.
// -1: ERR_BAD_FIELD (a block that cannot run, an unknown variant), ERR_TOO_LARGE, ERR_NO_MEMORY.
int program_compile(struct fusion *f, const struct config_block *blocks, int n_blocks,
                    const char *variant, const int8_t *input, struct buf *out, struct err *e);

// The generic kernel of a layer (enum prog_kernel). acc: it is fed pixel by pixel.
uint16_t program_kernel(const struct layer *l, bool acc);

#endif
