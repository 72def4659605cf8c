// SPDX-License-Identifier: MIT
// What strangers upload: parse, import, check the graph's invariants. Small models also run, in the reference and layer
// by layer, and must agree.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/planner/graph.h"
#include "server/planner/reference.h"
#include "server/planner/tflite.h"
#include "tests/graph_run.h"

#define MAX_MACS 1000000
#define MAX_BYTES 1000000 // of all activations

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void broken(const char *what, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", what, e->msg);
    abort();
}

static size_t tensor_bytes(const struct tensor *t)
{
    return (size_t)t->h * (size_t)t->w * (size_t)t->c;
}

// Elements that a run computes, windows counted in full; 0: too many.
static bool is_small(const struct graph *g)
{
    uint64_t work = g->macs, bytes = 0;
    for (int i = 0; i < g->n_tensors; i++)
        bytes += tensor_bytes(&g->tensors[i]);
    for (int i = 0; i < g->n_layers; i++) {
        const struct layer *l = &g->layers[i];
        work += (uint64_t)l->out_h * (uint64_t)l->out_w * (uint64_t)l->out_c * (uint64_t)l->kh *
                (uint64_t)l->kw;
    }
    return work <= MAX_MACS && bytes <= MAX_BYTES;
}

static void compare(const struct tflite_model *m, const struct graph *g)
{
    const struct tensor *ti = &g->tensors[g->input], *to = &g->tensors[g->output];
    size_t n_in = tensor_bytes(ti), n_out = tensor_bytes(to), n = 0;
    struct reference *r = NULL;
    struct err e = {0};
    int8_t *in = malloc(n_in), *hwc = malloc(n_in), *want = malloc(n_out), *got = NULL;
    if (!in || !hwc || !want)
        goto out;
    uint32_t state = 0x12345678;
    for (size_t i = 0; i < n_in; i++) {
        state = state * 1664525u + 1013904223u;
        in[i] = (int8_t)(state >> 24);
    }
    memcpy(hwc, in, n_in);
    if (g->input_chw)
        graph_run_permute(ti, in, hwc, false);
    if (reference_run_core(m, in, n_in, &r, &e))
        goto out; // the file has something in front of or behind the core that only the reference minds
    const int8_t *bytes = reference_tensor(r, reference_core_output(m), &n);
    if (!bytes || n != n_out)
        broken("the reference has no output", &e);
    memcpy(want, bytes, n_out);
    if (g->output_chw)
        graph_run_permute(to, bytes, want, false);
    for (int i = 0; i < g->n_layers; i++) {
        if (g->layers[i].op == LAYER_SOFTMAX)
            goto out; // graph_run() only approximates it
    }
    got = graph_run(g, hwc, 1);
    if (got && memcmp(got, want, n_out) != 0)
        broken("the graph computes something else than the file", &e);
out:
    free(in);
    free(hwc);
    free(want);
    free(got);
    reference_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tflite_model m;
    struct graph g = {0};
    struct err e = {0};
    if (tflite_parse(&m, data, size, &e)) {
        if (e.code == ERR_NONE || e.msg[0] == 0)
            broken("refused without a reason", &e);
        return 0;
    }
    if (graph_build(&g, &m, &e)) {
        if (e.code == ERR_NONE || e.msg[0] == 0)
            broken("refused without a reason", &e);
    } else {
        if (e.code != ERR_NONE || graph_check(&g, &e))
            broken("unsound graph", &e);
        if (is_small(&g))
            compare(&m, &g);
    }
    graph_free(&g);
    tflite_free(&m);
    return 0;
}
