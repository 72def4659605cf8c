// SPDX-License-Identifier: MIT
// See board.h.
#include "server/board.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "server/json_in.h"

static int board_compare(const void *a, const void *b)
{
    return strcmp(((const struct board *)a)->id, ((const struct board *)b)->id);
}

static int board_load(const char *dir, const char *id, struct boards *out, struct err *e)
{
    char path[4096];
    struct problem p = {0};
    struct buf text;
    buf_init(&text, 256u << 10);
    int bad = -1;
    if (snprintf(path, sizeof path, "%s/%s/board.json", dir, id) >= (int)sizeof path) {
        err_set(e, ERR_IO, "%.60s...: the path is too long", dir);
        goto out;
    }
    if (buf_read_file(&text, path)) {
        // A folder without board.json (notes, half a port) is not a board.
        bad = errno == ENOENT || errno == ENOTDIR
                  ? 0
                  : err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
        goto out;
    }
    if (out->n == BOARD_MAX) {
        err_set(e, ERR_IO, "%s: more than %d boards", dir, BOARD_MAX);
        goto out;
    }
    struct board *b = &out->at[out->n];
    if (json_in_board(buf_str(&text), text.len, b, &p)) {
        err_set(e, ERR_IO, "%s: %s%s%s", path, p.field, p.field[0] ? ": " : "", p.err.msg);
        goto out;
    }
    if (strcmp(b->id, id) != 0) {
        err_set(e, ERR_IO, "%s: id is \"%s\", but the folder is \"%s\"", path, b->id, id);
        goto out;
    }
    out->n++;
    bad = 0;
out:
    buf_free(&text);
    return bad;
}

int boards_load(const char *dir, struct boards *out, struct err *e)
{
    out->n = 0;
    int bad = 0;
    DIR *d = opendir(dir);
    if (!d)
        return err_set(e, ERR_IO, "%s: %s; --boards names the folder of the boards", dir,
                       strerror(errno));
    for (struct dirent *entry; !bad && (entry = readdir(d));) {
        if (entry->d_name[0] != '.')
            bad = board_load(dir, entry->d_name, out, e);
    }
    closedir(d);
    qsort(out->at, out->n, sizeof *out->at, board_compare);
    return bad;
}

const struct board *boards_find(const struct boards *b, const char *id)
{
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->at[i].id, id) == 0)
            return &b->at[i];
    }
    return NULL;
}

uint64_t boards_bit(const struct boards *b, const char *id)
{
    const struct board *found = boards_find(b, id);
    return found ? UINT64_C(1) << (found - b->at) : 0;
}

int board_fits(const struct board *b, const struct config *c, size_t program_bytes, struct err *e)
{
    uint64_t need = (uint64_t)c->arena_bytes + c->outside_bytes + b->arena_overhead_bytes;
    if (need > b->arena_max_bytes)
        return err_set(
            e, ERR_NO_FIT,
            "%s: \"%.120s\" needs %llu bytes of RAM, %llu more than the %u that there are", b->id,
            c->spec, (unsigned long long)need, (unsigned long long)(need - b->arena_max_bytes),
            b->arena_max_bytes);
    if (program_bytes > b->program_max_bytes)
        return err_set(
            e, ERR_NO_FIT,
            "%s: the program of \"%.120s\" has %zu bytes, %zu more than the %u of its flash", b->id,
            c->spec, program_bytes, program_bytes - b->program_max_bytes, b->program_max_bytes);
    return 0;
}

double board_predict_ms(const struct board *b, const struct planner *p, const char *spec)
{
    double cycles = 0;
    if (!b->has_latency || b->clock_hz == 0 ||
        planner_predict_cycles(p, spec, &b->latency, &cycles, NULL))
        return -1;
    return cycles / (double)b->clock_hz * 1000;
}
