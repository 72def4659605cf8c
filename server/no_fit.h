// SPDX-License-Identifier: MIT
// The answer to a configuration that does not fit a board: how many bytes of which memory are missing, and the nearest
// configuration that would fit.
#ifndef SERVER_NO_FIT_H
#define SERVER_NO_FIT_H

#include <stdint.h>

#include "server/board.h"
#include "server/problem.h"

// What was asked for. program_bytes 0: not built, the arena is too large already.
struct no_fit_wish {
    const struct board *board;
    const char *spec;
    uint32_t arena_bytes;
    size_t program_bytes;
    const char *field; // of the request
    bool any;          // any configuration would do, and this is the least of them
};

// Sets p to ERR_NO_FIT with all that struct no_fit holds; front is the model's, input a test input of it (programs are
// built to learn their size). Nearest is, of what fits, the front's point whose RAM is closest. Always returns -1.
int no_fit_set(struct problem *p, const struct no_fit_wish *wish, const struct planner *planner,
               const struct front *front, const int8_t *input);

#endif
