// SPDX-License-Identifier: MIT
// Compiles a block of cells (cells.h): a part a cell, or up to four for a cell of groups (what is before
// the expansion, whole groups, the smaller last group, the end of the sums), and the calls in their
// order, with the steps of each strip.
#include <stdlib.h>
#include <string.h>

#include "server/planner/program_inside.h"

// Parts of a cell; of an ordinary one `first` alone, of one of groups as many as its strips take steps of.
struct cell_parts {
    uint16_t first;
    uint16_t groups; // runs of `first`
    uint16_t strips;
    bool sums, before, rest; // the cell has groups; what is before them; a smaller last one
    bool by_rows;            // a step a row
    struct part_steps steps; // of an ordinary cell
    struct part_steps *of;   // [strips][parts], to be freed
};

uint16_t program__base_of(const struct compiler *c, int tensor)
{
    const struct fusion *f = c->f;
    uint16_t index = 0;
    int seen[CELL_MAX_INPUTS], n_seen = 0;
    for (int i = f->first; i <= f->last; i++) {
        for (int k = 0; k < 2 && f->g->layers[i].in[k] >= 0; k++) {
            int t = f->g->layers[i].in[k], born = f->g->tensors[t].producer, s = 0;
            while (s < n_seen && seen[s] != t)
                s++;
            if (born < 0 || born >= f->first || s < n_seen || f->tensors[t].role != FUSION_WINDOW)
                continue;
            if (t == tensor)
                return index;
            seen[n_seen++] = t;
            index++;
        }
    }
    return index; // the cell's output
}

_Static_assert(CELL_MAX_INPUTS + 1 <= PROG_MAX_BASES, "a cell's windows have origins");

// ---- some channels of a layer ----

// Channels [first, first + n) of a convolution's output; weights of a depthwise one and of a
// projection's input are gathered into `room`.
static struct layer some_outputs(const struct layer *l, int first, int n, int8_t *room)
{
    struct layer some = *l;
    some.out_c = n;
    some.bias = l->bias + first;
    some.requant = l->requant + first;
    if (l->op == LAYER_CONV) {
        some.weights = l->weights + (size_t)first * (size_t)(l->kh * l->kw) * (size_t)l->in_c;
        return some;
    }
    some.in_c = n;
    some.weights = room;
    for (int tap = 0; tap < l->kh * l->kw; tap++)
        memcpy(room + (size_t)tap * (size_t)n,
               l->weights + (size_t)tap * (size_t)l->out_c + (size_t)first, (size_t)n);
    return some;
}

static struct layer some_inputs(const struct layer *l, int first, int n, int8_t *room)
{
    struct layer some = *l;
    some.in_c = n;
    some.bias = NULL;
    some.requant = NULL;
    some.weights = room;
    for (int o = 0; o < l->out_c; o++)
        memcpy(room + (size_t)o * (size_t)n,
               l->weights + (size_t)o * (size_t)l->in_c + (size_t)first, (size_t)n);
    return some;
}

// The int32 sums of the projection, for a whole band.
static struct prog_view view_of_sums(const struct fusion *f)
{
    const struct layer *l = &f->g->layers[f->expand + 2];
    const uint32_t slice = 4 * f->tensors[l->out].positions * (uint32_t)l->out_c;
    return (struct prog_view){.offset = f->sums_offset,
                              .ring_bytes = (uint32_t)fusion_strip_columns(f) * slice,
                              .slice_step = slice,
                              .pix_step = 4 * (uint32_t)l->out_c,
                              .space = PROG_RING,
                              .origin = PROG_ORIGIN_SCRATCH,
                              .slots = (uint16_t)fusion_strip_columns(f)};
}

// Packed convolutions have the weights of two channels in a word: those of a group, other pairs than the
// layer's where a group begins with an odd channel; and a group may have a single channel. The kernel must fit every group.
static bool fits_groups(struct compiler *c, const struct layer *l, const struct prog_op *generic,
                        uint16_t kernel, int from, int groups, int8_t *room)
{
    for (int q = 0; q < groups; q++) {
        struct layer some = some_outputs(l, from + q * c->group, c->group, room);
        struct prog_op op = *generic;
        c->no_memory = constants_choose(c->variant, &some, &op) || c->no_memory;
        if (op.kernel != kernel)
            return false;
    }
    return true;
}

