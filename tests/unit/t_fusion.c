// SPDX-License-Identifier: MIT
// Properties of fused execution on random small networks: every configuration, with every kernel
// variant, gives the bytes of the plain one with generic kernels, touches exactly the arena that was
// planned, and nothing outside it.
#include "tests/tap.h"
#include "tests/unit/netcut.h"
#include "tests/unit/netgen.h"

#include "firmware/executor/exec.h"
#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"
#include "server/planner/program.h"

#define GUARD 64

static int cells_run, groups_run, outside_run; // configurations that have some

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
    for (int pass = 0; pass < 2; pass++) {
        uint8_t paint = pass ? 0x5A : 0xA5;
        uint8_t *memory = aligned_alloc(16, (GUARD + bytes + 15) / 16 * 16);
        uint8_t *arena = memory + GUARD;
        memset(memory, paint, (GUARD + bytes + 15) / 16 * 16);
        rc = exec_run_into(program.data, arena, bytes, NULL, NULL, out);
        long touched = (long)bytes;
        while (touched > 0 && arena[touched - 1] == paint)
            touched--;
        mark = touched > mark ? touched : mark;
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

static bool check_network(uint32_t seed, int size, unsigned tries)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    bool ok = true;
    char why[500] = "";
    uint32_t planned = 0;
    netgen_make(&n, seed, size);
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
        outside_run += f.output_outside;
        for (int i = 0, cells = 0, groups = 0; i < count; i++) {
            cells_run += blocks[i].cells > 1 && cells++ == 0;
            groups_run += blocks[i].group > 0 && groups++ == 0;
        }
        config_format(blocks, count, f.output_outside, spec, sizeof spec, &e);
        mark = run_painted(&f, blocks, count, exec_variant_name(t % variants()), input, fused,
                           &planned, why, sizeof why);
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

int main(int argc, char **argv)
{
    int networks = argc > 1 ? atoi(argv[1]) : 400;
    for (int size = 1; size <= 12; size++) {
        int bad = 0;
        for (int i = 0; i < networks / 12 + 1; i++)
            bad += !check_network((uint32_t)(size * 100000 + i), size, 12);
        OKF(bad == 0,
            "networks of about %d layers: fused bytes equal plain bytes, arena exact (%d bad)",
            size, bad);
    }
    OKF(cells_run > networks && groups_run > networks / 10 && outside_run > networks,
        "%d of the configurations had cells, %d groups, %d their output outside the arena",
        cells_run, groups_run, outside_run);
    return tap_done();
}
