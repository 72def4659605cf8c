// SPDX-License-Identifier: MIT
// Blocks of n x n independent patches, as MCUNetV2's: the output is cut into n by n rectangles, and
// for each one every layer of the block makes the part that the rectangle needs, one layer after
// the other. Nothing is kept from one patch to the next, so what two patches share is computed
// twice, on both axes.
//
//      Y, n = 2          parts of a tensor inside        tiles of one patch in the arena
//      +----+----+       +------+                        layer 1 [tile 1]
//      | 0  | 1  |       |  0 +-|----+                   layer 2 [tile 1][tile 2     ]
//      +----+----+       |    | | 1  |                   layer 3 [tile 3 ][tile 2    ]   tile 1 is dead
//      | 2  | 3  |       +----|-+    |                   ...
//      +----+----+            +------+  ...
//
// Patches are taken band by band (f->need has a band's rows, as for cols) and within a band from
// left to right; the steps are the same for every band. Rows of X die after the last band that
// needs them, as in cols.
#include "server/planner/fusion_inside.h"

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static const struct layer *last_layer(const struct fusion *f)
{
    return &f->g->layers[f->last];
}

int fusion_max_patch(const struct fusion *f)
{
    return most(last_layer(f)->out_h, last_layer(f)->out_w);
}

int fusion_next_patch(const struct fusion *f, int n)
{
    const struct layer *l = last_layer(f);
    int next = n + 1;
    while (next <= fusion_max_patch(f) && ceil_div(l->out_h, next) == ceil_div(l->out_h, n) &&
           ceil_div(l->out_w, next) == ceil_div(l->out_w, n))
        next++;
    return next;
}

// Every layer a stage of its own, whole tiles between them.
static void take_stages_apart(struct fusion *f)
{
    f->acc = false;
    f->n_stages = 0;
    for (int i = f->first; i <= f->last; i++) {
        struct fusion_tensor *t = &f->tensors[f->g->layers[i].out];
        if (t->role == FUSION_CHUNK)
            t->role = FUSION_RING;
        f->stage_of[i] = f->n_stages;
        f->next[i] = -1;
        f->stages[f->n_stages++] = (struct fusion_stage){.head = i, .tail = i, .n_layers = 1};
    }
}

static void widen(struct fusion_interval *a, int lo, int hi)
{
    bool empty = a->lo >= a->hi;
    a->lo = empty ? lo : least(a->lo, lo);
    a->hi = empty ? hi : most(a->hi, hi);
}

// Columns of every tensor that the patch at output columns [lo, hi) needs, in f->need_columns.
static const char *columns_of(struct fusion *f, int lo, int hi)
{
    fusion__count_work(f, f->last - f->first + 1);
    for (int i = f->first; i <= f->last; i++)
        f->need_columns[f->g->layers[i].out] = (struct fusion_interval){0, 0};
    f->need_columns[last_layer(f)->out] = (struct fusion_interval){lo, hi};
    for (int i = f->last; i >= f->first; i--) {
        const struct layer *l = &f->g->layers[i];
        const struct fusion_interval out = f->need_columns[l->out];
        if (out.lo >= out.hi)
            return "a patch needs nothing of a layer inside";
        int from = most(0, out.lo * l->sw - l->pad_left);
        int to = least(l->in_w, (out.hi - 1) * l->sw - l->pad_left + l->kw);
        for (int k = 0; k < 2 && from < to; k++) {
            if (l->in[k] >= 0 && f->g->tensors[l->in[k]].producer >= f->first)
                widen(&f->need_columns[l->in[k]], from, to);
        }
    }
    return NULL;
}

