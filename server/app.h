// SPDX-License-Identifier: MIT
// What one running server consists of; handlers reach everything through it.
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/board.h"
#include "server/options.h"
#include "server/token.h"

struct store;
struct http;
struct planning;
struct scheduler;

struct app {
    struct options options;
    struct boards boards;
    struct tokens tokens; // n 0: no tokens, everyone who can connect is admin
    struct store *store;
    struct planning *planning;
    struct scheduler *scheduler;
    struct http *http;
    int64_t started_ms;           // wall clock
    struct {                      // since start, for /metrics
        atomic_llong requests[6]; // by first digit of the status
        atomic_llong leases, lapsed, results_match, results_mismatch, infra_failures,
            model_failures;
    } count;
};

#endif
