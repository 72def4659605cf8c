// SPDX-License-Identifier: MIT
// See json_field.h.
#include "server/json_field.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/json_in.h"

#define MAX_DEPTH 8
#define MAX_EXACT 9007199254740992.0 // 2^53: every integer up to here has its own double

// --- the text -------------------------------------------------------------------------------------------------------

static int json_fail(struct problem *p, size_t at, const char *why)
{
    return err_set(&p->err, ERR_BAD_JSON, "%s at byte %zu of the body", why, at);
}

// Bytes of the UTF-8 sequence at s[i], 0 when it is not valid.
static size_t json_utf8(const unsigned char *s, size_t n, size_t i)
{
    unsigned char c = s[i];
    size_t len = c < 0x80                ? 1
                 : c >= 0xC2 && c < 0xE0 ? 2
                 : c >= 0xE0 && c < 0xF0 ? 3
                 : c >= 0xF0 && c < 0xF5 ? 4
                                         : 0;
    if (len == 0 || i + len > n)
        return 0;
    for (size_t k = 1; k < len; k++) {
        if ((s[i + k] & 0xC0) != 0x80)
            return 0;
    }
    if (len == 3 && ((c == 0xE0 && s[i + 1] < 0xA0) || (c == 0xED && s[i + 1] >= 0xA0)))
        return 0;
    if (len == 4 && ((c == 0xF0 && s[i + 1] < 0x90) || (c == 0xF4 && s[i + 1] >= 0x90)))
        return 0;
    return len;
}

// What cJSON would let pass or would spend its stack on.
static int json_scan(const char *text, size_t n, struct problem *p)
{
    const unsigned char *s = (const unsigned char *)text;
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n;) {
        size_t len = json_utf8(s, n, i);
        if (len == 0)
            return json_fail(p, i, "not UTF-8");
        unsigned char c = s[i];
        if (in_string) {
            if (c < 0x20)
                return json_fail(p, i, "a control character in a string");
            if (c == '\\') {
                if (n - i >= 6 && memcmp(s + i, "\\u0000", 6) == 0)
                    return json_fail(p, i, "a NUL in a string");
                len = i + 1 < n && s[i + 1] < 0x80 ? 2 : 1;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH)
                return json_fail(p, i, "nested too deeply");
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') {
            return json_fail(p, i, "a control character");
        }
        i += len;
    }
    return 0;
}

// The body as an object; the caller deletes it. NULL with p set.
cJSON *json_parse(const char *text, size_t n, struct problem *p)
{
    if (n == 0) {
        json_fail(p, 0, "there is no JSON");
        return NULL;
    }
    if (json_scan(text, n, p))
        return NULL;
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    size_t at = end ? (size_t)(end - text) : 0;
    if (root) {
        while (at < n && strchr(" \t\r\n", text[at]))
            at++;
    }
    if (!root || at != n) {
        json_fail(p, at < n ? at : n, root ? "something follows the JSON value" : "a syntax error");
        cJSON_Delete(root);
        return NULL;
    }
    if (!cJSON_IsObject(root)) {
        json_fail(p, 0, "not an object");
        cJSON_Delete(root);
        return NULL;
    }
    return root;
}

// --- fields ---------------------------------------------------------------------------------------------------------

// A path such as "runs[3].cycles" is built only when an error needs it.
int field_fail(struct problem *p, const char *path, const char *name, const char *fmt, ...)
{
    char full[sizeof p->field], why[200];
    snprintf(full, sizeof full, "%s%s%s", path, *path && *name ? "." : "", name);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return problem_field(p, ERR_BAD_FIELD, full, "%s", why);
}

// Refuses fields that are not in names (NULL-terminated) and fields that come twice.
int object_check(const cJSON *obj, const char *path, const char *const *names, struct problem *p)
{
    uint64_t seen = 0; // names[] has fewer than 64
    if (!cJSON_IsObject(obj))
        return field_fail(p, path, "", "must be an object");
    for (const cJSON *item = obj->child; item; item = item->next) {
        int i = 0;
        while (names[i] && strcmp(names[i], item->string) != 0)
            i++;
        if (!names[i])
            return field_fail(p, path, item->string, "is not a field of this request");
        if (seen >> i & 1)
            return field_fail(p, path, item->string, "is given twice");
        seen |= UINT64_C(1) << i;
    }
    return 0;
}

const cJSON *field(const cJSON *obj, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, name);
    return cJSON_IsNull(item) ? NULL : item; // null means: not given
}

// Text of min..size-1 bytes. min 0: optional, "" when missing.
int field_text(const cJSON *obj, const char *path, const char *name, char *out, size_t size,
               size_t min, struct problem *p)
{
    const cJSON *item = field(obj, name);
    out[0] = '\0';
    if (!item && min == 0)
        return 0;
    if (!item)
        return field_fail(p, path, name, "is missing");
    if (!cJSON_IsString(item))
        return field_fail(p, path, name, "must be a string");
    size_t n = strlen(item->valuestring);
    if (n < min || n >= size)
        return field_fail(p, path, name, "must have %zu to %zu bytes, has %zu", min, size - 1, n);
    memcpy(out, item->valuestring, n + 1);
    return 0;
}

