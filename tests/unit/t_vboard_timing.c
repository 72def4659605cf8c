// SPDX-License-Identifier: MIT
// The timing table on hand-made blocks: dual issue, latencies, branches; and the search for a faulting access.
#include "tests/tap.h"

#include "agent/vboard/timing.h"

static struct timing *timing;

static struct timing_block cost(const uint16_t *code, uint32_t halfwords)
{
    struct timing_block b;
    timing_block(timing, (const uint8_t *)code, 0x08000000, 2 * halfwords, &b);
    return b;
}
#define COST(...) cost((const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / 2)

static void test_m4(void)
{
    struct err e = {0};
    struct timing *m7 = timing;
    timing = timing_m4_new(&e);
    if (!OK(timing != NULL))
        return;
    EQ_STR(timing_name(timing), "m4-table");
    EQ_INT(timing_version(timing), 1);
    static const struct {
        const char *what;
        uint16_t code[4];
        uint32_t halfwords, cycles;
    } cases[] = {
        {"add; add, independent", {0xeb01, 0x0002, 0xeb04, 0x0305}, 4, 2},
        {"add with a shift; add that needs it", {0xeb01, 0x0082, 0x4428}, 3, 2},
        {"mla", {0xfb01, 0x3002}, 2, 1},
        {"smlad; add that needs it", {0xfb21, 0x3002, 0x4428}, 3, 2},
        {"smull", {0xfb82, 0x0103}, 2, 1},
        {"sdiv", {0xfb91, 0xf0f2}, 2, 7},
        {"ldr", {0x6808}, 1, 2},
        {"ldr; add that does not need it", {0x6808, 0x442b}, 2, 3},
        {"ldr; ldr: overlap", {0x6808, 0x684a}, 2, 3},
        {"ldr; ldr; ldr", {0x6808, 0x684a, 0x688b}, 3, 4},
        {"ldr; ldr through what was loaded", {0x6808, 0x6802}, 2, 4},
        {"ldr with writeback; ldr from there: overlap", {0xf851, 0x0b04, 0x680a}, 3, 3},
        {"str", {0x6008}, 1, 1},
        {"str with a register offset", {0x5088}, 1, 2},
        {"ldr; str: overlap", {0x6808, 0x604a}, 2, 2},
        {"ldrd", {0xe9d1, 0x2300}, 2, 3},
        {"ldm of four", {0xc93c}, 1, 5},
        {"push of two", {0xb430}, 1, 3},
        {"vadd.f32; vadd.f32 that needs it", {0xee30, 0x0a00, 0xee30, 0x0a00}, 4, 3},
        {"vldr", {0xed91, 0x0a00}, 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t cycles = cost(cases[i].code, cases[i].halfwords).cycles;
        OKF(cycles == cases[i].cycles, "m4: %s: %u cycles, want %u", cases[i].what, cycles,
            cases[i].cycles);
    }
    struct timing_block b = COST(0x3003, 0x3901, 0xd1fc); // adds; subs; bne to the first
    EQ_INT(b.cycles, 3);
    EQ_INT(b.taken, 1);
    EQ_INT(b.fall, 0);
    b = COST(0x2800, 0xd001); // cmp r0,#0; beq forward
    EQ_INT(b.taken, 2);
    b = COST(0xbd30); // pop {r4,r5,pc}
    EQ_INT(b.cycles, 4);
    EQ_INT(b.taken, 2);
    b = COST(0x2001, 0xee30, 0x0b00); // movs; vadd.f64 d0,d0,d0
    EQ_INT(b.flags, TIMING_FLAG_FPU | TIMING_FLAG_DOUBLE);
    EQ_INT(b.double_address, 0x08000002);
    timing_free(timing);
    timing = m7;
}

// Half cycles of a block that runs into the next one.
static uint32_t halves(const struct timing_block *b)
{
    return 2u * b->cycles + b->half;
}

static void test_m7(void)
{
    static const struct {
        const char *what;
        uint16_t code[8];
        uint32_t halfwords, halves;
    } cases[] = {
        {"two additions", {0xeb01, 0x0002, 0xeb04, 0x0305}, 4, 2},
        {"three: the next block has half a cycle", {0x3001, 0x3101, 0x3201}, 3, 3},
        {"addition, early; one that needs it, in the same cycle", {0xeb01, 0x0002, 0x4428}, 3, 2},
        {"... a third one has to wait", {0xeb01, 0x0002, 0x4428, 0x4428}, 4, 3},
        {"and; add that needs it: not early", {0xea01, 0x0002, 0x4428}, 3, 3},
        {"shifted operand is wanted early", {0xea01, 0x0002, 0xeb03, 0x0380}, 4, 5},
        {"word load to addition", {0x6808, 0x3001}, 2, 3},
        {"byte load to addition", {0x7808, 0x3001}, 2, 5},
        {"word load to multiplication: no short way", {0x6808, 0xfb00, 0xf303}, 3, 5},
        {"word load to address", {0x6809, 0x6808}, 2, 5},
        {"two loads, one base, two banks", {0x6808, 0x684a}, 2, 2},
        {"two loads, one base, one bank", {0x6808, 0x688a}, 2, 4},
        {"two loads, two bases: half a collision", {0x6808, 0x681a}, 2, 3},
        {"load and store pair", {0x6808, 0x601a}, 2, 2},
        {"two stores do not", {0x6008, 0x601a}, 2, 3},
        {"base written back: at once to an addition", {0xf851, 0x0b04, 0x310c}, 3, 2},
        {"... and to an address a cycle later", {0xf851, 0x0b04, 0x680a}, 3, 3},
        {"store, then load of the same place", {0x6008, 0x680a}, 2, 11},
        {"store, then load of another place", {0x6008, 0x684a}, 2, 2},
        {"mul; add that needs it", {0xfb01, 0xf002, 0x4428}, 3, 5},
        {"mla; mla on the same accumulator", {0xfb01, 0x0002, 0xfb03, 0x0004}, 4, 3},
        {"mul; store of the product", {0xfb01, 0xf002, 0x6018}, 3, 3},
        {"mul; address", {0xfb01, 0xf002, 0x6803}, 3, 7},
        {"smull; add", {0xfb82, 0x0103, 0x4408}, 3, 5},
        {"sdiv alone", {0xfb91, 0xf0f2}, 2, 6},
        {"ldm of four, alone", {0xc93c}, 1, 4},
        {"push of two, then add", {0xb430, 0x3001}, 2, 3},
        {"uxtb is the first of two", {0x3001, 0xb2d2}, 2, 3},
        {"uxtb; add", {0xb2d2, 0x3001}, 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct timing_block b = cost(cases[i].code, cases[i].halfwords);
        OKF(halves(&b) == cases[i].halves, "m7: %s: %u half cycles, want %u", cases[i].what,
            halves(&b), cases[i].halves);
    }
    // A loop of one block, when the rounds before are under way: three instructions take one and a half cycles.
    struct timing_block b = COST(0x3003, 0x3901, 0xd1fc); // adds; subs; bne to the first
    EQ_INT(b.instructions, 3);
    EQ_INT(halves(&b), 3);
    EQ_INT(b.predict, TIMING_PREDICT_TAKEN);
    EQ_INT(b.miss, 8);
    // ... one that stores what its next round loads: 1 + 1 + 5
    b = COST(0x7808, 0xfb02, 0x0003, 0x7008, 0x3c01, 0xd1f9); // ldrb; mla; strb; subs; bne
    EQ_INT(halves(&b), 14);
    b = COST(0x2800, 0xd001); // cmp r0,#0; beq forward
    EQ_INT(b.predict, TIMING_PREDICT_FALL);
    EQ_INT(b.taken + b.fall, 0);
    b = COST(0x2800, 0xb430, 0xb430, 0xb430, 0xb430, 0xb430, 0xd001); // cmp; push five times; beq
    EQ_INT(b.miss, 6);                                                // flags known early
    b = COST(0x4770);                                                 // bx lr
    EQ_INT(b.predict, TIMING_PREDICT_TARGET);
    EQ_INT(b.miss, 8);
    b = COST(0xe001); // b forward
    EQ_INT(b.predict, TIMING_PREDICT_NONE);
    EQ_INT(b.taken + b.fall + b.miss, 0);
}

int main(void)
{
    struct err e = {0};
    timing = timing_m7_new(&e);
    if (!OK(timing != NULL))
        return tap_done();
    EQ_STR(timing_name(timing), "m7-table");
    EQ_INT(timing_version(timing), 2);
    test_m7();

    struct timing_block b;
    b = COST(0x2001, 0x2802, 0xbf08, 0x2009); // movs; cmp; it eq; moveq
    EQ_INT(b.instructions, 4);
    b = COST(0xe7fe); // b .
    EQ_INT(b.flags, TIMING_FLAG_SPIN);
    b = COST(0x2001, 0xee30, 0x0a00); // movs; vadd.f32 s0,s0,s0
    EQ_INT(b.flags, TIMING_FLAG_FPU);
    EQ_INT(b.fpu_address, 0x08000002);
    b = COST(0xffff, 0xffff, 0x2001); // nothing that a decoder knows: counted by its length
    EQ_INT(b.instructions, 2);
    b = COST(0xeb01); // half an instruction
    EQ_INT(b.instructions, 1);

    // movs r0; adds r0; ldr r3,[r4]; adds r0; ldr r2,[r1]; adds r0
    static const uint16_t block[] = {0x2001, 0x3001, 0x6823, 0x3001, 0x680a, 0x3001};
    const uint8_t *bytes = (const uint8_t *)block;
    uint32_t regs[16] = {[1] = 0x60000000, [4] = 0x20000000};
    EQ_INT(timing_find_access(timing, bytes, 0x1000, sizeof block, regs, 0x60000000), 0x1008);
    EQ_INT(timing_find_access(timing, bytes, 0x1000, sizeof block, regs, 0x20000000), 0x1004);
    EQ_INT(timing_find_access(timing, bytes, 0x1000, sizeof block, regs, 0x30000000), 0x1000);
    EQ_INT(timing_count_before(timing, bytes, 0x1000, sizeof block, 0x1008), 4);
    // ldr r2,[r0]; mov r0,r1; ldr r3,[r0]: with r0 = r1 = fault address only the second can have faulted.
    static const uint16_t rebased[] = {0x6802, 0x4608, 0x6803};
    uint32_t same[16] = {[0] = 0x60000000, [1] = 0x60000000};
    EQ_INT(timing_find_access(timing, (const uint8_t *)rebased, 0x1000, sizeof rebased, same,
                              0x60000000),
           0x1004);
    test_m4();
    timing_free(timing);
    return tap_done();
}
