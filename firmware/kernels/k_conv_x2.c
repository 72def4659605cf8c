// SPDX-License-Identifier: MIT
// Convolution with packed constants, for Armv7E-M: two pixels times two output channels at a time. A
// 16-bit lane holds the weights of both channels, 256 * upper + lower, so that one multiplication of a
// lane serves both: over all taps, lanes give 256 * sum(upper) + sum(lower), and the lower bytes by
// themselves sum(lower). Small windows are widened to 16 bits once for all channels, two pixels side by
// side; large ones are read as they are, for every pair of channels anew.
#include "firmware/kernels/fast.h"

#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline)) // has all registers

struct sums { // of pixels a and b, or of channel pairs a and b of one pixel
    int32_t both_a, lower_a, both_b, lower_b;
};

// Two inputs of both pixels.
INLINE struct sums step(uint32_t a, uint32_t b, uint32_t w, struct sums s)
{
    const uint32_t lower = simd_even(w);
    s.both_a = simd_mac2(a, w, s.both_a);
    s.both_b = simd_mac2(b, w, s.both_b);
    s.lower_a = simd_mac2(a, lower, s.lower_a);
    s.lower_b = simd_mac2(b, lower, s.lower_b);
    return s;
}

// Four inputs of one pixel, with the weights of both pairs.
INLINE struct sums step1(uint32_t x0, uint32_t x1, const uint32_t **p, const uint32_t **q,
                         struct sums s)
{
    uint32_t v, u;
    simd_next2(p, &v, &u);
    s.both_a = simd_mac2(x0, v, s.both_a);
    s.lower_a = simd_mac2(x0, simd_even(v), s.lower_a);
    s.both_a = simd_mac2(x1, u, s.both_a);
    s.lower_a = simd_mac2(x1, simd_even(u), s.lower_a);
    simd_next2(q, &v, &u);
    s.both_b = simd_mac2(x0, v, s.both_b);
    s.lower_b = simd_mac2(x0, simd_even(v), s.lower_b);
    s.both_b = simd_mac2(x1, u, s.both_b);
    s.lower_b = simd_mac2(x1, simd_even(u), s.lower_b);
    return s;
}

// ---- sums of widened windows; x: [words][pixels], an even number of words ----

INLINE struct sums dot2(const uint32_t *x, const uint32_t *end, const uint32_t **w, struct sums s)
{
    uint32_t a, b, v, u;
    do {
        simd_next2(w, &v, &u);
        simd_next2(&x, &a, &b);
        s = step(a, b, v, s);
        simd_next2(&x, &a, &b);
        s = step(a, b, u, s);
    } while (x != end);
    return s;
}

INLINE struct sums dot1(const uint32_t *x, const uint32_t *end, const uint32_t **p,
                        const uint32_t **q, struct sums s)
{
    uint32_t x0, x1;
    do {
        simd_next2(&x, &x0, &x1);
        s = step1(x0, x1, p, q, s);
    } while (x != end);
    return s;
}

// ---- sums of windows in bytes ----

// The last n = 1..3 bytes of a run, in the lanes of one word or, three, of two.
INLINE uint32_t tail_first(const int8_t *x, int n)
{
    return n == 1 ? (uint32_t)(int32_t)x[0]
                  : simd_pack_low((uint32_t)(int32_t)x[0], (uint32_t)(int32_t)x[n - 1]);
}

INLINE struct sums four2(const int8_t **a, const int8_t **b, const uint32_t **w, struct sums s)
{
    uint32_t v, u;
    const uint32_t at_a = simd_load(*a), at_b = simd_load(*b);
    *a += 4, *b += 4;
    simd_next2(w, &v, &u);
    s = step(simd_even(at_a), simd_even(at_b), v, s);
    return step(simd_odd(at_a), simd_odd(at_b), u, s);
}

// A run of bytes of either pixel.
INLINE struct sums run2(const int8_t *a, const int8_t *b, int bytes, const uint32_t **w,
                        struct sums s)
{
    const int8_t *const end = a + (bytes & ~3);
    if (bytes & 4)
        s = four2(&a, &b, w, s);
    while (a != end) {
        s = four2(&a, &b, w, s);
        s = four2(&a, &b, w, s);
    }
    const int rest = bytes & 3;
    if (rest)
        s = step(tail_first(a, rest), tail_first(b, rest), *(*w)++, s);
    if (rest == 3)
        s = step((uint32_t)(int32_t)a[1], (uint32_t)(int32_t)b[1], *(*w)++, s);
    return s;
}

