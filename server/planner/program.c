// SPDX-License-Identifier: MIT
// See program.h. Tables are collected with offsets relative to their own section, and moved when
// all sizes are known.
#include "server/planner/program.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/executor/program.h"
#include "firmware/kernels/fixed.h"
#include "server/planner/planner.h"

struct compiler {
    struct fusion *f;
    const struct graph *g;
    struct buf blocks, stages, ops, tables, consts;
    uint32_t *position; // [n_tensors] arena offset of every whole tensor that is alive
    bool input_streamed;
    bool packed;    // variant armv7em
    bool no_memory; // sticky
    uint32_t arena_bytes;
};

static uint32_t n_of(const struct buf *b, size_t item)
{
    return (uint32_t)(b->len / item);
}

// ---- constants ----

// Offsets of constants are kept + 1 until they are moved, so that 0 stays "none".
static uint32_t const_begin(struct compiler *c)
{
    buf_align(&c->consts, 4);
    return (uint32_t)c->consts.len + 1;
}

// Weights with the kernel's slice axis first: [kh][kw] as it is, or [kw][kh]. `block` bytes stay
// together per tap.
static void add_taps(struct compiler *c, const int8_t *w, int kh, int kw, size_t block,
                     bool transpose)
{
    if (!transpose) {
        buf_add(&c->consts, w, (size_t)kh * (size_t)kw * block);
        return;
    }
    for (int x = 0; x < kw; x++) {
        for (int y = 0; y < kh; y++)
            buf_add(&c->consts, w + ((size_t)y * (size_t)kw + (size_t)x) * block, block);
    }
}

static void add_weights(struct compiler *c, const struct layer *l, bool cols)
{
    size_t per_channel = (size_t)l->kh * (size_t)l->kw * (size_t)l->in_c;
    if (l->op == LAYER_DWCONV) {
        add_taps(c, l->weights, l->kh, l->kw, (size_t)l->out_c, cols);
    } else {
        for (int o = 0; o < l->out_c; o++)
            add_taps(c, l->weights + (size_t)o * per_channel, l->kh, l->kw, (size_t)l->in_c, cols);
    }
}

// Weights that one output channel has.
static size_t fan_in(const struct layer *l)
{
    const size_t taps = (size_t)l->kh * (size_t)l->kw;
    return l->op == LAYER_DWCONV ? taps : taps * (size_t)l->in_c;
}

// The i-th of them, taps row by row.
static int8_t channel_weight(const struct layer *l, int channel, size_t i)
{
    return l->weights[l->op == LAYER_DWCONV ? i * (size_t)l->out_c + (size_t)channel
                                            : (size_t)channel * fan_in(l) + i];
}

// Bias with the input's zero point folded in, as a window without padding needs it.
static int32_t folded_bias(const struct layer *l, int channel)
{
    int64_t sum = 0;
    for (size_t i = 0; i < fan_in(l); i++)
        sum += channel_weight(l, channel, i);
    return (int32_t)(l->bias[channel] - l->in_zero * sum);
}

// ---- constants packed for armv7em ----

// What one output channel needs of the last step.
struct channel_end {
    int32_t bias;  // to start the sum with, instead of the layer's; only where constant
    bool constant; // every input gives the same byte: the weights do not matter
    bool fits;     // constant, or every sum leaves room for the shift before the multiplication
    bool narrow;   // every sum leaves room for a factor of 256
    struct prog_requant_fast fast;
};

static int8_t layer_byte(const struct layer *l, int channel, int32_t sum)
{
    int32_t v = fx_requant(sum, l->requant[channel].mult, l->requant[channel].shift) + l->out_zero;
    return (int8_t)fx_clamp(v, l->act_min, l->act_max);
}

