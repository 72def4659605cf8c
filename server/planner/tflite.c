// SPDX-License-Identifier: MIT
// The flatbuffer reader behind tflite.h. Field numbers and defaults are those of TensorFlow's
// schema.fbs (schema version 3). Offsets in a flatbuffer only point forward and the schema's
// nesting is fixed, so no file can make this loop.
#include "server/planner/tflite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 127       // longer names of tensors are cut
#define MAX_OP_TENSORS 256 // inputs or outputs of one operator
#define MAX_CODES 1024
#define MAX_BUFFERS 65536

// The first error sticks: from then on every read returns its default and every vector is empty, so
// a parser reads all the fields of a table and tests once.
struct reader {
    const uint8_t *bytes;
    size_t n;
    struct err *e;
    bool failed;
    struct tflite_model *m;
};

struct table {
    struct reader *r;
    const char *name; // for messages
    size_t index;     // of the table in its vector
    size_t at, size;  // size is 0 for an absent table: all its fields are absent
    size_t vtable, vtable_size;
};

struct vector {
    size_t at; // first element
    size_t n;  // 0 when absent
};

struct block { // what the model owns, in one list
    struct block *next;
};

__attribute__((format(printf, 5, 6))) static void
fail_at(struct reader *r, size_t at, const struct table *t, const char *field, const char *fmt, ...)
{
    if (r->failed)
        return;
    r->failed = true;
    char what[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (t)
        err_set(r->e, ERR_BAD_MODEL, "byte %zu, table %s[%zu], field %s: %s", at, t->name, t->index,
                field, what);
    else
        err_set(r->e, ERR_BAD_MODEL, "byte %zu, %s: %s", at, field, what);
}

static uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)load_u16(p) | (uint32_t)load_u16(p + 2) << 16;
}

static uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

static bool inside(const struct reader *r, size_t at, uint64_t bytes)
{
    return at <= r->n && bytes <= r->n - at;
}

static void *model_alloc(struct reader *r, size_t count, size_t size)
{
    if (r->failed)
        return NULL;
    // Counts are limited by the callers; the header keeps what follows aligned for everything.
    size_t header = (sizeof(struct block) + 15) & ~(size_t)15;
    struct block *b = calloc(1, header + (count ? count : 1) * size);
    if (!b) {
        r->failed = true;
        err_set(r->e, ERR_NO_MEMORY, "out of memory while reading a model");
        return NULL;
    }
    b->next = r->m->storage;
    r->m->storage = b;
    return (char *)b + header;
}

static struct table table_open(struct reader *r, size_t at, const char *name, size_t index)
{
    struct table t = {.r = r, .name = name, .index = index, .at = at};
    if (r->failed)
        return t;
    if (!inside(r, at, 4)) {
        fail_at(r, at, &t, "(start)", "the table lies outside the file of %zu bytes", r->n);
        return t;
    }
    int64_t vtable = (int64_t)at - (int32_t)load_u32(r->bytes + at);
    if (vtable < 0 || !inside(r, (size_t)vtable, 4)) {
        fail_at(r, at, &t, "(vtable)", "its vtable would lie at byte %lld", (long long)vtable);
        return t;
    }
    size_t vtable_size = load_u16(r->bytes + vtable), size = load_u16(r->bytes + vtable + 2);
    if (vtable_size < 4 || vtable_size % 2 || !inside(r, (size_t)vtable, vtable_size)) {
        fail_at(r, (size_t)vtable, &t, "(vtable)", "bad vtable size %zu", vtable_size);
        return t;
    }
    if (size < 4 || !inside(r, at, size)) {
        fail_at(r, at, &t, "(size)", "bad table size %zu", size);
        return t;
    }
    t.size = size;
    t.vtable = (size_t)vtable;
    t.vtable_size = vtable_size;
    return t;
}

// Position of a field of the given size; 0 when it is absent (a table never starts at 0).
static size_t field_at(const struct table *t, unsigned id, const char *field, size_t bytes)
{
    struct reader *r = t->r;
    size_t slot = 4 + 2 * (size_t)id;
    if (r->failed || slot + 2 > t->vtable_size)
        return 0;
    size_t offset = load_u16(r->bytes + t->vtable + slot);
    if (offset == 0)
        return 0;
    if (offset < 4 || offset + bytes > t->size) {
        fail_at(r, t->at, t, field, "offset %zu lies outside the table of %zu bytes", offset,
                t->size);
        return 0;
    }
    return t->at + offset;
}

