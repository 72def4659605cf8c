// SPDX-License-Identifier: GPL-2.0-only
// A serial NOR flash (ISSI IS25LP032, 4 MB): what it does with the bytes between two edges of its chip select, and which
// formats it answers to when a controller reads it as memory. Programming and erasing take no time.
#ifndef VBOARD_SPI_FLASH_H
#define VBOARD_SPI_FLASH_H

#include "agent/vboard/misuse.h"

#include <stdbool.h>
#include <stdint.h>

struct spi_flash {
    uint8_t *memory; // the caller's
    uint32_t bytes;  // a power of two
    uint8_t command;
    unsigned position; // bytes since the chip select fell
    uint32_t address;
    bool write_enabled;
    uint8_t status; // block protection bits, quad enable: volatile here
    bool warned_command;
    // Called after an erase or a programmed byte, with the range that changed.
    void (*changed)(void *user, uint32_t offset, uint32_t size);
    struct misuse_ear
        misuse; // told of commands without a write enable and of bits that only an erase sets
    void *user;
};

void spi_flash_init(struct spi_flash *f, uint8_t *memory, uint32_t bytes);
uint8_t spi_flash_byte(struct spi_flash *f, uint8_t out); // one byte out, one in
void spi_flash_deselect(struct spi_flash *f);

struct spi_read_format { // a memory-mapped read: lines are 1, 2 or 4
    uint8_t command;
    unsigned address_bytes, dummy_cycles;
    unsigned command_lines, address_lines, data_lines;
};
// Highest clock in Hz at which the flash answers reads of this format; 0: it does not.
uint32_t spi_flash_read_max_hz(const struct spi_flash *f, const struct spi_read_format *r);

#endif
