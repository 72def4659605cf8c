// SPDX-License-Identifier: MIT
// Walks a program: blocks, bands, steps, operators. Every decision was taken by the program
// compiler.
#include "firmware/executor/exec.h"

#include <stdbool.h>
#include <string.h>

#include "firmware/executor/program.h"
#include "firmware/kernels/kernels.h"

// Kernel variants: every build runs all of them, but each pays on the machine that it is laid out
// for.
static const char *const variants[] = {"generic", "armv7em", "rv32", "lx7"};

struct run { // what one exec_run() needs to hand around
    const uint8_t *program;
    const struct prog_header *header;
    uint8_t *arena;
    int8_t *output; // where it lies outside the arena
    const struct exec_input *input;
    const struct exec_hooks *profile; // NULL unless kernel calls are to be told
    // the call at hand
    const struct prog_base *bases;
    uint32_t scratch;
    int group;
};

static const void *at(const struct run *r, uint32_t offset)
{
    return r->program + offset;
}

const char *exec_variant_name(unsigned i)
{
    return i < sizeof variants / sizeof *variants ? variants[i] : NULL;
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
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (strncmp(h->variant, variants[i], sizeof h->variant) == 0)
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
    const struct prog_header *h = program;
    const uint8_t *p = program;
    return ((const struct prog_op *)(const void *)(p + h->ops))[op].layer;
}

// First byte of the model input from row y on; `n` rows will be read.
static const int8_t *input_rows(const struct run *r, unsigned y, unsigned n)
{
    size_t row = (size_t)r->header->in_w * r->header->in_c;
    if (r->input)
        return r->input->rows(r->input->ctx, y, n);
    return (const int8_t *)at(r, r->header->input) + y * row;
}

// The window of slices [slice, slice + taps) of a view; `chunk_first` is the position that a chunk
// begins with.
static void open_window(const struct run *r, const struct prog_view *v,
                        const struct prog_interval *intervals, int slice, int tap, int taps,
                        struct k_window *w)
{
    w->slice_step = v->slice_step;
    w->pix_step = v->pix_step;
    w->tap = tap;
    w->taps = taps;
    w->lo = 0;
    w->ring_bytes = 0;
    const int8_t *base = (const int8_t *)r->arena + v->offset;
    switch (v->space) {
    case PROG_INPUT: {
        // Slices are rows: ask for those of the window. Slices are columns: all rows, and the
        // column within them.
        bool rows = v->slice_step >= v->pix_step;
        if (taps > 0) // else a window of padding only: the source need not be asked
            base = rows ? input_rows(r, (unsigned)slice, (unsigned)taps)
                        : input_rows(r, 0, r->header->in_h) + (size_t)slice * v->slice_step;
        w->slice = base;
        w->end = (const int8_t *)UINTPTR_MAX;
        return;
    }
    case PROG_RING: {
        unsigned slot = (unsigned)slice % v->slots;
        base += r->scratch;
        w->slice = base + slot * v->slice_step;
        w->ring_bytes = (size_t)v->slots * v->slice_step;
        w->end = base + w->ring_bytes;
        w->lo = intervals[v->interval].lo;
        return;
    }
    case PROG_WHOLE:
        w->slice = base + (size_t)slice * v->slice_step;
        w->end = (const int8_t *)UINTPTR_MAX;
        return;
    case PROG_WINDOW:
        w->slice =
            (const int8_t *)r->arena + r->bases[v->interval].offset + (size_t)slice * v->slice_step;
        w->end = (const int8_t *)UINTPTR_MAX;
        w->lo = r->bases[v->interval].lo;
        return;
    default: // PROG_CHUNK: its position is set chunk by chunk
        w->slice = base + r->scratch;
        w->end = (const int8_t *)UINTPTR_MAX;
        return;
    }
}

// The window of input operand 0 for output slice `slice`.
static void open_input(const struct run *r, const struct prog_op *op,
                       const struct prog_interval *intervals, int slice, struct k_window *w)
{
    int first = slice * op->ss - op->pad_s;
    int tap = first < 0 ? -first : 0;
    int stop = first + op->ks > op->in_slices ? op->in_slices - first : op->ks;
    if (stop < tap)
        stop = tap; // a window of padding only
    open_window(r, &op->in[0], intervals, stop > tap ? first + tap : 0, tap, stop - tap, w);
}

// What a kernel call takes exists twice, with and without a profile (`told` is a constant), so that a
// run without pays nothing for the hooks.
#define BOTH static inline __attribute__((always_inline))

