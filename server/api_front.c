// SPDX-License-Identifier: MIT
// See api_front.h.
#include "server/api_front.h"

#include "server/app.h"
#include "server/json_out.h"

int front_query_read(const struct request *r, struct front_query *q, struct problem *p)
{
    const char *board = request_query(r, "board");
    *q = (struct front_query){0};
    q->has_max_ram = request_query(r, "max_ram") != NULL;
    q->has_max_overhead = request_query(r, "max_overhead") != NULL;
    if (request_query_integer(r, "max_ram", 0, UINT32_MAX, UINT32_MAX, &q->max_ram, p) ||
        request_query_number(r, "max_overhead", 0, 1e6, 1e6, &q->max_overhead, p))
        return -1;
    if (board && !(q->board = boards_find(&r->app->boards, board)))
        return problem_field(p, ERR_UNKNOWN_BOARD, "board",
                             "there is no board \"%.60s\"; GET /api/v1/boards lists them", board);
    return 0;
}

void front_view_point_open(const struct front_view *v, struct buf *b, const struct config *c)
{
    const struct board *board = v->query->board;
    double ms = board && v->planner ? board_predict_ms(board, v->planner, c->spec) : -1;
    // The program's exact size is known only once it is built; its weights are a lower bound.
    bool fits = !board || board_fits(board, c, v->model->info.weight_bytes, NULL) == 0;
    json_out_point_open(b, c, ms, fits);
}

static void front_view_point(const struct front_view *v, struct buf *b, const struct config *c)
{
    front_view_point_open(v, b, c);
    if (v->extend)
        v->extend(v->cls, b, c);
    buf_puts(b, "}");
}

static void front_view_answer(const struct front_view *v, struct buf *b, const char *key,
                              const struct config *c)
{
    buf_printf(b, ",\"%s\":", key);
    if (c)
        front_view_point(v, b, c);
    else
        buf_puts(b, "null");
}

void front_view_write(const struct front_view *v, struct buf *b)
{
    const struct front_query *q = v->query;
    size_t n_others = v->others ? v->others->n : 0;
    buf_puts(b, "\"board\":");
    json_out_text_or_null(b, q->board ? q->board->id : "");
    buf_puts(b, ",\"prediction\":");
    json_out_prediction(b, q->board);
    buf_puts(b, ",\"points\":[");
    for (size_t i = 0; i < v->front->n + n_others; i++) {
        buf_puts(b, i ? "," : "");
        front_view_point(v, b,
                         i < v->front->n ? &v->front->at[i] : &v->others->at[i - v->front->n]);
    }
    buf_puts(b, "]");
    front_view_answer(v, b, "p1",
                      q->has_max_overhead ? front_least_ram(v->front, q->max_overhead) : NULL);
    const struct config *p2 = NULL;
    if (q->has_max_ram)
        p2 = v->by_latency ? front_fastest(v->front, (uint32_t)q->max_ram)
                           : front_least_overhead(v->front, (uint32_t)q->max_ram);
    front_view_answer(v, b, "p2", p2);
}
