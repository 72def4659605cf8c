# SPDX-License-Identifier: MIT
# ESP32-C3-DevKitM-1: what the firmware build needs and board.json does not say. With the 2.2 instruction set
# specification the CSR instructions belong to the base, as this compiler's libgcc was built.
CROSS := riscv64-unknown-elf-
CPU_FLAGS := -march=rv32imc -mabi=ilp32 -misa-spec=2.2 -mcmodel=medany -msmall-data-limit=0 -Wl,--no-relax
SOC := esp32c3
FLASH_BASE := 0x3c000000
RAM_BASE := 0x3fc80000
STACK_BYTES := 4096
