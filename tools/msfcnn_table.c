// SPDX-License-Identifier: MIT
// msfcnn-table CHAIN.tflite [WHOLE.tflite]: the questions of the msf-CNN paper, answered by its own
// cost model on the chain, and by the exact front on the chain and on the whole network that it was
// taken from (residuals, pooling, classifier). The table of docs/strategies.md, as Markdown.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "server/planner/graph.h"
#include "server/planner/msfcnn.h"
#include "server/planner/planner.h"
#include "server/planner/tflite.h"

#define MAX_MODEL (64u << 20)

struct network { // one file, open for both kinds of arithmetic
    struct buf file;
    struct tflite_model model;
    struct graph graph;
    struct fusion fusion;
    struct planner *planner;
    struct front front;
};

static int network_open(struct network *n, const char *path, struct err *e)
{
    buf_init(&n->file, MAX_MODEL);
    if (buf_read_file(&n->file, path))
        return err_set(e, ERR_IO, "cannot read it");
    return tflite_parse(&n->model, n->file.data, n->file.len, e) ||
                   graph_build(&n->graph, &n->model, e) || fusion_open(&n->fusion, &n->graph, e) ||
                   planner_open(n->file.data, n->file.len, &n->planner, e) ||
                   planner_front(n->planner, &n->front, e)
               ? -1
               : 0;
}

static void network_close(struct network *n)
{
    front_free(&n->front);
    planner_free(n->planner);
    fusion_close(&n->fusion);
    graph_free(&n->graph);
    tflite_free(&n->model);
    buf_free(&n->file);
}

// What the paper's path takes on the executor.
static int exact_figures(struct network *n, const struct msfcnn_path *p, uint32_t *arena,
                         double *overhead, struct err *e)
{
    uint64_t macs = 0;
    *arena = 0;
    for (int i = 0, first = 0; i < p->n_blocks; first = p->last[i++] + 1) {
        bool fused = p->last[i] > first;
        struct config_block b = {.first = first,
                                 .last = p->last[i],
                                 .axis = fused ? FUSION_COLS : FUSION_ROWS,
                                 .band_rows = fused ? 1 : 0};
        if (fusion_block_layout(&n->fusion, b.first, b.last, b.axis, b.band_rows, e))
            return -1;
        macs += n->fusion.cost.macs;
        *arena = n->fusion.cost.arena_bytes > *arena ? n->fusion.cost.arena_bytes : *arena;
    }
    *overhead = (double)macs / (double)n->graph.macs;
    return 0;
}

static void print_config(const struct config *c)
{
    if (c)
        printf(" %" PRIu32 " | %.3f |", c->arena_bytes, c->overhead);
    else
        printf(" - | - |");
}

// One row. path NULL: the paper finds no answer.
static int row(const char *question, struct msfcnn *m, const struct msfcnn_path *path,
               struct network *chain, const struct config *ours, const struct config *whole,
               bool has_whole, struct err *e)
{
    uint32_t arena = 0;
    double overhead = 0;
    printf("| %s |", question);
    if (path && exact_figures(chain, path, &arena, &overhead, e))
        return -1;
    if (path)
        printf(" %" PRIu64 " | %.3f | %" PRIu32 " | %.3f |", path->ram,
               (double)path->macs / (double)m->plain_macs, arena, overhead);
    else
        printf(" - | - | - | - |");
    print_config(ours);
    if (has_whole)
        print_config(whole);
    printf("\n");
    return 0;
}

static int table(struct network *chain, struct network *whole, struct err *e)
{
    static const double f_max[] = {1.1, 1.2, 1.3, 1.4, 1.5, INFINITY};
    static const uint32_t p_max[] = {16000, 32000, 64000, 128000, 256000};
    struct msfcnn m;
    struct msfcnn_path path = {.last = calloc((size_t)chain->graph.n_layers, sizeof *path.last)};
    char question[40];
    int rc = -1;
    if (!path.last || msfcnn_open_graph(&m, &chain->graph, e)) {
        free(path.last);
        return err_set(e, ERR_NO_MEMORY, "no memory");
    }
    printf("| | paper RAM | F | executed RAM | F | pareto RAM | F |%s\n|---|%s\n",
           whole ? " whole RAM | F |" : "",
           whole ? "---:|---:|---:|---:|---:|---:|---:|---:|" : "---:|---:|---:|---:|---:|---:|");
    for (size_t i = 0; i < sizeof f_max / sizeof *f_max; i++) {
        bool found = msfcnn_p1(&m, f_max[i], &path);
        if (isinf(f_max[i]))
            snprintf(question, sizeof question, "P1 any F");
        else
            snprintf(question, sizeof question, "P1 F <= %.1f", f_max[i]);
        if (row(question, &m, found ? &path : NULL, chain, front_least_ram(&chain->front, f_max[i]),
                whole ? front_least_ram(&whole->front, f_max[i]) : NULL, whole != NULL, e))
            goto out;
    }
    for (size_t i = 0; i < sizeof p_max / sizeof *p_max; i++) {
        bool found = msfcnn_p2(&m, p_max[i], &path);
        snprintf(question, sizeof question, "P2 %" PRIu32 " kB", p_max[i] / 1000);
        if (row(question, &m, found ? &path : NULL, chain,
                front_least_overhead(&chain->front, p_max[i] - 1),
                whole ? front_least_overhead(&whole->front, p_max[i] - 1) : NULL, whole != NULL, e))
            goto out;
    }
    if (row("heuristic", &m, msfcnn_heuristic(&m, &path) ? &path : NULL, chain, NULL, NULL,
            whole != NULL, e))
        goto out;
    rc = 0;
out:
    msfcnn_close(&m);
    free(path.last);
    return rc;
}

int main(int argc, char **argv)
{
    struct network n[2] = {0};
    struct err e = {0};
    int bad = 0;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: msfcnn-table CHAIN.tflite [WHOLE.tflite]\n");
        return 2;
    }
    for (int i = 1; i < argc && !bad; i++) {
        bad = network_open(&n[i - 1], argv[i], &e);
        if (bad)
            fprintf(stderr, "msfcnn-table: %s: %s\n", argv[i], e.msg);
    }
    if (!bad && table(&n[0], argc > 2 ? &n[1] : NULL, &e)) {
        fprintf(stderr, "msfcnn-table: %s\n", e.msg);
        bad = -1;
    }
    network_close(&n[0]);
    network_close(&n[1]);
    return bad ? 1 : 0;
}
