// SPDX-License-Identifier: MIT
// A cron expression, or a zone's name, from a stranger. An expression that is accepted must have slots, and next and
// previous slot must agree on them, in a zone with every kind of change of the clock. Byte 0 chooses: odd, a zone's name.
#include "server/nightly/cron.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t begin_ms = INT64_C(1774700000000); // a day before Lord Howe's winter of 2026

static void check_slots(const struct cron *c, const struct cron_zone *z)
{
    int64_t last = -1;
    int64_t t = begin_ms;
    for (int i = 0; i < 4; i++) {
        t = cron_next(c, z, t);
        if (t <= begin_ms || t <= last || t % 60000 != 0)
            abort();
        if (cron_prev(c, z, t) != t || (last >= 0 && cron_prev(c, z, t - 1) != last))
            abort();
        last = t;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cron_zone *lord_howe;
    if (!lord_howe && !(lord_howe = cron_zone_open("Australia/Lord_Howe", NULL)))
        return 0; // no time zone database here
    if (size == 0)
        return 0;
    char *text = malloc(size); // exact, so that the sanitizer sees one byte too many
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct err e = {0};
    struct cron c;
    if (data[0] & 1) {
        struct cron_zone *z = cron_zone_open(text, &e);
        if (!z && e.code != ERR_BAD_FIELD && e.code != ERR_NO_MEMORY)
            abort();
        cron_zone_close(z);
    } else if (cron_parse(&c, text, &e) == 0) {
        check_slots(&c, lord_howe);
    } else if (e.code != ERR_BAD_FIELD || !e.msg[0]) {
        abort();
    }
    free(text);
    return 0;
}
