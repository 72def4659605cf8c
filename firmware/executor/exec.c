// SPDX-License-Identifier: MIT
// Walks a program: blocks, bands, steps, operators. Every decision was taken by the program
// compiler.
#include "firmware/executor/exec.h"

#include <stdbool.h>
#include <string.h>

#include "firmware/executor/program.h"
#include "firmware/executor/variants.h"
#include "firmware/kernels/kernels.h"

struct run { // what one exec_run() needs to hand around
    const uint8_t *program;
    const struct prog_header *header;
    const struct prog_stage *stages;
    const struct prog_op *ops;
    uint8_t *arena;
    const struct exec_input *input;
    const struct exec_hooks *profile; // NULL unless kernel calls are to be told
    unsigned straight;                // kernels from this one on are called straight away
    // the call at hand
    int8_t *origin[PROG_ORIGINS];
    uint32_t group;
};

static const void *at(const struct run *r, uint32_t offset)
{
    return r->program + offset;
}

static const struct prog_op *ops_of(const void *program)
{
    const uint8_t *p = program;
    return (const void *)(p + ((const struct prog_header *)program)->ops);
}

const char *exec_variant_name(unsigned i)
{
    return exec__variants[i];
}

static uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t n)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    for (; n > 0; n--, p++) {
        crc = (crc >> 4) ^ nibble[(crc ^ *p) & 15];
        crc = (crc >> 4) ^ nibble[(crc ^ (uint32_t)(*p >> 4)) & 15];
    }
    return crc;
}

int exec_check(const void *program, size_t bytes)
{
    static const uint8_t no_crc[4];
    const struct prog_header *h = program;
    const uint8_t *p = program;
    if (bytes < sizeof *h || h->magic != PROG_MAGIC)
        return EXEC_BAD_MAGIC;
    if (h->version != PROG_VERSION)
        return EXEC_BAD_VERSION;
    if (h->total_bytes < sizeof *h || h->total_bytes > bytes)
        return EXEC_BAD_SIZE;
    const size_t crc_at = offsetof(struct prog_header, crc32), after = crc_at + 4;
    uint32_t crc = crc_update(0xFFFFFFFFu, p, crc_at);
    crc = crc_update(crc, no_crc, 4);
    crc = crc_update(crc, p + after, h->total_bytes - after);
    if (~crc != h->crc32)
        return EXEC_BAD_CRC;
    for (const char *const *name = exec__variants; *name; name++) {
        if (strncmp(h->variant, *name, sizeof h->variant) == 0)
            return EXEC_OK;
    }
    return EXEC_BAD_VARIANT;
}

uint32_t exec_crc32(const void *program)
{
    return ((const struct prog_header *)program)->crc32;
}

uint32_t exec_arena_bytes(const void *program)
{
    return ((const struct prog_header *)program)->arena_bytes;
}

uint32_t exec_blocks(const void *program)
{
    return ((const struct prog_header *)program)->n_blocks;
}

uint32_t exec_output_bytes(const void *program)
{
    return ((const struct prog_header *)program)->output_bytes;
}

uint32_t exec_input_bytes(const void *program)
{
    return ((const struct prog_header *)program)->input_bytes;
}

uint32_t exec_input_row_bytes(const void *program)
{
    const struct prog_header *h = program;
    return (uint32_t)h->in_w * h->in_c;
}

void exec_block_ops(const void *program, unsigned block, uint32_t *first, uint32_t *n)
{
    const struct prog_header *h = program;
    const uint8_t *p = program;
    const struct prog_block *b = (const struct prog_block *)(const void *)(p + h->blocks) + block;
    const struct prog_stage *stages =
        (const struct prog_stage *)(const void *)(p + h->stages) + b->first_stage;
    const struct prog_stage *last = stages + b->n_stages - 1;
    *first = stages->first_op;
    *n = (uint32_t)last->first_op + last->n_ops - *first;
}

uint32_t exec_op_layer(const void *program, uint32_t op)
{
    return ops_of(program)[op].layer;
}

