// SPDX-License-Identifier: MIT
// The HTTP edge (libmicrohttpd): one thread with epoll serves all connections. Requests that plan or import run on worker
// threads, requests that wait (leases, event streams) are suspended; neither keeps a connection's thread, there is none.
//
// Also here, because it concerns every request: limits (body, header, connections, rate, time), Host and Origin checks,
// tokens, ETags, problem+json, security headers.
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdint.h>

#include "server/app.h"
#include "server/queue.h"

struct http;

// Listens on a->options.host and port. The app must outlive it.
int http_start(struct app *a, struct http **out, struct err *e);
int http_port(const struct http *h);
// Tells those who wait: agents whose boards have work, watchers of the campaigns.
void http_wake(struct http *h, const struct queue_change *ch);
// To be called a few times a second: ends waits that have lasted long enough, and connections that dawdle.
void http_tick(struct http *h);
// Stops listening, lets running requests end (3 s), closes the rest. Accepts NULL.
void http_stop(struct http *h);

#endif
