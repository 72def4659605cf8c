// SPDX-License-Identifier: MIT
// Depthwise convolution, 3x3, 5x5 and 7x7 at stride 1 and 2, for cores with many registers and single-word products. A
// channel is filtered along the slice like a signal: its weights stay in registers, every input byte of a kernel row is
// loaded once and serves all the positions whose windows it is in. Their sums wait in registers, the oldest in c0, until
// the last tap makes them complete. Only positions near the borders test whether a tap lies inside.
#include "firmware/kernels/blocked.h"

#define RUN 16 // positions whose sums wait in memory, where kernel rows are filtered one by one

struct line {        // a channel of an input slice
    const int8_t *x; // at tap 0 of the first position
    ptrdiff_t step;
    int at, len; // position of that tap; [0, len) are inside the tensor
    int zero;    // what lies outside
};

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

// The next input of one line, or of three.
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names that the macros declare
#define NEXT(v)                                                                                    \
    const int32_t v = *x;                                                                          \
    x += step;
#define NEXT_CHECKED(v)                                                                            \
    const int32_t v = (unsigned)at < (unsigned)len ? *x : zero;                                    \
    x += step;                                                                                     \
    at++;
#define NEXT3(p, q, r)                                                                             \
    const int32_t p = *x0, q = *x1, r = *x2;                                                       \
    x0 += step;                                                                                    \
    x1 += step;                                                                                    \
    x2 += step;
#define NEXT3_CHECKED(p, q, r)                                                                     \
    int32_t p = zero, q = zero, r = zero;                                                          \
    if ((unsigned)at < (unsigned)len) {                                                            \
        p = *x0;                                                                                   \
        q = *x1;                                                                                   \
        r = *x2;                                                                                   \
    }                                                                                              \
    x0 += step;                                                                                    \
    x1 += step;                                                                                    \
    x2 += step;                                                                                    \
    at++;
// NOLINTEND(bugprone-macro-parentheses)

// ---- one kernel row: adds to acc[0 .. n) ----

// clang-format off
#define STEP_5_1(LOAD) { LOAD(v) out = c0 + v * w4; c0 = c1 + v * w3; c1 = c2 + v * w2; c2 = c3 + v * w1; c3 = v * w0; }
#define STEP_7_1(LOAD) { LOAD(v) out = c0 + v * w6; c0 = c1 + v * w5; c1 = c2 + v * w4; c2 = c3 + v * w3; \
                         c3 = c4 + v * w2; c4 = c5 + v * w1; c5 = v * w0; }
// At stride 2 taps of even and of odd number meet in turn.
#define EVEN_5(LOAD) { LOAD(v) out = c0 + v * w4; c0 = c1 + v * w2; c1 = v * w0; }
#define ODD_5(LOAD) { LOAD(v) c0 += v * w3; c1 += v * w1; }
#define EVEN_7(LOAD) { LOAD(v) out = c0 + v * w6; c0 = c1 + v * w4; c1 = c2 + v * w2; c2 = v * w0; }
#define ODD_7(LOAD) { LOAD(v) c0 += v * w5; c1 += v * w3; c2 += v * w1; }
#define STEP_5_2(LOAD) { ODD_5(LOAD) EVEN_5(LOAD) }
#define STEP_7_2(LOAD) { ODD_7(LOAD) EVEN_7(LOAD) }
// Fills the chain; what belongs to positions before the first is dropped by the compiler.
#define PRIME_5_1 STEP_5_1(NEXT_CHECKED) STEP_5_1(NEXT_CHECKED) STEP_5_1(NEXT_CHECKED) STEP_5_1(NEXT_CHECKED)
#define PRIME_7_1 STEP_7_1(NEXT_CHECKED) STEP_7_1(NEXT_CHECKED) STEP_7_1(NEXT_CHECKED) STEP_7_1(NEXT_CHECKED) \
                  STEP_7_1(NEXT_CHECKED) STEP_7_1(NEXT_CHECKED)
#define PRIME_5_2 EVEN_5(NEXT_CHECKED) ODD_5(NEXT_CHECKED) EVEN_5(NEXT_CHECKED)
#define PRIME_7_2 EVEN_7(NEXT_CHECKED) ODD_7(NEXT_CHECKED) EVEN_7(NEXT_CHECKED) ODD_7(NEXT_CHECKED) EVEN_7(NEXT_CHECKED)
#define REGISTERS_5_1 int32_t c0 = 0, c1 = 0, c2 = 0, c3 = 0; const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4];
#define REGISTERS_7_1 int32_t c0 = 0, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0; \
    const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6];
#define REGISTERS_5_2 int32_t c0 = 0, c1 = 0; const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4];
#define REGISTERS_7_2 int32_t c0 = 0, c1 = 0, c2 = 0; \
    const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6];
// clang-format on

