// SPDX-License-Identifier: MIT
// Replays a fuzzer's corpus without libFuzzer, as a TAP test: fz_NAME [FILE...]; without files,
// every file of tests/fuzz/corpus/NAME, each also cut short at several lengths. A crash is the
// failure. To search for new inputs:
//   clang -g -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz/fz_NAME.c SOURCES...
//   && ./a.out corpus
#include <dirent.h>
#include <stdint.h>

#include "common/buf.h"
#include "tests/tap.h"

#define MAX_INPUT_BYTES (64u << 20)
#define CUTS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Runs one input in memory of exactly its size, so that a sanitizer sees the first byte read beyond
// it.
static int run_exactly(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return -1;
    if (size)
        memcpy(copy, data, size);
    int rc = LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return rc;
}

static void replay(const char *path)
{
    struct buf b;
    buf_init(&b, MAX_INPUT_BYTES);
    if (buf_read_file(&b, path)) {
        OKF(false, "%s can be read", path);
    } else {
        int rc = run_exactly(b.data, b.len);
        for (size_t i = 0; i < CUTS && b.len > CUTS && rc == 0; i++)
            rc = run_exactly(b.data, b.len * i / CUTS);
        OKF(rc == 0, "%s (%zu bytes)", path, b.len);
    }
    buf_free(&b);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_folder(const char *name)
{
    char folder[512];
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, alphasort);
    OKF(n > 0, "%s has inputs (%d)", folder, n);
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        replay(path);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 1; i < argc; i++)
            replay(argv[i]);
    } else {
        const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
        replay_folder(strncmp(name, "fz_", 3) == 0 ? name + 3 : name);
    }
    return tap_done();
}
