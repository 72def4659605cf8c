// SPDX-License-Identifier: MIT
// See latency.h. What a kernel loops over is read off its source in firmware/kernels/.
#include "server/planner/latency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/planner/constants.h"
#include "server/planner/program.h"

const char *const latency_class_names[LATENCY_CLASSES] = {
    "pointwise", "conv", "large", "dwconv_3x3", "dwconv",  "plain_conv", "plain_dwconv",
    "sum",       "add",  "pool",  "fed_pool",   "softmax", "other"};
const char *const latency_term_names[LATENCY_TERMS] = {
    "call",         "channel", "clipped",  "position",     "run",          "product",
    "input",        "outside", "pass_run", "pass_product", "pass_outside", "border",
    "border_input", "output",  "simple",   "any"};
const char *const latency_work_names[LATENCY_WORKS] = {"kernel", "special", "step",
                                                       "band",   "byte",    "block"};

static int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

struct extent {
    int lo, hi, clipped; // outputs [lo, hi) have whole windows, so many others have not
    double outside;      // taps of theirs that lie outside, on average
};

// A layer as its kernel sees it: s across slices, a along them.
struct view {
    int ks, ka, ss, sa, pad_s, pad_a, in_slices, in_len, slices, len;
    int in_c, out_c; // of the channels that are computed at a time
    int taps, window, fours;
    struct extent s, a; // slices, positions
    double rows;        // slices of a window that lie inside the tensor, on average
};

// Of `out` outputs along an axis, which have windows that lie inside `in` inputs.
static struct extent extent_of(int k, int stride, int pad, int in, int out)
{
    const int room = in - k + pad;
    struct extent x = {.lo = smaller(divide_up(pad, stride), out)};
    x.hi = larger(x.lo, smaller(out, room < 0 ? 0 : room / stride + 1));
    x.clipped = out - (x.hi - x.lo);
    for (int i = 0; i < x.clipped; i++) {
        const int first = (i < x.lo ? i : i + x.hi - x.lo) * stride - pad;
        const int taps = smaller(in, first + k) - larger(0, first);
        x.outside += (double)(k - larger(0, taps)) / x.clipped;
    }
    return x;
}

static struct view view_of(const struct layer *l, const struct latency_place *at)
{
    const bool depthwise = l->op != LAYER_CONV;
    struct view v = {.ks = l->kh,
                     .ka = l->kw,
                     .ss = l->sh,
                     .sa = l->sw,
                     .pad_s = l->pad_top,
                     .pad_a = l->pad_left,
                     .in_slices = l->in_h,
                     .in_len = l->in_w,
                     .slices = l->out_h,
                     .len = l->out_w};
    if (at->cols)
        v = (struct view){.ks = l->kw,
                          .ka = l->kh,
                          .ss = l->sw,
                          .sa = l->sh,
                          .pad_s = l->pad_left,
                          .pad_a = l->pad_top,
                          .in_slices = l->in_w,
                          .in_len = l->in_h,
                          .slices = l->out_w,
                          .len = l->out_h};
    v.in_c = l->in_c;
    v.out_c = l->out_c;
    if (at->group && (at->sum || depthwise))
        v.in_c = at->group;
    if (at->group && !at->sum)
        v.out_c = at->group;
    v.taps = v.ks * v.ka;
    v.window = depthwise ? v.taps : v.taps * v.in_c;
    v.fours = divide_up(v.out_c, 4);
    v.s = extent_of(v.ks, v.ss, v.pad_s, v.in_slices, v.slices);
    v.a = extent_of(v.ka, v.sa, v.pad_a, v.in_len, v.len);
    v.rows = v.ks - v.s.outside * v.s.clipped / larger(1, v.slices);
    return v;
}

