// SPDX-License-Identifier: GPL-2.0-only
// The STM32F4 and STM32F7: memory map, peripheral addresses and the few peripherals that farm firmware touches. What
// differs between chips is a row of stm32_chip.c; oscillator and serial pins come from board.json. Everything else reads 0,
// ignores writes and is logged once.
#include "agent/vboard/soc.h"
#include "agent/vboard/cpu_arm.h"
#include "agent/vboard/stm32_chip.h"
#include "agent/vboard/stm32_flash.h"
#include "agent/vboard/stm32_rcc.h"
#include "agent/vboard/stm32_usart.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
enum {
    KB = 1024,
    BOOT_BASE = 0x00000000,                  // F4: the flash again; F7: ITCM-RAM
    FLASH_ITCM_BASE = 0x00200000,            // F7 only
    FLASH_BASE = 0x08000000, RAM_BASE = 0x20000000,
    SYSTEM_BASE_F4 = 0x1fff7000, UID_OFFSET_F4 = 0xa10, FLASH_SIZE_OFFSET_F4 = 0xa20, // size in its upper half
    SYSTEM_BASE_F7 = 0x1ff0f000, UID_OFFSET_F7 = 0x420, FLASH_SIZE_OFFSET_F7 = 0x440,
    PERIPHERAL_BASE = 0x40000000, PERIPHERAL_BYTES = 0x80000,
    AHB2_BASE = 0x50000000, AHB2_BYTES = 0x62000,
    USART1_BASE = 0x40011000, USART2_BASE = 0x40004400, USART3_BASE = 0x40004800, USART6_BASE = 0x40011400,
    PWR_BASE = 0x40007000, SYSCFG_BASE = 0x40013800,
    GPIO_BASE = 0x40020000, GPIO_PORTS_MAX = 11, GPIO_STRIDE = 0x400,
    RCC_BASE = 0x40023800, FLASH_REGISTERS = 0x40023c00,
    REVISION_VIRTUAL = 0xf00d, // a revision that no silicon reports
    AHB1ENR = 0x30, APB1ENR = 0x40, APB2ENR = 0x44,
    APB1_PWR = 28, APB2_SYSCFG = 14,
    GPIO_MODER = 0x00, GPIO_IDR = 0x10, GPIO_ODR = 0x14, GPIO_BSRR = 0x18, GPIO_AFRL = 0x20,
    MODE_ALTERNATE = 2,
};
// clang-format on
#define QUADSPI_BASE 0xa0001000u
#define PPB_BASE 0xe0000000u
#define PPB_BYTES 0x100000u
#define DBGMCU_BASE 0xe0042000u
#define PAGE_BASE 0xf0000000u

static const struct usart_place { // the same in both families
    unsigned n;
    const char *name;
    uint32_t base, enable_register;
    unsigned enable_bit;
} usart_places[] = {
    {1, "USART1", USART1_BASE, APB2ENR, 4},
    {2, "USART2", USART2_BASE, APB1ENR, 17},
    {3, "USART3", USART3_BASE, APB1ENR, 18},
    {6, "USART6", USART6_BASE, APB2ENR, 5},
};

struct soc {
    struct board *board;
    const struct stm32_chip *chip;
    const struct usart_place *place;
    struct stm32_pin tx, rx;
    uint8_t *itcm, *ram;
    struct stm32_flash flash;
    struct stm32_rcc rcc;
    struct stm32_usart usart;
    uint32_t gpio[GPIO_PORTS_MAX][GPIO_STRIDE / 4];
    uint32_t dbgmcu[4], syscfg[16];
    bool warned_pin, warned_debugger_clock;
    struct soc_seen seen;
};

static struct stm32_usart_now usart_now(struct soc *s)
{
    struct stm32_rcc_clocks clocks;
    stm32_rcc_clocks(&s->rcc, &clocks);
    return (struct stm32_usart_now){cpu_cycles(s->board->cpu), clocks.hclk_hz,
                                    stm32_rcc_usart_hz(&s->rcc, s->place->n)};
}

static bool pin_connected(const struct soc *s, const struct stm32_pin *p)
{
    const uint32_t *port = s->gpio[p->port - 'A'];
    uint32_t mode = port[GPIO_MODER / 4] >> (2 * p->pin) & 3;
    uint32_t function = port[GPIO_AFRL / 4 + p->pin / 8] >> (4 * (p->pin % 8)) & 0xf;
    return mode == MODE_ALTERNATE && function == p->alternate;
}

