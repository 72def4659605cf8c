// SPDX-License-Identifier: GPL-2.0-only
// See fault.h.
#include "agent/vboard/fault.h"
#include "common/buf.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STLINK_REQUESTS 200u      // in the middle of flashing
#define DEFAULT_RUN_INSTRUCTIONS 1000000u // in the middle of an inference
#define CUT_AFTER 20u                     // characters of an @out record that survive

enum { FAULT_FILE_MAX = 4096 };

const char fault_help[] =
    "  --fault KIND       FAULT INJECTION, for tests only: make the board misbehave on purpose\n"
    "                       silent         nothing that the board sends reaches its serial line\n"
    "                       garbage        every byte that it sends is replaced by a random one\n"
    "                       cut            @out records lose their second half\n"
    "                       hang:N         the CPU stops for good N instructions after each reset\n"
    "                       reset[:N]      the board resets N instructions after a 'run' "
    "(1000000)\n"
    "                       stack[:N]      ... all but the last bytes of its stack are taken\n"
    "                       crash[:N]      ... an instruction cannot be fetched\n"
    "                       bitflip        a bit of the program's flash flips at the first "
    "'run', once\n"
    "                       output         its test input flips after the first timed run: a "
    "wrong output\n"
    "                       other-firmware the image in flash has another build-id\n"
    "                       other-board    the image in flash names another board\n"
    "                       stlink-hang[:N] the debug probe stops answering after N requests "
    "(200)\n"
    "                       @FILE          the kind stands in FILE, read at each reset; empty: "
    "none\n";

static const struct {
    const char *name;
    enum fault_kind kind;
    bool counts;
    uint64_t n; // 0: must be given
} kinds[] = {
    {"silent", FAULT_SILENT, false, 0},
    {"garbage", FAULT_GARBAGE, false, 0},
    {"cut", FAULT_CUT, false, 0},
    {"hang", FAULT_HANG, true, 0},
    {"reset", FAULT_RESET, true, DEFAULT_RUN_INSTRUCTIONS},
    {"stack", FAULT_STACK, true, DEFAULT_RUN_INSTRUCTIONS},
    {"crash", FAULT_CRASH, true, DEFAULT_RUN_INSTRUCTIONS},
    {"bitflip", FAULT_BITFLIP, false, 0},
    {"output", FAULT_OUTPUT, false, 0},
    {"other-firmware", FAULT_OTHER_FIRMWARE, false, 0},
    {"other-board", FAULT_OTHER_BOARD, false, 0},
    {"stlink-hang", FAULT_STLINK_HANG, true, DEFAULT_STLINK_REQUESTS},
};

static int parse_count(struct fault *f, const char *text, struct err *e)
{
    char *end;
    errno = 0;
    f->n = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-')
        return err_set(e, ERR_BAD_FIELD, "--fault: \"%s\" is not a count", text);
    return 0;
}

static int parse_kind(struct fault *f, const char *text, struct err *e)
{
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bool counted = text[length] == ':';
        if (strlen(kinds[i].name) != length || strncmp(text, kinds[i].name, length) != 0)
            continue;
        if (counted ? !kinds[i].counts : kinds[i].counts && kinds[i].n == 0)
            return err_set(e, ERR_BAD_FIELD, "--fault: %s %s a count", kinds[i].name,
                           counted ? "takes no" : "needs");
        f->kind = kinds[i].kind;
        f->n = kinds[i].n;
        return counted ? parse_count(f, text + length + 1, e) : 0;
    }
    return err_set(e, ERR_BAD_FIELD, "--fault: unknown kind \"%s\"; --help lists them", text);
}

static void begin_lines(struct fault *f)
{
    f->line_length = 0;
    f->requests = 0;
    f->asked = f->answered = 0;
}

int fault_parse(struct fault *f, const char *text, struct err *e)
{
    memset(f, 0, sizeof *f);
    f->noise = 12345;
    begin_lines(f);
    if (!text)
        return 0;
    if (text[0] != '@')
        return parse_kind(f, text, e);
    if (!text[1] || strlen(text + 1) >= sizeof f->file)
        return err_set(e, ERR_BAD_FIELD, "--fault: \"%s\" names no file", text);
    snprintf(f->file, sizeof f->file, "%s", text + 1);
    fault_reset(f);
    return 0;
}

void fault_reset(struct fault *f)
{
    struct err e = {0};
    struct buf text;
    if (!f->file[0])
        return;
    begin_lines(f);
    f->kind = FAULT_NONE;
    buf_init(&text, FAULT_FILE_MAX);
    if (buf_read_file(&text, f->file) == 0) {
        char kind[64];
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(buf_str(&text), "\r\n"), buf_str(&text));
        if (kind[0] && parse_kind(f, kind, &e) == 0)
            log_warn("fault", "fault injection is on: %s", kind);
        else if (kind[0])
            log_error("fault", "%s: %s", f->file, e.msg);
    }
    buf_free(&text);
}

bool fault_transmit(struct fault *f, uint8_t *byte)
{
    switch (f->kind) {
    case FAULT_SILENT:
        return false;
    case FAULT_GARBAGE:
        f->noise = f->noise * 1664525u + 1013904223u;
        *byte = (uint8_t)(f->noise >> 24);
        return true;
    case FAULT_CUT: {
        if (f->line_length < sizeof f->line)
            f->line[f->line_length] = (char)*byte;
        f->line_length++;
        bool cut = f->line_length > CUT_AFTER && memcmp(f->line, "@out", 4) == 0;
        if (*byte == '\n')
            f->line_length = 0;
        return !cut;
    }
    default:
        return true;
    }
}

static bool word_ends(const char *word, size_t *at, uint8_t byte)
{
    if (byte == '\n')
        *at = 0;
    else if (*at != SIZE_MAX && byte == (uint8_t)word[*at])
        ++*at;
    else
        *at = SIZE_MAX;
    if (*at != strlen(word))
        return false;
    *at = SIZE_MAX;
    return true;
}

bool fault_asked(struct fault *f, uint8_t received)
{
    return word_ends("run", &f->asked, received);
}

bool fault_answered(struct fault *f, uint8_t sent)
{
    return word_ends("@run", &f->answered, sent);
}

bool fault_stlink_silent(struct fault *f)
{
    return f->kind == FAULT_STLINK_HANG && ++f->requests > f->n;
}
