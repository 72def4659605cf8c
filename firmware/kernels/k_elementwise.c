// SPDX-License-Identifier: MIT
// Operators that map pixels to pixels: add, rescale, pad, copy.
#include <string.h>

#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

static const int8_t *pixel_at(const struct k_window *in, int position)
{
    return in->slice + (ptrdiff_t)(position - in->lo) * (ptrdiff_t)in->pix_step;
}

void k_add(const struct prog_op *op, const struct k_window *in, const struct k_window *in1,
           const struct k_out *out)
{
    const int32_t *p = op->p;
    for (int i = 0; i < out->n; i++) {
        const int8_t *a = pixel_at(in, out->first + i), *b = pixel_at(in1, out->first + i);
        int8_t *y = out->pixel + (size_t)i * out->pix_step;
        for (int c = 0; c < op->out_c; c++) {
            int32_t va = fx_requant((a[c] - p[0]) * (1 << p[8]), p[2], p[3]);
            int32_t vb = fx_requant((b[c] - p[1]) * (1 << p[8]), p[4], p[5]);
            int32_t v = fx_requant(va + vb, p[6], p[7]) + op->out_zero;
            y[c] = (int8_t)fx_clamp(v, op->act_min, op->act_max);
        }
    }
}

void k_rescale(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
               const struct k_out *out)
{
    for (int i = 0; i < out->n; i++) {
        const int8_t *x = pixel_at(in, out->first + i);
        int8_t *y = out->pixel + (size_t)i * out->pix_step;
        for (int c = 0; c < op->out_c; c++) {
            int32_t v =
                fx_requant(x[c] - op->in_zero, k->requant->mult, k->requant->shift) + op->out_zero;
            y[c] = (int8_t)fx_clamp(v, op->act_min, op->act_max);
        }
    }
}

void k_pad(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
           const struct k_out *out)
{
    (void)k;
    for (int i = 0; i < out->n; i++) {
        int position = out->first + i - op->pad_a;
        int8_t *y = out->pixel + (size_t)i * out->pix_step;
        memset(y, op->in_zero, op->out_c);
        if (in->taps == 1 && position >= 0 && position < op->in_len)
            memcpy(y + op->pad_c, pixel_at(in, position), op->in_c);
    }
}

void k_copy(const int8_t *in, int8_t *out, size_t bytes)
{
    memmove(out, in, bytes);
}
