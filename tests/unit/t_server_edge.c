// SPDX-License-Identifier: MIT
// The server's small parts: routes, roles, rate limit, board limits, numbers in JSON, files of the page, options.
#include <errno.h>
#include <math.h>

#include "server/board.h"
#include "server/clock.h"
#include "server/json_out.h"
#include "server/options.h"
#include "server/rate.h"
#include "server/route.h"
#include "server/token.h"
#include "server/web.h"
#include "tests/tap.h"

static void check_routes(void)
{
    char params[REQUEST_MAX_PARAMS][80];
    struct problem p = {0};
    const struct route *r = route_find("GET", "/api/v1/models/abc/front", params, &p);
    OK(r && strcmp(params[0], "abc") == 0 && r->slow);
    OK(r && route_takes_query(r, "board") && route_takes_query(r, "max_ram"));
    OK(r && !route_takes_query(r, "max") && !route_takes_query(r, "ram") &&
       !route_takes_query(r, "boar"));
    OK(!route_find("GET", "/api/v1/models/", params, &p) && p.err.code == ERR_NOT_FOUND);
    p = (struct problem){0};
    OK(!route_find("GET", "/api/v1/models/a/b", params, &p) && p.err.code == ERR_NOT_FOUND);
    p = (struct problem){0};
    OK(!route_find("PATCH", "/api/v1/models", params, &p) && p.err.code == ERR_METHOD);
    EQ_STR(p.allow, "GET, HEAD, POST");
    p = (struct problem){0};
    OK(!route_find("GET", "/api/v1/agent/lease", params, &p) && p.err.code == ERR_METHOD);
    EQ_STR(p.allow, "POST");
    p = (struct problem){0};
    r = route_find("GET", "/some/page", params, &p);
    OK(r && r->role == ROLE_NONE); // the page itself is public, its data are not
}

static void check_roles(void)
{
    // rows: have none, read, submit, agent, admin; columns: need likewise
    static const int may[5][5] = {
        {1, 0, 0, 0, 0}, {1, 1, 0, 0, 0}, {1, 1, 1, 0, 0}, {1, 1, 0, 1, 0}, {1, 1, 1, 1, 1}};
    for (int have = 0; have < 5; have++) {
        for (int need = 0; need < 5; need++)
            OKF(role_allows((enum role)have, (enum role)need) == may[have][need],
                "role %s, needed %s: %s", role_name((enum role)have), role_name((enum role)need),
                may[have][need] ? "yes" : "no");
    }
}

static void check_rate(void)
{
    static struct rate r = {.per_second = 10};
    unsigned char a[4] = {10, 0, 0, 1}, b[4] = {10, 0, 0, 2};
    int allowed = 0;
    for (int i = 0; i < 100; i++)
        allowed += rate_allow(&r, a, 4, 1000);
    EQ_INT(allowed, 20); // the burst
    OK(rate_allow(&r, b, 4, 1000));
    OK(!rate_allow(&r, a, 4, 1050));
    OK(rate_allow(&r, a, 4, 1200));
    unsigned char v6[16] = {0x20, 1, 0xd, 0xb8}, same[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
    for (int i = 0; i < 20; i++)
        rate_allow(&r, v6, 16, 2000);
    OK(!rate_allow(&r, same, 16, 2000)); // one /64, one client
    static struct rate none;
    OK(rate_allow(&none, a, 4, 0));
}

static void check_board(void)
{
    struct board b = {
        .arena_max_bytes = 1000, .arena_overhead_bytes = 100, .program_max_bytes = 5000};
    struct config fits = {.spec = "0:plain", .arena_bytes = 900}, large = fits, outside = fits;
    large.arena_bytes = 901;
    outside.outside_bytes = 1;
    struct err e = {0};
    EQ_INT(board_fits(&b, &fits, 5000, &e), 0);
    EQ_INT(board_fits(&b, &outside, 5000, NULL), -1); // the output is in the same memory
    EQ_INT(board_fits(&b, &large, 5000, &e), -1);
    EQ_INT(e.code, ERR_NO_FIT);
    OKF(strstr(e.msg, " 1 more than"), "the missing byte is named: %s", e.msg);
    e = (struct err){0};
    EQ_INT(board_fits(&b, &fits, 5001, &e), -1);
    OKF(strstr(e.msg, " 1 more than"), "of the flash as well: %s", e.msg);
    large.arena_bytes = UINT32_MAX;
    EQ_INT(board_fits(&b, &large, 0, NULL), -1); // no overflow
    struct boards boards;
    e = (struct err){0};
    EQ_INT(boards_load("/nonexistent", &boards, &e), -1);
    OK(strstr(e.msg, "--boards"));
    e = (struct err){0};
    OKF(boards_load("firmware/boards", &boards, &e) == 0 && boards.n >= 1,
        "the boards of the tree load: %s", e.msg);
    OK(boards_find(&boards, "nucleo-f767zi") && boards_bit(&boards, "nucleo-f767zi"));
    OK(!boards_find(&boards, "nope") && boards_bit(&boards, "nope") == 0);
}

static void check_json(void)
{
    static const struct {
        double v;
        const char *text;
    } numbers[] = {{0, "0"},           {0.1, "0.1"},          {1.0 / 3, "0.3333333333333333"},
                   {1e300, "1e+300"},  {-2.5, "-2.5"},        {NAN, "null"},
                   {INFINITY, "null"}, {16777217, "16777217"}};
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buf_reset(&b);
        json_out_double(&b, numbers[i].v);
        EQ_STR(buf_str(&b), numbers[i].text);
    }
    buf_reset(&b);
    json_out_time(&b, INT64_C(1769860800123));
    EQ_STR(buf_str(&b), "\"2026-01-31T12:00:00.123Z\"");
    buf_reset(&b);
    struct problem p = {0};
    problem_field(&p, ERR_BAD_FIELD, "specs[3]", "is \"%s\"", "odd");
    problem_field(&p, ERR_BAD_FIELD, "later", "a second error does not hide the first");
    json_out_problem(&b, &p);
    EQ_STR(buf_str(&b),
           "{\"type\":\"bad-field\",\"title\":\"A field has a wrong value\",\"status\":422,"
           "\"detail\":\"is \\\"odd\\\"\",\"field\":\"specs[3]\"}");
    buf_free(&b);
}

