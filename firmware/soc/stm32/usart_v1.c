// SPDX-License-Identifier: MIT
// The USART of the STM32F4: one data register, errors are cleared by reading status and then data.
#include "firmware/soc/stm32/stm32.h"

#include "firmware/platform.h"

#define USART_SR 0x00u
#define USART_DR 0x04u
#define USART_BRR 0x08u
#define USART_CR1 0x0Cu
#define SR_ERRORS 0x0Fu // parity, framing, noise, overrun
#define SR_RXNE (1u << 5)
#define SR_TXE (1u << 7)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_UE (1u << 13)

void stm32_usart_start(uint32_t divider)
{
    *stm32_usart_reg(USART_CR1) = 0;
    *stm32_usart_reg(USART_BRR) = divider;
    *stm32_usart_reg(USART_CR1) = CR1_UE | CR1_TE | CR1_RE;
}

void platform_put(char c)
{
    // On a dead line the byte is dropped: there is nobody to tell, and the host misses the record's CRC.
    stm32_wait(stm32_usart_reg(USART_SR), SR_TXE, SR_TXE);
    *stm32_usart_reg(USART_DR) = (uint8_t)c;
}

int platform_get(void)
{
    uint32_t status = *stm32_usart_reg(USART_SR);
    if (status & SR_ERRORS) {
        (void)*stm32_usart_reg(USART_DR);
        return -2;
    }
    if (!(status & SR_RXNE))
        return -1;
    return (int)(*stm32_usart_reg(USART_DR) & 0xFF);
}
