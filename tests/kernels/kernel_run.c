// SPDX-License-Identifier: GPL-2.0-only
// kernel-run CORE CASES [IMAGE]: runs a block of kernel cases (kernel-cases wrote it) on a core: "host", or a virtual
// board's "cortex-m7", "cortex-m4", "rv32", "xtensa", or "cortex-m3" (a Cortex-M4, whose image does without what that has
// more), with the bare image for it. Prints what failed and a line for each variant; with one case that asks for a
// profile, instructions, how many of them were outside of kernels, and those of each layer.
#include "tests/kernels/bare.h"
#include "tests/kernels/cases.h"

#include "agent/vboard/core_arm.h"
#include "agent/vboard/core_riscv.h"
#include "agent/vboard/core_xtensa.h"
#include "firmware/executor/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 60000000000ull // instructions
#define MAX_VARIANTS 16

struct machine {
    uint8_t *memory;
    struct core *arm;
    struct riscv *riscv;
    struct xtensa *xtensa;
};

static uint32_t counter(const struct machine *m)
{
    return (uint32_t)(m->arm     ? core_instructions(m->arm)
                      : m->riscv ? riscv_instructions(m->riscv)
                                 : xtensa_instructions(m->xtensa));
}

static uint32_t read_counter(void *user, uint32_t address, unsigned size)
{
    (void)address, (void)size;
    return counter(user);
}

static bool read_counter_xtensa(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    (void)size;
    *value = counter(user);
    return address == BARE_COUNTER;
}

static void ignore_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user, (void)address, (void)size, (void)value;
}

static bool refuse_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user, (void)address, (void)size, (void)value;
    return false;
}

static uint32_t rom_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user, (void)address, (void)size;
    return value;
}

// All return NULL when the program came to its end, or what stopped it.
static const char *run_arm(struct machine *m, const char *model, struct err *e)
{
    const struct core_bus bus = {m, read_counter, ignore_write, rom_write};
    struct core_event event = {.stop = CORE_BUDGET};
    m->arm = core_new(model, &bus, e);
    if (!m->arm || core_map_memory(m->arm, BARE_BASE, BARE_BYTES, m->memory, true, e) ||
        core_map_io(m->arm, BARE_COUNTER, 4096, e))
        return e->msg;
    core_clear_registers(m->arm);
    core_enable_fpu(m->arm, true);
    core_set(m->arm, CORE_PC, BARE_BASE);
    while (event.stop == CORE_BUDGET && core_instructions(m->arm) < LIMIT)
        core_run(m->arm, 100000000, &event);
    return event.stop == CORE_SLEEP ? NULL : "the core stopped in the middle";
}

static const char *run_riscv(struct machine *m, struct err *e)
{
    const struct riscv_bus bus = {m, read_counter, ignore_write, NULL};
    const struct riscv_config config = {
        .reset_pc = BARE_BASE, .misa = 0x40101104, .timing = &riscv_timing_c3};
    m->riscv = riscv_new(&config, &bus, e);
    if (!m->riscv ||
        riscv_map_memory(m->riscv, BARE_BASE, BARE_BYTES, m->memory,
                         RISCV_READ | RISCV_WRITE | RISCV_EXECUTE, e) ||
        riscv_map_io(m->riscv, BARE_COUNTER, 4096, e))
        return e->msg;
    riscv_reset(m->riscv);
    while (riscv_state(m->riscv) == RISCV_RUNS && riscv_instructions(m->riscv) < LIMIT)
        riscv_run(m->riscv, 100000000);
    return riscv_state(m->riscv) == RISCV_SLEEPS ? NULL : "the core stopped in the middle";
}

static const char *run_xtensa(struct machine *m, struct err *e)
{
    const struct xtensa_bus bus = {m, read_counter_xtensa, refuse_write};
    m->xtensa = xtensa_new(0x50000000, &bus, e);
    if (!m->xtensa)
        return e->msg;
    xtensa_map(m->xtensa, BARE_BASE, BARE_BYTES, m->memory,
               XTENSA_FETCH | XTENSA_READ | XTENSA_WRITE);
    xtensa_reset(m->xtensa, BARE_BASE);
    return xtensa_run(m->xtensa, LIMIT) == XTENSA_SLEEP ? NULL : "the core stopped in the middle";
}

