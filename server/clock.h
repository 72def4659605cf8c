// SPDX-License-Identifier: MIT
// Time: wall clock for what is stored and shown, monotonic for time-outs inside one run of the server.
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);       // since 1970 UTC
int64_t clock_monotonic_ms(void); // since some point
#define CLOCK_TEXT_SIZE 32
const char *
clock_text(int64_t ms,
           char out[CLOCK_TEXT_SIZE]); // RFC 3339: "2026-01-31T12:00:00.123Z"; returns out

#endif
