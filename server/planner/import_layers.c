// SPDX-License-Identifier: MIT
// Operators that compute: each becomes a layer, or changes the one before it.
#include "server/planner/import.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Of all layers together. A small file can name the same weights again and again; what they cost
// here is bounded.
#define MAX_WEIGHTS (32u << 20)
#define MAX_CHANNELS (1 << 20)

/* ---- layers with weights ---- */

// Bias and multipliers. dim: the dimension of the weights that counts output channels.
static int set_constants(struct builder *b, struct layer *l, const struct tflite_tensor *w, int dim,
                         bool dense)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]],
                               *out = &b->m->tensors[op->outputs[0]];
    int n = l->out_c;
    b->weights += w->elements;
    b->channels += n;
    if (b->weights > MAX_WEIGHTS || b->channels > MAX_CHANNELS)
        return import__refuse(b, "the layers up to here have more than %u weights or %d channels",
                              MAX_WEIGHTS, MAX_CHANNELS);
    if (w->n_scales != 1 && w->n_scales != n)
        return import__bad(b, "%d weight scales for %d output channels", w->n_scales, n);
    if (w->n_scales > 1 && w->quantized_dim != dim)
        return import__refuse(b, "weights are quantised along dimension %d, expected %d",
                              w->quantized_dim, dim);
    int32_t *bias = import__alloc(b, (size_t)n, sizeof *bias);
    l->requant = import__alloc(b, (size_t)n, sizeof *l->requant);
    l->bias = bias;
    if (!bias || !l->requant)
        return -1;
    for (int c = 0; c < n; c++) {
        // As TFLite does: one scale of a dense layer is multiplied in float, everything else in
        // double.
        float ws = tflite_scale(w, c);
        double product = dense && w->n_scales == 1 ? (double)(import__scale(in) * ws)
                                                   : (double)import__scale(in) * (double)ws;
        if (tflite_zero(w, c) != 0)
            return import__refuse(b,
                                  "the weights' zero point is %lld; int8 weights must be symmetric",
                                  (long long)tflite_zero(w, c));
        if (import__make_requant(b, product / (double)import__scale(out), &l->requant[c]))
            return -1;
    }
    if (op->n_inputs > 2 && op->inputs[2] >= 0) {
        const struct tflite_tensor *t = &b->m->tensors[op->inputs[2]];
        if (t->type != TFLITE_INT32 || !t->data || t->elements != (uint32_t)n)
            return import__refuse(b, "bias tensor %d '%.60s' is not a constant of %d int32",
                                  op->inputs[2], t->name, n);
        memcpy(bias, t->data, (size_t)n * sizeof *bias);
    }
    return 0;
}

// Refuses weights and biases whose sum could leave 32 bits, rescaled or not: kernels need not agree on the result then.
static int check_accumulator(const struct builder *b, const struct layer *l)
{
    size_t depth = (size_t)l->kh * (size_t)l->kw * (l->op == LAYER_CONV ? (size_t)l->in_c : 1);
    size_t step = l->op == LAYER_CONV ? 1 : (size_t)l->out_c;
    for (int c = 0; c < l->out_c; c++) {
        const int8_t *w = l->weights + (l->op == LAYER_CONV ? (size_t)c * depth : (size_t)c);
        int64_t sum = 0;
        for (size_t i = 0; i < depth; i++)
            sum += abs(w[i * step]);
        int64_t bias = l->bias[c];
        int left = l->requant[c].shift > 0 ? l->requant[c].shift : 0;
        int64_t size = bias < 0 ? -bias : bias;
        int64_t bound = (sum * 255 + size) * (INT64_C(1) << left);
        // Kernels start from a bias with the zero point folded in (128 more a weight).
        if (bound > INT32_MAX - 256 || sum * (255 + 128) + size > INT32_MAX)
            return import__refuse(b, "channel %d could overflow the 32-bit accumulator (bias %lld)",
                                  c, (long long)bias);
    }
    return 0;
}

static const struct tflite_tensor *get_weights(const struct builder *b, int n_dims)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (op->n_inputs < 2 || op->inputs[1] < 0) {
        import__bad(b, "weights are missing");
        return NULL;
    }
    const struct tflite_tensor *w = &b->m->tensors[op->inputs[1]];
    if (w->type != TFLITE_INT8 || !w->data || w->n_dims != n_dims) {
        import__refuse(
            b,
            "weights (tensor %d '%.60s', %s, %d dimensions) are not an int8 constant of %d "
            "dimensions",
            op->inputs[1], w->name, tflite_type_name(w->type), w->n_dims, n_dims);
        return NULL;
    }
    return w;
}