static const char *run_on(struct machine *m, const char *core, struct err *e)
{
    if (strcmp(core, "host") == 0) {
        cases_run((struct cases *)(void *)(m->memory + (BARE_CASES - BARE_BASE)), NULL);
        return NULL;
    }
    if (strcmp(core, "cortex-m7") == 0 || strcmp(core, "cortex-m4") == 0)
        return run_arm(m, core, e);
    if (strcmp(core, "cortex-m3") == 0)
        return run_arm(m, "cortex-m4", e);
    if (strcmp(core, "rv32") == 0)
        return run_riscv(m, e);
    if (strcmp(core, "xtensa") == 0)
        return run_xtensa(m, e);
    return "is not a core that kernel-run knows";
}

static void print_profile(const struct cases *c, const struct case_entry *e)
{
    const uint8_t *program = (const uint8_t *)c + e->program;
    const uint32_t ops_at = ((const struct prog_header *)(const void *)program)->ops;
    const struct prog_op *ops = (const struct prog_op *)(const void *)(program + ops_at);
    const uint32_t nothing = c->probe.calls ? c->probe.instructions / c->probe.calls : 0;
    uint64_t inside = 0;
    for (int i = 0; i < CASES_MAX_OPS; i++) {
        const struct case_op *op = &c->ops[i];
        const uint32_t instructions = op->instructions - op->calls * nothing;
        inside += instructions;
        if (op->calls)
            printf("layer %d, kernel %d: %u instructions in %u calls of %u positions\n",
                   ops[i].layer, ops[i].kernel, instructions, op->calls, op->positions);
    }
    printf("%s: %u instructions, %u outside of kernels\n", e->name, e->instructions,
           (uint32_t)(e->instructions - inside));
}

static int report(const struct cases *c, const char *core)
{
    const struct case_entry *e =
        (const struct case_entry *)(const void *)((const uint8_t *)c + c->first_entry);
    int cases[MAX_VARIANTS] = {0}, bad[MAX_VARIANTS] = {0}, failed = 0;
    const char *variant[MAX_VARIANTS] = {NULL};
    for (uint32_t i = 0; i < c->ran; i++) {
        const uint32_t v = e[i].variant % MAX_VARIANTS;
        cases[v]++;
        bad[v] += e[i].faults != 0;
        variant[v] = e[i].name;
        if (e[i].faults && failed++ < 10)
            printf("# %s: case %u, %s:%s%s%s%s%s\n", core, i, e[i].name,
                   e[i].faults & CASE_TOO_LARGE
                       ? " has more arena, input or output than cases.h has room for"
                       : "",
                   e[i].faults & CASE_NOT_ACCEPTED ? " not accepted" : "",
                   e[i].faults & CASE_WRONG_BYTES ? " wrong bytes" : "",
                   e[i].faults & CASE_ARENA_GUARD ? " wrote beside the arena" : "",
                   e[i].faults & CASE_INPUT_GUARD ? " wrote the input" : "");
    }
    for (int v = 0; v < MAX_VARIANTS; v++) {
        if (variant[v])
            printf("%s %.*s: %d cases, %d bad\n", core, (int)strcspn(variant[v], " "), variant[v],
                   cases[v], bad[v]);
    }
    if (c->profile && c->ran)
        print_profile(c, &e[c->ran - 1]);
    return failed;
}

static bool load(struct machine *m, const char *path, uint32_t address)
{
    FILE *f = fopen(path, "rb");
    size_t room = BARE_BYTES - (address - BARE_BASE), got = 0;
    if (f) {
        got = fread(m->memory + (address - BARE_BASE), 1, room, f);
        fclose(f);
    }
    return got > 0 && got < room;
}

int main(int argc, char **argv)
{
    struct machine m = {.memory = calloc(1, BARE_BYTES)};
    struct err e = {0};
    int rc = 2;
    if (argc < 3 || !m.memory) {
        fprintf(stderr, "usage: kernel-run CORE CASES [IMAGE]\n");
        goto out;
    }
    struct cases *c = (struct cases *)(void *)(m.memory + (BARE_CASES - BARE_BASE));
    if (!load(&m, argv[2], BARE_CASES) || (argc > 3 && !load(&m, argv[3], BARE_BASE)) ||
        c->magic != CASES_MAGIC) {
        fprintf(stderr, "kernel-run: cannot read the cases or the image\n");
        goto out;
    }
    const char *why = run_on(&m, argv[1], &e);
    rc = report(c, argv[1]) > 0;
    if (why || c->ran != c->n) {
        fprintf(stderr, "kernel-run: %s %s: %u of %u cases ran\n", argv[1], why ? why : "", c->ran,
                c->n);
        rc = 1;
    }
out:
    core_free(m.arm);
    riscv_free(m.riscv);
    xtensa_free(m.xtensa);
    free(m.memory);
    return rc;
}
