// SPDX-License-Identifier: MIT
// The virtual RISC-V core instruction by instruction: results, traps, counters and costs; its debug module as a debugger
// drives it; the SPI flash chip behind it.
#include "tests/tap.h"

#include "agent/vboard/core_riscv.h"
#include "agent/vboard/riscv_debug.h"
#include "agent/vboard/spi_flash.h"

#include <stdlib.h>

#define RAM 0x80000000u
#define SLOW 0x20000000u
#define SLOW_CYCLES 50u
#define EBREAK 0x00100073u

enum { MCAUSE = 0x342, MEPC = 0x341, MTVAL = 0x343, MTVEC = 0x305, DCSR = 0x7b0, DPC = 0x7b1 };

struct bench {
    uint8_t ram[16384], slow[8192];
    struct riscv *core;
    struct riscv_debug debug;
    int resets;
};

static uint32_t io_read(void *user, uint32_t address, unsigned size)
{
    (void)user;
    (void)address;
    (void)size;
    return 0;
}

static void io_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user;
    (void)address;
    (void)size;
    (void)value;
}

static uint32_t slow_read(void *user, uint32_t address, unsigned size)
{
    (void)user;
    (void)address;
    (void)size;
    return SLOW_CYCLES;
}

static bool debug_read(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    struct bench *b = user;
    if (address - RAM >= sizeof b->ram)
        return false;
    *value = 0;
    memcpy(value, b->ram + (address - RAM), size);
    return true;
}

static bool debug_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    struct bench *b = user;
    if (address - RAM >= sizeof b->ram)
        return false;
    memcpy(b->ram + (address - RAM), &value, size);
    riscv_forget_code(b->core);
    return true;
}

static void chip_reset(void *user)
{
    struct bench *b = user;
    b->resets++;
    riscv_reset(b->core);
    riscv_debug_core_was_reset(&b->debug);
}

static bool bench_open(struct bench *b)
{
    const struct riscv_config config = {
        .reset_pc = RAM, .misa = 0x40101105, .timing = &riscv_timing_fe310};
    const struct riscv_bus bus = {b, io_read, io_write, slow_read};
    const struct riscv_debug_bus debug = {b, debug_read, debug_write, chip_reset};
    struct err e = {0};
    memset(b, 0, sizeof *b);
    b->core = riscv_new(&config, &bus, &e);
    if (!b->core ||
        riscv_map_memory(b->core, RAM, sizeof b->ram, b->ram,
                         RISCV_READ | RISCV_WRITE | RISCV_EXECUTE, &e) ||
        riscv_map_memory(b->core, SLOW, sizeof b->slow, b->slow, RISCV_READ | RISCV_SLOW, &e))
        return false;
    riscv_debug_init(&b->debug, b->core, 0x20000913, &debug);
    return true;
}

// Loads words at RAM, ends them with EBREAK, runs them from a reset with a debugger that takes the EBREAK.
static uint64_t run(struct bench *b, const uint32_t *words, size_t n)
{
    const uint32_t end = EBREAK;
    memcpy(b->ram, words, 4 * n);
    memcpy(b->ram + 4 * n, &end, 4);
    riscv_reset(b->core);
    riscv_csr_write(b->core, DCSR, true, 1u << 15);
    riscv_csr_write(b->core, MTVEC, true, RAM + 0x100);
    memcpy(b->ram + 0x100, &end, 4);
    uint64_t before = riscv_cycles(b->core);
    riscv_run(b->core, 1000);
    return riscv_cycles(b->core) - before;
}

static uint32_t csr(struct bench *b, unsigned number)
{
    uint32_t v = 0;
    riscv_csr_read(b->core, number, true, &v);
    return v;
}

static void test_results(struct bench *b)
{
    const uint32_t divide[] = {
        0x80000537, // lui a0, 0x80000
        0xfff00593, // li a1, -1
        0x02b54633, // div a2, a0, a1: overflow
        0x02b566b3, // rem a3, a0, a1
        0x02054733, // div a4, a0, zero
        0x020567b3, // rem a5, a0, zero
        0x02b51833, // mulh a6, a0, a1
        0x02b538b3, // mulhu a7, a0, a1
    };
    run(b, divide, 8);
    EQ_INT(riscv_state(b->core), RISCV_HALTED);
    EQ_INT(riscv_get(b->core, 12), 0x80000000u);
    EQ_INT(riscv_get(b->core, 13), 0);
    EQ_INT(riscv_get(b->core, 14), 0xffffffffu);
    EQ_INT(riscv_get(b->core, 15), 0x80000000u);
    EQ_INT(riscv_get(b->core, 16), 0);
    EQ_INT(riscv_get(b->core, 17), 0x7fffffffu);
    EQ_INT(csr(b, DPC), RAM + 32);
    EQ_INT(csr(b, DCSR) >> 6 & 7, RISCV_DEBUG_EBREAK);
}

