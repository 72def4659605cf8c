// SPDX-License-Identifier: GPL-2.0-only
// See stm32_usart.h.
#include "agent/vboard/stm32_usart.h"
#include "common/log.h"

#include <string.h>

// clang-format off
enum {
    CR1_UE_V1 = 1 << 13, CR1_UE_V2 = 1 << 0,
    CR1_RE = 1 << 2, CR1_TE = 1 << 3, CR1_PCE = 1 << 10, CR1_M0 = 1 << 12, CR1_OVER8 = 1 << 15, CR1_M1_V2 = 1 << 28,
    CR3_OVRDIS_V2 = 1 << 12,
    ISR_TEACK_V2 = 1 << 21, ISR_REACK_V2 = 1 << 22, ICR_ORECF = 1 << 3, RQR_RXFRQ = 1 << 3,
};
// clang-format on

// The registers of both versions by what they do; REG_STATUS, REG_RX and REG_TX share addresses in version 1.
enum reg {
    REG_NONE,
    REG_CR1,
    REG_CR2,
    REG_CR3,
    REG_BRR,
    REG_GTPR,
    REG_RTOR,
    REG_RQR,
    REG_STATUS,
    REG_CLEAR,
    REG_DATA,
    REG_RX,
    REG_TX,
};

static enum reg find_reg(const struct stm32_usart *u, uint32_t offset)
{
    static const enum reg v1[] = {REG_STATUS, REG_DATA, REG_BRR, REG_CR1,
                                  REG_CR2,    REG_CR3,  REG_GTPR};
    static const enum reg v2[] = {REG_CR1, REG_CR2,    REG_CR3,   REG_BRR, REG_GTPR, REG_RTOR,
                                  REG_RQR, REG_STATUS, REG_CLEAR, REG_RX,  REG_TX};
    size_t i = offset / 4;
    if (u->version == STM32_USART_V1)
        return i < sizeof v1 / sizeof v1[0] ? v1[i] : REG_NONE;
    return i < sizeof v2 / sizeof v2[0] ? v2[i] : REG_NONE;
}

static bool is_on(const struct stm32_usart *u, uint32_t more)
{
    uint32_t wanted = more | (u->version == STM32_USART_V1 ? CR1_UE_V1 : CR1_UE_V2);
    return (u->cr1 & wanted) == wanted;
}

void stm32_usart_reset(struct stm32_usart *u)
{
    u->cr1 = u->cr2 = u->cr3 = u->brr = u->gtpr = u->rtor = 0;
    u->isr = STM32_USART_ISR_TC | STM32_USART_ISR_TXE;
    u->rdr = 0;
    u->tx_free = 0;
    u->line.idle_reads = 0;
    u->warned_baud = u->error_read = false;
}

void stm32_usart_init(struct stm32_usart *u, enum stm32_usart_version version, uint32_t line_baud,
                      void (*transmit)(void *user, uint8_t byte), void *user)
{
    memset(u, 0, sizeof *u);
    u->version = version;
    uart_line_init(&u->line, line_baud, transmit, user);
    stm32_usart_reset(u);
}

// What BRR gives; 0 when off.
static double baud(const struct stm32_usart *u, uint32_t kernel_hz)
{
    if (!is_on(u, 0))
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
    if ((u->cr1 & (CR1_M0 | CR1_PCE)) || (u->version == STM32_USART_V2 && (u->cr1 & CR1_M1_V2)))
        return false;
    return uart_line_matches(&u->line, baud(u, kernel_hz));
}

static void warn_baud(struct stm32_usart *u, uint32_t kernel_hz)
{
    if (!u->warned_baud)
        log_warn("usart",
                 "the USART runs at %.0f baud (clock %u Hz, BRR %u), the line at %u 8N1: garbage",
                 baud(u, kernel_hz), kernel_hz, u->brr, u->line.baud);
    u->warned_baud = true;
}

static uint64_t byte_cycles(const struct stm32_usart *u, const struct stm32_usart_now *now)
{
    return uart_line_byte_cycles(&u->line, now->cpu_hz);
}