// Trained networks have dead channels, with biases and multipliers at the edges of their ranges;
// those that are constant get harmless ones.
static struct channel_end end_of_channel(const struct layer *l, int channel)
{
    const struct requant r = l->requant[channel];
    int64_t low = l->bias[channel], high = low;
    for (size_t i = 0; i < fan_in(l); i++) {
        int8_t w = channel_weight(l, channel, i);
        int64_t at_min = (int64_t)(-128 - l->in_zero) * w;
        int64_t at_max = (int64_t)(127 - l->in_zero) * w;
        low += at_min < at_max ? at_min : at_max;
        high += at_min < at_max ? at_max : at_min;
    }
    int left = r.shift > 0 ? r.shift : 0, right = r.shift < 0 ? -r.shift : 0;
    struct channel_end e = {.fast = {r.mult, right ? 1 << (right - 1) : 0, right, left}};
    int64_t worst = low < 0 && -low > high ? -low : high;
    e.fits = left < 16 && worst < 1LL << (30 - left);
    e.narrow = worst < 1LL << 23;
    bool shifts = worst < 1LL << (31 - left); // requantisation is monotone while nothing overflows
    int8_t byte = shifts ? layer_byte(l, channel, (int32_t)low) : 0;
    if (shifts && byte == layer_byte(l, channel, (int32_t)high)) {
        // 4v * 2 * 2^30 / 2^32 = 2v, and (2v + 1) >> 1 or (2v - 1 + 1) >> 1 = v
        e.constant = e.fits = e.narrow = true;
        e.bias = 4 * (byte - l->out_zero);
        e.fast = (struct prog_requant_fast){1 << 30, 1, 1, 0};
    }
    return e;
}

static bool sums_fit(const struct layer *l)
{
    for (int o = 0; o < l->out_c; o++) {
        if (!end_of_channel(l, o).fits)
            return false;
    }
    return true;
}

// May the weights of channels o and o + 1 share lanes, 256 * that of o + that of o + 1?
static bool pair_fits(const struct layer *l, int o)
{
    if (!end_of_channel(l, o).narrow)
        return false;
    for (size_t i = 0; o + 1 < l->out_c && i < fan_in(l); i++) {
        if (channel_weight(l, o, i) == -128 && channel_weight(l, o + 1, i) < 0)
            return false;
    }
    return true;
}

static bool pairs_fit(const struct layer *l)
{
    for (int o = 0; o < l->out_c; o += 2) {
        if (!pair_fits(l, o))
            return false;
    }
    return sums_fit(l);
}

// The packed kernel for a layer, or the plain one where none applies.
static uint16_t packed_kernel(const struct layer *l, uint16_t kernel)
{
    int taps = l->kh * l->kw;
    if (kernel == PROG_CONV && l->in_c % 4 == 0 && taps <= PROG_MAX_TAPS && pairs_fit(l))
        return PROG_CONV_P4;
    if (kernel == PROG_CONV && taps <= PROG_MAX_WINDOW && taps * l->in_c <= PROG_MAX_WINDOW &&
        pairs_fit(l))
        return PROG_CONV_COPY4;
    if (kernel == PROG_DWCONV && l->in_c == 1 && taps <= PROG_MAX_WINDOW && pairs_fit(l))
        return PROG_CONV_COPY4; // one input channel: the same sums
    if (kernel == PROG_DWCONV && l->mult_c == 1 && taps <= PROG_MAX_TAPS && sums_fit(l))
        return PROG_DWCONV_P2;
    return kernel;
}

// Weight of channel o at byte i of its window, taps in slice order; 0 beyond the end.
static int8_t window_weight(const struct layer *l, bool cols, int o, int i)
{
    int tap = i / l->in_c, c = i % l->in_c;
    if (o >= l->out_c || tap >= l->kh * l->kw)
        return 0;
    int y = cols ? tap % l->kh : tap / l->kw, x = cols ? tap / l->kh : tap % l->kw;
    return channel_weight(l, o, (size_t)((y * l->kw + x) * l->in_c + c));
}

