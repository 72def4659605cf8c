# SPDX-License-Identifier: MIT
LIB_SRC += firmware/wire/wire.c $(sort $(wildcard firmware/executor/*.c firmware/kernels/*.c))
