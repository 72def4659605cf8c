// SPDX-License-Identifier: MIT
// Depthwise convolution, two channels at two neighbouring positions at a time. The windows of both lie in one patch of the
// input, whose bytes are loaded and widened once. Two kernel rows are taken together: a lane holds the tap of either,
// so one SMLAD serves both; of an odd number of rows the last goes by itself, two taps of it a word. A position that is
// left over goes alone, and so do all of a kernel that is not 3 x 3, 5 x 5 or 7 x 7 at stride 1 or 2.
//
// A table of pointers to the patch's taps knows of borders, slices and rings, and is made once for all channels; while a
// patch lies inside the tensor the next one is at the same pointers with another offset. The constants of a
// pair of channels lie in the order of their use (PROG_DWCONV_X2).
#include "firmware/kernels/fast.h"

#define MAX_PATCH 63 // taps of the widest patch: 7 x 7 at stride 2

struct task {
    const struct prog_op *op;
    const struct k_window *in;
    const int8_t *zeros;
    const uint32_t *consts;
    size_t step; // from position to position of the input, and of the output
    size_t out_step;
    struct fast_out o;
    enum prog_end end;
    bool odd; // channels
};

// Kernels whose positions can go two by two.
static inline bool has_second_positions(const struct prog_op *op)
{
    return op->ks == op->ka && (op->ka == 3 || op->ka == 5 || op->ka == 7) && op->sa <= 2;
}

// ---- where the taps are ----

struct patch {
    ptrdiff_t offset; // to be added to the pointers
    bool inside;      // no tap is outside the tensor
};

// Pointers in the order of their use: [ks / 2][columns][2 rows], then those of the last of an odd number of rows.
static void find_taps(const struct task *t, int first, int columns, const int8_t **taps)
{
    const struct k_window *in = t->in;
    const int8_t *slice = in->slice, *const zeros = t->zeros;
    const int ks = t->op->ks;
    const size_t step = t->step;
    for (int s = 0; s < ks; s++) {
        const bool inside = s >= in->tap && s < in->tap + in->taps;
        const unsigned positions = inside ? t->op->in_len : 0;
        const int apart = s < (ks & ~1) ? 2 : 1;
        const int8_t **to = taps + (s & ~1) * columns + (s & 1);
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)step;
        for (int a = first; a < first + columns; a++, x += step, to += apart)
            *to = (unsigned)a < positions ? x : zeros;
        if (inside)
            slice = fast_next_slice(in, slice);
    }
}

// The patch of `columns` columns from `first` on, which lies `apart` behind the one before.
static __attribute__((noinline)) ptrdiff_t place(const struct task *t, struct patch *patch,
                                                 int first, int columns, int apart,
                                                 const int8_t **taps)
{
    const bool inside = t->in->taps == t->op->ks && first >= 0 && first + columns <= t->op->in_len;
    if (inside && patch->inside) {
        patch->offset += apart * (ptrdiff_t)t->step;
    } else {
        find_taps(t, first, columns, taps);
        patch->offset = 0;
        patch->inside = inside;
    }
    return patch->offset;
}

// ---- two channels ----

struct pair { // of channels c and c + 1
    uint32_t a, b;
};

static inline struct pair constants(const uint32_t *w)
{
    struct pair p;
    simd_load2(w, &p.a, &p.b);
    return p;
}

// Two taps in the lanes of either channel.
static inline struct pair two_taps(const int8_t *const *taps, ptrdiff_t c)
{
    const int8_t *x0, *x1;
    simd_pointers2(taps, &x0, &x1);
    const uint32_t v = simd_pack_low(simd_load_half(x0 + c), simd_load_half(x1 + c));
    return (struct pair){simd_even(v), simd_odd(v)};
}

static inline struct pair one_tap(const int8_t *const *taps, ptrdiff_t c)
{
    const uint32_t v = simd_load_half(*taps + c);
    return (struct pair){simd_even(v), simd_odd(v)};
}

struct sums {
    int32_t a, b;
};

static inline struct sums mac2(struct pair x, struct pair w, struct sums s)
{
    return (struct sums){simd_mac2(x.a, w.a, s.a), simd_mac2(x.b, w.b, s.b)};
}

// The lower tap times the upper weight.
static inline struct sums mac_last(struct pair x, struct pair w, struct sums s)
{
    return (struct sums){simd_mac_top(w.a, x.a, s.a), simd_mac_top(w.b, x.b, s.b)};
}