// `inside`: counted from the first of the n positions.
#define ROW(k, s)                                                                                  \
    static void row_##k##_##s(const struct line *l, const int8_t *w, int n,                        \
                              struct fast_range inside, int32_t *acc)                              \
    {                                                                                              \
        REGISTERS_##k##_##s const int8_t *x = l->x;                                                \
        const ptrdiff_t step = l->step;                                                            \
        const int len = l->len, zero = l->zero, lo = smaller(inside.lo, n);                        \
        int at = l->at, i = 0;                                                                     \
        int32_t out;                                                                               \
        PRIME_##k##_##s for (; i < lo; i++)                                                        \
        {                                                                                          \
            STEP_##k##_##s(NEXT_CHECKED) acc[i] += out;                                            \
        }                                                                                          \
        const int hi = smaller(inside.hi, n), checked = i;                                         \
        for (; i < hi; i++) {                                                                      \
            STEP_##k##_##s(NEXT) acc[i] += out;                                                    \
        }                                                                                          \
        at += (s) * (i - checked);                                                                 \
        for (; i < n; i++) {                                                                       \
            STEP_##k##_##s(NEXT_CHECKED) acc[i] += out;                                            \
        }                                                                                          \
    }
ROW(5, 1)
ROW(5, 2)
ROW(7, 1)
ROW(7, 2)

// ---- what all channels share ----

struct task {
    const struct prog_op *op;
    const struct k_call *k;
    struct fast_out o;
    struct fast_range inside; // counted from the first position
    const int8_t *slices[7]; // of the kernel rows inside the tensor, at tap 0 of the first position
    ptrdiff_t step;
    int at; // position of that tap
};

// The bias, and what kernel rows outside the tensor add.
static int32_t start_of(const struct task *t, const int8_t *w, int32_t bias)
{
    const struct prog_op *op = t->op;
    int32_t sum = 0;
    if (t->k->taps.n == op->ks)
        return bias;
    for (int s = 0; s < op->ks; s++) {
        for (int a = 0; a < op->ka; a++, w++)
            sum += s < t->k->taps.first || s >= t->k->taps.first + t->k->taps.n ? *w : 0;
    }
    return bias + op->in_zero * sum;
}

// ---- 3x3: the three kernel rows at once, straight to bytes ----

// The weights of a channel; those of a kernel row outside the tensor are zero.
static const int8_t *weights3(const struct task *t, const int8_t *w, int8_t *masked)
{
    if (t->k->taps.n == 3)
        return w;
    for (int i = 0; i < 9; i++)
        masked[i] = i / 3 >= t->k->taps.first && i / 3 < t->k->taps.first + t->k->taps.n ? w[i] : 0;
    return masked;
}

// clang-format off
#define STEP_3_1(LOAD) { LOAD(p, q, r) out = c0 + p * w02 + q * w12 + r * w22; \
                         c0 = c1 + p * w01 + q * w11 + r * w21; c1 = start + p * w00 + q * w10 + r * w20; }
#define EVEN_3(LOAD) { LOAD(p, q, r) out = c0 + p * w02 + q * w12 + r * w22; c0 = start + p * w00 + q * w10 + r * w20; }
#define ODD_3(LOAD) { LOAD(p, q, r) c0 += p * w01 + q * w11 + r * w21; }
#define STEP_3_2(LOAD) { ODD_3(LOAD) EVEN_3(LOAD) }
#define PRIME_3_1 STEP_3_1(NEXT3_CHECKED) STEP_3_1(NEXT3_CHECKED)
#define PRIME_3_2 EVEN_3(NEXT3_CHECKED)
#define REGISTERS_3 const int32_t w00 = v[0], w01 = v[1], w02 = v[2], w10 = v[3], w11 = v[4], w12 = v[5], \
    w20 = v[6], w21 = v[7], w22 = v[8]; int32_t c0 = 0;
#define REGISTERS_3_1 REGISTERS_3 int32_t c1 = 0;
#define REGISTERS_3_2 REGISTERS_3
// clang-format on

#define FILTER3(s, END)                                                                            \
    static void filter3_##s##_##END(const struct task *t, const struct k_call *k)                  \
    {                                                                                              \
        const size_t y_step = t->op->out.pix_step;                                                 \
        const ptrdiff_t step = t->step;                                                            \
        const int len = t->op->in_len, zero = t->op->in_zero, out_c = t->op->out_c;                \
        const int n = t->k->n, slow = smaller(t->inside.lo, n);                                    \
        const int fast = smaller(t->inside.hi, n) > slow ? smaller(t->inside.hi, n) - slow : 0;    \
        const int8_t *w = k_weights(t->op, k);                                                     \
        const int32_t *const bias = k_bias(t->op, k);                                              \
        const struct prog_requant_fast *const requants = k_fast(t->op, k);                         \
        for (int c = 0; c < out_c; c++, w += 9) {                                                  \
            int8_t masked[9];                                                                      \
            const int8_t *v = weights3(t, w, masked);                                              \
            const int8_t *x0 = t->slices[0] + c, *x1 = t->slices[1] + c, *x2 = t->slices[2] + c;   \
            const struct prog_requant_fast last = requants[c];                                     \
            const int32_t start = start_of(t, w, bias[c]);                                         \
            int8_t *y = t->k->out + c;                                                             \
            int8_t *const lo = y + (size_t)slow * y_step, *const hi = lo + (size_t)fast * y_step;  \
            int8_t *const end = y + (size_t)n * y_step;                                            \
            int at = t->at;                                                                        \
            int32_t out;                                                                           \
            REGISTERS_3_##s PRIME_3_##s for (; y != lo; y += y_step)                               \
            {                                                                                      \
                STEP_3_##s(NEXT3_CHECKED) *y = END(t, &last, out);                                 \
            }                                                                                      \
            for (; y != hi; y += y_step) {                                                         \
                STEP_3_##s(NEXT3) *y = END(t, &last, out);                                         \
            }                                                                                      \
            at += (s)*fast;                                                                        \
            for (; y != end; y += y_step) {                                                        \
                STEP_3_##s(NEXT3_CHECKED) *y = END(t, &last, out);                                 \
            }                                                                                      \
        }                                                                                          \
    }

