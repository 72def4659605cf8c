// SPDX-License-Identifier: GPL-2.0-only
// What a chip family offers to the board. A new family is a new soc_*.c with one struct soc_ops in soc_table.
#ifndef VBOARD_SOC_H
#define VBOARD_SOC_H

#include "agent/vboard/board.h"
#include "agent/vboard/misuse.h"

struct soc_ops {
    const char *prefix; // of board.json's "soc": "STM32F7"
    struct cpu *(*new_cpu)(const struct cpu_bus *bus, struct err *e);
    // Maps memory and peripherals on b->cpu. NULL and e on failure.
    struct soc *(*open)(struct board *b, struct err *e);
    void (*close)(struct soc *s);
    void (*reset)(struct soc *s, bool by_software);
    // Registers, 32 bits at a time, address a multiple of 4. debugger: the access comes from outside the CPU.
    uint32_t (*read)(struct soc *s, uint32_t address, bool debugger);
    void (*write)(struct soc *s, uint32_t address, uint32_t value, bool debugger);
    // Value that a store narrower than 32 bits is merged into; without side effects.
    uint32_t (*merge_base)(struct soc *s, uint32_t address);
    // A store to flash: what it holds afterwards.
    uint32_t (*program)(struct soc *s, uint32_t offset, unsigned size, uint32_t value);
    void (*after_slice)(struct soc *s); // after each slice of instructions; NULL: not interested
    uint32_t (*cpu_hz)(struct soc *s);
    bool (*uart_idle)(struct soc *s);
    size_t (*uart_in)(struct soc *s, const uint8_t *bytes, size_t n);
};

// ---- what the families share ----

enum { SOC_SEEN_MAX = 64, SOC_RAM_UNIT = 4096 };

struct soc_seen { // addresses that something was said about since the last reset
    uint32_t at[SOC_SEEN_MAX];
    int count;
};
bool soc_first_time(struct soc_seen *seen,
                    uint32_t address); // false too when there is no room for more
void soc_log_load(struct soc_seen *seen, uint32_t address); // where there is no peripheral, once
void soc_log_store(struct soc_seen *seen, uint32_t address);

// Offset inside the block at base, or -1.
static inline int32_t soc_inside(uint32_t address, uint32_t base, uint32_t size)
{
    return address - base < size ? (int32_t)(address - base) : -1;
}

// Silicon powers up with arbitrary contents; a pattern finds firmware that relies on zeros. bytes: a multiple of
// SOC_RAM_UNIT; to be freed with free().
uint8_t *soc_new_ram(uint32_t bytes, struct err *e);

// For the parts of a chip: what they say goes to board_misuse().
struct misuse_ear soc_misuse(struct board *b);

// ---- the families ----

extern const struct soc_ops soc_esp32c3, soc_esp32s3, soc_fe310, soc_stm32f4, soc_stm32f7;

#endif
