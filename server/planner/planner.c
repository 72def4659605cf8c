// SPDX-License-Identifier: MIT
// The planner's face: ties import, fusion, front, compiler and reference together. See planner.h.
#include "server/planner/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"
#include "server/planner/graph.h"
#include "server/planner/program.h"
#include "server/planner/reference.h"
#include "server/planner/strategy.h"
#include "server/planner/tflite.h"
#include "server/planner/timeline.h"

struct planner {
    uint8_t *bytes;
    struct tflite_model file;
    struct graph graph;
    struct fusion fusion;
    struct config_block *blocks;  // [n_layers] scratch for parsing
    struct latency_table latency; // of the board that was asked about last
};

uint32_t planner_crc32(const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(0, bytes, n);
}

int planner_open(const void *bytes, size_t n, struct planner **out, struct err *e)
{
    struct planner *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p || !(p->bytes = malloc(n ? n : 1))) {
        free(p);
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for a model of %zu bytes", n);
    }
    if (n)
        memcpy(p->bytes, bytes, n);
    if (tflite_parse(&p->file, p->bytes, n, e) || graph_build(&p->graph, &p->file, e) ||
        fusion_open(&p->fusion, &p->graph, e))
        goto fail;
    p->blocks = calloc((size_t)p->graph.n_layers, sizeof *p->blocks);
    if (!p->blocks) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for %d layers", p->graph.n_layers);
        goto fail;
    }
    *out = p;
    return 0;
fail:
    planner_free(p);
    return -1;
}

void planner_free(struct planner *p)
{
    if (!p)
        return;
    fusion_close(&p->fusion);
    graph_free(&p->graph);
    tflite_free(&p->file);
    latency_table_free(&p->latency);
    free(p->blocks);
    free(p->bytes);
    free(p);
}

static struct planner_tensor tensor_info(const struct graph *g, int tensor)
{
    const struct tensor *t = &g->tensors[tensor];
    return (struct planner_tensor){t->h,     t->w,   t->c, fusion_tensor_bytes(g, tensor),
                                   t->scale, t->zero};
}

// ---- prices ----

// Adds up a configuration, and leaves its arena in cost: the largest block's. Blocks that need less
// spend the rest on larger chunks.
static int price_blocks(struct planner *p, const struct config_block *blocks, int n,
                        struct fusion_cost *cost, struct err *e)
{
    uint32_t arena = 0;
    if (config_arena(&p->fusion, blocks, n, &arena, e))
        return -1;
    *cost = (struct fusion_cost){.arena_bytes = arena};
    for (int i = 0; i < n; i += config_entries(&blocks[i])) {
        if (config_block_fill(&p->fusion, &blocks[i], arena, e))
            return -1;
        fusion_cost_add(cost, &p->fusion.cost);
    }
    return 0;
}

static bool is_by_rows(struct fusion *f, const struct config_block *b)
{
    const struct cell cell = config_cell(b);
    return fusion_cell_is_by_rows(f, &cell);
}

// True where the model input is read once, in order: by one layer, along rows.
static bool reads_input_once(struct planner *p, const struct config_block *blocks, int n)
{
    const struct graph *g = &p->graph;
    if (p->fusion.uses[g->input + 1] - p->fusion.uses[g->input] != 1)
        return false;
    int reader = p->fusion.use_layer[p->fusion.uses[g->input]];
    for (int i = 0; i < n; i++) {
        const struct config_block *b = &blocks[i];
        if (reader >= b->first && reader <= b->last)
            return b->cells ? is_by_rows(&p->fusion, b) : b->axis == FUSION_ROWS;
    }
    return false;
}

// The text of a configuration that takes `arena` bytes, which are named where they are more than its peak.
static int write_spec(struct planner *p, const struct config_block *blocks, int n, uint32_t arena,
                      char spec[PLANNER_MAX_SPEC], struct err *e)
{
    struct config_options options = {.output_outside = p->fusion.output_outside};
    uint32_t peak = arena;
    if (p->fusion.spend) {
        p->fusion.spend = 0;
        if (config_arena(&p->fusion, blocks, n, &peak, e))
            return -1;
        options.spend = p->fusion.spend = arena > peak ? arena : 0;
    }
    return config_format(blocks, n, &options, spec, PLANNER_MAX_SPEC, e);
}

