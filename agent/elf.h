// SPDX-License-Identifier: MIT
// The GNU build-id of a firmware ELF file: how the agent knows which firmware a board ought to run.
#ifndef AGENT_ELF_H
#define AGENT_ELF_H

#include "common/err.h"

enum { ELF_BUILD_ID_CHARS = 41 }; // 20 bytes as hex digits and the NUL

// Reads a 32-bit little-endian ELF file of at most 64 MB. id receives 40 lower-case hex digits.
// Returns 0, or -1: ERR_NOT_FOUND (no file, or no build-id in it), ERR_BAD_FIELD (not such a file).
int elf_read_build_id(const char *path, char id[ELF_BUILD_ID_CHARS], struct err *e);

#endif
