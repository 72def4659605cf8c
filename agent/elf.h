// SPDX-License-Identifier: MIT
// The GNU build-id of a firmware ELF file: how the agent knows which firmware a board ought to run.
#ifndef AGENT_ELF_H
#define AGENT_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { ELF_BUILD_ID_CHARS = 41 }; // 20 bytes as hex digits and the NUL

// Reads a 32-bit little-endian ELF file of at most 64 MB. id receives 40 lower-case hex digits.
// Returns 0, or -1: ERR_NOT_FOUND (no file, or no build-id in it), ERR_BAD_FIELD (not such a file).
int elf_read_build_id(const char *path, char id[ELF_BUILD_ID_CHARS], struct err *e);
// The same for a file in memory; path is for messages only.
int elf_find_build_id(const char *path, const uint8_t *file, size_t n, char id[ELF_BUILD_ID_CHARS],
                      struct err *e);

#endif
