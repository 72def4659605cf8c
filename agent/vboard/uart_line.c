// SPDX-License-Identifier: GPL-2.0-only
// See uart_line.h.
#include "agent/vboard/uart_line.h"

#include <string.h>

enum {
    BITS_PER_BYTE = 10, // start, 8 data, stop
    TOLERANCE_PERCENT = 3,
};

void uart_line_init(struct uart_line *l, uint32_t baud, void (*transmit)(void *user, uint8_t byte),
                    void *user)
{
    memset(l, 0, sizeof *l);
    l->baud = baud;
    l->noise = 1;
    l->transmit = transmit;
    l->user = user;
}

uint64_t uart_line_byte_cycles(const struct uart_line *l, uint32_t cpu_hz)
{
    uint64_t cycles = (uint64_t)cpu_hz * BITS_PER_BYTE / l->baud;
    return cycles ? cycles : 1; // a clock that is slower than the line
}

size_t uart_line_input(struct uart_line *l, const uint8_t *bytes, size_t n, uint64_t cycle,
                       uint32_t cpu_hz)
{
    size_t taken = 0;
    if (l->count == 0 && n > 0) {
        uint64_t first = cycle + uart_line_byte_cycles(l, cpu_hz);
        l->next = l->next > first ? l->next : first;
    }
    while (taken < n && l->count < UART_LINE_QUEUE)
        l->queue[(l->head + l->count++) % UART_LINE_QUEUE] = bytes[taken++];
    if (taken)
        l->idle_reads = 0;
    return taken;
}

bool uart_line_take(struct uart_line *l, uint64_t cycle, uint32_t cpu_hz, uint8_t *byte)
{
    if (l->count == 0 || l->next > cycle)
        return false;
    *byte = l->queue[l->head];
    l->head = (l->head + 1) % UART_LINE_QUEUE;
    l->count--;
    l->next += uart_line_byte_cycles(l, cpu_hz);
    return true;
}

bool uart_line_awaited(const struct uart_line *l)
{
    return l->count && l->idle_reads > 0;
}

void uart_line_looked(struct uart_line *l, bool found)
{
    if (found)
        l->idle_reads = 0;
    else if (l->count)
        l->idle_reads = 1;
    else if (l->idle_reads < UART_LINE_IDLE_READS)
        l->idle_reads++;
}

bool uart_line_idle(const struct uart_line *l)
{
    return l->idle_reads >= UART_LINE_IDLE_READS && l->count == 0;
}

bool uart_line_matches(const struct uart_line *l, double baud)
{
    double error = baud / l->baud - 1.0;
    return error * 100 < TOLERANCE_PERCENT && error * 100 > -TOLERANCE_PERCENT;
}

uint8_t uart_line_garble(struct uart_line *l, uint8_t byte)
{
    l->noise = l->noise * 1664525u + 1013904223u;
    return byte ^ (uint8_t)(l->noise >> 24);
}
