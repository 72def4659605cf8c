// SPDX-License-Identifier: GPL-2.0-only
// See flash_f7.h. Register layout and sequences: RM0410 "Embedded Flash memory".
#include "agent/vboard/flash_f7.h"
#include "common/log.h"

#include <string.h>

// clang-format off
enum {
    REG_ACR = 0x00, REG_OPTKEYR = 0x08, REG_OPTCR1 = 0x18,
    CR_PG = 1 << 0, CR_SER = 1 << 1, CR_MER = 1 << 2, CR_STRT = 1 << 16, CR_WRITABLE = 0x03018fff & ~(1 << 11),
    CR_SNB_SHIFT = 3, CR_PSIZE_SHIFT = 8,
    SR_ERRORS = 0xf2, SR_EOP = 1,
    SECTORS = 12, KB = 1024,
};
// clang-format on
#define CR_LOCK (1u << 31)
#define KEY1 0x45670123u
#define KEY2 0xcdef89abu
#define OPTKEY1 0x08192a3bu
#define OPTKEY2 0x4c5d6e7fu
#define OPTCR_DEFAULT 0xffffaafdu  // nDBANK = 1: one bank
#define OPTCR1_DEFAULT 0x00400080u // boot from flash on ITCM, or system memory with BOOT0 high

void flash_f7_reset(struct flash_f7 *f)
{
    f->acr = 0;
    f->sr = 0;
    f->cr = CR_LOCK;
    f->key_step = 0;
    f->blocked = f->opt_unlocked = false;
    f->opt_key = 0;
}

void flash_f7_init(struct flash_f7 *f, uint8_t *memory, uint32_t bytes)
{
    memset(f, 0, sizeof *f);
    f->memory = memory;
    f->bytes = bytes;
    f->optcr = OPTCR_DEFAULT;
    f->optcr1 = OPTCR1_DEFAULT;
    flash_f7_reset(f);
}

unsigned flash_f7_latency(const struct flash_f7 *f)
{
    return f->acr & 0xf;
}

static uint32_t sector_size(unsigned sector)
{
    return sector < 4 ? 32 * KB : sector == 4 ? 128 * KB : 256 * KB;
}

unsigned flash_f7_sector(uint32_t offset, uint32_t *base, uint32_t *size)
{
    unsigned sector = 0;
    *base = 0;
    *size = sector_size(0);
    while (sector + 1 < SECTORS && offset - *base >= *size) {
        *base += *size;
        *size = sector_size(++sector);
    }
    return sector;
}

uint32_t flash_f7_read(const struct flash_f7 *f, uint32_t offset)
{
    switch (offset) {
    case REG_ACR:
        return f->acr;
    case FLASH_F7_SR:
        return f->sr;
    case FLASH_F7_CR:
        return f->cr;
    case FLASH_F7_OPTCR:
        return (f->optcr & ~1u) | (f->opt_unlocked ? 0 : 1);
    case REG_OPTCR1:
        return f->optcr1;
    default: // the key registers read as 0
        return 0;
    }
}

static bool sector_protected(const struct flash_f7 *f, unsigned sector)
{
    return (f->optcr >> (16 + sector) & 1) == 0; // nWRP
}

static void erase(struct flash_f7 *f, uint32_t offset, uint32_t size)
{
    memset(f->memory + offset, 0xff, size);
    if (f->changed)
        f->changed(f->user, offset, size);
}

static void start_operation(struct flash_f7 *f)
{
    unsigned sector = f->cr >> CR_SNB_SHIFT & 0x1f;
    bool ser = f->cr & CR_SER, mer = f->cr & CR_MER;
    if ((f->cr & CR_PG) || ser == mer) {
        f->sr |= FLASH_F7_SR_ERSERR;
        log_warn(
            "flash",
            "erase started with CR = 0x%08x: exactly one of SER and MER, and no PG, is allowed",
            f->cr);
        return;
    }
    for (unsigned s = 0; s < SECTORS; s++) {
        if ((mer || s == sector) && sector_protected(f, s)) {
            f->sr |= FLASH_F7_SR_WRPERR;
            log_warn("flash", "erase of write-protected sector %u refused", s);
            return;
        }
    }
    if (mer) {
        erase(f, 0, f->bytes);
    } else {
        uint32_t base = 0;
        for (unsigned s = 0; s < sector && s < SECTORS; s++)
            base += sector_size(s);
        if (sector >= SECTORS || base + sector_size(sector) > f->bytes) {
            f->sr |= FLASH_F7_SR_ERSERR;
            log_warn("flash", "erase of sector %u, which this single-bank flash does not have",
                     sector);
            return;
        }
        erase(f, base, sector_size(sector));
    }
}

static void write_key(struct flash_f7 *f, uint32_t value)
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
        log_warn("flash", "wrong key 0x%08x: the flash stays locked until the next reset", value);
    }
}

static void write_option_key(struct flash_f7 *f, uint32_t value)
{
    if (f->opt_key == OPTKEY1 && value == OPTKEY2)
        f->opt_unlocked = true;
    f->opt_key = value;
}

void flash_f7_write(struct flash_f7 *f, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case REG_ACR:
        f->acr = value & 0xb0f;
        break;
    case FLASH_F7_KEYR:
        write_key(f, value);
        break;
    case REG_OPTKEYR:
        write_option_key(f, value);
        break;
    case FLASH_F7_SR:
        f->sr &= ~(value & (SR_ERRORS | SR_EOP));
        break;
    case FLASH_F7_CR:
        if (f->cr & CR_LOCK) {
            if (!(value & CR_LOCK))
                log_warn("flash", "write of 0x%08x to the locked FLASH_CR ignored", value);
            break;
        }
        f->cr = (value & (CR_WRITABLE | CR_LOCK)) & ~(uint32_t)CR_STRT;
        if (value & CR_STRT)
            start_operation(f);
        break;
    case FLASH_F7_OPTCR: // option bytes other than the write protection are fixed on the virtual board
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

uint64_t flash_f7_program(struct flash_f7 *f, uint32_t offset, unsigned size, uint64_t value)
{
    uint64_t old = 0;
    memcpy(&old, f->memory + offset, size);
    if ((f->cr & CR_LOCK) || !(f->cr & CR_PG)) {
        f->sr |= FLASH_F7_SR_ERSERR;
        if (!f->warned_locked)
            log_warn("flash", "store to flash offset 0x%x while it is %s: ignored (reported once)",
                     offset, f->cr & CR_LOCK ? "locked" : "not in programming mode");
        f->warned_locked = true;
        return old;
    }
    if (1u << (f->cr >> CR_PSIZE_SHIFT & 3) != size) {
        f->sr |= FLASH_F7_SR_PGPERR;
        return old;
    }
    if (offset & (size - 1)) {
        f->sr |= FLASH_F7_SR_PGAERR;
        return old;
    }
    uint32_t base, extent;
    if (sector_protected(f, flash_f7_sector(offset, &base, &extent))) {
        f->sr |= FLASH_F7_SR_WRPERR;
        return old;
    }
    f->programmed++;
    if (value & ~old) {
        f->overwritten++;
        if (!f->warned_overwrite)
            log_warn("flash",
                     "programming 0x%llx over 0x%llx at flash offset 0x%x without an erase: bits "
                     "only clear "
                     "(reported once)",
                     (unsigned long long)value, (unsigned long long)old, offset);
        f->warned_overwrite = true;
    }
    return old & value;
}
