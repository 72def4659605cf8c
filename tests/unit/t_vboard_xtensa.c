// SPDX-License-Identifier: MIT
// The Xtensa core: what instructions do that tests/e2e/xtensa_oracle.t cannot ask QEMU, exceptions, exact counting in
// the middle of a block, buses that take words only. Instructions are put together from the manual's fields.
#include "tests/tap.h"

#include "agent/vboard/core_xtensa.h"

#include <stdint.h>

#define CODE 0x42000000u // fetch and word loads
#define DATA 0x3fc88000u
#define VECTORS (CODE + 0x400u)
#define IO 0x60000000u

static uint8_t code[XTENSA_PAGE], data[XTENSA_PAGE];

static struct {
    struct xtensa *x;
    uint32_t at; // where the next instruction goes
    uint64_t seen_instructions, seen_cycles;
    uint32_t written;
} t;

static bool io_read(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    (void)user;
    (void)size;
    t.seen_instructions = xtensa_instructions(t.x);
    t.seen_cycles = xtensa_cycles(t.x);
    *value = 0x1234;
    return address == IO;
}

static bool io_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    (void)user;
    t.written = value & (size == 4 ? 0xffffffffu : (1u << 8 * size) - 1);
    return address == IO;
}

static void put3(uint32_t word)
{
    for (int i = 0; i < 3; i++)
        code[t.at++ - CODE] = (uint8_t)(word >> 8 * i);
}

static void put2(uint32_t word)
{
    for (int i = 0; i < 2; i++)
        code[t.at++ - CODE] = (uint8_t)(word >> 8 * i);
}

// clang-format off
static void rrr(uint32_t op2, uint32_t op1, uint32_t r, uint32_t s, uint32_t ta)
{
    put3(op2 << 20 | op1 << 16 | r << 12 | s << 8 | ta << 4);
}
static void rri8(uint32_t r, uint32_t s, uint32_t ta, uint32_t imm8, uint32_t op0)
{
    put3((imm8 & 0xff) << 16 | r << 12 | s << 8 | ta << 4 | op0);
}
static void movi(uint32_t ta, int32_t v) { rri8(10, (uint32_t)v >> 8 & 15, ta, (uint32_t)v, 2); }
static void addi(uint32_t ta, uint32_t s, int32_t v) { rri8(12, s, ta, (uint32_t)v, 2); }
static void l32i(uint32_t ta, uint32_t s, uint32_t offset) { rri8(2, s, ta, offset / 4, 2); }
static void l8ui(uint32_t ta, uint32_t s, uint32_t offset) { rri8(0, s, ta, offset, 2); }
static void s32i(uint32_t ta, uint32_t s, uint32_t offset) { rri8(6, s, ta, offset / 4, 2); }
static void s8i(uint32_t ta, uint32_t s, uint32_t offset) { rri8(4, s, ta, offset, 2); }
static void rsr(uint32_t ta, uint32_t sr) { put3(3u << 16 | sr << 8 | ta << 4); }
static void wsr(uint32_t ta, uint32_t sr) { put3(0x13u << 16 | sr << 8 | ta << 4); }
static void brk(void) { rrr(0, 0, 4, 1, 1); }
static void nop(void) { put3(0x20f0); }
static void isync(void) { put3(0x2000); }
static void rfe(void) { put3(0x3000); }
// clang-format on

static void begin(void)
{
    memset(code, 0, sizeof code);
    xtensa_reset(t.x, CODE);
    xtensa_set_sr(t.x, XT_SR_PS, 0);
    xtensa_set_sr(t.x, XT_SR_VECBASE, VECTORS);
    xtensa_set_ar(t.x, 15, DATA);
    xtensa_set_ar(t.x, 14, IO);
    t.at = CODE;
}

static enum xtensa_stop run(void)
{
    return xtensa_run(t.x, 1000);
}

// ar[4] = op(ar[2], ar[3])
static uint32_t compute(uint32_t op2, uint32_t op1, uint32_t s, uint32_t v)
{
    begin();
    rrr(op2, op1, 4, 2, 3);
    brk();
    xtensa_set_ar(t.x, 2, s);
    xtensa_set_ar(t.x, 3, v);
    run();
    return xtensa_ar(t.x, 4);
}

static uint32_t with_bit(uint32_t op2, uint32_t s, uint32_t bit) // SEXT, CLAMPS
{
    begin();
    rrr(op2, 3, 4, 2, bit - 7);
    brk();
    xtensa_set_ar(t.x, 2, s);
    run();
    return xtensa_ar(t.x, 4);
}

