// SPDX-License-Identifier: MIT
// See program.h. Tables are collected with offsets relative to their own section, and moved when
// all sizes are known.
#include "server/planner/program_inside.h"

#include <stdlib.h>
#include <string.h>

#include "server/planner/planner.h"

#define MAX_STAGES 65536u // struct prog_step has 16 bits for one

uint32_t program__n_of(const struct buf *b, size_t item)
{
    return (uint32_t)(b->len / item);
}

// ---- operators ----

static struct prog_view view_of(const struct compiler *c, int tensor, int h, int w, int ch)
{
    const struct fusion *f = c->f;
    const struct fusion_tensor *t = &f->tensors[tensor];
    bool rows = f->axis == FUSION_ROWS;
    struct prog_view v = {.offset = t->offset, .space = PROG_WHOLE, .origin = PROG_ORIGIN_ARENA};
    const int producer = c->g->tensors[tensor].producer;
    if (c->group && (producer == f->expand || producer == f->expand + 1))
        ch = c->group;
    switch (t->role) {
    case FUSION_RING:
        v.space = PROG_RING;
        v.origin = PROG_ORIGIN_SCRATCH;
        v.slots = (uint16_t)(t->slots ? t->slots : 1); // 0: nothing is ever read of it but padding
        v.slice_step = t->positions * (uint32_t)ch;
        v.ring_bytes = v.slots * v.slice_step;
        v.pix_step = (uint32_t)ch;
        v.stage = c->stage_at[f->stage_of[producer]];
        return v;
    case FUSION_CHUNK:
        v.space = PROG_CHUNK;
        v.origin = PROG_ORIGIN_SCRATCH;
        v.pix_step = (uint32_t)ch;
        return v;
    case FUSION_INPUT:
        v.space = PROG_INPUT;
        v.origin = PROG_ORIGIN_INPUT;
        v.offset = 0;
        break;
    case FUSION_OUTPUT:
        v.space = PROG_OUTPUT;
        v.origin = PROG_ORIGIN_OUTPUT;
        v.offset = 0;
        break;
    case FUSION_WINDOW:
        v.space = PROG_WINDOW;
        v.origin = (uint16_t)(PROG_ORIGIN_WINDOW + program__base_of(c, tensor));
        v.offset = 0;
        break;
    default:
        break;
    }
    v.slice_step = (uint32_t)ch * (rows ? (uint32_t)w : 1);
    v.pix_step = (uint32_t)ch * (rows ? 1 : (uint32_t)w);
    if (!rows && w == 1)
        v.slice_step = 0; // the only column; tells an input's columns from its rows
    (void)h;
    return v;
}

uint16_t program_kernel(const struct layer *l, bool acc)
{
    switch (l->op) {
    case LAYER_CONV:
        return acc ? PROG_ACC_CONV : PROG_CONV;
    case LAYER_DWCONV:
        return PROG_DWCONV;
    case LAYER_ADD:
        return PROG_ADD;
    case LAYER_AVGPOOL:
        return acc ? PROG_ACC_AVGPOOL : PROG_AVGPOOL;
    case LAYER_MAXPOOL:
        return PROG_MAXPOOL;
    case LAYER_MEAN:
        return acc ? PROG_ACC_MEAN : PROG_MEAN;
    case LAYER_SOFTMAX:
        return PROG_SOFTMAX;
    case LAYER_RESCALE:
        return PROG_RESCALE;
    case LAYER_PAD:
        return PROG_PAD;
    default:
        return PROG_COPY;
    }
}

