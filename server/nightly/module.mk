LIB_SRC += $(addprefix server/nightly/, cron.c zone.c stats.c changepoint.c walk.c team.c detect.c drift.c front_diff.c)

# GLib reads the time zone database; its headers are in folders that pkg-config knows.
$(OUT)/server/nightly/zone.o: HOST_CFLAGS += $(shell pkg-config --cflags glib-2.0)
LIBS += -lglib-2.0
