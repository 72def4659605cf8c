// SPDX-License-Identifier: MIT
// The planner at work for the server: imports uploads, keeps recently used models open, keeps fronts in the database,
// turns a campaign's wish into jobs with programs. These calls may take seconds: they belong on a worker thread.
#ifndef SERVER_PLANNING_H
#define SERVER_PLANNING_H

#include <stdbool.h>

#include "server/app.h"
#include "server/json_in.h"
#include "server/problem.h"
#include "server/queue.h"
#include "server/store.h"

struct planning;

int planning_open(struct planning **out, struct err *e);
void planning_close(struct planning *pl); // accepts NULL; no model may be in use

// Imports and stores a model. *known: it was there already, under the name that it got first.
int planning_import(struct app *a, const void *bytes, size_t n, const char *name, struct model *out,
                    bool *known, struct problem *p);

// An open model, for this thread alone until it is released. NULL with p set when there is no such model.
const struct planner *planning_acquire(struct app *a, const char *model, struct problem *p);
void planning_release(struct app *a, const struct planner *planner); // accepts NULL

// What a strategy offers; pareto's front comes from the database when this build of the server has computed it before.
// The caller frees it (front_free).
int planning_front(struct app *a, const char *model, enum planner_strategy strategy,
                   struct front *out, struct problem *p);
// The front over RAM and a board's predicted latency, computed anew only where it is none of the last few that were asked for.
// The board has latency coefficients.
int planning_latency_front(struct app *a, const char *model, const struct board *board,
                           struct front *out, struct problem *p);

// Creates a campaign with all its jobs and their programs. *known: the Idempotency-Key had been used for the same request.
int planning_campaign(struct app *a, const struct campaign_in *in, const char *idempotency_key,
                      const char *request_sha256, struct campaign *out, bool *known,
                      struct queue_change *ch, struct problem *p);

#endif
