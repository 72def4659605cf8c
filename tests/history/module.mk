# SPDX-License-Identifier: MIT
# Simulated nights: a history for the unit test, and a program that writes it as requests for the test of the server.
t_nightly_proof_OBJ := $(OUT)/tests/history/history.o
DEPS += $(OUT)/tests/history/history.d
