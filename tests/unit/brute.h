// SPDX-License-Identifier: MIT
// Every configuration of a small network, priced, and what of them is not dominated: what a search
// must find, without a search.
#ifndef TESTS_BRUTE_H
#define TESTS_BRUTE_H

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
};

static inline int brute_each(void *ctx, const struct cell *cells, int n)
{
    const struct brute_cells *at = ctx;
    struct fusion *f = at->p->f;
    struct cells c;
    struct err ignored = {0};
    if (cells_open(&c, f, &ignored))
        return -1;
    bool runs = cells_fill(&c, cells, n, 0, &ignored) == 0;
    cells_close(&c);
    if (!runs)
        return 0;
    uint32_t ram = f->cost.arena_bytes > at->so_far.ram ? f->cost.arena_bytes : at->so_far.ram;
    brute_from(at->p, cells[n - 1].last + 1,
               (struct brute_point){ram, at->so_far.macs + f->cost.macs,
                                    at->so_far.calls + f->cost.calls});
    return 0;
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
                              &(struct brute_cells){p, so_far});
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