struct span {                                  // one axis of a window
    int64_t in, kernel, stride, before, after; // before, after: padding that the file has as a PAD
    int64_t pad, out;                          // results
};

// TFLite's output size and padding over the padded input.
static void resolve_span(struct span *s, bool same)
{
    int64_t in = s->in + s->before + s->after;
    s->out = same ? (in + s->stride - 1) / s->stride : (in + s->stride - s->kernel) / s->stride;
    int64_t total = (s->out - 1) * s->stride + s->kernel - in;
    s->pad = s->before + (total > 0 ? total / 2 : 0);
}

static bool touches(const struct span *s)
{
    return s->pad < s->kernel && (s->out - 1) * s->stride - s->pad < s->in;
}

// Kernel, stride, padding and output size of a convolution or pool over view v. Pending padding is
// folded when `fold` says that its value has no influence; else, or where a window would see
// nothing but padding, it becomes a layer.
static int resolve_windows(struct builder *b, struct view *v, bool fold, int kh, int kw,
                           struct span s[2])
{
    const struct tflite_op *op = &b->m->ops[b->op];
    if (import__want_nhwc(b, v))
        return -1;
    if (!import__side_ok(kh) || !import__side_ok(kw) || !import__side_ok(op->stride_h) ||
        !import__side_ok(op->stride_w))
        return import__bad(b, "kernel %dx%d, stride %dx%d", kh, kw, op->stride_h, op->stride_w);
    if (op->dilation_h != 1 || op->dilation_w != 1)
        return import__refuse(b, "dilation %dx%d; only 1 is supported", op->dilation_h,
                              op->dilation_w);
    for (int pass = 0; pass < 2; pass++) {
        const struct tensor *t = &b->g->tensors[v->tensor];
        s[0] = (struct span){.in = t->h, .kernel = kh, .stride = op->stride_h};
        s[1] = (struct span){.in = t->w, .kernel = kw, .stride = op->stride_w};
        if (v->padded) {
            s[0].before = v->pad.top;
            s[0].after = v->pad.bottom;
            s[1].before = v->pad.left;
            s[1].after = v->pad.right;
        }
        resolve_span(&s[0], op->padding_same);
        resolve_span(&s[1], op->padding_same);
        if (!v->padded || (fold && touches(&s[0]) && touches(&s[1])))
            break;
        if (import__get_settled_view(b, 0, v))
            return -1;
    }
    if (s[0].out < 1 || s[1].out < 1)
        return import__bad(b, "a kernel of %dx%d does not fit its input", kh, kw);
    if (!touches(&s[0]) || !touches(&s[1]))
        return import__bad(b, "a window sees nothing but padding");
    return 0;
}

static void set_windows(struct layer *l, const struct span s[2])
{
    l->kh = (int)s[0].kernel;
    l->kw = (int)s[1].kernel;
    l->sh = (int)s[0].stride;
    l->sw = (int)s[1].stride;
    l->pad_top = (int)s[0].pad;
    l->pad_left = (int)s[1].pad;
}

int import__conv(struct builder *b, bool depthwise)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    struct span s[2] = {{0}};
    const struct tflite_tensor *w;
    if (import__get_view(b, 0, &v) || !(w = get_weights(b, 4)))
        return -1;
    bool zero_padded = v.padded && v.pad.value == import__zero(&b->m->tensors[op->inputs[0]]);
    if (resolve_windows(b, &v, zero_padded, w->dims[1], w->dims[2], s))
        return -1;
    int in_c = b->g->tensors[v.tensor].c, out_c = w->dims[depthwise ? 3 : 0];
    if (depthwise && (w->dims[0] != 1 || out_c % in_c || op->depth_multiplier != out_c / in_c))
        return import__bad(
            b, "weights [%d,%d,%d,%d] and depth multiplier %d do not fit %d input channels",
            w->dims[0], w->dims[1], w->dims[2], w->dims[3], op->depth_multiplier, in_c);
    if (!depthwise && w->dims[3] != in_c && w->dims[3] > 0 && in_c % w->dims[3] == 0)
        return import__refuse(b, "grouped convolution (%d groups) is not supported",
                              in_c / w->dims[3]);
    if (!depthwise && w->dims[3] != in_c)
        return import__bad(b, "weights for %d input channels, the input has %d", w->dims[3], in_c);
    if (import__in_limits(b, s[0].out, s[1].out, out_c))
        return -1;
    struct layer *l = import__add_layer(b, depthwise ? LAYER_DWCONV : LAYER_CONV, v.tensor,
                                        op->outputs[0], (int)s[0].out, (int)s[1].out, out_c);
    set_windows(l, s);
    l->weights = (const int8_t *)w->data;
    l->mult_c = depthwise ? out_c / in_c : 1;
    struct view out = import__view_nhwc(b->g, l->out);
    if (set_constants(b, l, w, depthwise ? 3 : 0, false) || check_accumulator(b, l) ||
        import__activation_range(b, op->activation, &b->m->tensors[op->outputs[0]], &l->act_min,
                                 &l->act_max))
        return -1;
    return import__set_view(b, &out);
}

