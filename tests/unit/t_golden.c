// SPDX-License-Identifier: MIT
// Real models on the host's executor: the plain run and configurations spread over the front give
// the golden bytes in the planned arena. Arguments: model names (default: all of the test folder
// without the prefix odd_).
#include "tests/tap.h"

#include <dirent.h>
#include <time.h>

#include "common/buf.h"
#include "firmware/executor/exec.h"
#include "server/planner/planner.h"

#define SPREAD 10 // configurations of the front
#define WANTED 8  // and, where the front is smaller, others beside it until there are so many

static const char *const case_names[] = {"c0_uniform", "c1_walk", "c2_extreme", "c3_person",
                                         "c4_no_person"};

// dir/golden/model/case.<what>_i8.bin, or .<what>.bin where the model's own tensor is int8. False:
// there is none.
static bool read_case(const char *dir, const char *model, const char *name, const char *what,
                      size_t bytes, struct buf *out)
{
    static const char *const suffix[] = {"_i8", ""};
    for (int i = 0; i < 2; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/golden/%s/%s.%s%s.bin", dir, model, name, what, suffix[i]);
        buf_reset(out);
        if (buf_read_file(out, path) == 0)
            return out->len == bytes;
    }
    return false;
}

// Runs one configuration on one input. Empty text: right bytes, exact arena.
static void run(const struct planner *p, const char *spec, const char *variant, const int8_t *input,
                const struct buf *want, char *why, size_t n)
{
    struct buf program;
    struct err e = {0};
    buf_init(&program, 16u << 20);
    why[0] = '\0';
    if (planner_program(p, spec, variant, input, &program, &e)) {
        snprintf(why, n, "%s", e.msg);
    } else if (exec_check(program.data, program.len)) {
        snprintf(why, n, "exec_check %d", exec_check(program.data, program.len));
    } else {
        uint32_t bytes = exec_arena_bytes(program.data), mark = 0;
        uint8_t *arena = malloc(bytes);
        for (int pass = 0; arena && pass < 2; pass++) {
            const uint8_t paint = pass ? 0x5A : 0xA5;
            const int8_t *out;
            memset(arena, paint, bytes);
            exec_run(program.data, arena, bytes, NULL, NULL, &out);
            uint32_t touched = bytes;
            while (touched > 0 && arena[touched - 1] == paint)
                touched--;
            mark = touched > mark ? touched : mark;
            if (memcmp(out, want->data, want->len) != 0)
                snprintf(why, n, "wrong output");
        }
        if (mark != bytes)
            snprintf(why, n, "touched %u bytes of the arena, planned %u", mark, bytes);
        free(arena);
    }
    buf_free(&program);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Pricing a text with its output outside must leave no trace in what is asked next.
static bool forgets_outside(const struct planner *p, const struct planner_info *info)
{
    char text[60];
    struct config c;
    struct front f;
    struct planner_info again;
    struct err e = {0};
    snprintf(text, sizeof text, "0-%d:plain output:outside", info->layers - 1);
    if (planner_price(p, text, &c, &e) || !c.outside_bytes)
        return false;
    planner_info(p, &again);
    if (planner_price(p, text, &c, &e) || planner_strategy_front(p, PLANNER_VANILLA, false, &f, &e))
        return false;
    bool ok = again.plain_arena_bytes == info->plain_arena_bytes && f.n == 1 &&
              !f.at[0].outside_bytes && f.at[0].arena_bytes == info->plain_arena_bytes;
    front_free(&f);
    return ok;
}

// Adds a block 0..last and single layers behind it, unless it cannot run or is there already.
static size_t add_head(const struct planner *p, int last, int layers, const char *schedule,
                       char (*spec)[PLANNER_MAX_SPEC], size_t n)
{
    struct config priced;
    struct err ignored = {0};
    char rest[40] = "", text[80];
    if (last + 1 < layers)
        snprintf(rest, sizeof rest, " %d-%d:plain", last + 1, layers - 1);
    snprintf(text, sizeof text, "0-%d:%s%s", last, schedule, rest);
    bool known = planner_price(p, text, &priced, &ignored) != 0;
    for (size_t i = 0; i < n && !known; i++)
        known = strcmp(spec[i], priced.spec) == 0;
    if (!known)
        snprintf(spec[n++], sizeof *spec, "%s", priced.spec);
    return n;
}

// Adds the configuration of least RAM of each strategy.
static size_t add_strategies(const struct planner *p, char (*spec)[PLANNER_MAX_SPEC], size_t n)
{
    for (int s = 0; s < PLANNER_STRATEGIES; s++) {
        struct front f;
        struct err ignored = {0};
        if (planner_strategy_front(p, (enum planner_strategy)s, false, &f, &ignored))
            continue;
        bool known = f.n == 0;
        for (size_t i = 0; i < n && !known; i++)
            known = strcmp(spec[i], f.at[0].spec) == 0;
        if (!known)
            snprintf(spec[n++], sizeof *spec, "%s", f.at[0].spec);
        front_free(&f);
    }
    return n;
}

// Configurations to run: spread over the front; of the other strategies; patches; then blocks from
// the input on with what the front left out.
static size_t choose(const struct planner *p, const struct front *front, int layers,
                     char (*spec)[PLANNER_MAX_SPEC])
{
    static const char *const schedules[] = {"rows", "cols1", "cols2", "cols3"};
    size_t pick[SPREAD], n = front_spread(front, SPREAD, pick);
    for (size_t i = 0; i < n; i++)
        snprintf(spec[i], sizeof spec[i], "%s", front->at[pick[i]].spec);
    n = add_strategies(p, spec, n);
    for (int last = layers < 6 ? layers - 1 : 5; last > 0; last--) {
        size_t before = n;
        n = add_head(p, last, layers, "patch2", spec, n);
        n = add_head(p, last, layers, "patch3", spec, n);
        if (n > before)
            break;
    }
    for (int last = 1; last < layers && n < WANTED; last++) {
        for (int k = 0; k < 4 && n < WANTED; k++)
            n = add_head(p, last, layers, schedules[k], spec, n);
    }
    return n;
}

static void check_model(const char *dir, const char *model)
{
    static char spec[SPREAD + PLANNER_STRATEGIES + WANTED][PLANNER_MAX_SPEC];
    struct buf file, input, want;
    struct planner *p = NULL;
    struct front front = {0};
    struct planner_info info;
    struct err e = {0};
    char path[600], why[500];
    unsigned variants = 0;
    int runs = 0, bad = 0;
    while (exec_variant_name(variants))
        variants++;
    buf_init(&file, 64u << 20);
    buf_init(&input, 1u << 20);
    buf_init(&want, 1u << 20);
    snprintf(path, sizeof path, "%s/files/%s.tflite", dir, model);
    if (!OKF(buf_read_file(&file, path) == 0 && planner_open(file.data, file.len, &p, &e) == 0,
             "%s imports %s", model, e.msg))
        goto out;
    double start = seconds();
    if (!OKF(planner_front(p, &front, &e) == 0, "%s has a front %s", model, e.msg))
        goto out;
    planner_info(p, &info);
    OKF(forgets_outside(p, &info), "%s: an output outside the arena is the asking text's alone",
        model);
    printf("# %s: front of %zu in %.2f s, plain %u B; F=1 %u, F<=1.1 %u, least %u B (F %.2f)\n",
           model, front.n, seconds() - start, info.plain_arena_bytes,
           front_least_ram(&front, 1.0)->arena_bytes, front_least_ram(&front, 1.1)->arena_bytes,
           front.at[0].arena_bytes, front.at[0].overhead);
    size_t n = choose(p, &front, info.layers, spec);
    snprintf(spec[n], sizeof spec[n], "0-%d:plain", info.layers - 1);
    for (size_t c = 0; c < sizeof case_names / sizeof *case_names; c++) {
        if (!read_case(dir, model, case_names[c], "input", info.input.bytes, &input) ||
            !read_case(dir, model, case_names[c], "output", info.output.bytes, &want))
            continue;
        for (size_t i = 0; i <= n; i++) {
            if (info.macs > 50000000 && c > 0 && i < n)
                continue; // the largest model's configurations take one case, its plain run all of
                          // them
            // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is always generic
            run(p, spec[i], exec_variant_name((unsigned)i % variants), (const int8_t *)input.data,
                &want, why, sizeof why);
            runs++;
            bad += why[0] != '\0';
            if (why[0])
                printf("# %s %s \"%s\": %s\n", model, case_names[c], spec[i], why);
        }
    }
    OKF(n >= WANTED || info.layers < 5, "%s: %zu configurations beside plain", model, n);
    OKF(runs > 0 && bad == 0, "%s: %d runs give the golden bytes in the planned arena (%d bad)",
        model, runs, bad);
out:
    front_free(&front);
    planner_free(p);
    buf_free(&file);
    buf_free(&input);
    buf_free(&want);
}

int main(int argc, char **argv)
{
    const char *dir = tap_models();
    if (!dir) {
        SKIP("golden outputs of real models", "the folder of test models is missing");
        return tap_done();
    }
    for (int i = 1; i < argc; i++)
        check_model(dir, argv[i]);
    if (argc == 1) {
        char path[512];
        struct dirent **names;
        snprintf(path, sizeof path, "%s/files", dir);
        int n = scandir(path, &names, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            char *dot = strrchr(names[i]->d_name, '.');
            if (dot && strcmp(dot, ".tflite") == 0 && strncmp(names[i]->d_name, "odd_", 4) != 0) {
                *dot = '\0';
                check_model(dir, names[i]->d_name);
            }
            free(names[i]);
        }
        free(names);
    }
    return tap_done();
}