static void conv_shape(uint16_t kernel, enum prog_end end, const struct view *v, bool packed,
                       struct latency_shape *s)
{
    double *f = s->factor;
    const double runs = packed ? v->rows : v->rows * v->ka, part = v->rows / v->ks;
    switch (kernel) {
    case PROG_CONV_X2: {
        const int words = prog_x2_words(v->ks, v->ka, v->in_c), pairs = divide_up(v->out_c, 2);
        const bool widened = words <= PROG_X2_WORDS;
        s->kind = !widened ? LATENCY_LARGE : v->taps == 1 ? LATENCY_POINTWISE : LATENCY_CONV;
        s->pass = end != PROG_END_ANY && (!widened || 2 * words <= PROG_X2_WORDS) ? 2 : 1;
        s->alone = !widened;
        f[LATENCY_PRODUCT] = 4.0 * pairs * words;
        f[LATENCY_RUN] = pairs * (widened ? 1 : v->in_c % 4 == 0 && packed ? v->ks : v->taps);
        f[LATENCY_INPUT] = widened ? v->window : 0;
        f[LATENCY_BORDER] = widened ? v->taps : pairs * v->taps;
        if (widened)
            f[LATENCY_BORDER_INPUT] = v->in_c % 4 ? v->window : v->window / 4;
        break;
    }
    case PROG_CONV_B4:
        s->kind = v->taps == 1 ? LATENCY_POINTWISE : LATENCY_CONV;
        s->pass = 3;
        s->alone = s->rows_apart = true;
        f[LATENCY_PRODUCT] = 4.0 * v->fours * v->window * part;
        f[LATENCY_RUN] = v->fours * runs;
        f[LATENCY_BORDER] = v->fours * v->rows * v->a.outside * v->in_c;
        f[LATENCY_CLIPPED] = v->fours * v->s.outside * v->ka * v->in_c;
        break;
    case PROG_CONV_M16: {
        const bool parts = v->window > PROG_M16_VALUES;
        const int fills = parts ? divide_up(v->out_c, 16) : 1;
        s->kind = parts ? LATENCY_LARGE : v->taps == 1 ? LATENCY_POINTWISE : LATENCY_CONV;
        f[LATENCY_PRODUCT] = 4.0 * v->out_c * divide_up(v->window, 4);
        f[LATENCY_RUN] = v->out_c * (parts ? divide_up(v->window, 64) : 1);
        f[LATENCY_INPUT] = v->window * fills;
        f[LATENCY_BORDER] = v->taps * fills;
        s->pass = 1;
        f[LATENCY_PASS_RUN] = v->ks * fills; // runs of inputs that are widened
        break;
    }
    default:
        s->kind = LATENCY_PLAIN_CONV;
        f[LATENCY_PRODUCT] = (double)v->out_c * v->window * part;
        f[LATENCY_RUN] = v->fours * runs;
        f[LATENCY_BORDER] = (double)v->out_c * v->window;
    }
}

static bool two_positions(const struct view *v)
{
    return v->ks == v->ka && (v->ka == 3 || v->ka == 5 || v->ka == 7) && v->sa <= 2 && v->out_c > 1;
}

static void dwconv_shape(uint16_t kernel, enum prog_end end, const struct view *v,
                         struct latency_shape *s)
{
    double *f = s->factor;
    const int rows = v->ks + v->ks % 2;
    const double rows_done = v->ka == 3 ? 3 : v->rows;
    s->kind = v->ks == 3 && v->ka == 3 ? LATENCY_DWCONV_3X3 : LATENCY_DWCONV;
    switch (kernel) {
    case PROG_DWCONV_X2:
        s->pass = end == PROG_END_RELU && two_positions(v) ? 2 : 1;
        f[LATENCY_PRODUCT] = 2.0 * divide_up(v->out_c, 2) * v->taps;
        f[LATENCY_RUN] = divide_up(v->out_c, 2);
        f[LATENCY_BORDER] = v->taps;
        f[LATENCY_CHANNEL] = v->taps; // pointers to them serve all channels
        break;
    case PROG_DWCONV_FIR:
        // 3x3: the three rows at once, whatever lies outside, for all positions of a call.
        s->pass = v->ka == 3 ? INT16_MAX : 16;
        f[LATENCY_PRODUCT] = v->out_c * rows_done * v->ka;
        f[LATENCY_RUN] = v->out_c * rows_done;
        f[LATENCY_INPUT] = v->out_c * rows_done * v->sa;
        f[LATENCY_BORDER] = v->out_c * rows_done;
        f[LATENCY_CLIPPED] = v->out_c * v->taps;
        s->rows_apart = true;
        f[LATENCY_PASS_PRODUCT] = v->out_c * rows_done * (v->ka - v->sa); // before the first sum
        break;
    case PROG_DWCONV_M16:
        s->pass = (PROG_M16_VALUES / rows - v->ka) / v->sa + 1;
        f[LATENCY_PRODUCT] = 4.0 * v->out_c * divide_up(rows * v->ka, 4);
        f[LATENCY_INPUT] = v->out_c * v->rows * v->sa;
        f[LATENCY_PASS_RUN] = v->out_c * v->rows;
        f[LATENCY_PASS_PRODUCT] =
            v->out_c * v->rows * (v->ka - v->sa); // inputs of the first position
        break;
    default:
        s->kind = LATENCY_PLAIN_DWCONV;
        f[LATENCY_PRODUCT] = v->out_c * v->rows * v->ka;
        f[LATENCY_RUN] = v->fours * v->rows * v->ka;
        f[LATENCY_BORDER] = v->out_c * v->taps;
        // Channels that are no four, or share inputs, look for theirs one by one.
        f[LATENCY_INPUT] = (v->out_c == v->in_c ? v->out_c % 4 : v->out_c) * v->rows * v->ka;
    }
}

