// SPDX-License-Identifier: MIT
// A file as a graph: which operators count, where the int8 core begins and ends, one import after the other, and what
// the result must satisfy. The operators themselves are in import_layers.c and import_shapes.c.
#include "server/planner/graph.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "server/planner/import.h"

const char *const layer_op_names[LAYER_OP_COUNT] = {
    "conv", "dwconv", "add", "avgpool", "maxpool", "mean", "softmax", "rescale", "pad", "reshape"};

#define SUPPORTED                                                                                  \
    "CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, PAD, "  \
    "PADV2, RELU, RELU6, SOFTMAX, RESHAPE, TRANSPOSE, QUANTIZE and DEQUANTIZE at the borders, "    \
    "SHAPE with STRIDED_SLICE and PACK as the shape of a RESHAPE"

/* ---- the model ---- */

static bool moves_bytes(int code)
{
    return code == TFLITE_OP_RESHAPE || code == TFLITE_OP_SQUEEZE ||
           code == TFLITE_OP_EXPAND_DIMS || code == TFLITE_OP_TRANSPOSE;
}

static bool is_supported(int code)
{
    switch (code) {
    case TFLITE_OP_CONV_2D:
    case TFLITE_OP_DEPTHWISE_CONV_2D:
    case TFLITE_OP_FULLY_CONNECTED:
    case TFLITE_OP_ADD:
    case TFLITE_OP_AVERAGE_POOL_2D:
    case TFLITE_OP_MAX_POOL_2D:
    case TFLITE_OP_MEAN:
    case TFLITE_OP_PAD:
    case TFLITE_OP_PADV2:
    case TFLITE_OP_RELU:
    case TFLITE_OP_RELU6:
    case TFLITE_OP_RELU_N1_TO_1:
    case TFLITE_OP_SOFTMAX:
    case TFLITE_OP_QUANTIZE:
    case TFLITE_OP_DEQUANTIZE:
        return true;
    default:
        return moves_bytes(code);
    }
}

// How many of an operator's inputs are activations; what follows is shapes, axes, weights.
static int data_inputs(const struct tflite_op *op)
{
    int n = is_supported(op->code) ? (op->code == TFLITE_OP_ADD ? 2 : 1) : op->n_inputs;
    return n < op->n_inputs ? n : op->n_inputs;
}

// Marks the operators that the given tensors need; those in front of the core's input do not count.
static void mark_live(struct builder *b, const int32_t *outputs, int n, int stop_at, bool *wanted)
{
    const struct tflite_model *m = b->m;
    memset(wanted, 0, (size_t)m->n_tensors * sizeof *wanted);
    memset(b->live, 0, (size_t)m->n_ops * sizeof *b->live);
    for (int i = 0; i < n; i++)
        wanted[outputs[i]] = true;
    for (int i = m->n_ops - 1; i >= 0; i--) {
        const struct tflite_op *op = &m->ops[i];
        for (int k = 0; k < op->n_outputs; k++)
            b->live[i] = b->live[i] || (wanted[op->outputs[k]] && op->outputs[k] != stop_at);
        for (int k = 0; b->live[i] && k < data_inputs(op); k++) {
            if (op->inputs[k] >= 0)
                wanted[op->inputs[k]] = true;
        }
    }
}

// The first operator that can never be part of an int8 CNN, before anything else is said about the
// model.
static int scan_operators(struct builder *b)
{
    for (b->op = 0; b->op < b->m->n_ops; b->op++) {
        const struct tflite_op *op = &b->m->ops[b->op];
        if (!b->live[b->op])
            continue;
        if (!is_supported(op->code))
            return import__refuse(b, "not an int8 CNN operator; supported are " SUPPORTED);
        if (op->n_inputs < 1 || op->inputs[0] < 0 || op->n_outputs != 1)
            return import__bad(b, "%d inputs and %d outputs", op->n_inputs, op->n_outputs);
        const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]];
        bool border = moves_bytes(op->code) || op->code == TFLITE_OP_QUANTIZE ||
                      op->code == TFLITE_OP_DEQUANTIZE;
        if (!border && in->type != TFLITE_INT8)
            return import__want_activation(b, op->inputs[0]);
    }
    return 0;
}

