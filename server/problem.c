// SPDX-License-Identifier: MIT
// See problem.h.
#include "server/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int problem_field(struct problem *p, enum err_code code, const char *field, const char *fmt, ...)
{
    if (p->err.code != ERR_NONE)
        return -1;
    char msg[sizeof p->err.msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    snprintf(p->field, sizeof p->field, "%s", field);
    return err_set(&p->err, code, "%s", msg);
}

void problem_clear(struct problem *p)
{
    free(p->no_fit.nearest);
    *p = (struct problem){0};
}
