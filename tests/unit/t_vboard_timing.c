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

int main(void)
{
    struct err e = {0};
    timing = timing_m7_new(&e);
    if (!OK(timing != NULL))
        return tap_done();
    EQ_STR(timing_name(timing), "m7-table");
    EQ_INT(timing_version(timing), 1);

    struct timing_block b = COST(0xeb01, 0x0002, 0xeb04, 0x0305); // add r0,r1,r2; add r3,r4,r5
    EQ_INT(b.instructions, 2);
    EQ_INT(b.cycles, 1);              // issue together
    b = COST(0xeb01, 0x0002, 0x4428); // add r0,r1,r2; add r0,r5
    EQ_INT(b.cycles, 2);              // the second needs the first
    b = COST(0x6808, 0x684a);         // ldr r0,[r1]; ldr r2,[r1,#4]
    EQ_INT(b.cycles, 2);              // one memory access a cycle
    b = COST(0x6808, 0x3001);         // ldr r0,[r1]; adds r0,#1
    EQ_INT(b.cycles, 3);              // load to use
    b = COST(0xf851, 0x0b04, 0x680a); // ldr r0,[r1],#4; ldr r2,[r1]
    EQ_INT(b.cycles, 2);              // the updated base is there at once
    b = COST(0xfb82, 0x0103, 0x4408); // smull r0,r1,r2,r3; add r0,r1
    EQ_INT(b.cycles, 4);
    b = COST(0xfb91, 0xf0f2, 0xf100, 0x0001); // sdiv r0,r1,r2; add r0,r0,#1
    EQ_INT(b.cycles, 9);
    b = COST(0xc93c); // ldm r1!,{r2-r5}
    EQ_INT(b.cycles, 2);

    b = COST(0x3003, 0x3901, 0xd1fc); // adds; subs; bne to the first
    EQ_INT(b.instructions, 3);
    EQ_INT(b.taken, 0);
    EQ_INT(b.fall, 3);        // leaving a loop
    b = COST(0x2800, 0xd001); // cmp r0,#0; beq forward
    EQ_INT(b.taken, 1);
    EQ_INT(b.fall, 0);
    b = COST(0x4770); // bx lr
    EQ_INT(b.taken, 3);
    b = COST(0xbd30); // pop {r4,r5,pc}
    EQ_INT(b.cycles, 2);
    EQ_INT(b.taken, 3);

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
