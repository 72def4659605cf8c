// SPDX-License-Identifier: GPL-2.0-only
// The SiFive FE310-G002: memory map, clocks, SPI flash controller, UART0 and the few registers that farm firmware and
// OpenOCD's flash driver touch (FE310-G002 manual). Everything else reads 0, ignores writes and is logged once.
#include "agent/vboard/cpu_riscv.h"
#include "agent/vboard/fe310_uart.h"
#include "agent/vboard/soc.h"
#include "agent/vboard/spi_flash.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
enum {
    KB = 1024,
    ITIM_BASE = 0x08000000, ITIM_BYTES = 8 * KB,
    AON_BASE = 0x10000000, PRCI_BASE = 0x10008000, GPIO_BASE = 0x10012000, UART0_BASE = 0x10013000, SPI0_BASE = 0x10014000,
    PERIPHERAL_BASE = 0x10000000, PERIPHERAL_BYTES = 0x38000, BLOCK_BYTES = 0x1000,
    CLINT_BASE = 0x02000000, CLINT_BYTES = 0x10000, CLINT_MTIME = 0x0200bff8,
    FLASH_BASE = 0x20000000, BOOT_LOADER_BYTES = 0x10000,
    RAM_BYTES = 16 * KB,

    WDOGCFG = 0x00, WDOGCOUNT = 0x08, WDOGKEY = 0x1c, WDOGCMP = 0x20, AON_WORDS = 0x50 / 4,
    WDOG_KEY = 0x51f15e, WDOGCFG_RSTEN = 1 << 8, WDOGCFG_ENALWAYS = 1 << 12, WDOG_AT_ONCE = 32, // ticks of 32 kHz
    HFROSCCFG = 0x00, HFXOSCCFG = 0x04, PLLCFG = 0x08, PLLOUTDIV = 0x0c,
    OSC_ENABLE = 1 << 30, PLL_SEL = 1 << 16, PLL_REFSEL = 1 << 17, PLL_BYPASS = 1 << 18, OUTDIV_BY_1 = 1 << 8,
    GPIO_IOF_EN = 0x38, GPIO_IOF_SEL = 0x3c, GPIO_WORDS = 0x44 / 4, PIN_RX = 16, PIN_TX = 17,
    SPI_SCKDIV = 0x00, SPI_CSMODE = 0x18, SPI_FMT = 0x40, SPI_TXDATA = 0x48, SPI_RXDATA = 0x4c, SPI_IP = 0x74,
    SPI_FCTRL = 0x60, SPI_FFMT = 0x64, SPI_WORDS = 0x78 / 4,
    CSMODE_HOLD = 2, FMT_DIR_TX = 1 << 3, SPI_IP_TXWM = 1, SPI_IP_RXWM = 2, SPI_FIFO = 8,
    LOCK_POLLS = 16, // a program that reads the lock bit so often waits for it
};
// clang-format on
#define RAM_BASE 0x80000000u
#define PAGE_BASE 0xf0000000u
#define READY_OR_LOCK (1u << 31)
#define EMPTY (1u << 31)
#define REVISION_VIRTUAL 0xf00du // upper half of mimpid that no silicon has
#define JTAG_IDCODE 0x20000913u
#define HFROSC_HZ 72000000u
#define HFXOSC_HZ 16000000u
#define CORE_MAX_HZ 384000000u

struct soc {
    struct board *board;
    uint8_t *ram, *itim;
    struct fe310_uart uart;
    struct spi_flash flash;
    uint32_t aon[AON_WORDS], prci[4], gpio[GPIO_WORDS], spi[SPI_WORDS];
    bool aon_unlocked;
    uint8_t rx[SPI_FIFO];
    unsigned rx_count;
    uint32_t next_byte;               // flash offset that goes on with the burst that is open
    uint32_t burst_start, burst_byte; // cycles of the core: command, address and dummies; each byte
    bool warned_pin;
    unsigned lock_polls; // of a PLL that cannot lock, since its last setting
    struct soc_seen seen;
};

// ---- clocks ---------------------------------------------------------------------------------------
// Output of the PLL, or 0 when it is out of its limits and does not lock.
static uint32_t pll_hz(const struct soc *s)
{
    uint32_t pll = s->prci[PLLCFG / 4];
    uint32_t ref = HFXOSC_HZ / ((pll & 7) + 1);
    uint64_t vco = (uint64_t)ref * 2 * ((pll >> 4 & 0x3f) + 1);
    uint32_t q = pll >> 10 & 3;
    bool reference = (pll & PLL_REFSEL) && (s->prci[HFXOSCCFG / 4] & OSC_ENABLE);
    if (!reference || ref < 6000000 || ref > 12000000 || vco < 384000000 || vco > 768000000 ||
        q == 0)
        return 0;
    return (uint32_t)(vco >> q);
}

