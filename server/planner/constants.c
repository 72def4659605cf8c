// SPDX-License-Identifier: MIT
// See constants.h. The table of variants is at the end.
#include "server/planner/constants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/kernels/fixed.h"

// Offsets of constants are kept + 1 until they are moved, so that 0 stays "none".
static uint32_t const_begin(struct buf *consts)
{
    buf_align(consts, 4);
    return (uint32_t)consts->len + 1;
}

// Weights with the kernel's slice axis first: [kh][kw] as it is, or [kw][kh]. `block` bytes stay
// together per tap.
static void add_taps(struct buf *consts, const int8_t *w, int kh, int kw, size_t block,
                     bool transpose)
{
    if (!transpose) {
        buf_add(consts, w, (size_t)kh * (size_t)kw * block);
        return;
    }
    for (int x = 0; x < kw; x++) {
        for (int y = 0; y < kh; y++)
            buf_add(consts, w + ((size_t)y * (size_t)kw + (size_t)x) * block, block);
    }
}

static void add_weights(struct buf *consts, const struct layer *l, bool cols)
{
    size_t per_channel = (size_t)l->kh * (size_t)l->kw * (size_t)l->in_c;
    if (l->op == LAYER_DWCONV) {
        add_taps(consts, l->weights, l->kh, l->kw, (size_t)l->out_c, cols);
    } else {
        for (int o = 0; o < l->out_c; o++)
            add_taps(consts, l->weights + (size_t)o * per_channel, l->kh, l->kw, (size_t)l->in_c,
                     cols);
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
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): convolutions have weights
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
    bool doubles;  // every sum leaves room for a factor of 2 more than fits asks for
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
    e.doubles = worst < 1LL << (29 - left);
    bool shifts = worst < 1LL << (31 - left); // requantisation is monotone while nothing overflows
    int8_t byte = shifts ? layer_byte(l, channel, (int32_t)low) : 0;
    if (shifts && byte == layer_byte(l, channel, (int32_t)high)) {
        // 4v * 2 * 2^30 / 2^32 = 2v, and (2v + 1) >> 1 or (2v - 1 + 1) >> 1 = v
        e.constant = e.fits = e.narrow = e.doubles = true;
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
    for (size_t i = 0; i < fan_in(l); i++) {
        if (channel_weight(l, o, i) == -128 && channel_weight(l, o + 1, i) < 0)
            return false;
    }
    return true;
}

// The last pair of an odd number of channels begins one earlier.
static int pair_at(const struct layer *l, int o)
{
    return o + 1 < l->out_c ? o : l->out_c - 2;
}

static bool pairs_fit(const struct layer *l)
{
    for (int o = 0; o < l->out_c; o += 2) {
        if (!pair_fits(l, pair_at(l, o)))
            return false;
    }
    return sums_fit(l);
}

// ---- the kernel of a variant for a layer; the generic one where none applies ----

static uint16_t generic_kernel(const struct layer *l, uint16_t kernel)
{
    (void)l;
    return kernel;
}

static uint16_t armv7em_kernel(const struct layer *l, uint16_t kernel)
{
    const int taps = l->kh * l->kw;
    // Slices may be rows or columns.
    const bool small = prog_x2_words(l->kh, l->kw, l->in_c) <= PROG_X2_WORDS &&
                       prog_x2_words(l->kw, l->kh, l->in_c) <= PROG_X2_WORDS;
    const bool few_rows = l->kh <= PROG_X2_MAX_ROWS && l->kw <= PROG_X2_MAX_ROWS;
    const bool conv = kernel == PROG_CONV || (kernel == PROG_DWCONV && l->in_c == 1); // same sums
    if (conv && l->out_c > 1 && (small || few_rows) && pairs_fit(l))
        return PROG_CONV_X2;
    if (kernel == PROG_DWCONV && l->mult_c == 1 && l->out_c > 1 && taps <= PROG_MAX_TAPS &&
        sums_fit(l))
        return PROG_DWCONV_X2;
    return kernel;
}

static uint16_t rv32_kernel(const struct layer *l, uint16_t kernel)
{
    const bool fir =
        l->kh == l->kw && l->sh == l->sw && l->sw <= 2 && (l->kw == 3 || l->kw == 5 || l->kw == 7);
    if (kernel == PROG_CONV && sums_fit(l))
        return PROG_CONV_B4;
    if (kernel == PROG_DWCONV && l->mult_c == 1 && fir && sums_fit(l))
        return PROG_DWCONV_FIR;
    return kernel;
}

static uint16_t lx7_kernel(const struct layer *l, uint16_t kernel)
{
    // Slices may be rows or columns.
    const int most = l->kh > l->kw ? l->kh : l->kw;
    if (kernel == PROG_CONV && sums_fit(l))
        return PROG_CONV_M16;
    if (kernel == PROG_DWCONV && l->in_c == 1 && sums_fit(l))
        return PROG_CONV_M16; // one input channel: the same sums
    if (kernel == PROG_DWCONV && l->mult_c == 1 && (most + 1) * most <= PROG_M16_VALUES &&
        sums_fit(l))
        return PROG_DWCONV_M16;
    return kernel;
}

// The largest shift to the right with which the kernel can end as PROG_END_RELU.
static int most_relu_right(uint16_t kernel)
{
    return kernel == PROG_CONV_X2 ? PROG_X2_MAX_RIGHT : 20;
}

// ---- packing ----

// Weight of channel o at byte i of its window, taps in slice order; 0 beyond the end.
static int8_t window_weight(const struct layer *l, bool cols, int o, int i)
{
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): layers have channels
    int tap = i / l->in_c, c = i % l->in_c;
    if (o >= l->out_c || tap >= l->kh * l->kw)
        return 0;
    int y = cols ? tap % l->kh : tap / l->kw, x = cols ? tap / l->kh : tap % l->kw;
    return channel_weight(l, o, (size_t)((y * l->kw + x) * l->in_c + c));
}