static uint8_t field_u8(const struct table *t, unsigned id, const char *field, uint8_t absent)
{
    size_t at = field_at(t, id, field, 1);
    return at ? t->r->bytes[at] : absent;
}

static int32_t field_i32(const struct table *t, unsigned id, const char *field, int32_t absent)
{
    size_t at = field_at(t, id, field, 4);
    return at ? (int32_t)load_u32(t->r->bytes + at) : absent;
}

static uint64_t field_u64(const struct table *t, unsigned id, const char *field)
{
    size_t at = field_at(t, id, field, 8);
    return at ? load_u64(t->r->bytes + at) : 0;
}

static float load_f32(const uint8_t *p)
{
    uint32_t bits = load_u32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float field_f32(const struct table *t, unsigned id, const char *field)
{
    size_t at = field_at(t, id, field, 4);
    return at ? load_f32(t->r->bytes + at) : 0;
}

// Where an offset field points to; 0 when absent.
static size_t field_target(const struct table *t, unsigned id, const char *field)
{
    size_t at = field_at(t, id, field, 4);
    if (!at)
        return 0;
    uint32_t offset = load_u32(t->r->bytes + at);
    if (offset == 0 || !inside(t->r, at, (uint64_t)offset + 4)) {
        fail_at(t->r, at, t, field, "offset %u points outside the file of %zu bytes", offset,
                t->r->n);
        return 0;
    }
    return at + offset;
}

static struct table field_table(const struct table *t, unsigned id, const char *field,
                                const char *name)
{
    size_t at = field_target(t, id, field);
    if (!at)
        return (struct table){.r = t->r, .name = name, .index = t->index};
    return table_open(t->r, at, name, t->index);
}

static struct vector field_vector(const struct table *t, unsigned id, const char *field,
                                  size_t element_bytes, size_t max)
{
    struct vector v = {0, 0};
    size_t at = field_target(t, id, field);
    if (!at)
        return v;
    uint32_t n = load_u32(t->r->bytes + at);
    if (!inside(t->r, at + 4, (uint64_t)n * element_bytes))
        fail_at(t->r, at, t, field, "a vector of %u elements does not fit into the file", n);
    else if (n > max)
        fail_at(t->r, at, t, field, "%u elements, at most %zu are accepted", n, max);
    else
        v = (struct vector){.at = at + 4, .n = n};
    return v;
}

static struct table vector_table(const struct table *owner, const struct vector *v, size_t i,
                                 const char *field, const char *name)
{
    struct reader *r = owner->r;
    struct table t = {.r = r, .name = name, .index = i};
    if (r->failed)
        return t;
    size_t at = v->at + 4 * i;
    uint32_t offset = load_u32(r->bytes + at);
    if (offset == 0 || !inside(r, at, (uint64_t)offset + 4)) {
        fail_at(r, at, owner, field, "element %zu: offset %u points outside the file", i, offset);
        return t;
    }
    return table_open(r, at + offset, name, i);
}

// Copies a string, cut to max characters, with everything unprintable replaced: it goes into
// messages and pages.
static void copy_string(const struct reader *r, const struct vector *v, char *out, size_t max)
{
    size_t n = v->n < max ? v->n : max;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = r->bytes[v->at + i];
        out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    out[n] = 0;
}

static const int32_t *copy_indices(const struct table *t, unsigned id, const char *field,
                                   int lowest, size_t max, int *count)
{
    struct reader *r = t->r;
    struct vector v = field_vector(t, id, field, 4, max);
    *count = 0;
    int32_t *list = model_alloc(r, v.n, sizeof *list);
    if (!list)
        return NULL;
    for (size_t i = 0; i < v.n; i++) {
        list[i] = (int32_t)load_u32(r->bytes + v.at + 4 * i);
        if (list[i] < lowest || list[i] >= r->m->n_tensors) {
            fail_at(r, v.at + 4 * i, t, field, "element %zu is tensor %d of %d", i, list[i],
                    r->m->n_tensors);
            return NULL;
        }
    }
    *count = (int)v.n;
    return list;
}

static size_t type_bytes(enum tflite_type type)
{
    switch (type) {
    case TFLITE_FLOAT32:
    case TFLITE_INT32:
        return 4;
    case TFLITE_UINT8:
    case TFLITE_INT8:
        return 1;
    case TFLITE_INT64:
        return 8;
    case TFLITE_INT16:
        return 2;
    }
    return 0;
}

// Buffer 0 and empty buffers mean: not a constant.
static void read_buffer(const struct table *model, const struct vector *buffers,
                        const struct table *t, uint32_t buffer, struct tflite_tensor *out)
{
    struct reader *r = t->r;
    if (buffer >= buffers->n && !(buffer == 0 && buffers->n == 0)) {
        fail_at(r, t->at, t, "buffer", "buffer %u of %zu", buffer, buffers->n);
        return;
    }
    if (buffer == 0 || r->failed)
        return;
    struct table b = vector_table(model, buffers, buffer, "buffers", "Buffer");
    struct vector data = field_vector(&b, 0, "data", 1, SIZE_MAX);
    uint64_t offset = field_u64(&b, 1, "offset"), size = field_u64(&b, 2, "size");
    if (r->failed)
        return;
    if (data.n == 0 &&
        offset > 1) { // a model beyond 2 GB keeps its constants behind the flatbuffer
        if (offset > r->n || size > r->n - offset) {
            fail_at(r, b.at, &b, "offset", "%llu bytes at %llu lie outside the file",
                    (unsigned long long)size, (unsigned long long)offset);
            return;
        }
        data = (struct vector){.at = (size_t)offset, .n = (size_t)size};
    }
    if (data.n == 0)
        return;
    size_t needed = data.n, element = type_bytes(out->type);
    if (element) {
        needed = out->elements * element;
        if (data.n < needed) {
            fail_at(r, data.at, &b, "data", "%zu bytes, but tensor %zu '%s' needs %zu", data.n,
                    t->index, out->name, needed);
            return;
        }
    }
    out->data = r->bytes + data.at;
    out->data_bytes = needed;
}

static void read_quantization(const struct table *t, struct tflite_tensor *out)
{
    struct table q = field_table(t, 4, "quantization", "QuantizationParameters");
    struct vector scales = field_vector(&q, 2, "scale", 4, SIZE_MAX);
    struct vector zeros = field_vector(&q, 3, "zero_point", 8, SIZE_MAX);
    if (t->r->failed || scales.n == 0)
        return;
    if (scales.n > TFLITE_MAX_ELEMENTS) {
        fail_at(t->r, scales.at, &q, "scale", "%zu scales", scales.n);
        return;
    }
    if (zeros.n != 0 && zeros.n != scales.n) {
        fail_at(t->r, zeros.at, &q, "zero_point", "%zu zero points for %zu scales", zeros.n,
                scales.n);
        return;
    }
    out->n_scales = (int)scales.n;
    out->scales = t->r->bytes + scales.at;
    out->zero_points = zeros.n ? t->r->bytes + zeros.at : NULL;
    out->quantized_dim = field_i32(&q, 6, "quantized_dimension", 0);
}

static void read_tensor(const struct table *model, const struct vector *buffers,
                        const struct table *t, struct tflite_tensor *out)
{
    struct reader *r = t->r;
    struct vector shape = field_vector(t, 0, "shape", 4, TFLITE_MAX_DIMS);
    out->type = (enum tflite_type)field_u8(t, 1, "type", TFLITE_FLOAT32);
    uint32_t buffer = (uint32_t)field_i32(t, 2, "buffer", 0);
    struct vector name = field_vector(t, 3, "name", 1, SIZE_MAX);
    out->is_variable = field_u8(t, 5, "is_variable", 0) != 0;
    size_t sparsity = field_target(t, 6, "sparsity");
    char *copy = model_alloc(r, (name.n < MAX_NAME ? name.n : MAX_NAME) + 1, 1);
    if (!copy)
        return;
    copy_string(r, &name, copy, MAX_NAME);
    out->name = copy;
    uint64_t elements = 1;
    out->n_dims = (int)shape.n;
    for (size_t i = 0; i < shape.n; i++) {
        int32_t d = (int32_t)load_u32(r->bytes + shape.at + 4 * i);
        out->dims[i] = d;
        if (d < 0) {
            fail_at(r, shape.at + 4 * i, t, "shape", "dimension %zu of '%s' is %d", i, copy, d);
            return;
        }
        elements *= (uint64_t)d; // no overflow: at most 2^26 * 2^31
        if (elements > TFLITE_MAX_ELEMENTS) {
            fail_at(r, shape.at, t, "shape", "'%s' has more than %u elements", copy,
                    TFLITE_MAX_ELEMENTS);
            return;
        }
    }
    out->elements = (uint32_t)elements;
    if (sparsity) {
        r->failed = true;
        err_set(r->e, ERR_UNSUPPORTED,
                "tensor %zu '%s' is stored sparse; save the model with dense weights", t->index,
                copy);
        return;
    }
    read_quantization(t, out);
    read_buffer(model, buffers, t, buffer, out);
}

// clang-format off
static const char *const builtin_names[] = {
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
    "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP",
    "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM",
    "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN",
    "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT",
    "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT",
    "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL",
    "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS",
    "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU",
    "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D",
    "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL",
    "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS",
    "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE",
    "RELU_0_TO_1", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "ATAN2",
    "UNSORTED_SEGMENT_MIN", "SIGN", "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT",
};
// clang-format on

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
_Static_assert(COUNT(builtin_names) == 162, "the names are numbered by their position");

static void read_code(const struct table *model, const struct vector *codes, uint32_t index,
                      const struct table *t, struct tflite_op *op)
{
    struct reader *r = t->r;
    if (index >= codes->n) {
        fail_at(r, t->at, t, "opcode_index", "operator code %u of %zu", index, codes->n);
        return;
    }
    struct table c = vector_table(model, codes, index, "operator_codes", "OperatorCode");
    // Numbers above 127 only fit into the newer field; older files have only the byte.
    int deprecated = (int8_t)field_u8(&c, 0, "deprecated_builtin_code", 0);
    int code = field_i32(&c, 3, "builtin_code", 0);
    struct vector custom = field_vector(&c, 1, "custom_code", 1, SIZE_MAX);
    op->version = field_i32(&c, 2, "version", 1);
    op->code = code > deprecated ? code : deprecated;
    if (r->failed)
        return;
    if (op->code == TFLITE_OP_CUSTOM) {
        char text[28];
        copy_string(r, &custom, text, sizeof text - 1);
        snprintf(op->name, sizeof op->name, "CUSTOM(%s)", text);
    } else if (op->code >= 0 && (size_t)op->code < COUNT(builtin_names)) {
        snprintf(op->name, sizeof op->name, "%s", builtin_names[op->code]);
    } else {
        snprintf(op->name, sizeof op->name, "BUILTIN(%d)", op->code);
    }
}

static void read_new_shape(const struct table *o, struct tflite_op *op)
{
    struct vector v = field_vector(o, 0, "new_shape", 4, TFLITE_MAX_DIMS);
    op->n_new_shape = (int)v.n;
    for (size_t i = 0; i < v.n; i++)
        op->new_shape[i] = (int32_t)load_u32(o->r->bytes + v.at + 4 * i);
}

// Options sit in a union: its tag must be the one that belongs to the operator, else the operator
// has no options and keeps the schema's defaults.
static void read_options(const struct table *t, struct tflite_op *op)
{
    enum {
        CONV = 1,
        DWCONV = 2,
        POOL = 5,
        FULLY_CONNECTED = 8,
        SOFTMAX = 9,
        CONCATENATION = 10,
        ADD = 11,
        RESHAPE = 17,
        REDUCER = 27,
        STRIDED_SLICE = 32,
        PACK = 59,
    };
    static const struct {
        int code, tag;
        const char *name;
    } kinds[] = {
        {TFLITE_OP_CONV_2D, CONV, "Conv2DOptions"},
        {TFLITE_OP_DEPTHWISE_CONV_2D, DWCONV, "DepthwiseConv2DOptions"},
        {TFLITE_OP_AVERAGE_POOL_2D, POOL, "Pool2DOptions"},
        {TFLITE_OP_MAX_POOL_2D, POOL, "Pool2DOptions"},
        {TFLITE_OP_FULLY_CONNECTED, FULLY_CONNECTED, "FullyConnectedOptions"},
        {TFLITE_OP_SOFTMAX, SOFTMAX, "SoftmaxOptions"},
        {TFLITE_OP_CONCATENATION, CONCATENATION, "ConcatenationOptions"},
        {TFLITE_OP_ADD, ADD, "AddOptions"},
        {TFLITE_OP_RESHAPE, RESHAPE, "ReshapeOptions"},
        {TFLITE_OP_MEAN, REDUCER, "ReducerOptions"},
        {TFLITE_OP_STRIDED_SLICE, STRIDED_SLICE, "StridedSliceOptions"},
        {TFLITE_OP_PACK, PACK, "PackOptions"},
    };
    int tag = field_u8(t, 3, "builtin_options_type", 0);
    struct table o = {.r = t->r, .name = "Options", .index = t->index};
    int kind = 0;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (kinds[i].code == op->code) {
            kind = kinds[i].tag;
            if (tag == kind)
                o = field_table(t, 4, "builtin_options", kinds[i].name);
        }
    }
    switch (kind) {
    case CONV:
    case DWCONV:
    case POOL: {
        unsigned act = kind == CONV ? 3 : kind == DWCONV ? 4 : 5;
        op->padding_same = field_u8(&o, 0, "padding", 0) == 0;
        op->stride_w = field_i32(&o, 1, "stride_w", 0);
        op->stride_h = field_i32(&o, 2, "stride_h", 0);
        op->activation = (enum tflite_activation)field_u8(&o, act, "fused_activation_function", 0);
        op->dilation_w = op->dilation_h = 1;
        if (kind == POOL) {
            op->filter_w = field_i32(&o, 3, "filter_width", 0);
            op->filter_h = field_i32(&o, 4, "filter_height", 0);
        } else {
            op->dilation_w = field_i32(&o, act + 1, "dilation_w_factor", 1);
            op->dilation_h = field_i32(&o, act + 2, "dilation_h_factor", 1);
        }
        if (kind == DWCONV)
            op->depth_multiplier = field_i32(&o, 3, "depth_multiplier", 0);
        break;
    }
    case FULLY_CONNECTED:
        op->activation = (enum tflite_activation)field_u8(&o, 0, "fused_activation_function", 0);
        op->weights_format = field_u8(&o, 1, "weights_format", 0);
        op->keep_num_dims = field_u8(&o, 2, "keep_num_dims", 0) != 0;
        op->asymmetric_inputs = field_u8(&o, 3, "asymmetric_quantize_inputs", 0) != 0;
        break;
    case SOFTMAX:
        op->beta = field_f32(&o, 0, "beta");
        break;
    case CONCATENATION:
        op->axis = field_i32(&o, 0, "axis", 0);
        op->activation = (enum tflite_activation)field_u8(&o, 1, "fused_activation_function", 0);
        break;
    case ADD:
        op->activation = (enum tflite_activation)field_u8(&o, 0, "fused_activation_function", 0);
        op->pot_scale_int16 = field_u8(&o, 1, "pot_scale_int16", 1) != 0;
        break;
    case RESHAPE:
        read_new_shape(&o, op);
        break;
    case REDUCER:
        op->keep_dims = field_u8(&o, 0, "keep_dims", 0) != 0;
        break;
    case STRIDED_SLICE:
        op->begin_mask = (uint32_t)field_i32(&o, 0, "begin_mask", 0);
        op->end_mask = (uint32_t)field_i32(&o, 1, "end_mask", 0);
        op->ellipsis_mask = (uint32_t)field_i32(&o, 2, "ellipsis_mask", 0);
        op->new_axis_mask = (uint32_t)field_i32(&o, 3, "new_axis_mask", 0);
        op->shrink_axis_mask = (uint32_t)field_i32(&o, 4, "shrink_axis_mask", 0);
        break;
    case PACK:
        op->axis = field_i32(&o, 1, "axis", 0);
        break;
    default:
        break;
    }
}