// Weights of a dense layer that reads [C, H, W], reordered for a tensor that is [H, W, C].
static const int8_t *reorder_weights(struct builder *b, const int8_t *from, int rows,
                                     const struct tensor *t)
{
    size_t pixels = (size_t)t->h * (size_t)t->w, depth = pixels * (size_t)t->c;
    int8_t *to = import__alloc(b, (size_t)rows * depth, 1);
    for (size_t r = 0; to && r < (size_t)rows; r++) {
        for (size_t p = 0; p < pixels; p++) {
            for (size_t c = 0; c < (size_t)t->c; c++)
                to[r * depth + p * (size_t)t->c + c] = from[r * depth + c * pixels + p];
        }
    }
    return to;
}

int import__dense(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *w, *file_out = &b->m->tensors[op->outputs[0]];
    struct view v;
    if (import__get_settled_view(b, 0, &v) || !(w = get_weights(b, 2)))
        return -1;
    if (op->weights_format != 0)
        return import__refuse(b, "shuffled weights (format %d)", op->weights_format);
    int n = w->dims[0], k = w->dims[1];
    const struct tensor *t = &b->g->tensors[v.tensor];
    int64_t elements = (int64_t)t->h * t->w * t->c;
    if (n < 1 || k < 1 || elements % k ||
        file_out->elements != (uint64_t)(elements / k) * (uint64_t)n)
        return import__bad(b, "weights [%d,%d] do not fit %lld inputs and %u outputs", n, k,
                           (long long)elements, file_out->elements);
    bool whole = elements == k;
    bool per_pixel = !whole && k == t->c && import__is_ordered(&v);
    if (!import__is_ordered(&v) && !(whole && import__is_chw(&v)))
        return import__refuse(b, "its input is transposed in a way that is not supported");
    if (!whole && !per_pixel) { // M rows of K elements that are not the pixels of the tensor
        if (import__in_limits(b, elements / k, 1, k))
            return -1;
        v.tensor =
            import__add_layer(b, LAYER_RESHAPE, v.tensor, op->inputs[0], (int)(elements / k), 1, k)
                ->out;
        t = &b->g->tensors[v.tensor];
    }
    int h = whole ? 1 : t->h, width = whole ? 1 : t->w;
    if (import__in_limits(b, h, width, n))
        return -1;
    struct layer *l = import__add_layer(b, LAYER_CONV, v.tensor, op->outputs[0], h, width, n);
    t = &b->g->tensors[l->in[0]];
    if (whole) {
        l->kh = t->h;
        l->kw = t->w;
    }
    l->weights = (const int8_t *)w->data;
    if (!import__is_ordered(&v) && !(l->weights = reorder_weights(b, l->weights, n, t)))
        return -1;
    if (set_constants(b, l, w, 0, true) || check_accumulator(b, l) ||
        import__activation_range(b, op->activation, file_out, &l->act_min, &l->act_max))
        return -1;
    // The result is rows of n; where rows are the pixels, it stays a view with axes if the file
    // keeps them.
    struct view out = {.known = true, .tensor = l->out, .n_dims = file_out->n_dims};
    memcpy(out.dims, file_out->dims, sizeof out.dims);
    if (whole) {
        out.direct = true;
        for (int d = 0; d < out.n_dims; d++)
            out.axis[d] = d == out.n_dims - 1 ? AXIS_C : AXIS_ONE;
        if (out.n_dims < 1 || out.dims[out.n_dims - 1] != n)
            return import__bad(b, "its output does not end in %d channels", n);
    } else if (v.direct && v.n_dims == out.n_dims && out.dims[out.n_dims - 1] == n) {
        out.direct = true;
        memcpy(out.axis, v.axis, sizeof out.axis);
        for (int d = 0; d < out.n_dims; d++) {
            if (import__axis_size(&b->g->tensors[l->out], out.axis[d]) != out.dims[d])
                out.direct = false;
        }
    }
    return import__set_view(b, &out);
}

