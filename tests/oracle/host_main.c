// SPDX-License-Identifier: MIT
// xtensa_program.c on the host: prints its result as bytes.
#include <stdint.h>
#include <stdio.h>

extern uint32_t oracle_result[64];
void oracle_main(void);

int main(void)
{
    oracle_main();
    return fwrite(oracle_result, 1, sizeof oracle_result, stdout) != sizeof oracle_result;
}
