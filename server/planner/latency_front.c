// SPDX-License-Identifier: MIT
// The front over RAM and predicted cycles. As in front.c cut points are nodes and blocks are edges,
// but what an edge costs depends on the configuration's arena: the more there is, the larger are its
// chunks. So a search has an arena in mind. Its cheapest way needs as much as the chunks that its blocks
// take there; what is cheaper in less is searched below that.
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
    size_t steps;   // index into search.steps: by rising arena_bytes, the first of single chunks
    uint32_t arena; // of that
};

struct node { // best way to have run layers 0 .. i - 1
    double cycles;
    const struct edge *edge;
    bool reached;
};

struct search {
    struct fusion *f;
    struct front_cells *front_cells; // NULL: no blocks of cells
    struct edge *edges;              // none beats another of the same block in every arena
    size_t n, cap;
    size_t block_begin; // the first one of the block at hand
    size_t *begin;      // [n_layers + 1] edges that end with layer i
    struct buf steps, cells;
    struct node *nodes; // [n_layers + 1]
    int n_layers;
};

static const struct front_step *steps_of(const struct search *s, const struct edge *e)
{
    return (const struct front_step *)(const void *)s->steps.data + e->steps;
}

// What an edge that fits does in `arena` bytes: the largest chunks that fit count, as in fusion_block_fill()
// and cells_fill().
static const struct front_step *step_in(const struct search *s, const struct edge *e,
                                        uint32_t arena)
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
    return &step[lo];
}

// ---- edges ----

static int append(struct search *s, const struct edge *e)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 4096;
        struct edge *p = realloc(s->edges, cap * sizeof *p);
        if (!p)
            return -1;
        s->edges = p;
        s->cap = cap;
    }
    s->edges[s->n++] = *e;
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
        if (step_in(s, a, y[i].arena_bytes)->cycles > y[i].cycles)
            return false;
    }
    for (int i = 0; i < a->n_steps; i++) {
        if (x[i].arena_bytes > b->arena && x[i].cycles > step_in(s, b, x[i].arena_bytes)->cycles)
            return false;
    }
    return true;
}

// Takes up an edge with its steps, but for those that no configuration's text can ask for. Of the edges of the block at
// hand only those stay that are worth taking.
static int insert(struct search *s, struct edge *new, const struct front_step *steps, int n)
{
    const size_t len = s->steps.len;
    size_t kept = s->block_begin;
    while (n > 1 && steps[n - 1].arena_bytes > CONFIG_MAX_SPEND)
        n--;
    new->steps = len / sizeof *steps;
    new->n_steps = n;
    new->arena = steps[0].arena_bytes;
    buf_add(&s->steps, steps, (size_t)n * sizeof *steps);
    if (s->steps.failed)
        return -1;
    for (size_t i = s->block_begin; i < s->n; i++) {
        s->f->work += (uint64_t)n;
        if (beats(s, &s->edges[i], new)) {
            s->steps.len = len;
            return 0; // then none that it beats was dropped: to beat is transitive
        }
        if (!beats(s, new, &s->edges[i]))
            s->edges[kept++] = s->edges[i];
    }
    s->n = kept;
    s->f->work += (uint64_t)n * sizeof *steps * FRONT_WORK_OF_A_BYTE;
    return append(s, new);
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
            n += f->cost.arena_bytes > steps[n - 1].arena_bytes;
            steps[n - 1] = (struct front_step){f->cost.arena_bytes, f->cost.cycles};
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
        s->begin[last] = s->n;
        for (int first = last; first >= 0; first--) {
            s->block_begin = s->n;
            if (front_each_block(s->f, rules, first, last, add_edge, s) ||
                (s->front_cells && front_cells_of_block(s->front_cells, first, last, add_cells, s)))
                return -1;
        }
    }
    s->begin[s->n_layers] = s->n;
    return 0;
}

// ---- the search ----

// Cheapest way in `arena` bytes. False: none.
static bool shortest(struct search *s, uint32_t arena)
{
    s->nodes[0] = (struct node){.reached = true};
    s->f->work += s->n;
    for (int i = 0; i < s->n_layers; i++) {
        struct node best = {0};
        for (size_t k = s->begin[i]; k < s->begin[i + 1]; k++) {
            const struct edge *e = &s->edges[k];
            const struct node *from = &s->nodes[e->first];
            if (e->arena > arena || !from->reached)
                continue;
            const double cycles = from->cycles + step_in(s, e, arena)->cycles;
            if (!best.reached || cycles < best.cycles)
                best = (struct node){cycles, e, true};
        }
        s->nodes[i + 1] = best;
    }
    return s->nodes[s->n_layers].reached;
}

// The arena that the blocks of the way take in one of `arena` bytes.
static uint32_t needed(const struct search *s, uint32_t arena)
{
    uint32_t most = 0;
    for (int i = s->n_layers; i > 0; i = s->nodes[i].edge->first) {
        const uint32_t bytes = step_in(s, s->nodes[i].edge, arena)->arena_bytes;
        most = bytes > most ? bytes : most;
    }
    return most;
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
    struct front_path path = {.arena_bytes = arena, .cycles = s->nodes[s->n_layers].cycles};
    path.blocks = malloc((size_t)s->n_layers * sizeof *path.blocks);
    struct front_path *p = realloc(out->at, (out->n + 1) * sizeof *p);
    if (p)
        out->at = p;
    if (!p || !path.blocks) {
        free(path.blocks);
        return -1;
    }
    int room = s->n_layers; // filled from behind: as many entries as layers at most
    for (int i = s->n_layers; i > 0; i = s->nodes[i].edge->first) {
        const struct edge *e = s->nodes[i].edge;
        const int n = e->n_cells ? e->n_cells : 1;
        room -= n;
        path.n_blocks += n;
        fill_entries(s, e, path.blocks + room);
    }
    memmove(path.blocks, path.blocks + room, (size_t)path.n_blocks * sizeof *path.blocks);
    out->at[out->n++] = path;
    return 0;
}

// Of a thousandth nobody knows by a prediction whether it is one.
#define LEAST_GAIN 0.001

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
        if (kept == 0 || p->at[i].cycles < p->at[kept - 1].cycles * (1 - LEAST_GAIN))
            p->at[kept++] = p->at[i];
        else
            free(p->at[i].blocks);
    }
    p->n = kept;
}

static int search(struct search *s, const struct front_rules *rules, struct front_paths *out)
{
    if (price_all(s, rules))
        return -1;
    uint32_t limit = UINT32_MAX;
    while (!fusion_spent(s->f) && shortest(s, limit)) {
        const uint32_t arena = needed(s, limit);
        if (take_path(s, arena, out))
            return -1;
        if (arena == 0)
            break;
        limit = arena - 1;
    }
    return fusion_spent(s->f) ? -1 : 0;
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
    s.nodes = calloc(n, sizeof *s.nodes);
    s.front_cells = rules->cells ? front_cells_open(f, rules->groups, e) : NULL;
    int rc = !s.begin || !s.nodes || (rules->cells && !s.front_cells) || search(&s, rules, out);
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
    free(s.nodes);
    free(s.edges);
    return rc ? -1 : 0;
}
