// SPDX-License-Identifier: MIT
// The board's serial line: which USART, its bus clock, its two pins. The register block itself is usart_v1.c or
// usart_v2.c.
#include "firmware/soc/stm32/stm32.h"

#include "board_config.h"
#include "firmware/platform.h"
#include "firmware/soc/cortexm/cortexm.h"

#define GPIOA_BASE 0x40020000u
#define GPIO_STRIDE 0x400u
#define GPIO_MODER 0x00u
#define GPIO_PUPDR 0x0Cu
#define GPIO_AFRL 0x20u
#define RCC_AHB1ENR REG32(0x40023830)
#define RCC_APB1ENR_ADDRESS 0x40023840u
#define RCC_APB2ENR_ADDRESS 0x40023844u

// One USART is compiled in; the compiler drops the rest.
struct usart {
    uint32_t base;       // register block
    unsigned bus;        // APB1 or APB2
    uint32_t enable_bit; // in RCC_APB1ENR or RCC_APB2ENR
    uint32_t alternate;  // function number of its pins in the data sheets' tables
};
static const struct usart usarts[] = {
    [1] = {0x40011000, 2, 4, 7},
    [2] = {0x40004400, 1, 17, 7},
    [3] = {0x40004800, 1, 18, 7},
    [6] = {0x40011400, 2, 5, 8},
};
_Static_assert(BOARD_USART >= 1 && (BOARD_USART <= 3 || BOARD_USART == 6),
               "\"usart\" of board.json must be 1, 2, 3 or 6");
_Static_assert(sizeof BOARD_USART_TX >= 4 && sizeof BOARD_USART_TX <= 5 &&
                   sizeof BOARD_USART_RX >= 4 && sizeof BOARD_USART_RX <= 5,
               "\"usart_tx\" and \"usart_rx\" of board.json are pins like \"PD8\"");

volatile uint32_t *stm32_usart_reg(uint32_t offset)
{
    return &REG32(usarts[BOARD_USART].base + offset);
}

static void pin_setup(const char *name, uint32_t alternate) // "PD8", "PA10"
{
    uint32_t port = (uint32_t)(name[1] - 'A');
    uint32_t pin = (uint32_t)(name[2] - '0');
    if (name[3])
        pin = 10 * pin + (uint32_t)(name[3] - '0');
    uint32_t base = GPIOA_BASE + GPIO_STRIDE * port;
    RCC_AHB1ENR |= 1u << port;
    (void)RCC_AHB1ENR;
    volatile uint32_t *mode = &REG32(base + GPIO_MODER), *pull = &REG32(base + GPIO_PUPDR);
    volatile uint32_t *function = &REG32(base + GPIO_AFRL + 4u * (pin / 8));
    uint32_t shift = pin % 8 * 4u;
    *function = (*function & ~(0xFu << shift)) | alternate << shift;
    *pull = (*pull & ~(3u << 2 * pin)) | 1u << 2 * pin; // up: an open line reads as idle
    *mode = (*mode & ~(3u << 2 * pin)) | 2u << 2 * pin; // alternate function
}

void stm32_serial_start(void)
{
    const struct usart *u = &usarts[BOARD_USART];
    volatile uint32_t *enable = &REG32(u->bus == 1 ? RCC_APB1ENR_ADDRESS : RCC_APB2ENR_ADDRESS);
    uint32_t bus_hz = stm32_apb_hz(u->bus, platform_clock_hz());
    pin_setup(BOARD_USART_TX, u->alternate);
    pin_setup(BOARD_USART_RX, u->alternate);
    *enable |= 1u << u->enable_bit;
    (void)*enable;
    stm32_usart_start((bus_hz + BOARD_BAUD / 2) / BOARD_BAUD);
}
