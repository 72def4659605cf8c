# SPDX-License-Identifier: MIT
# Firmware: build/firmware/<board>/firmware.{elf,bin,map} for every folder in firmware/boards. The wire format, the
# executor and the kernels are host code too.
FW_SHARED_SRC := firmware/wire/wire.c $(sort $(wildcard firmware/executor/*.c firmware/kernels/*.c))
LIB_SRC += $(FW_SHARED_SRC)

FW_SRC := firmware/main.c firmware/session.c firmware/measure.c firmware/profile.c firmware/paint.c firmware/fault.c $(FW_SHARED_SRC)
SOC_COMMON_SRC := firmware/soc/soc.c firmware/libc/mem.c
FW_OPT := -O2
FW_CFLAGS := -std=c11 -ffreestanding $(FW_OPT) -g $(WARN) -fno-common -ffunction-sections -fdata-sections \
	-fno-unwind-tables -fno-asynchronous-unwind-tables -fstack-usage -I. -isystem firmware/libc \
	-ffile-prefix-map=$(CURDIR)=.

# $(1) = board, $(2) = its output folder; the board's variables were just included and are expanded here, once.
define fw_board_rules
$(2)/board_config.h: firmware/boards/$(1)/board.json firmware/boards/$(1)/board.mk firmware/board_config.sh
	@mkdir -p $$(@D)
	firmware/board_config.sh $$< FLASH_BASE=$(FLASH_BASE) RAM_BASE=$(RAM_BASE) STACK_BYTES=$(STACK_BYTES) CACHE_BYTES=$(CACHE_BYTES) > $$@.tmp
	@mv $$@.tmp $$@
$(2)/%.o: %.c $(2)/board_config.h firmware/module.mk
	@mkdir -p $$(@D)
	$(CROSS)gcc $(CPU_FLAGS) $$(FW_CFLAGS) -ffile-prefix-map=$(2)=generated -I$(2) -MMD -MP -c -o $$@ $$<
$(2)/firmware/libc/mem.o: FW_CFLAGS += -fno-tree-loop-distribute-patterns
$(2)/firmware/kernels/%.o: FW_CFLAGS += -fno-schedule-insns
$(2)/firmware/executor/%.o: FW_CFLAGS += -DEXEC_ONLY=$(KERNELS)
$(2)/link.ld: $(LINKER_SCRIPT) $(2)/board_config.h
	$(CROSS)gcc -E -P -undef -x c -I$(2) -o $$@ $$<
$(2)/firmware.elf: $(2)/link.ld $(patsubst %.c,$(2)/%.o,$(FW_SRC) $(SOC_SRC) $(SOC_COMMON_SRC) $(wildcard firmware/boards/$(1)/*.c))
	$(CROSS)gcc $(CPU_FLAGS) -nostdlib -static -Wl,--gc-sections,--nmagic,--build-id=sha1,--fatal-warnings \
		-Wl,-Map,$(2)/firmware.map -T $$^ -lgcc -o $$@
$(2)/firmware.bin: $(2)/firmware.elf
	$(CROSS)objcopy -O binary $$< $$@
EXTRA += $(2)/firmware.elf $(2)/firmware.bin
DEPS += $(patsubst %.c,$(2)/%.d,$(FW_SRC) $(SOC_SRC) $(SOC_COMMON_SRC) $(wildcard firmware/boards/$(1)/*.c))
endef

# A board's soc.mk may name another linker script, its board.mk the part of ram_bytes that caches take.
define fw_board
$(eval KERNELS := $(shell sed -n 's/^  "kernels": *"\([a-z0-9]*\)".*/\1/p' firmware/boards/$(1)/board.json))
$(eval LINKER_SCRIPT := firmware/ld/flash_ram.ld)
$(eval CACHE_BYTES := 0)
$(eval include firmware/boards/$(1)/board.mk)
$(eval include firmware/soc/$(SOC)/soc.mk)
$(eval $(call fw_board_rules,$(1),$(O)/firmware/$(1)))
endef
$(foreach b,$(sort $(patsubst firmware/boards/%/board.mk,%,$(wildcard firmware/boards/*/board.mk))),$(call fw_board,$(b)))

.PHONY: firmware
firmware: $(filter $(O)/firmware/%,$(EXTRA))  ## build the firmware of every board
