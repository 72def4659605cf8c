// SPDX-License-Identifier: MIT
// See boards.h. BOARDS_FILE is what module.mk made of the board.json files: one behind the other,
// a NUL after each.
#include "cli/boards.h"

#include <stdlib.h>
#include <string.h>

#include "server/json_in.h"

extern const char cli_boards_begin[], cli_boards_end[];
__asm__(".pushsection .rodata\ncli_boards_begin:\n.incbin \"" BOARDS_FILE
        "\"\ncli_boards_end:\n.byte 0\n.popsection\n");

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct board *)a)->id, ((const struct board *)b)->id);
}

int cli_boards(struct boards *out, struct err *e)
{
    out->n = 0;
    for (const char *at = cli_boards_begin; at < cli_boards_end; at += strlen(at) + 1) {
        struct problem p = {0};
        if (out->n == BOARD_MAX)
            return err_set(e, ERR_INTERNAL, "more than %d boards are compiled in", BOARD_MAX);
        if (json_in_board(at, strlen(at), &out->at[out->n], &p))
            return err_set(e, ERR_INTERNAL, "board %zu that is compiled in: %s %s", out->n, p.field,
                           p.err.msg);
        out->n++;
    }
    qsort(out->at, out->n, sizeof *out->at, by_id);
    return 0;
}