// Layers without weights.
static void plain_shape(const struct layer *l, bool fed, const struct view *v,
                        struct latency_shape *s)
{
    double *f = s->factor;
    switch (l->op) {
    case LAYER_ADD:
        s->kind = LATENCY_ADD;
        break;
    case LAYER_AVGPOOL:
    case LAYER_MAXPOOL:
    case LAYER_MEAN:
        s->kind = fed ? LATENCY_FED_POOL : LATENCY_POOL;
        f[LATENCY_PRODUCT] = fed ? v->in_c : v->out_c * v->rows * v->ka;
        f[LATENCY_RUN] = fed ? 0 : v->out_c * v->rows;
        f[LATENCY_ANY] = l->op == LAYER_MAXPOOL ? 0 : v->out_c;
        break;
    case LAYER_SOFTMAX:
        s->kind = LATENCY_SOFTMAX;
        break;
    default:
        s->kind = LATENCY_OTHER;
        if (l->op == LAYER_RESHAPE)
            f[LATENCY_CHANNEL] = (double)l->in_h * l->in_w * l->in_c;
    }
}

static void end_shape(struct latency_kernel k, const struct latency_place *at, const struct view *v,
                      struct latency_shape *s)
{
    double *f = s->factor;
    const bool packed = k.kernel >= PROG_CONV_X2 && !at->fed && !at->sum;
    f[LATENCY_OUTPUT] = v->out_c;
    if (packed && k.end == PROG_END_ANY)
        f[LATENCY_ANY] = v->out_c;
    else if (packed && k.end == PROG_END_SIMPLE)
        f[LATENCY_SIMPLE] = v->out_c;
}

void latency_shape_of(struct latency_kernel k, const struct layer *l,
                      const struct latency_place *at, struct latency_shape *s)
{
    const struct view v = view_of(l, at);
    *s = (struct latency_shape){.hi = INT32_MAX};
    double *f = s->factor;
    f[LATENCY_CALL] = f[LATENCY_POSITION] = 1;
    f[LATENCY_CHANNEL] = v.out_c;
    if (l->op == LAYER_CONV && (at->fed || at->sum)) {
        s->kind = LATENCY_SUM;
        f[LATENCY_PRODUCT] = (double)v.in_c * v.out_c;
        f[LATENCY_RUN] = v.fours;
    } else if (l->op == LAYER_CONV || l->op == LAYER_DWCONV) {
        const bool depthwise = k.kernel == PROG_DWCONV || k.kernel == PROG_DWCONV_X2 ||
                               k.kernel == PROG_DWCONV_FIR || k.kernel == PROG_DWCONV_M16;
        if (depthwise)
            dwconv_shape(k.kernel, (enum prog_end)k.end, &v, s);
        else
            conv_shape(k.kernel, (enum prog_end)k.end, &v, at->packed, s);
        const bool m16 = k.kernel == PROG_CONV_M16 || k.kernel == PROG_DWCONV_M16;
        if (!m16)
            f[LATENCY_PASS_RUN] = f[LATENCY_RUN];
        if (!m16 && k.kernel != PROG_DWCONV_FIR)
            f[LATENCY_PASS_PRODUCT] = f[LATENCY_PRODUCT];
        s->slice_lo = v.s.lo;
        s->slice_hi = v.s.hi;
        s->clipped_slices = (uint32_t)v.s.clipped;
        s->lo = v.a.lo;
        s->hi = v.a.hi;
        if (!depthwise && !at->packed && v.taps > 1 && !s->alone)
            s->lo = s->hi = 0;
    } else {
        plain_shape(l, at->fed, &v, s);
    }
    if (at->outside) {
        f[LATENCY_OUTSIDE] = f[LATENCY_PRODUCT];
        f[LATENCY_PASS_OUTSIDE] = f[LATENCY_PASS_PRODUCT];
    }
    end_shape(k, at, &v, s);
}

