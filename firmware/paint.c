// SPDX-License-Identifier: MIT
#include "firmware/paint.h"
#include "firmware/platform.h"

#include <string.h>

void paint_arena(uint8_t paint)
{
    memset(fw_arena_start, paint, (uintptr_t)fw_arena_end - (uintptr_t)fw_arena_start);
}

uint32_t paint_arena_mark(uint8_t paint)
{
    const uint8_t *end = fw_arena_end;
    uint32_t word = paint * 0x01010101u;
    while (end - fw_arena_start >= 4) {
        uint32_t v;
        memcpy(&v, end - 4, 4);
        if (v != word)
            break;
        end -= 4;
    }
    while (end > fw_arena_start && end[-1] == paint)
        end--;
    return (uint32_t)(end - fw_arena_start);
}

// volatile keeps the compiler from calling memset, whose frame would lie in the region being
// painted. Nothing else uses the stack below the pointer: interrupts are off.
__attribute__((noinline)) void paint_stack(uint8_t paint)
{
    volatile uint8_t *end = (volatile uint8_t *)platform_stack_pointer();
    for (volatile uint8_t *p = fw_stack_bottom; p < end; p++)
        *p = paint;
}

uint32_t paint_stack_mark(uint8_t paint)
{
    const volatile uint8_t *p = fw_stack_bottom;
    const volatile uint8_t *top = fw_stack_top;
    while (p < top && *p == paint)
        p++;
    return (uint32_t)(top - p);
}
