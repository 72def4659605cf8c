// SPDX-License-Identifier: MIT
// Properties of fused execution on random small networks: every configuration, with every kernel
// variant, gives the bytes of the plain one with generic kernels, touches exactly the arena that was
// planned, and nothing outside it.
#include "tests/tap.h"
#include "tests/unit/netcut.h"
#include "tests/unit/netgen.h"

#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"
#include "server/planner/program.h"

#define GUARD 64

static int spent, cells_run, groups_run, strips_run, deep_run,
    outside_run; // configurations that have some

// The arena that has been touched when a block is done, of any pass: as high as the blocks so far need.
struct marks {
    const uint8_t *arena;
    uint8_t paint;
    uint32_t bytes, at[NETGEN_MAX];
};

static uint32_t touched(const uint8_t *arena, uint32_t bytes, uint8_t paint)
{
    while (bytes > 0 && arena[bytes - 1] == paint)
        bytes--;
    return bytes;
}

static void on_block(void *ctx, unsigned block)
{
    struct marks *m = ctx;
    uint32_t mark = touched(m->arena, m->bytes, m->paint);
    m->at[block] = mark > m->at[block] ? mark : m->at[block];
}

static bool blocks_exact(const struct prog_header *h, const struct marks *m)
{
    const struct prog_block *b = (const void *)((const uint8_t *)h + h->blocks);
    uint32_t most = 0;
    for (int i = 0; i < h->n_blocks; i++) {
        most = b[i].arena_bytes > most ? b[i].arena_bytes : most;
        if (m->at[i] != most)
            return false;
    }
    return true;
}

// Runs a configuration with the arena painted; returns the high-water mark, or -1. out: the
// output's bytes.
static long run_painted(struct fusion *f, const struct config_block *blocks, int n,
                        const char *variant, const int8_t *input, int8_t *out, uint32_t *planned,
                        char *why, size_t why_size)
{
    struct buf program;
    struct err e = {0};
    long mark = -1;
    buf_init(&program, PROGRAM_MAX_BYTES);
    if (program_compile(f, blocks, n, variant, input, &program, &e)) {
        snprintf(why, why_size, "%s", e.msg);
        goto out;
    }
    int rc = exec_check(program.data, program.len);
    if (rc) {
        snprintf(why, why_size, "exec_check %d", rc);
        goto out;
    }
    uint32_t bytes = exec_arena_bytes(program.data);
    *planned = bytes;
    // The arena ends where the memory ends, so that a sanitizer sees a byte too far; a guard stands
    // before it.
    struct marks marks = {.bytes = bytes};
    const struct exec_hooks hooks = {.block = on_block, .ctx = &marks};
    for (int pass = 0; pass < 2; pass++) {
        uint8_t paint = pass ? 0x5A : 0xA5;
        uint8_t *memory = aligned_alloc(16, (GUARD + bytes + 15) / 16 * 16);
        uint8_t *arena = memory + GUARD;
        memset(memory, paint, (GUARD + bytes + 15) / 16 * 16);
        marks.arena = arena;
        marks.paint = paint;
        rc = exec_run_into(program.data, arena, bytes, NULL, &hooks, out);
        long high = touched(arena, bytes, paint);
        mark = high > mark ? high : mark;
        for (int i = 0; i < GUARD; i++)
            rc |= memory[i] != paint;
        for (size_t i = GUARD + bytes; i < (GUARD + bytes + 15) / 16 * 16; i++)
            rc |= memory[i] != paint;
        free(memory);
        if (rc) {
            snprintf(why, why_size, "exec_run %d or a guard byte was touched", rc);
            mark = -1;
            break;
        }
    }
    if (mark >= 0 && !blocks_exact((const void *)program.data, &marks)) {
        snprintf(why, why_size, "a block touches other than its arena");
        mark = -1;
    }
out:
    buf_free(&program);
    return mark;
}

static unsigned variants(void)
{
    unsigned n = 0;
    while (exec_variant_name(n))
        n++;
    return n;
}