// First byte of the model input from row y on; `n` rows will be read.
static const int8_t *input_rows(const struct run *r, unsigned y, unsigned n)
{
    size_t row = (size_t)r->header->in_w * r->header->in_c;
    if (r->input)
        return r->input->rows(r->input->ctx, y, n);
    return (const int8_t *)at(r, r->header->input) + y * row;
}

// What every kernel call takes lies in one frame; what few need, in frames of their own, which are gone
// when kernels run.
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline))

// The window of a stage's first operator where the caller gives the model input. Slices are rows: asks
// for those of the window. Slices are columns: for all rows, and takes the column within them.
APART void ask_for_input(const struct run *r, const struct prog_op *op,
                         const struct prog_step *step, struct k_window *w)
{
    const struct prog_view *v = &op->in[0];
    if (step->taps == 0)
        return; // padding only: the source need not be asked
    if (v->slice_step >= v->pix_step)
        w->slice =
            input_rows(r, (unsigned)(step->slice * op->ss - op->pad_s + step->tap), step->taps);
    else
        w->slice = input_rows(r, 0, r->header->in_h) + step->in;
}

#define NOT_REACHED ((const int8_t *)UINTPTR_MAX) // the end of what is no ring

// The window of a stage's first operator.
INLINE void open_head(const struct run *r, const struct prog_op *op, const struct prog_step *step,
                      const struct prog_interval *intervals, struct k_window *w)
{
    const struct prog_view *v = &op->in[0];
    const int8_t *origin = r->origin[v->origin];
    w->slice = origin + step->in;
    w->end = v->ring_bytes ? origin + v->offset + v->ring_bytes : NOT_REACHED;
    w->ring_bytes = v->ring_bytes;
    w->slice_step = v->slice_step;
    w->pix_step = v->pix_step;
    w->lo = intervals[v->interval].lo;
    w->tap = step->tap;
    w->taps = step->taps;
    if (v->space == PROG_INPUT && r->input)
        ask_for_input(r, op, step, w);
}

// The window of an operator that reads the chunk that begins with position `first`.
INLINE void open_chunk(const struct run *r, const struct prog_view *v, int first,
                       struct k_window *w)
{
    const int8_t *chunk = r->origin[v->origin] + v->offset;
    *w = (struct k_window){
        .slice = chunk, .end = NOT_REACHED, .pix_step = v->pix_step, .lo = first, .taps = 1};
}

// Constants that the operator does not have point anywhere.
INLINE void consts_of(const struct run *r, const struct prog_op *op, struct k_consts *k)
{
    const uint8_t *weights = r->program + op->weights, *bias = r->program + op->bias,
                  *requant = r->program + op->requant;
    if (r->group) {
        weights += r->group * (uint32_t)op->p[7];
        bias += r->group * (uint32_t)op->p[8];
        requant += r->group * (uint32_t)op->p[9];
    }
    k->weights = (const void *)weights;
    k->bias = (const void *)bias;
    k->requant = (const void *)requant;
    k->zeros = at(r, (uint32_t)op->p[0]);
}

// An addition's operand: a chunk, or a slice of anything.
static void open_operand(const struct run *r, const struct prog_view *v,
                         const struct prog_interval *intervals, int slice, int first,
                         struct k_window *w)
{
    open_chunk(r, v, first, w);
    if (v->space == PROG_CHUNK)
        return;
    w->lo = intervals[v->interval].lo;
    w->slice += (size_t)(v->slots ? slice % v->slots : slice) * v->slice_step;
    if (v->space != PROG_INPUT || !r->input)
        return;
    if (v->slice_step >= v->pix_step)
        w->slice = input_rows(r, (unsigned)slice, 1);
    else
        w->slice = input_rows(r, 0, r->header->in_h) + (size_t)slice * v->slice_step;
}

struct call { // of a kernel
    const struct prog_part *part;
    const struct prog_op *op;
    const struct prog_interval *intervals;
    int slice;
    struct k_consts k;
    struct k_out out;
};

