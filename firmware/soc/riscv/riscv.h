// SPDX-License-Identifier: MIT
// What all RISC-V chips share. A chip's entry sets mtvec to riscv_vector (a multiple of 256) and the stack pointer, and
// jumps to riscv_start().
#ifndef FIRMWARE_SOC_RISCV_H
#define FIRMWARE_SOC_RISCV_H

_Noreturn void riscv_start(void);

#endif