// Weight of a depthwise kernel at slice s, position a.
static int16_t tap_weight(const struct layer *l, bool cols, int s, int a, int channel)
{
    int y = cols ? a : s, x = cols ? s : a;
    if (y >= l->kh || x >= l->kw || channel >= l->out_c)
        return 0;
    return l->weights[((size_t)y * (size_t)l->kw + (size_t)x) * (size_t)l->out_c + (size_t)channel];
}

// [out_c / 4][window][4 channels]
static void block_conv(struct buf *consts, const struct layer *l, bool cols,
                       const struct channel_end *ends)
{
    const int window = l->kh * l->kw * l->in_c;
    for (int o = 0; o < l->out_c; o += 4) {
        for (int i = 0; i < window; i++) {
            int8_t w[4];
            for (int lane = 0; lane < 4; lane++)
                w[lane] = ends[o + lane].constant ? 0 : window_weight(l, cols, o + lane, i);
            buf_add(consts, w, 4);
        }
    }
}

// [c][ks][ka]
static void channel_taps(struct buf *consts, const struct layer *l, bool cols,
                         const struct channel_end *ends)
{
    const int ks = cols ? l->kw : l->kh, ka = cols ? l->kh : l->kw;
    for (int c = 0; c < l->out_c; c++) {
        for (int i = 0; i < ks * ka; i++) {
            int8_t w = ends[c].constant ? 0 : (int8_t)tap_weight(l, cols, i / ka, i % ka, c);
            buf_add(consts, &w, 1);
        }
    }
}

// [out_c][window, rounded up to quads], int16
static void wide_conv(struct buf *consts, const struct layer *l, bool cols,
                      const struct channel_end *ends)
{
    const int values = (l->kh * l->kw * l->in_c + 3) / 4 * 4;
    for (int o = 0; o < l->out_c; o++) {
        for (int i = 0; i < values; i++) {
            int16_t w = ends[o].constant ? 0 : window_weight(l, cols, o, i);
            buf_add(consts, &w, sizeof w);
        }
    }
}

// [c][ka][ks, rounded up to pairs], rounded up to quads, int16
static void wide_dwconv(struct buf *consts, const struct layer *l, bool cols,
                        const struct channel_end *ends)
{
    const int rows = ((cols ? l->kw : l->kh) + 1) / 2 * 2, ka = cols ? l->kh : l->kw;
    const int values = (rows * ka + 3) / 4 * 4;
    for (int c = 0; c < l->out_c; c++) {
        for (int i = 0; i < values; i++) {
            int16_t w = ends[c].constant ? 0 : tap_weight(l, cols, i % rows, i / rows, c);
            buf_add(consts, &w, sizeof w);
        }
    }
}

