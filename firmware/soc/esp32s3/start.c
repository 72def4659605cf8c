// SPDX-License-Identifier: MIT
// What the ROM jumps to, the exception vectors, and the way from an exception to its record. Everything runs on the
// call0 ABI: the register window that the ROM left is never rotated, window exceptions are off. Interrupts stay masked.
#include "firmware/fault.h"
#include "firmware/platform.h"
#include "firmware/soc/soc.h"

#include <stdbool.h>
#include <stddef.h>

#define CAUSE_ILLEGAL 0u
#define CAUSE_FETCH_ERROR 2u
#define CAUSE_LOAD_STORE 3u
#define CAUSE_DIVIDE 6u
#define CAUSE_PRIVILEGED 8u
#define CAUSE_ALIGNMENT 9u
#define CAUSE_FETCH_PROHIBITED 20u
#define CAUSE_LOAD_PROHIBITED 28u
#define CAUSE_STORE_PROHIBITED 29u

enum vector { VECTOR_EXCEPTION, VECTOR_DOUBLE, VECTOR_DEBUG, VECTOR_NMI, VECTOR_INTERRUPT };

_Noreturn void esp32s3_exception(enum vector vector, uint32_t sp, uint32_t lr);

// clang-format off
__asm__(
    "    .section .header, \"ax\"\n"
    "    .global esp_header\n"
    "esp_header:\n" // direct boot: two magic words, then the entry
    "    .word 0xaedb041d, 0xaedb041d\n"
    "    j esp32s3_entry\n"

    "    .section .text.esp32s3_entry, \"ax\"\n"
    "    .align 4\n"
    "    .literal_position\n"
    "esp32s3_entry:\n"
    "    movi a2, 0x2f\n" // PS: user vector, all interrupts masked, no windows
    "    wsr.ps a2\n"
    "    rsync\n"
    "    movi a2, esp_vectors\n"
    "    wsr.vecbase a2\n"
    "    movi a2, 0\n"
    "    wsr.intenable a2\n"
    "    rsync\n"
    "    movi a1, fw_stack_top\n"
    "    movi a0, 0\n"
    "    j soc_start\n"

    // a0 is saved, then says which vector it was.
    "    .macro vector offset, number\n"
    "    .org \\offset\n"
    "    wsr.excsave1 a0\n"
    "    movi a0, \\number\n"
    "    j esp32s3_vector\n"
    "    .endm\n"
    "    .section .vectors, \"ax\"\n"
    "    .begin no-transform\n"
    "    vector 0x180, 4\n" // interrupts of level 2 to 5
    "    vector 0x1c0, 4\n"
    "    vector 0x200, 4\n"
    "    vector 0x240, 4\n"
    "    vector 0x280, 2\n" // debug
    "    vector 0x2c0, 3\n" // NMI
    "    vector 0x300, 0\n" // exception in kernel mode
    "    vector 0x340, 0\n" // and in user mode
    "    vector 0x3c0, 1\n" // exception in an exception
    "    .end no-transform\n"

    "    .section .text.esp32s3_vector, \"ax\"\n"
    "    .align 4\n"
    "    .literal_position\n"
    "esp32s3_vector:\n"
    "    mov a2, a0\n"
    "    mov a3, a1\n"
    "    rsr.excsave1 a4\n"
    // Go on with that stack unless little of it is left, or it is none.
    "    movi a5, fw_stack_bottom + 768\n"
    "    movi a6, fw_stack_top\n"
    "    bltu a1, a5, 1f\n"
    "    bgeu a6, a1, 2f\n"
    "1:  mov a1, a6\n"
    "2:  addi a1, a1, -32\n"
    "    srli a1, a1, 4\n"
    "    slli a1, a1, 4\n"
    // Further exceptions are single ones again; the state of this one is read before any can happen.
    "    j esp32s3_exception\n");
// clang-format on

static const char *fault_code(enum vector vector, uint32_t cause, uint32_t address, uint32_t sp)
{
    bool memory = cause == CAUSE_LOAD_PROHIBITED || cause == CAUSE_STORE_PROHIBITED ||
                  cause == CAUSE_LOAD_STORE;
    if (vector == VECTOR_NMI)
        return "nmi";
    if (sp < (uintptr_t)fw_stack_bottom || (memory && soc_below_stack(address)))
        return "stack-overflow";
    if (vector != VECTOR_EXCEPTION)
        return "hardfault";
    switch (cause) {
    case CAUSE_ILLEGAL:
    case CAUSE_DIVIDE:
    case CAUSE_PRIVILEGED:
    case CAUSE_ALIGNMENT:
        return "usagefault";
    case CAUSE_FETCH_ERROR:
    case CAUSE_LOAD_STORE:
    case CAUSE_FETCH_PROHIBITED:
    case CAUSE_LOAD_PROHIBITED:
    case CAUSE_STORE_PROHIBITED:
        return "busfault";
    default:
        return "hardfault";
    }
}

_Noreturn void esp32s3_exception(enum vector vector, uint32_t sp, uint32_t lr)
{
    uint32_t cause, address, epc1, depc, epc6, ps;
    __asm__ volatile("rsr.exccause %0" : "=r"(cause));
    __asm__ volatile("rsr.excvaddr %0" : "=r"(address));
    __asm__ volatile("rsr.epc1 %0" : "=r"(epc1));
    __asm__ volatile("rsr.depc %0" : "=r"(depc));
    __asm__ volatile(".byte 0x40, 0xb6, 0x03\n\tmov %0, a4" : "=r"(epc6)::"a4"); // RSR.EPC6 a4
    ps = 0x2f;
    __asm__ volatile("wsr.ps %0\n\trsync" ::"r"(ps));
    struct fault f = {
        .code = fault_code(vector, cause, address, sp),
        .pc = vector == VECTOR_DOUBLE  ? depc
              : vector == VECTOR_DEBUG ? epc6
                                       : epc1,
        .lr = lr,
    };

    char detail[96]; // the longest is 76 bytes
    char *at = soc_put_text(detail, "vector 0x");
    at = soc_put_hex(at, vector);
    at = soc_put_hex(soc_put_text(at, " exccause "), cause);
    at = soc_put_hex(soc_put_text(at, " excvaddr "), address);
    at = soc_put_hex(soc_put_text(at, " sp "), sp);
    *at = '\0';
    f.detail = detail;
    fault_stop(&f);
}
