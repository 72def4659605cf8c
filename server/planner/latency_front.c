// SPDX-License-Identifier: MIT
// The front over RAM and predicted cycles. As in front.c cut points are nodes and blocks are edges,
// but what an edge costs depends on the configuration's arena: blocks below the peak spend the rest
// on larger chunks. So a search has an arena in mind, and among the edges that fit it at least one
// must need it exactly: the peak.
#include "server/planner/front.h"

#include <stdlib.h>
#include <string.h>

struct edge {
    int first, last;
    enum fusion_axis axis;
    int band_rows;
    int n;                              // chunk sizes that differ
    uint32_t arena[FUSION_CHUNK_SIZES]; // rising
    double cycles[FUSION_CHUNK_SIZES];
};

struct node { // best way to have run layers 0 .. i - 1
    double cycles;
    size_t edge;
    bool reached;
    bool from_peaked; // the way goes on in `peaked`
};

struct search {
    struct edge *edges;
    size_t n, cap;
    size_t *begin;    // [n_layers + 1] edges that end with layer i
    uint32_t *arenas; // of single chunks, rising, each once
    size_t n_arenas;
    struct node *any, *peaked; // [n_layers + 1]
    int n_layers;
};

// All chunk sizes of the schedule that was priced.
static int add_edge(void *ctx, struct fusion *f)
{
    struct search *s = ctx;
    struct edge e = {.first = f->first,
                     .last = f->last,
                     .axis = f->axis,
                     .band_rows = f->axis == FUSION_PATCH ? f->patches : f->band_rows,
                     .n = 1,
                     .arena = {f->cost.arena_bytes},
                     .cycles = {f->cost.cycles}};
    if (f->axis != FUSION_PATCH && fusion_has_chunks(f)) {
        for (int k = 1; k < FUSION_CHUNK_SIZES; k++) {
            f->chunk = fusion_chunk_sizes[k];
            if (fusion_block_again(f))
                break;
            e.arena[e.n] = f->cost.arena_bytes;
            e.cycles[e.n++] = f->cost.cycles;
        }
        f->chunk = 1;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 4096;
        struct edge *p = realloc(s->edges, cap * sizeof *p);
        if (!p)
            return -1;
        s->edges = p;
        s->cap = cap;
    }
    s->edges[s->n++] = e;
    f->work += sizeof e * FRONT_WORK_OF_A_BYTE;
    return 0;
}

