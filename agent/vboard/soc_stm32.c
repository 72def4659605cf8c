// SPDX-License-Identifier: GPL-2.0-only
// STM32F767/F777: memory map, peripheral addresses and the few peripherals that farm firmware touches (RM0410).
// Everything else reads 0, ignores writes and is logged once.
#include "agent/vboard/soc.h"
#include "agent/vboard/stm32_flash.h"
#include "agent/vboard/stm32_rcc.h"
#include "agent/vboard/stm32_usart.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
enum {
    KB = 1024,
    ITCM_RAM_BASE = 0x00000000, ITCM_RAM_BYTES = 16 * KB,
    FLASH_ITCM_BASE = 0x00200000, FLASH_AXIM_BASE = 0x08000000,
    RAM_BASE = 0x20000000, RAM_BYTES = 512 * KB, // DTCM 128, SRAM1 368, SRAM2 16
    SYSTEM_BASE = 0x1ff0f000, UID_ADDRESS = 0x1ff0f420, FLASH_SIZE_ADDRESS = 0x1ff0f440, // size in its upper half
    PERIPHERAL_BASE = 0x40000000, PERIPHERAL_BYTES = 0x80000,
    AHB2_BASE = 0x50000000, AHB2_BYTES = 0x62000,
    USART3_BASE = 0x40004800, PWR_BASE = 0x40007000, SYSCFG_BASE = 0x40013800,
    GPIO_BASE = 0x40020000, GPIO_PORTS = 11, GPIO_STRIDE = 0x400,
    RCC_BASE = 0x40023800, FLASH_BASE = 0x40023c00,
    DEVICE_ID = 0x451, REVISION_VIRTUAL = 0xf00d, // a revision that no silicon reports
    AHB1ENR = 0x30, APB1ENR = 0x40, APB2ENR = 0x44,
    APB1_USART3 = 18, APB1_PWR = 28, APB2_SYSCFG = 14,
    GPIO_MODER = 0x00, GPIO_IDR = 0x10, GPIO_ODR = 0x14, GPIO_BSRR = 0x18, GPIO_AFRL = 0x20,
    MODE_ALTERNATE = 2,
    LOGGED_MAX = 64,
};
// clang-format on
#define PPB_BASE 0xe0000000u
#define PPB_BYTES 0x100000u
#define DBGMCU_BASE 0xe0042000u
#define PAGE_BASE 0xf0000000u

struct wiring { // how a board connects the chip
    const char *board;
    uint32_t hse_hz;       // clock fed into OSC_IN
    char tx_port, rx_port; // of USART3
    unsigned tx_pin, rx_pin, alternate;
};
// Nucleo-144 boards: MCO of the ST-LINK on OSC_IN, its virtual serial port on PD8/PD9 (UM1974).
static const struct wiring wirings[] = {{"nucleo-f767zi", 8000000, 'D', 'D', 8, 9, 7}};

struct soc {
    struct board *board;
    const struct wiring *wiring;
    uint8_t *itcm, *ram;
    struct stm32_flash flash;
    struct stm32_rcc rcc;
    struct stm32_usart usart;
    uint32_t gpio[GPIO_PORTS][GPIO_STRIDE / 4];
    uint32_t dbgmcu[4], syscfg[16];
    bool check_clocks, warned_pin;
    char trouble[160], last_trouble[160];
    uint32_t logged[LOGGED_MAX]; // addresses that were complained about
    int logged_count;
};

static bool first_time(struct soc *s, uint32_t address)
{
    for (int i = 0; i < s->logged_count; i++) {
        if (s->logged[i] == address)
            return false;
    }
    if (s->logged_count == LOGGED_MAX)
        return false;
    s->logged[s->logged_count++] = address;
    return true;
}

static struct stm32_usart_now usart_now(struct soc *s)
{
    struct stm32_rcc_clocks clocks;
    stm32_rcc_clocks(&s->rcc, &clocks);
    return (struct stm32_usart_now){core_cycles(s->board->core), clocks.hclk_hz,
                                 stm32_rcc_usart_hz(&s->rcc, 3)};
}

static bool pin_connected(const struct soc *s, char port, unsigned pin)
{
    unsigned index = (unsigned)(port - 'A');
    uint32_t mode = s->gpio[index][GPIO_MODER / 4] >> (2 * pin) & 3;
    uint32_t function = s->gpio[index][GPIO_AFRL / 4 + pin / 8] >> (4 * (pin % 8)) & 0xf;
    return mode == MODE_ALTERNATE && function == s->wiring->alternate;
}

