// SPDX-License-Identifier: MIT
// ESP32-S3: where its registers are, and its core. The rest is esp.c's. UART0 is on GPIO43 and GPIO44.
#include "firmware/platform.h"
#include "firmware/soc/esp/esp.h"

static void cycles_start(void) // CCOUNT always counts
{
}

const struct esp_chip esp_chip = {
    .rtc_wdtconfig0 = 0x60008098,
    .rtc_wdtwprotect = 0x600080B0,
    .rtc_swd_conf = 0x600080B4,
    .rtc_swd_wprotect = 0x600080B8,
    .cpu_per_conf = 0x600C0010,
    .sysclk_conf = 0x600C0060,
    .efuse = 0x60007000,
    .mmu_invalid = 1u << 14,
    .pll_hz = {80000000, 160000000, 240000000, 0},
    .cycles_start = cycles_start,
};

const uint64_t platform_cycles_mask = UINT32_MAX;

uint64_t platform_cycles(void)
{
    uint32_t cycles;
    __asm__ volatile("rsr.ccount %0" : "=r"(cycles)::"memory");
    return cycles;
}

uint32_t platform_irq_off(void)
{
    uint32_t state;
    __asm__ volatile("rsil %0, 15" : "=r"(state)::"memory");
    return state;
}

void platform_irq_restore(uint32_t state)
{
    __asm__ volatile("wsr.ps %0\n\trsync" ::"r"(state) : "memory");
}

uintptr_t platform_stack_pointer(void)
{
    uintptr_t sp;
    __asm__ volatile("mov %0, a1" : "=r"(sp));
    return sp;
}
