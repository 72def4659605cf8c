// SPDX-License-Identifier: MIT
// What all RISC-V chips share: the way from a trap to its record. A chip's entry sets mtvec to
// riscv_vector (a multiple of 256) and the stack pointer, and jumps to soc_start(). No interrupt is ever enabled.
#include "firmware/fault.h"
#include "firmware/platform.h"
#include "firmware/soc/soc.h"

#include <stdbool.h>

// Causes of mcause, RISC-V privileged architecture
#define CAUSE_FETCH_MISALIGNED 0u
#define CAUSE_FETCH_ACCESS 1u
#define CAUSE_ILLEGAL 2u
#define CAUSE_BREAKPOINT 3u
#define CAUSE_LOAD_MISALIGNED 4u
#define CAUSE_LOAD_ACCESS 5u
#define CAUSE_STORE_MISALIGNED 6u
#define CAUSE_STORE_ACCESS 7u

#define STACK_LEFT_BYTES 32u // with less than that left, the stack is what went wrong first

_Noreturn void riscv_trap(uint32_t sp, uint32_t lr);

// clang-format off
__asm__(
    // Go on with the stack of the trap unless little of it is left, or it is none.
    "    .section .text.riscv_vector, \"ax\"\n"
    "    .align 8\n" // the first entry of a table, where a core knows vectored mode alone
    "    .global riscv_vector\n"
    "riscv_vector:\n"
    "    mv a0, sp\n"
    "    mv a1, ra\n"
    "    la a2, fw_stack_bottom + 768\n"
    "    la a3, fw_stack_top\n"
    "    bltu sp, a2, 1f\n"
    "    bleu sp, a3, 2f\n"
    "1:  mv sp, a3\n"
    "2:  andi sp, sp, -16\n"
    "    j riscv_trap\n"
    "    .text\n");
// clang-format on

static const char *fault_code(uint32_t cause, uint32_t address, uint32_t sp)
{
    bool data = cause == CAUSE_LOAD_ACCESS || cause == CAUSE_STORE_ACCESS;
    if (sp < (uintptr_t)fw_stack_bottom + STACK_LEFT_BYTES || (data && soc_below_stack(address)))
        return "stack-overflow";
    switch (cause) {
    case CAUSE_FETCH_MISALIGNED:
    case CAUSE_ILLEGAL:
    case CAUSE_BREAKPOINT:
    case CAUSE_LOAD_MISALIGNED:
    case CAUSE_STORE_MISALIGNED:
        return "usagefault";
    case CAUSE_FETCH_ACCESS:
    case CAUSE_LOAD_ACCESS:
    case CAUSE_STORE_ACCESS:
        return "busfault";
    default:
        return "hardfault";
    }
}

_Noreturn void riscv_trap(uint32_t sp, uint32_t lr)
{
    uint32_t cause, address, pc;
    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    __asm__ volatile("csrr %0, mtval" : "=r"(address));
    __asm__ volatile("csrr %0, mepc" : "=r"(pc));
    struct fault f = {.code = fault_code(cause, address, sp), .pc = pc, .lr = lr};

    char detail[64]; // the longest is 52 bytes
    char *at = soc_put_hex(soc_put_text(detail, "mcause "), cause);
    at = soc_put_hex(soc_put_text(at, " mtval "), address);
    at = soc_put_hex(soc_put_text(at, " sp "), sp);
    *at = '\0';
    f.detail = detail;
    fault_stop(&f);
}

uint32_t platform_irq_off(void)
{
    uint32_t state;
    __asm__ volatile("csrrci %0, mstatus, 8" : "=r"(state)::"memory");
    return state;
}

void platform_irq_restore(uint32_t state)
{
    __asm__ volatile("csrs mstatus, %0" ::"r"(state & 8u) : "memory");
}

uintptr_t platform_stack_pointer(void)
{
    uintptr_t sp;
    __asm__ volatile("mv %0, sp" : "=r"(sp));
    return sp;
}