INLINE struct sums one_word(uint32_t x, const uint32_t **p, const uint32_t **q, struct sums s)
{
    const uint32_t v = *(*p)++, u = *(*q)++;
    s.both_a = simd_mac2(x, v, s.both_a);
    s.lower_a = simd_mac2(x, simd_even(v), s.lower_a);
    s.both_b = simd_mac2(x, u, s.both_b);
    s.lower_b = simd_mac2(x, simd_even(u), s.lower_b);
    return s;
}

INLINE struct sums run1(const int8_t *x, int bytes, const uint32_t **p, const uint32_t **q,
                        struct sums s)
{
    for (const int8_t *const end = x + (bytes & ~3); x != end; x += 4) {
        const uint32_t v = simd_load(x);
        s = step1(simd_even(v), simd_odd(v), p, q, s);
    }
    const int rest = bytes & 3;
    if (rest)
        s = one_word(tail_first(x, rest), p, q, s);
    if (rest == 3)
        s = one_word((uint32_t)(int32_t)x[1], p, q, s);
    return s;
}

// ---- from sums to bytes ----

struct ends { // of a pair of channels, behind its weights
    uint32_t mult[2], round[2], shift[2];
};

INLINE struct ends next_ends(const uint32_t **w)
{
    struct ends e;
    simd_next2(w, &e.mult[0], &e.round[0]);
    simd_next2(w, &e.mult[1], &e.round[1]);
    simd_next2(w, &e.shift[0], &e.shift[1]);
    return e;
}

INLINE int32_t end_relu(const struct ends *e, int i, int32_t sum)
{
    return fast_end_relu(sum, e->mult[i], e->round[i], e->shift[i]);
}

INLINE int32_t end_simple(const struct ends *e, int i, int32_t sum2)
{
    return fast_end_simple(sum2, e->mult[i], e->round[i], e->shift[i]);
}

APART int32_t end_any(const struct prog_op *op, uint32_t mult, uint32_t round, uint32_t shift,
                      int32_t sum2)
{
    const struct fast_out o = fast_out_of(op);
    const struct prog_requant_fast r = {(int32_t)mult, (int32_t)round, (int32_t)(shift & 0xFF),
                                        (int32_t)(shift >> 8)};
    return fast_finish(&o, &r, sum2);
}

INLINE void end_pixel(const struct prog_op *op, enum prog_end end, const struct ends *e,
                      int32_t both, int32_t lower, int8_t *y)
{
    // 256 * the upper sum fits in 32 bits, whatever wrapped around on the way.
    const int32_t upper = (int32_t)((uint32_t)both - (uint32_t)lower);
    const int32_t upper2 = simd_shift_right(upper, 7), lower2 = (int32_t)((uint32_t)lower * 2);
    if (end == PROG_END_RELU) // the upper channel's constants are made for a 256-fold sum
        simd_store2(y, end_relu(e, 0, upper), end_relu(e, 1, (int32_t)((uint32_t)lower * 4)));
    else if (end == PROG_END_SIMPLE)
        simd_store2(y, end_simple(e, 0, upper2), end_simple(e, 1, lower2));
    else
        simd_store2(y, end_any(op, e->mult[0], e->round[0], e->shift[0], upper2),
                    end_any(op, e->mult[1], e->round[1], e->shift[1], lower2));
}

// ---- all output channels of one pixel or of two ----

struct runs { // windows in bytes: of each kernel row n_parts, of one tap or of all
    const int8_t *rows[PROG_X2_MAX_ROWS]; // position 0; NULL: outside the tensor
    const int8_t *zeros;                  // for a tap outside
    int n_parts, bytes, first;            // position of the first tap
    ptrdiff_t pixel, to_b;                // from position to position; from one pixel to the other
};

struct task {
    const struct prog_op *op;
    const uint32_t *weights;
    int record; // words of a pair of channels
    ptrdiff_t y_step;
    const uint32_t *x, *x_mid, *x_end; // widened, of one pixel up to x_mid or of two up to x_end
    const struct runs *runs;           // or in bytes
};

static struct task task_of(const struct prog_op *op, const struct k_call *k)
{
    return (struct task){.op = op,
                         .weights = (const uint32_t *)(const void *)k_weights(op, k),
                         .record = PROG_X2_RECORD + prog_x2_words(op->ks, op->ka, op->in_c),
                         .y_step = (ptrdiff_t)op->out.pix_step};
}

