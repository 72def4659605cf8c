// SPDX-License-Identifier: GPL-2.0-only
// Reset and clock control and power control of the STM32F4 and STM32F7 (RM0390, RM0402, RM0385, RM0410): ready bits, the
// PLL, the bus clocks that result, and whether they are within the chip's limits. Everything is ready at once.
#ifndef VBOARD_STM32_RCC_H
#define VBOARD_STM32_RCC_H

#include "agent/vboard/misuse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STM32_RCC_SCALES = 3, STM32_RCC_WAIT_STATES = 8 };

// What differs between chips: limits at 2.7-3.6 V from the data sheets, in MHz. [0] without over-drive, [1] with it.
struct stm32_rcc_kind {
    uint16_t hclk_mhz[STM32_RCC_SCALES][2]; // for voltage scale 1, 2, 3
    uint16_t pclk1_mhz[2], pclk2_mhz[2];
    uint16_t wait_mhz
        [STM32_RCC_WAIT_STATES]; // highest HCLK with 0, 1, ... flash wait states; 0 ends the list
    bool over_drive;             // the chip has one
    bool usart_clock_choice;     // DCKCFGR2 selects the clock of each USART
    uint32_t pwr_cr, ahb1enr, apb1enr; // after reset
};

struct stm32_rcc {
    const struct stm32_rcc_kind *kind;
    uint32_t hse_hz; // clock at OSC_IN; 0: none
    bool
        hse_bypass; // it is fed from outside and needs HSEBYP; else a crystal, which HSEBYP would leave still
    uint32_t regs[0x98 / 4];
    uint32_t pwr_cr1;
    bool warned_bypass, warned_pll;
    struct misuse_ear misuse; // told of PLL settings that do not lock; set after stm32_rcc_init()
};

struct stm32_rcc_clocks {
    uint32_t sysclk_hz, hclk_hz, pclk1_hz, pclk2_hz;
};

// kind must outlive the clocks.
void stm32_rcc_init(struct stm32_rcc *r, const struct stm32_rcc_kind *kind, uint32_t hse_hz,
                    bool hse_bypass);
void stm32_rcc_reset(struct stm32_rcc *r,
                     bool by_software); // by_software: SFTRSTF instead of PINRSTF alone
uint32_t stm32_rcc_read(const struct stm32_rcc *r, uint32_t offset);
void stm32_rcc_write(struct stm32_rcc *r, uint32_t offset, uint32_t value);
uint32_t stm32_rcc_pwr_read(const struct stm32_rcc *r, uint32_t offset);
void stm32_rcc_pwr_write(struct stm32_rcc *r, uint32_t offset, uint32_t value);

void stm32_rcc_clocks(const struct stm32_rcc *r, struct stm32_rcc_clocks *out);
// Kernel clock of USARTn (1-8), 0 when it is not running.
uint32_t stm32_rcc_usart_hz(const struct stm32_rcc *r, unsigned n);
// False when the clocks are outside what the chip can do with these flash wait states; why gets the reason.
bool stm32_rcc_within_limits(const struct stm32_rcc *r, unsigned flash_wait_states, char *why,
                             size_t why_bytes);
// Is the peripheral clock bit of an enable register set? offset: 0x30 AHB1ENR, 0x40 APB1ENR, 0x44 APB2ENR
bool stm32_rcc_enabled(const struct stm32_rcc *r, uint32_t offset, unsigned bit);

#endif