static void pack_conv(struct compiler *c, const struct layer *l, bool cols,
                      const struct channel_end *ends)
{
    int window = l->kh * l->kw * l->in_c;
    for (int o = 0; o < l->out_c; o += 4) {
        for (int i = 0; i < window; i += 4) {
            for (int word = 0; word < 4;
                 word++) { // of channels o, o + 1: inputs 0 and 2, 1 and 3; then o + 2, o + 3
                int upper = o + word / 2 * 2, lower = upper + 1;
                int16_t lanes[2];
                for (int k = 0; k < 2; k++) {
                    int at = i + word % 2 + 2 * k;
                    int hi = ends[upper].constant ? 0 : window_weight(l, cols, upper, at);
                    int lo = ends[lower].constant ? 0 : window_weight(l, cols, lower, at);
                    lanes[k] = (int16_t)(256 * hi + lo);
                }
                buf_add(&c->consts, lanes, 4);
            }
        }
    }
}

// What the sums start with: of a pair, 256 times the upper plus the lower, modulo 2^32, and the lower.
static void pack_conv_bias(struct compiler *c, const int32_t *bias, int n)
{
    for (int o = 0; o < n; o += 2) {
        uint32_t lower = (uint32_t)bias[o + 1], both = ((uint32_t)bias[o] << 8) + lower;
        buf_add(&c->consts, &both, sizeof both);
        buf_add(&c->consts, &lower, sizeof lower);
    }
}

// Weight of a depthwise kernel at slice s, position a.
static int16_t tap_weight(const struct layer *l, bool cols, int s, int a, int channel)
{
    int y = cols ? a : s, x = cols ? s : a;
    if (y >= l->kh || x >= l->kw || channel >= l->out_c)
        return 0;
    return l->weights[((size_t)y * (size_t)l->kw + (size_t)x) * (size_t)l->out_c + (size_t)channel];
}

static void pack_dwconv(struct compiler *c, const struct layer *l, bool cols,
                        const struct channel_end *ends)
{
    const int ks = cols ? l->kw : l->kh, ka = cols ? l->kh : l->kw;
    for (int o = 0; o < l->out_c; o += 4) {
        for (int s = 0; s < ks; s++) {
            for (int a = 0; a < ka; a += 2) {
                for (int lane = 0; lane < 4; lane++) {
                    int16_t w[2] = {0, 0};
                    for (int k = 0; k < 2 && !ends[o + lane].constant; k++)
                        w[k] = (int16_t)(2 * tap_weight(l, cols, s, a + k, o + lane));
                    buf_add(&c->consts, w, 4);
                }
            }
        }
    }
}

// Is the last step of every channel the short one (prog_op.p[1])? The zero point, shifted left, has to
// leave room for the sum.
static bool layer_simple(const struct layer *l, const struct channel_end *ends)
{
    bool simple = l->act_min == -128 && l->act_max == 127;
    for (int o = 0; o < l->out_c; o++) {
        const struct prog_requant_fast *f = &ends[o].fast;
        simple = simple && f->left == 0 && f->right > 0 && f->right <= 20;
    }
    return simple;
}

// Biases and last steps of one layer, padded to whole groups of four channels.
static void pack_ends(struct compiler *c, const struct layer *l, const struct channel_end *ends,
                      int32_t *bias, int padded, struct prog_op *op)
{
    const bool doubled = op->kernel == PROG_DWCONV_P2;
    for (int o = 0; o < l->out_c; o++) {
        bias[o] = ends[o].constant ? ends[o].bias : folded_bias(l, o);
        if (doubled)
            bias[o] = (int32_t)((uint32_t)bias[o] * 2);
    }
    op->bias = const_begin(c);
    if (doubled)
        buf_add(&c->consts, bias, (size_t)padded * sizeof *bias);
    else
        pack_conv_bias(c, bias, padded);
    op->p[1] = layer_simple(l, ends);
    op->requant = const_begin(c);
    for (int o = 0; o < padded; o++) {
        struct prog_requant_fast f = ends[o].fast;
        if (op->p[1])
            f.round += l->out_zero * (1 << f.right);
        buf_add(&c->consts, &f, sizeof f);
    }
}

