// SPDX-License-Identifier: MIT
// Writes blocks of kernel cases (cases.h).
//   kernel-cases random PER_FAMILY OUT   random layers and short networks, cut at random, for every kernel variant; the
//                                        expected bytes come from plain loops over the graph (tests/graph_run.h)
//   kernel-cases model FILE VARIANT OUT [SPEC [INPUT]]   one configuration of a model (default: plain) on raw input bytes
//                                        (default: the uniform test input), with a profile
//   kernel-cases program FILE VARIANT OUT [SPEC]   the program of a model by itself (plain)
// Prints how many programs use each kernel; `program`: the bytes of the output, a line each.
#include "tests/graph_run.h"
#include "tests/kernels/cases.h"
#include "tests/unit/netcut.h"
#include "tests/unit/netgen.h"

#include <stdio.h>

#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "server/planner/planner.h"
#include "server/planner/program.h"

#define MAX_CASES 20000
#define BLOCK_MAX (120u << 20)

static struct case_entry entries[MAX_CASES];
static uint32_t n_cases, used[16][PROG_KERNEL_COUNT];
static struct buf blob;

static void fail(const char *what)
{
    fprintf(stderr, "kernel-cases: %s\n", what);
    exit(1);
}

static uint32_t append(const void *bytes, size_t n)
{
    buf_align(&blob, 4);
    uint32_t at = (uint32_t)blob.len;
    buf_add(&blob, bytes, n);
    return at;
}

static void count_kernels(const void *program, uint32_t variant)
{
    const struct prog_header *h = program;
    const struct prog_op *op =
        (const struct prog_op *)(const void *)((const char *)program + h->ops);
    bool met[PROG_KERNEL_COUNT] = {false};
    for (int i = 0; i < h->n_ops; i++)
        met[op[i].kernel] = true;
    for (int i = 0; i < PROG_KERNEL_COUNT; i++)
        used[variant][i] += met[i];
}

static void add_case(const struct buf *program, uint32_t variant, uint32_t input,
                     uint32_t input_bytes, uint32_t output, uint32_t output_bytes, const char *what)
{
    if (n_cases == MAX_CASES)
        fail("too many cases");
    struct case_entry *e = &entries[n_cases];
    *e = (struct case_entry){.program = append(program->data, program->len),
                             .program_bytes = (uint32_t)program->len,
                             .input = input,
                             .input_bytes = input_bytes,
                             .output = output,
                             .output_bytes = output_bytes,
                             .shift = n_cases % 4,
                             .variant = variant};
    snprintf(e->name, sizeof e->name, "%s %s", exec_variant_name(variant), what);
    count_kernels(program->data, variant);
    n_cases++;
}

// ---- random layers ----

// A multiplier and shift: those that bring sums of `fan_in` products into range, or the edges, unless tame.
static struct requant random_requant(struct netgen *n, int fan_in, bool tame)
{
    static const int32_t mults[] = {1 << 30, INT32_MAX, (1 << 30) + 1, 0x5A827999};
    int shift = -6;
    for (int f = fan_in; f > 1; f /= 4)
        shift--;
    int edge = tame ? 24 : netgen_pick(n, 0, 24);
    if (edge == 0)
        shift = netgen_pick(n, 1, 6); // saturates nearly everywhere
    else if (edge == 1)
        shift = netgen_pick(n, -31, -20); // rounds to nothing
    else if (edge < 6)
        shift = netgen_pick(n, -3, 0);
    else
        shift += netgen_pick(n, -1, 2);
    int32_t mult = netgen_pick(n, 0, 3) ? (1 << 30) + (int32_t)(netgen_next(n) >> 2)
                                        : mults[netgen_pick(n, 0, 3)];
    return (struct requant){mult, shift};
}

static int random_zero(struct netgen *n)
{
    static const int zeros[] = {-128, -128, -1, 0, 127};
    int i = netgen_pick(n, 0, 9);
    return i < 5 ? zeros[i] : netgen_pick(n, -128, 127);
}

