// SPDX-License-Identifier: MIT
// A network under construction: the caller adds operators from the input on, the net draws their
// weights and runs each on a few images at once, so that the scale, zero point and bias of every
// output fit what really flows through it.
//
// What training and batch normalisation do for a real network is imitated: a convolution's channels
// are scaled and biased until each has a chosen mean and spread over the calibration images; the
// output's scale then follows from the range that occurs (or from 0..6 for RELU6). All arithmetic
// is on integers: see scale.h.
//
// Functions that add an operator return the tensor that it writes. Errors stick: a failed net
// accepts anything and stays failed; look at net->err at the end. A tensor of -1 is accepted then.
#ifndef MODELS_NET_H
#define MODELS_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "models/scale.h"

#define NET_MAX_TENSORS 1024
#define NET_MAX_OPS 256
#define NET_NAME 48

// The values below are those of the TFLite schema (schema.fbs, version 3).
enum net_code {
    NET_ADD = 0,
    NET_AVERAGE_POOL_2D = 1,
    NET_CONV_2D = 3,
    NET_DEPTHWISE_CONV_2D = 4,
    NET_FULLY_CONNECTED = 9,
    NET_MAX_POOL_2D = 17,
    NET_RESHAPE = 22,
    NET_SOFTMAX = 25,
    NET_PAD = 34,
    NET_MEAN = 40
};
enum net_act { NET_ACT_NONE = 0, NET_ACT_RELU = 1, NET_ACT_RELU6 = 3 };
enum net_type { NET_INT32 = 2, NET_INT8 = 9 };

struct net_tensor {
    char name[NET_NAME];
    enum net_type type;
    int n_dims;
    int dims[4];     // activations: 1, H, W, C or 1, C
    size_t elements; // of one image
    void *data;      // a constant's elements, owned; NULL: an activation
    int8_t *images;  // an activation on the calibration images, [image][element], owned; NULL for
                     // constants
    int n_scales;    // 0: not quantised
    struct scale *scales; // owned
    int zero;
    int quantized_dim;
};

struct net_op {
    enum net_code code;
    int n_inputs, inputs[3], output; // tensors
    enum net_act act;
    bool same; // padding SAME, else VALID
    int stride_h, stride_w, filter_h, filter_w;
    int multiplier; // NET_DEPTHWISE_CONV_2D
};

struct net {
    struct err err; // code ERR_NONE: all is well
    char description[128];
    uint64_t rng;  // state of the generator
    int n_images;  // calibration images
    uint64_t macs; // of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED; padding counted as computed
    size_t weight_bytes; // weights and biases
    int n_tensors, n_ops;
    int output; // the tensor that the last operator wrote
    struct net_tensor tensors[NET_MAX_TENSORS];
    struct net_op ops[NET_MAX_OPS];
};

// name and seed fix the weights. n_images = 0 builds the shapes and counts alone: cheap, but not a
// usable model.
struct net *net_new(const char *name, uint64_t seed, int n_images); // NULL: out of memory
void net_free(struct net *n);                                       // accepts NULL

// The model's input; must come first. Its calibration images: noise, random walks, smooth fields,
// and extremes.
int net_input(struct net *n, int h, int w, int c, struct scale scale, int zero);

#define NET_PAD_SAME (-1)
struct net_conv {
    const char *name;
    bool depthwise; // `multiplier` filters a channel; out_c is ignored
    int out_c;      // output channels
    int multiplier; // of a depthwise convolution; 0: 1
    int kh, kw;     // kernel
    int stride;     // both ways
    int pad; // rows and columns of zero on every side, or NET_PAD_SAME for TFLite's own SAME.
             // Written as SAME where that means the same, else as PAD and a VALID convolution
    enum net_act act; // fused into the convolution
};
int net_conv(struct net *n, int in, const struct net_conv *c);
int net_add(struct net *n, const char *name, int a, int b); // same shapes, no activation
int net_max_pool(struct net *n, const char *name, int in, int filter, int stride);
int net_average_pool(struct net *n, const char *name, int in); // over the whole plane
int net_mean(struct net *n, const char *name, int in);         // over H and W: [1,H,W,C] -> [1,C]
int net_flatten(struct net *n, const char *name, int in);      // RESHAPE to [1, H*W*C]
// spread: mean absolute deviation of the outputs over the images, in 1/256.
int net_dense(struct net *n, const char *name, int in, int units, enum net_act act, int spread);
int net_softmax(struct net *n, const char *name, int in);

// The finished network as the bytes of a .tflite file. -1: the net's error, or ERR_NO_MEMORY,
// ERR_TOO_LARGE.
int net_write(const struct net *n, struct buf *out, struct err *e);

#endif
