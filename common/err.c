// SPDX-License-Identifier: MIT
// The error table's words.
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *type;
    int http;
    const char *title;
} err_rows[] = {{"none", 200, "No error"},
#define X(code, type, http, title) {type, http, title},
                ERR_MAP(X)
#undef X
};

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (e && e->code == ERR_NONE) {
        va_list ap;
        e->code = code;
        va_start(ap, fmt);
        vsnprintf(e->msg, sizeof e->msg, fmt, ap);
        va_end(ap);
    }
    return -1;
}

void err_clear(struct err *e)
{
    e->code = ERR_NONE;
    e->msg[0] = '\0';
}

const char *err_type(enum err_code code)
{
    return err_rows[code].type;
}

const char *err_title(enum err_code code)
{
    return err_rows[code].title;
}

int err_http(enum err_code code)
{
    return err_rows[code].http;
}

enum err_code err_from_type(const char *type)
{
    for (unsigned i = 1; i < sizeof err_rows / sizeof *err_rows; i++) {
        if (strcmp(err_rows[i].type, type) == 0)
            return (enum err_code)i;
    }
    return ERR_NONE;
}
