// SPDX-License-Identifier: MIT
// See config.h.
#include "server/planner/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA "arena:"
#define OUTPUT_OUTSIDE "output:outside"

// A decimal number of at most 6 digits; -1 when there is none.
static int take_number(const char **p)
{
    int n = 0, digits = 0;
    for (; isdigit((unsigned char)**p) && digits < 6; digits++)
        n = n * 10 + *(*p)++ - '0';
    return digits ? n : -1;
}

// A word of letters at *p.
static bool take_word(const char **p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*p, word, n) != 0)
        return false;
    *p += n;
    return true;
}

// "colsR", "groupsG", "groupsGxR" or "groupsGxRxC"; R rows a band, G channels and C columns of the band
// at a time.
static bool take_cell_schedule(const char **p, struct config_block *b)
{
    b->axis = FUSION_COLS;
    if (take_word(p, "cols"))
        return (b->band_rows = take_number(p)) >= 1;
    if (!take_word(p, "groups") || (b->group = take_number(p)) < 1)
        return false;
    if (take_word(p, "x") && (b->band_rows = take_number(p)) < 1)
        return false;
    return !b->band_rows || !take_word(p, "x") || (b->strip = take_number(p)) >= 1;
}

static bool take_layers(const char **p, struct config_block *b)
{
    b->first = b->last = take_number(p);
    if (b->first >= 0 && take_word(p, "-"))
        b->last = take_number(p);
    return b->first >= 0 && b->last >= 0 && take_word(p, ":");
}

// "(first-last:schedule,...)" over the layers of block b; into b and the entries behind it, one a
// layer at most.
static bool take_cells(const char **p, struct config_block *b)
{
    const int first = b->first, last = b->last;
    int n = 0, expect = first;
    do {
        if (expect > last)
            return false;
        b[n] = (struct config_block){0};
        if (!take_layers(p, &b[n]) || b[n].first != expect || b[n].last < b[n].first ||
            b[n].last > last || !take_cell_schedule(p, &b[n]))
            return false;
        expect = b[n++].last + 1;
    } while (take_word(p, ","));
    for (int i = 0; i < n; i++)
        b[i].cells = n - i;
    return expect == last + 1 && take_word(p, ")");
}

// All but "plain", into b and, for cells, the entries behind it.
static bool take_schedule(const char **p, struct config_block *b)
{
    if (take_word(p, "rows"))
        return true;
    if (take_word(p, "cells("))
        return take_cells(p, b);
    if (take_word(p, "patch")) {
        b->axis = FUSION_PATCH;
        return (b->band_rows = take_number(p)) >= 1;
    }
    if (!take_cell_schedule(p, b))
        return false;
    b->cells = b->group != 0;
    return true;
}

int config_entries(const struct config_block *b)
{
    return b->cells ? b->cells : 1;
}

int config_last(const struct config_block *b)
{
    return b[config_entries(b) - 1].last;
}

