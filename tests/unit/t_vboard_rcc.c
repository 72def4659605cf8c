// SPDX-License-Identifier: MIT
// The virtual clock tree: ready bits, PLL limits, bus clocks, wait states and over-drive.
#include "tests/tap.h"

#include "agent/vboard/stm32_chip.h"

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
    const struct stm32_rcc_kind *f767 = &stm32_chip_find("STM32F767ZI")->rcc;
    struct stm32_rcc r;
    stm32_rcc_init(&r, f767, 8000000, true);
    stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | HSEBYP | HSEON);
    stm32_rcc_write(&r, PLLCFGR, cfg);
    stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | PLLON);
    return (stm32_rcc_read(&r, CR) & PLLRDY) != 0;
}

// The fastest clock of each chip, as its data sheet has it: reached with these settings, and with one step less of
// anything out of limits.
static void test_chips(void)
{
    static const struct {
        const char *soc;
        uint32_t hse_mhz, n;
        bool bypass;
        uint32_t hclk_hz, ppre1, ppre2, pclk1_hz, pclk2_hz;
        unsigned wait_states;
        bool over_drive;
    } chips[] = {
        {"STM32F767ZI", 8, 432, true, 216000000, 5, 4, 54000000, 108000000, 7, true},
        {"STM32F746NG", 25, 432, false, 216000000, 5, 4, 54000000, 108000000, 7, true},
        {"STM32F412ZG", 8, 200, true, 100000000, 4, 0, 50000000, 100000000, 3, false},
        {"STM32F446RE", 8, 360, true, 180000000, 5, 4, 45000000, 90000000, 5, true},
    };
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        const struct stm32_rcc_kind *kind = &stm32_chip_find(chips[i].soc)->rcc;
        uint32_t bypass = chips[i].bypass ? HSEBYP : 0;
        unsigned ws = chips[i].wait_states;
        struct stm32_rcc r;
        struct stm32_rcc_clocks c;
        char why[160] = "";
        stm32_rcc_init(&r, kind, chips[i].hse_mhz * 1000000, chips[i].bypass);
        stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | HSEON | (bypass ^ HSEBYP));
        OK(!(stm32_rcc_read(&r, CR) & HSERDY)); // a crystal in bypass, or a clock without
        stm32_rcc_write(&r, CR, (stm32_rcc_read(&r, CR) & ~(uint32_t)HSEBYP) | bypass);
        OK(stm32_rcc_read(&r, CR) & HSERDY);
        stm32_rcc_write(&r, PLLCFGR, pll(chips[i].hse_mhz, chips[i].n, 2));
        stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | PLLON);
        stm32_rcc_pwr_write(&r, PWR_CR1, 3 << 14 | ODEN | ODSWEN);
        EQ_INT(stm32_rcc_pwr_read(&r, PWR_CSR1) >> 16 & 3, chips[i].over_drive ? 3 : 0);
        stm32_rcc_write(&r, CFGR, chips[i].ppre1 << 10 | chips[i].ppre2 << 13 | SW_PLL);
        stm32_rcc_clocks(&r, &c);
        EQ_INT(c.hclk_hz, chips[i].hclk_hz);
        EQ_INT(c.pclk1_hz, chips[i].pclk1_hz);
        EQ_INT(c.pclk2_hz, chips[i].pclk2_hz);
        EQ_INT(stm32_rcc_usart_hz(&r, 1), chips[i].pclk2_hz);
        EQ_INT(stm32_rcc_usart_hz(&r, 2), chips[i].pclk1_hz);
        OKF(stm32_rcc_within_limits(&r, ws, why, sizeof why), "%s: %s", chips[i].soc, why);
        OK(!stm32_rcc_within_limits(&r, ws - 1, why, sizeof why) && strstr(why, "wait states"));
        stm32_rcc_write(&r, CFGR, (chips[i].ppre1 - 1) << 10 | chips[i].ppre2 << 13 | SW_PLL);
        OK(!stm32_rcc_within_limits(&r, ws, why, sizeof why) && strstr(why, "PCLK1"));
        stm32_rcc_pwr_write(&r, PWR_CR1, 2 << 14 | ODEN | ODSWEN); // voltage scale 2
        OK(!stm32_rcc_within_limits(&r, ws, why, sizeof why) && strstr(why, "HCLK"));
        stm32_rcc_write(&r, CFGR, chips[i].ppre1 << 10 | chips[i].ppre2 << 13 | SW_PLL);
        stm32_rcc_pwr_write(&r, PWR_CR1, 3 << 14); // no over-drive
        EQ_INT(stm32_rcc_within_limits(&r, ws, why, sizeof why), !chips[i].over_drive);
        stm32_rcc_write(&r, DCKCFGR2, 1 << 2); // USART2 from SYSCLK, where there is such a choice
        EQ_INT(stm32_rcc_usart_hz(&r, 2) == chips[i].hclk_hz, kind->usart_clock_choice);
    }
}

