// SPDX-License-Identifier: MIT
// The table of everything that the server answers: method, path, who may, how much, and by which handler.
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/request.h"

struct route {
    const char *method;
    const char *path;  // "{x}" stands for one segment
    enum role role;    // the least that a token must have
    bool slow;         // plans or imports: runs on a worker thread
    size_t body_max;   // bytes; 0: no body
    const char *query; // names of the query parameters, each followed by a comma
    request_handler *handler;
};

// Finds the route and fills params. NULL with p set: ERR_NOT_FOUND, or ERR_METHOD with the methods that exist.
const struct route *route_find(const char *method, const char *path,
                               char params[REQUEST_MAX_PARAMS][80], struct problem *p);
bool route_takes_query(const struct route *r, const char *name);

#endif
