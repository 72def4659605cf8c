// SPDX-License-Identifier: GPL-2.0-only
// ESP32-S3 (one core) and ESP32-C3: memory map and the peripherals that farm firmware and OpenOCD touch (their Technical
// Reference Manuals; esp.c of the firmware says what else they were compared with). Everything else reads 0, ignores writes and is logged once. The ROM is what it does: a flash that
// begins with the direct-boot magic is mapped and entered at its ninth byte; without it the chip waits.
//
//   0x3c000000  flash, data bus: 64 KB pages as the MMU table says       0x42000000  the same, instruction bus
//   0x3fc80000  SRAM on the data bus and                                 0x40370000  on the instruction bus: chips[]
//   0x50000000  RTC memories (the S3's second one: 0x600fe000)           0x60000000  registers
//   0xf0000000  the virtual board's own page
#include "agent/vboard/cpu_riscv.h"
#include "agent/vboard/cpu_xtensa.h"
#include "agent/vboard/esp_uart.h"
#include "agent/vboard/soc.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
enum {
    KB = 1024,
    FLASH_DATA_BASE = 0x3c000000, FLASH_CODE_BASE = 0x42000000,
    RTC_SLOW_BASE = 0x50000000, RTC_FAST_BASE = 0x600fe000, RTC_BYTES = 8 * KB,
    CODE_ONLY_BYTES = 16 * KB, ROM_BASE = 0x40000000, ROM_BYTES = 8 * KB, ROM_WAIT = 0x40000400, ROM_VECTOR_STEP = 0x40,
    ENTRY = FLASH_CODE_BASE + 8,

    REGISTERS_BASE = 0x60000000, REGISTERS_BYTES = RTC_FAST_BASE - REGISTERS_BASE,
    UART0_BASE = 0x60000000, SPI1_BASE = 0x60002000, SPI1_CMD = 0, RTC_BASE = 0x60008000, TIMG0_BASE = 0x6001f000,
    TIMG1_BASE = 0x60020000, SYSTEM_BASE = 0x600c0000, MMU_BASE = 0x600c5000,
    BLOCK_BYTES = 0x200, // of a block of registers that is only storage

    RTC_OPTIONS0 = 0x00, OPTIONS0_SW_SYS_RST = 31, // the RTC's watchdogs: struct chip
    TIMG_WDTCONFIG0 = 0x48, TIMG_WDTWPROTECT = 0x64,
    RTC_WDT_FLASHBOOT = 1 << 12, TIMG_WDT_FLASHBOOT = 1 << 14, // on after reset, with the enable bit 31
    SWD_AUTO_FEED = 31,
    WATCHDOG_SECONDS = 2,  // what is still on by then resets the chip
    EFUSE_SYS_3 = 0x50, EFUSE_SYS_5 = 0x58,
    PERIP_UART = 1 << 2, PERIP_UART_MEMORY = 1 << 24, // of perip_clk_en0, on after reset
    CPUPERIOD_240 = 2, CPU_PER_CONF_PLL_480 = 1 << 2,
    CPU_PER_CONF_RESET = 0x0c, SYSCLK_XTAL = 40 << 12, SYSCLK_XTAL_MASK = 0xff << 12,
    MMU_ENTRIES_MAX = 512, MMU_ENTRIES_OF_ROM = 64, MMU_PAGE = 64 * KB,
    JTAG_IDCODE_C3 = 0x00005c25,
};
// clang-format on
#define XTAL_HZ 40000000u
#define APB_HZ 80000000u
#define WDT_KEY 0x50d83aa1u
#define SWD_KEY 0x8f1d312au
#define BOOT_MAGIC 0xaedb041du
#define PAGE_BASE 0xf0000000u
// eFuse: minor revision 7, package 7; major revision 3, upper bit of the minor one: no silicon
#define EFUSE_SYS_3_VIRTUAL (0x3fu << 18)
#define EFUSE_SYS_5_VIRTUAL (7u << 23)

