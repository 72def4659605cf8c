// SPDX-License-Identifier: MIT
// STM32F74x to F77x (RM0385, RM0410): what sets this family apart. All of them run at up to 216 MHz.
#include "firmware/soc/stm32/stm32.h"

#include "board_config.h"

#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ARTEN (1u << 9)
#define FLASH_ACR_ARTRST (1u << 11)

_Static_assert(BOARD_CLOCK_HZ <= 216000000, "the family's limit");

const struct stm32_family stm32_family = {
    .over_drive_above_hz = 180000000,
    .apb1_max_hz = BOARD_CLOCK_HZ > 180000000 ? 54000000 : 45000000,
    .apb2_max_hz = BOARD_CLOCK_HZ > 180000000 ? 108000000 : 90000000,
    // The accelerator serves code fetched over ITCM; over AXI, where this image runs, the L1 caches do its work.
    .flash_reset = FLASH_ACR_ARTRST,
    .flash_on = FLASH_ACR_PRFTEN | FLASH_ACR_ARTEN,
    .l1_caches = true,
};
