// SPDX-License-Identifier: MIT
// The front over RAM and predicted cycles. As in front.c cut points are nodes and blocks are edges,
// but what an edge costs depends on the configuration's arena: blocks below the peak spend the rest
// on larger chunks. So a search has an arena in mind, and among the edges that fit it at least one
// must need it exactly: the peak.
//
// An edge that another one of the same block beats in every arena is never worth taking, but for one thing: as the peak
// it lets other blocks have more. Such an edge is kept as a peak alone.
#include "server/planner/front.h"

#include <stdlib.h>
#include <string.h>

#include "server/planner/front_cells.h"

#define MAX_BYTES (512u << 20) // of steps, and of cells

struct edge {
    int first, last;
    enum fusion_axis axis;
    int band_rows;
    int n_cells;
    size_t cells; // index into search.cells
    int n_steps;
    size_t steps; // index into search.steps: by rising arena_bytes, the first of single chunks
    uint32_t arena;
    double cycles; // in that arena
};

struct node { // best way to have run layers 0 .. i - 1
    double cycles;
    const struct edge *edge;
    bool reached;
    bool from_peaked; // the way goes on in `peaked`
};

struct edges {
    struct edge *at;
    size_t n, cap;
};

struct search {
    struct fusion *f;
    struct front_cells *front_cells; // NULL: no blocks of cells
    struct edges edges;              // worth taking in some arena
    size_t block_begin;              // the first one of the block at hand
    size_t *begin;                   // [n_layers + 1] edges that end with layer i
    struct edges peaks;              // all, by falling arena, then by their last layer
    struct buf steps, cells;
    struct node *any, *peaked; // [n_layers + 1]
    int n_layers;
};

static const struct front_step *steps_of(const struct search *s, const struct edge *e)
{
    return (const struct front_step *)(const void *)s->steps.data + e->steps;
}

// What an edge that fits costs in `arena` bytes: the largest chunks that fit count, as in
// fusion_block_fill() and cells_fill().
static double cost_in(const struct search *s, const struct edge *e, uint32_t arena)
{
    const struct front_step *step = steps_of(s, e);
    int lo = 0, hi = e->n_steps;
    while (hi - lo > 1) {
        const int mid = (lo + hi) / 2;
        if (step[mid].arena_bytes <= arena)
            lo = mid;
        else
            hi = mid;
    }
    return step[lo].cycles;
}

// ---- edges ----

static int append(struct search *s, struct edges *to, const struct edge *e)
{
    if (to->n == to->cap) {
        size_t cap = to->cap ? 2 * to->cap : 4096;
        struct edge *p = realloc(to->at, cap * sizeof *p);
        if (!p)
            return -1;
        to->at = p;
        to->cap = cap;
    }
    to->at[to->n++] = *e;
    s->f->work += sizeof *e * FRONT_WORK_OF_A_BYTE;
    return 0;
}

// Is `a` as cheap as `b` in every arena that both fit?
static bool beats(const struct search *s, const struct edge *a, const struct edge *b)
{
    const struct front_step *x = steps_of(s, a), *y = steps_of(s, b);
    if (a->arena > b->arena)
        return false;
    for (int i = 0; i < b->n_steps; i++) {
        if (cost_in(s, a, y[i].arena_bytes) > y[i].cycles)
            return false;
    }
    for (int i = 0; i < a->n_steps; i++) {
        if (x[i].arena_bytes > b->arena && x[i].cycles > cost_in(s, b, x[i].arena_bytes))
            return false;
    }
    return true;
}

// Takes up an edge with its steps. Of those of the block at hand only those stay that are worth taking.
static int insert(struct search *s, struct edge *new, const struct front_step *steps, int n)
{
    const size_t len = s->steps.len;
    size_t kept = s->block_begin;
    new->steps = len / sizeof *steps;
    new->n_steps = n;
    new->arena = steps[0].arena_bytes;
    new->cycles = steps[0].cycles;
    buf_add(&s->steps, steps, (size_t)n * sizeof *steps);
    if (s->steps.failed || append(s, &s->peaks, new))
        return -1;
    for (size_t i = s->block_begin; i < s->edges.n; i++) {
        s->f->work += (uint64_t)n;
        if (beats(s, &s->edges.at[i], new)) {
            s->steps.len = len;
            s->peaks.at[s->peaks.n - 1].n_steps = 0;
            return 0; // then none that it beats was dropped: to beat is transitive
        }
        if (!beats(s, new, &s->edges.at[i]))
            s->edges.at[kept++] = s->edges.at[i];
    }
    s->edges.n = kept;
    s->f->work += (uint64_t)n * sizeof *steps * FRONT_WORK_OF_A_BYTE;
    return append(s, &s->edges, new);
}