// The last step that serves every channel of the layer. The zero point, shifted left, has to leave
// room for the sum.
static enum prog_end end_of_layer(const struct layer *l, const struct channel_end *ends,
                                  int most_relu_right)
{
    bool simple = l->act_min == -128 && l->act_max == 127;
    bool relu = simple && l->out_zero == -128;
    for (int o = 0; o < l->out_c; o++) {
        const struct prog_requant_fast *f = &ends[o].fast;
        simple = simple && f->left == 0 && f->right > 0 && f->right <= 20;
        relu = relu && f->left == 0 && f->right <= most_relu_right && ends[o].doubles;
    }
    return relu ? PROG_END_RELU : simple ? PROG_END_SIMPLE : PROG_END_ANY;
}

// See struct prog_requant_fast.
static struct prog_requant_fast requant_for(enum prog_end end, struct prog_requant_fast f,
                                            int32_t zero)
{
    if (end == PROG_END_RELU)
        return (struct prog_requant_fast){f.mult, 2 * f.round + 1 + zero * (1 << (f.right + 1)),
                                          f.right + 1, 0};
    if (end == PROG_END_SIMPLE)
        f.round += zero * (1 << f.right);
    return f;
}

// The sum's start, which the zero point of the input is part of.
static int32_t bias_of(const struct layer *l, int o, const struct channel_end *ends)
{
    return ends[o].constant ? ends[o].bias : folded_bias(l, o);
}

struct x2 { // constants of PROG_DWCONV_X2 in the making
    struct buf *consts;
    const struct layer *l;
    const struct channel_end *ends;
    bool cols;
    int ks, ka;
    enum prog_end end;
    bool seconds; // second positions meet the last row's weights in pairs of their own
};

static int x2_factor(const struct x2 *x)
{
    return x->end == PROG_END_RELU ? 4 : 2;
}

// Two taps of channels o and o + 1, a word each.
static void add_two_taps(const struct x2 *x, int o, int s0, int a0, int s1, int a1)
{
    for (int c = o; c < o + 2; c++) {
        int16_t w[2] = {0, 0};
        if (!x->ends[c].constant && a0 >= 0)
            w[0] = (int16_t)(x2_factor(x) * tap_weight(x->l, x->cols, s0, a0, c));
        if (!x->ends[c].constant)
            w[1] = (int16_t)(x2_factor(x) * tap_weight(x->l, x->cols, s1, a1, c));
        buf_add(x->consts, w, sizeof w);
    }
}

static void add_last_row(const struct x2 *x, int o)
{
    const int s = x->ks - 1, ka = x->ka;
    for (int a = 0; a + 1 < ka; a += 2)
        add_two_taps(x, o, s, a, s, a + 1);
    for (int a = x->seconds ? 1 : ka - 2; ka % 2 && a + 1 < ka; a += 2)
        add_two_taps(x, o, s, a, s, a + 1);
}

static void add_two_channels(const struct x2 *x, int o, bool last)
{
    const struct layer *l = x->l;
    for (int c = o; c < o + 2; c++) {
        const int32_t bias = bias_of(l, c, x->ends);
        buf_add(x->consts, &(uint32_t){(uint32_t)bias * (uint32_t)x2_factor(x)}, 4);
    }
    for (int s = 0; s + 1 < x->ks; s += 2) {
        for (int a = 0; a < x->ka; a++)
            add_two_taps(x, o, s, a, s + 1, a);
    }
    if (x->ks % 2)
        add_last_row(x, o);
    for (int c = o; c < o + 2; c++) {
        const struct prog_requant_fast f = requant_for(x->end, x->ends[c].fast, l->out_zero);
        const uint32_t mark = last && c > o ? 1u << 31 : 0;
        const uint32_t words[3] = {(uint32_t)f.mult, (uint32_t)f.round,
                                   (uint32_t)f.right | (uint32_t)f.left << 8 | mark};
        buf_add(x->consts, words, sizeof words);
    }
}

static void pack_dwconv(struct buf *consts, const struct layer *l, bool cols,
                        const struct channel_end *ends, struct prog_op *op)
{
    const int sa = cols ? l->sh : l->sw;
    struct x2 x = {.consts = consts,
                   .l = l,
                   .ends = ends,
                   .cols = cols,
                   .ks = cols ? l->kw : l->kh,
                   .ka = cols ? l->kh : l->kw,
                   .end = (enum prog_end)op->p[1]};
    const bool square = x.ks == x.ka && (x.ka == 3 || x.ka == 5 || x.ka == 7);
    op->p[2] = square && sa <= 2 && x.end == PROG_END_RELU ? 2 : 1;
    x.seconds = op->p[2] == 2 && sa == 1;
    for (int o = 0; o + 1 < l->out_c; o += 2)
        add_two_channels(&x, o, o + 3 >= l->out_c);
    if (l->out_c % 2)
        add_two_channels(&x, l->out_c - 2, true);
}

