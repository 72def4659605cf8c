// SPDX-License-Identifier: MIT
// fit-models DIR: writes small seeded networks as DIR/fit_N.tflite, whose layers together make use of every kernel of every
// variant, in many shapes. tools/fit-latency measures them, so that no class of kernels depends on a few layers of a few
// known networks.
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "models/net.h"

enum { NETWORKS = 16, LAYERS = 7, IMAGES = 2, MOST_BYTES = 6000, MAX_FILE = 4 << 20 };

enum kind { POINTWISE, CONV, DEPTHWISE, RESIDUAL, MAX_POOL, KINDS };

struct maker {
    struct net *net;
    uint32_t state;
    int tensor, h, w, c, layer;
    char name[NET_NAME];
};

static int pick(struct maker *m, const int *of, int n)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 17;
    m->state ^= m->state << 5;
    return of[m->state % (uint32_t)n];
}
#define PICK(m, ...)                                                                               \
    pick(m, (const int[]){__VA_ARGS__}, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)))

static const char *name_of(struct maker *m, const char *what)
{
    snprintf(m->name, sizeof m->name, "%s%d", what, m->layer++);
    return m->name;
}

static int out_size(int in, int stride)
{
    return (in + stride - 1) / stride;
}

// The most of the wanted channels that the output's bytes allow.
static int channels(const struct maker *m, int wanted, int stride)
{
    const int most = MOST_BYTES / (out_size(m->h, stride) * out_size(m->w, stride));
    return wanted < most ? wanted : most > 0 ? most : 1;
}

static void add_conv(struct maker *m, struct net_conv c)
{
    c.name = name_of(m, c.depthwise ? "depthwise" : "conv");
    c.pad = NET_PAD_SAME;
    m->tensor = net_conv(m->net, m->tensor, &c);
    m->h = out_size(m->h, c.stride);
    m->w = out_size(m->w, c.stride);
    m->c = c.depthwise ? m->c * c.multiplier : c.out_c;
}

static enum net_act some_act(struct maker *m)
{
    return (enum net_act)PICK(m, NET_ACT_NONE, NET_ACT_RELU, NET_ACT_RELU6);
}

static void add_layer(struct maker *m, enum kind kind)
{
    struct net_conv c = {.kh = 1, .kw = 1, .stride = 1, .act = some_act(m)};
    const int before = m->tensor;
    switch (kind) {
    case POINTWISE:
        c.out_c = channels(m, PICK(m, 5, 8, 16, 18, 24, 40, 64), 1);
        add_conv(m, c);
        break;
    case CONV:
        c.kh = PICK(m, 1, 3, 3, 5);
        c.kw = PICK(m, 3, 3, 5);
        c.stride = PICK(m, 1, 1, 1, 2);
        c.out_c = channels(m, PICK(m, 4, 6, 8, 16, 20, 32), c.stride);
        add_conv(m, c);
        break;
    case DEPTHWISE:
        c.depthwise = true;
        c.kw = PICK(m, 3, 3, 5, 7, 9);
        c.kh = PICK(m, 1, 1, 1, 0) ? c.kw : PICK(m, 2, 3, 4);
        c.stride = PICK(m, 1, 1, 1, 2);
        c.multiplier = channels(m, PICK(m, 1, 1, 1, 2, 3) * m->c, c.stride) / m->c;
        c.multiplier = c.multiplier ? c.multiplier : 1;
        add_conv(m, c);
        break;
    case RESIDUAL:
        c.out_c = m->c;
        add_conv(m, c);
        m->tensor = net_add(m->net, name_of(m, "add"), before, m->tensor);
        break;
    default:
        m->tensor = net_max_pool(m->net, name_of(m, "pool"), m->tensor, 2, 2);
        m->h /= 2;
        m->w /= 2;
    }
}

static void add_head(struct maker *m, int n)
{
    if (n % 3 == 0)
        m->tensor = net_mean(m->net, name_of(m, "mean"), m->tensor);
    else if (n % 3 == 1)
        m->tensor = net_average_pool(m->net, name_of(m, "average"), m->tensor);
    if (n % 3 != 0)
        m->tensor = net_flatten(m->net, name_of(m, "flatten"), m->tensor);
    m->tensor =
        net_dense(m->net, name_of(m, "dense"), m->tensor, PICK(m, 3, 10, 33), NET_ACT_NONE, 320);
    net_softmax(m->net, name_of(m, "softmax"), m->tensor);
}

// Layers of every kind come in turn, another kind first in each network.
static void build(struct maker *m, int n)
{
    m->h = PICK(m, 9, 14, 16, 20);
    m->w = PICK(m, 9, 12, 16, 20);
    m->c = PICK(m, 1, 3, 4, 8);
    m->tensor = net_input(m->net, m->h, m->w, m->c, scale_ratio(1, 128), 0);
    for (int i = 0; i < LAYERS; i++) {
        const enum kind kind = (enum kind)((n + i) % KINDS);
        if (kind != MAX_POOL || (m->h >= 4 && m->w >= 4))
            add_layer(m, kind);
    }
    add_head(m, n);
}

static int write_file(const struct buf *bytes, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return -1;
    const size_t n = fwrite(bytes->data, 1, bytes->len, f);
    return fclose(f) == 0 && n == bytes->len ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fit-models DIR\n");
        return 2;
    }
    for (int n = 0; n < NETWORKS; n++) {
        char name[16], path[1024];
        struct buf bytes;
        struct err e = {0};
        snprintf(name, sizeof name, "fit_%02d", n);
        snprintf(path, sizeof path, "%s/%s.tflite", argv[1], name);
        struct maker m = {.net = net_new(name, 1, IMAGES), .state = 7919u * (uint32_t)(n + 1)};
        buf_init(&bytes, MAX_FILE);
        if (m.net)
            build(&m, n);
        int rc = !m.net || net_write(m.net, &bytes, &e) || write_file(&bytes, path);
        net_free(m.net);
        buf_free(&bytes);
        if (rc) {
            fprintf(stderr, "fit-models: %s: %s\n", path, e.msg);
            return 1;
        }
    }
    return 0;
}
