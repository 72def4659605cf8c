// SPDX-License-Identifier: MIT
// See msfcnn.h. Divisions round down, as Python's do.
#include "server/planner/msfcnn.h"

#include <stdlib.h>

struct msfcnn_node {
    uint64_t cost;
    int from; // node before; -1: not reached
    bool settled;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static uint64_t elements(int h, int w, int c)
{
    return (uint64_t)h * (uint64_t)w * (uint64_t)c;
}

static uint64_t input_bytes(const struct msfcnn_layer *l)
{
    return elements(l->h.in, l->w.in, l->in_c);
}

static uint64_t output_bytes(const struct msfcnn_layer *l)
{
    return elements(l->h.out, l->w.out, l->out_c);
}

static uint64_t plain_macs(const struct msfcnn_layer *l)
{
    return output_bytes(l) * l->macs_per_output;
}

// Tile rows at the first layer's input for one output row, and rows between bands.
static void tile_of(const struct msfcnn_layer *l, int first, int last, int64_t *tile,
                    int64_t *stride)
{
    *tile = *stride = 1;
    for (int i = last; i >= first; i--) {
        *tile = (*tile - 1) * l[i].h.stride + l[i].h.k;
        *stride *= l[i].h.stride;
    }
}

// Columns of k rows-of-tile at every layer, for the last band.
static uint64_t cache_bytes(const struct msfcnn_layer *l, int first, int last, int64_t tile,
                            int64_t stride)
{
    const int64_t start = floor_div(l[first].h.in - tile, stride) * stride;
    int64_t rows = tile, scale = 1;
    uint64_t sum = 0;
    for (int i = first; i <= last; i++) {
        const struct msfcnn_axis *h = &l[i].h;
        scale *= h->stride;
        sum += (uint64_t)(h->k * rows * l[i].in_c);
        int64_t at = start / scale, out = rows - h->k;
        out += at == 0 ? h->pad : 0;
        out += at + rows >= h->in ? h->pad : 0;
        rows = floor_div(out, h->stride) + 1;
    }
    return sum;
}

static uint64_t fused_macs(const struct msfcnn_layer *l, int first, int last, int64_t tile,
                           int64_t stride)
{
    uint64_t sum = 0;
    for (int i = first; i <= last; i++) {
        const struct msfcnn_axis *h = &l[i].h, *w = &l[i].w;
        int64_t bands = floor_div(h->in + 2 * h->pad - tile, stride) + 1;
        int64_t width = floor_div(w->in + 2 * w->pad - w->k, w->stride) + 1;
        int64_t rows = floor_div(tile - h->k, h->stride) + 1;
        sum += (uint64_t)(bands * width * rows * l[i].out_c) * l[i].macs_per_output;
        tile = rows;
        stride = floor_div(stride, h->stride);
    }
    return sum;
}

static struct msfcnn_edge price(const struct msfcnn_layer *l, int n, int first, int last)
{
    struct msfcnn_edge e = {.ram = input_bytes(&l[first]) + output_bytes(&l[last]),
                            .macs = plain_macs(&l[first]),
                            .possible = true};
    if (first < last) {
        int64_t tile, stride;
        tile_of(l, first, last, &tile, &stride);
        if (tile > l[first].h.in || tile > l[first].w.in)
            return (struct msfcnn_edge){.possible = false};
        e.ram += cache_bytes(l, first, last, tile, stride);
        e.macs = fused_macs(l, first, last, tile, stride);
    }
    e.ram -= first == 0 ? input_bytes(&l[first]) : 0;
    e.ram -= last == n - 1 ? output_bytes(&l[last]) : 0;
    return e;
}

int msfcnn_open(struct msfcnn *m, const struct msfcnn_layer *layers, int n, struct err *e)
{
    *m = (struct msfcnn){.n = n};
    m->edges = calloc((size_t)n * (size_t)n, sizeof *m->edges);
    m->nodes = calloc((size_t)n + 1, sizeof *m->nodes);
    if (!m->edges || !m->nodes) {
        msfcnn_close(m);
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for %d layers in msf-CNN's model", n);
    }
    for (int first = 0; first < n; first++) {
        m->plain_macs += plain_macs(&layers[first]);
        for (int last = first; last < n; last++)
            m->edges[first * n + last] = price(layers, n, first, last);
    }
    return 0;
}

static struct msfcnn_axis axis_of(int in, int out, int k, int stride, int before)
{
    int after = (out - 1) * stride + k - in - before;
    return (struct msfcnn_axis){in, out, k, stride, after > before ? after : before};
}

int msfcnn_open_graph(struct msfcnn *m, const struct graph *g, struct err *e)
{
    struct msfcnn_layer *layers = calloc((size_t)g->n_layers, sizeof *layers);
    *m = (struct msfcnn){0};
    if (!layers)
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for %d layers in msf-CNN's model",
                       g->n_layers);
    for (int i = 0; i < g->n_layers; i++) {
        const struct layer *l = &g->layers[i];
        layers[i] = (struct msfcnn_layer){
            .h = axis_of(l->in_h, l->out_h, l->kh, l->sh, l->pad_top),
            .w = axis_of(l->in_w, l->out_w, l->kw, l->sw, l->pad_left),
            .in_c = l->in_c,
            .out_c = l->out_c,
            .macs_per_output = layer_macs_per_pixel(l) / (uint64_t)l->out_c,
        };
    }
    int rc = msfcnn_open(m, layers, g->n_layers, e);
    free(layers);
    return rc;
}

