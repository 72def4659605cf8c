// SPDX-License-Identifier: MIT
// What the imports of all operators share: refusals, the graph's memory, quantisation, and views.
#include "server/planner/import.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors and memory ---- */

static int refuse_op(const struct builder *b, enum err_code code, const char *what)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    int out = op->n_outputs > 0 ? op->outputs[0] : -1;
    return err_set(b->e, code, "operator %d %s (output tensor %d '%.60s'): %s", b->op, op->name,
                   out, out >= 0 ? b->m->tensors[out].name : "", what);
}

int import__refuse(const struct builder *b, const char *fmt, ...)
{
    char what[220];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return refuse_op(b, ERR_UNSUPPORTED, what);
}

int import__bad(const struct builder *b, const char *fmt, ...)
{
    char what[220];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return refuse_op(b, ERR_BAD_MODEL, what);
}

void *import__alloc(struct builder *b, size_t count, size_t size)
{
    size_t header = (sizeof(struct storage) + 15) & ~(size_t)15;
    struct storage *s = calloc(1, header + (count ? count : 1) * size);
    if (!s) {
        err_set(b->e, ERR_NO_MEMORY, "out of memory while importing a model");
        return NULL;
    }
    s->next = b->g->storage;
    b->g->storage = s;
    return (char *)s + header;
}

/* ---- quantisation ---- */

int import__want_activation(const struct builder *b, int index)
{
    const struct tflite_tensor *t = &b->m->tensors[index];
    if (t->type != TFLITE_INT8)
        return import__refuse(
            b,
            "tensor %d '%.60s' is %s; only int8 activations are supported (quantise the "
            "model to full int8)",
            index, t->name, tflite_type_name(t->type));
    int64_t zero = tflite_zero(t, 0);
    if (t->n_scales != 1 || !(import__scale(t) > 0) || import__scale(t) > FLT_MAX)
        return import__refuse(b, "tensor %d '%.60s' has %d scales; one positive scale is needed",
                              index, t->name, t->n_scales);
    if (zero < -128 || zero > 127)
        return import__bad(b, "zero point %lld of tensor %d is outside -128..127", (long long)zero,
                           index);
    return 0;
}

bool import__same_quantisation(const struct tflite_tensor *a, const struct tflite_tensor *b)
{
    return import__scale(a) == import__scale(b) && import__zero(a) == import__zero(b);
}

int import__make_requant(const struct builder *b, double real, struct requant *out)
{
    *out = (struct requant){0, 0};
    if (!(real >= 0) || real > 1048576.0) // what is left of an int32 beside 8 bits of data
        return import__refuse(b, "scale ratio %g is out of range", real);
    if (real == 0)
        return 0;
    int shift;
    int64_t q = (int64_t)round(frexp(real, &shift) * 2147483648.0);
    if (q == INT64_C(1) << 31) {
        q /= 2;
        shift++;
    }
    if (shift >= -31) // smaller ratios make everything 0
        *out = (struct requant){(int32_t)q, shift};
    return 0;
}

static int32_t limit(int64_t v)
{
    return v < -128 ? -128 : v > 127 ? 127 : (int32_t)v;
}

int import__activation_range(const struct builder *b, enum tflite_activation act,
                             const struct tflite_tensor *t, int32_t *low, int32_t *high)
{
    int64_t zero = import__zero(t);
    float one = roundf(1.0f / import__scale(t)), six = roundf(6.0f / import__scale(t));
    *low = -128;
    *high = 127;
    if (act == TFLITE_ACT_NONE)
        return 0;
    if (!(six < 2147483000.0f))
        return import__refuse(b, "output scale %g is too small", (double)import__scale(t));
    if (act == TFLITE_ACT_RELU || act == TFLITE_ACT_RELU6)
        *low = limit(zero);
    if (act == TFLITE_ACT_RELU6)
        *high = limit(zero + (int64_t)six);
    if (act == TFLITE_ACT_RELU_N1_TO_1) {
        *low = limit(zero - (int64_t)one);
        *high = limit(zero + (int64_t)one);
    }
    if (act > TFLITE_ACT_RELU6)
        return import__refuse(
            b, "fused activation %d (only NONE, RELU, RELU_N1_TO_1 and RELU6 are supported)",
            (int)act);
    return 0;
}

/* ---- views ---- */