// Everything that a packed kernel needs.
static int pack_layer(struct compiler *c, const struct layer *l, bool cols, struct prog_op *op)
{
    const int padded = (l->out_c + 3) / 4 * 4;
    struct channel_end *ends = calloc((size_t)padded, sizeof *ends);
    int32_t *bias = calloc((size_t)padded, sizeof *bias);
    int failed = !ends || !bias ? -1 : 0;
    if (failed)
        goto out;
    for (int o = 0; o < l->out_c; o++)
        ends[o] = end_of_channel(l, o);
    op->weights = const_begin(c);
    if (op->kernel == PROG_DWCONV_P2)
        pack_dwconv(c, l, cols, ends);
    else
        pack_conv(c, l, cols, ends);
    pack_ends(c, l, ends, bias, padded, op);
    op->p[0] = (int32_t)const_begin(c);
    for (int i = 0; i < l->in_c; i++)
        buf_add(&c->consts, &(int8_t){(int8_t)l->in_zero}, 1);
    buf_align(&c->consts, 4);
out:
    free(ends);
    free(bias);
    return failed;
}

static void add_requant(struct compiler *c, const struct layer *l, struct prog_op *op)
{
    int n = l->op == LAYER_CONV || l->op == LAYER_DWCONV ? l->out_c : 1;
    op->requant = const_begin(c);
    for (int i = 0; i < n; i++) {
        struct prog_requant r = {l->requant[i].mult, l->requant[i].shift};
        buf_add(&c->consts, &r, sizeof r);
    }
}

// ---- operators ----