static uint32_t core_hz(const struct soc *s)
{
    uint32_t pll = s->prci[PLLCFG / 4], div = s->prci[PLLOUTDIV / 4], osc = s->prci[HFROSCCFG / 4];
    uint32_t ring = HFROSC_HZ / ((osc & 0x3f) + 1); // the trim is not modelled
    if (!(pll & PLL_SEL))
        return ring;
    uint32_t hz = pll & PLL_BYPASS ? pll & PLL_REFSEL ? HFXOSC_HZ : ring : pll_hz(s);
    return div & OUTDIV_BY_1 ? hz : hz / (2 * ((div & 0x3f) + 1));
}

// A lock bit that cannot come is no fault of its own on silicon: the program waits for ever.
static void check_lock(struct soc *s)
{
    if ((s->prci[PLLCFG / 4] & PLL_BYPASS) || pll_hz(s) || ++s->lock_polls != LOCK_POLLS)
        return;
    board_misuse(s->board, "the program waits for a PLL that does not lock (pllcfg 0x%08x)",
                 s->prci[PLLCFG / 4]);
}

static uint32_t prci_read(const struct soc *s, uint32_t offset)
{
    uint32_t v = offset / 4 < 4 ? s->prci[offset / 4] : 0;
    if ((offset == HFROSCCFG || offset == HFXOSCCFG) && (v & OSC_ENABLE))
        v |= READY_OR_LOCK;
    if (offset == PLLCFG && !(v & PLL_BYPASS) && pll_hz(s))
        v |= READY_OR_LOCK;
    return v;
}

// ---- SPI flash controller -------------------------------------------------------------------------
static struct spi_read_format read_format(const struct soc *s)
{
    uint32_t f = s->spi[SPI_FFMT / 4];
    return (struct spi_read_format){
        .command = (uint8_t)(f >> 16),
        .address_bytes = f >> 1 & 7,
        .dummy_cycles = f >> 4 & 15,
        .command_lines = 1u << (f >> 8 & 3),
        .address_lines = 1u << (f >> 10 & 3),
        .data_lines = 1u << (f >> 12 & 3),
    };
}

// What a memory-mapped read costs with the clock and the format that are set.
static void burst_update(struct soc *s)
{
    struct spi_read_format r = read_format(s);
    uint32_t sck = 2 * ((s->spi[SPI_SCKDIV / 4] & 0xfff) + 1);
    uint32_t start = 8 / r.command_lines + 8 * r.address_bytes / r.address_lines + r.dummy_cycles;
    s->burst_start = start * sck;
    s->burst_byte = 8 / r.data_lines * sck;
    s->next_byte = UINT32_MAX;
}

static uint32_t flash_read_cost(void *user, uint32_t address, unsigned size)
{
    struct soc *s = user;
    uint32_t offset = address - FLASH_BASE;
    uint32_t cost = size * s->burst_byte + (offset == s->next_byte ? 0 : s->burst_start);
    s->next_byte = offset + size;
    return cost;
}

// Can the core run from flash at all?
static void check_flash(struct soc *s, bool debugger)
{
    struct spi_read_format r = read_format(s);
    uint32_t hz = core_hz(s), max = spi_flash_read_max_hz(&s->flash, &r);
    uint32_t sck = hz / (2 * ((s->spi[SPI_SCKDIV / 4] & 0xfff) + 1));
    bool mapped = s->spi[SPI_FCTRL / 4] & 1;
    if (debugger)
        return;
    if (hz == 0)
        board_misuse(s->board, "the core runs from a PLL that is not locked (pllcfg 0x%08x)",
                     s->prci[PLLCFG / 4]);
    else if (hz > CORE_MAX_HZ)
        board_misuse(s->board, "the core clock is %u Hz, the most is %u", hz, CORE_MAX_HZ);
    else if (mapped && max == 0)
        board_misuse(s->board, "the SPI flash does not answer to reads as ffmt 0x%08x has them",
                     s->spi[SPI_FFMT / 4]);
    else if (mapped && sck > max)
        board_misuse(s->board, "the SPI flash is clocked with %u Hz, its command 0x%02x takes %u",
                     sck, r.command, max);
}

