// SPDX-License-Identifier: MIT
// See variants.h.
#include "firmware/executor/variants.h"

#define NUMBER_generic 1
#define NUMBER_armv7em 2
#define NUMBER_rv32 3
#define NUMBER_lx7 4
#define NUMBER_OF(name) NUMBER_##name
#define EXPANDED_NUMBER_OF(name) NUMBER_OF(name)
#ifdef EXEC_ONLY
#define HAS(name) (EXPANDED_NUMBER_OF(EXEC_ONLY) == NUMBER_##name)
#else
#define HAS(name) 1
#endif

const char *const exec__variants[] = {
    "generic",
#if HAS(armv7em)
    "armv7em",
#endif
#if HAS(rv32)
    "rv32",
#endif
#if HAS(lx7)
    "lx7",
#endif
    NULL,
};

k_slice_fn *const exec__kernels[PROG_KERNEL_COUNT] = {
    [PROG_CONV] = k_conv,         [PROG_DWCONV] = k_dwconv,
    [PROG_AVGPOOL] = k_avgpool,   [PROG_MAXPOOL] = k_maxpool,
    [PROG_MEAN] = k_mean,         [PROG_SOFTMAX] = k_softmax,
    [PROG_RESCALE] = k_rescale,   [PROG_PAD] = k_pad,
    [PROG_SUM_CONV] = k_sum_conv, [PROG_SUM_END] = k_sum_end,
#if HAS(armv7em)
    [PROG_CONV_X2] = k_conv_x2,   [PROG_DWCONV_X2] = k_dwconv_x2,
#endif
#if HAS(rv32)
    [PROG_CONV_B4] = k_conv_b4,   [PROG_DWCONV_FIR] = k_dwconv_fir,
#endif
#if HAS(lx7)
    [PROG_CONV_M16] = k_conv_m16, [PROG_DWCONV_M16] = k_dwconv_m16,
#endif
};
