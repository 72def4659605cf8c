# SPDX-License-Identifier: MIT
# ST STM32F746G-DISCO: what the firmware build needs and board.json does not say.
CROSS := arm-none-eabi-
CPU_FLAGS := -mcpu=cortex-m7 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard
SOC := stm32f7
FLASH_BASE := 0x08000000
RAM_BASE := 0x20000000
STACK_BYTES := 4096
