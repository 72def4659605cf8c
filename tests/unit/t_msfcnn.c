// SPDX-License-Identifier: MIT
// msf-CNN's planner, reproduced: every figure below was printed by its authors' own scripts
// (analysis_optimization.py -m MODEL -p P1|P2|heuristic|vanilla) for its three networks.
#include <math.h>

#include "common/buf.h"
#include "models/zoo.h"
#include "server/planner/msfcnn.h"
#include "server/planner/tflite.h"
#include "tests/tap.h"

#define MAX_LAYERS 64
#define N_P1 6
#define N_P2 5

struct answer {
    uint64_t ram, macs; // 0, 0: none
};

struct inverted {
    double in, out; // channels before truncation
    int expand, stride, kernel;
};

// A stem of 3x3, stride 2; `separable` adds depthwise 3x3 and 1x1 to 8 channels; inverted
// bottlenecks; `top` a last 1x1.
struct network {
    const char *name;
    int size, stem, top;
    bool separable;
    struct inverted at[24];
    struct answer vanilla, heuristic, p1[N_P1], p2[N_P2];
};

static const double f_max[N_P1] = {1.1, 1.2, 1.3, 1.4, 1.5, INFINITY};
static const uint64_t p_max[N_P2] = {16000, 32000, 64000, 128000, 256000};

// clang-format off
#define W(c) ((c) * .35)
static const struct network networks[] = {
    {"MBV2-w0.35", 144, 11, 448, false,
     {{W(32), W(16), 1, 1, 3},
      {W(16), W(24), 6, 2, 3},  {W(24), W(24), 6, 1, 3},
      {W(24), W(32), 6, 2, 3},  {W(32), W(32), 6, 1, 3},  {W(32), W(32), 6, 1, 3},
      {W(32), W(64), 6, 2, 3},  {W(64), W(64), 6, 1, 3},  {W(64), W(64), 6, 1, 3}, {W(64), W(64), 6, 1, 3},
      {W(64), W(96), 6, 1, 3},  {W(96), W(96), 6, 1, 3},  {W(96), W(96), 6, 1, 3},
      {W(96), W(160), 6, 2, 3}, {W(160), W(160), 6, 1, 3}, {W(160), W(160), 6, 1, 3},
      {W(160), W(320), 6, 1, 3}},
     {194400, 18909490}, {32076, 30050014},
     {{67905, 20751538}, {67905, 20751538}, {21288, 24536110}, {15340, 26132080}, {15340, 26132080}, {7887, 31758160}},
     {{15340, 26132080}, {25674, 23700946}, {63741, 23249938}, {83065, 19265890}, {181440, 18909490}}},
    {"MN2-vww5", 80, 16, 0, true,
     {{8, 16, 6, 2, 3},  {16, 16, 3, 1, 3}, {16, 16, 3, 1, 3},
      {16, 24, 3, 2, 7}, {24, 24, 6, 1, 3}, {24, 24, 5, 1, 5},
      {24, 40, 6, 2, 7}, {40, 40, 6, 1, 7},
      {40, 48, 6, 1, 3}, {48, 48, 4, 1, 3},
      {48, 96, 5, 2, 5}, {96, 96, 5, 1, 3}, {96, 96, 4, 1, 3},
      {96, 160, 3, 1, 7}},
     {96000, 11578496}, {24000, 18014016},
     {{32792, 12024576}, {26128, 12888576}, {17760, 15000576}, {13376, 15576576}, {13376, 15576576}, {12000, 22655616}},
     {{13376, 15576576}, {26128, 12888576}, {38576, 11839616}, {89600, 11578496}, {89600, 11578496}}},
    {"MN2-320K", 176, 16, 0, true,
     {{8, 16, 3, 2, 7},  {16, 16, 5, 1, 3}, {16, 16, 5, 1, 7}, {16, 16, 4, 1, 5},
      {16, 24, 5, 2, 5}, {24, 24, 5, 1, 5}, {24, 24, 5, 1, 5},
      {24, 40, 5, 2, 3}, {40, 40, 6, 1, 7}, {40, 40, 4, 1, 5},
      {40, 48, 5, 1, 5}, {48, 48, 5, 1, 7}, {48, 48, 5, 1, 3},
      {48, 96, 6, 2, 3}, {96, 96, 5, 1, 7}, {96, 96, 4, 1, 3},
      {96, 160, 5, 1, 7}},
     {309760, 81625520}, {90307, 265301232},
     {{190096, 84987824}, {186736, 97490864}, {186032, 102109104}, {156672, 111725744}, {94184, 118754480}, {42643, 219971376}},
     {{0, 0}, {0, 0}, {62880, 164842544}, {94184, 118754480}, {247808, 81625520}}},
};
// clang-format on

struct list {
    struct msfcnn_layer at[MAX_LAYERS];
    int n, size, channels;
};

