# SPDX-License-Identifier: MIT
# Sources of the SiFive FE310-G002.
SOC_SRC := firmware/soc/fe310/start.c firmware/soc/fe310/fe310.c firmware/soc/riscv/riscv.c
LINKER_SCRIPT := firmware/soc/fe310/fe310.ld
