// SPDX-License-Identifier: MIT
// See rate.h.
#include "server/rate.h"

bool rate_allow(struct rate *r, const void *address, size_t bytes, int64_t now_ms)
{
    if (r->per_second <= 0)
        return true;
    const unsigned char *a = address;
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < (bytes == 16 ? 8 : bytes); i++)
        hash = (hash ^ a[i]) * 1099511628211u;
    size_t i = (size_t)((hash ^ (hash >> 32)) % RATE_SLOTS);
    double burst = 2.0 * r->per_second;
    if (r->slot[i].owner != hash) {
        r->slot[i].owner = hash;
        r->slot[i].tokens = burst;
    } else {
        double tokens =
            r->slot[i].tokens + (double)(now_ms - r->slot[i].at_ms) / 1000 * r->per_second;
        r->slot[i].tokens = tokens < burst ? tokens : burst;
    }
    r->slot[i].at_ms = now_ms;
    if (r->slot[i].tokens < 1)
        return false;
    r->slot[i].tokens -= 1;
    return true;
}
