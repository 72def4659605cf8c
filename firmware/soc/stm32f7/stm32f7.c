// SPDX-License-Identifier: MIT
// STM32F7: clock tree up to BOARD_CLOCK_HZ from the external clock, flash wait states, serial line,
// and how to tell a virtual board. Every loop that waits for hardware has a bound; the caller
// reports what did not come up.
#include "firmware/soc/stm32f7/stm32f7.h"

#include "board_config.h"
#include "firmware/platform.h"
#include "firmware/soc/cortexm/cortexm.h"
#include "firmware/virtual_page.h"

#include <stddef.h>

// ---- registers
// -------------------------------------------------------------------------------------------------
#define RCC_CR REG32(0x40023800)
#define RCC_PLLCFGR REG32(0x40023804)
#define RCC_CFGR REG32(0x40023808)
#define RCC_AHB1ENR REG32(0x40023830)
#define RCC_APB1ENR_ADDRESS 0x40023840u
#define RCC_APB2ENR_ADDRESS 0x40023844u
#define RCC_APB1ENR REG32(RCC_APB1ENR_ADDRESS)
#define PWR_CR1 REG32(0x40007000)
#define PWR_CSR1 REG32(0x40007004)
#define FLASH_ACR REG32(0x40023C00)
#define DBGMCU_IDCODE REG32(0xE0042000)

#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS_SHIFT 2
#define RCC_CFGR_PPRE1_DIV4 (5u << 10)
#define RCC_CFGR_PPRE2_DIV2 (4u << 13)
#define RCC_APB1ENR_PWREN (1u << 28)
#define PWR_CR1_VOS_SCALE1 (3u << 14)
#define PWR_CR1_ODEN (1u << 16)
#define PWR_CR1_ODSWEN (1u << 17)
#define PWR_CSR1_ODRDY (1u << 16)
#define PWR_CSR1_ODSWRDY (1u << 17)
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ARTEN (1u << 9)
#define FLASH_ACR_ARTRST (1u << 11)

#define USART_CR1 0x00u
#define USART_BRR 0x0Cu
#define USART_ISR 0x1Cu
#define USART_ICR 0x20u
#define USART_RDR 0x24u
#define USART_TDR 0x28u
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_ISR_ERRORS 0x0Fu // parity, framing, noise, overrun: the same bits clear them in ICR
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)

#define HSI_HZ 16000000u
#define VIRTUAL_REVISION 0xF00Du // DBGMCU_IDCODE.REV_ID that no silicon has
#define VIRTUAL_PAGE_ADDRESS 0xF0000000u

// Longer than any start-up time in the data sheet (the PLL: 0.3 ms; a crystal: a few ms) at either
// clock.
#define WAIT_TURNS 1000000u

// ---- clock
// -----------------------------------------------------------------------------------------------------
#define PLL_VCO_HZ (2u * BOARD_CLOCK_HZ) // PLLP = 2
// Above 180 MHz the core needs over-drive; 30 MHz a wait state at 2.7..3.6 V (RM0410 tables 7 and
// 12).
#define FLASH_LATENCY ((BOARD_CLOCK_HZ - 1u) / 30000000u)
_Static_assert(BOARD_CLOCK_HZ <= 216000000u, "the family's limit");
_Static_assert(BOARD_CLOCK_HZ > 180000000u, "below this the over-drive sequence is wrong");
_Static_assert(PLL_VCO_HZ % 2000000u == 0, "the PLL multiplies 1 or 2 MHz");

static bool wait_for(volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < WAIT_TURNS; i++) {
        if ((*reg & mask) == value)
            return true;
    }
    return false;
}

static const char *clock_start(void)
{
    const struct stm32f7_board *b = &stm32f7_board;
    // ST recommends 2 MHz into the PLL for low jitter; an odd number of MHz must do with 1.
    uint32_t pll_in_hz = b->hse_hz % 2000000u == 0 ? 2000000u : 1000000u;
    uint32_t pll_m = b->hse_hz / pll_in_hz;
    uint32_t pll_n = PLL_VCO_HZ / pll_in_hz;
    uint32_t pll_q =
        (PLL_VCO_HZ + 48000000u - 1u) / 48000000u; // USB clock, unused, but must stay <= 48 MHz

    RCC_CR |= b->hse_bypass ? RCC_CR_HSEBYP : 0;
    RCC_CR |= RCC_CR_HSEON;
    if (!wait_for(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY))
        return "the external clock (HSE) does not start";

    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR; // two bus cycles until the block listens
    PWR_CR1 |= PWR_CR1_VOS_SCALE1;
    RCC_PLLCFGR = pll_m | pll_n << 6 | RCC_PLLCFGR_SRC_HSE | pll_q << 24 | 2u << 28;
    RCC_CR |= RCC_CR_PLLON;
    PWR_CR1 |= PWR_CR1_ODEN;
    if (!wait_for(&PWR_CSR1, PWR_CSR1_ODRDY, PWR_CSR1_ODRDY))
        return "the over-drive does not become ready";
    PWR_CR1 |= PWR_CR1_ODSWEN;
    if (!wait_for(&PWR_CSR1, PWR_CSR1_ODSWRDY, PWR_CSR1_ODSWRDY))
        return "the switch to over-drive does not become ready";

    // The accelerator serves code fetched over ITCM; over AXI, where this image runs, the L1 caches
    // do its work.
    FLASH_ACR = FLASH_ACR_ARTRST | FLASH_LATENCY;
    FLASH_ACR = FLASH_LATENCY | FLASH_ACR_PRFTEN;
    FLASH_ACR = FLASH_LATENCY | FLASH_ACR_PRFTEN | FLASH_ACR_ARTEN;
    if (!wait_for(&FLASH_ACR, 0xF, FLASH_LATENCY))
        return "the flash wait states cannot be set";

    if (!wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY))
        return "the PLL does not lock";
    RCC_CFGR = RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2 | RCC_CFGR_SW_PLL;
    if (!wait_for(&RCC_CFGR, 3u << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_PLL << RCC_CFGR_SWS_SHIFT))
        return "the core does not switch to the PLL";
    return NULL;
}

