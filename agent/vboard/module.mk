# SPDX-License-Identifier: GPL-2.0-only
# The virtual board: a program of its own, because it links Unicorn (GPL-2.0).
VLIB_SRC += $(addprefix agent/vboard/,armv7m.c board.c buspirate.c core_arm.c core_riscv.c core_xtensa.c cpu_arm.c cpu_riscv.c \
	cpu_xtensa.c debug.c esp_uart.c fault.c fe310_uart.c jtag_tap.c misuse.c \
	pty.c riscv_debug.c riscv_decode.c soc.c soc_esp32.c soc_fe310.c soc_stm32.c spi_flash.c state.c stlink.c stm32_chip.c stm32_flash.c stm32_rcc.c stm32_usart.c timing.c timing_m4.c timing_m7.c uart_line.c \
	xtensa_debug.c xtensa_decode.c)
PROGS += farm-vboard
farm-vboard_MAIN := agent/vboard/main.c
farm-vboard_USES_VBOARD := 1
VLIBS := -lunicorn -lcapstone -lcjson
fz_vboard_stlink_USES_VBOARD := 1
fz_vboard_buspirate_USES_VBOARD := 1
