// SPDX-License-Identifier: MIT
// Whatever comes over the JTAG adapter's terminal: commands of the Bus Pirate, and what they shift into TAP and debug
// module of a virtual ESP32-S3 with 64 KB of flash.
#include "agent/vboard/board.h"
#include "agent/vboard/buspirate.h"
#include "agent/vboard/fault.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board_config config = {
        .id = "esp32s3-devkit",
        .name = "fuzzed",
        .core = "Xtensa LX7",
        .soc = "ESP32-S3",
        .ram_bytes = 512 * 1024,
        .flash_bytes = 64 * 1024,
        .clock_hz = 240000000,
        .baud = 115200,
        .program_address = 0x3c008000,
    };
    static const uint8_t enter = 6; // OpenOCD mode: without it nothing else is looked at
    struct err e = {0};
    struct jtag_tap tap;
    const struct buspirate_hooks hooks = {NULL, NULL, NULL};
    struct buspirate *p = NULL;
    uint8_t *flash = aligned_alloc(4096, config.flash_bytes);
    memset(flash, 0xff, config.flash_bytes);
    struct board *b = board_new(&config, flash, &e);
    if (!b) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    fault_parse(&b->fault, NULL, &e);
    struct jtag_device device = b->cpu->ops->jtag(b->cpu);
    jtag_tap_init(&tap, &device);
    p = buspirate_new(&tap, &hooks, &e);
    if (!p) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    buspirate_input(p, &enter, 1);
    for (size_t at = 0; at < size; at += 64) {
        buspirate_input(p, data + at, size - at < 64 ? size - at : 64);
        board_run(b, 1000);
    }
    buspirate_free(p);
    board_free(b);
    free(flash);
    return 0;
}
