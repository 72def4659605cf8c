LIB_SRC += agent/child.c agent/elf.c agent/farm_client.c agent/farm_json.c agent/health.c agent/joblog.c agent/openocd.c agent/port.c agent/record.c \
	agent/rig.c agent/rig_file.c agent/runtime_dir.c agent/serial.c agent/session.c agent/vrig.c
PROGS += farm-agent
farm-agent_MAIN := agent/main.c
LIBS += -lcurl -lserialport -lcjson -lpthread