struct chip {
    const char *name;
    uint32_t ram_bytes;                       // of board.json
    uint32_t data_base, data_bytes;           // SRAM on the data bus
    uint32_t data_code_base, data_code_bytes; // as much of it as the instruction bus has
    uint32_t code_only_base;                  // 16 KB of SRAM that the instruction bus alone has
    bool has_rtc_fast;                        // a second RTC memory
    uint32_t mmu_entries, mmu_invalid;        // the bit above an entry's page number
    uint32_t mmu_writable;                    // bits of an entry
    uint32_t efuse_base;
    uint32_t rtc_wdtconfig0, rtc_wdtwprotect, rtc_swd_conf, rtc_swd_wprotect; // offsets
    uint32_t cpu_per_conf, sysclk_conf;
    uint32_t perip_clk_en0;
    uint32_t pll_hz[3]; // CPU clock by CPUPERIOD_SEL; 0: not on this chip
    uint8_t wait[8];    // code that waits for ever, in a way that the board sees as idle
};

static const struct chip chip_s3 = {
    .name = "ESP32-S3",
    .ram_bytes = 512 * KB,   // with what the caches take
    .data_base = 0x3fc88000, // SRAM1 and the half of SRAM2 that is no cache
    .data_bytes = 448 * KB,
    .data_code_base = 0x40378000,
    .data_code_bytes = 416 * KB,
    .code_only_base = 0x40374000, // the half of SRAM0 that is no cache
    .has_rtc_fast = true,
    .mmu_entries = 512,
    .mmu_invalid = 1 << 14,
    .mmu_writable = 0xffff, // bit 15: external RAM
    .efuse_base = 0x60007000,
    .rtc_wdtconfig0 = 0x98,
    .rtc_wdtwprotect = 0xb0,
    .rtc_swd_conf = 0xb4,
    .rtc_swd_wprotect = 0xb8,
    .cpu_per_conf = 0x10,
    .sysclk_conf = 0x60,
    .perip_clk_en0 = 0x18,
    .pll_hz = {80000000, 160000000, 240000000},
    .wait = {0x06, 0xff, 0xff}, // j .
};

static const struct chip chip_c3 = {
    .name = "ESP32-C3",
    .ram_bytes = 384 * KB, // SRAM1; SRAM0 is the cache
    .data_base = 0x3fc80000,
    .data_bytes = 384 * KB,
    .data_code_base = 0x40380000,
    .data_code_bytes = 384 * KB,
    .mmu_entries = 128,
    .mmu_invalid = 1 << 8,
    .mmu_writable = 0x1ff,
    .efuse_base = 0x60008800,
    .rtc_wdtconfig0 = 0x90,
    .rtc_wdtwprotect = 0xa8,
    .rtc_swd_conf = 0xac,
    .rtc_swd_wprotect = 0xb0,
    .cpu_per_conf = 0x08,
    .sysclk_conf = 0x58,
    .perip_clk_en0 = 0x10,
    .pll_hz = {80000000, 160000000},
    .wait = {0x73, 0x00, 0x50, 0x10, 0x6f, 0xf0, 0xdf, 0xff}, // wfi; j .-4
};

struct soc {
    const struct chip *chip;
    struct board *board;
    uint8_t *data, *code_only, *rtc_slow, *rtc_fast, *rom;
    struct esp_uart uart;
    uint32_t rtc[BLOCK_BYTES / 4], timg[2][BLOCK_BYTES / 4], system[BLOCK_BYTES / 4];
    uint32_t mmu[MMU_ENTRIES_MAX];
    uint64_t boot_cycle;
    struct soc_seen seen;
};

static uint32_t cpu_hz(const struct soc *s)
{
    uint32_t sysclk = s->system[s->chip->sysclk_conf / 4],
             conf = s->system[s->chip->cpu_per_conf / 4];
    switch (sysclk >> 10 & 3) {
    case 0:
        return XTAL_HZ / ((sysclk & 0x3ff) + 1);
    case 1:
        return (conf & 3) < 3 && s->chip->pll_hz[conf & 3] ? s->chip->pll_hz[conf & 3] : APB_HZ;
    default:
        return 17500000; // the internal oscillator, nominally
    }
}

static struct esp_uart_now uart_now(struct soc *s)
{
    return (struct esp_uart_now){cpu_cycles(s->board->cpu), cpu_hz(s)};
}