// Position `p` of slice `slice` of an output view.
BOTH void open_output(const struct run *r, const struct prog_view *v,
                      const struct prog_interval *intervals, int slice, int p, int chunk_first,
                      struct k_out *out)
{
    const size_t along = (size_t)slice * v->slice_step;
    int8_t *arena = (int8_t *)r->arena, *base = arena + v->offset;
    out->pix_step = v->pix_step;
    switch (v->space) {
    case PROG_RING:
        out->pixel = base + r->scratch + ((unsigned)slice % v->slots) * v->slice_step +
                     (size_t)(p - intervals[v->interval].lo) * v->pix_step;
        break;
    case PROG_CHUNK:
        out->pixel = base + r->scratch + (size_t)(p - chunk_first) * v->pix_step;
        break;
    case PROG_WINDOW:
        out->pixel = arena + r->bases[v->interval].offset + along +
                     (size_t)(p - r->bases[v->interval].lo) * v->pix_step;
        break;
    case PROG_OUTPUT:
        out->pixel = r->output + along + (size_t)p * v->pix_step;
        break;
    default:
        out->pixel = base + along + (size_t)p * v->pix_step;
    }
}

BOTH void consts_of(const struct run *r, const struct prog_op *op, struct k_consts *k)
{
    const uint32_t g = (uint32_t)r->group;
    const uint32_t weights = op->weights + (g ? g * (uint32_t)op->p[7] : 0);
    const uint32_t bias = op->bias + (g ? g * (uint32_t)op->p[8] : 0);
    const uint32_t requant = op->requant + (g ? g * (uint32_t)op->p[9] : 0);
    k->weights = op->weights ? at(r, weights) : NULL;
    k->bias = op->bias ? at(r, bias) : NULL;
    k->requant = op->requant ? at(r, requant) : NULL;
    k->fast = (const void *)k->requant;
    k->zeros = op->kernel >= PROG_CONV_P4 ? at(r, (uint32_t)op->p[0]) : NULL;
}

static void tell(const struct run *r, const struct prog_op *op, int pixels)
{
    const struct prog_op *ops = at(r, r->header->ops);
    r->profile->kernel(r->profile->ctx, (unsigned)(op - ops), pixels);
}

void exec_probe(const void *program, const struct exec_hooks *hooks, unsigned n)
{
    const struct run r = {.program = program, .header = program, .profile = hooks};
    const struct prog_op *ops = at(&r, r.header->ops);
    for (unsigned i = 0; i < n; i++) {
        tell(&r, ops, 0);
        tell(&r, ops, -1);
    }
}

// In frames of their own, which are gone when kernels run.
#define APART static __attribute__((noinline))

APART void run_add(const struct run *r, const struct prog_op *op,
                   const struct prog_interval *intervals, int slice, const struct k_window *in,
                   const struct k_out *out)
{
    struct k_window in1;
    open_window(r, &op->in[1], intervals, slice, 0, 1, &in1);
    if (op->in[1].space == PROG_CHUNK)
        in1.lo = out->first;
    k_add(op, in, &in1, out);
}

// Positions [first, first + n) of slice `slice` through one operator.
BOTH void any_op(const struct run *r, const struct prog_part *b, const struct prog_op *op,
                 const struct prog_interval *intervals, int slice, int first, int n,
                 struct k_window *in, const bool told)
{
    static k_slice_fn *const kernels[PROG_KERNEL_COUNT] = {
        [PROG_CONV] = k_conv,
        [PROG_DWCONV] = k_dwconv,
        [PROG_AVGPOOL] = k_avgpool,
        [PROG_MAXPOOL] = k_maxpool,
        [PROG_MEAN] = k_mean,
        [PROG_SOFTMAX] = k_softmax,
        [PROG_RESCALE] = k_rescale,
        [PROG_PAD] = k_pad,
        [PROG_CONV_P4] = k_conv_p4,
        [PROG_CONV_COPY4] = k_conv_copy4,
        [PROG_DWCONV_X2] = k_dwconv_x2,
        [PROG_CONV_B4] = k_conv_b4,
        [PROG_DWCONV_FIR] = k_dwconv_fir,
        [PROG_CONV_M16] = k_conv_m16,
        [PROG_DWCONV_M16] = k_dwconv_m16,
        [PROG_SUM_CONV] = k_sum_conv,
        [PROG_SUM_END] = k_sum_end,
    };
    struct k_consts k;
    struct k_out out = {.first = first, .n = n};
    int32_t *acc = (int32_t *)(void *)(r->arena + b->acc);
    if (op->in[0].space == PROG_CHUNK)
        in->lo = first;
    consts_of(r, op, &k);
    switch (op->kernel) {
    case PROG_ACC_CONV:
        if (told)
            tell(r, op, n);
        k_acc_conv(op, &k, in, slice, first, n, acc);
        goto done;
    case PROG_ACC_AVGPOOL:
    case PROG_ACC_MEAN:
        if (told)
            tell(r, op, n);
        k_acc_sum(op, in, first, n, acc);
        goto done;
    default:
        break;
    }
    open_output(r, &op->out, intervals, slice, first, first, &out);
    if (told)
        tell(r, op, n);
    if (op->kernel == PROG_ADD)
        run_add(r, op, intervals, slice, in, &out);
    else if (op->kernel == PROG_COPY)
        k_copy(in->slice, out.pixel, (size_t)op->in_slices * op->in_len * op->in_c);
    else
        kernels[op->kernel](op, &k, in, &out);
done:
    if (told)
        tell(r, op, -1);
}

