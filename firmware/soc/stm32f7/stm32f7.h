// SPDX-License-Identifier: MIT
// What an STM32F7 board folder must tell: its oscillator and the pins of its serial line. Register
// facts: ST RM0410 (F76x/F77x) and RM0385 (F74x), which agree in everything used here.
#ifndef FIRMWARE_SOC_STM32F7_H
#define FIRMWARE_SOC_STM32F7_H

#include <stdbool.h>
#include <stdint.h>

struct stm32f7_pin {
    char port;         // 'A'..'K'
    uint8_t pin;       // 0..15
    uint8_t alternate; // function number of the data sheet's table, 0..15
};

struct stm32f7_usart {
    uint32_t base;            // register block
    uint32_t enable_reg;      // RCC_APB1ENR or RCC_APB2ENR
    uint32_t enable_bit;      // in it
    uint32_t prescaler_shift; // of its bus in RCC_CFGR: 10 for APB1, 13 for APB2
};
extern const struct stm32f7_usart stm32f7_usart1, stm32f7_usart3;

struct stm32f7_board {
    uint32_t hse_hz; // external clock, a whole number of MHz
    bool hse_bypass; // it is a clock signal, not a crystal
    const struct stm32f7_usart *usart;
    struct stm32f7_pin tx, rx;
};
extern const struct stm32f7_board stm32f7_board; // in the board's folder

#endif
