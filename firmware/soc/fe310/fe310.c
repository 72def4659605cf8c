// SPDX-License-Identifier: MIT
// FE310-G002: watchdog off, SPI flash as fast as its new clock allows, clock to BOARD_CLOCK_HZ, UART0, and how to tell a
// virtual board. Registers follow the FE310-G002 manual, flash commands the data sheet of ISSI's IS25LP032.
#include "board_config.h"
#include "firmware/platform.h"
#include "firmware/soc/soc.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

// ---- registers ------------------------------------------------------------------------------------
#define AON_WDOGCFG REG32(0x10000000)
#define AON_WDOGCOUNT REG32(0x10000008)
#define AON_WDOGFEED REG32(0x10000018)
#define AON_WDOGKEY REG32(0x1000001C)
#define AON_WDOGCMP REG32(0x10000020)
#define PRCI_HFROSCCFG REG32(0x10008000)
#define PRCI_HFXOSCCFG REG32(0x10008004)
#define PRCI_PLLCFG REG32(0x10008008)
#define PRCI_PLLOUTDIV REG32(0x1000800C)
#define GPIO_IOF_EN REG32(0x10012038)
#define GPIO_IOF_SEL REG32(0x1001203C)
#define UART_TXDATA REG32(0x10013000)
#define UART_RXDATA REG32(0x10013004)
#define UART_TXCTRL REG32(0x10013008)
#define UART_RXCTRL REG32(0x1001300C)
#define UART_DIV REG32(0x10013018)
#define SPI_BASE 0x10014000u

#define WDOG_KEY 0x51F15Eu
#define WDOGCFG_RSTEN (1u << 8)
#define WDOGCFG_ENALWAYS (1u << 12)
#define OSC_ENABLE (1u << 30)
#define OSC_READY (1u << 31)
#define PLL_R(n) ((n)-1u)
#define PLL_F(n) (((n) / 2u - 1u) << 4)
#define PLL_Q(log2) ((uint32_t)(log2) << 10)
#define PLL_SEL (1u << 16)
#define PLL_REFSEL_HFXOSC (1u << 17)
#define PLL_BYPASS (1u << 18)
#define PLL_LOCK (1u << 31)
#define PLLOUTDIV_BY_1 (1u << 8)
#define IOF_UART0 (1u << 16 | 1u << 17) // GPIO16 RX, GPIO17 TX, function 0
#define UART_FULL_OR_EMPTY (1u << 31)   // of txdata and rxdata
#define SPI_SCKDIV (SPI_BASE + 0x00u)
#define SPI_FCTRL (SPI_BASE + 0x60u)
#define SPI_FFMT (SPI_BASE + 0x64u)

#define HFXOSC_HZ 16000000u
#define HFROSC_MAX_HZ 72000000u // the ring oscillator's range is wide; only used for waiting
#define WAIT_TURNS 1000000u
#define VIRTUAL_REVISION 0xF00Du // upper half of mimpid that no silicon has

// 16 MHz / 2 = 8 MHz (6 to 12); * 80 = 640 MHz (384 to 768); / 2
#define PLL_320 (PLL_R(2u) | PLL_F(80u) | PLL_Q(1) | PLL_REFSEL_HFXOSC)
_Static_assert(BOARD_CLOCK_HZ == HFXOSC_HZ / 2u * 80u / 2u, "the PLL below is set for 320 MHz");

// SCK = clock / (2 * (div + 1)): 40 MHz at 320 MHz
#define SCKDIV_320 3u
// Fast read dual I/O, 0xBB: both the address and the data go over two lines, 4 dummy cycles in between. Fast, and it needs
// no bit of the flash's non-volatile status register, unlike the commands with four lines.
#define FFMT_DUAL                                                                                  \
    (1u /* send a command */ | 3u << 1 /* address bytes */ | 4u << 4 /* dummy cycles */ |          \
     0u << 8 /* command on one line */ | 1u << 10 /* address on two */ |                           \
     1u << 12 /* data on two */ | 0xBBu << 16)

static bool wait_for(uint32_t address, uint32_t mask)
{
    for (uint32_t i = 0; i < WAIT_TURNS; i++) {
        if ((REG32(address) & mask) == mask)
            return true;
    }
    return false;
}

// ---- SPI flash ------------------------------------------------------------------------------------
// The flash cannot be read while its controller changes, so this runs from RAM: position-independent, no stack, no calls.
// a0: base of the controller, a1: sckdiv, a2: ffmt.
extern const uint8_t fe310_flash_setup[], fe310_flash_setup_end[];
// clang-format off
__asm__(
    "    .section .text.fe310_flash_setup, \"ax\"\n"
    "    .align 2\n"
    "    .global fe310_flash_setup, fe310_flash_setup_end\n"
    "fe310_flash_setup:\n"
    "    sw zero, 0x60(a0)\n" // memory-mapped reads off
    "    sw a1, 0x00(a0)\n"
    "    sw a2, 0x64(a0)\n"
    "    li a3, 1\n"
    "    sw a3, 0x60(a0)\n"   // and on again
    "    fence\n"
    "    ret\n"
    "    .align 2\n"
    "fe310_flash_setup_end:\n"
    "    .text\n");
// clang-format on

static void flash_setup(void)
{
    // The arena is free as long as no program runs.
    memcpy(fw_arena_start, fe310_flash_setup,
           (uintptr_t)fe310_flash_setup_end - (uintptr_t)fe310_flash_setup);
    __asm__ volatile("fence.i" ::: "memory");
    void (*run)(uint32_t base, uint32_t sckdiv, uint32_t ffmt) =
        (void (*)(uint32_t, uint32_t, uint32_t))(uintptr_t)fw_arena_start;
    run(SPI_BASE, SCKDIV_320, FFMT_DUAL);
}

