# SPDX-License-Identifier: MIT
# SiFive HiFive1 Rev B: what the firmware build needs and board.json does not say. With the 2.2 instruction set
# specification the CSR instructions belong to the base, as this compiler's libgcc was built.
CROSS := riscv64-unknown-elf-
CPU_FLAGS := -march=rv32imac -mabi=ilp32 -misa-spec=2.2 -mcmodel=medany -msmall-data-limit=0 -Wl,--no-relax
SOC := fe310
FLASH_BASE := 0x20000000
RAM_BASE := 0x80000000
STACK_BYTES := 1632