struct prog_op program__op(const struct compiler *c, int i, bool acc)
{
    const struct layer *l = &c->g->layers[i];
    bool cols = c->f->axis != FUSION_ROWS;
    struct prog_op op = {
        .kernel = program_kernel(l, acc),
        .layer = (uint16_t)i,
        .ks = (uint16_t)(cols ? l->kw : l->kh),
        .ka = (uint16_t)(cols ? l->kh : l->kw),
        .ss = (uint16_t)(cols ? l->sw : l->sh),
        .sa = (uint16_t)(cols ? l->sh : l->sw),
        .pad_s = (int16_t)(cols ? l->pad_left : l->pad_top),
        .pad_a = (int16_t)(cols ? l->pad_top : l->pad_left),
        .in_slices = (uint16_t)(cols ? l->in_w : l->in_h),
        .in_len = (uint16_t)(cols ? l->in_h : l->in_w),
        .in_c = (uint16_t)l->in_c,
        .out_c = (uint16_t)l->out_c,
        .mult_c = (uint16_t)l->mult_c,
        .pad_c = (int16_t)l->pad_c,
        .in_zero = (int16_t)l->in_zero,
        .out_zero = (int16_t)l->out_zero,
        .act_min = (int16_t)l->act_min,
        .act_max = (int16_t)l->act_max,
    };
    op.in[0] = view_of(c, l->in[0], l->in_h, l->in_w, l->in_c);
    op.in[1] = (struct prog_view){.space = PROG_NONE};
    op.out = view_of(c, l->out, l->out_h, l->out_w, l->out_c);
    if (op.kernel == PROG_COPY)
        op.ks = op.in_slices; // reads all of its input at once
    return op;
}

static void add_op(struct compiler *c, int i, bool acc)
{
    const struct layer *l = &c->g->layers[i];
    struct prog_op op = program__op(c, i, acc);
    bool cols = c->f->axis != FUSION_ROWS;
    c->no_memory = constants_add(&c->consts, c->variant, l, cols, &op) != 0 || c->no_memory;
    if (l->op == LAYER_ADD) {
        op.in[1] = view_of(c, l->in[1], l->in_h, l->in_w, l->in_c);
        const int32_t p[] = {l->add.in_zero[0],  l->add.in_zero[1], l->add.in[0].mult,
                             l->add.in[0].shift, l->add.in[1].mult, l->add.in[1].shift,
                             l->add.out.mult,    l->add.out.shift,  l->add.left_shift};
        memcpy(op.p, p, sizeof p);
    }
    if (l->op == LAYER_SOFTMAX) {
        op.p[0] = l->softmax.beta_mult;
        op.p[1] = l->softmax.beta_shift;
        op.p[2] = l->softmax.diff_min;
    }
    buf_add(&c->ops, &op, sizeof op);
}

// ---- blocks ----

static void add_move(struct compiler *c, struct prog_call *call, int tensor)
{
    const struct fusion_tensor *t = &c->f->tensors[tensor];
    if (c->position[tensor] != t->offset) {
        struct prog_move m = {t->offset, c->position[tensor], t->bytes};
        buf_add(&c->tables, &m, sizeof m);
        call->n_moves++;
    }
    c->position[tensor] = t->offset;
}

void program__add_moves(struct compiler *c, struct prog_call *call)
{
    call->moves = (uint32_t)c->tables.len;
    for (int i = 0; i < c->f->block_first; i++) {
        int t = c->g->layers[i].out;
        if (c->f->tensors[t].role == FUSION_LIVE || c->f->tensors[t].role == FUSION_X)
            add_move(c, call, t);
    }
}

// Position that a slice of the tensor begins with, where its view is a ring's.
static int ring_begin(const struct fusion *f, int tensor)
{
    return f->tensors[tensor].role == FUSION_RING ? f->need[tensor].lo : 0;
}

// `offset` is from where operators begin, until all is put together.
static const struct prog_op *op_at(const struct compiler *c, uint32_t offset)
{
    return (const struct prog_op *)(const void *)(c->ops.data + offset);
}

static const struct prog_op *head_of(const struct compiler *c, const struct prog_stage *s)
{
    return op_at(c, s->head);
}

static const struct prog_op *last_of(const struct compiler *c, const struct prog_stage *s)
{
    const struct prog_op *op = head_of(c, s);
    while (op->out.space == PROG_CHUNK)
        op++;
    return op;
}