// The upper tap times the lower weight.
static inline struct sums mac_first(struct pair x, struct pair w, struct sums s)
{
    return (struct sums){simd_mac_top(x.a, w.a, s.a), simd_mac_top(x.b, w.b, s.b)};
}

// ---- from sum to byte ----
// See struct prog_requant_fast. Of either channel e has multiplier, rounding and shifts: to the right,
// 256 times to the left; the second's are negative in the last pair of channels.

static inline int32_t finish_relu(int32_t sum4, uint32_t mult, uint32_t round, uint32_t shifts)
{
    const int32_t v = simd_mul_high_add(sum4, (int32_t)mult, (int32_t)round);
    return simd_saturate8(simd_shift_right(v, shifts));
}

// The sign is that of the sum, not of its product as in fast_finish(). They differ where a negative sum has a product
// that rounds to 0: then one less is shifted, but half - 1 >> right is 0 like half >> right.
static inline int32_t finish_simple(int32_t sum2, uint32_t mult, uint32_t round, uint32_t shifts)
{
    const int32_t v = simd_mul_high_round_add(sum2, (int32_t)mult, (int32_t)round);
    // cppcheck-suppress shiftTooManyBitsSigned ; gcc and clang define it: the sign is shifted in
    return simd_saturate8(simd_shift_right(v + (sum2 >> 31), shifts));
}

static int8_t finish_any(const struct task *t, const uint32_t *e, int32_t sum)
{
    if (t->end == PROG_END_RELU)
        return (int8_t)finish_relu(sum, e[0], e[1], e[2]);
    if (t->end == PROG_END_SIMPLE)
        return (int8_t)finish_simple(sum, e[0], e[1], e[2]);
    const struct prog_requant_fast r = {(int32_t)e[0], (int32_t)e[1], (int32_t)(e[2] & 0xFF),
                                        (int32_t)(e[2] >> 8 & 0xFF)};
    return fast_finish(&t->o, &r, sum);
}

// Two channels of one position. The result is negative if they are the last.
static inline __attribute__((always_inline)) int32_t finish_relu_pair(const uint32_t *e,
                                                                      struct sums s, int8_t **y)
{
    const struct pair first = constants(e), middle = constants(e + 2), last = constants(e + 4);
    simd_store_next(y, finish_relu(s.a, first.a, first.b, middle.a));
    simd_store_next(y, finish_relu(s.b, middle.b, last.a, last.b));
    return (int32_t)last.b;
}

// Likewise, for any end.
static __attribute__((noinline)) int32_t finish_others(const struct task *t, const uint32_t *e,
                                                       int32_t a, int32_t b, int8_t *y)
{
    y[0] = finish_any(t, e, a);
    y[1] = finish_any(t, e + 3, b);
    return (int32_t)e[5];
}

// ---- two positions ----

struct sums2 {
    struct sums s0, s1; // of either position
};

// Two rows: of each column the pointers to both taps, and of each of the ka weights those of both rows.
static inline __attribute__((always_inline)) struct sums2 row_pair(const int ka, const int sa,
                                                                   const int8_t *const *taps,
                                                                   ptrdiff_t c, const uint32_t *w,
                                                                   struct sums2 s)
{
    struct pair x = two_taps(taps, c), next = x;
    if (sa == 2)
        next = two_taps(taps + 2, c);
#pragma GCC unroll 7
    for (int k = 0; k < ka; k++) {
        const struct pair weight = constants(w + 2 * k);
        s.s0 = mac2(x, weight, s.s0);
        if (sa == 2)
            x = next;
        next = two_taps(taps + 2 * (k + sa), c);
        s.s1 = mac2(next, weight, s.s1);
        if (sa == 1)
            x = next;
    }
    return s;
}

// The last row at stride 1: taps 0 and 1, 2 and 3 and so on share words. The second position meets weights in other
// pairs, 1 and 2, 3 and 4; its first tap and the first position's last go by themselves.
static inline __attribute__((always_inline)) struct sums2
last_row_1(const int ka, const int8_t *const *taps, ptrdiff_t c, const uint32_t *w, struct sums2 s)
{
    struct pair x = two_taps(taps, c), weight = {0, 0};
#pragma GCC unroll 3
    for (int i = 0; i < ka / 2; i++) {
        weight = constants(w + 2 * i);
        s.s0 = mac2(x, weight, s.s0);
        if (i == 0)
            s.s1 = mac_first(x, weight, s.s1);
        x = two_taps(taps + 2 * i + 2, c);
        weight = constants(w + 2 * (ka / 2 + i));
        s.s1 = mac2(x, weight, s.s1);
    }
    s.s0 = mac_last(x, weight, s.s0);
    return s;
}

