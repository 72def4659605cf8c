// SPDX-License-Identifier: GPL-2.0-only
// UART of the ESP32-S3 and ESP32-C3 (their Technical Reference Manuals, chapter "UART Controller"), asynchronous 8N1,
// polled. Bytes move at the speed of the line in the board's own time: a receiver that does not keep up overflows, a
// wrong baud rate gives garbage. A program that only waits is not made to spin: time jumps to what it waits for.
#ifndef VBOARD_ESP_UART_H
#define VBOARD_ESP_UART_H

#include "agent/vboard/uart_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ESP_UART_FIFO = 0x00,
    ESP_UART_INT_RAW = 0x04,
    ESP_UART_INT_CLR = 0x10,
    ESP_UART_CLKDIV = 0x14,
    ESP_UART_STATUS = 0x1c,
    ESP_UART_CONF0 = 0x20,
    ESP_UART_CLK_CONF = 0x78,
    ESP_UART_BYTES = 0x84,     // of registers
    ESP_UART_FIFO_DEPTH = 128, // each way
    ESP_UART_INT_OVERFLOW = 1 << 4,
};

struct esp_uart {
    struct uart_line line;
    uint32_t apb_hz, xtal_hz;
    uint32_t reg[ESP_UART_BYTES / 4];
    uint8_t rx[ESP_UART_FIFO_DEPTH]; // received, not read
    size_t rx_head, rx_count;
    uint64_t tx_done; // cycle at which the transmit FIFO is empty
    bool warned_baud;
};

struct esp_uart_now {
    uint64_t cycle; // of the CPU clock
    uint32_t cpu_hz;
};

void esp_uart_init(struct esp_uart *u, uint32_t line_baud, uint32_t apb_hz, uint32_t xtal_hz,
                   void (*transmit)(void *user, uint8_t byte), void *user);
void esp_uart_reset(struct esp_uart *u); // as the ROM leaves it: 115200 baud from the crystal
// Register access. Returns in *skip the cycles that pass while the program waits (0 almost always).
uint32_t esp_uart_read(struct esp_uart *u, uint32_t offset, const struct esp_uart_now *now,
                       uint64_t *skip);
void esp_uart_write(struct esp_uart *u, uint32_t offset, uint32_t value,
                    const struct esp_uart_now *now);
// Bytes from the other end; returns how many fitted.
size_t esp_uart_input(struct esp_uart *u, const uint8_t *bytes, size_t n,
                      const struct esp_uart_now *now);
bool esp_uart_idle(const struct esp_uart *u); // the program polls and nothing is on its way
double esp_uart_baud(const struct esp_uart *u);
bool esp_uart_line_ok(const struct esp_uart *u); // 8N1 and within 3 % of the line's baud rate

#endif
