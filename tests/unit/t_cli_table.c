// SPDX-License-Identifier: MIT
// Text tables: widths, alignment, what a terminal must not see.
#include "cli/table.h"

#include "tests/tap.h"

static void test_alignment(void)
{
    struct table t;
    struct buf out;
    buf_init(&out, 4096);
    table_init(&t);
    table_column(&t, "n", true);
    table_column(&t, "name", false);
    table_column(&t, "last", false);
    const char *cells[] = {"1", "x", "a", "12345", "longer", "", "7", "", "b"};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        table_cell(&t, cells[i]);
    table_cell(&t, "half");
    table_render(&t, &out);
    EQ_STR(buf_str(&out), "    n  name    last\n"
                          "    1  x       a\n"
                          "12345  longer\n"
                          "    7          b\n");
    table_free(&t);
    buf_free(&out);
}

static void test_characters(void)
{
    struct table t;
    struct buf out;
    buf_init(&out, 4096);
    table_init(&t);
    table_column(&t, "name", false);
    table_column(&t, "n", true);
    table_cell(&t, "z\xC3\xBCrich"); // six characters in seven bytes
    table_cell(&t, "1");
    table_cell(&t, "abcdef");
    table_cell(&t, "2");
    table_render(&t, &out);
    EQ_STR(buf_str(&out), "name    n\nz\xC3\xBCrich  1\nabcdef  2\n");
    table_free(&t);

    buf_reset(&out);
    text_clean(&out, "\x1b[31mred\x7f\r\n\tb\xC2\x9B"
                     "c");
    EQ_STR(buf_str(&out), "?[31mred????b?c");
    buf_free(&out);
}

static void test_limits(void)
{
    struct table t;
    struct buf out;
    buf_init(&out, 4096);
    table_init(&t);
    table_cell(&t, "no column yet");
    EQ_INT(t.n_cells, 0);
    for (int i = 0; i < TABLE_MAX_COLUMNS + 3; i++)
        table_column(&t, "c", false);
    EQ_INT(t.n_columns, TABLE_MAX_COLUMNS);
    table_cell_printf(&t, "%0400d", 1);
    EQ_INT(t.width[0], 255);
    table_render(&t, &out);
    const char *end = strchr(buf_str(&out), '\n');
    OK(end && end[1] == '\0'); // the header, and no row
    table_free(&t);
    buf_free(&out);
}

int main(void)
{
    test_alignment();
    test_characters();
    test_limits();
    return tap_done();
}
