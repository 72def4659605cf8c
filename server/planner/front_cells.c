// SPDX-License-Identifier: MIT
// See front_cells.h. What a cell costs does not depend on its block, so each is looked at once.
#include "server/planner/front_cells.h"

#include <stdlib.h>

#include "server/planner/families.h"
#include "server/planner/front.h"

struct known { // what a cell costs, by what it is; open addressing
    struct cell_facts **at;
    size_t n, cap;
};

struct front_cells {
    struct families families;
    struct cells cells;
    struct known known;
    const struct cell_facts **facts; // [n_layers]
    front_cells_each *each;          // of the call at hand
    void *ctx;
};

static size_t hash_of(const struct cell *c)
{
    uint64_t h = (uint64_t)c->first * 1000003u + (uint64_t)c->last;
    h = (h * 1000003u + (uint64_t)c->band_rows) * 1000003u + (uint64_t)c->group;
    h = h * 1000003u + (uint64_t)c->strip;
    return (size_t)(h * 0x9E3779B97F4A7C15u >> 20);
}

static bool same_cell(const struct cell *a, const struct cell *b)
{
    return a->first == b->first && a->last == b->last && a->band_rows == b->band_rows &&
           a->group == b->group && a->strip == b->strip;
}

static struct cell_facts **slot_of(const struct known *k, const struct cell *c)
{
    size_t i = hash_of(c) & (k->cap - 1);
    while (k->at[i] && !same_cell(&k->at[i]->cell, c))
        i = (i + 1) & (k->cap - 1);
    return &k->at[i];
}

static int grow(struct known *k)
{
    struct known wider = {.n = k->n, .cap = k->cap ? 2 * k->cap : 1024};
    wider.at = calloc(wider.cap, sizeof(struct cell_facts *));
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

static const struct cell_facts *facts_of(struct front_cells *s, const struct cell *c)
{
    if (2 * s->known.n >= s->known.cap && grow(&s->known))
        return NULL;
    struct cell_facts **slot = slot_of(&s->known, c);
    if (!*slot) {
        *slot = cell_facts(s->cells.f, c, 1);
        if (!*slot)
            return NULL;
        s->known.n++;
        s->cells.f->work += bytes_of(*slot) * FRONT_WORK_OF_A_BYTE;
    }
    return *slot;
}

static int price(void *ctx, const struct cell *cells, int n)
{
    struct front_cells *s = ctx;
    for (int i = 0; i < n; i++) {
        s->facts[i] = facts_of(s, &cells[i]);
        if (!s->facts[i])
            return -1;
    }
    const char *why = cells_price(&s->cells, s->facts, n);
    if (fusion_spent(s->cells.f))
        return -1;
    return why ? 0 : s->each(s->ctx, &s->cells, cells, n);
}

struct front_cells *front_cells_open(struct fusion *f, bool groups, struct err *e)
{
    struct front_cells *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a search");
        return NULL;
    }
    s->facts = calloc((size_t)f->g->n_layers, sizeof *s->facts);
    if (!s->facts || families_open(&s->families, f->g, e) || cells_open(&s->cells, f, e)) {
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
        free(s->known.at[i]);
    free(s->known.at);
    free(s->facts);
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
