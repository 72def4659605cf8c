// SPDX-License-Identifier: MIT
// The command line of farm-server.
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct options {
    char host[64]; // address literal
    int port;      // 0: any free one
    const char *data, *boards, *web, *tokens,
        *plans;        // folders and file; web, tokens, plans NULL: none
    const char *clock; // for tests: a file with the time that plans go by; NULL: the wall clock
    int lease_s;       // how long a lease lives without a heartbeat
    int attempts;      // leases of a job before the rigs' failures are final
    int quarantine_s; // first quarantine of a rig; doubles with each further failure, up to an hour
    int rate;         // requests per second and address, in bursts of twice that; 0: no limit
    int connections;  // at once
    int per_ip;       // connections of one address at once
    bool help;
};

extern const char *const options_usage;

// Parses argv; the strings are borrowed. -1: e says what is wrong. Loopback is checked here: another address needs tokens.
int options_parse(int argc, char **argv, struct options *o, struct err *e);
bool options_loopback(const char *host);

#endif
