// SPDX-License-Identifier: GPL-2.0-only
// See esp_uart.h.
#include "agent/vboard/esp_uart.h"
#include "common/log.h"

#include <string.h>

enum {
    CONF0_RESET = 0x1000001c, // 8 data bits, 1 stop bit
    CONF0_FRAME_MASK = 0x3e,  // parity, data bits, stop bits
    CONF0_FRAME_8N1 = 0x1c,
    CONF0_RXFIFO_RST = 1 << 17,
    CLK_CONF_RESET = 3 << 20 | 1 << 22 | 1 << 24 | 1 << 25, // from the crystal, everything on
    CLK_ON = 1 << 22,
};

void esp_uart_reset(struct esp_uart *u)
{
    uint32_t divider16 = (u->xtal_hz * 16u + 57600u) / 115200u;
    memset(u->reg, 0, sizeof u->reg);
    u->reg[ESP_UART_CONF0 / 4] = CONF0_RESET;
    u->reg[ESP_UART_CLK_CONF / 4] = CLK_CONF_RESET;
    u->reg[ESP_UART_CLKDIV / 4] = divider16 / 16 | divider16 % 16 << 20;
    u->rx_count = 0;
    u->tx_done = 0;
    u->line.idle_reads = 0;
    u->warned_baud = false;
}

void esp_uart_init(struct esp_uart *u, uint32_t line_baud, uint32_t apb_hz, uint32_t xtal_hz,
                   void (*transmit)(void *user, uint8_t byte), void *user)
{
    memset(u, 0, sizeof *u);
    uart_line_init(&u->line, line_baud, transmit, user);
    u->apb_hz = apb_hz;
    u->xtal_hz = xtal_hz;
    esp_uart_reset(u);
}

double esp_uart_baud(const struct esp_uart *u)
{
    uint32_t clk = u->reg[ESP_UART_CLK_CONF / 4], div = u->reg[ESP_UART_CLKDIV / 4];
    uint32_t source = (clk >> 20 & 3) == 1 ? u->apb_hz : (clk >> 20 & 3) == 3 ? u->xtal_hz : 0;
    double divider = ((div & 0xfff) + (div >> 20 & 15) / 16.0) * ((clk >> 12 & 0xff) + 1);
    return (clk & CLK_ON) && divider >= 1 ? source / divider : 0;
}

bool esp_uart_line_ok(const struct esp_uart *u)
{
    return (u->reg[ESP_UART_CONF0 / 4] & CONF0_FRAME_MASK) == CONF0_FRAME_8N1 &&
           uart_line_matches(&u->line, esp_uart_baud(u));
}

// The byte as the other end sees it.
static uint8_t on_the_line(struct esp_uart *u, uint8_t byte)
{
    if (esp_uart_line_ok(u))
        return byte;
    if (!u->warned_baud)
        log_warn("uart", "the UART runs at %.0f baud, the line at %u 8N1: garbage",
                 esp_uart_baud(u), u->line.baud);
    u->warned_baud = true;
    return uart_line_garble(&u->line, byte);
}

static uint64_t byte_cycles(const struct esp_uart *u, const struct esp_uart_now *now)
{
    return uart_line_byte_cycles(&u->line, now->cpu_hz);
}

// Bytes whose last bit has arrived by now go into the FIFO; one that finds it full is lost.
static void receive(struct esp_uart *u, const struct esp_uart_now *now)
{
    uint8_t byte;
    while (uart_line_take(&u->line, now->cycle, now->cpu_hz, &byte)) {
        byte = on_the_line(u, byte);
        if (u->rx_count == ESP_UART_FIFO_DEPTH)
            u->reg[ESP_UART_INT_RAW / 4] |= ESP_UART_INT_OVERFLOW;
        else
            u->rx[(u->rx_head + u->rx_count++) % ESP_UART_FIFO_DEPTH] = byte;
    }
}

size_t esp_uart_input(struct esp_uart *u, const uint8_t *bytes, size_t n,
                      const struct esp_uart_now *now)
{
    return uart_line_input(&u->line, bytes, n, now->cycle, now->cpu_hz);
}

bool esp_uart_idle(const struct esp_uart *u)
{
    return uart_line_idle(&u->line) && u->rx_count == 0;
}

// Bytes still in the transmit FIFO.
static uint32_t tx_count(const struct esp_uart *u, const struct esp_uart_now *now)
{
    uint64_t cycles = byte_cycles(u, now);
    return u->tx_done > now->cycle ? (uint32_t)((u->tx_done - now->cycle + cycles - 1) / cycles)
                                   : 0;
}

static uint32_t read_status(struct esp_uart *u, const struct esp_uart_now *now, uint64_t *skip)
{
    struct esp_uart_now then = *now;
    uint64_t until = 0;
    receive(u, &then);
    // A program that waits for room or for a byte on its way would only spin: let the time pass.
    if (tx_count(u, &then) >= ESP_UART_FIFO_DEPTH - 1)
        until = u->tx_done - (ESP_UART_FIFO_DEPTH - 2) * byte_cycles(u, now);
    else if (u->rx_count == 0 && uart_line_awaited(&u->line))
        until = u->line.next;
    if (until > then.cycle) {
        *skip = until - then.cycle;
        then.cycle = until;
        receive(u, &then);
    }
    uart_line_looked(&u->line, u->rx_count > 0);
    return (uint32_t)u->rx_count | tx_count(u, &then) << 16;
}

static uint32_t read_fifo(struct esp_uart *u)
{
    if (u->rx_count == 0)
        return 0;
    uint8_t byte = u->rx[u->rx_head];
    u->rx_head = (u->rx_head + 1) % ESP_UART_FIFO_DEPTH;
    u->rx_count--;
    return byte;
}

uint32_t esp_uart_read(struct esp_uart *u, uint32_t offset, const struct esp_uart_now *now,
                       uint64_t *skip)
{
    *skip = 0;
    switch (offset) {
    case ESP_UART_FIFO:
        return read_fifo(u);
    case ESP_UART_STATUS:
        return read_status(u, now, skip);
    case ESP_UART_INT_RAW:
        receive(u, now);
        break;
    default:
        break;
    }
    return offset < ESP_UART_BYTES ? u->reg[offset / 4] : 0;
}

static void transmit(struct esp_uart *u, uint8_t byte, const struct esp_uart_now *now)
{
    u->line.idle_reads = 0;
    if (tx_count(u, now) >= ESP_UART_FIFO_DEPTH)
        return; // lost, as on the chip
    u->tx_done = (u->tx_done > now->cycle ? u->tx_done : now->cycle) + byte_cycles(u, now);
    u->line.transmit(u->line.user, on_the_line(u, byte));
}

void esp_uart_write(struct esp_uart *u, uint32_t offset, uint32_t value,
                    const struct esp_uart_now *now)
{
    switch (offset) {
    case ESP_UART_FIFO:
        transmit(u, (uint8_t)value, now);
        return;
    case ESP_UART_INT_CLR:
        u->reg[ESP_UART_INT_RAW / 4] &= ~value;
        return;
    case ESP_UART_INT_RAW:
    case ESP_UART_STATUS:
        return;
    case ESP_UART_CONF0:
        if (value & CONF0_RXFIFO_RST)
            u->rx_count = 0;
        break;
    case ESP_UART_CLKDIV:
    case ESP_UART_CLK_CONF:
        u->warned_baud = false;
        break;
    default:
        break;
    }
    if (offset < ESP_UART_BYTES)
        u->reg[offset / 4] = value;
}