int main(void)
{
    const struct stm32_rcc_kind *f767 = &stm32_chip_find("STM32F767ZI")->rcc;
    struct stm32_rcc r;
    struct stm32_rcc_clocks c;
    char why[160] = "";

    stm32_rcc_init(&r, f767, 8000000, true);
    stm32_rcc_clocks(&r, &c);
    EQ_INT(c.hclk_hz, 16000000);
    EQ_INT(stm32_rcc_usart_hz(&r, 3), 16000000);

    stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | HSEON);
    OK(!(stm32_rcc_read(&r, CR) & HSERDY)); // no crystal: the oscillator needs its bypass
    stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | HSEBYP);
    OK(stm32_rcc_read(&r, CR) & HSERDY);

    stm32_rcc_write(&r, CFGR, SW_PLL);
    EQ_INT(stm32_rcc_read(&r, CFGR) & 0xc, 0); // the PLL is off: no switch
    stm32_rcc_write(&r, CFGR, 0);
    stm32_rcc_write(&r, PLLCFGR, pll(4, 216, 2));
    stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) | PLLON);
    OK(stm32_rcc_read(&r, CR) & PLLRDY);
    stm32_rcc_write(&r, PLLCFGR, pll(4, 100, 2));
    EQ_INT(stm32_rcc_read(&r, PLLCFGR), pll(4, 216, 2)); // cannot change while it runs
    stm32_rcc_write(&r, CFGR, PPRE1_DIV4 | PPRE2_DIV2 | SW_PLL);
    EQ_INT(stm32_rcc_read(&r, CFGR) & 0xc, 8);
    stm32_rcc_clocks(&r, &c);
    EQ_INT(c.sysclk_hz, 216000000);
    EQ_INT(c.pclk1_hz, 54000000);
    EQ_INT(c.pclk2_hz, 108000000);
    EQ_INT(stm32_rcc_usart_hz(&r, 3), 54000000);
    stm32_rcc_write(&r, DCKCFGR2, 1 << 4);
    EQ_INT(stm32_rcc_usart_hz(&r, 3), 216000000);
    stm32_rcc_write(&r, DCKCFGR2, 2 << 4);
    EQ_INT(stm32_rcc_usart_hz(&r, 3), 16000000);
    stm32_rcc_write(&r, CR, stm32_rcc_read(&r, CR) & ~(uint32_t)PLLON);
    OK(stm32_rcc_read(&r, CR) & PLLRDY); // drives the system: cannot be switched off

    OK(!stm32_rcc_within_limits(&r, 7, why, sizeof why)); // over-drive is off
    printf("# %s\n", why);
    stm32_rcc_pwr_write(&r, PWR_CR1, stm32_rcc_pwr_read(&r, PWR_CR1) | ODEN);
    EQ_INT(stm32_rcc_pwr_read(&r, PWR_CSR1) >> 16 & 3, 1);
    OK(!stm32_rcc_within_limits(&r, 7, why, sizeof why)); // ready, but not switched
    stm32_rcc_pwr_write(&r, PWR_CR1, stm32_rcc_pwr_read(&r, PWR_CR1) | ODSWEN);
    EQ_INT(stm32_rcc_pwr_read(&r, PWR_CSR1) >> 16 & 3, 3);
    OK(stm32_rcc_within_limits(&r, 7, why, sizeof why));
    OK(!stm32_rcc_within_limits(&r, 6, why, sizeof why) && strstr(why, "wait states"));
    stm32_rcc_write(&r, CFGR, PPRE2_DIV2 | SW_PLL);
    OK(!stm32_rcc_within_limits(&r, 7, why, sizeof why) && strstr(why, "PCLK1"));
    stm32_rcc_pwr_write(&r, PWR_CR1, ODEN | ODSWEN | 1u << 14); // voltage scale 3
    OK(!stm32_rcc_within_limits(&r, 7, why, sizeof why) && strstr(why, "HCLK"));

    OK(locks(pll(8, 432, 2)));  // 1 MHz in, VCO 432
    OK(!locks(pll(2, 100, 2))); // 4 MHz in
    OK(!locks(pll(9, 300, 2))); // below 1 MHz
    OK(!locks(pll(8, 433, 2))); // N out of range
    OK(!locks(pll(4, 217, 2))); // VCO 434 MHz
    OK(!locks(pll(8, 99, 2)));  // VCO 99 MHz
    OK(!locks(pll(1, 50, 2)));  // M out of range

    OK(!stm32_rcc_enabled(&r, 0x40, 18));
    stm32_rcc_write(&r, 0x40, 1 << 18);
    OK(stm32_rcc_enabled(&r, 0x40, 18));
    stm32_rcc_reset(&r, true);
    OK(!stm32_rcc_enabled(&r, 0x40, 18));
    OK(stm32_rcc_read(&r, 0x74) & 1 << 28); // SFTRSTF
    test_chips();
    return tap_done();
}
