// SPDX-License-Identifier: MIT
// The virtual USART: baud rate against its clock, pacing, overrun, fast-forward while a program waits, idling.
#include "tests/tap.h"

#include "agent/vboard/usart_f7.h"

enum {
    CR1_UE = 1,
    CR1_RE = 4,
    CR1_TE = 8,
    CR1_PCE = 1 << 10,
    CR1_OVER8 = 1 << 15,
    CPU_HZ = 216000000
};
#define BYTE_CYCLES ((uint64_t)CPU_HZ * 10 / 115200)

static uint8_t sent[16];
static size_t sent_count;

static void transmit(void *user, uint8_t byte)
{
    (void)user;
    if (sent_count < sizeof sent)
        sent[sent_count++] = byte;
}

// Reads a register; time goes on by what the access skips.
static uint32_t rd(struct usart_f7 *u, uint32_t offset, struct usart_f7_now *now)
{
    uint64_t skip;
    uint32_t v = usart_f7_read(u, offset, now, &skip);
    now->cycle += skip;
    return v;
}

static bool baud_ok(uint32_t cr1, uint32_t brr, uint32_t clock_hz)
{
    struct usart_f7 u;
    struct usart_f7_now now = {0, CPU_HZ, clock_hz};
    usart_f7_init(&u, 115200, transmit, NULL);
    usart_f7_write(&u, USART_F7_BRR, brr, &now);
    usart_f7_write(&u, USART_F7_CR1, cr1, &now);
    return usart_f7_line_ok(&u, clock_hz);
}

int main(void)
{
    const uint32_t on = CR1_UE | CR1_RE | CR1_TE;
    struct usart_f7 u;
    struct usart_f7_now now = {1000, CPU_HZ, 54000000};

    OK(baud_ok(on, 469, 54000000));
    OK(baud_ok(on, 456, 54000000));  // +2.8 % is still understood
    OK(!baud_ok(on, 450, 54000000)); // +4.2 %
    OK(!baud_ok(on, 469, 16000000)); // the clock tree never left HSI
    OK(baud_ok(on, 139, 16000000));
    OK(baud_ok(on | CR1_OVER8, 938 / 16 * 16 + (938 % 16) / 2, 54000000));
    OK(!baud_ok(on | CR1_PCE, 469, 54000000)); // parity: not 8N1
    OK(!baud_ok(CR1_RE | CR1_TE, 469, 54000000));

    usart_f7_init(&u, 115200, transmit, NULL);
    usart_f7_write(&u, USART_F7_TDR, 'x', &now);
    EQ_INT(sent_count, 0); // the USART is off
    usart_f7_write(&u, USART_F7_BRR, 469, &now);
    usart_f7_write(&u, USART_F7_CR1, on, &now);
    usart_f7_write(&u, USART_F7_TDR, 'A', &now);
    EQ_INT(sent_count, 1);
    EQ_INT(sent[0], 'A');
    uint64_t before = now.cycle;
    OK(rd(&u, USART_F7_ISR, &now) & USART_F7_ISR_TXE); // waiting takes a byte's time at once
    EQ_INT(now.cycle - before, BYTE_CYCLES);

    // Two bytes arrive one after the other; the program polls and gets both.
    EQ_INT(usart_f7_input(&u, (const uint8_t *)"hi", 2, &now), 2);
    before = now.cycle;
    OK(!(rd(&u, USART_F7_ISR, &now) & USART_F7_ISR_RXNE)); // not yet
    OK(rd(&u, USART_F7_ISR, &now) & USART_F7_ISR_RXNE);    // polls again: time jumps
    EQ_INT(now.cycle - before, BYTE_CYCLES);
    EQ_INT(rd(&u, USART_F7_RDR, &now), 'h');
    while (!(rd(&u, USART_F7_ISR, &now) & USART_F7_ISR_RXNE))
        ;
    EQ_INT(rd(&u, USART_F7_RDR, &now), 'i');
    EQ_INT(now.cycle - before, 2 * BYTE_CYCLES);

    // Three bytes arrive while the program computes: the second and third are lost.
    usart_f7_input(&u, (const uint8_t *)"abc", 3, &now);
    now.cycle += 10 * BYTE_CYCLES;
    uint32_t isr = rd(&u, USART_F7_ISR, &now);
    OK((isr & USART_F7_ISR_RXNE) && (isr & USART_F7_ISR_ORE));
    EQ_INT(rd(&u, USART_F7_RDR, &now), 'a');
    OK(rd(&u, USART_F7_ISR, &now) & USART_F7_ISR_ORE);
    usart_f7_write(&u, USART_F7_ICR, USART_F7_ISR_ORE, &now);
    OK(!(rd(&u, USART_F7_ISR, &now) & (USART_F7_ISR_ORE | USART_F7_ISR_RXNE)));

    // Nothing to do: idle after enough looks, busy again with the next byte.
    OK(!usart_f7_idle(&u));
    before = now.cycle;
    for (int i = 0; i < USART_F7_IDLE_READS; i++)
        rd(&u, USART_F7_ISR, &now);
    OK(usart_f7_idle(&u));
    EQ_INT(now.cycle, before); // idling by itself takes no time
    usart_f7_input(&u, (const uint8_t *)"z", 1, &now);
    OK(!usart_f7_idle(&u));

    // A wrong baud rate garbles what is sent.
    sent_count = 0;
    usart_f7_write(&u, USART_F7_BRR, 300, &now);
    for (int i = 0; i < 8; i++)
        usart_f7_write(&u, USART_F7_TDR, 'A', &now);
    int right = 0;
    for (size_t i = 0; i < sent_count; i++)
        right += sent[i] == 'A';
    OKF(sent_count == 8 && right < 4, "%d of 8 bytes survive a wrong baud rate", right);

    static uint8_t flood[USART_F7_QUEUE + 100];
    usart_f7_init(&u, 115200, transmit, NULL);
    EQ_INT(usart_f7_input(&u, flood, sizeof flood, &now), USART_F7_QUEUE);
    EQ_INT(usart_f7_input(&u, flood, 1, &now), 0);
    return tap_done();
}
