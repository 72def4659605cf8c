// SPDX-License-Identifier: MIT
// Every configuration of a small network, priced, and what of them is not dominated: what a search
// must find, without a search.
#ifndef TESTS_BRUTE_H
#define TESTS_BRUTE_H

#include <stdlib.h>
#include <string.h>

#include "server/planner/config.h"
#include "server/planner/families.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"

#define BRUTE_MAX 4096

struct brute_point {
    uint32_t ram;
    uint64_t macs;
    uint64_t calls; // of kernels, pixel by pixel; decides where the others are equal
};

static inline bool brute_beats(const struct brute_point *a, const struct brute_point *b)
{
    bool equal = a->ram == b->ram && a->macs == b->macs;
    return a->ram <= b->ram && a->macs <= b->macs && (!equal || a->calls <= b->calls);
}

typedef bool brute_allowed(const struct config_block *b);

struct brute {
    struct brute_point at[BRUTE_MAX];
    size_t n;
    struct fusion *f;
    brute_allowed *allowed;          // NULL: every block
    const struct families *families; // of blocks of cells; NULL: none
};

// Keeps the non-dominated points.
static inline void brute_add(struct brute *p, struct brute_point q)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (brute_beats(&p->at[i], &q))
            return;
        if (!brute_beats(&q, &p->at[i]))
            p->at[kept++] = p->at[i];
    }
    p->at[kept++] = q;
    p->n = kept;
}

static inline void brute_from(struct brute *p, int first, struct brute_point so_far);

// Block b and everything behind it, if b can run.
static inline void brute_block(struct brute *p, struct config_block b, struct brute_point so_far)
{
    struct fusion *f = p->f;
    if ((p->allowed && !p->allowed(&b)) || fusion_block_begin(f, b.first, b.last) != NULL)
        return;
    const char *why = b.axis == FUSION_ROWS   ? fusion_block_rows(f)
                      : b.axis == FUSION_COLS ? fusion_block_cols(f, b.band_rows)
                                              : fusion_block_patch(f, b.band_rows);
    if (why)
        return; // a wider band may do
    uint32_t ram = f->cost.arena_bytes > so_far.ram ? f->cost.arena_bytes : so_far.ram;
    brute_from(p, b.last + 1,
               (struct brute_point){ram, so_far.macs + f->cost.macs, so_far.calls + f->cost.calls});
}

struct brute_cells {
    struct brute *p;
    struct brute_point so_far;
    struct brute *block; // what a block of cells costs in all its ways
};

// Keeps what no other way is as good as in every respect: another block may set the path's peak.
static inline void brute_add_way(struct brute *p, struct brute_point q)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct brute_point *b = &p->at[i];
        if (b->ram <= q.ram && b->macs <= q.macs && b->calls <= q.calls)
            return;
        if (q.ram > b->ram || q.macs > b->macs || q.calls > b->calls)
            p->at[kept++] = *b;
    }
    p->at[kept++] = q;
    p->n = kept;
}

// Cells i .. n - 1 in all ways, those before as they are.
static inline int brute_ways(const struct brute_cells *at, struct cell *cells, int i, int n)
{
    struct fusion *f = at->p->f;
    struct cell ways[CELLS_MAX_OPTIONS];
    struct cells c;
    struct err ignored = {0};
    if (i < n) {
        const int n_ways = families_ways(at->p->families, &cells[i], ways);
        for (int k = 0; k < n_ways; k++) {
            cells[i] = ways[k];
            if (brute_ways(at, cells, i + 1, n))
                return -1;
        }
        cells[i] = ways[0];
        return 0;
    }
    if (cells_open(&c, f, &ignored))
        return -1;
    if (cells_fill(&c, cells, n, 0, &ignored) == 0)
        brute_add_way(at->block,
                      (struct brute_point){f->cost.arena_bytes, f->cost.macs, f->cost.calls});
    cells_close(&c);
    return 0;
}

static inline int brute_each(void *ctx, const struct cell *family, int n)
{
    const struct brute_cells *at = ctx;
    struct cell cells[64];
    struct brute *block = calloc(1, sizeof *block);
    if (!block || n > 64)
        return -1;
    memcpy(cells, family, (size_t)n * sizeof *cells);
    int rc = brute_ways(&(struct brute_cells){at->p, at->so_far, block}, cells, 0, n);
    for (size_t i = 0; i < block->n; i++) {
        const struct brute_point *b = &block->at[i];
        uint32_t ram = b->ram > at->so_far.ram ? b->ram : at->so_far.ram;
        brute_from(
            at->p, cells[n - 1].last + 1,
            (struct brute_point){ram, at->so_far.macs + b->macs, at->so_far.calls + b->calls});
    }
    free(block);
    return rc;
}

static inline void brute_from(struct brute *p, int first, struct brute_point so_far)
{
    const struct graph *g = p->f->g;
    if (first == g->n_layers)
        brute_add(p, so_far);
    for (int last = first; last < g->n_layers; last++) {
        // Bands divide the output or, before a closing reduction, its input.
        const struct layer *l = &g->layers[last];
        int highest = l->in_h > l->out_h ? l->in_h : l->out_h;
        int widest = l->out_h > l->out_w ? l->out_h : l->out_w;
        brute_block(p, (struct config_block){.first = first, .last = last, .axis = FUSION_ROWS},
                    so_far);
        for (int r = 1; r <= highest && last > first; r++)
            brute_block(p,
                        (struct config_block){
                            .first = first, .last = last, .axis = FUSION_COLS, .band_rows = r},
                        so_far);
        for (int n = 1; n <= widest && last > first; n++)
            brute_block(p,
                        (struct config_block){
                            .first = first, .last = last, .axis = FUSION_PATCH, .band_rows = n},
                        so_far);
        if (p->families)
            families_of_block(p->families, first, last, brute_each,
                              &(struct brute_cells){.p = p, .so_far = so_far});
    }
}

static inline void brute_force(struct brute *p, struct fusion *f, brute_allowed *allowed,
                               const struct families *families)
{
    p->n = 0;
    p->families = families;
    p->f = f;
    p->allowed = allowed;
    brute_from(p, 0, (struct brute_point){0, 0, 0});
}

// The path's calls, priced block by block.
static inline uint64_t brute_calls(struct fusion *f, const struct front_path *path)
{
    uint64_t calls = 0;
    struct err e = {0};
    for (int i = 0; i < path->n_blocks; i += config_entries(&path->blocks[i])) {
        if (config_block_fill(f, &path->blocks[i], 0, &e))
            return 0;
        calls += f->cost.calls;
    }
    return calls;
}

// The paths are exactly the points, by rising RAM.
static inline bool brute_equals(const struct brute *p, const struct front_paths *paths)
{
    bool ok = p->n == paths->n;
    for (size_t i = 0; i < paths->n && ok; i++) {
        const struct front_path *path = &paths->at[i];
        const uint64_t calls = brute_calls(p->f, path);
        bool found = false;
        for (size_t k = 0; k < p->n; k++)
            found = found || (p->at[k].ram == path->arena_bytes && p->at[k].macs == path->macs &&
                              p->at[k].calls == calls);
        ok = found &&
             (i == 0 || (path[-1].arena_bytes < path->arena_bytes && path[-1].macs > path->macs));
    }
    return ok;
}

#endif
