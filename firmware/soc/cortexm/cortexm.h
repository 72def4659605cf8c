// SPDX-License-Identifier: MIT
// What every Cortex-M SoC family shares: reset, faults, caches, cycle counter, software reset.
// Register names and bits follow the Armv7-M Architecture Reference Manual (DDI 0403) and the
// Cortex-M7 manual (DDI 0489).
#ifndef FIRMWARE_SOC_CORTEXM_H
#define FIRMWARE_SOC_CORTEXM_H

#include <stdbool.h>
#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

// Reports usage, bus and memory faults apart instead of as hard faults; division by zero faults.
void cortexm_faults_enable(void);
// No access to the page below the stack, so that an overflow faults at the instruction that did it.
// Does nothing on a core without an MPU; the stack's own paint is checked as well.
void cortexm_guard_stack(void);
void cortexm_caches_enable(void);        // Cortex-M7: instruction and data cache
const char *cortexm_cycles_enable(void); // NULL, or what is missing

#endif