static void transmit(void *user, uint8_t byte)
{
    struct soc *s = user;
    struct board *b = s->board;
    if (!pin_connected(s, s->wiring->tx_port, s->wiring->tx_pin)) {
        if (!s->warned_pin)
            log_warn("gpio",
                     "USART3 sends, but P%c%u is not set to alternate function %u: nothing leaves "
                     "the chip",
                     s->wiring->tx_port, s->wiring->tx_pin, s->wiring->alternate);
        s->warned_pin = true;
        return;
    }
    if (fault_transmit(&b->fault, &byte) && b->uart_out)
        b->uart_out(b->uart_user, byte);
}

static void flash_changed(void *user, uint32_t offset, uint32_t size)
{
    struct soc *s = user;
    core_memory_changed(s->board->core, FLASH_AXIM_BASE + offset, size);
}

static void stm32_close(struct soc *s)
{
    if (!s)
        return;
    free(s->itcm);
    free(s->ram);
    free(s);
}

static struct soc *stm32_open(struct board *b, struct err *e)
{
    struct core *c = b->core;
    uint32_t flash_bytes = b->config.flash_bytes;
    struct soc *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NO_MEMORY, "no memory for the SoC");
        return NULL;
    }
    s->board = b;
    for (size_t i = 0; i < sizeof wirings / sizeof wirings[0]; i++) {
        if (strcmp(wirings[i].board, b->config.id) == 0)
            s->wiring = &wirings[i];
    }
    if (!s->wiring) {
        err_set(e, ERR_UNKNOWN_BOARD,
                "board \"%s\": its oscillator and serial pins are not in soc_stm32f7.c",
                b->config.id);
        goto fail;
    }
    if (b->config.ram_bytes != RAM_BYTES) {
        err_set(e, ERR_BAD_FIELD, "board \"%s\": ram_bytes is %u, the chip has %u", b->config.id,
                b->config.ram_bytes, (unsigned)RAM_BYTES);
        goto fail;
    }
    s->itcm = aligned_alloc(4 * KB, ITCM_RAM_BYTES);
    s->ram = aligned_alloc(4 * KB, RAM_BYTES);
    if (!s->itcm || !s->ram) {
        err_set(e, ERR_NO_MEMORY, "no memory for the RAM");
        goto fail;
    }
    // Silicon powers up with arbitrary contents; a pattern finds firmware that relies on zeros.
    memset(s->itcm, 0xa5, ITCM_RAM_BYTES);
    memset(s->ram, 0xa5, RAM_BYTES);

    if (core_map_memory(c, ITCM_RAM_BASE, ITCM_RAM_BYTES, s->itcm, true, e) ||
        core_map_memory(c, FLASH_ITCM_BASE, flash_bytes, b->flash, false, e) ||
        core_map_memory(c, FLASH_AXIM_BASE, flash_bytes, b->flash, false, e) ||
        core_map_memory(c, RAM_BASE, RAM_BYTES, s->ram, true, e) ||
        core_map_io(c, SYSTEM_BASE, 4 * KB, e) ||
        core_map_io(c, PERIPHERAL_BASE, PERIPHERAL_BYTES, e) ||
        core_map_io(c, AHB2_BASE, AHB2_BYTES, e) || core_map_io(c, PPB_BASE, PPB_BYTES, e) ||
        core_map_io(c, PAGE_BASE, 4 * KB, e))
        goto fail;
    board_add_range(b, ITCM_RAM_BASE, ITCM_RAM_BYTES, s->itcm, false);
    board_add_range(b, FLASH_ITCM_BASE, flash_bytes, b->flash, true);
    board_add_range(b, FLASH_AXIM_BASE, flash_bytes, b->flash, true);
    board_add_range(b, RAM_BASE, RAM_BYTES, s->ram, false);

    stm32_flash_init(&s->flash, b->flash, flash_bytes);
    s->flash.changed = flash_changed;
    s->flash.user = s;
    stm32_rcc_init(&s->rcc, s->wiring->hse_hz);
    stm32_usart_init(&s->usart, b->config.baud, transmit, s);
    return s;
fail:
    stm32_close(s);
    return NULL;
}

static void stm32_reset(struct soc *s, bool by_software)
{
    stm32_flash_reset(&s->flash);
    stm32_rcc_reset(&s->rcc, by_software);
    stm32_usart_reset(&s->usart);
    memset(s->gpio, 0, sizeof s->gpio);
    memset(s->syscfg, 0, sizeof s->syscfg);
    s->gpio[0][GPIO_MODER / 4] = 0xa8000000u; // the debug pins
    s->gpio[1][GPIO_MODER / 4] = 0x00000280u;
    s->check_clocks = s->warned_pin = false;
    s->trouble[0] = s->last_trouble[0] = '\0';
    s->logged_count = 0;
}