static void transmit(void *user, uint8_t byte)
{
    struct soc *s = user;
    struct board *b = s->board;
    if (!pin_connected(s, &s->tx)) {
        if (!s->warned_pin)
            log_warn("gpio",
                     "%s sends, but P%c%u is not set to alternate function %u: nothing leaves "
                     "the chip",
                     s->place->name, s->tx.port, s->tx.pin, s->tx.alternate);
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

static void stm32_close(struct soc *s)
{
    if (!s)
        return;
    free(s->itcm);
    free(s->ram);
    free(s);
}

// What board.json says of the board must be possible with the chip.
static int take_wiring(struct soc *s, const struct board_config *cfg, struct err *e)
{
    s->chip = stm32_chip_find(cfg->soc);
    if (!s->chip)
        return err_set(e, ERR_UNSUPPORTED, "board \"%s\": there is no virtual %s", cfg->id,
                       cfg->soc);
    if (cfg->ram_bytes != s->chip->ram_bytes)
        return err_set(e, ERR_BAD_FIELD, "board \"%s\": ram_bytes is %u, the %s has %u", cfg->id,
                       cfg->ram_bytes, cfg->soc, s->chip->ram_bytes);
    for (size_t i = 0; i < sizeof usart_places / sizeof usart_places[0]; i++) {
        if (usart_places[i].n == cfg->usart)
            s->place = &usart_places[i];
    }
    if (!s->place)
        return err_set(e, ERR_BAD_FIELD, "board \"%s\": \"usart\" must be 1, 2, 3 or 6", cfg->id);
    if (!stm32_usart_pin(cfg->usart, true, cfg->usart_tx, &s->tx))
        return err_set(e, ERR_BAD_FIELD,
                       "board \"%s\": \"usart_tx\" is \"%s\", where USART%u does not send", cfg->id,
                       cfg->usart_tx, cfg->usart);
    if (!stm32_usart_pin(cfg->usart, false, cfg->usart_rx, &s->rx))
        return err_set(e, ERR_BAD_FIELD,
                       "board \"%s\": \"usart_rx\" is \"%s\", where USART%u does not receive",
                       cfg->id, cfg->usart_rx, cfg->usart);
    return 0;
}

static int map_flash(struct board *b, uint32_t base, struct err *e)
{
    if (cpu_map_memory(b->cpu, base, b->config.flash_bytes, b->flash, CPU_READ | CPU_EXECUTE, e))
        return -1;
    board_add_range(b, base, b->config.flash_bytes, b->flash, true);
    return 0;
}

static int map_ram(struct board *b, uint32_t base, uint32_t bytes, uint8_t *memory, struct err *e)
{
    if (cpu_map_memory(b->cpu, base, bytes, memory, CPU_READ | CPU_WRITE | CPU_EXECUTE, e))
        return -1;
    board_add_range(b, base, bytes, memory, false);
    return 0;
}

static int map_all(struct soc *s, struct err *e)
{
    struct board *b = s->board;
    struct cpu *c = b->cpu;
    bool f7 = s->chip->family == STM32_F7;
    s->ram = soc_new_ram(s->chip->ram_bytes, e);
    if (!s->ram || map_flash(b, FLASH_BASE, e) ||
        map_flash(b, f7 ? FLASH_ITCM_BASE : BOOT_BASE, e) ||
        map_ram(b, RAM_BASE, s->chip->ram_bytes, s->ram, e))
        return -1;
    if (s->chip->itcm_ram_bytes) {
        s->itcm = soc_new_ram(s->chip->itcm_ram_bytes, e);
        if (!s->itcm || map_ram(b, BOOT_BASE, s->chip->itcm_ram_bytes, s->itcm, e))
            return -1;
    }
    return cpu_map_io(c, f7 ? SYSTEM_BASE_F7 : SYSTEM_BASE_F4, 4 * KB, e) ||
                   cpu_map_io(c, PERIPHERAL_BASE, PERIPHERAL_BYTES, e) ||
                   cpu_map_io(c, AHB2_BASE, AHB2_BYTES, e) ||
                   cpu_map_io(c, QUADSPI_BASE, 4 * KB, e) ||
                   cpu_map_io(c, PPB_BASE, PPB_BYTES, e) || cpu_map_io(c, PAGE_BASE, 4 * KB, e)
               ? -1
               : 0;
}

static struct soc *stm32_open(struct board *b, struct err *e)
{
    struct soc *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NO_MEMORY, "no memory for the SoC");
        return NULL;
    }
    s->board = b;
    if (take_wiring(s, &b->config, e) || map_all(s, e)) {
        stm32_close(s);
        return NULL;
    }
    struct armv7m *m = &cpu_arm(b->cpu)->m;
    m->cpuid = s->chip->cpuid;
    m->fpu_double = s->chip->fpu_double;
    stm32_flash_init(&s->flash, &s->chip->flash, b->flash, b->config.flash_bytes);
    s->flash.changed = flash_changed;
    s->flash.misuse = soc_misuse(b);
    s->flash.user = s;
    stm32_rcc_init(&s->rcc, &s->chip->rcc, b->config.hse_hz, b->config.hse_bypass);
    s->rcc.misuse = soc_misuse(b);
    stm32_usart_init(&s->usart, s->chip->family == STM32_F7 ? STM32_USART_V2 : STM32_USART_V1,
                     b->config.baud, transmit, s);
    return s;
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
    s->warned_pin = s->warned_debugger_clock = false;
    s->seen.count = 0;
}