// Kernels one after another, for all positions at a time.
static bool is_simple(const struct compiler *c, const struct prog_stage *s)
{
    const struct prog_op *head = head_of(c, s), *last = last_of(c, s);
    bool simple = head->in[0].space != PROG_INPUT && s->n > 0;
    for (const struct prog_op *op = head; op <= last; op++)
        simple = simple && op->kernel >= PROG_CONV;
    return simple && (s->chunk == 0 || s->n <= s->chunk);
}

// In the band that needs are known of.
static void place_stage(const struct compiler *c, struct prog_stage *s)
{
    const struct fusion *f = c->f;
    const struct prog_op *head = head_of(c, s), *last = last_of(c, s);
    const struct fusion_stage *stage = &f->stages[f->stage_of[head->layer]];
    const struct layer *tail = &c->g->layers[stage->tail];
    const bool acc = f->acc && stage->tail == f->last;
    const struct fusion_interval need = f->need[acc ? tail->in[0] : tail->out];
    const int in = c->g->layers[head->layer].in[0];
    const int begin = head->kernel == PROG_SUM_END ? need.lo : ring_begin(f, in);
    s->in = head->in[0].origin;
    s->out = last->out.origin;
    s->lo = need.lo;
    s->n = need.hi - need.lo;
    s->to_first = -begin * (int32_t)head->in[0].pix_step;
    s->to_lo = last->out.space == PROG_RING ? 0 : need.lo * (int32_t)last->out.pix_step;
    s->simple = is_simple(c, s);
}

void program__add_bands(struct compiler *c, int first)
{
    struct fusion *f = c->f;
    const size_t n = program__n_of(&c->stages, sizeof(struct prog_stage)) - (size_t)first;
    const size_t all = n * (size_t)f->n_bands;
    for (size_t i = n; i < all && !c->stages.failed; i++) {
        const struct prog_stage s =
            ((const struct prog_stage *)(const void *)c->stages.data)[(size_t)first + i - n];
        buf_add(&c->stages, &s, sizeof s);
    }
    if (c->stages.failed || c->ops.failed)
        return;
    for (int i = f->first; i <= f->last; i++) {
        if (c->g->layers[i].in[0] == c->g->input && f->axis != FUSION_ROWS)
            c->input_streamed = false;
    }
    struct prog_stage *stages = (struct prog_stage *)(void *)c->stages.data + first;
    for (int band = 0; band < f->n_bands; band++) {
        fusion_band(f, band);
        for (size_t s = 0; s < n; s++)
            place_stage(c, stages++);
    }
}

static uint32_t slice_offset(const struct prog_view *v, int slice)
{
    return v->offset + (uint32_t)(v->slots ? slice % v->slots : slice) * v->slice_step;
}

// Can the kernel make several slices (struct prog_step)?
static bool makes_slices(const struct prog_op *op)
{
    if (op->ks * op->ka > 1 || op->pad_s || op->pad_a)
        return false;
    return op->kernel == PROG_CONV_B4 ||
           (op->kernel == PROG_CONV_X2 && prog_x2_words(1, 1, op->in_c) <= PROG_X2_WORDS) ||
           (op->kernel == PROG_CONV_M16 && op->in_c <= PROG_M16_VALUES);
}

// Does `next` only go on where `step` ends? A ring that begins anew in between has another place there.
static bool goes_on(const struct prog_op *head, const struct prog_op *last,
                    const struct prog_step *step, const struct prog_step *next)
{
    const uint32_t slices = step->taps.slices;
    return head == last && makes_slices(head) && slices < UINT16_MAX &&
           step->stage == next->stage && step->slice + slices == next->slice &&
           step->in + slices * head->ss * head->in[0].slice_step == next->in &&
           step->out + slices * last->out.slice_step == next->out;
}

