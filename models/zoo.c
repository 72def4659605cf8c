// SPDX-License-Identifier: MIT
// See zoo.h. The layer lists of MobileNetV2 0.35 at 144, MCUNet-VWW5 at 80 and MCUNet-320KB at 176
// are the networks of the msf-CNN paper; channel counts that a width multiplier makes fractional
// are cut off, as its scripts do.
#include "models/zoo.h"

#include <stdio.h>
#include <string.h>

#include "models/net.h"

#define CALIBRATION_IMAGES 6

// An inverted residual: 1x1 to expand * in channels, depthwise kernel x kernel, 1x1 to out channels
// without activation. Padding is (kernel - 1) / 2 on every side.
struct inverted {
    int out;
    int expand; // 0: no 1x1 before the depthwise
    int stride, kernel;
};

// A network of the MobileNetV2 family.
struct mobile {
    int size;               // height and width of the RGB input
    int stem;               // channels of the first 3x3 convolution, stride 2
    struct inverted at[24]; // ends with out = 0
    int top;                // channels of the last 1x1 convolution; 0: none
    int classes;            // units of the classifier
};

// clang-format off
static const struct mobile mbv2_w035_r144 = {
    .size = 144, .stem = 11, .top = 448, .classes = 1000,
    .at = {
        {5, 1, 1, 3},
        {8, 6, 2, 3},   {8, 6, 1, 3},
        {11, 6, 2, 3},  {11, 6, 1, 3},  {11, 6, 1, 3},
        {22, 6, 2, 3},  {22, 6, 1, 3},  {22, 6, 1, 3},  {22, 6, 1, 3},
        {33, 6, 1, 3},  {33, 6, 1, 3},  {33, 6, 1, 3},
        {56, 6, 2, 3},  {56, 6, 1, 3},  {56, 6, 1, 3},
        {112, 6, 1, 3},
    },
};

static const struct mobile mcunet_vww5_r80 = {
    .size = 80, .stem = 16, .classes = 2,
    .at = {
        {8, 0, 1, 3},
        {16, 6, 2, 3},  {16, 3, 1, 3},  {16, 3, 1, 3},
        {24, 3, 2, 7},  {24, 6, 1, 3},  {24, 5, 1, 5},
        {40, 6, 2, 7},  {40, 6, 1, 7},
        {48, 6, 1, 3},  {48, 4, 1, 3},
        {96, 5, 2, 5},  {96, 5, 1, 3},  {96, 4, 1, 3},
        {160, 3, 1, 7},
    },
};

static const struct mobile mcunet_320k_r176 = {
    .size = 176, .stem = 16, .classes = 1000,
    .at = {
        {8, 0, 1, 3},
        {16, 3, 2, 7},  {16, 5, 1, 3},  {16, 5, 1, 7},  {16, 4, 1, 5},
        {24, 5, 2, 5},  {24, 5, 1, 5},  {24, 5, 1, 5},
        {40, 5, 2, 3},  {40, 6, 1, 7},  {40, 4, 1, 5},
        {48, 5, 1, 5},  {48, 5, 1, 7},  {48, 5, 1, 3},
        {96, 6, 2, 3},  {96, 5, 1, 7},  {96, 4, 1, 3},
        {160, 5, 1, 7},
    },
};

static const struct mobile tiny_mbv2 = {
    .size = 48, .stem = 16, .top = 64, .classes = 10,
    .at = {
        {8, 0, 1, 3},
        {16, 4, 2, 3},  {16, 4, 1, 3},
        {24, 4, 2, 3},  {24, 4, 1, 3},
    },
};
// clang-format on