// Bytes whose last bit has arrived by now go into RDR; one that finds it full is lost.
static void receive(struct stm32_usart *u, const struct stm32_usart_now *now)
{
    uint8_t byte;
    while (uart_line_take(&u->line, now->cycle, now->cpu_hz, &byte)) {
        if (!is_on(u, CR1_RE))
            continue; // nobody listens
        if (!stm32_usart_line_ok(u, now->kernel_hz)) {
            warn_baud(u, now->kernel_hz);
            byte = uart_line_garble(&u->line, byte);
        }
        bool keep_old = u->version == STM32_USART_V1 || !(u->cr3 & CR3_OVRDIS_V2);
        if ((u->isr & STM32_USART_ISR_RXNE) && keep_old) {
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
    return uart_line_input(&u->line, bytes, n, now->cycle, now->cpu_hz);
}

bool stm32_usart_idle(const struct stm32_usart *u)
{
    return uart_line_idle(&u->line);
}

static uint32_t read_status(struct stm32_usart *u, const struct stm32_usart_now *now,
                            uint64_t *skip)
{
    struct stm32_usart_now then = *now;
    receive(u, &then);
    bool waiting = !(u->isr & STM32_USART_ISR_RXNE);
    // A program that waits for the transmitter or for a byte on its way would only spin: let the time pass.
    uint64_t until = 0;
    if (u->tx_free > then.cycle)
        until = u->tx_free;
    else if (waiting && uart_line_awaited(&u->line))
        until = u->line.next;
    if (until > then.cycle) {
        *skip = until - then.cycle;
        then.cycle = until;
        receive(u, &then);
    }
    uart_line_looked(&u->line, !waiting);
    uint32_t v = u->isr;
    if (u->version == STM32_USART_V2) {
        v |= is_on(u, CR1_TE) ? ISR_TEACK_V2 : 0;
        v |= is_on(u, CR1_RE) ? ISR_REACK_V2 : 0;
    }
    u->error_read = (v & STM32_USART_ISR_ORE) != 0;
    if (u->tx_free > then.cycle)
        v &= ~(uint32_t)(STM32_USART_ISR_TXE | STM32_USART_ISR_TC);
    return v;
}

static uint32_t read_data(struct stm32_usart *u)
{
    u->isr &= ~(uint32_t)STM32_USART_ISR_RXNE;
    if (u->version == STM32_USART_V1 && u->error_read)
        u->isr &= ~(uint32_t)STM32_USART_ISR_ORE;
    u->error_read = false;
    u->line.idle_reads = 0;
    return u->rdr;
}

uint32_t stm32_usart_read(struct stm32_usart *u, uint32_t offset, const struct stm32_usart_now *now,
                          uint64_t *skip)
{
    *skip = 0;
    switch (find_reg(u, offset)) {
    case REG_CR1:
        return u->cr1;
    case REG_CR2:
        return u->cr2;
    case REG_CR3:
        return u->cr3;
    case REG_BRR:
        return u->brr;
    case REG_GTPR:
        return u->gtpr;
    case REG_RTOR:
        return u->rtor;
    case REG_STATUS:
        return read_status(u, now, skip);
    case REG_DATA:
    case REG_RX:
        return read_data(u);
    default:
        return 0;
    }
}

bool stm32_usart_volatile(const struct stm32_usart *u, uint32_t offset)
{
    enum reg r = find_reg(u, offset);
    return r == REG_STATUS || r == REG_DATA || r == REG_RX || r == REG_TX || r == REG_CLEAR ||
           r == REG_RQR;
}

static void send(struct stm32_usart *u, uint8_t byte, const struct stm32_usart_now *now)
{
    u->line.idle_reads = 0;
    if (!is_on(u, CR1_TE))
        return;
    if (!stm32_usart_line_ok(u, now->kernel_hz)) {
        warn_baud(u, now->kernel_hz);
        byte = uart_line_garble(&u->line, byte);
    }
    u->tx_free = now->cycle + byte_cycles(u, now);
    u->line.transmit(u->line.user, byte);
}

void stm32_usart_write(struct stm32_usart *u, uint32_t offset, uint32_t value,
                       const struct stm32_usart_now *now)
{
    switch (find_reg(u, offset)) {
    case REG_CR1:
        u->cr1 = value;
        break;
    case REG_CR2:
        u->cr2 = value;
        break;
    case REG_CR3:
        u->cr3 = value;
        break;
    case REG_BRR:
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
    case REG_CLEAR:
        if (value & ICR_ORECF)
            u->isr &= ~(uint32_t)STM32_USART_ISR_ORE;
        break;
    case REG_DATA:
    case REG_TX:
        send(u, (uint8_t)value, now);
        break;
    default:
        break;
    }
}
