// SPDX-License-Identifier: MIT
// Order of work: two painted runs (they also warm the caches), `repeats` timed runs, one run that
// reports each block, one or more that report each layer (profile.h).
#include "firmware/measure.h"

#include "board_config.h"
#include "firmware/executor/exec.h"
#include "firmware/fault.h"
#include "firmware/paint.h"
#include "firmware/platform.h"
#include "firmware/profile.h"
#include "firmware/session.h"
#include "firmware/virtual_page.h"
#include "firmware/wire/wire.h"

#include <stddef.h>
#include <string.h>

#define OUT_HEAD 8 // output bytes shown in @out

static const char *exec_error_text(int error)
{
    switch (error) {
    case EXEC_BAD_MAGIC:
        return "no program in flash: flash one at the board's program address";
    case EXEC_BAD_VERSION:
        return "the program has another format version than this firmware";
    case EXEC_BAD_SIZE:
        return "the program's size field is impossible";
    case EXEC_BAD_CRC:
        return "the program's CRC-32 does not match its bytes in flash";
    case EXEC_BAD_VARIANT:
        return "the program was compiled for other kernels than this firmware has";
    case EXEC_ARENA:
        return "the executor found the arena too small";
    default:
        return "the executor refused the program";
    }
}

const void *measure_find_program(const char **why)
{
    const void *program = (const void *)(uintptr_t)BOARD_PROGRAM_ADDRESS;
    int error = exec_check(program, BOARD_PROGRAM_MAX_BYTES);
    *why = error ? exec_error_text(error) : "";
    return error ? NULL : program;
}

// Some cores count 32 bits, which wrap within seconds; the counter is read at every block, so a run may be as
// long as it likes as long as no single block takes 2^32 cycles.
struct stopwatch {
    uint64_t total, last;
    uint64_t instructions; // when it was started
};

static void stopwatch_lap(struct stopwatch *s)
{
    uint64_t now = platform_cycles();
    s->total += (now - s->last) & platform_cycles_mask;
    s->last = now;
}

static void stopwatch_start(struct stopwatch *s)
{
    const volatile struct virtual_page *page = platform_virtual();
    s->total = 0;
    s->instructions = page ? virtual_instructions(page) : 0;
    s->last = platform_cycles();
}

static void block_lap(void *ctx, unsigned block)
{
    (void)block;
    stopwatch_lap(ctx);
}

// Reports at once instead of storing: a table of blocks would take RAM from the arena. The time
// spent here is not counted, but it costs the next block a few cache lines.
static void block_report(void *ctx, unsigned block)
{
    const volatile struct virtual_page *page = platform_virtual();
    struct stopwatch *s = ctx;
    struct wire_writer w;
    stopwatch_lap(s);
    uint64_t now = page ? virtual_instructions(page) : 0;
    session_begin(&w, "block");
    wire_field_u64(&w, "i", block);
    wire_field_u64(&w, "cycles", s->total);
    if (page)
        wire_field_u64(&w, "instructions", now - s->instructions);
    wire_end(&w);
    stopwatch_start(s);
}

struct marks {
    uint32_t arena, stack;
};

__attribute__((noinline)) static int painted_run(const void *program, uint32_t arena_bytes,
                                                 uint8_t paint, struct marks *marks)
{
    const int8_t *output;
    paint_arena(paint);
    paint_stack(paint);
    int error = measure_exec(program, arena_bytes, NULL, &output);
    uint32_t stack = paint_stack_mark(paint);
    if (exec_output_outside(program)) // no part of the arena's mark
        memset((void *)(uintptr_t)output, paint, exec_output_bytes(program));
    uint32_t arena = paint_arena_mark(paint);
    if (arena > marks->arena)
        marks->arena = arena;
    if (stack > marks->stack)
        marks->stack = stack;
    return error;
}

__attribute__((noinline)) static int timed_run(const void *program, uint32_t arena_bytes,
                                               uint32_t i)
{
    const volatile struct virtual_page *page = platform_virtual();
    struct stopwatch watch;
    const struct exec_hooks hooks = {.block = block_lap, .ctx = &watch};
    const int8_t *output;
    stopwatch_start(&watch);
    int error = measure_exec(program, arena_bytes, &hooks, &output);
    stopwatch_lap(&watch);
    uint64_t after = page ? virtual_instructions(page) : 0;
    if (error)
        return error;

    struct wire_writer w;
    session_begin(&w, "run");
    wire_field_u64(&w, "i", i);
    wire_field_u64(&w, "cycles", watch.total);
    if (page)
        wire_field_u64(&w, "instructions", after - watch.instructions);
    wire_end(&w);
    return 0;
}

