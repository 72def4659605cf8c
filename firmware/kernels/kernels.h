// SPDX-License-Identifier: MIT
// Kernels on slices: each computes n consecutive pixels of one output slice from a window of input
// slices. Ring buffers, whole tensors and the model input look alike through struct k_window; taps
// outside the tensor are left out by `taps` and by clipping positions to [0, len). Bit-exact with
// TFLite's int8 specification (double rounding).
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/executor/program.h"

struct k_window {
    const int8_t *slice; // position `lo` of the first tap's slice that lies inside the tensor
    const int8_t *end;   // a slice pointer that reaches this wraps back by ring_bytes
    size_t ring_bytes;
    size_t slice_step, pix_step; // bytes
    int lo;                      // first position that a slice holds
    int tap, taps;               // taps [tap, tap + taps) along slices lie inside the tensor
};

struct k_out {
    int8_t *pixel;   // first pixel to write
    size_t pix_step; // bytes from pixel to pixel
    int first, n;    // positions [first, first + n) along the slice
};

struct k_consts { // of one operator; anywhere where it has none
    const int8_t *weights;
    const int32_t *bias;
    union {
        const struct prog_requant *requant;
        const struct prog_requant_fast *fast; // PROG_CONV_X2 and following
    };
    const int8_t *zeros; // [in_c] the input's zero point; likewise
};

typedef void k_slice_fn(const struct prog_op *op, const struct k_consts *k,
                        const struct k_window *in, const struct k_out *out);

// Stack: at most 4 * (PROG_X2_WORDS + PROG_MAX_TAPS) bytes beside registers.
k_slice_fn k_conv_x2, k_dwconv_x2, k_conv_b4, k_dwconv_fir, k_conv_m16, k_dwconv_m16;
k_slice_fn k_conv, k_dwconv, k_avgpool, k_maxpool, k_mean, k_softmax, k_rescale, k_pad;
// Elementwise sum of in (operand 0) and in1 (operand 1), both with a one-slice window at the
// output's positions.
void k_add(const struct prog_op *op, const struct k_window *in, const struct k_window *in1,
           const struct k_out *out);
// Flat copy of bytes; may overlap.
void k_copy(const int8_t *in, int8_t *out, size_t bytes);

// Reductions fed by chunks: pixels [first, first + n) of slice `slice`, then once the end.
void k_acc_conv(const struct prog_op *op, const struct k_consts *k, const struct k_window *in,
                int slice, int first, int n, int32_t *acc);
void k_acc_sum(const struct prog_op *op, const struct k_window *in, int first, int n, int32_t *acc);
void k_acc_conv_end(const struct prog_op *op, const struct k_consts *k, const int32_t *acc,
                    int8_t *out);
void k_acc_avgpool_end(const struct prog_op *op, const int32_t *acc, int8_t *out);
void k_acc_mean_end(const struct prog_op *op, const struct k_consts *k, const int32_t *acc,
                    int8_t *out);

// Sums over some input channels of a 1x1 convolution, then once the end. The int32 sums are out's
// pixels of k_sum_conv and in's of k_sum_end, 4-aligned.
k_slice_fn k_sum_conv, k_sum_end;

#endif
