// SPDX-License-Identifier: MIT
// Time is walked span by span (zone.h): within one, local time is UTC plus a constant, and looking for a slot is
// arithmetic of the calendar. What the clock skips or repeats lies between two spans and nowhere else.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/nightly/cron.h"
#include "server/nightly/zone.h"

#define DAY_S INT64_C(86400)
#define LAST_NEXT_S INT64_C(4133980800) // 2101-01-01

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct field {
    const char *name;
    int low, high;
    const char *const *names; // of low, low + 1, ...; NULL = numbers alone
    int n_names;
};
enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day-of-month", 1, 31, NULL, 0},
    {"month", 1, 12, month_names, 12},
    {"day-of-week", 0, 7, weekday_names, 7},
};

static const struct {
    const char *name, *text;
} nicknames[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* ---- parsing ---- */

static int number(const char **p, int *out)
{
    if (!isdigit((unsigned char)**p))
        return -1;
    int v = 0;
    for (; isdigit((unsigned char)**p); (*p)++)
        v = v < 100000 ? v * 10 + (**p - '0') : v;
    *out = v;
    return 0;
}

static int value(const struct field *f, const char **p, int *out, struct err *e)
{
    for (int i = 0; i < f->n_names; i++) {
        if (strncasecmp(*p, f->names[i], 3) == 0 && !isalnum((unsigned char)(*p)[3])) {
            *p += 3;
            *out = f->low + i;
            return 0;
        }
    }
    const char *begin = *p;
    if (number(p, out))
        return err_set(e, ERR_BAD_FIELD, "%s: expected a number%s, * or a range at \"%.20s\"",
                       f->name, f->names ? " or a name" : "", begin);
    if (*out < f->low || *out > f->high)
        return err_set(e, ERR_BAD_FIELD, "%s: %d is not in %d-%d", f->name, *out, f->low, f->high);
    return 0;
}

// One item of a list, up to a comma or the end.
static int item(const struct field *f, const char **p, uint64_t *bits, struct err *e)
{
    int low = f->low, high = f->high, step = 1;
    bool range = true;
    if (**p == '*') {
        (*p)++;
    } else {
        if (value(f, p, &low, e))
            return -1;
        range = **p == '-';
        high = low;
        if (range) {
            (*p)++;
            if (value(f, p, &high, e))
                return -1;
            if (high < low)
                return err_set(e, ERR_BAD_FIELD, "%s: the range %d-%d runs backwards", f->name, low,
                               high);
        }
    }
    if (**p == '/') {
        (*p)++;
        if (!range)
            return err_set(e, ERR_BAD_FIELD, "%s: a step needs * or a range before it", f->name);
        if (number(p, &step) || step < 1 || step > f->high)
            return err_set(e, ERR_BAD_FIELD, "%s: a step is a number from 1 to %d", f->name,
                           f->high);
    }
    for (int v = low; v <= high; v += step)
        *bits |= UINT64_C(1) << v;
    return 0;
}

static int field_parse(const struct field *f, const char *text, uint64_t *bits, struct err *e)
{
    *bits = 0;
    for (const char *p = text;; p++) {
        if (item(f, &p, bits, e))
            return -1;
        if (*p == '\0')
            return 0;
        if (*p != ',')
            return err_set(e, ERR_BAD_FIELD, "%s: \"%.20s\" is left over", f->name, p);
    }
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

// Whether one of its months ever has one of its days. Together with a weekday that begins with * any such day comes: 29
// February is every day of the week in turn.
static bool has_a_day(const struct cron *c)
{
    if (!c->star_day && !c->star_weekday)
        return true; // the weekday alone will do
    for (int m = 1; m <= 12; m++)
        if (c->months & (1u << m) &&
            c->days & (uint32_t)((UINT64_C(2) << days_in_month(2000, m)) - 2))
            return true;
    return false;
}

static int first_day(const struct cron *c)
{
    for (int d = 1; d <= 31; d++)
        if (c->days & (1u << d))
            return d;
    return 0;
}

int cron_parse(struct cron *c, const char *text, struct err *e)
{
    char copy[CRON_TEXT_MAX + 1];
    if (strlen(text) > CRON_TEXT_MAX)
        return err_set(e, ERR_BAD_FIELD, "an expression has at most %d bytes", CRON_TEXT_MAX);
    for (size_t i = 0; *text == '@' && i < sizeof nicknames / sizeof *nicknames; i++)
        if (strcasecmp(text, nicknames[i].name) == 0)
            text = nicknames[i].text;
    if (*text == '@')
        return err_set(e, ERR_BAD_FIELD,
                       "\"%.20s\": expected @hourly, @daily, @weekly, @monthly or @yearly", text);
    memcpy(copy, text, strlen(text) + 1);
    uint64_t bits[FIELDS];
    bool star[FIELDS];
    char *save = NULL, *word = strtok_r(copy, " \t", &save);
    for (int i = 0; i < FIELDS; i++, word = strtok_r(NULL, " \t", &save)) {
        if (!word)
            return err_set(e, ERR_BAD_FIELD, "%s: missing; an expression has five fields",
                           fields[i].name);
        if (field_parse(&fields[i], word, &bits[i], e))
            return -1;
        star[i] = *word == '*';
    }
    if (word)
        return err_set(e, ERR_BAD_FIELD, "\"%.20s\" stands behind the fifth field", word);
    *c = (struct cron){
        .minutes = bits[MINUTE],
        .hours = (uint32_t)bits[HOUR],
        .days = (uint32_t)bits[DAY],
        .months = (uint32_t)bits[MONTH],
        .weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
        .star_day = star[DAY],
        .star_weekday = star[WEEKDAY],
        .every = star[MINUTE] || star[HOUR],
    };
    if (!has_a_day(c))
        return err_set(e, ERR_BAD_FIELD, "day-of-month: no month of the expression has a day %d",
                       first_day(c));
    return 0;
}

/* ---- the calendar ---- */

// Gregorian date of a day, 0 = 1970-01-01. Years run from March here, so that the leap day is the last of one.
static void date_of(int64_t day, int *year, int *month, int *mday)
{
    int64_t z = day + 719468; // from 0000-03-01
    int64_t era = z / 146097, in_era = z % 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *mday = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(era * 400 + y + (*month <= 2));
}

static bool day_matches(const struct cron *c, int64_t day)
{
    int year, month, mday;
    date_of(day, &year, &month, &mday);
    if (!(c->months & (1u << month)))
        return false;
    bool by_day = c->days & (1u << mday);
    bool by_weekday = c->weekdays & (1u << ((day + 4) % 7)); // 1970-01-01 was a Thursday
    return c->star_day || c->star_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static bool minute_matches(const struct cron *c, int minute)
{
    return c->hours & (1u << (minute / 60)) && c->minutes & (UINT64_C(1) << (minute % 60));
}

// First local time in [from_s, to_s) that the expression names; -1 = none. Local times are >= 0 but for the first hours
// of 1970 west of Greenwich, which are skipped.
static int64_t first_in(const struct cron *c, int64_t from_s, int64_t to_s)
{
    if (from_s < 0)
        from_s = 0;
    int minute = (int)((from_s % DAY_S + 59) / 60);
    for (int64_t day = from_s / DAY_S; day * DAY_S < to_s; day++, minute = 0) {
        for (; minute < 1440 && day_matches(c, day); minute++)
            if (minute_matches(c, minute))
                return day * DAY_S + minute * 60 < to_s ? day * DAY_S + minute * 60 : -1;
    }
    return -1;
}

// Last local time in [from_s, to_s] that the expression names; -1 = none.
static int64_t last_in(const struct cron *c, int64_t from_s, int64_t to_s)
{
    if (from_s < 0)
        from_s = 0;
    int minute = (int)(to_s % DAY_S / 60);
    for (int64_t day = to_s / DAY_S; to_s >= from_s && day >= from_s / DAY_S;
         day--, minute = 1439) {
        for (; minute >= 0 && day_matches(c, day); minute--)
            if (minute_matches(c, minute))
                return day * DAY_S + minute * 60 >= from_s ? day * DAY_S + minute * 60 : -1;
    }
    return -1;
}

/* ---- slots ---- */

// The local time from which on a span has slots of its own: behind what it repeats.
static int64_t opens_s(const struct cron *c, const struct zone_span *s)
{
    bool repeats = !c->every && s->before_s > s->offset_s;
    return s->begin_s + (repeats ? s->before_s : s->offset_s);
}

// Whether a slot lies in the gap before the span, to be made up for at its begin.
static bool made_up_for(const struct cron *c, const struct zone_span *s)
{
    return !c->every && s->before_s < s->offset_s &&
           first_in(c, s->begin_s + s->before_s, s->begin_s + s->offset_s) >= 0;
}

int64_t cron_next(const struct cron *c, const struct cron_zone *z, int64_t after_ms)
{
    int64_t t = after_ms < 0 ? ZONE_BEGIN_S : after_ms / 1000 + 1;
    if (t > LAST_NEXT_S)
        t = LAST_NEXT_S;
    for (;;) {
        const struct zone_span *s = cron_zone__span(z, t);
        if (t == s->begin_s && made_up_for(c, s))
            return t * 1000;
        int64_t from = t + s->offset_s, opens = opens_s(c, s);
        int64_t local = first_in(c, from > opens ? from : opens, s->end_s + s->offset_s);
        if (local >= 0)
            return (local - s->offset_s) * 1000;
        t = s->end_s; // below ZONE_END_S: forty years hold a slot
    }
}

int64_t cron_prev(const struct cron *c, const struct cron_zone *z, int64_t at_ms)
{
    int64_t t = at_ms < 0 ? -1 : at_ms / 1000;
    if (t >= ZONE_END_S)
        t = ZONE_END_S - 1;
    while (t >= ZONE_BEGIN_S) {
        const struct zone_span *s = cron_zone__span(z, t);
        int64_t local = last_in(c, opens_s(c, s), t + s->offset_s);
        if (local >= 0)
            return (local - s->offset_s) * 1000;
        if (made_up_for(c, s))
            return s->begin_s * 1000;
        t = s->begin_s - 1;
    }
    return -1;
}
