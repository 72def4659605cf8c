// SPDX-License-Identifier: MIT
// Blocks of cells: how they run along rows and when windows are moved. On random small networks: in any
// limit every cell has the largest chunk with which its own calls stay within it, found here by pricing
// the whole block with that cell alone changed.
#include "tests/tap.h"
#include "tests/unit/netcut.h"
#include "tests/unit/netgen.h"

#include "server/planner/cells.h"
#include "server/planner/fusion.h"

struct tried {
    struct cells cells;
    struct cell cell[NETGEN_MAX];
    struct cell_facts *facts[NETGEN_MAX][FUSION_CHUNK_SIZES];
    int n;
};

static int blocks_seen, chunks_differ; // blocks; those whose cells had chunks of several sizes

static void look(struct tried *t, struct fusion *f, const struct config_block *b)
{
    t->n = b->cells;
    for (int i = 0; i < t->n; i++) {
        t->cell[i] = config_cell(&b[i]);
        for (int k = 0; k < FUSION_CHUNK_SIZES; k++)
            t->facts[i][k] = cell_facts(f, &t->cell[i], fusion_chunk_sizes[k]);
    }
}

static void forget(struct tried *t)
{
    for (int i = 0; i < t->n; i++) {
        for (int k = 0; k < FUSION_CHUNK_SIZES; k++)
            free(t->facts[i][k]);
    }
}

// Prices the block with chunk size sizes[i] of each cell.
static uint32_t price(struct tried *t, const int *sizes)
{
    const struct cell_facts *facts[NETGEN_MAX];
    for (int i = 0; i < t->n; i++)
        facts[i] = t->facts[i][sizes[i]];
    const char *why = cells_price(&t->cells, facts, t->n);
    if (why)
        printf("# %s\n", why);
    return t->cells.arena_bytes;
}

static bool check_limit(struct tried *t, uint32_t limit)
{
    int sizes[NETGEN_MAX] = {0}, chosen[NETGEN_MAX] = {0};
    struct err e = {0};
    bool ok = true, differ = false;
    for (int i = 0; i < t->n; i++) {
        for (int k = 1; k < FUSION_CHUNK_SIZES; k++) {
            sizes[i] = k;
            chosen[i] = price(t, sizes) <= limit ? k : chosen[i];
        }
        sizes[i] = 0;
        differ |= chosen[i] != chosen[0];
    }
    uint32_t arena = price(t, chosen);
    uint64_t calls = t->cells.calls_made, macs = t->cells.macs;
    if (cells_fill(&t->cells, t->cell, t->n, limit, &e))
        return false;
    for (int i = 0; i < t->n; i++)
        ok &= t->cells.chunk[i] == fusion_chunk_sizes[chosen[i]];
    const struct fusion_cost *cost = &t->cells.f->cost;
    ok &= cost->arena_bytes == arena && cost->calls == calls && cost->macs == macs;
    if (!ok)
        printf("# limit %u: arena %u, %llu calls; expected %u, %llu\n", limit, cost->arena_bytes,
               (unsigned long long)cost->calls, arena, (unsigned long long)calls);
    chunks_differ += differ;
    return ok;
}

// The block may need more than the limit only where single pixels do.
static bool check_block(struct netgen *n, struct fusion *f, const struct config_block *b)
{
    struct tried t = {0};
    struct err e = {0};
    const int single[NETGEN_MAX] = {0};
    if (cells_open(&t.cells, f, &e))
        return false;
    look(&t, f, b);
    uint32_t least = price(&t, single);
    bool ok = check_limit(&t, 0) && check_limit(&t, least) && check_limit(&t, UINT32_MAX);
    for (int i = 0; i < 4 && ok; i++)
        ok = check_limit(&t, least + (uint32_t)netgen_pick(n, 1, 300));
    forget(&t);
    cells_close(&t.cells);
    blocks_seen++;
    return ok;
}

static bool check_network(uint32_t seed)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    bool ok = true;
    netgen_make(&n, seed, 10);
    if (fusion_open(&f, &n.g, &e))
        return false;
    for (int t = 0; t < 4 && ok; t++) {
        int first = netgen_pick(&n, 0, n.g.n_layers - 1);
        int last = netgen_pick(&n, first, n.g.n_layers - 1);
        if (netcut_cells(&n, &f, first, last, blocks))
            ok = check_block(&n, &f, blocks);
    }
    if (!ok)
        printf("# seed %u\n", seed);
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

static void add_conv(struct netgen *n, int in)
{
    netgen_layer(n,
                 (struct layer){.op = LAYER_CONV,
                                .kh = 3,
                                .kw = 3,
                                .pad_top = 1,
                                .pad_left = 1,
                                .out_h = 24,
                                .out_w = 20,
                                .out_c = 4},
                 in, -1);
}

// Three convolutions, a cell each, in bands of a row: a kernel call makes a row, not a pixel. Windows
// of three rows have room to grow until Y fills the arena, so most calls move nothing.
static void check_rows_and_moves(void)
{
    struct netgen n;
    struct fusion f;
    struct cells c;
    struct err e = {0};
    const struct cell cells[] = {{0, 0, 1, 0, 0}, {1, 1, 1, 0, 0}, {2, 2, 1, 0, 0}};
    netgen_begin(&n, 1);
    n.g.n_tensors = 1;
    n.tensors[0] = (struct tensor){24, 20, 4, 0, 0.1f, -1, 0};
    for (int i = 0; i < 3; i++)
        add_conv(&n, i);
    n.g.output = netgen_top(&n);
    if (!OK(fusion_open(&f, &n.g, &e) == 0) || !OK(cells_open(&c, &f, &e) == 0))
        return;
    OK(cells_fill(&c, cells, 3, UINT32_MAX, &e) == 0);
    EQ_INT(f.cost.calls, 3 * 24);
    int moving = 0;
    const struct cells_call *call = (const void *)c.calls.data;
    for (int i = 1; i < 3 * 24; i++)
        moving += call[i].first_move > call[i - 1].first_move;
    OKF(moving < 24, "%d of 72 calls come after windows were moved", moving);
    cells_close(&c);
    fusion_close(&f);
    netgen_free(&n);
}

int main(int argc, char **argv)
{
    check_rows_and_moves();
    int networks = argc > 1 ? atoi(argv[1]) : 1000, bad = 0;
    for (int i = 0; i < networks; i++)
        bad += !check_network((uint32_t)(7000000 + i));
    OKF(bad == 0, "each cell has the largest chunk that its calls leave room for (%d bad)", bad);
    OKF(blocks_seen > networks && chunks_differ > networks / 10,
        "%d blocks of cells, chunks of several sizes in %d cases", blocks_seen, chunks_differ);
    return tap_done();
}