static struct prog_view view_of(const struct compiler *c, int tensor, int h, int w, int ch)
{
    const struct fusion *f = c->f;
    const struct fusion_tensor *t = &f->tensors[tensor];
    bool rows = f->axis == FUSION_ROWS;
    struct prog_view v = {.offset = t->offset, .slots = 1, .space = PROG_WHOLE};
    switch (t->role) {
    case FUSION_RING:
        v.space = PROG_RING;
        v.slots = (uint16_t)(t->slots ? t->slots : 1); // 0: nothing is ever read of it but padding
        v.slice_step = t->positions * (uint32_t)ch;
        v.pix_step = (uint32_t)ch;
        v.interval = (uint16_t)f->stage_of[c->g->tensors[tensor].producer];
        return v;
    case FUSION_CHUNK:
        v.space = PROG_CHUNK;
        v.pix_step = (uint32_t)ch;
        return v;
    case FUSION_INPUT:
        v.space = PROG_INPUT;
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

static uint16_t kernel_of(const struct layer *l, bool acc)
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

static void add_op(struct compiler *c, int i, bool acc)
{
    const struct layer *l = &c->g->layers[i];
    bool cols = c->f->axis != FUSION_ROWS;
    struct prog_op op = {
        .kernel = kernel_of(l, acc),
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
    if (c->packed && l->weights)
        op.kernel = packed_kernel(l, op.kernel);
    if (op.kernel >= PROG_CONV_P4) {
        c->no_memory = pack_layer(c, l, cols, &op) != 0 || c->no_memory;
    } else if (l->weights) {
        op.weights = const_begin(c);
        add_weights(c, l, cols);
        op.bias = const_begin(c);
        for (int o = 0; o < l->out_c; o++)
            buf_add(&c->consts, &(int32_t){folded_bias(l, o)}, sizeof(int32_t));
    }
    if (op.kernel < PROG_CONV_P4 && l->requant)
        add_requant(c, l, &op);
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

static void add_move(struct compiler *c, struct prog_block *b, int tensor)
{
    const struct fusion_tensor *t = &c->f->tensors[tensor];
    if (c->position[tensor] != t->offset) {
        struct prog_move m = {t->offset, c->position[tensor], t->bytes};
        buf_add(&c->tables, &m, sizeof m);
        b->n_moves++;
    }
    c->position[tensor] = t->offset;
}

// Live tensors slide down, oldest first, so none runs over another; X, the youngest, goes last.
static void add_moves(struct compiler *c, struct prog_block *b)
{
    b->moves = (uint32_t)c->tables.len;
    for (int i = 0; i < c->f->first; i++) {
        int t = c->g->layers[i].out;
        if (c->f->tensors[t].role == FUSION_LIVE || c->f->tensors[t].role == FUSION_X)
            add_move(c, b, t);
    }
}

static void add_intervals(struct compiler *c, struct prog_block *b)
{
    struct fusion *f = c->f;
    b->intervals = (uint32_t)c->tables.len;
    b->n_bands = (uint16_t)f->n_bands;
    b->n_intervals = (uint16_t)f->n_stages;
    for (int band = 0; band < f->n_bands; band++) {
        fusion_band(f, band);
        for (int s = 0; s < f->n_stages; s++) {
            const struct layer *tail = &c->g->layers[f->stages[s].tail];
            bool acc = f->acc && f->stages[s].tail == f->last;
            struct fusion_interval need = f->need[acc ? tail->in[0] : tail->out];
            struct prog_interval p = {(uint16_t)need.lo, (uint16_t)need.hi};
            buf_add(&c->tables, &p, sizeof p);
        }
    }
}

static int add_block(struct compiler *c, const struct config_block *cb, struct err *e)
{
    struct fusion *f = c->f;
    if (config_block_fill(f, cb, c->arena_bytes, e))
        return -1;
    struct prog_block b = {
        .first_stage = (uint16_t)n_of(&c->stages, sizeof(struct prog_stage)),
        .n_stages = (uint16_t)f->n_stages,
        .acc_op = 0xFFFF,
        .n_steps = (uint32_t)f->n_steps,
        .arena_bytes = f->cost.arena_bytes,
    };
    if (f->acc) {
        b.acc = f->acc_offset;
        b.acc_bytes = (uint32_t)f->acc_bytes;
    }
    for (int s = 0; s < f->n_stages; s++) {
        const struct fusion_stage *fs = &f->stages[s];
        struct prog_stage stage = {
            .first_op = (uint16_t)n_of(&c->ops, sizeof(struct prog_op)),
            .n_ops = (uint16_t)fs->n_layers,
            .interval = (uint16_t)s,
            .chunk = (uint16_t)(fs->n_layers > 1 ? f->chunk : 0),
        };
        for (int i = fs->head; i >= 0; i = f->next[i]) {
            bool acc = f->acc && i == f->last;
            if (acc)
                b.acc_op = (uint16_t)n_of(&c->ops, sizeof(struct prog_op));
            add_op(c, i, acc);
        }
        buf_add(&c->stages, &stage, sizeof stage);
    }
    add_moves(c, &b);
    b.steps = (uint32_t)c->tables.len;
    for (size_t i = 0; i < f->n_steps; i++) {
        struct prog_step step = {f->steps[i].stage, f->steps[i].slice};
        buf_add(&c->tables, &step, sizeof step);
    }
    add_intervals(c, &b);
    for (int i = cb->first; i <= cb->last; i++) {
        int t = c->g->layers[i].out;
        if (f->tensors[t].role == FUSION_KEPT || f->tensors[t].role == FUSION_Y)
            c->position[t] = f->tensors[t].offset;
        if (c->g->layers[i].in[0] == c->g->input && cb->axis != FUSION_ROWS)
            c->input_streamed = false;
    }
    buf_add(&c->blocks, &b, sizeof b);
    return 0;
}

// ---- putting it together ----

static void relocate(struct compiler *c, uint32_t tables, uint32_t consts)
{
    struct prog_block *b = (struct prog_block *)(void *)c->blocks.data;
    struct prog_op *op = (struct prog_op *)(void *)c->ops.data;
    for (uint32_t i = 0; i < n_of(&c->blocks, sizeof *b); i++) {
        b[i].steps += tables;
        b[i].intervals += tables;
        b[i].moves += tables;
    }
    for (uint32_t i = 0; i < n_of(&c->ops, sizeof *op); i++) {
        op[i].weights += op[i].weights ? consts - 1 : 0;
        op[i].bias += op[i].bias ? consts - 1 : 0;
        op[i].requant += op[i].requant ? consts - 1 : 0;
        if (op[i].kernel >= PROG_CONV_P4)
            op[i].p[0] += (int32_t)consts - 1;
    }
}

static int link_program(struct compiler *c, const char *variant, const int8_t *input,
                        struct buf *out, struct err *e)
{
    const struct tensor *in = &c->g->tensors[c->g->input];
    struct buf *sections[] = {&c->blocks, &c->stages, &c->ops, &c->tables, &c->consts};
    uint32_t at[6] = {sizeof(struct prog_header)};
    for (int i = 0; i < 5; i++) {
        buf_align(sections[i], 4);
        if (sections[i]->failed)
            return err_set(e, ERR_TOO_LARGE, "the program is larger than %u bytes",
                           PROGRAM_MAX_BYTES);
        at[i + 1] = at[i] + (uint32_t)sections[i]->len;
    }
    relocate(c, at[3], at[4]);
    struct prog_header h = {
        .magic = PROG_MAGIC,
        .version = PROG_VERSION,
        .arena_bytes = c->arena_bytes,
        .input = at[5],
        .input_bytes = fusion_tensor_bytes(c->g, c->g->input),
        .output = c->position[c->g->output],
        .output_bytes = fusion_tensor_bytes(c->g, c->g->output),
        .in_h = (uint16_t)in->h,
        .in_w = (uint16_t)in->w,
        .in_c = (uint16_t)in->c,
        .flags = c->input_streamed ? PROG_FLAG_INPUT_STREAMED : 0,
        .n_blocks = (uint16_t)n_of(&c->blocks, sizeof(struct prog_block)),
        .n_stages = (uint16_t)n_of(&c->stages, sizeof(struct prog_stage)),
        .n_ops = (uint16_t)n_of(&c->ops, sizeof(struct prog_op)),
        .blocks = at[0],
        .stages = at[1],
        .ops = at[2],
    };
    memcpy(h.variant, variant, strlen(variant));
    h.total_bytes = (at[5] + h.input_bytes + 3) & ~3u;
    buf_add(out, &h, sizeof h);
    for (int i = 0; i < 5; i++)
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
    c.packed = strcmp(variant, "armv7em") == 0;
    if (!c.packed && strcmp(variant, "generic") != 0)
        return err_set(e, ERR_BAD_FIELD,
                       "kernel variant \"%s\" is unknown; known: generic, armv7em", variant);
    buf_init(&c.blocks, PROGRAM_MAX_BYTES);
    buf_init(&c.stages, PROGRAM_MAX_BYTES);
    buf_init(&c.ops, PROGRAM_MAX_BYTES);
    buf_init(&c.tables, PROGRAM_MAX_BYTES);
    buf_init(&c.consts, PROGRAM_MAX_BYTES);
    c.position = calloc((size_t)f->g->n_tensors, sizeof *c.position);
    if (!c.position) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a program");
        goto out;
    }
    if (config_arena(f, blocks, n_blocks, &c.arena_bytes, e))
        goto out;
    c.input_streamed = f->uses[f->g->input + 1] - f->uses[f->g->input] == 1;
    for (int i = 0; i < n_blocks; i++) {
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
    buf_free(&c.blocks);
    buf_free(&c.stages);
    buf_free(&c.ops);
    buf_free(&c.tables);
    buf_free(&c.consts);
    return rc;
}
