// SPDX-License-Identifier: GPL-2.0-only
// USART of the STM32F7 (RM0410, chapter 34), asynchronous 8N1, polled. Bytes move at the speed of the line in the
// board's own time: a receiver that does not keep up overruns, a wrong baud rate gives garbage. A program that only
// waits for the next byte is not made to spin: time jumps to the byte.
#ifndef VBOARD_USART_F7_H
#define VBOARD_USART_F7_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    USART_F7_CR1 = 0x00,
    USART_F7_BRR = 0x0c,
    USART_F7_ISR = 0x1c,
    USART_F7_ICR = 0x20,
    USART_F7_RDR = 0x24,
    USART_F7_TDR = 0x28,
    USART_F7_ISR_ORE = 1 << 3,
    USART_F7_ISR_RXNE = 1 << 5,
    USART_F7_ISR_TC = 1 << 6,
    USART_F7_ISR_TXE = 1 << 7,
    USART_F7_QUEUE = 4096,     // bytes on their way to the board
    USART_F7_IDLE_READS = 256, // fruitless looks at ISR after which the CPU counts as idle
};

struct usart_f7 {
    uint32_t line_baud; // what the other end of the line uses
    uint32_t cr1, cr2, cr3, brr, isr, gtpr, rtor;
    uint8_t rdr;
    uint8_t queue[USART_F7_QUEUE];
    size_t head, count;
    uint64_t next_rx;    // cycle at which the first queued byte is complete
    uint64_t tx_free;    // cycle at which the transmitter is done
    unsigned idle_reads; // ISR reads without anything to do
    bool warned_baud;
    uint32_t noise; // state of the generator of garbage
    void *user;
    void (*transmit)(void *user, uint8_t byte); // a byte leaves on the line, garbled or not
};

// What the registers need to know of the world.
struct usart_f7_now {
    uint64_t cycle;     // of the CPU clock
    uint32_t cpu_hz;    // CPU clock
    uint32_t kernel_hz; // USART clock
};

void usart_f7_init(struct usart_f7 *u, uint32_t line_baud,
                   void (*transmit)(void *user, uint8_t byte), void *user);
void usart_f7_reset(struct usart_f7 *u);
// Register access. Returns in *skip the cycles that pass while the program waits (0 almost always).
uint32_t usart_f7_read(struct usart_f7 *u, uint32_t offset, const struct usart_f7_now *now,
                       uint64_t *skip);
void usart_f7_write(struct usart_f7 *u, uint32_t offset, uint32_t value,
                    const struct usart_f7_now *now);
// Bytes from the other end; returns how many fitted.
size_t usart_f7_input(struct usart_f7 *u, const uint8_t *bytes, size_t n,
                      const struct usart_f7_now *now);
bool usart_f7_idle(const struct usart_f7 *u); // the program polls and nothing is on its way
double usart_f7_baud(const struct usart_f7 *u, uint32_t kernel_hz); // what BRR gives; 0 when off
bool usart_f7_line_ok(const struct usart_f7 *u,
                      uint32_t kernel_hz); // 8N1 and within 3 % of the line's baud rate

#endif