// Free text of a device or agent: cut to the buffer (never inside a character), control characters become blanks.
int field_note(const cJSON *obj, const char *path, const char *name, char *out, size_t size,
               struct problem *p)
{
    const cJSON *item = field(obj, name);
    out[0] = '\0';
    if (!item)
        return 0;
    if (!cJSON_IsString(item))
        return field_fail(p, path, name, "must be a string");
    size_t n = strlen(item->valuestring);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)item->valuestring[n] & 0xC0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++) {
        char c = item->valuestring[i];
        out[i] = (unsigned char)c < 0x20 || c == 0x7F ? ' ' : c;
    }
    out[n] = '\0';
    return 0;
}

int field_id(const cJSON *obj, const char *path, const char *name, char out[64], struct problem *p)
{
    if (field_text(obj, path, name, out, 64, 1, p))
        return -1;
    if (!json_in_id_valid(out))
        return field_fail(
            p, path, name,
            "must consist of letters, digits, '.', '_', '-' and begin with a letter or digit");
    return 0;
}

int field_hex(const cJSON *obj, const char *path, const char *name, char *out, size_t size,
              size_t min, struct problem *p)
{
    if (field_text(obj, path, name, out, size, min, p))
        return -1;
    if (strspn(out, "0123456789abcdef") != strlen(out))
        return field_fail(p, path, name, "must be lower-case hex digits");
    return 0;
}

// An integer min..max as a number or, as counts travel in this API, as a string of digits.
int item_integer(const cJSON *item, const char *path, const char *name, int64_t min, int64_t max,
                 int64_t *out, struct problem *p)
{
    if (!item)
        return field_fail(p, path, name, "is missing");
    if (cJSON_IsNumber(item)) {
        double v = item->valuedouble;
        if (!isfinite(v) || floor(v) != v || fabs(v) > MAX_EXACT)
            return field_fail(p, path, name, "must be an integer (from 2^53 on as a string)");
        *out = (int64_t)v;
    } else if (cJSON_IsString(item)) {
        const char *s = item->valuestring;
        size_t n = strlen(s);
        if (n < 1 || n > 18 || strspn(s, "0123456789") != n)
            return field_fail(p, path, name, "must be an integer: up to 18 decimal digits");
        *out = strtoll(s, NULL, 10);
    } else {
        return field_fail(p, path, name, "must be an integer");
    }
    if (*out < min || *out > max)
        return field_fail(p, path, name, "must be %lld to %lld, is %lld", (long long)min,
                          (long long)max, (long long)*out);
    return 0;
}

int field_integer(const cJSON *obj, const char *path, const char *name, int64_t min, int64_t max,
                  int64_t *out, struct problem *p)
{
    return item_integer(field(obj, name), path, name, min, max, out, p);
}

int field_u32(const cJSON *obj, const char *path, const char *name, uint32_t *out,
              struct problem *p)
{
    int64_t v = 0;
    if (field_integer(obj, path, name, 0, UINT32_MAX, &v, p))
        return -1;
    *out = (uint32_t)v;
    return 0;
}

int field_int(const cJSON *obj, const char *path, const char *name, int min, int max, int *out,
              struct problem *p)
{
    int64_t v = 0;
    if (field_integer(obj, path, name, min, max, &v, p))
        return -1;
    *out = (int)v;
    return 0;
}

int field_number(const cJSON *obj, const char *path, const char *name, double min, double max,
                 double *out, struct problem *p)
{
    const cJSON *item = field(obj, name);
    if (!item)
        return field_fail(p, path, name, "is missing");
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        return field_fail(p, path, name, "must be a number");
    if (item->valuedouble < min || item->valuedouble > max)
        return field_fail(p, path, name, "must be %g to %g, is %g", min, max, item->valuedouble);
    *out = item->valuedouble;
    return 0;
}

int field_bool(const cJSON *obj, const char *path, const char *name, bool *out, struct problem *p)
{
    const cJSON *item = field(obj, name);
    if (!cJSON_IsBool(item))
        return field_fail(p, path, name, item ? "must be true or false" : "is missing");
    *out = cJSON_IsTrue(item);
    return 0;
}

// An array of min..max items; NULL with p set otherwise, or when it is missing and min is 0 (p not set).
const cJSON *field_array(const cJSON *obj, const char *path, const char *name, int min, int max,
                         int *n, struct problem *p)
{
    const cJSON *item = field(obj, name);
    *n = 0;
    if (!item && min == 0)
        return NULL;
    if (!cJSON_IsArray(item)) {
        field_fail(p, path, name, item ? "must be an array" : "is missing");
        return NULL;
    }
    *n = cJSON_GetArraySize(item);
    if (*n < min || *n > max) {
        field_fail(p, path, name, "must have %d to %d items, has %d", min, max, *n);
        return NULL;
    }
    return item;
}

struct items items_of(const cJSON *list, const char *name)
{
    struct items it = {.item = list ? list->child : NULL, .name = name};
    snprintf(it.path, sizeof it.path, "%.34s[0]", name);
    return it;
}

void items_next(struct items *it)
{
    it->item = it->item->next;
    it->i++;
    snprintf(it->path, sizeof it->path, "%.34s[%d]", it->name, it->i);
}