// All chunk sizes of the schedule that was priced.
static int add_edge(void *ctx, struct fusion *f)
{
    struct search *s = ctx;
    struct edge e = {.first = f->first,
                     .last = f->last,
                     .axis = f->axis,
                     .band_rows = f->axis == FUSION_PATCH ? f->patches : f->band_rows};
    struct front_step steps[FUSION_CHUNK_SIZES] = {{f->cost.arena_bytes, f->cost.cycles}};
    int n = 1;
    if (f->axis != FUSION_PATCH && fusion_has_chunks(f)) {
        for (int k = 1; k < FUSION_CHUNK_SIZES; k++) {
            f->chunk = fusion_chunk_sizes[k];
            if (fusion_block_again(f))
                break;
            // In its own arena a block has single chunks, even if larger ones take no more.
            uint32_t from = f->cost.arena_bytes;
            from = from > steps[0].arena_bytes ? from : steps[0].arena_bytes + 1;
            n += from > steps[n - 1].arena_bytes;
            steps[n - 1] = (struct front_step){from, f->cost.cycles};
        }
        f->chunk = 1;
    }
    return insert(s, &e, steps, n);
}

static int add_cells(void *ctx, const struct cells *priced, const struct cell *cells, int n)
{
    struct search *s = ctx;
    struct front_step *steps = malloc((size_t)FRONT_CELLS_MAX_STEPS(n) * sizeof *steps);
    struct edge e = {.first = cells[0].first,
                     .last = cells[n - 1].last,
                     .axis = FUSION_COLS,
                     .n_cells = n,
                     .cells = s->cells.len / sizeof *cells};
    (void)priced;
    if (!steps)
        return -1;
    buf_add(&s->cells, cells, (size_t)n * sizeof *cells);
    s->f->work += (uint64_t)n * sizeof *cells * FRONT_WORK_OF_A_BYTE;
    int rc = s->cells.failed || insert(s, &e, steps, front_cells_steps(s->front_cells, steps));
    free(steps);
    return rc ? -1 : 0;
}

static int price_all(struct search *s, const struct front_rules *rules)
{
    for (int last = 0; last < s->n_layers; last++) {
        s->begin[last] = s->edges.n;
        for (int first = last; first >= 0; first--) {
            s->block_begin = s->edges.n;
            if (front_each_block(s->f, rules, first, last, add_edge, s) ||
                (s->front_cells && front_cells_of_block(s->front_cells, first, last, add_cells, s)))
                return -1;
        }
    }
    s->begin[s->n_layers] = s->edges.n;
    return 0;
}

static int as_peaks(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    if (x->arena != y->arena)
        return x->arena < y->arena ? 1 : -1;
    return x->last != y->last ? (x->last > y->last ? 1 : -1) : 0;
}

// ---- the search ----

static void improve(struct node *best, const struct node *from, double cycles,
                    const struct edge *edge, bool from_peaked)
{
    if (from->reached && (!best->reached || from->cycles + cycles < best->cycles))
        *best = (struct node){from->cycles + cycles, edge, true, from_peaked};
}

