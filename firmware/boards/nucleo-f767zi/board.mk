# SPDX-License-Identifier: MIT
# ST NUCLEO-F767ZI: what the firmware build needs and board.json does not say.
CROSS := arm-none-eabi-
CPU_FLAGS := -mcpu=cortex-m7 -mthumb -mfpu=fpv5-d16 -mfloat-abi=hard
SOC := stm32f7
FLASH_BASE := 0x08000000
RAM_BASE := 0x20000000
STACK_BYTES := 4096
