# SPDX-License-Identifier: MIT
# Kernel cases (tests/e2e/kernels.t): the program that writes them, the one that runs them on the host and on the virtual
# boards' cores, and for each core a bare image, compiled as the firmware of a board with that core; one more for plain
# Thumb-2 (Cortex-M3), which no board here has.
PROGS += kernel-cases kernel-run
kernel-cases_MAIN := tests/kernels/kernel_cases.c
kernel-run_MAIN := tests/kernels/kernel_run.c
kernel-run_USES_VBOARD := 1
LIB_SRC += tests/kernels/cases.c

BARE_SRC := tests/kernels/bare.c tests/kernels/cases.c firmware/libc/mem.c \
	$(sort $(wildcard firmware/executor/*.c firmware/kernels/*.c))

# $(1) = core as kernel-run names it, $(2) = further sources; CROSS and CPU_FLAGS are its
define kernel_image_rules
$(O)/kernels/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$(CROSS)gcc $(CPU_FLAGS) $$(FW_CFLAGS) -MMD -MP -c -o $$@ $$<
$(O)/kernels/$(1)/firmware/kernels/%.o: FW_CFLAGS += -fno-schedule-insns
$(O)/kernels/$(1)/firmware/libc/mem.o: FW_CFLAGS += -fno-tree-loop-distribute-patterns
$(O)/kernels/$(1).elf: tests/kernels/bare.ld $(patsubst %.c,$(O)/kernels/$(1)/%.o,$(BARE_SRC) $(2))
	$(CROSS)gcc $(CPU_FLAGS) -nostdlib -static -Wl,--gc-sections -Wl,--no-warn-rwx-segments -T $$^ -lgcc -o $$@
$(O)/kernels/$(1).bin: $(O)/kernels/$(1).elf
	$(CROSS)objcopy -O binary $$< $$@
EXTRA += $(O)/kernels/$(1).bin
DEPS += $(patsubst %.c,$(O)/kernels/$(1)/%.d,$(BARE_SRC) $(2))
endef
# $(2) = a board that has it, $(3) = further sources
define kernel_image
$(eval include firmware/boards/$(2)/board.mk)
$(eval $(call kernel_image_rules,$(1),$(3)))
endef
$(call kernel_image,cortex-m7,nucleo-f767zi,)
$(call kernel_image,cortex-m4,nucleo-f446re,)
$(call kernel_image,rv32,esp32c3-devkit,)
$(call kernel_image,xtensa,esp32s3-devkit,firmware/soc/esp32s3/arith.c)
CROSS := arm-none-eabi-
CPU_FLAGS := -mcpu=cortex-m3 -mthumb
$(eval $(call kernel_image_rules,cortex-m3,))
