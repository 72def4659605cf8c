// SPDX-License-Identifier: GPL-2.0-only
// USART of the STM32F4 and STM32F7 (RM0390 and RM0410), asynchronous 8N1, polled. Bytes move at the speed of the line in the
// board's own time: a receiver that does not keep up overruns, a wrong baud rate gives garbage. A program that only
// waits for the next byte is not made to spin: time jumps to the byte.
#ifndef VBOARD_STM32_USART_H
#define VBOARD_STM32_USART_H

#include "agent/vboard/uart_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stm32_usart_version {
    STM32_USART_V1, // STM32F4: SR and DR
    STM32_USART_V2, // STM32F7: ISR, ICR, RDR, TDR
};

enum {
    STM32_USART_V1_SR = 0x00,
    STM32_USART_V1_DR = 0x04,
    STM32_USART_V1_BRR = 0x08,
    STM32_USART_V1_CR1 = 0x0c,
    STM32_USART_CR1 = 0x00, // these are version 2's
    STM32_USART_BRR = 0x0c,
    STM32_USART_ISR = 0x1c,
    STM32_USART_ICR = 0x20,
    STM32_USART_RDR = 0x24,
    STM32_USART_TDR = 0x28,
    STM32_USART_ISR_ORE = 1 << 3, // of SR and ISR
    STM32_USART_ISR_RXNE = 1 << 5,
    STM32_USART_ISR_TC = 1 << 6,
    STM32_USART_ISR_TXE = 1 << 7,
};

struct stm32_usart {
    enum stm32_usart_version version;
    struct uart_line line;
    uint32_t cr1, cr2, cr3, brr, isr, gtpr, rtor;
    uint8_t rdr;
    uint64_t tx_free; // cycle at which the transmitter is done
    bool error_read;  // version 1: SR was read with ORE set; reading DR then clears it
    bool warned_baud;
};

// What the registers need to know of the world.
struct stm32_usart_now {
    uint64_t cycle;     // of the CPU clock
    uint32_t cpu_hz;    // CPU clock
    uint32_t kernel_hz; // USART clock
};

void stm32_usart_init(struct stm32_usart *u, enum stm32_usart_version version, uint32_t line_baud,
                      void (*transmit)(void *user, uint8_t byte), void *user);
void stm32_usart_reset(struct stm32_usart *u);
// Register access. Returns in *skip the cycles that pass while the program waits (0 almost always).
uint32_t stm32_usart_read(struct stm32_usart *u, uint32_t offset, const struct stm32_usart_now *now,
                          uint64_t *skip);
void stm32_usart_write(struct stm32_usart *u, uint32_t offset, uint32_t value,
                       const struct stm32_usart_now *now);
// Has reading this register an effect, so that a narrow store must not read it first?
bool stm32_usart_volatile(const struct stm32_usart *u, uint32_t offset);
// Bytes from the other end; returns how many fitted.
size_t stm32_usart_input(struct stm32_usart *u, const uint8_t *bytes, size_t n,
                         const struct stm32_usart_now *now);
bool stm32_usart_idle(const struct stm32_usart *u); // the program polls and nothing is on its way
bool stm32_usart_line_ok(const struct stm32_usart *u,
                         uint32_t kernel_hz); // 8N1 and within 3 % of the line's baud rate

#endif
