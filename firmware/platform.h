// SPDX-License-Identifier: MIT
// What the SoC-independent firmware needs from a SoC family (firmware/soc/<family>) and from the
// linker script (firmware/ld). A SoC family implements every function below; nothing else may touch
// a peripheral.
#ifndef FIRMWARE_PLATFORM_H
#define FIRMWARE_PLATFORM_H

#include <stdint.h>

struct virtual_page;

// Clock, caches, cycle counter, serial line. NULL, or what did not come up (static text); the
// serial line then still works, at its rate, from the clock after reset.
const char *platform_init(void);
uint32_t platform_clock_hz(void); // of the core, decoded from the clock registers as they are now
uint64_t platform_cycles(void);   // core clock cycles
extern const uint64_t platform_cycles_mask; // its bits that count: beyond them it wraps
void platform_put(char c);                  // one byte to the host; waits for room
int platform_get(
    void); // one byte from the host, -1: none yet, -2: bytes were lost since the last call
uint32_t platform_irq_off(void); // returns the state for platform_irq_restore()
void platform_irq_restore(uint32_t state);
_Noreturn void platform_reset(void); // as the reset pin would
uintptr_t platform_stack_pointer(void);
// The page of a virtual board, NULL on silicon.
const volatile struct virtual_page *platform_virtual(void);

// Flash, from the linker script
extern const uint8_t fw_code_start[],
    fw_code_end[];                    // vectors, text, read-only data, initial values of data
extern const uint8_t fw_build_id[20]; // SHA-1 that the linker computed over the image
// RAM, from low to high:  | stack | data, bss | arena |
extern uint8_t fw_stack_bottom[], fw_stack_top[];
extern uint8_t fw_static_start[], fw_static_end[];
extern uint8_t fw_arena_start[], fw_arena_end[];

#endif