// Layer i of the cell for `groups` groups of c->group channels, from channel `from` on; without constants.
static struct prog_op group_op(struct compiler *c, int i, int from, int groups, int8_t *room)
{
    const struct fusion *f = c->f;
    const struct layer *l = &c->g->layers[i];
    struct prog_op op = program__op(c, i, false);
    if (i == f->expand + 2) {
        op.kernel = PROG_SUM_CONV;
        op.out = view_of_sums(f);
    } else {
        const struct prog_op generic = op;
        c->no_memory = constants_choose(c->variant, l, &op) || c->no_memory;
        if (!fits_groups(c, l, &generic, op.kernel, from, groups, room))
            op = generic;
        op.out_c = (uint16_t)c->group;
    }
    if (i > f->expand)
        op.in_c = (uint16_t)c->group;
    return op;
}

// The constants of one group of all its layers lie together, then those of the next.
static void lay_out_groups(struct compiler *c, struct prog_part *part, struct prog_op ops[3],
                           int from, int groups, int8_t *room)
{
    const int expand = c->f->expand, n = c->group;
    for (int q = 0; q < groups; q++) {
        for (int k = 0; k < 3; k++) {
            const struct layer *l = &c->g->layers[expand + k];
            const struct layer some = k == 2 ? some_inputs(l, from + q * n, n, room)
                                             : some_outputs(l, from + q * n, n, room);
            struct prog_op op = ops[k];
            c->no_memory = constants_lay_out(&c->consts, &some, true, &op) || c->no_memory;
            if (q == 0)
                ops[k] = op;
            else if (q == 1 && k == 0)
                part->group_bytes = op.weights - ops[k].weights;
        }
    }
}

// The expansion's stage, or the depthwise convolution's with the projection.
static void add_group_stage(struct compiler *c, struct prog_part *part, int layer,
                            const struct prog_op *ops, int n_ops)
{
    const struct fusion *f = c->f;
    const size_t head = c->ops.len;
    program__begin_stage(c, f->stage_of[layer]);
    buf_add(&c->ops, ops, (size_t)n_ops * sizeof *ops);
    program__end_stage(c, part, head, layer == f->expand ? 0 : f->chunk);
}

// `groups` groups of n channels from channel `from` on.
static struct prog_part add_groups(struct compiler *c, int from, int n, int groups)
{
    const struct fusion *f = c->f;
    const int expand = f->expand;
    const struct layer *dwconv = &c->g->layers[expand + 1], *project = dwconv + 1;
    const int taps = dwconv->kh * dwconv->kw, most = taps > project->out_c ? taps : project->out_c;
    int8_t *room = malloc((size_t)most * (size_t)n);
    struct prog_part part = program__part(c);
    struct prog_op ops[3];
    part.acc = f->sums_offset;
    part.acc_bytes = f->sums_bytes;
    if (!room) {
        c->no_memory = true;
        return part;
    }
    c->group = n;
    for (int k = 0; k < 3; k++)
        ops[k] = group_op(c, expand + k, from, groups, room);
    lay_out_groups(c, &part, ops, from, groups, room);
    add_group_stage(c, &part, expand, ops, 1);
    add_group_stage(c, &part, expand + 1, ops + 1, 2);
    c->group = 0;
    free(room);
    return part;
}

// What is before the expansion.
static struct prog_part add_before(struct compiler *c)
{
    const struct fusion *f = c->f;
    struct prog_part part = program__part(c);
    for (int s = 0; s < f->stage_of[f->expand]; s++)
        program__add_stage(c, &part, s, f->stages[s].head, c->ops.len);
    return part;
}

// The projection's sums, requantised, and what follows them pixel by pixel.
static struct prog_part add_end_of_sums(struct compiler *c)
{
    const struct fusion *f = c->f;
    const int project = f->expand + 2;
    struct prog_part part = program__part(c);
    struct prog_op op = program__op(c, project, false);
    const size_t head = c->ops.len;
    op.kernel = PROG_SUM_END;
    op.in[0] = view_of_sums(f);
    if (constants_lay_out(&c->consts, &c->g->layers[project], true, &op))
        c->no_memory = true;
    buf_add(&c->ops, &op, sizeof op);
    program__add_stage(c, &part, f->stage_of[project], f->next[project], head);
    return part;
}

