// SPDX-License-Identifier: MIT
// What a board says, as checked structs. The framing and its CRC are firmware/wire's; this is the
// JSON edge behind it.
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "firmware/wire/wire.h"

enum record_kind {
    RECORD_HELLO,
    RECORD_RUN,
    RECORD_BLOCK,
    RECORD_LAYER,
    RECORD_INTERPRETER,
    RECORD_MEM,
    RECORD_OUT,
    RECORD_DONE,
    RECORD_FAULT,
    RECORD_NOTE,
    RECORD_OTHER // a name that this agent does not know: a newer firmware; to be skipped
};

struct record_hello {
    uint32_t proto;
    char board[48];
    char firmware[41]; // build-id, 40 hex digits
    char program[9]; // CRC-32 of the program in flash, 8 hex digits; "none" when there is no valid
                     // one
    uint32_t program_bytes;
    uint64_t clock_hz;
    char kernels[32];
    uint64_t arena_limit; // bytes
    bool emulated;
    char timing[40];         // name of the timing model; "" on silicon
    uint32_t timing_version; // 0 on silicon
};

struct record_run { // one timed repeat
    uint32_t i;
    uint64_t cycles;
    bool has_instructions; // only an emulator counts them
    uint64_t instructions;
};

struct record_block { // one block of the run that reports blocks
    uint32_t i;
    uint64_t cycles;
    bool has_instructions;
    uint64_t instructions;
};

struct record_layer { // a layer's kernel calls in the profiled run, or what lies between all calls
    uint32_t i;       // of the model; 0 of @interpreter
    uint64_t calls, cycles;
    bool has_instructions;
    uint64_t instructions;
};

struct record_mem { // bytes
    uint64_t arena, arena_size, stack, static_bytes, code;
};

struct record_out {
    uint64_t bytes;
    char crc32[9]; // 8 hex digits
    int8_t head[8];
    uint32_t n_head; // of head in use
};

struct record_fault {
    char code[24]; // "hardfault", "does-not-fit", ...
    char pc[11], lr[11];
    char detail[200];
};

struct record {
    enum record_kind kind;
    union {
        struct record_hello hello;
        struct record_run run;
        struct record_block block;
        struct record_layer layer; // also of RECORD_INTERPRETER
        struct record_mem mem;
        struct record_out out;
        uint32_t done_repeats;
        struct record_fault fault;
        char note[400];
    };
};

// Reads a line that passed wire_feed(). Fields that are not known are ignored, missing or malformed
// ones are errors: -1 with ERR_GARBAGE naming record and field. Integers are 0..2^53.
int record_parse(const struct wire_line *line, struct record *out, struct err *e);

#endif
