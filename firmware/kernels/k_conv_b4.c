// SPDX-License-Identifier: MIT
// Convolution, any kernel and stride, in blocks of three pixels times four output channels
// (blocked.h). Whole groups of channels pass over all pixels before the next group, so that a group's
// weights are read from flash once a call.
#include "firmware/kernels/blocked.h"

// What the kernel rows outside the tensor add: products with the zero point.
static struct block4 start_of(const struct prog_op *op, const struct k_consts *k,
                              const struct k_window *in, const int8_t *w, const int32_t *bias)
{
    struct block4 a = {bias[0], bias[1], bias[2], bias[3]};
    if (in->taps == op->ks)
        return a;
    for (int s = 0; s < op->ks; s++) {
        for (int t = 0; t < op->ka; t++, w += 4 * op->in_c) {
            if (s < in->tap || s >= in->tap + in->taps)
                a = blocked_dot1(k->zeros, w, op->in_c, a);
        }
    }
    return a;
}

// One pixel; taps beside the slice meet the zero point.
static struct block4 one_pixel(const struct prog_op *op, const struct k_consts *k,
                               const struct k_window *in, int p, const int8_t *w, struct block4 a)
{
    const int first = p * op->sa - op->pad_a, in_c = op->in_c;
    const int8_t *slice = in->slice;
    const int packed = in->pix_step == (size_t)in_c && first >= 0 && first + op->ka <= op->in_len;
    const int taps = packed ? 1 : op->ka, run = packed ? op->ka * in_c : in_c;
    for (int s = 0; s < in->taps; s++, slice = fast_next_slice(in, slice)) {
        const int8_t *x = slice + (ptrdiff_t)(first - in->lo) * (ptrdiff_t)in->pix_step;
        for (int t = 0; t < taps; t++, x += in->pix_step, w += 4 * run) {
            const int inside = packed || (first + t >= 0 && first + t < op->in_len);
            a = blocked_dot1(inside ? x : k->zeros, w, run, a);
        }
    }
    return a;
}

// Two or three pixels whose windows lie inside the slice.
static inline void pixels(const struct prog_op *op, const struct k_window *in, int p, int three,
                          const int8_t *w, struct block4 a[3])
{
    const int in_c = op->in_c, packed = in->pix_step == (size_t)in_c;
    const int taps = packed ? 1 : op->ka, run = packed ? op->ka * in_c : in_c;
    const ptrdiff_t pixel = (ptrdiff_t)in->pix_step;
    const int8_t *slice = in->slice;
    for (int s = 0; s < in->taps; s++, slice = fast_next_slice(in, slice)) {
        const int8_t *x = slice + (ptrdiff_t)(p * op->sa - op->pad_a - in->lo) * pixel;
        for (int t = 0; t < taps; t++, x += pixel, w += 4 * run) {
            if (three)
                blocked_dot3(x, op->sa * pixel, w, run, a);
            else
                blocked_dot2(x, op->sa * pixel, w, run, a);
        }
    }
}

// How many pixels from p on are computed together: as few as possible alone.
static inline int pixels_together(struct fast_range inside, int p, int stop)
{
    const int room = (inside.hi < stop ? inside.hi : stop) - p;
    return p < inside.lo || room < 2 ? 1 : room == 2 || room == 4 ? 2 : 3;
}

void k_conv_b4(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
               const struct k_out *out)
{
    const struct fast_out o = fast_out_of(op);
    const int w_row = 4 * op->ka * op->in_c;
    const int relu = op->p[1] == PROG_END_RELU;
    const int stop = out->first + out->n;
    const struct fast_range inside = fast_range_inside(op);
    const int8_t *w = k->weights;
    for (int c = 0; c < op->out_c; c += 4, w += op->ks * w_row) {
        const struct block4 start = start_of(op, k, in, w, k->bias + c);
        const struct prog_requant_fast *r = k->fast + c;
        const int8_t *inner = w + in->tap * w_row;
        const int left = op->out_c - c;
        int8_t *y = out->pixel + c;
        for (int p = out->first, n; p < stop; p += n) {
            struct block4 a[3] = {start, start, start};
            n = pixels_together(inside, p, stop);
            if (n == 1)
                a[0] = one_pixel(op, k, in, p, inner, start);
            else if (n == 2)
                pixels(op, in, p, 0, inner, a);
            else
                pixels(op, in, p, 1, inner, a);
            for (int i = 0; i < n; i++, y += out->pix_step)
                blocked_end4(&o, relu, r, left, a[i], y);
        }
    }
}
