// SPDX-License-Identifier: GPL-2.0-only
// The line between a board's UART and the other end, 8N1: bytes on their way to the board move at the line's speed in the
// board's own time, a UART at another speed sends and hears garbage, and a program that only looks whether something has
// come counts as idle. What a chip's registers make of that is in esp_uart.c, fe310_uart.c and stm32_usart.c.
#ifndef VBOARD_UART_LINE_H
#define VBOARD_UART_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    UART_LINE_QUEUE = 4096,     // bytes on their way to the board
    UART_LINE_IDLE_READS = 256, // fruitless looks after which the CPU counts as idle
};

struct uart_line {
    uint32_t baud; // of the other end
    uint8_t queue[UART_LINE_QUEUE];
    size_t head, count;
    uint64_t next;       // cycle at which the first queued byte is complete
    unsigned idle_reads; // looks without anything to do
    uint32_t noise;      // state of the generator of garbage
    void *user;
    void (*transmit)(void *user, uint8_t byte); // a byte leaves, garbled or not
};

void uart_line_init(struct uart_line *l, uint32_t baud, void (*transmit)(void *user, uint8_t byte),
                    void *user);
uint64_t uart_line_byte_cycles(const struct uart_line *l, uint32_t cpu_hz); // at least 1
// Bytes from the other end; returns how many fitted.
size_t uart_line_input(struct uart_line *l, const uint8_t *bytes, size_t n, uint64_t cycle,
                       uint32_t cpu_hz);
// Takes the first byte whose last bit has arrived by now; false: none has.
bool uart_line_take(struct uart_line *l, uint64_t cycle, uint32_t cpu_hz, uint8_t *byte);
// Is a program that looked before still waiting for a byte that is under way? Time may jump to l->next then.
bool uart_line_awaited(const struct uart_line *l);
void uart_line_looked(struct uart_line *l,
                      bool found);              // the program looked whether there is a byte
bool uart_line_idle(const struct uart_line *l); // it has looked in vain, and nothing is on its way

bool uart_line_matches(const struct uart_line *l, double baud); // within 3 %
uint8_t uart_line_garble(struct uart_line *l, uint8_t byte);

#endif
