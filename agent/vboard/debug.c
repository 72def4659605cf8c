// SPDX-License-Identifier: GPL-2.0-only
// See debug.h.
#include "agent/vboard/debug.h"
#include "agent/vboard/cpu_arm.h"

#include <string.h>

enum debug_status debug_read(struct board *b, uint32_t address, unsigned unit, uint8_t *out,
                             size_t n, bool increment)
{
    enum debug_status status = DEBUG_OK;
    if (increment && n > 0 && n <= UINT32_MAX) {
        const uint8_t *memory = board_memory(b, address, (uint32_t)n, false);
        if (memory) {
            memcpy(out, memory, n);
            return DEBUG_OK;
        }
    }
    for (size_t i = 0; i + unit <= n; i += unit) {
        uint32_t v;
        if (!board_debug_read(b, address, unit, &v))
            status = DEBUG_FAULT;
        memcpy(out + i, &v, unit);
        address += increment ? unit : 0;
    }
    return status;
}

enum debug_status debug_write(struct board *b, uint32_t address, unsigned unit, const uint8_t *in,
                              size_t n, bool increment)
{
    enum debug_status status = DEBUG_OK;
    if (increment && n > 0 && n <= UINT32_MAX) {
        uint8_t *memory = board_memory(b, address, (uint32_t)n, true);
        if (memory) {
            memcpy(memory, in, n);
            return DEBUG_OK;
        }
    }
    for (size_t i = 0; i + unit <= n; i += unit) {
        uint32_t v = 0;
        memcpy(&v, in + i, unit);
        if (!board_debug_write(b, address, unit, v))
            status = DEBUG_FAULT;
        address += increment ? unit : 0;
    }
    return status;
}

uint32_t debug_reg_read(struct board *b, unsigned reg)
{
    return cpu_arm(b->cpu)->m.halted ? core_get(cpu_arm(b->cpu)->core, reg) : 0;
}

void debug_reg_write(struct board *b, unsigned reg, uint32_t value)
{
    if (cpu_arm(b->cpu)->m.halted)
        core_set(cpu_arm(b->cpu)->core, reg, value);
}

void debug_system_reset(struct board *b)
{
    board_reset(b, true);
}
