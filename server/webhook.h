// SPDX-License-Identifier: MIT
// Messages about runs to the URL that a plan names: POST of JSON, signed, tried again until it is taken.
//
//   X-Farm-Timestamp: 1767225600                                   seconds since 1970 when it was sent
//   X-Farm-Signature: sha256=<hex>                                 HMAC-SHA256 of "<timestamp>.<body>" by the secret
//   X-Farm-Delivery: 17                                            the same for each try of one message
//
// A receiver compares the signature, refuses an old timestamp, and forgets repeats of a delivery. Any 2xx ends it; else it is
// tried WEBHOOK_ATTEMPTS times, waiting 2 s, then five times as long each time, at most an hour. Redirects are not followed.
#ifndef SERVER_WEBHOOK_H
#define SERVER_WEBHOOK_H

#include <stdatomic.h>

#include "common/err.h"
#include "server/app.h"

#define WEBHOOK_ATTEMPTS 8

int webhook_init(struct err *e); // once, before there are threads
// Delivers what is due. What a receiver does wrong is written down with the message; -1: the database failed. Returns within
// about a second once *stop is set: a try that is then under way does not count, and is made again by the next server.
int webhook_deliver(struct app *a, const char *plans_dir, atomic_bool *stop, struct err *e);
// When to try again after so many attempts, from now; 0: never.
int64_t webhook_wait_ms(int attempts);

#endif