static uint32_t system_read(const struct soc *s, uint32_t address)
{
    if (address == FLASH_SIZE_ADDRESS)
        return (s->board->config.flash_bytes / KB) << 16 | 0xffff;
    if (address >= UID_ADDRESS && address < UID_ADDRESS + 12) {
        uint32_t hash =
            2166136261u +
            (address - UID_ADDRESS); // FNV of the probe's serial: stable and unlike others
        for (const char *p = s->board->serial; *p; p++)
            hash = (hash ^ (uint8_t)*p) * 16777619u;
        return hash;
    }
    return 0xffffffffu; // one-time programmable area, not written
}

static uint32_t dbgmcu_read(const struct soc *s, uint32_t offset)
{
    return offset == 0   ? (uint32_t)REVISION_VIRTUAL << 16 | DEVICE_ID
           : offset < 16 ? s->dbgmcu[offset / 4]
                         : 0;
}

// Is the clock of the peripheral at this address on? Complains once when it is not.
static bool clocked(struct soc *s, uint32_t address, uint32_t enable_register, unsigned bit,
                    const char *name)
{
    if (stm32_rcc_enabled(&s->rcc, enable_register, bit))
        return true;
    if (first_time(s, address & ~0x3ffu))
        log_warn("rcc", "%s (0x%08x) is used while its clock is off: reads 0, ignores writes", name,
                 address);
    return false;
}

// Offset inside the block at base, or -1.
static int32_t inside(uint32_t address, uint32_t base, uint32_t size)
{
    return address - base < size ? (int32_t)(address - base) : -1;
}

static uint32_t gpio_read(struct soc *s, uint32_t offset)
{
    const uint32_t *port = s->gpio[offset / GPIO_STRIDE];
    uint32_t reg = offset % GPIO_STRIDE;
    if (reg == GPIO_IDR) {
        uint32_t outputs = 0;
        for (unsigned pin = 0; pin < 16; pin++) {
            if ((port[GPIO_MODER / 4] >> (2 * pin) & 3) == 1)
                outputs |= 1u << pin;
        }
        return port[GPIO_ODR / 4] & outputs;
    }
    return reg == GPIO_BSRR ? 0 : port[reg / 4];
}

static void gpio_write(struct soc *s, uint32_t offset, uint32_t value)
{
    uint32_t *port = s->gpio[offset / GPIO_STRIDE];
    uint32_t reg = offset % GPIO_STRIDE;
    if (reg == GPIO_BSRR)
        port[GPIO_ODR / 4] = (port[GPIO_ODR / 4] & ~(value >> 16)) | (value & 0xffff);
    else if (reg != GPIO_IDR)
        port[reg / 4] = value;
}

static uint32_t stm32_read(struct soc *s, uint32_t address, bool debugger)
{
    int32_t at;
    (void)debugger;
    if ((at = inside(address, USART3_BASE, 0x400)) >= 0) {
        uint64_t skip;
        if (!clocked(s, address, APB1ENR, APB1_USART3, "USART3"))
            return 0;
        struct stm32_usart_now now = usart_now(s);
        uint32_t v = stm32_usart_read(&s->usart, (uint32_t)at, &now, &skip);
        if (skip)
            core_skip_cycles(s->board->core, skip);
        if (stm32_usart_idle(&s->usart))
            core_request_stop(s->board->core);
        return v;
    }
    if ((at = inside(address, RCC_BASE, 0x400)) >= 0)
        return stm32_rcc_read(&s->rcc, (uint32_t)at);
    if ((at = inside(address, FLASH_BASE, 0x400)) >= 0)
        return stm32_flash_read(&s->flash, (uint32_t)at);
    if ((at = inside(address, PWR_BASE, 0x400)) >= 0)
        return clocked(s, address, APB1ENR, APB1_PWR, "PWR")
                   ? stm32_rcc_pwr_read(&s->rcc, (uint32_t)at)
                   : 0;
    if ((at = inside(address, GPIO_BASE, GPIO_PORTS * GPIO_STRIDE)) >= 0)
        return clocked(s, address, AHB1ENR, (unsigned)at / GPIO_STRIDE, "GPIO")
                   ? gpio_read(s, (uint32_t)at)
                   : 0;
    if ((at = inside(address, SYSCFG_BASE, 0x40)) >= 0)
        return clocked(s, address, APB2ENR, APB2_SYSCFG, "SYSCFG") ? s->syscfg[at / 4] : 0;
    if ((at = inside(address, SYSTEM_BASE, 4 * KB)) >= 0)
        return system_read(s, address);
    if ((at = inside(address, DBGMCU_BASE, 0x400)) >= 0)
        return dbgmcu_read(s, (uint32_t)at);
    if (first_time(s, address))
        log_info("soc", "load from 0x%08x: no such peripheral on the virtual board, reads 0",
                 address);
    return 0;
}

