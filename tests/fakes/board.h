// SPDX-License-Identifier: MIT
// Plays a board behind a pseudo-terminal, in a thread: speaks the real serial protocol, and
// misbehaves as told.
#ifndef TESTS_FAKES_BOARD_H
#define TESTS_FAKES_BOARD_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "firmware/wire/wire.h"

#define FAKE_BOARD "nucleo-f767zi"
#define FAKE_FIRMWARE "00112233445566778899aabbccddeeff01234567"
#define FAKE_PROGRAM "89abcdef"

enum fake_board_mode {
    FAKE_GOOD,
    FAKE_SILENT,        // reads, never answers
    FAKE_NOISE,         // answers with lines that are no records
    FAKE_CUT_RUN,       // the middle of one @run is missing
    FAKE_ONE_BAD,       // one broken extra line among good ones
    FAKE_FAULT,         // @fault instead of the second @run
    FAKE_LOST_PROGRAM,  // @fault at `run`, and the next @hello names no program
    FAKE_STALL,         // nothing after the first @run
    FAKE_RESTART,       // @hello after the first @run
    FAKE_RESTART_EARLY, // @hello before the first @run
    FAKE_DEAF_ONCE,     // the first `run` arrives broken
    FAKE_HANG_UP,       // closes the pty after the first @run
    FAKE_FLOOD,         // endless broken lines while running
    FAKE_NO_MEM,        // leaves @mem out
    FAKE_NO_LAYER,      // loses an @layer
};

struct fake_board {
    enum fake_board_mode mode;
    char board[48], firmware[41], program[9];
    const char *reset_file; // when it appears it is removed and the board "boots"; NULL: none
    int master, slave;
    char tty[64];
    pthread_t thread;
    atomic_bool stop;
    atomic_int runs; // `run` commands obeyed
    bool deaf;
};

static inline void fake_board_put(void *ctx, char c)
{
    struct fake_board *b = ctx;
    ssize_t n = write(b->master, &c, 1);
    (void)n;
}

static inline void fake_board_text(struct fake_board *b, const char *text)
{
    while (*text)
        fake_board_put(b, *text++);
}

static inline void fake_board_begin(struct fake_board *b, struct wire_writer *w, const char *name)
{
    w->put = fake_board_put;
    w->ctx = b;
    wire_begin(w, name);
}

static inline void fake_board_hello(struct fake_board *b)
{
    struct wire_writer w;
    fake_board_begin(b, &w, "hello");
    wire_field_u64(&w, "proto", 1);
    wire_field_str(&w, "board", b->board);
    wire_field_str(&w, "firmware", b->firmware);
    wire_field_str(&w, "program", b->program);
    wire_field_u64(&w, "program_bytes", 4096);
    wire_field_u64(&w, "clock_hz", 216000000);
    wire_field_str(&w, "kernels", "generic");
    wire_field_u64(&w, "arena_limit", 400000);
    wire_field_bool(&w, "emulated", true);
    wire_field_str(&w, "timing", "fake");
    wire_field_u64(&w, "timing_version", 1);
    wire_end(&w);
}

static inline void fake_board_note(struct fake_board *b, const char *text)
{
    struct wire_writer w;
    fake_board_begin(b, &w, "note");
    wire_field_str(&w, "text", text);
    wire_end(&w);
}

