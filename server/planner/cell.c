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

// The convolution before the last depthwise one; -1: there is none.
static int expand_of(const struct fusion *f, const struct cell *cell)
{
    int i = cell->last;
    while (i > cell->first && f->g->layers[i].op != LAYER_DWCONV)
        i--;
    return i > cell->first && i < cell->last && f->g->layers[i - 1].op == LAYER_CONV ? i - 1 : -1;
}

// Expand, depthwise, project, and what follows the projection pixel by pixel, end the cell.
static bool can_group(const struct fusion *f)
{
    const struct layer *l = &f->g->layers[f->expand];
    const int stage = f->expand < 0 ? -1 : f->stage_of[f->expand];
    if (stage < 0 || stage + 2 != f->n_stages || f->stages[stage].n_layers != 1 ||
        f->stages[stage + 1].head != f->expand + 1 || f->acc)
        return false;
    return l[1].mult_c == 1 && l[2].op == LAYER_CONV && fusion_pointwise(&l[2]) &&
           l[1].in[0] == l[0].out && l[2].in[0] == l[1].out &&
           f->uses[l[0].out + 1] - f->uses[l[0].out] == 1 &&
           f->tensors[l[0].out].role == FUSION_RING && f->tensors[l[1].out].role == FUSION_CHUNK;
}

const char *fusion_cell_begin(struct fusion *f, int block_first, int block_last,
                              const struct cell *cell)
{
    const int first = cell->first, last = cell->last, group = cell->group;
    f->block_first = block_first;
    f->block_last = block_last;
    f->cell = true;
    f->group = f->strip = 0;
    f->expand = group ? expand_of(f, cell) : -1;
    f->by_rows = false;
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
    f->by_rows = f->n_stages == 1 && !group;
    if (!group)
        return cell->strip ? "strips need groups" : NULL;
    if (!can_group(f))
        return "groups need a convolution, a depthwise one that alone reads it, and a 1x1 "
               "convolution that alone reads that, last in the cell";
    if (group >= f->g->layers[f->expand].out_c)
        return "a group is smaller than all channels";
    if (cell->strip >= f->g->layers[f->expand + 2].out_w)
        return "a strip is smaller than all columns";
    f->group = group;
    f->strip = cell->strip;
    return NULL;
}

int fusion_strip_columns(const struct fusion *f)
{
    return f->strip ? f->strip : f->g->layers[f->expand + 2].out_w;
}

// What is before the expansion makes the columns that a strip of the output needs. They stay until all
// groups have read them.
static void demand_strip(struct fusion *f, int first, int stop)
{
    const struct layer *dw = &f->g->layers[f->expand + 1];
    const int columns = (stop - 1) * dw->sw - dw->pad_left + dw->kw;
    struct fusion_stage *expand = &f->stages[f->stage_of[f->expand]];
    expand->done = first_read(dw, first);
    expand[1].done = first;
    if (columns > 0)
        fusion__demand(f, f->expand, (columns < dw->in_w ? columns : dw->in_w) - 1);
    for (int i = f->next[f->expand + 1]; i >= 0; i = f->next[i])
        fusion__demand(f, i, stop - 1);
}

// The steps of each strip: what is before the expansion, then expansion and depthwise convolution by
// turns. A strip begins anew: columns of the expansion that two strips need are made twice.
static void simulate_strips(struct fusion *f)
{
    const struct layer *dw = &f->g->layers[f->expand + 1];
    const int expand = f->stage_of[f->expand], strip = fusion_strip_columns(f);
    int made = 0;
    f->n_steps = 0;
    for (int i = 0; i < f->n_stages; i++)
        f->stages[i].done = 0;
    for (int first = 0; first < dw->out_w; first += strip) {
        const int stop = first + strip < dw->out_w ? first + strip : dw->out_w;
        demand_strip(f, first, stop);
        int next = first_read(dw, first);
        for (int x = first; x < stop; x++) {
            for (; next < dw->in_w && next < x * dw->sw - dw->pad_left + dw->kw; next++, made++) {
                if (f->record)
                    fusion__record_step(f, expand, next);
            }
            if (f->record)
                fusion__record_step(f, expand + 1, x);
        }
    }
    f->stages[expand].done = made;
    f->stages[expand + 1].done = dw->out_w;
    fusion__count_work(f, made + dw->out_w);
}

