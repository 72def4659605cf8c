// SPDX-License-Identifier: MIT
// The kernel variants of a build: all of them, or, with -DEXEC_ONLY=rv32 (a name of the list below), that one and
// `generic`. Each gives the same bytes, but pays on the machine that it is laid out for; what a build leaves out saves
// flash.
#ifndef EXECUTOR_VARIANTS_H
#define EXECUTOR_VARIANTS_H

#include "firmware/executor/program.h"
#include "firmware/kernels/kernels.h"

extern const char *const exec__variants[]; // names, NULL behind the last
// By enum prog_kernel; NULL: not in this build, or called in a way of its own (below PROG_CONV).
extern k_slice_fn *const exec__kernels[PROG_KERNEL_COUNT];

#endif
