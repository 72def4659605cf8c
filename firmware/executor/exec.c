// SPDX-License-Identifier: MIT
// Walks a program: blocks, bands, steps, operators. Every decision was taken by the program
// compiler.
#include "firmware/executor/exec.h"

#include <stdbool.h>
#include <string.h>

#include "firmware/executor/program.h"
#include "firmware/executor/variants.h"
#include "firmware/kernels/kernels.h"

struct run {                      // what one exec_run() needs to hand around
    int8_t *origin[PROG_ORIGINS]; // of the call at hand
    struct k_call k;              // of the kernel call at hand
    const struct exec_input *input;
    const struct exec_hooks *profile; // NULL unless kernel calls are to be told
    int32_t *acc;                     // of the call at hand
    const struct prog_stage *stages;  // of the program, as they are in the band at hand
    unsigned groups;                  // that are left
    uint32_t group_bytes;
    const struct prog_step *first, *end;
};

static const void *at(const struct run *r, uint32_t offset)
{
    return r->k.program + offset;
}

static const struct prog_header *header_of(const struct run *r)
{
    return at(r, 0);
}

static uint8_t *arena_of(const struct run *r)
{
    return (uint8_t *)r->origin[PROG_ORIGIN_ARENA];
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
    *first = b->first_op;
    *n = b->n_ops;
}

uint32_t exec_op_layer(const void *program, uint32_t op)
{
    return ops_of(program)[op].layer;
}

// First byte of the model input from row y on; `n` rows will be read.
static const int8_t *input_rows(const struct run *r, unsigned y, unsigned n)
{
    size_t row = (size_t)header_of(r)->in_w * header_of(r)->in_c;
    if (r->input)
        return r->input->rows(r->input->ctx, y, n);
    return (const int8_t *)at(r, header_of(r)->input) + y * row;
}

// What every kernel call takes lies in one frame; what few need, in frames of their own, which are gone
// when kernels run.
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline))

// Position 0 of the first slice of a window of the model input, which the caller gives. Slices are rows: asks
// for those of the window. Slices are columns: for all rows, and takes the column within them.
APART const int8_t *ask_for_input(const struct run *r, const struct prog_op *op,
                                  const struct prog_step *step)
{
    const struct prog_view *v = &op->in[0];
    if (step->taps.n == 0)
        return NULL; // padding only: the source need not be asked
    if (v->slice_step >= v->pix_step)
        return input_rows(r, (unsigned)(step->slice * op->ss - op->pad_s + step->taps.first),
                          step->taps.n);
    return input_rows(r, 0, header_of(r)->in_h) + step->in;
}

// Position 0 of an addition's operand: of the chunk, or of a slice of anything.
static const int8_t *operand(const struct run *r, const struct prog_view *v, int slice)
{
    const int8_t *first = r->origin[v->origin] + v->offset;
    const ptrdiff_t pixel = (ptrdiff_t)v->pix_step;
    if (v->space == PROG_CHUNK)
        return first - r->k.first * pixel;
    if (v->space == PROG_RING)
        return first + (ptrdiff_t)(slice % v->slots) * (ptrdiff_t)v->slice_step -
               r->stages[v->stage].lo * pixel;
    if (v->space != PROG_INPUT || !r->input)
        return first + (ptrdiff_t)slice * (ptrdiff_t)v->slice_step;
    if (v->slice_step >= v->pix_step)
        return input_rows(r, (unsigned)slice, 1);
    return input_rows(r, 0, header_of(r)->in_h) + (size_t)slice * v->slice_step;
}

// What has no slice kernel.
APART void run_special(const struct run *r, const struct prog_op *op, int slice)
{
    switch (op->kernel) {
    case PROG_ADD:
        k_add(op, &r->k, operand(r, &op->in[0], slice), operand(r, &op->in[1], slice));
        break;
    case PROG_COPY:
        k_copy(r->k.in, r->k.out, (size_t)op->in_slices * op->in_len * op->in_c);
        break;
    case PROG_ACC_CONV:
        k_acc_conv(op, &r->k, slice, r->acc);
        break;
    default:
        k_acc_sum(op, &r->k, r->acc);
    }
}

