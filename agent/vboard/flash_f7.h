// SPDX-License-Identifier: GPL-2.0-only
// Flash memory controller of the STM32F76x in single-bank mode (RM0410, chapter 3): unlocking, programming that can
// only clear bits, sector and mass erase, error flags. Programming and erasing take no time.
#ifndef VBOARD_FLASH_F7_H
#define VBOARD_FLASH_F7_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FLASH_F7_KEYR = 0x04,
    FLASH_F7_SR = 0x0c,
    FLASH_F7_CR = 0x10,
    FLASH_F7_OPTCR = 0x14,
    FLASH_F7_SR_EOP = 1 << 0,
    FLASH_F7_SR_WRPERR = 1 << 4,
    FLASH_F7_SR_PGAERR = 1 << 5,
    FLASH_F7_SR_PGPERR = 1 << 6,
    FLASH_F7_SR_ERSERR =
        1 << 7, // write while CR was not prepared for it (PGSERR in other families)
};

struct flash_f7 {
    uint8_t *memory;
    uint32_t bytes;
    uint32_t acr, sr, cr, optcr, optcr1;
    int key_step; // 1 after the first key
    bool blocked; // a wrong key: locked until the next reset
    bool opt_unlocked;
    uint32_t opt_key;
    uint64_t programmed;  // units written since power-up
    uint64_t overwritten; // units that wanted to set a bit which was already cleared
    bool warned_locked, warned_overwrite;
    // Called after an erase or a direct write, with the range that changed.
    void (*changed)(void *user, uint32_t offset, uint32_t size);
    void *user;
};

void flash_f7_init(struct flash_f7 *f, uint8_t *memory, uint32_t bytes);
void flash_f7_reset(struct flash_f7 *f);
uint32_t flash_f7_read(const struct flash_f7 *f, uint32_t offset); // register at offset
void flash_f7_write(struct flash_f7 *f, uint32_t offset, uint32_t value);
// A store of size bytes (1, 2, 4, 8) at a flash offset. Returns what the flash must hold there afterwards; sets the
// error flags. The caller puts it there.
uint64_t flash_f7_program(struct flash_f7 *f, uint32_t offset, unsigned size, uint64_t value);
// Sector that holds offset, and its extent.
unsigned flash_f7_sector(uint32_t offset, uint32_t *base, uint32_t *size);
unsigned flash_f7_latency(const struct flash_f7 *f); // wait states in ACR

#endif
