// SPDX-License-Identifier: MIT
// See clock.h.
#include "server/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

const char *clock_text(int64_t ms, char out[CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    char whole[24];
    gmtime_r(&seconds, &tm);
    strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, CLOCK_TEXT_SIZE, "%s.%03dZ", whole, (int)(ms % 1000));
    return out;
}
