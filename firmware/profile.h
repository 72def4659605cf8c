// SPDX-License-Identifier: MIT
// Where an inference spends its time: cycles and instructions of each layer, by reading the counters
// around every kernel call, and of the interpreter between the calls.
#ifndef FIRMWARE_PROFILE_H
#define FIRMWARE_PROFILE_H

#include <stdint.h>

// Runs the program and sends @layer for each of its operators, by block, then @interpreter. The
// table lies behind the program's arena; where there is no room for all operators of a block, it
// runs again for the rest. What reading the counters costs was measured before and is taken off.
// 0 or a negative exec_error; *output as exec_run().
int profile_run(const void *program, uint32_t arena_bytes, const int8_t **output);

#endif
