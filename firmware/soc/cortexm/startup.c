// SPDX-License-Identifier: MIT
// Vector table, reset, and the way from a fault to its record. No interrupt is ever enabled, so the
// table ends with the system exceptions. Watchdogs stay as the chip's reset leaves them: off.
#include "firmware/fault.h"
#include "firmware/platform.h"
#include "firmware/soc/cortexm/cortexm.h"
#include "firmware/soc/soc.h"

#include <stddef.h>

#define SCB_CFSR REG32(0xE000ED28)
#define SCB_HFSR REG32(0xE000ED2C)
#define SCB_MMFAR REG32(0xE000ED34)
#define SCB_BFAR REG32(0xE000ED38)

#define CFSR_MSTKERR (1u << 4)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_STKERR (1u << 12)
#define CFSR_BFARVALID (1u << 15)
#define HFSR_FORCED (1u << 30)

#define FRAME_BYTES 32u // r0-r3, r12, lr, pc, xpsr

void cortexm_reset(void);
void cortexm_exception(void);
_Noreturn void cortexm_start(void);
_Noreturn void cortexm_fault(const uint32_t *frame, uint32_t exception);

struct vectors {
    const void *initial_sp;
    void (*handler[15])(void);
};

// clang-format off
__attribute__((used, section(".vectors"))) static const struct vectors vectors = {
    .initial_sp = fw_stack_top,
    .handler = {
        cortexm_reset,
        cortexm_exception, // NMI
        cortexm_exception, // hard fault
        cortexm_exception, // memory management
        cortexm_exception, // bus
        cortexm_exception, // usage
        NULL, NULL, NULL, NULL,
        cortexm_exception, // SVC
        cortexm_exception, // debug monitor
        NULL,
        cortexm_exception, // PendSV
        cortexm_exception, // SysTick
    },
};
// clang-format on

// The FPU is opened before any C runs, because the compiler may use its registers anywhere.
__attribute__((naked)) void cortexm_reset(void)
{
    __asm__ volatile("ldr r0, =0xE000ED88\n" // CPACR: full access to CP10 and CP11
                     "ldr r1, [r0]\n"
                     "orr r1, r1, #0xF00000\n"
                     "str r1, [r0]\n"
                     "dsb\n"
                     "isb\n"
                     "b cortexm_start\n");
}

_Noreturn void cortexm_start(void)
{
    cortexm_faults_enable();
    cortexm_guard_stack();
    soc_start();
}

// r0 = the stack pointer at the fault, where the core put the frame; r1 = the exception's number.
// The handler goes on with that stack unless little of it is left: then it starts over at the top,
// where the frame cannot be.
__attribute__((naked)) void cortexm_exception(void)
{
    __asm__ volatile("tst lr, #4\n"
                     "ite eq\n"
                     "mrseq r0, msp\n"
                     "mrsne r0, psp\n"
                     "mrs r1, ipsr\n"
                     "ldr r2, =fw_stack_bottom + 768\n"
                     "ldr r3, =fw_stack_top\n"
                     "cmp r0, r2\n"
                     "ite lo\n"
                     "movlo sp, r3\n"
                     "movhs sp, r0\n"
                     "b cortexm_fault\n");
}

static const char *fault_code(uint32_t exception, uint32_t cfsr, uint32_t hfsr, uint32_t sp)
{
    // Where the core failed to push the frame, or the access was just below the stack, the stack is
    // full, whichever exception that became.
    if (sp < (uintptr_t)fw_stack_bottom + FRAME_BYTES || (cfsr & (CFSR_MSTKERR | CFSR_STKERR)) ||
        ((cfsr & CFSR_MMARVALID) && soc_below_stack(SCB_MMFAR)) ||
        ((cfsr & CFSR_BFARVALID) && soc_below_stack(SCB_BFAR)))
        return "stack-overflow";
    if (exception == 2)
        return "nmi";
    // With interrupts off every fault arrives as a hard fault; the status register still tells the
    // kind.
    bool forced = exception == 3 && (hfsr & HFSR_FORCED);
    if (exception == 4 || (forced && (cfsr & 0x000000FFu)))
        return "memfault";
    if (exception == 5 || (forced && (cfsr & 0x0000FF00u)))
        return "busfault";
    if (exception == 6 || (forced && (cfsr & 0xFFFF0000u)))
        return "usagefault";
    return "hardfault";
}

_Noreturn void cortexm_fault(const uint32_t *frame, uint32_t exception)
{
    uint32_t sp = (uint32_t)(uintptr_t)frame;
    uint32_t cfsr = SCB_CFSR, hfsr = SCB_HFSR;
    bool stacked = sp >= (uintptr_t)fw_stack_bottom &&
                   sp <= (uintptr_t)fw_stack_top - FRAME_BYTES && sp % 4 == 0 &&
                   !(cfsr & (CFSR_MSTKERR | CFSR_STKERR));
    struct fault f = {
        .code = fault_code(exception, cfsr, hfsr, sp),
        .pc = stacked ? frame[6] : 0,
        .lr = stacked ? frame[5] : 0,
    };

    char detail[96]; // the longest is 87 bytes
    char *at = soc_put_text(detail, "exception 0x");
    at = soc_put_hex(at, exception);
    at = soc_put_text(at, " cfsr ");
    at = soc_put_hex(at, cfsr);
    at = soc_put_text(at, " hfsr ");
    at = soc_put_hex(at, hfsr);
    at = soc_put_text(at, " sp ");
    at = soc_put_hex(at, sp);
    if (cfsr & CFSR_MMARVALID)
        at = soc_put_hex(soc_put_text(at, " address "), SCB_MMFAR);
    else if (cfsr & CFSR_BFARVALID)
        at = soc_put_hex(soc_put_text(at, " address "), SCB_BFAR);
    *at = '\0';
    f.detail = detail;
    fault_stop(&f);
}
