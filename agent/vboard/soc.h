// SPDX-License-Identifier: GPL-2.0-only
// What a chip family offers to the board. A new family is a new soc_*.c with one struct soc_ops in soc_table.
#ifndef VBOARD_SOC_H
#define VBOARD_SOC_H

#include "agent/vboard/board.h"

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
    // Returns a reason when the chip can no longer fetch from its flash, once per cause; NULL: that does not happen.
    const char *(*clock_trouble)(struct soc *s);
    void (*after_slice)(struct soc *s); // after each slice of instructions; NULL: not interested
    uint32_t (*cpu_hz)(struct soc *s);
    bool (*uart_idle)(struct soc *s);
    size_t (*uart_in)(struct soc *s, const uint8_t *bytes, size_t n);
};

extern const struct soc_ops soc_esp32c3, soc_esp32s3, soc_fe310, soc_stm32f4, soc_stm32f7;

#endif
