// SPDX-License-Identifier: GPL-2.0-only
// See spi_flash.h. Commands and limits follow ISSI's data sheet of the IS25LP032.
#include "agent/vboard/spi_flash.h"
#include "common/log.h"

#include <string.h>

// clang-format off
enum {
    WRITE_STATUS = 0x01, PAGE_PROGRAM = 0x02, READ = 0x03, WRITE_DISABLE = 0x04, READ_STATUS = 0x05, WRITE_ENABLE = 0x06,
    ERASE_4K = 0x20, ERASE_4K_TOO = 0xd7, ERASE_32K = 0x52, ERASE_64K = 0xd8, ERASE_CHIP = 0xc7, ERASE_CHIP_TOO = 0x60,
    READ_ID = 0x9f, WAKE = 0xab,
    STATUS_WEL = 1 << 1, STATUS_QUAD = 1 << 6, STATUS_WRITABLE = 0xfc,
    PAGE_BYTES = 256, HEADER = 4, // command and three address bytes
};
// clang-format on

void spi_flash_init(struct spi_flash *f, uint8_t *memory, uint32_t bytes)
{
    memset(f, 0, sizeof *f);
    f->memory = memory;
    f->bytes = bytes;
}

static uint32_t erase_size(const struct spi_flash *f)
{
    switch (f->command) {
    case ERASE_4K:
    case ERASE_4K_TOO:
        return 4096;
    case ERASE_32K:
        return 32768;
    case ERASE_64K:
        return 65536;
    case ERASE_CHIP:
    case ERASE_CHIP_TOO:
        return f->bytes;
    default:
        return 0;
    }
}

static bool may_write(struct spi_flash *f)
{
    if (!f->write_enabled)
        misuse_tell(&f->misuse, "SPI flash command 0x%02x without a write enable: ignored",
                    f->command);
    return f->write_enabled;
}

static void tell(struct spi_flash *f, uint32_t offset, uint32_t size)
{
    if (f->changed)
        f->changed(f->user, offset, size);
}

static void program(struct spi_flash *f, uint8_t byte)
{
    // Beyond its end a page goes on at its beginning.
    uint32_t in_page = (f->address + f->position - HEADER) % PAGE_BYTES;
    uint32_t offset = ((f->address & ~(uint32_t)(PAGE_BYTES - 1)) | in_page) & (f->bytes - 1);
    if (!may_write(f))
        return;
    // 0xff programs nothing: that pads a page.
    if (byte != 0xff && (byte & ~f->memory[offset]))
        misuse_tell(
            &f->misuse,
            "programming 0x%02x over 0x%02x at SPI flash offset 0x%x without an erase: bits only "
            "clear",
            byte, f->memory[offset], offset);
    f->memory[offset] &= byte; // only an erase sets bits
    tell(f, offset, 1);
}

uint8_t spi_flash_byte(struct spi_flash *f, uint8_t out)
{
    static const uint8_t id[3] = {0x9d, 0x60, 0x16};
    unsigned at = f->position++;
    uint8_t in = 0;
    if (at == 0) {
        f->command = out;
        f->address = 0;
        return 0xff;
    }
    if (at < HEADER)
        f->address = f->address << 8 | out;
    f->position = at; // for program()
    switch (f->command) {
    case READ_ID:
        in = at <= 3 ? id[at - 1] : 0xff;
        break;
    case READ_STATUS:
        in = (uint8_t)(f->status | (f->write_enabled ? STATUS_WEL : 0));
        break;
    case WRITE_STATUS:
        if (at == 1 && may_write(f))
            f->status = out & STATUS_WRITABLE;
        break;
    case READ:
        if (at >= HEADER)
            in = f->memory[(f->address + at - HEADER) & (f->bytes - 1)];
        break;
    case PAGE_PROGRAM:
        if (at >= HEADER)
            program(f, out);
        break;
    default:
        break;
    }
    f->position = at + 1;
    return in;
}

static bool is_known(const struct spi_flash *f)
{
    switch (f->command) {
    case WRITE_STATUS:
    case PAGE_PROGRAM:
    case READ:
    case WRITE_DISABLE:
    case READ_STATUS:
    case WRITE_ENABLE:
    case READ_ID:
    case WAKE:
        return true;
    default:
        return erase_size(f) != 0;
    }
}

void spi_flash_deselect(struct spi_flash *f)
{
    if (f->position == 0)
        return;
    uint32_t size = erase_size(f);
    bool whole_chip = size == f->bytes;
    if (size && (whole_chip || f->position >= HEADER) && may_write(f)) {
        uint32_t base = whole_chip ? 0 : f->address & (f->bytes - 1) & ~(size - 1);
        memset(f->memory + base, 0xff, size);
        tell(f, base, size);
    }
    if (!is_known(f) && !f->warned_command) {
        log_warn("flash", "SPI flash command 0x%02x is not emulated: ignored", f->command);
        f->warned_command = true;
    }
    if (f->command == WRITE_ENABLE)
        f->write_enabled = true;
    else if (size || f->command == WRITE_DISABLE || f->command == PAGE_PROGRAM ||
             f->command == WRITE_STATUS)
        f->write_enabled = false;
    f->position = 0;
}

uint32_t spi_flash_read_max_hz(const struct spi_flash *f, const struct spi_read_format *r)
{
    static const struct {
        struct spi_read_format format;
        uint32_t max_hz;
    } known[] = {
        {{0x03, 3, 0, 1, 1, 1}, 50000000},  // normal read
        {{0x0b, 3, 8, 1, 1, 1}, 133000000}, // fast read
        {{0x3b, 3, 8, 1, 1, 2}, 133000000}, // dual output
        {{0xbb, 3, 4, 1, 2, 2}, 133000000}, // dual I/O
        {{0x6b, 3, 8, 1, 1, 4}, 133000000}, // quad output
        {{0xeb, 3, 6, 1, 4, 4}, 133000000}, // quad I/O
    };
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct spi_read_format *k = &known[i].format;
        if (k->command == r->command && k->address_bytes == r->address_bytes &&
            k->dummy_cycles == r->dummy_cycles && k->command_lines == r->command_lines &&
            k->address_lines == r->address_lines && k->data_lines == r->data_lines)
            return r->data_lines < 4 || (f->status & STATUS_QUAD) ? known[i].max_hz : 0;
    }
    return 0;
}
