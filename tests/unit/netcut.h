// SPDX-License-Identifier: MIT
// Random configurations of random networks (netgen.h), for property tests.
#ifndef TESTS_NETCUT_H
#define TESTS_NETCUT_H

#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "tests/unit/netgen.h"

// A random way to cut the network: blocks of random length, each with a schedule that it can run.
static inline int netcut_random(struct netgen *n, struct fusion *f, struct config_block *blocks)
{
    int count = 0;
    for (int i = 0; i < n->g.n_layers;) {
        int last = i + netgen_pick(n, 0, 8);
        if (last >= n->g.n_layers)
            last = n->g.n_layers - 1;
        struct config_block b = {i, last, FUSION_ROWS, 0};
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
