// SPDX-License-Identifier: MIT
// Pages of lists: {"items":[..],"next":cursor}, by ?limit= and ?cursor=.
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/json_out.h"
#include "server/request.h"

struct page {
    struct app *app;
    struct json_list list;
    int limit; // ask the store for one more: it tells that there is another page
    int64_t last;
    bool more;
};

// Opens a page; *cursor is the id to go on from, `first` when none was given.
int page_open(struct page *page, struct request *r, struct reply *out, int64_t first,
              int64_t *cursor, struct problem *p);
// Is there room for another item? Then the caller writes it, under this id, to page->list.buf.
bool page_item(struct page *page, int64_t id);
void page_close(struct page *page);

#endif
