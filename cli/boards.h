// SPDX-License-Identifier: MIT
// The boards of firmware/boards, compiled in: `farm` plans for them wherever it runs.
#ifndef CLI_BOARDS_H
#define CLI_BOARDS_H

#include "server/board.h"

// -1: ERR_INTERNAL names board and field.
int cli_boards(struct boards *out, struct err *e);

#endif
