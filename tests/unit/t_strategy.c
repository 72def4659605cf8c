// SPDX-License-Identifier: MIT
// Every strategy offers exactly the non-dominated configurations of its own space, on thousands of
// random networks; the space is stated here once more, apart from the strategy's rules. What the
// paper's cost model chooses is of that space and carries exact figures.
#include "tests/tap.h"
#include "tests/unit/brute.h"
#include "tests/unit/netgen.h"

#include "server/planner/strategy.h"

static bool head_or_single(const struct config_block *b)
{
    return b->first == 0 || b->first == b->last;
}

static bool vanilla(const struct config_block *b)
{
    return b->first == b->last;
}

static bool mcunetv2(const struct config_block *b)
{
    return b->first == b->last || (b->first == 0 && b->axis == FUSION_PATCH);
}

static bool streamnet(const struct config_block *b)
{
    return b->axis == FUSION_ROWS && head_or_single(b);
}

static bool msfcnn(const struct config_block *b)
{
    return b->first == b->last || (b->axis == FUSION_COLS && b->band_rows == 1);
}

static brute_allowed *const spaces[PLANNER_STRATEGIES] = {
    [PLANNER_VANILLA] = vanilla, [PLANNER_MCUNETV2] = mcunetv2,   [PLANNER_STREAMNET] = streamnet,
    [PLANNER_MSFCNN] = msfcnn,   [PLANNER_MSFCNN_PAPER] = msfcnn,
};

// Arena and MACs of a path, priced block by block.
static bool exact(struct fusion *f, const struct front_path *p, brute_allowed *allowed)
{
    uint32_t arena = 0;
    uint64_t macs = 0;
    int next = 0;
    struct err e = {0};
    for (int i = 0; i < p->n_blocks; i += config_entries(&p->blocks[i])) {
        const struct config_block *b = &p->blocks[i];
        uint32_t block;
        if (b->first != next || (allowed && !allowed(b)) ||
            config_arena(f, b, config_entries(b), &block, &e))
            return false;
        next = config_last(b) + 1;
        arena = block > arena ? block : arena;
        macs += f->cost.macs;
    }
    return next == f->g->n_layers && arena == p->arena_bytes && macs == p->macs;
}

static bool check_strategy(struct fusion *f, enum planner_strategy s)
{
    static struct brute brute;
    struct front_paths paths;
    struct err e = {0};
    if (strategy_search(f, s, &paths, &e) || paths.n == 0)
        return false;
    bool ok = true;
    for (size_t i = 0; i < paths.n; i++)
        ok = ok && exact(f, &paths.at[i], spaces[s]) &&
             (i == 0 || paths.at[i - 1].arena_bytes <= paths.at[i].arena_bytes);
    if (s != PLANNER_MSFCNN_PAPER) {
        struct families families = {0};
        if (s == PLANNER_PARETO && families_open(&families, f->g, &e))
            return false;
        brute_force(&brute, f, spaces[s], s == PLANNER_PARETO ? &families : NULL);
        families_close(&families);
        ok = ok && brute_equals(&brute, &paths);
    }
    front_paths_free(&paths);
    return ok;
}

static void check_networks(int size, int networks)
{
    int bad[PLANNER_STRATEGIES] = {0}, checked = 0;
    for (int i = 0; i < networks; i++) {
        struct netgen n;
        struct fusion f;
        struct err e = {0};
        uint32_t seed = (uint32_t)(size * 100000 + i);
        netgen_make(&n, seed, size);
        if (n.g.n_layers <= 6 && fusion_open(&f, &n.g, &e) == 0) {
            checked++;
            // t_front tries pareto's blocks of cells at length; here now and then.
            const int strategies = i % 16 ? PLANNER_PARETO : PLANNER_STRATEGIES;
            for (int s = 0; s < strategies; s++) {
                bool ok = check_strategy(&f, (enum planner_strategy)s);
                if (!ok)
                    printf("# seed %u size %d %s\n", seed, size, planner_strategy_names[s]);
                bad[s] += !ok;
            }
            fusion_close(&f);
        }
        netgen_free(&n);
    }
    for (int s = 0; s < PLANNER_STRATEGIES; s++)
        OKF(bad[s] == 0 && checked > 0, "%s on %d networks of about %d layers (%d bad)",
            planner_strategy_names[s], checked, size, bad[s]);
}

int main(int argc, char **argv)
{
    int networks = argc > 1 ? atoi(argv[1]) : 1000;
    for (int size = 1; size <= 5; size++)
        check_networks(size, networks);
    EQ_INT(planner_strategy("msfcnn-paper"), PLANNER_MSFCNN_PAPER);
    EQ_INT(planner_strategy("msf"), -1);
    return tap_done();
}
