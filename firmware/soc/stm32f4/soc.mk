# SPDX-License-Identifier: MIT
# Sources of the STM32F4 family.
include firmware/soc/stm32/stm32.mk
SOC_SRC := firmware/soc/stm32f4/stm32f4.c firmware/soc/stm32/usart_v1.c $(STM32_SRC)
