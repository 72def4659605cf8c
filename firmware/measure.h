// SPDX-License-Identifier: MIT
// Runs the program that lies in flash and reports what it needs: RAM by paint, latency by the cycle
// counter, output by CRC. It does not judge: the host knows what to expect.
#ifndef FIRMWARE_MEASURE_H
#define FIRMWARE_MEASURE_H

#include <stdint.h>

// The program at its fixed address, or NULL and why it is unusable (static text).
const void *measure_find_program(const char **why);
// Sends @run x repeats, @block x blocks, @layer x layers, @interpreter, @mem, @out, @done; or one
// @fault.
void measure_run(uint32_t repeats);

#endif
