// SPDX-License-Identifier: MIT
// The virtual USART: baud rate against its clock, pacing, overrun, fast-forward while a program waits, idling.
#include "tests/tap.h"

#include "agent/vboard/stm32_usart.h"

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
static uint32_t rd(struct stm32_usart *u, uint32_t offset, struct stm32_usart_now *now)
{
    uint64_t skip;
    uint32_t v = stm32_usart_read(u, offset, now, &skip);
    now->cycle += skip;
    return v;
}

static bool baud_ok(uint32_t cr1, uint32_t brr, uint32_t clock_hz)
{
    struct stm32_usart u;
    struct stm32_usart_now now = {0, CPU_HZ, clock_hz};
    stm32_usart_init(&u, STM32_USART_V2, 115200, transmit, NULL);
    stm32_usart_write(&u, STM32_USART_BRR, brr, &now);
    stm32_usart_write(&u, STM32_USART_CR1, cr1, &now);
    return stm32_usart_line_ok(&u, clock_hz);
}

// The STM32F4's registers: the same line behind one data register, and errors that only status and data, read in this
// order, clear.
static void test_version_1(void)
{
    struct stm32_usart u;
    struct stm32_usart_now now = {0, 100000000, 50000000};
    stm32_usart_init(&u, STM32_USART_V1, 115200, transmit, NULL);
    stm32_usart_write(&u, STM32_USART_V1_BRR, 434, &now);
    sent_count = 0;
    stm32_usart_write(&u, STM32_USART_V1_CR1, CR1_UE | CR1_RE | CR1_TE,
                      &now); // version 2's enable bit
    stm32_usart_write(&u, STM32_USART_V1_DR, 'A', &now);
    EQ_INT(sent_count, 0);
    stm32_usart_write(&u, STM32_USART_V1_CR1, 1 << 13 | CR1_RE | CR1_TE, &now);
    OK(stm32_usart_line_ok(&u, 50000000));
    stm32_usart_write(&u, STM32_USART_V1_DR, 'A', &now);
    EQ_INT(sent_count, 1);
    EQ_INT(sent[0], 'A');
    EQ_INT(rd(&u, STM32_USART_V1_SR, &now), STM32_USART_ISR_TC | STM32_USART_ISR_TXE);

    stm32_usart_input(&u, (const uint8_t *)"abc", 3, &now);
    now.cycle += 10 * BYTE_CYCLES;
    uint32_t sr = rd(&u, STM32_USART_V1_SR, &now);
    OK((sr & STM32_USART_ISR_RXNE) && (sr & STM32_USART_ISR_ORE));
    EQ_INT(rd(&u, STM32_USART_V1_DR, &now), 'a');
    OK(!(rd(&u, STM32_USART_V1_SR, &now) & (STM32_USART_ISR_RXNE | STM32_USART_ISR_ORE)));

    // An overrun after the last look at the status survives a read of the data.
    stm32_usart_input(&u, (const uint8_t *)"d", 1, &now);
    now.cycle += 2 * BYTE_CYCLES;
    OK(rd(&u, STM32_USART_V1_SR, &now) & STM32_USART_ISR_RXNE);
    u.isr |= STM32_USART_ISR_ORE;
    EQ_INT(rd(&u, STM32_USART_V1_DR, &now), 'd');
    OK(rd(&u, STM32_USART_V1_SR, &now) & STM32_USART_ISR_ORE);
    rd(&u, STM32_USART_V1_DR, &now);
    OK(!(rd(&u, STM32_USART_V1_SR, &now) & STM32_USART_ISR_ORE));
    OK(stm32_usart_volatile(&u, STM32_USART_V1_DR) &&
       !stm32_usart_volatile(&u, STM32_USART_V1_CR1));
}

