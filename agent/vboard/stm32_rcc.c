// SPDX-License-Identifier: GPL-2.0-only
// See stm32_rcc.h.
#include "agent/vboard/stm32_rcc.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

// clang-format off
enum {
    RCC_CR = 0x00, RCC_PLLCFGR = 0x04, RCC_CFGR = 0x08, RCC_CSR = 0x74, RCC_AHB1ENR = 0x30, RCC_DCKCFGR2 = 0x90,
    RCC_APB1ENR = 0x40, RCC_BYTES = 0x98,
    CR_HSION = 1 << 0, CR_HSIRDY = 1 << 1, CR_HSEON = 1 << 16, CR_HSERDY = 1 << 17, CR_HSEBYP = 1 << 18,
    CR_PLLON = 1 << 24, CR_PLLRDY = 1 << 25,
    PLLCFGR_HSE = 1 << 22,
    PWR_CR1 = 0x00, PWR_CSR1 = 0x04,
    PWR_ODEN = 1 << 16, PWR_ODSWEN = 1 << 17, PWR_VOSRDY = 1 << 14, PWR_ODRDY = 1 << 16, PWR_ODSWRDY = 1 << 17,
    SW_HSI = 0, SW_HSE = 1, SW_PLL = 2,
    HSI_HZ = 16000000, LSE_HZ = 32768, MHZ = 1000000,
};
// clang-format on

static uint32_t *reg(struct stm32_rcc *r, uint32_t offset)
{
    return &r->regs[offset / 4];
}

static uint32_t get(const struct stm32_rcc *r, uint32_t offset)
{
    return r->regs[offset / 4];
}

void stm32_rcc_reset(struct stm32_rcc *r, bool by_software)
{
    memset(r->regs, 0, sizeof r->regs);
    *reg(r, RCC_CR) = 0x83;
    *reg(r, RCC_PLLCFGR) = 0x24003010;
    *reg(r, RCC_AHB1ENR) = r->kind->ahb1enr;
    *reg(r, RCC_APB1ENR) = r->kind->apb1enr;
    *reg(r, RCC_CSR) = by_software ? 0x14000000 : 0x04000000; // SFTRSTF, PINRSTF
    r->pwr_cr1 = r->kind->pwr_cr;
    r->warned_bypass = r->warned_pll = false;
}

void stm32_rcc_init(struct stm32_rcc *r, const struct stm32_rcc_kind *kind, uint32_t hse_hz,
                    bool hse_bypass)
{
    memset(r, 0, sizeof *r);
    r->kind = kind;
    r->hse_hz = hse_hz;
    r->hse_bypass = hse_bypass;
    stm32_rcc_reset(r, false);
    *reg(r, RCC_CSR) = 0x0e000000; // power-on
}

// PLL output P in Hz; 0 and why when the configuration is not allowed.
static uint32_t pll_hz(const struct stm32_rcc *r, char *why, size_t why_bytes)
{
    uint32_t cfg = get(r, RCC_PLLCFGR);
    uint32_t source = cfg & PLLCFGR_HSE ? (get(r, RCC_CR) & CR_HSERDY ? r->hse_hz : 0)
                                        : (get(r, RCC_CR) & CR_HSIRDY ? HSI_HZ : 0);
    uint32_t m = cfg & 0x3f, n = cfg >> 6 & 0x1ff, p = ((cfg >> 16 & 3) + 1) * 2;
    if (source == 0) {
        snprintf(why, why_bytes, "its source, %s, is not running",
                 cfg & PLLCFGR_HSE ? "HSE" : "HSI");
        return 0;
    }
    if (m < 2 || n < 50 || n > 432) {
        snprintf(why, why_bytes, "PLLM %u (2-63) or PLLN %u (50-432) is out of range", m, n);
        return 0;
    }
    uint64_t in = source / m, vco = (uint64_t)source * n / m;
    if (in < MHZ * 95 / 100 || in > MHZ * 21 / 10) {
        snprintf(why, why_bytes, "the VCO input is %llu Hz (1-2 MHz)", (unsigned long long)in);
        return 0;
    }
    if (vco < 100ull * MHZ || vco > 432ull * MHZ) {
        snprintf(why, why_bytes, "the VCO runs at %llu Hz (100-432 MHz)", (unsigned long long)vco);
        return 0;
    }
    return (uint32_t)(vco / p);
}

