// SPDX-License-Identifier: MIT
// front-fastest [--outside] MODEL.tflite BOARD_ID MAX_ARENA F_MAX N: of the configurations on the front over MACs and on the
// front over the board's predicted cycles, each also with all of MAX_ARENA for larger chunks, the N that are predicted to be fastest within MAX_ARENA bytes and F_MAX. A line
// each: predicted cycles, arena, F, specification. --outside: the model output lies outside the arena. tools/bench measures
// them: a prediction ranks candidates, it is no result.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "server/board.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"
#include "server/planner/graph.h"
#include "server/planner/planner.h"
#include "server/planner/tflite.h"

#define MAX_MODEL (64u << 20)

struct pick {
    double cycles;
    struct config config;
};

struct picks {
    struct pick *at;
    size_t n;
    uint32_t max_arena;
    double f_max;
};

// Prices a path and takes it if it is within the limits.
static int take_path(struct picks *picks, const struct front_path *path,
                     const struct config_options *options, const struct planner *p,
                     const struct latency_model *m, struct err *e)
{
    struct pick *at = realloc(picks->at, (picks->n + 1) * sizeof *at);
    if (!at)
        return err_set(e, ERR_NO_MEMORY, "no memory for %zu configurations", picks->n + 1);
    picks->at = at;
    struct pick *pick = &at[picks->n];
    char spec[PLANNER_MAX_SPEC];
    if (config_format(path->blocks, path->n_blocks, options, spec, sizeof spec, e) ||
        planner_price(p, spec, &pick->config, e) ||
        planner_predict_cycles(p, pick->config.spec, m, &pick->cycles, e))
        return -1;
    picks->n +=
        pick->config.arena_bytes <= picks->max_arena && pick->config.overhead <= picks->f_max;
    return 0;
}

// Each path in its own peak, and with all of MAX_ARENA for larger chunks.
static int take(struct picks *picks, const struct front_paths *paths, bool outside,
                const struct planner *p, const struct latency_model *m, struct err *e)
{
    const uint32_t most = picks->max_arena < CONFIG_MAX_SPEND ? picks->max_arena : CONFIG_MAX_SPEND;
    for (size_t i = 0; i < paths->n; i++) {
        const struct config_options peak = {0, outside}, all = {most, outside};
        if (take_path(picks, &paths->at[i], &peak, p, m, e) ||
            take_path(picks, &paths->at[i], &all, p, m, e))
            return -1;
    }
    return 0;
}

static int by_cycles(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return (x->cycles > y->cycles) - (x->cycles < y->cycles);
}

static void print(struct picks *picks, size_t n)
{
    if (picks->n == 0)
        return;
    qsort(picks->at, picks->n, sizeof *picks->at, by_cycles);
    for (size_t i = 0, printed = 0; i < picks->n && printed < n; i++) {
        const struct config *c = &picks->at[i].config;
        if (i > 0 && strcmp(c->spec, picks->at[i - 1].config.spec) == 0)
            continue;
        printf("%.0f\t%" PRIu32 "\t%.4f\t%s\n", picks->at[i].cycles, c->arena_bytes, c->overhead,
               c->spec);
        printed++;
    }
}

static int search(const struct buf *file, const struct latency_model *m, bool outside,
                  struct picks *picks, struct err *e)
{
    struct tflite_model model = {0};
    struct graph graph = {0};
    struct fusion fusion = {0};
    struct planner *p = NULL;
    struct latency_table latency = {0};
    struct front_paths by_macs = {0}, by_latency = {0};
    int rc = -1;
    if (planner_open(file->data, file->len, &p, e) ||
        tflite_parse(&model, file->data, file->len, e) || graph_build(&graph, &model, e) ||
        fusion_open(&fusion, &graph, e) || latency_table_fill(&latency, &graph, m, e))
        goto out;
    fusion.output_outside = outside;
    if (front_search(&fusion, &front_everything, &by_macs, e))
        goto out;
    fusion.latency = &latency;
    if (front_search_latency(&fusion, &front_everything, &by_latency, e) ||
        take(picks, &by_macs, outside, p, m, e) || take(picks, &by_latency, outside, p, m, e))
        goto out;
    rc = 0;
out:
    front_paths_free(&by_macs);
    front_paths_free(&by_latency);
    fusion_close(&fusion);
    latency_table_free(&latency);
    graph_free(&graph);
    tflite_free(&model);
    planner_free(p);
    return rc;
}

int main(int argc, char **argv)
{
    static struct boards boards;
    const bool outside = argc > 1 && strcmp(argv[1], "--outside") == 0;
    struct err e = {0};
    struct buf file;
    struct picks picks = {0};
    int rc = 1;
    argv += outside;
    if (argc - outside != 6) {
        fprintf(stderr,
                "usage: front-fastest [--outside] MODEL.tflite BOARD_ID MAX_ARENA F_MAX N\n");
        return 2;
    }
    picks.max_arena = (uint32_t)strtoul(argv[3], NULL, 10);
    picks.f_max = strtod(argv[4], NULL);
    buf_init(&file, MAX_MODEL);
    if (boards_load("firmware/boards", &boards, &e))
        goto out;
    const struct board *board = boards_find(&boards, argv[2]);
    if (!board || !board->has_latency) {
        err_set(&e, ERR_NOT_FOUND, "no board %s with latency coefficients", argv[2]);
        goto out;
    }
    if (buf_read_file(&file, argv[1])) {
        err_set(&e, ERR_IO, "cannot read it");
        goto out;
    }
    if (search(&file, &board->latency, outside, &picks, &e))
        goto out;
    print(&picks, (size_t)strtoul(argv[5], NULL, 10));
    rc = 0;
out:
    if (rc)
        fprintf(stderr, "front-fastest: %s: %s\n", argv[1], e.msg);
    free(picks.at);
    buf_free(&file);
    return rc;
}
