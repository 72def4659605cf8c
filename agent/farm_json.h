// SPDX-License-Identifier: MIT
// The JSON edge between agent and server: checked structs in, request bodies out. No I/O.
#ifndef AGENT_FARM_JSON_H
#define AGENT_FARM_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "agent/session.h"
#include "common/buf.h"
#include "common/err.h"

// A job that the server lent to a rig for deadline_s seconds; each heartbeat extends the loan.
struct farm_lease {
    int64_t job;
    int attempt; // from 1
    char lease[129];
    char rig[64];
    char board[48];
    char program_url[512];
    char program_crc32[9]; // as in the program header
    uint32_t program_bytes;
    uint64_t macs;    // multiply-accumulates of one inference: how long a board may think
    uint32_t repeats; // 1..100
    int deadline_s;   // 1..3600
};

// Readers. Fields that are not known are ignored: an older agent must work with a newer server. -1
// with ERR_BAD_JSON or ERR_BAD_FIELD naming the field.
int farm_json_read_lease(const char *text, size_t len, struct farm_lease *out, struct err *e);
int farm_json_read_heartbeat(const char *text, size_t len, int *deadline_s, struct err *e);
// The verdict on a result ("match", "mismatch", ...); "" when there is none.
void farm_json_read_verdict(const char *text, size_t len, char *out, size_t size);
// type and detail of a problem document; "" when it is not one.
void farm_json_read_problem(const char *text, size_t len, char *type, size_t type_size,
                            char *detail, size_t detail_size);

// Writers: append a request body to out (out->failed tells whether it fitted).
void farm_json_write_lease(struct buf *out, const char *agent, const char *rig, const char *board,
                           int wait_s);
void farm_json_write_heartbeat(struct buf *out, const struct farm_lease *l, const char *phase,
                               double progress, const char *log);
void farm_json_write_result(struct buf *out, const struct farm_lease *l,
                            const struct measurement *m);
// The type is one that the server knows: errors of the agent itself count as board-offline.
void farm_json_write_failure(struct buf *out, const struct farm_lease *l, const struct err *why);

void farm_json_write_offline(struct buf *out, const char *agent, const char *board,
                             const char *detail);
void farm_json_write_health(struct buf *out, const char *agent, bool ok, const char *detail);

#endif
