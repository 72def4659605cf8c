// SPDX-License-Identifier: GPL-2.0-only
// See misuse.h.
#include "agent/vboard/misuse.h"

#include <stdarg.h>
#include <stdio.h>

void misuse_tell(const struct misuse_ear *ear, const char *fmt, ...)
{
    char why[192];
    va_list args;
    if (!ear->hear)
        return;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    ear->hear(ear->user, why);
}
