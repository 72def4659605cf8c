// SPDX-License-Identifier: MIT
// The virtual clock tree: ready bits, PLL limits, bus clocks, wait states and over-drive.
#include "tests/tap.h"

#include "agent/vboard/rcc_f7.h"

enum {
    CR = 0x00,
    PLLCFGR = 0x04,
    CFGR = 0x08,
    DCKCFGR2 = 0x90,
    HSEON = 1 << 16,
    HSERDY = 1 << 17,
    HSEBYP = 1 << 18,
    PLLON = 1 << 24,
    PLLRDY = 1 << 25,
    SRC_HSE = 1 << 22,
    PPRE1_DIV4 = 5 << 10,
    PPRE2_DIV2 = 4 << 13,
    SW_PLL = 2,
    PWR_CR1 = 0,
    PWR_CSR1 = 4,
    ODEN = 1 << 16,
    ODSWEN = 1 << 17,
};

static uint32_t pll(uint32_t m, uint32_t n, uint32_t p)
{
    return m | n << 6 | (p / 2 - 1) << 16 | SRC_HSE | 9u << 24;
}

// Starts the PLL with this configuration; does it lock?
static bool locks(uint32_t cfg)
{
    struct rcc_f7 r;
    rcc_f7_init(&r, 8000000);
    rcc_f7_write(&r, CR, rcc_f7_read(&r, CR) | HSEBYP | HSEON);
    rcc_f7_write(&r, PLLCFGR, cfg);
    rcc_f7_write(&r, CR, rcc_f7_read(&r, CR) | PLLON);
    return (rcc_f7_read(&r, CR) & PLLRDY) != 0;
}

int main(void)
{
    struct rcc_f7 r;
    struct rcc_f7_clocks c;
    char why[160] = "";

    rcc_f7_init(&r, 8000000);
    rcc_f7_clocks(&r, &c);
    EQ_INT(c.hclk_hz, 16000000);
    EQ_INT(rcc_f7_usart_hz(&r, 3), 16000000);

    rcc_f7_write(&r, CR, rcc_f7_read(&r, CR) | HSEON);
    OK(!(rcc_f7_read(&r, CR) & HSERDY)); // no crystal: the oscillator needs its bypass
    rcc_f7_write(&r, CR, rcc_f7_read(&r, CR) | HSEBYP);
    OK(rcc_f7_read(&r, CR) & HSERDY);

    rcc_f7_write(&r, CFGR, SW_PLL);
    EQ_INT(rcc_f7_read(&r, CFGR) & 0xc, 0); // the PLL is off: no switch
    rcc_f7_write(&r, CFGR, 0);
    rcc_f7_write(&r, PLLCFGR, pll(4, 216, 2));
    rcc_f7_write(&r, CR, rcc_f7_read(&r, CR) | PLLON);
    OK(rcc_f7_read(&r, CR) & PLLRDY);
    rcc_f7_write(&r, PLLCFGR, pll(4, 100, 2));
    EQ_INT(rcc_f7_read(&r, PLLCFGR), pll(4, 216, 2)); // cannot change while it runs
    rcc_f7_write(&r, CFGR, PPRE1_DIV4 | PPRE2_DIV2 | SW_PLL);
    EQ_INT(rcc_f7_read(&r, CFGR) & 0xc, 8);
    rcc_f7_clocks(&r, &c);
    EQ_INT(c.sysclk_hz, 216000000);
    EQ_INT(c.pclk1_hz, 54000000);
    EQ_INT(c.pclk2_hz, 108000000);
    EQ_INT(rcc_f7_usart_hz(&r, 3), 54000000);
    rcc_f7_write(&r, DCKCFGR2, 1 << 4);
    EQ_INT(rcc_f7_usart_hz(&r, 3), 216000000);
    rcc_f7_write(&r, DCKCFGR2, 2 << 4);
    EQ_INT(rcc_f7_usart_hz(&r, 3), 16000000);
    rcc_f7_write(&r, CR, rcc_f7_read(&r, CR) & ~(uint32_t)PLLON);
    OK(rcc_f7_read(&r, CR) & PLLRDY); // drives the system: cannot be switched off

    OK(!rcc_f7_within_limits(&r, 7, why, sizeof why)); // over-drive is off
    printf("# %s\n", why);
    rcc_f7_pwr_write(&r, PWR_CR1, rcc_f7_pwr_read(&r, PWR_CR1) | ODEN);
    EQ_INT(rcc_f7_pwr_read(&r, PWR_CSR1) >> 16 & 3, 1);
    OK(!rcc_f7_within_limits(&r, 7, why, sizeof why)); // ready, but not switched
    rcc_f7_pwr_write(&r, PWR_CR1, rcc_f7_pwr_read(&r, PWR_CR1) | ODSWEN);
    EQ_INT(rcc_f7_pwr_read(&r, PWR_CSR1) >> 16 & 3, 3);
    OK(rcc_f7_within_limits(&r, 7, why, sizeof why));
    OK(!rcc_f7_within_limits(&r, 6, why, sizeof why) && strstr(why, "wait states"));
    rcc_f7_write(&r, CFGR, PPRE2_DIV2 | SW_PLL);
    OK(!rcc_f7_within_limits(&r, 7, why, sizeof why) && strstr(why, "PCLK1"));
    rcc_f7_pwr_write(&r, PWR_CR1, ODEN | ODSWEN | 1u << 14); // voltage scale 3
    OK(!rcc_f7_within_limits(&r, 7, why, sizeof why) && strstr(why, "HCLK"));

    OK(locks(pll(8, 432, 2)));  // 1 MHz in, VCO 432
    OK(!locks(pll(2, 100, 2))); // 4 MHz in
    OK(!locks(pll(9, 300, 2))); // below 1 MHz
    OK(!locks(pll(8, 433, 2))); // N out of range
    OK(!locks(pll(4, 217, 2))); // VCO 434 MHz
    OK(!locks(pll(8, 99, 2)));  // VCO 99 MHz
    OK(!locks(pll(1, 50, 2)));  // M out of range

    OK(!rcc_f7_enabled(&r, 0x40, 18));
    rcc_f7_write(&r, 0x40, 1 << 18);
    OK(rcc_f7_enabled(&r, 0x40, 18));
    rcc_f7_reset(&r, true);
    OK(!rcc_f7_enabled(&r, 0x40, 18));
    OK(rcc_f7_read(&r, 0x74) & 1 << 28); // SFTRSTF
    return tap_done();
}
