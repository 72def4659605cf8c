// SPDX-License-Identifier: MIT
// Server-Sent Events of a campaign: `job` (a job), `campaign` (the campaign), `log` ({"job","text"}). An event's id is its
// place in the events table; a thing that changes again gets a new, higher id and its older event is dropped, so that a
// watcher who comes back with an id is sent the present state of all that changed since, once.
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include <stdint.h>

#include "server/app.h"
#include "server/request.h"
#include "server/store.h"

// Opens a stream of what is newer than event `after`. after -1: begin with the campaign as it is, then what is new.
int events_open(struct app *a, int64_t campaign, int64_t after, struct stream *out,
                struct problem *p);

// A job with its result, as GET /jobs/{id} shows it.
void events_job_json(struct app *a, const struct job *j, struct buf *out);

#endif
