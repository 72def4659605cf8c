// SPDX-License-Identifier: MIT
// The life of a run, one execution of a plan. Every step is repeatable: a server that is killed in the middle of one takes it
// up again, and makes no campaign, job or message twice.
//
//   planning --> running --> (confirming) --> done            skipped: the run before was still running
//     models,      jobs        reruns of       judged,        failed: it could not be planned
//     campaigns                what looks      webhook        cancelled: by somebody
//                              slower
//
// A run consists of points: one for each model x board x configuration of the plan, there from the start, so that what was
// not run is known by name. Points of the same configuration share a job.
#ifndef SERVER_RUN_H
#define SERVER_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/app.h"
#include "server/judge.h"
#include "server/plan.h"
#include "server/queue.h"
#include "server/run_in.h"
#include "server/store_runs.h"

// The plan of a run as it was when the run was made, to be freed by plan_free(); zeroed where a run has none, as one that was
// skipped. -1: it is wrong, ERR_IO or ERR_NO_MEMORY: it could not be read.
int run_plan_of(struct store *s, int64_t run, struct plan *out, struct err *e);
// Its thresholds; the defaults where it has none.
struct detect_limits run_limits(struct store *s, int64_t run);

// Makes models, campaigns, jobs and points of a run that is planning. What cannot be imported and is optional is left out and
// named in r->detail. May take seconds. -1: e says what is wrong with the plan; ERR_IO: try again.
int run_plan(struct app *a, struct run *r, const struct plan *plan, const char *plans_dir,
             struct queue_change *ch, struct err *e);

// Makes the jobs of reruns: of each named series of the run, n more measurements.
int run_rerun(struct app *a, const struct run *r, const struct plan *plan,
              const struct judge_wish *wishes, size_t n, struct queue_change *ch, struct err *e);

// One step of a run that is not finished. *moved: its state has changed.
int run_step(struct app *a, struct run *r, const char *plans_dir, int64_t now_ms, bool *moved,
             struct queue_change *ch, struct err *e);

// Ends a run: what is queued is cancelled, what is measured is kept, nothing is judged.
int run_cancel(struct app *a, int64_t id, int64_t now_ms, struct run *out, struct queue_change *ch,
               struct problem *p);

// A finished run with its own date, measured elsewhere. It is judged as if it had run here. One transaction.
int run_import(struct app *a, const char *plan, const char *plan_text, const struct plan *how,
               const struct run_import_in *in, int64_t now_ms, struct run *out, struct problem *p);

#endif