static inline void fake_board_run(struct fake_board *b, uint32_t repeats)
{
    struct wire_writer w;
    if (b->mode == FAKE_DEAF_ONCE && !b->deaf) {
        b->deaf = true;
        fake_board_note(b, wire_bad_text(WIRE_BAD_CRC));
        return;
    }
    for (uint32_t i = 0; i < repeats; i++) {
        if (i == 1 && b->mode == FAKE_CUT_RUN) {
            fake_board_text(b, "@run {\"i\":1,\"cyc000,\"instructions\":9}*0BAD\n");
            continue;
        }
        if (i == 1 && b->mode == FAKE_ONE_BAD)
            fake_board_text(b, "@ru\x80\xff\n");
        if (b->mode == FAKE_LOST_PROGRAM)
            snprintf(b->program, sizeof b->program, "none");
        if ((i == 1 && b->mode == FAKE_FAULT) || b->mode == FAKE_LOST_PROGRAM) {
            fake_board_begin(b, &w, "fault");
            wire_field_str(&w, "code", b->mode == FAKE_FAULT ? "hardfault" : "bad-program");
            wire_field_hex32(&w, "pc", 0x08001234);
            wire_field_hex32(&w, "lr", 0x08004321);
            wire_field_str(&w, "detail", "imprecise bus error");
            wire_end(&w);
            return;
        }
        if (i == 1 && b->mode == FAKE_STALL)
            return;
        if ((i == 1 && b->mode == FAKE_RESTART) || b->mode == FAKE_RESTART_EARLY) {
            fake_board_hello(b);
            return;
        }
        if (i == 1 && b->mode == FAKE_HANG_UP) {
            usleep(50000);
            atomic_store(&b->stop, true);
            return;
        }
        for (int n = 0; n < 100 && b->mode == FAKE_FLOOD; n++)
            fake_board_text(b, "@run {}*0000\n");
        fake_board_begin(b, &w, "run");
        wire_field_u64(&w, "i", i);
        wire_field_u64(&w, "cycles", 1000 + i);
        wire_field_u64(&w, "instructions", 900 + i);
        wire_end(&w);
    }
    for (uint32_t i = 0; i < 2; i++) {
        fake_board_begin(b, &w, "block");
        wire_field_u64(&w, "i", i);
        wire_field_u64(&w, "cycles", 400 + i);
        wire_end(&w);
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (i == 1 && b->mode == FAKE_NO_LAYER)
            continue;
        fake_board_begin(b, &w, i < 2 ? "layer" : "interpreter");
        if (i < 2)
            wire_field_u64(&w, "i", i);
        wire_field_u64(&w, "calls", i < 2 ? 5 : 10);
        wire_field_u64(&w, "cycles", 300 + i);
        wire_field_u64(&w, "instructions", 250 + i);
        wire_end(&w);
    }
    if (b->mode != FAKE_NO_MEM) {
        fake_board_begin(b, &w, "mem");
        wire_field_u64(&w, "arena", 5000);
        wire_field_u64(&w, "arena_size", 400000);
        wire_field_u64(&w, "stack", 600);
        wire_field_u64(&w, "static", 700);
        wire_field_u64(&w, "code", 30000);
        wire_end(&w);
    }
    const int8_t head[] = {-128, 0, 127};
    fake_board_begin(b, &w, "out");
    wire_field_u64(&w, "bytes", 3);
    wire_field_hex32(&w, "crc32", 0xdeadbeef);
    wire_field_i8_array(&w, "head", head, 3);
    wire_end(&w);
    fake_board_begin(b, &w, "done");
    wire_field_u64(&w, "repeats", repeats);
    wire_end(&w);
}

static inline void fake_board_obey(struct fake_board *b, const struct wire_line *line)
{
    struct wire_command cmd;
    const char *why;
    if (wire_command_parse(line, &cmd, &why) < 0 || b->mode == FAKE_SILENT)
        return;
    if (b->mode == FAKE_NOISE) {
        fake_board_text(b, "\xf0\x9f noise\nmore noise*12\n");
    } else if (cmd.kind == WIRE_CMD_HELLO) {
        fake_board_hello(b);
    } else if (cmd.kind == WIRE_CMD_RUN) {
        atomic_fetch_add(&b->runs, 1);
        fake_board_run(b, cmd.repeats);
    }
}

static inline void *fake_board_main(void *ctx)
{
    struct fake_board *b = ctx;
    char text[WIRE_COMMAND_MAX];
    struct wire_reader reader;
    struct wire_line line;
    wire_reader_init(&reader, WIRE_COMMANDS, text, sizeof text);
    while (!atomic_load(&b->stop)) {
        uint8_t byte;
        struct pollfd p = {.fd = b->master, .events = POLLIN};
        if (b->reset_file && unlink(b->reset_file) == 0 && b->mode != FAKE_SILENT &&
            b->mode != FAKE_NOISE)
            fake_board_hello(b);
        if (poll(&p, 1, 5) > 0 && read(b->master, &byte, 1) == 1 &&
            wire_feed(&reader, byte, &line) > 0)
            fake_board_obey(b, &line);
    }
    close(b->slave);
    close(b->master);
    return NULL;
}

// b->mode, and what differs from the FAKE_ values above, are set before. 0 or -1.
static inline int fake_board_start(struct fake_board *b)
{
    struct termios raw;
    if (!b->board[0])
        snprintf(b->board, sizeof b->board, FAKE_BOARD);
    if (!b->firmware[0])
        snprintf(b->firmware, sizeof b->firmware, FAKE_FIRMWARE);
    if (!b->program[0])
        snprintf(b->program, sizeof b->program, FAKE_PROGRAM);
    if (openpty(&b->master, &b->slave, b->tty, NULL, NULL) < 0)
        return -1;
    tcgetattr(b->slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(b->slave, TCSANOW, &raw);
    fcntl(b->master, F_SETFD, FD_CLOEXEC);
    fcntl(b->slave, F_SETFD, FD_CLOEXEC);
    return pthread_create(&b->thread, NULL, fake_board_main, b) ? -1 : 0;
}

static inline void fake_board_stop(struct fake_board *b)
{
    atomic_store(&b->stop, true);
    pthread_join(b->thread, NULL);
}

#endif
