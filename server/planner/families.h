// SPDX-License-Identifier: MIT
// Which blocks of cells the front tries: there are too many to try all. The network is cut into
// units, which end where tensors are small: an inverted residual [expand depthwise project add], a
// depthwise-separable pair, a convolution. Blocks of cells begin and end with units, and a family
// says how a block's units become cells:
//
//   head    the first `head` units are one cell of bands of `head_rows` rows (0 or 1: none are)
//   split   of the others, units whose rings take at most so many bytes are cut before each layer
//           with a window: what they make is kept in windows, and nothing is computed twice
//   rows    rows a band of the rest
//
// Each cell that can runs in any of these ways, whatever the others do: all channels at a time, or
// groups of 8 or 4 in the unit that ends it, each in whole bands or in strips of a half, a quarter or an
// eighth of the columns, or of two or one.
#ifndef PLANNER_FAMILIES_H
#define PLANNER_FAMILIES_H

#include <stdbool.h>

#include "common/err.h"
#include "server/planner/cells.h"

#define FAMILIES_MAX_UNITS 10 // of a block

struct families {
    const struct graph *g;
    bool groups;  // ways to run a cell in groups of channels, too; families_open() says yes
    bool *begins; // [n_layers + 1] a unit begins with this layer
};

int families_open(struct families *u, const struct graph *g, struct err *e);
void families_close(struct families *u); // accepts a zeroed one

// Calls each() with the cells of every family of block first..last, some of which may not be able
// to run; none where the block does not begin and end with units. Returns the first result that is
// not 0.
typedef int families_each(void *ctx, const struct cell *cells, int n);
int families_of_block(const struct families *u, int first, int last, families_each *each,
                      void *ctx);

// All ways to run the cell of a family, itself the first; their number.
int families_ways(const struct families *u, const struct cell *cell,
                  struct cell ways[CELLS_MAX_OPTIONS]);

#endif
