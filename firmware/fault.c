// SPDX-License-Identifier: MIT
#include "firmware/fault.h"
#include "firmware/platform.h"
#include "firmware/session.h"
#include "firmware/wire/wire.h"

void fault_report(const struct fault *f)
{
    struct wire_writer w;
    session_begin(&w, "fault");
    wire_field_str(&w, "code", f->code);
    wire_field_hex32(&w, "pc", f->pc);
    wire_field_hex32(&w, "lr", f->lr);
    wire_field_str(&w, "detail", f->detail);
    wire_end(&w);
}

_Noreturn void fault_stop(const struct fault *f)
{
    char buffer[WIRE_COMMAND_MAX];
    struct wire_reader reader;
    struct wire_line line;
    struct wire_command command;
    const char *why;

    platform_put('\n'); // the fault may have interrupted a record
    fault_report(f);
    wire_reader_init(&reader, WIRE_COMMANDS, buffer, sizeof buffer);
    for (;;) {
        int byte = platform_get();
        if (byte < 0 || wire_feed(&reader, (uint8_t)byte, &line) != 1)
            continue;
        if (wire_command_parse(&line, &command, &why) == 0 && command.kind == WIRE_CMD_RESET)
            platform_reset();
        fault_report(f);
    }
}
