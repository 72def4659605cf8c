// SPDX-License-Identifier: MIT
// Cron expressions: what is refused and how, and slots by known dates; then whole years, slot by slot, against a
// search of every five minutes on glibc's own local time.
#include "tests/tap.h"

#include <time.h>

#include "server/nightly/cron.h"
#include "server/nightly/zone.h"

static struct cron_zone *zone(const char *name)
{
    struct err e = {0};
    struct cron_zone *z = cron_zone_open(name, &e);
    if (!z) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return z;
}

// "2026-03-29 01:30" UTC -> ms
static int64_t utc(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);
    if (!end || *end)
        abort();
    return (int64_t)timegm(&tm) * 1000;
}

static const char *text_of(int64_t ms)
{
    static char text[40];
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", gmtime_r(&s, &tm));
    return text;
}

static void check_refused(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "minute: missing"},
        {"0 2 * *", "day-of-week: missing"},
        {"0 2 * * * *", "behind the fifth field"},
        {"60 2 * * *", "minute: 60 is not in 0-59"},
        {"0 24 * * *", "hour: 24 is not in 0-23"},
        {"0 2 0 * *", "day-of-month: 0 is not in 1-31"},
        {"0 2 32 * *", "day-of-month: 32 is not in 1-31"},
        {"0 2 * 13 *", "month: 13 is not in 1-12"},
        {"0 2 * * 8", "day-of-week: 8 is not in 0-7"},
        {"0 2 * * funday", "day-of-week: expected a number or a name"},
        {"0 2 * janu *", "month: expected a number or a name"},
        {"x 2 * * *", "minute: expected a number, *"},
        {"-1 2 * * *", "minute: expected a number"},
        {"1- 2 * * *", "minute: expected a number"},
        {"1, 2 * * *", "minute: expected a number"},
        {"1,,2 2 * * *", "minute: expected a number"},
        {"30-10 2 * * *", "minute: the range 30-10 runs backwards"},
        {"0 2 * * sat-sun", "day-of-week: the range 6-0 runs backwards"},
        {"*/0 2 * * *", "minute: a step is a number from 1 to 59"},
        {"*/ 2 * * *", "minute: a step"},
        {"*/99999999999999999999 2 * * *", "minute: a step"},
        {"5/10 2 * * *", "minute: a step needs"},
        {"5x 2 * * *", "minute: \"x\" is left over"},
        {"** 2 * * *", "minute: \"*\" is left over"},
        {"0 2 31 2 *", "day-of-month: no month of the expression has a day 31"},
        {"0 2 30-31 feb *", "day-of-month: no month of the expression has a day 30"},
        {"0 2 31 4,6,9,11 *", "day-of-month: no month"},
        {"0 2 31 2 */2", "day-of-month: no month"},
        {"@fortnightly", "\"@fortnightly\": expected @hourly"},
        {"@daily x", "\"@daily x\": expected"},
    };
    struct cron c;
    struct err e = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err_clear(&e);
        bool refused = cron_parse(&c, bad[i].text, &e) == -1 && e.code == ERR_BAD_FIELD;
        if (!OKF(refused && strstr(e.msg, bad[i].says), "\"%s\" is refused: %s", bad[i].text,
                 bad[i].says))
            printf("#   got %s\n", e.msg);
    }
    char longest[CRON_TEXT_MAX + 40];
    memset(longest, ' ', sizeof longest);
    memcpy(longest, "0 2 * * *", 9);
    longest[CRON_TEXT_MAX + 1] = '\0';
    err_clear(&e);
    OK(cron_parse(&c, longest, &e) == -1 && strstr(e.msg, "200 bytes"));
    longest[CRON_TEXT_MAX] = '\0';
    OK(cron_parse(&c, longest, NULL) == 0);
    static const char *const no_zones[] = {
        "",       "Nowhere/Land", "../../etc/passwd", "/etc/localtime", "Europe",
        "+02:00", "right/UTC",    "zone.tab",         "Europe/Vienna ", "europe/vienna"};
    for (size_t i = 0; i < sizeof no_zones / sizeof *no_zones; i++) {
        err_clear(&e);
        OKF(!cron_zone_open(no_zones[i], &e) && e.code == ERR_BAD_FIELD &&
                strstr(e.msg, "timezone: "),
            "zone \"%s\" is refused", no_zones[i]);
    }
    cron_zone_close(NULL);
}

