// SPDX-License-Identifier: MIT
// What esp.c needs to know of a chip.
#ifndef FIRMWARE_SOC_ESP_H
#define FIRMWARE_SOC_ESP_H

#include <stdint.h>

struct esp_chip { // addresses of registers
    uint32_t rtc_wdtconfig0, rtc_wdtwprotect, rtc_swd_conf, rtc_swd_wprotect;
    uint32_t cpu_per_conf, sysclk_conf;
    uint32_t efuse;
    uint32_t mmu_invalid;       // flag of a page without memory
    uint32_t pll_hz[4];         // clock by CPUPERIOD_SEL; 0: there is none
    void (*cycles_start)(void); // makes the cycle counter count
};
extern const struct esp_chip esp_chip;

#endif
