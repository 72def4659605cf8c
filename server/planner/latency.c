// SPDX-License-Identifier: MIT
// See latency.h.
#include "server/planner/latency.h"

const char *const latency_class_names[LATENCY_CLASSES] = {"conv", "first", "pointwise", "dwconv",
                                                          "add",  "pool",  "other"};
const char *const latency_term_names[LATENCY_TERMS] = {"mac", "output", "pixel", "call", "load"};

static enum latency_class class_of(const struct layer *l, bool fed)
{
    switch (l->op) {
    case LAYER_CONV:
        if (fed || (l->kh == 1 && l->kw == 1))
            return l->in_c % 4 == 0 ? LATENCY_POINTWISE : LATENCY_FIRST;
        return l->in_c % 4 == 0 ? LATENCY_CONV : LATENCY_FIRST;
    case LAYER_DWCONV:
        return LATENCY_DWCONV;
    case LAYER_ADD:
        return LATENCY_ADD;
    case LAYER_AVGPOOL:
    case LAYER_MAXPOOL:
    case LAYER_MEAN:
        return LATENCY_POOL;
    default:
        return LATENCY_OTHER;
    }
}

void latency_work_of(const struct layer *l, bool fed, uint64_t macs, uint64_t pixels,
                     uint64_t calls, struct latency_work *out)
{
    double weights = 0;
    if (l->op == LAYER_CONV || l->op == LAYER_DWCONV)
        weights = (double)l->kh * l->kw * l->out_c * (l->op == LAYER_CONV ? l->in_c : 1);
    if (fed) // of one input pixel
        weights /= (double)l->in_h * l->in_w;
    double elements = (double)pixels * (fed ? l->in_c : l->out_c);
    if (l->op == LAYER_AVGPOOL || l->op == LAYER_MAXPOOL || l->op == LAYER_MEAN) {
        // A pool's work is its window.
        out->amount[LATENCY_MAC] = fed ? elements : elements * l->kh * l->kw;
    } else {
        out->amount[LATENCY_MAC] = (double)macs;
    }
    out->kind = class_of(l, fed);
    out->amount[LATENCY_OUTPUT] = elements;
    out->amount[LATENCY_PIXEL] = (double)pixels;
    out->amount[LATENCY_CALL] = (double)calls;
    out->amount[LATENCY_LOAD] = (double)calls * weights;
}

double latency_cycles(const struct latency_model *m, const struct latency_work *w)
{
    double cycles = m->interpreter * w->amount[LATENCY_CALL];
    for (int t = 0; t < LATENCY_TERMS; t++)
        cycles += m->cycles[w->kind][t] * w->amount[t];
    return cycles;
}