static void update_ready(struct stm32_rcc *r)
{
    uint32_t cr = get(r, RCC_CR) & ~(uint32_t)(CR_HSIRDY | CR_HSERDY | CR_PLLRDY);
    if (cr & CR_HSION)
        cr |= CR_HSIRDY;
    if ((cr & CR_HSEON) && r->hse_hz) {
        if (((cr & CR_HSEBYP) != 0) == r->hse_bypass) {
            cr |= CR_HSERDY;
        } else if (!r->warned_bypass) {
            r->warned_bypass = true;
            log_warn("rcc", "HSEON %s HSEBYP: HSERDY stays 0; this board %s",
                     r->hse_bypass ? "without" : "with",
                     r->hse_bypass ? "feeds OSC_IN with a clock and has no crystal"
                                   : "has a crystal, which does not oscillate in bypass mode");
        }
    }
    *reg(r, RCC_CR) = cr;
    if (cr & CR_PLLON) {
        char why[96];
        if (pll_hz(r, why, sizeof why)) {
            *reg(r, RCC_CR) |= CR_PLLRDY;
        } else if (!r->warned_pll) {
            r->warned_pll = true;
            misuse_tell(&r->misuse, "the PLL does not lock, PLLRDY stays 0: %s (PLLCFGR 0x%08x)",
                        why, get(r, RCC_PLLCFGR));
        }
    }
    // SWS follows SW as soon as the source is ready; until then the old clock goes on.
    uint32_t sw = get(r, RCC_CFGR) & 3;
    bool ready = sw == SW_HSI   ? get(r, RCC_CR) & CR_HSIRDY
                 : sw == SW_HSE ? (get(r, RCC_CR) & CR_HSERDY) != 0
                 : sw == SW_PLL ? (get(r, RCC_CR) & CR_PLLRDY) != 0
                                : false;
    if (ready)
        *reg(r, RCC_CFGR) = (get(r, RCC_CFGR) & ~0xcu) | sw << 2;
}

uint32_t stm32_rcc_read(const struct stm32_rcc *r, uint32_t offset)
{
    return offset < RCC_BYTES ? get(r, offset) : 0;
}

void stm32_rcc_write(struct stm32_rcc *r, uint32_t offset, uint32_t value)
{
    if (offset >= RCC_BYTES)
        return;
    uint32_t sws = get(r, RCC_CFGR) >> 2 & 3;
    switch (offset) {
    case RCC_CR:
        // A clock that drives the system cannot be switched off.
        if (sws == SW_HSI)
            value |= CR_HSION;
        if (sws == SW_HSE || (sws == SW_PLL && (get(r, RCC_PLLCFGR) & PLLCFGR_HSE)))
            value |= CR_HSEON | (get(r, RCC_CR) & CR_HSEBYP);
        if (sws == SW_PLL)
            value |= CR_PLLON;
        *reg(r, RCC_CR) = value;
        break;
    case RCC_PLLCFGR:
        if (get(r, RCC_CR) & CR_PLLON) {
            misuse_tell(&r->misuse, "PLLCFGR is written while the PLL is on: ignored");
            return;
        }
        *reg(r, RCC_PLLCFGR) = value;
        r->warned_pll = false;
        break;
    case RCC_CFGR:
        *reg(r, RCC_CFGR) = (value & ~0xcu) | sws << 2;
        break;
    case RCC_CSR:
        if (value & 1u << 24) // RMVF
            *reg(r, RCC_CSR) &= 0x00ffffffu;
        *reg(r, RCC_CSR) = (get(r, RCC_CSR) & 0xfe000000u) | (value & 1) | (value & 1) << 1;
        break;
    default:
        *reg(r, offset) = value;
        break;
    }
    update_ready(r);
}

uint32_t stm32_rcc_pwr_read(const struct stm32_rcc *r, uint32_t offset)
{
    if (offset == PWR_CR1)
        return r->pwr_cr1;
    if (offset != PWR_CSR1)
        return 0;
    uint32_t v = PWR_VOSRDY;
    if (r->pwr_cr1 & PWR_ODEN)
        v |= PWR_ODRDY;
    if ((r->pwr_cr1 & PWR_ODEN) && (r->pwr_cr1 & PWR_ODSWEN))
        v |= PWR_ODSWRDY;
    return v;
}

