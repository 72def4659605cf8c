// SPDX-License-Identifier: MIT
// The front over RAM and predicted cycles equals brute force over every configuration of small
// random networks, with random costs, and its paths price back to its figures.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/front_cells.h"
#include "server/planner/fusion.h"

#define MAX_POINTS 4096
#define MAX_LAYERS 5
#define MAX_CANDIDATES 4096
#define CELLS_OF 12 // every twelfth network with blocks of cells

struct point {
    uint32_t ram;
    double cycles;
};

struct brute {
    struct point at[MAX_POINTS];
    size_t n, tried;
    struct fusion *f;
    struct config_block blocks[NETGEN_MAX];
    // Blocks of cells that the search has: which of them it takes, and how, is what is tested here.
    struct candidate {
        int n;
        struct cell cells[MAX_LAYERS];
    } candidates[MAX_CANDIDATES];
    int n_candidates;
};

static int with_cells, with_groups; // blocks of fronts

static struct point price(struct fusion *f, const struct config_block *blocks, int n)
{
    struct point p = {0, 0};
    struct err e = {0};
    if (config_arena(f, blocks, n, &p.ram, &e))
        return (struct point){UINT32_MAX, 0};
    for (int i = 0; i < n; i += config_entries(&blocks[i])) {
        if (config_block_fill(f, &blocks[i], p.ram, &e))
            return (struct point){UINT32_MAX, 0};
        p.cycles += f->cost.cycles;
    }
    return p;
}

static void keep(struct brute *b, struct point q)
{
    size_t kept = 0;
    b->tried++;
    for (size_t i = 0; i < b->n; i++) {
        if (b->at[i].ram <= q.ram && b->at[i].cycles <= q.cycles)
            return;
        if (!(q.ram <= b->at[i].ram && q.cycles <= b->at[i].cycles))
            b->at[kept++] = b->at[i];
    }
    b->at[kept++] = q;
    b->n = kept;
}

static int take_candidate(void *ctx, const struct cells *priced, const struct cell *cells, int n)
{
    struct brute *b = ctx;
    struct candidate *c = &b->candidates[b->n_candidates++];
    (void)priced;
    c->n = n;
    memcpy(c->cells, cells, (size_t)n * sizeof *cells);
    return b->n_candidates == MAX_CANDIDATES;
}

static int find_candidates(struct brute *b)
{
    const int n = b->f->g->n_layers;
    struct err e = {0};
    struct front_cells *s = front_cells_open(b->f, true, &e);
    int rc = !s;
    for (int first = 0; first < n; first++) {
        for (int last = first; last < n && rc == 0; last++)
            rc = front_cells_of_block(s, first, last, take_candidate, b);
    }
    front_cells_close(s);
    return rc;
}

static void all_from(struct brute *b, int first, int n)
{
    const struct graph *g = b->f->g;
    struct err e = {0};
    if (first == g->n_layers) {
        struct point p = price(b->f, b->blocks, n);
        if (p.ram < UINT32_MAX)
            keep(b, p);
        return;
    }
    for (int last = first; last < g->n_layers; last++) {
        for (int i = 0; i < b->n_candidates; i++) {
            const struct candidate *c = &b->candidates[i];
            if (c->cells[0].first != first || c->cells[c->n - 1].last != last)
                continue;
            front_cells_entries(c->cells, c->n, b->blocks + n);
            all_from(b, last + 1, n + c->n);
        }
        for (int axis = FUSION_ROWS; axis <= FUSION_PATCH; axis++) {
            const struct layer *l = &g->layers[last];
            int most = axis == FUSION_ROWS ? 0 : l->in_h > l->out_h ? l->in_h : l->out_h;
            if (axis == FUSION_PATCH && l->out_w > most)
                most = l->out_w;
            for (int r = axis == FUSION_ROWS ? 0 : 1; r <= most && (last > first || r == 0); r++) {
                b->blocks[n] = (struct config_block){
                    .first = first, .last = last, .axis = (enum fusion_axis)axis, .band_rows = r};
                err_clear(&e);
                if (fusion_block_layout(b->f, first, last, (enum fusion_axis)axis, r, &e) == 0)
                    all_from(b, last + 1, n + 1);
            }
        }
    }
}

