// SPDX-License-Identifier: MIT
// The built page: files of one folder, read when they are asked for.
#ifndef SERVER_WEB_H
#define SERVER_WEB_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define WEB_MAX_FILE (16u << 20)

struct web_file {
    const char *type;
    bool immutable; // its name contains a hash of its content
};

// Reads dir/path into out. A path without a file behind it and without an extension is a page of the application itself:
// index.html answers. -1: ERR_NOT_FOUND. Nothing outside dir can be named.
int web_read(const char *dir, const char *path, struct buf *out, struct web_file *info,
             struct err *e);

extern const char *const web_policy; // Content-Security-Policy of the page

#endif