INLINE struct sums dot_pixels(const struct task *t, bool widened, const uint32_t **w, struct sums s)
{
    if (widened)
        return dot2(t->x, t->x_end, w, s);
    const struct runs *r = t->runs;
    for (int i = 0; i < t->op->ks; i++) {
        const int8_t *a = r->rows[i] + r->first * r->pixel;
        for (int k = 0; k < r->n_parts; k++, a += r->pixel)
            s = run2(a, a + r->to_b, r->bytes, w, s);
    }
    return s;
}

// Both pixels, the second's bytes y_step further.
INLINE void two_pixels(const struct task *t, enum prog_end end, bool widened, int8_t *y)
{
    const int out_c = t->op->out_c;
    const ptrdiff_t y_step = t->y_step;
    const uint32_t *w = t->weights, *stop = w + out_c / 2 * t->record;
    for (bool odd = out_c & 1;; odd = false, stop = w + t->record) {
        do {
            uint32_t both, lower;
            simd_next2(&w, &both, &lower);
            struct sums s = {(int32_t)both, (int32_t)lower, (int32_t)both, (int32_t)lower};
            s = dot_pixels(t, widened, &w, s);
            const struct ends e = next_ends(&w);
            end_pixel(t->op, end, &e, s.both_b, s.lower_b, y + y_step);
            end_pixel(t->op, end, &e, s.both_a, s.lower_a, y);
            y += 2;
        } while (w != stop);
        if (!odd)
            return;
        y--; // the last pair begins one channel earlier
    }
}

INLINE struct sums dot_pairs(const struct task *t, bool widened, const uint32_t **p,
                             const uint32_t **q, struct sums s)
{
    if (widened)
        return dot1(t->x, t->x_mid, p, q, s);
    const struct runs *r = t->runs;
    for (int i = 0; i < t->op->ks; i++) {
        const int8_t *row = r->rows[i];
        const unsigned len = row ? t->op->in_len : 0;
        for (int k = r->first; k < r->first + r->n_parts; k++)
            s = run1((unsigned)k < len ? row + k * r->pixel : r->zeros, r->bytes, p, q, s);
    }
    return s;
}

// One pixel, two pairs of channels at a time; of an odd number of pairs the one before the last once more.
INLINE void one_pixel(const struct task *t, enum prog_end end, bool widened, int8_t *y)
{
    const int out_c = t->op->out_c, pairs = (out_c + 1) / 2, second = pairs > 1;
    for (int i = 0; i < pairs; i += 2) {
        const int a = i + second < pairs ? i : pairs - 1 - second, b = a + second;
        const uint32_t *p = t->weights + a * t->record, *q = t->weights + b * t->record;
        struct sums s = {(int32_t)p[0], (int32_t)p[1], (int32_t)q[0], (int32_t)q[1]};
        p += 2, q += 2;
        s = dot_pairs(t, widened, &p, &q, s);
        struct ends e = next_ends(&p);
        end_pixel(t->op, end, &e, s.both_a, s.lower_a, y + 2 * a - (2 * a + 2 > out_c));
        e = next_ends(&q);
        end_pixel(t->op, end, &e, s.both_b, s.lower_b, y + 2 * b - (2 * b + 2 > out_c));
    }
}

typedef void channels_fn(const struct task *t, int8_t *a);
#define CHANNELS(name, pixels, end, widened)                                                       \
    APART void name(const struct task *t, int8_t *y)                                               \
    {                                                                                              \
        pixels(t, end, widened, y);                                                                \
    }
CHANNELS(wide_relu_1, one_pixel, PROG_END_RELU, true)
CHANNELS(wide_relu_2, two_pixels, PROG_END_RELU, true)
CHANNELS(wide_simple_1, one_pixel, PROG_END_SIMPLE, true)
CHANNELS(wide_simple_2, two_pixels, PROG_END_SIMPLE, true)
CHANNELS(bytes_relu_1, one_pixel, PROG_END_RELU, false)
CHANNELS(bytes_relu_2, two_pixels, PROG_END_RELU, false)
CHANNELS(bytes_simple_1, one_pixel, PROG_END_SIMPLE, false)
CHANNELS(bytes_simple_2, two_pixels, PROG_END_SIMPLE, false)
CHANNELS(wide_any_1, one_pixel, PROG_END_ANY, true)
CHANNELS(bytes_any_1, one_pixel, PROG_END_ANY, false)

struct passes { // over all channels: of one pixel; of two, NULL where pixels go one by one
    channels_fn *one, *two;
};

