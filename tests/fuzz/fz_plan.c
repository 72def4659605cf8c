// SPDX-License-Identifier: MIT
// Plans, imported runs and triage from a stranger. Byte 0 chooses which, the rest is the JSON. What is accepted must keep the
// promises of plan.h and run_in.h; what is refused must say why.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/plan.h"
#include "server/run_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void promise_config(const struct plan_config *c)
{
    promise(c->key[0] != '\0' && (c->pick == PLAN_PICK_SPEC) == (c->spec != NULL));
    promise(c->pick != PLAN_PICK_POINTS || (c->points >= 2 && c->points <= JSON_IN_MAX_SPECS));
    promise(c->pick != PLAN_PICK_MAX_OVERHEAD || c->limit >= 1);
}

static int fuzz_plan(const char *text, size_t n, struct problem *p)
{
    static struct plan plan; // large for a stack
    struct run_request_in want = {.n_boards = 1};
    struct problem none = {0};
    struct buf part;
    int total = 0;
    if (plan_parse(text, n, NULL, &plan, p))
        return -1;
    promise(plan.title[0] && plan.n_models >= 1 && plan.n_boards >= 1 && plan.n_configs >= 1);
    promise((plan.cron[0] != '\0') == (plan.timezone[0] != '\0'));
    promise(plan.repeats >= 1 && plan.max_jobs >= 1 && plan.max_minutes >= 1);
    promise(plan.webhook.url[0] == '\0' || plan.webhook.secret_file[0] != '\0');
    promise(plan.thresholds.window_nights >= 1 &&
            plan.thresholds.window_nights <= DETECT_WINDOW_MAX);
    for (int i = 0; i < plan.n_boards; i++)
        promise(json_in_id_valid(plan.boards[i]));
    for (int i = 0; i < plan.n_configs; i++) {
        promise_config(&plan.configs[i]);
        total += plan.configs[i].pick == PLAN_PICK_POINTS ? plan.configs[i].points : 1;
    }
    promise(total <= JSON_IN_MAX_SPECS);
    // A part of it is a plan again.
    buf_init(&part, PLAN_MAX_BYTES);
    memcpy(want.boards[0], plan.boards[0], sizeof want.boards[0]);
    plan_free(&plan);
    if (plan_restrict(text, n, &want, &part, &none) == 0 && !part.failed) {
        promise(plan_parse(buf_str(&part), part.len, NULL, &plan, &none) == 0);
        promise(plan.n_boards == 1);
        plan_free(&plan);
    }
    buf_free(&part);
    return 0;
}

static int fuzz_import(const char *text, size_t n, struct problem *p)
{
    struct run_import_in in;
    if (json_in_run_import(text, n, &in, p))
        return -1;
    promise(in.slot_ms > 0 && in.n_points >= 1 && in.n_points <= RUN_IN_MAX_POINTS);
    for (int i = 0; i < in.n_points; i++) {
        const struct run_import_point *q = &in.points[i];
        promise(strlen(q->model) == 64 && q->model_name[0] && q->config[0] &&
                json_in_id_valid(q->board));
        promise(q->point.state != ROW_OPEN && q->n_reruns >= 0 && q->n_reruns <= DETECT_RERUNS_MAX);
        promise(q->point.state != ROW_DONE ||
                (q->point.cycles_min <= q->point.cycles_median &&
                 q->point.cycles_median <= q->point.cycles_max && q->point.cycles_median >= 1 &&
                 q->point.arena_bytes >= 0 && q->point.clock_hz >= 1 && q->point.firmware[0]));
        promise((q->point.state == ROW_FAILED) == (q->point.class[0] != '\0'));
    }
    run_import_in_free(&in);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problem p = {0};
    struct run_request_in request;
    struct triage_in triage;
    struct baseline_in baseline;
    int bad = 0;
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t n = size - 1;
    switch (data[0] % 5) {
    case 0:
        bad = fuzz_plan(text, n, &p);
        break;
    case 1:
        bad = fuzz_import(text, n, &p);
        break;
    case 2:
        bad = json_in_run_request(text, n, &request, &p);
        break;
    case 3:
        bad = json_in_triage(text, n, &triage, &p);
        promise(bad || triage.action < TRIAGE_ACTIONS);
        break;
    default:
        bad = json_in_baseline(text, n, &baseline, &p);
        promise(bad || baseline.run >= 1);
        break;
    }
    promise((bad != 0) == (p.err.code != ERR_NONE));
    promise(!bad || p.err.msg[0] != '\0');
    return 0;
}
