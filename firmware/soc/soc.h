// SPDX-License-Identifier: MIT
// What the chip families share: the way into C, the words of a trap's record, and two questions to the hardware.
#ifndef FIRMWARE_SOC_H
#define FIRMWARE_SOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware/platform.h"
#include "firmware/virtual_page.h"

// With a stack: sets up .data and .bss, then main().
_Noreturn void soc_start(void);

// Append to a text that has room for it; where it goes on. No NUL.
char *soc_put_text(char *at, const char *text);
char *soc_put_hex(char *at, uint32_t value); // 8 digits

// Is the address so little below the stack that an access there is the stack's overflow?
static inline bool soc_below_stack(uint32_t address)
{
    const uint32_t guard_bytes = 4096;
    return (uintptr_t)fw_stack_bottom - address - 1u < guard_bytes;
}

// NULL, or that the cycle counter stands still.
static inline const char *soc_cycles_check(void)
{
    uint64_t before = platform_cycles();
    for (int i = 0; i < 1000; i++) {
        if (platform_cycles() != before)
            return NULL;
    }
    return "the cycle counter stands still";
}

// On a chip whose identification says that it is no silicon: the page, or NULL where this firmware cannot read it.
static inline const volatile struct virtual_page *soc_virtual_page(void)
{
    const uintptr_t address = 0xF0000000u;
    const volatile struct virtual_page *page = (const volatile struct virtual_page *)address;
    bool usable = page->magic == VIRTUAL_PAGE_MAGIC && page->version == VIRTUAL_PAGE_VERSION;
    return usable ? page : NULL;
}

#endif
