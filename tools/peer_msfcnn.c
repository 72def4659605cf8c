// SPDX-License-Identifier: MIT
// The program that tools/peer-msfcnn wraps around one of msf-CNN's generated networks: bring the board up, run one
// inference, and say what it took in one line that a person can read. Built there, with the peer's code, outside the
// repository; peer_network.h, which that script writes, binds the weights to their names.
#include "firmware/fault.h"
#include "firmware/platform.h"
#include "firmware/virtual_page.h"
#include "peer_network.h"

#include <stddef.h>
#include <stdint.h>

static void put_text(const char *s)
{
    while (*s)
        platform_put(*s++);
}

static void put_number(const char *name, uint64_t v)
{
    char digits[21];
    size_t n = sizeof digits;
    digits[--n] = 0;
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put_text(name);
    put_text(digits + n);
}

static uint64_t instructions(void)
{
    const volatile struct virtual_page *page = platform_virtual();
    if (!page)
        return 0;
    uint32_t low = page->instructions_lo;
    return (uint64_t)page->instructions_hi << 32 | low;
}

// Any bytes will do, but not all alike.
static void fill_input(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof peer_input; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        peer_input[i] = (uint8_t)x;
    }
}

static uint32_t output_sum(void) // FNV-1a
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < sizeof peer_output; i++)
        h = (h ^ peer_output[i]) * 16777619u;
    return h;
}

// The start-up code's way to report a fault of the core.
_Noreturn void fault_stop(const struct fault *f)
{
    put_text("\npeer fault=");
    put_text(f->code);
    put_number(" pc=", f->pc);
    put_text(" end\n");
    for (;;) {
    }
}

int main(void);

int main(void)
{
    const char *failed = platform_init();
    if (failed) {
        const struct fault f = {.code = "clock", .detail = failed, .pc = 0, .lr = 0};
        fault_stop(&f);
    }
    fill_input();
    uint64_t instructions_before = instructions(), cycles_before = platform_cycles();
    int32_t status = peer_run();
    uint64_t cycles = (platform_cycles() - cycles_before) & platform_cycles_mask;
    uint64_t retired = instructions() - instructions_before;

    put_number("peer status=", status ? 1 : 0);
    put_number(" instructions=", retired);
    put_number(" cycles32=", cycles);
    put_number(" hz=", platform_clock_hz());
    put_number(" output=", output_sum());
    put_text(" end\n");
    for (;;) {
    }
}
