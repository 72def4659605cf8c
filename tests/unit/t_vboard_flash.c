// SPDX-License-Identifier: MIT
// The virtual flash controller: unlocking, programming that only clears bits, erasing, error flags.
#include "tests/tap.h"

#include "agent/vboard/flash_f7.h"

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

static void unlock(struct flash_f7 *f)
{
    flash_f7_write(f, FLASH_F7_KEYR, 0x45670123u);
    flash_f7_write(f, FLASH_F7_KEYR, 0xcdef89abu);
}

static uint32_t status(struct flash_f7 *f)
{
    uint32_t v = flash_f7_read(f, FLASH_F7_SR);
    flash_f7_write(f, FLASH_F7_SR, v); // write one to clear
    return v;
}

int main(void)
{
    uint8_t *memory = malloc(BYTES);
    struct flash_f7 f;
    if (!memory)
        return 1;
    memset(memory, 0xff, BYTES);
    flash_f7_init(&f, memory, BYTES);
    f.changed = changed;

    OK(flash_f7_read(&f, FLASH_F7_CR) == CR_LOCK);
    OK(flash_f7_read(&f, FLASH_F7_OPTCR) >> 29 & 1); // nDBANK: one bank
    EQ_INT(flash_f7_program(&f, 0, 4, 0x12345678), 0xffffffff);
    EQ_INT(status(&f), FLASH_F7_SR_ERSERR);
    flash_f7_write(&f, FLASH_F7_CR, CR_PG);
    EQ_INT(flash_f7_read(&f, FLASH_F7_CR), CR_LOCK); // a locked CR does not change

    unlock(&f);
    EQ_INT(flash_f7_read(&f, FLASH_F7_CR), 0);
    flash_f7_program(&f, 0, 4, 0);
    EQ_INT(status(&f), FLASH_F7_SR_ERSERR); // unlocked, but PG is not set
    flash_f7_write(&f, FLASH_F7_CR, CR_PG | PSIZE_32);
    EQ_INT(flash_f7_program(&f, 64, 4, 0x12345678), 0x12345678);
    EQ_INT(status(&f), 0);
    EQ_INT(flash_f7_program(&f, 64, 2, 0x1234), 0xffff); // not the size that CR says
    EQ_INT(status(&f), FLASH_F7_SR_PGPERR);
    EQ_INT(flash_f7_program(&f, 66, 4, 0), 0xffffffff);
    EQ_INT(status(&f), FLASH_F7_SR_PGAERR);
    memory[100] = 0xf0;
    flash_f7_write(&f, FLASH_F7_CR, CR_PG | PSIZE_8);
    EQ_INT(flash_f7_program(&f, 100, 1, 0x3c), 0x30); // bits only clear
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
        unsigned n = flash_f7_sector(sectors[i].offset, &base, &size);
        OKF(n == sectors[i].sector && base == sectors[i].base && size == sectors[i].size,
            "offset %u lies in sector %u of %u bytes at %u", sectors[i].offset, n, size, base);
    }

    memset(memory, 0, BYTES);
    flash_f7_write(&f, FLASH_F7_CR, CR_SER | 5 << 3 | CR_STRT);
    EQ_INT(status(&f), 0);
    EQ_INT(changed_offset, 262144);
    EQ_INT(changed_size, 262144);
    OK(memory[262143] == 0 && memory[262144] == 0xff && memory[524287] == 0xff &&
       memory[524288] == 0);
    flash_f7_write(&f, FLASH_F7_CR,
                   CR_SER | 12 << 3 | CR_STRT); // there is no sector 12 in one bank
    EQ_INT(status(&f), FLASH_F7_SR_ERSERR);
    flash_f7_write(&f, FLASH_F7_CR, CR_SER | CR_PG | CR_STRT);
    EQ_INT(status(&f), FLASH_F7_SR_ERSERR);
    OK(memory[0] == 0);
    flash_f7_write(&f, FLASH_F7_CR, CR_MER | CR_STRT);
    OK(memory[0] == 0xff && memory[BYTES - 1] == 0xff);

    f.optcr &= ~(1u << (16 + 5)); // protect sector 5
    flash_f7_write(&f, FLASH_F7_CR, CR_SER | 5 << 3 | CR_STRT);
    EQ_INT(status(&f), FLASH_F7_SR_WRPERR);
    flash_f7_write(&f, FLASH_F7_CR, CR_PG | PSIZE_8);
    EQ_INT(flash_f7_program(&f, 262144, 1, 0), 0xff);
    EQ_INT(status(&f), FLASH_F7_SR_WRPERR);

    flash_f7_write(&f, FLASH_F7_CR, CR_LOCK);
    flash_f7_write(&f, FLASH_F7_KEYR, 1); // a wrong key
    unlock(&f);
    EQ_INT(flash_f7_read(&f, FLASH_F7_CR), CR_LOCK);
    flash_f7_reset(&f);
    unlock(&f);
    EQ_INT(flash_f7_read(&f, FLASH_F7_CR), 0);
    free(memory);
    return tap_done();
}
