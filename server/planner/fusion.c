// SPDX-License-Identifier: MIT
// See fusion.h. Ring sizes and the overlap of X and Y come from simulating the very steps that the
// executor will take.
#include "server/planner/fusion_inside.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/executor/program.h"
#include "server/planner/program.h"

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static uint64_t ceil_div(int a, int b)
{
    return (uint64_t)((a + b - 1) / b);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint32_t fusion_tensor_bytes(const struct graph *g, int tensor)
{
    const struct tensor *t = &g->tensors[tensor];
    return (uint32_t)t->h * (uint32_t)t->w * (uint32_t)t->c;
}

bool fusion_pointwise(const struct layer *l)
{
    switch (l->op) {
    case LAYER_ADD:
    case LAYER_SOFTMAX:
    case LAYER_RESCALE:
        return true;
    case LAYER_CONV:
        return l->kh == 1 && l->kw == 1 && l->sh == 1 && l->sw == 1 && l->pad_top == 0 &&
               l->pad_left == 0 && l->out_h == l->in_h && l->out_w == l->in_w;
    default:
        return false;
    }
}

// A reduction of the whole tensor to one pixel, which can be fed pixel by pixel.
static bool is_reduction(const struct layer *l)
{
    return (l->op == LAYER_CONV || l->op == LAYER_AVGPOOL || l->op == LAYER_MEAN) &&
           l->kh == l->in_h && l->kw == l->in_w && l->pad_top == 0 && l->pad_left == 0 &&
           l->out_h == 1 && l->out_w == 1 && l->in_h * l->in_w > 1;
}

static int n_inputs(const struct layer *l)
{
    return l->op == LAYER_ADD ? 2 : 1;
}

int fusion_open(struct fusion *f, const struct graph *g, struct err *e)
{
    size_t n_tensors = (size_t)g->n_tensors, n_layers = (size_t)g->n_layers;
    *f = (struct fusion){.g = g};
    f->last_use = malloc(n_tensors * sizeof *f->last_use);
    f->uses = calloc(n_tensors + 2, sizeof *f->uses);
    f->use_layer = malloc((2 * n_layers + 1) * sizeof *f->use_layer);
    f->stages = calloc(n_layers, sizeof *f->stages);
    f->stage_of = malloc(n_layers * sizeof *f->stage_of);
    f->next = malloc(n_layers * sizeof *f->next);
    f->tensors = calloc(n_tensors, sizeof *f->tensors);
    f->need = calloc(n_tensors, sizeof *f->need);
    f->need_columns = calloc(n_tensors, sizeof *f->need_columns);
    f->layer_cost = calloc(n_layers, sizeof *f->layer_cost);
    f->price = calloc(n_layers, sizeof *f->price);
    if (!f->last_use || !f->uses || !f->use_layer || !f->stages || !f->stage_of || !f->next ||
        !f->tensors || !f->need || !f->need_columns || !f->layer_cost || !f->price) {
        fusion_close(f);
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for a graph of %d layers",
                       g->n_layers);
    }
    // Counting sort of (tensor, reader): uses[t] .. uses[t + 1] delimit the readers of t.
    for (int i = 0; i < g->n_layers; i++) {
        for (int k = 0; k < n_inputs(&g->layers[i]); k++)
            f->uses[g->layers[i].in[k] + 2]++;
    }
    for (int t = 0; t < g->n_tensors; t++) {
        f->uses[t + 2] += f->uses[t + 1];
        f->last_use[t] = -1;
    }
    for (int i = 0; i < g->n_layers; i++) {
        for (int k = 0; k < n_inputs(&g->layers[i]); k++) {
            int t = g->layers[i].in[k];
            f->use_layer[f->uses[t + 1]++] = i;
            f->last_use[t] = i;
        }
    }
    f->last_use[g->output] = g->n_layers;
    return 0;
}

bool fusion_spent(const struct fusion *f)
{
    return f->max_work && f->work > f->max_work;
}

void fusion_close(struct fusion *f)
{
    free(f->last_use);
    free(f->uses);
    free(f->use_layer);
    free(f->stages);
    free(f->stage_of);
    free(f->next);
    free(f->tensors);
    free(f->need);
    free(f->need_columns);
    free(f->layer_cost);
    free(f->price);
    free(f->steps);
    free(f->moments);
    *f = (struct fusion){0};
}

// ---- geometry on the slice axis (s) and along a slice (a) ----

// Input positions that outputs [lo, hi) read, clipped to the tensor.
static struct fusion_interval reads(const struct axis_geometry *q, int lo, int hi)
{
    struct fusion_interval r = {max_int(0, lo * q->stride - q->pad),
                                min_int(q->in, (hi - 1) * q->stride - q->pad + q->k)};
    return r;
}

