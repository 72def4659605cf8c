LIB_SRC += server/planner/tflite.c
