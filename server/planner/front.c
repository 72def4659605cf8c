// SPDX-License-Identifier: MIT
// See front.h.
#include "server/planner/front.h"

#include <inttypes.h>
#include <stdlib.h>

#include "server/planner/front_cells.h"

#define CELLS_MAX_BYTES (256u << 20)

struct edge {
    uint32_t arena_bytes;
    int first, last;
    enum fusion_axis axis;
    int band_rows;
    int n_cells;
    size_t cells; // index into edges.cells of its n_cells
    uint64_t macs, calls;
};

#define WORK_OF_A_SCHEDULE 10

struct edges {
    struct fusion *f; // counts the work
    struct edge *at;
    size_t n, cap;
    struct buf cells;   // struct cell, of edges of cells
    size_t block_begin; // first edge of the block at hand
    size_t *begin;      // [n_layers + 1] edges that end with layer i are begin[i] .. begin[i + 1]
};

static bool dominates(const struct edge *a, const struct edge *b)
{
    return a->arena_bytes <= b->arena_bytes && a->macs <= b->macs && a->calls <= b->calls;
}

// Adds an edge unless another schedule of the same block is as good in every respect. 1: it was
// added.
static int insert(struct edges *es, const struct edge *new)
{
    size_t kept = es->block_begin;
    es->f->work += es->n - es->block_begin;
    for (size_t i = es->block_begin; i < es->n; i++) {
        if (dominates(&es->at[i], new))
            return 0; // then none that it dominates was dropped: domination is transitive
        if (!dominates(new, &es->at[i]))
            es->at[kept++] = es->at[i];
    }
    es->n = kept;
    if (es->n == es->cap) {
        size_t cap = es->cap ? 2 * es->cap : 4096;
        struct edge *p = realloc(es->at, cap * sizeof *p);
        if (!p)
            return -1;
        es->at = p;
        es->cap = cap;
    }
    es->at[es->n++] = *new;
    return 1;
}

static int add_edge(void *ctx, struct fusion *f)
{
    const struct edge new = {.arena_bytes = f->cost.arena_bytes,
                             .first = f->first,
                             .last = f->last,
                             .axis = f->axis,
                             .band_rows = f->axis == FUSION_PATCH ? f->patches : f->band_rows,
                             .macs = f->cost.macs,
                             .calls = f->cost.calls};
    return insert(ctx, &new) < 0 ? -1 : 0;
}

static int add_cells(void *ctx, const struct cells *priced, const struct cell *cells, int n)
{
    struct edges *es = ctx;
    struct edge new = {.arena_bytes = priced->arena_bytes,
                       .first = cells[0].first,
                       .last = cells[n - 1].last,
                       .axis = FUSION_COLS,
                       .n_cells = n,
                       .cells = es->cells.len / sizeof *cells,
                       .macs = priced->macs,
                       .calls = priced->calls_made};
    int added = insert(es, &new);
    if (added > 0) {
        buf_add(&es->cells, cells, (size_t)n * sizeof *cells);
        es->f->work += (uint64_t)n * sizeof *cells * FRONT_WORK_OF_A_BYTE;
    }
    return added < 0 || es->cells.failed ? -1 : 0;
}

const struct front_rules front_everything = {
    .rows = true, .patch = true, .cells = true, .groups = true, .cols = FRONT_ANY_BAND};

int front_failed(const struct fusion *f, struct err *e)
{
    const int n = f->g->n_layers;
    return fusion_spent(f)
               ? err_set(e, ERR_TOO_COMPLEX,
                         "the front of these %d layers takes more than %" PRIu64
                         " steps to plan; strategies with fewer schedules, such as vanilla, take "
                         "less, and any configuration can be asked for by its text",
                         n, f->max_work)
               : err_set(e, ERR_NO_MEMORY, "planner: no memory for the front of %d layers", n);
}

// A schedule was tried. why: it cannot run.
static int take_schedule(struct fusion *f, const char *why, front_block_cb *each, void *ctx)
{
    f->work += WORK_OF_A_SCHEDULE;
    return fusion_spent(f) || (!why && each(ctx, f)) ? -1 : 0;
}

int front_each_block(struct fusion *f, const struct front_rules *rules, int first, int last,
                     front_block_cb *each, void *ctx)
{
    if (last > first && rules->head_only && first > 0)
        return 0;
    if (fusion_block_begin(f, first, last) != NULL)
        return 0;
    if ((rules->rows || first == last) && take_schedule(f, fusion_block_rows(f), each, ctx))
        return -1;
    int max_band = fusion_max_band(f) < rules->cols ? fusion_max_band(f) : rules->cols;
    for (int r = 1; r <= max_band; r++) {
        // A narrow band that lies in padding alone is refused where a wider one is not.
        if (take_schedule(f, fusion_block_cols(f, r), each, ctx))
            return -1;
    }
    for (int n = 1, next; rules->patch && n <= fusion_max_patch(f); n = next) {
        if (take_schedule(f, fusion_block_patch(f, n), each, ctx))
            return -1;
        next = fusion_next_patch(f, n);
        f->work += (uint64_t)(next - n);
    }
    return 0;
}