static bool same_type(const struct tflite_model *m, const struct tflite_op *op)
{
    return m->tensors[op->inputs[0]].type == m->tensors[op->outputs[0]].type;
}

// Where the int8 core begins: behind the first QUANTIZE, which may sit behind operators that only move bytes.
static int core_input(const struct tflite_model *m)
{
    int at = m->inputs[0];
    for (int i = 0; i < m->n_ops && m->tensors[at].type != TFLITE_INT8; i++) {
        const struct tflite_op *op = &m->ops[i];
        if (op->n_inputs < 1 || op->inputs[0] != at || op->n_outputs != 1)
            continue;
        if (op->code == TFLITE_OP_QUANTIZE || (moves_bytes(op->code) && same_type(m, op)))
            at = op->outputs[0];
    }
    return at;
}

static int core_output(const struct tflite_model *m)
{
    int at = m->outputs[0];
    for (int i = m->n_ops - 1; i >= 0 && m->tensors[at].type != TFLITE_INT8; i--) {
        const struct tflite_op *op = &m->ops[i];
        if (op->n_outputs != 1 || op->outputs[0] != at || op->n_inputs < 1 || op->inputs[0] < 0)
            continue;
        if (op->code == TFLITE_OP_DEQUANTIZE || op->code == TFLITE_OP_QUANTIZE ||
            (moves_bytes(op->code) && same_type(m, op)))
            at = op->inputs[0];
    }
    return at;
}

static int open_border(struct builder *b, bool *wanted)
{
    const struct tflite_model *m = b->m;
    if (m->n_outputs < 1 || m->n_inputs < 1)
        return err_set(b->e, ERR_BAD_MODEL, "the model has %d inputs and %d outputs", m->n_inputs,
                       m->n_outputs);
    mark_live(b, m->outputs, m->n_outputs, -1, wanted);
    if (scan_operators(b))
        return -1;
    if (m->n_inputs != 1 || m->n_outputs != 1)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the model has %d inputs and %d outputs; one of each is supported",
                       m->n_inputs, m->n_outputs);
    b->core_in = core_input(m);
    b->core_out = core_output(m);
    const struct tflite_tensor *in = &m->tensors[b->core_in], *out = &m->tensors[b->core_out];
    if (in->type != TFLITE_INT8 || in->data)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the model input (tensor %d '%.60s', %s) does not reach int8 by QUANTIZE",
                       b->core_in, in->name, tflite_type_name(in->type));
    if (out->type != TFLITE_INT8)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the model output (tensor %d '%.60s', %s) does not come from an int8 tensor",
                       b->core_out, out->name, tflite_type_name(out->type));
    int32_t output = b->core_out;
    mark_live(b, &output, 1, b->core_in, wanted);
    b->uses[b->core_out]++;
    for (int i = 0; i < m->n_ops; i++) {
        const struct tflite_op *op = &m->ops[i];
        for (int k = 0; b->live[i] && k < data_inputs(op); k++) {
            if (op->inputs[k] >= 0)
                b->uses[op->inputs[k]]++;
        }
    }
    return 0;
}