// Slots one after the other, forwards and then backwards.
static void check_slots(void)
{
    static const struct {
        const char *what, *text, *zone, *after;
        const char *slots[5]; // UTC
    } at[] = {
        {"every night",
         "0 2 * * *",
         "UTC",
         "2026-11-22 02:00",
         {"2026-11-23 02:00", "2026-11-24 02:00"}},
        {"lists, ranges, steps",
         "5,10-20/5 3-4 * * *",
         "UTC",
         "2026-01-01 03:10",
         {"2026-01-01 03:15", "2026-01-01 03:20", "2026-01-01 04:05", "2026-01-01 04:10",
          "2026-01-01 04:15"}},
        {"names",
         "0 6 * FEB Mon",
         "UTC",
         "2026-01-01 00:00",
         {"2026-02-02 06:00", "2026-02-09 06:00", "2026-02-16 06:00", "2026-02-23 06:00",
          "2027-02-01 06:00"}},
        {"Sunday is 0 and 7",
         "0 0 * * 7",
         "UTC",
         "2026-11-22 00:00",
         {"2026-11-29 00:00", "2026-12-06 00:00"}},
        {"Friday to Sunday",
         "0 0 * * 5-7",
         "UTC",
         "2026-11-20 00:00",
         {"2026-11-21 00:00", "2026-11-22 00:00", "2026-11-27 00:00"}},
        {"day of month or of week",
         "0 0 13 * fri",
         "UTC",
         "2026-11-12 12:00",
         {"2026-11-13 00:00", "2026-11-20 00:00", "2026-11-27 00:00", "2026-12-04 00:00",
          "2026-12-11 00:00"}},
        {"and, where one begins with *",
         "0 0 */2 * mon",
         "UTC",
         "2026-11-01 12:00",
         {"2026-11-09 00:00", "2026-11-23 00:00", "2026-12-07 00:00"}},
        {"31 of February is never, but Mondays are",
         "0 0 31 2 mon",
         "UTC",
         "2026-02-01 00:00",
         {"2026-02-02 00:00"}},
        {"leap days",
         "0 0 29 2 *",
         "UTC",
         "2026-01-01 00:00",
         {"2028-02-29 00:00", "2032-02-29 00:00"}},
        {"no leap day in 2100", "0 0 29 2 *", "UTC", "2096-02-29 00:00", {"2104-02-29 00:00"}},
        {"leap day in 2000", "0 0 29 2 *", "UTC", "1996-02-29 00:00", {"2000-02-29 00:00"}},
        {"leap days on a Sunday, across 2100",
         "0 0 29 2 */7",
         "UTC",
         "2088-02-29 00:00",
         {"2128-02-29 00:00"}},
        {"the 31st",
         "0 0 31 * *",
         "UTC",
         "2026-01-31 00:00",
         {"2026-03-31 00:00", "2026-05-31 00:00"}},
        {"@yearly", "@yearly", "UTC", "2026-01-01 00:00", {"2027-01-01 00:00"}},
        {"@Annually", "@Annually", "UTC", "2026-01-01 00:00", {"2027-01-01 00:00"}},
        {"@monthly",
         "@monthly",
         "UTC",
         "2026-01-01 00:00",
         {"2026-02-01 00:00", "2026-03-01 00:00"}},
        {"@weekly", "@weekly", "UTC", "2026-11-22 00:00", {"2026-11-29 00:00"}},
        {"@midnight", "@midnight", "UTC", "2026-11-22 00:00", {"2026-11-23 00:00"}},
        {"@daily", "@daily", "UTC", "2026-11-22 00:00", {"2026-11-23 00:00"}},
        {"@hourly", "@hourly", "UTC", "2026-11-22 00:00", {"2026-11-22 01:00", "2026-11-22 02:00"}},
        {"tabs and spaces", " 0\t2  * *\t* ", "UTC", "2026-11-22 00:00", {"2026-11-22 02:00"}},
        // Vienna: 2026-03-29 02:00 -> 03:00 is 01:00 UTC; 2026-10-25 03:00 -> 02:00 is 01:00 UTC.
        {"gap: 02:30 runs as it ends",
         "30 2 * * *",
         "Europe/Vienna",
         "2026-03-28 01:30",
         {"2026-03-29 01:00", "2026-03-30 00:30"}},
        {"gap: several slots in it are one",
         "10,30,50 2 * * *",
         "Europe/Vienna",
         "2026-03-28 01:50",
         {"2026-03-29 01:00", "2026-03-30 00:10"}},
        {"gap: one with the slot at its end",
         "0,30 2-3 * * *",
         "Europe/Vienna",
         "2026-03-28 02:30",
         {"2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:00"}},
        {"gap: every half hour has none in it",
         "*/30 * * * *",
         "Europe/Vienna",
         "2026-03-29 00:00",
         {"2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30"}},
        {"gap: of a day that does not match",
         "30 2 30 * *",
         "Europe/Vienna",
         "2026-03-29 00:00",
         {"2026-03-30 00:30"}},
        {"fold: 02:30 runs in the first pass",
         "30 2 * * *",
         "Europe/Vienna",
         "2026-10-24 00:30",
         {"2026-10-25 00:30", "2026-10-26 01:30"}},
        {"fold: every hour runs in both",
         "0 * * * *",
         "Europe/Vienna",
         "2026-10-24 23:00",
         {"2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"}},
        {"fold: 03:00 is not repeated",
         "0 3 * * *",
         "Europe/Vienna",
         "2026-10-24 01:00",
         {"2026-10-25 02:00", "2026-10-26 02:00"}},
        {"midnight in the gap",
         "@daily",
         "America/Santiago",
         "2026-09-05 04:00",
         {"2026-09-06 04:00", "2026-09-07 03:00"}},
        {"half an hour of daylight saving",
         "15 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-02 16:00",
         {"2026-10-03 15:30", "2026-10-04 15:15"}},
        {"5 h 45 min ahead",
         "0 2 * * *",
         "Asia/Kathmandu",
         "2026-11-22 00:00",
         {"2026-11-22 20:15"}},
        {"3 h 30 min behind",
         "0 2 * * *",
         "America/St_Johns",
         "2026-11-22 00:00",
         {"2026-11-22 05:30"}},
        {"14 h ahead", "0 2 * * *", "Pacific/Kiritimati", "2026-11-22 00:00", {"2026-11-22 12:00"}},
        {"a whole day skipped",
         "0 2 * * *",
         "Pacific/Apia",
         "2011-12-29 12:00",
         {"2011-12-30 10:00", "2011-12-30 12:00", "2011-12-31 12:00"}},
        {"the rules change: Mexico after 2022",
         "0 2 * * *",
         "America/Mexico_City",
         "2022-10-29 07:00",
         {"2022-10-30 08:00", "2022-10-31 08:00"}},
        {"and has no summer since",
         "0 2 * * *",
         "America/Mexico_City",
         "2026-07-01 00:00",
         {"2026-07-01 08:00"}},
        {"Turkey stays in summer",
         "0 2 * * *",
         "Europe/Istanbul",
         "2016-11-07 00:00",
         {"2016-11-07 23:00", "2016-11-08 23:00"}},
        {"rules beyond 2037",
         "0 2 * * *",
         "Europe/Vienna",
         "2050-07-01 00:30",
         {"2050-07-02 00:00"}},
    };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct cron c;
        struct err e = {0};
        if (!OKF(cron_parse(&c, at[i].text, &e) == 0, "%s: %s", at[i].what, at[i].text))
            continue;
        struct cron_zone *z = zone(at[i].zone);
        int64_t t = utc(at[i].after), last = -1;
        for (size_t k = 0; k < 5 && at[i].slots[k]; k++) {
            last = t;
            t = cron_next(&c, z, t);
            EQ_STR(text_of(t), at[i].slots[k]);
            OK(cron_prev(&c, z, t) == t && cron_prev(&c, z, t + 59999) == t);
            if (k > 0)
                EQ_INT(cron_prev(&c, z, t - 1), last);
        }
        cron_zone_close(z);
    }
}