static bool is_acc_layer(const struct fusion *f, int layer)
{
    return f->acc && layer == f->last;
}

bool fusion_fed(const struct fusion *f, int layer)
{
    return is_acc_layer(f, layer);
}

// The slice axis as layer l's inputs see it: a closing reduction consumes slices one by one.
static struct axis_geometry slice_geometry(const struct fusion *f, int layer)
{
    const struct layer *l = &f->g->layers[layer];
    bool vertical = f->axis == FUSION_ROWS;
    if (is_acc_layer(f, layer)) {
        int n = vertical ? l->in_h : l->in_w;
        return (struct axis_geometry){1, 1, 0, n, n};
    }
    return layer_axis(l, vertical);
}

// ---- the block ----

static bool in_block(const struct fusion *f, int layer)
{
    return layer >= f->first && layer <= f->last;
}

static bool sole_reader(const struct fusion *f, int tensor)
{
    return f->uses[tensor + 1] - f->uses[tensor] == 1 && tensor != f->g->output;
}

static bool sees_shape_of(const struct fusion *f, const struct layer *l, int tensor)
{
    const struct tensor *t = &f->g->tensors[tensor];
    return l->in_h == t->h && l->in_w == t->w && l->in_c == t->c;
}

// Puts layer i behind the stage that makes its input, pixel by pixel, where that is possible.
static bool try_join(struct fusion *f, int i)
{
    const struct layer *l = &f->g->layers[i];
    bool reduction = i == f->last && f->last > f->first && is_reduction(l);
    if (!fusion_pointwise(l) && !reduction)
        return false;
    int best = -1; // the operand made last
    for (int k = 0; k < n_inputs(l); k++) {
        int p = f->g->tensors[l->in[k]].producer;
        if (p >= f->first && sole_reader(f, l->in[k]) && f->stages[f->stage_of[p]].tail == p &&
            p > best)
            best = p;
    }
    if (best < 0 || (l->op == LAYER_ADD && l->in[0] == l->in[1]))
        return false;
    struct fusion_stage *s = &f->stages[f->stage_of[best]];
    f->next[best] = i;
    f->next[i] = -1;
    f->stage_of[i] = f->stage_of[best];
    s->tail = i;
    s->n_layers++;
    f->tensors[f->g->layers[best].out].role = FUSION_CHUNK;
    f->acc = f->acc || reduction;
    return true;
}

static enum fusion_role role_of(const struct fusion *f, int tensor)
{
    const int born = f->g->tensors[tensor].producer, last_use = f->last_use[tensor];
    if (born < 0)
        return FUSION_INPUT;
    if (born < f->block_first && last_use >= f->block_first)
        return born == f->block_first - 1 && last_use <= f->block_last ? FUSION_X : FUSION_LIVE;
    if (born < f->block_first || born > f->block_last)
        return FUSION_NONE;
    if (born == f->block_last)
        return f->output_outside && tensor == f->g->output ? FUSION_OUTPUT : FUSION_Y;
    if (last_use > f->block_last)
        return FUSION_KEPT;
    bool inside = born >= f->first && last_use <= f->last;
    return !inside ? FUSION_WINDOW : FUSION_RING;
}

const char *fusion__begin(struct fusion *f, int first, int last)
{
    const struct graph *g = f->g;
    f->first = first;
    f->last = last;
    f->axis = FUSION_ROWS;
    f->n_bands = 0;
    f->acc = false;
    f->chunk = 1;
    f->n_stages = 0;
    f->live_bytes = f->kept_bytes = 0;
    f->work += (uint64_t)g->n_tensors;
    for (int i = first; i <= last; i++) {
        const struct layer *l = &g->layers[i];
        if (l->op == LAYER_RESHAPE && first != last)
            return "a reshape that changes rows must be a block of its own";
        for (int k = 0; k < n_inputs(l); k++) {
            if (g->tensors[l->in[k]].producer >= first && !sees_shape_of(f, l, l->in[k]))
                return "a layer inside sees its input reshaped";
        }
    }
    for (int t = 0; t < g->n_tensors; t++) {
        enum fusion_role role = role_of(f, t);
        f->tensors[t] = (struct fusion_tensor){.role = role};
        if (role == FUSION_LIVE)
            f->live_bytes += fusion_tensor_bytes(g, t);
        if (role == FUSION_KEPT)
            f->kept_bytes += fusion_tensor_bytes(g, t);
    }
    for (int i = first; i <= last; i++) {
        if (i == f->expand || !try_join(f, i)) {
            f->stage_of[i] = f->n_stages;
            f->next[i] = -1;
            f->stages[f->n_stages++] = (struct fusion_stage){.head = i, .tail = i, .n_layers = 1};
        }
    }
    return NULL;
}

