// SPDX-License-Identifier: MIT
// See hash.h.
#include "server/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static void hash_to_hex(const unsigned char *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

int hash_hex(const void *bytes, size_t n, char out[HASH_HEX_SIZE], struct err *e)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (EVP_Digest(bytes, n, md, &len, EVP_sha256(), NULL) != 1 || len != 32)
        return err_set(e, ERR_INTERNAL, "SHA-256 failed");
    hash_to_hex(md, len, out);
    return 0;
}

int hash_hex_file(const char *path, char out[HASH_HEX_SIZE], struct err *e)
{
    int bad = -1;
    unsigned char chunk[16384], md[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    FILE *f = fopen(path, "rb");
    if (!f) {
        err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
        goto out;
    }
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        goto out;
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) {
        if (EVP_DigestUpdate(ctx, chunk, n) != 1)
            goto out;
    }
    if (ferror(f) || EVP_DigestFinal_ex(ctx, md, &len) != 1)
        goto out;
    hash_to_hex(md, len, out);
    bad = 0;
out:
    if (bad)
        err_set(e, ERR_IO, "%s: could not be hashed", path);
    if (f)
        fclose(f);
    EVP_MD_CTX_free(ctx);
    return bad;
}

int hash_hmac_hex(const void *key, size_t key_n, const void *bytes, size_t n,
                  char out[HASH_HEX_SIZE], struct err *e)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (!HMAC(EVP_sha256(), key, (int)key_n, bytes, n, md, &len) || len != 32)
        return err_set(e, ERR_INTERNAL, "HMAC-SHA256 failed");
    hash_to_hex(md, len, out);
    return 0;
}

bool hash_hex_valid(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

bool hash_hex_equal(const char a[HASH_HEX_SIZE], const char b[HASH_HEX_SIZE])
{
    return CRYPTO_memcmp(a, b, HASH_HEX_SIZE) == 0;
}

int hash_random_hex(char *out, size_t digits, struct err *e)
{
    unsigned char bytes[32];
    if (digits / 2 > sizeof bytes || getrandom(bytes, digits / 2, 0) != (ssize_t)(digits / 2))
        return err_set(e, ERR_INTERNAL, "the system gave no random bytes");
    hash_to_hex(bytes, digits / 2, out);
    return 0;
}
