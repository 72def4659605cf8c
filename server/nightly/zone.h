// SPDX-License-Identifier: MIT
// Time zones for cron.c: stretches of time in which the local clock is a fixed number of seconds ahead of UTC.
#ifndef NIGHTLY_ZONE_H
#define NIGHTLY_ZONE_H

#include <stdint.h>

#include "server/nightly/cron.h"

#define ZONE_BEGIN_S INT64_C(0) // 1970-01-01
#define ZONE_END_S                                                                                 \
    INT64_C(5396284800) // 2141-01-01: forty years behind the last instant that cron_next() takes

// Times in seconds since 1970 UTC. Spans cover [ZONE_BEGIN_S, ZONE_END_S) without holes; neighbours differ in offset_s.
struct zone_span {
    int64_t begin_s, end_s; // [begin, end)
    int offset_s;           // local - UTC
    int before_s;           // offset_s of the span before; the first span: its own
};
// The span that holds at_s; beyond the bounds, the nearer one.
const struct zone_span *cron_zone__span(const struct cron_zone *z, int64_t at_s);

#endif
