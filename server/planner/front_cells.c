// SPDX-License-Identifier: MIT
// See front_cells.h. What a cell costs does not depend on its block, so each is looked at once.
#include "server/planner/front_cells.h"

#include <stdlib.h>

#include "server/planner/families.h"
#include "server/planner/front.h"

// All ways to run a cell that are worth it: none is as good in every respect as another.
struct look {
    struct cell cell; // of a family
    struct cells_variety variety;
    struct cell_facts *facts[CELLS_MAX_OPTIONS]; // that are here to be freed
};

struct known { // what a cell costs, by what it is; open addressing
    struct look **at;
    size_t n, cap;
};

struct front_cells {
    struct families families;
    struct cells cells;
    struct known known;
    const struct cells_variety **varieties; // [n_layers]
    const struct cell_facts **facts;        // [n_layers]
    struct cell *chosen;                    // [n_layers]
    int *ways;                              // [n_layers] which of its ways that is
    front_cells_each *each;                 // of the call at hand
    void *ctx;
};

static size_t hash_of(const struct cell *c)
{
    uint64_t h = (uint64_t)c->first * 1000003u + (uint64_t)c->last;
    h = h * 1000003u + (uint64_t)c->band_rows;
    return (size_t)(h * 0x9E3779B97F4A7C15u >> 20);
}

static bool same_cell(const struct cell *a, const struct cell *b)
{
    return a->first == b->first && a->last == b->last && a->band_rows == b->band_rows;
}

static struct look **slot_of(const struct known *k, const struct cell *c)
{
    size_t i = hash_of(c) & (k->cap - 1);
    while (k->at[i] && !same_cell(&k->at[i]->cell, c))
        i = (i + 1) & (k->cap - 1);
    return &k->at[i];
}

static int grow(struct known *k)
{
    struct known wider = {.n = k->n, .cap = k->cap ? 2 * k->cap : 1024};
    wider.at =
        calloc(wider.cap, sizeof *wider.at); // NOLINT(bugprone-sizeof-expression): of pointers
    if (!wider.at)
        return -1;
    for (size_t i = 0; i < k->cap; i++) {
        if (k->at[i])
            *slot_of(&wider, &k->at[i]->cell) = k->at[i];
    }
    free(k->at);
    *k = wider;
    return 0;
}

static uint64_t bytes_of(const struct cell_facts *c)
{
    return sizeof *c + ((uint64_t)c->n_bands + 1) *
                           (2 * sizeof *c->macs + (uint64_t)c->n_inputs * sizeof *c->need);
}

// Whatever the block: as few bytes, MACs and calls.
static bool as_good(const struct cell_facts *a, const struct cell_facts *b)
{
    const int n = a->n_bands;
    bool good = a->scratch_bytes <= b->scratch_bytes && a->sums <= b->sums;
    for (int i = 1; i <= n && good; i++)
        good = a->macs[i] <= b->macs[i] && a->calls[i] <= b->calls[i];
    for (int k = 0; k < a->n_inputs && good; k++)
        good = a->overlap[k] >= b->overlap[k];
    return good;
}

// Adds a way to run the cell unless another is as good.
static void add_way(struct look *l, const struct cell_facts *new)
{
    struct cells_variety *v = &l->variety;
    int kept = 0;
    for (int i = 0; i < v->n; i++) {
        if (as_good(v->facts[i], new))
            return;
        if (!as_good(new, v->facts[i]))
            v->facts[kept++] = v->facts[i];
    }
    v->n = kept;
    v->facts[v->n++] = new;
}

static void free_look(struct look *l)
{
    for (int i = 0; l && i < CELLS_MAX_OPTIONS; i++)
        free(l->facts[i]);
    free(l);
}