// ---- parts ----

static int parts_of(const struct cell_parts *p)
{
    return 1 + p->before + p->sums + p->rest;
}

// Those of the recorded steps [first, stop) whose stage is one of the part's, which begin with `stage`.
static struct part_steps steps_of(struct compiler *c, const struct prog_part *part, size_t first,
                                  size_t stop, int stage)
{
    const struct fusion *f = c->f;
    struct part_steps steps = {(uint32_t)c->tables.len, 0};
    for (size_t i = first; i < stop && !c->stages.failed && !c->ops.failed; i++) {
        const struct fusion_step *s = &f->steps[i];
        if (s->stage < stage || s->stage >= stage + part->n_stages)
            continue;
        program__add_step(c, part, s->stage - stage, s->slice, &steps);
    }
    return steps;
}

// One past the step that makes column `x` of the cell's output.
static size_t end_of_column(const struct fusion *f, size_t step, int x)
{
    const int last = f->stage_of[f->last];
    while (step < f->n_steps && !(f->steps[step].stage == last && f->steps[step].slice == x))
        step++;
    return step + 1;
}

// The steps of all parts, one strip after the other. first_stage[k]: the cell's stage that part k begins
// with.
static void add_strips(struct compiler *c, struct cell_parts *p, const struct prog_part *parts,
                       const int *first_stage)
{
    const struct fusion *f = c->f;
    const int columns = c->g->layers[f->last].out_w, strip = fusion_strip_columns(f);
    size_t step = 0;
    p->strips = (uint16_t)((columns + strip - 1) / strip);
    p->of = calloc((size_t)p->strips * (size_t)parts_of(p), sizeof *p->of);
    if (!p->of) {
        c->no_memory = true;
        p->strips = 0;
    }
    for (int s = 0; s < p->strips; s++) {
        const int x = (s + 1) * strip < columns ? (s + 1) * strip : columns;
        const size_t stop = end_of_column(f, step, x - 1);
        for (int k = 0; k < parts_of(p); k++)
            p->of[s * parts_of(p) + k] = steps_of(c, &parts[k], step, stop, first_stage[k]);
        step = stop;
    }
}

// What is before the expansion, whole groups, the smaller last group, the end of the sums.
static void add_parts_of_groups(struct compiler *c, struct cell_parts *p)
{
    const struct fusion *f = c->f;
    const int channels = c->g->layers[f->expand].out_c, rest = channels % f->group;
    const int expand = f->stage_of[f->expand];
    struct prog_part parts[4];
    int first_stage[4], n = 0;
    p->sums = true;
    p->before = f->expand > f->first;
    p->rest = rest > 0;
    p->groups = (uint16_t)(channels / f->group);
    if (p->before) {
        first_stage[n] = 0;
        parts[n++] = add_before(c);
    }
    first_stage[n] = expand;
    parts[n++] = add_groups(c, 0, f->group, p->groups);
    if (rest) {
        first_stage[n] = expand;
        parts[n++] = add_groups(c, channels - rest, rest, 1);
    }
    first_stage[n] = expand + 1;
    parts[n++] = add_end_of_sums(c);
    for (int k = 1; k < n; k++)
        parts[0].band_stages += parts[k].n_stages;
    for (int k = 0; k < n; k++) {
        parts[k].band_stages = parts[0].band_stages;
        buf_add(&c->parts, &parts[k], sizeof parts[k]);
    }
    program__add_bands(c, parts[0].first_stage);
    add_strips(c, p, parts, first_stage);
}

static struct cell_parts add_parts(struct compiler *c)
{
    const struct fusion *f = c->f;
    struct cell_parts p = {.first = (uint16_t)program__n_of(&c->parts, sizeof(struct prog_part)),
                           .groups = 1,
                           .strips = 1,
                           .by_rows = f->by_rows};
    if (f->group)
        add_parts_of_groups(c, &p);
    else
        p.steps = program__add_part(c);
    return p;
}

// ---- calls ----

