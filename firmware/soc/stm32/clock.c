// SPDX-License-Identifier: MIT
// Clock tree up to BOARD_CLOCK_HZ from the external clock, with the core voltage and the flash wait states that it needs.
// Every loop that waits for hardware has a bound; the caller reports what did not come up.
#include "firmware/soc/stm32/stm32.h"

#include "board_config.h"
#include "firmware/platform.h"
#include "firmware/soc/cortexm/cortexm.h"

#include <stddef.h>

#define RCC_CR REG32(0x40023800)
#define RCC_PLLCFGR REG32(0x40023804)
#define RCC_CFGR REG32(0x40023808)
#define RCC_APB1ENR REG32(0x40023840)
#define PWR_CR REG32(0x40007000)
#define PWR_CSR REG32(0x40007004)
#define FLASH_ACR REG32(0x40023C00)

#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS_SHIFT 2
#define RCC_CFGR_PPRE1_SHIFT 10
#define RCC_CFGR_PPRE2_SHIFT 13
#define RCC_APB1ENR_PWREN (1u << 28)
#define PWR_CR_VOS_SCALE1 (3u << 14)
#define PWR_CR_ODEN (1u << 16)
#define PWR_CR_ODSWEN (1u << 17)
#define PWR_CSR_ODRDY (1u << 16)
#define PWR_CSR_ODSWRDY (1u << 17)

#define HSI_HZ 16000000u
#define PLL_VCO_HZ (2u * BOARD_CLOCK_HZ) // PLLP = 2
// ST recommends 2 MHz into the PLL for low jitter; an odd number of MHz must do with 1.
#define PLL_IN_HZ (BOARD_HSE_HZ % 2000000 == 0 ? 2000000u : 1000000u)
#define PLL_M (BOARD_HSE_HZ / PLL_IN_HZ)
#define PLL_N (PLL_VCO_HZ / PLL_IN_HZ)
#define PLL_Q                                                                                      \
    ((PLL_VCO_HZ + 48000000u - 1u) / 48000000u) // USB clock, unused, but must stay <= 48 MHz
#define PLL_R 2u // where a chip has it; elsewhere the reset value of reserved bits
// 30 MHz a wait state at 2.7..3.6 V, in all chips of both families that run at full speed from flash.
#define FLASH_LATENCY ((BOARD_CLOCK_HZ - 1u) / 30000000u)

_Static_assert(BOARD_HSE_HZ % 1000000 == 0, "the external clock is a whole number of MHz");
_Static_assert(PLL_VCO_HZ % PLL_IN_HZ == 0 && PLL_M >= 2 && PLL_M <= 63,
               "the PLL divides by 2..63");
_Static_assert(PLL_N >= 50 && PLL_N <= 432, "the PLL multiplies by 50..432");
_Static_assert(PLL_VCO_HZ >= 100000000u && PLL_VCO_HZ <= 432000000u,
               "the PLL runs at 100..432 MHz");

bool stm32_wait(volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < STM32_WAIT_TURNS; i++) {
        if ((*reg & mask) == value)
            return true;
    }
    return false;
}

// PPREx: 0xx divides by 1, 100 to 111 by 2 to 16.
static uint32_t apb_prescaler(uint32_t max_hz)
{
    uint32_t shift = 0;
    while ((uint32_t)BOARD_CLOCK_HZ >> shift > max_hz)
        shift++;
    return shift == 0 ? 0 : 3 + shift;
}

static const char *over_drive_start(void)
{
    PWR_CR |= PWR_CR_ODEN;
    if (!stm32_wait(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY))
        return "the over-drive does not become ready";
    PWR_CR |= PWR_CR_ODSWEN;
    if (!stm32_wait(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY))
        return "the switch to over-drive does not become ready";
    return NULL;
}

const char *stm32_clock_start(void)
{
    const struct stm32_family *f = &stm32_family;

    RCC_CR |= BOARD_HSE_BYPASS ? RCC_CR_HSEBYP : 0;
    RCC_CR |= RCC_CR_HSEON;
    if (!stm32_wait(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY))
        return "the external clock (HSE) does not start";

    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR; // two bus cycles until the block listens
    PWR_CR |= PWR_CR_VOS_SCALE1;
    RCC_PLLCFGR = PLL_M | PLL_N << 6 | RCC_PLLCFGR_SRC_HSE | PLL_Q << 24 | PLL_R << 28;
    RCC_CR |= RCC_CR_PLLON;
    if (BOARD_CLOCK_HZ > f->over_drive_above_hz) {
        const char *failed = over_drive_start();
        if (failed)
            return failed;
    }

    FLASH_ACR = FLASH_LATENCY | f->flash_reset;
    FLASH_ACR = FLASH_LATENCY;
    FLASH_ACR = FLASH_LATENCY | f->flash_on;
    if (!stm32_wait(&FLASH_ACR, 0xF, FLASH_LATENCY))
        return "the flash wait states cannot be set";

    if (!stm32_wait(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY))
        return "the PLL does not lock";
    RCC_CFGR = apb_prescaler(f->apb1_max_hz) << RCC_CFGR_PPRE1_SHIFT |
               apb_prescaler(f->apb2_max_hz) << RCC_CFGR_PPRE2_SHIFT | RCC_CFGR_SW_PLL;
    if (!stm32_wait(&RCC_CFGR, 3u << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_PLL << RCC_CFGR_SWS_SHIFT))
        return "the core does not switch to the PLL";
    return NULL;
}

uint32_t platform_clock_hz(void)
{
    uint32_t cfgr = RCC_CFGR, pll = RCC_PLLCFGR;
    uint32_t hz = HSI_HZ;
    switch (cfgr >> RCC_CFGR_SWS_SHIFT & 3) {
    case 1:
        hz = BOARD_HSE_HZ;
        break;
    case 2: {
        uint32_t source = pll & RCC_PLLCFGR_SRC_HSE ? BOARD_HSE_HZ : HSI_HZ;
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

uint32_t stm32_apb_hz(unsigned bus, uint32_t core_hz)
{
    uint32_t prescaler = RCC_CFGR >> (bus == 1 ? RCC_CFGR_PPRE1_SHIFT : RCC_CFGR_PPRE2_SHIFT) & 7;
    return core_hz >> (prescaler >= 4 ? prescaler - 3 : 0);
}
