// SPDX-License-Identifier: MIT
// Text tables for a terminal.
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_TABLE_BYTES (64u << 20)

void table_init(struct table *t)
{
    *t = (struct table){0};
    buf_init(&t->cells, MAX_TABLE_BYTES);
}

void table_free(struct table *t)
{
    buf_free(&t->cells);
}

// Characters of UTF-8 text: all bytes but the continuations.
static size_t count_chars(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void table_column(struct table *t, const char *header, bool right)
{
    if (t->n_columns == TABLE_MAX_COLUMNS)
        return;
    t->header[t->n_columns] = header;
    t->right[t->n_columns] = right;
    t->width[t->n_columns] = count_chars(header);
    t->n_columns++;
}

void text_clean(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        // C1 controls are U+0080..U+009F, in UTF-8 C2 80..C2 9F: some terminals obey them too.
        if (c == 0xC2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] <= 0x9F) {
            buf_puts(out, "?");
            text++;
        } else {
            buf_add(out, c < 0x20 || c == 0x7F ? "?" : text, 1);
        }
    }
}

void table_cell(struct table *t, const char *text)
{
    if (t->n_columns == 0)
        return;
    size_t start = t->cells.len, column = t->n_cells % t->n_columns;
    text_clean(&t->cells, text);
    buf_zero(&t->cells, 1);
    if (t->cells.failed)
        return;
    t->n_cells++;
    size_t n = count_chars((const char *)t->cells.data + start);
    if (n > t->width[column])
        t->width[column] = n;
}

void table_cell_printf(struct table *t, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    table_cell(t, text);
}

static void render_row(const struct table *t, struct buf *out, const char *const *row)
{
    size_t pending = 0; // blanks owed before the next text, so that no line ends with them
    for (size_t i = 0; i < t->n_columns; i++) {
        size_t pad = t->width[i] - count_chars(row[i]);
        if (t->right[i])
            pending += pad;
        if (*row[i]) {
            buf_printf(out, "%*s", (int)pending, "");
            pending = 0;
            buf_puts(out, row[i]);
        }
        if (!t->right[i])
            pending += pad;
        pending += 2;
    }
    buf_puts(out, "\n");
}

void table_render(const struct table *t, struct buf *out)
{
    const char *row[TABLE_MAX_COLUMNS];
    render_row(t, out, t->header);
    const char *text = (const char *)t->cells.data;
    for (size_t i = 0; i < t->n_cells; i++) {
        row[i % t->n_columns] = text;
        text += strlen(text) + 1;
        if ((i + 1) % t->n_columns == 0)
            render_row(t, out, row);
    }
}
