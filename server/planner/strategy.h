// SPDX-License-Identifier: MIT
// Published ways to choose configurations, each with its own restrictions, and ours, so that they
// can be compared on the same executor and kernels.
//
//   name          fused blocks                                    where       chosen by
//   vanilla       none                                            -           -
//   mcunetv2      patch(n): n x n patches, no cache               the head    exact RAM and MACs
//   streamnet     rows: nothing is computed twice ("2D cache")    the head    exact RAM and MACs
//   msfcnn        cols1: one output row a band ("H-cache")        anywhere    exact RAM and MACs
//   msfcnn-paper  the same                                        anywhere    the paper's cost model
//   pareto        every schedule                                  anywhere    exact RAM and MACs
//
// The head is one block that starts with the first layer; behind it layers run one by one. Whatever
// chose a configuration, its figures here are exact.
#ifndef PLANNER_STRATEGY_H
#define PLANNER_STRATEGY_H

#include "common/err.h"
#include "server/planner/front.h"
#include "server/planner/planner.h"

// The configurations that a strategy offers, by rising RAM: its whole front; of
// PLANNER_MSFCNN_PAPER every configuration that its optimizer passes on the way from the fewest
// MACs to the least RAM, some of which may dominate others in truth. -1: ERR_NO_MEMORY,
// ERR_TOO_COMPLEX.
int strategy_search(struct fusion *f, enum planner_strategy strategy, struct front_paths *out,
                    struct err *e);

#endif