static int build_inverted(struct net *n, int block, int in, const struct inverted *v,
                          bool residuals)
{
    char name[NET_NAME];
    int channels = n->err.code ? 0 : n->tensors[in].dims[3];
    int x = in;
    if (v->expand) {
        snprintf(name, sizeof name, "block%d/expand", block);
        x = net_conv(n, x,
                     &(struct net_conv){.name = name,
                                        .out_c = channels * v->expand,
                                        .kh = 1,
                                        .kw = 1,
                                        .stride = 1,
                                        .act = NET_ACT_RELU6});
    }
    snprintf(name, sizeof name, "block%d/depthwise", block);
    x = net_conv(n, x,
                 &(struct net_conv){.name = name,
                                    .depthwise = true,
                                    .kh = v->kernel,
                                    .kw = v->kernel,
                                    .stride = v->stride,
                                    .pad = (v->kernel - 1) / 2,
                                    .act = NET_ACT_RELU6});
    snprintf(name, sizeof name, "block%d/project", block);
    x = net_conv(n, x,
                 &(struct net_conv){.name = name, .out_c = v->out, .kh = 1, .kw = 1, .stride = 1});
    if (residuals && v->stride == 1 && v->out == channels) {
        snprintf(name, sizeof name, "block%d/add", block);
        x = net_add(n, name, in, x);
    }
    return x;
}

// head: residuals, pooling and classifier; without it the network is the bare chain of its
// convolutions.
static void build_mobile(struct net *n, const struct mobile *m, bool head)
{
    int x = net_input(n, m->size, m->size, 3, scale_ratio(2, 255), -1);
    x = net_conv(n, x,
                 &(struct net_conv){.name = "stem",
                                    .out_c = m->stem,
                                    .kh = 3,
                                    .kw = 3,
                                    .stride = 2,
                                    .pad = 1,
                                    .act = NET_ACT_RELU6});
    for (int i = 0; m->at[i].out; i++)
        x = build_inverted(n, i, x, &m->at[i], head);
    if (m->top) {
        x = net_conv(n, x,
                     &(struct net_conv){.name = "top",
                                        .out_c = m->top,
                                        .kh = 1,
                                        .kw = 1,
                                        .stride = 1,
                                        .act = NET_ACT_RELU6});
    }
    if (head) {
        x = net_mean(n, "pool", x);
        x = net_dense(n, "logits", x, m->classes, NET_ACT_NONE, m->classes > 100 ? 512 : 320);
        net_softmax(n, "softmax", x);
    }
}

// The classic digit reader, with max pooling.
static void build_lenet5(struct net *n)
{
    int x = net_input(n, 28, 28, 1, scale_ratio(1, 255), -128);
    struct net_conv c1 = {
        .name = "conv1", .out_c = 6, .kh = 5, .kw = 5, .stride = 1, .pad = 2, .act = NET_ACT_RELU};
    struct net_conv c2 = {
        .name = "conv2", .out_c = 16, .kh = 5, .kw = 5, .stride = 1, .act = NET_ACT_RELU};
    x = net_conv(n, x, &c1);
    x = net_max_pool(n, "pool1", x, 2, 2);
    x = net_conv(n, x, &c2);
    x = net_max_pool(n, "pool2", x, 2, 2);
    x = net_flatten(n, "flatten", x);
    x = net_dense(n, "dense1", x, 120, NET_ACT_RELU, 256);
    x = net_dense(n, "dense2", x, 84, NET_ACT_RELU, 256);
    x = net_dense(n, "logits", x, 10, NET_ACT_NONE, 320);
    net_softmax(n, "softmax", x);
}

// Keyword spotting: 49 frames of 10 cepstral coefficients, as MLPerf Tiny's DS-CNN.
static void build_dscnn(struct net *n)
{
    int x = net_input(n, 49, 10, 1, scale_ratio(1, 2), 64);
    struct net_conv stem = {.name = "stem",
                            .out_c = 64,
                            .kh = 10,
                            .kw = 4,
                            .stride = 2,
                            .pad = NET_PAD_SAME,
                            .act = NET_ACT_RELU};
    x = net_conv(n, x, &stem);
    for (int i = 0; i < 4; i++) {
        char name[NET_NAME];
        snprintf(name, sizeof name, "block%d/depthwise", i);
        struct net_conv dw = {.name = name,
                              .depthwise = true,
                              .kh = 3,
                              .kw = 3,
                              .stride = 1,
                              .pad = 1,
                              .act = NET_ACT_RELU};
        x = net_conv(n, x, &dw);
        snprintf(name, sizeof name, "block%d/pointwise", i);
        struct net_conv pw = {
            .name = name, .out_c = 64, .kh = 1, .kw = 1, .stride = 1, .act = NET_ACT_RELU};
        x = net_conv(n, x, &pw);
    }
    x = net_average_pool(n, "pool", x);
    x = net_flatten(n, "flatten", x);
    x = net_dense(n, "logits", x, 12, NET_ACT_NONE, 320);
    net_softmax(n, "softmax", x);
}