const char *fusion_cell_cols(struct fusion *f, int band_rows, int chunk, int bands)
{
    const char *why = fusion__no_bands(f);
    if (why)
        return why;
    f->chunk = chunk;
    fusion__simulate_cols(f);
    if (f->group)
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
        const struct layer *project = &f->g->layers[f->expand + 2];
        f->sums_bytes = 4u * (uint32_t)fusion_strip_columns(f) * (uint32_t)project->out_c *
                        f->tensors[project->out].positions;
    }
    f->acc_bytes = f->acc ? 4u * (uint64_t)f->g->layers[f->last].out_c : 0;
    return why;
}

// Expansion and depthwise convolution as they stand when column x is written: groups have read all of
// its strip.
static void end_of_strip(struct fusion *f, int x)
{
    const struct layer *dw = &f->g->layers[f->expand + 1];
    struct fusion_stage *expand = &f->stages[f->stage_of[f->expand]];
    const int strip = fusion_strip_columns(f), next = (x / strip + 1) * strip;
    expand->done = next < dw->out_w ? first_read(dw, next) : expand->n_slices;
    expand[1].done = x;
}

// Layer i reads a tensor from outside the cell.
static bool reads_outside(const struct fusion *f, int i)
{
    for (int k = 0; k < 2 && f->g->layers[i].in[k] >= 0; k++) {
        if (f->g->tensors[f->g->layers[i].in[k]].producer < f->first)
            return true;
    }
    return false;
}

bool fusion_cell_overlaps(const struct fusion *f)
{
    return !f->by_rows || f->chunk == 1 || (f->first < f->last && !reads_outside(f, f->last));
}

// A row is written behind the first layer, which has read what it needs. The last layer may still be
// reading the pixel that it writes.
static void dead_by_rows(struct fusion *f, int tensor, int *dead)
{
    const struct layer *last = &f->g->layers[f->last];
    fusion__count_work(f, last->out_w * (f->last - f->first + 1));
    for (int x = 0; x < last->out_w; x++) {
        dead[x] = f->band_rows == 1 && fusion_cell_overlaps(f) ? f->g->tensors[tensor].w : 0;
        for (int i = f->first; i <= f->last; i++) {
            const struct layer *l = &f->g->layers[i];
            const int next = x + (i < f->last);
            if ((l->in[0] == tensor || l->in[1] == tensor) && next < last->out_w &&
                first_read(l, next) < dead[x])
                dead[x] = first_read(l, next);
        }
    }
}

void fusion_cell_dead(struct fusion *f, int tensor, int *dead)
{
    const int last = f->stage_of[f->last], width = f->g->layers[f->last].out_w;
    int done[2] = {0};
    if (f->by_rows) {
        dead_by_rows(f, tensor, dead);
        return;
    }
    if (f->group) {
        done[0] = f->stages[last - 1].done;
        done[1] = f->stages[last].done;
    }
    for (int i = 0; i < f->n_stages; i++)
        f->stages[i].done = 0;
    fusion__count_work(f, (int)f->n_steps + width * (f->last - f->first + 1));
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct fusion_step *s = &f->steps[i];
        if (f->group && s->stage == last)
            end_of_strip(f, s->slice);
        if (s->stage == last && s->slice < width)
            dead[s->slice] = fusion__first_needed_slice(f, tensor);
        f->stages[s->stage].done++;
    }
    if (f->group) {
        f->stages[last - 1].done = done[0];
        f->stages[last].done = done[1];
    }
}

void fusion_cell_turn(struct fusion *f)
{
    if (!f->by_rows)
        return;
    f->axis = FUSION_ROWS;
    f->n_bands = 1;
    f->n_steps = 0;
    for (int row = 0; row < fusion_max_band(f); row++)
        fusion__record_step(f, 0, row);
}

bool fusion_cell_is_by_rows(struct fusion *f, const struct cell *cell)
{
    return fusion_cell_begin(f, cell->first, cell->last, cell) == NULL && f->by_rows;
}