/* ---- the other layers ---- */

int import__pool(struct builder *b, bool average)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    struct span s[2] = {{0}};
    // Padding with the smallest value never wins a maximum; in a mean it counts.
    if (import__get_view(b, 0, &v) ||
        resolve_windows(b, &v, !average && v.padded && v.pad.value == -128, op->filter_h,
                        op->filter_w, s))
        return -1;
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]],
                               *out = &b->m->tensors[op->outputs[0]];
    if (import__zero(in) != import__zero(out) ||
        fabs((double)import__scale(in) - (double)import__scale(out)) > 1.0e-6)
        return import__refuse(b, "input and output have different scales");
    if (s[0].kernel * s[1].kernel > GRAPH_MAX_WINDOW)
        return import__refuse(b, "a window of %dx%d is too large", op->filter_h, op->filter_w);
    int c = b->g->tensors[v.tensor].c;
    if (import__in_limits(b, s[0].out, s[1].out, c))
        return -1;
    struct layer *l = import__add_layer(b, average ? LAYER_AVGPOOL : LAYER_MAXPOOL, v.tensor,
                                        op->outputs[0], (int)s[0].out, (int)s[1].out, c);
    set_windows(l, s);
    if (import__activation_range(b, op->activation, out, &l->act_min, &l->act_max))
        return -1;
    struct view result = import__view_nhwc(b->g, l->out);
    return import__set_view(b, &result);
}

static bool same_axes(const struct view *a, const struct view *b, const struct tensor *ta,
                      const struct tensor *tb)
{
    if (ta->h != tb->h || ta->w != tb->w || ta->c != tb->c)
        return false;
    if (import__is_ordered(a) && import__is_ordered(b))
        return true;
    return a->direct == b->direct && a->chw == b->chw &&
           (!a->direct || memcmp(a->axis, b->axis, (size_t)a->n_dims * sizeof a->axis[0]) == 0);
}

int import__add(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    struct view v[2];
    if (import__get_settled_view(b, 0, &v[0]) || import__get_settled_view(b, 1, &v[1]))
        return -1;
    if (v[0].n_dims != v[1].n_dims ||
        memcmp(v[0].dims, v[1].dims, (size_t)v[0].n_dims * sizeof v[0].dims[0]) != 0)
        return import__refuse(b,
                              "its operands have different shapes; broadcasting is not supported");
    const struct tensor *t = &b->g->tensors[v[0].tensor];
    if (!same_axes(&v[0], &v[1], t, &b->g->tensors[v[1].tensor])) {
        if (!import__is_ordered(&v[0]) || !import__is_ordered(&v[1]))
            return import__refuse(b, "one of its operands is transposed");
        v[1].tensor =
            import__add_layer(b, LAYER_RESHAPE, v[1].tensor, op->inputs[1], t->h, t->w, t->c)->out;
    }
    struct layer *l =
        import__add_layer(b, LAYER_ADD, v[0].tensor, op->outputs[0], t->h, t->w, t->c);
    l->in[1] = v[1].tensor;
    double s0 = (double)import__scale(&b->m->tensors[op->inputs[0]]),
           s1 = (double)import__scale(&b->m->tensors[op->inputs[1]]);
    double twice_max = 2 * (s0 > s1 ? s0 : s1);
    l->add.left_shift = 20;
    l->add.in_zero[0] = import__zero(&b->m->tensors[op->inputs[0]]);
    l->add.in_zero[1] = import__zero(&b->m->tensors[op->inputs[1]]);
    if (import__make_requant(b, s0 / twice_max, &l->add.in[0]) ||
        import__make_requant(b, s1 / twice_max, &l->add.in[1]) ||
        import__make_requant(b, twice_max / ((1 << 20) * (double)import__scale(out)),
                             &l->add.out) ||
        import__activation_range(b, op->activation, out, &l->act_min, &l->act_max))
        return -1;
    if (l->add.out.shift > 0)
        return import__refuse(b, "scales %g and %g are too large for the output's %g", s0, s1,
                              (double)import__scale(out));
    struct view result = v[0];
    result.tensor = l->out;
    return import__set_view(b, &result);
}