// Tensor 0. Up to 4 dimensions; fewer are the last ones of [1, H, W, C].
static int import_input(struct builder *b)
{
    const struct tflite_tensor *t = &b->m->tensors[b->core_in];
    int32_t hwc[3] = {1, 1, 1};
    struct view v = {.known = true, .n_dims = t->n_dims, .direct = true};
    int64_t zero = tflite_zero(t, 0);
    if (t->n_scales != 1 || !(import__scale(t) > 0) || import__scale(t) > FLT_MAX || zero < -128 ||
        zero > 127)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the input tensor %d '%.60s' has no usable quantisation", b->core_in,
                       t->name);
    if (t->n_dims > 4 || (t->n_dims == 4 && t->dims[0] != 1))
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the input tensor %d '%.60s' has %d dimensions and batch %d; [1, H, W, C] "
                       "is supported",
                       b->core_in, t->name, t->n_dims, t->n_dims > 0 ? t->dims[0] : 0);
    for (int d = 0; d < t->n_dims; d++) {
        int axis = 3 - t->n_dims + d;
        v.dims[d] = t->dims[d];
        v.axis[d] = axis < 0 ? AXIS_ONE : (enum axis)axis;
        if (axis >= 0)
            hwc[axis] = t->dims[d];
    }
    if (t->elements < 1 || t->elements > GRAPH_MAX_TENSOR_BYTES || hwc[0] > GRAPH_MAX_DIM ||
        hwc[1] > GRAPH_MAX_DIM || hwc[2] > GRAPH_MAX_DIM)
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the input tensor %d '%.60s' has %u elements (sides up to %d, %u bytes)",
                       b->core_in, t->name, t->elements, GRAPH_MAX_DIM, GRAPH_MAX_TENSOR_BYTES);
    v.tensor = b->g->input = import__add_tensor(b, hwc[0], hwc[1], hwc[2], b->core_in, -1);
    b->views[b->core_in] = v;
    return 0;
}

static int import_op(struct builder *b)
{
    int code = b->m->ops[b->op].code;
    // As long as one chain of reshapes leads away from the input, its shape and layout are still
    // free.
    if (!moves_bytes(code) || b->uses[b->m->ops[b->op].inputs[0]] != 1)
        b->input_open = false;
    switch (code) {
    case TFLITE_OP_CONV_2D:
        return import__conv(b, false);
    case TFLITE_OP_DEPTHWISE_CONV_2D:
        return import__conv(b, true);
    case TFLITE_OP_FULLY_CONNECTED:
        return import__dense(b);
    case TFLITE_OP_ADD:
        return import__add(b);
    case TFLITE_OP_AVERAGE_POOL_2D:
        return import__pool(b, true);
    case TFLITE_OP_MAX_POOL_2D:
        return import__pool(b, false);
    case TFLITE_OP_MEAN:
        return import__mean(b);
    case TFLITE_OP_PAD:
    case TFLITE_OP_PADV2:
        return import__pad(b);
    case TFLITE_OP_RELU:
    case TFLITE_OP_RELU6:
    case TFLITE_OP_RELU_N1_TO_1:
    case TFLITE_OP_QUANTIZE:
        return import__rescale(b);
    case TFLITE_OP_SOFTMAX:
        return import__softmax(b);
    case TFLITE_OP_RESHAPE:
    case TFLITE_OP_SQUEEZE:
    case TFLITE_OP_EXPAND_DIMS:
        return import__reshape(b);
    case TFLITE_OP_TRANSPOSE:
        return import__transpose(b);
    case TFLITE_OP_DEQUANTIZE:
        return import__refuse(
            b, "floating point inside the network; only its output may be dequantised");
    default:
        return import__refuse(b, "not an int8 CNN operator; supported are " SUPPORTED);
    }
}

static int close_output(struct builder *b)
{
    struct graph *g = b->g;
    struct view *v = &b->views[b->core_out];
    for (b->op = b->m->n_ops - 1; b->op > 0 && !b->live[b->op]; b->op--)
        continue; // what is said here is said of the last operator
    if (!v->known)
        return err_set(b->e, ERR_BAD_MODEL, "no operator writes the output tensor %d '%.60s'",
                       b->core_out, b->m->tensors[b->core_out].name);
    if (import__settle_padding(b, v, b->core_out))
        return -1;
    if (g->n_layers == 0 || g->tensors[v->tensor].producer != g->n_layers - 1)
        return err_set(b->e, ERR_UNSUPPORTED, "no layer computes the output tensor %d '%.60s'",
                       b->core_out, b->m->tensors[b->core_out].name);
    if (!import__is_ordered(v) && !import__is_chw(v))
        return err_set(b->e, ERR_UNSUPPORTED,
                       "the output tensor %d '%.60s' is transposed; [H, W, C] and [C, H, W] are "
                       "supported",
                       b->core_out, b->m->tensors[b->core_out].name);
    g->output = v->tensor;
    g->output_chw = !import__is_ordered(v);
    g->tensors[g->output].zero = import__zero(&b->m->tensors[b->core_out]);
    g->tensors[g->output].scale = import__scale(&b->m->tensors[b->core_out]);
    for (int i = 0; i < g->n_layers; i++) {
        const struct layer *l = &g->layers[i];
        g->macs += layer_macs_per_pixel(l) * (uint64_t)l->out_h * (uint64_t)l->out_w;
        if (l->weights)
            g->weight_bytes += layer_macs_per_pixel(l) + 4 * (size_t)l->out_c;
    }
    return 0;
}

