# SPDX-License-Identifier: MIT
# ESP32-S3-DevKitC: what the firmware build needs and board.json does not say. The compiler is lx106's: the call0 ABI
# and a subset of LX7's instructions; KERNELS_LX7 lets the kernels use more (firmware/kernels/lx7.h).
CROSS := xtensa-lx106-elf-
CPU_FLAGS := -mtext-section-literals -DKERNELS_LX7
SOC := esp32s3
FLASH_BASE := 0x3c000000
RAM_BASE := 0x3fc88000
STACK_BYTES := 4096
# Of ram_bytes: 32 KB on the instruction bus alone, 32 KB data cache.
CACHE_BYTES := 65536