static void transmit(void *user, uint8_t byte)
{
    struct soc *s = user;
    board_uart_out(s->board, byte);
}

// Settings that name no clock: what silicon then does is not defined.
static void check_clock(struct soc *s)
{
    uint32_t source = s->system[s->chip->sysclk_conf / 4] >> 10 & 3;
    uint32_t conf = s->system[s->chip->cpu_per_conf / 4], period = conf & 3;
    if (source == 3)
        board_misuse(s->board, "SOC_CLK_SEL 3 names no clock of the %s", s->chip->name);
    else if (source == 1 && (period == 3 || !s->chip->pll_hz[period]))
        board_misuse(s->board, "CPUPERIOD_SEL %u names no clock of the %s's PLL", period,
                     s->chip->name);
    else if (source == 1 && period == CPUPERIOD_240 && !(conf & CPU_PER_CONF_PLL_480))
        board_misuse(s->board, "a CPU clock of 240 MHz is asked of a PLL that is set to 320 MHz");
}

// Has UART0 the clock that an access to its registers needs?
static bool uart_clocked(struct soc *s)
{
    const uint32_t both = PERIP_UART | PERIP_UART_MEMORY;
    if ((s->system[s->chip->perip_clk_en0 / 4] & both) == both)
        return true;
    board_misuse(s->board, "UART0 is used while its clock is off: reads 0, ignores writes");
    return false;
}

// Does it run, so that a byte can leave?
static bool uart_ticks(struct soc *s)
{
    if (esp_uart_baud(&s->uart) > 0)
        return true;
    board_misuse(s->board, "UART0 is given a byte while UART_CLK_CONF gives it no clock: nothing "
                           "is sent");
    return false;
}

// ---- flash windows ----

static void map_page(struct soc *s, uint32_t entry)
{
    struct board *b = s->board;
    struct err e = {0};
    uint32_t page = s->mmu[entry]; // with any flag it is beyond every flash
    bool valid = page < s->chip->mmu_invalid && page < b->config.flash_bytes / MMU_PAGE;
    uint8_t *memory = valid ? b->flash + (size_t)page * MMU_PAGE : NULL;
    uint32_t offset = entry * MMU_PAGE;
    if (cpu_map_memory(b->cpu, FLASH_DATA_BASE + offset, MMU_PAGE, memory, CPU_READ, &e) ||
        cpu_map_memory(b->cpu, FLASH_CODE_BASE + offset, MMU_PAGE, memory,
                       CPU_READ | CPU_EXECUTE | CPU_WORDS_ONLY, &e))
        log_error("soc", "%s", e.msg);
}

static uint32_t entry_point(void *user)
{
    struct board *b = user;
    uint32_t magic[2];
    memcpy(magic, b->flash, sizeof magic);
    if (magic[0] == BOOT_MAGIC && magic[1] == BOOT_MAGIC)
        return ENTRY;
    log_info("boot", "the flash does not begin with the direct-boot magic: the ROM waits");
    return ROM_WAIT;
}

// ---- life ----

static void esp_close(struct soc *s)
{
    if (!s)
        return;
    free(s->data);
    free(s->code_only);
    free(s->rtc_slow);
    free(s->rtc_fast);
    free(s->rom);
    free(s);
}

// RAM, new or seen at another address already: mapped, and known to the debugger.
static int add_ram(struct soc *s, uint8_t **memory, uint32_t base, uint32_t bytes, unsigned access,
                   struct err *e)
{
    if (!*memory)
        *memory = soc_new_ram(bytes, e);
    if (!*memory)
        return -1;
    board_add_range(s->board, base, bytes, *memory, false);
    return cpu_map_memory(s->board->cpu, base, bytes, *memory, access, e);
}

