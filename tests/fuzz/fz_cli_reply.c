// SPDX-License-Identifier: MIT
// The client on any reply: nothing that a server (or whoever answers on its port) sends may crash
// it or reach the terminal as a control character.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "cli/explain.h"
#include "cli/nightly.h"
#include "cli/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text, out;
    struct err e = {0};
    buf_init(&text, 1u << 24);
    buf_init(&out, 1u << 24);
    buf_add(&text, data, size);
    const char *json = buf_str(&text);

    for (int kind = REPLY_MODELS; kind <= REPLY_JOBS; kind++)
        reply_table((enum reply_list)kind, json, &out, &e);
    struct reply_front_options o = {.all = true, .max_overhead = 1.2, .max_ram = 1000};
    reply_front(json, NULL, &o, &out, &e);
    reply_front("{\"points\":[{\"spec\":\"0:plain\"}]}", json, &o, &out, &e);
    struct reply_seen seen = {0};
    reply_ended_jobs(json, &seen, &out, &e);
    free(seen.ids);
    reply_running_jobs(json, &out, &e);
    struct nightly_run night;
    nightly_parse_run(json, &night, &e);
    nightly_plan_table(json, &out, &e);
    explain_timeline(json, "[]", &out, &e);
    explain_profile(json, json, "[{\"i\":0,\"op\":\"conv\"}]", &out, &e);
    explain_profile("{\"profile\":{}}", json, json, &out, &e);
    for (size_t i = 0; i < out.len; i++) {
        if ((out.data[i] < 0x20 && out.data[i] != '\n') || out.data[i] == 0x7F)
            abort();
    }

    char id[65], cursor[16];
    struct reply_campaign c;
    struct api_problem p;
    struct buf items;
    buf_init(&items, 1u << 24);
    reply_page(json, &items, cursor, sizeof cursor, &e);
    reply_campaign(json, &c, &e);
    reply_model_id(json, id, &e);
    reply_find_model(json, "abcdef", id, &e);
    reply_live_boards(json, &items, &e);
    reply_problem(json, &p);
    buf_free(&items);
    buf_free(&out);
    buf_free(&text);
    return 0;
}