static void spi_send(struct soc *s, uint8_t byte)
{
    uint8_t in = spi_flash_byte(&s->flash, byte);
    if (!(s->spi[SPI_FMT / 4] & FMT_DIR_TX) && s->rx_count < SPI_FIFO)
        s->rx[s->rx_count++] = in;
    if ((s->spi[SPI_CSMODE / 4] & 3) != CSMODE_HOLD)
        spi_flash_deselect(&s->flash);
}

static uint32_t spi_read(struct soc *s, uint32_t offset, bool debugger)
{
    if (offset == SPI_TXDATA)
        return 0; // never full: a byte takes no time
    if (offset == SPI_RXDATA) {
        if (!s->rx_count)
            return EMPTY;
        uint8_t byte = s->rx[0];
        (void)debugger; // OpenOCD's driver reads the FIFO itself
        memmove(s->rx, s->rx + 1, --s->rx_count);
        return byte;
    }
    if (offset == SPI_IP)
        return SPI_IP_TXWM | (s->rx_count ? SPI_IP_RXWM : 0u);
    return offset / 4 < SPI_WORDS ? s->spi[offset / 4] : 0;
}

static void spi_write(struct soc *s, uint32_t offset, uint32_t value, bool debugger)
{
    if (offset == SPI_TXDATA) {
        spi_send(s, (uint8_t)value);
        return;
    }
    if (offset / 4 >= SPI_WORDS)
        return;
    s->spi[offset / 4] = value;
    if (offset == SPI_CSMODE && (value & 3) != CSMODE_HOLD)
        spi_flash_deselect(&s->flash);
    if (offset == SPI_FCTRL)
        riscv_enable_memory(cpu_riscv_core(s->board->cpu), FLASH_BASE, value & 1);
    if (offset == SPI_FCTRL || offset == SPI_FFMT || offset == SPI_SCKDIV) {
        burst_update(s);
        check_flash(s, debugger);
    }
}

// ---- the rest -------------------------------------------------------------------------------------
static bool pin_connected(const struct soc *s, unsigned pin)
{
    return (s->gpio[GPIO_IOF_EN / 4] >> pin & 1) && !(s->gpio[GPIO_IOF_SEL / 4] >> pin & 1);
}

static void transmit(void *user, uint8_t byte)
{
    struct soc *s = user;
    struct board *b = s->board;
    if (!pin_connected(s, PIN_TX)) {
        if (!s->warned_pin)
            log_warn("gpio",
                     "UART0 sends, but GPIO%u is not set to its function 0: nothing leaves "
                     "the chip",
                     PIN_TX);
        s->warned_pin = true;
        return;
    }
    board_uart_out(b, byte);
}

static void flash_changed(void *user, uint32_t offset, uint32_t size)
{
    struct soc *s = user;
    cpu_memory_changed(s->board->cpu, FLASH_BASE + offset, size);
}

static struct fe310_uart_now uart_now(const struct soc *s)
{
    uint32_t hz = core_hz(s);
    return (struct fe310_uart_now){cpu_cycles(s->board->cpu), hz ? hz : 1};
}

// The watchdog is modelled as far as it is used to reset the chip.
static void aon_write(struct soc *s, uint32_t offset, uint32_t value)
{
    if (offset == WDOGKEY) {
        s->aon_unlocked = value == WDOG_KEY;
        return;
    }
    if (offset / 4 >= AON_WORDS)
        return;
    if (!s->aon_unlocked) {
        if (soc_first_time(&s->seen, AON_BASE + offset))
            log_warn("aon", "store to 0x%08x without the key in wdogkey: ignored",
                     AON_BASE + offset);
        return;
    }
    s->aon_unlocked = false;
    s->aon[offset / 4] = value;
    if (offset != WDOGCFG ||
        (value & (WDOGCFG_RSTEN | WDOGCFG_ENALWAYS)) != (WDOGCFG_RSTEN | WDOGCFG_ENALWAYS))
        return;
    uint64_t ticks = (uint64_t)(s->aon[WDOGCMP / 4] & 0xffff) << (value & 15);
    if (ticks <= s->aon[WDOGCOUNT / 4] + (uint64_t)WDOG_AT_ONCE) {
        s->board->reset_requested = true;
        cpu_request_stop(s->board->cpu);
    } else {
        log_warn("aon", "the watchdog is started with %llu ticks to go: it will not bite here",
                 (unsigned long long)ticks);
    }
}

