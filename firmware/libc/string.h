// SPDX-License-Identifier: MIT
// The four functions of <string.h> that a freestanding compiler may call; firmware/libc/mem.c has
// them.
#ifndef FIRMWARE_LIBC_STRING_H
#define FIRMWARE_LIBC_STRING_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strncmp(const char *a, const char *b, size_t n);

#endif
