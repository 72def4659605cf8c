// SPDX-License-Identifier: MIT
// Depthwise convolution, any kernel, stride and depth multiplier; zero point as in k_conv.c.
#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

#define LANES 4

void k_dwconv(const struct prog_op *op, const struct k_call *k)
{
    const int out_c = op->out_c, mult_c = op->mult_c;
    const size_t x_step = op->in[0].pix_step, y_step = op->out.pix_step;
    const int8_t *const weights = k_weights(op, k);
    const int32_t *const bias = k_bias(op, k);
    const struct prog_requant *const requant = k_requant(op, k);
    for (int i = 0; i < k->n; i++) {
        int first = (k->first + i) * op->sa - op->pad_a;
        int a0 = first < 0 ? -first : 0;
        int a1 = first + op->ka > op->in_len ? op->in_len - first : op->ka;
        int whole = a0 == 0 && a1 == op->ka && k->taps.n == op->ks;
        int8_t *y = k->out + (size_t)i * y_step;
        const size_t along = (size_t)(first + a0) * x_step;
        for (int o = 0; o < out_c; o += LANES) {
            int lanes = out_c - o < LANES ? out_c - o : LANES;
            int32_t acc[LANES] = {0};
            for (int l = 0; l < lanes; l++)
                acc[l] = bias[o + l];
            const int8_t *slice = k->in;
            for (int s = k->taps.first; s < k->taps.first + k->taps.n; s++) {
                const int8_t *x = slice + along;
                const int8_t *w = weights + (size_t)(s * op->ka + a0) * (size_t)out_c + o;
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
                    x += x_step;
                    w += out_c;
                }
                slice = k_next_slice(op, k, slice, s + 1 - k->taps.first);
            }
            if (!whole) {
                const int8_t *w = weights + o;
                for (int s = 0; s < op->ks; s++) {
                    for (int a = 0; a < op->ka; a++, w += out_c) {
                        if (s >= k->taps.first && s < k->taps.first + k->taps.n && a >= a0 &&
                            a < a1)
                            continue;
                        for (int l = 0; l < lanes; l++)
                            acc[l] += op->in_zero * w[l];
                    }
                }
            }
            for (int l = 0; l < lanes; l++) {
                const struct prog_requant *rq = &requant[o + l];
                int32_t v = fx_requant(acc[l], rq->mult, rq->shift) + op->out_zero;
                y[o + l] = (int8_t)fx_clamp(v, op->act_min, op->act_max);
            }
        }
    }
}
