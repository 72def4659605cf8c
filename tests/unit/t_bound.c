// SPDX-License-Identifier: MIT
// The bound for schedules that compute nothing twice: by hand on small networks; and on random chains no
// configuration of the fewest MACs takes less.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "server/planner/bound.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"

static void begin(struct netgen *n, int h, int w, int c)
{
    netgen_begin(n, 1);
    n->tensors[0] = (struct tensor){h, w, c, 0, 0.1f, -1, 0};
    n->g.n_tensors = 1;
}

static void add_conv(struct netgen *n, int k, int stride, int out_c)
{
    const struct tensor *in = &n->tensors[netgen_top(n)];
    netgen_layer(n,
                 (struct layer){.op = LAYER_CONV,
                                .kh = k,
                                .kw = k,
                                .sh = stride,
                                .sw = stride,
                                .pad_top = (k - 1) / 2,
                                .pad_left = (k - 1) / 2,
                                .out_h = (in->h - 1) / stride + 1,
                                .out_w = (in->w - 1) / stride + 1,
                                .out_c = out_c},
                 netgen_top(n), -1);
    n->g.output = netgen_top(n);
}

// Within the eighth of a slice of all that is kept, the bound is what a hand finds.
static void is_about(const struct netgen *n, bool outside, int64_t bytes, int64_t slices,
                     const char *what)
{
    const int64_t bound = bound_without_recomputing(&n->g, outside);
    OKF(bound <= bytes && bound > bytes - slices / 8, "%s: %lld bytes, by hand %lld", what,
        (long long)bound, (long long)bytes);
}

static void by_hand(void)
{
    const int64_t wide = 32 * 8, narrow = 32 * 4; // bytes of a row
    struct netgen n;
    begin(&n, 32, 32, 3);
    add_conv(&n, 3, 1, 8);
    is_about(&n, true, 0, 8, "one layer, its output outside");
    is_about(&n, false, 32 * wide, 8, "one layer, its output in RAM");
    add_conv(&n, 3, 1, 4);
    is_about(&n, true, 2 * wide, wide, "a 3x3 kernel keeps two rows");
    add_conv(&n, 1, 1, 40);
    is_about(&n, true, 2 * wide, wide, "... and a 1x1 kernel behind it none");
    add_conv(&n, 5, 1, 2);
    is_about(&n, true, 2 * wide + 4 * narrow * 10, wide + narrow * 10,
             "... and a 5x5 kernel behind that four of the widest");
    netgen_free(&n);
    begin(&n, 32, 32, 3);
    add_conv(&n, 3, 1, 8);
    add_conv(&n, 3, 2, 8);
    is_about(&n, true, 2 * wide, wide, "a stride of 2 keeps one row and waits for another");
    add_conv(&n, 3, 1, 1);
    is_about(&n, true, 2 * wide + 2 * narrow, wide + narrow,
             "... while the layer behind it keeps two");
    netgen_free(&n);
    begin(&n, 32, 8, 3);
    add_conv(&n, 3, 1, 8);
    add_conv(&n, 3, 1, 4);
    is_about(&n, true, 2 * 8 * 8, 8 * 8, "rows where they are shorter");
    netgen_free(&n);
    begin(&n, 8, 32, 3);
    add_conv(&n, 3, 1, 8);
    add_conv(&n, 3, 1, 4);
    is_about(&n, true, 2 * 8 * 8, 8 * 8, "columns where those are");
    add_conv(&n, 1, 2, 4);
    EQ_INT(bound_without_recomputing(&n.g, true), 0); // windows that do not overlap: tiles
    netgen_free(&n);
}

// Where the chain of layers ends, and where there is no bound.
static void ends(void)
{
    const int64_t row = 32 * 8;
    struct netgen n;
    begin(&n, 32, 32, 3);
    add_conv(&n, 3, 1, 8);
    add_conv(&n, 3, 1, 8);
    netgen_layer(
        &n,
        (struct layer){.op = LAYER_MEAN, .kh = 32, .kw = 32, .out_h = 1, .out_w = 1, .out_c = 8},
        netgen_top(&n), -1);
    is_about(&n, false, 2 * row, row, "a mean takes its input as it appears");
    netgen_free(&n);
    begin(&n, 32, 32, 3);
    add_conv(&n, 3, 1, 8);
    add_conv(&n, 3, 1, 8);
    netgen_pointwise(&n, LAYER_CONV, 1, -1, 4);
    EQ_INT(bound_without_recomputing(&n.g, false), 0); // reads the layer before the last
    netgen_free(&n);
    begin(&n, 32, 32, 3);
    add_conv(&n, 3, 1, 8);
    netgen_layer(&n,
                 (struct layer){.op = LAYER_CONV,
                                .kh = 3,
                                .kw = 3,
                                .sh = 2,
                                .sw = 2,
                                .pad_top = 2,
                                .pad_left = 2,
                                .out_h = 16,
                                .out_w = 16,
                                .out_c = 8},
                 1, -1);
    EQ_INT(bound_without_recomputing(&n.g, true), 0); // padding wider than windows overlap
    netgen_free(&n);
}

static void make_chain(struct netgen *n, uint32_t seed)
{
    netgen_begin(n, seed);
    n->tensors[0] = (struct tensor){
        netgen_pick(n, 4, 14), netgen_pick(n, 2, 12), netgen_pick(n, 1, 4), 0, 0.1f, -1, 0};
    n->g.n_tensors = 1;
    const int layers = netgen_pick(n, 2, 6);
    for (int i = 0; i < layers; i++) { // reads tensor i
        const int out_c = netgen_pick(n, 1, 9);
        if (i > 0 && netgen_pick(n, 0, 2) == 0)
            netgen_pointwise(n, LAYER_CONV, i, -1, out_c);
        else
            netgen_window(n, netgen_pick(n, 0, 1) ? LAYER_CONV : LAYER_DWCONV, i, 4, 2, out_c);
    }
    n->g.output = layers;
}

static int chains, near; // chains that have a bound; those that a configuration comes near to

static bool holds(uint32_t seed)
{
    struct netgen n;
    struct fusion f;
    struct front_paths paths;
    struct err e = {0};
    struct front_rules rules = front_everything;
    rules.groups = false;
    make_chain(&n, seed);
    if (fusion_open(&f, &n.g, &e))
        return false;
    f.output_outside = seed % 2 == 0;
    const int64_t bound = bound_without_recomputing(&n.g, f.output_outside);
    bool ok = bound >= 0 && front_search(&f, &rules, &paths, &e) == 0;
    if (ok) {
        const struct front_path *fewest = &paths.at[paths.n - 1];
        ok = fewest->arena_bytes >= bound;
        chains += bound > 0; // else windows do not overlap
        near += bound > 0 && 10 * bound >= 8 * (int64_t)fewest->arena_bytes;
        if (!ok)
            printf("# seed %u: %u bytes and %llu MACs, bound %lld\n", seed, fewest->arena_bytes,
                   (unsigned long long)fewest->macs, (long long)bound);
        front_paths_free(&paths);
    }
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

int main(int argc, char **argv)
{
    const int seeds = argc > 1 ? atoi(argv[1]) : 3000;
    int bad = 0;
    by_hand();
    ends();
    for (int seed = 1; seed <= seeds; seed++)
        bad += !holds((uint32_t)seed);
    OKF(bad == 0 && chains > seeds / 10,
        "%d of %d random chains take less than the bound with the fewest MACs", bad, chains);
    OKF(near > chains / 4, "%d of them take at most a quarter more than the bound", near);
    return tap_done();
}
