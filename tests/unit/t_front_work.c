// SPDX-License-Identifier: MIT
// The work of a search is counted, and the same each time; with one step less than it takes a search
// gives up and says so. A model that would keep a farm busy for hours is refused, not planned in
// part, and what is cheap to plan of it still is.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "models/net.h"
#include "server/planner/planner.h"
#include "server/planner/strategy.h"

enum { LATENCY = PLANNER_STRATEGIES, SEARCHES }; // the strategies, and the front over latency

static const struct latency_model model = {.kernels = "generic", .interpreter = {100}};
static struct latency_table latency;

static int search(struct fusion *f, int which, struct front_paths *out, struct err *e)
{
    f->work = 0;
    f->latency = which == LATENCY ? &latency : NULL;
    return which == LATENCY ? front_search_latency(f, &front_everything, out, e)
                            : strategy_search(f, (enum planner_strategy)which, out, e);
}

// With as many steps as the search takes it gives as many paths; with one less none.
static bool check_limit(struct fusion *f, int which)
{
    struct front_paths free_of_limits, within, beyond;
    struct err e = {0};
    char limit[24];
    f->max_work = 0;
    if (search(f, which, &free_of_limits, &e))
        return false;
    const uint64_t work = f->work;
    f->max_work = work;
    bool ok = search(f, which, &within, &e) == 0 && f->work == work;
    ok = ok && within.n == free_of_limits.n && within.n > 0;
    f->max_work = work - 1;
    ok = ok && search(f, which, &beyond, &e) == -1 && e.code == ERR_TOO_COMPLEX;
    snprintf(limit, sizeof limit, " %llu steps", (unsigned long long)f->max_work);
    ok = ok && strstr(e.msg, limit) && beyond.n == 0 && !beyond.at;
    front_paths_free(&free_of_limits);
    front_paths_free(&within);
    return ok;
}

static void check_limits(void)
{
    int bad[SEARCHES] = {0}, checked = 0;
    for (uint32_t seed = 0; seed < 100; seed++) {
        struct netgen n;
        struct fusion f;
        struct err e = {0};
        netgen_make(&n, seed, 1 + (int)(seed % 8));
        if (fusion_open(&f, &n.g, &e) == 0 && latency_table_fill(&latency, &n.g, &model, &e) == 0) {
            for (int which = 0; which < SEARCHES; which++)
                bad[which] += !check_limit(&f, which);
            fusion_close(&f);
            latency_table_free(&latency);
            checked++;
        }
        netgen_free(&n);
    }
    for (int which = 0; which < SEARCHES; which++)
        OKF(bad[which] == 0 && checked == 100,
            "100 searches of %s end at their limit, and not before (%d bad)",
            which == LATENCY ? "the front over latency" : planner_strategy_names[which],
            bad[which]);
}

// 200 convolutions over a column of 32,767 pixels.
static void write_tower(struct buf *out)
{
    struct net *n = net_new("tower", 1, 1);
    struct err e = {0};
    if (!n)
        return;
    int t = net_input(n, GRAPH_MAX_DIM, 1, 1, scale_ratio(1, 128), 0);
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        t = net_conv(
            n, t,
            &(struct net_conv){
                .name = name, .out_c = 1, .kh = 3, .kw = 1, .stride = 1, .pad = NET_PAD_SAME});
    }
    OKF(net_write(n, out, &e) == 0, "a tower of 200 layers %s", e.msg);
    net_free(n);
}

static void check_tower(void)
{
    struct buf file;
    struct planner *p = NULL;
    struct front front;
    struct config c;
    struct err e = {0};
    buf_init(&file, 1u << 20);
    write_tower(&file);
    if (!OKF(planner_open(file.data, file.len, &p, &e) == 0, "it is imported %s", e.msg))
        goto out;
    OKF(planner_front(p, &front, &e) == -1 && e.code == ERR_TOO_COMPLEX && front.n == 0,
        "its front is refused: %s", e.msg);
    OK(err_http(e.code) == 422 && strcmp(err_type(e.code), "too-complex") == 0);
    err_clear(&e);
    OKF(planner_strategy_front(p, PLANNER_VANILLA, false, &front, &e) == 0 && front.n == 1,
        "layer by layer it is planned %s", e.msg);
    front_free(&front);
    err_clear(&e);
    OKF(planner_price(p, "0-199:rows", &c, &e) == 0 && c.overhead == 1,
        "and so is a configuration by its text %s", e.msg);
out:
    planner_free(p);
    buf_free(&file);
}

int main(void)
{
    check_limits();
    check_tower();
    return tap_done();
}
