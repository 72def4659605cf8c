// SPDX-License-Identifier: MIT
// Plain structs -> JSON text in a buf, as docs/rest.md and openapi.json describe it. 64-bit counts are strings.
#ifndef SERVER_JSON_OUT_H
#define SERVER_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "server/board.h"
#include "server/json_in.h"
#include "server/problem.h"
#include "server/store.h"

void json_out_problem(struct buf *b, const struct problem *p);
void json_out_time(struct buf *b, int64_t ms); // null when 0
void json_out_double(struct buf *b,
                     double v); // shortest text that reads back the same; null when not finite
void json_out_text_or_null(struct buf *b, const char *text); // null when ""
void json_out_model(struct buf *b, const struct model *m);
void json_out_campaign(struct buf *b, const struct campaign *c);
void json_out_job(struct buf *b, const struct job *j,
                  const char *result); // result: JSON text, NULL = none
void json_out_result(struct buf *b, const struct result *r);
void json_out_measured(
    struct buf *b, const struct result *r); // the short form inside a point of a campaign's front
void json_out_board(struct buf *b, const struct board *board);
void json_out_rig(struct buf *b, const struct rig *r, int64_t job, int64_t now_ms,
                  int64_t offline_ms); // job 0: none
void json_out_runs(struct buf *b, const struct result_in *r);
void json_out_block_cycles(struct buf *b, const struct result_in *r);
void json_out_profile(struct buf *b, const struct result_in *r); // nothing where there is none
void json_out_strategies(struct buf *b, uint32_t strategies);    // array of names
// What a board's predictions are worth; null where that was not tested, or without a board.
void json_out_prediction(struct buf *b, const struct board *board);
void json_out_boards(struct buf *b, const struct campaign_in *c); // array of ids
// One point of a front, without the closing brace, so that the caller can add to it.
void json_out_point_open(struct buf *b, const struct config *c, double predicted_ms, bool fits);

// {"items":[ ... ],"next":cursor}: call open, item before each, close with the cursor (0: this was the last page).
struct json_list {
    struct buf *buf;
    int n;
};
void json_list_open(struct json_list *l, struct buf *b);
void json_list_item(struct json_list *l);
void json_list_close(struct json_list *l, int64_t next);

#endif
