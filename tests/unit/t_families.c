// SPDX-License-Identifier: MIT
// The cuts into cells that the front tries: of a block of two inverted residuals each family once, and no other.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "server/planner/families.h"

#define MAX_LISTS 64

struct lists {
    int n;
    char text[MAX_LISTS][64]; // "first-last:rows ..."
};

static int add_list(void *ctx, const struct cell *cells, int n)
{
    struct lists *l = ctx;
    char *text = l->text[l->n];
    size_t len = 0;
    for (int i = 0; i < n && len < sizeof l->text[0]; i++)
        len += (size_t)snprintf(text + len, sizeof l->text[0] - len, "%s%d-%d:%d", i ? " " : "",
                                cells[i].first, cells[i].last, cells[i].band_rows);
    return ++l->n == MAX_LISTS;
}

static int times(const struct lists *l, const char *text)
{
    int n = 0;
    for (int i = 0; i < l->n; i++)
        n += strcmp(l->text[i], text) == 0;
    return n;
}

static void add_unit(struct netgen *n, int expanded, int out_c)
{
    const int in = netgen_top(n);
    netgen_pointwise(n, LAYER_CONV, in, -1, expanded);
    netgen_layer(n,
                 (struct layer){.op = LAYER_DWCONV,
                                .kh = 3,
                                .kw = 3,
                                .pad_top = 1,
                                .pad_left = 1,
                                .out_h = 16,
                                .out_w = 16,
                                .out_c = expanded},
                 in + 1, -1);
    netgen_pointwise(n, LAYER_CONV, in + 2, -1, out_c);
}

int main(void)
{
    static const char *const by_rows[] = {"0-2:%d 3-5:%d", "0-0:1 1-2:1 3-5:%d", "0-5:%d"};
    struct netgen n;
    struct families u;
    struct err e = {0};
    struct lists l = {0};
    netgen_begin(&n, 1);
    n.tensors[0] = (struct tensor){16, 16, 4, 0, 0.1f, -1, 0};
    n.g.n_tensors = 1;
    add_unit(&n, 8, 4);
    add_unit(&n, 16, 4); // the larger ring: cut where the smaller one is, or not
    n.g.output = netgen_top(&n);
    if (OK(families_open(&u, &n.g, &e) == 0)) {
        EQ_INT(families_of_block(&u, 0, 5, add_list, &l), 0);
        EQ_INT(l.n, 13);
        EQ_INT(times(&l, "0-0:1 1-2:1 3-3:1 4-5:1"),
               1); // whatever the rows of the rest, of which there is none
        for (int k = 0; k < 3; k++) {
            for (int rows = 1; rows <= 4; rows++) {
                char text[64];
                snprintf(text, sizeof text, by_rows[k], rows, rows);
                OKF(times(&l, text) == 1, "once: %s", text);
            }
        }
        EQ_INT(families_of_block(&u, 1, 5, add_list, &l), 0); // begins inside a unit
        EQ_INT(l.n, 13);
        families_close(&u);
    }
    netgen_free(&n);
    return tap_done();
}