static void check_options(void)
{
    struct options o;
    struct err e = {0};
    char *v6[] = {"farm-server", "--data", "d", "--listen", "[::1]:0"};
    EQ_INT(options_parse(5, v6, &o, &e), 0);
    EQ_STR(o.host, "::1");
    EQ_INT(o.rate, 0);
    char *all[] = {"farm-server", "--data", "d", "--listen", "0.0.0.0:80"};
    EQ_INT(options_parse(5, all, &o, &e), -1);
    OKF(strstr(e.msg, "--tokens"), "an open address needs tokens: %s", e.msg);
    char *open[] = {"farm-server", "--data", "d", "--listen", "0.0.0.0:80", "--tokens", "t"};
    e = (struct err){0};
    EQ_INT(options_parse(7, open, &o, &e), 0);
    EQ_INT(o.rate, 100);
    char *bogus[] = {"farm-server", "--bogus"}, *lone[] = {"farm-server", "--per-ip"};
    e = (struct err){0};
    EQ_INT(options_parse(2, bogus, &o, &e), -1);
    OKF(strstr(e.msg, "--bogus: is not an option"), "%s", e.msg);
    e = (struct err){0};
    EQ_INT(options_parse(2, lone, &o, &e), -1);
    OKF(strstr(e.msg, "--per-ip: needs a value"), "%s", e.msg);
    OK(options_loopback("127.255.0.1") && options_loopback("::1"));
    OK(!options_loopback("128.0.0.1") && !options_loopback("::") &&
       !options_loopback("127.0.0.1.example"));
}

static void check_web(void)
{
    static const char *const outside[] = {"/../Makefile",
                                          "/unit/../../Makefile",
                                          "/.git/config",
                                          "//etc/passwd",
                                          "/unit/..\\..\\Makefile",
                                          "etc/passwd",
                                          ""};
    struct buf b;
    struct web_file file;
    buf_init(&b, WEB_MAX_FILE);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct err e = {0};
        OKF(web_read("tests", outside[i], &b, &file, &e) == -1 && e.code == ERR_NOT_FOUND,
            "\"%s\" is not served", outside[i]);
    }
    struct err e = {0};
    EQ_INT(web_read("tests", "/tap.h", &b, &file, &e), 0);
    OK(b.len > 100 && strcmp(file.type, "application/octet-stream") == 0);
    EQ_INT(web_read(NULL, "/", &b, &file, &e), -1);
    OK(strstr(e.msg, "--web"));
    buf_free(&b);
}

static void check_file(void)
{
    struct buf b;
    buf_init(&b, 100000);
    OK(buf_read_file(&b, "/dev/zero") == -1 &&
       errno == EFBIG); // a file without an end: no more than the limit is read
    buf_free(&b);
}

int main(void)
{
    check_file();
    check_routes();
    check_roles();
    check_rate();
    check_board();
    check_json();
    check_options();
    check_web();
    return tap_done();
}
