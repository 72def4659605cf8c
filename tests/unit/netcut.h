// SPDX-License-Identifier: MIT
// Random configurations of random networks (netgen.h), for property tests.
#ifndef TESTS_NETCUT_H
#define TESTS_NETCUT_H

#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "tests/unit/netgen.h"

// Cuts layers first..last into cells of random length, bands, groups and strips; the number of cells, or 0
// where they cannot run.
static inline int netcut_cells(struct netgen *n, struct fusion *f, int first, int last,
                               struct config_block *b)
{
    int count = 0;
    uint32_t arena;
    struct err ignored = {0};
    for (int i = first; i <= last; count++) {
        int end = i + netgen_pick(n, 0, netgen_pick(n, 0, 3) ? 3 : 8);
        end = end < last ? end : last;
        b[count] = (struct config_block){
            .first = i, .last = end, .axis = FUSION_COLS, .band_rows = netgen_pick(n, 1, 4)};
        const struct cell groups = {.first = i, .last = end, .group = 1};
        if (end > i + 1 && fusion_cell_begin(f, i, end, &groups) == NULL) {
            b[count].group = netgen_pick(n, 1, 5);
            b[count].band_rows = netgen_pick(n, 0, 4);
            if (b[count].band_rows && f->g->layers[i + 2].out_w > 1 && netgen_pick(n, 0, 1))
                b[count].strip = netgen_pick(n, 1, f->g->layers[i + 2].out_w - 1);
        }
        i = end + 1;
    }
    for (int i = 0; i < count; i++)
        b[i].cells = count - i;
    return config_arena(f, b, count, &arena, &ignored) == 0 ? count : 0;
}

// A random way to cut the network: blocks of random length, each with a schedule that it can run.
static inline int netcut_random(struct netgen *n, struct fusion *f, struct config_block *blocks)
{
    int count = 0;
    for (int i = 0; i < n->g.n_layers;) {
        int last = i + netgen_pick(n, 0, 8);
        if (last >= n->g.n_layers)
            last = n->g.n_layers - 1;
        int cells = netgen_pick(n, 0, 2) ? 0 : netcut_cells(n, f, i, last, blocks + count);
        if (cells) {
            count += cells;
            i = last + 1;
            continue;
        }
        struct config_block b = {.first = i, .last = last, .axis = FUSION_ROWS};
        if (fusion_block_begin(f, i, last) != NULL) {
            b.last = i;
        } else if (i < last && netgen_pick(n, 0, 2)) {
            bool patch = netgen_pick(n, 0, 2) == 0;
            int r = netgen_pick(n, 1, patch ? fusion_max_patch(f) : fusion_max_band(f));
            if ((patch ? fusion_block_patch(f, r) : fusion_block_cols(f, r)) == NULL) {
                b.axis = patch ? FUSION_PATCH : FUSION_COLS;
                b.band_rows = r;
            }
        }
        blocks[count++] = b;
        i = b.last + 1;
    }
    return count;
}

#endif
