// SPDX-License-Identifier: GPL-2.0-only
// Flash memory controller of the STM32F4 and STM32F7 in single-bank mode (RM0090, RM0385, RM0410, "Embedded Flash
// memory"): unlocking, programming that can only clear bits, sector and mass erase, error flags. Programming and erasing
// take no time.
#ifndef VBOARD_STM32_FLASH_H
#define VBOARD_STM32_FLASH_H

#include "agent/vboard/misuse.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    STM32_FLASH_KEYR = 0x04,
    STM32_FLASH_SR = 0x0c,
    STM32_FLASH_CR = 0x10,
    STM32_FLASH_OPTCR = 0x14,
    STM32_FLASH_SR_EOP = 1 << 0,
    STM32_FLASH_SR_WRPERR = 1 << 4,
    STM32_FLASH_SR_PGAERR = 1 << 5,
    STM32_FLASH_SR_PGPERR = 1 << 6,
    STM32_FLASH_SR_ERSERR =
        1 << 7, // write while CR was not prepared for it (the STM32F4 calls it PGSERR)
};

// What differs between chips. Sectors: four of sector_kb, one of 4 times that, the rest of 8 times that.
struct stm32_flash_kind {
    unsigned sector_kb;
    unsigned protected_sectors; // sectors that have a write protection bit of their own in OPTCR
    uint32_t acr_mask;          // bits of ACR that exist
    uint32_t optcr, optcr1;     // as shipped
};

struct stm32_flash {
    const struct stm32_flash_kind *kind;
    uint8_t *memory;
    uint32_t bytes;
    uint32_t acr, sr, cr, optcr, optcr1;
    int key_step; // 1 after the first key
    bool blocked; // a wrong key: locked until the next reset
    bool opt_unlocked;
    uint32_t opt_key;
    uint64_t programmed;  // units written since power-up
    uint64_t overwritten; // units that wanted to set a bit which was already cleared
    // Called after an erase or a direct write, with the range that changed.
    void (*changed)(void *user, uint32_t offset, uint32_t size);
    struct misuse_ear misuse; // told of whatever the controller refuses or cannot do
    void *user;
};

// kind must outlive the flash.
void stm32_flash_init(struct stm32_flash *f, const struct stm32_flash_kind *kind, uint8_t *memory,
                      uint32_t bytes);
void stm32_flash_reset(struct stm32_flash *f);
uint32_t stm32_flash_read(const struct stm32_flash *f, uint32_t offset); // register at offset
void stm32_flash_write(struct stm32_flash *f, uint32_t offset, uint32_t value);
// A store of size bytes (1, 2, 4, 8) at a flash offset. Returns what the flash must hold there afterwards; sets the
// error flags. The caller puts it there.
uint64_t stm32_flash_program(struct stm32_flash *f, uint32_t offset, unsigned size, uint64_t value);
// Sector that holds offset, and its extent.
unsigned stm32_flash_sector(const struct stm32_flash *f, uint32_t offset, uint32_t *base,
                            uint32_t *size);
unsigned stm32_flash_latency(const struct stm32_flash *f); // wait states in ACR

#endif
