# SPDX-License-Identifier: MIT
# Sources of the STM32F7 family.
SOC_SRC := firmware/soc/stm32f7/stm32f7.c firmware/soc/cortexm/startup.c firmware/soc/cortexm/cortexm.c
