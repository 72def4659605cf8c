// SPDX-License-Identifier: MIT
// See bound.h. A position counts slices (rows, or columns) in steps of 1 / PARTS: a layer at position 3.25 has
// made three slices and a quarter of the next. The layer that is looked at is exactly at such a position; the others
// are anywhere from one to the next, so of two choices the lower is taken: what that costs is below two
// parts of a slice a layer.
#include "server/planner/bound.h"

#include <stdlib.h>

#include "server/planner/fusion.h"

#define PARTS 32

struct axis { // of a layer
    struct axis_geometry is;
    int end; // position beyond which nobody needs anything
};

struct link {
    struct axis along, across;
    uint64_t part_bytes; // of the output, PARTS times
    uint64_t *up;        // [end + 1] least bytes of what is before the layer, when it is there
    uint64_t *down;      // likewise of its output and all behind
};

struct chain {
    int n;
    struct link *links;
};

static bool has_window(const struct layer *l)
{
    return (l->op == LAYER_CONV || l->op == LAYER_DWCONV || l->op == LAYER_AVGPOOL ||
            l->op == LAYER_MAXPOOL) &&
           !fusion_pointwise(l);
}

// Windows overlap, by at least as much as the padding is wide on either side.
static bool overlaps(const struct layer *l, bool rows)
{
    const struct axis_geometry q = layer_axis(l, rows);
    const int overlap = q.k - q.stride, pad_end = (q.out - 1) * q.stride + q.k - q.in - q.pad;
    return q.k >= q.in || (overlap > 0 && q.pad <= overlap && pad_end <= overlap);
}

// A network has no bound with a layer whose windows do not overlap: then all that is before may be made in tiles with
// nothing computed twice, neither row by row nor column by column. Nor with wider padding: the slices of such a
// layer's output do not keep pace with those of its input (needed(), read_before()).
static bool has_bound(const struct layer *l)
{
    return !has_window(l) || (overlaps(l, true) && overlaps(l, false));
}

// A layer that makes a single pixel may take its input as it appears, and keep sums.
static bool goes_on(const struct graph *g, int i)
{
    const struct layer *l = &g->layers[i];
    const struct tensor *in = &g->tensors[l->in[0]];
    const int before = i ? g->layers[i - 1].out : g->input;
    return (has_window(l) || fusion_pointwise(l)) && l->in_h == in->h && l->in_w == in->w &&
           l->in_c == in->c && (l->out_h > 1 || l->out_w > 1) &&
           (l->in[0] == before || l->in[1] == before);
}

// What the chain makes last is for a layer further behind, which may need less of it than all.
static bool branches_off(const struct graph *g, int n)
{
    return n > 0 && n < g->n_layers && g->layers[n].in[0] != g->layers[n - 1].out;
}

static int clamp(int v, int max)
{
    return v < 0 ? 0 : v < max ? v : max;
}

// Position of the input that a layer at position `at` needs. Inside a slice it is at the same part of the input's.
static int needed(const struct axis *a, int at)
{
    if (at == 0)
        return 0;
    const int slice = (at - 1) / PARTS, part = at - slice * PARTS;
    return clamp((slice * a->is.stride - a->is.pad + a->is.k - 1) * PARTS + part, a->is.in * PARTS);
}

// Position of the input up to which a layer before `at` may have read all for the last time; at the end, all of it.
static int read_before(const struct axis *a, int at)
{
    if (at == a->end)
        return a->is.in * PARTS;
    return clamp((at + 1) * a->is.stride - a->is.pad * PARTS, a->is.in * PARTS);
}

// next: the axis of the layer behind, or NULL.
static struct axis axis_of(const struct layer *l, bool rows, const struct axis *next)
{
    struct axis a = {.is = layer_axis(l, rows)};
    a.end = next ? needed(next, next->end) : a.is.out * PARTS;
    return a;
}

static void close_chain(struct chain *c)
{
    for (int i = 0; c->links && i < c->n; i++) {
        free(c->links[i].up);
        free(c->links[i].down);
    }
    free(c->links);
}

