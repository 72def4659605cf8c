# Seeded test networks: the program and, as part of `make all`, its files in $(O)/models/.
LIB_SRC += models/scale.c models/draw.c models/fb.c models/net.c models/net_write.c models/zoo.c
PROGS += farm-models
farm-models_MAIN := models/main.c

MODELS_STAMP := $(O)/models/.stamp
EXTRA += $(MODELS_STAMP)
# After the generator's own sources, not after every change of the library that it links.
$(MODELS_STAMP): $(wildcard models/*.c models/*.h) | $(OUT)/bin/farm-models
	$(OUT)/bin/farm-models --all $(O)/models
	@touch $@
.PHONY: models
models: $(MODELS_STAMP)  ## write the seeded test networks to build/models/
