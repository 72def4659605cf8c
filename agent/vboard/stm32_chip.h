// SPDX-License-Identifier: GPL-2.0-only
// The chips of the STM32F4 and STM32F7 families that can be virtual, one row each: what a board's folder does not say
// because it is a fact of the chip. Sources: the reference manuals and data sheets of each chip.
#ifndef VBOARD_STM32_CHIP_H
#define VBOARD_STM32_CHIP_H

#include "agent/vboard/stm32_flash.h"
#include "agent/vboard/stm32_rcc.h"

#include <stdbool.h>
#include <stdint.h>

enum stm32_family { STM32_F4, STM32_F7 };

struct stm32_chip {
    const char *prefix; // of board.json's "soc"
    enum stm32_family family;
    uint16_t device_id;      // DBGMCU_IDCODE
    uint32_t cpuid;          // of the core
    bool fpu_double;         // double precision
    uint32_t ram_bytes;      // contiguous, from 0x20000000
    uint32_t itcm_ram_bytes; // at 0; 0: none
    unsigned gpio_ports;     // from A
    struct stm32_flash_kind flash;
    struct stm32_rcc_kind rcc;
};

// The chip of a part number ("STM32F767ZI"), or NULL.
const struct stm32_chip *stm32_chip_find(const char *soc);

struct stm32_pin {
    char port; // 'A'...
    unsigned pin;
    unsigned alternate; // function number that connects it
};

// Parses "PD8". False when the text is no pin, or when USARTn (1, 2, 3, 6) does not come out there. transmit: its TX.
bool stm32_usart_pin(unsigned n, bool transmit, const char *name, struct stm32_pin *out);

#endif