static uint32_t fe310_read(struct soc *s, uint32_t address, bool debugger)
{
    int32_t at;
    if ((at = soc_inside(address, UART0_BASE, BLOCK_BYTES)) >= 0) {
        uint64_t skip;
        struct fe310_uart_now now = uart_now(s);
        uint32_t v = fe310_uart_read(&s->uart, (uint32_t)at, &now, debugger, &skip);
        if (skip)
            cpu_skip_cycles(s->board->cpu, skip);
        if (fe310_uart_idle(&s->uart))
            cpu_request_stop(s->board->cpu);
        return v;
    }
    if ((at = soc_inside(address, SPI0_BASE, BLOCK_BYTES)) >= 0)
        return spi_read(s, (uint32_t)at, debugger);
    if ((at = soc_inside(address, PRCI_BASE, BLOCK_BYTES)) >= 0) {
        if (at == PLLCFG && !debugger)
            check_lock(s);
        return prci_read(s, (uint32_t)at);
    }
    if ((at = soc_inside(address, GPIO_BASE, 4 * GPIO_WORDS)) >= 0)
        return s->gpio[at / 4];
    if ((at = soc_inside(address, AON_BASE, 4 * AON_WORDS)) >= 0)
        return s->aon[at / 4];
    soc_log_load(&s->seen, address);
    return 0;
}

static void fe310_write(struct soc *s, uint32_t address, uint32_t value, bool debugger)
{
    int32_t at;
    if ((at = soc_inside(address, UART0_BASE, BLOCK_BYTES)) >= 0) {
        struct fe310_uart_now now = uart_now(s);
        if (at == FE310_UART_TXDATA && !(s->uart.txctrl & 1))
            board_misuse(s->board,
                         "UART0 is given a byte before txctrl enables it: nothing is sent");
        fe310_uart_write(&s->uart, (uint32_t)at, value, &now);
    } else if ((at = soc_inside(address, SPI0_BASE, BLOCK_BYTES)) >= 0) {
        spi_write(s, (uint32_t)at, value, debugger);
    } else if ((at = soc_inside(address, PRCI_BASE, BLOCK_BYTES)) >= 0) {
        if (at / 4 < 4) {
            s->prci[at / 4] = value & ~READY_OR_LOCK;
            s->lock_polls = 0;
            check_flash(s, debugger);
        }
    } else if ((at = soc_inside(address, GPIO_BASE, 4 * GPIO_WORDS)) >= 0) {
        s->gpio[at / 4] = value;
    } else if ((at = soc_inside(address, AON_BASE, 4 * AON_WORDS)) >= 0) {
        aon_write(s, (uint32_t)at, value);
    } else {
        soc_log_store(&s->seen, address);
    }
}

// No register that is written here is read-to-clear except the FIFOs, where what is not written counts as 0.
static uint32_t fe310_merge_base(struct soc *s, uint32_t address)
{
    if (soc_inside(address, UART0_BASE, 8) >= 0 ||
        soc_inside(address, SPI0_BASE + SPI_TXDATA, 8) >= 0)
        return 0;
    return fe310_read(s, address, true);
}

// A store into the flash's window: the bus answers with an error and the flash stays as it is. The debugger gets no error.
static uint32_t fe310_program(struct soc *s, uint32_t offset, unsigned size, uint32_t value)
{
    (void)value;
    uint32_t old = 0;
    memcpy(&old, s->board->flash + offset, size);
    if (soc_first_time(&s->seen, FLASH_BASE + offset))
        log_warn("flash", "store to 0x%08x: SPI flash is not written like memory",
                 FLASH_BASE + offset);
    return old;
}

static void fe310_close(struct soc *s)
{
    if (!s)
        return;
    free(s->ram);
    free(s->itim);
    free(s);
}

static int map_all(struct soc *s, struct err *e)
{
    struct board *b = s->board;
    const unsigned rwx = CPU_READ | CPU_WRITE | CPU_EXECUTE;
    s->ram = soc_new_ram(RAM_BYTES, e);
    s->itim = s->ram ? soc_new_ram(ITIM_BYTES, e) : NULL;
    if (!s->itim || cpu_map_memory(b->cpu, RAM_BASE, RAM_BYTES, s->ram, rwx, e) ||
        cpu_riscv_map_slow(b->cpu, FLASH_BASE, b->config.flash_bytes, b->flash, flash_read_cost, s,
                           e) ||
        cpu_map_memory(b->cpu, ITIM_BASE, ITIM_BYTES, s->itim, rwx, e) ||
        cpu_map_io(b->cpu, PERIPHERAL_BASE, PERIPHERAL_BYTES, e) ||
        cpu_map_io(b->cpu, CLINT_BASE, CLINT_BYTES, e) || cpu_map_io(b->cpu, PAGE_BASE, 4 * KB, e))
        return -1;
    board_add_range(b, RAM_BASE, RAM_BYTES, s->ram, false);
    board_add_range(b, FLASH_BASE, b->config.flash_bytes, b->flash, true);
    board_add_range(b, ITIM_BASE, ITIM_BYTES, s->itim, false);
    return 0;
}

