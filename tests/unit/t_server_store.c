// SPDX-License-Identifier: MIT
// The database: migration from nothing and from a file, what a rolled-back transaction leaves, rows come back as they went
// in, events are compacted.
#include <sys/stat.h>
#include <unistd.h>

#include "server/store.h"
#include "tests/tap.h"

static const char sha[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static char dir[64];

static struct store *open_store(void)
{
    struct store *s = NULL;
    struct err e = {0};
    OKF(store_open(dir, &s, &e) == 0, "the database opens: %s", e.msg);
    return s;
}

static void add_model(struct store *s)
{
    struct err e = {0};
    struct model m = {.bytes = 3,
                      .created_ms = 1700000000123,
                      .info = {.layers = 2,
                               .macs = UINT64_C(9007199254740993), // has no double
                               .weight_bytes = 77,
                               .plain_arena_bytes = 4000000000u,
                               .input = {1, 2, 3, 6, 0.1f, -128},
                               .output = {4, 5, 6, 120, 0.25f, 127}}},
                 back;
    snprintf(m.id, sizeof m.id, "%s", sha);
    snprintf(m.name, sizeof m.name, "a \"name\" with ' and \xE2\x82\xAC");
    EQ_INT(store_model_add(s, &m, "[]", &e), -1); // its bytes are not there: foreign key
    OKF(e.code == ERR_IO, "a model without its bytes is refused: %s", e.msg);
    e = (struct err){0};
    EQ_INT(store_blob_add(s, sha, "abc", 3, &e), 0);
    EQ_INT(store_blob_add(s, sha, "abc", 3, &e), 0);
    EQ_INT(store_model_add(s, &m, "[1,2]", &e), 0);
    EQ_INT(store_model_get(s, sha, &back, &e), 0);
    EQ_STR(back.name, m.name);
    OK(back.info.macs == m.info.macs);
    OK(back.info.plain_arena_bytes == 4000000000u);
    OK(back.info.input.scale == 0.1f && back.info.input.zero == -128);
    OK(back.info.output.h == 4 && back.info.output.bytes == 120);
    EQ_INT(store_model_get(s, "nope", &back, &e), -1);
    EQ_INT(e.code, ERR_NOT_FOUND);
}

static int64_t add_campaign(struct store *s, struct job *j)
{
    struct err e = {0};
    struct campaign c = {
        .repeats = 3, .input_seed = 4294967295u, .output_crc32 = 0xFFFFFFFFu, .created_ms = 5};
    snprintf(c.model, sizeof c.model, "%s", sha);
    snprintf(c.boards_json, sizeof c.boards_json, "[\"b\"]");
    snprintf(c.input_kind, sizeof c.input_kind, "uniform");
    EQ_INT(store_campaign_add(s, &c, "key", &e), 0);
    *j = (struct job){.campaign = c.id,
                      .program_crc32 = 0x80000000u,
                      .arena_bytes = 10,
                      .macs = 1,
                      .predicted_ms = -1};
    snprintf(j->board, sizeof j->board, "b");
    snprintf(j->spec, sizeof j->spec, "0:plain");
    snprintf(j->program, sizeof j->program, "%s", sha);
    EQ_INT(store_job_add(s, j, 6, &e), 0);
    struct campaign again = c;
    EQ_INT(store_campaign_add(s, &again, "key", &e), -1); // the key is unique
    OK(e.code == ERR_IO);
    return c.id;
}

static void check_job(struct store *s, struct job *j)
{
    struct err e = {0};
    struct job back;
    EQ_INT(store_job_get(s, j->id, &back, &e), 0);
    EQ_INT(back.state, JOB_QUEUED);
    OK(back.predicted_ms < 0);
    OK(back.program_crc32 == 0x80000000u);
    OK(back.output_crc32 == 0xFFFFFFFFu);
    EQ_STR(back.error_type, "");
    EQ_INT(store_job_lease(s, j->id, "a", "r", "l", 100, 7, &e), 0);
    EQ_INT(store_job_get(s, j->id, &back, &e), 0);
    EQ_INT(back.state, JOB_LEASED);
    EQ_INT(back.attempt, 1);
    EQ_INT(back.lease_until_ms, 100);
    int64_t ids[4];
    int n = 0;
    EQ_INT(store_job_lapsed(s, 100, ids, 4, &n, &e), 0);
    EQ_INT(n, 0);
    EQ_INT(store_job_lapsed(s, 101, ids, 4, &n, &e), 0);
    EQ_INT(n, 1);
    // What the schema forbids stays out even if the code were wrong: a failed job names a reason.
    EQ_INT(store_job_fail(s, j->id, "", "", 8, &e), -1);
    OKF(e.code == ERR_IO, "a failure without a reason is refused: %s", e.msg);
    e = (struct err){0};
    // ... and a result whose RAM is not as predicted.
    struct result r = {.job = j->id,
                       .campaign = j->campaign,
                       .attempt = 1,
                       .arena_bytes = 11,
                       .predicted_arena_bytes = 10,
                       .instructions = -1,
                       .clock_hz = 1,
                       .runs_json = "[]",
                       .blocks_json = "[]"};
    EQ_INT(store_result_add(s, &r, &e), -1);
    e = (struct err){0};
    r.arena_bytes = 10;
    EQ_INT(store_result_add(s, &r, &e), 0);
    EQ_INT(store_result_add(s, &r, &e), -1); // one result a job
}

static void check_events(struct store *s, int64_t campaign)
{
    struct err e = {0};
    struct event ev[8];
    int n = 0;
    int64_t last = 0;
    EQ_INT(store_event_add(s, campaign, EVENT_JOB, 1, &e), 0);
    EQ_INT(store_event_add(s, campaign, EVENT_CAMPAIGN, campaign, &e), 0);
    EQ_INT(store_event_add(s, campaign, EVENT_JOB, 1, &e), 0);
    EQ_INT(store_event_list(s, campaign, 0, ev, 8, &n, &e), 0);
    EQ_INT(n, 2);
    OK(ev[0].kind == EVENT_CAMPAIGN && ev[1].kind == EVENT_JOB && ev[1].id == 3);
    EQ_INT(store_event_last(s, campaign, &last, &e), 0);
    EQ_INT(last, 3);
}

static void check_transaction(struct store *s)
{
    struct err e = {0};
    struct buf b;
    buf_init(&b, 100);
    static const char other[] = "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    EQ_INT(store_begin(s, &e), 0);
    EQ_INT(store_blob_add(s, other, "x", 1, &e), 0);
    store_rollback(s);
    EQ_INT(store_blob_get(s, other, &b, &e), -1);
    EQ_INT(e.code, ERR_NOT_FOUND);
    e = (struct err){0};
    EQ_INT(store_begin(s, &e), 0);
    EQ_INT(store_blob_add(s, other, "x", 1, &e), 0);
    EQ_INT(store_commit(s, &e), 0);
    EQ_INT(store_blob_get(s, other, &b, &e), 0);
    EQ_INT(b.len, 1);
    EQ_INT(store_blob_sweep(s, &e), 0); // nothing names it
    EQ_INT(store_blob_get(s, other, &b, &e), -1);
    buf_reset(&b);
    e = (struct err){0};
    EQ_INT(store_blob_get(s, sha, &b, &e), 0); // a model does name this one
    buf_free(&b);
}

static void check_front(struct store *s)
{
    struct err e = {0};
    struct config at[2] = {
        {.spec = "0:plain", .arena_bytes = 5, .macs = 9, .overhead = 1.25, .input_streamed = true},
        {.spec = "0-1:rows", .arena_bytes = 6, .macs = 8, .overhead = 1, .blocks = 3}};
    struct front f = {2, at}, back;
    EQ_INT(store_front_get(s, sha, "v1", &back, &e), -1);
    EQ_INT(e.code, ERR_NOT_FOUND);
    e = (struct err){0};
    EQ_INT(store_front_put(s, sha, "v1", &f, 1, &e), 0);
    EQ_INT(store_front_put(s, sha, "v2", &f, 1, &e), 0);
    EQ_INT(store_front_get(s, sha, "v1", &back, &e), -1); // another planner's front is not ours
    e = (struct err){0};
    EQ_INT(store_front_get(s, sha, "v2", &back, &e), 0);
    EQ_INT(back.n, 2);
    OK(back.n == 2 && strcmp(back.at[1].spec, "0-1:rows") == 0 && back.at[0].overhead == 1.25);
    OK(back.n == 2 && back.at[0].input_streamed && !back.at[1].input_streamed &&
       back.at[1].blocks == 3);
    free(back.at);
}

int main(void)
{
    char path[128];
    snprintf(dir, sizeof dir, "/tmp/farm-store-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    struct store *s = open_store();
    if (!s)
        return tap_done();
    struct job j;
    add_model(s);
    int64_t campaign = add_campaign(s, &j);
    store_close(s);
    s = open_store(); // the second time there is nothing to migrate
    check_job(s, &j);
    check_events(s, campaign);
    check_transaction(s);
    check_front(s);
    store_close(s);
    store_close(NULL);

    struct err e = {0};
    OKF(store_open("/nonexistent", &s, &e) == -1 && strstr(e.msg, "/nonexistent/farm.db"),
        "a bad path is named: %s", e.msg);
    snprintf(path, sizeof path, "%s/farm.db", dir);
    FILE *f = fopen(path, "r+");
    if (f) {
        fwrite("not a database at all, just text", 1, 32, f);
        fclose(f);
    }
    e = (struct err){0};
    OKF(store_open(dir, &s, &e) == -1 && e.msg[0], "a file that is no database is refused: %s",
        e.msg);
    static const char *const names[] = {"farm.db", "farm.db-wal", "farm.db-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    EQ_INT(rmdir(dir), 0);
    return tap_done();
}
