// SPDX-License-Identifier: GPL-2.0-only
// See stm32_flash.h.
#include "agent/vboard/stm32_flash.h"

#include <string.h>

// clang-format off
enum {
    REG_ACR = 0x00, REG_OPTKEYR = 0x08, REG_OPTCR1 = 0x18,
    CR_PG = 1 << 0, CR_SER = 1 << 1, CR_MER = 1 << 2, CR_STRT = 1 << 16, CR_WRITABLE = 0x03018fff & ~(1 << 11),
    CR_SNB_SHIFT = 3, CR_PSIZE_SHIFT = 8,
    SR_ERRORS = 0xf2, SR_EOP = 1,
    KB = 1024,
};
// clang-format on
#define CR_LOCK (1u << 31)
#define KEY1 0x45670123u
#define KEY2 0xcdef89abu
#define OPTKEY1 0x08192a3bu
#define OPTKEY2 0x4c5d6e7fu

void stm32_flash_reset(struct stm32_flash *f)
{
    f->acr = 0;
    f->sr = 0;
    f->cr = CR_LOCK;
    f->key_step = 0;
    f->blocked = f->opt_unlocked = false;
    f->opt_key = 0;
}

void stm32_flash_init(struct stm32_flash *f, const struct stm32_flash_kind *kind, uint8_t *memory,
                      uint32_t bytes)
{
    memset(f, 0, sizeof *f);
    f->kind = kind;
    f->memory = memory;
    f->bytes = bytes;
    f->optcr = kind->optcr;
    f->optcr1 = kind->optcr1;
    stm32_flash_reset(f);
}

unsigned stm32_flash_latency(const struct stm32_flash *f)
{
    return f->acr & 0xf;
}

static uint32_t sector_size(const struct stm32_flash *f, unsigned sector)
{
    return f->kind->sector_kb * KB * (sector < 4 ? 1 : sector == 4 ? 4 : 8);
}

// The first four and the fifth make one of the others.
static unsigned sector_count(const struct stm32_flash *f)
{
    return 4 + f->bytes / sector_size(f, 5);
}

unsigned stm32_flash_sector(const struct stm32_flash *f, uint32_t offset, uint32_t *base,
                            uint32_t *size)
{
    unsigned sector = 0;
    *base = 0;
    *size = sector_size(f, 0);
    while (sector + 1 < sector_count(f) && offset - *base >= *size) {
        *base += *size;
        *size = sector_size(f, ++sector);
    }
    return sector;
}

uint32_t stm32_flash_read(const struct stm32_flash *f, uint32_t offset)
{
    switch (offset) {
    case REG_ACR:
        return f->acr;
    case STM32_FLASH_SR:
        return f->sr;
    case STM32_FLASH_CR:
        return f->cr;
    case STM32_FLASH_OPTCR:
        return (f->optcr & ~1u) | (f->opt_unlocked ? 0 : 1);
    case REG_OPTCR1:
        return f->optcr1;
    default: // the key registers read as 0
        return 0;
    }
}

static bool sector_protected(const struct stm32_flash *f, unsigned sector)
{
    return sector < f->kind->protected_sectors && (f->optcr >> (16 + sector) & 1) == 0; // nWRP
}

static void erase(struct stm32_flash *f, uint32_t offset, uint32_t size)
{
    memset(f->memory + offset, 0xff, size);
    if (f->changed)
        f->changed(f->user, offset, size);
}

static void start_operation(struct stm32_flash *f)
{
    unsigned sector = f->cr >> CR_SNB_SHIFT & 0x1f;
    bool ser = f->cr & CR_SER, mer = f->cr & CR_MER;
    if ((f->cr & CR_PG) || ser == mer) {
        f->sr |= STM32_FLASH_SR_ERSERR;
        misuse_tell(
            &f->misuse,
            "erase started with CR = 0x%08x: exactly one of SER and MER, and no PG, is allowed",
            f->cr);
        return;
    }
    for (unsigned s = 0; s < sector_count(f); s++) {
        if ((mer || s == sector) && sector_protected(f, s)) {
            f->sr |= STM32_FLASH_SR_WRPERR;
            misuse_tell(&f->misuse, "erase of write-protected sector %u refused", s);
            return;
        }
    }
    if (mer) {
        erase(f, 0, f->bytes);
    } else {
        uint32_t base = 0;
        for (unsigned s = 0; s < sector && s < sector_count(f); s++)
            base += sector_size(f, s);
        if (sector >= sector_count(f) || base + sector_size(f, sector) > f->bytes) {
            f->sr |= STM32_FLASH_SR_ERSERR;
            misuse_tell(&f->misuse,
                        "erase of sector %u, which this single-bank flash does not have", sector);
            return;
        }
        erase(f, base, sector_size(f, sector));
    }
}

