// SPDX-License-Identifier: MIT
// What the ESP32-S3 and ESP32-C3 share: watchdogs off, clock to BOARD_CLOCK_HZ, flash windows, UART0, and how to tell a
// virtual board. Registers follow their Technical Reference Manuals; offsets and bits of watchdogs and clocks were compared
// with ESP-IDF's headers (components/soc/esp32c3: rtc_cntl_struct.h, system_reg.h, timer_group_reg.h) and, for the ESP32-S3,
// with NuttX's (arch/xtensa/src/esp32s3/hardware).
//
// What is taken as the ROM leaves it after a direct boot: flash mode and caches set up, 4 MB of flash mapped one to
// one, the 480 MHz PLL powered and calibrated (it is after reset), UART0 on its own pins. Espressif's start-up code also
// raises the core voltage for 240 MHz through a bus that the manual does not describe; this does not.
#include "firmware/soc/esp/esp.h"
#include "board_config.h"
#include "firmware/platform.h"
#include "firmware/soc/soc.h"

#include <stdbool.h>
#include <stddef.h>

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

// ---- registers ----
#define RTC_OPTIONS0 REG32(0x60008000)
#define RTC_WDTCONFIG0 REG32(esp_chip.rtc_wdtconfig0)
#define RTC_WDTWPROTECT REG32(esp_chip.rtc_wdtwprotect)
#define RTC_SWD_CONF REG32(esp_chip.rtc_swd_conf)
#define RTC_SWD_WPROTECT REG32(esp_chip.rtc_swd_wprotect)
#define TIMG_WDTCONFIG0(n) REG32(0x6001F048 + 0x1000 * (n))
#define TIMG_WDTWPROTECT(n) REG32(0x6001F064 + 0x1000 * (n))
#define SYSTEM_CPU_PER_CONF REG32(esp_chip.cpu_per_conf)
#define SYSTEM_SYSCLK_CONF REG32(esp_chip.sysclk_conf)
#define EFUSE_MAC_SPI_SYS_3 REG32(esp_chip.efuse + 0x50)
#define EFUSE_MAC_SPI_SYS_5 REG32(esp_chip.efuse + 0x58)
#define MMU_ENTRY(i) REG32(0x600C5000 + 4 * (i))

#define OPTIONS0_PLL_OFF                                                                           \
    (1u << 6 | 1u << 8 | 1u << 10) // BB_I2C, BBPLL_I2C, BBPLL: forced power down
#define OPTIONS0_SW_SYS_RST (1u << 31)
#define WDT_KEY 0x50D83AA1u
#define SWD_KEY 0x8F1D312Au
#define SWD_AUTO_FEED (1u << 31)
#define TIMG_WDT_CONF_UPDATE                                                                       \
    (1u << 22) // C3: hands the setting to the watchdog's clock; S3: reserved
#define CPU_PER_CONF_PLL_480 (1u << 2) // PLL_FREQ_SEL; CPUPERIOD_SEL is below it
#define CPU_PER_CONF_MASK 7u
#define SYSCLK_SOC_CLK_SEL_SHIFT 10
#define SYSCLK_PLL 1u
#define SYSCLK_PRE_DIV_MASK 0x3FFu
#define MMU_PAGE_BYTES 65536u

#define UART_FIFO REG32(0x60000000)
#define UART_INT_RAW REG32(0x60000004)
#define UART_INT_CLR REG32(0x60000010)
#define UART_CLKDIV REG32(0x60000014)
#define UART_STATUS REG32(0x6000001C)
#define UART_CONF0 REG32(0x60000020)
#define UART_CLK_CONF REG32(0x60000078)
#define UART_ID REG32(0x60000080)
#define UART_INT_ERRORS (1u << 2 | 1u << 3 | 1u << 4) // parity, framing, overflow of the FIFO
#define UART_CONF0_8N1 0x1000001Cu // 8 data bits, 1 stop bit, memory clock on: the reset value
#define UART_CONF0_RXFIFO_RST (1u << 17)
#define UART_CLK_XTAL (3u << 20 | 1u << 22 | 1u << 24 | 1u << 25) // source, and the clocks on
#define UART_ID_REG_UPDATE (1u << 31)
#define UART_RXFIFO_CNT(status) ((status)&0x3FFu)
#define UART_TXFIFO_CNT(status) ((status) >> 16 & 0x3FFu)
#define UART_FIFO_BYTES 128u

#define XTAL_HZ 40000000u
#define WAIT_TURNS 1000000u // far longer than a full FIFO takes

_Static_assert(BOARD_CLOCK_HZ == 160000000u || BOARD_CLOCK_HZ == 240000000u,
               "the PLL gives 160 MHz and, on the ESP32-S3, 240 MHz");
#define CPUPERIOD_SEL (BOARD_CLOCK_HZ / 80000000u - 1u)

