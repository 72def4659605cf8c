// SPDX-License-Identifier: MIT
// Depthwise convolution, two channels at two neighbouring positions at a time. The windows of both lie in one patch of the
// input, whose bytes are loaded and widened once. Two kernel rows are taken together: a lane holds the tap of either,
// so one SMLAD serves both; of an odd number of rows the last goes by itself, two taps of it a word. A position that is
// left over goes alone, and so do all where the kernel is not 3 x 3, 5 x 5 or 7 x 7 at stride 1 or 2 with a ReLU behind it.
//
// A table of pointers to the patch's taps knows of borders, slices and rings, and is made once for all channels; while a
// patch lies inside the tensor the next one is at the same pointers with another offset. The constants of a
// pair of channels lie in the order of their use (PROG_DWCONV_X2).
#include "firmware/kernels/fast.h"

#define MAX_PATCH 63 // taps of the widest patch: 7 x 7 at stride 2

struct task {
    const struct prog_op *op;
    const struct k_call *k;
    const int8_t *zeros;
    const uint32_t *consts;
    size_t step; // from position to position of the input, and of the output
    size_t out_step;
    enum prog_end end;
    int row_words; // of two channels, of all pairs of kernel rows
    bool odd;      // channels
};

// ---- where the taps are ----

// Pointers to the taps of the patch of `columns` columns from position `first` on, in the order of their use: [ks /
// 2][columns][2 rows], then those of the last of an odd number of rows. How many patches, up to `most`, do they serve,
// each `apart` positions behind the one before?
static __attribute__((noinline)) int find_taps(const struct task *t, int first, int columns,
                                               int apart, int most, const int8_t **taps)
{
    const struct k_call *k = t->k;
    const int8_t *slice = k->in, *const zeros = t->zeros;
    const int ks = t->op->ks, len = t->op->in_len, room = len - columns - first;
    const ptrdiff_t along = first * (ptrdiff_t)t->step;
    const bool within = first >= 0 && room >= 0;
    for (int s = 0; s < ks; s++) {
        const bool inside = (unsigned)(s - k->taps.first) < (unsigned)k->taps.n;
        const int next = s < (ks & ~1) ? 2 : 1;
        const int8_t **to = taps + (s & ~1) * columns + (s & 1), **const end = to + columns * next;
        const int8_t *x = inside ? slice + along : zeros;
        const size_t step = inside ? t->step : 0;
        if (inside)
            slice = k_next_slice(t->op, k, slice, s + 1 - k->taps.first);
        if (within) {
            for (; to < end; to += next, x += step)
                *to = x;
            continue;
        }
        for (int a = first; to < end; a++, to += next, x += step)
            *to = (unsigned)a < (unsigned)len ? x : zeros;
    }
    if (!within || k->taps.n < ks)
        return 1;
    return room / apart < most ? room / apart + 1 : most;
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

static inline struct pair next_constants(const uint32_t **w)
{
    struct pair p;
    simd_next2(w, &p.a, &p.b);
    return p;
}

// Two taps in the lanes of either channel.
static inline struct pair lanes(const int8_t *x0, const int8_t *x1)
{
    const uint32_t v = simd_pack_low(simd_load_half(x0), simd_load_half(x1));
    return (struct pair){simd_even(v), simd_odd(v)};
}

static inline struct pair two_taps(const int8_t *const *taps, ptrdiff_t c)
{
    const int8_t *x0, *x1;
    simd_pointers2(taps, &x0, &x1);
    return lanes(x0 + c, x1 + c);
}

static inline struct pair next_taps(const int8_t *const **taps, ptrdiff_t c)
{
    const int8_t *x0, *x1;
    simd_next_pointers2(taps, &x0, &x1);
    return lanes(x0 + c, x1 + c);
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

static __attribute__((noinline)) int8_t finish_any(const struct prog_op *op, const uint32_t *e,
                                                   int32_t sum2)
{
    const struct fast_out o = fast_out_of(op);
    const struct prog_requant_fast r = {(int32_t)e[0], (int32_t)e[1], (int32_t)(e[2] & 0xFF),
                                        (int32_t)(e[2] >> 8 & 0xFF)};
    return fast_finish(&o, &r, sum2);
}

// Two channels of one position that do not end with a ReLU. The result is negative if they are the last.
static __attribute__((noinline)) int32_t finish_others(const struct task *t, const uint32_t *e,
                                                       int32_t a, int32_t b, int8_t *y)
{
    if (t->end == PROG_END_SIMPLE) {
        y[0] = (int8_t)fast_end_simple(a, e[0], e[1], e[2]);
        y[1] = (int8_t)fast_end_simple(b, e[3], e[4], e[5]);
    } else {
        y[0] = finish_any(t->op, e, a);
        y[1] = finish_any(t->op, e + 3, b);
    }
    return (int32_t)e[5];
}

// ---- two positions ----

struct sums2 {
    struct sums s0, s1; // of either position
};

// Two rows: of each column the pointers to both taps, and of each of the ka weights those of both rows. near: pointers are
// addressed from where they begin, not one by one.
static inline __attribute__((always_inline)) struct sums2
row_pair(const int ka, const int sa, const bool near, const int8_t *const **taps, ptrdiff_t c,
         const uint32_t **w, struct sums2 s)
{
    const int8_t *const *const begin = *taps;
    struct pair x = near ? two_taps(begin, c) : next_taps(taps, c), next = x;
    if (sa == 2)
        next = near ? two_taps(begin + 2, c) : next_taps(taps, c);
#pragma GCC unroll 7
    for (int k = 0; k < ka; k++) {
        const struct pair weight = next_constants(w);
        s.s0 = mac2(x, weight, s.s0);
        if (sa == 2)
            x = next;
        next = near ? two_taps(begin + 2 * (k + sa), c) : next_taps(taps, c);
        s.s1 = mac2(next, weight, s.s1);
        if (sa == 1)
            x = next;
    }
    if (near)
        *taps += 2 * (ka + sa);
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

// Two channels of two positions that end with a ReLU. The result is negative if they are the last.
static inline __attribute__((always_inline)) int32_t finish2(const uint32_t *e, struct sums2 s,
                                                             int8_t **y0, int8_t **y1)
{
    const struct pair first = constants(e), middle = constants(e + 2);
    simd_store_next(y0, fast_end_relu(s.s0.a, first.a, first.b, middle.a));
    simd_store_next(y1, fast_end_relu(s.s1.a, first.a, first.b, middle.a));
    const struct pair last = constants(e + 4);
    simd_store_next(y0, fast_end_relu(s.s0.b, middle.b, last.a, last.b));
    simd_store_next(y1, fast_end_relu(s.s1.b, middle.b, last.a, last.b));
    return (int32_t)last.b;
}

// All channels of two positions.
static inline __attribute__((always_inline)) void two_positions(const struct task *t, const int ka,
                                                                const int sa,
                                                                const int8_t *const *taps,
                                                                ptrdiff_t c, int8_t *y)
{
    const int row_words = sa == 1 ? 2 * (ka - 1) : ka + 1;
    const uint32_t *w = t->consts;
    int8_t *y0 = y, *y1 = y + t->out_step;
    for (bool odd = t->odd;; odd = false) {
        int32_t state;
        do {
            const struct pair bias = next_constants(&w);
            const struct sums start = {(int32_t)bias.a, (int32_t)bias.b};
            struct sums2 s = {start, start};
            const int8_t *const *tap = taps;
            const uint32_t *const rows = w + t->row_words;
            do
                s = row_pair(ka, sa, ka == 3, &tap, c, &w, s);
            while (ka > 3 && w < rows);
            s = (sa == 1 ? last_row_1 : last_row_2)(ka, tap, c, w, s);
            w += row_words;
            state = finish2(w, s, &y0, &y1);
            w += 6;
            c += 2;
        } while (state >= 0);
        if (!odd)
            break;
        c--, y0--, y1--; // once more, from the last channel but one
    }
}

// n pairs of positions of a 3 x 3 kernel. The table has to lie in the frame of the function that reads it, for there is no
// register for its address.
static inline __attribute__((always_inline)) void two_by_two_3(const struct task *t, const int sa,
                                                               int first, int n, int8_t *y)
{
    const int8_t *taps[3 * 5];
    while (n > 0) {
        int same = find_taps(t, first, 3 + sa, 2 * sa, n, taps);
        n -= same;
        first += same * 2 * sa;
        for (ptrdiff_t c = 0; same > 0; same--, c += 2 * sa * (ptrdiff_t)t->step) {
            two_positions(t, 3, sa, taps, c, y);
            y += 2 * t->out_step;
        }
    }
}

// Functions of their own, so that each has all registers.
#define TWO_BY_TWO_3(name, sa)                                                                     \
    static __attribute__((noinline)) void name(const struct task *t, int first, int n, int8_t *y)  \
    {                                                                                              \
        two_by_two_3(t, sa, first, n, y);                                                          \
    }
TWO_BY_TWO_3(two_3_1, 1)
TWO_BY_TWO_3(two_3_2, 2)

#define TWO_POSITIONS(name, ka, sa)                                                                \
    static __attribute__((noinline)) void name(const struct task *t, const int8_t *const *taps,    \
                                               ptrdiff_t c, int8_t *y)                             \
    {                                                                                              \
        two_positions(t, ka, sa, taps, c, y);                                                      \
    }
TWO_POSITIONS(two_5_1, 5, 1)
TWO_POSITIONS(two_5_2, 5, 2)
TWO_POSITIONS(two_7_1, 7, 1)
TWO_POSITIONS(two_7_2, 7, 2)

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
        if (op->p[2] == 2 && op->sa == 1)
            s.skipped = op->ka / 2 - 1;
    }
    return s;
}

static inline __attribute__((always_inline)) int32_t
finish1(const struct task *t, const uint32_t *e, struct sums s, int8_t **y)
{
    if (t->end != PROG_END_RELU) {
        const int32_t state = finish_others(t, e, s.a, s.b, *y);
        *y += 2;
        return state;
    }
    const struct pair first = constants(e), middle = constants(e + 2), last = constants(e + 4);
    simd_store_next(y, fast_end_relu(s.a, first.a, first.b, middle.a));
    simd_store_next(y, fast_end_relu(s.b, middle.b, last.a, last.b));
    return (int32_t)last.b;
}

// All channels of one position.
static inline __attribute__((always_inline)) void
one_position(const struct task *t, const struct shape shape, const int unrolled,
             const int8_t *const *taps, ptrdiff_t c, int8_t *y)
{
    const uint32_t *w = t->consts;
    for (bool odd = t->odd;; odd = false) {
        int32_t state;
        do {
            const int8_t *const *tap = taps;
            const struct pair bias = next_constants(&w);
            struct sums s = {(int32_t)bias.a, (int32_t)bias.b};
#pragma GCC unroll 4
            for (int i = 0; i < unrolled; i++)
                s = mac2(next_taps(&tap, c), next_constants(&w), s);
            for (int i = unrolled; i < shape.pairs; i++)
                s = mac2(next_taps(&tap, c), next_constants(&w), s);
            if (shape.single) {
                w += 2 * shape.skipped;
                s = mac_last(one_tap(tap, c), constants(w), s);
                w += 2;
            }
            state = finish1(t, w, s, &y);
            w += 6;
            c += 2;
        } while (state >= 0);
        if (!odd)
            break;
        c--, y--;
    }
}

static __attribute__((noinline)) void one_3(const struct task *t, const int8_t *const *taps,
                                            ptrdiff_t c, int8_t *y)
{
    one_position(t, (struct shape){4, 0, true}, 4, taps, c, y);
}

static __attribute__((noinline)) void one_any(const struct task *t, const int8_t *const *taps,
                                              ptrdiff_t c, int8_t *y)
{
    one_position(t, shape_of(t->op), 0, taps, c, y);
}

// ---- the operator ----

// All channels at a table of taps.
typedef void positions_fn(const struct task *t, const int8_t *const *taps, ptrdiff_t c, int8_t *y);

// n times `at_a_time` positions.
static __attribute__((noinline)) void each(const struct task *t, positions_fn *run, int at_a_time,
                                           int first, int n, int8_t *y)
{
    const int columns = t->op->ka + (at_a_time - 1) * t->op->sa, apart = at_a_time * t->op->sa;
    const int8_t *taps[MAX_PATCH];
    while (n > 0) {
        int same = find_taps(t, first, columns, apart, n, taps);
        n -= same;
        first += same * apart;
        for (ptrdiff_t c = 0; same > 0; same--, c += apart * (ptrdiff_t)t->step) {
            run(t, taps, c, y);
            y += (size_t)at_a_time * t->out_step;
        }
    }
}

void k_dwconv_x2(const struct prog_op *op, const struct k_call *k)
{
    static positions_fn *const twos[2][2] = {{two_5_1, two_5_2}, {two_7_1, two_7_2}};
    const struct task t = {.op = op,
                           .k = k,
                           .zeros = k_zeros(op, k),
                           .consts = (const uint32_t *)(const void *)k_weights(op, k),
                           .step = op->in[0].pix_step,
                           .out_step = op->out.pix_step,
                           .end = (enum prog_end)op->p[1],
                           .row_words = op->ks / 2 * op->ka * 2,
                           .odd = op->out_c % 2};
    const int first = k->first * op->sa - op->pad_a;
    const int pairs = op->p[2] == 2 ? (int)((unsigned)k->n / 2) : 0, left = k->n - 2 * pairs;
    if (pairs && op->ka == 3)
        (op->sa == 1 ? two_3_1 : two_3_2)(&t, first, pairs, k->out);
    else if (pairs)
        each(&t, twos[op->ka / 2 - 2][op->sa - 1], 2, first, pairs, k->out);
    if (left)
        each(&t, op->ks == 3 && op->ka == 3 ? one_3 : one_any, 1, first + 2 * pairs * op->sa, left,
             k->out + (size_t)(2 * pairs) * op->out.pix_step);
}