static int fill_config(struct planner *p, const struct config_block *blocks, int n,
                       struct config *c, struct err *e)
{
    struct fusion_cost cost;
    if (price_blocks(p, blocks, n, &cost, e) ||
        write_spec(p, blocks, n, cost.arena_bytes, c->spec, e))
        return -1;
    c->arena_bytes = cost.arena_bytes;
    c->macs = cost.macs;
    c->overhead = p->graph.macs ? (double)cost.macs / (double)p->graph.macs : 1.0;
    c->believed_bytes = c->arena_bytes;
    c->believed_overhead = c->overhead;
    c->outside_bytes =
        p->fusion.output_outside ? fusion_tensor_bytes(&p->graph, p->graph.output) : 0;
    c->input_streamed = reads_input_once(p, blocks, n);
    c->input_bytes = fusion_tensor_bytes(&p->graph, p->graph.input);
    c->blocks = 0;
    for (int i = 0; i < n; i += config_entries(&blocks[i]))
        c->blocks++;
    return 0;
}

// The struct is shared by readers; blocks are worked out in p->fusion, which is scratch.
static struct planner *scratch(const struct planner *p)
{
    return (struct planner *)(uintptr_t)p;
}

// Parses into s->blocks; what the text says of the output holds for what follows.
static int parse(struct planner *s, const char *spec, int *n, struct err *e)
{
    const struct config_options options = config_options(spec);
    s->fusion.output_outside = options.output_outside;
    s->fusion.spend = options.spend;
    return config_parse(spec, s->graph.n_layers, s->blocks, n, e);
}

int planner_price(const struct planner *p, const char *spec, struct config *out, struct err *e)
{
    struct planner *s = scratch(p);
    int n;
    if (parse(s, spec, &n, e))
        return -1;
    return fill_config(s, s->blocks, n, out, e);
}

