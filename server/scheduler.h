// SPDX-License-Identifier: MIT
// Runs the plans: a thread that watches the folder of the plans, starts a run at each slot of a plan's cron expression, moves
// runs on, and a second one that delivers webhook messages.
//
// A slot is dealt with once: it is noted in the database in the transaction that makes its run (UNIQUE(plan, slot)). Slots that
// passed while no server ran are missed; the newest of them is run, once, when the server is back. A plan that is seen for the
// first time, or with another expression or time zone, starts with its next slot. A slot whose plan is still running from the
// one before is skipped, which is a run of its own in the list. Where the clock goes back, slots that have had a run are left out,
// and the others go on.
#ifndef SERVER_SCHEDULER_H
#define SERVER_SCHEDULER_H

#include <stdint.h>

#include "server/app.h"
#include "server/plan.h"
#include "server/run_in.h"
#include "server/store_runs.h"

struct scheduler;

// Reads the plans of a->options.plans (NULL: there are none). The app must outlive it. The threads wake agents by HTTP, and
// HTTP handlers look at the plans: open before http_start(), start after it, stop before http_stop(), close after that.
int scheduler_open(struct app *a, struct scheduler **out, struct err *e);
int scheduler_start(struct scheduler *s, struct err *e);
void scheduler_stop(struct scheduler *s);  // accepts NULL
void scheduler_close(struct scheduler *s); // accepts NULL

// The time that plans go by: the wall clock, or, for tests, what stands in the file of --clock.
int64_t scheduler_now_ms(const struct app *a);

// The plans, held for the caller until scheduler_unlock().
const struct plans *scheduler_lock(struct scheduler *s);
void scheduler_unlock(struct scheduler *s);
int64_t scheduler_next_slot(const struct plan_entry *entry, int64_t now_ms); // 0: none

// Runs a plan now. ERR_CONFLICT: it is running already. ERR_NOT_FOUND, ERR_BAD_FIELD: there is no such plan, it is wrong.
int scheduler_run_now(struct app *a, const char *plan, const struct run_request_in *in,
                      struct run *out, struct problem *p);
// Records a finished run of a plan, see run_import().
int scheduler_import(struct app *a, const char *plan, const struct run_import_in *in,
                     struct run *out, struct problem *p);

#endif
