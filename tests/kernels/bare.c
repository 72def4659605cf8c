// SPDX-License-Identifier: MIT
// cases.c without an operating system: entered at the image's first byte, runs the cases at BARE_CASES and stops the
// core. The core counts its instructions at BARE_COUNTER (kernel-run puts both there).
#include "tests/kernels/bare.h"
#include "tests/kernels/cases.h"

void bare_main(void);

static _Alignas(16) uint8_t stack[16384] __attribute__((used));

void bare_main(void)
{
    cases_run((struct cases *)BARE_CASES, (const volatile uint32_t *)BARE_COUNTER);
}

#if defined(__arm__)
__asm__(".syntax unified\n .thumb\n .section .start, \"ax\"\n .global start\n .thumb_func\nstart:\n"
        " ldr r0, =stack + 16384\n mov sp, r0\n bl bare_main\n1: b 1b\n .ltorg\n");
#elif defined(__riscv)
__asm__(".section .start, \"ax\"\n .global start\nstart:\n"
        " la sp, stack + 16384\n call bare_main\n1: wfi\n j 1b\n");
#elif defined(__XTENSA__)
__asm__(".section .start, \"ax\"\n .global start\nstart:\n j run\n"
        " .text\n .align 4\n .literal_position\nrun:\n"
        " movi a2, 0x2f\n wsr.ps a2\n rsync\n" // no exception at hand: loops go round
        " movi a1, stack + 16384 - 16\n movi a2, bare_main\n callx0 a2\n1: j 1b\n");
#endif