const char *fusion_block_begin(struct fusion *f, int first, int last)
{
    f->block_first = first;
    f->block_last = last;
    f->cell = false;
    f->by_rows = false;
    f->group = f->strip = 0;
    f->expand = -1;
    return fusion__begin(f, first, last);
}

// ---- simulation ----

// First slice of its input that layer `layer` still needs when its stage has done `done` slices.
static int first_needed(const struct fusion *f, int layer)
{
    const struct fusion_stage *s = &f->stages[f->stage_of[layer]];
    struct axis_geometry q = slice_geometry(f, layer);
    if (s->done >= s->n_slices)
        return q.in;
    return min_int(q.in, max_int(0, s->done * q.stride - q.pad));
}

int fusion__first_needed_slice(const struct fusion *f, int tensor)
{
    int first = INT32_MAX;
    for (int u = f->uses[tensor]; u < f->uses[tensor + 1]; u++) {
        if (in_block(f, f->use_layer[u]))
            first = min_int(first, first_needed(f, f->use_layer[u]));
    }
    return first;
}

// Rows only: bytes of X that are still needed, counted from its end.
static uint64_t live_x_bytes(const struct fusion *f, int x)
{
    uint64_t live = 0;
    for (int u = f->uses[x]; u < f->uses[x + 1]; u++) {
        const struct layer *l = &f->g->layers[f->use_layer[u]];
        if (in_block(f, f->use_layer[u])) {
            uint64_t rows = (uint64_t)(l->in_h - first_needed(f, f->use_layer[u]));
            live = max_u64(live, rows * (uint64_t)l->in_w * (uint64_t)l->in_c);
        }
    }
    return live;
}

static int x_tensor(const struct fusion *f)
{
    int x = f->block_first > 0 ? f->g->layers[f->block_first - 1].out : -1;
    return x >= 0 && f->tensors[x].role == FUSION_X ? x : -1;
}

void fusion__record_step(struct fusion *f, int stage, int slice)
{
    if (f->n_steps == f->cap_steps) {
        size_t cap = f->cap_steps ? 2 * f->cap_steps : 1024;
        struct fusion_step *p = realloc(f->steps, cap * sizeof *p);
        if (!p) {
            f->out_of_memory = true;
            return;
        }
        f->steps = p;
        f->cap_steps = cap;
    }
    f->steps[f->n_steps++] = (struct fusion_step){(uint16_t)stage, (uint16_t)slice};
}

void fusion__record_moment(struct fusion *f, const struct fusion_moment *m)
{
    if (f->n_moments == f->cap_moments) {
        size_t cap = f->cap_moments ? 2 * f->cap_moments : 1024;
        struct fusion_moment *p = realloc(f->moments, cap * sizeof *p);
        if (!p) {
            f->out_of_memory = true;
            return;
        }
        f->moments = p;
        f->cap_moments = cap;
    }
    f->moments[f->n_moments++] = *m;
}

// The in/out region must hold y bytes of Y beside x bytes of X from step `first_step` on.
static void need_io(struct fusion *f, size_t first_step, int layer, uint64_t y, uint64_t x)
{
    f->io_bytes = max_u64(f->io_bytes, y + x);
    if (f->record)
        fusion__record_moment(f, &(struct fusion_moment){.first_step = (uint32_t)first_step,
                                                         .layer = layer,
                                                         .y_bytes = (uint32_t)y,
                                                         .x_bytes = (uint32_t)x});
}

// Bytes of the arena that the block's output takes when it is done.
static uint32_t y_bytes(const struct fusion *f)
{
    int y = f->g->layers[f->last].out;
    return f->tensors[y].role == FUSION_OUTPUT ? 0 : fusion_tensor_bytes(f->g, y);
}

static void find_price(struct fusion *f, int i);

// What is recorded begins anew. X is whole when the block begins, Y when it ends.
static void begin_io(struct fusion *f)
{
    int x = x_tensor(f);
    uint64_t x_bytes = x >= 0 ? fusion_tensor_bytes(f->g, x) : 0;
    f->n_moments = 0;
    for (int i = f->first; i <= f->last && f->record; i++)
        f->layer_cost[i] = (struct fusion_cost){0};
    for (int i = f->first; i <= f->last && f->latency; i++)
        find_price(f, i);
    f->io_bytes = y_bytes(f);
    need_io(f, 0, f->first, 0, x_bytes);
}

static void make_slice(struct fusion *f, int stage);

