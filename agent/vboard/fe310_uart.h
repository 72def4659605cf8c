// SPDX-License-Identifier: GPL-2.0-only
// UART of the FE310 (FE310-G002 manual, "UART"), polled, 8N1. Bytes move at the speed of the line in the board's own time:
// a receiver that does not keep up loses bytes, a wrong baud rate gives garbage. A program that only waits is not made to
// spin: time jumps to what it waits for.
#ifndef VBOARD_FE310_UART_H
#define VBOARD_FE310_UART_H

#include "agent/vboard/uart_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FE310_UART_TXDATA = 0x00,
    FE310_UART_RXDATA = 0x04,
    FE310_UART_TXCTRL = 0x08,
    FE310_UART_RXCTRL = 0x0c,
    FE310_UART_IE = 0x10,
    FE310_UART_IP = 0x14,
    FE310_UART_DIV = 0x18,
    FE310_UART_FIFO = 8,
};

struct fe310_uart {
    struct uart_line line;
    uint32_t txctrl, rxctrl, ie, div;
    uint8_t fifo[FE310_UART_FIFO];
    size_t fifo_count;
    uint64_t tx_free; // cycle at which all that was sent is on the line
    bool warned_baud, warned_lost;
};

struct fe310_uart_now { // what the registers need to know of the world
    uint64_t cycle;
    uint32_t hz; // of the core and of the UART
};

void fe310_uart_init(struct fe310_uart *u, uint32_t line_baud,
                     void (*transmit)(void *user, uint8_t byte), void *user);
void fe310_uart_reset(struct fe310_uart *u);
// Returns in *skip the cycles that pass while the program waits (0 almost always). debugger: no side effects.
uint32_t fe310_uart_read(struct fe310_uart *u, uint32_t offset, const struct fe310_uart_now *now,
                         bool debugger, uint64_t *skip);
void fe310_uart_write(struct fe310_uart *u, uint32_t offset, uint32_t value,
                      const struct fe310_uart_now *now);
// Bytes from the other end; returns how many fitted.
size_t fe310_uart_input(struct fe310_uart *u, const uint8_t *bytes, size_t n,
                        const struct fe310_uart_now *now);
bool fe310_uart_idle(const struct fe310_uart *u); // the program polls and nothing is on its way

#endif
