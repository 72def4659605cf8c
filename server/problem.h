// SPDX-License-Identifier: MIT
// What went wrong with a request: the error, the field of the body or query that is to blame, and hints for HTTP headers.
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct no_fit { // of ERR_NO_FIT; see no_fit.h
    bool known;
    bool flash; // the program is too large; else the RAM that it asks for
    char board[64];
    uint64_t needed_bytes, available_bytes;
    uint64_t least_bytes; // the least that any configuration of the model needs of that memory
    char *nearest;        // the nearest configuration that fits, owned; NULL: none does
    uint32_t nearest_arena_bytes;
    double nearest_overhead;
};

struct problem {
    struct err err;
    char field[96];    // path such as "specs[3]" or "input.seed"; "" = none
    const char *allow; // the methods that are allowed (405); borrowed, NULL = none
    int retry_after_s; // 0 = no hint
    struct no_fit no_fit;
};

// Sets the error and the field unless an error is already set. Always returns -1.
int problem_field(struct problem *p, enum err_code code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// Frees what it owns and makes it none.
void problem_clear(struct problem *p);

#endif