// Moves of windows and bases of call number k.
static void add_places(struct compiler *c, const struct cells *cells, size_t k,
                       struct prog_call *call)
{
    const struct cells_call *from = (const struct cells_call *)(void *)cells->calls.data + k;
    const struct cells_move *move = (const struct cells_move *)(void *)cells->moves.data;
    const struct cells_base *base = (const struct cells_base *)(void *)cells->bases.data;
    bool last = (k + 1) * sizeof *from == cells->calls.len;
    size_t moves = last ? cells->moves.len / sizeof *move : from[1].first_move;
    size_t bases = last ? cells->bases.len / sizeof *base : from[1].first_base;
    if (k == 0)
        program__add_moves(c, call);
    else
        call->moves = (uint32_t)c->tables.len;
    for (size_t i = from->first_move; i < moves; i++, call->n_moves++) {
        struct prog_move m = {move[i].dst, move[i].src, move[i].bytes};
        buf_add(&c->tables, &m, sizeof m);
    }
    call->bases = (uint32_t)c->tables.len;
    for (size_t i = from->first_base; i < bases; i++, call->n_bases++) {
        const struct tensor *t = &c->g->tensors[base[i].tensor];
        struct prog_base b = {(int32_t)base[i].offset - base[i].lo * t->w * t->c};
        buf_add(&c->tables, &b, sizeof b);
    }
    call->scratch = from->scratch;
}

// The call's band as steps of a part whose steps are rows.
static void take_rows(struct prog_call *call, int band_rows)
{
    const uint32_t rows = (uint32_t)band_rows, first = call->first_band * rows;
    call->first_band = 0;
    call->steps += first * (uint32_t)sizeof(struct prog_step);
    call->n_steps = call->n_steps - first < rows ? call->n_steps - first : rows;
}

static void add_call(struct compiler *c, const struct cells *cells, size_t k,
                     const struct cell_parts *p)
{
    const struct cells_call *from = (const struct cells_call *)(void *)cells->calls.data + k;
    const struct cell_facts *facts = cells->facts[from->cell];
    struct prog_call call = {.part = p->first,
                             .first_band = (uint16_t)from->band,
                             .n_bands = 1,
                             .n_groups = 1,
                             .steps = p->steps.at,
                             .n_steps = p->steps.n};
    if (p->by_rows)
        take_rows(&call, facts->band_rows);
    if (facts->acc && from->band == 0)
        call.flags |= PROG_CALL_BEGIN;
    if (facts->acc && from->band + 1 == facts->n_bands)
        call.flags |= PROG_CALL_END;
    add_places(c, cells, k, &call);
    for (int i = 0; i < p->strips * parts_of(p); i++) {
        const int part = i % parts_of(p);
        if (p->sums) {
            call.part = (uint16_t)(p->first + part);
            call.flags = part == p->before ? PROG_CALL_BEGIN : 0;
            call.n_groups = part == p->before ? p->groups : 1;
            call.steps = p->of[i].at;
            call.n_steps = p->of[i].n;
        }
        buf_add(&c->calls, &call, sizeof call);
        call.n_moves = call.n_bases = 0; // those of the first part stay
    }
}

int program__add_cells(struct compiler *c, const struct config_block *cb, struct err *e)
{
    struct cells cells;
    if (config_cells_fill(c->f, cb, c->arena_bytes, &cells, e))
        return -1;
    const struct fusion_cost cost = c->f->cost;
    struct cell_parts *parts = calloc((size_t)cells.n, sizeof *parts);
    c->no_memory = c->no_memory || !parts;
    for (int i = 0; parts && i < cells.n; i++) {
        c->f->record = true;
        c->f->out_of_memory = false;
        cells_take_up_cell(&cells, i, INT32_MAX);
        c->f->record = false;
        c->no_memory = c->no_memory || c->f->out_of_memory;
        parts[i] = add_parts(c);
    }
    for (size_t k = 0; parts && k < cells.calls.len / sizeof(struct cells_call); k++) {
        int cell = ((const struct cells_call *)(void *)cells.calls.data)[k].cell;
        add_call(c, &cells, k, &parts[cell]);
    }
    c->f->cost = cost;
    for (int i = 0; parts && i < cells.n; i++)
        free(parts[i].of);
    free(parts);
    cells_close(&cells);
    return 0;
}
