// SPDX-License-Identifier: MIT
// See buf.h.
#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_free(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

// Makes room for n more bytes and the NUL.
static bool buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > b->max || b->len > b->max - n) {
        b->failed = true;
        return false;
    }
    if (b->len + n + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < b->len + n + 1)
            cap *= 2;
        uint8_t *p = realloc(b->data, cap);
        if (!p) {
            b->failed = true;
            return false;
        }
        b->data = p;
        b->cap = cap;
    }
    return true;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (!buf_reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_zero(struct buf *b, size_t n)
{
    if (!buf_reserve(b, n))
        return;
    memset(b->data + b->len, 0, n + 1);
    b->len += n;
}

void buf_align(struct buf *b, size_t alignment)
{
    buf_zero(b, (alignment - b->len % alignment) % alignment);
}

void buf_puts(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        b->failed = true;
    else if (buf_reserve(b, (size_t)n)) {
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

// Length of the UTF-8 sequence at s (1..4), 0 when it is not valid.
static int utf8_len(const unsigned char *s)
{
    int n = s[0] < 0x80             ? 1
            : (s[0] & 0xE0) == 0xC0 ? 2
            : (s[0] & 0xF0) == 0xE0 ? 3
            : (s[0] & 0xF8) == 0xF0 ? 4
                                    : 0;
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    bool overlong = (n == 2 && s[0] < 0xC2) || (n == 3 && s[0] == 0xE0 && s[1] < 0xA0) ||
                    (n == 4 && s[0] == 0xF0 && s[1] < 0x90);
    bool surrogate = n == 3 && s[0] == 0xED && s[1] >= 0xA0;
    bool beyond = n == 4 && (s[0] > 0xF4 || (s[0] == 0xF4 && s[1] >= 0x90));
    return overlong || surrogate || beyond ? 0 : n;
}

void buf_json_str(struct buf *b, const char *text)
{
    buf_puts(b, "\"");
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int n = utf8_len(s);
        if (n == 0) {
            buf_puts(b, "\\ufffd");
            s++;
        } else if (*s == '"' || *s == '\\') {
            buf_printf(b, "\\%c", *s++);
        } else if (*s < 0x20 || *s == 0x7F) {
            buf_printf(b, "\\u%04x", *s++);
        } else {
            buf_add(b, s, (size_t)n);
            s += n;
        }
    }
    buf_puts(b, "\"");
}

const char *buf_str(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

void *buf_take(struct buf *b, size_t *len)
{
    void *p = b->failed ? NULL : b->data;
    if (len)
        *len = p ? b->len : 0;
    if (!p)
        free(b->data);
    buf_init(b, b->max);
    return p;
}

int buf_read_file(struct buf *b, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    char chunk[16384];
    size_t n;
    while (!b->failed && (n = fread(chunk, 1, sizeof chunk, f)) > 0) // it may have no end
        buf_add(b, chunk, n);
    int failed = ferror(f);
    int cause = errno;
    fclose(f);
    if (failed || b->failed) {
        errno = failed ? cause : EFBIG;
        return -1;
    }
    return 0;
}
