// SPDX-License-Identifier: MIT
// The log of one job on its way to the server: collects text up to a limit, hands it out in pieces for heartbeats.
#ifndef AGENT_JOBLOG_H
#define AGENT_JOBLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

enum {
    JOBLOG_MAX = 80 << 10,   // of one attempt: the server keeps 256 KB of a job, which has three
    JOBLOG_PIECE = 16 << 10, // JSON may make it six times as long; a heartbeat may have 128 KB
};

struct joblog {
    struct buf text;
    size_t sent; // bytes of it that the server has
    bool full;   // what follows is dropped; the text says so
};

void joblog_init(struct joblog *l);
void joblog_free(struct joblog *l);
void joblog_reset(struct joblog *l); // for the next job

// Bytes as they come; NULs become '?'.
void joblog_add(struct joblog *l, const char *text, size_t len);
// One line; its end is added. Longer ones are cut at 600 bytes.
void joblog_printf(struct joblog *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool joblog_has_news(const struct joblog *l);
// Copies the next piece, which ends with a whole line where possible, and returns its length; out is NUL-terminated.
// It counts as unsent until joblog_mark_sent().
size_t joblog_peek(const struct joblog *l, char out[JOBLOG_PIECE + 1]);
void joblog_mark_sent(struct joblog *l, size_t len);

#endif