static void add_layer(struct list *l, bool depthwise, int out_c, int k, int stride, int pad)
{
    int out = (l->size + 2 * pad - k) / stride + 1;
    struct msfcnn_axis a = {l->size, out, k, stride, pad};
    int macs = depthwise ? k * k : k * k * l->channels;
    l->at[l->n++] = (struct msfcnn_layer){a, a, l->channels, out_c, (uint64_t)macs};
    l->size = out;
    l->channels = out_c;
}

static void build(struct list *l, const struct network *n)
{
    *l = (struct list){.size = n->size, .channels = 3};
    add_layer(l, false, n->stem, 3, 2, 1);
    if (n->separable) {
        add_layer(l, true, 16, 3, 1, 1);
        add_layer(l, false, 8, 1, 1, 0);
    }
    for (const struct inverted *v = n->at; v->expand; v++) {
        int wide = (int)v->in * v->expand;
        add_layer(l, false, wide, 1, 1, 0);
        add_layer(l, true, wide, v->kernel, v->stride, (v->kernel - 1) / 2);
        add_layer(l, false, (int)v->out, 1, 1, 0);
    }
    if (n->top)
        add_layer(l, false, n->top, 1, 1, 0);
}

static void expect(bool found, const struct msfcnn_path *p, struct answer want, const char *what)
{
    struct answer got = {found ? p->ram : 0, found ? p->macs : 0};
    OKF(got.ram == want.ram && got.macs == want.macs, "%s: %llu bytes, %llu MACs", what,
        (unsigned long long)want.ram, (unsigned long long)want.macs);
    if (got.ram != want.ram || got.macs != want.macs)
        printf("#   got %llu bytes, %llu MACs\n", (unsigned long long)got.ram,
               (unsigned long long)got.macs);
}

static void check_vanilla(const struct msfcnn *m, struct answer want, const char *name)
{
    struct answer got = {0, 0};
    for (int i = 0; i < m->n; i++) {
        got.ram = m->edges[i * m->n + i].ram > got.ram ? m->edges[i * m->n + i].ram : got.ram;
        got.macs += m->edges[i * m->n + i].macs;
    }
    OKF(got.ram == want.ram && got.macs == want.macs, "%s vanilla: %llu bytes, %llu MACs", name,
        (unsigned long long)want.ram, (unsigned long long)want.macs);
}

static void check_network(const struct network *n)
{
    struct list l;
    struct msfcnn m;
    struct err e = {0};
    int last[MAX_LAYERS];
    struct msfcnn_path p = {.last = last};
    char what[80];
    build(&l, n);
    if (!OK(msfcnn_open(&m, l.at, l.n, &e) == 0))
        return;
    check_vanilla(&m, n->vanilla, n->name);
    snprintf(what, sizeof what, "%s heuristic", n->name);
    expect(msfcnn_heuristic(&m, &p), &p, n->heuristic, what);
    for (int i = 0; i < N_P1; i++) {
        snprintf(what, sizeof what, "%s P1 F_max %.1f", n->name, f_max[i]);
        expect(msfcnn_p1(&m, f_max[i], &p), &p, n->p1[i], what);
    }
    for (int i = 0; i < N_P2; i++) {
        snprintf(what, sizeof what, "%s P2 %llu", n->name, (unsigned long long)p_max[i]);
        expect(msfcnn_p2(&m, p_max[i], &p), &p, n->p2[i], what);
    }
    OK(!msfcnn_p1(&m, 0.99, &p));
    msfcnn_close(&m);
}

// A chain that went through a model file and the import gives the same answers as the list.
static void check_imported(const struct network *n, const char *zoo_name)
{
    struct buf file;
    struct tflite_model t = {0};
    struct graph g = {0};
    struct msfcnn m = {0};
    struct err e = {0};
    int last[MAX_LAYERS];
    struct msfcnn_path p = {.last = last};
    buf_init(&file, 32u << 20);
    if (OK(zoo_write(zoo_name, ZOO_DEFAULT_SEED, &file, &e) == 0) &&
        OK(tflite_parse(&t, file.data, file.len, &e) == 0) && OK(graph_build(&g, &t, &e) == 0) &&
        OK(msfcnn_open_graph(&m, &g, &e) == 0)) {
        check_vanilla(&m, n->vanilla, zoo_name);
        expect(msfcnn_heuristic(&m, &p), &p, n->heuristic, zoo_name);
        for (int i = 0; i < N_P1; i++)
            expect(msfcnn_p1(&m, f_max[i], &p), &p, n->p1[i], zoo_name);
    }
    msfcnn_close(&m);
    graph_free(&g);
    tflite_free(&t);
    buf_free(&file);
}

int main(void)
{
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        check_network(&networks[i]);
    check_imported(&networks[1], "mcunet_vww5_r80_chain");
    return tap_done();
}
