// SPDX-License-Identifier: MIT
// A whole inference, of the program in the file PROGRAM, that QEMU and the virtual board's Xtensa core must agree on.
#include <stdint.h>
#include <string.h>

#include "firmware/executor/exec.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        "oracle_program: .incbin \"" PROGRAM "\"\n"
        "oracle_program_end:\n"
        ".text\n");
extern const uint8_t oracle_program[], oracle_program_end[];

uint8_t oracle_result[RESULT_BYTES]; // the output; nothing but 0x55 where it did not come to that
void oracle_main(void);

void oracle_main(void)
{
    static uint32_t arena[5000];
    const int8_t *output;
    memset(oracle_result, 0x55, sizeof oracle_result);
    if (exec_check(oracle_program, (size_t)(oracle_program_end - oracle_program)) == 0 &&
        exec_run(oracle_program, arena, sizeof arena, NULL, NULL, &output) == 0)
        memcpy(oracle_result, output, exec_output_bytes(oracle_program));
}