void program__add_step(struct compiler *c, const struct prog_part *part, int stage, int slice,
                       struct part_steps *steps)
{
    const struct prog_stage *s =
        (const struct prog_stage *)(const void *)c->stages.data + part->first_stage + stage;
    const struct prog_op *head = head_of(c, s), *last = last_of(c, s);
    const int first = slice * head->ss - head->pad_s, left = head->in_slices - first;
    const int tap = first < 0 ? -first : 0, stop = left < head->ks ? left : head->ks;
    const int slots = head->in[0].slots;
    struct prog_step step = {.stage = (uint16_t)(part->first_stage + stage),
                             .slice = (uint16_t)slice,
                             .taps = {.first = (uint16_t)tap, .slices = 1}};
    step.out = slice_offset(&last->out, slice);
    if (stop > tap) { // else padding only
        step.taps.n = (uint16_t)(stop - tap);
        step.in = slice_offset(&head->in[0], first + tap);
        step.taps.wrap = (uint16_t)(slots ? slots - (first + tap) % slots : 0);
    }
    if (steps->n > 0 && !c->tables.failed && !c->f->by_rows) { // calls take rows by themselves
        struct prog_step *before =
            (struct prog_step *)(void *)(c->tables.data + c->tables.len - sizeof step);
        if (s->simple && goes_on(head, last, before, &step)) {
            before->taps.slices++;
            return;
        }
    }
    buf_add(&c->tables, &step, sizeof step);
    steps->n++;
}

// Steps of a band.
static struct part_steps add_steps(struct compiler *c, const struct prog_part *part)
{
    const struct fusion *f = c->f;
    struct part_steps steps = {(uint32_t)c->tables.len, 0};
    if (c->stages.failed || c->ops.failed) // what steps are made from is not there
        return steps;
    for (size_t i = 0; i < f->n_steps; i++)
        program__add_step(c, part, f->steps[i].stage, f->steps[i].slice, &steps);
    return steps;
}

void program__begin_stage(struct compiler *c, int stage)
{
    c->stage_at[stage] = (uint16_t)program__n_of(&c->stages, sizeof(struct prog_stage));
}

void program__end_stage(struct compiler *c, struct prog_part *part, size_t head, int chunk)
{
    const struct prog_stage s = {.head = (uint32_t)head, .chunk = (uint16_t)chunk};
    buf_add(&c->stages, &s, sizeof s);
    part->n_stages++;
    part->band_stages++;
}

void program__add_stage(struct compiler *c, struct prog_part *part, int stage, int layer,
                        size_t head)
{
    const struct fusion *f = c->f;
    program__begin_stage(c, stage);
    for (int i = layer; i >= 0; i = f->next[i]) {
        bool acc = f->acc && i == f->last;
        if (acc)
            part->acc_op = (uint16_t)program__n_of(&c->ops, sizeof(struct prog_op));
        add_op(c, i, acc);
    }
    program__end_stage(c, part, head, fusion_chunks_of(f, &f->stages[stage]));
}

struct prog_part program__part(const struct compiler *c)
{
    return (struct prog_part){
        .first_stage = (uint16_t)program__n_of(&c->stages, sizeof(struct prog_stage)),
        .acc_op = 0xFFFF,
    };
}

struct part_steps program__add_part(struct compiler *c)
{
    const struct fusion *f = c->f;
    struct prog_part part = program__part(c);
    if (f->acc) {
        part.acc = f->acc_offset;
        part.acc_bytes = (uint32_t)f->acc_bytes;
    }
    for (int s = 0; s < f->n_stages; s++)
        program__add_stage(c, &part, s, f->stages[s].head, c->ops.len);
    program__add_bands(c, part.first_stage);
    const struct part_steps steps = add_steps(c, &part);
    buf_add(&c->parts, &part, sizeof part);
    return steps;
}

// What later blocks find where this one put it.
static void note_positions(struct compiler *c, const struct config_block *cb)
{
    for (int i = cb->first; i <= config_last(cb); i++) {
        const struct fusion_tensor *t = &c->f->tensors[c->g->layers[i].out];
        if (t->role == FUSION_KEPT || t->role == FUSION_Y)
            c->position[c->g->layers[i].out] = t->offset;
    }
}

