# SPDX-License-Identifier: MIT
# The targets that a person types. `make help` lists every target that has a "## text" behind it, of every makefile.

# Sub-makes use both cores unless the user has chosen.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
# Where tools/install puts a newer Node.js, when the system's is too old for the page.
export PATH := $(abspath $(O))/node/bin:$(PATH)
LINT_SRC ?= $(FORMAT_SRC)

PROGS += fit-latency
fit-latency_MAIN := tools/fit_latency.c
PROGS += fit-models
fit-models_MAIN := tools/fit_models.c
PROGS += msfcnn-table
msfcnn-table_MAIN := tools/msfcnn_table.c
PROGS += front-table
front-table_MAIN := tools/front_table.c
PROGS += front-fastest
front-fastest_MAIN := tools/front_fastest.c
PROGS += plan-bench
plan-bench_MAIN := tools/plan_bench.c

.PHONY: help install run test lint bench sanitize
help:  ## list the targets
	@sed -n -E 's/^([a-z][a-z-]*):.*  ?## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo "Variables: MODEL= POINTS= PORT= DATA= VIRTUAL= (run), SAN=address,undefined (host programs), O= (where to build)."
install:  ## install what building and running need (apt-get; sudo when not root)
	@tools/install build
run:  ## install, build, start a farm with a virtual board of every kind, measure MODEL (default: an own small network), serve
	@tools/install build
	@$(MAKE) --no-print-directory $(JOBS) all
	@tools/run
test:  ## install the test packages, build, run every test; the last line is the count
	@tools/install test
	@$(MAKE) --no-print-directory $(JOBS) all unit-bins fuzz-bins
	@tests/run
sanitize:  ## unit, corpus and HTTP tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(MAKE) --no-print-directory $(JOBS) SAN=address,undefined host unit-bins fuzz-bins
	@FARM_BIN=$(O)/host-address+undefined/bin tests/run unit fuzz http
lint:  ## format check, gcc -fanalyzer, cppcheck and clang-tidy on LINT_SRC (default: every C file)
	@tools/install lint
	@tools/lint $(LINT_SRC)
bench: all  ## planner time and memory, exact instructions per inference and per MAC on the virtual boards beside the peers', nightly detection
	@$(OUT)/bin/plan-bench $(wildcard $(O)/models/*_chain.tflite ../shared/models/files/mcunet_512kb_imagenet.tflite)
	@tools/bench
	@$(OUT)/bin/nightly-bench
	@FARM_BIN=$(OUT)/bin perl tests/http/nightly_proof.t 1 | sed -n 's/^ok [0-9]* - \(.* of CPU.*\)/\1/p'