static void test_arithmetic(void)
{
    EQ_INT(compute(10, 2, 0xffffffffu, 0xffffffffu), 0xfffffffeu); // MULUH
    EQ_INT(compute(10, 2, 0x80000000u, 6), 3);
    EQ_INT(compute(11, 2, 0xffffffffu, 0xffffffffu), 0); // MULSH
    EQ_INT(compute(11, 2, 0x80000000u, 0x80000000u), 0x40000000u);
    EQ_INT(compute(11, 2, 0xffffffffu, 7), 0xffffffffu);
    EQ_INT(compute(12, 2, 0xfffffff9u, 2), 0x7ffffffcu); // QUOU
    EQ_INT(compute(13, 2, 0xfffffff9u, 2), 0xfffffffdu); // QUOS: towards zero
    EQ_INT(compute(14, 2, 0xfffffff9u, 16), 9);          // REMU
    EQ_INT(compute(15, 2, 0xfffffff9u, 2), 0xffffffffu); // REMS: sign of the dividend
    EQ_INT(compute(13, 2, 0x80000000u, 0xffffffffu), 0x80000000u);
    EQ_INT(compute(15, 2, 0x80000000u, 0xffffffffu), 0);
    EQ_INT(compute(4, 3, 0xffffffffu, 1), 0xffffffffu); // MIN
    EQ_INT(compute(5, 3, 0xffffffffu, 1), 1);           // MAX
    EQ_INT(compute(6, 3, 0xffffffffu, 1), 1);           // MINU
    EQ_INT(compute(7, 3, 0xffffffffu, 1), 0xffffffffu); // MAXU
    EQ_INT(with_bit(2, 0x1280, 7), 0xffffff80u);        // SEXT
    EQ_INT(with_bit(2, 0x127f, 7), 0x7f);
    EQ_INT(with_bit(3, 1000, 7), 127); // CLAMPS
    EQ_INT(with_bit(3, (uint32_t)-1000, 7), (uint32_t)-128);
    EQ_INT(with_bit(3, (uint32_t)-100, 7), (uint32_t)-100);
}

// What QEMU does not do: the accumulator at the end of its range, counting, the alignment of loops.
static void test_mac16(void)
{
    begin();
    put3(0x780234); // MULA.AA.LL a2, a3
    rsr(4, XT_SR_ACCLO);
    rsr(5, XT_SR_ACCHI);
    brk();
    xtensa_set_ar(t.x, 2, 0x10007);
    xtensa_set_ar(t.x, 3, 0xffff);
    xtensa_set_sr(t.x, XT_SR_ACCLO, 3);
    xtensa_set_sr(t.x, XT_SR_ACCHI, 0x1280);
    EQ_INT(xtensa_sr(t.x, XT_SR_ACCHI), 0xffffff80u);
    run();
    EQ_INT(xtensa_ar(t.x, 4), 0xfffffffcu); // -2^39 + 3 - 7: wraps
    EQ_INT(xtensa_ar(t.x, 5), 0x7f);
}

// Runs until the vector, which holds a BREAK, and checks how it got there.
static void caught(const char *what, uint32_t vector, uint32_t cause, uint32_t pc)
{
    uint32_t at = t.at;
    t.at = VECTORS + vector;
    brk();
    t.at = at;
    OKF(run() == XTENSA_BREAK && xtensa_pc(t.x) == VECTORS + vector, "%s: its vector, pc %08x",
        what, xtensa_pc(t.x));
    OKF(xtensa_sr(t.x, XT_SR_EXCCAUSE) == cause, "%s: cause %u", what,
        xtensa_sr(t.x, XT_SR_EXCCAUSE));
    uint32_t at_sr = vector == XTENSA_VECTOR_DOUBLE ? XT_SR_DEPC : XT_SR_EPC1;
    OKF(xtensa_sr(t.x, at_sr) == pc, "%s: at %08x", what, xtensa_sr(t.x, at_sr));
    OKF((xtensa_sr(t.x, XT_SR_PS) & XTENSA_PS_EXCM) != 0, "%s: EXCM", what);
}

// Ten rounds of two instructions, with LOOP at the n-th byte of a word.
static void put_loop(uint32_t n)
{
    begin();
    t.at += n;
    xtensa_set_pc(t.x, t.at);
    put3(0x058276); // LOOP a2: six bytes
    addi(3, 3, 1);
    addi(4, 4, 2);
    brk();
    xtensa_set_ar(t.x, 2, 10);
}

