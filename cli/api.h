// SPDX-License-Identifier: MIT
// HTTP calls of the command line client to farm-server, by libcurl. Knows URLs, tokens and problem
// documents; the meaning of replies is reply.h's.
#ifndef CLI_API_H
#define CLI_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct api;

// What the server said when it refused (RFC 9457); empty texts where it said nothing.
#define API_MAX_SPEC 8192 // text of a configuration

struct api_problem {
    int status;        // HTTP status; 0: there was no answer at all
    char type[64];     // "bad-model"
    char title[160];   // "The file is not a usable model"
    char detail[1024]; // names the thing and the place
    char field[128];   // of the request body, when one is to blame
    // of does-not-fit; "" where it is none, or where nothing fits:
    char nearest[API_MAX_SPEC]; // the configuration to ask for instead
    double nearest_arena_bytes, nearest_overhead;
};

struct api_request {
    const char *method;       // "GET", "POST", "DELETE"
    const char *path;         // "/api/v1/models?limit=10"
    const char *content_type; // of body; NULL when there is none
    const void *body;         // borrowed
    size_t body_bytes;
    const char *idempotency_key; // NULL: none
};

// server: "http://127.0.0.1:8080"; token may be NULL. -1: ERR_BAD_REQUEST or ERR_NO_MEMORY.
int api_open(struct api **out, const char *server, const char *token, struct err *e);
void api_close(struct api *a); // accepts NULL

// One call; body receives the reply (it is reset first). 0 for a 2xx answer. -1: ERR_OFFLINE when
// nobody answered, or only a proxy (502, 503, 504), else the error of the problem document; api_problem() then tells more. Waits at
// most 10 s for a connection and 120 s in all.
int api_call(struct api *a, const struct api_request *rq, struct buf *body, struct err *e);
const struct api_problem *api_problem(const struct api *a);

// Patience with a server that is away for a while, being started again or behind a proxy that says so: for commands that wait for
// what goes on without them. Zeroed: none.
struct api_patience {
    long limit_s; // how long it may be away, from the first call that gets no answer
    bool away;
    int64_t since_ms;
};
// It has answered. A person is told on stderr when it had been away.
void api_heard(struct api_patience *w);
// It has not, and this is why. True: worth asking again in a moment; a person is told the first time. False: that is no server
// that is away, or it has been away for too long.
bool api_may_return(struct api_patience *w, const struct err *why);

// What a user can do about a problem type; NULL when nothing better than its detail is known.
const char *api_advice(const char *type);

// Percent-encodes text for a query or path. Adds to out.
void api_escape(struct buf *out, const char *text);

#endif