int config_parse(const char *text, int n_layers, struct config_block *blocks, int *n_blocks,
                 struct err *e)
{
    const char *p = text;
    int expect = 0;
    *n_blocks = 0;
    while (expect < n_layers) {
        const char *start = p;
        struct config_block *b = &blocks[*n_blocks];
        *b = (struct config_block){.axis = FUSION_ROWS};
        if (!take_layers(&p, b))
            return err_set(
                e, ERR_BAD_FIELD,
                "spec: at character %td, expected \"first-last:schedule\" for layer %d of %d",
                start - text, expect, n_layers);
        const int first = b->first, last = b->last;
        if (first != expect || last < first || last >= n_layers)
            return err_set(e, ERR_BAD_FIELD,
                           "spec: block %d-%d at character %td, expected one that begins with "
                           "layer %d and ends by %d",
                           first, last, start - text, expect, n_layers - 1);
        bool plain = take_word(&p, "plain");
        if ((!plain && !take_schedule(&p, b)) || (*p != ' ' && *p != '\0'))
            return err_set(e, ERR_BAD_FIELD,
                           "spec: block %d-%d: expected plain, rows, colsR with R >= 1, patchN "
                           "with N >= 1, groupsG, groupsGxR or groupsGxRxC with G, R, C >= 1, "
                           "or cells(first-last:colsR,...) over the block's layers",
                           first, last);
        while (*p == ' ')
            p++;
        expect = last + 1;
        if (!plain)
            *n_blocks += config_entries(b);
        for (int i = first; plain && i <= last; i++)
            blocks[(*n_blocks)++] =
                (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
    }
    if (take_word(&p, ARENA) && (take_number(&p) < 1 || (*p != ' ' && *p != '\0')))
        return err_set(e, ERR_BAD_FIELD, "spec: expected bytes, 1 to 999999, behind \"" ARENA "\"");
    while (*p == ' ')
        p++;
    take_word(&p, OUTPUT_OUTSIDE);
    if (*p)
        return err_set(e, ERR_BAD_FIELD, "spec: text after the last layer, at character %td",
                       p - text);
    return 0;
}

struct config_options config_options(const char *text)
{
    const size_t n = strlen(text), m = strlen(OUTPUT_OUTSIDE);
    const char *arena = strstr(text, " " ARENA);
    return (struct config_options){
        .spend = arena ? (uint32_t)strtoul(arena + sizeof ARENA, NULL, 10) : 0,
        .output_outside = n > m && strcmp(text + n - m, OUTPUT_OUTSIDE) == 0};
}

// Appends to text of `size` bytes. False: it does not fit; text is then cut short.
__attribute__((format(printf, 3, 4))) static bool add_text(char *text, size_t size,
                                                           const char *format, ...)
{
    size_t n = strlen(text);
    va_list ap;
    va_start(ap, format);
    int m = vsnprintf(text + n, size - n, format, ap);
    va_end(ap);
    return m >= 0 && (size_t)m < size - n;
}

static bool add_layers(char *text, size_t size, int first, int last)
{
    return first == last ? add_text(text, size, "%d:", first)
                         : add_text(text, size, "%d-%d:", first, last);
}

static bool add_cell_schedule(char *text, size_t size, const struct config_block *b)
{
    if (!b->group)
        return add_text(text, size, "cols%d", b->band_rows);
    return add_text(text, size, "groups%d", b->group) &&
           (!b->band_rows || add_text(text, size, "x%d", b->band_rows)) &&
           (!b->strip || add_text(text, size, "x%d", b->strip));
}

static bool add_schedule(char *text, size_t size, const struct config_block *b)
{
    if (b->axis == FUSION_ROWS)
        return add_text(text, size, "%s", b->first == b->last ? "plain" : "rows");
    if (b->axis == FUSION_PATCH)
        return add_text(text, size, "patch%d", b->band_rows);
    if (!b->cells || (b->cells == 1 && b->group))
        return add_cell_schedule(text, size, b);
    for (int i = 0; i < b->cells; i++) {
        if (!add_text(text, size, "%s", i ? "," : "cells(") ||
            !add_layers(text, size, b[i].first, b[i].last) || !add_cell_schedule(text, size, &b[i]))
            return false;
    }
    return add_text(text, size, ")");
}

void config_schedule(const struct config_block *b, char text[CONFIG_MAX_SCHEDULE])
{
    text[0] = '\0';
    add_schedule(text, CONFIG_MAX_SCHEDULE, b);
}

static bool is_plain(const struct config_block *b)
{
    return b->axis == FUSION_ROWS && b->first == b->last;
}

int config_format(const struct config_block *blocks, int n_blocks,
                  const struct config_options *options, char *text, size_t size, struct err *e)
{
    bool fits = true;
    text[0] = '\0';
    for (int i = 0; i < n_blocks && fits; i += config_entries(&blocks[i])) {
        const struct config_block *b = &blocks[i];
        int last = config_last(b);
        while (is_plain(b) && i + 1 < n_blocks && is_plain(&blocks[i + 1]))
            last = blocks[++i].last;
        fits = add_text(text, size, "%s", b == blocks ? "" : " ") &&
               add_layers(text, size, b->first, last) && add_schedule(text, size, b);
    }
    if (!fits || (options->spend && !add_text(text, size, " " ARENA "%" PRIu32, options->spend)) ||
        (options->output_outside && !add_text(text, size, " " OUTPUT_OUTSIDE)))
        return err_set(e, ERR_TOO_LARGE, "the configuration's text is longer than %zu bytes",
                       size - 1);
    return 0;
}

struct cell config_cell(const struct config_block *b)
{
    return (struct cell){b->first, b->last, b->band_rows, b->group, b->strip};
}

static int fill_cells(const struct config_block *b, uint32_t limit, struct cells *c, struct err *e)
{
    struct cell *cells = calloc((size_t)b->cells, sizeof *cells);
    if (!cells)
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for %d cells", b->cells);
    for (int i = 0; i < b->cells; i++)
        cells[i] = config_cell(&b[i]);
    int rc = cells_fill(c, cells, b->cells, limit, e);
    free(cells);
    return rc;
}

int config_cells_fill(struct fusion *f, const struct config_block *b, uint32_t arena_bytes,
                      struct cells *c, struct err *e)
{
    if (cells_open(c, f, e))
        return -1;
    if (fill_cells(b, arena_bytes, c, e)) {
        cells_close(c);
        return -1;
    }
    return 0;
}

static int cost_of_cells(struct fusion *f, const struct config_block *b, uint32_t limit,
                         struct err *e)
{
    struct cells c;
    if (config_cells_fill(f, b, limit, &c, e))
        return -1;
    cells_close(&c);
    return 0;
}

int config_block_fill(struct fusion *f, const struct config_block *b, uint32_t arena_bytes,
                      struct err *e)
{
    return b->cells
               ? cost_of_cells(f, b, arena_bytes, e)
               : fusion_block_fill(f, b->first, b->last, b->axis, b->band_rows, arena_bytes, e);
}

// The largest block where each may take `limit` bytes for chunks.
static int largest_block(struct fusion *f, const struct config_block *blocks, int n, uint32_t limit,
                         uint32_t *bytes, struct err *e)
{
    *bytes = 0;
    for (int i = 0; i < n; i += config_entries(&blocks[i])) {
        if (config_block_fill(f, &blocks[i], limit, e))
            return -1;
        if (f->cost.arena_bytes > *bytes)
            *bytes = f->cost.arena_bytes;
    }
    return 0;
}

// What a block takes within f->spend it takes within the arena that comes out, too: chunks that do not
// fit the one do not fit the other.
int config_arena(struct fusion *f, const struct config_block *blocks, int n, uint32_t *arena_bytes,
                 struct err *e)
{
    if (largest_block(f, blocks, n, 0, arena_bytes, e))
        return -1;
    return f->spend > *arena_bytes ? largest_block(f, blocks, n, f->spend, arena_bytes, e) : 0;
}
