// SPDX-License-Identifier: MIT
// Convolution, any kernel and stride, for cores with mac16.h's multiplier: a pixel's window is widened to 16 bits, once
// for all output channels, whose weights are int16 already. A window of more than PROG_M16_VALUES inputs is taken in
// parts, with the sums of some channels waiting in memory. Small numbers everywhere: the stack is short.
#include "firmware/kernels/blocked.h"
#include "firmware/kernels/mac16.h"

#define PART 64 // inputs of a window that is taken in parts
#define SUMS 16 // channels whose sums wait

struct walk { // through a window, run after run of bytes that lie together
    const struct prog_op *op;
    const struct k_call *k;
    const int8_t *zeros;
    int first;           // position of tap 0
    bool packed;         // a row of taps is one run
    int s, a;            // the next tap
    const int8_t *slice; // the next one inside the tensor
    const int8_t *x;     // what is left of the run
    int left;
};

static void walk_begin(struct walk *v, const struct prog_op *op, const struct k_call *k, int p)
{
    v->op = op;
    v->k = k;
    v->zeros = k_zeros(op, k);
    v->first = p * op->sa - op->pad_a;
    v->packed = op->in[0].pix_step == op->in_c && fast_inside(op, p);
    v->s = v->a = v->left = 0;
    v->slice = k->in;
}

static void next_run(struct walk *v)
{
    const struct prog_op *op = v->op;
    const struct k_call *k = v->k;
    const bool inside = v->s >= k->taps.first && v->s < k->taps.first + k->taps.n;
    const int at = v->first + v->a, taps = inside && v->packed ? op->ka : 1;
    v->x = inside && at >= 0 && at < op->in_len ? v->slice + at * (ptrdiff_t)op->in[0].pix_step
                                                : v->zeros;
    v->left = taps * op->in_c;
    v->a += taps;
    if (v->a < op->ka)
        return;
    v->a = 0;
    v->s++;
    if (inside)
        v->slice = k_next_slice(op, k, v->slice, v->s - k->taps.first);
}

// The next n inputs, and zeros to whole quads.
static void fill(struct walk *v, int n, int16_t *to)
{
    const int16_t *const end = to + n;
    while (to < end) {
        if (v->left == 0)
            next_run(v);
        const int room = (int)(end - to), run = v->left < room ? v->left : room;
        mac16_widen(v->x, run, to);
        v->x += run;
        v->left -= run;
        to += run;
    }
    for (; n % 4; n++)
        *to++ = 0;
}

// All channels of a pixel whose window is one part.
static inline __attribute__((always_inline)) void
channels(const struct prog_op *op, const struct k_call *k, const struct fast_out *o, int relu,
         int out_c, const int16_t *x, int quads, int8_t *y)
{
    const int16_t *w = (const int16_t *)(const void *)k_weights(op, k);
    const int32_t *bias = k_bias(op, k);
    const struct prog_requant_fast *r = k_fast(op, k);
    for (const int8_t *const end = y + out_c; y < end; w += 4 * quads)
        *y++ = blocked_end(o, relu, r++, mac16_dot(x, w, quads, *bias++));
}

static __attribute__((noinline)) void channels_relu(const struct prog_op *op,
                                                    const struct k_call *k, const int16_t *x,
                                                    int quads, int8_t *y)
{
    const struct fast_out o = {0};
    channels(op, k, &o, 1, op->out_c, x, quads, y);
}

static __attribute__((noinline)) void channels_any(const struct prog_op *op, const struct k_call *k,
                                                   const int16_t *x, int quads, int8_t *y)
{
    const struct fast_out o = fast_out_of(op);
    channels(op, k, &o, 0, op->out_c, x, quads, y);
}

static __attribute__((noinline)) void whole(const struct prog_op *op, const struct k_call *k)
{
    _Alignas(4) int16_t x[PROG_M16_VALUES + 2]; // the last two are read, but count for nothing
    const int window = op->ks * op->ka * op->in_c;
    for (int s = 0; s < k->taps.slices; s++) {
        int8_t *y = k->out + (size_t)s * op->out.slice_step;
        for (int p = k->first; p < k->first + k->n; p++, y += op->out.pix_step) {
            struct walk v;
            walk_begin(&v, op, k, p);
            v.slice += (size_t)s * k_in_slice(op);
            fill(&v, window, x);
            (op->p[1] == PROG_END_RELU ? channels_relu : channels_any)(op, k, x, (window + 3) / 4,
                                                                       y);
        }
    }
}

// n channels of a pixel from c on, part by part.
static __attribute__((noinline)) void in_parts(const struct prog_op *op, const struct k_call *k,
                                               int p, int c, int8_t *y)
{
    _Alignas(4) int16_t x[PART + 2];
    int32_t sums[SUMS];
    struct walk v;
    const int n = op->out_c - c < SUMS ? op->out_c - c : SUMS;
    const int window = op->ks * op->ka * op->in_c, row = (window + 3) / 4 * 4;
    const int16_t *weights = (const int16_t *)(const void *)k_weights(op, k) + c * row;
    for (int i = 0; i < n; i++)
        sums[i] = k_bias(op, k)[c + i];
    walk_begin(&v, op, k, p);
    for (int left = window; left > 0; left -= PART, weights += PART) {
        const int values = left < PART ? left : PART;
        const int16_t *w = weights;
        fill(&v, values, x);
        for (int i = 0; i < n; i++, w += row)
            sums[i] = mac16_dot(x, w, (values + 3) / 4, sums[i]);
    }
    const struct fast_out o = fast_out_of(op);
    for (int i = 0; i < n; i++)
        y[c + i] = blocked_end(&o, op->p[1] == PROG_END_RELU, k_fast(op, k) + c + i, sums[i]);
}

static __attribute__((noinline)) void parts(const struct prog_op *op, const struct k_call *k)
{
    for (int i = 0; i < k->n; i++) {
        int8_t *y = k->out + (size_t)i * op->out.pix_step;
        for (int c = 0; c < op->out_c; c += SUMS)
            in_parts(op, k, k->first + i, c, y);
    }
}

void k_conv_m16(const struct prog_op *op, const struct k_call *k)
{
    if (op->ks * op->ka * op->in_c <= PROG_M16_VALUES)
        whole(op, k);
    else
        parts(op, k);
}
