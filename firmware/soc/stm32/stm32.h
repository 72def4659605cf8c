// SPDX-License-Identifier: MIT
// What the STM32F4 and STM32F7 families share: the clock tree (RCC, PWR) and its start, the pins of the serial line, the
// flash wait states. A family adds one struct stm32_family, and picks one of the two generations of USART in its soc.mk.
// Register facts: ST RM0385, RM0390, RM0402, RM0410, which agree in everything used here.
//
// Of a board it needs, as macros from board.json: BOARD_HSE_HZ, BOARD_HSE_BYPASS, BOARD_USART, BOARD_USART_TX and
// BOARD_USART_RX ("PD8").
#ifndef FIRMWARE_SOC_STM32_H
#define FIRMWARE_SOC_STM32_H

#include <stdbool.h>
#include <stdint.h>

// Longer than any start-up time in the data sheets (the PLL: 0.3 ms; a crystal: a few ms) at any clock.
#define STM32_WAIT_TURNS 1000000u

struct stm32_family {
    uint32_t over_drive_above_hz; // the power controller's over-drive is needed from here on
    uint32_t apb1_max_hz,
        apb2_max_hz;      // of the slower and the faster peripheral bus, at BOARD_CLOCK_HZ
    uint32_t flash_reset; // FLASH_ACR: empties the accelerator, which is off
    uint32_t flash_on;    // FLASH_ACR: prefetch and accelerator
    bool l1_caches;
};
extern const struct stm32_family stm32_family; // soc/stm32f4, soc/stm32f7

// Waits, with a bound, until the bits of mask in reg are value.
bool stm32_wait(volatile uint32_t *reg, uint32_t mask, uint32_t value);

const char *stm32_clock_start(void);                   // NULL, or what did not come up
uint32_t stm32_apb_hz(unsigned bus, uint32_t core_hz); // bus 1 or 2, from the registers

// Clock and pins of the USART that BOARD_USART names, then its register block at BOARD_BAUD.
void stm32_serial_start(void);
volatile uint32_t *stm32_usart_reg(uint32_t offset);
void stm32_usart_start(uint32_t divider); // usart_v1.c or usart_v2.c: 8N1, polled

#endif
