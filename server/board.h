// SPDX-License-Identifier: MIT
// The kinds of hardware that the farm knows: firmware/boards/<id>/board.json, read once at start.
#ifndef SERVER_BOARD_H
#define SERVER_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "server/planner/planner.h"

#define BOARD_MAX 64 // boards of one server: a set of them fits in 64 bits

struct board {
    char id[64]; // as its folder
    char name[128], core[64], soc[64];
    uint64_t ram_bytes, flash_bytes, clock_hz;
    uint32_t baud;
    uint64_t program_address;
    uint32_t program_max_bytes;
    uint32_t arena_max_bytes; // the most RAM that a configuration may use ...
    uint32_t
        arena_overhead_bytes; // ... together with this, which the executor takes from the same memory
    char kernels[32];         // kernel variant of its firmware
    bool has_latency;
    struct latency_model latency;
};

struct boards {
    size_t n;
    struct board at[BOARD_MAX]; // by id
};

// Reads every dir/<id>/board.json. A folder without one is not a board; a wrong one is an error that names file and field.
int boards_load(const char *dir, struct boards *out, struct err *e);
const struct board *boards_find(const struct boards *b, const char *id); // NULL: unknown
uint64_t boards_bit(const struct boards *b,
                    const char *id); // its bit in a set of boards; 0: unknown

// Does a configuration fit? 0, or -1 with ERR_NO_FIT and the bytes that are missing. program_bytes 0: not built yet.
int board_fits(const struct board *b, const struct config *c, size_t program_bytes, struct err *e);
// Predicted time of a configuration in ms; negative when the board has no coefficients or the prediction fails.
double board_predict_ms(const struct board *b, const struct planner *p, const char *spec);

#endif
