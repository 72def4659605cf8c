// SPDX-License-Identifier: MIT
// Depthwise convolution, any kernel, stride and depth multiplier; zero point as in k_conv.c.
#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

#define LANES 4

void k_dwconv(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
              const struct k_out *out)
{
    const int out_c = op->out_c, mult_c = op->mult_c;
    for (int i = 0; i < out->n; i++) {
        int first = (out->first + i) * op->sa - op->pad_a;
        int a0 = first < 0 ? -first : 0;
        int a1 = first + op->ka > op->in_len ? op->in_len - first : op->ka;
        int whole = a0 == 0 && a1 == op->ka && in->taps == op->ks;
        int8_t *y = out->pixel + (size_t)i * out->pix_step;
        const size_t along = (size_t)(first + a0 - in->lo) * in->pix_step;
        for (int o = 0; o < out_c; o += LANES) {
            int lanes = out_c - o < LANES ? out_c - o : LANES;
            int32_t acc[LANES] = {0};
            for (int l = 0; l < lanes; l++)
                acc[l] = k->bias[o + l];
            const int8_t *slice = in->slice;
            for (int s = in->tap; s < in->tap + in->taps; s++) {
                const int8_t *x = slice + along;
                const int8_t *w = k->weights + (size_t)(s * op->ka + a0) * (size_t)out_c + o;
                for (int a = a0; a < a1; a++) {
                    if (lanes == LANES && mult_c == 1) {
                        const int8_t *v = x + o;
                        acc[0] += v[0] * w[0];
                        acc[1] += v[1] * w[1];
                        acc[2] += v[2] * w[2];
                        acc[3] += v[3] * w[3];
                    } else {
                        for (int l = 0; l < lanes; l++)
                            acc[l] += x[(o + l) / mult_c] * w[l];
                    }
                    x += in->pix_step;
                    w += out_c;
                }
                slice += in->slice_step;
                if (slice >= in->end)
                    slice -= in->ring_bytes;
            }
            if (!whole) {
                const int8_t *w = k->weights + o;
                for (int s = 0; s < op->ks; s++) {
                    for (int a = 0; a < op->ka; a++, w += out_c) {
                        if (s >= in->tap && s < in->tap + in->taps && a >= a0 && a < a1)
                            continue;
                        for (int l = 0; l < lanes; l++)
                            acc[l] += op->in_zero * w[l];
                    }
                }
            }
            for (int l = 0; l < lanes; l++) {
                const struct prog_requant *rq = &k->requant[o + l];
                int32_t v = fx_requant(acc[l], rq->mult, rq->shift) + op->out_zero;
                y[o + l] = (int8_t)fx_clamp(v, op->act_min, op->act_max);
            }
        }
    }
}
