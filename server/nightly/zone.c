// SPDX-License-Identifier: MIT
// GLib's GTimeZone behind zone.h. It reads the system's own database, which Debian keeps up to date within a release
// (ICU 72.1 brings a copy of 2022, an hour wrong in Mexico City today), and needs no process-wide TZ. It does not
// tell when an interval begins, but numbers intervals in their order: where one ends is found by bisection, once,
// when a zone is opened.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "server/nightly/zone.h"

struct cron_zone {
    size_t n;
    struct zone_span *at; // the whole of [ZONE_BEGIN_S, ZONE_END_S), in order
};

// A path below the database, and no other: letters first, no dots, and none of the tables that count leap seconds.
static bool name_is_safe(const char *name)
{
    if (!isalpha((unsigned char)*name) || strlen(name) > CRON_TEXT_MAX ||
        strncmp(name, "right/", 6) == 0)
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_+-/", *p))
            return false;
    return true;
}

static int interval_at(GTimeZone *tz, int64_t at_s)
{
    return g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, at_s);
}

// Where the interval that holds lo ends: the first instant of another one, or ZONE_END_S.
static int64_t end_of(GTimeZone *tz, int64_t lo)
{
    const int64_t step = INT64_C(100) * 86400; // most zones change twice a year or never
    int interval = interval_at(tz, lo);
    int64_t hi = lo;
    for (int64_t d = step; interval_at(tz, hi) == interval; d *= 2) {
        if (hi == ZONE_END_S)
            return ZONE_END_S;
        lo = hi;
        hi = hi + d < ZONE_END_S ? hi + d : ZONE_END_S;
    }
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (interval_at(tz, mid) == interval)
            lo = mid;
        else
            hi = mid;
    }
    return hi;
}

// Appends the span that begins at begin_s; its end. Spans of equal offset (another name, say) are one.
static int64_t add_span(struct cron_zone *z, GTimeZone *tz, int64_t begin_s)
{
    int offset = g_time_zone_get_offset(tz, interval_at(tz, begin_s));
    int64_t end = end_of(tz, begin_s);
    struct zone_span *last = z->n ? &z->at[z->n - 1] : NULL;
    if (last && last->offset_s == offset)
        last->end_s = end;
    else
        z->at[z->n++] = (struct zone_span){begin_s, end, offset, last ? last->offset_s : offset};
    return end;
}

struct cron_zone *cron_zone_open(const char *name, struct err *e)
{
    struct cron_zone *z = NULL;
    GTimeZone *tz = name_is_safe(name) ? g_time_zone_new_identifier(name) : NULL;
    if (!tz) {
        err_set(e, ERR_BAD_FIELD,
                "timezone: the time zone database has no \"%.*s\" (Europe/Vienna, UTC are zones)",
                CRON_TEXT_MAX, name);
        return NULL;
    }
    size_t cap = (size_t)(interval_at(tz, ZONE_END_S) - interval_at(tz, ZONE_BEGIN_S)) + 1;
    z = calloc(1, sizeof *z);
    if (!z || !(z->at = calloc(cap, sizeof *z->at))) {
        cron_zone_close(z);
        z = NULL;
        err_set(e, ERR_NO_MEMORY, "no memory for a time zone");
        goto out;
    }
    for (int64_t t = ZONE_BEGIN_S; t < ZONE_END_S;)
        t = add_span(z, tz, t);
out:
    g_time_zone_unref(tz);
    return z;
}

void cron_zone_close(struct cron_zone *z)
{
    if (z)
        free(z->at);
    free(z);
}

const struct zone_span *cron_zone__span(const struct cron_zone *z, int64_t at_s)
{
    size_t lo = 0, hi = z->n; // at[lo] begins at or before at_s, at[hi] after it
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (z->at[mid].begin_s <= at_s)
            lo = mid;
        else
            hi = mid;
    }
    return &z->at[lo];
}
