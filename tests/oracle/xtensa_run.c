// SPDX-License-Identifier: GPL-2.0-only
// xtensa-run IMAGE ADDRESS BYTES: runs a flat image, loaded at 0x10000000 and entered there, until it jumps to itself;
// prints BYTES of memory at ADDRESS (hexadecimal) to stdout, instructions, cycles and speed to stderr.
#include "agent/vboard/core_xtensa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BASE 0x10000000u
#define SIZE 0x01000000u
#define LIMIT 20000000000ull // instructions

static bool nothing_to_read(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    (void)user, (void)address, (void)size, (void)value;
    return false;
}

static bool nothing_to_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user, (void)address, (void)size, (void)value;
    return false;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    static const struct xtensa_bus bus = {NULL, nothing_to_read, nothing_to_write};
    struct err e = {0};
    int rc = 1;
    FILE *f = NULL;
    struct xtensa *x = NULL;
    uint8_t *memory = calloc(1, SIZE);
    if (argc != 4 || !memory) {
        fprintf(stderr, "usage: xtensa-run IMAGE ADDRESS BYTES\n");
        goto out;
    }
    uint32_t address = (uint32_t)strtoul(argv[2], NULL, 16), bytes = (uint32_t)atoi(argv[3]);
    f = fopen(argv[1], "rb");
    if (!f || fread(memory, 1, SIZE, f) == 0 || address - BASE >= SIZE ||
        bytes > SIZE - (address - BASE)) {
        fprintf(stderr, "xtensa-run: no image in %s, or the address is outside it\n", argv[1]);
        goto out;
    }
    x = xtensa_new(0x40000000, &bus, &e);
    if (!x)
        goto out;
    xtensa_map(x, BASE, SIZE, memory, XTENSA_FETCH | XTENSA_READ | XTENSA_WRITE);
    xtensa_reset(x, BASE);
    double start = seconds();
    enum xtensa_stop stop = xtensa_run(x, LIMIT);
    double took = seconds() - start;
    fprintf(stderr, "instructions %llu cycles %llu pc %08x, %.0f M instr/s\n",
            (unsigned long long)xtensa_instructions(x), (unsigned long long)xtensa_cycles(x),
            xtensa_pc(x), (double)xtensa_instructions(x) / took / 1e6);
    if (stop != XTENSA_SLEEP) {
        fprintf(stderr, "xtensa-run: it did not end: stop %d, exccause %u, epc1 %08x\n", (int)stop,
                xtensa_sr(x, XT_SR_EXCCAUSE), xtensa_sr(x, XT_SR_EPC1));
        goto out;
    }
    rc = fwrite(memory + (address - BASE), 1, bytes, stdout) == bytes ? 0 : 1;
out:
    if (f)
        fclose(f);
    xtensa_free(x);
    free(memory);
    return rc;
}