void msfcnn_close(struct msfcnn *m)
{
    free(m->edges);
    free(m->nodes);
    *m = (struct msfcnn){0};
}

void msfcnn_forbid(struct msfcnn *m, int first, int last)
{
    m->edges[first * m->n + last].possible = false;
}

// ---- paths ----

enum path_cost { COST_MACS, COST_RAM }; // the sum of MACs, or the largest RAM

// Dijkstra's order matters where two paths cost the same: nodes are settled by cost, then from the
// front of the network, and a later way must be strictly better to win.
static int next_node(const struct msfcnn *m)
{
    int best = -1;
    for (int i = 0; i <= m->n; i++) {
        const struct msfcnn_node *node = &m->nodes[i];
        if (node->from >= 0 && !node->settled && (best < 0 || node->cost < m->nodes[best].cost))
            best = i;
    }
    return best;
}

static bool take_path(const struct msfcnn *m, struct msfcnn_path *path)
{
    path->ram = path->macs = 0;
    path->n_blocks = 0;
    if (m->nodes[m->n].from < 0)
        return false;
    for (int i = m->n; i > 0; i = m->nodes[i].from)
        path->n_blocks++;
    int k = path->n_blocks;
    for (int i = m->n; i > 0; i = m->nodes[i].from) {
        const struct msfcnn_edge *e = &m->edges[m->nodes[i].from * m->n + i - 1];
        path->last[--k] = i - 1;
        path->macs += e->macs;
        path->ram = e->ram > path->ram ? e->ram : path->ram;
    }
    return true;
}

// Among blocks of at most `ram` bytes; head_only: only a block that starts the network may have
// more than one layer.
static bool search(struct msfcnn *m, enum path_cost cost, uint64_t ram, bool head_only,
                   struct msfcnn_path *path)
{
    for (int i = 0; i <= m->n; i++)
        m->nodes[i] = (struct msfcnn_node){.from = -1};
    m->nodes[0].from = 0;
    for (int at = next_node(m); at >= 0 && at < m->n; at = next_node(m)) {
        m->nodes[at].settled = true;
        for (int last = at; last < (head_only && at > 0 ? at + 1 : m->n); last++) {
            const struct msfcnn_edge *e = &m->edges[at * m->n + last];
            struct msfcnn_node *to = &m->nodes[last + 1];
            uint64_t c = m->nodes[at].cost;
            c = cost == COST_MACS ? c + e->macs : e->ram > c ? e->ram : c;
            if (e->possible && e->ram <= ram && (to->from < 0 || c < to->cost))
                *to = (struct msfcnn_node){c, at, false};
        }
    }
    return take_path(m, path);
}

bool msfcnn_shortest(struct msfcnn *m, uint64_t ram, struct msfcnn_path *path)
{
    return search(m, COST_MACS, ram, false, path);
}

bool msfcnn_heuristic(struct msfcnn *m, struct msfcnn_path *path)
{
    return search(m, COST_RAM, UINT64_MAX, true, path);
}

// The scripts drop the edges with the most RAM, one value after the other, and search again; until
// the path itself loses an edge, it stays the same.
static bool least_ram(struct msfcnn *m, uint64_t limit, double max_macs, struct msfcnn_path *path)
{
    bool found = false;
    while (msfcnn_shortest(m, limit, path) && (double)path->macs <= max_macs) {
        found = true;
        if (path->ram == 0)
            return true;
        limit = path->ram - 1;
    }
    // The path has been overwritten by the one that failed: the limit that it passed is known.
    return found && msfcnn_shortest(m, limit + 1, path);
}

bool msfcnn_p1(struct msfcnn *m, double f_max, struct msfcnn_path *path)
{
    return least_ram(m, UINT64_MAX - 1, (double)m->plain_macs * f_max, path);
}

bool msfcnn_p2(struct msfcnn *m, uint64_t ram, struct msfcnn_path *path)
{
    if (ram == 0 || !msfcnn_shortest(m, ram - 1, path))
        return false;
    return least_ram(m, ram - 1, (double)path->macs, path);
}
