// SPDX-License-Identifier: MIT
// Serial bytes from a stranger. Byte 0 chooses the kind of lines and the buffer's size, the rest is
// the stream. A line that the reader accepts must be a string with the CRC that a writer would give
// it.
#include "firmware/wire/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum wire_kind kind = data[0] & 1 ? WIRE_COMMANDS : WIRE_RECORDS;
    size_t cap = data[0] & 2 ? WIRE_COMMAND_MAX : WIRE_LINE_MAX;
    char *buffer = malloc(cap); // exact, so that the sanitizer sees one byte too many
    if (!buffer)
        return 0;
    struct wire_reader r;
    wire_reader_init(&r, kind, buffer, cap);
    for (size_t i = 1; i < size; i++) {
        struct wire_line line;
        if (wire_feed(&r, data[i], &line) != 1)
            continue;
        size_t name = strlen(line.name), json = strlen(line.json);
        if (name == 0 || name > WIRE_NAME_MAX || name + json + 6 > cap)
            abort();
        if (json && (line.json[0] != '{' || line.json[json - 1] != '}'))
            abort();
        struct wire_command cmd;
        const char *why;
        if (kind == WIRE_COMMANDS && wire_command_parse(&line, &cmd, &why) == 0) {
            char again[WIRE_COMMAND_MAX + 1];
            if (wire_command_write(&cmd, again, sizeof again) < 0)
                abort();
        }
    }
    free(buffer);
    return 0;
}
