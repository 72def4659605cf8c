// SPDX-License-Identifier: MIT
// See families.h.
#include "server/planner/families.h"

#include <stdint.h>
#include <stdlib.h>

#define MAX_CELLS 256
#define SPLITS 5   // limits of `split` that are tried
#define N_STRIPS 5 // widths of strips

_Static_assert(CELLS_MAX_OPTIONS >= 1 + 2 * (1 + N_STRIPS), "all ways to run a cell");

static const int band_rows[] = {1, 2, 3, 4};
static const int groups[] = {8, 4};
#define N_BANDS ((int)(sizeof band_rows / sizeof *band_rows))
#define N_GROUPS ((int)(sizeof groups / sizeof *groups))

struct unit {
    int first, last;
    uint64_t ring_bytes; // if it ran by rows
};

struct block {
    const struct families *u;
    struct unit units[FAMILIES_MAX_UNITS];
    int n;
    uint64_t splits[FAMILIES_MAX_UNITS + 1];
    int n_splits;
    struct cell cells[MAX_CELLS];
    int n_cells;
    families_each *each;
    void *ctx;
};

struct family {
    int head, head_rows, rows;
    int64_t split; // -1: none
};

// ---- units ----

static bool follows(const struct graph *g, int layer) // the one before, and it alone
{
    return g->layers[layer].in[0] == g->layers[layer - 1].out;
}

static bool is_pointwise_conv(const struct layer *l)
{
    return l->op == LAYER_CONV && l->kh == 1 && l->kw == 1 && l->sh == 1 && l->sw == 1;
}

// A 1x1 convolution right behind a depthwise one or a pooling.
static bool is_projection(const struct graph *g, int layer)
{
    const struct layer *l = &g->layers[layer];
    return layer > 0 && is_pointwise_conv(l) && follows(g, layer) && l[-1].op != LAYER_CONV &&
           l[-1].op != LAYER_ADD && l[-1].op != LAYER_RESHAPE;
}

static bool begins_unit(const struct graph *g, int layer)
{
    const struct layer *l = &g->layers[layer];
    if (layer == 0 || l->op == LAYER_RESHAPE || l[-1].op == LAYER_RESHAPE)
        return true;
    switch (l->op) {
    case LAYER_CONV:
        return !is_projection(g, layer);
    case LAYER_DWCONV:
    case LAYER_AVGPOOL:
    case LAYER_MAXPOOL:
    case LAYER_MEAN:
    case LAYER_PAD:
        return !follows(g, layer) || l[-1].op == LAYER_ADD || is_projection(g, layer - 1);
    default:
        return false;
    }
}

int families_open(struct families *u, const struct graph *g, struct err *e)
{
    *u = (struct families){.g = g, .groups = true};
    u->begins = calloc((size_t)g->n_layers + 1, sizeof *u->begins);
    if (!u->begins)
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for %d layers", g->n_layers);
    for (int i = 0; i < g->n_layers; i++)
        u->begins[i] = begins_unit(g, i);
    u->begins[g->n_layers] = true;
    return 0;
}

void families_close(struct families *u)
{
    free(u->begins);
    *u = (struct families){0};
}

// ---- a block ----

static bool has_window(const struct layer *l)
{
    return l->op != LAYER_ADD && !fusion_pointwise(l);
}

static uint64_t ring_bytes(const struct graph *g, int first, int last)
{
    uint64_t sum = 0;
    for (int i = first + 1; i <= last; i++) {
        const struct layer *l = &g->layers[i];
        int k = l->kh < l->in_h ? l->kh : l->in_h;
        if (has_window(l))
            sum += (uint64_t)k * (uint64_t)l->in_w * (uint64_t)l->in_c;
    }
    return sum;
}

static int take_units(struct block *b, int first, int last)
{
    const struct families *u = b->u;
    if (!u->begins[first] || !u->begins[last + 1])
        return 0;
    for (int i = first; i <= last; i++) {
        if (u->begins[i]) {
            if (b->n == FAMILIES_MAX_UNITS)
                return 0;
            b->units[b->n++].first = i;
        }
        b->units[b->n - 1].last = i;
    }
    for (int i = 0; i < b->n; i++)
        b->units[i].ring_bytes = ring_bytes(u->g, b->units[i].first, b->units[i].last);
    return b->n;
}

static int by_bytes(const void *a, const void *b)
{
    uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return (p > q) - (p < q);
}

// The different ring sizes of the units behind the head, thinned out.
static void take_splits(struct block *b, int head)
{
    uint64_t all[FAMILIES_MAX_UNITS];
    int n = 0, different = 0;
    for (int i = head; i < b->n; i++)
        all[n++] = b->units[i].ring_bytes;
    qsort(all, (size_t)n, sizeof *all, by_bytes);
    for (int i = 0; i < n; i++) {
        if (different == 0 || all[different - 1] != all[i])
            all[different++] = all[i];
    }
    b->n_splits = different < SPLITS ? different : SPLITS;
    for (int i = 0; i < b->n_splits; i++)
        b->splits[i] = all[b->n_splits < 2 ? 0 : i * (different - 1) / (b->n_splits - 1)];
}

