// SPDX-License-Identifier: MIT
// The networks that farm-models can write, by name.
#ifndef MODELS_ZOO_H
#define MODELS_ZOO_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define ZOO_DEFAULT_SEED 1

struct zoo_model {
    const char *name;    // also the file's name, without .tflite
    const char *summary; // one line
};

size_t zoo_count(void);
const struct zoo_model *zoo_at(size_t i); // i < zoo_count()

struct zoo_info {
    int h, w, c; // of the input
    int operators;
    uint64_t macs;
    size_t weight_bytes;
};
// What a network amounts to, from its layers alone. -1: ERR_NOT_FOUND, ERR_NO_MEMORY.
int zoo_describe(const char *name, struct zoo_info *info, struct err *e);

// Appends the network's .tflite file. The same name and seed give the same bytes on every machine.
// -1: ERR_NOT_FOUND, ERR_NO_MEMORY, ERR_TOO_LARGE.
int zoo_write(const char *name, uint64_t seed, struct buf *out, struct err *e);

#endif
