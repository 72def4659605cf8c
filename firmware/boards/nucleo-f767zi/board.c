// SPDX-License-Identifier: MIT
// Pins of the ST NUCLEO-F767ZI (ST UM1974): USART3 on PD8 and PD9 goes to the ST-LINK's virtual
// serial port, which also feeds its 8 MHz clock into the oscillator input.
#include "firmware/soc/stm32f7/stm32f7.h"

#include <stdbool.h>

const struct stm32f7_board stm32f7_board = {
    .hse_hz = 8000000,
    .hse_bypass = true,
    .usart = &stm32f7_usart3,
    .tx = {.port = 'D', .pin = 8, .alternate = 7},
    .rx = {.port = 'D', .pin = 9, .alternate = 7},
};
