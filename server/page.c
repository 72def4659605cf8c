// SPDX-License-Identifier: MIT
// See page.h.
#include "server/page.h"

#include "server/api.h"

int page_open(struct page *page, struct request *r, struct reply *out, int64_t first,
              int64_t *cursor, struct problem *p)
{
    int64_t limit = 0;
    if (request_query_integer(r, "limit", 1, API_MAX_LIMIT, API_DEFAULT_LIMIT, &limit, p) ||
        request_query_integer(r, "cursor", 1, INT64_MAX, first, cursor, p))
        return -1;
    *page = (struct page){.app = r->app, .limit = (int)limit};
    json_list_open(&page->list, &out->body);
    return 0;
}

bool page_item(struct page *page, int64_t id)
{
    if (page->list.n == page->limit) {
        page->more = true;
        return false;
    }
    page->last = id;
    json_list_item(&page->list);
    return true;
}

void page_close(struct page *page)
{
    json_list_close(&page->list, page->more ? page->last : 0);
}