void fusion__demand(struct fusion *f, int layer, int slice)
{
    const struct layer *l = &f->g->layers[layer];
    struct axis_geometry q = slice_geometry(f, layer);
    int need = min_int(q.in, slice * q.stride - q.pad + q.k);
    for (int k = 0; k < n_inputs(l); k++) {
        int t = l->in[k], p = f->g->tensors[t].producer;
        if (p < f->first || f->tensors[t].role == FUSION_CHUNK)
            continue;
        while (f->stages[f->stage_of[p]].done < need)
            make_slice(f, f->stage_of[p]);
    }
}

// One step: the next slice of a stage.
static void make_slice(struct fusion *f, int stage)
{
    struct fusion_stage *s = &f->stages[stage];
    fusion__count_work(f, s->n_layers);
    for (int i = s->head; i >= 0; i = f->next[i])
        fusion__demand(f, i, s->done);
    int out = f->g->layers[s->tail].out;
    if (f->tensors[out].role == FUSION_RING) {
        int occupied = s->done + 1 - fusion__first_needed_slice(f, out);
        f->tensors[out].slots = (uint32_t)max_int((int)f->tensors[out].slots, max_int(1, occupied));
    }
    if (f->axis == FUSION_ROWS && (x_tensor(f) >= 0 || f->record)) {
        const struct fusion_stage *y = &f->stages[f->stage_of[f->last]];
        const struct layer *l = &f->g->layers[f->last];
        // A reshape writes Y over X, byte by byte the same: what begin_io() noted is all it needs.
        bool grows = !f->acc && f->tensors[l->out].role != FUSION_OUTPUT && l->op != LAYER_RESHAPE;
        uint64_t rows = grows ? (uint64_t)(y->done + (y == s)) : 0;
        need_io(f, f->n_steps, s->head, rows * (uint64_t)l->out_w * (uint64_t)l->out_c,
                x_tensor(f) >= 0 ? live_x_bytes(f, x_tensor(f)) : 0);
    }
    if (f->record)
        fusion__record_step(f, stage, s->done);
    s->done++;
}

// Runs the whole block on its axis; leaves ring slots, slices done and (rows) io_bytes.
static void simulate(struct fusion *f)
{
    f->cost = (struct fusion_cost){0};
    f->n_steps = 0;
    begin_io(f);
    for (int i = 0; i < f->n_stages; i++) {
        struct fusion_stage *s = &f->stages[i];
        const struct layer *tail = &f->g->layers[s->tail];
        s->done = 0;
        s->n_slices = f->axis == FUSION_ROWS ? tail->out_h : tail->out_w;
        if (is_acc_layer(f, s->tail))
            s->n_slices = f->axis == FUSION_ROWS ? tail->in_h : tail->in_w;
        if (tail->op == LAYER_RESHAPE)
            s->n_slices = 1;
        f->tensors[tail->out].slots = 0;
    }
    int last = f->stage_of[f->last];
    while (f->stages[last].done < f->stages[last].n_slices)
        make_slice(f, last);
    // What later blocks read must be complete.
    for (int i = f->first; i < f->last; i++) {
        int stage = f->stage_of[i];
        while (f->tensors[f->g->layers[i].out].role == FUSION_KEPT &&
               f->stages[stage].done < f->stages[stage].n_slices)
            make_slice(f, stage);
    }
}

// ---- prices ----

static int domain_tensor(const struct fusion *f)
{
    const struct layer *l = &f->g->layers[f->last];
    return f->acc ? l->in[0] : l->out;
}

int fusion_max_band(const struct fusion *f)
{
    return f->g->tensors[domain_tensor(f)].h;
}

static void widen(struct fusion_interval *a, struct fusion_interval b)
{
    if (b.lo >= b.hi)
        return;
    if (a->lo >= a->hi) {
        *a = b;
        return;
    }
    a->lo = min_int(a->lo, b.lo);
    a->hi = max_int(a->hi, b.hi);
}

void fusion_band(struct fusion *f, int band)
{
    const struct graph *g = f->g;
    if (f->axis == FUSION_ROWS) {
        for (int i = f->first; i <= f->last; i++) {
            const struct layer *l = &g->layers[i];
            f->need[l->out] = (struct fusion_interval){0, l->op == LAYER_RESHAPE ? 1 : l->out_w};
            for (int k = 0; k < n_inputs(l); k++)
                f->need[l->in[k]] = (struct fusion_interval){0, l->in_w};
        }
        return;
    }
    for (int i = f->first; i <= f->last; i++) {
        for (int k = 0; k < n_inputs(&g->layers[i]); k++)
            f->need[g->layers[i].in[k]] = (struct fusion_interval){0, 0};
        f->need[g->layers[i].out] = (struct fusion_interval){0, 0};
    }
    int domain = domain_tensor(f);
    f->need[domain].lo = band * f->band_rows;
    f->need[domain].hi = min_int(g->tensors[domain].h, (band + 1) * f->band_rows);
    for (int i = f->acc ? f->last - 1 : f->last; i >= f->first; i--) {
        const struct layer *l = &g->layers[i];
        struct fusion_interval out = f->need[l->out];
        struct axis_geometry q = layer_axis(l, true);
        if (out.lo >= out.hi)
            continue;
        for (int k = 0; k < n_inputs(l); k++)
            widen(&f->need[l->in[k]], reads(&q, out.lo, out.hi));
    }
}