static const struct {
    struct zoo_model model;
    const struct mobile *mobile; // NULL: build() it
    bool head;
    void (*build)(struct net *n);
} zoo[] = {
    // clang-format off
    {{"tiny_mbv2",              "small MobileNetV2 for a first run, residuals, 10 classes"},         &tiny_mbv2, true, NULL},
    {{"lenet5",                 "digits: 5x5 convolutions, max pooling, three dense layers"},        NULL, true, build_lenet5},
    {{"dscnn_kws",              "keyword spotting: depthwise separable, 12 classes"},                NULL, true, build_dscnn},
    {{"mbv2_w035_r144",         "MobileNetV2 0.35 at 144x144, residuals, 1000 classes"},             &mbv2_w035_r144, true, NULL},
    {{"mbv2_w035_r144_chain",   "its convolutions alone, as the msf-CNN paper lists them"},          &mbv2_w035_r144, false, NULL},
    {{"mcunet_vww5_r80",        "MCUNet-VWW5 at 80x80, kernels to 7x7, residuals, 2 classes"},       &mcunet_vww5_r80, true, NULL},
    {{"mcunet_vww5_r80_chain",  "its convolutions alone, as the msf-CNN paper lists them"},          &mcunet_vww5_r80, false, NULL},
    {{"mcunet_320k_r176",       "MCUNet-320KB at 176x176, kernels to 7x7, residuals, 1000 classes"}, &mcunet_320k_r176, true, NULL},
    {{"mcunet_320k_r176_chain", "its convolutions alone, as the msf-CNN paper lists them"},          &mcunet_320k_r176, false, NULL},
    // clang-format on
};

size_t zoo_count(void)
{
    return sizeof zoo / sizeof *zoo;
}

const struct zoo_model *zoo_at(size_t i)
{
    return &zoo[i].model;
}

static int zoo_build(const char *name, uint64_t seed, int n_images, struct net **out, struct err *e)
{
    size_t i = 0;
    while (i < zoo_count() && strcmp(zoo[i].model.name, name) != 0)
        i++;
    if (i == zoo_count())
        return err_set(e, ERR_NOT_FOUND, "there is no model '%s'; farm-models --list names them",
                       name);
    struct net *n = net_new(name, seed, n_images);
    if (!n)
        return err_set(e, ERR_NO_MEMORY, "%s: out of memory", name);
    if (zoo[i].mobile)
        build_mobile(n, zoo[i].mobile, zoo[i].head);
    else
        zoo[i].build(n);
    if (n->err.code) {
        err_set(e, n->err.code, "%s", n->err.msg);
        net_free(n);
        return -1;
    }
    *out = n;
    return 0;
}

int zoo_describe(const char *name, struct zoo_info *info, struct err *e)
{
    struct net *n = NULL;
    if (zoo_build(name, ZOO_DEFAULT_SEED, 0, &n, e) != 0 || !n)
        return -1;
    const int *d = n->tensors[0].dims;
    *info = (struct zoo_info){.h = d[1],
                              .w = d[2],
                              .c = d[3],
                              .operators = n->n_ops,
                              .macs = n->macs,
                              .weight_bytes = n->weight_bytes};
    net_free(n);
    return 0;
}

int zoo_write(const char *name, uint64_t seed, struct buf *out, struct err *e)
{
    struct net *n = NULL;
    if (zoo_build(name, seed, CALIBRATION_IMAGES, &n, e) != 0 || !n)
        return -1;
    int rc = net_write(n, out, e);
    net_free(n);
    return rc;
}
