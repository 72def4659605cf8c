// SPDX-License-Identifier: MIT
// When a plan runs: a cron expression in a time zone, and the slots that follow from it. Knows nothing of plans, and
// never reads the clock: every instant comes from the caller, in milliseconds since 1970 UTC.
//
//   minute  hour  day-of-month  month  day-of-week          each field: a list of  *  v  v-w  */step  v-w/step
//   0-59    0-23  1-31          1-12   0-7 (0, 7: Sunday)   months jan..dec and days sun..sat also by name, any case
//
//   @hourly = 0 * * * *   @daily, @midnight = 0 0 * * *   @weekly = 0 0 * * 0   @monthly = 0 0 1 * *
//   @yearly, @annually = 0 0 1 1 *
//
// Days (as crontab(5)): where day-of-month and day-of-week are both restricted, a day that matches either counts;
// where one of them begins with *, a day must match both.
//
// Changes of the local clock (as Debian's cron(8)):
//   - An expression whose minute or hour begins with * means "every so often" and follows the wall clock: what the gap
//     skips is not made up for, and the repeated hour counts twice.
//   - Any other means "at this time of day": slots inside a gap happen once, together, at the instant at which the gap
//     ends; slots inside a repeated hour happen in its first pass alone. So @daily, and 30 2 * * *, happen once each
//     day, whatever the clock does.
#ifndef NIGHTLY_CRON_H
#define NIGHTLY_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum {
    CRON_TEXT_MAX = 200 // bytes of an expression, and of a zone's name
};

struct cron {
    uint64_t minutes;  // bit m: minute m
    uint32_t hours;    // bit h
    uint32_t days;     // bit d, 1..31
    uint32_t months;   // bit m, 1..12
    uint32_t weekdays; // bit w, 0..6, 0 = Sunday
    bool star_day;     // day-of-month begins with *
    bool star_weekday; // day-of-week begins with *
    bool every;        // minute or hour begins with *: follows the wall clock
};

// A time zone of the system's database (/usr/share/zoneinfo), as GLib reads it. Not changed after it was opened: any
// number of threads may use it. What the database learns later is seen by a new process.
struct cron_zone;

// "Europe/Vienna", "UTC". -> NULL: ERR_BAD_FIELD "timezone: ..." when the database does not know the name.
struct cron_zone *cron_zone_open(const char *name, struct err *e);
void cron_zone_close(struct cron_zone *z);

// 0, or -1 and ERR_BAD_FIELD; the message begins with the field at fault ("minute: 61 is not in 0-59", "day-of-month:
// no month of the expression has a day 31"). An expression that passes matches at least one day in every forty years.
int cron_parse(struct cron *c, const char *text, struct err *e);

// The first slot strictly after after_ms, resp. the last one at or before at_ms. Instants before 1970, and after 2100
// for cron_next() and 2140 for cron_prev(), are taken as the nearer bound. cron_prev() gives -1 when there is no slot
// since 1970. Every slot has milliseconds 0.
int64_t cron_next(const struct cron *c, const struct cron_zone *z, int64_t after_ms);
int64_t cron_prev(const struct cron *c, const struct cron_zone *z, int64_t at_ms);

#endif
