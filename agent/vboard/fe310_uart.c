// SPDX-License-Identifier: GPL-2.0-only
// See fe310_uart.h.
#include "agent/vboard/fe310_uart.h"
#include "common/log.h"

#include <string.h>

enum {
    ENABLE = 1, // of txctrl and rxctrl
    WATERMARK_SHIFT = 16,
    IP_TXWM = 1,
    IP_RXWM = 2,
    DIV_RESET = 0x21f,
};
#define FULL_OR_EMPTY (1u << 31)

void fe310_uart_init(struct fe310_uart *u, uint32_t line_baud,
                     void (*transmit)(void *user, uint8_t byte), void *user)
{
    memset(u, 0, sizeof *u);
    uart_line_init(&u->line, line_baud, transmit, user);
    fe310_uart_reset(u);
}

void fe310_uart_reset(struct fe310_uart *u)
{
    u->txctrl = u->rxctrl = u->ie = 0;
    u->div = DIV_RESET;
    u->fifo_count = 0;
    u->tx_free = 0;
    u->line.idle_reads = 0;
    u->warned_baud = u->warned_lost = false;
}

static uint64_t byte_cycles(const struct fe310_uart *u, const struct fe310_uart_now *now)
{
    return uart_line_byte_cycles(&u->line, now->hz);
}

// Both ends within tolerance? If not, every byte is garbled.
static uint8_t on_the_line(struct fe310_uart *u, uint8_t byte, const struct fe310_uart_now *now)
{
    double baud = (double)now->hz / (u->div + 1);
    if (uart_line_matches(&u->line, baud))
        return byte;
    if (!u->warned_baud)
        log_warn("uart",
                 "the UART runs at %.0f baud (clock %u Hz, div %u), the line at %u: garbage", baud,
                 now->hz, u->div, u->line.baud);
    u->warned_baud = true;
    return uart_line_garble(&u->line, byte);
}

// Bytes whose last bit has arrived by now go into the FIFO; what finds it full is lost.
static void receive(struct fe310_uart *u, const struct fe310_uart_now *now)
{
    uint8_t byte;
    while (uart_line_take(&u->line, now->cycle, now->hz, &byte)) {
        if (!(u->rxctrl & ENABLE))
            continue; // nobody listens
        byte = on_the_line(u, byte, now);
        if (u->fifo_count < FE310_UART_FIFO)
            u->fifo[u->fifo_count++] = byte;
        else if (!u->warned_lost) {
            log_warn("uart", "the receive FIFO is full: bytes are lost");
            u->warned_lost = true;
        }
    }
}

size_t fe310_uart_input(struct fe310_uart *u, const uint8_t *bytes, size_t n,
                        const struct fe310_uart_now *now)
{
    return uart_line_input(&u->line, bytes, n, now->cycle, now->hz);
}

bool fe310_uart_idle(const struct fe310_uart *u)
{
    return uart_line_idle(&u->line);
}

static uint32_t read_rx(struct fe310_uart *u, const struct fe310_uart_now *now, uint64_t *skip)
{
    struct fe310_uart_now then = *now;
    receive(u, &then);
    // A program that waits for a byte on its way would only spin: let the time pass.
    if (!u->fifo_count && uart_line_awaited(&u->line) && u->line.next > then.cycle) {
        *skip = u->line.next - then.cycle;
        then.cycle = u->line.next;
        receive(u, &then);
    }
    uart_line_looked(&u->line, u->fifo_count > 0);
    if (!u->fifo_count)
        return FULL_OR_EMPTY;
    uint8_t byte = u->fifo[0];
    memmove(u->fifo, u->fifo + 1, --u->fifo_count);
    return byte;
}

// Bytes that wait in the transmit FIFO, the one on the line not among them.
static uint64_t tx_waiting(const struct fe310_uart *u, const struct fe310_uart_now *now)
{
    return u->tx_free > now->cycle ? (u->tx_free - now->cycle - 1) / byte_cycles(u, now) : 0;
}

static uint32_t read_tx(const struct fe310_uart *u, const struct fe310_uart_now *now,
                        uint64_t *skip)
{
    if (tx_waiting(u, now) >= FE310_UART_FIFO)
        *skip = u->tx_free - now->cycle - FE310_UART_FIFO * byte_cycles(u, now);
    return 0; // after that there is room
}

static uint32_t pending(const struct fe310_uart *u, const struct fe310_uart_now *now)
{
    uint32_t v = tx_waiting(u, now) < (u->txctrl >> WATERMARK_SHIFT & 7) ? IP_TXWM : 0;
    return v | (u->fifo_count > (u->rxctrl >> WATERMARK_SHIFT & 7) ? IP_RXWM : 0);
}

uint32_t fe310_uart_read(struct fe310_uart *u, uint32_t offset, const struct fe310_uart_now *now,
                         bool debugger, uint64_t *skip)
{
    *skip = 0;
    switch (offset) {
    case FE310_UART_TXDATA:
        return debugger ? 0 : read_tx(u, now, skip);
    case FE310_UART_RXDATA:
        if (debugger)
            return u->fifo_count ? u->fifo[0] : FULL_OR_EMPTY;
        return read_rx(u, now, skip);
    case FE310_UART_TXCTRL:
        return u->txctrl;
    case FE310_UART_RXCTRL:
        return u->rxctrl;
    case FE310_UART_IE:
        return u->ie;
    case FE310_UART_IP:
        receive(u, now);
        return pending(u, now);
    case FE310_UART_DIV:
        return u->div;
    default:
        return 0;
    }
}

static void send(struct fe310_uart *u, uint8_t byte, const struct fe310_uart_now *now)
{
    u->line.idle_reads = 0;
    if (!(u->txctrl & ENABLE) || tx_waiting(u, now) >= FE310_UART_FIFO)
        return; // the real one keeps up to 8 bytes until it is enabled; nobody relies on that
    u->tx_free = (u->tx_free > now->cycle ? u->tx_free : now->cycle) + byte_cycles(u, now);
    u->line.transmit(u->line.user, on_the_line(u, byte, now));
}

void fe310_uart_write(struct fe310_uart *u, uint32_t offset, uint32_t value,
                      const struct fe310_uart_now *now)
{
    switch (offset) {
    case FE310_UART_TXDATA:
        send(u, (uint8_t)value, now);
        break;
    case FE310_UART_TXCTRL:
        u->txctrl = value & 0x70003;
        break;
    case FE310_UART_RXCTRL:
        u->rxctrl = value & 0x70001;
        break;
    case FE310_UART_IE:
        u->ie = value & 3;
        break;
    case FE310_UART_DIV:
        u->div = value & 0xffff;
        u->warned_baud = false;
        break;
    default:
        break;
    }
}
