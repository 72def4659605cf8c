// SPDX-License-Identifier: MIT
// See events.h.
#include "server/events.h"

#include <inttypes.h>
#include <stdlib.h>

#include "server/json_out.h"

#define BATCH 32

struct watch {
    struct app *app;
    int64_t campaign;
    int64_t seen; // id of the newest event that was sent
    bool greeted;
    bool state_first;
};

static void result_text(void *cls, const struct result *r)
{
    json_out_result(cls, r);
}

void events_job_json(struct app *a, const struct job *j, struct buf *out)
{
    struct buf result;
    buf_init(&result, 256u << 10);
    if (j->state == JOB_DONE && store_result_of_job(a->store, j->id, result_text, &result, NULL))
        out->failed = true;
    json_out_job(out, j, result.len ? buf_str(&result) : NULL);
    buf_free(&result);
}

// The data of one event. The thing is read now, so it is at least as new as the event says.
static int watch_data(struct watch *w, const struct event *ev, struct buf *out, struct err *e)
{
    if (ev->kind == EVENT_JOB) {
        struct job j;
        if (store_job_get(w->app->store, ev->ref, &j, e))
            return -1;
        events_job_json(w->app, &j, out);
    } else if (ev->kind == EVENT_CAMPAIGN) {
        struct campaign c;
        if (store_campaign_get(w->app->store, ev->ref, &c, e))
            return -1;
        json_out_campaign(out, &c);
    } else {
        struct buf text;
        int64_t job = 0;
        buf_init(&text, 64u << 10);
        int bad = store_log_get(w->app->store, ev->ref, &job, &text, e);
        if (!bad) {
            buf_printf(out, "{\"job\":%" PRId64 ",\"text\":", job);
            buf_json_str(out, buf_str(&text));
            buf_puts(out, "}");
        }
        buf_free(&text);
        return bad;
    }
    return 0;
}

static int watch_event(struct watch *w, const struct event *ev, struct buf *out, struct err *e)
{
    buf_printf(out, "id: %" PRId64 "\nevent: %s\ndata: ", ev->id, event_kind_names[ev->kind]);
    int bad = watch_data(w, ev, out, e);
    buf_puts(out, "\n\n");
    w->seen = ev->id;
    return bad;
}

static int watch_next(void *cls, struct buf *out)
{
    struct watch *w = cls;
    struct event batch[BATCH];
    struct err e = {0};
    int n = 0;
    if (!w->greeted) {
        w->greeted = true;
        buf_puts(out, "retry: 2000\n\n");
        if (w->state_first) {
            struct event now = {.id = w->seen, .kind = EVENT_CAMPAIGN, .ref = w->campaign};
            return watch_event(w, &now, out, &e);
        }
    }
    if (store_event_list(w->app->store, w->campaign, w->seen, batch, BATCH, &n, &e))
        return -1;
    for (int i = 0; i < n; i++) {
        if (watch_event(w, &batch[i], out, &e))
            return -1;
    }
    return 0;
}

int events_open(struct app *a, int64_t campaign, int64_t after, struct stream *out,
                struct problem *p)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for an event stream");
    int64_t last;
    if (store_event_last(a->store, campaign, &last, &p->err)) {
        free(w);
        return -1;
    }
    // An id that was never given out is of another life of this server: begin with the present state.
    bool known = after >= 0 && after <= last;
    *w = (struct watch){
        .app = a, .campaign = campaign, .seen = known ? after : last, .state_first = !known};
    *out = (struct stream){.next = watch_next, .free = free, .cls = w, .topic = campaign};
    return 0;
}