void planner_info(const struct planner *p, struct planner_info *info)
{
    struct planner *s = scratch(p);
    struct fusion_cost cost;
    struct err e = {0};
    s->fusion.output_outside = false;
    s->fusion.spend = 0;
    for (int i = 0; i < p->graph.n_layers; i++)
        s->blocks[i] = (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
    *info = (struct planner_info){
        .layers = p->graph.n_layers,
        .macs = p->graph.macs,
        .weight_bytes = p->graph.weight_bytes,
        .input = tensor_info(&p->graph, p->graph.input),
        .output = tensor_info(&p->graph, p->graph.output),
    };
    if (price_blocks(s, s->blocks, p->graph.n_layers, &cost, &e) == 0)
        info->plain_arena_bytes = cost.arena_bytes;
}

void planner_layers_json(const struct planner *p, struct buf *out)
{
    buf_puts(out, "[");
    for (int i = 0; i < p->graph.n_layers; i++) {
        const struct layer *l = &p->graph.layers[i];
        uint64_t macs = layer_macs_per_pixel(l) * (uint64_t)l->out_h * (uint64_t)l->out_w;
        buf_printf(out, "%s{\"i\":%d,\"op\":\"%s\",\"name\":", i ? "," : "", i,
                   layer_op_names[l->op]);
        buf_json_str(out, l->name);
        buf_printf(out,
                   ",\"in\":[%d,%d,%d],\"out\":[%d,%d,%d],\"kernel\":[%d,%d],\"stride\":[%d,%d],"
                   "\"macs\":\"%llu\",\"inputs\":[%d",
                   l->in_h, l->in_w, l->in_c, l->out_h, l->out_w, l->out_c, l->kh, l->kw, l->sh,
                   l->sw, (unsigned long long)macs, p->graph.tensors[l->in[0]].producer);
        if (l->op == LAYER_ADD)
            buf_printf(out, ",%d", p->graph.tensors[l->in[1]].producer);
        buf_puts(out, "]}");
    }
    buf_puts(out, "]");
}

int planner_blocks_json(const struct planner *p, const char *spec, struct buf *out, struct err *e)
{
    struct planner *s = scratch(p);
    const struct fusion *f = &p->fusion;
    uint32_t arena;
    int n;
    if (parse(s, spec, &n, e) || config_arena(&s->fusion, s->blocks, n, &arena, e))
        return -1;
    buf_puts(out, "[");
    for (int i = 0; i < n; i += config_entries(&s->blocks[i])) {
        const struct config_block *b = &s->blocks[i];
        if (config_block_fill(&s->fusion, b, arena, e))
            return -1;
        char schedule[CONFIG_MAX_SCHEDULE];
        config_schedule(b, schedule);
        buf_printf(out,
                   "%s{\"first\":%d,\"last\":%d,\"schedule\":\"%s\",\"arena_bytes\":%u,\"macs\":\"%"
                   "llu\",\"bands\":%d,"
                   "\"live_bytes\":%llu,\"io_bytes\":%llu,\"accumulator_bytes\":%llu,\"rings\":[",
                   i ? "," : "", b->first, config_last(b), schedule, f->cost.arena_bytes,
                   (unsigned long long)f->cost.macs, f->n_bands,
                   (unsigned long long)(f->live_bytes + f->kept_bytes),
                   (unsigned long long)f->io_bytes, (unsigned long long)f->acc_bytes);
        const char *comma = "";
        for (int k = b->first; k < config_last(b); k++) {
            const struct fusion_tensor *t = &f->tensors[p->graph.layers[k].out];
            if (t->role != FUSION_RING && t->role != FUSION_CHUNK && t->role != FUSION_WINDOW)
                continue;
            buf_printf(out, "%s{\"layer\":%d,\"slices\":%u,\"bytes\":%u}", comma, k,
                       t->role == FUSION_CHUNK ? 0 : t->slots, t->bytes);
            comma = ",";
        }
        buf_puts(out, "]}");
    }
    buf_puts(out, "]");
    return 0;
}

int planner_timeline_json(const struct planner *p, const char *spec, struct buf *out, struct err *e)
{
    struct planner *s = scratch(p);
    int n;
    if (parse(s, spec, &n, e))
        return -1;
    return timeline_json(&s->fusion, s->blocks, n, out, e);
}

// ---- the front ----

const char *const planner_strategy_names[PLANNER_STRATEGIES] = {
    [PLANNER_VANILLA] = "vanilla",           [PLANNER_MCUNETV2] = "mcunetv2",
    [PLANNER_STREAMNET] = "streamnet",       [PLANNER_MSFCNN] = "msfcnn",
    [PLANNER_MSFCNN_PAPER] = "msfcnn-paper", [PLANNER_PARETO] = "pareto",
};

int planner_strategy(const char *name)
{
    for (int i = 0; i < PLANNER_STRATEGIES; i++) {
        if (strcmp(name, planner_strategy_names[i]) == 0)
            return i;
    }
    return -1;
}

int planner_front(const struct planner *p, struct front *out, struct err *e)
{
    return planner_strategy_front(p, PLANNER_PARETO, false, out, e);
}

// Prices paths; frees them.
static int take_paths(struct planner *s, struct front_paths *paths, struct front *out,
                      struct err *e)
{
    int rc = -1;
    out->at = calloc(paths->n ? paths->n : 1, sizeof *out->at);
    if (!out->at) {
        err_set(e, ERR_NO_MEMORY, "planner: no memory for a front of %zu points", paths->n);
        goto out;
    }
    s->fusion.work += paths->n * sizeof *out->at * FRONT_WORK_OF_A_BYTE;
    for (size_t i = 0; i < paths->n; i++) {
        const struct front_path *path = &paths->at[i];
        struct config *c = &out->at[i];
        if (fusion_spent(&s->fusion)) {
            front_failed(&s->fusion, e);
            goto out;
        }
        s->fusion.spend = path->cycles > 0 ? path->arena_bytes : 0;
        if (fill_config(s, path->blocks, path->n_blocks, c, e))
            goto out;
        if (path->is_believed) {
            c->believed_bytes = path->believed_bytes;
            c->believed_overhead = path->believed_overhead;
        }
        out->n++;
    }
    rc = 0;
out:
    if (rc)
        front_free(out);
    front_paths_free(paths);
    return rc;
}

// The planner for a search, whatever was asked before.
static struct planner *begin_search(const struct planner *p, bool output_outside)
{
    struct planner *s = scratch(p);
    s->fusion.output_outside = output_outside;
    s->fusion.spend = 0;
    s->fusion.work = 0;
    s->fusion.max_work = PLANNER_MAX_WORK;
    return s;
}

int planner_strategy_front(const struct planner *p, enum planner_strategy strategy,
                           bool output_outside, struct front *out, struct err *e)
{
    struct planner *s = begin_search(p, output_outside);
    struct front_paths paths = {0};
    *out = (struct front){0};
    return strategy_search(&s->fusion, strategy, &paths, e) ? -1 : take_paths(s, &paths, out, e);
}

// Has the planner's fusion predict, until end_prediction().
static int begin_prediction(struct planner *s, const struct latency_model *m, struct err *e)
{
    if (latency_table_fill(&s->latency, &s->graph, m, e))
        return -1;
    s->fusion.latency = &s->latency;
    return 0;
}

static void end_prediction(struct planner *s)
{
    s->fusion.latency = NULL;
}

int planner_latency_front(const struct planner *p, const struct latency_model *m, struct front *out,
                          struct err *e)
{
    struct planner *s = begin_search(p, false);
    struct front_paths paths = {0};
    *out = (struct front){0};
    if (begin_prediction(s, m, e))
        return -1;
    int rc = front_search_latency(&s->fusion, &front_everything, &paths, e);
    end_prediction(s);
    return rc ? -1 : take_paths(s, &paths, out, e);
}

void front_free(struct front *f)
{
    free(f->at);
    *f = (struct front){0};
}

const struct config *front_least_ram(const struct front *f, double max_overhead)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->at[i].overhead <= max_overhead)
            return &f->at[i];
    }
    return NULL;
}