// Marks the dimensions that a MEAN reduces.
static int get_reduced(struct builder *b, const struct view *v, bool *reduced)
{
    int32_t axes[TFLITE_MAX_DIMS];
    size_t n;
    if (import__get_int32(b, 1, TFLITE_MAX_DIMS, axes, &n))
        return -1;
    for (size_t i = 0; i < n; i++) {
        int64_t d = axes[i] < 0 ? (int64_t)axes[i] + v->n_dims : axes[i];
        if (d < 0 || d >= v->n_dims)
            return import__bad(b, "axis %d of %d dimensions", axes[i], v->n_dims);
        reduced[d] = true;
    }
    return 0;
}

// The dimension of a [1, H * W, C] or [1, C, H * W] that counts pixels; -1: the view is neither.
static int pixel_dim(const struct view *v, const struct tensor *t)
{
    int pixels = v->chw ? 2 : 1;
    if (v->direct || v->n_dims != 3 || v->dims[0] != 1 || v->dims[3 - pixels] != t->c)
        return -1;
    return pixels;
}

int import__mean(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]];
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    struct view v;
    bool reduced[TFLITE_MAX_DIMS] = {false};
    if (import__get_settled_view(b, 0, &v) || get_reduced(b, &v, reduced))
        return -1;
    int pixels = pixel_dim(&v, &b->g->tensors[v.tensor]);
    bool over_c = false;
    for (int d = 0; v.direct && d < v.n_dims; d++)
        over_c = over_c || (reduced[d] && v.axis[d] == AXIS_C && v.dims[d] > 1);
    // What is C in the tensor can be H or W in the file, behind a RESHAPE.
    if ((over_c || (!v.direct && pixels < 0)) && v.n_dims == 4 && import__is_ordered(&v) &&
        import__want_nhwc(b, &v))
        return -1;
    const struct tensor *t = &b->g->tensors[v.tensor];
    if (pixels >= 0) {
        v.axis[0] = v.axis[pixels] = AXIS_ONE;
        v.axis[3 - pixels] = AXIS_C;
    }
    if ((!v.direct && pixels < 0) || (pixels >= 0 && !reduced[pixels]))
        return import__refuse(b, "a mean over a reshaped tensor of %d dimensions", v.n_dims);
    int kh = pixels >= 0 ? t->h : 1, kw = pixels >= 0 ? t->w : 1;
    for (int d = 0; d < v.n_dims; d++) {
        if (reduced[d] && v.axis[d] == AXIS_C && t->c > 1)
            return import__refuse(b, "a mean over the channels (axis %d)", d);
        kh = reduced[d] && v.axis[d] == AXIS_H ? t->h : kh;
        kw = reduced[d] && v.axis[d] == AXIS_W ? t->w : kw;
    }
    if ((int64_t)kh * kw > GRAPH_MAX_WINDOW)
        return import__refuse(b, "a mean over %dx%d is too large", kh, kw);
    struct view result = {.known = true, .direct = true};
    for (int d = 0; d < v.n_dims; d++) {
        if (reduced[d] && !op->keep_dims)
            continue;
        result.dims[result.n_dims] = reduced[d] ? 1 : v.dims[d];
        result.axis[result.n_dims++] = reduced[d] ? AXIS_ONE : v.axis[d];
    }
    struct layer *l =
        import__add_layer(b, LAYER_MEAN, v.tensor, op->outputs[0], t->h / kh, t->w / kw, t->c);
    result.tensor = l->out;
    l->kh = kh;
    l->kw = kw;
    l->requant = import__alloc(b, 1, sizeof *l->requant);
    if (!l->requant ||
        import__make_requant(b, (double)import__scale(in) / (double)import__scale(out), l->requant))
        return -1;
    // The count goes into the multiplier with as many extra bits as the shift leaves, as TFLite
    // does.
    int64_t count = (int64_t)kh * kw;
    int bits = 63 - __builtin_clzll((unsigned long long)count);
    bits = bits < 31 + l->requant->shift ? bits : 31 + l->requant->shift;
    l->requant->mult = (int32_t)(((int64_t)l->requant->mult << bits) / count);
    l->requant->shift -= bits;
    return import__set_view(b, &result);
}