int32_t import__axis_size(const struct tensor *t, enum axis a)
{
    return a == AXIS_H ? t->h : a == AXIS_W ? t->w : a == AXIS_C ? t->c : 1;
}

int import__long_axes(const struct view *v, enum axis *out)
{
    int n = 0;
    for (int d = 0; d < v->n_dims; d++) {
        if (v->axis[d] != AXIS_ONE && v->dims[d] > 1)
            out[n++] = v->axis[d];
    }
    return n;
}

bool import__is_ordered(const struct view *v)
{
    enum axis axes[3];
    if (!v->direct)
        return !v->chw;
    int n = import__long_axes(v, axes);
    for (int i = 1; i < n; i++) {
        if (axes[i] < axes[i - 1])
            return false;
    }
    return true;
}

bool import__is_chw(const struct view *v)
{
    enum axis axes[3];
    if (!v->direct)
        return v->chw;
    int n = import__long_axes(v, axes), h = -1, w = -1, c = -1;
    for (int i = 0; i < n; i++) {
        h = axes[i] == AXIS_H ? i : h;
        w = axes[i] == AXIS_W ? i : w;
        c = axes[i] == AXIS_C ? i : c;
    }
    return c <= 0 && (h < 0 || w < 0 || h < w);
}

struct view import__view_nhwc(const struct graph *g, int tensor)
{
    const struct tensor *t = &g->tensors[tensor];
    return (struct view){.known = true,
                         .tensor = tensor,
                         .n_dims = 4,
                         .dims = {1, t->h, t->w, t->c},
                         .direct = true,
                         .axis = {AXIS_ONE, AXIS_H, AXIS_W, AXIS_C}};
}

static bool dims_are(const struct tflite_tensor *t, const struct view *v)
{
    return t->n_dims == v->n_dims &&
           memcmp(t->dims, v->dims, (size_t)v->n_dims * sizeof v->dims[0]) == 0;
}

int import__set_view(struct builder *b, const struct view *v)
{
    int out = b->m->ops[b->op].outputs[0];
    if (!dims_are(&b->m->tensors[out], v))
        return import__bad(b, "the shape of its output does not follow from its input");
    if (b->views[out].known || out == b->core_in || b->m->tensors[out].data)
        return import__bad(b, "its output tensor is written twice");
    b->views[out] = *v;
    b->views[out].known = true;
    return 0;
}

int import__in_limits(const struct builder *b, int64_t h, int64_t w, int64_t c)
{
    if (h < 1 || w < 1 || c < 1)
        return import__refuse(b, "a tensor of %lldx%lldx%lld is empty", (long long)h, (long long)w,
                              (long long)c);
    if (h > GRAPH_MAX_DIM || w > GRAPH_MAX_DIM || c > GRAPH_MAX_DIM ||
        h * w * c > GRAPH_MAX_TENSOR_BYTES)
        return import__refuse(
            b, "a tensor of %lldx%lldx%lld is too large (sides up to %d, %u bytes)", (long long)h,
            (long long)w, (long long)c, GRAPH_MAX_DIM, GRAPH_MAX_TENSOR_BYTES);
    return 0;
}

int import__add_tensor(struct builder *b, int h, int w, int c, int tflite_index, int producer)
{
    const struct tflite_tensor *t = &b->m->tensors[tflite_index];
    b->g->tensors[b->g->n_tensors] = (struct tensor){.h = h,
                                                     .w = w,
                                                     .c = c,
                                                     .zero = import__zero(t),
                                                     .scale = import__scale(t),
                                                     .producer = producer,
                                                     .tflite_index = tflite_index};
    return b->g->n_tensors++;
}

// The part of a name that tells layers apart: MLIR joins the names of fused operators with ';'.
void import__copy_name(char *out, size_t size, const char *name)
{
    size_t n = strcspn(name, ";");
    snprintf(out, size, "%.*s", (int)(n < size - 1 ? n : size - 1), name);
}