static void test_loop(void)
{
    put_loop(1);
    const uint64_t instructions = xtensa_instructions(t.x), cycles = xtensa_cycles(t.x);
    EQ_INT(run(), XTENSA_BREAK);
    EQ_INT(xtensa_ar(t.x, 3), 10);
    EQ_INT(xtensa_ar(t.x, 4), 20);
    EQ_INT(xtensa_sr(t.x, XT_SR_LCOUNT), 0);
    EQ_INT(xtensa_instructions(t.x) - instructions, 21);
    EQ_INT(xtensa_cycles(t.x) - cycles, 22); // going round costs nothing
    put_loop(0);
    caught("a loop whose first instruction crosses a word", XTENSA_VECTOR_KERNEL,
           XTENSA_CAUSE_ILLEGAL, CODE);
    EQ_INT(xtensa_ar(t.x, 3), 0);
}

static void test_exceptions(void)
{
    begin();
    movi(2, 5);
    uint32_t here = t.at;
    rrr(12, 2, 4, 2, 3); // by ar[3] = 0
    caught("division by zero", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_DIVIDE, here);

    begin();
    movi(2, 5);
    here = t.at;
    put3(0x36); // ENTRY: no windows here
    caught("an unknown instruction", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_ILLEGAL, here);

    begin();
    put3(0x5000); // SYSCALL
    xtensa_set_sr(t.x, XT_SR_PS, XTENSA_PS_UM);
    caught("a system call in user mode", XTENSA_VECTOR_USER, XTENSA_CAUSE_SYSCALL, CODE);

    begin();
    put2(0xf06d); // ILL.N
    xtensa_set_sr(t.x, XT_SR_PS, XTENSA_PS_EXCM);
    caught("ILL in a handler", XTENSA_VECTOR_DOUBLE, XTENSA_CAUSE_ILLEGAL, CODE);

    begin();
    rri8(1, 15, 2, 1, 2); // L16UI a2, a15, 2
    l32i(2, 15, 0);
    xtensa_set_ar(t.x, 15, DATA + 1);
    caught("a load of a word that is not aligned", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_ALIGNMENT,
           CODE);
    EQ_INT(xtensa_sr(t.x, XT_SR_EXCVADDR), DATA + 3);

    begin();
    l32i(2, 14, 4);
    caught("a load from nowhere", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_LOAD_PROHIBITED, CODE);
    EQ_INT(xtensa_sr(t.x, XT_SR_EXCVADDR), IO + 4);

    begin();
    s8i(2, 14, 1);
    caught("a store to nowhere", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_STORE_PROHIBITED, CODE);

    begin();
    xtensa_set_ar(t.x, 3, CODE);
    l32i(2, 3, 0);
    here = t.at;
    l8ui(2, 3, 0);
    caught("a byte from the instruction bus", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_LOAD_STORE, here);
    EQ_INT(xtensa_ar(t.x, 2), 0x22002322); // the word: L32I itself and the next byte

    begin();
    rrr(0, 0, 0, 3, 10); // JX a3
    xtensa_set_ar(t.x, 3, DATA);
    caught("a jump into data", XTENSA_VECTOR_KERNEL, XTENSA_CAUSE_FETCH_PROHIBITED, DATA);

    // A handler returns behind the instruction.
    begin();
    put3(0x5000);
    movi(7, 77);
    brk();
    t.at = VECTORS + XTENSA_VECTOR_KERNEL;
    rsr(2, XT_SR_EPC1);
    addi(2, 2, 3);
    wsr(2, XT_SR_EPC1);
    rfe();
    EQ_INT(run(), XTENSA_BREAK);
    EQ_INT(xtensa_ar(t.x, 7), 77);
    EQ_INT(xtensa_sr(t.x, XT_SR_PS) & XTENSA_PS_EXCM, 0);

    // No debugger listens: the board has the debug exception taken.
    xtensa_debug_exception(t.x);
    EQ_INT(xtensa_pc(t.x), VECTORS + XTENSA_VECTOR_DEBUG);
    EQ_INT(xtensa_sr(t.x, XT_SR_EPC1 + 5), CODE + 6);
}

