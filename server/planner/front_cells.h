// SPDX-License-Identifier: MIT
// Prices the blocks of cells that families.h lists, for a search.
#ifndef PLANNER_FRONT_CELLS_H
#define PLANNER_FRONT_CELLS_H

#include "common/err.h"
#include "server/planner/cells.h"
#include "server/planner/config.h"

struct front_cells;

// groups: cells of groups of channels, too. NULL: ERR_NO_MEMORY.
struct front_cells *front_cells_open(struct fusion *f, bool groups, struct err *e);
void front_cells_close(struct front_cells *s); // accepts NULL

// Calls each() for every such block of layers first..last that can run: `priced` says what it costs,
// the cells are those of one call. Returns the first result that is not 0; -1: no memory, or the
// fusion's max_work is spent. What was at hand in the fusion is not any more.
typedef int front_cells_each(void *ctx, const struct cells *priced, const struct cell *cells,
                             int n);
int front_cells_of_block(struct front_cells *s, int first, int last, front_cells_each *each,
                         void *ctx);

// From so many bytes of the configuration on a block takes so many cycles.
struct front_step {
    uint32_t arena_bytes;
    double cycles;
};
#define FRONT_CELLS_MAX_STEPS(cells) (1 + (FUSION_CHUNK_SIZES - 1) * (cells))
// Of the block that each() is told: steps by rising arena_bytes, the first at the block's own. Returns how many. The
// fusion predicts.
int front_cells_steps(struct front_cells *s, struct front_step *steps);

// The block as entries of a configuration, one a cell.
void front_cells_entries(const struct cell *cells, int n, struct config_block *out);

#endif