static struct passes passes_of(const struct prog_op *op, bool widened)
{
    static const struct passes relu[2] = {{bytes_relu_1, bytes_relu_2}, {wide_relu_1, wide_relu_2}};
    static const struct passes simple[2] = {{bytes_simple_1, bytes_simple_2},
                                            {wide_simple_1, wide_simple_2}};
    return op->p[1] == PROG_END_RELU ? relu[widened]
           : op->p[1] == PROG_END_SIMPLE
               ? simple[widened]
               : (struct passes){widened ? wide_any_1 : bytes_any_1, NULL};
}

// ---- small windows, widened ----

// A run of bytes of one pixel; its words lie `step` apart. Returns where the next run's go.
static uint32_t *widen(const int8_t *x, int bytes, uint32_t *to, int step)
{
    for (const int8_t *const end = x + (bytes & ~3); x < end; x += 4, to += 2 * step) {
        const uint32_t v = simd_load(x);
        to[0] = simd_even(v);
        to[step] = simd_odd(v);
    }
    const int rest = bytes & 3;
    if (rest) {
        *to = tail_first(x, rest);
        to += step;
    }
    if (rest == 3) {
        *to = (uint32_t)(int32_t)x[1];
        to += step;
    }
    return to;
}

// The same of two pixels, side by side.
static inline uint32_t *widen2(const int8_t *a, const int8_t *b, int bytes, uint32_t *to)
{
    for (const int8_t *const end = a + (bytes & ~3); a < end; a += 4, b += 4) {
        const uint32_t at_a = simd_load(a), at_b = simd_load(b);
        simd_put2(&to, simd_even(at_a), simd_even(at_b));
        simd_put2(&to, simd_odd(at_a), simd_odd(at_b));
    }
    const int rest = bytes & 3;
    if (rest)
        simd_put2(&to, tail_first(a, rest), tail_first(b, rest));
    if (rest == 3)
        simd_put2(&to, (uint32_t)(int32_t)a[1], (uint32_t)(int32_t)b[1]);
    return to;
}

// A window that reaches beyond the tensor, or whose pixels lie apart: tap after tap, byte after byte.
APART void widen_taps(const struct prog_op *op, const struct k_call *k, int p, uint32_t *to,
                      int step)
{
    const int first = p * op->sa - op->pad_a;
    const int8_t *slice = k->in;
    for (int s = 0; s < op->ks; s++) {
        const bool inside = s >= k->taps.first && s < k->taps.first + k->taps.n;
        const int8_t *x = slice + first * (ptrdiff_t)op->in[0].pix_step;
        int8_t four[4] = {0};
        int n = 0;
        for (int a = first; a < first + op->ka; a++, x += op->in[0].pix_step) {
            const int8_t *from = inside && a >= 0 && a < op->in_len ? x : k_zeros(op, k);
            if (op->in_c % 4 == 0) {
                to = widen(from, op->in_c, to, step);
                continue;
            }
            for (const int8_t *const end = from + op->in_c; from < end;) {
                four[n++] = *from++;
                if (n == 4) {
                    to = widen(four, n, to, step);
                    n = 0;
                }
            }
        }
        to = widen(four, n, to, step);
        if (inside)
            slice = k_next_slice(op, k, slice, s + 1 - k->taps.first);
    }
}

// The rows of the window of an inner position, or of two neighbours.
APART void widen_rows(const struct prog_op *op, const struct k_call *k, int p, bool two,
                      uint32_t *to)
{
    const ptrdiff_t pixel = (ptrdiff_t)op->in[0].pix_step, next = op->sa * pixel;
    const int bytes = op->ka * op->in_c;
    const ptrdiff_t at = (p * op->sa - op->pad_a) * pixel;
    const int8_t *slice = k->in;
    for (int s = 0; s < op->ks; slice = k_next_slice(op, k, slice, ++s))
        to = two ? widen2(slice + at, slice + at + next, bytes, to)
                 : widen(slice + at, bytes, to, 1);
}

