// SPDX-License-Identifier: MIT
// What the command line makes of the server's replies, whole, odd and broken.
#include "cli/reply.h"

#include "cli/api.h"
#include "tests/tap.h"

static const char front_json[] =
    "{\"model\":\"m\",\"board\":null,\"points\":["
    "{\"spec\":\"0-8:rows "
    "9:plain\",\"arena_bytes\":10240,\"macs\":\"2000000\",\"overhead\":1.25,\"predicted_ms\":12.5,"
    "\"measured\":[{\"board\":\"nucleo-f767zi\",\"result\":3,\"arena_bytes\":10240,\"ms\":13.125,"
    "\"emulated\":true,"
    "\"output\":\"match\"}]},"
    "{\"spec\":\"0:plain "
    "1-9:cols4\",\"arena_bytes\":20480,\"macs\":\"1900000\",\"overhead\":1.1,\"predicted_ms\":null,"
    "\"measured\":[]},"
    "{\"spec\":\"0-9:plain\",\"arena_bytes\":102400,\"macs\":\"1600000\",\"overhead\":1,"
    "\"predicted_ms\":110.04,"
    "\"measured\":[]}],"
    "\"p1\":{\"spec\":\"0:plain "
    "1-9:cols4\",\"arena_bytes\":20480,\"overhead\":1.1,\"predicted_ms\":11},\"p2\":null}";

static const char jobs_json[] =
    "[{\"id\":1,\"board\":\"nucleo-f767zi\",\"spec\":\"0-8:rows "
    "9:plain\",\"state\":\"done\",\"attempts\":1,"
    "\"predicted\":{\"ms\":12.75},\"result\":{\"ms\":13.125,\"arena_bytes\":10240,\"emulated\":"
    "true,\"output\":\"match\"}},"
    "{\"id\":2,\"board\":\"nucleo-f767zi\",\"spec\":\"0-9:plain\",\"state\":\"failed\","
    "\"attempts\":3,"
    "\"error\":{\"type\":\"serial-timeout\",\"detail\":\"f767-1: no \\u001b[31m@hello in 5 s\"}},"
    "{\"id\":4,\"board\":\"nucleo-f767zi\",\"spec\":\"x\",\"state\":\"leased\",\"rig\":\"f767-1\","
    "\"phase\":\"running\","
    "\"progress\":0.4}]";

