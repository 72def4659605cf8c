// SPDX-License-Identifier: MIT
// The one thing that only a virtual board has: a read-only page that counts retired instructions
// and names the timing model. The firmware looks for it only after the chip's identification said
// that this is no silicon.
#ifndef FIRMWARE_VIRTUAL_PAGE_H
#define FIRMWARE_VIRTUAL_PAGE_H

#include <stdint.h>

#define VIRTUAL_PAGE_MAGIC 0x44524256u // "VBRD"
#define VIRTUAL_PAGE_VERSION 1u

struct virtual_page {
    uint32_t magic;           // 0x00
    uint32_t version;         // 0x04
    uint32_t instructions_lo; // 0x08  reading it latches instructions_hi
    uint32_t instructions_hi; // 0x0C
    char timing_model[32];    // 0x10  NUL-padded
    uint32_t timing_version;  // 0x30
};
_Static_assert(sizeof(struct virtual_page) == 0x34, "layout of the page");

static inline uint64_t virtual_instructions(const volatile struct virtual_page *page)
{
    uint32_t lo = page->instructions_lo; // latches the upper half
    return (uint64_t)page->instructions_hi << 32 | lo;
}

#endif
