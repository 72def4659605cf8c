// SPDX-License-Identifier: MIT
// Pooling over windows, and the global forms that are fed pixel by pixel.
#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

// Taps [a0, a1) along the slice that lie inside the tensor, for output position p.
static int clip_taps(const struct prog_op *op, int p, int *a0, int *a1)
{
    int first = p * op->sa - op->pad_a;
    *a0 = first < 0 ? -first : 0;
    *a1 = first + op->ka > op->in_len ? op->in_len - first : op->ka;
    return first;
}

// Sum of channel c over the window of output position p; *count elements.
static int32_t window_sum(const struct prog_op *op, const struct k_call *k, int p, int c,
                          int32_t *count)
{
    int a0, a1, first = clip_taps(op, p, &a0, &a1);
    const size_t x_step = op->in[0].pix_step;
    const int8_t *slice = k->in;
    int32_t sum = 0;
    for (int s = 0; s < k->taps.n; s++) {
        const int8_t *x = slice + (size_t)(first + a0) * x_step + c;
        for (int a = a0; a < a1; a++, x += x_step)
            sum += *x;
        slice = k_next_slice(op, k, slice, s + 1);
    }
    *count = k->taps.n * (a1 - a0);
    return sum;
}

// TFLite rounds the mean half away from zero.
static int8_t average(const struct prog_op *op, int32_t sum, int32_t count)
{
    int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
    return (int8_t)fx_clamp(mean, op->act_min, op->act_max);
}

static int8_t mean_rescaled(const struct prog_op *op, const struct k_call *k, int32_t sum,
                            int32_t count)
{
    int32_t v =
        fx_requant(sum - count * op->in_zero, k_requant(op, k)->mult, k_requant(op, k)->shift) +
        op->out_zero;
    return (int8_t)fx_clamp(v, op->act_min, op->act_max);
}

void k_avgpool(const struct prog_op *op, const struct k_call *k)
{
    (void)k;
    for (int i = 0; i < k->n; i++) {
        for (int c = 0; c < op->out_c; c++) {
            int32_t count, sum = window_sum(op, k, k->first + i, c, &count);
            k->out[(size_t)i * op->out.pix_step + (size_t)c] = average(op, sum, count);
        }
    }
}

void k_mean(const struct prog_op *op, const struct k_call *k)
{
    for (int i = 0; i < k->n; i++) {
        for (int c = 0; c < op->out_c; c++) {
            int32_t count, sum = window_sum(op, k, k->first + i, c, &count);
            k->out[(size_t)i * op->out.pix_step + (size_t)c] = mean_rescaled(op, k, sum, count);
        }
    }
}

void k_maxpool(const struct prog_op *op, const struct k_call *k)
{
    (void)k;
    const size_t x_step = op->in[0].pix_step, y_step = op->out.pix_step;
    for (int i = 0; i < k->n; i++) {
        int a0, a1, first = clip_taps(op, k->first + i, &a0, &a1);
        for (int c = 0; c < op->out_c; c++) {
            const int8_t *slice = k->in;
            int32_t best = -128;
            for (int s = 0; s < k->taps.n; s++) {
                const int8_t *x = slice + (size_t)(first + a0) * x_step + c;
                for (int a = a0; a < a1; a++, x += x_step)
                    best = *x > best ? *x : best;
                slice = k_next_slice(op, k, slice, s + 1);
            }
            k->out[(size_t)i * y_step + (size_t)c] =
                (int8_t)fx_clamp(best, op->act_min, op->act_max);
        }
    }
}

void k_acc_sum(const struct prog_op *op, const struct k_call *k, int32_t *acc)
{
    for (int p = k->first; p < k->first + k->n; p++) {
        const int8_t *x = k->in + (size_t)p * op->in[0].pix_step;
        for (int c = 0; c < op->in_c; c++)
            acc[c] += x[c];
    }
}

void k_acc_avgpool_end(const struct prog_op *op, const int32_t *acc, int8_t *out)
{
    for (int c = 0; c < op->out_c; c++)
        out[c] = average(op, acc[c], op->ks * op->ka);
}

void k_acc_mean_end(const struct prog_op *op, const struct k_call *k, const int32_t *acc,
                    int8_t *out)
{
    for (int c = 0; c < op->out_c; c++)
        out[c] = mean_rescaled(op, k, acc[c], op->ks * op->ka);
}