const struct config *front_least_overhead(const struct front *f, uint32_t max_arena_bytes)
{
    const struct config *best = NULL;
    for (size_t i = 0; i < f->n; i++) {
        const struct config *c = &f->at[i];
        if (c->arena_bytes <= max_arena_bytes && (!best || c->macs < best->macs))
            best = c;
    }
    return best;
}

const struct config *front_fastest(const struct front *f, uint32_t max_arena_bytes)
{
    const struct config *best = NULL;
    for (size_t i = 0; i < f->n && f->at[i].arena_bytes <= max_arena_bytes; i++)
        best = &f->at[i];
    return best;
}

size_t front_spread(const struct front *f, size_t n, size_t *index)
{
    if (n > f->n)
        n = f->n;
    for (size_t i = 0; i < n; i++)
        index[i] = n == 1 ? 0 : (i * (f->n - 1) + (n - 1) / 2) / (n - 1);
    return n;
}

// ---- inputs, outputs, programs ----

static const char *const input_kinds[] = {"uniform", "walk", "extreme"};

int planner_input_kind(const char *name)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, input_kinds[i]) == 0)
            return i;
    }
    return -1;
}

void planner_input(const struct planner *p, enum planner_input_kind kind, uint32_t seed,
                   int8_t *bytes)
{
    uint32_t state = seed ? seed : PLANNER_DEFAULT_SEED; // xorshift never leaves 0
    int walk = 0;
    size_t n = fusion_tensor_bytes(&p->graph, p->graph.input);
    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if (kind == PLANNER_INPUT_UNIFORM) {
            bytes[i] = (int8_t)(state >> 24);
        } else if (kind == PLANNER_INPUT_WALK) {
            walk += (int)((state >> 24) % 31) - 15;
            walk = walk < -128 ? -128 : walk > 127 ? 127 : walk;
            bytes[i] = (int8_t)walk;
        } else {
            bytes[i] = state >> 31 ? 127 : -128;
        }
    }
}