static void run_op(const struct run *r, const struct prog_part *b, const struct prog_op *op,
                   const struct prog_interval *intervals, int slice, int first, int n,
                   struct k_window *in)
{
    any_op(r, b, op, intervals, slice, first, n, in, false);
}

static void profile_op(const struct run *r, const struct prog_part *b, const struct prog_op *op,
                       const struct prog_interval *intervals, int slice, int first, int n,
                       struct k_window *in)
{
    any_op(r, b, op, intervals, slice, first, n, in, true);
}

BOTH void any_step(const struct run *r, const struct prog_part *b, const struct prog_step *step,
                   const struct prog_interval *intervals, const bool told)
{
    const struct prog_stage *stage =
        (const struct prog_stage *)at(r, r->header->stages) + b->first_stage + step->stage;
    const struct prog_op *ops = (const struct prog_op *)at(r, r->header->ops) + stage->first_op;
    const int lo = intervals[stage->interval].lo, hi = intervals[stage->interval].hi;
    const int chunk = stage->chunk ? stage->chunk : hi - lo;
    struct k_window head, inner;
    open_input(r, &ops[0], intervals, step->slice, &head);
    for (int p = lo; p < hi; p += chunk) {
        int n = hi - p < chunk ? hi - p : chunk;
        (told ? profile_op : run_op)(r, b, &ops[0], intervals, step->slice, p, n, &head);
        for (int i = 1; i < stage->n_ops; i++) {
            open_input(r, &ops[i], intervals, step->slice, &inner);
            (told ? profile_op : run_op)(r, b, &ops[i], intervals, step->slice, p, n, &inner);
        }
    }
}

static void profile_step(const struct run *r, const struct prog_part *b,
                         const struct prog_step *step, const struct prog_interval *intervals)
{
    any_step(r, b, step, intervals, true);
}

APART void finish_accumulators(const struct run *r, const struct prog_part *b)
{
    const struct prog_op *op = (const struct prog_op *)at(r, r->header->ops) + b->acc_op;
    const int32_t *acc = (const int32_t *)(const void *)(r->arena + b->acc);
    struct k_consts k;
    struct k_out out;
    if (r->profile)
        tell(r, op, 0);
    consts_of(r, op, &k);
    open_output(r, &op->out, NULL, 0, 0, 0, &out);
    if (op->kernel == PROG_ACC_CONV)
        k_acc_conv_end(op, &k, acc, out.pixel);
    else if (op->kernel == PROG_ACC_AVGPOOL)
        k_acc_avgpool_end(op, acc, out.pixel);
    else
        k_acc_mean_end(op, &k, acc, out.pixel);
    if (r->profile)
        tell(r, op, -1);
}

APART void begin_call(struct run *r, const struct prog_call *call, const struct prog_part *part)
{
    const struct prog_move *moves = at(r, call->moves);
    r->bases = at(r, call->bases);
    r->scratch = call->scratch;
    for (int i = 0; i < call->n_moves; i++)
        memmove(r->arena + moves[i].dst, r->arena + moves[i].src, moves[i].bytes);
    if (call->flags & PROG_CALL_BEGIN)
        memset(r->arena + part->acc + (part->acc_op == 0xFFFF ? r->scratch : 0), 0,
               part->acc_bytes);
}

BOTH void run_call(struct run *r, const struct prog_call *call)
{
    const struct prog_part *part = (const struct prog_part *)at(r, r->header->parts) + call->part;
    begin_call(r, call, part);
    for (int band = 0; band < call->n_bands; band++) {
        const struct prog_interval *intervals = at(r, part->intervals);
        intervals += (size_t)(call->first_band + band) * part->n_intervals;
        for (r->group = 0; r->group < call->n_groups; r->group++) {
            const struct prog_step *step = at(r, part->steps);
            for (const struct prog_step *end = step + part->n_steps; step < end; step++) {
                if (r->profile)
                    profile_step(r, part, step, intervals);
                else
                    any_step(r, part, step, intervals, false);
            }
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
                    .arena = arena,
                    .output = output,
                    .input = input,
                    .profile = hooks && hooks->kernel ? hooks : NULL};
    const struct prog_block *blocks = at(&r, r.header->blocks);
    if (arena_bytes < r.header->arena_bytes)
        return EXEC_ARENA;
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
