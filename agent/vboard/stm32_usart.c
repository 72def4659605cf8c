// SPDX-License-Identifier: GPL-2.0-only
// See stm32_usart.h.
#include "agent/vboard/stm32_usart.h"
#include "common/log.h"

#include <string.h>

// clang-format off
enum {
    CR1_UE = 1 << 0, CR1_RE = 1 << 2, CR1_TE = 1 << 3, CR1_PCE = 1 << 10, CR1_M0 = 1 << 12, CR1_OVER8 = 1 << 15,
    CR1_M1 = 1 << 28,
    CR3_OVRDIS = 1 << 12,
    REG_CR2 = 0x04, REG_CR3 = 0x08, REG_GTPR = 0x10, REG_RTOR = 0x14, REG_RQR = 0x18,
    ISR_TEACK = 1 << 21, ISR_REACK = 1 << 22, ICR_ORECF = 1 << 3, RQR_RXFRQ = 1 << 3,
    BITS_PER_BYTE = 10, // start, 8 data, stop
    TOLERANCE_PERCENT = 3,
};
// clang-format on

void stm32_usart_reset(struct stm32_usart *u)
{
    u->cr1 = u->cr2 = u->cr3 = u->brr = u->gtpr = u->rtor = 0;
    u->isr = STM32_USART_ISR_TC | STM32_USART_ISR_TXE;
    u->rdr = 0;
    u->tx_free = 0;
    u->idle_reads = 0;
    u->warned_baud = false;
}

void stm32_usart_init(struct stm32_usart *u, uint32_t line_baud,
                   void (*transmit)(void *user, uint8_t byte), void *user)
{
    memset(u, 0, sizeof *u);
    u->line_baud = line_baud;
    u->transmit = transmit;
    u->user = user;
    u->noise = 1;
    stm32_usart_reset(u);
}

double stm32_usart_baud(const struct stm32_usart *u, uint32_t kernel_hz)
{
    if (!(u->cr1 & CR1_UE))
        return 0;
    uint32_t divider = u->brr;
    if (u->cr1 & CR1_OVER8) {
        divider = (u->brr & 0xfff0u) | (u->brr & 7u) << 1;
        return divider < 16 ? 0 : 2.0 * kernel_hz / divider;
    }
    return divider < 16 ? 0 : (double)kernel_hz / divider;
}

bool stm32_usart_line_ok(const struct stm32_usart *u, uint32_t kernel_hz)
{
    double error = stm32_usart_baud(u, kernel_hz) / u->line_baud - 1.0;
    if (u->cr1 & (CR1_M0 | CR1_M1 | CR1_PCE))
        return false;
    return error * 100 < TOLERANCE_PERCENT && error * 100 > -TOLERANCE_PERCENT;
}

static uint8_t noise(struct stm32_usart *u)
{
    u->noise = u->noise * 1664525u + 1013904223u;
    return (uint8_t)(u->noise >> 24);
}

static void warn_baud(struct stm32_usart *u, uint32_t kernel_hz)
{
    if (!u->warned_baud)
        log_warn("usart",
                 "the USART runs at %.0f baud (clock %u Hz, BRR %u), the line at %u 8N1: garbage",
                 stm32_usart_baud(u, kernel_hz), kernel_hz, u->brr, u->line_baud);
    u->warned_baud = true;
}

static uint64_t byte_cycles(const struct stm32_usart *u, const struct stm32_usart_now *now)
{
    return (uint64_t)now->cpu_hz * BITS_PER_BYTE / u->line_baud;
}

// Bytes whose last bit has arrived by now go into RDR; one that finds it full is lost.
static void receive(struct stm32_usart *u, const struct stm32_usart_now *now)
{
    while (u->count && u->next_rx <= now->cycle) {
        uint8_t byte = u->queue[u->head];
        u->head = (u->head + 1) % STM32_USART_QUEUE;
        u->count--;
        u->next_rx += byte_cycles(u, now);
        if ((u->cr1 & (CR1_UE | CR1_RE)) != (CR1_UE | CR1_RE))
            continue; // nobody listens
        if (!stm32_usart_line_ok(u, now->kernel_hz)) {
            warn_baud(u, now->kernel_hz);
            byte ^= noise(u);
        }
        if ((u->isr & STM32_USART_ISR_RXNE) && !(u->cr3 & CR3_OVRDIS)) {
            u->isr |= STM32_USART_ISR_ORE;
            continue;
        }
        u->rdr = byte;
        u->isr |= STM32_USART_ISR_RXNE;
    }
}

