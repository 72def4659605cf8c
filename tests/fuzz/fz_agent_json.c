// SPDX-License-Identifier: MIT
// What the agent reads from others: byte 0 chooses the reader (rig.json, a virtual board's ready line, the server's
// answers, a record's JSON, an ELF file), the rest is its text.
#include <stdlib.h>
#include <string.h>

#include "agent/elf.h"
#include "agent/farm_json.h"
#include "agent/openocd.h"
#include "agent/record.h"
#include "agent/rig_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What was accepted must be safe to hand on: unique, short, and never the end of a Tcl word.
static void fuzz_rigs(const char *text, size_t n)
{
    struct err e = {0};
    struct rig_config *rigs;
    size_t n_rigs;
    if (rig_file_parse("rig.json", text, n, &rigs, &n_rigs, &e) < 0)
        return;
    for (size_t i = 0; i < n_rigs; i++) {
        if (!rig_file_name_ok(rigs[i].name, 63) || !rig_file_name_ok(rigs[i].board, 47) ||
            !openocd_serial_ok(rigs[i].serial) || rigs[i].tty[0] != '/')
            abort();
        for (size_t k = 0; k < i; k++) {
            if (strcmp(rigs[k].serial, rigs[i].serial) == 0 ||
                strcmp(rigs[k].tty, rigs[i].tty) == 0)
                abort();
        }
    }
    free(rigs);
}

static void fuzz_answers(const char *text, size_t n)
{
    struct err e = {0};
    struct farm_lease lease;
    char type[64], detail[200];
    int deadline_s = 30;
    if (farm_json_read_lease(text, n, &lease, &e) == 0 &&
        (lease.repeats < 1 || lease.repeats > WIRE_REPEATS_MAX))
        abort();
    if (farm_json_read_heartbeat(text, n, &deadline_s, &e) == 0 &&
        (deadline_s < 1 || deadline_s > 3600))
        abort();
    farm_json_read_verdict(text, n, type, sizeof type);
    farm_json_read_problem(text, n, type, sizeof type, detail, sizeof detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"hello", "run",  "block", "mem",
                                        "out",   "done", "fault", "note"};
    struct err e = {0};
    struct record rec;
    struct rig_config ready = {0};
    char id[ELF_BUILD_ID_CHARS];
    if (size == 0)
        return 0;
    char *text = malloc(size); // exact, and NUL-terminated, as buf_str() gives it
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        fuzz_rigs(text, size - 1);
        break;
    case 1:
        rig_file_parse_ready(text, size - 1, &ready, &e);
        break;
    case 2:
        fuzz_answers(text, size - 1);
        break;
    case 3:
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            record_parse(&(struct wire_line){.name = names[i], .json = text}, &rec, &e);
        break;
    case 4:
        elf_find_build_id("file", (const uint8_t *)text, size - 1, id, &e);
        break;
    }
    free(text);
    return 0;
}
