// SPDX-License-Identifier: MIT
// See joblog.h.
#include "agent/joblog.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char joblog_end[] = "\n(the log ends here: it is full)\n";

void joblog_init(struct joblog *l)
{
    *l = (struct joblog){0};
    buf_init(&l->text, JOBLOG_MAX);
}

void joblog_free(struct joblog *l)
{
    buf_free(&l->text);
}

void joblog_reset(struct joblog *l)
{
    buf_reset(&l->text);
    l->sent = 0;
    l->full = false;
}

void joblog_add(struct joblog *l, const char *text, size_t len)
{
    size_t at = l->text.len, room = l->text.max - (sizeof joblog_end - 1) - at;
    if (l->full)
        return;
    buf_add(&l->text, text, len < room ? len : room);
    for (size_t i = at; i < l->text.len; i++) {
        if (l->text.data[i] == '\0') // pieces are C strings
            l->text.data[i] = '?';
    }
    if (len > room) {
        l->full = true;
        buf_puts(&l->text, joblog_end);
    }
}

void joblog_printf(struct joblog *l, const char *fmt, ...)
{
    char line[600];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : strlen(line);
    if (len == sizeof line - 1)
        len--;
    line[len++] = '\n';
    joblog_add(l, line, len);
}

bool joblog_has_news(const struct joblog *l)
{
    return l->sent < l->text.len;
}

size_t joblog_peek(const struct joblog *l, char out[JOBLOG_PIECE + 1])
{
    size_t left = l->text.len - l->sent, n = left < JOBLOG_PIECE ? left : JOBLOG_PIECE;
    if (n) {
        const uint8_t *from = l->text.data + l->sent;
        const uint8_t *end = n < left ? memrchr(from, '\n', n) : NULL;
        if (end)
            n = (size_t)(end - from) + 1;
        memcpy(out, from, n);
    }
    out[n] = '\0';
    return n;
}

void joblog_mark_sent(struct joblog *l, size_t len)
{
    l->sent += len;
}
