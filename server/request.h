// SPDX-License-Identifier: MIT
// A request and its reply as the handlers see them: plain data, nothing of the HTTP library.
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "server/planner/planner.h"
#include "server/problem.h"

struct app;

enum role { ROLE_NONE, ROLE_READ, ROLE_SUBMIT, ROLE_AGENT, ROLE_ADMIN };

#define REQUEST_MAX_PARAMS 2
#define REQUEST_MAX_QUERY 6

struct request {
    struct app *app;
    const char *method;                  // "GET", "POST", "DELETE" (HEAD arrives as GET)
    char path[512];                      // decoded
    char params[REQUEST_MAX_PARAMS][80]; // what stood at "{...}" of the route, in order
    int n_query;
    struct {
        char name[32];
        char value[PLANNER_MAX_SPEC];
    } query[REQUEST_MAX_QUERY];
    struct buf body;
    char idempotency_key[128]; // "" = none
    int64_t last_event_id;     // Last-Event-ID; -1 = none
    enum role role;
    int64_t started_ms; // monotonic
    bool last_call; // a parked request whose time is up, or the server is going down: answer now
    bool (*peer_gone)(const struct request *r); // has the client hung up? Costs a system call
};

// A source of Server-Sent Events. next() appends what is new (perhaps nothing) to out; -1 ends the stream.
struct stream {
    int (*next)(void *cls, struct buf *out);
    void (*free)(void *cls);
    void *cls;
    int64_t topic; // the campaign whose changes wake the stream
};

enum outcome {
    OUTCOME_REPLY, // the reply is complete
    OUTCOME_PARK, // call the handler again when one of reply->wake_boards has work, or at reply->park_until_ms
};

struct reply {
    int status;       // default 200
    const char *type; // content type; default application/json
    struct buf body;
    char location[256];      // "" = none
    const char *policy;      // Content-Security-Policy; default: nothing
    const char *cache;       // Cache-Control; default "no-cache"
    char etag[80];           // with quotes; "" = the hash of the body for 200 replies to GET
    const char *disposition; // Content-Disposition, NULL = none
    struct stream stream;    // next set: the body is this stream
    uint64_t wake_boards;
    int64_t park_until_ms; // monotonic
};

typedef enum outcome request_handler(struct request *r, struct reply *out,
                                     struct problem *p); // p set: the reply is that

// Value of a query parameter, NULL when it is not given.
const char *request_query(const struct request *r, const char *name);
// Numbers out of the query; the default when not given; -1 with p set when wrong.
int request_query_integer(const struct request *r, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *out, struct problem *p);
int request_query_number(const struct request *r, const char *name, double min, double max,
                         double fallback, double *out, struct problem *p);
// An id out of the path; ERR_NOT_FOUND when it is not a positive number.
int request_param_id(const struct request *r, int i, int64_t *out, struct problem *p);

#endif