// At stride 2 both positions meet the same pairs.
static inline __attribute__((always_inline)) struct sums2
last_row_2(const int ka, const int8_t *const *taps, ptrdiff_t c, const uint32_t *w, struct sums2 s)
{
    struct pair x = two_taps(taps, c);
#pragma GCC unroll 3
    for (int i = 0; i < ka / 2; i++) {
        const struct pair next = two_taps(taps + 2 * i + 2, c), weight = constants(w + 2 * i);
        s.s0 = mac2(x, weight, s.s0);
        s.s1 = mac2(next, weight, s.s1);
        x = next;
    }
    const struct pair weight = constants(w + ka - 1);
    s.s0 = mac_last(x, weight, s.s0);
    s.s1 = mac_last(one_tap(taps + ka + 1, c), weight, s.s1);
    return s;
}

// Two channels of two positions that end with a ReLU. Negative: the last ones.
static inline __attribute__((always_inline)) int32_t finish_relus(const uint32_t *e, struct sums2 s,
                                                                  int8_t **y0, int8_t **y1)
{
    const struct pair first = constants(e), middle = constants(e + 2);
    simd_store_next(y0, finish_relu(s.s0.a, first.a, first.b, middle.a));
    simd_store_next(y1, finish_relu(s.s1.a, first.a, first.b, middle.a));
    const struct pair last = constants(e + 4);
    simd_store_next(y0, finish_relu(s.s0.b, middle.b, last.a, last.b));
    simd_store_next(y1, finish_relu(s.s1.b, middle.b, last.a, last.b));
    return (int32_t)last.b;
}

// n positions, an even number.
static inline __attribute__((always_inline)) void two_by_two(const struct task *t, const int ka,
                                                             const int sa, const bool relu,
                                                             int first, int n, int8_t *y)
{
    const int columns = ka + sa, row_words = sa == 1 ? 2 * (ka - 1) : ka + 1;
    const int8_t *taps[MAX_PATCH];
    struct patch patch = {0, false};
    for (; n > 0; n -= 2, first += 2 * sa, y += 2 * t->out_step) {
        const uint32_t *w = t->consts;
        ptrdiff_t c = place(t, &patch, first, columns, 2 * sa, taps);
        int8_t *y0 = y, *y1 = y + t->out_step;
        bool odd = t->odd;
        for (;;) {
            int32_t end;
            do {
                const struct pair bias = constants(w);
                const struct sums start = {(int32_t)bias.a, (int32_t)bias.b};
                struct sums2 s = {start, start};
                w += 2;
#pragma GCC unroll 1
                for (int i = 0; i < ka / 2; i++, w += 2 * ka)
                    s = row_pair(ka, sa, taps + i * 2 * columns, c, w, s);
                s = (sa == 1 ? last_row_1 : last_row_2)(ka, taps + (ka - 1) * columns, c, w, s);
                w += row_words;
                if (relu || t->end == PROG_END_RELU) {
                    end = finish_relus(w, s, &y0, &y1);
                } else {
                    end = finish_others(t, w, s.s0.a, s.s0.b, y0);
                    finish_others(t, w, s.s1.a, s.s1.b, y1);
                    y0 += 2;
                    y1 += 2;
                }
                w += 6;
                c += 2;
            } while (end >= 0);
            if (!odd)
                break;
            odd = false; // once more, from the last channel but one
            c--, y0--, y1--;
        }
    }
}

// ---- one position ----

// Constants of any kernel: words of two taps a channel, words of its last row that only second positions need, and one tap
// that may be left.
struct shape {
    int pairs, skipped;
    bool single;
};

static inline struct shape shape_of(const struct prog_op *op)
{
    struct shape s = {op->ks / 2 * op->ka, 0, false};
    if (op->ks % 2) {
        s.pairs += op->ka / 2;
        s.single = op->ka % 2;
        if (has_second_positions(op) && op->sa == 1)
            s.skipped = op->ka / 2 - 1;
    }
    return s;
}

