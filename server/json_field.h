// SPDX-License-Identifier: MIT
// Fields of JSON objects from outside, checked one at a time: what json_in.c, plan_in.c and run_in.c are made of. Only
// those include this, so that no other file sees cJSON. Each function returns 0, or -1 with p set: ERR_BAD_FIELD and the path of
// the field, which is path "." name ("runs[3].cycles"; path "" for the outermost object).
#ifndef SERVER_JSON_FIELD_H
#define SERVER_JSON_FIELD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/problem.h"

// The text as an object; the caller deletes it. NULL with p set (ERR_BAD_JSON and the byte): not UTF-8, nested deeper than
// 8, a control character or NUL in a string, a syntax error, something behind the value.
cJSON *json_parse(const char *text, size_t n, struct problem *p);

int field_fail(struct problem *p, const char *path, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// Refuses fields that are not named and fields that come twice.
int object_check(const cJSON *obj, const char *path, const char *const *names, struct problem *p);
#define OBJECT_CHECK(obj, path, p, ...)                                                            \
    object_check(obj, path, (const char *const[]){__VA_ARGS__, NULL}, p)
const cJSON *field(const cJSON *obj, const char *name); // NULL: not given, or null

// Text of min..size-1 bytes. min 0: optional, "" when missing.
int field_text(const cJSON *obj, const char *path, const char *name, char *out, size_t size,
               size_t min, struct problem *p);
// Free text of others: optional, cut to the buffer, control characters become blanks.
int field_note(const cJSON *obj, const char *path, const char *name, char *out, size_t size,
               struct problem *p);
int field_id(const cJSON *obj, const char *path, const char *name, char out[64], struct problem *p);
int field_hex(const cJSON *obj, const char *path, const char *name, char *out, size_t size,
              size_t min, struct problem *p);
// An integer min..max: a number, or a string of digits as counts travel in this API.
int item_integer(const cJSON *item, const char *path, const char *name, int64_t min, int64_t max,
                 int64_t *out, struct problem *p);
int field_integer(const cJSON *obj, const char *path, const char *name, int64_t min, int64_t max,
                  int64_t *out, struct problem *p);
int field_u32(const cJSON *obj, const char *path, const char *name, uint32_t *out,
              struct problem *p);
int field_int(const cJSON *obj, const char *path, const char *name, int min, int max, int *out,
              struct problem *p);
int field_number(const cJSON *obj, const char *path, const char *name, double min, double max,
                 double *out, struct problem *p);
int field_bool(const cJSON *obj, const char *path, const char *name, bool *out, struct problem *p);
// An array of min..max items. NULL: with p set, or not given where min is 0.
const cJSON *field_array(const cJSON *obj, const char *path, const char *name, int min, int max,
                         int *n, struct problem *p);

// Walks the items of an array with the path of each:
//   for (struct items it = items_of(list, "runs"); it.item; items_next(&it))      it.i 0, it.path "runs[0]"
struct items {
    const cJSON *item; // NULL: that was the last
    int i;
    const char *name; // borrowed
    char path[48];
};
struct items items_of(const cJSON *list, const char *name); // list NULL: there are none
void items_next(struct items *it);

#endif
