// SPDX-License-Identifier: MIT
// The executor's hook around kernel calls counts what the planner planned: on random small networks
// cut at random, MACs, kernel calls and positions are equal to the planned ones, and a run with the hook
// gives the bytes of a run without. So are the calls that the program has in stages that are not simple.
#include "tests/tap.h"
#include "tests/unit/netgen.h"
#include "tests/unit/netcut.h"

#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "server/planner/program.h"

struct seen { // in the programs of networks of a size
    uint64_t macs, saved, special;
};

struct counter {
    const struct prog_op *ops;
    int open; // operator whose kernel runs, or -1
    bool unpaired;
    uint64_t macs, calls, positions;
};

static uint64_t macs_per_pixel(const struct prog_op *op)
{
    switch (op->kernel) {
    case PROG_DWCONV:
    case PROG_DWCONV_X2:
    case PROG_DWCONV_FIR:
    case PROG_DWCONV_M16:
        return (uint64_t)op->ks * op->ka * op->out_c;
    case PROG_CONV:
    case PROG_CONV_X2:
    case PROG_CONV_B4:
    case PROG_CONV_M16:
        return (uint64_t)op->ks * op->ka * op->in_c * op->out_c;
    case PROG_ACC_CONV:
    case PROG_SUM_CONV:
        return (uint64_t)op->in_c * op->out_c;
    default:
        return 0;
    }
}

static void count_kernel(void *ctx, unsigned op, int pixels)
{
    struct counter *c = ctx;
    if (pixels < 0) {
        c->unpaired |= c->open != (int)op;
        c->open = -1;
        return;
    }
    c->unpaired |= c->open != -1;
    c->open = (int)op;
    c->calls++;
    c->positions += (uint64_t)pixels;
    c->macs += (uint64_t)pixels * macs_per_pixel(&c->ops[op]);
}

// Runs a program with and without the hook. False: a run failed or the outputs differ.
static bool run_counted(const struct buf *program, struct counter *c)
{
    const struct prog_header *h = (const void *)program->data;
    uint32_t bytes = exec_arena_bytes(h), out_bytes = exec_output_bytes(h);
    void *arena = aligned_alloc(16, ((size_t)bytes + 31) / 16 * 16);
    int8_t *plain = malloc(out_bytes);
    const int8_t *out;
    *c = (struct counter){.ops = (const void *)(program->data + h->ops), .open = -1};
    const struct exec_hooks hooks = {.kernel = count_kernel, .ctx = c};
    bool ok = exec_run(h, arena, bytes, NULL, NULL, &out) == 0;
    if (ok)
        memcpy(plain, out, out_bytes);
    ok = ok && exec_run(h, arena, bytes, NULL, &hooks, &out) == 0;
    ok = ok && memcmp(plain, out, out_bytes) == 0 && c->open == -1 && !c->unpaired;
    free(arena);
    free(plain);
    return ok;
}

// Of a program: kernel calls that are saved because one makes several slices, and those of stages that are not simple.
struct tables {
    uint64_t saved, special;
};

static uint64_t calls_of_slice(const struct prog_header *h, const struct prog_stage *s)
{
    const struct prog_op *op = (const void *)((const uint8_t *)h + s->head);
    uint64_t operators = 1;
    for (; op->out.space == PROG_CHUNK; op++)
        operators++;
    return operators * (uint64_t)(s->chunk ? (s->n + s->chunk - 1) / s->chunk : s->n > 0);
}

static void read_call(const struct prog_header *h, const struct prog_call *call, struct tables *t)
{
    const uint8_t *p = (const void *)h;
    const struct prog_part *part =
        (const struct prog_part *)(const void *)(p + h->parts) + call->part;
    const struct prog_stage *stages = (const void *)(p + h->stages);
    const struct prog_step *steps = (const void *)(p + call->steps);
    for (int band = 0; band < call->n_bands; band++) {
        const int at = (call->first_band + band) * part->band_stages;
        for (uint32_t i = 0; i < call->n_steps; i++) {
            const struct prog_stage *s = &stages[at + steps[i].stage];
            t->saved += (steps[i].taps.slices - 1u) * (uint64_t)call->n_groups;
            if (!s->simple)
                t->special += calls_of_slice(h, s) * call->n_groups;
        }
    }
}

static struct tables read_tables(const struct buf *program)
{
    const uint8_t *p = program->data;
    const struct prog_header *h = (const void *)p;
    const struct prog_block *blocks = (const void *)(p + h->blocks);
    struct tables t = {0};
    for (int b = 0; b < h->n_blocks; b++) {
        const struct prog_call *calls = (const void *)(p + blocks[b].calls);
        for (uint32_t k = 0; k < blocks[b].n_calls; k++)
            read_call(h, &calls[k], &t);
    }
    return t;
}

