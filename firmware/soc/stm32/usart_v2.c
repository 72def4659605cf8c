// SPDX-License-Identifier: MIT
// The USART of the STM32F7: separate data registers, errors are cleared by writing to ICR.
#include "firmware/soc/stm32/stm32.h"

#include "firmware/platform.h"

#define USART_CR1 0x00u
#define USART_BRR 0x0Cu
#define USART_ISR 0x1Cu
#define USART_ICR 0x20u
#define USART_RDR 0x24u
#define USART_TDR 0x28u
#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define ISR_ERRORS 0x0Fu // parity, framing, noise, overrun: the same bits clear them in ICR
#define ISR_RXNE (1u << 5)
#define ISR_TXE (1u << 7)

void stm32_usart_start(uint32_t divider)
{
    *stm32_usart_reg(USART_CR1) = 0;
    *stm32_usart_reg(USART_BRR) = divider;
    *stm32_usart_reg(USART_CR1) = CR1_TE | CR1_RE | CR1_UE;
}

void platform_put(char c)
{
    // On a dead line the byte is dropped: there is nobody to tell, and the host misses the record's CRC.
    stm32_wait(stm32_usart_reg(USART_ISR), ISR_TXE, ISR_TXE);
    *stm32_usart_reg(USART_TDR) = (uint8_t)c;
}

int platform_get(void)
{
    uint32_t status = *stm32_usart_reg(USART_ISR);
    if (status & ISR_ERRORS) {
        *stm32_usart_reg(USART_ICR) = status & ISR_ERRORS;
        (void)*stm32_usart_reg(USART_RDR);
        return -2;
    }
    if (!(status & ISR_RXNE))
        return -1;
    return (int)(*stm32_usart_reg(USART_RDR) & 0xFF);
}
