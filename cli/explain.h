// SPDX-License-Identifier: MIT
// A configuration explained as text: what is in RAM when, and where the time goes. Takes the JSON
// that the planner and the server give (planner_timeline_json(), planner_layers_json(), a result);
// no I/O.
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

// Block by block: the parts that are there throughout, then input and output over the steps with a
// bar; names the layer that sets the peak. -1: ERR_BAD_JSON.
int explain_timeline(const char *timeline_json, const char *layers_json, struct buf *out,
                     struct err *e);
// Layer by layer as measured: calls, instructions, cycles, instructions a MAC, share; blocks; the
// interpreter as a line of its own. macs of layers are those of the configuration's blocks as the
// timeline has them. -1: ERR_BAD_JSON, ERR_NOT_FOUND where the result has no profile.
int explain_profile(const char *result_json, const char *timeline_json, const char *layers_json,
                    struct buf *out, struct err *e);

#endif
