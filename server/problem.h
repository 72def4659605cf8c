// SPDX-License-Identifier: MIT
// What went wrong with a request: the error, the field of the body or query that is to blame, and hints for HTTP headers.
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include "common/err.h"

struct problem {
    struct err err;
    char field[96];    // path such as "specs[3]" or "input.seed"; "" = none
    const char *allow; // the methods that are allowed (405); borrowed, NULL = none
    int retry_after_s; // 0 = no hint
};

// Sets the error and the field unless an error is already set. Always returns -1.
int problem_field(struct problem *p, enum err_code code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
