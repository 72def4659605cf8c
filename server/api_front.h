// SPDX-License-Identifier: MIT
// Fronts as JSON, shared by /models/{id}/front and /campaigns/{id}/front: points, whether they fit a board, predicted
// times, and the two look-ups P1 (least RAM within an overhead) and P2 (least overhead within a RAM budget).
#ifndef SERVER_API_FRONT_H
#define SERVER_API_FRONT_H

#include "server/board.h"
#include "server/planner/planner.h"
#include "server/request.h"
#include "server/store.h"

struct front_query {
    const struct board *board; // NULL: none
    bool has_max_ram, has_max_overhead;
    int64_t max_ram;     // bytes of arena
    double max_overhead; // F, 1 = no more MACs than plain
};
// Reads ?board=&max_ram=&max_overhead=.
int front_query_read(const struct request *r, struct front_query *q, struct problem *p);

struct front_view {
    const struct model *model;
    const struct front *front;
    const struct planner *planner; // NULL: no predictions
    const struct front_query *query;
    bool by_latency; // the front is one over RAM and predicted latency
    // Adds members to a point; NULL: none
    void (*extend)(void *cls, struct buf *b, const struct config *c);
    // Points that are not on the front, behind those that are; NULL: none
    const struct front *others;
    void *cls;
};
// "board":..,"prediction":..,"points":[..],"p1":..,"p2":..
void front_view_write(const struct front_view *v, struct buf *b);
// A point without extension and closing brace.
void front_view_point_open(const struct front_view *v, struct buf *b, const struct config *c);

#endif
