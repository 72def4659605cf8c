// SPDX-License-Identifier: MIT
// TAP for unit tests: one process a subject, run by prove. main() ends with: return tap_done();
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5))) static inline bool tap_ok(bool ok, const char *file, int line,
                                                                const char *fmt, ...)
{
    if (tap_count == 0)
        setvbuf(stdout, NULL, _IOLBF, 0); // a crash must not swallow the lines before it
    tap_count++;
    printf("%sok %d - ", ok ? "" : "not ", tap_count);
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    if (!ok) {
        tap_failed++;
        printf("#   at %s:%d\n", file, line);
    }
    return ok;
}

#define OK(cond) tap_ok((cond), __FILE__, __LINE__, "%s", #cond)
#define OKF(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)
#define EQ_INT(a, b)                                                                               \
    do {                                                                                           \
        long long eq_a = (long long)(a), eq_b = (long long)(b);                                    \
        if (!tap_ok(eq_a == eq_b, __FILE__, __LINE__, "%s == %s", #a, #b))                         \
            printf("#   got %lld, want %lld\n", eq_a, eq_b);                                       \
    } while (0)
#define EQ_STR(a, b)                                                                               \
    do {                                                                                           \
        const char *eq_a = (a), *eq_b = (b);                                                       \
        if (!tap_ok(eq_a && eq_b && strcmp(eq_a, eq_b) == 0, __FILE__, __LINE__, "%s == %s", #a,   \
                    #b))                                                                           \
            printf("#   got \"%s\", want \"%s\"\n", eq_a ? eq_a : "(null)",                        \
                   eq_b ? eq_b : "(null)");                                                        \
    } while (0)
#define SKIP(what, why) printf("ok %d - %s # SKIP %s\n", ++tap_count, what, why)

static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}

// Folder of the optional test models ("../shared/models", or $FARM_MODELS); NULL when it is
// missing.
static inline const char *tap_models(void)
{
    const char *dir = getenv("FARM_MODELS");
    if (!dir)
        dir = "../shared/models";
    char path[512];
    snprintf(path, sizeof path, "%s/MANIFEST.json", dir);
    FILE *f = fopen(path, "r");
    if (f)
        fclose(f);
    return f ? dir : NULL;
}

#endif
