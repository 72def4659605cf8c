// SPDX-License-Identifier: MIT
// The model input through a callback: a program that says its input is streamed asks for rows once, in order, at most a
// kernel height at a time, and needs them only until it asks again; every program gives the bytes it gives in place.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "server/planner/program.h"

struct camera {
    const int8_t *image;
    int8_t *lines; // all that the program may see: overwritten at every call
    size_t row, capacity;
    int height, last_y, most_rows;
    bool in_order;
};

static const int8_t *rows(void *ctx, unsigned y, unsigned n)
{
    struct camera *c = ctx;
    c->in_order = c->in_order && (int)y >= c->last_y && (int)(y + n) <= c->height;
    c->last_y = (int)y;
    c->most_rows = (int)n > c->most_rows ? (int)n : c->most_rows;
    memset(c->lines, 0x77, c->capacity);
    memcpy(c->lines, c->image + y * c->row, n * c->row);
    return c->lines;
}

struct tally {
    int streamed, cells, other, bad_bytes, bad_order;
};

static void check(struct netgen *n, struct fusion *f, const struct config_block *blocks, int count,
                  const int8_t *input, struct tally *t)
{
    const struct tensor *in = &n->tensors[n->g.input];
    struct buf program;
    struct err e = {0};
    const int8_t *out;
    buf_init(&program, PROGRAM_MAX_BYTES);
    if (program_compile(f, blocks, count, "generic", input, &program, &e) == 0) {
        const struct prog_header *h = (const struct prog_header *)(const void *)program.data;
        bool streamed = h->flags & PROG_FLAG_INPUT_STREAMED;
        struct camera c = {.image = input,
                           .row = (size_t)in->w * (size_t)in->c,
                           .height = in->h,
                           .in_order = true};
        c.capacity = c.row * (size_t)in->h;
        c.lines = malloc(c.capacity);
        int8_t *want = malloc(h->output_bytes);
        void *arena = malloc(h->arena_bytes);
        const struct exec_input camera = {rows, &c};
        exec_run(h, arena, h->arena_bytes, NULL, NULL, &out);
        memcpy(want, out, h->output_bytes);
        exec_run(h, arena, h->arena_bytes, &camera, NULL, &out);
        bool same = memcmp(want, out, h->output_bytes) == 0;
        t->streamed += streamed;
        t->other += !streamed;
        // Where several layers read the input, or columns do, the source must be addressable as a whole.
        t->bad_bytes += streamed && !same;
        t->bad_order += streamed && (!c.in_order || c.most_rows > n->layers[0].kh);
        free(arena);
        free(want);
        free(c.lines);
    }
    buf_free(&program);
}

int main(void)
{
    struct tally t = {0};
    for (uint32_t seed = 1; seed <= 400; seed++) {
        struct netgen n;
        struct fusion f;
        struct err e = {0};
        struct config_block blocks[NETGEN_MAX];
        netgen_make(&n, seed, 1 + (int)(seed % 6));
        if (fusion_open(&f, &n.g, &e))
            return 1;
        int8_t *input = malloc(fusion_tensor_bytes(&n.g, n.g.input));
        for (uint32_t i = 0; i < fusion_tensor_bytes(&n.g, n.g.input); i++)
            input[i] = (int8_t)(netgen_next(&n) >> 24);
        for (int last = 0; last < n.g.n_layers;
             last++) { // a fused head of every length, the rest plain
            int count = 0;
            blocks[count++] = (struct config_block){.first = 0, .last = last, .axis = FUSION_ROWS};
            for (int i = last + 1; i < n.g.n_layers; i++)
                blocks[count++] = (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
            check(&n, &f, blocks, count, input, &t);
            blocks[0] = (struct config_block){
                .first = 0, .last = last, .axis = FUSION_COLS, .band_rows = 1};
            if (last > 0)
                check(&n, &f, blocks, count, input, &t);
            for (int i = 0; i < n.g.n_layers; i++) { // a cell a layer, whose slices are rows
                blocks[i] = (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
                if (i <= last) {
                    blocks[i].axis = FUSION_COLS;
                    blocks[i].band_rows = 2;
                    blocks[i].cells = last + 1 - i;
                }
            }
            if (config_arena(&f, blocks, last + 1, &(uint32_t){0}, &e) == 0) {
                int streamed = t.streamed;
                check(&n, &f, blocks, n.g.n_layers, input, &t);
                t.cells += t.streamed - streamed;
            }
        }
        free(input);
        fusion_close(&f);
        netgen_free(&n);
    }
    OKF(t.streamed > 100 && t.cells > 100 && t.other > 100,
        "%d streamed programs, %d of cells, %d others", t.streamed, t.cells, t.other);
    OKF(t.bad_bytes == 0, "streamed programs give the same bytes from a line buffer (%d bad)",
        t.bad_bytes);
    OKF(t.bad_order == 0, "they ask for rows in order, a kernel height at most (%d bad)",
        t.bad_order);
    return tap_done();
}
