// SPDX-License-Identifier: MIT
// Text tables for a terminal: columns as wide as their widest cell, two blanks between them,
// numbers to the right.
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define TABLE_MAX_COLUMNS 16

struct table {
    size_t n_columns;
    const char *header[TABLE_MAX_COLUMNS]; // borrowed
    bool right[TABLE_MAX_COLUMNS];         // align right
    size_t width[TABLE_MAX_COLUMNS];       // of the widest cell so far, in characters
    struct buf cells;                      // NUL-terminated texts, row by row
    size_t n_cells;
};

void table_init(struct table *t);
void table_free(struct table *t);
// Columns come before the first cell; one beyond TABLE_MAX_COLUMNS is ignored.
void table_column(struct table *t, const char *header, bool right);
// The next cell, left to right, row after row. Control characters become '?': the text may be a
// stranger's.
void table_cell(struct table *t, const char *text);
// A cell of table_cell_printf is cut at 255 bytes; table_cell takes any length.
void table_cell_printf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Header and rows, one line each, no blanks at their ends. An unfinished last row is left out.
void table_render(const struct table *t, struct buf *out);

// Writes text with control characters as '?' (a model's name must not drive the terminal).
void text_clean(struct buf *out, const char *text);

#endif
