// SPDX-License-Identifier: MIT
// The folder of an agent's short-lived files (programs to flash, links to ptys), removed when the
// agent ends.
#ifndef AGENT_RUNTIME_DIR_H
#define AGENT_RUNTIME_DIR_H

#include <stddef.h>

#include "common/err.h"

// Makes a folder of mode 0700 under $XDG_RUNTIME_DIR, $TMPDIR or /tmp, named after this process,
// and removes those that agents of the same user left behind when they were killed. Returns 0 with
// its path, or -1 with ERR_IO.
int runtime_dir_make(char *path, size_t size, struct err *e);

// Removes the folder and the files in it (it has no subfolders). "" does nothing.
void runtime_dir_remove(const char *path);

#endif
