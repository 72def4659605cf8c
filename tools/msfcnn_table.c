// SPDX-License-Identifier: MIT
// msfcnn-table CHAIN.tflite: the questions of the msf-CNN paper, answered by its own cost model, by
// what its choices take on our executor, and by our exact front. RAM never counts the network's input
// and output, as in the paper. The table of docs/strategies.md, as Markdown.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"
#include "server/planner/graph.h"
#include "server/planner/msfcnn.h"
#include "server/planner/tflite.h"

#define MAX_MODEL (64u << 20)

struct network {
    struct buf file;
    struct tflite_model model;
    struct graph graph;
    struct fusion fusion;
    struct front_paths front;
};

static int network_open(struct network *n, const char *path, struct err *e)
{
    buf_init(&n->file, MAX_MODEL);
    if (buf_read_file(&n->file, path))
        return err_set(e, ERR_IO, "cannot read it");
    if (tflite_parse(&n->model, n->file.data, n->file.len, e) ||
        graph_build(&n->graph, &n->model, e) || fusion_open(&n->fusion, &n->graph, e))
        return -1;
    n->fusion.output_outside = true;
    return front_search(&n->fusion, &front_everything, &n->front, e);
}

static void network_close(struct network *n)
{
    front_paths_free(&n->front);
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

// Our answers: the front comes by rising RAM and falling MACs.
static const struct front_path *least_ram(const struct network *n, double f_max)
{
    for (size_t i = 0; i < n->front.n; i++) {
        if ((double)n->front.at[i].macs <= f_max * (double)n->graph.macs)
            return &n->front.at[i];
    }
    return NULL;
}

static const struct front_path *least_macs(const struct network *n, uint64_t ram)
{
    for (size_t i = n->front.n; i > 0; i--) {
        if (n->front.at[i - 1].arena_bytes < ram)
            return &n->front.at[i - 1];
    }
    return NULL;
}

// One row. path NULL: the paper finds no answer.
static int row(const char *question, const struct msfcnn *m, const struct msfcnn_path *path,
               struct network *n, const struct front_path *ours, struct err *e)
{
    uint32_t arena = 0;
    double overhead = 0;
    printf("| %s |", question);
    if (path && exact_figures(n, path, &arena, &overhead, e))
        return -1;
    if (path)
        printf(" %" PRIu64 " | %.3f | %" PRIu32 " | %.3f |", path->ram,
               (double)path->macs / (double)m->plain_macs, arena, overhead);
    else
        printf(" - | - | - | - |");
    if (ours)
        printf(" %" PRIu32 " | %.3f |\n", ours->arena_bytes,
               (double)ours->macs / (double)n->graph.macs);
    else
        printf(" - | - |\n");
    return 0;
}

static int rows(struct network *n, struct msfcnn *m, struct msfcnn_path *path, struct err *e)
{
    static const double f_max[] = {1.1, 1.2, 1.3, 1.4, 1.5, INFINITY};
    static const uint32_t p_max[] = {16000, 32000, 64000, 128000, 256000};
    char question[40];
    for (size_t i = 0; i < sizeof f_max / sizeof *f_max; i++) {
        bool found = msfcnn_p1(m, f_max[i], path);
        if (isinf(f_max[i]))
            snprintf(question, sizeof question, "P1, any F");
        else
            snprintf(question, sizeof question, "P1, F <= %.1f", f_max[i]);
        if (row(question, m, found ? path : NULL, n, least_ram(n, f_max[i]), e))
            return -1;
    }
    for (size_t i = 0; i < sizeof p_max / sizeof *p_max; i++) {
        bool found = msfcnn_p2(m, p_max[i], path);
        snprintf(question, sizeof question, "P2, %" PRIu32 " kB", p_max[i] / 1000);
        if (row(question, m, found ? path : NULL, n, least_macs(n, p_max[i]), e))
            return -1;
    }
    return row("heuristic", m, msfcnn_heuristic(m, path) ? path : NULL, n, NULL, e);
}

static int table(struct network *n, struct err *e)
{
    struct msfcnn m;
    struct msfcnn_path path = {.last = calloc((size_t)n->graph.n_layers, sizeof *path.last)};
    if (!path.last || msfcnn_open_graph(&m, &n->graph, e)) {
        free(path.last);
        return err_set(e, ERR_NO_MEMORY, "no memory");
    }
    printf("| | paper, B | F | executed, B | F | pareto, B | F |\n"
           "|---|---:|---:|---:|---:|---:|---:|\n");
    int rc = rows(n, &m, &path, e);
    msfcnn_close(&m);
    free(path.last);
    return rc;
}

int main(int argc, char **argv)
{
    struct network n = {0};
    struct err e = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: msfcnn-table CHAIN.tflite\n");
        return 2;
    }
    int bad = network_open(&n, argv[1], &e) || table(&n, &e);
    if (bad)
        fprintf(stderr, "msfcnn-table: %s: %s\n", argv[1], e.msg);
    network_close(&n);
    return bad ? 1 : 0;
}
