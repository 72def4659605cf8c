// SPDX-License-Identifier: MIT
// See log.h. One write per line, so that lines of several threads and processes do not mix.
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static enum log_level log_threshold(void)
{
    const char *want = getenv("FARM_LOG");
    for (unsigned i = 0; want && i < 4; i++) {
        if (strcmp(want, level_names[i]) == 0)
            return (enum log_level)i;
    }
    return LOG_LEVEL_INFO;
}

void log_line(enum log_level level, const char *module, const char *fmt, ...)
{
    if (level < log_threshold())
        return;
    struct timespec now;
    struct tm tm;
    char line[1024];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                          level_names[level], module);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    n += m < 0 ? 0 : (size_t)m;
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}
