// SPDX-License-Identifier: GPL-2.0-only
// What Armv7-M puts around the core: the system control space (SCB, DWT, MPU, debug registers), exception entry and
// return, faults and lockup, halting debug. Interrupts are not delivered: the boards' firmware polls.
#ifndef VBOARD_ARMV7M_H
#define VBOARD_ARMV7M_H

#include "agent/vboard/core_arm.h"

#include <stdbool.h>
#include <stdint.h>

// Memory behind an address range as the host sees it; NULL when there is none. write: the caller will change it.
typedef uint8_t *(*armv7m_memory_fn)(void *user, uint32_t address, uint32_t size, bool write);

enum armv7m_exception {
    ARMV7M_HARDFAULT = 3,
    ARMV7M_MEMFAULT = 4,
    ARMV7M_BUSFAULT = 5,
    ARMV7M_USAGEFAULT = 6,
    ARMV7M_SVCALL = 11,
};

struct armv7m {
    struct core *core;
    armv7m_memory_fn memory;
    void *user;
    uint32_t boot_address; // of the vector table after reset
    uint32_t cpuid;  // the owner sets it before the first reset, and with it what the core has
    bool fpu_double; // likewise: floating point in double precision

    // registers, named as in the architecture manual
    uint32_t vtor, ccr, scr, shpr[3], shcsr, cfsr, hfsr, dfsr, mmfar, bfar, cpacr, csselr;
    uint32_t mpu_ctrl, mpu_rnr, mpu_rbar[8], mpu_rasr[8];
    uint32_t misc[64]; // ITCMCR to AHBSCR, FPCCR and friends: storage only
    uint32_t syst_csr, syst_rvr;
    uint64_t syst_start; // cycle at which SysTick was (re)started
    uint64_t syst_seen;  // wraps that COUNTFLAG reported
    uint32_t dwt_ctrl;
    uint64_t dwt_base;   // core_cycles() at CYCCNT == 0
    uint32_t dwt_frozen; // CYCCNT while it does not count
    bool dwt_unlocked;
    uint32_t dhcsr, demcr, dcrdr, fp_ctrl;

    bool halted, lockup, sleeping;
    bool reset_seen;      // S_RESET_ST, cleared by reading DHCSR
    bool reset_requested; // AIRCR.SYSRESETREQ: the board resets itself at the next opportunity
    bool warned_nvic;
};

void armv7m_init(struct armv7m *m, struct core *core, uint32_t boot_address,
                 armv7m_memory_fn memory, void *user);
// Core reset: registers, vectors; halts when the debugger asked for a vector catch. Debug registers survive.
void armv7m_reset(struct armv7m *m);

// Registers 0xe0000000-0xe00fffff. from_debugger: writes that only a debugger may do are let through.
uint32_t armv7m_read(struct armv7m *m, uint32_t address, bool from_debugger);
void armv7m_write(struct armv7m *m, uint32_t address, uint32_t value, bool from_debugger);

// Acts on what stopped the core: halts, enters or leaves an exception, goes to sleep.
void armv7m_handle(struct armv7m *m, const struct core_event *ev);
// Takes a bus fault at the current pc (a clock set outside its limits makes the flash unreadable).
void armv7m_bus_fault(struct armv7m *m, uint32_t address, const char *why);
uint32_t armv7m_swd_idcode(const struct armv7m *m); // of the debug port that comes with the core

#endif
