// SPDX-License-Identifier: MIT
// The truth: a naive interpreter of the TFLite file itself, operator by operator, whole tensors, plain loops. It shares
// no code with the executor, its kernels or the graph (only the parser), and follows TFLite Micro's reference kernels bit
// for bit, QUANTIZE, PAD, RESHAPE and the like included.
#ifndef PLANNER_REFERENCE_H
#define PLANNER_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "server/planner/tflite.h"

struct reference; // one run's tensors

// Runs the operators that the model's outputs need. input: the model's own input tensor, its own type, tightly packed, n bytes must match.
// -1: ERR_UNSUPPORTED, ERR_BAD_REQUEST (input size), ERR_NO_MEMORY.
int reference_run(const struct tflite_model *m, const void *input, size_t n, struct reference **out,
                  struct err *e);
// Bytes of a tensor after the run (its own type and layout); NULL when no operator wrote it.
const void *reference_tensor(const struct reference *r, int tensor, size_t *n);
void reference_free(struct reference *r);

// The int8 core's borders: the tensor behind a QUANTIZE at the input / before a DEQUANTIZE at the output, or the model's
// own input / output tensor where they are int8 already. Layout is that of the file.
int reference_core_input(const struct tflite_model *m);
int reference_core_output(const struct tflite_model *m);
// Runs from the int8 core input (bytes in the file's layout) instead of the model's own input.
int reference_run_core(const struct tflite_model *m, const int8_t *input, size_t n,
                       struct reference **out, struct err *e);

#endif