static void test_front(void)
{
    struct buf out;
    struct err e = {0};
    struct reply_front_options o = {.max_overhead = 1.2, .max_ram = 1000};
    buf_init(&out, 1u << 16);
    EQ_INT(reply_front(front_json, jobs_json, &o, &out, &e), 0);
    EQ_STR(buf_str(&out),
           "RAM kB   bytes      F  predicted ms  measured ms  by        output                  "
           "configuration\n"
           "  10.2   10240  1.250         12.75        13.12  emulated  match                   "
           "0-8:rows 9:plain\n"
           " 102.4  102400  1.000        110.04            -  -         failed: serial-timeout  "
           "0-9:plain\n"
           "least RAM with F <= 1.2: 20.5 kB (20480 bytes), F 1.100, predicted 11.00 ms\n"
           "  0:plain 1-9:cols4\n"
           "least computation in 1000 bytes: none; the first row is the least RAM there is\n");

    buf_reset(&out);
    o = (struct reply_front_options){.max_overhead = -1, .max_ram = -1};
    EQ_INT(reply_front(front_json, NULL, &o, &out, &e), 0);
    EQ_STR(buf_str(&out),
           "RAM kB   bytes      F  predicted ms  measured ms  by        output  configuration\n"
           "  10.2   10240  1.250         12.50        13.12  emulated  match   0-8:rows 9:plain\n"
           "  20.5   20480  1.100             -            -  -         -       0:plain 1-9:cols4\n"
           " 102.4  102400  1.000        110.04            -  -         -       0-9:plain\n");

    buf_reset(&out);
    static const char two_boards[] =
        "[{\"board\":\"a\",\"spec\":\"0-9:plain\",\"state\":\"queued\"},"
        "{\"board\":\"b\",\"spec\":\"0-9:plain\",\"state\":\"queued\"}]";
    EQ_INT(reply_front(front_json, two_boards, &o, &out, &e), 0);
    OK(!strstr(buf_str(&out), "strategy"));
    OK(strstr(buf_str(&out), "  board ") && strstr(buf_str(&out), "  a      ") &&
       strstr(buf_str(&out), "  b      "));

    buf_reset(&out);
    static const char strategies[] =
        "[{\"board\":\"a\",\"spec\":\"0-9:plain\",\"state\":\"queued\","
        "\"strategies\":[\"vanilla\",\"msfcnn\"]}]";
    EQ_INT(reply_front(front_json, strategies, &o, &out, &e), 0);
    EQ_STR(buf_str(&out),
           "RAM kB   bytes      F  predicted ms  measured ms  by        output  strategy        "
           "configuration\n"
           "  10.2   10240  1.250         12.50        13.12  emulated  match   -               "
           "0-8:rows 9:plain\n"
           " 102.4  102400  1.000        110.04            -  -         queued  vanilla,msfcnn  "
           "0-9:plain\n");

    buf_reset(&out);
    EQ_INT(reply_omitted("{\"omitted\":[{\"board\":\"hifive1b\",\"strategy\":\"vanilla\","
                         "\"arena_bytes\":77760}]}",
                         &out, &e),
           0);
    EQ_STR(buf_str(&out), "left out: nothing of vanilla fits hifive1b; its smallest configuration "
                          "needs 77760 bytes\n");
    buf_free(&out);
}

static void test_tables(void)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 1u << 16);
    EQ_INT(reply_table(
               REPLY_RIGS,
               "[{\"name\":\"f767-1\",\"agent\":\"host\",\"board\":\"nucleo-f767zi\",\"state\":"
               "\"busy\",\"job\":12,"
               "\"failures\":0,\"emulated\":true,\"last_seen\":\"2026-01-31T12:00:00.123Z\"},{}]",
               &out, &e),
           0);
    EQ_STR(buf_str(&out),
           "rig     agent  board          state  job  failures  emulated  last seen\n"
           "f767-1  host   nucleo-f767zi  busy    12         0  yes       2026-01-31 12:00:00\n"
           "-       -      -              -        -         -  -         -\n");
    buf_reset(&out);
    EQ_INT(reply_table(REPLY_MODELS,
                       "[{\"id\":\"0123456789abcdef\",\"name\":\"a\\u0007b\",\"layers\":31,"
                       "\"macs\":\"11578816\","
                       "\"weight_bytes\":2048,\"plain_arena_bytes\":5120}]",
                       &out, &e),
           0);
    OK(strstr(buf_str(&out), "0123456789ab  a?b") && strstr(buf_str(&out), "11578816") &&
       strstr(buf_str(&out), "2.0"));
    // Every other list survives items that have nothing of what is expected.
    for (int kind = REPLY_MODELS; kind <= REPLY_JOBS; kind++)
        EQ_INT(reply_table((enum reply_list)kind, "[{},7,\"x\",null,[]]", &out, &e), 0);
    buf_reset(&out);
    EQ_INT(reply_table(REPLY_RESULTS, "[{}]", &out, &e), 0);
    const char *column = strstr(buf_str(&out), "strategy");
    OK(column && !strstr(column + 1, "strategy")); // once
    buf_free(&out);
}