// Every five minutes of a year, as glibc sees them. `every` expressions alone: a slot is a minute that matches, no
// more.
static void check_against_glibc(const char *text, const char *zone_name, int year, unsigned hours,
                                unsigned minute)
{
    struct cron c;
    struct err e = {0};
    struct cron_zone *z = zone(zone_name);
    setenv("TZ", zone_name, 1);
    tzset();
    OK(cron_parse(&c, text, &e) == 0 && c.every);
    struct tm from = {.tm_year = year - 1900, .tm_mday = 1};
    int64_t begin = (int64_t)timegm(&from), end = begin + 366 * 86400;
    int64_t want = cron_next(&c, z, begin * 1000 - 1);
    long bad = 0, slots = 0;
    for (int64_t s = begin; s < end; s += 300) {
        time_t t = (time_t)s;
        struct tm tm;
        localtime_r(&t, &tm);
        bool matches = (unsigned)tm.tm_min == minute && hours & (1u << tm.tm_hour);
        bad += matches != (want == s * 1000) || tm.tm_gmtoff != cron_zone__span(z, s)->offset_s;
        if (matches) {
            bad += cron_prev(&c, z, s * 1000 + 30000) != s * 1000;
            want = cron_next(&c, z, s * 1000);
            slots++;
        }
    }
    OKF(bad == 0 && slots > 300, "%s in %s, %d: %ld slots, %ld times wrong", text, zone_name, year,
        slots, bad);
    cron_zone_close(z);
}

