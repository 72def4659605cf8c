// SPDX-License-Identifier: MIT
// The JTAG side of a virtual board: TAP state machine, Bus Pirate commands as OpenOCD sends them, and the Xtensa debug
// module behind both.
#include "tests/tap.h"

#include "agent/vboard/buspirate.h"
#include "agent/vboard/jtag_tap.h"
#include "agent/vboard/xtensa_debug.h"

#include <fcntl.h>
#include <stdint.h>
#include <termios.h>
#include <unistd.h>

// ---- a device that remembers -----------------------------------------------------------------------

static struct {
    int captures, updates, ir_updates, resets;
    uint32_t ir;
    uint64_t value;
} seen;

static unsigned seen_capture(void *user, uint32_t ir, uint64_t *value)
{
    (void)user;
    seen.captures++;
    *value = ir == 3 ? 0xfedcba9876543210u : 0x5a;
    return ir == 2 ? 8 : ir == 3 ? 64 : 0;
}

static void seen_update(void *user, uint32_t ir, uint64_t value)
{
    (void)user;
    seen.updates++;
    seen.ir = ir;
    seen.value = value;
}

static void seen_ir(void *user, uint32_t ir)
{
    (void)user;
    seen.ir_updates++;
    seen.ir = ir;
}

static void seen_reset(void *user)
{
    (void)user;
    seen.resets++;
}

static const struct jtag_device device = {
    .ir_bits = 5,
    .ir_reset = 2,
    .capture_dr = seen_capture,
    .update_dr = seen_update,
    .update_ir = seen_ir,
    .reset = seen_reset,
};

static void clocks(struct jtag_tap *t, const char *tms)
{
    for (; *tms; tms++)
        jtag_tap_clock(t, *tms == '1', false);
}

// From Run-Test/Idle through a scan and back: what came out.
static uint64_t scan(struct jtag_tap *t, bool ir, uint64_t value, unsigned bits)
{
    uint64_t out = 0;
    clocks(t, ir ? "1100" : "100");
    for (unsigned i = 0; i < bits; i++)
        out |= (uint64_t)jtag_tap_clock(t, i + 1 == bits, value >> i & 1) << i;
    clocks(t, "10");
    return out;
}

static void test_tap(void)
{
    struct jtag_tap t;
    jtag_tap_init(&t, &device);
    EQ_INT(seen.resets, 1);
    clocks(&t, "111110");
    EQ_INT(seen.resets, 1); // it was in reset all the time
    EQ_INT(scan(&t, false, 0xa7, 8), 0x5a);
    EQ_INT(seen.ir, 2); // the instruction after reset
    EQ_INT(seen.value, 0xa7);
    EQ_INT(scan(&t, true, 3, 5), 1); // the standard's 01 in the lowest bits
    EQ_INT(seen.ir_updates, 1);
    OK(scan(&t, false, 0x0123456789abcdefu, 64) == 0xfedcba9876543210u);
    OK(seen.ir == 3 && seen.value == 0x0123456789abcdefu);
    scan(&t, true, 0x1f, 5); // unknown: bypass, one bit of delay
    int updates = seen.updates;
    EQ_INT(scan(&t, false, 0x2d, 8), 0x5a);
    EQ_INT(seen.updates, updates);
    // A scan that pauses in the middle goes on where it was.
    scan(&t, true, 2, 5);
    clocks(&t, "100");
    for (int i = 0; i < 4; i++)
        jtag_tap_clock(&t, i == 3, 0xc3 >> i & 1);
    clocks(&t, "00010");
    for (int i = 4; i < 8; i++)
        jtag_tap_clock(&t, i == 7, 0xc3 >> i & 1);
    clocks(&t, "10");
    EQ_INT(seen.value, 0xc3);
    clocks(&t, "11111");
    EQ_INT(seen.resets, 2);
    EQ_INT(t.ir, 2);
}

// ---- the adapter -----------------------------------------------------------------------------------

static int srst = -1;
static bool silent;

static void on_srst(void *user, bool asserted)
{
    (void)user;
    srst = asserted;
}

static bool on_silent(void *user)
{
    (void)user;
    return silent;
}

// What OpenOCD reads on its side of the terminal.
static size_t answer(struct buspirate *p, int fd, uint8_t *out, size_t n)
{
    struct pollfd fds[BUSPIRATE_FDS];
    buspirate_poll_prepare(p, fds); // flushes
    ssize_t got = read(fd, out, n);
    return got > 0 ? (size_t)got : 0;
}