// The patches of one band, left to right: widths of tiles, slices of each stage, and the steps.
static const char *walk_band(struct fusion *f, int patch_columns)
{
    const int width = last_layer(f)->out_w;
    f->n_steps = 0;
    for (int i = f->first; i <= f->last; i++) {
        f->tensors[f->g->layers[i].out].slots = 0;
        f->stages[f->stage_of[i]].done = 0;
    }
    for (int lo = 0; lo < width; lo += patch_columns) {
        const char *why = columns_of(f, lo, least(width, lo + patch_columns));
        if (why)
            return why;
        for (int i = f->first; i <= f->last; i++) {
            const struct fusion_interval c = f->need_columns[f->g->layers[i].out];
            struct fusion_tensor *t = &f->tensors[f->g->layers[i].out];
            t->slots = (uint32_t)most((int)t->slots, c.hi - c.lo);
            f->stages[f->stage_of[i]].done += c.hi - c.lo;
            for (int slice = c.lo; slice < c.hi && f->record; slice++)
                fusion__record_step(f, f->stage_of[i], slice);
        }
    }
    return NULL;
}

static bool alive_together(const struct fusion *f, int a, int b) // layers inside, by their tiles
{
    int born = most(a, b),
        gone = least(f->last_use[f->g->layers[a].out], f->last_use[f->g->layers[b].out]);
    return born <= gone;
}

static bool is_tile(const struct fusion *f, int layer)
{
    return f->tensors[f->g->layers[layer].out].role == FUSION_RING;
}

// The lowest offset from `bottom` on where layer i's tile meets none that is placed and alive with
// it. Placed tiles have an offset of at least `bottom`; the others 0.
static uint32_t lowest_gap(struct fusion *f, int i, uint32_t bottom)
{
    const uint32_t bytes = f->tensors[f->g->layers[i].out].bytes;
    uint32_t at = bottom;
    for (bool moved = true; moved;) {
        moved = false;
        f->work += (uint64_t)(f->last - f->first);
        for (int k = f->first; k < f->last; k++) {
            const struct fusion_tensor *t = &f->tensors[f->g->layers[k].out];
            if (is_tile(f, k) && t->offset > 0 && k != i && alive_together(f, i, k) &&
                t->offset - 1 < at + bytes && at < t->offset - 1 + t->bytes) {
                at = t->offset - 1 + t->bytes;
                moved = true;
            }
        }
    }
    return at;
}

// Tiles share memory where their lives do not meet: the largest first, each as low as it can lie.
// For a chain that is the least possible, the largest sum of two neighbours. Offsets are kept + 1
// until all are placed: 0 is "not yet".
static void share_tiles(struct fusion *f)
{
    const uint32_t bottom = f->cost.arena_bytes - (uint32_t)f->ring_bytes;
    uint32_t top = bottom;
    for (int i = f->first; i < f->last; i++) {
        if (is_tile(f, i))
            f->tensors[f->g->layers[i].out].offset = 0;
    }
    for (;;) {
        struct fusion_tensor *largest = NULL;
        int layer = -1;
        for (int i = f->first; i < f->last; i++) {
            struct fusion_tensor *t = &f->tensors[f->g->layers[i].out];
            if (is_tile(f, i) && t->offset == 0 && (!largest || t->bytes > largest->bytes)) {
                largest = t;
                layer = i;
            }
        }
        if (!largest)
            break;
        uint32_t at = lowest_gap(f, layer, bottom);
        largest->offset = at + 1;
        top = at + largest->bytes > top ? at + largest->bytes : top;
    }
    for (int i = f->first; i < f->last; i++) {
        if (is_tile(f, i))
            f->tensors[f->g->layers[i].out].offset--;
    }
    f->ring_bytes = top - bottom;
    f->cost.arena_bytes = top;
}

const char *fusion_block_patch(struct fusion *f, int n)
{
    const char *why = fusion__no_bands(f);
    if (why)
        return why;
    take_stages_apart(f);
    f->axis = FUSION_PATCH;
    f->patches = n;
    why = walk_band(f, ceil_div(last_layer(f)->out_w, n));
    if (why)
        return why;
    fusion__begin_bands(f, ceil_div(last_layer(f)->out_h, n));
    for (int band = 0; band < f->n_bands && !why; band++)
        why = fusion__add_band(f, band);
    if (why)
        return why;
    fusion__add_up(f);
    if (f->cost.arena_bytes < UINT32_MAX)
        share_tiles(f);
    return NULL;
}