// Replaces what netgen_layer() chose by values at the edges of their ranges.
static void sharpen(struct netgen *n, int index)
{
    struct layer *l = &n->layers[index];
    const int fan_in = l->kh * l->kw * (l->op == LAYER_CONV ? l->in_c : 1);
    const size_t bytes = (size_t)l->kh * (size_t)l->kw *
                         (size_t)(l->op == LAYER_CONV ? l->in_c * l->out_c : l->out_c);
    int8_t *w = (int8_t *)(uintptr_t)l->weights;
    int32_t *bias = (int32_t *)(uintptr_t)l->bias;
    int kind = netgen_pick(n, 0, 7);
    for (size_t i = 0; i < bytes; i++)
        w[i] = kind == 0   ? -128
               : kind == 1 ? 127
               : kind == 2 ? (int8_t)(netgen_next(n) & 1 ? -128 : 127)
               : kind == 3 ? (int8_t)(netgen_next(n) >> 24)
                           : (int8_t)netgen_pick(n, -127, 127); // the range of the format
    // A channel at the edge decides how a whole layer ends, so half of the layers have none and end mostly as
    // converters have it: the tensor's zero point is the least value behind a ReLU.
    const bool tame = netgen_pick(n, 0, 1);
    l->out_zero = netgen_pick(n, 0, tame ? 3 : 1) ? -128 : random_zero(n);
    l->act_min = -128;
    l->act_max = 127;
    if (!netgen_pick(n, 0, tame ? 7 : 3)) {
        l->act_min = netgen_pick(n, -128, 126);
        l->act_max = netgen_pick(n, l->act_min, 127);
    }
    n->tensors[l->out].zero = l->out_zero;
    for (int o = 0; o < l->out_c; o++) {
        int32_t range = 16384 * fan_in;
        bias[o] = tame || netgen_pick(n, 0, 9) ? netgen_pick(n, -range / 8 - 1, range / 8 + 1)
                                               : netgen_pick(n, -(1 << 29), 1 << 29);
        l->requant[o] = random_requant(n, fan_in, tame);
    }
}

static void add_window(struct netgen *n, enum layer_op op, int kh, int kw, int s, int out_c,
                       int mult)
{
    const int in = netgen_top(n);
    const struct tensor *t = &n->tensors[in];
    struct layer l = {.op = op, .kh = kh, .kw = kw, .sh = s, .sw = s, .mult_c = mult};
    int extra_h = netgen_pick(n, 0, 2) ? kh - 1 : netgen_pick(n, 0, kh - 1);
    int extra_w = netgen_pick(n, 0, 2) ? kw - 1 : netgen_pick(n, 0, kw - 1);
    if (t->h + extra_h < kh)
        extra_h = kh - t->h;
    if (t->w + extra_w < kw)
        extra_w = kw - t->w;
    l.pad_top = extra_h / 2;
    l.pad_left = netgen_pick(n, 0, 3) ? extra_w / 2 : extra_w;
    l.out_h = (t->h + extra_h - kh) / s + 1;
    l.out_w = (t->w + extra_w - kw) / s + 1;
    l.out_c = op == LAYER_CONV ? out_c : t->c * mult;
    netgen_layer(n, l, in, -1);
    sharpen(n, n->g.n_layers - 1);
}

static void begin(struct netgen *n, uint32_t seed, int h, int w, int c)
{
    netgen_begin(n, seed);
    n->tensors[0] = (struct tensor){h, w, c, random_zero(n), 0.1f, -1, 0};
    n->g.n_tensors = 1;
}

enum family { POINTWISE, CONV, FIRST, DENSE, DEPTHWISE, INVERTED, NETWORK, FAMILIES };
static const char *const family_name[FAMILIES] = {"1x1",       "conv",     "first",  "dense",
                                                  "depthwise", "inverted", "network"};