uint32_t fusion_channels(const struct fusion *f, int layer)
{
    const int out_c = f->g->layers[layer].out_c;
    bool some = f->group && (layer == f->expand || layer == f->expand + 1);
    return (uint32_t)(some ? min_int(f->group, out_c) : out_c);
}

// Positions along a slice of layer i.
static int chunk_limit(const struct fusion *f, int i)
{
    const struct layer *l = &f->g->layers[i];
    return f->by_rows ? l->out_w : (int)f->tensors[l->out].positions;
}

void fusion__place_rings(struct fusion *f, uint64_t from)
{
    f->ring_bytes = 0;
    for (int i = f->first; i < f->last; i++) {
        struct fusion_tensor *t = &f->tensors[f->g->layers[i].out];
        if (t->role == FUSION_RING)
            t->bytes = t->slots * t->positions * fusion_channels(f, i);
        else if (t->role == FUSION_CHUNK)
            t->bytes = (uint32_t)min_int(f->chunk, chunk_limit(f, i)) * fusion_channels(f, i);
        else
            continue;
        t->offset = (uint32_t)(from + f->ring_bytes);
        f->ring_bytes += t->bytes;
    }
}

void fusion__close_accumulators(struct fusion *f)
{
    struct fusion_cost own = {.calls = 1};
    if (f->latency) {
        own.counts = (struct latency_counts){.calls = 1, .ends = 1};
        own.works[LATENCY_KERNEL] = 1;
        own.cycles = f->price[f->last].call + f->price[f->last].end;
    }
    fusion_cost_add(&f->cost, &own);
    if (f->record)
        fusion_cost_add(&f->layer_cost[f->last], &own);
}

void fusion__add_interpreter(struct fusion *f, uint64_t bands, uint64_t moved)
{
    if (!f->latency)
        return;
    const double *cycles = f->latency->model.interpreter;
    f->cost.works[LATENCY_BAND] += bands;
    f->cost.works[LATENCY_BYTE] += moved;
    f->cost.works[LATENCY_BLOCK]++;
    f->cost.cycles += cycles[LATENCY_BAND] * (double)bands + cycles[LATENCY_BYTE] * (double)moved +
                      cycles[LATENCY_BLOCK];
}

// Places everything above the in/out region and adds up.
void fusion__add_up(struct fusion *f)
{
    const struct graph *g = f->g;
    uint64_t base = 0, top;
    int x = x_tensor(f), y = g->layers[f->last].out;
    if (f->record)
        fusion__record_moment(
            f, &(struct fusion_moment){.first_step = (uint32_t)((size_t)f->n_bands * f->n_steps),
                                       .layer = f->last,
                                       .y_bytes = y_bytes(f)});
    for (int i = 0; i <= f->last; i++) { // by age
        int t = g->layers[i].out;
        if (f->tensors[t].role == FUSION_LIVE || f->tensors[t].role == FUSION_KEPT) {
            f->tensors[t].offset = (uint32_t)base;
            f->tensors[t].bytes = fusion_tensor_bytes(g, t);
            base += f->tensors[t].bytes;
        }
    }
    f->tensors[y].offset = (uint32_t)base;
    f->tensors[y].bytes = y_bytes(f);
    top = base + f->io_bytes;
    if (x >= 0) {
        f->tensors[x].bytes = fusion_tensor_bytes(g, x);
        f->tensors[x].offset = (uint32_t)(top - f->tensors[x].bytes);
    }
    fusion__place_rings(f, top);
    top += f->ring_bytes;
    f->acc_bytes = f->acc ? 4u * (uint64_t)g->layers[f->last].out_c : 0;
    if (f->acc) {
        top = (top + 3) & ~(uint64_t)3;
        f->acc_offset = (uint32_t)top;
        top += f->acc_bytes;
        fusion__close_accumulators(f);
    }
    f->cost.arena_bytes = top > UINT32_MAX ? UINT32_MAX : (uint32_t)top;
    // X lies where the block before wrote it, above what was alive then.
    fusion__add_interpreter(f, (uint64_t)f->n_bands,
                            x >= 0 && f->tensors[x].offset != base ? f->tensors[x].bytes : 0);
}

int fusion_chunks_of(const struct fusion *f, const struct fusion_stage *s)
{
    return s->n_layers > 1 || (f->by_rows && f->chunk == 1) ? f->chunk : 0;
}