static void test_buspirate(void)
{
    struct err e = {0};
    struct jtag_tap tap;
    const struct buspirate_hooks hooks = {NULL, on_srst, on_silent};
    uint8_t zeros[20] = {0}, out[64];
    jtag_tap_init(&tap, &device);
    struct buspirate *p = buspirate_new(&tap, &hooks, &e);
    if (!OKF(p != NULL, "an adapter: %s", e.msg))
        return;
    int fd = open(buspirate_tty(p), O_RDWR | O_NOCTTY | O_NONBLOCK);
    OK(fd >= 0);

    buspirate_input(p, (const uint8_t *)"?\n", 2); // a person at the terminal gets nothing
    EQ_INT(answer(p, fd, out, sizeof out), 0);
    buspirate_input(p, zeros, sizeof zeros);
    OK(answer(p, fd, out, sizeof out) == 5 && memcmp(out, "BBIO1", 5) == 0);
    OK(!buspirate_busy(p));
    buspirate_input(p, (const uint8_t[]){6}, 1);
    OK(answer(p, fd, out, sizeof out) == 4 && memcmp(out, "OCD1", 4) == 0);
    OK(buspirate_busy(p));

    buspirate_input(p, (const uint8_t[]){7, 1, 0xaa, 0x55, 3, 8, 1, 2}, 8);
    OK(answer(p, fd, out, sizeof out) == 12 && out[0] == 7 && out[1] == 1 && out[2] == 3 &&
       out[3] == 8);
    buspirate_input(p, (const uint8_t[]){2, 8, 0}, 3);
    EQ_INT(srst, 1);
    buspirate_input(p, (const uint8_t[]){2, 8, 1}, 3);
    EQ_INT(srst, 0);

    // Eleven bits of a data scan: to Shift-DR (0,1,0,0), then seven bits of the register; bytes arrive one by one.
    const uint8_t shift[] = {5, 0, 11, 0x00, 0x02, 0x00, 0x00};
    for (size_t i = 0; i < sizeof shift; i++) {
        EQ_INT(answer(p, fd, out, sizeof out), 0);
        buspirate_input(p, shift + i, 1);
    }
    EQ_INT(answer(p, fd, out, sizeof out), 5);
    OK(out[0] == 5 && out[1] == 0 && out[2] == 11);
    EQ_INT(out[3] >> 4 | out[4] << 4, 0x5a & 0x7f);

    silent = true;
    buspirate_input(p, shift, sizeof shift);
    EQ_INT(answer(p, fd, out, sizeof out), 0);
    silent = false;
    buspirate_input(p, (const uint8_t[]){0x77, 0}, 2); // unknown, then leave
    OK(answer(p, fd, out, sizeof out) == 5 && memcmp(out, "BBIO1", 5) == 0);
    OK(!buspirate_busy(p));
    close(fd);
    buspirate_free(p);
    buspirate_free(NULL);
}

// ---- the Xtensa debug module -------------------------------------------------------------------------

#define RAM 0x3fc88000u
static uint8_t ram[XTENSA_PAGE];
static int core_resets;

static bool ram_read(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    (void)user;
    *value = 0;
    if (address - RAM >= sizeof ram)
        return false;
    memcpy(value, ram + (address - RAM), size);
    return true;
}

static bool ram_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user;
    if (address - RAM >= sizeof ram)
        return false;
    memcpy(ram + (address - RAM), &value, size);
    return true;
}

static void core_reset(void *user)
{
    (void)user;
    core_resets++;
}

enum {
    OCDID = 0x40,
    DCRSET = 0x43,
    DSR = 0x44,
    DDR = 0x45,
    DDREXEC = 0x46,
    DIR0EXEC = 0x47,
    DIR0 = 0x48
};

static uint32_t nar(struct jtag_tap *t, unsigned reg, bool write, uint32_t value)
{
    scan(t, true, 0x1c, 5);
    scan(t, false, reg << 1 | write, 8);
    return (uint32_t)scan(t, false, value, 32);
}

static void inject(struct jtag_tap *t, uint32_t word)
{
    nar(t, DIR0EXEC, true, word);
}