// A cell that cannot run has one way, and that says why.
static struct look *look_at(struct front_cells *s, const struct cell *cell)
{
    struct cell ways[CELLS_MAX_OPTIONS];
    const int n = families_ways(&s->families, cell, ways);
    struct look *l = calloc(1, sizeof *l);
    for (int i = 0; l && i < n; i++) {
        l->facts[i] = cell_facts(s->cells.f, &ways[i], 1);
        if (!l->facts[i]) {
            free_look(l);
            return NULL;
        }
        s->cells.f->work += bytes_of(l->facts[i]) * FRONT_WORK_OF_A_BYTE;
        if (!l->facts[i]->why)
            add_way(l, l->facts[i]);
    }
    if (l && l->variety.n == 0)
        l->variety = (struct cells_variety){1, {l->facts[0]}};
    if (l)
        l->cell = *cell;
    return l;
}

static const struct cells_variety *variety_of(struct front_cells *s, const struct cell *c)
{
    if (2 * s->known.n >= s->known.cap && grow(&s->known))
        return NULL;
    struct look **slot = slot_of(&s->known, c);
    if (!*slot) {
        *slot = look_at(s, c);
        if (!*slot)
            return NULL;
        s->known.n++; // -fanalyzer: no leak, the table has it
    }
    return &(*slot)->variety;
}

// The way with the fewest MACs, then calls, with which cell i's own calls stay within the limit; -1:
// none. Notes the arena that it needs.
static int cheapest(const struct cells *c, int i, uint32_t limit, uint32_t *arena)
{
    const struct cells_variety *v = c->varieties[i];
    const int bands = c->done[i];
    int best = -1;
    for (int k = 0; k < v->n; k++) {
        const struct cell_facts *p = v->facts[k], *q = best < 0 ? NULL : v->facts[best];
        const uint32_t needs = cells_option_arena(c, i, k);
        bool cheaper = !q || p->macs[bands] < q->macs[bands] ||
                       (p->macs[bands] == q->macs[bands] && p->calls[bands] < q->calls[bands]);
        bool equal = q && p->macs[bands] == q->macs[bands] && p->calls[bands] == q->calls[bands];
        if (needs <= limit && (cheaper || (equal && needs < *arena))) {
            best = k;
            *arena = needs;
        }
    }
    return best;
}

// The cheapest ways within the limit: the block's cost and arena. False: it needs more.
static bool choose(struct front_cells *s, uint32_t limit)
{
    struct cells *c = &s->cells;
    c->arena_bytes = 0;
    c->macs = c->calls_made = 0;
    for (int i = 0; i < c->n; i++) {
        uint32_t arena = 0;
        const int k = cheapest(c, i, limit, &arena);
        c->f->work += (uint64_t)c->varieties[i]->n;
        if (k < 0)
            return false;
        const struct cell_facts *p = c->varieties[i]->facts[k];
        s->chosen[i] = p->cell;
        s->ways[i] = k;
        c->macs += p->macs[c->done[i]];
        c->calls_made += p->calls[c->done[i]];
        c->arena_bytes = arena > c->arena_bytes ? arena : c->arena_bytes;
    }
    return true;
}

static int price(void *ctx, const struct cell *cells, int n)
{
    struct front_cells *s = ctx;
    for (int i = 0; i < n; i++) {
        s->varieties[i] = variety_of(s, &cells[i]);
        if (!s->varieties[i])
            return -1;
    }
    const char *why = cells_price_varieties(&s->cells, s->varieties, s->facts, n);
    uint32_t limit = UINT32_MAX;
    while (!why && !fusion_spent(s->cells.f) && choose(s, limit)) {
        int rc = s->each(s->ctx, &s->cells, s->chosen, n);
        if (rc || s->cells.arena_bytes == 0)
            return rc;
        limit = s->cells.arena_bytes - 1;
    }
    return fusion_spent(s->cells.f) ? -1 : 0;
}

struct front_cells *front_cells_open(struct fusion *f, bool groups, struct err *e)
{
    struct front_cells *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a search");
        return NULL;
    }
    const size_t n_layers = (size_t)f->g->n_layers;
    // NOLINTBEGIN(bugprone-sizeof-expression): arrays of pointers
    s->facts = calloc(n_layers, sizeof *s->facts);
    s->varieties = calloc(n_layers, sizeof *s->varieties);
    // NOLINTEND(bugprone-sizeof-expression)
    s->chosen = calloc(n_layers, sizeof *s->chosen);
    s->ways = calloc(n_layers, sizeof *s->ways);
    if (!s->facts || !s->varieties || !s->chosen || !s->ways ||
        families_open(&s->families, f->g, e) || cells_open(&s->cells, f, e)) {
        front_cells_close(s);
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a search");
        return NULL;
    }
    s->families.groups = groups;
    return s;
}

