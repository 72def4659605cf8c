// SPDX-License-Identifier: MIT
// From file to board: random TFLite files, with operators that the published models lack, through the whole planner and
// the executor. Every configuration of each front gives the reference's bytes in the planned arena.
#include "firmware/executor/exec.h"
#include "server/planner/planner.h"
#include "tests/tap.h"
#include "tests/tfbuild.h"

#define NETS 600

struct tally {
    int built, nothing, runs, wrong;
};

// Runs one configuration; wrong bytes or a refusal count as wrong.
static bool run_is_right(const struct planner *p, const char *spec, const int8_t *in,
                         const int8_t *want, size_t n)
{
    struct buf program;
    struct err e = {0};
    buf_init(&program, 16u << 20);
    bool ok = planner_program(p, spec, "generic", in, &program, &e) == 0 &&
              exec_check(program.data, program.len) == 0;
    if (ok) {
        uint32_t bytes = exec_arena_bytes(program.data);
        uint8_t *arena =
            malloc(bytes ? bytes : 1); // exactly: a sanitizer sees the first byte beyond it
        const int8_t *out = NULL;
        memset(arena, 0xA5, bytes);
        exec_run(program.data, arena, bytes, NULL, NULL, &out);
        ok = memcmp(out, want, n) == 0;
        free(arena);
    }
    buf_free(&program);
    return ok;
}

static void try_front(const struct planner *p, uint32_t seed, struct tally *t)
{
    struct planner_info info;
    struct front f = {0};
    struct err e = {0};
    planner_info(p, &info);
    int8_t *in = malloc(info.input.bytes), *want = malloc(info.output.bytes);
    planner_input(p, seed % 3 ? PLANNER_INPUT_UNIFORM : PLANNER_INPUT_EXTREME, seed, in);
    if (planner_reference(p, in, want, &e) || planner_front(p, &f, &e)) {
        printf("# seed %u: %s\n", seed, e.msg);
        t->wrong++;
    }
    char plain[64];
    snprintf(plain, sizeof plain, "0-%d:plain", info.layers - 1);
    for (size_t i = 0; t->wrong < 10 && i <= f.n; i++) {
        const char *spec = i < f.n ? f.at[i].spec : plain;
        t->runs++;
        if (!run_is_right(p, spec, in, want, info.output.bytes)) {
            printf("# seed %u: \"%s\" gives other bytes\n", seed, spec);
            t->wrong++;
        }
    }
    front_free(&f);
    free(in);
    free(want);
}

int main(void)
{
    struct tally t = {0};
    struct buf file;
    buf_init(&file, 4u << 20);
    for (uint32_t seed = 1; seed <= NETS && t.wrong < 10; seed++) {
        struct planner *p = NULL;
        struct err e = {0};
        net_output(random_net(seed));
        buf_reset(&file);
        tfnet_write(&net, &file);
        if (planner_open(file.data, file.len, &p, &e) == 0) {
            t.built++;
            try_front(p, seed, &t);
            planner_free(p);
        } else if (strstr(e.msg, "no layer computes")) {
            t.nothing++; // a chain of reshapes
        } else {
            printf("# seed %u: %s\n", seed, e.msg);
            t.wrong++;
        }
    }
    buf_free(&file);
    OKF(t.built > NETS * 9 / 10 && t.wrong == 0, "%d networks import (%d compute nothing)", t.built,
        t.nothing);
    OKF(t.runs > t.built && t.wrong == 0, "%d configurations give the reference's bytes (%d wrong)",
        t.runs, t.wrong);
    return tap_done();
}
