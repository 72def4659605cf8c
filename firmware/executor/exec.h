// SPDX-License-Identifier: MIT
// The fused executor: runs a program (program.h) in a caller's arena. C11, freestanding, no
// allocation, no globals, re-entrant; needs memcpy, memmove and memset only. A fused program gives
// the same bytes as a plain one.
//
//   exec_check(program, flash_bytes) == 0
//   exec_run(program, arena, exec_arena_bytes(program), NULL, NULL, &output)
#ifndef EXECUTOR_EXEC_H
#define EXECUTOR_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exec_error { // returned as negative numbers
    EXEC_OK = 0,
    EXEC_BAD_MAGIC = -1,   // not a program, or erased flash
    EXEC_BAD_VERSION = -2, // another format version
    EXEC_BAD_SIZE = -3,    // larger than the memory that holds it, or smaller than its own tables
    EXEC_BAD_CRC = -4,
    EXEC_BAD_VARIANT = -5, // compiled for kernels that this build does not have
    EXEC_ARENA = -6,       // the arena is smaller than exec_arena_bytes()
    EXEC_OUTPUT = -7,      // the program writes its output outside the arena: exec_run_into()
};

// The model input where it is not the program's own test input. rows() returns a pointer to the
// bytes of rows y .. y + n - 1, consecutive [n][w][c], that stays valid until the next call. A
// program with PROG_FLAG_INPUT_STREAMED asks with rising y, n at most the first layer's kernel
// height; any other program asks for all rows at once.
struct exec_input {
    const int8_t *(*rows)(void *ctx, unsigned y, unsigned n);
    void *ctx;
};

// For profiles; each may be NULL.
struct exec_hooks {
    void (*block)(void *ctx, unsigned block); // a block is done
    // Around each kernel call of operator `op` of the program. Before it: how many positions it
    // handles, 0 when it closes an accumulator (at most one such call a block); after it: -1.
    void (*kernel)(void *ctx, unsigned op, int pixels);
    void *ctx;
};

// Checks magic, version, size, CRC and variant of `bytes` readable bytes (4-aligned). 0 or a
// negative exec_error.
int exec_check(const void *program, size_t bytes);
uint32_t exec_crc32(const void *program); // the header's CRC; the program's name on the wire
// Exact need: a run writes the last byte of it and nothing beyond.
uint32_t exec_arena_bytes(const void *program);
uint32_t exec_blocks(const void *program);
// Operators are numbered through the program; those of a block are consecutive. exec_op_layer():
// the layer of the model that an operator is.
void exec_block_ops(const void *program, unsigned block, uint32_t *first, uint32_t *n);
uint32_t exec_op_layer(const void *program, uint32_t op);
// Calls hooks->kernel n times, a multiple of EXEC_PROBES, as around a kernel that does nothing: to learn what the
// calls cost.
#define EXEC_PROBES 8
void exec_probe(const void *program, const struct exec_hooks *hooks, unsigned n);
uint32_t exec_output_bytes(const void *program);
// Of the model input, [h][w][c]: bytes of all of it, and of a row.
uint32_t exec_input_bytes(const void *program);
uint32_t exec_input_row_bytes(const void *program);
// The i-th kernel variant that this build runs programs for (variants.h), up to the last; NULL behind it.
const char *exec_variant_name(unsigned i);

// The program's output is no part of its arena: only exec_run_into() runs it.
bool exec_output_outside(const void *program);

// Runs a checked program once. arena: 4-aligned. input, hooks: may be NULL. *output points into the
// arena. 0, EXEC_ARENA or EXEC_OUTPUT.
int exec_run(const void *program, void *arena, size_t arena_bytes, const struct exec_input *input,
             const struct exec_hooks *hooks, const int8_t **output);
// The same for any program, with exec_output_bytes() of the caller's for the output; NULL where it
// lies in the arena: it stays there. 0 or EXEC_ARENA.
int exec_run_into(const void *program, void *arena, size_t arena_bytes,
                  const struct exec_input *input, const struct exec_hooks *hooks, int8_t *output);

#endif