static void watchdogs_stop(void)
{
    RTC_WDTWPROTECT = WDT_KEY;
    RTC_WDTCONFIG0 = 0;
    RTC_WDTWPROTECT = 0;
    RTC_SWD_WPROTECT = SWD_KEY;
    RTC_SWD_CONF |= SWD_AUTO_FEED; // the super watchdog cannot be stopped, but feeds itself
    RTC_SWD_WPROTECT = 0;
    for (uint32_t n = 0; n < 2; n++) {
        TIMG_WDTWPROTECT(n) = WDT_KEY;
        TIMG_WDTCONFIG0(n) = TIMG_WDT_CONF_UPDATE;
        TIMG_WDTWPROTECT(n) = 0;
    }
}

// The program may lie beyond the 4 MB that the ROM maps. An entry serves both windows.
static const char *flash_map(void)
{
    for (uint32_t page = 0; page < BOARD_FLASH_BYTES / MMU_PAGE_BYTES; page++) {
        if (MMU_ENTRY(page) & esp_chip.mmu_invalid)
            MMU_ENTRY(page) = page;
        if (MMU_ENTRY(page) != page)
            return "the flash is not mapped one to one: this image has to be booted by the ROM "
                   "alone";
    }
    return NULL;
}

static void clock_start(void)
{
    RTC_OPTIONS0 &= ~OPTIONS0_PLL_OFF;
    SYSTEM_CPU_PER_CONF =
        (SYSTEM_CPU_PER_CONF & ~CPU_PER_CONF_MASK) | CPU_PER_CONF_PLL_480 | CPUPERIOD_SEL;
    uint32_t sysclk = SYSTEM_SYSCLK_CONF & ~(3u << SYSCLK_SOC_CLK_SEL_SHIFT | SYSCLK_PRE_DIV_MASK);
    SYSTEM_SYSCLK_CONF = sysclk | SYSCLK_PLL << SYSCLK_SOC_CLK_SEL_SHIFT;
}

uint32_t platform_clock_hz(void)
{
    uint32_t conf = SYSTEM_CPU_PER_CONF, sysclk = SYSTEM_SYSCLK_CONF;
    switch (sysclk >> SYSCLK_SOC_CLK_SEL_SHIFT & 3) {
    case 0:
        return XTAL_HZ / ((sysclk & SYSCLK_PRE_DIV_MASK) + 1);
    case SYSCLK_PLL:
        // All but 240 MHz, which is half of 480, the 320 MHz PLL gives too: not used here.
        return conf & CPU_PER_CONF_PLL_480 ? esp_chip.pll_hz[conf & 3] : 0;
    default:
        return 0; // the internal oscillator: no frequency to rely on
    }
}

// ---- serial line ----
static void serial_start(void)
{
    uint32_t divider16 = (XTAL_HZ * 16u + BOARD_BAUD / 2) / BOARD_BAUD; // in sixteenths
    UART_CLK_CONF = UART_CLK_XTAL;                                      // undivided
    UART_CLKDIV = divider16 / 16 | divider16 % 16 << 20;
    UART_CONF0 = UART_CONF0_8N1 | UART_CONF0_RXFIFO_RST;
    UART_CONF0 = UART_CONF0_8N1;
    UART_INT_CLR = UART_INT_ERRORS;
    UART_ID |= UART_ID_REG_UPDATE; // hands the settings to the line's side
}

void platform_put(char c)
{
    // On a dead line the byte is dropped: there is nobody to tell, and the host misses the record's CRC.
    for (uint32_t i = 0; i < WAIT_TURNS; i++) {
        if (UART_TXFIFO_CNT(UART_STATUS) < UART_FIFO_BYTES - 1)
            break;
    }
    UART_FIFO = (uint8_t)c;
}

int platform_get(void)
{
    uint32_t errors = UART_INT_RAW & UART_INT_ERRORS;
    if (errors) {
        UART_INT_CLR = errors;
        return -2;
    }
    if (UART_RXFIFO_CNT(UART_STATUS) == 0)
        return -1;
    return (int)(UART_FIFO & 0xFF);
}

// ---- chip ----
_Noreturn void platform_reset(void)
{
    RTC_OPTIONS0 |= OPTIONS0_SW_SYS_RST;
    for (;;) { // the reset takes a few cycles
    }
}

const char *platform_init(void)
{
    watchdogs_stop();
    esp_chip.cycles_start();
    clock_start();
    serial_start();
    const char *failed = flash_map();
    if (!failed && platform_clock_hz() != BOARD_CLOCK_HZ)
        failed = "the clock registers give another frequency than the board's";
    return failed ? failed : soc_cycles_check();
}

// The eFuse block is read-only and names chip revision and package. Silicon has major revisions 0 and 1, and no package
// 7: all of these bits set means a virtual board.
const volatile struct virtual_page *platform_virtual(void)
{
    const uint32_t minor_and_package = 0x3Fu << 18, major = 7u << 23;
    if ((EFUSE_MAC_SPI_SYS_3 & minor_and_package) != minor_and_package ||
        (EFUSE_MAC_SPI_SYS_5 & major) != major)
        return NULL;
    return soc_virtual_page();
}