// Costs the same wherever it is called from: exec_probe() learns how much.
APART void tell(const struct run *r, const struct prog_op *op, bool begins)
{
    const int pixels = begins ? r->k.n * r->k.taps.slices : -1;
    r->profile->kernel(r->profile->ctx, (unsigned)(op - ops_of(r->k.program)), pixels);
}

void exec_probe(const void *program, const struct exec_hooks *hooks, unsigned n)
{
    const struct run r = {.profile = hooks, .k = {.program = program}};
    const struct prog_op *op = ops_of(program);
    for (unsigned i = 0; i < n; i += EXEC_PROBES) {
#pragma GCC unroll 8
        for (int k = 0; k < EXEC_PROBES; k++) { // a loop's own cost would count for the calls
            tell(&r, op, true);
            tell(&r, op, false);
        }
    }
}

// Where the next operator of a stage finds a chunk.
INLINE void pass_on(struct run *r, int8_t *chunk, const struct prog_op *op)
{
    r->k.in = chunk - r->k.first * (ptrdiff_t)op->out.pix_step;
    r->k.taps = (struct prog_taps){.n = 1, .slices = 1};
}

APART void run_kernel_or_special(struct run *r, const struct prog_op *op, int slice)
{
    if (r->profile)
        tell(r, op, true);
    if (op->kernel >= PROG_CONV)
        exec__kernels[op->kernel](op, &r->k);
    else
        run_special(r, op, slice);
    if (r->profile)
        tell(r, op, false);
}

// A step of a stage that is not simple, chunk by chunk; the call at hand has all positions.
APART void run_in_chunks(struct run *r, const struct prog_stage *stage,
                         const struct prog_step *step, int8_t *out)
{
    const struct prog_op *head = at(r, stage->head);
    const int hi = r->k.first + r->k.n, chunk = stage->chunk ? stage->chunk : r->k.n;
    const int8_t *in = r->k.in;
    if (head->in[0].space == PROG_INPUT && r->input)
        in = ask_for_input(r, head, step);
    for (int p = r->k.first; p < hi; p += chunk) {
        const struct prog_op *op = head;
        r->k.in = in;
        r->k.first = p;
        r->k.n = hi - p < chunk ? hi - p : chunk;
        r->k.taps = step->taps;
        for (; op->out.space == PROG_CHUNK; op++) {
            int8_t *const between = r->origin[PROG_ORIGIN_SCRATCH] + op->out.offset;
            r->k.out = between;
            run_kernel_or_special(r, op, step->slice);
            pass_on(r, between, op);
        }
        r->k.out = out;
        run_kernel_or_special(r, op, step->slice);
        out += (size_t)chunk * op->out.pix_step;
    }
}

INLINE void run_kernel(struct run *r, const struct prog_op *op, bool told)
{
    if (told)
        tell(r, op, true);
    exec__kernels[op->kernel](op, &r->k);
    if (told)
        tell(r, op, false);
}

// All positions through all operators.
INLINE void run_simple(struct run *r, const struct prog_stage *stage, int8_t *out, bool told)
{
    const struct prog_op *op = at(r, stage->head);
    for (;; op++) {
        const bool goes_on = op->out.space == PROG_CHUNK;
        int8_t *const to = goes_on ? r->origin[PROG_ORIGIN_SCRATCH] + op->out.offset : out;
        r->k.out = to;
        run_kernel(r, op, told);
        if (!goes_on)
            return;
        pass_on(r, to, op);
    }
}

APART void finish_accumulators(struct run *r, const struct prog_op *op)
{
    int8_t *out = r->origin[op->out.origin] + op->out.offset;
    r->k.n = 0; // the steps have told of all positions
    if (r->profile)
        tell(r, op, true);
    if (op->kernel == PROG_ACC_CONV)
        k_acc_conv_end(op, &r->k, r->acc, out);
    else if (op->kernel == PROG_ACC_AVGPOOL)
        k_acc_avgpool_end(op, r->acc, out);
    else
        k_acc_mean_end(op, &r->k, r->acc, out);
    if (r->profile)
        tell(r, op, false);
}

