// SPDX-License-Identifier: MIT
// A network as the planner sees it: int8 layers in execution order over [H, W, C] tensors, batch 1.
//
// What the import folds away, so that nothing behind it needs to know:
//   PAD            into the padding of its convolution when it pads H and W with the zero point, else a LAYER_PAD
//   RELU, RELU6    into act_min/act_max of the layer before it when it only clamps, else a LAYER_RESCALE
//   RESHAPE        into the shape that the consumer sees (bytes keep their row-major order), where the consumer or the
//                  producer is indifferent to H and W; else a LAYER_RESHAPE (a copy)
//   FULLY_CONNECTED into a LAYER_CONV whose kernel is its whole input (or 1x1 over M rows when the input is [M, K])
//   TRANSPOSE      no-ops; NCHW wrappers by renaming axes (data stay HWC)
//   QUANTIZE, DEQUANTIZE at the borders: the graph begins and ends with int8 (see struct tflite_model for their values)
//   MEAN           over H, W or both: LAYER_MEAN with kernel H x 1, 1 x W or H x W
#ifndef PLANNER_GRAPH_H
#define PLANNER_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct tflite_model;

// clang-format off
enum layer_op {
    LAYER_CONV,    // w [out_c][kh][kw][in_c]
    LAYER_DWCONV,  // w [kh][kw][out_c], out_c = in_c * mult_c, output channel o reads input channel o / mult_c
    LAYER_ADD,     // in[0] + in[1], same shape
    LAYER_AVGPOOL, // mean of the window's elements inside the tensor, rounded half away from zero; same scale in and out
    LAYER_MAXPOOL,
    LAYER_MEAN,    // over the whole of H and/or W, with rescale
    LAYER_SOFTMAX, // over C of each pixel
    LAYER_RESCALE, // per element: int8 -> int8 requantisation and clamp (RELU with other scales, QUANTIZE int8 -> int8)
    LAYER_PAD,     // output pixel = input pixel at (y - pad_top, x - pad_left), channel c - pad_c, or the zero point
    LAYER_RESHAPE, // same bytes, another shape
    LAYER_OP_COUNT
};
// clang-format on

extern const char *const layer_op_names[LAYER_OP_COUNT]; // "conv", "dwconv", ...

// Fixed-point multiplier of TFLite: value = mult * 2^(shift - 31); shift > 0 is a left shift. Applied with
// double rounding (gemmlowp: saturating rounding doubling high multiply, then rounding right shift).
struct requant {
    int32_t mult;
    int32_t shift;
};

struct tensor {
    int h, w, c;      // shape as its producer writes it
    int32_t zero;     // zero point, -128..127
    float scale;
    int producer;     // layer that writes it; -1: the model input
    int tflite_index; // tensor of the file, for messages
};

struct layer {
    enum layer_op op;
    int in[2];           // tensors; in[1] only for LAYER_ADD, else -1
    int out;             // tensor
    int in_h, in_w, in_c; // shape as this layer sees in[0] (differs from the tensor's only by a folded RESHAPE)
    int out_h, out_w, out_c;
    int kh, kw, sh, sw;  // kernel and stride; 1 where they have no meaning
    int pad_top, pad_left; // what lies below and right follows from the output size; may exceed the padding of the file
    int pad_c;           // LAYER_PAD only: channels of zero point in front
    int mult_c;          // LAYER_DWCONV depth multiplier, else 1
    int32_t in_zero;     // zero point of in[0]
    int32_t out_zero;
    int32_t act_min, act_max; // clamp of the output, in its own quantisation
    const int8_t *weights; // borrowed from the file; NULL where the operator has none
    const int32_t *bias;   // [out_c], 4-aligned, owned by the graph (zeros where the file has none); NULL likewise
    struct requant *requant; // [out_c] for CONV and DWCONV; [1] for MEAN and RESCALE; else NULL. Owned by the graph
    struct {
        int32_t in_zero[2];
        struct requant in[2], out;
        int left_shift;    // 20
    } add;
    struct {
        int32_t beta_mult; // scale of (x - max), as TFLite's SoftmaxParams
        int beta_shift;    // left shift
        int diff_min;
    } softmax;
    int tflite_op;       // operator of the file that the layer came from (its main one), for messages and CRCs
    char name[64];       // of the output tensor in the file, shortened, printable
};

struct graph {
    int n_layers, n_tensors;
    struct layer *layers;   // in execution order; layer i reads only tensors of layers < i
    struct tensor *tensors; // tensor 0 is the model input
    int input, output;      // tensors; output is always the last layer's
    uint64_t macs;          // multiply-accumulates of a plain run: CONV, DWCONV (padding counted as computed)
    size_t weight_bytes;    // weights and biases
    void *storage;          // private: what graph_free() releases
};

// Builds the graph of a parsed model, which must outlive it. -1: ERR_UNSUPPORTED or ERR_BAD_MODEL, the message names
// operator, index, tensor and reason.
int graph_build(struct graph *g, const struct tflite_model *m, struct err *e);
void graph_free(struct graph *g); // accepts a zeroed graph

// Multiply-accumulates of one output pixel of the layer (0 where it has none).
uint64_t layer_macs_per_pixel(const struct layer *l);

#endif
