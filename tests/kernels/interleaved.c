// SPDX-License-Identifier: MIT
// Two inferences at the same time on one thread: whenever the first asks for rows of its input or has done a block, the
// second one runs from beginning to end in an arena of its own; the first must not notice. Built by tests/e2e/library.t
// from the executor alone. Usage: interleaved PROGRAM PROGRAM; prints both outputs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"

struct second {
    const uint8_t *first_program, *program;
    void *arena;
    int8_t *output;
    int runs;
};

static void *load(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = malloc(16u << 20);
    size_t n = f && p ? fread(p, 1, 16u << 20, f) : 0;
    if (f)
        fclose(f);
    if (n == 0 || exec_check(p, n)) {
        fprintf(stderr, "%s is no program\n", path);
        exit(1);
    }
    return p;
}

static void run_second(struct second *s)
{
    const int8_t *output;
    const uint32_t bytes = exec_output_bytes(s->program);
    memset(s->arena, s->runs, exec_arena_bytes(s->program));
    if (exec_run(s->program, s->arena, exec_arena_bytes(s->program), NULL, NULL, &output) ||
        (s->runs > 0 && memcmp(s->output, output, bytes) != 0)) {
        fprintf(stderr, "the second inference differs from itself\n");
        exit(1);
    }
    memcpy(s->output, output, bytes);
    s->runs++;
}

static const int8_t *rows(void *ctx, unsigned y, unsigned n)
{
    struct second *s = ctx;
    const struct prog_header *h = (const void *)s->first_program;
    (void)n;
    if (y % 4 == 0)
        run_second(s);
    return (const int8_t *)s->first_program + h->input + y * exec_input_row_bytes(s->first_program);
}

static void block(void *ctx, unsigned number)
{
    (void)number;
    run_second(ctx);
}

static void print(const int8_t *output, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        printf("%d\n", output[i]);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const void *program = load(argv[1]);
    struct second s = {.first_program = program, .program = load(argv[2])};
    void *arena = malloc(exec_arena_bytes(program));
    s.arena = malloc(exec_arena_bytes(s.program));
    s.output = malloc(exec_output_bytes(s.program));
    const struct exec_input input = {rows, &s};
    const struct exec_hooks hooks = {.block = block, .ctx = &s};
    const int8_t *output;
    if (!arena || !s.arena || !s.output ||
        exec_run(program, arena, exec_arena_bytes(program), &input, &hooks, &output))
        return 1;
    fprintf(stderr, "%d runs of the second within one of the first\n", s.runs);
    print(output, exec_output_bytes(program));
    print(s.output, exec_output_bytes(s.program));
    return 0;
}
