// SPDX-License-Identifier: MIT
// Kernel cases as a block of memory: written by kernel-cases on the host, run by cases.c on any core, read back by
// kernel-run. Words are little-endian, offsets count bytes from the block's start.
//
//   struct cases               header, and what came out
//   struct case_entry[n]       one program, input and expected output each, and what came out of it
//   programs, inputs, outputs
#ifndef TESTS_KERNELS_CASES_H
#define TESTS_KERNELS_CASES_H

#include <stdint.h>

#define CASES_MAGIC 0x5345534Bu // "KSES"
#define CASES_MAX_OPS 200       // operators of a program whose kernel calls are counted
#define CASES_ARENA_BYTES (768u << 10)
#define CASES_INPUT_BYTES (96u << 10)
#define CASES_OUTPUT_BYTES (32u << 10)

enum case_fault { // why a case failed; bits
    CASE_NOT_ACCEPTED = 1,
    CASE_WRONG_BYTES = 2,
    CASE_ARENA_GUARD = 4, // a byte beside the arena, or beside an output outside of it, was written
    CASE_INPUT_GUARD = 8, // the input, or a byte beside it, was written
    CASE_TOO_LARGE = 16,  // arena, input or output are larger than the memory for cases
};

struct case_entry {
    uint32_t program, program_bytes; // 4-aligned
    uint32_t input, input_bytes;
    uint32_t output, output_bytes;
    uint32_t shift;        // the input lies so many bytes behind a multiple of 4
    uint32_t variant;      // number of the kernel variant, kernel-cases' order
    uint32_t faults;       // result: enum case_fault
    uint32_t instructions; // result: of exec_run(), lower 32 bits; 0 where nothing counts them
    char name[88];
};

struct cases {
    uint32_t magic, n, bytes;
    uint32_t profile;     // not 0: count instructions inside the kernel calls of the last case
    uint32_t ran;         // result
    uint32_t first_entry; // offset of the entries
    struct case_op {      // result of profile: an operator's calls
        uint32_t calls, positions;
        uint32_t instructions;   // inside of them
    } ops[CASES_MAX_OPS], probe; // probe: what calls that do nothing would have
};

// Runs all cases of the block; cases.c. instructions: a counter that runs while the core does; NULL: there is none.
void cases_run(struct cases *c, const volatile uint32_t *instructions);

#endif
