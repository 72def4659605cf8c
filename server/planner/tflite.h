// SPDX-License-Identifier: MIT
// TFLite flatbuffer -> tensors and operators with parsed options. Every offset and size is checked against the file
// before it is followed, alignment is not assumed, and all counts are limited; nothing here judges what the planner can
// run (graph.c does). The file's bytes are borrowed and must outlive the model.
#ifndef PLANNER_TFLITE_H
#define PLANNER_TFLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define TFLITE_MAX_DIMS 6
#define TFLITE_MAX_FILE_BYTES (32u << 20)
#define TFLITE_MAX_TENSORS 4096
#define TFLITE_MAX_OPS 2048
#define TFLITE_MAX_ELEMENTS (64u << 20) // of one tensor

// The values are those of schema.fbs.
enum tflite_type {
    TFLITE_FLOAT32 = 0,
    TFLITE_INT32 = 2,
    TFLITE_UINT8 = 3,
    TFLITE_INT64 = 4,
    TFLITE_INT16 = 7,
    TFLITE_INT8 = 9
};
enum tflite_activation {
    TFLITE_ACT_NONE = 0,
    TFLITE_ACT_RELU = 1,
    TFLITE_ACT_RELU_N1_TO_1 = 2,
    TFLITE_ACT_RELU6 = 3
};

// The operators that the planner names; the values are those of schema.fbs' BuiltinOperator.
enum tflite_op_code {
    TFLITE_OP_ADD = 0,
    TFLITE_OP_AVERAGE_POOL_2D = 1,
    TFLITE_OP_CONCATENATION = 2,
    TFLITE_OP_CONV_2D = 3,
    TFLITE_OP_DEPTHWISE_CONV_2D = 4,
    TFLITE_OP_DEQUANTIZE = 6,
    TFLITE_OP_FULLY_CONNECTED = 9,
    TFLITE_OP_MAX_POOL_2D = 17,
    TFLITE_OP_RELU = 19,
    TFLITE_OP_RELU_N1_TO_1 = 20,
    TFLITE_OP_RELU6 = 21,
    TFLITE_OP_RESHAPE = 22,
    TFLITE_OP_SOFTMAX = 25,
    TFLITE_OP_CUSTOM = 32,
    TFLITE_OP_PAD = 34,
    TFLITE_OP_TRANSPOSE = 39,
    TFLITE_OP_MEAN = 40,
    TFLITE_OP_SQUEEZE = 43,
    TFLITE_OP_STRIDED_SLICE = 45,
    TFLITE_OP_PADV2 = 60,
    TFLITE_OP_EXPAND_DIMS = 70,
    TFLITE_OP_SHAPE = 77,
    TFLITE_OP_PACK = 83,
    TFLITE_OP_QUANTIZE = 114,
};

struct tflite_tensor {
    const char *name;      // owned by the model, printable, cut at 127; "" when the file has none
    enum tflite_type type; // may hold a value that is not named above
    int n_dims;            // 0: scalar
    int32_t dims[TFLITE_MAX_DIMS];
    uint32_t elements;   // product of dims
    bool is_variable;    // keeps its value between inferences
    const uint8_t *data; // constant's bytes, unaligned; NULL: an activation
    // elements * element size, checked; for types that are not named above: what the file has.
    size_t data_bytes;
    int n_scales;               // 0: not quantised
    const uint8_t *scales;      // float32[n_scales], unaligned
    const uint8_t *zero_points; // int64[n_scales], unaligned; NULL: all zero
    int quantized_dim;
};

struct tflite_op {
    int code; // BuiltinOperator value
    int version;
    char name[40]; // "CONV_2D", "CUSTOM(x)", "BUILTIN(n)" for unknown numbers
    int n_inputs, n_outputs;
    // Tensor indices, checked, owned by the model; -1 = optional and absent.
    const int32_t *inputs, *outputs;
    // options, those that the operator has
    enum tflite_activation activation;
    bool padding_same;
    int stride_h, stride_w, dilation_h, dilation_w, filter_h, filter_w, depth_multiplier;
    bool keep_dims, keep_num_dims, asymmetric_inputs, pot_scale_int16;
    float beta;
    int axis;
    // STRIDED_SLICE
    uint32_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask;
    int32_t new_shape[TFLITE_MAX_DIMS]; // RESHAPE's attribute
    int n_new_shape;                    // 0: none
    int weights_format;
};

struct tflite_model {
    const uint8_t *bytes;
    size_t n_bytes;
    char description[64];
    int n_tensors, n_ops;
    struct tflite_tensor *tensors;
    struct tflite_op *ops; // in execution order
    int n_inputs, n_outputs;
    const int32_t *inputs, *outputs;
    void *storage; // private
};

// -1: ERR_BAD_MODEL with what is wrong and where (byte offset, table, field); ERR_UNSUPPORTED for files with several
// subgraphs or sparse tensors; ERR_NO_MEMORY. m is zeroed then.
int tflite_parse(struct tflite_model *m, const void *bytes, size_t n, struct err *e);
void tflite_free(struct tflite_model *m);

// The first one when there are fewer; 0 when the tensor is not quantised.
float tflite_scale(const struct tflite_tensor *t, int channel);
int64_t tflite_zero(const struct tflite_tensor *t, int channel);
size_t tflite_type_bytes(enum tflite_type type);     // of an element; 0 for a type not named above
const char *tflite_type_name(enum tflite_type type); // "int8"

#endif
