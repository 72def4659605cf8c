// SPDX-License-Identifier: MIT
// See strategy.h.
#include "server/planner/strategy.h"

#include <stdlib.h>

#include "server/planner/config.h"
#include "server/planner/msfcnn.h"

static const struct front_rules rules_of[PLANNER_STRATEGIES] = {
    [PLANNER_VANILLA] = {0},
    [PLANNER_MCUNETV2] = {.patch = true, .head_only = true},
    [PLANNER_STREAMNET] = {.rows = true, .head_only = true},
    [PLANNER_MSFCNN] = {.cols = 1},
};

// Blocks that the executor refuses are not the paper's to choose.
static void forbid_impossible(struct msfcnn *m, struct fusion *f)
{
    for (int first = 0; first < m->n; first++) {
        for (int last = first + 1; last < m->n && !fusion_spent(f); last++) {
            if (fusion_block_begin(f, first, last) != NULL || fusion_block_cols(f, 1) != NULL)
                msfcnn_forbid(m, first, last);
        }
    }
}

// The next path of the paper's optimizer. False: there is none, or the work is spent.
static bool next_path(struct msfcnn *m, uint64_t limit, struct msfcnn_path *path, struct fusion *f)
{
    f->work += 2 * (uint64_t)m->n * (uint64_t)m->n;
    return !fusion_spent(f) && msfcnn_shortest(m, limit, path);
}

// Blocks and exact figures of the paper's path; `to` holds room for its blocks.
static int price_path(struct fusion *f, const struct msfcnn_path *path, struct front_path *to,
                      struct err *e)
{
    for (int i = 0, first = 0; i < path->n_blocks; first = path->last[i++] + 1) {
        bool fused = path->last[i] > first;
        struct config_block *b = &to->blocks[i];
        *b = (struct config_block){.first = first,
                                   .last = path->last[i],
                                   .axis = fused ? FUSION_COLS : FUSION_ROWS,
                                   .band_rows = fused ? 1 : 0};
        if (fusion_block_layout(f, b->first, b->last, b->axis, b->band_rows, e))
            return -1;
        to->macs += f->cost.macs;
        if (f->cost.arena_bytes > to->arena_bytes)
            to->arena_bytes = f->cost.arena_bytes;
    }
    return 0;
}

static int take_path(struct fusion *f, const struct msfcnn *m, const struct msfcnn_path *path,
                     struct front_paths *out, struct err *e)
{
    struct front_path new = {.n_blocks = path->n_blocks,
                             .is_believed = true,
                             .believed_bytes = path->ram,
                             .believed_overhead =
                                 m->plain_macs ? (double)path->macs / (double)m->plain_macs : 1};
    struct front_path *at = realloc(out->at, (out->n + 1) * sizeof *at);
    if (at)
        out->at = at;
    new.blocks = malloc((size_t) new.n_blocks * sizeof *new.blocks);
    if (!at || !new.blocks) {
        free(new.blocks);
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for a strategy's configurations");
    }
    if (price_path(f, path, &new, e)) {
        free(new.blocks);
        return -1;
    }
    out->at[out->n++] = new;
    return 0;
}

static int by_ram(const void *a, const void *b)
{
    const struct front_path *p = a, *q = b;
    if (p->arena_bytes != q->arena_bytes)
        return p->arena_bytes < q->arena_bytes ? -1 : 1;
    return (p->macs > q->macs) - (p->macs < q->macs);
}

static int search_paper(struct fusion *f, struct front_paths *out, struct err *e)
{
    const uint64_t n = (uint64_t)f->g->n_layers;
    struct msfcnn m = {0};
    struct msfcnn_path path = {.last = calloc((size_t)f->g->n_layers, sizeof *path.last)};
    int rc = -1;
    *out = (struct front_paths){0};
    f->work += n * n * n; // the layers of every block
    if (fusion_spent(f) || !path.last || msfcnn_open_graph(&m, f->g, e))
        goto out;
    forbid_impossible(&m, f);
    for (uint64_t limit = UINT64_MAX; next_path(&m, limit, &path, f); limit = path.ram - 1) {
        if (take_path(f, &m, &path, out, e))
            goto out;
        if (path.ram == 0)
            break;
    }
    if (out->n)
        qsort(out->at, out->n, sizeof *out->at, by_ram);
    rc = fusion_spent(f) ? -1 : 0;
out:
    if (rc) {
        front_paths_free(out);
        front_failed(f, e);
    }
    msfcnn_close(&m);
    free(path.last);
    return rc;
}

int strategy_search(struct fusion *f, enum planner_strategy strategy, struct front_paths *out,
                    struct err *e)
{
    if (strategy == PLANNER_MSFCNN_PAPER)
        return search_paper(f, out, e);
    return front_search(f, strategy == PLANNER_PARETO ? &front_everything : &rules_of[strategy],
                        out, e);
}