int graph_build(struct graph *g, const struct tflite_model *m, struct err *e)
{
    *g = (struct graph){.input = -1, .output = -1};
    struct builder b = {.g = g, .m = m, .e = e, .core_in = -1, .core_out = -1, .input_open = true};
    int rc = -1;
    bool *wanted = calloc((size_t)m->n_tensors + 1, sizeof *wanted);
    b.views = calloc((size_t)m->n_tensors + 1, sizeof *b.views);
    b.uses = calloc((size_t)m->n_tensors + 1, sizeof *b.uses);
    b.live = calloc((size_t)m->n_ops + 1, sizeof *b.live);
    // An operator makes at most one layer of its own, a padding for each of two operands and a
    // copy.
    size_t max_layers = 4 * (size_t)m->n_ops + 2;
    g->layers = import__alloc(&b, max_layers, sizeof *g->layers);
    g->tensors = import__alloc(&b, max_layers + 1, sizeof *g->tensors);
    if (!wanted || !b.views || !b.uses || !b.live || !g->layers || !g->tensors) {
        err_set(e, ERR_NO_MEMORY, "out of memory while importing a model");
        goto out;
    }
    if (open_border(&b, wanted) || import_input(&b))
        goto out;
    for (b.op = 0; b.op < m->n_ops; b.op++) {
        if (b.live[b.op] && import_op(&b))
            goto out;
    }
    rc = close_output(&b);
out:
    free(wanted);
    free(b.views);
    free(b.uses);
    free(b.live);
    if (rc)
        graph_free(g);
    return rc;
}

void graph_free(struct graph *g)
{
    struct storage *s = g->storage;
    while (s) {
        struct storage *next = s->next;
        free(s);
        s = next;
    }
    *g = (struct graph){0};
}

struct axis_geometry layer_axis(const struct layer *l, bool vertical)
{
    if (vertical)
        return (struct axis_geometry){l->kh, l->sh, l->pad_top, l->in_h, l->out_h};
    return (struct axis_geometry){l->kw, l->sw, l->pad_left, l->in_w, l->out_w};
}

uint64_t layer_macs_per_pixel(const struct layer *l)
{
    uint64_t window = (uint64_t)l->kh * (uint64_t)l->kw * (uint64_t)l->out_c;
    return l->op == LAYER_CONV ? window * (uint64_t)l->in_c : l->op == LAYER_DWCONV ? window : 0;
}

/* ---- invariants ---- */

static bool fits(int in, int out, int kernel, int stride, int pad)
{
    return kernel >= 1 && stride >= 1 && kernel <= GRAPH_MAX_DIM && stride <= GRAPH_MAX_DIM &&
           pad >= 0 && pad < kernel && (int64_t)(out - 1) * stride - pad < in;
}

