# SPDX-License-Identifier: MIT
# Programs for tests that compare the virtual boards' cores with other emulators.
PROGS += xtensa-run
xtensa-run_MAIN := tests/oracle/xtensa_run.c
xtensa-run_USES_VBOARD := 1
PROGS += arm-run
arm-run_MAIN := tests/oracle/arm_run.c
arm-run_USES_VBOARD := 1
