// SPDX-License-Identifier: MIT
#include "firmware/session.h"

#include "board_config.h"
#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "firmware/fault.h"
#include "firmware/measure.h"
#include "firmware/platform.h"
#include "firmware/virtual_page.h"

#include <stddef.h>

static void sink(void *ctx, char c)
{
    (void)ctx;
    platform_put(c);
}

void session_begin(struct wire_writer *w, const char *name)
{
    w->put = sink;
    w->ctx = NULL;
    wire_begin(w, name);
}

// The page's text, NUL-terminated even if the page is not.
static void copy_timing_model(const volatile struct virtual_page *page, char out[33])
{
    size_t n = 0;
    while (n < sizeof page->timing_model && page->timing_model[n]) {
        out[n] = page->timing_model[n];
        n++;
    }
    out[n] = '\0';
}

static void say_hello(void)
{
    const char *why;
    const void *program = measure_find_program(&why);
    const volatile struct virtual_page *page = platform_virtual();
    struct wire_writer w;

    session_begin(&w, "hello");
    wire_field_u64(&w, "proto", WIRE_PROTO);
    wire_field_str(&w, "board", BOARD_ID);
    wire_field_hex_bytes(&w, "firmware", fw_build_id, 20);
    if (program) {
        wire_field_hex32(&w, "program", exec_crc32(program));
        wire_field_u64(&w, "program_bytes", ((const struct prog_header *)program)->total_bytes);
    } else {
        wire_field_str(&w, "program", "none");
        wire_field_u64(&w, "program_bytes", 0);
    }
    wire_field_u64(&w, "clock_hz", platform_clock_hz());
    wire_field_str(&w, "kernels", BOARD_KERNELS);
    wire_field_u64(&w, "arena_limit", (uintptr_t)fw_arena_end - (uintptr_t)fw_arena_start);
    wire_field_bool(&w, "emulated", page != NULL);
    if (page) {
        char model[33];
        copy_timing_model(page, model);
        wire_field_str(&w, "timing", model);
        wire_field_u64(&w, "timing_version", page->timing_version);
    }
    wire_end(&w);
}

static void say_note(const char *text)
{
    struct wire_writer w;
    session_begin(&w, "note");
    wire_field_str(&w, "text", text);
    wire_end(&w);
}

static void obey(const struct wire_line *line)
{
    struct wire_command command;
    const char *why;
    if (wire_command_parse(line, &command, &why)) {
        const struct fault f = {.code = "bad-command", .detail = why, .pc = 0, .lr = 0};
        fault_report(&f);
        return;
    }
    switch (command.kind) {
    case WIRE_CMD_HELLO:
        say_hello();
        break;
    case WIRE_CMD_RUN:
        measure_run(command.repeats);
        break;
    case WIRE_CMD_RESET:
        platform_reset();
    }
}

_Noreturn void session_run(void)
{
    static char buffer[WIRE_COMMAND_MAX];
    static struct wire_reader reader; // not on the stack, which runs measure
    struct wire_line line;

    wire_reader_init(&reader, WIRE_COMMANDS, buffer, sizeof buffer);
    platform_put('\n'); // ends what the line's start-up noise may have begun
    say_hello();
    for (;;) {
        int byte = platform_get();
        if (byte == -1)
            continue;
        // Lost bytes spoil the line that they belong to: feed something that no line may contain.
        int got = wire_feed(&reader, byte < 0 ? 0 : (uint8_t)byte, &line);
        if (got > 0)
            obey(&line);
        else if (got < 0)
            say_note(wire_bad_text(reader.bad));
    }
}
