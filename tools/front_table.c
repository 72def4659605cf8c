// SPDX-License-Identifier: MIT
// front-table [--outside] MODEL.tflite ...: what blocks of cells and groups of channels bring: least
// RAM at F = 1, at F <= 1.1 and at any F, without them and with them; and what no schedule can beat at F = 1
// (bound.h). --outside: the model output lies outside the arena. The table of docs/fusion.md, as Markdown.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "server/planner/bound.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"
#include "server/planner/graph.h"
#include "server/planner/tflite.h"

#define MAX_MODEL (64u << 20)

// F = 1 as the table prints it.
static const double f_max[] = {1.0005, 1.1, INFINITY};

static int print_front(struct fusion *f, const struct front_rules *rules, struct err *e)
{
    struct front_paths paths;
    const double plain = (double)f->g->macs;
    if (front_search(f, rules, &paths, e))
        return -1;
    for (size_t k = 0; k < sizeof f_max / sizeof *f_max; k++) {
        size_t i = 0;
        while (i + 1 < paths.n && (double)paths.at[i].macs > f_max[k] * plain)
            i++;
        printf("%s%" PRIu32, k ? " / " : " ", paths.at[i].arena_bytes);
        if (k + 1 == sizeof f_max / sizeof *f_max)
            printf(" (%.2f) |", (double)paths.at[i].macs / plain);
    }
    front_paths_free(&paths);
    return 0;
}

static int print_bound(const struct graph *g, bool outside, struct err *e)
{
    const int64_t bytes = bound_without_recomputing(g, outside);
    if (bytes < 0)
        return err_set(e, ERR_NO_MEMORY, "no memory for the bound of %d layers", g->n_layers);
    if (bytes)
        printf(" %" PRId64 " |\n", bytes);
    else
        printf(" |\n");
    return 0;
}

static int row(const char *path, bool outside, struct err *e)
{
    struct buf file;
    struct tflite_model model = {0};
    struct graph graph = {0};
    struct fusion fusion = {0};
    struct front_rules rules = front_everything;
    const char *name = strrchr(path, '/');
    int rc = -1;
    buf_init(&file, MAX_MODEL);
    if (buf_read_file(&file, path)) {
        err_set(e, ERR_IO, "cannot read it");
        goto out;
    }
    if (tflite_parse(&model, file.data, file.len, e) || graph_build(&graph, &model, e) ||
        fusion_open(&fusion, &graph, e))
        goto out;
    fusion.output_outside = outside;
    name = name ? name + 1 : path;
    printf("| %.*s |", (int)strcspn(name, "."), name);
    rules.cells = rules.groups = false;
    if (print_front(&fusion, &rules, e))
        goto out;
    rules.cells = true;
    if (print_front(&fusion, &rules, e))
        goto out;
    if (print_front(&fusion, &front_everything, e))
        goto out;
    rc = print_bound(&graph, outside, e);
out:
    fusion_close(&fusion);
    graph_free(&graph);
    tflite_free(&model);
    buf_free(&file);
    return rc;
}

int main(int argc, char **argv)
{
    const bool outside = argc > 1 && strcmp(argv[1], "--outside") == 0;
    struct err e = {0};
    if (argc < 2 + outside) {
        fprintf(stderr, "usage: front-table [--outside] MODEL.tflite ...\n");
        return 2;
    }
    printf("| | rows, cols, patch | and cells | and groups | no less at F = 1 "
           "|\n|---|---:|---:|---:|---:|\n");
    for (int i = 1 + outside; i < argc; i++) {
        if (row(argv[i], outside, &e)) {
            fprintf(stderr, "front-table: %s: %s\n", argv[i], e.msg);
            return 1;
        }
    }
    return 0;
}
