// SPDX-License-Identifier: MIT
// ESP32-C3: what the ROM jumps to, where its registers are, and its core's cycle counter. The rest is esp.c's and
// riscv.c's. UART0 is on GPIO20 and GPIO21.
#include "firmware/platform.h"
#include "firmware/soc/esp/esp.h"

// Direct boot: two magic words, then the entry. The core has no mie, and mtvec's table has one entry for all exceptions.
__asm__("    .section .header, \"ax\"\n"
        "    .global esp_header\n"
        "esp_header:\n"
        "    .word 0xaedb041d, 0xaedb041d\n"
        "    csrci mstatus, 8\n" // MIE off
        "    la t0, riscv_vector\n"
        "    ori t0, t0, 1\n"
        "    csrw mtvec, t0\n"
        "    la sp, fw_stack_top\n"
        "    li ra, 0\n"
        "    j soc_start\n"
        "    .text\n");

// mpcer: the event that is counted; mpcmr: how; mpccr: the count.
static void cycles_start(void)
{
    __asm__ volatile("csrwi 0x7e1, 0\n\t"
                     "csrwi 0x7e0, 1\n\t" // cycles
                     "csrwi 0x7e2, 0\n\t"
                     "csrwi 0x7e1, 1" :: // counts, and wraps
                     : "memory");
}

const struct esp_chip esp_chip = {
    .rtc_wdtconfig0 = 0x60008090,
    .rtc_wdtwprotect = 0x600080A8,
    .rtc_swd_conf = 0x600080AC,
    .rtc_swd_wprotect = 0x600080B0,
    .cpu_per_conf = 0x600C0008,
    .sysclk_conf = 0x600C0058,
    .efuse = 0x60008800,
    .mmu_invalid = 1u << 8,
    .pll_hz = {80000000, 160000000, 0, 0},
    .cycles_start = cycles_start,
};

const uint64_t platform_cycles_mask = UINT32_MAX;

uint64_t platform_cycles(void)
{
    uint32_t cycles;
    __asm__ volatile("csrr %0, 0x7e2" : "=r"(cycles)::"memory");
    return cycles;
}