__attribute__((noinline)) static void report_mem(const struct marks *marks, uint32_t arena_bytes)
{
    struct wire_writer w;
    session_begin(&w, "mem");
    wire_field_u64(&w, "arena", marks->arena);
    wire_field_u64(&w, "arena_size", arena_bytes);
    wire_field_u64(&w, "stack", marks->stack);
    wire_field_u64(&w, "static", (uintptr_t)fw_static_end - (uintptr_t)fw_static_start);
    wire_field_u64(&w, "code", (uintptr_t)fw_code_end - (uintptr_t)fw_code_start);
    wire_end(&w);
}

__attribute__((noinline)) static void report_out(const int8_t *output, uint32_t bytes)
{
    struct wire_writer w;
    session_begin(&w, "out");
    wire_field_u64(&w, "bytes", bytes);
    wire_field_hex32(&w, "crc32", wire_crc32(0, output, bytes));
    wire_field_i8_array(&w, "head", output, bytes < OUT_HEAD ? bytes : OUT_HEAD);
    wire_end(&w);
}

__attribute__((noinline)) static void report_done(uint32_t repeats)
{
    struct wire_writer w;
    session_begin(&w, "done");
    wire_field_u64(&w, "repeats", repeats);
    wire_end(&w);
}

// "12345 bytes": enough of a printf for one message.
static void say_missing(char *out, size_t out_bytes, uint32_t missing, const char *text)
{
    char digits[10];
    size_t n = 0, at = 0;
    do {
        digits[n++] = (char)('0' + missing % 10);
        missing /= 10;
    } while (missing);
    while (n && at + 1 < out_bytes)
        out[at++] = digits[--n];
    while (*text && at + 1 < out_bytes)
        out[at++] = *text++;
    out[at] = '\0';
}

__attribute__((noinline)) static void fault_simple(const char *code, const char *detail)
{
    const struct fault f = {.code = code, .detail = detail, .pc = 0, .lr = 0};
    fault_report(&f);
}

__attribute__((noinline)) static void fault_missing(uint32_t bytes)
{
    char detail[48];
    say_missing(detail, sizeof detail, bytes, " bytes of arena are missing");
    fault_simple("does-not-fit", detail);
}

__attribute__((noinline)) static int block_run(const void *program, uint32_t arena_bytes)
{
    struct stopwatch watch;
    const struct exec_hooks hooks = {.block = block_report, .ctx = &watch};
    const int8_t *output;
    stopwatch_start(&watch);
    return measure_exec(program, arena_bytes, &hooks, &output);
}

// Functions of their own above: what they keep on the stack is not there while the paint is looked at.
void measure_run(uint32_t repeats)
{
    const uint32_t arena_limit = (uint32_t)((uintptr_t)fw_arena_end - (uintptr_t)fw_arena_start);
    const char *why;
    const void *program = measure_find_program(&why);
    if (!program) {
        fault_simple("bad-program", why);
        return;
    }
    const uint32_t arena_bytes = exec_arena_bytes(program);
    const uint32_t needed = arena_bytes + measure_outside(program);
    if (needed > arena_limit) {
        fault_missing(needed - arena_limit);
        return;
    }

    uint32_t irq = platform_irq_off();
    struct marks marks = {0, 0};
    int error = painted_run(program, arena_bytes, PAINT_A, &marks);
    if (!error)
        error = painted_run(program, arena_bytes, PAINT_B, &marks);
    if (!error && marks.stack >= (uintptr_t)fw_stack_top - (uintptr_t)fw_stack_bottom) {
        fault_simple("stack-overflow", "the run reached the last byte of the stack");
        goto out;
    }
    for (uint32_t i = 0; i < repeats && !error; i++)
        error = timed_run(program, arena_bytes, i);

    const int8_t *output = NULL;
    if (!error)
        error = block_run(program, arena_bytes);
    if (!error)
        error = profile_run(program, arena_bytes, &output);
    if (error) {
        fault_simple("bad-program", exec_error_text(error));
        goto out;
    }
    report_mem(&marks, arena_bytes);
    report_out(output, exec_output_bytes(program));
    report_done(repeats);
out:
    platform_irq_restore(irq);
}
