LIB_SRC += common/err.c common/buf.c common/log.c