static inline int8_t relu(const struct task *t, const struct prog_requant_fast *r, int32_t acc)
{
    (void)t;
    return blocked_end_relu(r, acc);
}

static inline int8_t any(const struct task *t, const struct prog_requant_fast *r, int32_t acc)
{
    return blocked_end(&t->o, 0, r, acc);
}

FILTER3(1, relu)
FILTER3(2, relu)
FILTER3(1, any)
FILTER3(2, any)

// ---- the operator ----

static void filter3(const struct task *t, const struct k_call *k)
{
    if (t->op->p[1] == PROG_END_RELU)
        (t->op->sa == 1 ? filter3_1_relu : filter3_2_relu)(t, k);
    else
        (t->op->sa == 1 ? filter3_1_any : filter3_2_any)(t, k);
}

static __attribute__((noinline)) void channel(const struct task *t, int c, const int8_t *w,
                                              int32_t start,
                                              const struct prog_requant_fast *requant)
{
    const struct prog_op *op = t->op;
    const struct prog_requant_fast r = *requant;
    void (*const row)(const struct line *, const int8_t *, int, struct fast_range, int32_t *) =
        op->ka == 5 ? (op->sa == 1 ? row_5_1 : row_5_2) : (op->sa == 1 ? row_7_1 : row_7_2);
    int8_t *y = t->k->out + c;
    const size_t y_step = op->out.pix_step;
    for (int p = 0; p < t->k->n; p += RUN) {
        int32_t acc[RUN];
        const int n = smaller(RUN, t->k->n - p);
        const struct fast_range inside = {t->inside.lo > p ? t->inside.lo - p : 0,
                                          t->inside.hi > p ? t->inside.hi - p : 0};
        struct line l = {
            .step = t->step, .at = t->at + p * op->sa, .len = op->in_len, .zero = op->in_zero};
        for (int i = 0; i < n; i++)
            acc[i] = start;
        for (int s = 0; s < t->k->taps.n; s++) {
            l.x = t->slices[s] + c + (ptrdiff_t)(p * op->sa) * t->step;
            row(&l, w + (s + t->k->taps.first) * op->ka, n, inside, acc);
        }
        for (int i = 0; i < n; i++, y += y_step)
            *y = blocked_end(&t->o, op->p[1] == PROG_END_RELU, &r, acc[i]);
    }
}

// The slices in the places of their kernel rows; a row outside the tensor gets any other's, for it meets
// weights of zero.
static void place_rows3(struct task *t)
{
    const int8_t *const first = t->slices[0], *const second = t->slices[1];
    if (t->k->taps.n == 0) {
        t->step = 0;
    } else if (t->k->taps.n == 1) {
        t->slices[1] = t->slices[2] = first;
    } else if (t->k->taps.n == 2) {
        t->slices[2] = second; // of taps 0 and 1, or of taps 1 and 2
        t->slices[1] = t->k->taps.first ? first : second;
    }
}

void k_dwconv_fir(const struct prog_op *op, const struct k_call *k)
{
    const struct fast_range inside = fast_range_inside(op);
    struct task t = {.op = op,
                     .k = k,
                     .o = fast_out_of(op),
                     .step = (ptrdiff_t)op->in[0].pix_step,
                     .at = k->first * op->sa - op->pad_a};
    t.inside.lo = inside.lo > k->first ? inside.lo - k->first : 0;
    t.inside.hi = inside.hi > k->first ? inside.hi - k->first : 0;
    const int8_t *slice = k->in, *w = k_weights(op, k);
    const int32_t *const bias = k_bias(op, k);
    const struct prog_requant_fast *const requants = k_fast(op, k);
    for (int s = 0; s < 3; s++)
        t.slices[s] = k_zeros(op, k); // should all kernel rows be outside
    for (int s = 0; s < k->taps.n; slice = k_next_slice(op, k, slice, ++s))
        t.slices[s] = slice + t.at * t.step;
    if (op->ka == 3) {
        place_rows3(&t);
        filter3(&t, k);
        return;
    }
    for (int c = 0; c < op->out_c; c++, w += op->ks * op->ka)
        channel(&t, c, w, start_of(&t, w, bias[c]), requants + c);
}