static void test_xtensa_debug(void)
{
    struct err e = {0};
    static const struct xtensa_bus bus = {NULL, ram_read, ram_write};
    static const struct xtensa_debug_bus debug_bus = {NULL, ram_read, ram_write, core_reset};
    struct xtensa *x = xtensa_new(0x40000000, &bus, &e);
    struct xtensa_debug d;
    struct jtag_tap t;
    if (!OKF(x != NULL, "a core: %s", e.msg))
        return;
    xtensa_debug_init(&d, x, &debug_bus);
    struct jtag_device dev = xtensa_debug_device(&d);
    jtag_tap_init(&t, &dev);
    clocks(&t, "0");

    EQ_INT(scan(&t, false, 0, 32), 0x120034e5); // IDCODE of the ESP32-S3
    EQ_INT(nar(&t, OCDID, false, 0), 0x0b33c001);
    EQ_INT(nar(&t, DSR, false, 0), 0x80000000u); // powered, running
    inject(&t, 0x03e640);                        // RSR a4, PS: a running core does not take it
    EQ_INT(xtensa_ar(x, 4), 0);

    xtensa_set_pc(x, 0x1234);
    nar(&t, DCRSET, true, 3); // enable, debug interrupt
    EQ_INT(nar(&t, DSR, false, 0) & 0x10, 0x10);
    OK(d.halted);
    inject(&t, 0x03b640); // RSR a4, EPC6: where it stopped
    EQ_INT(xtensa_ar(x, 4), 0x1234);
    EQ_INT(nar(&t, DSR, false, 0) & 3, 1); // done, no exception

    // A register out and in through DDR.
    xtensa_set_ar(x, 3, 0xcafe0003);
    inject(&t, 0x136830); // WSR a3, DDR
    EQ_INT(nar(&t, DDR, false, 0), 0xcafe0003u);
    nar(&t, DDR, true, RAM);
    inject(&t, 0x036830); // RSR a3, DDR
    EQ_INT(xtensa_ar(x, 3), RAM);

    // The register window: a3 after ROTW 1 is AR7, ROTW -1 goes back.
    xtensa_set_ar(x, 7, 7777);
    inject(&t, 0x408010);
    inject(&t, 0x136830);
    EQ_INT(nar(&t, DDR, false, 0), 7777);
    inject(&t, 0x4080f0);
    EQ_INT(xtensa_sr(x, 72), 0);

    // Words in a row, each by one access of DDREXEC.
    nar(&t, DIR0, true, 0x0073f0); // SDDR32.P a3
    for (uint32_t i = 0; i < 4; i++)
        nar(&t, DDREXEC, true, 0x11111111u * i);
    EQ_INT(xtensa_ar(x, 3), RAM + 16);
    OK(ram[4] == 0x11 && ram[8] == 0x22 && ram[15] == 0x33);
    xtensa_set_ar(x, 3, RAM + 4);
    inject(&t, 0x0073e0); // LDDR32.P a3
    EQ_INT(nar(&t, DDREXEC, false, 0), 0x11111111);
    EQ_INT(nar(&t, DDR, false, 0), 0x22222222);

    xtensa_set_ar(x, 3, 0x10);
    inject(&t, 0x002342); // L32I a4, a3, 0: nothing there
    EQ_INT(nar(&t, DSR, false, 0) & 3, 3);
    nar(&t, DSR, true, 3);
    inject(&t, 0xffffff);
    EQ_INT(nar(&t, DSR, false, 0) & 3, 3); // not an instruction

    inject(&t, 0x13b640); // WSR a4, EPC6
    uint32_t pc = xtensa_ar(x, 4);
    inject(&t, 0xf1e000); // RFDO
    OK(!d.halted && xtensa_pc(x) == pc);
    OK(xtensa_debug_break(&d)); // enabled: a BREAK halts
    EQ_INT(xtensa_sr(x, XT_SR_DEBUGCAUSE), 8);

    scan(&t, true, 0x08, 5);
    scan(&t, false, 0x17, 8); // PWRCTL: core reset
    EQ_INT(core_resets, 1);
    xtensa_debug_core_was_reset(&d);
    OK(!d.halted);
    scan(&t, true, 0x09, 5);
    EQ_INT(scan(&t, false, 0x50, 8) & 0x10,
           0x10); // PWRSTAT says so, and is cleared by writing ones
    EQ_INT(scan(&t, false, 0, 8), 0x07);
    xtensa_free(x);
}

int main(void)
{
    test_tap();
    test_buspirate();
    test_xtensa_debug();
    return tap_done();
}