static void test_jobs(void)
{
    struct buf out;
    struct err e = {0};
    struct reply_seen seen = {0};
    buf_init(&out, 1u << 16);
    EQ_INT(reply_ended_jobs(jobs_json, &seen, &out, &e), 0);
    EQ_STR(buf_str(&out), "job 1 nucleo-f767zi done, 10.2 kB, 13.12 ms (emulated), output match\n"
                          "job 2 nucleo-f767zi FAILED serial-timeout: f767-1: no ?[31m@hello in 5 "
                          "s (attempts: 3; farm "
                          "log 2)\n");
    buf_reset(&out);
    EQ_INT(reply_ended_jobs(jobs_json, &seen, &out, &e), 0);
    EQ_STR(buf_str(&out), ""); // each is told once
    EQ_INT(reply_running_jobs(jobs_json, &out, &e), 0);
    EQ_STR(buf_str(&out), "f767-1 running 40 %");

    buf_reset(&out);
    static const char again[] = "[{\"id\":9,\"board\":\"b\",\"state\":\"queued\",\"attempts\":1,"
                                "\"error\":{\"type\":\"serial-timeout\",\"detail\":\"silent\"}}]";
    EQ_INT(reply_ended_jobs(again, &seen, &out, &e), 0);
    EQ_INT(reply_ended_jobs(again, &seen, &out, &e), 0);
    EQ_STR(buf_str(&out), "job 9 b is tried again after serial-timeout: silent\n");
    free(seen.ids);
    buf_free(&out);
}

static void test_campaign(void)
{
    struct reply_campaign c;
    struct err e = {0};
    EQ_INT(reply_campaign("{\"id\":7,\"name\":null,\"model_name\":\"net\",\"state\":\"running\","
                          "\"jobs\":{\"queued\":5,\"leased\":1,\"done\":4,\"failed\":2}}",
                          &c, &e),
           0);
    EQ_INT(c.id, 7);
    EQ_STR(c.model_name, "net");
    OK(!c.done);
    EQ_INT(c.queued, 5);
    EQ_INT(c.leased, 1);
    EQ_INT(c.succeeded, 4);
    EQ_INT(c.failed, 2);
    EQ_INT(reply_campaign("{\"id\":7,\"state\":\"done\"}", &c, &e), 0);
    OK(c.done);
    EQ_INT(reply_campaign("{\"id\":7}", &c, &e), -1);
    EQ_INT(e.code, ERR_BAD_JSON);
}

#define HEX62 "00000000000000000000000000000000000000000000000000000000000000"

static void test_find_model(void)
{
    static const char models[] =
        "[{\"id\":\"aa" HEX62 "\",\"name\":\"net\",\"created\":\"2026-01-01T00:00:00.000Z\"},"
        "{\"id\":\"bb" HEX62 "\",\"name\":\"net\",\"created\":\"2026-01-02T00:00:00.000Z\"},"
        "{\"id\":\"aa0000" HEX62 "\",\"name\":\"wrong length of id\"},"
        "{\"id\":\"cc0000001"
        "0000000000000000000000000000000000000000000000000000000\",\"name\":\"c1\"},"
        "{\"id\":\"cc0000002"
        "0000000000000000000000000000000000000000000000000000000\",\"name\":\"c2\"}]";
    char id[65];
    struct err e = {0};
    EQ_INT(reply_find_model(models, "net", id, &e), 0);
    EQ_STR(id, "bb" HEX62); // the newer one
    EQ_INT(reply_find_model(models, "aa0000", id, &e), 0);
    EQ_STR(id, "aa" HEX62);
    EQ_INT(reply_find_model(models, "cc0000", id, &e), -1);
    EQ_INT(e.code, ERR_CONFLICT);
    err_clear(&e);
    EQ_INT(reply_find_model(models, "aa", id, &e), -1); // too short a beginning
    EQ_INT(e.code, ERR_NOT_FOUND);
    err_clear(&e);
    EQ_INT(reply_find_model(models, "wrong length of id", id, &e), -1);
    err_clear(&e);
    EQ_INT(reply_model_id("{\"id\":\"cc" HEX62 "\"}", id, &e), 0);
    EQ_INT(reply_model_id("{\"id\":\"../../etc\"}", id, &e), -1);
}

