// SPDX-License-Identifier: MIT
// /boards (kinds of hardware) and /rigs (boards on desks, real or virtual).
#include "server/api.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/json_out.h"
#include "server/queue.h"
#include "server/store.h"

#define MAX_RIGS 10000

enum outcome api_board_list(struct request *r, struct reply *out, struct problem *p)
{
    (void)p;
    buf_puts(&out->body, "[");
    for (size_t i = 0; i < r->app->boards.n; i++) {
        buf_puts(&out->body, i ? "," : "");
        json_out_board(&out->body, &r->app->boards.at[i]);
    }
    buf_puts(&out->body, "]");
    return OUTCOME_REPLY;
}

struct rig_list {
    struct app *app;
    struct buf *out;
    int n;
    int64_t now_ms;
    struct err *e;
};

static void rig_list_add(void *cls, const struct rig *rig)
{
    struct rig_list *l = cls;
    int64_t job = 0;
    store_job_of_rig(l->app->store, rig->agent, rig->name, &job, l->e); // the reply looks at e
    buf_puts(l->out, l->n++ ? "," : "");
    json_out_rig(l->out, rig, job, l->now_ms, QUEUE_OFFLINE_MS);
}

enum outcome api_rig_list(struct request *r, struct reply *out, struct problem *p)
{
    struct rig_list l = {.app = r->app, .out = &out->body, .now_ms = clock_now_ms(), .e = &p->err};
    buf_puts(&out->body, "[");
    store_rig_list(r->app->store, "", "", MAX_RIGS, rig_list_add, &l, &p->err);
    buf_puts(&out->body, "]");
    return OUTCOME_REPLY;
}