// Cheapest ways in the arena of peaks [at, end): of all, and of those with such a peak.
static void shortest(struct search *s, size_t at, size_t end)
{
    const uint32_t arena = s->peaks.at[at].arena;
    s->any[0] = (struct node){.reached = true};
    s->peaked[0] = (struct node){0};
    for (int i = 0; i < s->n_layers; i++) {
        struct node any = {0}, peaked = {0};
        for (size_t k = s->begin[i]; k < s->begin[i + 1]; k++) {
            const struct edge *e = &s->edges.at[k];
            if (e->arena > arena)
                continue;
            const double cycles = cost_in(s, e, arena);
            improve(&any, &s->any[e->first], cycles, e, false);
            improve(&peaked, &s->peaked[e->first], cycles, e, true);
        }
        for (; at < end && s->peaks.at[at].last == i; at++) {
            const struct edge *e = &s->peaks.at[at];
            improve(&peaked, &s->any[e->first], e->cycles, e, false);
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
    for (int i = s->n_layers; i > 0; i = s->any[i].edge->first)
        arena = s->any[i].edge->arena > arena ? s->any[i].edge->arena : arena;
    for (int i = s->n_layers; i > 0; i = s->any[i].edge->first)
        *cycles += cost_in(s, s->any[i].edge, arena);
    return arena;
}

static void fill_entries(const struct search *s, const struct edge *e, struct config_block *b)
{
    if (e->n_cells)
        front_cells_entries((const struct cell *)(const void *)s->cells.data + e->cells, e->n_cells,
                            b);
    else
        *b = (struct config_block){
            .first = e->first, .last = e->last, .axis = e->axis, .band_rows = e->band_rows};
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
    int room = s->n_layers; // filled from behind: as many entries as layers at most
    for (int i = s->n_layers; i > 0;) {
        const struct node *node = peaked ? &s->peaked[i] : &s->any[i];
        const int n = node->edge->n_cells ? node->edge->n_cells : 1;
        room -= n;
        path.n_blocks += n;
        fill_entries(s, node->edge, path.blocks + room);
        peaked = node->from_peaked;
        i = node->edge->first;
    }
    memmove(path.blocks, path.blocks + room, (size_t)path.n_blocks * sizeof *path.blocks);
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

// One past the peaks of the same arena as the one at `at`.
static size_t end_of_arena(const struct search *s, size_t at)
{
    const uint32_t arena = s->peaks.at[at].arena;
    while (at < s->peaks.n && s->peaks.at[at].arena == arena)
        at++;
    return at;
}

static int walk(struct search *s, struct front_paths *out)
{
    for (size_t at = 0, end; at < s->peaks.n; at = end) {
        const uint32_t arena = s->peaks.at[at].arena;
        double own;
        end = end_of_arena(s, at);
        shortest(s, at, end);
        s->f->work += s->edges.n + (end - at);
        if (fusion_spent(s->f))
            return -1;
        if (!s->any[s->n_layers].reached)
            break;
        if (s->peaked[s->n_layers].reached && take_path(s, arena, out))
            return -1;
        const uint32_t needs = own_arena(s, &own);
        // Where the cheapest way costs no more in its own arena, it dominates all between.
        while (own <= s->any[s->n_layers].cycles && end < s->peaks.n &&
               s->peaks.at[end].arena > needs)
            end++;
    }
    return 0;
}

static int search(struct search *s, const struct front_rules *rules, struct front_paths *out)
{
    if (price_all(s, rules))
        return -1;
    qsort(s->peaks.at, s->peaks.n, sizeof *s->peaks.at, as_peaks);
    return walk(s, out);
}

int front_search_latency(struct fusion *f, const struct front_rules *rules, struct front_paths *out,
                         struct err *e)
{
    struct search s = {.f = f, .n_layers = f->g->n_layers};
    size_t n = (size_t)s.n_layers + 1;
    *out = (struct front_paths){0};
    buf_init(&s.steps, MAX_BYTES);
    buf_init(&s.cells, MAX_BYTES);
    s.begin = calloc(n, sizeof *s.begin);
    s.any = calloc(n, sizeof *s.any);
    s.peaked = calloc(n, sizeof *s.peaked);
    s.front_cells = rules->cells ? front_cells_open(f, rules->groups, e) : NULL;
    int rc = !s.begin || !s.any || !s.peaked || (rules->cells && !s.front_cells) ||
             search(&s, rules, out);
    if (rc) {
        front_paths_free(out);
        front_failed(f, e);
    } else {
        keep_front(out);
    }
    front_cells_close(s.front_cells);
    buf_free(&s.steps);
    buf_free(&s.cells);
    free(s.begin);
    free(s.any);
    free(s.peaked);
    free(s.edges.at);
    free(s.peaks.at);
    return rc ? -1 : 0;
}