// Positions that the kernels of the block at hand are told: sums over groups are told again when they end.
static uint64_t planned_positions(const struct fusion *f)
{
    uint64_t positions = 0;
    for (int i = f->first; i <= f->last; i++) {
        const struct latency_counts *n = &f->layer_cost[i].counts;
        const struct layer *l = &f->g->layers[i];
        const bool sum = f->price[i].shape.kind == LATENCY_SUM && l->kh * l->kw == 1;
        positions += n->positions + (sum ? n->ends : 0);
    }
    return positions;
}

static bool check_config(struct fusion *f, const struct config_block *blocks, int count,
                         const char *variant, const int8_t *input, struct seen *seen)
{
    struct buf program;
    struct counter c = {0};
    struct err e = {0};
    struct latency_table latency = {0};
    struct latency_model model = {0};
    uint64_t macs = 0, calls = 0, positions = 0, special = 0;
    uint32_t arena = 0;
    snprintf(model.kernels, sizeof model.kernels, "%s", variant);
    bool ok = latency_table_fill(&latency, f->g, &model, &e) == 0;
    f->latency = &latency;
    ok = ok && config_arena(f, blocks, count, &arena, &e) == 0;
    for (int i = 0; i < count && ok; i += config_entries(&blocks[i])) {
        ok = config_block_fill(f, &blocks[i], arena, &e) == 0;
        macs += f->cost.macs;
        calls += f->cost.calls;
        positions += planned_positions(f);
        special += f->cost.works[LATENCY_SPECIAL];
    }
    f->latency = NULL;
    latency_table_free(&latency);
    buf_init(&program, PROGRAM_MAX_BYTES);
    ok = ok && program_compile(f, blocks, count, variant, input, &program, &e) == 0 &&
         exec_check(program.data, program.len) == 0 && run_counted(&program, &c);
    const struct tables t = ok ? read_tables(&program) : (struct tables){0};
    if (!ok || c.macs != macs || c.calls + t.saved != calls || c.positions != positions ||
        t.special != special) {
        char spec[512] = "";
        config_format(blocks, count, &(struct config_options){0}, spec, sizeof spec, &e);
        printf("# \"%s\" %s: %llu MACs of %llu planned, %llu calls and %llu saved of %llu, %llu "
               "special of %llu, %llu positions of %llu, %s\n",
               spec, variant, (unsigned long long)c.macs, (unsigned long long)macs,
               (unsigned long long)c.calls, (unsigned long long)t.saved, (unsigned long long)calls,
               (unsigned long long)t.special, (unsigned long long)special,
               (unsigned long long)c.positions, (unsigned long long)positions,
               ok ? "ran" : "did not run as told");
        ok = false;
    }
    seen->macs += c.macs;
    seen->saved += t.saved;
    seen->special += t.special;
    buf_free(&program);
    return ok;
}

static bool check_network(uint32_t seed, int size, struct seen *seen)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    bool ok = true;
    netgen_make(&n, seed, size);
    if (fusion_open(&f, &n.g, &e))
        return false;
    size_t in_bytes = fusion_tensor_bytes(&n.g, n.g.input);
    int8_t *input = malloc(in_bytes);
    for (size_t i = 0; i < in_bytes; i++)
        input[i] = (int8_t)(netgen_next(&n) >> 24);
    for (unsigned t = 0; exec_variant_name(t) && ok; t++) {
        int count = netcut_random(&n, &f, blocks);
        ok = check_config(&f, blocks, count, exec_variant_name(t), input, seen);
    }
    if (!ok)
        printf("# seed %u size %d\n", seed, size);
    free(input);
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

int main(int argc, char **argv)
{
    int networks = argc > 1 ? atoi(argv[1]) : 3000;
    for (int size = 1; size <= 12; size++) {
        int bad = 0;
        struct seen seen = {0};
        for (int i = 0; i < networks / 12 + 1; i++)
            bad += !check_network((uint32_t)(size * 100000 + i), size, &seen);
        OKF(bad == 0 && seen.macs > 0,
            "networks of about %d layers: counted MACs, kernel calls and positions are the planned "
            "ones (%d bad, %llu MACs)",
            size, bad, (unsigned long long)seen.macs);
        OKF(seen.saved > 0 && seen.special > 0,
            "... %llu calls are saved, where one makes several slices; %llu, as planned, are of "
            "stages that are not simple",
            (unsigned long long)seen.saved, (unsigned long long)seen.special);
    }
    return tap_done();
}
