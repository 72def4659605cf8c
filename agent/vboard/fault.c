// SPDX-License-Identifier: GPL-2.0-only
// See fault.h.
#include "agent/vboard/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STLINK_REQUESTS 200u // in the middle of flashing
#define CUT_AFTER 20u                // characters of an @out record that survive

const char fault_help[] =
    "  --fault KIND       FAULT INJECTION, for tests only: make the board misbehave on purpose\n"
    "                       silent         nothing that the board sends reaches its serial line\n"
    "                       garbage        every byte that it sends is replaced by a random one\n"
    "                       hang:N         the CPU stops for good N instructions after each reset\n"
    "                       bitflip        a bit of the program's flash flips at the first "
    "'run', once\n"
    "                       cut            @out records lose their second half\n"
    "                       stlink-hang[:N] the ST-LINK stops answering after N requests (200)\n";

static int parse_count(struct fault *f, const char *text, struct err *e)
{
    char *end;
    errno = 0;
    f->n = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-')
        return err_set(e, ERR_BAD_FIELD, "--fault: \"%s\" is not a count", text);
    return 0;
}

int fault_parse(struct fault *f, const char *text, struct err *e)
{
    memset(f, 0, sizeof *f);
    f->noise = 12345;
    f->at_line_start = true;
    if (!text)
        return 0;
    if (strcmp(text, "silent") == 0) {
        f->kind = FAULT_SILENT;
    } else if (strcmp(text, "garbage") == 0) {
        f->kind = FAULT_GARBAGE;
    } else if (strcmp(text, "bitflip") == 0) {
        f->kind = FAULT_BITFLIP;
    } else if (strcmp(text, "cut") == 0) {
        f->kind = FAULT_CUT;
    } else if (strncmp(text, "hang:", 5) == 0) {
        f->kind = FAULT_HANG;
        return parse_count(f, text + 5, e);
    } else if (strcmp(text, "stlink-hang") == 0) {
        f->kind = FAULT_STLINK_HANG;
        f->n = DEFAULT_STLINK_REQUESTS;
    } else if (strncmp(text, "stlink-hang:", 12) == 0) {
        f->kind = FAULT_STLINK_HANG;
        return parse_count(f, text + 12, e);
    } else {
        return err_set(
            e, ERR_BAD_FIELD,
            "--fault: unknown kind \"%s\" (silent, garbage, hang:N, bitflip, cut, stlink-hang[:N])",
            text);
    }
    return 0;
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

bool fault_flip_now(struct fault *f, uint8_t received)
{
    static const char word[] = "run";
    if (f->kind != FAULT_BITFLIP || f->flipped)
        return false;
    if (received == '\n') {
        f->at_line_start = true;
        f->run_match = 0;
        return false;
    }
    if (f->at_line_start && received == (uint8_t)word[f->run_match]) {
        f->run_match++;
        f->flipped = f->run_match == strlen(word);
        if (f->flipped)
            f->kind = FAULT_NONE; // once: a second attempt finds a healthy board
        return f->flipped;
    }
    f->at_line_start = false;
    return false;
}

bool fault_stlink_silent(struct fault *f)
{
    return f->kind == FAULT_STLINK_HANG && ++f->requests > f->n;
}