// size 0: of inverted residuals
static bool check_network(uint32_t seed, int size, unsigned tries)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    bool ok = true;
    char why[500] = "";
    uint32_t planned = 0;
    if (size)
        netgen_make(&n, seed, size);
    else
        netgen_mobile(&n, seed);
    if (fusion_open(&f, &n.g, &e))
        return false;
    size_t in_bytes = fusion_tensor_bytes(&n.g, n.g.input),
           out_bytes = fusion_tensor_bytes(&n.g, n.g.output);
    int8_t *input = malloc(in_bytes), *plain = malloc(out_bytes), *fused = malloc(out_bytes);
    for (size_t i = 0; i < in_bytes; i++)
        input[i] = (int8_t)(netgen_next(&n) >> 24);
    for (int i = 0; i < n.g.n_layers; i++)
        blocks[i] = (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
    long mark =
        run_painted(&f, blocks, n.g.n_layers, "generic", input, plain, &planned, why, sizeof why);
    if (mark != (long)planned) {
        printf("# seed %u size %d plain: touched %ld, planned %u %s\n", seed, size, mark, planned,
               why);
        ok = false;
    }
    for (unsigned t = 0; t < tries && ok; t++) {
        f.output_outside = t % 3 == 0;
        int count = netcut_random(&n, &f, blocks);
        char spec[512] = "";
        f.spend = t % 2 ? (uint32_t)netgen_pick(&n, 1, 4 * (int)planned + 64) : 0;
        outside_run += f.output_outside;
        for (int i = 0, cells = 0, groups = 0, strips = 0, deep = 0; i < count; i++) {
            cells_run += blocks[i].cells > 1 && cells++ == 0;
            groups_run += blocks[i].group > 0 && groups++ == 0;
            strips_run += blocks[i].strip > 0 && strips++ == 0;
            deep_run += blocks[i].group > 0 && blocks[i].last > blocks[i].first + 3 && deep++ == 0;
        }
        config_format(blocks, count, &(struct config_options){f.spend, f.output_outside}, spec,
                      sizeof spec, &e);
        // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is a variant
        mark = run_painted(&f, blocks, count, exec_variant_name(t % variants()), input, fused,
                           &planned, why, sizeof why);
        const uint32_t limit = f.spend, arena = planned;
        uint32_t peak = 0;
        f.spend = 0;
        config_arena(&f, blocks, count, &peak, &e);
        spent += arena > peak;
        if (arena != peak && (arena < peak || arena > limit)) {
            printf("# seed %u size %d \"%s\": takes %u of %u, its peak is %u\n", seed, size, spec,
                   arena, limit, peak);
            ok = false;
        }
        if (mark != (long)planned || memcmp(plain, fused, out_bytes) != 0) {
            printf("# seed %u size %d \"%s\": touched %ld, planned %u, bytes %s %s\n", seed, size,
                   spec, mark, planned, memcmp(plain, fused, out_bytes) ? "differ" : "equal", why);
            ok = false;
        }
    }
    free(input);
    free(plain);
    free(fused);
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

// Groups of an odd number of channels pair others than the whole layer does: channel 3 with 4, whose
// weights do not fit a word together.
static void check_odd_groups(void)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    char why[500] = "";
    int8_t input[5 * 5 * 4], plain[5 * 5 * 4], grouped[sizeof plain];
    uint32_t planned = 0;
    memset(&n, 0, sizeof n);
    n.state = 1;
    n.g.layers = n.layers;
    n.g.tensors = n.tensors;
    n.g.n_tensors = 1;
    n.tensors[0] = (struct tensor){5, 5, 4, 0, 0.1f, -1, 0};
    netgen_pointwise(&n, LAYER_CONV, 0, -1, 6);
    int8_t w[6 * 4];
    for (int i = 0; i < 6 * 4; i++) {
        const int weight = i / 4 == 3 ? -128 : i / 4 == 4 ? -100 : 7 * i % 50;
        w[i] = (int8_t)weight;
    }
    n.layers[0].weights = w;
    netgen_layer(&n,
                 (struct layer){.op = LAYER_DWCONV,
                                .kh = 3,
                                .kw = 3,
                                .pad_top = 1,
                                .pad_left = 1,
                                .out_h = 5,
                                .out_w = 5,
                                .out_c = 6},
                 1, -1);
    netgen_pointwise(&n, LAYER_CONV, 2, -1, 4);
    n.g.output = netgen_top(&n);
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (int8_t)(i * 37);
    const struct config_block single[] = {{.axis = FUSION_ROWS},
                                          {.first = 1, .last = 1, .axis = FUSION_ROWS},
                                          {.first = 2, .last = 2, .axis = FUSION_ROWS}},
                              groups[] = {{.last = 2, .axis = FUSION_COLS, .group = 3, .cells = 1}};
    if (!OK(fusion_open(&f, &n.g, &e) == 0))
        return;
    run_painted(&f, single, 3, "generic", input, plain, &planned, why, sizeof why);
    for (unsigned v = 0; v < variants(); v++) {
        long mark = run_painted(&f, groups, 1, exec_variant_name(v), input, grouped, &planned, why,
                                sizeof why);
        OKF(mark == (long)planned && memcmp(plain, grouped, sizeof plain) == 0,
            "%s: groups of three channels %s", exec_variant_name(v), why);
    }
    fusion_close(&f);
    netgen_free(&n);
}

