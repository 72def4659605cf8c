// SPDX-License-Identifier: MIT
// See offline.h.
#include "cli/offline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/boards.h"
#include "cli/explain.h"
#include "cli/reply.h"
#include "server/api_front.h"

#define MAX_MODEL_BYTES (32u << 20)
#define MAX_TEXT_BYTES (256u << 20)

struct plan {
    const struct cli_args *a;
    struct planner *planner;
    struct planner_info info;
    struct boards boards;
    const struct board *board; // NULL: none named
    enum planner_strategy strategy;
    struct front front;
};

static int find_board(struct plan *p, struct err *e)
{
    if (p->a->n_boards == 0)
        return 0;
    if (p->a->n_boards > 1)
        return err_set(e, ERR_BAD_REQUEST, "--board takes one board, not %d", p->a->n_boards);
    p->board = boards_find(&p->boards, p->a->boards[0]);
    if (p->board)
        return 0;
    struct buf known;
    buf_init(&known, 4096);
    for (size_t i = 0; i < p->boards.n; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", p->boards.at[i].id);
    err_set(e, ERR_BAD_REQUEST, "--board: there is no board \"%.60s\"; there are %s",
            p->a->boards[0], buf_str(&known));
    buf_free(&known);
    return -1;
}

static int find_strategy(struct plan *p, struct err *e)
{
    struct buf known;
    p->strategy = PLANNER_PARETO;
    if (p->a->n_strategies == 0)
        return 0;
    if (p->a->n_strategies > 1)
        return err_set(e, ERR_BAD_REQUEST, "--strategy takes one strategy here, not %d",
                       p->a->n_strategies);
    int found = planner_strategy(p->a->strategies[0]);
    if (found >= 0) {
        p->strategy = (enum planner_strategy)found;
        return 0;
    }
    buf_init(&known, 4096);
    for (int i = 0; i < PLANNER_STRATEGIES; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", planner_strategy_names[i]);
    err_set(e, ERR_BAD_REQUEST, "--strategy: there is no strategy \"%.40s\"; there are %s",
            p->a->strategies[0], buf_str(&known));
    buf_free(&known);
    return -1;
}

static void plan_close(struct plan *p)
{
    front_free(&p->front);
    planner_free(p->planner);
}

static int plan_open(struct plan *p, const struct cli_args *a, struct err *e)
{
    struct buf file;
    struct err why = {0};
    int rc = -1;
    *p = (struct plan){.a = a};
    buf_init(&file, MAX_MODEL_BYTES);
    if (cli_boards(&p->boards, e) || find_board(p, e) || find_strategy(p, e))
        goto out;
    if (buf_read_file(&file, a->target)) {
        err_set(e, ERR_IO, "cannot read %s: %s", a->target, strerror(errno));
        goto out;
    }
    if (planner_open(file.data, file.len, &p->planner, &why)) {
        err_set(e, why.code, "%s: %s", a->target, why.msg);
        goto out;
    }
    planner_info(p->planner, &p->info);
    rc = 0;
out:
    buf_free(&file);
    return rc;
}

// The front, or the one configuration that --spec names.
static int plan_front(struct plan *p, struct err *e)
{
    if (!p->a->spec && p->a->by_latency) {
        if (!p->board || !p->board->has_latency)
            return err_set(e, ERR_BAD_REQUEST,
                           "--axis latency needs --board with latency coefficients");
        return planner_latency_front(p->planner, &p->board->latency, &p->front, e);
    }
    if (!p->a->spec)
        return planner_strategy_front(p->planner, p->strategy, false, &p->front, e);
    p->front.at = calloc(1, sizeof *p->front.at);
    if (!p->front.at)
        return err_set(e, ERR_NO_MEMORY, "no memory for a configuration");
    if (planner_price(p->planner, p->a->spec, p->front.at, e))
        return -1;
    p->front.n = 1;
    return 0;
}

static bool fits(const struct plan *p, const struct config *c, struct err *why)
{
    return !p->board || board_fits(p->board, c, p->info.weight_bytes, why) == 0;
}

// What the options choose: within --max-overhead the least RAM, else within --max-ram the least
// computation, else the least RAM of all.
static const struct config *plan_choice(const struct plan *p, struct err *e)
{
    const struct config *c = p->front.n ? &p->front.at[0] : NULL;
    uint32_t max_ram = p->a->max_ram > UINT32_MAX ? UINT32_MAX : (uint32_t)p->a->max_ram;
    if (p->a->max_overhead >= 0)
        c = front_least_ram(&p->front, p->a->max_overhead);
    else if (p->a->max_ram >= 0)
        c = p->a->by_latency ? front_fastest(&p->front, max_ram)
                             : front_least_overhead(&p->front, max_ram);
    if (!c)
        err_set(e, ERR_NO_FIT,
                "%s: no configuration of %s meets that; the least RAM is %" PRIu32 " bytes",
                p->a->target, planner_strategy_names[p->strategy],
                // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there are front.n of them
                p->front.n ? p->front.at[0].arena_bytes : 0);
    return c;
}

static int save_program(const struct plan *p, struct err *e)
{
    const struct config *c = plan_choice(p, e);
    struct buf program;
    int8_t *input = malloc(p->info.input.bytes);
    int rc = -1;
    buf_init(&program, 64u << 20);
    if (!c || !input)
        goto out;
    if (!p->board) {
        err_set(e, ERR_BAD_REQUEST, "--save needs --board: the program depends on its kernels");
        goto out;
    }
    planner_input(p->planner, PLANNER_INPUT_UNIFORM, PLANNER_DEFAULT_SEED, input);
    if (planner_program(p->planner, c->spec, p->board->kernels, input, &program, e) ||
        board_fits(p->board, c, program.len, e))
        goto out;
    FILE *f = fopen(p->a->save, "wb");
    if (!f || fwrite(program.data, 1, program.len, f) != program.len) {
        err_set(e, ERR_IO, "cannot write %s: %s", p->a->save, strerror(errno));
        if (f)
            fclose(f);
        goto out;
    }
    rc = fclose(f) ? err_set(e, ERR_IO, "cannot write %s: %s", p->a->save, strerror(errno)) : 0;
out:
    if (!input)
        err_set(e, ERR_NO_MEMORY, "no memory for the test input");
    free(input);
    buf_free(&program);
    return rc;
}

static void plan_json(const struct plan *p, struct buf *out)
{
    const struct planner_info *i = &p->info;
    struct model model = {.info = p->info};
    struct front_query q = {.board = p->board,
                            .has_max_ram = p->a->max_ram >= 0,
                            .has_max_overhead = p->a->max_overhead >= 0,
                            .max_ram = p->a->max_ram > UINT32_MAX ? UINT32_MAX : p->a->max_ram,
                            .max_overhead = p->a->max_overhead};
    struct front_view v = {.model = &model,
                           .front = &p->front,
                           .planner = p->planner,
                           .query = &q,
                           .by_latency = p->a->by_latency};
    buf_puts(out, "{\"model\":");
    buf_json_str(out, p->a->target);
    buf_printf(out,
               ",\"info\":{\"layers\":%d,\"macs\":\"%" PRIu64
               "\",\"weight_bytes\":%zu,\"plain_arena_bytes\":%" PRIu32
               ",\"input\":[%d,%d,%d],\"output\":[%d,%d,%d]},\"strategy\":\"%s\",",
               i->layers, i->macs, i->weight_bytes, i->plain_arena_bytes, i->input.h, i->input.w,
               i->input.c, i->output.h, i->output.w, i->output.c,
               planner_strategy_names[p->strategy]);
    front_view_write(&v, out);
    buf_puts(out, "}");
}

static void say_fits(const struct plan *p, struct buf *out)
{
    const struct board *b = p->board;
    size_t n = 0;
    struct err why = {0};
    const struct config *most = NULL;
    for (size_t i = 0; i < p->front.n; i++) {
        if (fits(p, &p->front.at[i], &why)) {
            n++;
            most = &p->front.at[i];
        }
    }
    buf_printf(out, "%s: %zu of %zu configurations fit its %" PRIu32 " bytes of RAM", b->id, n,
               p->front.n, b->arena_max_bytes);
    if (!most) {
        buf_printf(out, ": %s\n", why.msg);
        return;
    }
    double ms = board_predict_ms(b, p->planner, most->spec);
    buf_printf(out, "; the least computation of these: %" PRIu32 " bytes, F %.3f",
               most->arena_bytes, most->overhead);
    if (ms >= 0)
        buf_printf(out, ", predicted %.2f ms", ms);
    buf_puts(out, "\n");
}

int offline_plan(const struct cli_args *a, struct buf *out, struct err *e)
{
    struct plan p;
    struct buf json;
    int rc = -1;
    buf_init(&json, MAX_TEXT_BYTES);
    if (plan_open(&p, a, e) || plan_front(&p, e) || (a->save && save_program(&p, e)))
        goto out;
    plan_json(&p, a->json ? out : &json);
    if (!a->json) {
        const struct planner_info *i = &p.info;
        struct reply_front_options o = {
            .all = true, .max_overhead = a->max_overhead, .max_ram = a->max_ram};
        buf_printf(out,
                   "%s: %d layers, %" PRIu64 " MACs, %zu bytes of weights, input %dx%dx%d, output "
                   "%dx%dx%d; layer by layer it needs %" PRIu32 " bytes of RAM\n",
                   a->target, i->layers, i->macs, i->weight_bytes, i->input.h, i->input.w,
                   i->input.c, i->output.h, i->output.w, i->output.c, i->plain_arena_bytes);
        if (reply_front(buf_str(&json), NULL, &o, out, e))
            goto out;
        if (p.board)
            say_fits(&p, out);
        if (a->save)
            buf_printf(out, "written: %s, for the %s kernels of %s\n", a->save, p.board->kernels,
                       p.board->id);
    }
    rc = 0;
out:
    buf_free(&json);
    plan_close(&p);
    return rc;
}

int offline_explain(const struct cli_args *a, struct buf *out, struct err *e)
{
    struct plan p;
    struct buf timeline, layers;
    int rc = -1;
    buf_init(&timeline, MAX_TEXT_BYTES);
    buf_init(&layers, MAX_TEXT_BYTES);
    if (plan_open(&p, a, e) || plan_front(&p, e))
        goto out;
    const struct config *c = plan_choice(&p, e);
    if (!c || planner_timeline_json(p.planner, c->spec, &timeline, e))
        goto out;
    planner_layers_json(p.planner, &layers);
    if (a->json) {
        buf_add(out, timeline.data, timeline.len);
        rc = 0;
        goto out;
    }
    buf_printf(out, "%s: %s\nF %.3f, ", a->target, c->spec, c->overhead);
    rc = explain_timeline(buf_str(&timeline), buf_str(&layers), out, e);
out:
    buf_free(&timeline);
    buf_free(&layers);
    plan_close(&p);
    return rc;
}
