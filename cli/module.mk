# The command line client: `farm`.
LIB_SRC += cli/args.c cli/table.c cli/reply.c cli/api.c
PROGS += farm
farm_MAIN := cli/main.c
LIBS += -lcurl -lcjson
