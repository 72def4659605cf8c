// SPDX-License-Identifier: GPL-2.0-only
// Reset and clock control and power control of the STM32F7 (RM0410, chapters 4 and 5): ready bits, the PLL, the bus
// clocks that result, and whether they are within the chip's limits. Everything is ready at once.
#ifndef VBOARD_RCC_F7_H
#define VBOARD_RCC_F7_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rcc_f7 {
    uint32_t hse_hz; // clock at OSC_IN, fed from outside (needs HSEBYP); 0: none
    uint32_t regs[0x98 / 4];
    uint32_t pwr_cr1;
    bool warned_bypass, warned_pll;
};

struct rcc_f7_clocks {
    uint32_t sysclk_hz, hclk_hz, pclk1_hz, pclk2_hz;
};

void rcc_f7_init(struct rcc_f7 *r, uint32_t hse_hz);
void rcc_f7_reset(struct rcc_f7 *r,
                  bool by_software); // by_software: SFTRSTF instead of PINRSTF alone
uint32_t rcc_f7_read(const struct rcc_f7 *r, uint32_t offset);
void rcc_f7_write(struct rcc_f7 *r, uint32_t offset, uint32_t value);
uint32_t rcc_f7_pwr_read(const struct rcc_f7 *r, uint32_t offset);
void rcc_f7_pwr_write(struct rcc_f7 *r, uint32_t offset, uint32_t value);

void rcc_f7_clocks(const struct rcc_f7 *r, struct rcc_f7_clocks *out);
// Kernel clock of USARTn (1-8) as DCKCFGR2 selects it, 0 when it is not running.
uint32_t rcc_f7_usart_hz(const struct rcc_f7 *r, unsigned n);
// False when the clocks are outside what the chip can do with these flash wait states; why gets the reason.
bool rcc_f7_within_limits(const struct rcc_f7 *r, unsigned flash_wait_states, char *why,
                          size_t why_bytes);
// Is the peripheral clock bit of an enable register set? offset: 0x30 AHB1ENR, 0x40 APB1ENR, 0x44 APB2ENR
bool rcc_f7_enabled(const struct rcc_f7 *r, uint32_t offset, unsigned bit);

#endif
