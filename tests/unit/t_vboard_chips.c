// SPDX-License-Identifier: MIT
// What sets the virtual STM32 chips apart: identity, memory map, and that code for another core or FPU is caught as the
// silicon would.
#include "tests/tap.h"

#include "agent/vboard/board.h"

enum {
    CODE = 0x100,    // offsets in flash
    HANDLER = 0x200, // "b ."
    MAX_FLASH = 2048 * 1024,
};
#define FLASH_BASE 0x08000000u
#define CFSR_UNDEFINSTR (1u << 16)

// FPU on, TRCENA on, then without the unlocking that a Cortex-M7 wants: CYCCNTENA; then both caches on; then vadd.f64.
static const uint16_t code[] = {
    0x4809, 0xf44f, 0x0170, 0x6001,         // CPACR = 0xf00000
    0x4808, 0xf04f, 0x7180, 0x6001,         // DEMCR = 1 << 24
    0x4807, 0x2101, 0x6001,                 // DWT_CTRL = 1
    0x4807, 0xf44f, 0x3140, 0x6001, 0xe7ff, // CCR = 3 << 16
    0xee30, 0x0b00, 0xe7fe, 0xbf00,         // vadd.f64 d0,d0,d0; b .
    0xed88, 0xe000, 0xedfc, 0xe000, 0x1000, 0xe000, 0xed14, 0xe000,
};

static uint32_t rd(struct board *b, uint32_t address)
{
    uint32_t v = 0;
    return board_debug_read(b, address, 4, &v) ? v : 0xdeadbeef;
}

static bool there(struct board *b, uint32_t address)
{
    uint32_t v;
    return board_debug_read(b, address, 4, &v);
}

static void put(uint8_t *flash, uint32_t offset, uint32_t v)
{
    memcpy(flash + offset, &v, 4);
}

struct chip {
    const char *soc;
    uint32_t ram_bytes, flash_bytes;
    uint32_t idcode, cpuid, size_register;
    bool m7, fpu_double;
};

static void test_chip(const struct chip *c, uint8_t *flash)
{
    struct board_config cfg = {.id = "chip",
                               .ram_bytes = c->ram_bytes,
                               .flash_bytes = c->flash_bytes,
                               .baud = 115200,
                               .usart = 3,
                               .usart_tx = "PD8",
                               .usart_rx = "PD9"};
    struct err e = {0};
    snprintf(cfg.soc, sizeof cfg.soc, "%s", c->soc);
    memset(flash, 0xff, MAX_FLASH);
    put(flash, 0, 0x20001000);
    put(flash, 4, FLASH_BASE + CODE + 1);
    for (uint32_t n = 2; n < 16; n++)
        put(flash, 4 * n, FLASH_BASE + HANDLER + 1);
    memcpy(flash + CODE, code, sizeof code);
    put(flash, HANDLER, 0xe7fee7fe);
    struct board *b = board_new(&cfg, flash, &e);
    if (!OKF(b != NULL, "%s: %s", c->soc, e.msg))
        return;
    EQ_INT(rd(b, 0xe0042000), 0xf00d0000u | c->idcode);
    EQ_INT(rd(b, 0xe000ed00), c->cpuid);
    EQ_INT(rd(b, c->size_register & ~3u) >> 16, cfg.flash_bytes / 1024);

    // Flash at 0x08000000 and where the core boots; RAM in one piece; nothing behind either.
    EQ_INT(rd(b, FLASH_BASE), 0x20001000);
    EQ_INT(rd(b, c->m7 ? 0x00200000 : 0), 0x20001000);
    OK(there(b, 0x00200000) == c->m7);
    OK(there(b, FLASH_BASE + cfg.flash_bytes - 4) && !there(b, FLASH_BASE + cfg.flash_bytes));
    OK(there(b, 0x20000000 + cfg.ram_bytes - 4) && !there(b, 0x20000000 + cfg.ram_bytes));

    board_run(b, 1000);
    EQ_INT(rd(b, 0xe0001000) & 1, !c->m7);                       // the M7's DWT is locked
    EQ_INT(rd(b, 0xe000ed14) >> 16 & 3, c->m7 ? 3 : 0);          // the M4 has no caches
    EQ_INT(rd(b, 0xe000ed78) != 0, c->m7);                       // CLIDR
    EQ_INT(rd(b, 0xe000ef40) >> 8 & 0xf, c->fpu_double ? 2 : 0); // MVFR0: double precision
    EQ_INT(rd(b, 0xe000ed28) & CFSR_UNDEFINSTR, c->fpu_double ? 0 : CFSR_UNDEFINSTR);
    board_free(b);
}

int main(void)
{
    static const struct chip chips[] = {
        {"STM32F767ZI", 512 << 10, 2048 << 10, 0x451, 0x411fc270, 0x1ff0f442, true, true},
        {"STM32F746NG", 320 << 10, 1024 << 10, 0x449, 0x410fc271, 0x1ff0f442, true, false},
        {"STM32F412ZG", 256 << 10, 1024 << 10, 0x441, 0x410fc241, 0x1fff7a22, false, false},
        {"STM32F446RE", 128 << 10, 512 << 10, 0x421, 0x410fc241, 0x1fff7a22, false, false},
    };
    setenv("FARM_LOG", "error", 1);
    uint8_t *flash = aligned_alloc(4096, MAX_FLASH);
    for (size_t i = 0; flash && i < sizeof chips / sizeof chips[0]; i++)
        test_chip(&chips[i], flash);
    free(flash);
    return tap_done();
}