static void test_traps(struct bench *b)
{
    static const struct {
        const char *what;
        uint32_t word, cause, value;
    } cases[] = {
        {"misaligned load", 0x00152503, 4, RAM + 1},  // lw a0, 1(a0)
        {"misaligned store", 0x00a510a3, 6, RAM + 1}, // sh a0, 1(a0)
        {"load from nothing", 0x00002503, 5, 0},      // lw a0, 0(zero)
        {"store to nothing", 0x00002023, 7, 0},       // sw zero, 0(zero)
        {"no instruction", 0xffffffff, 2, 0},
        {"CSR that does not exist", 0x7ff02573, 2, 0},
        {"ECALL", 0x00000073, 11, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t words[] = {0x80000537, cases[i].word}; // lui a0, 0x80000
        uint64_t retired = riscv_instructions(b->core);
        run(b, words, 2);
        OKF(csr(b, MCAUSE) == cases[i].cause && csr(b, MTVAL) == cases[i].value &&
                csr(b, MEPC) == RAM + 4 && csr(b, DPC) == RAM + 0x100,
            "%s: mcause %u, mtval %08x, mepc %08x", cases[i].what, csr(b, MCAUSE), csr(b, MTVAL),
            csr(b, MEPC));
        EQ_INT(riscv_instructions(b->core) - retired, 1); // what traps does not retire
    }
    riscv_csr_write(b->core, DPC, true, 0); // nothing there, and no handler either
    riscv_csr_write(b->core, MTVEC, true, 0);
    riscv_csr_write(b->core, DCSR, true, 0);
    riscv_resume(b->core);
    riscv_run(b->core, 1000);
    EQ_INT(riscv_state(b->core), RISCV_LOCKED_UP);
}

static void test_costs(struct bench *b)
{
    const uint32_t independent[] = {0x80000537, 0x00052583, 0x00000613, 0x00058593};
    const uint32_t dependent[] = {0x80000537, 0x00052583, 0x00058593, 0x00000613};
    const uint32_t narrow[] = {0x80000537, 0x00050583, 0x00058593, 0x00000613}; // lb
    const uint32_t slow[] = {0x20000537, 0x00052583, 0x00000613, 0x00058593};
    EQ_INT(run(b, independent, 4), 4);
    EQ_INT(run(b, dependent, 4), 5);
    EQ_INT(run(b, narrow, 4), 6);
    EQ_INT(run(b, slow, 4), 4 + SLOW_CYCLES - 1);
}

static void test_debug(struct bench *b)
{
    enum {
        DATA0 = 4,
        CONTROL = 0x10,
        STATUS = 0x11,
        ABSTRACTCS = 0x16,
        COMMAND = 0x17,
        SBCS = 0x38,
        SBADDRESS = 0x39,
        SBDATA = 0x3c,
        HALTED = 3 << 8,
        RUNNING = 3 << 10,
        HAVERESET = 3 << 18
    };
    struct riscv_debug *d = &b->debug;
    const uint32_t loop = 0x0000006f; // j .
    memcpy(b->ram, &loop, 4);
    riscv_reset(b->core);

    riscv_debug_write(d, DATA0, 77); // not active: ignored
    EQ_INT(riscv_debug_read(d, DATA0), 0);
    riscv_debug_write(d, CONTROL, 1u << 28 | 1);
    EQ_INT(riscv_debug_read(d, STATUS) & (HALTED | RUNNING | HAVERESET), RUNNING);
    riscv_debug_write(d, COMMAND, 0x00221005); // a register of a running core
    EQ_INT(riscv_debug_read(d, ABSTRACTCS) >> 8 & 7, 4);
    riscv_debug_write(d, ABSTRACTCS, 7u << 8);
    riscv_debug_write(d, CONTROL, 1u << 31 | 1);
    EQ_INT(riscv_debug_read(d, STATUS) & (HALTED | RUNNING), HALTED);

    riscv_debug_write(d, DATA0, 0x12345678);
    riscv_debug_write(d, COMMAND, 0x00231005); // x5 = data0
    EQ_INT(riscv_get(b->core, 5), 0x12345678);
    riscv_debug_write(d, COMMAND, 0x002207a0); // tselect: there are no triggers
    EQ_INT(riscv_debug_read(d, ABSTRACTCS) >> 8 & 7, 3);
    riscv_debug_write(d, ABSTRACTCS, 7u << 8);

    riscv_debug_write(d, SBCS, 1u << 16 | 2u << 17); // 32 bits, address goes on
    riscv_debug_write(d, SBADDRESS, RAM + 64);
    riscv_debug_write(d, SBDATA, 0x00130313); // addi t1, t1, 1
    riscv_debug_write(d, SBDATA, EBREAK);
    EQ_INT(riscv_debug_read(d, SBADDRESS), RAM + 72);
    EQ_INT(b->ram[64], 0x13);
    riscv_debug_write(d, SBADDRESS, 0x1000);
    riscv_debug_write(d, SBDATA, 1);
    EQ_INT(riscv_debug_read(d, SBCS) >> 12 & 7, 2); // bad address, until it is cleared
    riscv_debug_write(d, SBCS, 7u << 12 | 2u << 17);
    EQ_INT(riscv_debug_read(d, SBCS) >> 12 & 7, 0);

    riscv_csr_write(b->core, DPC, true, RAM + 64);
    riscv_csr_write(b->core, DCSR, true, 1u << 2); // step
    riscv_debug_write(d, CONTROL, 1u << 30 | 1);
    EQ_INT(riscv_get(b->core, 6), 1);
    EQ_INT(csr(b, DPC), RAM + 68);
    EQ_INT(csr(b, DCSR) >> 6 & 7, RISCV_DEBUG_STEP);

    riscv_debug_write(d, CONTROL, 1u << 31 | 2 | 1); // reset, to be halted after it
    riscv_debug_write(d, CONTROL, 1u << 31 | 1);
    EQ_INT(b->resets, 1);
    EQ_INT(riscv_debug_read(d, STATUS) & (HALTED | RUNNING | HAVERESET), HALTED | HAVERESET);
    EQ_INT(csr(b, DPC), RAM);
    riscv_debug_write(d, CONTROL, 2 | 1);
    riscv_debug_write(d, CONTROL, 1);
    EQ_INT(riscv_debug_read(d, STATUS) & (HALTED | RUNNING), RUNNING);
}

static void spi(struct spi_flash *f, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        spi_flash_byte(f, bytes[i]);
    spi_flash_deselect(f);
}

// An ESP32-C3's core: its counter, its mtvec, no A extension, windows of pages, and a bus for words only.
static void test_c3(void)
{
    enum { WINDOW = 0x42000000, PAGE = 8192 };
    static struct bench b;
    const struct riscv_config config = {
        .reset_pc = RAM, .misa = 0x40101104, .espressif_csrs = true, .timing = &riscv_timing_c3};
    const struct riscv_bus bus = {&b, io_read, io_write, slow_read};
    struct err e = {0};
    uint32_t v, again;
    b.core = riscv_new(&config, &bus, &e);
    if (!OK(b.core) ||
        !OK(riscv_map_memory(b.core, RAM, sizeof b.ram, b.ram,
                             RISCV_READ | RISCV_WRITE | RISCV_EXECUTE, &e) == 0) ||
        !OK(riscv_map_window(b.core, WINDOW, 2 * PAGE, PAGE,
                             RISCV_READ | RISCV_EXECUTE | RISCV_WORDS_ONLY, &e) == 0))
        goto out;

    const uint32_t count[] = {0x7e00d073, 0x7e10d073,  // csrwi mpcer, 1; csrwi mpcmr, 1
                              0x7e2fd073,              // csrwi mpccr, 31
                              0x00000013, 0x7e202573}; // nop; csrr a0, mpccr
    run(&b, count, 5);
    EQ_INT(riscv_get(b.core, 10), 33); // the write itself and the nop; the read is not over yet
    run(&b, count + 2, 3);
    EQ_INT(riscv_get(b.core, 10), 31); // after a reset it does not count
    OK(!riscv_csr_read(b.core, 0xb00, false, &v) && !riscv_csr_read(b.core, 0x304, false, &v));
    OK(riscv_csr_write(b.core, MTVEC, false, RAM + 0x1fc) &&
       riscv_csr_read(b.core, MTVEC, false, &v));
    EQ_INT(v, RAM + 0x101);

    // EBREAK at the trap vector stops each of these.
    const uint32_t lr[] = {0x100525af}, load_word[] = {0x42000537, 0x00052583},
                   load_byte[] = {0x42000537, 0x00050583};
    run(&b, lr, 1);
    riscv_csr_read(b.core, MCAUSE, false, &v);
    EQ_INT(v, 2); // no A: illegal
    run(&b, load_word, 2);
    riscv_csr_read(b.core, MCAUSE, false, &v);
    EQ_INT(v, 5); // nothing mapped
    OK(riscv_map_page(b.core, WINDOW, b.slow) && !riscv_map_page(b.core, RAM, b.slow));
    memcpy(b.slow, (const uint32_t[]){0x12345678}, 4);
    run(&b, load_word, 2);
    EQ_INT(riscv_get(b.core, 11), 0x12345678);
    run(&b, load_byte, 2);
    riscv_csr_read(b.core, MCAUSE, false, &v);
    EQ_INT(v, 5); // a byte on an instruction bus

    // A 32-bit instruction across two pages: only where the second one is mapped.
    const uint32_t jump[] = {0x42002537, 0xffe50067}; // lui a0, 0x42002; jr -2(a0)
    const uint32_t li = 0x12300593;                   // li a1, 0x123
    memcpy(b.slow + PAGE - 2, &li, 2);
    run(&b, jump, 2);
    riscv_csr_read(b.core, MCAUSE, false, &v);
    riscv_csr_read(b.core, MEPC, false, &again);
    EQ_INT(v, 1);
    EQ_INT(again, WINDOW + PAGE - 2);
    memcpy(b.ram + 8192, (const uint8_t *)&li + 2, 2);
    memcpy(b.ram + 8194, (const uint32_t[]){EBREAK}, 4);
    riscv_map_page(b.core, WINDOW + PAGE, b.ram + 8192);
    run(&b, jump, 2);
    EQ_INT(riscv_get(b.core, 11), 0x123);
    riscv_csr_read(b.core, DPC, true, &v);
    EQ_INT(v, WINDOW + PAGE + 2);
    riscv_map_page(b.core, WINDOW, NULL);
    run(&b, load_word, 2);
    riscv_csr_read(b.core, MCAUSE, false, &v);
    EQ_INT(v, 5);
out:
    riscv_free(b.core);
}

static void test_spi_flash(void)
{
    static uint8_t memory[65536 * 2];
    static const uint8_t enable[] = {0x06}, program[] = {0x02, 0x01, 0x00, 0xff, 0x5a, 0x0f},
                         erase[] = {0x20, 0x01, 0x00, 0x10};
    struct spi_flash f;
    memset(memory, 0xff, sizeof memory);
    spi_flash_init(&f, memory, sizeof memory);
    spi(&f, program, sizeof program);
    EQ_INT(memory[0x100ff], 0xff); // not enabled
    spi(&f, enable, 1);
    spi(&f, program, sizeof program);
    EQ_INT(memory[0x100ff], 0x5a);
    EQ_INT(memory[0x10000], 0x0f); // a page goes on at its beginning
    EQ_INT(memory[0x10100], 0xff);
    spi(&f, erase, sizeof erase); // the enable was used up
    EQ_INT(memory[0x100ff], 0x5a);
    spi(&f, enable, 1);
    memory[0x0ffff] = memory[0x11000] = 0;
    spi(&f, erase, sizeof erase);
    EQ_INT(memory[0x100ff], 0xff);
    EQ_INT(memory[0x0ffff], 0); // the sectors beside it stay
    EQ_INT(memory[0x11000], 0);

    const struct spi_read_format dual = {0xbb, 3, 4, 1, 2, 2}, quad = {0xeb, 3, 6, 1, 4, 4},
                                 wrong = {0xbb, 3, 0, 1, 2, 2};
    EQ_INT(spi_flash_read_max_hz(&f, &dual), 133000000);
    EQ_INT(spi_flash_read_max_hz(&f, &quad), 0); // the status register does not allow four lines
    EQ_INT(spi_flash_read_max_hz(&f, &wrong), 0);
}

int main(void)
{
    static struct bench b;
    if (OK(bench_open(&b))) {
        test_results(&b);
        test_traps(&b);
        test_costs(&b);
        test_debug(&b);
    }
    riscv_free(b.core);
    test_c3();
    test_spi_flash();
    return tap_done();
}
