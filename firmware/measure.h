// SPDX-License-Identifier: MIT
// Runs the program that lies in flash and reports what it needs: RAM by paint, latency by the cycle
// counter, output by CRC. It does not judge: the host knows what to expect.
#ifndef FIRMWARE_MEASURE_H
#define FIRMWARE_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/executor/exec.h"
#include "firmware/platform.h"

// The program at its fixed address, or NULL and why it is unusable (static text).
const void *measure_find_program(const char **why);
// Sends @run x repeats, @block x blocks, @layer x layers, @interpreter, @mem, @out, @done; or one
// @fault.
void measure_run(uint32_t repeats);

// Bytes at the end of the arena's memory that the program's output takes: those of an output
// outside the arena.
static inline uint32_t measure_outside(const void *program)
{
    return exec_output_outside(program) ? exec_output_bytes(program) : 0;
}

// One inference in the arena. 0 or a negative exec_error.
static inline int measure_exec(const void *program, uint32_t arena_bytes,
                               const struct exec_hooks *hooks, const int8_t **output)
{
    if (!exec_output_outside(program))
        return exec_run(program, fw_arena_start, arena_bytes, NULL, hooks, output);
    int8_t *own = (int8_t *)fw_arena_end - exec_output_bytes(program);
    *output = own;
    return exec_run_into(program, fw_arena_start, arena_bytes, NULL, hooks, own);
}

#endif
