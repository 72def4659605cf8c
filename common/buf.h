// SPDX-License-Identifier: MIT
// A growing byte buffer with a hard limit and a sticky error: append freely, test once at the end.
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; // always NUL-terminated at data[len] once anything was appended
    size_t len;    // bytes in use
    size_t cap;    // bytes allocated
    size_t max;    // hard limit of len
    bool failed;   // the limit was hit or memory ran out; appends are ignored from then on
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_free(struct buf *b);  // accepts a zeroed buf; leaves it empty with the same limit
void buf_reset(struct buf *b); // keeps the memory
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_zero(struct buf *b, size_t n);          // n zero bytes
void buf_align(struct buf *b, size_t alignment); // zero bytes up to a multiple of alignment
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A JSON string literal with its quotes; bytes that are not UTF-8 become U+FFFD.
void buf_json_str(struct buf *b, const char *text);
const char *buf_str(const struct buf *b); // "" when nothing was appended
// Hands the memory to the caller (free()); the buf is empty afterwards. NULL when failed or empty.
void *buf_take(struct buf *b, size_t *len);
// Reads a whole file; -1 and errno on failure, EFBIG when larger than the limit.
int buf_read_file(struct buf *b, const char *path);

#endif
