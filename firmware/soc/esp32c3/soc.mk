# SPDX-License-Identifier: MIT
# Sources of the ESP32-C3.
SOC_SRC := firmware/soc/esp32c3/esp32c3.c firmware/soc/esp/esp.c firmware/soc/riscv/riscv.c
LINKER_SCRIPT := firmware/soc/esp/esp.ld
