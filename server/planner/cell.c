// SPDX-License-Identifier: MIT
// One cell of a block of cells (cells.h): cols over its layers, with its inputs and its output as
// they lie in the block, and where asked some channels at a time:
//
//   group 0    expand, g channels --> [ring, g] --> depthwise --> [pixel, g] --> project, += sums
//   group 1    expand, the next g --> ...                                         += sums
//   ...
//   end        sums + bias, requantised --> pixel --> what follows pixel by pixel --> output
//
// Rings hold g channels instead of all; the price is int32 sums for a band of the projection. In strips
// all groups run for some columns of the band before they do for the next ones: fewer sums, and columns
// of the expansion that two strips need are made twice.
#include "server/planner/fusion_inside.h"

static bool reads_whole_shape(const struct fusion *f, int layer)
{
    const struct layer *l = &f->g->layers[layer];
    for (int k = 0; k < 2 && l->in[k] >= 0; k++) {
        const struct tensor *t = &f->g->tensors[l->in[k]];
        if (t->producer >= 0 && (l->in_h != t->h || l->in_w != t->w || l->in_c != t->c))
            return false;
    }
    return true;
}

// First column that column x of a layer's output needs.
static int first_read(const struct layer *l, int x)
{
    const int first = x * l->sw - l->pad_left;
    return first < 0 ? 0 : first < l->in_w ? first : l->in_w;
}

// Expand, depthwise, project, and what follows the projection pixel by pixel.
static bool can_group(const struct fusion *f)
{
    const struct layer *l = &f->g->layers[f->first];
    if (f->last < f->first + 2 || f->n_stages != 2 || f->stages[1].head != f->first + 1 || f->acc)
        return false;
    return l[0].op == LAYER_CONV && l[1].op == LAYER_DWCONV && l[1].mult_c == 1 &&
           l[2].op == LAYER_CONV && fusion_pointwise(&l[2]) && l[1].in[0] == l[0].out &&
           l[2].in[0] == l[1].out && f->tensors[l[0].out].role == FUSION_RING &&
           f->tensors[l[1].out].role == FUSION_CHUNK;
}

const char *fusion_cell_begin(struct fusion *f, int block_first, int block_last,
                              const struct cell *cell)
{
    const int first = cell->first, last = cell->last, group = cell->group;
    f->block_first = block_first;
    f->block_last = block_last;
    f->cell = true;
    f->group = f->strip = 0;
    const char *why = fusion__begin(f, first, last);
    if (why)
        return why;
    for (int i = first; i <= last; i++) {
        if (f->g->layers[i].op == LAYER_RESHAPE)
            return "a reshape must be a block of its own";
        if (!reads_whole_shape(f, i))
            return "a layer sees its input reshaped";
        if (i < last && f->tensors[f->g->layers[i].out].role == FUSION_WINDOW)
            return "a tensor made inside a cell is needed by another cell";
    }
    if (group && !can_group(f))
        return "groups need a convolution, a depthwise one that alone reads it, and a 1x1 "
               "convolution that alone reads that";
    if (group >= f->g->layers[first].out_c)
        return "a group is smaller than all channels";
    if (cell->strip && (!group || cell->strip >= f->g->layers[first + 2].out_w))
        return "a strip is some columns of a cell of groups";
    f->group = group;
    f->strip = cell->strip;
    return NULL;
}

// Strips begin anew: each makes the columns of the expansion that it needs.
static void simulate_strips(struct fusion *f)
{
    const struct layer *dw = &f->g->layers[f->first + 1];
    int made = 0;
    f->n_steps = 0;
    for (int x = 0, next = 0; x < dw->out_w; x++) {
        if (x % f->strip == 0)
            next = first_read(dw, x);
        for (; next < dw->in_w && next < x * dw->sw - dw->pad_left + dw->kw; next++, made++) {
            if (f->record)
                fusion__record_step(f, 0, next);
        }
        if (f->record)
            fusion__record_step(f, 1, x);
    }
    f->stages[0].done = made;
}

// Sums end when all groups have read: what follows them reads the pixel that it writes.
static void dead_of_groups(const struct fusion *f, int tensor, int *dead)
{
    const struct layer *l = &f->g->layers[f->first];
    for (int x = 0; x < f->g->layers[f->last].out_w; x++) {
        const int next = f->strip ? (x / f->strip + 1) * f->strip : l[1].out_w;
        dead[x] = next < l[1].out_w ? first_read(&l[0], first_read(&l[1], next))
                                    : f->g->tensors[tensor].w;
        for (int i = f->first + 3; i <= f->last; i++) {
            if (f->g->layers[i].in[0] == tensor || f->g->layers[i].in[1] == tensor)
                dead[x] = x < dead[x] ? x : dead[x];
        }
    }
}

const char *fusion_cell_cols(struct fusion *f, int band_rows, int chunk, int bands)
{
    const char *why = fusion__no_bands(f);
    if (why)
        return why;
    f->chunk = chunk;
    fusion__simulate_cols(f);
    if (f->strip)
        simulate_strips(f);
    fusion__begin_bands(f, band_rows);
    const bool record = f->record;
    struct fusion_cost run = {0};
    for (int band = 0; band < f->n_bands && !why; band++) {
        f->record = record && band < bands;
        why = fusion__add_band(f, band);
        if (band < bands)
            run = f->cost;
    }
    f->record = record;
    f->cost = run;
    if (f->acc && bands >= f->n_bands)
        fusion__close_accumulators(f);
    fusion__place_rings(f, 0);
    f->sums_bytes = 0;
    f->sums_offset = (uint32_t)(f->ring_bytes + 3) & ~3u;
    if (f->group) {
        const struct layer *project = &f->g->layers[f->first + 2];
        f->sums_bytes = 4u * (uint32_t)(f->strip ? f->strip : project->out_w) *
                        (uint32_t)project->out_c * f->tensors[project->out].positions;
    }
    f->acc_bytes = f->acc ? 4u * (uint64_t)f->g->layers[f->last].out_c : 0;
    return why;
}

void fusion_cell_dead(struct fusion *f, int tensor, int *dead)
{
    const int last = f->stage_of[f->last], width = f->g->layers[f->last].out_w;
    if (f->group) {
        dead_of_groups(f, tensor, dead);
        return;
    }
    for (int i = 0; i < f->n_stages; i++)
        f->stages[i].done = 0;
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct fusion_step *s = &f->steps[i];
        if (s->stage == last && s->slice < width)
            dead[s->slice] = fusion__first_needed_slice(f, tensor);
        f->stages[s->stage].done++;
    }
}
