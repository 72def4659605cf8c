# SPDX-License-Identifier: MIT
# Simulated nights: a history for the unit test, a program that writes it as requests for the
# test of the server, and one that times the detection on it.
PROGS += nightly-history
nightly-history_MAIN := tests/history/main.c
nightly-history_OBJ := $(OUT)/tests/history/history.o
t_nightly_proof_OBJ := $(OUT)/tests/history/history.o
DEPS += $(OUT)/tests/history/history.d
PROGS += nightly-bench
nightly-bench_MAIN := tests/history/bench.c
nightly-bench_OBJ := $(OUT)/tests/history/history.o
