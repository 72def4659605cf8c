// SPDX-License-Identifier: MIT
// Core peripherals of Cortex-M: fault enables, stack guard, caches, cycle counter, reset. See
// cortexm.h.
#include "firmware/soc/cortexm/cortexm.h"

#include "firmware/platform.h"
#include "firmware/soc/soc.h"

#include <stddef.h>

#define SCB_AIRCR REG32(0xE000ED0C)
#define SCB_CCR REG32(0xE000ED14)
#define SCB_SHCSR REG32(0xE000ED24)
#define SCB_CCSIDR REG32(0xE000ED80)
#define SCB_CSSELR REG32(0xE000ED84)
#define SCB_ICIALLU REG32(0xE000EF50)
#define SCB_DCISW REG32(0xE000EF60)
#define MPU_TYPE REG32(0xE000ED90)
#define MPU_CTRL REG32(0xE000ED94)
#define MPU_RNR REG32(0xE000ED98)
#define MPU_RBAR REG32(0xE000ED9C)
#define MPU_RASR REG32(0xE000EDA0)
#define DEMCR REG32(0xE000EDFC)
#define DWT_CTRL REG32(0xE0001000)
#define DWT_CYCCNT REG32(0xE0001004)
#define DWT_LAR REG32(0xE0001FB0)

#define CCR_DIV_0_TRP (1u << 4)
#define CCR_DC (1u << 16)
#define CCR_IC (1u << 17)
#define SHCSR_ALL_FAULTS (7u << 16) // MEMFAULTENA, BUSFAULTENA, USGFAULTENA
#define MPU_CTRL_ENABLE 1u
#define MPU_CTRL_PRIVDEFENA 4u // the default memory map stays for everything else
#define MPU_RASR_XN (1u << 28) // with AP = 000: no access at all
#define MPU_RASR_4K (11u << 1) // 2^(11+1) bytes
#define MPU_RASR_ENABLE 1u
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL_CYCCNTENA 1u
#define DWT_CTRL_NOCYCCNT (1u << 25)
#define DWT_LAR_KEY 0xC5ACCE55u

static void barrier(void)
{
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

void cortexm_faults_enable(void)
{
    SCB_SHCSR |= SHCSR_ALL_FAULTS;
    SCB_CCR |= CCR_DIV_0_TRP;
    barrier();
}

void cortexm_guard_stack(void)
{
    uint32_t regions = MPU_TYPE >> 8 & 0xFF;
    uint32_t below = (uint32_t)(uintptr_t)fw_stack_bottom - 4096u;
    if (regions == 0 || below % 4096u)
        return;
    MPU_RNR = 0;
    MPU_RBAR = below;
    MPU_RASR = MPU_RASR_XN | MPU_RASR_4K | MPU_RASR_ENABLE;
    MPU_CTRL = MPU_CTRL_PRIVDEFENA | MPU_CTRL_ENABLE;
    barrier();
}

// After reset the caches hold random tags: they must be invalidated before they are switched on.
void cortexm_caches_enable(void)
{
    barrier();
    SCB_ICIALLU = 0;
    barrier();
    SCB_CCR |= CCR_IC;
    barrier();

    SCB_CSSELR = 0; // level 1 data cache
    barrier();
    uint32_t size = SCB_CCSIDR;
    uint32_t sets = (size >> 13 & 0x7FFF) + 1;
    uint32_t ways = (size >> 3 & 0x3FF) + 1;
    uint32_t set_shift = (size & 7) + 4;
    uint32_t way_shift = 32;
    for (uint32_t n = ways; n > 1; n = (n + 1) / 2)
        way_shift--;
    for (uint32_t set = 0; set < sets; set++) {
        for (uint32_t way = 0; way < ways; way++)
            SCB_DCISW = set << set_shift | (way ? way << way_shift : 0);
    }
    barrier();
    SCB_CCR |= CCR_DC;
    barrier();
}

const char *cortexm_cycles_enable(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY; // Cortex-M7 locks its DWT; others ignore the write
    if (DWT_CTRL & DWT_CTRL_NOCYCCNT)
        return "this core has no cycle counter";
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    barrier();
    return soc_cycles_check();
}

const uint64_t platform_cycles_mask = UINT32_MAX;

uint64_t platform_cycles(void)
{
    return DWT_CYCCNT;
}

uint32_t platform_irq_off(void)
{
    uint32_t state;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(state)::"memory");
    return state;
}

void platform_irq_restore(uint32_t state)
{
    __asm__ volatile("msr primask, %0" ::"r"(state) : "memory");
}

uintptr_t platform_stack_pointer(void)
{
    uintptr_t sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

_Noreturn void platform_reset(void)
{
    barrier();
    SCB_AIRCR = 0x05FA0004u; // key, SYSRESETREQ
    barrier();
    for (;;) { // the reset takes a few cycles
    }
}
