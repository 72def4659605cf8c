# SPDX-License-Identifier: MIT
# Sources that every STM32 family here uses.
STM32_SRC := $(addprefix firmware/soc/stm32/,clock.c platform.c serial.c) \
	firmware/soc/cortexm/startup.c firmware/soc/cortexm/cortexm.c
