// SPDX-License-Identifier: MIT
// farm-models: writes the networks of zoo.h as .tflite files.
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "models/zoo.h"

#define MAX_FILE_BYTES (32u << 20)

static const char help[] =
    "usage: farm-models NAME -o FILE [--seed N]   write one network\n"
    "       farm-models --all DIR [--seed N]      write all of them, as DIR/NAME.tflite\n"
    "       farm-models --list                    name them\n"
    "\n"
    "Writes int8 TensorFlow Lite files to try the farm with: the layers of known networks, with\n"
    "weights drawn from a seed instead of trained. RAM, latency and flash are those of the real\n"
    "network, and every layer carries a live signal, so that a wrong byte anywhere shows in the\n"
    "output; but what the network answers means nothing.\n"
    "\n"
    "  -o FILE    where to write; - is standard output\n"
    "  --seed N   0 to 2^64-1, default 1. The same name and seed give the same bytes everywhere\n"
    "\n"
    "Names ending in _chain are the convolutions alone, without residuals and classifier.\n"
    "\n"
    "example: farm-models tiny_mbv2 -o tiny.tflite && farm submit tiny.tflite --watch\n";

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
    va_list ap;
    fputs("farm-models: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputs("; see farm-models --help\n", stderr);
    return 2;
}

static int list_models(void)
{
    printf("%-23s %11s %4s %9s %8s\n", "NAME", "INPUT", "OPS", "MACS", "WEIGHTS");
    for (size_t i = 0; i < zoo_count(); i++) {
        struct zoo_info info;
        struct err e = {0};
        if (zoo_describe(zoo_at(i)->name, &info, &e) != 0) {
            fprintf(stderr, "farm-models: %s\n", e.msg);
            return 1;
        }
        printf("%-23s %3dx%3dx%-3d %4d %9" PRIu64 " %8zu  %s\n", zoo_at(i)->name, info.h, info.w,
               info.c, info.operators, info.macs, info.weight_bytes, zoo_at(i)->summary);
    }
    return 0;
}

static bool write_stream(const struct buf *bytes, FILE *f)
{
    return fwrite(bytes->data, 1, bytes->len, f) == bytes->len && fflush(f) == 0;
}

// A file is written beside its name first, so that nobody reads half of it; a device or pipe is
// written to as it is.
static int save(const struct buf *bytes, const char *path, struct err *e)
{
    struct buf part;
    struct stat st;
    if (strcmp(path, "-") == 0) {
        if (!write_stream(bytes, stdout))
            return err_set(e, ERR_IO, "standard output: %s", strerror(errno));
        return 0;
    }
    bool in_place = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    buf_init(&part, 4096);
    buf_printf(&part, "%s%s", path, in_place ? "" : ".part");
    FILE *f = part.failed ? NULL : fopen(buf_str(&part), "wb");
    bool opened = f != NULL, done = opened && write_stream(bytes, f);
    if (f && fclose(f) != 0)
        done = false;
    if (done && !in_place)
        done = rename(buf_str(&part), path) == 0;
    if (!done) {
        err_set(e, ERR_IO, "%s: %s", path, part.failed ? "the path is too long" : strerror(errno));
        if (opened && !in_place)
            unlink(buf_str(&part));
    }
    buf_free(&part);
    return done ? 0 : -1;
}

static int write_model(const char *name, uint64_t seed, const char *path)
{
    struct err e = {0};
    struct buf bytes;
    buf_init(&bytes, MAX_FILE_BYTES);
    int rc = zoo_write(name, seed, &bytes, &e);
    if (rc == 0)
        rc = save(&bytes, path, &e);
    if (rc != 0)
        fprintf(stderr, "farm-models: %s\n", e.msg);
    buf_free(&bytes);
    return rc == 0 ? 0 : 1;
}

static int write_all(const char *dir, uint64_t seed)
{
    int rc = 0;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "farm-models: %s: %s\n", dir, strerror(errno));
        return 1;
    }
    for (size_t i = 0; rc == 0 && i < zoo_count(); i++) {
        struct buf path;
        buf_init(&path, 4096);
        buf_printf(&path, "%s/%s.tflite", dir, zoo_at(i)->name);
        rc = write_model(zoo_at(i)->name, seed, buf_str(&path));
        buf_free(&path);
    }
    return rc;
}

static bool parse_seed(const char *text, uint64_t *seed)
{
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    return !errno && end != text && !*end && !strchr(text, '-');
}

int main(int argc, char **argv)
{
    const char *name = NULL, *file = NULL, *dir = NULL;
    uint64_t seed = ZOO_DEFAULT_SEED;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (strcmp(arg, "--list") == 0)
            return list_models();
        if (strcmp(arg, "-o") == 0 || strcmp(arg, "--all") == 0 || strcmp(arg, "--seed") == 0) {
            const char *value = argv[++i];
            if (!value)
                return complain("%s needs a value", arg);
            if (arg[1] == 'o')
                file = value;
            else if (arg[2] == 'a')
                dir = value;
            else if (!parse_seed(value, &seed))
                return complain("'%s' is not a seed (0 to 2^64-1)", value);
        } else if (arg[0] == '-' || name) {
            return complain("unexpected argument '%s'", arg);
        } else {
            name = arg;
        }
    }
    if (dir && !name && !file)
        return write_all(dir, seed);
    if (!dir && name && file)
        return write_model(name, seed, file);
    if (name && !dir)
        return complain("where to write '%s'? Give -o FILE", name);
    return complain("give either NAME -o FILE or --all DIR");
}