// ---- clock ----------------------------------------------------------------------------------------
static void watchdog_write(volatile uint32_t *reg, uint32_t value)
{
    AON_WDOGKEY = WDOG_KEY; // unlocks one write
    *reg = value;
}

static void wait_us(uint32_t us) // at least, on any clock up to HFROSC_MAX_HZ
{
    uint64_t start = platform_cycles();
    for (uint32_t i = 0; i < WAIT_TURNS; i++) { // a counter that stands still is found later
        if (platform_cycles() - start >= us * (HFROSC_MAX_HZ / 1000000u))
            break;
    }
}

static const char *clock_start(void)
{
    // The boot loader may have left any clock: to the ring oscillator first.
    PRCI_HFROSCCFG |= OSC_ENABLE;
    if (!wait_for(0x10008000, OSC_READY))
        return "the ring oscillator HFROSC does not start";
    PRCI_PLLCFG &= ~PLL_SEL;
    PRCI_HFXOSCCFG = OSC_ENABLE;
    if (!wait_for(0x10008004, OSC_READY))
        return "the 16 MHz crystal HFXOSC does not start";
    flash_setup(); // slow enough for the clock to come

    PRCI_PLLOUTDIV = PLLOUTDIV_BY_1;
    PRCI_PLLCFG = PLL_320 | PLL_BYPASS;
    PRCI_PLLCFG = PLL_320;
    wait_us(100); // until then the lock bit is not to be trusted
    if (!wait_for(0x10008008, PLL_LOCK))
        return "the PLL does not lock";
    PRCI_PLLCFG = PLL_320 | PLL_SEL;
    return NULL;
}

uint32_t platform_clock_hz(void)
{
    uint32_t pll = PRCI_PLLCFG, div = PRCI_PLLOUTDIV;
    // The ring oscillator has no frequency to rely on.
    if (!(pll & PLL_SEL) || !(pll & PLL_REFSEL_HFXOSC))
        return 0;
    uint32_t hz = HFXOSC_HZ;
    if (!(pll & PLL_BYPASS)) {
        uint32_t r = (pll & 7u) + 1u, f = 2u * ((pll >> 4 & 0x3Fu) + 1u), q = pll >> 10 & 3u;
        hz = HFXOSC_HZ / r * f >> q;
    }
    return div & PLLOUTDIV_BY_1 ? hz : hz / (2u * ((div & 0x3Fu) + 1u));
}

// ---- serial line ----------------------------------------------------------------------------------
static void serial_start(uint32_t clock_hz)
{
    GPIO_IOF_SEL &= ~IOF_UART0;
    GPIO_IOF_EN |= IOF_UART0;
    UART_DIV = (clock_hz + BOARD_BAUD / 2u) / BOARD_BAUD - 1u;
    UART_TXCTRL = 1u; // enable, one stop bit
    UART_RXCTRL = 1u;
}

void platform_put(char c)
{
    for (uint32_t i = 0; i < WAIT_TURNS && (UART_TXDATA & UART_FULL_OR_EMPTY); i++) {
    }
    UART_TXDATA = (uint8_t)c;
}

// The UART does not tell when its receiver lost a byte (never -2): the line's CRC does.
int platform_get(void)
{
    uint32_t v = UART_RXDATA;
    return v & UART_FULL_OR_EMPTY ? -1 : (int)(v & 0xFFu);
}

// ---- core -----------------------------------------------------------------------------------------
const uint64_t platform_cycles_mask = UINT64_MAX;

uint64_t platform_cycles(void)
{
    uint32_t high = 0, low = 0, again = 0;
    do { // the low half may wrap in between
        __asm__ volatile("csrr %0, mcycleh" : "=r"(high)::"memory");
        __asm__ volatile("csrr %0, mcycle" : "=r"(low)::"memory");
        __asm__ volatile("csrr %0, mcycleh" : "=r"(again)::"memory");
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

// The chip has no reset register; its watchdog bites after one tick of the 32 kHz clock.
_Noreturn void platform_reset(void)
{
    watchdog_write(&AON_WDOGCFG, 0);
    watchdog_write(&AON_WDOGCMP, 1);
    watchdog_write(&AON_WDOGCOUNT, 0);
    watchdog_write(&AON_WDOGCFG, WDOGCFG_RSTEN | WDOGCFG_ENALWAYS);
    for (;;) {
    }
}

const char *platform_init(void)
{
    watchdog_write(&AON_WDOGCFG, 0);
    const char *failed = clock_start();
    if (!failed && platform_clock_hz() != BOARD_CLOCK_HZ)
        failed = "the clock registers give another frequency than the board's";
    if (failed) { // from the crystal, past the PLL
        PRCI_PLLOUTDIV = PLLOUTDIV_BY_1;
        PRCI_PLLCFG = PLL_BYPASS | PLL_REFSEL_HFXOSC | PLL_SEL;
    }
    serial_start(failed ? HFXOSC_HZ : BOARD_CLOCK_HZ);
    return failed ? failed : soc_cycles_check();
}

const volatile struct virtual_page *platform_virtual(void)
{
    uint32_t revision;
    __asm__ volatile("csrr %0, mimpid" : "=r"(revision));
    if (revision >> 16 != VIRTUAL_REVISION)
        return NULL;
    return soc_virtual_page();
}
