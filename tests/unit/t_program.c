// SPDX-License-Identifier: MIT
// Limits of a program: more stages, each counted once a band, than a step can name are refused with their number; as many as
// it can run, with the right bytes in the last band.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "server/planner/program.h"

#define LAYERS 3
#define MOST_STAGES 65536

// Layers of one channel and one column, 3x3, as high as the input.
static void make_tower(struct netgen *n, int height)
{
    netgen_begin(n, 1);
    n->tensors[0] = (struct tensor){height, 1, 1, 0, 0.1f, -1, 0};
    n->g.n_tensors = 1;
    for (int i = 0; i < LAYERS; i++) {
        const struct layer l = {.op = LAYER_DWCONV,
                                .kh = 3,
                                .kw = 1,
                                .pad_top = 1,
                                .out_h = height,
                                .out_w = 1,
                                .out_c = 1};
        netgen_layer(n, l, i, i)->in[1] = -1;
    }
    n->g.output = netgen_top(n);
}

// The tower's layers as one block of bands of one row. -1 and *e, or the program's output.
static int run(struct netgen *n, const char *spec, int8_t *out, struct err *e)
{
    struct config_block blocks[LAYERS];
    struct fusion f;
    struct buf program;
    const size_t bytes = (size_t)n->tensors[0].h;
    int8_t *input = malloc(bytes);
    int rc = -1, count = 0;
    buf_init(&program, PROGRAM_MAX_BYTES);
    for (size_t i = 0; input && i < bytes; i++)
        input[i] = (int8_t)(i * i >> 3);
    if (input && fusion_open(&f, &n->g, e) == 0) {
        if (config_parse(spec, LAYERS, blocks, &count, e) == 0 &&
            program_compile(&f, blocks, count, "generic", input, &program, e) == 0) {
            void *arena = malloc(exec_arena_bytes(program.data));
            const int8_t *at;
            rc = arena && exec_check(program.data, program.len) == 0 &&
                         exec_run(program.data, arena, exec_arena_bytes(program.data), NULL, NULL,
                                  &at) == 0
                     ? 0
                     : -1;
            if (rc == 0)
                memcpy(out, at, bytes);
            free(arena);
        }
        fusion_close(&f);
    }
    free(input);
    buf_free(&program);
    return rc;
}

int main(void)
{
    const int fits = MOST_STAGES / LAYERS;
    struct netgen n;
    struct err e = {0};
    int8_t *plain = malloc((size_t)fits + 1), *bands = malloc((size_t)fits + 1);
    if (!OK(plain && bands))
        return 1;
    make_tower(&n, fits);
    EQ_INT(run(&n, "0-2:plain", plain, &e), 0);
    OKF(run(&n, "0-2:cols1", bands, &e) == 0, "%d bands of %d stages: %s", fits, LAYERS,
        e.msg[0] ? e.msg : "a program");
    OK(memcmp(plain, bands, (size_t)fits) == 0);
    netgen_free(&n);
    make_tower(&n, fits + 1);
    EQ_INT(run(&n, "0-2:cols1", bands, &e), -1);
    EQ_INT(e.code, ERR_TOO_LARGE);
    EQ_STR(e.msg, "the program has more than 65536 stages, which count once a band");
    EQ_INT(run(&n, "0-2:plain", bands, &e), 0);
    netgen_free(&n);
    free(plain);
    free(bands);
    return tap_done();
}
