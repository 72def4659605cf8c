// SPDX-License-Identifier: MIT
// Executor and kernels alone on a Cortex-M: runs the program at oracle_model, as a server made it, once and prints its
// output, by semihosting, which QEMU has and tests/oracle/arm_run.c imitates. No clock, no device, no start-up code of a
// chip. Also says what SysTick counted around a call of nothing and around exec_run(): under QEMU's -icount that counts
// instructions, on the virtual core, which has no SysTick here, the instructions between two BKPTs are counted.
#include "firmware/executor/exec.h"

#include <stdint.h>

#define STACK_TOP 0x20400000u
#define ARENA_BYTES 0x00200000u
#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)
#define SYST_MAX 0xFFFFFFu
#define SYST_ON 5u // by the core's clock, no interrupt

enum { SYS_WRITE0 = 4, SYS_EXIT = 0x18, STOPPED_APPLICATION_EXIT = 0x20026 };

extern const uint8_t oracle_model[];
static int8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static const int8_t *output;

__attribute__((noinline)) static void semihosting(uint32_t operation, uint32_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uint32_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void write_text(const char *text)
{
    semihosting(SYS_WRITE0, (uint32_t)(uintptr_t)text);
}

static void write_hex(uint32_t value, unsigned digits)
{
    static const char hex[] = "0123456789abcdef";
    char text[9] = {0};
    for (unsigned i = 0; i < digits; i++)
        text[i] = hex[value >> (4 * (digits - 1 - i)) & 15];
    write_text(text);
}

static int nothing(void)
{
    return 0;
}

static int inference(void)
{
    return exec_run(oracle_model, arena, sizeof arena, NULL, NULL, &output);
}

// The same instructions around the call, whatever is called.
__attribute__((noinline)) static int timed(int (*volatile call)(void))
{
    write_text("ticks ");
    uint32_t before = SYST_CVR;
    int rc = call();
    uint32_t ticks = (before - SYST_CVR) & SYST_MAX;
    write_text("");
    write_hex(ticks, 6);
    write_text("\n");
    return rc;
}

void start(void);

void start(void)
{
    SYST_RVR = SYST_MAX;
    SYST_CVR = 0;
    SYST_CSR = SYST_ON;
    timed(nothing);
    if (timed(inference) == 0) {
        write_text("output ");
        for (uint32_t i = 0; i < exec_output_bytes(oracle_model); i++)
            write_hex((uint8_t)output[i], 2);
        write_text("\n");
    }
    semihosting(SYS_EXIT, STOPPED_APPLICATION_EXIT);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {STACK_TOP,
                                                                                 (uintptr_t)start};