static struct latency_model random_model(struct netgen *n)
{
    static const char *const variants[] = {"generic", "armv7em", "rv32", "lx7"};
    struct latency_model m = {0};
    snprintf(m.kernels, sizeof m.kernels, "%s", variants[netgen_pick(n, 0, 3)]);
    for (int i = 0; i < LATENCY_WORKS; i++)
        m.interpreter[i] = netgen_pick(n, 0, i == LATENCY_BYTE ? 2 : 2000);
    for (int k = 0; k < LATENCY_CLASSES; k++) {
        for (int t = 0; t < LATENCY_TERMS; t++)
            m.cycles[k][t] = netgen_pick(n, 0, t == LATENCY_CALL ? 1000 : 10);
    }
    return m;
}

static bool close_to(double a, double b)
{
    return a - b < 1e-6 * (a + b) && b - a < 1e-6 * (a + b);
}

// size 0: of inverted residuals
static bool check_network(uint32_t seed, int size, size_t *points)
{
    static struct brute b;
    struct netgen n;
    struct fusion f;
    struct latency_table latency = {0};
    struct front_paths paths;
    struct err e = {0};
    if (size)
        netgen_make(&n, seed, size);
    else
        netgen_mobile(&n, seed);
    if (n.g.n_layers > MAX_LAYERS || n.tensors[0].h > 12) {
        netgen_free(&n);
        return true;
    }
    const struct latency_model m = random_model(&n);
    struct front_rules rules = front_everything;
    rules.cells = seed % CELLS_OF == 0; // which take brute force long
    if (fusion_open(&f, &n.g, &e) || latency_table_fill(&latency, &n.g, &m, &e))
        return false;
    f.latency = &latency;
    if (front_search_latency(&f, &rules, &paths, &e))
        return false;
    b.n = b.tried = 0;
    b.f = &f;
    b.n_candidates = 0;
    if (rules.cells && find_candidates(&b))
        return false;
    all_from(&b, 0, 0);
    bool ok = b.n == paths.n;
    for (size_t i = 0; i < paths.n && ok; i++) {
        const struct front_path *path = &paths.at[i];
        struct point p = price(&f, path->blocks, path->n_blocks);
        bool found = false;
        for (size_t k = 0; k < b.n; k++)
            found = found ||
                    (b.at[k].ram == path->arena_bytes && close_to(b.at[k].cycles, path->cycles));
        ok = found && p.ram == path->arena_bytes && close_to(p.cycles, path->cycles) &&
             (i == 0 || (path->arena_bytes > paths.at[i - 1].arena_bytes &&
                         path->cycles < paths.at[i - 1].cycles));
    }
    if (!ok)
        printf("# seed %u size %d: front has %zu points, brute force %zu of %zu configurations\n",
               seed, size, paths.n, b.n, b.tried);
    for (size_t i = 0; i < paths.n; i++) {
        for (int k = 0; k < paths.at[i].n_blocks; k++) {
            with_cells += paths.at[i].blocks[k].cells > 1;
            with_groups += paths.at[i].blocks[k].group > 0;
        }
    }
    *points += paths.n;
    b.f = NULL;
    front_paths_free(&paths);
    fusion_close(&f);
    latency_table_free(&latency);
    netgen_free(&n);
    return ok;
}

int main(int argc, char **argv)
{
    int networks = argc > 1 ? atoi(argv[1]) : 240;
    for (int size = 0; size <= 5; size++) {
        int bad = 0;
        size_t points = 0;
        for (int i = 0; i < networks; i++)
            bad += !check_network((uint32_t)(size * 9000 + i), size, &points);
        OKF(bad == 0 && points > 0,
            "fronts over RAM and cycles of about %d layers equal brute force (%d of %d bad, %zu "
            "points)",
            size, bad, networks, points);
    }
    OKF(with_cells > 10 && with_groups > 0, "fronts with %d cells, %d of groups", with_cells,
        with_groups);
    return tap_done();
}