// Which count each term goes by.
static double count_of(const struct latency_counts *n, enum latency_term t)
{
    switch (t) {
    case LATENCY_CALL:
    case LATENCY_CHANNEL:
        return (double)n->calls;
    case LATENCY_CLIPPED:
        return (double)n->clipped;
    case LATENCY_PASS_RUN:
    case LATENCY_PASS_PRODUCT:
    case LATENCY_PASS_OUTSIDE:
        return (double)n->passes;
    case LATENCY_BORDER:
    case LATENCY_BORDER_INPUT:
        return (double)n->borders;
    case LATENCY_OUTPUT:
    case LATENCY_SIMPLE:
    case LATENCY_ANY:
        return (double)n->ends;
    default:
        return (double)n->positions;
    }
}

void latency_amounts(const struct latency_shape *s, const struct latency_counts *n,
                     double amount[LATENCY_TERMS])
{
    for (int t = 0; t < LATENCY_TERMS; t++)
        amount[t] = s->factor[t] * count_of(n, (enum latency_term)t);
}

static double cycles_of(const struct latency_model *m, const struct latency_shape *s,
                        const struct latency_counts *n)
{
    double amount[LATENCY_TERMS], cycles = 0;
    latency_amounts(s, n, amount);
    for (int t = 0; t < LATENCY_TERMS; t++)
        cycles += m->cycles[s->kind][t] * amount[t];
    return cycles;
}

static void price(const struct latency_table *t, int layer, const struct latency_place *at,
                  struct latency_price *p)
{
    struct latency_shape *s = &p->shape;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the table is filled
    latency_shape_of(t->kernels[layer], &t->g->layers[layer], at, s);
    p->call = cycles_of(&t->model, s, &(struct latency_counts){.calls = 1});
    p->clipped = cycles_of(&t->model, s, &(struct latency_counts){.clipped = 1});
    p->position = cycles_of(&t->model, s, &(struct latency_counts){.positions = 1});
    p->pass = cycles_of(&t->model, s, &(struct latency_counts){.passes = 1});
    p->border = cycles_of(&t->model, s, &(struct latency_counts){.borders = 1});
    p->end = cycles_of(&t->model, s, &(struct latency_counts){.ends = 1});
    p->call += t->model.interpreter[LATENCY_KERNEL];
}

#define PLACES 16 // without groups

static int place_index(const struct latency_place *at)
{
    return at->cols + 2 * at->fed + 4 * at->packed + 8 * at->outside;
}

// The variant's kernels of all layers.
static int find_kernels(struct latency_table *t, const struct graph *g, const char *variant,
                        struct err *e)
{
    const struct variant *v = constants_variant(variant, e);
    t->kernels_of[0] = '\0';
    t->g = NULL;
    if (!v)
        return -1;
    for (int i = 0; i < g->n_layers; i++) {
        struct prog_op op = {.kernel = program_kernel(&g->layers[i], false)};
        if (constants_choose(v, &g->layers[i], &op))
            return err_set(e, ERR_NO_MEMORY, "planner: no memory for the kernels of a layer");
        t->kernels[i] = (struct latency_kernel){op.kernel, (uint16_t)op.p[1]};
    }
    snprintf(t->kernels_of, sizeof t->kernels_of, "%s", variant);
    return 0;
}

int latency_table_fill(struct latency_table *t, const struct graph *g,
                       const struct latency_model *m, struct err *e)
{
    const size_t n = (size_t)g->n_layers;
    if (!t->kernels) {
        t->kernels = calloc(n, sizeof *t->kernels);
        t->prices = calloc(n * PLACES, sizeof *t->prices);
    }
    if (!t->kernels || !t->prices) // -fanalyzer: latency_table_free() has them
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for prices");
    if (strcmp(t->kernels_of, m->kernels) != 0 && find_kernels(t, g, m->kernels, e))
        return -1;
    t->g = g;
    t->model = *m;
    for (int i = 0; i < g->n_layers; i++) {
        for (int k = 0; k < PLACES; k++) {
            const struct latency_place at = {
                .cols = k & 1, .fed = k & 2, .packed = k & 4, .outside = k & 8};
            price(t, i, &at, &t->prices[i * PLACES + k]);
        }
    }
    return 0;
}

void latency_table_free(struct latency_table *t)
{
    free(t->kernels);
    free(t->prices);
    *t = (struct latency_table){0};
}

void latency_price_of(const struct latency_table *t, int layer, const struct latency_place *at,
                      struct latency_price *out)
{
    if (at->group)
        price(t, layer, at, out);
    else
        *out = t->prices[layer * PLACES + place_index(at)];
}
