// SPDX-License-Identifier: MIT
// Properties of the RAM timeline on random small networks cut at random: parts add up at every
// moment, no moment exceeds the block's arena, one reaches it, and the largest block's is the
// configuration's. Then one network whose numbers can be worked out by hand.
#include "tests/tap.h"
#include "tests/unit/netcut.h"
#include "tests/unit/netgen.h"

#include "server/planner/timeline.h"

// False, with a line for the log, where a sum is wrong.
static bool adds_up(const struct timeline_block *t, uint32_t arena)
{
    uint32_t fixed = 0, most = 0, step = 0;
    bool ok = t->n_moments > 0 && t->peak < t->n_moments && t->moments[0].first_step == 0;
    for (size_t i = 0; i < t->n_parts; i++)
        fixed += t->parts[i].bytes;
    for (size_t i = 0; i < t->n_moments; i++) {
        const struct fusion_moment *m = &t->moments[i];
        uint32_t sum = fixed + m->x_bytes + m->y_bytes + m->inner_bytes;
        most = sum > most ? sum : most;
        ok = ok && m->first_step >= step && m->first_step <= t->steps &&
             m->layer >= t->block->first && m->layer <= t->last;
        step = m->first_step;
    }
    ok = ok && fixed == t->fixed_bytes && most == timeline_bytes(t, t->peak) && most == arena;
    if (!ok)
        printf("# block %d-%d axis %d: parts %u of %u, peak %u of %u bytes\n", t->block->first,
               t->last, t->block->axis, fixed, t->fixed_bytes, most, arena);
    return ok;
}

static bool layers_add_up(const struct fusion *f)
{
    struct fusion_cost sum = {0};
    for (int i = f->first; i <= f->last; i++)
        fusion_cost_add(&sum, &f->layer_cost[i]);
    return sum.macs == f->cost.macs && sum.calls == f->cost.calls;
}

static bool check_config(struct fusion *f, const struct config_block *blocks, int n, size_t most)
{
    struct err e = {0};
    uint32_t arena = 0, peak = 0;
    bool ok = config_arena(f, blocks, n, &arena, &e) == 0;
    for (int i = 0; i < n && ok; i += config_entries(&blocks[i])) {
        struct timeline_block t = {0};
        ok = config_block_fill(f, &blocks[i], arena, &e) == 0 &&
             timeline_of(f, &blocks[i], &t, &e) == 0 && adds_up(&t, f->cost.arena_bytes) &&
             layers_add_up(f);
        if (ok) {
            timeline_thin(&t, most);
            ok = t.n_moments <= most && adds_up(&t, f->cost.arena_bytes);
            peak = timeline_bytes(&t, t.peak) > peak ? timeline_bytes(&t, t.peak) : peak;
        }
        timeline_free(&t);
    }
    return ok && peak == arena;
}

static bool check_network(uint32_t seed, int size)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    bool ok = true;
    netgen_make(&n, seed, size);
    if (fusion_open(&f, &n.g, &e))
        return false;
    for (int i = 0; i < n.g.n_layers; i++)
        blocks[i] = (struct config_block){.first = i, .last = i, .axis = FUSION_ROWS};
    ok = check_config(&f, blocks, n.g.n_layers, 1);
    for (int t = 0; t < 6 && ok; t++) {
        int count = netcut_random(&n, &f, blocks);
        ok = check_config(&f, blocks, count, (size_t)netgen_pick(&n, 1, 20));
    }
    if (!ok)
        printf("# seed %u size %d\n", seed, size);
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

// 8 x 8 x 4 -> 3x3 convolution of 8 channels -> 3x3 of 2 channels, both padded, as one block by
// rows behind a layer that made the 8 x 8 x 4.
static void test_by_hand(void)
{
    struct netgen n = {.state = 1};
    struct fusion f;
    struct err e = {0};
    struct graph *g = &n.g;
    *g = (struct graph){.layers = n.layers, .tensors = n.tensors};
    n.tensors[g->n_tensors++] = (struct tensor){.h = 8, .w = 8, .c = 4, .producer = -1};
    const int channels[] = {4, 8, 2};
    for (int i = 0; i < 3; i++) {
        struct layer l = {.op = LAYER_CONV, .kh = 3, .kw = 3, .pad_top = 1, .pad_left = 1};
        l.out_h = l.out_w = 8;
        l.out_c = channels[i];
        netgen_layer(&n, l, i, -1);
    }
    g->output = g->n_tensors - 1;
    if (!OK(fusion_open(&f, g, &e) == 0))
        return;
    const struct config_block b = {.first = 1, .last = 2, .axis = FUSION_ROWS};
    struct timeline_block t;
    OK(config_block_fill(&f, &b, UINT32_MAX, &e) == 0 && timeline_of(&f, &b, &t, &e) == 0);
    EQ_INT(t.n_parts, 1); // the ring: 3 rows of 8 x 8 channels
    EQ_INT(t.parts[0].kind, TIMELINE_RING);
    EQ_INT(t.parts[0].layer, 1);
    EQ_INT(t.parts[0].bytes, 3 * 8 * 8);
    // At first X is whole, 8 x 8 x 4, and nothing made.
    EQ_INT(t.moments[0].x_bytes, 256);
    EQ_INT(t.moments[0].y_bytes, 0);
    // Steps: ring rows 0 and 1, Y row 0, ring row 2, Y row 1, ... : at the first Y row, ring row 2 is
    // next and needs X from row 1 on; the row of Y has 8 x 2 bytes.
    EQ_INT(t.moments[3].y_bytes, 16);
    EQ_INT(t.moments[3].x_bytes, 7 * 32);
    EQ_INT(t.moments[3].layer, 2);
    EQ_INT(t.moments[t.n_moments - 1].y_bytes, 128);
    EQ_INT(t.moments[t.n_moments - 1].x_bytes, 0);
    EQ_INT(timeline_bytes(&t, t.peak), 256 + 192);
    EQ_INT(t.arena_bytes, 256 + 192);
    timeline_free(&t);
    fusion_close(&f);
    netgen_free(&n);
}

int main(int argc, char **argv)
{
    int networks = argc > 1 ? atoi(argv[1]) : 1200;
    test_by_hand();
    for (int size = 1; size <= 12; size++) {
        int bad = 0;
        for (int i = 0; i < networks / 12 + 1; i++)
            bad += !check_network((uint32_t)(size * 100000 + i), size);
        OKF(bad == 0,
            "networks of about %d layers: the timeline adds up to the arena (%d bad of %d)", size,
            bad, networks / 12 + 1);
    }
    return tap_done();
}