static void read_op(const struct table *model, const struct vector *codes, const struct table *t,
                    struct tflite_op *op)
{
    read_code(model, codes, (uint32_t)field_i32(t, 0, "opcode_index", 0), t, op);
    op->inputs = copy_indices(t, 1, "inputs", -1, MAX_OP_TENSORS, &op->n_inputs);
    op->outputs = copy_indices(t, 2, "outputs", 0, MAX_OP_TENSORS, &op->n_outputs);
    read_options(t, op);
}

static void read_model(struct reader *r)
{
    struct tflite_model *m = r->m;
    if (r->n < 8) {
        fail_at(r, 0, NULL, "header", "%zu bytes are too few for a TFLite file", r->n);
        return;
    }
    if (memcmp(r->bytes + 4, "TFL3", 4) != 0) {
        fail_at(r, 4, NULL, "file identifier", "not \"TFL3\": this is not a TFLite file");
        return;
    }
    struct table model = table_open(r, load_u32(r->bytes), "Model", 0);
    int32_t version = field_i32(&model, 0, "version", 0);
    if (!r->failed && version != 3)
        fail_at(r, model.at, &model, "version", "schema version %d, only 3 is known", version);
    struct vector codes = field_vector(&model, 1, "operator_codes", 4, MAX_CODES);
    struct vector subgraphs = field_vector(&model, 2, "subgraphs", 4, 65536);
    struct vector description = field_vector(&model, 3, "description", 1, SIZE_MAX);
    struct vector buffers = field_vector(&model, 4, "buffers", 4, MAX_BUFFERS);
    copy_string(r, &description, m->description, sizeof m->description - 1);
    if (!r->failed && subgraphs.n == 0)
        fail_at(r, model.at, &model, "subgraphs", "the model is empty");
    if (!r->failed && subgraphs.n > 1) {
        r->failed = true;
        err_set(r->e, ERR_UNSUPPORTED,
                "the model has %zu subgraphs (control flow or several signatures); only models "
                "with one are supported",
                subgraphs.n);
    }
    if (r->failed)
        return;
    struct table sub = vector_table(&model, &subgraphs, 0, "subgraphs", "SubGraph");
    struct vector tensors = field_vector(&sub, 0, "tensors", 4, TFLITE_MAX_TENSORS);
    struct vector ops = field_vector(&sub, 3, "operators", 4, TFLITE_MAX_OPS);
    m->tensors = model_alloc(r, tensors.n, sizeof *m->tensors);
    m->ops = model_alloc(r, ops.n, sizeof *m->ops);
    if (r->failed)
        return;
    m->n_tensors = (int)tensors.n;
    for (size_t i = 0; i < tensors.n && !r->failed; i++) {
        struct table t = vector_table(&sub, &tensors, i, "tensors", "Tensor");
        read_tensor(&model, &buffers, &t, &m->tensors[i]);
    }
    m->inputs = copy_indices(&sub, 1, "inputs", 0, MAX_OP_TENSORS, &m->n_inputs);
    m->outputs = copy_indices(&sub, 2, "outputs", 0, MAX_OP_TENSORS, &m->n_outputs);
    m->n_ops = (int)ops.n;
    for (size_t i = 0; i < ops.n && !r->failed; i++) {
        struct table t = vector_table(&sub, &ops, i, "operators", "Operator");
        read_op(&model, &codes, &t, &m->ops[i]);
    }
}