void front_cells_close(struct front_cells *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->known.cap; i++)
        free_look(s->known.at[i]);
    free(s->known.at);
    free(s->facts);
    free(s->varieties);
    free(s->chosen);
    free(s->ways);
    families_close(&s->families);
    cells_close(&s->cells);
    free(s);
}

int front_cells_of_block(struct front_cells *s, int first, int last, front_cells_each *each,
                         void *ctx)
{
    s->each = each;
    s->ctx = ctx;
    return families_of_block(&s->families, first, last, price, s);
}

// ---- predicted latency ----

static void look_at_chunks(struct front_cells *s, int i, struct cell_facts *facts)
{
    struct cells_choice choices[FUSION_CHUNK_SIZES];
    const struct cell_facts *first = s->cells.facts[i];
    s->cells.facts[i] = facts;
    cells_choices(&s->cells, i, choices);
    s->cells.facts[i] = first;
    for (int k = 0; k < FUSION_CHUNK_SIZES; k++) {
        facts->chunk_apart[k] = choices[k].apart;
        facts->chunk_scratch[k] = choices[k].scratch_bytes;
        facts->chunk_cycles[k] = choices[k].cost.cycles;
    }
}

// The way that was chosen for cell i, with its chunks. One whose last bands do not run is looked at in `room`: that is
// rare.
static const struct cell_facts *with_chunks(struct front_cells *s, int i, struct cell_facts *room)
{
    const struct cell_facts *way = s->varieties[i]->facts[s->ways[i]];
    struct look *l = *slot_of(&s->known, &way->cell);
    int k = 0;
    while (l->facts[k] != way)
        k++;
    struct cell_facts *facts = l->facts[k];
    if (s->cells.done[i] < facts->n_bands) {
        *room = *facts;
        look_at_chunks(s, i, room);
        return room;
    }
    if (!facts->knows_chunks)
        look_at_chunks(s, i, facts);
    facts->knows_chunks = true;
    return facts;
}

static int by_arena(const void *a, const void *b)
{
    const struct front_step *x = a, *y = b;
    return (x->arena_bytes > y->arena_bytes) - (x->arena_bytes < y->arena_bytes);
}

int front_cells_steps(struct front_cells *s, struct front_step *steps)
{
    const uint32_t own = s->cells.arena_bytes;
    int n = 1, kept = 0;
    steps[0] = (struct front_step){own, cells_overhead(&s->cells)};
    for (int i = 0; i < s->cells.n; i++) {
        struct cell_facts room;
        const struct cell_facts *facts = with_chunks(s, i, &room);
        for (int k = 0; k < FUSION_CHUNK_SIZES; k++) {
            const uint32_t arena = cells_chunk_arena(
                &s->cells, i, s->ways[i], facts->chunk_apart[k], facts->chunk_scratch[k]);
            const double more = facts->chunk_cycles[k] - (k ? facts->chunk_cycles[k - 1] : 0);
            if (k == 0 || arena <= own)
                steps[0].cycles += more;
            else
                steps[n++] = (struct front_step){arena, more};
        }
    }
    qsort(steps + 1, (size_t)n - 1, sizeof *steps, by_arena);
    for (int i = 1; i < n; i++) { // from differences to sums
        const double cycles = steps[kept].cycles + steps[i].cycles;
        kept += steps[i].arena_bytes > steps[kept].arena_bytes;
        steps[kept] = (struct front_step){steps[i].arena_bytes, cycles};
    }
    return kept + 1;
}

void front_cells_entries(const struct cell *cells, int n, struct config_block *out)
{
    for (int i = 0; i < n; i++)
        out[i] = (struct config_block){.first = cells[i].first,
                                       .last = cells[i].last,
                                       .axis = FUSION_COLS,
                                       .band_rows = cells[i].band_rows,
                                       .group = cells[i].group,
                                       .strip = cells[i].strip,
                                       .cells = n - i};
}
