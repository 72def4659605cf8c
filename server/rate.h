// SPDX-License-Identifier: MIT
// Requests per second and client address: a token bucket each, in a table of fixed size (two addresses that share a slot
// share a bucket). Not thread-safe: the HTTP thread owns it.
#ifndef SERVER_RATE_H
#define SERVER_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_SLOTS 4096

struct rate {
    int per_second; // 0: no limit
    struct {
        uint64_t owner;
        int64_t at_ms;
        double tokens;
    } slot[RATE_SLOTS];
};

// May the address (bytes as in the socket address) send a request now? An IPv6 client is its /64.
bool rate_allow(struct rate *r, const void *address, size_t bytes, int64_t now_ms);

#endif
