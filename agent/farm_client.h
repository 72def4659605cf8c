// SPDX-License-Identifier: MIT
// The agent's calls to farm-server, by libcurl. One client belongs to one thread. Bodies are
// farm_json's.
#ifndef AGENT_FARM_CLIENT_H
#define AGENT_FARM_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "agent/farm_json.h"
#include "common/buf.h"
#include "common/err.h"

struct farm_client;

enum farm_answer {
    FARM_OK,
    FARM_NONE,    // no job (lease only)
    FARM_STALE,   // 409: the lease lapsed, the job belongs to someone else now
    FARM_REFUSED, // another 4xx: repeating the request cannot help
    FARM_RETRY,   // nobody answered, 5xx or 429: try later
};

// server: "http://127.0.0.1:8080". token: NULL when the server needs none. stop: when it becomes
// true, calls end early with FARM_RETRY. Both texts are copied, stop is borrowed.
struct farm_client *farm_client_new(const char *server, const char *token, const atomic_bool *stop,
                                    struct err *e);
void farm_client_free(struct farm_client *c); // accepts NULL

// Asks for a job for one rig; the server holds the request for up to wait_s seconds.
enum farm_answer farm_client_lease(struct farm_client *c, const char *agent, const char *rig,
                                   const char *board, int wait_s, struct farm_lease *out,
                                   struct err *e);
// Fetches the program of a lease, at most lease->program_bytes bytes.
enum farm_answer farm_client_program(struct farm_client *c, const struct farm_lease *l,
                                     struct buf *out, struct err *e);
enum farm_answer farm_client_heartbeat(struct farm_client *c, const struct farm_lease *l,
                                       const char *phase, double progress, const char *log,
                                       int *deadline_s, struct err *e);
enum farm_answer farm_client_result(struct farm_client *c, const struct farm_lease *l,
                                    const struct measurement *m, char *verdict, size_t verdict_size,
                                    struct err *e);
enum farm_answer farm_client_failure(struct farm_client *c, const struct farm_lease *l,
                                     const struct err *why, struct err *e);

// Tells the server that a rig's board is not there, and why.
enum farm_answer farm_client_offline(struct farm_client *c, const char *agent, const char *rig,
                                     const char *board, const char *why, struct err *e);

// Tells the server how a quarantined rig's health check went; a passing one ends the server's quarantine too.
enum farm_answer farm_client_health(struct farm_client *c, const char *agent, const char *rig,
                                    bool ok, const char *detail, struct err *e);

// From now on calls ignore *stop, but take 2 seconds at most: the farewell of an agent that is told
// to end.
void farm_client_set_farewell(struct farm_client *c);

#endif