static int price_all(struct search *s, struct fusion *f, const struct front_rules *rules)
{
    for (int last = 0; last < s->n_layers; last++) {
        s->begin[last] = s->n;
        for (int first = last; first >= 0; first--) {
            if (front_each_block(f, rules, first, last, add_edge, s))
                return -1;
        }
    }
    s->begin[s->n_layers] = s->n;
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int list_arenas(struct search *s)
{
    s->arenas = malloc((s->n ? s->n : 1) * sizeof *s->arenas);
    if (!s->arenas)
        return -1;
    for (size_t i = 0; i < s->n; i++)
        s->arenas[i] = s->edges[i].arena[0];
    qsort(s->arenas, s->n, sizeof *s->arenas, by_size);
    for (size_t i = 0; i < s->n; i++) {
        if (s->n_arenas == 0 || s->arenas[s->n_arenas - 1] != s->arenas[i])
            s->arenas[s->n_arenas++] = s->arenas[i];
    }
    return 0;
}

// What an edge that fits costs in `arena` bytes: the largest chunk that fits counts, as in
// fusion_block_fill().
static double cost_in(const struct edge *e, uint32_t arena)
{
    int k = e->n - 1;
    if (e->arena[0] >= arena)
        return e->cycles[0];
    while (k > 0 && e->arena[k] > arena)
        k--;
    return e->cycles[k];
}

static void improve(struct node *best, const struct node *from, double cycles, size_t edge,
                    bool from_peaked)
{
    if (from->reached && (!best->reached || from->cycles + cycles < best->cycles))
        *best = (struct node){from->cycles + cycles, edge, true, from_peaked};
}

// Cheapest ways in `arena` bytes: of all, and of those whose peak is exactly that.
static void shortest(struct search *s, uint32_t arena)
{
    s->any[0] = (struct node){.reached = true};
    s->peaked[0] = (struct node){0};
    for (int i = 0; i < s->n_layers; i++) {
        struct node any = {0}, peaked = {0};
        for (size_t k = s->begin[i]; k < s->begin[i + 1]; k++) {
            const struct edge *e = &s->edges[k];
            if (e->arena[0] > arena)
                continue;
            double cycles = cost_in(e, arena);
            improve(&any, &s->any[e->first], cycles, k, false);
            improve(&peaked, &s->peaked[e->first], cycles, k, true);
            if (e->arena[0] == arena)
                improve(&peaked, &s->any[e->first], cycles, k, false);
        }
        s->any[i + 1] = any;
        s->peaked[i + 1] = peaked;
    }
}

// The arena that the cheapest way really needs, and its cycles in that.
static uint32_t own_arena(const struct search *s, double *cycles)
{
    uint32_t arena = 0;
    *cycles = 0;
    for (int i = s->n_layers; i > 0; i = s->edges[s->any[i].edge].first) {
        const struct edge *e = &s->edges[s->any[i].edge];
        arena = e->arena[0] > arena ? e->arena[0] : arena;
    }
    for (int i = s->n_layers; i > 0; i = s->edges[s->any[i].edge].first)
        *cycles += cost_in(&s->edges[s->any[i].edge], arena);
    return arena;
}

static int take_path(const struct search *s, uint32_t arena, struct front_paths *out)
{
    struct front_path path = {.arena_bytes = arena, .cycles = s->peaked[s->n_layers].cycles};
    path.blocks = malloc((size_t)s->n_layers * sizeof *path.blocks);
    struct front_path *p = realloc(out->at, (out->n + 1) * sizeof *p);
    if (p)
        out->at = p;
    if (!p || !path.blocks) {
        free(path.blocks);
        return -1;
    }
    bool peaked = true;
    for (int i = s->n_layers; i > 0;) {
        const struct node *node = peaked ? &s->peaked[i] : &s->any[i];
        const struct edge *e = &s->edges[node->edge];
        path.blocks[path.n_blocks++] = (struct config_block){
            .first = e->first, .last = e->last, .axis = e->axis, .band_rows = e->band_rows};
        peaked = node->from_peaked;
        i = e->first;
    }
    for (int i = 0; i < path.n_blocks / 2; i++) {
        struct config_block t = path.blocks[i];
        path.blocks[i] = path.blocks[path.n_blocks - 1 - i];
        path.blocks[path.n_blocks - 1 - i] = t;
    }
    out->at[out->n++] = path;
    return 0;
}

// Paths come by falling RAM; turns them round and keeps those that are cheaper than all before.
static void keep_front(struct front_paths *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n / 2; i++) {
        struct front_path t = p->at[i];
        p->at[i] = p->at[p->n - 1 - i];
        p->at[p->n - 1 - i] = t;
    }
    for (size_t i = 0; i < p->n; i++) {
        // Sums of the same in another order differ in their last digits.
        if (kept == 0 || p->at[i].cycles < p->at[kept - 1].cycles * (1 - 1e-9))
            p->at[kept++] = p->at[i];
        else
            free(p->at[i].blocks);
    }
    p->n = kept;
}

// The largest arena of an edge that is at most `limit`; the index behind it, 0: none.
static size_t arenas_up_to(const struct search *s, uint32_t limit)
{
    size_t lo = 0, hi = s->n_arenas;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (s->arenas[mid] <= limit)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int walk(struct search *s, struct fusion *f, struct front_paths *out)
{
    for (size_t at = s->n_arenas; at > 0;) {
        uint32_t arena = s->arenas[at - 1];
        double own;
        shortest(s, arena);
        f->work += s->n;
        if (fusion_spent(f))
            return -1;
        if (!s->any[s->n_layers].reached)
            break;
        if (s->peaked[s->n_layers].reached && take_path(s, arena, out))
            return -1;
        uint32_t needs = own_arena(s, &own);
        // Where the cheapest way costs no more in its own arena, it dominates all between.
        at = needs < arena && own <= s->any[s->n_layers].cycles ? arenas_up_to(s, needs) : at - 1;
    }
    return 0;
}

int front_search_latency(struct fusion *f, const struct front_rules *rules, struct front_paths *out,
                         struct err *e)
{
    struct search s = {.n_layers = f->g->n_layers};
    size_t n = (size_t)s.n_layers + 1;
    int rc = -1;
    *out = (struct front_paths){0};
    s.begin = calloc(n, sizeof *s.begin);
    s.any = calloc(n, sizeof *s.any);
    s.peaked = calloc(n, sizeof *s.peaked);
    if (s.begin && s.any && s.peaked && price_all(&s, f, rules) == 0 && list_arenas(&s) == 0 &&
        walk(&s, f, out) == 0)
        rc = 0;
    if (rc) {
        front_paths_free(out);
        front_failed(f, e);
    } else {
        keep_front(out);
    }
    free(s.begin);
    free(s.any);
    free(s.peaked);
    free(s.edges);
    free(s.arenas);
    return rc;
}
