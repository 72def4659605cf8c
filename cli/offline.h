// SPDX-License-Identifier: MIT
// Planning on this machine, without a server: a .tflite file in; fronts, explanations and programs
// out.
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H

#include "cli/args.h"
#include "common/buf.h"
#include "common/err.h"

// `farm plan FILE`, also `farm front FILE`: facts, the front of --strategy, the answers to
// --max-overhead and --max-ram, what fits --boards; writes --save. As --json: {"model","info",
// "strategy","board","points","p1","p2"}. -1: ERR_BAD_REQUEST (an option), ERR_IO (a file),
// ERR_BAD_MODEL, ERR_UNSUPPORTED, ERR_BAD_FIELD, ERR_NO_FIT.
int offline_plan(const struct cli_args *a, struct buf *out, struct err *e);
// `farm explain FILE [SPEC]`: what is in RAM when. Without SPEC the configuration that the options
// choose, or else the one with the least RAM.
int offline_explain(const struct cli_args *a, struct buf *out, struct err *e);

#endif
