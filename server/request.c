// SPDX-License-Identifier: MIT
// See request.h.
#include "server/request.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *request_query(const struct request *r, const char *name)
{
    for (int i = 0; i < r->n_query; i++) {
        if (strcmp(r->query[i].name, name) == 0)
            return r->query[i].value;
    }
    return NULL;
}

static bool request_digits(const char *text)
{
    size_t n = strlen(text);
    return n >= 1 && n <= 18 && strspn(text, "0123456789") == n;
}

int request_query_integer(const struct request *r, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *out, struct problem *p)
{
    const char *text = request_query(r, name);
    *out = fallback;
    if (!text)
        return 0;
    if (!request_digits(text))
        return problem_field(p, ERR_BAD_FIELD, name, "must be a whole number, is \"%.40s\"", text);
    *out = strtoll(text, NULL, 10);
    if (*out < min || *out > max)
        return problem_field(p, ERR_BAD_FIELD, name, "must be %lld to %lld, is %s", (long long)min,
                             (long long)max, text);
    return 0;
}

int request_query_number(const struct request *r, const char *name, double min, double max,
                         double fallback, double *out, struct problem *p)
{
    const char *text = request_query(r, name);
    *out = fallback;
    if (!text)
        return 0;
    char *end = NULL;
    double v = strtod(text, &end);
    if (strspn(text, "0123456789.eE+-") != strlen(text) || end == text || *end || !isfinite(v))
        return problem_field(p, ERR_BAD_FIELD, name, "must be a number, is \"%.40s\"", text);
    if (v < min || v > max)
        return problem_field(p, ERR_BAD_FIELD, name, "must be %g to %g, is %.40s", min, max, text);
    *out = v;
    return 0;
}

int request_param_id(const struct request *r, int i, int64_t *out, struct problem *p)
{
    if (!request_digits(r->params[i]) || (*out = strtoll(r->params[i], NULL, 10)) < 1)
        return err_set(&p->err, ERR_NOT_FOUND, "\"%.40s\" is not an id; ids are whole numbers",
                       r->params[i]);
    return 0;
}