static int add_plain_block(struct compiler *c, const struct config_block *cb, struct err *e)
{
    struct fusion *f = c->f;
    if (config_block_fill(f, cb, c->arena_bytes, e))
        return -1;
    struct prog_call call = {
        .part = (uint16_t)program__n_of(&c->parts, sizeof(struct prog_part)),
        .n_bands = (uint16_t)f->n_bands,
        .n_groups = 1,
        .flags = f->acc ? PROG_CALL_BEGIN | PROG_CALL_END : 0,
    };
    const struct part_steps steps = program__add_part(c);
    call.steps = steps.at;
    call.n_steps = steps.n;
    program__add_moves(c, &call);
    buf_add(&c->calls, &call, sizeof call);
    return 0;
}

static int add_block(struct compiler *c, const struct config_block *cb, struct err *e)
{
    struct prog_block b = {
        .first_op = (uint16_t)program__n_of(&c->ops, sizeof(struct prog_op)),
        .calls = (uint32_t)c->calls.len,
    };
    if (cb->cells ? program__add_cells(c, cb, e) : add_plain_block(c, cb, e))
        return -1;
    note_positions(c, cb);
    b.n_ops = (uint16_t)(program__n_of(&c->ops, sizeof(struct prog_op)) - b.first_op);
    b.n_calls = (uint32_t)((c->calls.len - b.calls) / sizeof(struct prog_call));
    b.arena_bytes = c->f->cost.arena_bytes;
    buf_add(&c->blocks, &b, sizeof b);
    return 0;
}

// ---- putting it together ----

static void relocate(struct compiler *c, uint32_t ops, uint32_t calls, uint32_t tables,
                     uint32_t consts)
{
    struct prog_block *b = (struct prog_block *)(void *)c->blocks.data;
    struct prog_op *op = (struct prog_op *)(void *)c->ops.data;
    struct prog_stage *stage = (struct prog_stage *)(void *)c->stages.data;
    struct prog_call *call = (struct prog_call *)(void *)c->calls.data;
    for (uint32_t i = 0; i < program__n_of(&c->blocks, sizeof *b); i++)
        b[i].calls += calls;
    for (uint32_t i = 0; i < program__n_of(&c->stages, sizeof *stage); i++) {
        stage[i].head += ops;
    }
    for (uint32_t i = 0; i < program__n_of(&c->calls, sizeof *call); i++) {
        call[i].moves += tables;
        call[i].bases += tables;
        call[i].steps += tables;
    }
    for (uint32_t i = 0; i < program__n_of(&c->ops, sizeof *op); i++) {
        op[i].weights += op[i].weights ? consts - 1 : 0;
        op[i].bias += op[i].bias ? consts - 1 : 0;
        op[i].requant += op[i].requant ? consts - 1 : 0;
        if (op[i].kernel >= PROG_CONV_X2)
            op[i].p[0] += (int32_t)consts - 1;
    }
}

