// SPDX-License-Identifier: MIT
// plan-bench [MODEL.tflite ...]: how long the whole exact front takes, with the msf-CNN paper's
// schedules (plain and cols1) and with all, how many steps of work (counted, the same everywhere), and
// how much memory; of each model, then of synthetic
// chains of 50 to 400 layers. Each search is a process of its own: its CPU time is the least of
// three, its memory the process's peak.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "server/planner/front.h"
#include "server/planner/graph.h"
#include "server/planner/tflite.h"

#define MAX_MODEL (64u << 20)
#define RUNS 3

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

struct figures { // what a child tells over a pipe
    double ms;
    size_t points;
    uint64_t steps; // of one search, as PLANNER_MAX_WORK limits them
};

static int search(const struct graph *g, const struct front_rules *rules, struct figures *out)
{
    struct fusion f;
    struct front_paths paths;
    struct err e = {0};
    *out = (struct figures){.ms = 1e300};
    if (fusion_open(&f, g, &e))
        return -1;
    int runs = RUNS, bad = 0;
    for (int i = 0; i < runs && !bad; i++) {
        f.work = 0;
        double start = cpu_ms();
        bad = front_search(&f, rules, &paths, &e);
        double ms = cpu_ms() - start;
        out->ms = ms < out->ms ? ms : out->ms;
        out->points = paths.n;
        out->steps = f.work;
        front_paths_free(&paths);
        if (ms > 3000)
            break; // long enough to be steady
    }
    fusion_close(&f);
    return bad;
}

// Prints "ms, millions of steps, points, MB" of one search, done in a child.
static int measure(const struct graph *g, const struct front_rules *rules)
{
    int ends[2], status = 0;
    struct figures figures = {0};
    struct rusage usage = {0};
    fflush(stdout);
    if (pipe(ends))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        int bad = search(g, rules, &figures);
        bad = bad || write(ends[1], &figures, sizeof figures) != (ssize_t)sizeof figures;
        _exit(bad ? 1 : 0);
    }
    close(ends[1]);
    bool told = child > 0 && read(ends[0], &figures, sizeof figures) == (ssize_t)sizeof figures;
    close(ends[0]);
    if (child < 0 || wait4(child, &status, 0, &usage) < 0 || status != 0 || !told)
        return -1;
    printf(" %10.1f %8.1f %6zu %6.1f", figures.ms, (double)figures.steps / 1e6, figures.points,
           (double)usage.ru_maxrss / 1000);
    return 0;
}

static int line(const char *name, const struct graph *g)
{
    static const struct front_rules paper = {.cols = 1};
    printf("%-28.28s %6d", name, g->n_layers);
    int bad = measure(g, &paper) || measure(g, &front_everything);
    printf("\n");
    return bad;
}

static int model_line(const char *path)
{
    struct buf file;
    struct tflite_model t = {0};
    struct graph g = {0};
    struct err e = {0};
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    buf_init(&file, MAX_MODEL);
    int bad = buf_read_file(&file, path) || tflite_parse(&t, file.data, file.len, &e) ||
              graph_build(&g, &t, &e) || line(name, &g);
    if (bad)
        fprintf(stderr, "plan-bench: %s: %s\n", path,
                e.code ? e.msg : "cannot be read or searched");
    graph_free(&g);
    tflite_free(&t);
    buf_free(&file);
    return bad;
}

// ---- synthetic chains ----

static void add_layer(struct graph *g, struct layer l)
{
    const struct tensor *in = &g->tensors[g->n_tensors - 1];
    l.in[0] = g->n_tensors - 1;
    l.in[1] = -1;
    l.out = g->n_tensors;
    l.in_h = in->h;
    l.in_w = in->w;
    l.in_c = in->c;
    l.sw = l.sh;
    l.kw = l.kh;
    l.pad_top = l.pad_left = l.kh / 2;
    l.out_h = l.out_w = (in->h + 2 * l.pad_top - l.kh) / l.sh + 1;
    l.mult_c = 1;
    g->tensors[l.out] =
        (struct tensor){.h = l.out_h, .w = l.out_w, .c = l.out_c, .producer = g->n_layers};
    g->layers[g->n_layers++] = l;
    g->n_tensors++;
    g->macs += layer_macs_per_pixel(&l) * (uint64_t)l.out_h * (uint64_t)l.out_w;
}

// 128x128x3 through inverted bottlenecks; a stride of 2 in the stem and after each quarter.
static int chain_line(int n)
{
    struct graph g = {.layers = calloc((size_t)n, sizeof *g.layers),
                      .tensors = calloc((size_t)n + 1, sizeof *g.tensors)};
    char name[40];
    int bad = -1, width = 8;
    if (!g.layers || !g.tensors)
        goto out;
    g.tensors[0] = (struct tensor){.h = 128, .w = 128, .c = 3, .producer = -1};
    g.n_tensors = 1;
    add_layer(&g, (struct layer){.op = LAYER_CONV, .kh = 3, .sh = 2, .out_c = width});
    for (int i = 1; i < n; i++) {
        bool shrink = i % 3 == 2 && i / 3 % (n / 12) == n / 12 - 1;
        width = shrink && width < 64 ? 2 * width : width;
        if (i % 3 == 1)
            add_layer(&g, (struct layer){.op = LAYER_CONV, .kh = 1, .sh = 1, .out_c = 6 * width});
        else if (i % 3 == 2)
            add_layer(&g, (struct layer){.op = LAYER_DWCONV,
                                         .kh = 3,
                                         .sh = shrink ? 2 : 1,
                                         .out_c = g.tensors[g.n_tensors - 1].c});
        else
            add_layer(&g, (struct layer){.op = LAYER_CONV, .kh = 1, .sh = 1, .out_c = width});
    }
    g.output = g.n_tensors - 1;
    snprintf(name, sizeof name, "chain of %d", n);
    bad = line(name, &g);
out:
    free(g.layers);
    free(g.tensors);
    return bad;
}

int main(int argc, char **argv)
{
    static const int lengths[] = {50, 100, 200, 400};
    int bad = 0;
    printf("%-28s %6s %10s %8s %6s %6s %10s %8s %6s %6s\n", "", "layers", "paper's/ms", "M steps",
           "points", "MB", "all/ms", "M steps", "points", "MB");
    for (int i = 1; i < argc; i++)
        bad |= model_line(argv[i]);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths && !bad; i++)
        bad |= chain_line(lengths[i]);
    return bad ? 1 : 0;
}
