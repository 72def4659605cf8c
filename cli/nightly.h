// SPDX-License-Identifier: MIT
// `farm plan list`, `show` and `run`: the nightly plans of the server.
#ifndef CLI_NIGHTLY_H
#define CLI_NIGHTLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/api.h"
#include "cli/args.h"

// What a run came to, for the exit status.
enum nightly_outcome {
    NIGHTLY_PASS,      // ok, improved; or nothing was waited for
    NIGHTLY_RED,       // a regression
    NIGHTLY_NO_VERDICT // incomplete, a rig is suspect, suspected, skipped, failed, cancelled
};

// "list", "show" or "run" as a->target says. The text for stdout goes into out. -1: e is set.
int nightly_command(struct api *api, const struct cli_args *a, struct buf *out,
                    enum nightly_outcome *outcome, struct err *e);

// --- replies as text; no I/O ---

struct nightly_run {
    int64_t id;
    char plan[64], state[16], verdict[16];
    int64_t points, open;
    bool finished;
};
int nightly_parse_run(const char *json, struct nightly_run *out, struct err *e);
enum nightly_outcome nightly_outcome_of(const struct nightly_run *r);
int nightly_plan_table(const char *plans_json, struct buf *out, struct err *e);

#endif
