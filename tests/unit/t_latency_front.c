// SPDX-License-Identifier: MIT
// The front over RAM and predicted cycles equals brute force over every configuration of small
// random networks in every arena, with random costs, and its paths price back to its figures.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/front_cells.h"
#include "server/planner/fusion.h"

#define MAX_LAYERS 5
#define MAX_BLOCKS 8192
#define MAX_STEPS (1 + (FUSION_CHUNK_SIZES - 1) * MAX_LAYERS)
#define MAX_POINTS 8192
#define CELLS_OF 3 // every third network with blocks of cells

struct point {
    uint32_t ram;
    double cycles;
};

struct block { // and what it costs in how many bytes, by falling bytes
    int n, n_steps, last;
    struct config_block entries[MAX_LAYERS];
    struct point steps[MAX_STEPS];
};

struct brute {
    struct fusion *f;
    struct block blocks[MAX_BLOCKS];
    size_t n_blocks;
    const struct block *chosen[MAX_LAYERS];
    struct point at[MAX_POINTS]; // not dominated
    size_t n, tried;
};

// ---- blocks ----

// Asks for all chunks, then for one byte less than those took, until there are single ones.
static bool fill_steps(struct fusion *f, struct block *b)
{
    struct err e = {0};
    uint32_t least;
    if (config_arena(f, b->entries, b->n, &least, &e))
        return false;
    b->last = config_last(b->entries);
    b->n_steps = 0;
    for (uint32_t limit = 1u << 30;; limit = b->steps[b->n_steps - 1].ram - 1) {
        if (limit < least || config_block_fill(f, b->entries, limit, &e))
            return b->n_steps > 0;
        b->steps[b->n_steps++] = (struct point){f->cost.arena_bytes, f->cost.cycles};
    }
}

static void add_block(struct brute *b, const struct config_block *entries, int n)
{
    struct block *new = &b->blocks[b->n_blocks];
    new->n = n;
    memcpy(new->entries, entries, (size_t)n * sizeof *entries);
    b->n_blocks += b->n_blocks + 1 < MAX_BLOCKS && fill_steps(b->f, new);
}

// Of blocks of cells those that the search has: which of them it takes, and how, is what is tested here.
static int add_cells(void *ctx, const struct cells *priced, const struct cell *cells, int n)
{
    struct config_block entries[MAX_LAYERS];
    (void)priced;
    front_cells_entries(cells, n, entries);
    add_block(ctx, entries, n);
    return 0;
}

static int add_all_cells(struct brute *b)
{
    const int n = b->f->g->n_layers;
    struct err e = {0};
    struct front_cells *s = front_cells_open(b->f, true, &e);
    int rc = !s;
    for (int first = 0; first < n; first++) {
        for (int last = first; last < n && rc == 0; last++)
            rc = front_cells_of_block(s, first, last, add_cells, b);
    }
    front_cells_close(s);
    return rc;
}

static void add_schedules(struct brute *b, int first, int last)
{
    const struct layer *l = &b->f->g->layers[last];
    for (int axis = FUSION_ROWS; axis <= FUSION_PATCH; axis++) {
        int most = axis == FUSION_ROWS ? 0 : l->in_h > l->out_h ? l->in_h : l->out_h;
        if (axis == FUSION_PATCH && l->out_w > most)
            most = l->out_w;
        for (int r = axis == FUSION_ROWS ? 0 : 1; r <= most && (last > first || r == 0); r++)
            add_block(
                b,
                &(struct config_block){
                    .first = first, .last = last, .axis = (enum fusion_axis)axis, .band_rows = r},
                1);
    }
}

static bool add_all(struct brute *b, bool cells)
{
    const int n = b->f->g->n_layers;
    b->n_blocks = 0;
    for (int first = 0; first < n; first++) {
        for (int last = first; last < n; last++)
            add_schedules(b, first, last);
    }
    return (!cells || add_all_cells(b) == 0) && b->n_blocks + 1 < MAX_BLOCKS;
}

// ---- configurations ----

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

static struct point in_arena(const struct block *b, uint32_t limit)
{
    int i = 0;
    while (i + 1 < b->n_steps && b->steps[i].ram > limit)
        i++;
    return b->steps[i];
}