static void make(struct netgen *n, enum family family, uint32_t seed)
{
    struct netgen draw = {.state = (seed + 77) * 2246822519u + 1};
    for (int i = 0; i < 8; i++)
        netgen_next(&draw);
    const int h = netgen_pick(&draw, 1, 9), w = netgen_pick(&draw, 1, 13);
    const int four = netgen_pick(&draw, 0, 1) ? 4 : 1;
    const int c = four * netgen_pick(&draw, 1, 40 / four);
    switch (family) {
    case POINTWISE:
        begin(n, seed, h, w, c);
        add_window(n, LAYER_CONV, 1, 1, netgen_pick(n, 0, 3) ? 1 : 2, netgen_pick(n, 1, 20), 1);
        break;
    case CONV:
        begin(n, seed, h, w,
              netgen_pick(&draw, 0, 1) ? 4 * netgen_pick(&draw, 1, 4) : netgen_pick(&draw, 1, 12));
        add_window(n, LAYER_CONV, netgen_pick(n, 1, 5), netgen_pick(n, 1, 5), netgen_pick(n, 1, 2),
                   netgen_pick(n, 1, 9), 1);
        break;
    case FIRST: // as networks begin, keyword spotting included
        begin(n, seed, netgen_pick(&draw, 8, 14), netgen_pick(&draw, 8, 14),
              netgen_pick(&draw, 0, 1) ? 3 : 1);
        add_window(n, LAYER_CONV, netgen_pick(n, 0, 1) ? 3 : 10, netgen_pick(n, 3, 8),
                   netgen_pick(n, 1, 2), 4 * netgen_pick(n, 1, 4), 1);
        break;
    case DENSE:
        begin(n, seed, 1, 1, netgen_pick(&draw, 1, 300));
        add_window(n, LAYER_CONV, 1, 1, 1, netgen_pick(n, 1, 12), 1);
        add_window(n, LAYER_CONV, 1, 1, 1, netgen_pick(n, 1, 12), 1);
        break;
    case DEPTHWISE: {
        static const int sizes[] = {1, 2, 3, 3, 3, 4, 5, 5, 6, 7, 7};
        int kw = sizes[netgen_pick(&draw, 0, 10)],
            kh = netgen_pick(&draw, 0, 3) ? kw : netgen_pick(&draw, 1, 7);
        const int few[] = {4 * netgen_pick(&draw, 1, 5), netgen_pick(&draw, 1, 7), c};
        begin(n, seed, h, w, few[netgen_pick(&draw, 0, 2)]);
        add_window(n, LAYER_DWCONV, kh, kw, netgen_pick(n, 0, 9) ? netgen_pick(n, 1, 2) : 3, 0,
                   netgen_pick(n, 0, 9) ? 1 : 2);
        break;
    }
    case INVERTED: { // 1x1, depthwise, 1x1
        const int k = 2 * netgen_pick(&draw, 0, 3) + 1;
        begin(n, seed, h, w, netgen_pick(&draw, 1, 8));
        add_window(n, LAYER_CONV, 1, 1, 1, netgen_pick(n, 1, 24), 1);
        add_window(n, LAYER_DWCONV, k, k, netgen_pick(n, 1, 2), 0, 1);
        add_window(n, LAYER_CONV, 1, 1, 1, netgen_pick(n, 1, 16), 1);
        break;
    }
    default:
        do
            netgen_make(n, seed, netgen_pick(&draw, 2, 7));
        while (n->layers[n->g.n_layers - 1].op == LAYER_SOFTMAX &&
               (netgen_free(n), seed += 1000003, true));
    }
    n->g.input = 0;
    n->g.output = netgen_top(n);
}

static void random_input(struct netgen *n, int8_t *x, size_t bytes)
{
    int kind = netgen_pick(n, 0, 5);
    for (size_t i = 0; i < bytes; i++)
        x[i] = kind == 0   ? -128
               : kind == 1 ? (int8_t)(netgen_next(n) & 1 ? -128 : 127)
                           : (int8_t)(netgen_next(n) >> 24);
}

// One network in a random configuration, for every variant.
static void add_random(enum family family, uint32_t seed)
{
    static struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    char what[60], spec[200] = "";
    make(&n, family, seed);
    if (fusion_open(&f, &n.g, &e))
        fail(e.msg);
    uint32_t in_bytes = fusion_tensor_bytes(&n.g, n.g.input);
    uint32_t out_bytes = fusion_tensor_bytes(&n.g, n.g.output);
    int8_t *input = malloc(in_bytes), *output = NULL;
    if (!input)
        fail("no memory");
    random_input(&n, input, in_bytes);
    output = graph_run(&n.g, input, 1.0f);
    if (!output)
        fail("no memory");
    uint32_t at_input = append(input, in_bytes), at_output = append(output, out_bytes);
    int count = netcut_random(&n, &f, blocks);
    config_format(blocks, count, &(struct config_options){0}, spec, sizeof spec, &e);
    snprintf(what, sizeof what, "%s %u \"%.40s\"", family_name[family], seed, spec);
    for (uint32_t v = 0; exec_variant_name(v); v++) {
        struct buf program;
        buf_init(&program, PROGRAM_MAX_BYTES);
        if (program_compile(&f, blocks, count, exec_variant_name(v), input, &program, &e))
            fail(e.msg);
        add_case(&program, v, at_input, in_bytes, at_output, out_bytes, what);
        buf_free(&program);
    }
    free(input);
    free(output);
    fusion_close(&f);
    netgen_free(&n);
}

static void random_cases(int per_family)
{
    for (int i = 0; i < per_family; i++) {
        for (int family = 0; family < FAMILIES; family++)
            add_random((enum family)family, (uint32_t)(i * FAMILIES + family + 1));
    }
}

// ---- a model ----

