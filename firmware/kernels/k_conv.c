// SPDX-License-Identifier: MIT
// Convolution, any kernel and stride. A window that lies inside the tensor starts from the folded
// bias and needs no zero point; a clipped one adds the zero point for the taps that it leaves out.
#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

// Four output channels at once share each input load; `n` consecutive bytes.
static inline void dot4(const int8_t *x, const int8_t *w, size_t wstep, int n, int32_t acc[4])
{
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    const int8_t *w1 = w + wstep, *w2 = w1 + wstep, *w3 = w2 + wstep;
    for (const int8_t *stop = x + n; x < stop; x++) {
        int32_t v = *x;
        a0 += v * *w++;
        a1 += v * *w1++;
        a2 += v * *w2++;
        a3 += v * *w3++;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

static inline int32_t dot1(const int8_t *x, const int8_t *w, int n, int32_t acc)
{
    for (const int8_t *stop = x + n; x < stop; x++)
        acc += *x * *w++;
    return acc;
}

static int8_t finish(const struct prog_op *op, const struct prog_requant *rq, int32_t acc)
{
    return (int8_t)fx_clamp(fx_requant(acc, rq->mult, rq->shift) + op->out_zero, op->act_min,
                            op->act_max);
}

// Sum of the weights of one output channel whose taps lie outside the tensor.
static int32_t outside_weights(const struct prog_op *op, const int8_t *w, int s0, int s1, int a0,
                               int a1)
{
    int32_t sum = 0;
    for (int s = 0; s < op->ks; s++) {
        for (int a = 0; a < op->ka; a++) {
            if (s >= s0 && s < s1 && a >= a0 && a < a1) {
                w += op->in_c;
                continue;
            }
            for (int c = 0; c < op->in_c; c++)
                sum += *w++;
        }
    }
    return sum;
}

void k_conv(const struct prog_op *op, const struct k_call *k)
{
    const int in_c = op->in_c, out_c = op->out_c;
    const size_t w_row = (size_t)op->ka * (size_t)in_c;
    const size_t w_channel = (size_t)op->ks * w_row;
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
        const int8_t *w0 = weights + (size_t)k->taps.first * w_row + (size_t)(a0 * in_c);
        // Taps along the slice are one run of bytes where pixels are packed.
        int packed = x_step == (size_t)in_c;
        int runs = packed ? 1 : a1 - a0;
        int run_bytes = packed ? (a1 - a0) * in_c : in_c;
        for (int o = 0; o < out_c; o += 4) {
            int lanes = out_c - o < 4 ? out_c - o : 4;
            int32_t acc[4] = {0, 0, 0, 0};
            const int8_t *w_o = w0 + (size_t)o * w_channel;
            for (int l = 0; l < lanes; l++) {
                acc[l] = bias[o + l];
                if (!whole)
                    acc[l] += op->in_zero *
                              outside_weights(op, weights + (size_t)(o + l) * w_channel,
                                              k->taps.first, k->taps.first + k->taps.n, a0, a1);
            }
            const int8_t *slice = k->in;
            for (int s = 0; s < k->taps.n; s++) {
                const int8_t *x = slice + along;
                const int8_t *w = w_o + (size_t)s * w_row;
                for (int r = 0; r < runs; r++) {
                    if (lanes == 4)
                        dot4(x, w, w_channel, run_bytes, acc);
                    else
                        for (int l = 0; l < lanes; l++)
                            acc[l] = dot1(x, w + (size_t)l * w_channel, run_bytes, acc[l]);
                    x += x_step;
                    w += in_c;
                }
                slice = k_next_slice(op, k, slice, s + 1);
            }
            for (int l = 0; l < lanes; l++)
                y[o + l] = finish(op, &requant[o + l], acc[l]);
        }
    }
}

void k_acc_conv(const struct prog_op *op, const struct k_call *k, int slice, int32_t *acc)
{
    // ka and ks are the whole tensor here: the weights of a pixel are those of its position.
    const size_t w_channel = (size_t)op->ks * op->ka * op->in_c, x_step = op->in[0].pix_step;
    const int8_t *const weights = k_weights(op, k);
    for (int p = k->first; p < k->first + k->n; p++) {
        const int8_t *x = k->in + (size_t)p * x_step;
        const int8_t *w = weights + ((size_t)slice * op->ka + (size_t)p) * op->in_c;
        int o = 0;
        for (; o + 4 <= op->out_c; o += 4)
            dot4(x, w + (size_t)o * w_channel, w_channel, op->in_c, acc + o);
        for (; o < op->out_c; o++)
            acc[o] = dot1(x, w + (size_t)o * w_channel, op->in_c, acc[o]);
    }
}

void k_acc_conv_end(const struct prog_op *op, const struct k_call *k, const int32_t *acc,
                    int8_t *out)
{
    const int32_t *const bias = k_bias(op, k);
    const struct prog_requant *const requant = k_requant(op, k);
    for (int o = 0; o < op->out_c; o++)
        out[o] = finish(op, &requant[o], acc[o] + bias[o]);
}

void k_sum_conv(const struct prog_op *op, const struct k_call *k)
{
    const size_t in_c = op->in_c, x_step = op->in[0].pix_step, y_step = op->out.pix_step;
    const int8_t *const weights = k_weights(op, k);
    for (int i = 0; i < k->n; i++) {
        const int8_t *x = k->in + (size_t)(k->first + i) * x_step;
        int32_t *sum = (int32_t *)(void *)(k->out + (size_t)i * y_step);
        int o = 0;
        for (; o + 4 <= op->out_c; o += 4)
            dot4(x, weights + (size_t)o * in_c, in_c, op->in_c, sum + o);
        for (; o < op->out_c; o++)
            sum[o] = dot1(x, weights + (size_t)o * in_c, op->in_c, sum[o]);
    }
}

void k_sum_end(const struct prog_op *op, const struct k_call *k)
{
    for (int i = 0; i < k->n; i++) {
        const int8_t *pixel = k->in + (size_t)(k->first + i) * op->in[0].pix_step;
        k_acc_conv_end(op, k, (const int32_t *)(const void *)pixel,
                       k->out + (size_t)i * op->out.pix_step);
    }
}
