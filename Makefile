# SPDX-License-Identifier: MIT
# One make for everything. Each folder's module.mk only appends to the lists below; all that is built lands in
# build/<variant>/, variant = host, host-<sanitizers> (SAN=address,undefined) or a board.

O ?= build
comma := ,
OUT := $(O)/host$(if $(SAN),-$(subst $(comma),+,$(SAN)))
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef $(if $(CI),-Werror)
HOST_CFLAGS = -std=c11 -O2 -g -D_GNU_SOURCE $(WARN) -I. \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
HOST_LDFLAGS = -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))

.DEFAULT_GOAL := all
# Lists that module.mk files append to:
LIB_SRC :=      # host sources without a main(): all go to libfarm.a
VLIB_SRC :=     # GPL sources of the virtual board without a main(): libvboard.a
PROGS :=        # host programs; x_MAIN is the source with main(), x_LIBS extra -l flags, x_USES_VBOARD=1 links libvboard.a
LIBS := -lm     # libraries of libfarm.a (--as-needed drops what a program does not use)
DEPS :=
EXTRA :=        # further targets of 'all' (firmware images, the web page)
FORMAT_SRC = $(shell git ls-files '*.c' '*.h')

include $(sort $(wildcard */module.mk */*/module.mk))

# Unit tests: every tests/unit/t_*.c is a program that prints TAP; t_vboard_*.c also link the virtual board.
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/t_*.c)))
$(foreach t,$(UNIT_TESTS),$(eval $(t)_MAIN := tests/unit/$(t).c))
$(foreach t,$(filter t_vboard_%,$(UNIT_TESTS)),$(eval $(t)_USES_VBOARD := 1))
# Fuzzers: every tests/fuzz/fz_*.c has LLVMFuzzerTestOneInput(); here linked with a replayer of its corpus.
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fz_*.c)))
$(foreach t,$(FUZZERS),$(eval $(t)_MAIN := tests/fuzz/$(t).c))
$(foreach t,$(FUZZERS),$(eval $(t)_OBJ := $(OUT)/tests/fuzz/replay.o))

$(OUT)/libfarm.a: $(LIB_SRC:%.c=$(OUT)/%.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^
$(OUT)/libvboard.a: $(VLIB_SRC:%.c=$(OUT)/%.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

define host_prog
$(OUT)/bin/$(1): $(OUT)/$(patsubst %.c,%.o,$($(1)_MAIN)) $($(1)_OBJ) $(if $($(1)_USES_VBOARD),$(OUT)/libvboard.a) $(OUT)/libfarm.a
	@mkdir -p $$(@D)
	$$(CC) $$(HOST_LDFLAGS) $$(LDFLAGS) -o $$@ $$^ $($(1)_LIBS) $(if $($(1)_USES_VBOARD),$(VLIBS)) $$(LIBS)
DEPS += $(OUT)/$(patsubst %.c,%.d,$($(1)_MAIN))
endef
$(foreach p,$(PROGS) $(UNIT_TESTS) $(FUZZERS),$(eval $(call host_prog,$(p))))
$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
DEPS += $(patsubst %.c,$(OUT)/%.d,$(LIB_SRC) $(VLIB_SRC)) $(OUT)/tests/fuzz/replay.d

.PHONY: all host unit-bins fuzz-bins format clean
all: host $(EXTRA)  ## build everything: host programs, firmware, page
host: $(PROGS:%=$(OUT)/bin/%)  ## build the host programs only
unit-bins: $(UNIT_TESTS:%=$(OUT)/bin/%)
fuzz-bins: $(FUZZERS:%=$(OUT)/bin/%)
format:  ## format every C file in place
	clang-format -i $(FORMAT_SRC)
clean:  ## remove everything that was built
	rm -rf $(O)
-include $(sort $(DEPS))