struct layer *import__add_layer(struct builder *b, enum layer_op op, int in, int tflite_index,
                                int h, int w, int c)
{
    struct graph *g = b->g;
    const struct tensor *from = &g->tensors[in];
    struct layer *l = &g->layers[g->n_layers];
    int out = import__add_tensor(b, h, w, c, tflite_index, g->n_layers++);
    *l = (struct layer){
        .op = op,
        .in = {in, -1},
        .out = out,
        .in_h = from->h,
        .in_w = from->w,
        .in_c = from->c,
        .out_h = h,
        .out_w = w,
        .out_c = c,
        .kh = 1,
        .kw = 1,
        .sh = 1,
        .sw = 1,
        .mult_c = 1,
        .in_zero = import__zero(&b->m->tensors[b->m->ops[b->op].inputs[0]]),
        .out_zero = g->tensors[out].zero,
        .act_min = -128,
        .act_max = 127,
        .tflite_op = b->op,
    };
    import__copy_name(l->name, sizeof l->name, b->m->tensors[tflite_index].name);
    return l;
}

int import__settle_padding(struct builder *b, struct view *v, int tflite_index)
{
    if (!v->padded)
        return 0;
    const struct tensor *t = &b->g->tensors[v->tensor];
    int h = t->h + v->pad.top + v->pad.bottom, w = t->w + v->pad.left + v->pad.right;
    if (import__in_limits(b, h, w, t->c))
        return -1;
    struct layer *l = import__add_layer(b, LAYER_PAD, v->tensor, tflite_index, h, w, t->c);
    l->pad_top = v->pad.top;
    l->pad_left = v->pad.left;
    l->in_zero = l->out_zero = v->pad.value;
    v->tensor = l->out;
    v->padded = false;
    return 0;
}

int import__get_view(struct builder *b, int k, struct view *v)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (k >= op->n_inputs || op->inputs[k] < 0)
        return import__bad(b, "input %d is missing", k);
    int index = op->inputs[k];
    const struct tflite_tensor *t = &b->m->tensors[index];
    if (t->data)
        return import__refuse(
            b, "input %d (tensor %d '%.60s') is a constant; only activations are supported there",
            k, index, t->name);
    if (!b->views[index].known)
        return import__bad(b, "tensor %d '%.60s' is read before it is written", index, t->name);
    if (op->n_outputs != 1)
        return import__bad(b, "%d outputs, expected 1", op->n_outputs);
    *v = b->views[index];
    return import__want_activation(b, index) || import__want_activation(b, op->outputs[0]) ? -1 : 0;
}

int import__get_settled_view(struct builder *b, int k, struct view *v)
{
    if (import__get_view(b, k, v))
        return -1;
    int index = b->m->ops[b->op].inputs[k];
    if (import__settle_padding(b, v, index))
        return -1;
    b->views[index] = *v; // later readers share the layer
    return 0;
}

int import__want_nhwc(struct builder *b, struct view *v)
{
    if (v->n_dims != 4)
        return import__refuse(b, "its input has %d dimensions, expected 4", v->n_dims);
    if (v->dims[0] != 1)
        return import__refuse(b, "batch %d; only 1 is supported", v->dims[0]);
    if (!import__is_ordered(v))
        return import__refuse(b, "its input is transposed; only [N, H, W, C] is supported here");
    const struct tensor *t = &b->g->tensors[v->tensor];
    int h = v->dims[1], w = v->dims[2], c = v->dims[3];
    int ph = v->padded ? v->pad.top + v->pad.bottom : 0,
        pw = v->padded ? v->pad.left + v->pad.right : 0;
    if (t->h + ph == h && t->w + pw == w && t->c == c) {
        if (!v->padded)
            *v = import__view_nhwc(b->g, v->tensor);
        return 0;
    }
    if (import__settle_padding(b, v, b->m->ops[b->op].inputs[0]) || import__in_limits(b, h, w, c))
        return -1;
    struct layer *l =
        import__add_layer(b, LAYER_RESHAPE, v->tensor, b->m->ops[b->op].inputs[0], h, w, c);
    *v = import__view_nhwc(b->g, l->out);
    return 0;
}

int import__get_int32(const struct builder *b, int k, size_t max, int32_t *out, size_t *n)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (k >= op->n_inputs || op->inputs[k] < 0)
        return import__bad(b, "input %d is missing", k);
    const struct tflite_tensor *t = &b->m->tensors[op->inputs[k]];
    if (!t->data || t->type != TFLITE_INT32)
        return import__refuse(b, "input %d (tensor %d '%.60s') is not an int32 constant", k,
                              op->inputs[k], t->name);
    if (t->elements > max)
        return import__bad(b, "input %d has %u elements, at most %zu are expected", k, t->elements,
                           max);
    *n = t->elements;
    memcpy(out, t->data, *n * sizeof *out);
    return 0;
}
