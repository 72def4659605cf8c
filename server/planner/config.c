// SPDX-License-Identifier: MIT
// See config.h.
#include "server/planner/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// "rows", "colsR" or "patchN".
static bool take_schedule(const char **p, struct config_block *b)
{
    if (take_word(p, "rows"))
        return true;
    b->axis = take_word(p, "cols") ? FUSION_COLS : FUSION_PATCH;
    if (b->axis == FUSION_PATCH && !take_word(p, "patch"))
        return false;
    b->band_rows = take_number(p);
    return b->band_rows >= 1;
}

int config_parse(const char *text, int n_layers, struct config_block *blocks, int *n_blocks,
                 struct err *e)
{
    const char *p = text;
    int expect = 0;
    *n_blocks = 0;
    while (expect < n_layers) {
        const char *start = p;
        struct config_block b = {.axis = FUSION_ROWS};
        b.first = b.last = take_number(&p);
        if (b.first >= 0 && *p == '-') {
            p++;
            b.last = take_number(&p);
        }
        if (b.first < 0 || b.last < 0 || *p != ':')
            return err_set(
                e, ERR_BAD_FIELD,
                "spec: at character %td, expected \"first-last:schedule\" for layer %d of %d",
                start - text, expect, n_layers);
        p++;
        if (b.first != expect || b.last < b.first || b.last >= n_layers)
            return err_set(e, ERR_BAD_FIELD,
                           "spec: block %d-%d at character %td, expected one that begins with "
                           "layer %d and ends by %d",
                           b.first, b.last, start - text, expect, n_layers - 1);
        bool plain = take_word(&p, "plain");
        if ((!plain && !take_schedule(&p, &b)) || (*p != ' ' && *p != '\0'))
            return err_set(e, ERR_BAD_FIELD,
                           "spec: block %d-%d: expected plain, rows, colsR with R >= 1 or patchN "
                           "with N >= 1",
                           b.first, b.last);
        while (*p == ' ')
            p++;
        expect = b.last + 1;
        if (!plain) {
            blocks[(*n_blocks)++] = b;
            continue;
        }
        for (int i = b.first; i <= b.last; i++)
            blocks[(*n_blocks)++] = (struct config_block){i, i, FUSION_ROWS, 0};
    }
    if (*p)
        return err_set(e, ERR_BAD_FIELD, "spec: text after the last layer, at character %td",
                       p - text);
    return 0;
}

void config_schedule(const struct config_block *b, char text[CONFIG_MAX_SCHEDULE])
{
    if (b->axis == FUSION_ROWS)
        snprintf(text, CONFIG_MAX_SCHEDULE, "%s", b->first == b->last ? "plain" : "rows");
    else
        snprintf(text, CONFIG_MAX_SCHEDULE, "%s%d", b->axis == FUSION_COLS ? "cols" : "patch",
                 b->band_rows);
}

int config_format(const struct config_block *blocks, int n_blocks, char *text, size_t size,
                  struct err *e)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < n_blocks; i++) {
        const struct config_block *b = &blocks[i];
        char schedule[CONFIG_MAX_SCHEDULE];
        int first = b->first, last = b->last;
        config_schedule(b, schedule);
        bool plain = first == last;
        while (plain && i + 1 < n_blocks && blocks[i + 1].first == blocks[i + 1].last)
            last = blocks[++i].last;
        int m =
            first == last
                ? snprintf(text + n, size - n, "%s%d:%s", n ? " " : "", first, schedule)
                : snprintf(text + n, size - n, "%s%d-%d:%s", n ? " " : "", first, last, schedule);
        if (m < 0 || (size_t)m >= size - n)
            return err_set(e, ERR_TOO_LARGE, "the configuration's text is longer than %zu bytes",
                           size - 1);
        n += (size_t)m;
    }
    return 0;
}

int config_arena(struct fusion *f, const struct config_block *blocks, int n, uint32_t *arena_bytes,
                 struct err *e)
{
    *arena_bytes = 0;
    for (int i = 0; i < n; i++) {
        if (fusion_block_layout(f, blocks[i].first, blocks[i].last, blocks[i].axis,
                                blocks[i].band_rows, e))
            return -1;
        if (f->cost.arena_bytes > *arena_bytes)
            *arena_bytes = f->cost.arena_bytes;
    }
    return 0;
}

int config_block_fill(struct fusion *f, const struct config_block *b, uint32_t arena_bytes,
                      struct err *e)
{
    return fusion_block_fill(f, b->first, b->last, b->axis, b->band_rows, arena_bytes, e);
}