// Biases and last steps of one layer, padded to whole groups of four channels.
static void pack_ends(struct buf *consts, const struct layer *l, const struct channel_end *ends,
                      int32_t *bias, int padded, struct prog_op *op)
{
    const enum prog_end end = (enum prog_end)op->p[1];
    for (int o = 0; o < l->out_c; o++)
        bias[o] = bias_of(l, o, ends);
    op->bias = const_begin(consts);
    buf_add(consts, bias, (size_t)padded * sizeof *bias);
    op->requant = const_begin(consts);
    for (int o = 0; o < padded; o++) {
        struct prog_requant_fast f = requant_for(end, ends[o].fast, l->out_zero);
        buf_add(consts, &f, sizeof f);
    }
}

// ---- records of PROG_CONV_X2 ----

// Inputs `first` and `second` (-1: none) of a window, of channels u and u + 1.
static void add_lanes(struct buf *consts, const struct layer *l, bool cols,
                      const struct channel_end *ends, int u, int first, int second)
{
    const int at[2] = {first, second};
    int16_t lanes[2];
    for (int k = 0; k < 2; k++) {
        const bool none = at[k] < 0;
        const int upper = none || ends[u].constant ? 0 : window_weight(l, cols, u, at[k]);
        const int lower = none || ends[u + 1].constant ? 0 : window_weight(l, cols, u + 1, at[k]);
        lanes[k] = (int16_t)(256 * upper + lower);
    }
    buf_add(consts, lanes, sizeof lanes);
}

// A run of inputs from `at` on.
static void add_run(struct buf *consts, const struct layer *l, bool cols,
                    const struct channel_end *ends, int u, int at, int bytes)
{
    int i = at;
    for (; i + 4 <= at + bytes; i += 4) {
        add_lanes(consts, l, cols, ends, u, i, i + 2);
        add_lanes(consts, l, cols, ends, u, i + 1, i + 3);
    }
    const int rest = at + bytes - i;
    if (rest)
        add_lanes(consts, l, cols, ends, u, i, rest > 1 ? i + rest - 1 : -1);
    if (rest == 3)
        add_lanes(consts, l, cols, ends, u, i + 1, -1);
}

static void add_pair(struct buf *consts, const struct layer *l, bool cols,
                     const struct channel_end *ends, enum prog_end end, int u)
{
    const int ks = cols ? l->kw : l->kh, ka = cols ? l->kh : l->kw;
    const bool small = prog_x2_words(ks, ka, l->in_c) <= PROG_X2_WORDS;
    const int run = small ? ka * l->in_c : l->in_c;
    const uint32_t lower = (uint32_t)bias_of(l, u + 1, ends);
    const uint32_t bias[2] = {((uint32_t)bias_of(l, u, ends) << 8) + lower, lower};
    buf_add(consts, bias, sizeof bias);
    const size_t weights = consts->len;
    for (int at = 0; at < ks * ka * l->in_c; at += run)
        add_run(consts, l, cols, ends, u, at, run);
    while (consts->len - weights < 4 * (size_t)prog_x2_words(ks, ka, l->in_c))
        buf_add(consts, &(uint32_t){0}, sizeof(uint32_t));
    uint32_t words[6];
    for (int k = 0; k < 2; k++) {
        struct prog_requant_fast f = requant_for(end, ends[u + k].fast, l->out_zero);
        if (end == PROG_END_RELU && k == 0) { // its sum comes 256-fold, not 4-fold
            f.round *= 64;
            f.right += 6;
        }
        words[2 * k] = (uint32_t)f.mult;
        words[2 * k + 1] = (uint32_t)f.round;
        words[4 + k] = (uint32_t)f.right + ((uint32_t)f.left << 8);
    }
    buf_add(consts, words, sizeof words);
}

static void add_pairs(struct buf *consts, const struct layer *l, bool cols,
                      const struct channel_end *ends, struct prog_op *op)
{
    for (int o = 0; o < l->out_c; o += 2)
        add_pair(consts, l, cols, ends, (enum prog_end)op->p[1], pair_at(l, o));
}

// ---- a layer ----

// How a kernel wants its weights, where biases and last steps lie by themselves.
typedef void weight_layout(struct buf *consts, const struct layer *l, bool cols,
                           const struct channel_end *ends);