static uint32_t system_read(const struct soc *s, uint32_t offset)
{
    bool f7 = s->chip->family == STM32_F7;
    uint32_t uid = f7 ? UID_OFFSET_F7 : UID_OFFSET_F4;
    if (offset == (f7 ? FLASH_SIZE_OFFSET_F7 : FLASH_SIZE_OFFSET_F4))
        return (s->board->config.flash_bytes / KB) << 16 | 0xffff;
    if (offset >= uid && offset < uid + 12) {
        // FNV of the probe's serial: stable and unlike others
        uint32_t hash = 2166136261u + (offset - uid);
        for (const char *p = s->board->serial; *p; p++)
            hash = (hash ^ (uint8_t)*p) * 16777619u;
        return hash;
    }
    return 0xffffffffu; // one-time programmable area, not written
}

static uint32_t dbgmcu_read(const struct soc *s, uint32_t offset)
{
    return offset == 0   ? (uint32_t)REVISION_VIRTUAL << 16 | s->chip->device_id
           : offset < 16 ? s->dbgmcu[offset / 4]
                         : 0;
}

// Is the clock of the peripheral at this address on?
static bool clocked(struct soc *s, uint32_t address, uint32_t enable_register, unsigned bit,
                    const char *name)
{
    if (stm32_rcc_enabled(&s->rcc, enable_register, bit))
        return true;
    board_misuse(s->board, "%s (0x%08x) is used while its clock is off: reads 0, ignores writes",
                 name, address & ~0x3ffu);
    return false;
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
    const struct usart_place *u = s->place;
    uint32_t system = s->chip->family == STM32_F7 ? SYSTEM_BASE_F7 : SYSTEM_BASE_F4;
    int32_t at;
    (void)debugger;
    if ((at = soc_inside(address, u->base, 0x400)) >= 0) {
        uint64_t skip;
        if (!clocked(s, address, u->enable_register, u->enable_bit, u->name))
            return 0;
        struct stm32_usart_now now = usart_now(s);
        uint32_t v = stm32_usart_read(&s->usart, (uint32_t)at, &now, &skip);
        if (skip)
            cpu_skip_cycles(s->board->cpu, skip);
        if (stm32_usart_idle(&s->usart))
            cpu_request_stop(s->board->cpu);
        return v;
    }
    if ((at = soc_inside(address, RCC_BASE, 0x400)) >= 0)
        return stm32_rcc_read(&s->rcc, (uint32_t)at);
    if ((at = soc_inside(address, FLASH_REGISTERS, 0x400)) >= 0)
        return stm32_flash_read(&s->flash, (uint32_t)at);
    if ((at = soc_inside(address, PWR_BASE, 0x400)) >= 0)
        return clocked(s, address, APB1ENR, APB1_PWR, "PWR")
                   ? stm32_rcc_pwr_read(&s->rcc, (uint32_t)at)
                   : 0;
    if ((at = soc_inside(address, GPIO_BASE, s->chip->gpio_ports * GPIO_STRIDE)) >= 0)
        return clocked(s, address, AHB1ENR, (unsigned)at / GPIO_STRIDE, "GPIO")
                   ? gpio_read(s, (uint32_t)at)
                   : 0;
    if ((at = soc_inside(address, SYSCFG_BASE, 0x40)) >= 0)
        return clocked(s, address, APB2ENR, APB2_SYSCFG, "SYSCFG") ? s->syscfg[at / 4] : 0;
    if ((at = soc_inside(address, system, 4 * KB)) >= 0)
        return system_read(s, (uint32_t)at);
    if ((at = soc_inside(address, DBGMCU_BASE, 0x400)) >= 0)
        return dbgmcu_read(s, (uint32_t)at);
    soc_log_load(&s->seen, address);
    return 0;
}

