// SPDX-License-Identifier: MIT
// The serial protocol as bytes: lines with a CRC, records from the device, commands from the host.
// Compiled into the firmware and into the host programs. No memory of its own, no libc. What the
// fields mean: docs/serial-protocol.md.
//
//   device -> host   @name {json object}*XXXX\n          host -> device   name[ {json
//   object}]*XXXX\n
//                    |<--- CRC over --->|
//
// XXXX is CRC-16/CCITT-FALSE in four upper-case hex digits over every byte before the last '*'. All
// bytes are printable ASCII (0x20..0x7E); one '\r' before '\n' is tolerated; empty lines are
// ignored.
#ifndef FIRMWARE_WIRE_WIRE_H
#define FIRMWARE_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_PROTO 1
#define WIRE_LINE_MAX 512 // bytes of the longest line, with its '\n'
#define WIRE_COMMAND_MAX                                                                           \
    64 // bytes of the longest command line, with its '\n': what a device must be able to hold
#define WIRE_NAME_MAX 15 // letters, digits and '-' of a record's or command's name
#define WIRE_REPEATS_MAX 100

// ---- checksums ----
#define WIRE_CRC16_INIT 0xFFFFu
// CRC-16/CCITT-FALSE (poly 0x1021, not reflected); start with WIRE_CRC16_INIT. "123456789" ->
// 0x29B1.
uint16_t wire_crc16(uint16_t crc, const void *bytes, size_t n);
// CRC-32 as in zlib and PNG; start with 0, feed pieces in order. "123456789" -> 0xCBF43926.
uint32_t wire_crc32(uint32_t crc, const void *bytes, size_t n);

// ---- reading ----
enum wire_kind {
    WIRE_RECORDS,  // "@name {...}": the host reads these
    WIRE_COMMANDS, // "name" or "name {...}": the device reads these
};

enum wire_bad { // why the last line was dropped
    WIRE_BAD_NONE,
    WIRE_BAD_TOO_LONG, // did not fit the reader's buffer
    WIRE_BAD_BYTE,     // a byte outside printable ASCII
    WIRE_BAD_CRC,      // no "*XXXX" at the end, or another CRC
    WIRE_BAD_FORM,     // good CRC, but not a name followed by nothing or a JSON object
};

struct wire_line {
    const char *name; // NUL-terminated, without '@'
    const char *json; // NUL-terminated "{...}"; "" for a command without arguments. Only the braces
                      // were checked.
};

// Plain state of one line reader; use wire_reader_init() and treat the fields as read-only.
struct wire_reader {
    enum wire_kind kind;
    char *line; // the caller's buffer: WIRE_LINE_MAX bytes for records, WIRE_COMMAND_MAX are enough
                // for commands
    size_t cap; // its size
    size_t len; // bytes of the unfinished line
    bool dropping;     // the unfinished line is already known to be bad
    enum wire_bad bad; // why the last bad line was dropped
    uint32_t good_lines, bad_lines;
};

// buffer is borrowed for the reader's life; cap >= 8.
void wire_reader_init(struct wire_reader *r, enum wire_kind kind, char *buffer, size_t cap);
// Feeds one byte. 1: *line is a checked line and points into the buffer until the next call; 0:
// nothing yet; -1: a line was dropped (r->bad says why, r->bad_lines counts them). The next '\n'
// always resynchronises.
int wire_feed(struct wire_reader *r, uint8_t byte, struct wire_line *line);
const char *wire_bad_text(enum wire_bad bad); // "the CRC does not match"

// ---- writing records (device) ----
struct wire_writer {
    void (*put)(void *ctx, char c); // the byte sink, e.g. a UART
    void *ctx;
    uint16_t crc;
    uint16_t len;  // bytes of the line so far
    bool first;    // no field was written yet
    bool overflow; // a field was left out because the line would have become longer than
                   // WIRE_LINE_MAX
};

// One record is: wire_begin(), any number of fields, wire_end(). Every byte goes to the sink at
// once.
void wire_begin(struct wire_writer *w, const char *name);
void wire_field_u64(struct wire_writer *w, const char *key, uint64_t value);
void wire_field_bool(struct wire_writer *w, const char *key, bool value);
void wire_field_hex32(struct wire_writer *w, const char *key, uint32_t value); // "0badf00d"
// A JSON string; bytes outside printable ASCII become '?'. text is cut where the line would become
// too long.
void wire_field_str(struct wire_writer *w, const char *key, const char *text);
// n bytes as a string of 2n lower-case hex digits.
void wire_field_hex_bytes(struct wire_writer *w, const char *key, const uint8_t *bytes, size_t n);
void wire_field_i8_array(struct wire_writer *w, const char *key, const int8_t *values, size_t n);
// 0, or -1 when a field had to be left out (the line itself is still valid).
int wire_end(struct wire_writer *w);

// ---- commands ----
enum wire_command_kind { WIRE_CMD_HELLO, WIRE_CMD_RUN, WIRE_CMD_RESET };

struct wire_command {
    enum wire_command_kind kind;
    uint32_t repeats; // WIRE_CMD_RUN: 1..WIRE_REPEATS_MAX; else 0
};

// Host: writes the complete line, NUL-terminated, to out (WIRE_COMMAND_MAX + 1 bytes are always
// enough). Returns its length without the NUL, or -1 when the command is invalid or out too small.
int wire_command_write(const struct wire_command *cmd, char *out, size_t out_bytes);
// Device: 0, or -1 with a short reason in *why (static text).
int wire_command_parse(const struct wire_line *line, struct wire_command *cmd, const char **why);

#endif