static bool in_groups(const struct fusion *f, int i)
{
    return f->group && i >= f->expand && i < f->expand + 3;
}

// How often a layer runs over the same pixels.
static uint64_t group_runs(const struct fusion *f, int i)
{
    return in_groups(f, i) ? ceil_div(f->g->layers[f->expand].out_c, f->group) : 1;
}

// Pixels of an input slice lie together: of rows, rings and chunks.
static bool packed_input(const struct fusion *f, int i)
{
    const struct fusion_tensor *t = &f->tensors[f->g->layers[i].in[0]];
    return f->axis == FUSION_ROWS || f->by_rows || t->role == FUSION_RING ||
           t->role == FUSION_CHUNK || f->g->layers[i].in_w == 1;
}

static bool is_special(const struct fusion *f, const struct fusion_stage *s)
{
    bool special = f->g->layers[s->head].in[0] == f->g->input;
    for (int i = s->head; i >= 0; i = f->next[i])
        special = special || program_kernel(&f->g->layers[i], is_acc_layer(f, i)) < PROG_CONV;
    return special;
}

static void find_price(struct fusion *f, int i)
{
    struct fusion_stage *stage = &f->stages[f->stage_of[i]];
    struct latency_place at = {.cols = f->axis != FUSION_ROWS && !f->by_rows,
                               .fed = is_acc_layer(f, i),
                               .packed = packed_input(f, i),
                               .outside = f->g->layers[i].in[0] == f->g->input};
    if (in_groups(f, i)) {
        at.group = f->g->layers[f->expand].out_c / (int)group_runs(f, i);
        at.sum = i == f->expand + 2;
    }
    latency_price_of(f->latency, i, &at, &f->price[i]);
    if (i == stage->head)
        stage->special = is_special(f, stage);
}

// How many numbers [a, b) and [c, d) have in common.
static int common(int a, int b, int c, int d)
{
    return max_int(0, min_int(b, d) - max_int(a, c));
}

static uint64_t passes_of(uint64_t positions, uint64_t chunk, uint64_t pass)
{
    const uint64_t rest = chunk ? positions % chunk : 0;
    if (!chunk)
        return 0;
    return positions / chunk * ((chunk + pass - 1) / pass) + (rest + pass - 1) / pass;
}

// What a layer does of a band, as its kernel sees it.
struct part {
    uint64_t slices;
    int lo, hi;     // positions of each
    uint64_t runs;  // over the same pixels, for groups of channels
    uint64_t calls; // of a run
};

static struct part part_of(const struct fusion *f, int i, int lo, int hi)
{
    const struct fusion_stage *stage = &f->stages[f->stage_of[i]];
    struct part p = {(uint64_t)stage->done, lo, hi, group_runs(f, i), 0};
    if (f->by_rows) // the band's rows are the slices
        p = (struct part){(uint64_t)(hi - lo), 0, stage->done, p.runs, 0};
    const uint64_t positions = (uint64_t)(p.hi - p.lo), chunk = (uint64_t)f->chunk;
    p.calls = fusion_chunks_of(f, stage) ? p.slices * ((positions + chunk - 1) / chunk) : p.slices;
    return p;
}

// Of the slices of a part, those whose windows reach outside the tensor. A band of columns has all of them.
static uint64_t clipped_slices(const struct fusion *f, const struct part *p, int lo, int hi,
                               const struct latency_shape *s)
{
    if (!f->by_rows)
        return s->clipped_slices < p->slices ? s->clipped_slices : p->slices;
    return s->clipped_slices ? p->slices - (uint64_t)common(lo, hi, s->slice_lo, s->slice_hi) : 0;
}

// Calls that do all positions, but in a stage that is special by what it has. Groups of channels have the operators
// behind the projection in a stage of their own, which begins with the call that closes the sums.
static uint64_t special_calls(const struct fusion *f, int i, const struct part *p,
                              const struct fusion_cost *own)
{
    if (!f->stages[f->stage_of[i]].special || (f->group && i == f->expand + 1))
        return 0;
    return f->group && i == f->expand + 2 ? p->calls : own->calls;
}

