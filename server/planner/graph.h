// SPDX-License-Identifier: MIT
// A network as the planner sees it: int8 layers in execution order over [H, W, C] tensors, batch 1.
//
// What the import folds away, so that nothing behind it needs to know:
//   PAD            into the padding of the convolutions that read it when it pads H and W with the zero point and every
//                  window keeps touching the tensor; into a MAX_POOL_2D when it pads with -128; else a LAYER_PAD
//   RELU, RELU6, RELU_N1_TO_1  into act_min/act_max of the layer before when they only clamp and nothing else reads what
//                  they clamp, else a LAYER_RESCALE
//   RESHAPE, SQUEEZE, EXPAND_DIMS  into nothing where the consumer does not mind (bytes keep their row-major order) and
//                  at the borders; else a LAYER_RESHAPE (a copy)
//   FULLY_CONNECTED into a LAYER_CONV whose kernel is its whole input (or 1x1 over M pixels when the input is [M, K])
//   TRANSPOSE      NCHW wrappers by renaming axes: data stay HWC. Where the file's own input or output is CHW, input_chw
//                  and output_chw say so; a dense layer behind a transposition gets its weights reordered
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
    LAYER_CONV,    // w [out_c][kh][kw][in_c]; groups and dilation are refused
    LAYER_DWCONV,  // w [kh][kw][out_c], out_c = in_c * mult_c, output channel o reads input channel o / mult_c
    LAYER_ADD,     // in[0] + in[1], same shape
    LAYER_AVGPOOL, // mean of the window's elements inside the tensor, rounded half away from zero; same scale in and out
    LAYER_MAXPOOL,
    LAYER_MEAN,    // over the whole of H and/or W; requant applies to sum(x - in_zero): the division is in it
    LAYER_SOFTMAX, // over C of each pixel
    LAYER_RESCALE, // per element: int8 -> int8 requantisation and clamp (RELU with other scales, QUANTIZE int8 -> int8)
    LAYER_PAD,     // output pixel = input pixel at (y - pad_top, x - pad_left), channel c - pad_c, or the byte in_zero
                   // (= out_zero), which for PADV2 need not be the tensor's zero point
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
    int h, w, c;  // shape as its producer writes it
    int32_t zero; // zero point, -128..127
    float scale;
    int producer; // layer that writes it; -1: the model input
    // The tensor of the file with the same elements, behind folded operators: for messages and CRCs.
    int tflite_index;
};

struct layer {
    enum layer_op op;
    int in[2];            // tensors; in[1] only for LAYER_ADD, else -1
    int out;              // tensor
    int in_h, in_w, in_c; // shape of in[0]
    int out_h, out_w, out_c;
    int kh, kw, sh, sw; // kernel and stride; 1 where they have no meaning
    // What lies below and right follows from the output size; it may exceed the padding of the file.
    int pad_top, pad_left;
    int pad_c;  // LAYER_PAD only: channels of padding in front
    int mult_c; // LAYER_DWCONV depth multiplier, else 1
    // Zero points as the operator sees them in the file; LAYER_PAD: both are the byte to pad with.
    int32_t in_zero, out_zero;
    int32_t act_min, act_max; // clamp of the output; -128 and 127 where there is none
    const int8_t *weights;    // the file's or the graph's; NULL where the operator has none
    const int32_t *bias;      // [out_c], the graph's, zeros where the file has none; NULL likewise
    struct requant *requant;  // CONV, DWCONV: [out_c]; MEAN, RESCALE: [1]; else NULL. The graph's
    struct {
        int32_t in_zero[2];
        struct requant in[2], out;
        int left_shift; // 20
    } add;
    struct {
        int32_t beta_mult; // scale of (x - max), as TFLite's SoftmaxParams
        int beta_shift;    // left shift
        int diff_min;
    } softmax;
    int tflite_op; // the main operator of the file that it came from, for messages
    char name[64]; // of the output tensor in the file, shortened, printable
};

struct graph {
    int n_layers, n_tensors;
    struct layer *layers;   // in execution order; layer i reads only tensors of layers < i
    struct tensor *tensors; // tensor 0 is the model input
    int input, output;      // tensors; output is always the last layer's
    // The file's bytes of the core's input or output are [C, H, W]: permute them to [H, W, C] to fill tensor 0, or to
    // compare the output tensor.
    bool input_chw, output_chw;
    uint64_t macs;       // of a plain run: CONV and DWCONV, padding counted as computed
    size_t weight_bytes; // weights and biases
    void *storage;       // private: what graph_free() releases
};

// H, W, C, kernel, stride and padding travel in 16 bits.
#define GRAPH_MAX_DIM 32767
#define GRAPH_MAX_TENSOR_BYTES (16u << 20) // of one activation
#define GRAPH_MAX_WINDOW (1 << 22) // elements of a pool or mean, so that its sum fits into 32 bits
#define GRAPH_MAX_SOFTMAX 4095     // channels, likewise

// Builds the graph of a parsed model, which must outlive it. -1: ERR_UNSUPPORTED or ERR_BAD_MODEL, the message names
// operator, index, tensor and reason.
int graph_build(struct graph *g, const struct tflite_model *m, struct err *e);
void graph_free(struct graph *g); // accepts a zeroed graph
// Tests what everything behind the import relies on: layers read earlier layers only, shapes agree, every window touches
// its tensor, sizes are within the limits, pointers are there. -1: ERR_INTERNAL names the layer. For tests.
int graph_check(const struct graph *g, struct err *e);

struct axis_geometry {           // of a layer along height or width
    int k, stride, pad, in, out; // kernel, stride, padding in front, extents of input and output
};
struct axis_geometry layer_axis(const struct layer *l, bool vertical);
// Multiply-accumulates of one output pixel of the layer (0 where it has none).
uint64_t layer_macs_per_pixel(const struct layer *l);

#endif