APART void begin_call(struct run *r, const struct prog_call *call, const struct prog_part *part)
{
    const struct prog_move *moves = at(r, call->moves);
    const struct prog_base *bases = at(r, call->bases);
    uint8_t *const scratch = arena_of(r) + call->scratch;
    r->origin[PROG_ORIGIN_SCRATCH] = (int8_t *)scratch;
    r->acc = (int32_t *)(void *)((part->acc_op == 0xFFFF ? scratch : arena_of(r)) + part->acc);
    for (int i = 0; i < call->n_bases; i++)
        r->origin[PROG_ORIGIN_WINDOW + i] = (int8_t *)arena_of(r) + bases[i].offset;
    for (int i = 0; i < call->n_moves; i++)
        memmove(arena_of(r) + moves[i].dst, arena_of(r) + moves[i].src, moves[i].bytes);
    if (call->flags & PROG_CALL_BEGIN)
        memset(r->acc, 0, part->acc_bytes);
}

// Where a step reads and writes, and what; returns where it writes.
INLINE int8_t *begin_step(struct run *r, const struct prog_stage *stage,
                          const struct prog_step *step)
{
    r->k.in = r->origin[stage->in] + (ptrdiff_t)step->in + stage->to_first;
    r->k.first = stage->lo;
    r->k.n = stage->n;
    r->k.taps = step->taps;
    return r->origin[stage->out] + (ptrdiff_t)step->out + stage->to_lo;
}

// All steps of a call for a band, for every group of channels. What is needed between steps only waits in r: the
// loop has few registers.
INLINE void run_band(struct run *r, bool told)
{
    const struct prog_step *step = r->first;
    for (;;) {
        const struct prog_stage *stage = r->stages + step->stage;
        int8_t *const out = begin_step(r, stage, step);
        if (stage->simple)
            run_simple(r, stage, out, told);
        else
            run_in_chunks(r, stage, step, out);
        if (++step != r->end)
            continue;
        if (--r->groups == 0)
            return;
        r->k.constants += r->group_bytes;
        step = r->first;
    }
}

APART void run_band_straight(struct run *r)
{
    run_band(r, false);
}

// Kernel calls are told.
APART void run_band_told(struct run *r)
{
    run_band(r, true);
}

APART void run_call(struct run *r, const struct prog_call *call)
{
    const struct prog_part *part =
        (const struct prog_part *)at(r, header_of(r)->parts) + call->part;
    begin_call(r, call, part);
    r->first = at(r, call->steps);
    r->end = r->first + call->n_steps;
    r->group_bytes = part->group_bytes;
    for (int band = 0; band < call->n_bands && call->n_steps > 0; band++) {
        r->stages = (const struct prog_stage *)at(r, header_of(r)->stages) +
                    (call->first_band + band) * part->band_stages;
        r->k.constants = r->k.program;
        r->groups = call->n_groups;
        (r->profile ? run_band_told : run_band_straight)(r);
    }
    if (call->flags & PROG_CALL_END)
        finish_accumulators(r, ops_of(r->k.program) + part->acc_op);
}

bool exec_output_outside(const void *program)
{
    return ((const struct prog_header *)program)->flags & PROG_FLAG_OUTPUT_OUTSIDE;
}

int exec_run_into(const void *program, void *arena, size_t arena_bytes,
                  const struct exec_input *input, const struct exec_hooks *hooks, int8_t *output)
{
    struct run r = {.input = input,
                    .profile = hooks && hooks->kernel ? hooks : NULL,
                    .k = {.program = program}};
    const struct prog_block *blocks = at(&r, header_of(&r)->blocks);
    if (arena_bytes < header_of(&r)->arena_bytes)
        return EXEC_ARENA;
    r.origin[PROG_ORIGIN_ARENA] = arena;
    r.origin[PROG_ORIGIN_INPUT] = (int8_t *)(uintptr_t)at(&r, header_of(&r)->input); // is only read
    r.origin[PROG_ORIGIN_OUTPUT] = output;
    for (unsigned i = 0; i < header_of(&r)->n_blocks; i++) {
        const struct prog_call *calls = at(&r, blocks[i].calls);
        for (uint32_t k = 0; k < blocks[i].n_calls; k++)
            run_call(&r, &calls[k]);
        if (hooks && hooks->block)
            hooks->block(hooks->ctx, i);
    }
    if (output && !exec_output_outside(program))
        memcpy(output, arena_of(&r) + header_of(&r)->output, header_of(&r)->output_bytes);
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
