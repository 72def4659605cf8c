# The command line client: `farm`.
LIB_SRC += cli/args.c cli/table.c cli/reply.c cli/look.c cli/explain.c cli/boards.c cli/offline.c cli/nightly.c cli/api.c
PROGS += farm
farm_MAIN := cli/main.c
LIBS += -lcurl -lcjson

# Every board.json with a NUL behind it, compiled into `farm`.
$(OUT)/cli/boards.bin: $(sort $(wildcard firmware/boards/*/board.json))
	@mkdir -p $(@D)
	for f in $^; do cat $$f && printf '\0'; done > $@.tmp
	@mv $@.tmp $@
$(OUT)/cli/boards.o: $(OUT)/cli/boards.bin
$(OUT)/cli/boards.o: HOST_CFLAGS += -DBOARDS_FILE='"$(OUT)/cli/boards.bin"'