static int map_all(struct soc *s, struct err *e)
{
    struct board *b = s->board;
    const struct chip *c = s->chip;
    const unsigned data = CPU_READ | CPU_WRITE, code = data | CPU_EXECUTE | CPU_WORDS_ONLY;
    if (add_ram(s, &s->data, c->data_base, c->data_bytes, data, e) ||
        add_ram(s, &s->data, c->data_code_base, c->data_code_bytes, code, e) ||
        (c->code_only_base &&
         add_ram(s, &s->code_only, c->code_only_base, CODE_ONLY_BYTES, code, e)) ||
        add_ram(s, &s->rtc_slow, RTC_SLOW_BASE, RTC_BYTES, data | CPU_EXECUTE, e) ||
        (c->has_rtc_fast &&
         add_ram(s, &s->rtc_fast, RTC_FAST_BASE, RTC_BYTES, data | CPU_EXECUTE, e)))
        return -1;
    s->rom = calloc(1, ROM_BYTES);
    if (!s->rom)
        return err_set(e, ERR_NO_MEMORY, "no memory for the ROM");
    for (uint32_t at = 0; at < ROM_BYTES; at += ROM_VECTOR_STEP)
        memcpy(s->rom + at, c->wait, sizeof c->wait);
    if (cpu_map_memory(b->cpu, ROM_BASE, ROM_BYTES, s->rom, CPU_READ | CPU_EXECUTE, e))
        return -1;
    board_add_range(b, FLASH_DATA_BASE, b->config.flash_bytes, b->flash, true);
    board_add_range(b, FLASH_CODE_BASE, b->config.flash_bytes, b->flash, true);
    return cpu_map_io(b->cpu, REGISTERS_BASE, REGISTERS_BYTES, e) ||
                   cpu_map_io(b->cpu, PAGE_BASE, 4 * KB, e)
               ? -1
               : 0;
}

static struct soc *esp_open(struct board *b, const struct chip *chip, struct err *e)
{
    struct soc *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NO_MEMORY, "no memory for the SoC");
        return NULL;
    }
    s->chip = chip;
    s->board = b;
    if (b->config.ram_bytes != chip->ram_bytes || b->config.flash_bytes % MMU_PAGE ||
        b->config.flash_bytes > chip->mmu_entries * MMU_PAGE) {
        err_set(e, ERR_BAD_FIELD,
                "board \"%s\": an %s has ram_bytes %u; flash_bytes must be a multiple of %d up to "
                "%u MB",
                b->config.id, chip->name, chip->ram_bytes, (int)MMU_PAGE,
                chip->mmu_entries * MMU_PAGE / (KB * KB));
        goto fail;
    }
    if (map_all(s, e))
        goto fail;
    esp_uart_init(&s->uart, b->config.baud, APB_HZ, XTAL_HZ, transmit, s);
    return s;
fail:
    esp_close(s);
    return NULL;
}

static void esp_reset(struct soc *s, bool by_software)
{
    (void)by_software;
    esp_uart_reset(&s->uart);
    memset(s->rtc, 0, sizeof s->rtc);
    memset(s->timg, 0, sizeof s->timg);
    memset(s->system, 0, sizeof s->system);
    s->rtc[s->chip->rtc_wdtconfig0 / 4] = 1u << 31 | RTC_WDT_FLASHBOOT;
    s->timg[0][TIMG_WDTCONFIG0 / 4] = 1u << 31 | TIMG_WDT_FLASHBOOT;
    s->system[s->chip->cpu_per_conf / 4] = CPU_PER_CONF_RESET;
    s->system[s->chip->sysclk_conf / 4] = SYSCLK_XTAL;
    s->system[s->chip->perip_clk_en0 / 4] = PERIP_UART | PERIP_UART_MEMORY;
    for (uint32_t i = 0; i < s->chip->mmu_entries; i++) {
        s->mmu[i] = i < MMU_ENTRIES_OF_ROM ? i : s->chip->mmu_invalid;
        map_page(s, i);
    }
    s->boot_cycle = cpu_cycles(s->board->cpu);
    s->seen.count = 0;
}

static bool watchdog_on(const struct soc *s)
{
    bool rtc = s->rtc[s->chip->rtc_wdtconfig0 / 4] & (1u << 31 | RTC_WDT_FLASHBOOT);
    bool timer_group = s->timg[0][TIMG_WDTCONFIG0 / 4] & (1u << 31 | TIMG_WDT_FLASHBOOT);
    bool super = !(s->rtc[s->chip->rtc_swd_conf / 4] >> SWD_AUTO_FEED);
    return rtc || timer_group || super;
}

