// SPDX-License-Identifier: MIT
// Which configurations a campaign measures next on a board, instead of points spread over the front
// (planner/next.h): what earlier campaigns measured with the board's present firmware counts.
#ifndef SERVER_CHOOSE_H
#define SERVER_CHOOSE_H

#include "server/app.h"
#include "server/board.h"
#include "server/problem.h"

#define CHOOSE_GRAIN 0.01 // what could make the front faster by less than this part is not measured

struct choice {
    size_t candidates; // configurations that fit the board
    size_t known;      // of them measured already
    size_t chosen;
    size_t left;  // could be on the front, but are more than the budget
    size_t saved; // need not be measured
};

// Indices of at most `budget` of n configurations, most promising first; picks has room for them.
// `weight_bytes` is the least size of a program. -1 with p set.
int choose_next(struct app *a, const struct board *board, const struct planner *planner,
                const char *model, const struct config *configs, size_t n, size_t weight_bytes,
                size_t budget, size_t *picks, struct choice *out, struct problem *p);

#endif