// A plan for a time of day runs once a local day, whatever the clock does, unless the day itself does not exist.
static void check_once_a_day(const char *zone_name, int hour)
{
    char text[40];
    snprintf(text, sizeof text, "30 %d * * *", hour);
    struct cron c;
    struct cron_zone *z = zone(zone_name);
    OK(cron_parse(&c, text, NULL) == 0);
    int64_t t = utc("2019-12-31 12:00"), end = utc("2031-01-01 12:00");
    long days = 0, bad = 0, last_day = -1;
    for (t = cron_next(&c, z, t); t < end; t = cron_next(&c, z, t), days++) {
        long day = (long)((t / 1000 + cron_zone__span(z, t / 1000)->offset_s) / 86400);
        bad += last_day >= 0 && day != last_day + 1;
        last_day = day;
    }
    OKF(bad == 0 && days >= 4018 && days <= 4019,
        "%02d:30 in %s: %ld slots in eleven years, %ld not a day apart", hour, zone_name, days,
        bad);
    cron_zone_close(z);
}

static void check_ends(void)
{
    struct cron c;
    struct cron_zone *z = zone("UTC");
    OK(cron_parse(&c, "0 2 * * *", NULL) == 0);
    EQ_STR(text_of(cron_next(&c, z, INT64_MIN)), "1970-01-01 02:00");
    EQ_INT(cron_prev(&c, z, 0), -1);
    EQ_INT(cron_prev(&c, z, INT64_MIN), -1);
    EQ_STR(text_of(cron_next(&c, z, INT64_MAX)), "2101-01-01 02:00");
    EQ_STR(text_of(cron_prev(&c, z, INT64_MAX)), "2140-12-31 02:00");
    cron_zone_close(z);
}

int main(void)
{
    check_refused();
    check_slots();
    check_against_glibc("20 */2 * * *", "Europe/Vienna", 2026, 0x555555, 20);
    check_against_glibc("0 */2 * * *", "America/St_Johns", 1988, 0x555555,
                        0); // two hours of daylight saving
    check_against_glibc("45 */3 * * *", "Africa/Casablanca", 2026, 0x249249, 45);
    static const char *const zones[] = {"Europe/Vienna", "America/New_York",    "America/Santiago",
                                        "Africa/Cairo",  "Australia/Lord_Howe", "Africa/Casablanca",
                                        "Asia/Tehran"};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        for (int hour = 0; hour < 4; hour++)
            check_once_a_day(zones[i], hour);
    check_ends();
    return tap_done();
}