static struct soc *fe310_open(struct board *b, struct err *e)
{
    uint32_t bytes = b->config.flash_bytes;
    if (b->config.ram_bytes != RAM_BYTES || (bytes & (bytes - 1))) {
        err_set(e, ERR_BAD_FIELD,
                "board \"%s\": ram_bytes must be %u and flash_bytes a power of two", b->config.id,
                (unsigned)RAM_BYTES);
        return NULL;
    }
    struct soc *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NO_MEMORY, "no memory for the SoC");
        return NULL;
    }
    s->board = b;
    if (map_all(s, e)) {
        fe310_close(s);
        return NULL;
    }
    spi_flash_init(&s->flash, b->flash, bytes);
    s->flash.changed = flash_changed;
    s->flash.misuse = soc_misuse(b);
    s->flash.user = s;
    fe310_uart_init(&s->uart, b->config.baud, transmit, s);
    return s;
}

static void fe310_reset(struct soc *s, bool by_software)
{
    (void)by_software;
    memset(s->aon, 0, sizeof s->aon);
    memset(s->gpio, 0, sizeof s->gpio);
    memset(s->spi, 0, sizeof s->spi);
    s->aon_unlocked = false;
    s->prci[HFROSCCFG / 4] = OSC_ENABLE | 16u << 16 | 4;
    s->prci[HFXOSCCFG / 4] = OSC_ENABLE;
    s->prci[PLLCFG / 4] = 0x00060df1;
    s->prci[PLLOUTDIV / 4] = OUTDIV_BY_1;
    s->spi[SPI_SCKDIV / 4] = 3;
    s->spi[SPI_FCTRL / 4] = 1;
    s->spi[SPI_FFMT / 4] = 0x00030007; // 0x03, three address bytes
    s->rx_count = 0;
    spi_flash_deselect(&s->flash);
    fe310_uart_reset(&s->uart);
    riscv_enable_memory(cpu_riscv_core(s->board->cpu), FLASH_BASE, true);
    burst_update(s);
    s->warned_pin = false;
    s->lock_polls = 0;
    s->seen.count = 0;
}

static uint32_t fe310_cpu_hz(struct soc *s)
{
    return core_hz(s);
}

static bool fe310_uart_is_idle(struct soc *s)
{
    return fe310_uart_idle(&s->uart);
}

static size_t fe310_uart_in(struct soc *s, const uint8_t *bytes, size_t n)
{
    struct fe310_uart_now now = uart_now(s);
    if (!pin_connected(s, PIN_RX))
        return n; // the line ends at a pin that nobody reads
    return fe310_uart_input(&s->uart, bytes, n, &now);
}

static struct cpu *fe310_new_cpu(const struct cpu_bus *bus, struct err *e)
{
    static const struct riscv_config config = {
        // The mask ROM jumps to the flash, where the board's boot loader jumps to what is behind it: both done here.
        .reset_pc = FLASH_BASE + BOOT_LOADER_BYTES,
        .misa = 0x40101105, // RV32IMAC, user mode
        .mvendorid = 0x489,
        .marchid = 0x80000001u,
        .mimpid = REVISION_VIRTUAL << 16 | 1,
        .timing = &riscv_timing_fe310,
    };
    return cpu_riscv_new(&config, JTAG_IDCODE, bus, e);
}

const struct soc_ops soc_fe310 = {
    .prefix = "FE310",
    .new_cpu = fe310_new_cpu,
    .open = fe310_open,
    .close = fe310_close,
    .reset = fe310_reset,
    .read = fe310_read,
    .write = fe310_write,
    .merge_base = fe310_merge_base,
    .program = fe310_program,
    .cpu_hz = fe310_cpu_hz,
    .uart_idle = fe310_uart_is_idle,
    .uart_in = fe310_uart_in,
};
