// SPDX-License-Identifier: MIT
// The virtual flash controller: unlocking, programming that only clears bits, erasing, error flags.
#include "tests/tap.h"

#include "agent/vboard/stm32_chip.h"

enum {
    BYTES = 2048 * 1024,
    CR_PG = 1,
    CR_SER = 2,
    CR_MER = 4,
    CR_STRT = 1 << 16,
    PSIZE_32 = 2 << 8,
    PSIZE_8 = 0
};
#define CR_LOCK (1u << 31)

static uint32_t changed_offset, changed_size;

static void changed(void *user, uint32_t offset, uint32_t size)
{
    (void)user;
    changed_offset = offset;
    changed_size = size;
}

static void unlock(struct stm32_flash *f)
{
    stm32_flash_write(f, STM32_FLASH_KEYR, 0x45670123u);
    stm32_flash_write(f, STM32_FLASH_KEYR, 0xcdef89abu);
}

static uint32_t status(struct stm32_flash *f)
{
    uint32_t v = stm32_flash_read(f, STM32_FLASH_SR);
    stm32_flash_write(f, STM32_FLASH_SR, v); // write one to clear
    return v;
}

// The sectors of every chip, and what its controller lets be erased.
static void test_chips(uint8_t *memory)
{
    static const struct {
        const char *soc;
        uint32_t bytes, fifth, sixth; // flash, offsets of sectors 4 and 5
        unsigned sectors;
        uint32_t optcr, acr;
    } chips[] = {
        {"STM32F767ZI", 2048 << 10, 128 << 10, 256 << 10, 12, 0xffffaafd, 0xb0f},
        {"STM32F746NG", 1024 << 10, 128 << 10, 256 << 10, 8, 0xc0ffaafd, 0xb0f},
        {"STM32F412ZG", 1024 << 10, 64 << 10, 128 << 10, 12, 0x0fffaaed, 0x1f0f},
        {"STM32F446RE", 512 << 10, 64 << 10, 128 << 10, 8, 0x0fffaaed, 0x1f0f},
    };
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        struct stm32_flash f;
        uint32_t base, size, erased = 0;
        memset(memory, 0, BYTES);
        stm32_flash_init(&f, &stm32_chip_find(chips[i].soc)->flash, memory, chips[i].bytes);
        EQ_INT(stm32_flash_read(&f, STM32_FLASH_OPTCR), chips[i].optcr);
        stm32_flash_write(&f, 0, 0xffffffff);
        EQ_INT(stm32_flash_read(&f, 0), chips[i].acr);
        EQ_INT(stm32_flash_sector(&f, chips[i].fifth, &base, &size), 4);
        EQ_INT(base, chips[i].fifth);
        EQ_INT(base + size, chips[i].sixth);
        EQ_INT(stm32_flash_sector(&f, chips[i].bytes - 1, &base, &size), chips[i].sectors - 1);
        EQ_INT(base + size, chips[i].bytes);
        unlock(&f);
        for (unsigned n = 0; n < chips[i].sectors; n++)
            stm32_flash_write(&f, STM32_FLASH_CR, CR_SER | n << 3 | CR_STRT);
        EQ_INT(status(&f), 0);
        while (erased < BYTES && memory[erased] == 0xff)
            erased++;
        EQ_INT(erased, chips[i].bytes);
        stm32_flash_write(&f, STM32_FLASH_CR, CR_SER | chips[i].sectors << 3 | CR_STRT);
        EQ_INT(status(&f), STM32_FLASH_SR_ERSERR);
    }
}