static void add_cell(struct block *b, int first, int last, int rows)
{
    const int high = b->u->g->layers[last].out_h;
    if (b->n_cells < MAX_CELLS)
        b->cells[b->n_cells++] =
            (struct cell){.first = first, .last = last, .band_rows = rows < high ? rows : high};
}

static void add_split_unit(struct block *b, const struct unit *u)
{
    int first = u->first;
    for (int i = u->first + 1; i <= u->last; i++) {
        if (has_window(&b->u->g->layers[i])) {
            add_cell(b, first, i - 1, 1);
            first = i;
        }
    }
    add_cell(b, first, u->last, 1);
}

static int try_family(struct block *b, const struct family *f)
{
    b->n_cells = 0;
    if (f->head)
        add_cell(b, b->units[0].first, b->units[f->head - 1].last, f->head_rows);
    for (int i = f->head; i < b->n; i++) {
        const struct unit *u = &b->units[i];
        if (f->split >= 0 && u->ring_bytes <= (uint64_t)f->split)
            add_split_unit(b, u);
        else
            add_cell(b, u->first, u->last, f->rows);
    }
    return b->n_cells < MAX_CELLS ? b->each(b->ctx, b->cells, b->n_cells) : 0;
}

static int try_rest(struct block *b, struct family *f)
{
    const int n_rows = f->head < b->n ? N_BANDS : 1;
    for (int r = 0; r < n_rows; r++) {
        f->rows = band_rows[r];
        // The last split cuts all units, whatever their rows.
        const int n_splits = r == 0 ? b->n_splits : b->n_splits - 1;
        for (int s = -1; s < n_splits; s++) {
            f->split = s < 0 ? -1 : (int64_t)b->splits[s];
            int rc = try_family(b, f);
            if (rc)
                return rc;
        }
    }
    return 0;
}

// One unit, with bands of any height.
static int try_unit(struct block *b)
{
    const int high = b->n == 1 ? b->u->g->layers[b->units[0].last].out_h : 0;
    for (int rows = band_rows[N_BANDS - 1] + 1; rows <= high; rows++) {
        b->n_cells = 0;
        add_cell(b, b->units[0].first, b->units[0].last, rows);
        int rc = b->each(b->ctx, b->cells, b->n_cells);
        if (rc)
            return rc;
    }
    return 0;
}

// The projection of the expansion, depthwise convolution and projection that end the cell, or NULL.
static const struct layer *projection_of(const struct graph *g, const struct cell *c)
{
    int i = c->last;
    while (i > c->first && g->layers[i].op != LAYER_DWCONV)
        i--;
    if (i == c->first || i == c->last || g->layers[i - 1].op != LAYER_CONV ||
        !is_pointwise_conv(&g->layers[i + 1]))
        return NULL;
    return &g->layers[i + 1];
}

static int add_way(const struct cell *cell, int group, int strip, struct cell *ways, int n)
{
    ways[n] = *cell;
    ways[n].group = group;
    ways[n].strip = strip;
    return n + 1;
}

int families_ways(const struct families *u, const struct cell *cell,
                  struct cell ways[CELLS_MAX_OPTIONS])
{
    const struct layer *project = u->groups ? projection_of(u->g, cell) : NULL;
    int n = add_way(cell, 0, 0, ways, 0);
    for (int k = 0; project && k < N_GROUPS; k++) {
        if (groups[k] >= project->in_c)
            continue;
        n = add_way(cell, groups[k], 0, ways, n);
        const int width = project->out_w;
        const int strips[] = {(width + 1) / 2, (width + 3) / 4, (width + 7) / 8, 2, 1};
        for (int i = 0; i < N_STRIPS; i++) {
            if (strips[i] < (i ? strips[i - 1] : width))
                n = add_way(cell, groups[k], strips[i], ways, n);
        }
    }
    return n;
}

int families_of_block(const struct families *u, int first, int last, families_each *each, void *ctx)
{
    struct block b = {.u = u, .each = each, .ctx = ctx};
    if (!take_units(&b, first, last))
        return 0;
    int rc = try_unit(&b);
    for (int head = 0; head <= b.n && !rc; head++) {
        if (head == 1)
            continue;
        take_splits(&b, head);
        for (int r = 0; r < (head ? N_BANDS : 1) && !rc; r++) {
            struct family f = {.head = head, .head_rows = band_rows[r]};
            rc = try_rest(&b, &f);
        }
    }
    return rc;
}