static const char *layer_fault(const struct graph *g, int i)
{
    const struct layer *l = &g->layers[i];
    if (l->in[0] < 0 || l->in[0] >= g->n_tensors || l->out < 0 || l->out >= g->n_tensors ||
        l->in[1] >= g->n_tensors)
        return "a tensor does not exist";
    if (g->tensors[l->in[0]].producer >= i || (l->in[1] >= 0 && g->tensors[l->in[1]].producer >= i))
        return "it reads a tensor that is written later";
    if (g->tensors[l->out].producer != i)
        return "its output belongs to another layer";
    const struct tensor *in = &g->tensors[l->in[0]], *out = &g->tensors[l->out];
    if (in->h != l->in_h || in->w != l->in_w || in->c != l->in_c)
        return "its input has another shape";
    if (out->h != l->out_h || out->w != l->out_w || out->c != l->out_c)
        return "its output has another shape";
    if (l->act_min < -128 || l->act_max > 127 || l->act_min > l->act_max)
        return "bad clamp";
    if (l->in_zero < -128 || l->in_zero > 127 || l->out_zero < -128 || l->out_zero > 127)
        return "bad zero point";
    bool same_size = l->in_h == l->out_h && l->in_w == l->out_w;
    bool windows = fits(l->in_h, l->out_h, l->kh, l->sh, l->pad_top) &&
                   fits(l->in_w, l->out_w, l->kw, l->sw, l->pad_left);
    int n_requant = 0;
    switch (l->op) {
    case LAYER_CONV:
    case LAYER_DWCONV:
        if (!windows || !l->weights || !l->bias)
            return "bad window or no weights";
        if (l->op == LAYER_DWCONV && l->out_c != l->in_c * l->mult_c)
            return "channels do not fit";
        n_requant = l->out_c;
        break;
    case LAYER_AVGPOOL:
    case LAYER_MAXPOOL:
        if (!windows || l->in_c != l->out_c)
            return "bad window";
        break;
    case LAYER_MEAN:
        n_requant = 1;
        if (l->in_c != l->out_c || (l->kh != 1 && l->kh != l->in_h) ||
            (l->kw != 1 && l->kw != l->in_w) || l->out_h * l->kh != l->in_h ||
            l->out_w * l->kw != l->in_w)
            return "bad extent";
        break;
    case LAYER_ADD: {
        if (l->in[1] < 0)
            return "one operand";
        const struct tensor *t = &g->tensors[l->in[1]];
        if (!same_size || l->in_c != l->out_c || t->h != in->h || t->w != in->w || t->c != in->c)
            return "operands differ in shape";
        break;
    }
    case LAYER_SOFTMAX:
    case LAYER_RESCALE:
        n_requant = l->op == LAYER_RESCALE;
        if (!same_size || l->in_c != l->out_c)
            return "input and output differ in shape";
        break;
    case LAYER_PAD:
        if (l->pad_top < 0 || l->pad_left < 0 || l->pad_c < 0 || l->pad_top + l->in_h > l->out_h ||
            l->pad_left + l->in_w > l->out_w || l->pad_c + l->in_c > l->out_c ||
            l->in_zero != l->out_zero)
            return "bad padding";
        break;
    case LAYER_RESHAPE:
        if ((int64_t)l->in_h * l->in_w * l->in_c != (int64_t)l->out_h * l->out_w * l->out_c)
            return "sizes differ";
        break;
    default:
        return "unknown layer";
    }
    if ((l->requant != NULL) != (n_requant > 0))
        return "multipliers are missing";
    for (int c = 0; c < n_requant; c++) {
        if (l->requant[c].mult < 0 || l->requant[c].shift < -31 || l->requant[c].shift > 31)
            return "bad multiplier";
    }
    return NULL;
}

int graph_check(const struct graph *g, struct err *e)
{
    if (g->n_layers < 1 || g->n_tensors != g->n_layers + 1 || g->input != 0 ||
        g->tensors[0].producer != -1)
        return err_set(e, ERR_INTERNAL, "%d layers, %d tensors", g->n_layers, g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) {
        const struct tensor *t = &g->tensors[i];
        if (t->h < 1 || t->w < 1 || t->c < 1 || t->h > GRAPH_MAX_DIM || t->w > GRAPH_MAX_DIM ||
            t->c > GRAPH_MAX_DIM || (int64_t)t->h * t->w * t->c > GRAPH_MAX_TENSOR_BYTES)
            return err_set(e, ERR_INTERNAL, "tensor %d is %dx%dx%d", i, t->h, t->w, t->c);
    }
    for (int i = 0; i < g->n_layers; i++) {
        const char *fault = layer_fault(g, i);
        if (fault)
            return err_set(e, ERR_INTERNAL, "layer %d %s: %s", i, layer_op_names[g->layers[i].op],
                           fault);
    }
    if (g->output != g->layers[g->n_layers - 1].out)
        return err_set(e, ERR_INTERNAL, "the last layer does not write the output");
    return 0;
}
