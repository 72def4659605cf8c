// SPDX-License-Identifier: MIT
// Start of an STM32, and how to tell a virtual board.
#include "firmware/platform.h"

#include "board_config.h"
#include "firmware/soc/cortexm/cortexm.h"
#include "firmware/soc/stm32/stm32.h"
#include "firmware/soc/soc.h"

#include <stddef.h>

#define DBGMCU_IDCODE REG32(0xE0042000)
#define VIRTUAL_REVISION 0xF00Du // DBGMCU_IDCODE.REV_ID that no silicon has

const char *platform_init(void)
{
    const char *failed = stm32_clock_start();
    // Also when the clock failed, from whatever drives the core now: somebody must tell.
    stm32_serial_start();
    if (!failed && platform_clock_hz() != BOARD_CLOCK_HZ)
        failed = "the clock registers give another frequency than the board's";
    if (stm32_family.l1_caches)
        cortexm_caches_enable();
    if (!failed)
        failed = cortexm_cycles_enable();
    return failed;
}

const volatile struct virtual_page *platform_virtual(void)
{
    if (DBGMCU_IDCODE >> 16 != VIRTUAL_REVISION)
        return NULL;
    return soc_virtual_page();
}