// [c][h][w] -> [h][w][c].
static void permute_to_hwc(const struct tensor *t, const int8_t *chw, int8_t *hwc)
{
    size_t plane = (size_t)t->h * (size_t)t->w, channels = (size_t)t->c;
    for (size_t i = 0; i < plane; i++) {
        for (size_t c = 0; c < channels; c++)
            hwc[i * channels + c] = chw[c * plane + i];
    }
}

int planner_reference(const struct planner *p, const int8_t *input, int8_t *output, struct err *e)
{
    struct reference *r = NULL;
    size_t n;
    if (reference_run_core(&p->file, input, fusion_tensor_bytes(&p->graph, p->graph.input), &r, e))
        return -1;
    const void *bytes = reference_tensor(r, reference_core_output(&p->file), &n);
    int rc = 0;
    if (!bytes || n != fusion_tensor_bytes(&p->graph, p->graph.output))
        rc = err_set(e, ERR_INTERNAL, "the reference's output has %zu bytes, the graph's %u",
                     bytes ? n : 0, fusion_tensor_bytes(&p->graph, p->graph.output));
    else if (p->graph.output_chw)
        permute_to_hwc(&p->graph.tensors[p->graph.output], bytes, output);
    else
        memcpy(output, bytes, n);
    reference_free(r);
    return rc;
}

int planner_program(const struct planner *p, const char *spec, const char *variant,
                    const int8_t *input, struct buf *out, struct err *e)
{
    struct planner *s = scratch(p);
    int8_t *hwc = NULL;
    int n;
    if (parse(s, spec, &n, e))
        return -1;
    if (p->graph.input_chw) {
        hwc = malloc(fusion_tensor_bytes(&p->graph, p->graph.input));
        if (!hwc)
            return err_set(e, ERR_NO_MEMORY, "planner: no memory for the input");
        permute_to_hwc(&p->graph.tensors[p->graph.input], input, hwc);
    }
    int rc = program_compile(&s->fusion, s->blocks, n, variant, hwc ? hwc : input, out, e);
    free(hwc);
    return rc;
}

int planner_work(const struct planner *p, const char *spec, const char *variant,
                 struct planner_work *layers, double interpreter[LATENCY_WORKS], struct err *e)
{
    struct planner *s = scratch(p);
    struct fusion *f = &s->fusion;
    struct latency_model nothing = {0};
    uint32_t arena;
    int n, rc = -1;
    snprintf(nothing.kernels, sizeof nothing.kernels, "%s", variant);
    if (parse(s, spec, &n, e) || begin_prediction(s, &nothing, e))
        return -1;
    memset(interpreter, 0, LATENCY_WORKS * sizeof *interpreter);
    if (config_arena(f, s->blocks, n, &arena, e))
        goto out;
    for (int b = 0; b < n; b += config_entries(&s->blocks[b])) {
        if (config_block_fill(f, &s->blocks[b], arena, e))
            goto out;
        for (int i = f->first; i <= f->last; i++) {
            layers[i].kind = f->price[i].shape.kind;
            latency_amounts(&f->price[i].shape, &f->layer_cost[i].counts, layers[i].amount);
        }
        for (int k = 0; k < LATENCY_WORKS; k++)
            interpreter[k] += (double)f->cost.works[k];
    }
    rc = 0;
out:
    end_prediction(s);
    return rc;
}

int planner_predict_cycles(const struct planner *p, const char *spec, const struct latency_model *m,
                           double *cycles, struct err *e)
{
    struct planner *s = scratch(p);
    struct fusion_cost c = {0};
    int n;
    if (parse(s, spec, &n, e) || begin_prediction(s, m, e))
        return -1;
    int rc = price_blocks(s, s->blocks, n, &c, e);
    end_prediction(s);
    *cycles = c.cycles;
    return rc;
}