static int link_program(struct compiler *c, const char *variant, const int8_t *input,
                        struct buf *out, struct err *e)
{
    const struct tensor *in = &c->g->tensors[c->g->input];
    enum { STAGES, BLOCKS, OPS, PARTS, CALLS, TABLES, CONSTS, INPUT };
    struct buf *sections[] = {&c->stages, &c->blocks, &c->ops,   &c->parts,
                              &c->calls,  &c->tables, &c->consts};
    uint32_t at[INPUT + 1] = {sizeof(struct prog_header)};
    for (int i = 0; i < INPUT; i++) {
        buf_align(sections[i], 4);
        if (c->stages.failed)
            return err_set(e, ERR_TOO_LARGE,
                           "the program has more than %u stages, which count once a band",
                           MAX_STAGES);
        if (sections[i]->failed)
            return err_set(e, ERR_TOO_LARGE, "the program is larger than %u bytes",
                           PROGRAM_MAX_BYTES);
        at[i + 1] = at[i] + (uint32_t)sections[i]->len;
    }
    relocate(c, at[OPS], at[CALLS], at[TABLES], at[CONSTS]);
    struct prog_header h = {
        .magic = PROG_MAGIC,
        .version = PROG_VERSION,
        .arena_bytes = c->arena_bytes,
        .input = at[INPUT],
        .input_bytes = fusion_tensor_bytes(c->g, c->g->input),
        .output = c->position[c->g->output],
        .output_bytes = fusion_tensor_bytes(c->g, c->g->output),
        .in_h = (uint16_t)in->h,
        .in_w = (uint16_t)in->w,
        .in_c = (uint16_t)in->c,
        .flags = (c->input_streamed ? PROG_FLAG_INPUT_STREAMED : 0) |
                 (c->f->output_outside ? PROG_FLAG_OUTPUT_OUTSIDE : 0),
        .n_blocks = (uint16_t)program__n_of(&c->blocks, sizeof(struct prog_block)),
        .n_ops = (uint16_t)program__n_of(&c->ops, sizeof(struct prog_op)),
        .n_parts = (uint16_t)program__n_of(&c->parts, sizeof(struct prog_part)),
        .blocks = at[BLOCKS],
        .stages = at[STAGES],
        .ops = at[OPS],
        .parts = at[PARTS],
    };
    memcpy(h.variant, variant, strlen(variant));
    h.total_bytes = (at[INPUT] + h.input_bytes + 3) & ~3u;
    buf_add(out, &h, sizeof h);
    for (int i = 0; i < INPUT; i++)
        buf_add(out, sections[i]->data, sections[i]->len);
    buf_add(out, input, h.input_bytes);
    buf_align(out, 4);
    if (out->failed)
        return err_set(e, ERR_TOO_LARGE, "the program is larger than %u bytes", PROGRAM_MAX_BYTES);
    h.crc32 = planner_crc32(out->data, out->len);
    memcpy(out->data, &h, sizeof h);
    return 0;
}

int program_compile(struct fusion *f, const struct config_block *blocks, int n_blocks,
                    const char *variant, const int8_t *input, struct buf *out, struct err *e)
{
    struct compiler c = {.f = f, .g = f->g};
    int rc = -1;
    c.variant = constants_variant(variant, e);
    if (!c.variant)
        return -1;
    buf_init(&c.blocks, PROGRAM_MAX_BYTES);
    buf_init(&c.stages, MAX_STAGES * sizeof(struct prog_stage));
    buf_init(&c.ops, PROGRAM_MAX_BYTES);
    buf_init(&c.parts, PROGRAM_MAX_BYTES);
    buf_init(&c.calls, PROGRAM_MAX_BYTES);
    buf_init(&c.tables, PROGRAM_MAX_BYTES);
    buf_init(&c.consts, PROGRAM_MAX_BYTES);
    c.position = calloc((size_t)f->g->n_tensors, sizeof *c.position);
    c.stage_at = calloc((size_t)f->g->n_layers, sizeof *c.stage_at);
    if (!c.position || !c.stage_at) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a program");
        goto out;
    }
    if (config_arena(f, blocks, n_blocks, &c.arena_bytes, e))
        goto out;
    c.input_streamed = f->uses[f->g->input + 1] - f->uses[f->g->input] == 1;
    for (int i = 0; i < n_blocks; i += config_entries(&blocks[i])) {
        if (add_block(&c, &blocks[i], e))
            goto out;
    }
    if (c.no_memory) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a program");
        goto out;
    }
    rc = link_program(&c, variant, input, out, e);
out:
    free(c.position);
    free(c.stage_at);
    buf_free(&c.blocks);
    buf_free(&c.stages);
    buf_free(&c.ops);
    buf_free(&c.parts);
    buf_free(&c.calls);
    buf_free(&c.tables);
    buf_free(&c.consts);
    return rc;
}