int import__softmax(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    struct view v;
    if (import__get_settled_view(b, 0, &v))
        return -1;
    if (import__scale(out) != 1.0f / 256 || import__zero(out) != -128)
        return import__refuse(b, "output scale %g and zero point %d; 1/256 and -128 are required",
                              (double)import__scale(out), import__zero(out));
    if (v.n_dims < 1)
        return import__refuse(b, "softmax of a scalar");
    int depth = v.dims[v.n_dims - 1];
    const struct tensor *t = &b->g->tensors[v.tensor];
    int64_t elements = (int64_t)t->h * t->w * t->c;
    if (depth < 1 || depth > GRAPH_MAX_SOFTMAX)
        return import__refuse(b, "softmax over %d elements; 1 to %d are supported", depth,
                              GRAPH_MAX_SOFTMAX);
    bool last_is_c = v.direct ? v.axis[v.n_dims - 1] == AXIS_C || (depth == 1 && t->c == 1)
                              : !v.chw && depth == t->c;
    if (!last_is_c) {
        if (!import__is_ordered(&v))
            return import__refuse(b, "softmax over a transposed axis");
        if (import__in_limits(b, elements / depth, 1, depth))
            return -1;
        v.tensor = import__add_layer(b, LAYER_RESHAPE, v.tensor, op->inputs[0],
                                     (int)(elements / depth), 1, depth)
                       ->out;
        v.direct = false;
        v.chw = false;
        t = &b->g->tensors[v.tensor];
    }
    struct layer *l =
        import__add_layer(b, LAYER_SOFTMAX, v.tensor, op->outputs[0], t->h, t->w, t->c);
    double real =
        (double)op->beta * (double)import__scale(&b->m->tensors[op->inputs[0]]) * (1 << 26);
    real = real < 2147483647.0 ? real : 2147483647.0;
    if (!(real > 1))
        return import__refuse(b, "beta %g with this input scale is too small", (double)op->beta);
    // As import__make_requant(), which stops far below what is usual here.
    int shift;
    int64_t q = (int64_t)round(frexp(real, &shift) * 2147483648.0);
    if (q == INT64_C(1) << 31) {
        q /= 2;
        shift++;
    }
    l->softmax.beta_mult = (int32_t)q;
    l->softmax.beta_shift = shift;
    l->softmax.diff_min = -(int)floor(31.0 * (1 << 26) / (double)(INT64_C(1) << shift));
    v.tensor = l->out;
    return import__set_view(b, &v);
}

// Narrows the clamp of the layer that made the view, if it is the only reader.
static bool fold_clamp(struct builder *b, const struct view *v, int32_t low, int32_t high)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    int index = op->inputs[0];
    struct tensor *t = &b->g->tensors[v->tensor];
    if (b->uses[index] != 1 || t->tflite_index != index || t->producer < 0)
        return false;
    struct layer *l = &b->g->layers[t->producer];
    if (l->op == LAYER_SOFTMAX || l->op == LAYER_PAD || l->op == LAYER_RESHAPE)
        return false;
    l->act_min = l->act_min < low ? low : l->act_min > high ? high : l->act_min;
    l->act_max = l->act_max < low ? low : l->act_max > high ? high : l->act_max;
    t->tflite_index = op->outputs[0];
    import__copy_name(l->name, sizeof l->name, b->m->tensors[op->outputs[0]].name);
    return true;
}