static void model_case(const char *file, const char *variant, const char *spec,
                       const char *input_file, const char *program_only)
{
    struct buf model, program, given;
    struct planner *p = NULL;
    struct planner_info info;
    struct err e = {0};
    char plain[32];
    uint32_t v = 0;
    buf_init(&model, 64u << 20);
    buf_init(&program, PROGRAM_MAX_BYTES);
    buf_init(&given, 4u << 20);
    while (exec_variant_name(v) && strcmp(exec_variant_name(v), variant) != 0)
        v++;
    if (buf_read_file(&model, file) || planner_open(model.data, model.len, &p, &e))
        fail(e.msg[0] ? e.msg : "cannot read the model");
    planner_info(p, &info);
    int8_t *input = malloc(info.input.bytes), *output = malloc(info.output.bytes);
    if (!input || !output)
        fail("no memory");
    planner_input(p, PLANNER_INPUT_UNIFORM, PLANNER_DEFAULT_SEED, input);
    if (input_file) {
        if (buf_read_file(&given, input_file) || given.len != info.input.bytes)
            fail("the input has another size than the model's");
        memcpy(input, given.data, given.len);
    }
    snprintf(plain, sizeof plain, "0-%d:plain", info.layers - 1);
    if (planner_program(p, spec ? spec : plain, variant, input, &program, &e) ||
        planner_reference(p, input, output, &e))
        fail(e.msg);
    if (program_only) {
        FILE *f = fopen(program_only, "wb");
        if (!f || fwrite(program.data, 1, program.len, f) != program.len || fclose(f) != 0)
            fail("cannot write the program");
        for (uint32_t i = 0; i < info.output.bytes; i++)
            printf("%d\n", output[i]);
        exit(0);
    }
    // The program holds the input as the executor reads it.
    const struct prog_header *h = (const void *)program.data;
    uint32_t at_input = append(program.data + h->input, h->input_bytes);
    add_case(&program, v, at_input, h->input_bytes, append(output, info.output.bytes),
             info.output.bytes, file);
    free(input);
    free(output);
    planner_free(p);
    buf_free(&given);
    buf_free(&model);
    buf_free(&program);
}

static void write_block(const char *path, bool profile)
{
    struct cases *c = (void *)blob.data;
    uint32_t at = append(entries, n_cases * sizeof *entries);
    c = (void *)blob.data;
    *c = (struct cases){.magic = CASES_MAGIC,
                        .n = n_cases,
                        .bytes = (uint32_t)blob.len,
                        .profile = profile,
                        .first_entry = at};
    FILE *f = blob.failed ? NULL : fopen(path, "wb");
    if (!f || fwrite(blob.data, 1, blob.len, f) != blob.len || fclose(f) != 0)
        fail("cannot write the cases");
}

int main(int argc, char **argv)
{
    static const char *const kernel_names[PROG_KERNEL_COUNT] = {
        [PROG_CONV] = "conv",         [PROG_DWCONV] = "dwconv",
        [PROG_CONV_X2] = "conv_x2",   [PROG_DWCONV_X2] = "dwconv_x2",
        [PROG_CONV_B4] = "conv_b4",   [PROG_DWCONV_FIR] = "dwconv_fir",
        [PROG_CONV_M16] = "conv_m16", [PROG_DWCONV_M16] = "dwconv_m16",
    };
    const struct cases empty = {0};
    buf_init(&blob, BLOCK_MAX);
    append(&empty, sizeof empty);
    if (argc == 4 && strcmp(argv[1], "random") == 0) {
        random_cases(atoi(argv[2]));
        write_block(argv[3], false);
    } else if (argc >= 5 && argc <= 7 && strcmp(argv[1], "model") == 0) {
        model_case(argv[2], argv[3], argc > 5 ? argv[5] : NULL, argc > 6 ? argv[6] : NULL, NULL);
        write_block(argv[4], true);
    } else if ((argc == 5 || argc == 6) && strcmp(argv[1], "program") == 0) {
        model_case(argv[2], argv[3], argc > 5 ? argv[5] : NULL, NULL, argv[4]);
    } else {
        fail("usage: kernel-cases random PER_FAMILY OUT | model FILE VARIANT OUT [SPEC [INPUT]] | "
             "program FILE VARIANT OUT [SPEC]");
    }
    for (uint32_t v = 0; exec_variant_name(v); v++) {
        for (int k = 0; k < PROG_KERNEL_COUNT; k++) {
            if (kernel_names[k] && used[v][k])
                printf("%s %s: %u programs\n", exec_variant_name(v), kernel_names[k], used[v][k]);
        }
    }
    buf_free(&blob);
    return 0;
}
