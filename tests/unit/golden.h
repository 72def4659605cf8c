// SPDX-License-Identifier: MIT
// The optional test models (tap_models()): their list and files, for the tests that compare with
// golden outputs.
#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "tests/tap.h"

#define GOLDEN_MAX_BYTES (64u << 20)

// Reads models/<path of printf>; false when the file is missing. The caller frees b.
__attribute__((format(printf, 2, 3))) static inline bool golden_read(struct buf *b, const char *fmt,
                                                                     ...)
{
    char path[1024];
    int n = snprintf(path, sizeof path, "%s/", tap_models());
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap);
    va_end(ap);
    buf_init(b, GOLDEN_MAX_BYTES);
    return buf_read_file(b, path) == 0;
}

static inline cJSON *golden_json(const char *path)
{
    struct buf b;
    cJSON *json =
        golden_read(&b, "%s", path) ? cJSON_ParseWithLength((const char *)b.data, b.len) : NULL;
    buf_free(&b);
    return json;
}

static inline const char *golden_str(const cJSON *object, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return s ? s : "";
}

// IEEE 802.3, bit by bit: independent of the product's own.
static inline uint32_t golden_crc32(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

#endif