// The ROM's watchdogs are not fed by anyone: they have to be off soon. A debugger stops their time, and so does a chip
// that has nothing to boot.
static void esp_after_slice(struct soc *s)
{
    struct board *b = s->board;
    if (board_idle(b) ||
        cpu_cycles(b->cpu) - s->boot_cycle < (uint64_t)WATCHDOG_SECONDS * cpu_hz(s) ||
        !watchdog_on(s))
        return;
    log_warn("watchdog", "a watchdog is still on %d s after the reset: it resets the chip",
             (int)WATCHDOG_SECONDS);
    b->reset_requested = true;
}

// ---- registers ----

static uint32_t esp_read(struct soc *s, uint32_t address, bool debugger)
{
    int32_t at;
    if ((at = soc_inside(address, UART0_BASE, ESP_UART_BYTES)) >= 0) {
        uint64_t skip;
        if (debugger)
            return (uint32_t)at == ESP_UART_FIFO ? 0 : s->uart.reg[at / 4]; // without side effects
        if (!uart_clocked(s))
            return 0;
        struct esp_uart_now now = uart_now(s);
        uint32_t v = esp_uart_read(&s->uart, (uint32_t)at, &now, &skip);
        if (skip)
            cpu_skip_cycles(s->board->cpu, skip);
        if (esp_uart_idle(&s->uart))
            cpu_request_stop(s->board->cpu);
        return v;
    }
    if ((at = soc_inside(address, s->chip->efuse_base, BLOCK_BYTES)) >= 0)
        return at == EFUSE_SYS_3   ? EFUSE_SYS_3_VIRTUAL
               : at == EFUSE_SYS_5 ? EFUSE_SYS_5_VIRTUAL
                                   : 0;
    if ((at = soc_inside(address, RTC_BASE, BLOCK_BYTES)) >= 0)
        return s->rtc[at / 4];
    if ((at = soc_inside(address, TIMG0_BASE, BLOCK_BYTES)) >= 0)
        return s->timg[0][at / 4];
    if ((at = soc_inside(address, TIMG1_BASE, BLOCK_BYTES)) >= 0)
        return s->timg[1][at / 4];
    if ((at = soc_inside(address, SYSTEM_BASE, BLOCK_BYTES)) >= 0)
        return s->system[at / 4];
    if ((at = soc_inside(address, MMU_BASE, s->chip->mmu_entries * 4)) >= 0)
        return s->mmu[at / 4];
    if (!debugger)
        soc_log_load(&s->seen, address);
    return 0;
}

static void rtc_write(struct soc *s, uint32_t offset, uint32_t value)
{
    const struct chip *c = s->chip;
    bool watchdog = offset >= c->rtc_wdtconfig0 && offset < c->rtc_wdtwprotect;
    if ((watchdog && s->rtc[c->rtc_wdtwprotect / 4] != WDT_KEY) ||
        (offset == c->rtc_swd_conf && s->rtc[c->rtc_swd_wprotect / 4] != SWD_KEY))
        return; // protected
    s->rtc[offset / 4] = value;
    if (offset == RTC_OPTIONS0 && value >> OPTIONS0_SW_SYS_RST) {
        s->board->reset_requested = true;
        cpu_request_stop(s->board->cpu);
    }
}