int main(void)
{
    const uint32_t on = CR1_UE | CR1_RE | CR1_TE;
    struct stm32_usart u;
    struct stm32_usart_now now = {1000, CPU_HZ, 54000000};

    OK(baud_ok(on, 469, 54000000));
    OK(baud_ok(on, 456, 54000000));  // +2.8 % is still understood
    OK(!baud_ok(on, 450, 54000000)); // +4.2 %
    OK(!baud_ok(on, 469, 16000000)); // the clock tree never left HSI
    OK(baud_ok(on, 139, 16000000));
    OK(baud_ok(on | CR1_OVER8, 938 / 16 * 16 + (938 % 16) / 2, 54000000));
    OK(!baud_ok(on | CR1_PCE, 469, 54000000)); // parity: not 8N1
    OK(!baud_ok(CR1_RE | CR1_TE, 469, 54000000));

    stm32_usart_init(&u, STM32_USART_V2, 115200, transmit, NULL);
    stm32_usart_write(&u, STM32_USART_TDR, 'x', &now);
    EQ_INT(sent_count, 0); // the USART is off
    stm32_usart_write(&u, STM32_USART_BRR, 469, &now);
    stm32_usart_write(&u, STM32_USART_CR1, on, &now);
    stm32_usart_write(&u, STM32_USART_TDR, 'A', &now);
    EQ_INT(sent_count, 1);
    EQ_INT(sent[0], 'A');
    uint64_t before = now.cycle;
    OK(rd(&u, STM32_USART_ISR, &now) & STM32_USART_ISR_TXE); // waiting takes a byte's time at once
    EQ_INT(now.cycle - before, BYTE_CYCLES);

    // Two bytes arrive one after the other; the program polls and gets both.
    EQ_INT(stm32_usart_input(&u, (const uint8_t *)"hi", 2, &now), 2);
    before = now.cycle;
    OK(!(rd(&u, STM32_USART_ISR, &now) & STM32_USART_ISR_RXNE)); // not yet
    OK(rd(&u, STM32_USART_ISR, &now) & STM32_USART_ISR_RXNE);    // polls again: time jumps
    EQ_INT(now.cycle - before, BYTE_CYCLES);
    EQ_INT(rd(&u, STM32_USART_RDR, &now), 'h');
    while (!(rd(&u, STM32_USART_ISR, &now) & STM32_USART_ISR_RXNE))
        ;
    EQ_INT(rd(&u, STM32_USART_RDR, &now), 'i');
    EQ_INT(now.cycle - before, 2 * BYTE_CYCLES);

    // Three bytes arrive while the program computes: the second and third are lost.
    stm32_usart_input(&u, (const uint8_t *)"abc", 3, &now);
    now.cycle += 10 * BYTE_CYCLES;
    uint32_t isr = rd(&u, STM32_USART_ISR, &now);
    OK((isr & STM32_USART_ISR_RXNE) && (isr & STM32_USART_ISR_ORE));
    EQ_INT(rd(&u, STM32_USART_RDR, &now), 'a');
    OK(rd(&u, STM32_USART_ISR, &now) & STM32_USART_ISR_ORE);
    stm32_usart_write(&u, STM32_USART_ICR, STM32_USART_ISR_ORE, &now);
    OK(!(rd(&u, STM32_USART_ISR, &now) & (STM32_USART_ISR_ORE | STM32_USART_ISR_RXNE)));

    // Nothing to do: idle after enough looks, busy again with the next byte.
    OK(!stm32_usart_idle(&u));
    before = now.cycle;
    for (int i = 0; i < UART_LINE_IDLE_READS; i++)
        rd(&u, STM32_USART_ISR, &now);
    OK(stm32_usart_idle(&u));
    EQ_INT(now.cycle, before); // idling by itself takes no time
    stm32_usart_input(&u, (const uint8_t *)"z", 1, &now);
    OK(!stm32_usart_idle(&u));

    // A wrong baud rate garbles what is sent.
    sent_count = 0;
    stm32_usart_write(&u, STM32_USART_BRR, 300, &now);
    for (int i = 0; i < 8; i++)
        stm32_usart_write(&u, STM32_USART_TDR, 'A', &now);
    int right = 0;
    for (size_t i = 0; i < sent_count; i++)
        right += sent[i] == 'A';
    OKF(sent_count == 8 && right < 4, "%d of 8 bytes survive a wrong baud rate", right);

    static uint8_t flood[UART_LINE_QUEUE + 100];
    stm32_usart_init(&u, STM32_USART_V2, 115200, transmit, NULL);
    EQ_INT(stm32_usart_input(&u, flood, sizeof flood, &now), UART_LINE_QUEUE);
    EQ_INT(stm32_usart_input(&u, flood, 1, &now), 0);
    test_version_1();
    return tap_done();
}