static void check_clocks(struct soc *s, bool debugger)
{
    char why[160];
    if (stm32_rcc_within_limits(&s->rcc, stm32_flash_latency(&s->flash), why, sizeof why))
        return;
    if (!debugger) {
        board_misuse(s->board, "%s", why);
        return;
    }
    // OpenOCD's board/stm32f746g-disco.cfg flashes at 192 MHz without over-drive, which boards put up with.
    if (!s->warned_debugger_clock)
        log_warn("rcc", "the debugger set a clock that is out of limits: %s", why);
    s->warned_debugger_clock = true;
}

static void stm32_write(struct soc *s, uint32_t address, uint32_t value, bool debugger)
{
    const struct usart_place *u = s->place;
    int32_t at;
    if ((at = soc_inside(address, u->base, 0x400)) >= 0) {
        if (!clocked(s, address, u->enable_register, u->enable_bit, u->name))
            return;
        struct stm32_usart_now now = usart_now(s);
        stm32_usart_write(&s->usart, (uint32_t)at, value, &now);
    } else if ((at = soc_inside(address, RCC_BASE, 0x400)) >= 0) {
        stm32_rcc_write(&s->rcc, (uint32_t)at, value);
        check_clocks(s, debugger);
    } else if ((at = soc_inside(address, FLASH_REGISTERS, 0x400)) >= 0) {
        stm32_flash_write(&s->flash, (uint32_t)at, value);
        if (at == 0) // wait states
            check_clocks(s, debugger);
    } else if ((at = soc_inside(address, PWR_BASE, 0x400)) >= 0) {
        if (clocked(s, address, APB1ENR, APB1_PWR, "PWR")) {
            stm32_rcc_pwr_write(&s->rcc, (uint32_t)at, value);
            check_clocks(s, debugger);
        }
    } else if ((at = soc_inside(address, GPIO_BASE, s->chip->gpio_ports * GPIO_STRIDE)) >= 0) {
        if (clocked(s, address, AHB1ENR, (unsigned)at / GPIO_STRIDE, "GPIO"))
            gpio_write(s, (uint32_t)at, value);
    } else if ((at = soc_inside(address, SYSCFG_BASE, 0x40)) >= 0) {
        if (clocked(s, address, APB2ENR, APB2_SYSCFG, "SYSCFG"))
            s->syscfg[at / 4] = value;
    } else if ((at = soc_inside(address, DBGMCU_BASE, 0x400)) >= 0) {
        if (at > 0 && at < 16)
            s->dbgmcu[at / 4] = value;
    } else {
        soc_log_store(&s->seen, address);
    }
}

static uint32_t stm32_merge_base(struct soc *s, uint32_t address)
{
    // Write-only and read-to-clear registers: what is not written counts as 0.
    int32_t at = soc_inside(address, s->place->base, 0x400);
    if (at >= 0 && stm32_usart_volatile(&s->usart, (uint32_t)at))
        return 0;
    if (soc_inside(address, GPIO_BASE, s->chip->gpio_ports * GPIO_STRIDE) >= 0 &&
        address % GPIO_STRIDE == GPIO_BSRR)
        return 0;
    return stm32_read(s, address, true);
}

static uint32_t stm32_program(struct soc *s, uint32_t offset, unsigned size, uint32_t value)
{
    return (uint32_t)stm32_flash_program(&s->flash, offset, size, value);
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
    if (!pin_connected(s, &s->rx))
        return n; // the line ends at a pin that nobody reads
    return stm32_usart_input(&s->usart, bytes, n, &now);
}

static struct cpu *f4_new_cpu(const struct cpu_bus *bus, struct err *e)
{
    return cpu_arm_new("cortex-m4", BOOT_BASE, bus, e);
}

static struct cpu *f7_new_cpu(const struct cpu_bus *bus, struct err *e)
{
    return cpu_arm_new("cortex-m7", FLASH_ITCM_BASE, bus, e);
}

// The core and its boot address are a family's.
#define STM32_OPS(family_prefix, cpu)                                                              \
    {                                                                                              \
        .prefix = (family_prefix), .new_cpu = (cpu), .open = stm32_open, .close = stm32_close,     \
        .reset = stm32_reset, .read = stm32_read, .write = stm32_write,                            \
        .merge_base = stm32_merge_base, .program = stm32_program, .cpu_hz = stm32_cpu_hz,          \
        .uart_idle = stm32_uart_idle, .uart_in = stm32_uart_in,                                    \
    }

const struct soc_ops soc_stm32f4 = STM32_OPS("STM32F4", f4_new_cpu);
const struct soc_ops soc_stm32f7 = STM32_OPS("STM32F7", f7_new_cpu);
