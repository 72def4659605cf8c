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

// Columns [before, before + n) of those that are widened lie inside the tensor; the first of them is input position
// `from`.
struct inside {
    int before, n, from;
};

// `n` columns of zero point from input position `first` on, which is the same for all channels.
static struct inside fill(const struct task *t, int first, int n, int16_t *x)
{
    const int before = first < 0 ? -first : 0;
    const int stop = first + n > t->op->in_len ? t->op->in_len - first : n;
    for (int i = 0; i < n * t->rows + 2; i++) // with what meets weights of zero
        x[i] = t->op->in_zero;
    return (struct inside){before, t->k->taps.n > 0 ? stop - before : 0, first + before};
}

static void gather(const struct task *t, const struct inside *in, int c, int16_t *x)
{
    const struct prog_op *op = t->op;
    const struct k_call *k = t->k;
    const ptrdiff_t step = (ptrdiff_t)op->in[0].pix_step;
    const int8_t *slice = k->in + in->from * step + c;
    x += in->before * t->rows + k->taps.first;
    for (int s = 1; s <= k->taps.n; s++) {
        mac16_widen_strided(slice, step, in->n, x++, 2 * t->rows);
        slice = k_next_slice(op, k, slice, s);
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
    // Windows end with up to two numbers that meet weights of zero, and two more may be read.
    _Alignas(4) int16_t x[PROG_M16_VALUES + 4];
    const int rows = (op->ks + 1) & ~1, columns = PROG_M16_VALUES / rows;
    const struct task t = {.op = op,
                           .k = k,
                           .rows = rows,
                           .quads = (rows * op->ka + 3) / 4,
                           .relu = op->p[1] == PROG_END_RELU,
                           .o = fast_out_of(op)};
    const int most = (columns - op->ka) / op->sa + 1;
    const int32_t *const bias = k_bias(op, k);
    const struct prog_requant_fast *const requants = k_fast(op, k);
    const size_t y_step = op->out.pix_step;
    int8_t *y = k->out;
    for (int p = k->first, n; p < k->first + k->n; p += n, y += (size_t)n * y_step) {
        const int left = k->first + k->n - p;
        const int16_t *w = (const int16_t *)(const void *)k_weights(op, k);
        n = left < most ? left : most;
        const struct inside in = fill(&t, p * op->sa - op->pad_a, (n - 1) * op->sa + op->ka, x);
        for (int c = 0; c < op->out_c; c++, w += 4 * t.quads) {
            if (in.n > 0)
                gather(&t, &in, c, x);
            filter(&t, x, w, bias[c], requants + c, n, y + c, y_step);
        }
    }
}
