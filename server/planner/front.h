// SPDX-License-Identifier: MIT
// The exact front: cut points are nodes, (block, schedule) are edges with RAM and MACs, a
// configuration is a path, its RAM the largest edge's, its MACs the sum. Shortest path by MACs
// among the edges below a RAM threshold, then the threshold drops below that path's own RAM, and
// again: as many rounds as there are thresholds that matter, not 2^n.
#ifndef PLANNER_FRONT_H
#define PLANNER_FRONT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"

struct front_path {
    uint32_t arena_bytes;
    uint64_t macs;
    double cycles; // predicted; 0 of front_search()
    // What the cost model that chose it says, where that is another than this one.
    bool is_believed;
    uint64_t believed_bytes;
    double believed_overhead;
    int n_blocks;
    struct config_block *blocks;
};

struct front_paths {
    size_t n;
    struct front_path *at; // by rising arena_bytes and falling macs
};

// Which blocks a search may use; single layers it always may.
struct front_rules {
    bool rows, patch; // schedules of a fused block
    bool cells;       // blocks of cells that families.h lists
    bool groups;      // those of groups of channels among them
    int cols;         // its highest band; 0: no cols
    bool head_only;   // only the block that starts the network may be fused
};
#define FRONT_ANY_BAND 32767
extern const struct front_rules front_everything;

// Every non-dominated path within the rules. At equal RAM and MACs the one with the fewest kernel
// calls. -1: ERR_NO_MEMORY, or ERR_TOO_COMPLEX: it takes more than f->max_work.
int front_search(struct fusion *f, const struct front_rules *rules, struct front_paths *out,
                 struct err *e);
// The same front over RAM and predicted cycles (latency_front.c): macs stay 0. A path's arena_bytes may be more
// than its peak, for larger chunks: then it is what the configuration has to spend. A path is a thousandth cheaper
// at least than those with less RAM. f->latency predicts.
int front_search_latency(struct fusion *f, const struct front_rules *rules, struct front_paths *out,
                         struct err *e);
// Calls each() for every schedule of layers first..last that the rules allow, priced in f->cost. -1
// as soon as each() says so or f->max_work is spent.
typedef int front_block_cb(void *ctx, struct fusion *f);
int front_each_block(struct fusion *f, const struct front_rules *rules, int first, int last,
                     front_block_cb *each, void *ctx);
void front_paths_free(struct front_paths *p);

// What a byte that a search keeps counts as work, so that f->max_work bounds its memory, too.
#define FRONT_WORK_OF_A_BYTE 20
// Why a search failed: f->max_work is spent, or else there is no memory. Returns -1.
int front_failed(const struct fusion *f, struct err *e);

#endif
