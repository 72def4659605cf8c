// SPDX-License-Identifier: MIT
// Shared by graph.c and the import_*.c files, and by nobody else. Every tensor of the file is a *view* of a graph tensor:
// its dimensions name axes of that tensor, so that transpositions cost nothing, or it is the same bytes in another shape.
// A layer is only made where elements are computed. Functions that return int give 0, or -1 with the error set.
#ifndef PLANNER_IMPORT_H
#define PLANNER_IMPORT_H

#include "server/planner/graph.h"
#include "server/planner/tflite.h"

enum axis { AXIS_H, AXIS_W, AXIS_C, AXIS_ONE };

struct padding {
    int top, bottom, left, right;
    int32_t value; // the byte to pad with
};

struct view {
    bool known; // the tensor was written
    int tensor; // of the graph
    int n_dims;
    int32_t dims[TFLITE_MAX_DIMS];
    bool direct;                     // dims[i] is the axis axis[i]; AXIS_ONE has size 1
    enum axis axis[TFLITE_MAX_DIMS]; // each of H, W and C at most once; an axis that is missing has
                                     // size 1
    bool chw;    // not direct: the bytes are those of [C, H, W] instead of [H, W, C]
    bool padded; // direct: dims include a padding that no layer has made yet
    struct padding pad;
};

struct storage { // what the graph owns, in one list
    struct storage *next;
};

struct builder {
    struct graph *g;
    const struct tflite_model *m;
    struct err *e;
    struct view *views; // [n_tensors of the file]
    int *uses;          // [n_tensors]: live operators that read it, plus one for the core output
    bool *live;         // [n_ops]
    int core_in, core_out;
    int op;           // being imported
    uint64_t weights; // so far
    int channels;     // likewise, of layers with weights
    bool input_open;  // nothing but reshapes and transpositions has read the input so far
};

static inline float import__scale(const struct tflite_tensor *t)
{
    return tflite_scale(t, 0);
}

static inline int32_t import__zero(const struct tflite_tensor *t)
{
    return (int32_t)tflite_zero(t, 0);
}

static inline bool import__side_ok(int v) // of a kernel, stride or tensor
{
    return v >= 1 && v <= GRAPH_MAX_DIM;
}

/* ---- import_view.c ---- */

// Sets the error to "operator 3 NAME (output tensor 12 'x'): ..." and returns -1: ERR_UNSUPPORTED, ERR_BAD_MODEL.
int import__refuse(const struct builder *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int import__bad(const struct builder *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Zeroed memory that the graph owns; NULL with the error set.
void *import__alloc(struct builder *b, size_t count, size_t size);
// An int8 activation with one positive scale and a zero point of its range.
int import__want_activation(const struct builder *b, int index);
bool import__same_quantisation(const struct tflite_tensor *a, const struct tflite_tensor *b);
// TFLite's fixed-point form of a ratio of scales.
int import__make_requant(const struct builder *b, double real, struct requant *out);
// The range of an activation in a quantisation.
int import__activation_range(const struct builder *b, enum tflite_activation act,
                             const struct tflite_tensor *t, int32_t *low, int32_t *high);
int32_t import__axis_size(const struct tensor *t, enum axis a);
// The axes of more than one element, in the order of the view's dimensions.
int import__long_axes(const struct view *v, enum axis *out);
// Whether the view's row-major bytes are the tensor's.
bool import__is_ordered(const struct view *v);
// Whether they are the tensor's when that is permuted to [C, H, W].
bool import__is_chw(const struct view *v);
// The plain view of 4 dimensions.
struct view import__view_nhwc(const struct graph *g, int tensor);
// Publishes the output of the running operator. The file must agree with the dimensions that follow
// from its input.
int import__set_view(struct builder *b, const struct view *v);
// Whether a tensor of that shape is within the graph's limits.
int import__in_limits(const struct builder *b, int64_t h, int64_t w, int64_t c);
// Returns the new tensor.
int import__add_tensor(struct builder *b, int h, int w, int c, int tflite_index, int producer);
// The part of a name that tells layers apart: MLIR joins the names of fused operators with ';'.
void import__copy_name(char *out, size_t size, const char *name);
// A new layer that reads graph tensor `in` and writes a new tensor of the given shape, which stands for a tensor of the
// file. The caller has tested the shape. Its in_zero is that of the running operator's own input in the file: operators
// that move bytes do not rescale, whatever they say.
struct layer *import__add_layer(struct builder *b, enum layer_op op, int in, int tflite_index,
                                int h, int w, int c);
// Makes a pending padding real, as a layer that writes the given tensor of the file.
int import__settle_padding(struct builder *b, struct view *v, int tflite_index);
// Input k as a view. Constants and tensors that nobody wrote are refused.
int import__get_view(struct builder *b, int k, struct view *v);
// Like import__get_view(), with the padding in front made real.
int import__get_settled_view(struct builder *b, int k, struct view *v);
// Turns a view of 4 dimensions into a graph tensor of exactly that H, W and C, copying only if it
// must.
int import__want_nhwc(struct builder *b, struct view *v);
// A constant int32 tensor of the running operator.
int import__get_int32(const struct builder *b, int k, size_t max, int32_t *out, size_t *n);

/* ---- import_layers.c, import_shapes.c: the running operator ---- */

int import__conv(struct builder *b, bool depthwise);
int import__dense(struct builder *b);
int import__pool(struct builder *b, bool average);
int import__add(struct builder *b);
int import__mean(struct builder *b);
int import__softmax(struct builder *b);
int import__rescale(struct builder *b);
int import__pad(struct builder *b);
int import__reshape(struct builder *b);
int import__transpose(struct builder *b);

#endif