static void write_key(struct stm32_flash *f, uint32_t value)
{
    if (f->blocked || !(f->cr & CR_LOCK))
        return;
    if (f->key_step == 0 && value == KEY1) {
        f->key_step = 1;
    } else if (f->key_step == 1 && value == KEY2) {
        f->cr &= ~CR_LOCK;
        f->key_step = 0;
    } else {
        f->blocked = true;
        misuse_tell(&f->misuse, "wrong key 0x%08x: the flash stays locked until the next reset",
                    value);
    }
}

static void write_option_key(struct stm32_flash *f, uint32_t value)
{
    if (f->opt_key == OPTKEY1 && value == OPTKEY2)
        f->opt_unlocked = true;
    f->opt_key = value;
}

void stm32_flash_write(struct stm32_flash *f, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case REG_ACR:
        f->acr = value & f->kind->acr_mask;
        break;
    case STM32_FLASH_KEYR:
        write_key(f, value);
        break;
    case REG_OPTKEYR:
        write_option_key(f, value);
        break;
    case STM32_FLASH_SR:
        f->sr &= ~(value & (SR_ERRORS | SR_EOP));
        break;
    case STM32_FLASH_CR:
        if (f->cr & CR_LOCK) {
            if (!(value & CR_LOCK))
                misuse_tell(&f->misuse, "write of 0x%08x to the locked FLASH_CR ignored", value);
            break;
        }
        f->cr = (value & (CR_WRITABLE | CR_LOCK)) & ~(uint32_t)CR_STRT;
        if (value & CR_STRT)
            start_operation(f);
        break;
    case STM32_FLASH_OPTCR: // option bytes other than the write protection are fixed on the virtual board
        if (f->opt_unlocked) {
            f->optcr = (f->optcr & 0xf000ffffu) | (value & 0x0fff0000u);
            if (value & 1)
                f->opt_unlocked = false;
        }
        break;
    default:
        break;
    }
}

uint64_t stm32_flash_program(struct stm32_flash *f, uint32_t offset, unsigned size, uint64_t value)
{
    uint64_t old = 0;
    memcpy(&old, f->memory + offset, size);
    if ((f->cr & CR_LOCK) || !(f->cr & CR_PG)) {
        f->sr |= STM32_FLASH_SR_ERSERR;
        misuse_tell(&f->misuse, "store to flash offset 0x%x while it is %s: ignored", offset,
                    f->cr & CR_LOCK ? "locked" : "not in programming mode");
        return old;
    }
    if (1u << (f->cr >> CR_PSIZE_SHIFT & 3) != size) {
        f->sr |= STM32_FLASH_SR_PGPERR;
        misuse_tell(&f->misuse,
                    "store of %u bytes to flash offset 0x%x, FLASH_CR's PSIZE asks for %u", size,
                    offset, 1u << (f->cr >> CR_PSIZE_SHIFT & 3));
        return old;
    }
    if (offset & (size - 1)) {
        f->sr |= STM32_FLASH_SR_PGAERR;
        misuse_tell(&f->misuse, "store to flash offset 0x%x, which is no multiple of its %u bytes",
                    offset, size);
        return old;
    }
    uint32_t base, extent;
    if (sector_protected(f, stm32_flash_sector(f, offset, &base, &extent))) {
        f->sr |= STM32_FLASH_SR_WRPERR;
        misuse_tell(&f->misuse, "store to flash offset 0x%x in a write-protected sector: ignored",
                    offset);
        return old;
    }
    f->programmed++;
    if (value & ~old) {
        f->overwritten++;
        misuse_tell(
            &f->misuse,
            "programming 0x%llx over 0x%llx at flash offset 0x%x without an erase: bits only "
            "clear",
            (unsigned long long)value, (unsigned long long)old, offset);
    }
    return old & value;
}