int tflite_parse(struct tflite_model *m, const void *bytes, size_t n, struct err *e)
{
    *m = (struct tflite_model){.bytes = bytes, .n_bytes = n};
    if (n > TFLITE_MAX_FILE_BYTES)
        return err_set(e, ERR_BAD_MODEL, "a file of %zu bytes; at most %u are accepted", n,
                       TFLITE_MAX_FILE_BYTES);
    struct reader r = {.bytes = bytes, .n = n, .e = e, .m = m};
    read_model(&r);
    if (r.failed) {
        tflite_free(m);
        return -1;
    }
    return 0;
}

void tflite_free(struct tflite_model *m)
{
    struct block *b = m->storage;
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    *m = (struct tflite_model){0};
}

float tflite_scale(const struct tflite_tensor *t, int channel)
{
    if (t->n_scales == 0 || channel < 0)
        return 0;
    return load_f32(t->scales + 4 * (size_t)(channel < t->n_scales ? channel : 0));
}

int64_t tflite_zero(const struct tflite_tensor *t, int channel)
{
    if (t->n_scales == 0 || !t->zero_points || channel < 0)
        return 0;
    return (int64_t)load_u64(t->zero_points + 8 * (size_t)(channel < t->n_scales ? channel : 0));
}

size_t tflite_type_bytes(enum tflite_type type)
{
    return type_bytes(type);
}

const char *tflite_type_name(enum tflite_type type)
{
    static const char *const names[] = {"float32", "float16",    "int32",  "uint8",     "int64",
                                        "string",  "bool",       "int16",  "complex64", "int8",
                                        "float64", "complex128", "uint64", "resource",  "variant",
                                        "uint32",  "uint16",     "int4"};
    return (size_t)type < COUNT(names) ? names[type] : "an unknown type";
}
