// SPDX-License-Identifier: MIT
// Plans, runs, points and findings as text: JSON as openapi.json describes it, and what other tools read (JUnit XML, Markdown,
// CSV, SVG). Nothing in a name or note can break out of its place in any of them.
#ifndef SERVER_RUN_OUT_H
#define SERVER_RUN_OUT_H

#include "common/buf.h"
#include "server/app.h"
#include "server/plan.h"
#include "server/store_runs.h"

void run_out_run(struct buf *b,
                 const struct run *r); // without the closing brace: the caller may add
void run_out_point(struct buf *b, const struct point *p);
void run_out_finding(struct buf *b, const struct finding_row *f); // likewise
void run_out_finding_item(
    void *list, const struct finding_row *f); // a store_finding_cb: adds it to a struct json_list
void run_out_series(struct buf *b, const struct series *s); // likewise
void run_out_delivery(struct buf *b, const struct delivery *d);
// last: the newest finished run, NULL: none; open: the run that is going on, 0: none.
void run_out_plan(struct buf *b, const struct plan_entry *p, int64_t now_ms, const struct run *last,
                  int64_t open);

// "grid":[{model, board, counts, look}]
int run_out_grid(struct app *a, const struct run *r, struct buf *b, struct err *e);
// The message of a webhook: {"event":"run","run":..,"findings":[..],"more_findings":n,"text":markdown}
int run_out_message(struct app *a, int64_t run, struct buf *b, struct err *e);
int run_out_junit(struct app *a, const struct run *r, struct buf *b, struct err *e);
int run_out_markdown(struct app *a, const struct run *r, struct buf *b, struct err *e);
// The published figures of the run's plan with ours beside them, as a JSON array.
int run_out_published(struct app *a, const struct run *r, struct buf *b, struct err *e);
void run_out_badge(struct buf *b, const char *plan, const char *verdict); // verdict "": not run yet

void run_out_runs_csv_head(struct buf *b);
void run_out_run_csv(void *buf, const struct run *r); // a store_run_cb
void run_out_points_csv_head(struct buf *b);
void run_out_point_csv(void *buf, const struct point *p); // a store_point_cb
void run_out_findings_csv_head(struct buf *b);
void run_out_finding_csv(void *buf, const struct finding_row *f); // a store_finding_cb

// Is a finding of this kind (by name) one that makes a run red?
bool run_out_is_regression(const char *kind);

#endif
