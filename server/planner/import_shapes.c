// SPDX-License-Identifier: MIT
// Operators that only move bytes: RESHAPE and its kin, TRANSPOSE. They make no layers; they rename axes.
#include "server/planner/import.h"

#include <string.h>

// While only reshapes have read the input, its own shape can still be chosen: that of the first one
// with 4 dimensions.
static bool adopt_input_shape(struct builder *b, struct view *v, const int32_t *dims)
{
    struct tensor *t = &b->g->tensors[b->g->input];
    if (!b->input_open || v->tensor != b->g->input || !import__is_ordered(v) || b->g->input_chw)
        return false;
    if (dims[0] != 1 || !import__side_ok(dims[1]) || !import__side_ok(dims[2]) ||
        !import__side_ok(dims[3]))
        return false;
    t->h = dims[1];
    t->w = dims[2];
    t->c = dims[3];
    *v = import__view_nhwc(b->g, b->g->input);
    return true;
}

// Names the axes of a new shape that differs from the old one only by dimensions of size 1.
static bool keep_axes(const struct view *v, struct view *out)
{
    int from = 0;
    for (int d = 0; d < out->n_dims; d++) {
        out->axis[d] = AXIS_ONE;
        if (out->dims[d] == 1)
            continue;
        while (from < v->n_dims && v->dims[from] == 1)
            from++;
        if (from == v->n_dims || v->dims[from] != out->dims[d])
            return false;
        out->axis[d] = v->axis[from++];
    }
    while (from < v->n_dims && v->dims[from] == 1)
        from++;
    return from == v->n_dims;
}

int import__reshape(struct builder *b)
{
    const struct tflite_op *op = &b->m->ops[b->op];
    const struct tflite_tensor *in, *out;
    struct view v;
    if (import__get_settled_view(b, 0, &v))
        return -1;
    in = &b->m->tensors[op->inputs[0]];
    out = &b->m->tensors[op->outputs[0]];
    if (in->elements != out->elements)
        return import__bad(b, "%u elements in, %u out", in->elements, out->elements);
    if (out->n_dims == 4 && adopt_input_shape(b, &v, out->dims))
        return import__set_view(b, &v);
    struct view result = v;
    result.n_dims = out->n_dims;
    memcpy(result.dims, out->dims, sizeof result.dims);
    result.direct = v.direct && keep_axes(&v, &result);
    if (!result.direct) {
        result.chw = !import__is_ordered(&v);
        if (!import__is_ordered(&v) && !import__is_chw(&v))
            return import__refuse(
                b, "it reshapes a tensor that is transposed in a way that is not supported");
    }
    return import__set_view(b, &result);
}

int import__transpose(struct builder *b)
{
    struct view v;
    int32_t perm[TFLITE_MAX_DIMS];
    size_t n;
    if (import__get_settled_view(b, 0, &v) || import__get_int32(b, 1, TFLITE_MAX_DIMS, perm, &n))
        return -1;

    if (n != (size_t)v.n_dims)
        return import__bad(b, "a permutation of %zu for %d dimensions", n, v.n_dims);
    if (!v.direct && v.n_dims == 4 && import__is_ordered(&v) && import__want_nhwc(b, &v))
        return -1;
    struct view result = v;
    bool used[TFLITE_MAX_DIMS] = {false};
    int last_long = -1;
    bool moves = false;
    for (size_t d = 0; d < n; d++) {
        int32_t from = perm[d];
        if (from < 0 || (size_t)from >= n || used[from])
            return import__bad(b, "bad permutation at dimension %zu", d);
        used[from] = true;
        result.dims[d] = v.dims[from];
        result.axis[d] = v.axis[from];
        if (v.dims[from] > 1) {
            moves = moves || from < last_long;
            last_long = from;
        }
    }
    if (!v.direct && moves)
        return import__refuse(b, "it transposes a reshaped tensor");
    // The file's input is [C, H, W]: rename its axes.
    if (v.direct && import__is_ordered(&v) && moves && b->input_open && v.tensor == b->g->input &&
        !b->g->input_chw) {
        enum axis axes[3];
        struct tensor *t = &b->g->tensors[v.tensor];
        size_t tail = n - 3;
        bool wrapper = n >= 3 && import__long_axes(&result, axes) > 0;
        for (size_t d = 0; wrapper && d < tail; d++)
            wrapper = result.dims[d] == 1;
        for (size_t d = 0; wrapper && d < 3; d++)
            wrapper = perm[tail + d] == (int32_t)(tail + (d + 1) % 3);
        if (wrapper) {
            t->h = result.dims[tail];
            t->w = result.dims[tail + 1];
            t->c = result.dims[tail + 2];
            for (size_t d = 0; d < n; d++)
                result.axis[d] = d < tail ? AXIS_ONE : (enum axis)(d - tail);
            b->g->input_chw = true;
        }
    }
    return import__set_view(b, &result);
}
