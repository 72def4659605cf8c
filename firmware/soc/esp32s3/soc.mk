# SPDX-License-Identifier: MIT
# Sources of the ESP32-S3.
SOC_SRC := firmware/soc/esp32s3/start.c firmware/soc/esp32s3/esp32s3.c firmware/soc/esp32s3/arith.c firmware/soc/esp/esp.c
LINKER_SCRIPT := firmware/soc/esp/esp.ld