size_t stm32_usart_input(struct stm32_usart *u, const uint8_t *bytes, size_t n,
                      const struct stm32_usart_now *now)
{
    size_t taken = 0;
    if (u->count == 0 && n > 0) {
        uint64_t first = now->cycle + byte_cycles(u, now);
        u->next_rx = u->next_rx > first ? u->next_rx : first;
    }
    while (taken < n && u->count < STM32_USART_QUEUE)
        u->queue[(u->head + u->count++) % STM32_USART_QUEUE] = bytes[taken++];
    if (taken)
        u->idle_reads = 0;
    return taken;
}

bool stm32_usart_idle(const struct stm32_usart *u)
{
    return u->idle_reads >= STM32_USART_IDLE_READS && u->count == 0;
}

static uint32_t read_status(struct stm32_usart *u, const struct stm32_usart_now *now, uint64_t *skip)
{
    struct stm32_usart_now then = *now;
    receive(u, &then);
    bool waiting = !(u->isr & STM32_USART_ISR_RXNE);
    // A program that waits for the transmitter or for a byte on its way would only spin: let the time pass.
    uint64_t until = 0;
    if (u->tx_free > then.cycle)
        until = u->tx_free;
    else if (waiting && u->count && u->idle_reads > 0)
        until = u->next_rx;
    if (until > then.cycle) {
        *skip = until - then.cycle;
        then.cycle = until;
        receive(u, &then);
    }
    if (!waiting)
        u->idle_reads = 0;
    else if (u->count)
        u->idle_reads = 1;
    else if (u->idle_reads < STM32_USART_IDLE_READS)
        u->idle_reads++;
    uint32_t v = u->isr;
    if ((u->cr1 & (CR1_UE | CR1_TE)) == (CR1_UE | CR1_TE))
        v |= ISR_TEACK;
    if ((u->cr1 & (CR1_UE | CR1_RE)) == (CR1_UE | CR1_RE))
        v |= ISR_REACK;
    if (u->tx_free > then.cycle)
        v &= ~(uint32_t)(STM32_USART_ISR_TXE | STM32_USART_ISR_TC);
    return v;
}

uint32_t stm32_usart_read(struct stm32_usart *u, uint32_t offset, const struct stm32_usart_now *now,
                       uint64_t *skip)
{
    *skip = 0;
    switch (offset) {
    case STM32_USART_CR1:
        return u->cr1;
    case REG_CR2:
        return u->cr2;
    case REG_CR3:
        return u->cr3;
    case STM32_USART_BRR:
        return u->brr;
    case REG_GTPR:
        return u->gtpr;
    case REG_RTOR:
        return u->rtor;
    case STM32_USART_ISR:
        return read_status(u, now, skip);
    case STM32_USART_RDR:
        u->isr &= ~(uint32_t)STM32_USART_ISR_RXNE;
        u->idle_reads = 0;
        return u->rdr;
    default:
        return 0;
    }
}

void stm32_usart_write(struct stm32_usart *u, uint32_t offset, uint32_t value,
                    const struct stm32_usart_now *now)
{
    switch (offset) {
    case STM32_USART_CR1:
        u->cr1 = value;
        break;
    case REG_CR2:
        u->cr2 = value;
        break;
    case REG_CR3:
        u->cr3 = value;
        break;
    case STM32_USART_BRR:
        u->brr = value & 0xffff;
        u->warned_baud = false;
        break;
    case REG_GTPR:
        u->gtpr = value;
        break;
    case REG_RTOR:
        u->rtor = value;
        break;
    case REG_RQR:
        if (value & RQR_RXFRQ)
            u->isr &= ~(uint32_t)STM32_USART_ISR_RXNE;
        break;
    case STM32_USART_ICR:
        if (value & ICR_ORECF)
            u->isr &= ~(uint32_t)STM32_USART_ISR_ORE;
        break;
    case STM32_USART_TDR: {
        uint8_t byte = (uint8_t)value;
        u->idle_reads = 0;
        if ((u->cr1 & (CR1_UE | CR1_TE)) != (CR1_UE | CR1_TE))
            break;
        if (!stm32_usart_line_ok(u, now->kernel_hz)) {
            warn_baud(u, now->kernel_hz);
            byte ^= noise(u);
        }
        u->tx_free = now->cycle + byte_cycles(u, now);
        u->transmit(u->user, byte);
        break;
    }
    default:
        break;
    }
}
