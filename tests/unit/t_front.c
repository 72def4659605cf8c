// SPDX-License-Identifier: MIT
// The front equals brute force over every configuration of small random networks, and its texts
// price back to its figures.
#include "tests/tap.h"
#include "tests/unit/brute.h"
#include "tests/unit/netgen.h"

#include "server/planner/config.h"
#include "server/planner/front.h"
#include "server/planner/fusion.h"

static bool check_network(uint32_t seed, int size)
{
    static struct brute brute;
    struct netgen n;
    struct fusion f;
    struct front_paths paths;
    struct err e = {0};
    bool ok = true;
    netgen_make(&n, seed, size);
    if (n.g.n_layers > 6) {
        netgen_free(&n);
        return true;
    }
    if (fusion_open(&f, &n.g, &e) || front_search(&f, &front_everything, &paths, &e))
        return false;
    brute_force(&brute, &f, NULL);
    ok = brute_equals(&brute, &paths);
    if (!ok)
        printf("# seed %u size %d: front has %zu points, brute force %zu\n", seed, size, paths.n,
               brute.n);
    front_paths_free(&paths);
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
    if (OK(fusion_open(&f, &n.g, &e) == 0 &&
           front_search(&f, &front_everything, &paths, &e) == 0)) {
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
    OK(config_format(blocks, n, text, sizeof text, &e) == 0);
    EQ_STR(text, "0-8:patch3 9:plain 10-20:cols4");
    OK(config_parse("0-2:plain 3-4:rows", 5, blocks, &n, &e) == 0);
    EQ_INT(n, 4);
    OK(config_format(blocks, n, text, sizeof text, &e) == 0);
    EQ_STR(text, "0-2:plain 3-4:rows");
    static const struct {
        const char *text, *names;
    } bad[] = {
        {"", "layer 0"},
        {"0-3:rows", "ends by 2"},
        {"0-1:rows", "layer 2 of 3"},
        {"0:plain 2:plain", "begins with layer 1"},
        {"0-2:cols", "colsR"},
        {"0-2:cols0", "colsR"},
        {"0-2:patch", "patchN"},
        {"0-2:patch0", "patchN"},
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
    err_clear(&e);
    config_parse("0-2:plain 3-4:rows", 5, blocks, &n, &e);
    OK(config_format(blocks, n, text, 12, &e) == -1 && e.code == ERR_TOO_LARGE);
}

int main(void)
{
    check_text();
    check_bands_in_padding();
    for (int size = 1; size <= 5; size++) {
        int bad = 0, networks = size < 5 ? 60 : 25;
        for (int i = 0; i < networks; i++)
            bad += !check_network((uint32_t)(size * 7000 + i), size);
        OKF(bad == 0, "fronts of about %d layers equal brute force (%d of %d bad)", size, bad,
            networks);
    }
    return tap_done();
}
