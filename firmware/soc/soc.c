// SPDX-License-Identifier: MIT
// See soc.h.
#include "firmware/soc/soc.h"

#include <string.h>

extern uint8_t fw_data_start[], fw_data_end[];
extern const uint8_t fw_data_load[];
extern uint8_t fw_bss_start[], fw_bss_end[];
int main(void);

_Noreturn void soc_start(void)
{
    memcpy(fw_data_start, fw_data_load, (uintptr_t)fw_data_end - (uintptr_t)fw_data_start);
    memset(fw_bss_start, 0, (uintptr_t)fw_bss_end - (uintptr_t)fw_bss_start);
    main();
    __builtin_unreachable(); // main() ends in the session, which never returns
}

char *soc_put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

char *soc_put_hex(char *at, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}