static int price_all(struct fusion *f, const struct front_rules *rules, struct front_cells *cells,
                     struct edges *es)
{
    int n = f->g->n_layers;
    for (int last = 0; last < n; last++) {
        es->begin[last] = es->n;
        for (int first = last; first >= 0; first--) { // where all is equal, short blocks win
            es->block_begin = es->n;
            if (front_each_block(f, rules, first, last, add_edge, es) ||
                (rules->cells && front_cells_of_block(cells, first, last, add_cells, es)))
                return -1;
            f->work += (es->n - es->block_begin) * sizeof *es->at * FRONT_WORK_OF_A_BYTE;
        }
    }
    es->begin[n] = es->n;
    return 0;
}

struct node { // best way to have run layers 0 .. i - 1
    uint64_t macs, calls;
    size_t edge;
    bool reached;
};

// Shortest path by (MACs, calls) among edges of at most `limit` bytes. False: none.
static bool shortest(const struct edges *es, int n, uint32_t limit, struct node *nodes)
{
    nodes[0] = (struct node){.reached = true};
    es->f->work += es->n;
    for (int i = 0; i < n; i++) {
        struct node best = {0};
        for (size_t k = es->begin[i]; k < es->begin[i + 1]; k++) {
            const struct edge *ed = &es->at[k];
            const struct node *from = &nodes[ed->first];
            if (ed->arena_bytes > limit || !from->reached)
                continue;
            uint64_t macs = from->macs + ed->macs, calls = from->calls + ed->calls;
            if (!best.reached || macs < best.macs || (macs == best.macs && calls < best.calls))
                best = (struct node){macs, calls, k, true};
        }
        nodes[i + 1] = best;
    }
    return nodes[n].reached;
}

static int entries(const struct edge *ed)
{
    return ed->n_cells ? ed->n_cells : 1;
}

static void fill_entries(const struct edges *es, const struct edge *ed, struct config_block *b)
{
    const struct cell *cells = (const struct cell *)(const void *)es->cells.data + ed->cells;
    if (!ed->n_cells)
        *b = (struct config_block){
            .first = ed->first, .last = ed->last, .axis = ed->axis, .band_rows = ed->band_rows};
    front_cells_entries(cells, ed->n_cells, b);
}

static int take_path(const struct edges *es, int n, const struct node *nodes,
                     struct front_paths *out)
{
    struct front_path path = {.macs = nodes[n].macs};
    for (int i = n; i > 0; i = es->at[nodes[i].edge].first)
        path.n_blocks += entries(&es->at[nodes[i].edge]);
    // NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): a path has edges
    path.blocks = malloc((size_t)path.n_blocks * sizeof *path.blocks);
    struct front_path *p = realloc(out->at, (out->n + 1) * sizeof *p);
    if (p)
        out->at = p;
    if (!p || !path.blocks) {
        free(path.blocks);
        return -1;
    }
    int k = path.n_blocks;
    for (int i = n; i > 0; i = es->at[nodes[i].edge].first) {
        const struct edge *ed = &es->at[nodes[i].edge];
        k -= entries(ed);
        fill_entries(es, ed, path.blocks + k);
        if (ed->arena_bytes > path.arena_bytes)
            path.arena_bytes = ed->arena_bytes;
    }
    out->at[out->n++] = path;
    return 0;
}

// Paths come by falling RAM; turns them round and drops those that a later one dominates.
static void keep_front(struct front_paths *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        while (kept > 0 && p->at[kept - 1].macs >= p->at[i].macs)
            free(p->at[--kept].blocks); // NOLINT(clang-analyzer-unix.Malloc): each path once
        p->at[kept++] = p->at[i];
    }
    p->n = kept;
    for (size_t i = 0; i < kept / 2; i++) {
        struct front_path t = p->at[i];
        p->at[i] = p->at[kept - 1 - i];
        p->at[kept - 1 - i] = t;
    }
}

int front_search(struct fusion *f, const struct front_rules *rules, struct front_paths *out,
                 struct err *e)
{
    int n = f->g->n_layers, rc = -1;
    struct edges es = {.f = f};
    struct front_cells *cells = rules->cells ? front_cells_open(f, rules->groups, e) : NULL;
    struct node *nodes = calloc((size_t)n + 1, sizeof *nodes);
    *out = (struct front_paths){0};
    es.begin = calloc((size_t)n + 1, sizeof *es.begin);
    buf_init(&es.cells, CELLS_MAX_BYTES);
    if ((rules->cells && !cells) || !nodes || !es.begin || price_all(f, rules, cells, &es))
        goto out;
    uint32_t limit = UINT32_MAX;
    while (!fusion_spent(f) && shortest(&es, n, limit, nodes)) {
        if (take_path(&es, n, nodes, out))
            goto out;
        uint32_t peak = out->at[out->n - 1].arena_bytes;
        if (peak == 0)
            break;
        limit = peak - 1;
    }
    if (fusion_spent(f))
        goto out;
    keep_front(out);
    rc = 0;
out:
    if (rc) {
        front_paths_free(out);
        front_failed(f, e);
    }
    front_cells_close(cells);
    free(nodes);
    buf_free(&es.cells);
    free(es.begin);
    free(es.at);
    return rc;
}

void front_paths_free(struct front_paths *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->at[i].blocks);
    free(p->at);
    *p = (struct front_paths){0};
}
