# SPDX-License-Identifier: MIT
# Sources of the STM32F7 family.
include firmware/soc/stm32/stm32.mk
SOC_SRC := firmware/soc/stm32f7/stm32f7.c firmware/soc/stm32/usart_v2.c $(STM32_SRC)
