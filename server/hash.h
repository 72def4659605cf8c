// SPDX-License-Identifier: MIT
// SHA-256 and random tokens in lower-case hex, by libcrypto.
#ifndef SERVER_HASH_H
#define SERVER_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define HASH_HEX_SIZE 65

int hash_hex(const void *bytes, size_t n, char out[HASH_HEX_SIZE], struct err *e);
int hash_hex_file(const char *path, char out[HASH_HEX_SIZE], struct err *e);
int hash_hmac_hex(const void *key, size_t key_n, const void *bytes, size_t n,
                  char out[HASH_HEX_SIZE], struct err *e); // HMAC-SHA256 (RFC 2104)
bool hash_hex_valid(const char *text);                     // exactly 64 digits 0-9a-f
bool hash_hex_equal(const char a[HASH_HEX_SIZE], const char b[HASH_HEX_SIZE]); // in constant time
int hash_random_hex(char *out, size_t digits,
                    struct err *e); // digits even, <= 64; writes digits + NUL

#endif