static void test_boards(void)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 4096);
    EQ_INT(reply_live_boards(
               "[{\"board\":\"a\",\"state\":\"offline\"},{\"board\":\"a\",\"state\":\"idle\"},"
               "{\"board\":\"b\",\"state\":\"busy\"},{\"board\":\"a\",\"state\":\"idle\"},"
               "{\"board\":\"c\",\"state\":\"offline\"},{}]",
               &out, &e),
           2);
    EQ_STR(buf_str(&out), "[\"a\",\"b\"]");
    buf_reset(&out);
    EQ_INT(reply_live_boards("[]", &out, &e), 0);
    EQ_STR(buf_str(&out), "[]");
    buf_free(&out);
}

static void test_pages(void)
{
    struct buf items;
    struct err e = {0};
    char cursor[32] = "";
    buf_init(&items, 4096);
    EQ_INT(reply_page("{\"items\":[{\"a\":1},{\"a\":2}],\"next\":\"x=1\"}", &items, cursor,
                      sizeof cursor, &e),
           0);
    EQ_STR(cursor, "x=1");
    EQ_INT(reply_page("{\"items\":[],\"next\":17}", &items, cursor, sizeof cursor, &e), 0);
    EQ_STR(cursor, "17");
    EQ_INT(reply_page("[{\"a\":3}]", &items, cursor, sizeof cursor, &e), 0);
    EQ_STR(cursor, "");
    EQ_STR(buf_str(&items), "[{\"a\":1},\n{\"a\":2},\n{\"a\":3}");
    EQ_INT(reply_page("{\"next\":null}", &items, cursor, sizeof cursor, &e), -1);
    EQ_INT(e.code, ERR_BAD_JSON);
    buf_free(&items);
}

static void test_problem(void)
{
    struct api_problem p;
    reply_problem("{\"type\":\"bad-model\",\"title\":\"T\",\"detail\":\"D\\u001b\",\"field\":"
                  "\"model\",\"status\":422}",
                  &p);
    EQ_STR(p.type, "bad-model");
    EQ_STR(p.title, "T");
    EQ_STR(p.detail, "D?");
    EQ_STR(p.field, "model");
    EQ_STR(p.nearest, "");
    reply_problem("{\"type\":\"does-not-fit\",\"nearest\":{\"spec\":\"0-8:rows 9:plain\","
                  "\"arena_bytes\":5920,\"overhead\":1.25}}",
                  &p);
    EQ_STR(p.nearest, "0-8:rows 9:plain");
    OK(p.nearest_arena_bytes == 5920 && p.nearest_overhead == 1.25);
    reply_problem("{\"type\":\"does-not-fit\",\"nearest\":null}", &p);
    EQ_STR(p.nearest, "");
    OK(api_advice("bad-model") != NULL);
    OK(api_advice("no-such-type") == NULL);
    reply_problem("<html>gateway</html>", &p);
    EQ_STR(p.type, "");
    EQ_STR(p.title, "");
}

static void test_broken(void)
{
    static const char *const texts[] = {"",      "{",  "[",      "null",   "7",
                                        "\"x\"", "{}", "<html>", "[[[[[[", "{\"points\":7}"};
    struct reply_front_options o = {.max_overhead = -1, .max_ram = -1};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf out;
        struct reply_campaign c;
        struct err e = {0};
        char id[65];
        buf_init(&out, 4096);
        bool refused = reply_front(texts[i], NULL, &o, &out, &e) == -1 &&
                       reply_campaign(texts[i], &c, &e) == -1 &&
                       reply_table(REPLY_JOBS, texts[i], &out, &e) == -1 &&
                       reply_model_id(texts[i], id, &e) == -1 &&
                       reply_live_boards(texts[i], &out, &e) == -1;
        OKF(refused && e.code == ERR_BAD_JSON, "\"%s\" is refused: %s", texts[i], e.msg);
        buf_free(&out);
    }
}

int main(void)
{
    test_front();
    test_tables();
    test_jobs();
    test_campaign();
    test_find_model();
    test_boards();
    test_pages();
    test_problem();
    test_broken();
    return tap_done();
}