static void esp_write(struct soc *s, uint32_t address, uint32_t value, bool debugger)
{
    int32_t at;
    if ((at = soc_inside(address, UART0_BASE, ESP_UART_BYTES)) >= 0) {
        struct esp_uart_now now = uart_now(s);
        if (!uart_clocked(s) || ((uint32_t)at == ESP_UART_FIFO && !uart_ticks(s)))
            return;
        esp_uart_write(&s->uart, (uint32_t)at, value, &now);
    } else if ((at = soc_inside(address, RTC_BASE, BLOCK_BYTES)) >= 0) {
        rtc_write(s, (uint32_t)at, value);
    } else if ((at = soc_inside(address, TIMG0_BASE, BLOCK_BYTES)) >= 0 ||
               (at = soc_inside(address, TIMG1_BASE, BLOCK_BYTES)) >= 0) {
        uint32_t *timg = s->timg[address >= TIMG1_BASE];
        if (at < TIMG_WDTCONFIG0 || at >= TIMG_WDTWPROTECT || timg[TIMG_WDTWPROTECT / 4] == WDT_KEY)
            timg[at / 4] = value;
    } else if ((at = soc_inside(address, SYSTEM_BASE, BLOCK_BYTES)) >= 0) {
        if ((uint32_t)at == s->chip->sysclk_conf)
            value = (value & ~(uint32_t)SYSCLK_XTAL_MASK) | SYSCLK_XTAL; // read-only
        s->system[at / 4] = value;
        if ((uint32_t)at == s->chip->sysclk_conf || (uint32_t)at == s->chip->cpu_per_conf)
            check_clock(s);
    } else if (address == SPI1_BASE + SPI1_CMD) {
        board_misuse(s->board,
                     "the flash chip is given a command (SPI1_CMD 0x%08x), which the virtual board "
                     "does not have: the flash stays as it is",
                     value);
    } else if ((at = soc_inside(address, MMU_BASE, s->chip->mmu_entries * 4)) >= 0) {
        s->mmu[at / 4] = value & s->chip->mmu_writable;
        map_page(s, (uint32_t)at / 4);
    } else if (!debugger) {
        soc_log_store(&s->seen, address);
    }
}

static uint32_t esp_merge_base(struct soc *s, uint32_t address)
{
    return esp_read(s, address, true);
}

// Only the debugger gets here, and only on a virtual board: the chip's flash is not written through its window.
static uint32_t esp_program(struct soc *s, uint32_t offset, unsigned size, uint32_t value)
{
    (void)s;
    (void)offset;
    (void)size;
    return value;
}

static uint32_t esp_cpu_hz(struct soc *s)
{
    return cpu_hz(s);
}

static bool esp_idle(struct soc *s)
{
    return esp_uart_idle(&s->uart);
}

static size_t esp_input(struct soc *s, const uint8_t *bytes, size_t n)
{
    struct esp_uart_now now = uart_now(s);
    return esp_uart_input(&s->uart, bytes, n, &now);
}

// ---- the chips ----

static struct cpu *s3_new_cpu(const struct cpu_bus *bus, struct err *e)
{
    return cpu_xtensa_new(ROM_BASE, entry_point, bus, e);
}

static struct soc *s3_open(struct board *b, struct err *e)
{
    return esp_open(b, &chip_s3, e);
}

static struct cpu *c3_new_cpu(const struct cpu_bus *bus, struct err *e)
{
    static const struct riscv_config config = {
        .misa = 0x40101104, // RV32IMC, user mode
        .mvendorid = 0x612,
        .marchid = 0x80000001u,
        .mimpid = 1,
        .espressif_csrs = true,
        .timing = &riscv_timing_c3,
        .entry_point = entry_point,
    };
    return cpu_riscv_new(&config, JTAG_IDCODE_C3, bus, e);
}

static struct soc *c3_open(struct board *b, struct err *e)
{
    if (cpu_riscv_map_window(b->cpu, FLASH_DATA_BASE, chip_c3.mmu_entries * MMU_PAGE, MMU_PAGE,
                             CPU_READ, e) ||
        cpu_riscv_map_window(b->cpu, FLASH_CODE_BASE, chip_c3.mmu_entries * MMU_PAGE, MMU_PAGE,
                             CPU_READ | CPU_EXECUTE | CPU_WORDS_ONLY, e))
        return NULL;
    return esp_open(b, &chip_c3, e);
}

#define ESP_OPS                                                                                    \
    .close = esp_close, .reset = esp_reset, .read = esp_read, .write = esp_write,                  \
    .merge_base = esp_merge_base, .program = esp_program, .after_slice = esp_after_slice,          \
    .cpu_hz = esp_cpu_hz, .uart_idle = esp_idle, .uart_in = esp_input

const struct soc_ops soc_esp32s3 = {
    .prefix = "ESP32-S3",
    .new_cpu = s3_new_cpu,
    .open = s3_open,
    ESP_OPS,
};

const struct soc_ops soc_esp32c3 = {
    .prefix = "ESP32-C3",
    .new_cpu = c3_new_cpu,
    .open = c3_open,
    ESP_OPS,
};