// Windows of one tap, all inside the tensor.
static inline void pointwise(const struct task *t, const struct k_call *k, struct passes pass,
                             uint32_t *x)
{
    const ptrdiff_t pixel = (ptrdiff_t)t->op->in[0].pix_step, next = t->op->sa * pixel;
    const int8_t *slice = k->in + k->first * next;
    const int bytes = t->op->in_c;
    int8_t *out = k->out;
    for (int slices = k->taps.slices;; slice += k_in_slice(t->op), out += t->op->out.slice_step) {
        const int8_t *a = slice;
        int8_t *y = out;
        int n = k->n;
        for (; n > 1 && pass.two; n -= 2, a += 2 * next, y += 2 * t->y_step) {
            widen2(a, a + next, bytes, x);
            SIMD_WRITTEN(x);
            pass.two(t, y);
        }
        for (; n > 0; n--, a += next, y += t->y_step) {
            widen(a, bytes, x, 1);
            SIMD_WRITTEN(x);
            pass.one(t, y);
        }
        if (--slices == 0)
            return; // before what one slice has no need of is worked out
    }
}

static inline void windows(const struct task *t, const struct k_call *k, struct passes pass,
                           uint32_t *x)
{
    const struct prog_op *op = t->op;
    const bool rows = k->taps.n == op->ks && op->in[0].pix_step == op->in_c;
    const struct fast_range inside = rows ? fast_range_inside(op) : (struct fast_range){0};
    const int stop = k->first + k->n;
    int8_t *y = k->out;
    for (int p = k->first, n; p < stop; p += n, y += n * t->y_step) {
        const bool pair = p + 1 < stop && pass.two;
        n = 1 + pair;
        if (p >= inside.lo && p + pair < inside.hi) {
            widen_rows(op, k, p, pair, x);
        } else {
            widen_taps(op, k, p, x, n);
            if (pair)
                widen_taps(op, k, p + 1, x + 1, 2);
        }
        SIMD_WRITTEN(x);
        (pair ? pass.two : pass.one)(t, y);
    }
}

APART void widened(const struct prog_op *op, const struct k_call *k)
{
    uint32_t x[PROG_X2_WORDS];
    struct task t = task_of(op, k);
    const int words = t.record - PROG_X2_RECORD;
    struct passes pass = passes_of(op, true);
    if (2 * words > PROG_X2_WORDS)
        pass.two = NULL;
    x[words - 1] = 0; // where the number is rounded up
    if (pass.two)
        x[2 * words - 2] = x[2 * words - 1] = 0;
    t.x = x;
    t.x_mid = x + words;
    t.x_end = x + 2 * words;
    if (op->ks * op->ka == 1 && k->taps.n == 1 && op->pad_a == 0 &&
        (k->first + k->n - 1) * op->sa < op->in_len)
        pointwise(&t, k, pass, x);
    else
        windows(&t, k, pass, x);
}

// ---- large windows, as they are ----

// Position 0 of every kernel row's slice.
static void find_rows(const struct prog_op *op, const struct k_call *k, const int8_t **rows)
{
    const int8_t *slice = k->in;
    for (int s = 0; s < op->ks; s++) {
        rows[s] = NULL;
        if (s >= k->taps.first && s < k->taps.first + k->taps.n) {
            rows[s] = slice;
            slice = k_next_slice(op, k, slice, s + 1 - k->taps.first);
        }
    }
}

APART void unwidened(const struct prog_op *op, const struct k_call *k)
{
    struct runs r = {.zeros = k_zeros(op, k),
                     .pixel = (ptrdiff_t)op->in[0].pix_step,
                     .to_b = op->sa * (ptrdiff_t)op->in[0].pix_step};
    struct task t = task_of(op, k);
    const struct passes pass = passes_of(op, false);
    const bool whole =
        op->in[0].pix_step == op->in_c && op->in_c % 4 == 0; // a row of taps is one part
    const struct fast_range inside =
        k->taps.n == op->ks ? fast_range_inside(op) : (struct fast_range){0};
    const int stop = k->first + k->n;
    int8_t *y = k->out;
    find_rows(op, k, r.rows);
    t.runs = &r;
    for (int p = k->first, n; p < stop; p += n, y += n * t.y_step) {
        const bool inner = p >= inside.lo && p < inside.hi;
        n = inner && p + 1 < stop && p + 1 < inside.hi && pass.two ? 2 : 1;
        r.first = p * op->sa - op->pad_a;
        r.n_parts = inner && whole ? 1 : op->ka;
        r.bytes = op->in_c * op->ka / r.n_parts;
        (n == 2 ? pass.two : pass.one)(&t, y);
    }
}

void k_conv_x2(const struct prog_op *op, const struct k_call *k)
{
    if (prog_x2_words(op->ks, op->ka, op->in_c) <= PROG_X2_WORDS)
        widened(op, k);
    else
        unwidened(op, k);
}
