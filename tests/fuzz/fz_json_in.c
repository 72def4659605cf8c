// SPDX-License-Identifier: MIT
// JSON bodies from a stranger. Byte 0 chooses the request, the rest is the body. What is accepted must keep the promises of
// json_in.h; what is refused must say why.
#include "server/json_in.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static int fuzz_campaign(const char *text, size_t n, struct problem *p)
{
    struct campaign_in c;
    if (json_in_campaign(text, n, &c, p))
        return -1;
    promise(strlen(c.model) == 64 && c.n_boards >= 1 && c.n_boards <= JSON_IN_MAX_BOARDS);
    promise((c.n_specs == 0) == (c.points >= 1 && c.specs == NULL) &&
            c.n_specs <= JSON_IN_MAX_SPECS);
    promise(c.repeats >= 1 && c.repeats <= JSON_IN_MAX_RUNS && c.input_seed != 0);
    for (int i = 0; i < c.n_boards; i++)
        promise(json_in_id_valid(c.boards[i]));
    for (int i = 0; i < c.n_specs; i++)
        promise(strlen(c.specs[i]) >= 1 && strlen(c.specs[i]) < PLANNER_MAX_SPEC);
    campaign_in_free(&c);
    return 0;
}

static int fuzz_lease(const char *text, size_t n, struct problem *p)
{
    struct lease_in in;
    if (json_in_lease(text, n, &in, p))
        return -1;
    promise(json_in_id_valid(in.agent) && in.n_rigs >= 1 && in.n_rigs <= JSON_IN_MAX_RIGS &&
            in.wait_s >= 0 && in.wait_s <= 60);
    for (int i = 0; i < in.n_rigs; i++)
        promise(json_in_id_valid(in.rigs[i].name) && json_in_id_valid(in.rigs[i].board));
    return 0;
}

static int fuzz_result(const char *text, size_t n, struct problem *p)
{
    struct result_in in;
    if (json_in_result(text, n, &in, p))
        return -1;
    promise(in.n_runs >= 1 && in.n_runs <= JSON_IN_MAX_RUNS && in.n_blocks >= 0 &&
            in.n_blocks <= JSON_IN_MAX_BLOCKS);
    promise(in.hello.clock_hz > 0 && in.hello.emulated == (in.hello.timing[0] != '\0'));
    for (int i = 0; i < in.n_runs; i++)
        promise(in.runs[i].cycles >= 1 && in.runs[i].cycles <= INT64_MAX);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problem p = {0};
    struct heartbeat_in beat;
    struct failure_in failure;
    struct health_in health;
    struct board board;
    int bad = 0;
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t n = size - 1;
    switch (data[0] % 7) {
    case 0:
        bad = fuzz_campaign(text, n, &p);
        break;
    case 1:
        bad = fuzz_lease(text, n, &p);
        break;
    case 2:
        bad = json_in_heartbeat(text, n, &beat, &p);
        promise(bad || (beat.progress >= 0 && beat.progress <= 1));
        heartbeat_in_free(&beat);
        break;
    case 3:
        bad = fuzz_result(text, n, &p);
        break;
    case 4:
        bad = json_in_failure(text, n, &failure, &p);
        break;
    case 5:
        bad = json_in_health(text, n, &health, &p);
        promise(bad || json_in_id_valid(health.agent));
        break;
    default:
        bad = json_in_board(text, n, &board, &p);
        promise(bad || (json_in_id_valid(board.id) && board.clock_hz > 0));
        break;
    }
    promise((bad != 0) == (p.err.code != ERR_NONE));
    promise(!bad || p.err.msg[0] != '\0');
    return 0;
}