// A reshape leaves its bytes where they are: 4 x 4 x 8 become 1 x 16 x 8 in 128 bytes, and the peak is
// the layer behind it, with its 16 bytes of output.
static void check_reshape(void)
{
    struct netgen n = {.state = 3};
    struct fusion f;
    struct err e = {0};
    char why[500] = "";
    int8_t input[4 * 4], out[16];
    uint32_t planned = 0;
    n.g.layers = n.layers;
    n.g.tensors = n.tensors;
    n.g.n_tensors = 1;
    n.tensors[0] = (struct tensor){4, 4, 1, 0, 0.1f, -1, 0};
    netgen_pointwise(&n, LAYER_CONV, 0, -1, 8);
    netgen_layer(&n, (struct layer){.op = LAYER_RESHAPE, .out_h = 1, .out_w = 16, .out_c = 8}, 1,
                 -1);
    netgen_pointwise(&n, LAYER_CONV, 2, -1, 1);
    n.g.output = netgen_top(&n);
    memset(input, 1, sizeof input);
    struct config_block blocks[3];
    for (int i = 0; i < 3; i++)
        blocks[i] = (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
    if (!OK(fusion_open(&f, &n.g, &e) == 0))
        return;
    OK(config_block_fill(&f, &blocks[1], UINT32_MAX, &e) == 0);
    EQ_INT(f.cost.arena_bytes, 128);
    EQ_INT(run_painted(&f, blocks, 3, "generic", input, out, &planned, why, sizeof why), 144);
    EQ_INT(planned, 144);
    fusion_close(&f);
    netgen_free(&n);
}

int main(int argc, char **argv)
{
    check_odd_groups();
    check_reshape();
    int networks = argc > 1 ? atoi(argv[1]) : 2400;
    for (int size = 0; size <= 12; size++) {
        int bad = 0;
        for (int i = 0; i < networks / (size ? 12 : 3) + 1; i++)
            bad += !check_network((uint32_t)(size * 100000 + i), size, 12);
        OKF(bad == 0,
            "networks of about %d layers: fused bytes equal plain bytes, arena exact (%d bad)",
            size, bad);
    }
    OKF(cells_run > networks && groups_run > networks / 10 && strips_run > networks / 10 &&
            deep_run > networks / 10 && outside_run > networks && spent > networks / 10,
        "%d of the configurations had cells, %d groups, %d strips, %d groups behind other "
        "layers, %d their output outside the arena, %d more arena than their peak",
        cells_run, groups_run, strips_run, deep_run, outside_run, spent);
    return tap_done();
}