static void test_counting(void)
{
    begin();
    uint64_t n0 = xtensa_instructions(t.x), c0 = xtensa_cycles(t.x);
    nop();
    nop();
    l32i(2, 14, 0); // the bus looks at the counters here
    s32i(2, 14, 0);
    nop();
    brk();
    EQ_INT(run(), XTENSA_BREAK);
    EQ_INT(t.seen_instructions - n0, 3);
    EQ_INT(t.seen_cycles - c0, 3);
    EQ_INT(t.written, 0x1234);
    EQ_INT(xtensa_instructions(t.x) - n0, 5); // the BREAK did not retire
    EQ_INT(xtensa_cycles(t.x) - c0, 6);       // the store waits for the loaded value

    begin();
    n0 = xtensa_instructions(t.x);
    nop();
    l32i(2, 14, 4);
    nop();
    nop();
    EQ_INT(xtensa_step(t.x), XTENSA_BUDGET);
    EQ_INT(xtensa_instructions(t.x) - n0, 1);
    xtensa_step(t.x);
    EQ_INT(xtensa_pc(t.x), VECTORS + XTENSA_VECTOR_KERNEL);
    EQ_INT(xtensa_instructions(t.x) - n0, 1); // a load that faults does not retire

    // CCOUNT counts cycles: ten NOPs between two looks at it, and each look's own cycle.
    begin();
    rsr(2, XT_SR_CCOUNT);
    for (int i = 0; i < 10; i++)
        nop();
    rsr(3, XT_SR_CCOUNT);
    brk();
    run();
    EQ_INT(xtensa_ar(t.x, 3) - xtensa_ar(t.x, 2), 11);

    // A loop of 100 turns: two instructions a turn, and the branch is taken 99 times.
    begin();
    movi(2, 100);
    n0 = xtensa_instructions(t.x);
    c0 = xtensa_cycles(t.x);
    addi(2, 2, -1);
    put3((uint32_t)(-7 & 0xfff) << 12 | 2u << 8 | 5u << 4 | 6u); // BNEZ a2, back to the ADDI
    brk();
    EQ_INT(run(), XTENSA_BREAK);
    EQ_INT(xtensa_instructions(t.x) - n0, 201);
    EQ_INT(xtensa_cycles(t.x) - c0, 201 + 99 * 2);

    // A block longer than the decoder's limit.
    begin();
    n0 = xtensa_instructions(t.x);
    for (int i = 0; i < 100; i++)
        addi(2, 2, 1);
    brk();
    EQ_INT(run(), XTENSA_BREAK);
    EQ_INT(xtensa_ar(t.x, 2), 100);
    EQ_INT(xtensa_instructions(t.x) - n0, 100);

    // A slice ends at its budget, at most a block later.
    begin();
    nop();
    put3((uint32_t)(-7 & 0x3ffff) << 6 | 6u); // J back to the NOP
    n0 = xtensa_instructions(t.x);
    EQ_INT(xtensa_run(t.x, 1001), XTENSA_BUDGET);
    OK(xtensa_instructions(t.x) - n0 >= 1001 && xtensa_instructions(t.x) - n0 < 1001 + 32);
}

static void test_stops_and_code(void)
{
    begin();
    rrr(0, 0, 7, 0, 0); // WAITI 0
    EQ_INT(run(), XTENSA_SLEEP);
    EQ_INT(xtensa_pc(t.x), CODE + 3);

    begin();
    put3((uint32_t)(-4 & 0x3ffff) << 6 | 6u); // J to itself
    EQ_INT(run(), XTENSA_SLEEP);
    EQ_INT(xtensa_pc(t.x), CODE);

    // Changed code runs after it was said to have changed, or after ISYNC.
    begin();
    movi(2, 1);
    brk();
    run();
    EQ_INT(xtensa_ar(t.x, 2), 1);
    t.at = CODE;
    movi(2, 2);
    xtensa_set_pc(t.x, CODE);
    xtensa_forget_code(t.x);
    run();
    EQ_INT(xtensa_ar(t.x, 2), 2);
    begin();
    t.at = CODE + 0x100;
    movi(2, 3);
    brk();
    t.at = CODE;
    isync();
    put3((uint32_t)(0x100 - 3 - 4) << 6 | 6u); // J to CODE + 0x100
    xtensa_set_pc(t.x, CODE + 0x100);
    run();
    t.at = CODE + 0x100;
    movi(2, 4);
    xtensa_set_pc(t.x, CODE);
    run();
    EQ_INT(xtensa_ar(t.x, 2), 4);
}

int main(void)
{
    static const struct xtensa_bus bus = {NULL, io_read, io_write};
    struct err e = {0};
    t.x = xtensa_new(0x40000000, &bus, &e);
    if (!OKF(t.x != NULL, "a core: %s", e.msg))
        return tap_done();
    xtensa_map(t.x, CODE, XTENSA_PAGE, code, XTENSA_FETCH | XTENSA_READ_WORD);
    xtensa_map(t.x, DATA, XTENSA_PAGE, data, XTENSA_READ | XTENSA_WRITE);
    test_arithmetic();
    test_mac16();
    test_loop();
    test_exceptions();
    test_counting();
    test_stops_and_code();
    xtensa_free(t.x);
    xtensa_free(NULL);
    return tap_done();
}