// The blocks chosen, in every arena that makes a difference.
static void try_arenas(struct brute *b, int n)
{
    for (uint32_t limit = 1u << 30;;) {
        struct point sum = {0, 0};
        for (int i = 0; i < n; i++) {
            const struct point p = in_arena(b->chosen[i], limit);
            if (p.ram > limit)
                return;
            sum.ram = p.ram > sum.ram ? p.ram : sum.ram;
            sum.cycles += p.cycles;
        }
        keep(b, sum);
        if (sum.ram == 0)
            return;
        limit = sum.ram - 1;
    }
}

static void all_from(struct brute *b, int first, int n)
{
    if (first == b->f->g->n_layers) {
        try_arenas(b, n);
        return;
    }
    for (size_t i = 0; i < b->n_blocks; i++) {
        if (b->blocks[i].entries[0].first != first)
            continue;
        b->chosen[n] = &b->blocks[i];
        all_from(b, b->blocks[i].last + 1, n + 1);
    }
}

// ---- the front ----

static int with_cells, with_groups, with_more; // paths

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

// As its text has it.
static bool prices_back(struct fusion *f, const struct front_path *path)
{
    struct err e = {0};
    uint32_t peak, arena;
    double cycles = 0;
    if (config_arena(f, path->blocks, path->n_blocks, &peak, &e))
        return false;
    with_more += path->arena_bytes > peak;
    f->spend = path->arena_bytes;
    bool ok = config_arena(f, path->blocks, path->n_blocks, &arena, &e) == 0;
    f->spend = 0;
    for (int i = 0; i < path->n_blocks && ok; i += config_entries(&path->blocks[i])) {
        ok = config_block_fill(f, &path->blocks[i], arena, &e) == 0;
        cycles += f->cost.cycles;
        with_cells += path->blocks[i].cells > 1;
        with_groups += path->blocks[i].group > 0;
    }
    return ok && arena == path->arena_bytes && close_to(cycles, path->cycles);
}

// Each path is a point of brute force, and each of its points is within a thousandth of a path.
static bool equals(const struct brute *b, const struct front_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++) {
        const struct front_path *path = &paths->at[i];
        bool found = i == 0 || (path->arena_bytes > paths->at[i - 1].arena_bytes &&
                                path->cycles < paths->at[i - 1].cycles);
        for (size_t k = 0; k < b->n && found; k++) {
            if (b->at[k].ram == path->arena_bytes && close_to(b->at[k].cycles, path->cycles))
                break;
            found = k + 1 < b->n;
        }
        if (!found)
            return false;
    }
    for (size_t k = 0; k < b->n; k++) {
        bool met = false;
        for (size_t i = 0; i < paths->n; i++)
            met = met || (paths->at[i].arena_bytes <= b->at[k].ram &&
                          paths->at[i].cycles <= b->at[k].cycles * 1.0011);
        if (!met)
            return false;
    }
    return paths->n > 0;
}

// size 0: of inverted residuals
static bool check_network(uint32_t seed, int size, size_t *points)
{
    static struct brute b;
    struct netgen n;
    struct fusion f;
    struct latency_table latency = {0};
    struct front_paths paths;
    struct front_rules rules = front_everything;
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
    rules.cells = seed % CELLS_OF == 0;
    if (fusion_open(&f, &n.g, &e) || latency_table_fill(&latency, &n.g, &m, &e))
        return false;
    f.latency = &latency;
    if (front_search_latency(&f, &rules, &paths, &e))
        return false;
    b.f = &f;
    b.n = b.tried = 0;
    bool ok = add_all(&b, rules.cells);
    if (ok)
        all_from(&b, 0, 0);
    ok = ok && equals(&b, &paths);
    for (size_t i = 0; i < paths.n && ok; i++)
        ok = prices_back(&f, &paths.at[i]);
    if (!ok)
        printf("# seed %u size %d: front has %zu points, brute force %zu of %zu configurations\n",
               seed, size, paths.n, b.n, b.tried);
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
    int networks = argc > 1 ? atoi(argv[1]) : 1000;
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
    OKF(with_cells > 10 && with_groups > 0 && with_more > 100,
        "fronts with %d blocks of cells, %d of groups, and %d paths that take more than their peak",
        with_cells, with_groups, with_more);
    return tap_done();
}