static int open_chain(struct chain *c, const struct graph *g, bool rows, bool output_outside)
{
    *c = (struct chain){.links = calloc((size_t)g->n_layers, sizeof *c->links)};
    while (c->n < g->n_layers && goes_on(g, c->n))
        c->n++;
    if (branches_off(g, c->n))
        c->n = 0;
    // The layer behind the chain may not need all of its input. What it needs it may take as it appears.
    struct axis along, across;
    const bool behind = c->n < g->n_layers && has_window(&g->layers[c->n]);
    if (behind) {
        along = axis_of(&g->layers[c->n], rows, NULL);
        across = axis_of(&g->layers[c->n], !rows, NULL);
    }
    for (int i = c->n - 1; c->links && i >= 0; i--) {
        struct link *l = &c->links[i], *next = i + 1 < c->n ? l + 1 : NULL;
        l->along = axis_of(&g->layers[i], rows, next ? &next->along : behind ? &along : NULL);
        l->across = axis_of(&g->layers[i], !rows, next ? &next->across : behind ? &across : NULL);
        l->part_bytes = (uint64_t)(l->across.end / PARTS) * (uint64_t)g->layers[i].out_c;
        if (!next && (c->n < g->n_layers || output_outside))
            l->part_bytes = 0;
        l->up = calloc((size_t)l->along.end + 1, sizeof *l->up);
        l->down = calloc((size_t)l->along.end + 1, sizeof *l->down);
        if (!l->up || !l->down)
            return -1;
    }
    return c->links ? 0 : -1;
}

static uint64_t between(const struct link *l, int made, int read)
{
    return made > read ? (uint64_t)(made - read) * l->part_bytes : 0;
}

static void look_up(const struct link *before, struct link *l)
{
    for (int at = 0; at <= l->along.end; at++) {
        const int read = read_before(&l->along, at);
        uint64_t least = UINT64_MAX;
        for (int made = needed(&l->along, at); made <= before->along.end; made++) {
            const uint64_t bytes = before->up[made] + between(before, made, read);
            least = bytes < least ? bytes : least;
        }
        l->up[at] = least;
    }
}

static void look_down(struct link *l, const struct link *next)
{
    const struct axis *a = &next->along;
    for (int at = 0; at <= l->along.end; at++) {
        uint64_t least = UINT64_MAX;
        for (int made = 0; made <= a->end && needed(a, made) <= at; made++) {
            const uint64_t bytes = next->down[made] + between(l, at, read_before(a, made));
            least = bytes < least ? bytes : least;
        }
        l->down[at] = least;
    }
}

static void fill(struct chain *c)
{
    struct link *last = &c->links[c->n - 1];
    for (int at = 0; at <= last->along.end; at++)
        last->down[at] = (uint64_t)at * last->part_bytes;
    for (int i = 1; i < c->n; i++)
        look_up(&c->links[i - 1], &c->links[i]);
    for (int i = c->n - 2; i >= 0; i--)
        look_down(&c->links[i], &c->links[i + 1]);
}

static int64_t most_of(const struct link *l)
{
    uint64_t most = 0;
    for (int at = 0; at <= l->along.end; at++)
        most = l->up[at] + l->down[at] > most ? l->up[at] + l->down[at] : most;
    return (int64_t)(most / PARTS);
}

// bytes[i] becomes what layer i of the chain needs along an axis. -1: no memory.
static int look_along(const struct graph *g, bool rows, bool output_outside, int64_t *bytes)
{
    struct chain c;
    const int rc = open_chain(&c, g, rows, output_outside);
    if (rc == 0 && c.n > 0) {
        fill(&c);
        for (int i = 0; i < c.n; i++)
            bytes[i] = most_of(&c.links[i]);
    }
    close_chain(&c);
    return rc;
}

// Blocks may run along different axes. At a moment of a layer those of its own block go the way it goes, and those
// of other blocks have made nothing or all, so each layer may have the better axis.
int64_t bound_without_recomputing(const struct graph *g, bool output_outside)
{
    for (int i = 0; i < g->n_layers; i++) {
        if (!has_bound(&g->layers[i]))
            return 0;
    }
    int64_t bound = -1;
    int64_t *rows = calloc((size_t)g->n_layers, sizeof *rows);
    int64_t *columns = calloc((size_t)g->n_layers, sizeof *columns);
    if (rows && columns && look_along(g, true, output_outside, rows) == 0 &&
        look_along(g, false, output_outside, columns) == 0) {
        bound = 0;
        for (int i = 0; i < g->n_layers; i++) {
            const int64_t least = rows[i] < columns[i] ? rows[i] : columns[i];
            bound = least > bound ? least : bound;
        }
    }
    free(rows);
    free(columns);
    return bound;
}
