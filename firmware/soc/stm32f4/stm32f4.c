// SPDX-License-Identifier: MIT
// STM32F4 (RM0090, RM0390, RM0402): what sets this family apart. It has three speed grades, told apart by the clock that
// the board asks for: to 100 MHz (F401, F410 to F413), to 168 MHz (F405 to F417), to 180 MHz with over-drive (F42x to
// F479, F446).
#include "firmware/soc/stm32/stm32.h"

#include "board_config.h"

#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define FLASH_ACR_ICRST (1u << 11)
#define FLASH_ACR_DCRST (1u << 12)

_Static_assert(BOARD_CLOCK_HZ <= 180000000, "the family's limit");

#define GRADE(to_100, to_168, to_180)                                                              \
    (BOARD_CLOCK_HZ <= 100000000 ? (to_100) : BOARD_CLOCK_HZ <= 168000000 ? (to_168) : (to_180))

const struct stm32_family stm32_family = {
    .over_drive_above_hz = 168000000,
    .apb1_max_hz = GRADE(50000000, 42000000, 45000000),
    .apb2_max_hz = GRADE(100000000, 84000000, 90000000),
    .flash_reset = FLASH_ACR_ICRST | FLASH_ACR_DCRST,
    .flash_on =
        FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN, // the ART accelerator's memories
    .l1_caches = false,
};