int main(void)
{
    uint8_t *memory = malloc(BYTES);
    struct stm32_flash f;
    if (!memory)
        return 1;
    memset(memory, 0xff, BYTES);
    stm32_flash_init(&f, &stm32_chip_find("STM32F767ZI")->flash, memory, BYTES);
    f.changed = changed;

    OK(stm32_flash_read(&f, STM32_FLASH_CR) == CR_LOCK);
    OK(stm32_flash_read(&f, STM32_FLASH_OPTCR) >> 29 & 1); // nDBANK: one bank
    EQ_INT(stm32_flash_program(&f, 0, 4, 0x12345678), 0xffffffff);
    EQ_INT(status(&f), STM32_FLASH_SR_ERSERR);
    stm32_flash_write(&f, STM32_FLASH_CR, CR_PG);
    EQ_INT(stm32_flash_read(&f, STM32_FLASH_CR), CR_LOCK); // a locked CR does not change

    unlock(&f);
    EQ_INT(stm32_flash_read(&f, STM32_FLASH_CR), 0);
    stm32_flash_program(&f, 0, 4, 0);
    EQ_INT(status(&f), STM32_FLASH_SR_ERSERR); // unlocked, but PG is not set
    stm32_flash_write(&f, STM32_FLASH_CR, CR_PG | PSIZE_32);
    EQ_INT(stm32_flash_program(&f, 64, 4, 0x12345678), 0x12345678);
    EQ_INT(status(&f), 0);
    EQ_INT(stm32_flash_program(&f, 64, 2, 0x1234), 0xffff); // not the size that CR says
    EQ_INT(status(&f), STM32_FLASH_SR_PGPERR);
    EQ_INT(stm32_flash_program(&f, 66, 4, 0), 0xffffffff);
    EQ_INT(status(&f), STM32_FLASH_SR_PGAERR);
    memory[100] = 0xf0;
    stm32_flash_write(&f, STM32_FLASH_CR, CR_PG | PSIZE_8);
    EQ_INT(stm32_flash_program(&f, 100, 1, 0x3c), 0x30); // bits only clear
    EQ_INT(f.overwritten, 1);

    static const struct {
        uint32_t offset, base, size;
        unsigned sector;
    } sectors[] = {{0, 0, 32 << 10, 0},
                   {32767, 0, 32 << 10, 0},
                   {98304, 98304, 32 << 10, 3},
                   {131072, 131072, 128 << 10, 4},
                   {262144, 262144, 256 << 10, 5},
                   {BYTES - 1, BYTES - (256 << 10), 256 << 10, 11}};
    for (size_t i = 0; i < sizeof sectors / sizeof sectors[0]; i++) {
        uint32_t base, size;
        unsigned n = stm32_flash_sector(&f, sectors[i].offset, &base, &size);
        OKF(n == sectors[i].sector && base == sectors[i].base && size == sectors[i].size,
            "offset %u lies in sector %u of %u bytes at %u", sectors[i].offset, n, size, base);
    }

    memset(memory, 0, BYTES);
    stm32_flash_write(&f, STM32_FLASH_CR, CR_SER | 5 << 3 | CR_STRT);
    EQ_INT(status(&f), 0);
    EQ_INT(changed_offset, 262144);
    EQ_INT(changed_size, 262144);
    OK(memory[262143] == 0 && memory[262144] == 0xff && memory[524287] == 0xff &&
       memory[524288] == 0);
    stm32_flash_write(&f, STM32_FLASH_CR,
                      CR_SER | 12 << 3 | CR_STRT); // there is no sector 12 in one bank
    EQ_INT(status(&f), STM32_FLASH_SR_ERSERR);
    stm32_flash_write(&f, STM32_FLASH_CR, CR_SER | CR_PG | CR_STRT);
    EQ_INT(status(&f), STM32_FLASH_SR_ERSERR);
    OK(memory[0] == 0);
    stm32_flash_write(&f, STM32_FLASH_CR, CR_MER | CR_STRT);
    OK(memory[0] == 0xff && memory[BYTES - 1] == 0xff);

    f.optcr &= ~(1u << (16 + 5)); // protect sector 5
    stm32_flash_write(&f, STM32_FLASH_CR, CR_SER | 5 << 3 | CR_STRT);
    EQ_INT(status(&f), STM32_FLASH_SR_WRPERR);
    stm32_flash_write(&f, STM32_FLASH_CR, CR_PG | PSIZE_8);
    EQ_INT(stm32_flash_program(&f, 262144, 1, 0), 0xff);
    EQ_INT(status(&f), STM32_FLASH_SR_WRPERR);

    stm32_flash_write(&f, STM32_FLASH_CR, CR_LOCK);
    stm32_flash_write(&f, STM32_FLASH_KEYR, 1); // a wrong key
    unlock(&f);
    EQ_INT(stm32_flash_read(&f, STM32_FLASH_CR), CR_LOCK);
    stm32_flash_reset(&f);
    unlock(&f);
    EQ_INT(stm32_flash_read(&f, STM32_FLASH_CR), 0);
    test_chips(memory);
    free(memory);
    return tap_done();
}