// What has no slice kernel.
APART void run_special(const struct run *r, const struct call *c, const struct k_window *in)
{
    const struct prog_op *op = c->op;
    int32_t *acc = (int32_t *)(void *)(r->arena + c->part->acc);
    struct k_window operands[2];
    switch (op->kernel) {
    case PROG_ADD:
        for (int i = 0; i < 2; i++)
            open_operand(r, &op->in[i], c->intervals, c->slice, c->out.first, &operands[i]);
        k_add(op, &operands[0], &operands[1], &c->out);
        break;
    case PROG_COPY:
        k_copy(in->slice, c->out.pixel, (size_t)op->in_slices * op->in_len * op->in_c);
        break;
    case PROG_ACC_CONV:
        k_acc_conv(op, &c->k, in, c->slice, c->out.first, c->out.n, acc);
        break;
    default:
        k_acc_sum(op, in, c->out.first, c->out.n, acc);
    }
}

// Costs the same wherever it is called from: exec_probe() learns how much.
APART void tell(const struct run *r, const struct prog_op *op, int pixels)
{
    r->profile->kernel(r->profile->ctx, (unsigned)(op - r->ops), pixels);
}

void exec_probe(const void *program, const struct exec_hooks *hooks, unsigned n)
{
    const struct run r = {.profile = hooks, .ops = ops_of(program)};
    for (unsigned i = 0; i < n; i++) {
        tell(&r, r.ops, 0);
        tell(&r, r.ops, -1);
    }
}

// n positions at a time through all operators of the step's stage.
INLINE void run_step(const struct run *r, const struct prog_part *part,
                     const struct prog_step *step, const struct prog_interval *intervals)
{
    const struct prog_stage *stage = r->stages + step->stage;
    const struct prog_op *head = r->ops + stage->first_op, *last = head + stage->n_ops - 1;
    struct k_window first_in, chunk_in;
    struct call c; // initialised, it would be cleared as a whole at every step
    int p = intervals[stage->interval].lo;
    const int hi = intervals[stage->interval].hi;
    const int chunk = stage->chunk ? stage->chunk : hi - p;
    int8_t *out = r->origin[last->out.origin] + step->out +
                  (ptrdiff_t)(p - intervals[last->out.interval].lo) * (ptrdiff_t)last->out.pix_step;
    c.part = part;
    c.intervals = intervals;
    c.slice = step->slice;
    open_head(r, head, step, intervals, &first_in);
    for (; p < hi; p += chunk, out += (size_t)chunk * last->out.pix_step) {
        const struct k_window *in = &first_in;
        c.out.first = p;
        c.out.n = hi - p < chunk ? hi - p : chunk;
        for (c.op = head;; c.op++) {
            consts_of(r, c.op, &c.k);
            c.out.pixel = c.op == last ? out : r->origin[c.op->out.origin] + c.op->out.offset;
            c.out.pix_step = c.op->out.pix_step;
            if (c.op->kernel >= r->straight) {
                exec__kernels[c.op->kernel](c.op, &c.k, in, &c.out);
            } else if (!r->profile) {
                run_special(r, &c, in);
            } else {
                tell(r, c.op, c.out.n);
                if (c.op->kernel >= PROG_CONV)
                    exec__kernels[c.op->kernel](c.op, &c.k, in, &c.out);
                else
                    run_special(r, &c, in);
                tell(r, c.op, -1);
            }
            if (c.op == last)
                break;
            open_chunk(r, &c.op[1].in[0], p, &chunk_in);
            in = &chunk_in;
        }
    }
}

APART void finish_accumulators(const struct run *r, const struct prog_part *part)
{
    const struct prog_op *op = r->ops + part->acc_op;
    const int32_t *acc = (const int32_t *)(const void *)(r->arena + part->acc);
    int8_t *out = r->origin[op->out.origin] + op->out.offset;
    struct k_consts k;
    if (r->profile)
        tell(r, op, 0);
    consts_of(r, op, &k);
    if (op->kernel == PROG_ACC_CONV)
        k_acc_conv_end(op, &k, acc, out);
    else if (op->kernel == PROG_ACC_AVGPOOL)
        k_acc_avgpool_end(op, acc, out);
    else
        k_acc_mean_end(op, &k, acc, out);
    if (r->profile)
        tell(r, op, -1);
}