static weight_layout *const layout_of[PROG_KERNEL_COUNT] = {
    [PROG_CONV_B4] = block_conv,
    [PROG_DWCONV_FIR] = channel_taps,
    [PROG_CONV_M16] = wide_conv,
    [PROG_DWCONV_M16] = wide_dwconv,
};

// Of kernels that want everything of some channels together.
typedef void record_layout(struct buf *consts, const struct layer *l, bool cols,
                           const struct channel_end *ends, struct prog_op *op);
static record_layout *const records_of[PROG_KERNEL_COUNT] = {
    [PROG_CONV_X2] = add_pairs,
    [PROG_DWCONV_X2] = pack_dwconv,
};

// Everything that a packed kernel needs.
static int pack_layer(struct buf *consts, const struct layer *l, bool cols, struct prog_op *op)
{
    const int padded = (l->out_c + 3) / 4 * 4;
    struct channel_end *ends = calloc((size_t)padded, sizeof *ends);
    int32_t *bias = calloc((size_t)padded, sizeof *bias);
    int failed = !ends || !bias ? -1 : 0;
    if (failed)
        goto out;
    for (int o = 0; o < l->out_c; o++)
        ends[o] = end_of_channel(l, o);
    op->weights = const_begin(consts);
    if (records_of[op->kernel]) {
        records_of[op->kernel](consts, l, cols, ends, op);
    } else {
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): every packed kernel is in one of the tables
        layout_of[op->kernel](consts, l, cols, ends);
        pack_ends(consts, l, ends, bias, padded, op);
    }
    op->p[0] = (int32_t)const_begin(consts);
    for (int i = 0; i < l->in_c; i++)
        buf_add(consts, &(int8_t){(int8_t)l->in_zero}, 1);
    buf_align(consts, 4);
out:
    free(ends);
    free(bias);
    return failed;
}

static void add_requant(struct buf *consts, const struct layer *l, struct prog_op *op)
{
    int n = l->op == LAYER_CONV || l->op == LAYER_DWCONV ? l->out_c : 1;
    op->requant = const_begin(consts);
    for (int i = 0; i < n; i++) {
        struct prog_requant r = {l->requant[i].mult, l->requant[i].shift};
        buf_add(consts, &r, sizeof r);
    }
}

// ---- variants ----

struct variant {
    const char *name;
    uint16_t (*kernel)(const struct layer *l, uint16_t generic);
};

static const struct variant variants[] = {
    {"generic", generic_kernel},
    {"armv7em", armv7em_kernel},
    {"rv32", rv32_kernel},
    {"lx7", lx7_kernel},
};

const struct variant *constants_variant(const char *name, struct err *e)
{
    char known[100] = "";
    int n = 0;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (strcmp(name, variants[i].name) == 0)
            return &variants[i];
        n += snprintf(known + n, sizeof known - (size_t)n, "%s%s", i ? ", " : "", variants[i].name);
    }
    err_set(e, ERR_BAD_FIELD, "kernel variant \"%s\" is unknown; known: %s", name, known);
    return NULL;
}

int constants_choose(const struct variant *v, const struct layer *l, struct prog_op *op)
{
    if (l->weights)
        op->kernel = v->kernel(l, op->kernel);
    if (op->kernel < PROG_CONV_X2)
        return 0;
    struct channel_end *ends = calloc((size_t)l->out_c, sizeof *ends);
    if (!ends)
        return -1;
    for (int o = 0; o < l->out_c; o++)
        ends[o] = end_of_channel(l, o);
    op->p[1] = (int32_t)end_of_layer(l, ends, most_relu_right(op->kernel));
    free(ends);
    return 0;
}

int constants_lay_out(struct buf *consts, const struct layer *l, bool cols, struct prog_op *op)
{
    if (op->kernel >= PROG_CONV_X2)
        return pack_layer(consts, l, cols, op);
    if (l->weights && op->kernel != PROG_SUM_END) {
        op->weights = const_begin(consts);
        add_weights(consts, l, cols);
    }
    if (l->bias) {
        op->bias = const_begin(consts);
        for (int o = 0; o < l->out_c; o++)
            buf_add(consts, &(int32_t){folded_bias(l, o)}, sizeof(int32_t));
    }
    if (l->requant)
        add_requant(consts, l, op);
    return 0;
}

int constants_add(struct buf *consts, const struct variant *v, const struct layer *l, bool cols,
                  struct prog_op *op)
{
    return constants_choose(v, l, op) || constants_lay_out(consts, l, cols, op) ? -1 : 0;
}