static inline __attribute__((always_inline)) void
one_by_one(const struct task *t, const struct shape shape, int first, int n, int8_t *y)
{
    const int sa = t->op->sa;
    const int8_t *taps[PROG_MAX_TAPS];
    struct patch patch = {0, false};
    for (; n > 0; n--, first += sa, y += t->out_step) {
        const uint32_t *w = t->consts;
        ptrdiff_t c = place(t, &patch, first, t->op->ka, sa, taps);
        int8_t *y0 = y;
        bool odd = t->odd;
        for (;;) {
            int32_t end;
            do {
                const int8_t *const *tap = taps;
                const struct pair bias = constants(w);
                struct sums s = {(int32_t)bias.a, (int32_t)bias.b};
                w += 2;
#pragma GCC unroll 4
                for (int i = 0; i < shape.pairs; i++, w += 2, tap += 2)
                    s = mac2(two_taps(tap, c), constants(w), s);
                if (shape.single) {
                    w += 2 * shape.skipped;
                    s = mac_last(one_tap(tap, c), constants(w), s);
                    w += 2;
                }
                if (t->end == PROG_END_RELU)
                    end = finish_relu_pair(w, s, &y0);
                else {
                    end = finish_others(t, w, s.a, s.b, y0);
                    y0 += 2;
                }
                w += 6;
                c += 2;
            } while (end >= 0);
            if (!odd)
                break;
            odd = false;
            c--, y0--;
        }
    }
}

// One channel: no second one may be read or written.
static __attribute__((noinline)) void lonely(const struct task *t, int first, int n, int8_t *y)
{
    const struct shape shape = shape_of(t->op);
    const int8_t *taps[MAX_PATCH];
    for (; n > 0; n--, first += t->op->sa, y += t->out_step) {
        const int8_t **tap = taps;
        const uint32_t *w = t->consts + 2;
        int32_t sum = (int32_t)t->consts[0];
        find_taps(t, first, t->op->ka, taps);
        for (int i = 0; i < shape.pairs; i++, w += 2, tap += 2)
            sum = simd_mac2(simd_pack_low((uint32_t)*tap[0], (uint32_t)*tap[1]), *w, sum);
        if (shape.single) {
            w += 2 * shape.skipped;
            sum = simd_mac_top(*w, (uint32_t) * *tap, sum);
            w += 2;
        }
        *y = finish_any(t, w, sum);
    }
}

// ---- the operator ----

// Functions of their own, so that each has all registers.
#define TWO_BY_TWO(name, ka, sa, relu)                                                             \
    static __attribute__((noinline)) void name(const struct task *t, int first, int n, int8_t *y)  \
    {                                                                                              \
        two_by_two(t, ka, sa, relu, first, n, y);                                                  \
    }
TWO_BY_TWO(two_3_1_relu, 3, 1, true)
TWO_BY_TWO(two_3_2_relu, 3, 2, true)
TWO_BY_TWO(two_5_1, 5, 1, false)
TWO_BY_TWO(two_5_2, 5, 2, false)
TWO_BY_TWO(two_7_1, 7, 1, false)
TWO_BY_TWO(two_7_2, 7, 2, false)

static __attribute__((noinline)) void one_3(const struct task *t, int first, int n, int8_t *y)
{
    one_by_one(t, (struct shape){4, 0, true}, first, n, y);
}

static __attribute__((noinline)) void one_any(const struct task *t, int first, int n, int8_t *y)
{
    one_by_one(t, shape_of(t->op), first, n, y);
}

typedef void positions_fn(const struct task *t, int first, int n, int8_t *y);

static positions_fn *two_for(const struct prog_op *op)
{
    static positions_fn *const all[3][2] = {
        {two_3_1_relu, two_3_2_relu}, {two_5_1, two_5_2}, {two_7_1, two_7_2}};
    return all[op->ka / 2 - 1][op->sa - 1];
}

void k_dwconv_x2(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
                 const struct k_out *out)
{
    const struct task t = {.op = op,
                           .in = in,
                           .zeros = k->zeros,
                           .consts = (const uint32_t *)(const void *)k->weights,
                           .step = in->pix_step,
                           .out_step = out->pix_step,
                           .o = fast_out_of(op),
                           .end = (enum prog_end)op->p[1],
                           .odd = op->out_c % 2};
    const int even = has_second_positions(op) && op->out_c > 1 &&
                             (op->ka > 3 || t.end == PROG_END_RELU)
                         ? out->n & ~1
                         : 0,
              left = out->n - even;
    const int first = out->first * op->sa - op->pad_a;
    if (even)
        two_for(op)(&t, first, even, out->pixel);
    if (left)
        (op->out_c == 1 ? lonely
         : op->ks == 3 && op->ka == 3
             ? one_3
             : one_any)(&t, first + even * op->sa, left, out->pixel + (size_t)even * out->pix_step);
}