static void predict(const struct fusion *f, int i, const struct part *p, uint64_t clipped,
                    struct fusion_cost *own)
{
    const struct latency_price *price = &f->price[i];
    const struct latency_shape *s = &price->shape;
    const double *const interpreter = f->latency->model.interpreter;
    const struct fusion_stage *stage = &f->stages[f->stage_of[i]];
    const bool sum = f->group && i == f->expand + 2;
    const uint64_t positions = (uint64_t)(p->hi - p->lo);
    const uint64_t inside = (uint64_t)common(p->lo, p->hi, s->lo, s->hi);
    const uint64_t chunk = fusion_chunks_of(f, stage) ? (uint64_t)f->chunk : positions;
    struct latency_counts *n = &own->counts;
    n->calls = own->calls;
    n->positions = p->slices * positions * p->runs;
    n->clipped = s->rows_apart && p->slices ? clipped * own->calls / p->slices : 0;
    n->borders =
        p->runs * (p->slices * (positions - inside) + (s->rows_apart ? 0 : clipped * inside));
    if (s->pass)
        n->passes = p->runs * p->slices *
                    (s->alone ? positions - inside + passes_of(inside, chunk, (uint64_t)s->pass)
                              : passes_of(positions, chunk, (uint64_t)s->pass));
    n->ends = is_acc_layer(f, i) ? 0 // fusion__close_accumulators() has it
              : sum              ? p->slices * positions
                                 : n->positions;
    own->works[LATENCY_KERNEL] = own->calls;
    own->works[LATENCY_SPECIAL] = chunk < positions ? own->calls : special_calls(f, i, p, own);
    if (i == stage->head)
        own->works[LATENCY_STEP] = p->slices * (p->runs + (f->group && i == f->expand + 1));
    own->cycles = price->call * (double)n->calls + price->clipped * (double)n->clipped +
                  price->position * (double)n->positions + price->pass * (double)n->passes +
                  price->border * (double)n->borders + price->end * (double)n->ends +
                  interpreter[LATENCY_SPECIAL] * (double)own->works[LATENCY_SPECIAL] +
                  interpreter[LATENCY_STEP] * (double)own->works[LATENCY_STEP];
}

void fusion__add_work(struct fusion *f, int i, int lo, int hi)
{
    const struct layer *l = &f->g->layers[i];
    const struct part p = part_of(f, i, lo, hi);
    uint64_t pixels = p.slices * (uint64_t)(p.hi - p.lo), macs = pixels * layer_macs_per_pixel(l);
    if (is_acc_layer(f, i)) // a dense layer's MACs come with its input pixels, a pooling has none
        macs = l->op == LAYER_CONV ? pixels * (uint64_t)l->in_c * (uint64_t)l->out_c : 0;
    // The sums of groups are closed by one call more.
    const uint64_t calls = p.calls * (p.runs + (f->group && i == f->expand + 2));
    if (!f->latency && !f->record) { // most of a search
        f->cost.macs += macs;
        f->cost.calls += calls;
        return;
    }
    struct fusion_cost own = {.macs = macs, .calls = calls};
    if (f->latency)
        predict(f, i, &p, clipped_slices(f, &p, lo, hi, &f->price[i].shape), &own);
    fusion_cost_add(&f->cost, &own);
    if (f->record)
        fusion_cost_add(&f->layer_cost[i], &own);
}

void fusion_cost_add(struct fusion_cost *to, const struct fusion_cost *from)
{
    to->macs += from->macs;
    to->calls += from->calls;
    to->counts.calls += from->counts.calls;
    to->counts.clipped += from->counts.clipped;
    to->counts.positions += from->counts.positions;
    to->counts.passes += from->counts.passes;
    to->counts.borders += from->counts.borders;
    to->counts.ends += from->counts.ends;
    for (int k = 0; k < LATENCY_WORKS; k++)
        to->works[k] += from->works[k];
    to->cycles += from->cycles;
}

const char *fusion_block_rows(struct fusion *f)
{
    f->axis = FUSION_ROWS;
    f->n_bands = 1;
    f->band_rows = 0;
    simulate(f);
    for (int i = f->first; i <= f->last; i++) {
        const struct layer *l = &f->g->layers[i];
        f->tensors[l->out].positions = (uint32_t)l->out_w;
        const int positions = is_acc_layer(f, i) ? l->in_w : l->op == LAYER_RESHAPE ? 1 : l->out_w;
        fusion__add_work(f, i, 0, positions);
    }
    fusion__add_up(f);
    return NULL;
}

const char *fusion__no_bands(const struct fusion *f)
{
    int x = x_tensor(f);
    if (f->first == f->last && !f->cell)
        return "a single layer has no bands";
    if (f->kept_bytes > 0)
        return "a tensor made inside is needed by a later block";
    for (int u = x < 0 ? 0 : f->uses[x]; x >= 0 && u < f->uses[x + 1]; u++) {
        if (in_block(f, f->use_layer[u]) && !sees_shape_of(f, &f->g->layers[f->use_layer[u]], x))
            return "a layer sees the block's input reshaped";
    }
    return NULL;
}

