# SPDX-License-Identifier: GPL-2.0-only
# The virtual board: a program of its own, because it links Unicorn (GPL-2.0).
VLIB_SRC += $(addprefix agent/vboard/,armv7m.c board.c core_arm.c core_xtensa.c debug.c fault.c flash_f7.c \
	pty.c rcc_f7.c soc_stm32f7.c state.c stlink.c timing_m7.c usart_f7.c \
	xtensa_decode.c)
PROGS += farm-vboard
farm-vboard_MAIN := agent/vboard/main.c
farm-vboard_USES_VBOARD := 1
VLIBS := -lunicorn -lcapstone -lcjson
fz_vboard_stlink_USES_VBOARD := 1
