// SPDX-License-Identifier: GPL-2.0-only
// arm-run CORE IMAGE: runs a flat image, loaded at 0 and entered through its vectors, on the virtual boards' core until
// it exits by semihosting. What it writes goes to stdout; at each BKPT stderr gets the instructions so far. The private
// bus reads as zeros.
#include "agent/vboard/core_arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYS_WRITE0 = 4, SYS_EXIT = 0x18 };
#define ROM_BYTES 0x400000u
#define RAM_BASE 0x20000000u
#define RAM_BYTES 0x400000u
#define PRIVATE_BASE 0xe0000000u
#define PRIVATE_BYTES 0x100000u
#define LIMIT 20000000000ull // instructions

static uint32_t nothing_to_read(void *user, uint32_t address, unsigned size)
{
    (void)user, (void)address, (void)size;
    return 0;
}

static void nothing_to_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user, (void)address, (void)size, (void)value;
}

static uint32_t rom_stays(void *user, uint32_t address, unsigned size, uint32_t value)
{
    const uint8_t *rom = user;
    uint32_t old = 0;
    (void)value;
    memcpy(&old, rom + address, size);
    return old;
}

static const char *text_at(const uint8_t *rom, const uint8_t *ram, uint32_t address)
{
    if (address < ROM_BYTES)
        return (const char *)rom + address;
    return address - RAM_BASE < RAM_BYTES ? (const char *)ram + (address - RAM_BASE) : "";
}

// Until SYS_EXIT. 0, or 1 when something else happened.
static int run(struct core *core, const uint8_t *rom, const uint8_t *ram)
{
    for (;;) {
        struct core_event ev;
        core_run(core, LIMIT, &ev);
        if (ev.stop != CORE_BKPT) {
            fprintf(stderr, "arm-run: stop %d at pc %08x\n", (int)ev.stop, ev.pc);
            return 1;
        }
        fprintf(stderr, "instructions %llu\n", (unsigned long long)core_instructions(core));
        if (core_get(core, 0) == SYS_EXIT)
            return 0;
        if (core_get(core, 0) == SYS_WRITE0)
            fputs(text_at(rom, ram, core_get(core, 1)), stdout);
        core_set(core, CORE_PC, ev.pc + 2);
    }
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct core *core = NULL;
    FILE *f = NULL;
    int rc = 1;
    // A byte more than is mapped: text_at() gives strings that end.
    uint8_t *rom = calloc(1, ROM_BYTES + 1), *ram = calloc(1, RAM_BYTES + 1);
    if (argc != 3 || !rom || !ram) {
        fprintf(stderr, "usage: arm-run CORE IMAGE\n");
        goto out;
    }
    const struct core_bus bus = {rom, nothing_to_read, nothing_to_write, rom_stays};
    f = fopen(argv[2], "rb");
    if (!f || fread(rom, 1, ROM_BYTES, f) < 8) {
        fprintf(stderr, "arm-run: no image in %s\n", argv[2]);
        goto out;
    }
    core = core_new(argv[1], &bus, &e);
    if (!core || core_map_memory(core, 0, ROM_BYTES, rom, false, &e) ||
        core_map_memory(core, RAM_BASE, RAM_BYTES, ram, true, &e) ||
        core_map_io(core, PRIVATE_BASE, PRIVATE_BYTES, &e)) {
        fprintf(stderr, "arm-run: %s\n", e.msg);
        goto out;
    }
    uint32_t vectors[2];
    memcpy(vectors, rom, sizeof vectors);
    core_set(core, CORE_SP, vectors[0]);
    core_set(core, CORE_PC, vectors[1]);
    rc = run(core, rom, ram);
out:
    if (f)
        fclose(f);
    core_free(core);
    free(rom);
    free(ram);
    return rc;
}
