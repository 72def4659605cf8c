// SPDX-License-Identifier: MIT
// What all RISC-V chips share: C's start, and the way from a trap to its record. No interrupt is ever enabled.
#include "firmware/soc/riscv/riscv.h"
#include "firmware/fault.h"
#include "firmware/platform.h"

#include <stdbool.h>
#include <string.h>

// Causes of mcause, RISC-V privileged architecture
#define CAUSE_FETCH_MISALIGNED 0u
#define CAUSE_FETCH_ACCESS 1u
#define CAUSE_ILLEGAL 2u
#define CAUSE_BREAKPOINT 3u
#define CAUSE_LOAD_MISALIGNED 4u
#define CAUSE_LOAD_ACCESS 5u
#define CAUSE_STORE_MISALIGNED 6u
#define CAUSE_STORE_ACCESS 7u

#define STACK_GUARD_BYTES 4096u // an access this far below the stack counts as its overflow
#define STACK_LEFT_BYTES 32u    // with less than that left, the stack is what went wrong first

extern uint8_t fw_data_start[], fw_data_end[];
extern const uint8_t fw_data_load[];
extern uint8_t fw_bss_start[], fw_bss_end[];
int main(void);

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

_Noreturn void riscv_start(void)
{
    memcpy(fw_data_start, fw_data_load, (uintptr_t)fw_data_end - (uintptr_t)fw_data_start);
    memset(fw_bss_start, 0, (uintptr_t)fw_bss_end - (uintptr_t)fw_bss_start);
    main();
    __builtin_unreachable(); // main() ends in the session, which never returns
}

static const char *fault_code(uint32_t cause, uint32_t address, uint32_t sp)
{
    bool data = cause == CAUSE_LOAD_ACCESS || cause == CAUSE_STORE_ACCESS;
    if (sp < (uintptr_t)fw_stack_bottom + STACK_LEFT_BYTES ||
        (data && (uintptr_t)fw_stack_bottom - address - 1u < STACK_GUARD_BYTES))
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

static char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

static char *put_hex(char *at, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

_Noreturn void riscv_trap(uint32_t sp, uint32_t lr)
{
    uint32_t cause, address, pc;
    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    __asm__ volatile("csrr %0, mtval" : "=r"(address));
    __asm__ volatile("csrr %0, mepc" : "=r"(pc));
    struct fault f = {.code = fault_code(cause, address, sp), .pc = pc, .lr = lr};

    char detail[64]; // the longest is 52 bytes
    char *at = put_hex(put_text(detail, "mcause "), cause);
    at = put_hex(put_text(at, " mtval "), address);
    at = put_hex(put_text(at, " sp "), sp);
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
