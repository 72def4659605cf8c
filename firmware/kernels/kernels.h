// SPDX-License-Identifier: MIT
// Kernels on slices: each computes n consecutive pixels of one output slice from a window of input
// slices. Ring buffers, whole tensors and the model input look alike through struct k_call; taps
// outside the tensor are left out by `taps` and by clipping positions to [0, len). Bit-exact with
// TFLite's int8 specification (double rounding).
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/executor/program.h"

// A call computes positions [first, first + n) of one output slice, or of some that follow each other (taps.slices). Steps
// between pixels and slices are the operator's (struct prog_view in[0] and out).
struct k_call {
    const int8_t *in; // position 0, or where it would be, of the first tap's slice
    int8_t *out;      // position `first`
    int first, n;
    struct prog_taps taps; // which taps lie inside the tensor, and when a ring's slices begin anew
    const uint8_t *program, *constants; // what the operator's offsets of constants are counted from
};

static inline const int8_t *k_weights(const struct prog_op *op, const struct k_call *k)
{
    return (const int8_t *)(k->constants + op->weights);
}

static inline const int32_t *k_bias(const struct prog_op *op, const struct k_call *k)
{
    return (const int32_t *)(const void *)(k->constants + op->bias);
}

static inline const struct prog_requant *k_requant(const struct prog_op *op, const struct k_call *k)
{
    return (const struct prog_requant *)(const void *)(k->constants + op->requant);
}

// Of PROG_CONV_X2 and following: the last steps, and [in_c] the input's zero point.
static inline const struct prog_requant_fast *k_fast(const struct prog_op *op,
                                                     const struct k_call *k)
{
    return (const struct prog_requant_fast *)(const void *)(k->constants + op->requant);
}

static inline const int8_t *k_zeros(const struct prog_op *op, const struct k_call *k)
{
    return (const int8_t *)(k->program + op->p[0]);
}

// The slice behind `slice`; `passed` slices lie before it, from the first one on.
static inline const int8_t *k_next_slice(const struct prog_op *op, const struct k_call *k,
                                         const int8_t *slice, int passed)
{
    slice += op->in[0].slice_step;
    return passed == k->taps.wrap ? slice - op->in[0].ring_bytes : slice;
}

// Bytes from slice to slice of a call that makes several (k->taps.slices), one after the other: what is written may
// lie over slices that are read no more.
static inline size_t k_in_slice(const struct prog_op *op)
{
    return (size_t)op->ss * op->in[0].slice_step;
}

typedef void k_slice_fn(const struct prog_op *op, const struct k_call *k);

// Stack: at most 4 * (PROG_X2_WORDS + PROG_MAX_TAPS) bytes beside registers.
k_slice_fn k_conv_x2, k_dwconv_x2, k_conv_b4, k_dwconv_fir, k_conv_m16, k_dwconv_m16;
k_slice_fn k_conv, k_dwconv, k_avgpool, k_maxpool, k_mean, k_softmax, k_rescale, k_pad;
// Elementwise sum of two operands, given by position 0 of their slices; k->in is not read.
void k_add(const struct prog_op *op, const struct k_call *k, const int8_t *in0, const int8_t *in1);
// Flat copy of bytes; may overlap.
void k_copy(const int8_t *in, int8_t *out, size_t bytes);

// Reductions fed by chunks: the call's pixels, of slice `slice`, then once the end.
void k_acc_conv(const struct prog_op *op, const struct k_call *k, int slice, int32_t *acc);
void k_acc_sum(const struct prog_op *op, const struct k_call *k, int32_t *acc);
void k_acc_conv_end(const struct prog_op *op, const struct k_call *k, const int32_t *acc,
                    int8_t *out);
void k_acc_avgpool_end(const struct prog_op *op, const int32_t *acc, int8_t *out);
void k_acc_mean_end(const struct prog_op *op, const struct k_call *k, const int32_t *acc,
                    int8_t *out);

// Sums over some input channels of a 1x1 convolution, then once the end. The int32 sums are out's
// pixels of k_sum_conv and in's of k_sum_end, 4-aligned.
k_slice_fn k_sum_conv, k_sum_end;

#endif