void fusion__begin_bands(struct fusion *f, int band_rows)
{
    f->cost = (struct fusion_cost){0};
    f->band_rows = band_rows;
    f->n_bands = (fusion_max_band(f) + band_rows - 1) / band_rows;
    begin_io(f);
    for (int i = f->first; i <= f->last; i++)
        f->tensors[f->g->layers[i].out].positions = 0;
}

// What is written of Y when the band at hand is done, and what it and later ones need of X.
static void widen_io(struct fusion *f, int band)
{
    int x = x_tensor(f), y = f->g->layers[f->last].out;
    const struct layer *l = &f->g->layers[f->last];
    bool grows = !f->acc && f->tensors[y].role != FUSION_OUTPUT;
    uint64_t made = grows ? (uint64_t)f->need[y].hi * (uint64_t)l->out_w * (uint64_t)l->out_c : 0;
    uint64_t live = 0;
    if (x >= 0 && f->need[x].lo < f->need[x].hi) {
        const struct tensor *tx = &f->g->tensors[x];
        live = (uint64_t)(tx->h - f->need[x].lo) * (uint64_t)tx->w * (uint64_t)tx->c;
    }
    need_io(f, (size_t)band * f->n_steps, f->first, made, live);
}

const char *fusion__add_band(struct fusion *f, int band)
{
    fusion_band(f, band);
    fusion__count_work(f, f->last - f->first + 1);
    for (int i = f->first; i <= f->last; i++) {
        const struct layer *l = &f->g->layers[i];
        struct fusion_interval need = f->need[is_acc_layer(f, i) ? l->in[0] : l->out];
        if (need.lo >= need.hi)
            return "a band needs nothing of a layer inside";
        struct fusion_tensor *t = &f->tensors[l->out];
        t->positions = (uint32_t)max_int((int)t->positions, need.hi - need.lo);
        fusion__add_work(f, i, need.lo, need.hi);
    }
    widen_io(f, band);
    return NULL;
}

void fusion__simulate_cols(struct fusion *f)
{
    // Slots do not depend on the band height: once per block, unless steps are to be recorded.
    if (f->axis != FUSION_COLS || f->n_bands == 0 || f->record || f->stages[0].done == 0) {
        f->axis = FUSION_COLS;
        simulate(f);
    }
}

const char *fusion_block_cols(struct fusion *f, int band_rows)
{
    const char *why = fusion__no_bands(f);
    if (why)
        return why;
    fusion__simulate_cols(f);
    fusion__begin_bands(f, band_rows);
    for (int band = 0; band < f->n_bands && !why; band++)
        why = fusion__add_band(f, band);
    if (why)
        return why;
    fusion__add_up(f);
    return NULL;
}

static int layout(struct fusion *f, int first, int last, enum fusion_axis axis, int band_rows,
                  int chunk, struct err *e)
{
    const char *why = fusion_block_begin(f, first, last);
    f->record = true;
    f->out_of_memory = false;
    f->chunk = chunk;
    if (!why)
        why = axis == FUSION_ROWS   ? fusion_block_rows(f)
              : axis == FUSION_COLS ? fusion_block_cols(f, band_rows)
                                    : fusion_block_patch(f, band_rows);
    f->record = false;
    if (f->out_of_memory)
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for the steps of block %d-%d", first,
                       last);
    if (why)
        return err_set(e, ERR_BAD_FIELD, "block %d-%d: %s", first, last, why);
    return 0;
}

int fusion_block_layout(struct fusion *f, int first, int last, enum fusion_axis axis, int band_rows,
                        struct err *e)
{
    return layout(f, first, last, axis, band_rows, 1, e);
}

bool fusion_has_chunks(const struct fusion *f)
{
    for (int i = 0; i < f->n_stages; i++) {
        if (f->stages[i].n_layers > 1)
            return true;
    }
    return false;
}

const char *fusion_block_again(struct fusion *f)
{
    return f->axis == FUSION_ROWS   ? fusion_block_rows(f)
           : f->axis == FUSION_COLS ? fusion_block_cols(f, f->band_rows)
                                    : fusion_block_patch(f, f->patches);
}

const int fusion_chunk_sizes[FUSION_CHUNK_SIZES] = {1, 2, 4, 8, 16};

int fusion_block_fill(struct fusion *f, int first, int last, enum fusion_axis axis, int band_rows,
                      uint32_t limit, struct err *e)
{
    if (layout(f, first, last, axis, band_rows, 1, e))
        return -1;
    if (!fusion_has_chunks(f) || f->cost.arena_bytes > limit)
        return 0;
    for (int i = FUSION_CHUNK_SIZES - 1; i > 0; i--) {
        if (layout(f, first, last, axis, band_rows, fusion_chunk_sizes[i], e))
            return -1;
        if (f->cost.arena_bytes <= limit)
            return 0;
    }
    return layout(f, first, last, axis, band_rows, 1, e);
}