static void stm32_write(struct soc *s, uint32_t address, uint32_t value, bool debugger)
{
    int32_t at;
    (void)debugger;
    if ((at = inside(address, USART3_BASE, 0x400)) >= 0) {
        if (!clocked(s, address, APB1ENR, APB1_USART3, "USART3"))
            return;
        struct stm32_usart_now now = usart_now(s);
        stm32_usart_write(&s->usart, (uint32_t)at, value, &now);
        return;
    }
    if ((at = inside(address, RCC_BASE, 0x400)) >= 0) {
        stm32_rcc_write(&s->rcc, (uint32_t)at, value);
        s->check_clocks = true;
    } else if ((at = inside(address, FLASH_BASE, 0x400)) >= 0) {
        stm32_flash_write(&s->flash, (uint32_t)at, value);
        s->check_clocks |= at == 0;
    } else if ((at = inside(address, PWR_BASE, 0x400)) >= 0) {
        if (clocked(s, address, APB1ENR, APB1_PWR, "PWR")) {
            stm32_rcc_pwr_write(&s->rcc, (uint32_t)at, value);
            s->check_clocks = true;
        }
    } else if ((at = inside(address, GPIO_BASE, GPIO_PORTS * GPIO_STRIDE)) >= 0) {
        if (clocked(s, address, AHB1ENR, (unsigned)at / GPIO_STRIDE, "GPIO"))
            gpio_write(s, (uint32_t)at, value);
    } else if ((at = inside(address, SYSCFG_BASE, 0x40)) >= 0) {
        if (clocked(s, address, APB2ENR, APB2_SYSCFG, "SYSCFG"))
            s->syscfg[at / 4] = value;
    } else if ((at = inside(address, DBGMCU_BASE, 0x400)) >= 0) {
        if (at > 0 && at < 16)
            s->dbgmcu[at / 4] = value;
    } else if (first_time(s, address)) {
        log_info("soc", "store to 0x%08x: no such peripheral on the virtual board, ignored",
                 address);
    }
    if (s->check_clocks) {
        s->check_clocks = false;
        if (!stm32_rcc_within_limits(&s->rcc, stm32_flash_latency(&s->flash), s->trouble,
                                  sizeof s->trouble))
            core_request_stop(s->board->core);
        else
            s->trouble[0] = s->last_trouble[0] = '\0';
    }
}

static uint32_t stm32_merge_base(struct soc *s, uint32_t address)
{
    // Write-only and read-to-clear registers: what is not written counts as 0.
    if (inside(address, USART3_BASE, 0x400) >= 0 && address >= USART3_BASE + 0x18)
        return 0;
    if (inside(address, GPIO_BASE, GPIO_PORTS * GPIO_STRIDE) >= 0 &&
        address % GPIO_STRIDE == GPIO_BSRR)
        return 0;
    return stm32_read(s, address, true);
}

static uint32_t stm32_program(struct soc *s, uint32_t offset, unsigned size, uint32_t value)
{
    return (uint32_t)stm32_flash_program(&s->flash, offset, size, value);
}

static const char *stm32_clock_trouble(struct soc *s)
{
    if (!s->trouble[0] || strcmp(s->trouble, s->last_trouble) == 0)
        return NULL;
    memcpy(s->last_trouble, s->trouble, sizeof s->trouble);
    return s->last_trouble;
}

static uint32_t stm32_cpu_hz(struct soc *s)
{
    struct stm32_rcc_clocks clocks;
    stm32_rcc_clocks(&s->rcc, &clocks);
    return clocks.hclk_hz;
}

static bool stm32_uart_idle(struct soc *s)
{
    return stm32_usart_idle(&s->usart);
}

static size_t stm32_uart_in(struct soc *s, const uint8_t *bytes, size_t n)
{
    struct stm32_usart_now now = usart_now(s);
    if (!pin_connected(s, s->wiring->rx_port, s->wiring->rx_pin))
        return n; // the line ends at a pin that nobody reads
    return stm32_usart_input(&s->usart, bytes, n, &now);
}

const struct soc_ops soc_stm32f7 = {
    .prefix = "STM32F767",
    .core = "cortex-m7",
    .cpuid = 0x411fc270,             // r1p0
    .boot_address = FLASH_ITCM_BASE, // BOOT_ADD0 as shipped
    .open = stm32_open,
    .close = stm32_close,
    .reset = stm32_reset,
    .read = stm32_read,
    .write = stm32_write,
    .merge_base = stm32_merge_base,
    .program = stm32_program,
    .clock_trouble = stm32_clock_trouble,
    .cpu_hz = stm32_cpu_hz,
    .uart_idle = stm32_uart_idle,
    .uart_in = stm32_uart_in,
};