int import__rescale(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    if (import__get_settled_view(b, 0, &v))
        return -1;
    const struct tflite_tensor *in = &b->m->tensors[op->inputs[0]],
                               *out = &b->m->tensors[op->outputs[0]];
    bool clamps = op->code != TFLITE_OP_QUANTIZE;
    enum tflite_activation act = op->code == TFLITE_OP_RELU    ? TFLITE_ACT_RELU
                                 : op->code == TFLITE_OP_RELU6 ? TFLITE_ACT_RELU6
                                 : clamps                      ? TFLITE_ACT_RELU_N1_TO_1
                                                               : TFLITE_ACT_NONE;
    int32_t low, high;
    // TFLite Micro's RELU6 only clamps, whatever the scale of its output says.
    bool only_clamps = op->code == TFLITE_OP_RELU6 || import__same_quantisation(in, out);
    if (import__activation_range(b, act, op->code == TFLITE_OP_RELU6 ? in : out, &low, &high))
        return -1;
    if (only_clamps && fold_clamp(b, &v, low, high))
        return import__set_view(b, &v);
    const struct tensor *t = &b->g->tensors[v.tensor];
    struct layer *l =
        import__add_layer(b, LAYER_RESCALE, v.tensor, op->outputs[0], t->h, t->w, t->c);
    l->act_min = low;
    l->act_max = high;
    l->requant = import__alloc(b, 1, sizeof *l->requant);
    // TFLite divides the scales in float for an activation, in double for QUANTIZE.
    double ratio = clamps ? (double)(import__scale(in) / import__scale(out))
                          : (double)import__scale(in) / (double)import__scale(out);
    if (only_clamps) {
        ratio = 1;
        l->out_zero = l->in_zero;
    }
    if (!l->requant || import__make_requant(b, ratio, l->requant))
        return -1;
    v.tensor = l->out;
    return import__set_view(b, &v);
}

int import__pad(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    struct view v;
    int32_t pads[2 * TFLITE_MAX_DIMS];
    size_t n;
    if (import__get_view(b, 0, &v) || import__get_int32(b, 1, 2 * TFLITE_MAX_DIMS, pads, &n))
        return -1;
    const struct tflite_tensor *out = &b->m->tensors[op->outputs[0]];
    if (n != 2 * (size_t)v.n_dims)
        return import__bad(b, "%zu paddings for %d dimensions", n, v.n_dims);
    int32_t value = import__zero(out);
    if (op->n_inputs > 2 && op->inputs[2] >= 0) {
        const struct tflite_tensor *t = &b->m->tensors[op->inputs[2]];
        if (t->type != TFLITE_INT8 || !t->data || t->elements != 1)
            return import__refuse(b, "the value to pad with (tensor %d) is not an int8 constant",
                                  op->inputs[2]);
        value = (int8_t)t->data[0];
    }
    if (v.padded && v.pad.value != value && import__get_settled_view(b, 0, &v))
        return -1;
    if (v.n_dims == 4 && import__is_ordered(&v) && !v.padded && import__want_nhwc(b, &v))
        return -1;
    if (!v.direct)
        return import__refuse(b, "padding of a reshaped tensor of %d dimensions", v.n_dims);
    struct padding p = v.padded ? v.pad : (struct padding){.value = value};
    int64_t before[4] = {0, 0, 0, 0}, after[4] = {0, 0, 0, 0};
    for (int d = 0; d < v.n_dims; d++) {
        if (pads[2 * d] < 0 || pads[2 * d + 1] < 0 || pads[2 * d] > GRAPH_MAX_DIM ||
            pads[2 * d + 1] > GRAPH_MAX_DIM)
            return import__bad(b, "paddings %d and %d of dimension %d", pads[2 * d],
                               pads[2 * d + 1], d);
        before[v.axis[d]] += pads[2 * d];
        after[v.axis[d]] += pads[2 * d + 1];
        v.dims[d] += pads[2 * d] + pads[2 * d + 1];
    }
    if (before[AXIS_ONE] || after[AXIS_ONE])
        return import__refuse(b, "it pads a dimension of size 1 that is neither H, W nor C");
    int64_t top = p.top + before[AXIS_H], bottom = p.bottom + after[AXIS_H];
    int64_t left = p.left + before[AXIS_W], right = p.right + after[AXIS_W];
    const struct tensor *t = &b->g->tensors[v.tensor];
    int64_t c = t->c + before[AXIS_C] + after[AXIS_C];
    if (import__in_limits(b, t->h + top + bottom, t->w + left + right, c))
        return -1;
    p = (struct padding){(int)top, (int)bottom, (int)left, (int)right, value};
    v.padded = true;
    v.pad = p;
    if (c != t->c) { // channels: at once, everything in one layer
        struct layer *l =
            import__add_layer(b, LAYER_PAD, v.tensor, op->outputs[0], t->h + p.top + p.bottom,
                              t->w + p.left + p.right, (int)c);
        l->pad_top = p.top;
        l->pad_left = p.left;
        l->pad_c = (int)before[AXIS_C];
        l->in_zero = l->out_zero = value;
        v.tensor = l->out;
        v.padded = false;
    }
    return import__set_view(b, &v);
}
