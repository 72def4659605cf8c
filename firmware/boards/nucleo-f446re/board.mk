# SPDX-License-Identifier: MIT
# ST NUCLEO-F446RE: what the firmware build needs and board.json does not say.
CROSS := arm-none-eabi-
CPU_FLAGS := -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard
SOC := stm32f4
FLASH_BASE := 0x08000000
RAM_BASE := 0x20000000
STACK_BYTES := 4096
