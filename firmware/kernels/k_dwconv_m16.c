// SPDX-License-Identifier: MIT
// Depthwise convolution for cores with mac16.h's multiplier, channel by channel: the inputs of a run of positions are
// widened to 16 bits, kernel rows side by side, so that a position's window is one run of numbers and the next one's
// begins a few numbers behind it. What lies outside the tensor is written there as zero point.
#include "firmware/kernels/blocked.h"
#include "firmware/kernels/mac16.h"

struct task {
    const struct prog_op *op;
    const struct k_call *k;
    int rows;  // of a column of widened inputs: kernel rows, and one more where they are odd
    int quads; // of a window
    int relu;
    struct fast_out o;
};

static void fill_zero(const struct task *t, int16_t *to, int n)
{
    for (; n > 0; n--, to += t->rows)
        *to = t->op->in_zero;
}

// Positions [first, first + n) of the input, channel c.
static void gather(const struct task *t, int c, int first, int n, int16_t *columns)
{
    const struct prog_op *op = t->op;
    const struct k_call *k = t->k;
    const int before = first < 0 ? (-first < n ? -first : n) : 0;
    const int stop = first + n > op->in_len ? op->in_len - first : n;
    const int8_t *slice = k->in;
    for (int s = 0; s < op->ks; s++, columns++) {
        if (s < k->taps.first || s >= k->taps.first + k->taps.n || stop <= before) {
            fill_zero(t, columns, n);
            continue;
        }
        const int8_t *x = slice + (first + before) * (ptrdiff_t)op->in[0].pix_step + c;
        fill_zero(t, columns, before);
        mac16_widen_strided(x, (ptrdiff_t)op->in[0].pix_step, stop - before,
                            columns + before * t->rows, 2 * t->rows);
        fill_zero(t, columns + stop * t->rows, n - stop);
        slice = k_next_slice(op, k, slice, s + 1 - k->taps.first);
    }
}

// n positions of a channel.
static void filter(const struct task *t, const int16_t *x, const int16_t *w, int32_t bias,
                   const struct prog_requant_fast *requant, int n, int8_t *y, size_t y_step)
{
    const struct prog_requant_fast r = *requant;
    const int quads = t->quads, x_step = t->op->sa * t->rows;
    for (; n > 0; n--, x += x_step, y += y_step)
        *y = blocked_end(&t->o, t->relu, &r, mac16_dot(x, w, quads, bias));
}

void k_dwconv_m16(const struct prog_op *op, const struct k_call *k)
{
    // Windows end with up to two numbers that meet weights of zero, and two more are read.
    _Alignas(4) int16_t x[PROG_M16_VALUES + 4];
    const int rows = (op->ks + 1) & ~1, columns = PROG_M16_VALUES / rows;
    const struct task t = {.op = op,
                           .k = k,
                           .rows = rows,
                           .quads = (rows * op->ka + 3) / 4,
                           .relu = op->p[1] == PROG_END_RELU,
                           .o = fast_out_of(op)};
    const int most = (columns - op->ka) / op->sa + 1;
    const int16_t *w = (const int16_t *)(const void *)k_weights(op, k);
    const int32_t *const bias = k_bias(op, k);
    const struct prog_requant_fast *const requants = k_fast(op, k);
    const size_t y_step = op->out.pix_step;
    for (int i = 0; i < PROG_M16_VALUES + 4; i++)
        x[i] = 0;
    for (int c = 0; c < op->out_c; c++, w += 4 * t.quads) {
        for (int i = 0; i < k->n; i += most) {
            const int n = k->n - i < most ? k->n - i : most;
            gather(&t, c, (k->first + i) * op->sa - op->pad_a, (n - 1) * op->sa + op->ka, x);
            filter(&t, x, w, bias[c], requants + c, n, k->out + c + (size_t)i * y_step, y_step);
        }
    }
}
