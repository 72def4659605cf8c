LIB_SRC += server/planner/tflite.c
LIB_SRC += server/planner/reference.c
LIB_SRC += server/planner/graph.c server/planner/import_view.c server/planner/import_layers.c server/planner/import_shapes.c
# The golden outputs of the optional test models are JSON.
t_reference_LIBS := -lcjson
t_graph_LIBS := -lcjson
t_import_memory_LIBS := -Wl,--wrap=calloc
LIB_SRC += server/planner/fusion.c server/planner/cell.c server/planner/cells.c server/planner/families.c server/planner/config.c server/planner/front.c
LIB_SRC += server/planner/front_cells.c server/planner/program.c server/planner/program_cells.c server/planner/constants.c server/planner/planner.c server/planner/msfcnn.c server/planner/patch.c server/planner/strategy.c server/planner/timeline.c server/planner/latency.c server/planner/latency_front.c server/planner/next.c server/planner/bound.c
LIBS += -lz
