// SPDX-License-Identifier: MIT
// The conversation with a board over its serial port: who are you, run, collect. Decides what
// silence, garbage, faults and wrong answers mean; does not know the server, OpenOCD, or where the
// port came from.
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/record.h"
#include "agent/serial.h"
#include "common/err.h"
#include "firmware/wire/wire.h"

enum {
    SESSION_MAX_BLOCKS = 512,
    SESSION_MAX_LAYERS = 1024,
    SESSION_MAX_BAD_LINES = 32, // more than this while measuring is garbage, whatever else arrives
};

struct session_ops {
    bool (*tick)(void *ctx); // called at least every 100 ms and after each record; false gives up
                             // (ERR_OFFLINE)
    void (*log)(void *ctx,
                const char *line); // each record and each broken line, without a line end
    void *ctx;
};

struct session {
    struct serial *port; // borrowed
    struct session_ops ops;
    struct wire_reader reader;
    char line[WIRE_LINE_MAX];
    uint8_t chunk[512]; // bytes read and not fed yet
    int chunk_at, chunk_len;
    unsigned bad_lines; // since the last session_hello() or session_run() began
    float progress;     // 0..1 of session_run()
    bool collecting;    // the timed repeats are over
    int late_hellos;    // that may still be under way: asked for, less those that came
};

// What the server wants to know of one job.
struct measurement {
    struct record_hello hello;
    struct record_run runs[WIRE_REPEATS_MAX];
    uint32_t n_runs;
    struct record_block blocks[SESSION_MAX_BLOCKS];
    uint32_t n_blocks;
    struct record_layer layers[SESSION_MAX_LAYERS]; // as they came; firmware before @layer: none
    uint32_t n_layers;
    struct record_layer interpreter;
    bool has_interpreter; // else the profile is not complete
    struct record_mem mem;
    struct record_out out;
};

struct session_expect {
    const char *board;    // "nucleo-f767zi"
    const char *firmware; // build-id, 40 hex digits
    const char *program;  // CRC-32, 8 hex digits; NULL: any
};

// ops: every function must be given. port is borrowed for the session's life.
void session_init(struct session *s, struct serial *port, const struct session_ops *ops);

// Asks the board who it is and takes the first answer. -1 with ERR_SERIAL when none came within
// timeout_ms.
int session_probe(struct session *s, int timeout_ms, struct record_hello *hello, struct err *e);

// After a reset: waits for @hello (the board sends it unasked), asks again every second, and
// accepts only a board that is what *want says. -1 with ERR_WRONG_BOARD (naming the difference),
// ERR_FAULT, ERR_SERIAL (silence), ERR_GARBAGE (only broken lines), ERR_OFFLINE (port gone, or tick
// said no).
int session_hello(struct session *s, const struct session_expect *want, int timeout_ms,
                  struct record_hello *hello, struct err *e);

// Sends `run` and collects until @done; fills all of m except m->hello.
//   silence_ms  longest wait for a record; once repeats arrive it shrinks to 10 times the longest
//   gap, at least 15 s
// -1: ERR_FAULT (the board reported a fault: code, pc), ERR_SERIAL, ERR_GARBAGE (too many broken
// lines, or a record is missing), ERR_OFFLINE (also when the board restarted).
int session_run(struct session *s, uint32_t repeats, int silence_ms, struct measurement *m,
                struct err *e);

#endif
