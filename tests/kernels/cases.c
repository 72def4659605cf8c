// SPDX-License-Identifier: MIT
// Runs a block of kernel cases (cases.h) on the core that it is compiled for, the host included: in an arena of exactly
// the planned size with guards on both sides, with the input at an address that need not be aligned.
#include "tests/kernels/cases.h"

#include <stddef.h>
#include <string.h>

#include "firmware/executor/exec.h"

#define GUARD 32
#define PROBES 16
#define GUARD_BYTE 0x6B

static _Alignas(4) uint8_t arena[GUARD + CASES_ARENA_BYTES + GUARD];
static _Alignas(4) int8_t input[GUARD + 4 + CASES_INPUT_BYTES + GUARD];
static int8_t outside[GUARD + CASES_OUTPUT_BYTES + GUARD];

struct profile {
    const volatile uint32_t *counter;
    struct case_op *ops, *probe; // probe, not NULL: of all calls
    uint32_t start;
};

static void count_kernel(void *ctx, unsigned op, int pixels)
{
    struct profile *p = ctx;
    struct case_op *const at = p->probe ? p->probe : op < CASES_MAX_OPS ? &p->ops[op] : NULL;
    if (!at)
        return;
    if (pixels < 0) {
        at->instructions += *p->counter - p->start;
        return;
    }
    at->calls++;
    at->positions += (uint32_t)pixels;
    p->start = *p->counter;
}

struct rows {
    const int8_t *first;
    size_t bytes; // of a row
};

static const int8_t *rows_of(void *ctx, unsigned y, unsigned n)
{
    const struct rows *r = ctx;
    (void)n;
    return r->first + (size_t)y * r->bytes;
}

static int untouched(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != GUARD_BYTE)
            return 0;
    }
    return 1;
}

// One inference; the output lies where the program wants it.
static uint32_t infer(const void *program, const struct exec_input *from,
                      const struct exec_hooks *hooks, const int8_t **output)
{
    const uint32_t arena_bytes = exec_arena_bytes(program);
    int failed;
    *output = outside + GUARD;
    failed = exec_output_outside(program)
                 ? exec_run_into(program, arena + GUARD, arena_bytes, from, hooks, outside + GUARD)
                 : exec_run(program, arena + GUARD, arena_bytes, from, hooks, output);
    return failed ? CASE_NOT_ACCEPTED : 0;
}

static uint32_t run(struct cases *c, struct case_entry *e, const volatile uint32_t *counter)
{
    uint8_t *base = (uint8_t *)c;
    const void *program = base + e->program;
    const uint32_t arena_bytes = exec_arena_bytes(program);
    if (exec_check(program, e->program_bytes))
        return CASE_NOT_ACCEPTED;
    if (arena_bytes > CASES_ARENA_BYTES || e->input_bytes > CASES_INPUT_BYTES ||
        e->output_bytes > CASES_OUTPUT_BYTES)
        return CASE_TOO_LARGE;
    int8_t *x = input + GUARD + e->shift;
    memset(arena, GUARD_BYTE, GUARD + arena_bytes + GUARD);
    memset(outside, GUARD_BYTE, GUARD + e->output_bytes + GUARD);
    memset(input, GUARD_BYTE, GUARD + 4 + e->input_bytes + GUARD);
    memcpy(x, base + e->input, e->input_bytes);
    struct rows rows = {x, exec_input_row_bytes(program)};
    const struct exec_input from = {rows_of, &rows};
    struct profile profile = {.counter = counter, .ops = c->ops};
    const struct exec_hooks hooks = {.kernel = count_kernel, .ctx = &profile};
    const int8_t *output;
    uint32_t before = counter ? *counter : 0;
    uint32_t faults = infer(program, &from, NULL, &output);
    e->instructions = counter ? *counter - before : 0;
    if (counter && c->profile) {
        profile.probe = &c->probe;
        exec_probe(program, &hooks, PROBES);
        profile.probe = NULL;
        faults |= infer(program, &from, &hooks, &output);
    }
    if (faults)
        return faults;
    if (exec_output_bytes(program) != e->output_bytes ||
        memcmp(output, base + e->output, e->output_bytes) != 0)
        faults |= CASE_WRONG_BYTES;
    if (!untouched(arena, GUARD) || !untouched(arena + GUARD + arena_bytes, GUARD) ||
        !untouched((const uint8_t *)outside, GUARD) ||
        !untouched((const uint8_t *)outside + GUARD + e->output_bytes, GUARD))
        faults |= CASE_ARENA_GUARD;
    if (!untouched((const uint8_t *)input, GUARD + e->shift) ||
        !untouched((const uint8_t *)x + e->input_bytes, GUARD) ||
        memcmp(x, base + e->input, e->input_bytes) != 0)
        faults |= CASE_INPUT_GUARD;
    return faults;
}

void cases_run(struct cases *c, const volatile uint32_t *instructions)
{
    struct case_entry *e = (struct case_entry *)(void *)((uint8_t *)c + c->first_entry);
    if (c->magic != CASES_MAGIC)
        return;
    for (uint32_t i = 0; i < c->n; i++) {
        e[i].faults = run(c, &e[i], instructions);
        c->ran++;
    }
}