APART void begin_call(struct run *r, const struct prog_call *call, const struct prog_part *part)
{
    const struct prog_move *moves = at(r, call->moves);
    const struct prog_base *bases = at(r, call->bases);
    r->origin[PROG_ORIGIN_SCRATCH] = (int8_t *)r->arena + call->scratch;
    for (int i = 0; i < call->n_bases; i++)
        r->origin[PROG_ORIGIN_WINDOW + i] = (int8_t *)r->arena + bases[i].offset;
    for (int i = 0; i < call->n_moves; i++)
        memmove(r->arena + moves[i].dst, r->arena + moves[i].src, moves[i].bytes);
    if (call->flags & PROG_CALL_BEGIN)
        memset(r->arena + part->acc + (part->acc_op == 0xFFFF ? call->scratch : 0), 0,
               part->acc_bytes);
}

APART void run_call(struct run *r, const struct prog_call *call)
{
    const struct prog_part *part = (const struct prog_part *)at(r, r->header->parts) + call->part;
    begin_call(r, call, part);
    for (int band = 0; band < call->n_bands; band++) {
        const struct prog_interval *intervals = at(r, part->intervals);
        intervals += (size_t)(call->first_band + band) * part->n_intervals;
        for (r->group = 0; r->group < call->n_groups; r->group++) {
            const struct prog_step *step = at(r, call->steps);
            for (const struct prog_step *end = step + call->n_steps; step < end; step++)
                run_step(r, part, step, intervals);
        }
    }
    r->group = 0;
    if (call->flags & PROG_CALL_END)
        finish_accumulators(r, part);
}

bool exec_output_outside(const void *program)
{
    return ((const struct prog_header *)program)->flags & PROG_FLAG_OUTPUT_OUTSIDE;
}

int exec_run_into(const void *program, void *arena, size_t arena_bytes,
                  const struct exec_input *input, const struct exec_hooks *hooks, int8_t *output)
{
    struct run r = {.program = program,
                    .header = program,
                    .ops = ops_of(program),
                    .arena = arena,
                    .input = input,
                    .profile = hooks && hooks->kernel ? hooks : NULL};
    const struct prog_block *blocks = at(&r, r.header->blocks);
    r.stages = at(&r, r.header->stages);
    if (arena_bytes < r.header->arena_bytes)
        return EXEC_ARENA;
    r.straight = r.profile ? PROG_KERNEL_COUNT : PROG_CONV;
    r.origin[PROG_ORIGIN_ARENA] = arena;
    r.origin[PROG_ORIGIN_INPUT] = (int8_t *)(uintptr_t)at(&r, r.header->input); // is only read
    r.origin[PROG_ORIGIN_OUTPUT] = output;
    for (unsigned i = 0; i < r.header->n_blocks; i++) {
        const struct prog_call *calls = at(&r, blocks[i].calls);
        for (uint32_t k = 0; k < blocks[i].n_calls; k++)
            run_call(&r, &calls[k]);
        if (hooks && hooks->block)
            hooks->block(hooks->ctx, i);
    }
    if (output && !exec_output_outside(program))
        memcpy(output, r.arena + r.header->output, r.header->output_bytes);
    return EXEC_OK;
}

int exec_run(const void *program, void *arena, size_t arena_bytes, const struct exec_input *input,
             const struct exec_hooks *hooks, const int8_t **output)
{
    if (exec_output_outside(program))
        return EXEC_OUTPUT;
    *output = (const int8_t *)arena + ((const struct prog_header *)program)->output;
    return exec_run_into(program, arena, arena_bytes, input, hooks, NULL);
}