void stm32_rcc_pwr_write(struct stm32_rcc *r, uint32_t offset, uint32_t value)
{
    if (offset == PWR_CR1)
        r->pwr_cr1 = r->kind->over_drive ? value : value & ~(uint32_t)(PWR_ODEN | PWR_ODSWEN);
}

static unsigned apb_shift(uint32_t field)
{
    return field & 4 ? (field & 3) + 1 : 0;
}

void stm32_rcc_clocks(const struct stm32_rcc *r, struct stm32_rcc_clocks *out)
{
    static const uint8_t ahb_shift[8] = {1, 2, 3, 4, 6, 7, 8, 9};
    char why[96];
    uint32_t cfgr = get(r, RCC_CFGR);
    uint32_t sws = cfgr >> 2 & 3, hpre = cfgr >> 4 & 0xf;
    out->sysclk_hz = sws == SW_HSE   ? r->hse_hz
                     : sws == SW_PLL ? pll_hz(r, why, sizeof why)
                                     : HSI_HZ;
    out->hclk_hz = out->sysclk_hz >> (hpre & 8 ? ahb_shift[hpre & 7] : 0);
    out->pclk1_hz = out->hclk_hz >> apb_shift(cfgr >> 10 & 7);
    out->pclk2_hz = out->hclk_hz >> apb_shift(cfgr >> 13 & 7);
}

uint32_t stm32_rcc_usart_hz(const struct stm32_rcc *r, unsigned n)
{
    struct stm32_rcc_clocks clocks;
    stm32_rcc_clocks(r, &clocks);
    switch (r->kind->usart_clock_choice ? get(r, RCC_DCKCFGR2) >> (2 * (n - 1)) & 3 : 0) {
    case 0:
        return n == 1 || n == 6 ? clocks.pclk2_hz : clocks.pclk1_hz;
    case 1:
        return clocks.sysclk_hz;
    case 2:
        return get(r, RCC_CR) & CR_HSIRDY ? HSI_HZ : 0;
    default:
        return LSE_HZ;
    }
}

bool stm32_rcc_within_limits(const struct stm32_rcc *r, unsigned flash_wait_states, char *why,
                             size_t why_bytes)
{
    struct stm32_rcc_clocks clocks;
    stm32_rcc_clocks(r, &clocks);
    const struct stm32_rcc_kind *k = r->kind;
    unsigned over_drive = (stm32_rcc_pwr_read(r, PWR_CSR1) & PWR_ODSWRDY) ? 1 : 0;
    unsigned vos = r->pwr_cr1 >> 14 & 3;
    unsigned scale = vos == 3 ? 1 : vos == 2 ? 2 : 3;
    uint32_t hclk_max = k->hclk_mhz[scale - 1][over_drive] * MHZ;
    uint32_t pclk1_max = k->pclk1_mhz[over_drive] * MHZ, pclk2_max = k->pclk2_mhz[over_drive] * MHZ;
    unsigned wait_states = 0;
    while (wait_states + 1 < STM32_RCC_WAIT_STATES && k->wait_mhz[wait_states + 1] &&
           clocks.hclk_hz > k->wait_mhz[wait_states] * (uint32_t)MHZ)
        wait_states++;

    if (clocks.hclk_hz > hclk_max) {
        snprintf(why, why_bytes, "HCLK %u Hz is above %u Hz (voltage scale %u, over-drive %s)",
                 clocks.hclk_hz, hclk_max, scale, over_drive ? "on" : "off");
        return false;
    }
    if (flash_wait_states < wait_states) {
        snprintf(why, why_bytes, "HCLK %u Hz needs %u flash wait states, FLASH_ACR has %u",
                 clocks.hclk_hz, wait_states, flash_wait_states);
        return false;
    }
    if (clocks.pclk1_hz > pclk1_max || clocks.pclk2_hz > pclk2_max) {
        snprintf(why, why_bytes, "PCLK1 %u Hz (at most %u) or PCLK2 %u Hz (at most %u) is too fast",
                 clocks.pclk1_hz, pclk1_max, clocks.pclk2_hz, pclk2_max);
        return false;
    }
    return true;
}

bool stm32_rcc_enabled(const struct stm32_rcc *r, uint32_t offset, unsigned bit)
{
    return get(r, offset) >> bit & 1;
}
