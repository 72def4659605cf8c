// SPDX-License-Identifier: MIT
// The front equals brute force over every configuration of small random networks, and its texts
// price back to its figures.
#include "tests/tap.h"
#include "tests/unit/brute.h"
#include "tests/unit/netgen.h"

#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"

static int with_cells, with_groups; // entries of fronts

// One or two inverted residuals with enough channels for groups.
static void make_mobile(struct netgen *n, uint32_t seed)
{
    memset(n, 0, sizeof *n);
    n->state = seed * 2654435761u + 1;
    n->g.layers = n->layers;
    n->g.tensors = n->tensors;
    n->tensors[0] = (struct tensor){
        netgen_pick(n, 4, 9), netgen_pick(n, 2, 7), netgen_pick(n, 1, 4), 0, 0.1f, -1, 0};
    n->g.n_tensors = 1;
    for (int units = netgen_pick(n, 1, 2); units > 0; units--)
        netgen_unit(n);
    n->g.output = netgen_top(n);
}

// size 0: of inverted residuals
static bool check_network(uint32_t seed, int size)
{
    static struct brute brute;
    struct netgen n;
    struct fusion f;
    struct families families;
    struct front_paths paths;
    struct err e = {0};
    bool ok = true;
    if (size)
        netgen_make(&n, seed, size);
    else
        make_mobile(&n, seed);
    if (n.g.n_layers > 6) {
        netgen_free(&n);
        return true;
    }
    if (fusion_open(&f, &n.g, &e) || families_open(&families, &n.g, &e))
        return false;
    f.output_outside = seed % 4 == 0;
    if (front_search(&f, &front_everything, &paths, &e))
        return false;
    for (size_t i = 0; i < paths.n; i++) {
        for (int k = 0; k < paths.at[i].n_blocks; k++) {
            with_cells += paths.at[i].blocks[k].cells > 1;
            with_groups += paths.at[i].blocks[k].group > 0;
        }
    }
    brute_force(&brute, &f, NULL, &families);
    ok = brute_equals(&brute, &paths);
    if (!ok)
        printf("# seed %u size %d: front has %zu points, brute force %zu\n", seed, size, paths.n,
               brute.n);
    front_paths_free(&paths);
    families_close(&families);
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

// A row of padding alone needs nothing of the layer before, so that cols1 is refused; a wider band is not, and takes
// less than rows here.
static void check_bands_in_padding(void)
{
    struct netgen n = {.state = 5};
    struct fusion f;
    struct front_paths paths;
    struct err e = {0};
    const struct front_rules no_cells = {.rows = true, .patch = true, .cols = FRONT_ANY_BAND};
    n.g.layers = n.layers;
    n.g.tensors = n.tensors;
    n.tensors[0] = (struct tensor){16, 8, 6, 0, 0.1f, -1, 0};
    n.g.n_tensors = 1;
    netgen_layer(
        &n, (struct layer){.op = LAYER_CONV, .kh = 1, .kw = 2, .out_h = 16, .out_w = 7, .out_c = 6},
        0, -1);
    netgen_layer(&n,
                 (struct layer){.op = LAYER_PAD, .pad_top = 1, .out_h = 17, .out_w = 8, .out_c = 7},
                 1, -1);
    n.g.output = netgen_top(&n);
    if (OK(fusion_open(&f, &n.g, &e) == 0 && front_search(&f, &no_cells, &paths, &e) == 0)) {
        OK(fusion_block_begin(&f, 0, 1) == NULL && fusion_block_cols(&f, 1) != NULL);
        EQ_INT(paths.n, 1);
        EQ_INT(paths.at[0].blocks[0].band_rows, 2);
        front_paths_free(&paths);
        fusion_close(&f);
    }
    netgen_free(&n);
}

static void check_text(void)
{
    struct config_block blocks[30];
    struct err e = {0};
    char text[256];
    int n = 0;
    OK(config_parse("0-8:rows 9:plain 10-20:cols4", 21, blocks, &n, &e) == 0);
    EQ_INT(n, 3);
    EQ_INT(blocks[2].band_rows, 4);
    OK(config_parse("0-8:patch3 9:plain 10-20:cols4", 21, blocks, &n, &e) == 0);
    EQ_INT(blocks[0].axis, FUSION_PATCH);
    EQ_INT(blocks[0].band_rows, 3);
    OK(config_format(blocks, n, &(struct config_options){0}, text, sizeof text, &e) == 0);
    EQ_STR(text, "0-8:patch3 9:plain 10-20:cols4");
    OK(config_parse("0-2:plain 3-4:rows", 5, blocks, &n, &e) == 0);
    EQ_INT(n, 4);
    OK(config_format(blocks, n, &(struct config_options){0}, text, sizeof text, &e) == 0);
    EQ_STR(text, "0-2:plain 3-4:rows");
    static const char same[] = "0:plain 1-8:cells(1-3:cols2,4:cols1,5-8:groups8x2x3) "
                               "9-11:groups4 12-13:cells(12-13:cols1) output:outside";
    static struct config_block many[700]; // cells of one block; its text is longer than 4096 bytes
    static char schedule[CONFIG_MAX_SCHEDULE];
    for (int i = 0; i < 700; i++)
        many[i] = (struct config_block){
            .first = i, .last = i, .axis = FUSION_COLS, .band_rows = 1, .cells = 700 - i};
    config_schedule(many, schedule);
    OKF(strlen(schedule) > 4096 && strcmp(schedule + strlen(schedule) - 11, ",699:cols1)") == 0,
        "a long block's schedule is written to its end: %zu bytes", strlen(schedule));
    if (OK(config_parse(same, 14, blocks, &n, &e) == 0)) {
        EQ_INT(n, 6);
        EQ_INT(blocks[1].cells, 3);
        EQ_INT(blocks[3].group, 8);
        EQ_INT(blocks[3].band_rows, 2);
        EQ_INT(config_last(&blocks[1]), 8);
        EQ_INT(blocks[4].band_rows, 0);
        OK(config_options(same).output_outside && config_options(same).spend == 0);
        OK(config_format(blocks, n, &(struct config_options){.output_outside = true}, text,
                         sizeof text, &e) == 0);
        EQ_STR(text, same);
    }
    static const char spends[] = "0-1:rows 2:plain arena:4096 output:outside";
    const struct config_options options = config_options(spends);
    EQ_INT(options.spend, 4096);
    if (OK(config_parse(spends, 3, blocks, &n, &e) == 0 && options.output_outside)) {
        OK(config_format(blocks, n, &options, text, sizeof text, &e) == 0);
        EQ_STR(text, spends);
    }
    static const struct {
        const char *text, *names;
    } bad[] = {
        {"0-2:rows arena:", "arena:"},
        {"0-2:rows arena:0", "arena:"},
        {"0-2:rows arena:1234567", "arena:"},
        {"0-2:rows arena:12k", "arena:"},
        {"0-2:rows output:outside arena:12", "after the last layer"},
        {"arena:12", "layer 0"},
        {"", "layer 0"},
        {"0-3:rows", "ends by 2"},
        {"0-1:rows", "layer 2 of 3"},
        {"0:plain 2:plain", "begins with layer 1"},
        {"0-2:cols", "colsR"},
        {"0-2:cols0", "colsR"},
        {"0-2:patch", "patchN"},
        {"0-2:patch0", "patchN"},
        {"0-2:groups", "groupsG"},
        {"0-2:groups8x", "groupsG"},
        {"0-2:groups8x2x", "groupsG"},
        {"0-2:groups0", "groupsG"},
        {"0-2:cells(0-1:cols1)", "cells(first-last"},
        {"0-2:cells(0-1:cols1,2-3:cols1)", "cells(first-last"},
        {"0-2:cells(0-1:cols1,1-2:cols1)", "cells(first-last"},
        {"0-2:cells(0-2:rows)", "cells(first-last"},
        {"0-2:cells(0-2:cols1", "cells(first-last"},
        {"0-2:cells()", "cells(first-last"},
        {"0-2:rows output:inside", "after the last layer"},
        {"0-2:diagonal", "expected plain"},
        {"0-2:rowsx", "expected plain"},
        {"0-2:rows 3:plain", "after the last layer"},
        {"2-0:rows", "begins with layer 0"},
        {"99999999999999:rows", "expected \"first-last"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err_clear(&e);
        OKF(config_parse(bad[i].text, 3, blocks, &n, &e) == -1 && e.code == ERR_BAD_FIELD &&
                strstr(e.msg, bad[i].names),
            "\"%s\" is refused: %s", bad[i].text, e.msg);
    }
    // A cell too many has no entry: nothing is written behind those of the layers.
    blocks[3] = (struct config_block){.first = 77};
    OK(config_parse("0-2:cells(0:cols1,1:cols1,2:cols1,", 3, blocks, &n, &e) == -1 &&
       blocks[3].first == 77);
    err_clear(&e);
    config_parse("0-2:plain 3-4:rows", 5, blocks, &n, &e);
    OK(config_format(blocks, n, &(struct config_options){0}, text, 12, &e) == -1 &&
       e.code == ERR_TOO_LARGE);
}

// A long chain of cells, each with a thousand bands, is refused before it costs seconds.
static void check_work(void)
{
    enum { LAYERS = 110, HEIGHT = 1024 };
    static const int8_t w[3] = {1, 2, 3};
    static const int32_t bias[1] = {0};
    static struct requant requant[1] = {{1 << 30, -6}};
    static struct layer layers[LAYERS];
    static struct tensor tensors[LAYERS + 1];
    static struct config_block cells[LAYERS];
    struct graph g = {.layers = layers,
                      .tensors = tensors,
                      .n_layers = LAYERS,
                      .n_tensors = LAYERS + 1,
                      .output = LAYERS};
    struct fusion f;
    struct err e = {0};
    uint32_t arena;
    tensors[0] = (struct tensor){HEIGHT, 1, 1, 0, 0.1f, -1, 0};
    for (int i = 0; i < LAYERS; i++) {
        layers[i] = (struct layer){.op = LAYER_CONV,
                                   .kh = 3,
                                   .kw = 1,
                                   .sh = 1,
                                   .sw = 1,
                                   .mult_c = 1,
                                   .pad_top = 1,
                                   .in = {i, -1},
                                   .out = i + 1,
                                   .in_h = HEIGHT,
                                   .in_w = 1,
                                   .in_c = 1,
                                   .out_h = HEIGHT,
                                   .out_w = 1,
                                   .out_c = 1,
                                   .act_min = -128,
                                   .act_max = 127,
                                   .weights = w,
                                   .bias = bias,
                                   .requant = requant};
        tensors[i + 1] = (struct tensor){HEIGHT, 1, 1, 0, 0.1f, i, i + 1};
        cells[i] = (struct config_block){
            .first = i, .last = i, .axis = FUSION_COLS, .band_rows = 1, .cells = LAYERS - i};
    }
    if (!OK(fusion_open(&f, &g, &e) == 0))
        return;
    OK(config_arena(&f, cells, LAYERS, &arena, &e) == -1 && strstr(e.msg, "too many calls"));
    for (int i = 0; i < LAYERS; i++)
        cells[i].band_rows = 64;
    err_clear(&e);
    OKF(config_arena(&f, cells, LAYERS, &arena, &e) == 0, "fewer bands can run %s", e.msg);
    fusion_close(&f);
}

int main(void)
{
    check_text();
    check_work();
    check_bands_in_padding();
    for (int size = 0; size <= 5; size++) {
        int bad = 0, networks = size < 5 ? 60 : 25;
        for (int i = 0; i < networks; i++)
            bad += !check_network((uint32_t)(size * 7000 + i), size);
        OKF(bad == 0, "fronts of about %d layers equal brute force (%d of %d bad)", size, bad,
            networks);
    }
    OKF(with_cells > 10 && with_groups > 0, "fronts with %d cells, %d of them of groups",
        with_cells, with_groups);
    return tap_done();
}