uint32_t platform_clock_hz(void)
{
    uint32_t cfgr = RCC_CFGR, pll = RCC_PLLCFGR;
    uint32_t hz = HSI_HZ;
    switch (cfgr >> RCC_CFGR_SWS_SHIFT & 3) {
    case 1:
        hz = stm32f7_board.hse_hz;
        break;
    case 2: {
        uint32_t source = pll & RCC_PLLCFGR_SRC_HSE ? stm32f7_board.hse_hz : HSI_HZ;
        uint32_t m = pll & 0x3F;
        uint32_t p = 2 * ((pll >> 16 & 3) + 1);
        hz = m ? (uint32_t)((uint64_t)source * (pll >> 6 & 0x1FF) / m / p) : 0;
        break;
    }
    default:
        break;
    }
    uint32_t hpre = cfgr >> 4 & 0xF; // 0xxx: 1; 1000..1011: 2..16; 1100..1111: 64..512
    if (hpre >= 12)
        return hz >> (hpre - 6);
    return hpre >= 8 ? hz >> (hpre - 7) : hz;
}

// ---- serial line
// -----------------------------------------------------------------------------------------------
const struct stm32f7_usart stm32f7_usart1 = {
    .base = 0x40011000, .enable_reg = RCC_APB2ENR_ADDRESS, .enable_bit = 4, .prescaler_shift = 13};
const struct stm32f7_usart stm32f7_usart3 = {
    .base = 0x40004800, .enable_reg = RCC_APB1ENR_ADDRESS, .enable_bit = 18, .prescaler_shift = 10};

static volatile uint32_t *usart_reg(uint32_t offset)
{
    return &REG32(stm32f7_board.usart->base + offset);
}

static void pin_setup(const struct stm32f7_pin *p)
{
    uint32_t port = (uint32_t)(p->port - 'A');
    uint32_t base = 0x40020000u + 0x400u * port;
    RCC_AHB1ENR |= 1u << port;
    (void)RCC_AHB1ENR;
    volatile uint32_t *mode = &REG32(base), *pull = &REG32(base + 0x0C);
    volatile uint32_t *function = &REG32(base + 0x20 + 4u * (p->pin / 8));
    uint32_t shift = p->pin % 8 * 4u;
    *function = (*function & ~(0xFu << shift)) | (uint32_t)p->alternate << shift;
    *pull = (*pull & ~(3u << 2 * p->pin)) | 1u << 2 * p->pin; // up: an open line reads as idle
    *mode = (*mode & ~(3u << 2 * p->pin)) | 2u << 2 * p->pin; // alternate function
}

static void serial_start(void)
{
    const struct stm32f7_usart *u = stm32f7_board.usart;
    uint32_t prescaler = RCC_CFGR >> u->prescaler_shift & 7; // 0xx: 1; 100..111: 2..16
    uint32_t bus_hz = platform_clock_hz() >> (prescaler >= 4 ? prescaler - 3 : 0);
    pin_setup(&stm32f7_board.tx);
    pin_setup(&stm32f7_board.rx);
    REG32(u->enable_reg) |= 1u << u->enable_bit;
    (void)REG32(u->enable_reg);
    *usart_reg(USART_CR1) = 0;
    *usart_reg(USART_BRR) = (bus_hz + BOARD_BAUD / 2) / BOARD_BAUD;
    *usart_reg(USART_CR1) = USART_CR1_TE | USART_CR1_RE | USART_CR1_UE;
}

void platform_put(char c)
{
    // On a dead line the byte is dropped: there is nobody to tell, and the host misses the record's
    // CRC.
    wait_for(usart_reg(USART_ISR), USART_ISR_TXE, USART_ISR_TXE);
    *usart_reg(USART_TDR) = (uint8_t)c;
}

int platform_get(void)
{
    uint32_t status = *usart_reg(USART_ISR);
    if (status & USART_ISR_ERRORS) {
        *usart_reg(USART_ICR) = status & USART_ISR_ERRORS;
        (void)*usart_reg(USART_RDR);
        return -2;
    }
    if (!(status & USART_ISR_RXNE))
        return -1;
    return (int)(*usart_reg(USART_RDR) & 0xFF);
}

// ---- start
// -----------------------------------------------------------------------------------------------------
const char *platform_init(void)
{
    const char *failed = clock_start();
    serial_start(); // also when the clock failed, from whatever drives the core now: somebody must
                    // tell
    if (!failed && platform_clock_hz() != BOARD_CLOCK_HZ)
        failed = "the clock registers give another frequency than the board's";
    cortexm_caches_enable();
    if (!failed)
        failed = cortexm_cycles_enable();
    return failed;
}

const volatile struct virtual_page *platform_virtual(void)
{
    if (DBGMCU_IDCODE >> 16 != VIRTUAL_REVISION)
        return NULL;
    const volatile struct virtual_page *page =
        (const volatile struct virtual_page *)(uintptr_t)VIRTUAL_PAGE_ADDRESS;
    bool usable = page->magic == VIRTUAL_PAGE_MAGIC && page->version == VIRTUAL_PAGE_VERSION;
    return usable ? page : NULL;
}
