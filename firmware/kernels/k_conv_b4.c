// SPDX-License-Identifier: MIT
// Convolution, any kernel and stride, in blocks of three pixels times four output channels
// (blocked.h). A group of channels passes over all pixels before the next group, and what the inner
// functions need of the operator is read once a call: good for a serial flash without a cache.
#include "firmware/kernels/blocked.h"

struct shape {
    int in_c, ks, ka, sa, pad_a, in_len;
    int packed; // pixels of a slice lie together
    int taps,
        run; // of a kernel row inside the slice: runs of bytes that lie together, bytes in a run
    ptrdiff_t pixel;       // bytes from run to run
    ptrdiff_t slice, ring; // bytes from slice to slice, and of a ring
    int tap, n_taps, wrap; // struct prog_taps
    const int8_t *in, *zeros;
};

static inline const int8_t *next_slice(const struct shape *v, const int8_t *slice, int passed)
{
    slice += v->slice;
    return passed == v->wrap ? slice - v->ring : slice;
}

// What the kernel rows outside the tensor add: products with the zero point.
static struct block4 start_of(const struct shape *v, const int8_t *w, const int32_t *bias)
{
    struct block4 a = {bias[0], bias[1], bias[2], bias[3]};
    if (v->n_taps == v->ks)
        return a;
    for (int s = 0; s < v->ks; s++) {
        for (int t = 0; t < v->ka; t++, w += 4 * v->in_c) {
            if (s < v->tap || s >= v->tap + v->n_taps)
                a = blocked_dot1(v->zeros, w, v->in_c, a);
        }
    }
    return a;
}

// One pixel; taps beside the slice meet the zero point.
static struct block4 one_pixel(const struct shape *v, int p, const int8_t *w, struct block4 a)
{
    const int first = p * v->sa - v->pad_a;
    const int packed = v->packed && first >= 0 && first + v->ka <= v->in_len;
    const int taps = packed ? 1 : v->ka, run = packed ? v->run : v->in_c;
    const int8_t *slice = v->in;
    for (int s = 0; s < v->n_taps; slice = next_slice(v, slice, ++s)) {
        const int8_t *x = slice + first * v->pixel;
        for (int t = 0; t < taps; t++, x += v->pixel, w += 4 * run) {
            const int inside = packed || (first + t >= 0 && first + t < v->in_len);
            a = blocked_dot1(inside ? x : v->zeros, w, run, a);
        }
    }
    return a;
}

// Two or three pixels whose windows lie inside the slice.
static inline void pixels(const struct shape *v, int p, int three, const int8_t *w,
                          struct block4 a[3])
{
    const int taps = v->taps, run = v->run;
    const ptrdiff_t pixel = v->pixel, step = v->sa * pixel;
    const int8_t *slice = v->in;
    for (int s = 0; s < v->n_taps; slice = next_slice(v, slice, ++s)) {
        const int8_t *x = slice + (p * v->sa - v->pad_a) * pixel;
        for (int t = 0; t < taps; t++, x += pixel, w += 4 * run) {
            if (three)
                blocked_dot3(x, step, w, run, a);
            else
                blocked_dot2(x, step, w, run, a);
        }
    }
}

// How many pixels from p on are computed together: as few as possible alone.
static inline int pixels_together(struct fast_range inside, int p, int stop)
{
    const int room = (inside.hi < stop ? inside.hi : stop) - p;
    return p < inside.lo || room < 2 ? 1 : room == 2 || room == 4 ? 2 : 3;
}

void k_conv_b4(const struct prog_op *op, const struct k_call *k)
{
    const struct fast_out o = fast_out_of(op);
    const struct fast_range inside = fast_range_inside(op);
    const int packed = op->in[0].pix_step == op->in_c;
    struct shape v = {.in_c = op->in_c,
                      .ks = op->ks,
                      .ka = op->ka,
                      .sa = op->sa,
                      .pad_a = op->pad_a,
                      .in_len = op->in_len,
                      .packed = packed,
                      .taps = packed ? 1 : op->ka,
                      .run = packed ? op->ka * op->in_c : op->in_c,
                      .pixel = (ptrdiff_t)op->in[0].pix_step,
                      .slice = (ptrdiff_t)op->in[0].slice_step,
                      .ring = (ptrdiff_t)op->in[0].ring_bytes,
                      .tap = k->taps.first,
                      .n_taps = k->taps.n,
                      .wrap = k->taps.wrap,
                      .in = k->in,
                      .zeros = k_zeros(op, k)};
    const size_t y_step = op->out.pix_step, in_slice = k_in_slice(op),
                 out_slice = op->out.slice_step;
    const int w_row = 4 * v.ka * v.in_c, w_group = v.ks * w_row, out_c = op->out_c;
    const int relu = op->p[1] == PROG_END_RELU, stop = k->first + k->n;
    const int8_t *const weights = k_weights(op, k);
    const int32_t *const bias = k_bias(op, k);
    const struct prog_requant_fast *const requants = k_fast(op, k);
    int8_t *out = k->out;
    for (int slices = k->taps.slices; slices > 0; slices--, v.in += in_slice, out += out_slice) {
        const int8_t *w = weights;
        for (int c = 0; c < out_c; c += 4, w += w_group) {
            const struct prog_requant_fast *r = requants + c;
            const struct block4 start = start_of(&v, w, bias + c);
            const int8_t *inner = w + v.tap * w_row;
            int8_t *y = out + c;
            for (int p = k->first, n; p < stop; p += n) {
                struct block4 a[3] = {start, start, start};
                n = pixels_together(inside, p, stop);
                if (n == 1)
                    a[0] = one_pixel(&v, p, inner, start);
                else if (n == 2)
                    pixels(&v, p, 0, inner, a);
                else
                    pixels(&v, p, 1, inner, a);
                for (int i = 0; i < n; i++, y += y_step)
                    blocked_end4(&o, relu, r, out_c - c, a[i], y);
            }
        }
    }
}
