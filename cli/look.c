// SPDX-License-Identifier: MIT
// See look.h.
#include "cli/look.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cJSON *look_at(const cJSON *object, const char *path)
{
    char step[64];
    while (object && *path) {
        size_t n = strcspn(path, ".");
        snprintf(step, sizeof step, "%.*s", (int)n, path);
        object = cJSON_GetObjectItemCaseSensitive(object, step);
        path += n + (path[n] == '.');
    }
    return object;
}

const char *look_text(const cJSON *object, const char *path)
{
    const cJSON *v = look_at(object, path);
    return cJSON_IsString(v) ? v->valuestring : "";
}

bool look_number(const cJSON *object, const char *path, double *out)
{
    const cJSON *v = look_at(object, path);
    if (cJSON_IsNumber(v)) {
        *out = v->valuedouble;
        return true;
    }
    if (cJSON_IsString(v)) {
        char *end = NULL;
        *out = strtod(v->valuestring, &end);
        return end != v->valuestring && !*end;
    }
    return false;
}

int64_t look_int(const cJSON *object, const char *path, int64_t missing)
{
    double v;
    return look_number(object, path, &v) && fabs(v) < 9e15 ? (int64_t)v : missing;
}
