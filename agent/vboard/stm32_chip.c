// SPDX-License-Identifier: GPL-2.0-only
// See stm32_chip.h.
#include "agent/vboard/stm32_chip.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { KB = 1024 };

// clang-format off
static const struct stm32_chip chips[] = {
    {
        .prefix = "STM32F767", .family = STM32_F7, .device_id = 0x451, .cpuid = 0x411fc270, // r1p0
        .fpu_double = true,
        .ram_bytes = 512 * KB, .itcm_ram_bytes = 16 * KB, .gpio_ports = 11, // DTCM 128, SRAM1 368, SRAM2 16
        .flash = {.sector_kb = 32, .protected_sectors = 12, .acr_mask = 0xb0f,
                  .optcr = 0xffffaafd, // nDBANK = 1: one bank
                  .optcr1 = 0x00400080}, // boot from flash on ITCM, or system memory with BOOT0 high
        .rcc = {.hclk_mhz = {{180, 216}, {168, 180}, {144, 144}}, .pclk1_mhz = {45, 54}, .pclk2_mhz = {90, 108},
                .wait_mhz = {30, 60, 90, 120, 150, 180, 210, 216}, .over_drive = true, .usart_clock_choice = true,
                .pwr_cr = 0xc000, .ahb1enr = 0x00100000, .apb1enr = 0x400},
    },
    {
        .prefix = "STM32F746", .family = STM32_F7, .device_id = 0x449, .cpuid = 0x410fc271, // r0p1
        .ram_bytes = 320 * KB, .itcm_ram_bytes = 16 * KB, .gpio_ports = 11, // DTCM 64, SRAM1 240, SRAM2 16
        .flash = {.sector_kb = 32, .protected_sectors = 8, .acr_mask = 0xb0f,
                  .optcr = 0xc0ffaafd, .optcr1 = 0x00400080},
        .rcc = {.hclk_mhz = {{180, 216}, {168, 180}, {144, 144}}, .pclk1_mhz = {45, 54}, .pclk2_mhz = {90, 108},
                .wait_mhz = {30, 60, 90, 120, 150, 180, 210, 216}, .over_drive = true, .usart_clock_choice = true,
                .pwr_cr = 0xc000, .ahb1enr = 0x00100000, .apb1enr = 0x400},
    },
    {
        .prefix = "STM32F412", .family = STM32_F4, .device_id = 0x441, .cpuid = 0x410fc241, // r0p1
        .ram_bytes = 256 * KB, .gpio_ports = 8,
        .flash = {.sector_kb = 16, .protected_sectors = 12, .acr_mask = 0x1f0f, .optcr = 0x0fffaaed},
        .rcc = {.hclk_mhz = {{100}, {84}, {64}}, .pclk1_mhz = {50}, .pclk2_mhz = {100},
                .wait_mhz = {30, 64, 90, 100}, .pwr_cr = 0x8000, .apb1enr = 0x400},
    },
    {
        .prefix = "STM32F446", .family = STM32_F4, .device_id = 0x421, .cpuid = 0x410fc241, // r0p1
        .ram_bytes = 128 * KB, .gpio_ports = 8, // SRAM1 112, SRAM2 16
        .flash = {.sector_kb = 16, .protected_sectors = 8, .acr_mask = 0x1f0f, .optcr = 0x0fffaaed},
        .rcc = {.hclk_mhz = {{168, 180}, {144, 168}, {120, 120}}, .pclk1_mhz = {42, 45}, .pclk2_mhz = {84, 90},
                .wait_mhz = {30, 60, 90, 120, 150, 180}, .over_drive = true, .pwr_cr = 0xc000},
    },
};
// clang-format on

const struct stm32_chip *stm32_chip_find(const char *soc)
{
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        if (strncmp(soc, chips[i].prefix, strlen(chips[i].prefix)) == 0)
            return &chips[i];
    }
    return NULL;
}

// Where the USARTs come out, the same in all rows above (packages with fewer pins lack some).
static const struct {
    unsigned usart;
    const char *tx, *rx;
    unsigned alternate;
} usart_pins[] = {
    {1, "PA9 PB6 ", "PA10 PB7 ", 7},
    {2, "PA2 PD5 ", "PA3 PD6 ", 7},
    {3, "PB10 PC10 PD8 ", "PB11 PC11 PD9 ", 7},
    {6, "PC6 PG14 ", "PC7 PG9 ", 8},
};

bool stm32_usart_pin(unsigned n, bool transmit, const char *name, struct stm32_pin *out)
{
    char word[8];
    size_t length = strlen(name);
    if (length < 3 || length > 4)
        return false;
    snprintf(word, sizeof word, "%s ", name);
    for (size_t i = 0; i < sizeof usart_pins / sizeof usart_pins[0]; i++) {
        const char *list = transmit ? usart_pins[i].tx : usart_pins[i].rx;
        if (usart_pins[i].usart != n || word[0] != 'P' || !strstr(list, word))
            continue;
        out->port = name[1];
        out->pin = (unsigned)(name[2] - '0');
        if (length == 4)
            out->pin = 10 * out->pin + (unsigned)(name[3] - '0');
        out->alternate = usart_pins[i].alternate;
        return true;
    }
    return false;
}
