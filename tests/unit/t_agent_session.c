// SPDX-License-Identifier: MIT
// The serial conversation against a fake board behind a pty: a good run, and each way in which a
// board can disappoint.
#include "agent/session.h"
#include "agent/child.h"
#include "tests/fakes/board.h"
#include "tests/tap.h"

struct watch {
    int lines, ticks;
    bool refuse; // tick says no
};

static bool watch_tick(void *ctx)
{
    struct watch *w = ctx;
    w->ticks++;
    return !w->refuse;
}

static void watch_log(void *ctx, const char *line)
{
    struct watch *w = ctx;
    (void)line;
    w->lines++;
}

// A board in a mode, an open port and a session with it.
struct bench {
    struct fake_board board;
    struct watch watch;
    struct serial *port;
    struct session session;
    struct measurement m;
    struct err e;
};

static void bench_open(struct bench *t, enum fake_board_mode mode)
{
    const struct session_ops ops = {.tick = watch_tick, .log = watch_log, .ctx = &t->watch};
    t->board.mode = mode;
    OKF(fake_board_start(&t->board) == 0, "board in mode %d starts", (int)mode);
    t->port = serial_open(t->board.tty, 115200, &t->e);
    OKF(t->port != NULL, "port opens: %s", t->e.msg);
    session_init(&t->session, t->port, &ops);
}

static void bench_close(struct bench *t)
{
    serial_close(t->port);
    fake_board_stop(&t->board);
}

static const struct session_expect want = {
    .board = FAKE_BOARD,
    .firmware = FAKE_FIRMWARE,
    .program = FAKE_PROGRAM,
};

static int bench_hello(struct bench *t, int timeout_ms)
{
    return session_hello(&t->session, &want, timeout_ms, &t->m.hello, &t->e);
}

static void test_good_run(void)
{
    struct bench t = {0};
    struct record_hello hello;
    bench_open(&t, FAKE_GOOD);
    EQ_INT(session_probe(&t.session, 2000, &hello, &t.e), 0);
    EQ_STR(hello.firmware, FAKE_FIRMWARE);
    EQ_INT(bench_hello(&t, 3000), 0);
    EQ_INT(t.m.hello.clock_hz, 216000000);
    OK(t.m.hello.emulated);
    EQ_INT(session_run(&t.session, 3, 2000, &t.m, &t.e), 0);
    EQ_INT(t.m.n_runs, 3);
    EQ_INT(t.m.runs[2].cycles, 1002);
    EQ_INT(t.m.runs[2].instructions, 902);
    EQ_INT(t.m.n_blocks, 2);
    EQ_INT(t.m.blocks[1].cycles, 401);
    EQ_INT(t.m.n_layers, 2);
    EQ_INT(t.m.layers[1].i, 1);
    EQ_INT(t.m.layers[1].calls, 5);
    EQ_INT(t.m.layers[1].cycles, 301);
    OK(t.m.has_interpreter && t.m.interpreter.has_instructions);
    EQ_INT(t.m.interpreter.instructions, 252);
    EQ_INT(t.m.mem.arena, 5000);
    EQ_INT(t.m.mem.static_bytes, 700);
    EQ_STR(t.m.out.crc32, "deadbeef");
    EQ_INT(t.m.out.n_head, 3);
    EQ_INT(t.m.out.head[0], -128);
    OK(t.session.collecting);
    OK(t.watch.lines >= 10 && t.watch.ticks > 0);
    bench_close(&t);
}

static void test_run(enum fake_board_mode mode, int rc, enum err_code code, const char *words)
{
    struct bench t = {0};
    bench_open(&t, mode);
    EQ_INT(session_run(&t.session, 3, 400, &t.m, &t.e), rc);
    EQ_STR(err_type(t.e.code), err_type(code));
    OKF(strstr(t.e.msg, words) != NULL, "mode %d says \"%s\": %s", (int)mode, words, t.e.msg);
    bench_close(&t);
}

static void test_hello(enum fake_board_mode mode, enum err_code code, const char *words)
{
    struct bench t = {0};
    bench_open(&t, mode);
    EQ_INT(bench_hello(&t, 1300), -1);
    EQ_STR(err_type(t.e.code), err_type(code));
    OKF(strstr(t.e.msg, words) != NULL, "says \"%s\": %s", words, t.e.msg);
    bench_close(&t);
}

static void test_wrong(const char *board, const char *firmware, const char *program,
                       const char *words)
{
    struct bench t = {0};
    snprintf(t.board.board, sizeof t.board.board, "%s", board);
    snprintf(t.board.firmware, sizeof t.board.firmware, "%s", firmware);
    snprintf(t.board.program, sizeof t.board.program, "%s", program);
    bench_open(&t, FAKE_GOOD);
    EQ_INT(bench_hello(&t, 3000), -1);
    EQ_STR(err_type(t.e.code), "wrong-board");
    OKF(strstr(t.e.msg, words) != NULL, "says \"%s\": %s", words, t.e.msg);
    bench_close(&t);
}

static void test_late_truth(void)
{
    // the hello of the state before the reset is still in the line: the answer to our question
    // counts
    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    snprintf(t.board.program, sizeof t.board.program, "00000000");
    fake_board_hello(&t.board);
    snprintf(t.board.program, sizeof t.board.program, FAKE_PROGRAM);
    EQ_INT(bench_hello(&t, 3000), 0);
    bench_close(&t);
}

// An answer that is still under way when the run begins is no restart; a second one is.
static void test_late_hello(void)
{
    for (int late = 1; late <= 2; late++) {
        struct bench t = {0};
        struct record_hello hello;
        struct err none = {0};
        bench_open(&t, FAKE_GOOD);
        EQ_INT(session_probe(&t.session, 0, &hello, &none), -1); // asks, does not wait
        EQ_INT(bench_hello(&t, 3000), 0);
        for (int i = 0; i < late; i++)
            fake_board_hello(&t.board);
        EQ_INT(session_run(&t.session, 3, 400, &t.m, &t.e), late == 1 ? 0 : -1);
        EQ_STR(err_type(t.e.code), late == 1 ? "none" : "board-offline");
        bench_close(&t);
    }
}

static void test_give_up(void)
{
    struct bench t = {.watch = {.refuse = true}};
    bench_open(&t, FAKE_SILENT);
    int64_t start = child_now_ms();
    EQ_INT(session_run(&t.session, 3, 60000, &t.m, &t.e), -1);
    EQ_STR(err_type(t.e.code), "board-offline");
    OK(child_now_ms() - start < 1000);
    bench_close(&t);
}

static void test_open_errors(void)
{
    struct err e = {0};
    OK(serial_open("/nonexistent/tty", 115200, &e) == NULL);
    EQ_STR(err_type(e.code), "board-offline");
    OK(strstr(e.msg, "/nonexistent/tty") != NULL);
    err_clear(&e);
    OK(serial_open("/dev/null", 115200, &e) == NULL);
    EQ_STR(err_type(e.code), "board-offline");
    err_clear(&e);
    OK(serial_open("/etc/hostname", 115200, &e) == NULL);
    OKF(strstr(e.msg, "not a tty") != NULL, "%s", e.msg);

    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    err_clear(&e);
    OK(serial_open(t.board.tty, 115200, &e) == NULL);
    OKF(strstr(e.msg, "in use") != NULL, "%s", e.msg);
    bench_close(&t);
}

static void test_record(const char *name, const char *json, int rc, const char *words)
{
    struct record rec;
    struct err e = {0};
    const struct wire_line line = {.name = name, .json = json};
    OKF(record_parse(&line, &rec, &e) == rc, "@%s %s -> %d", name, json, rc);
    if (rc < 0)
        OKF(strstr(e.msg, words) != NULL, "says \"%s\": %s", words, e.msg);
}

int main(void)
{
    test_good_run();
    test_run(FAKE_ONE_BAD, 0, ERR_NONE, "");
    test_run(FAKE_DEAF_ONCE, 0, ERR_NONE, "");
    test_run(FAKE_SILENT, -1, ERR_SERIAL, "silent");
    test_run(FAKE_STALL, -1, ERR_SERIAL, "silent");
    test_run(FAKE_NOISE, -1, ERR_GARBAGE, "2 broken lines");
    test_run(FAKE_CUT_RUN, -1, ERR_GARBAGE, "@run 2 where 1 was due");
    test_run(FAKE_NO_MEM, -1, ERR_GARBAGE, "no @mem");
    test_run(FAKE_FLOOD, -1, ERR_GARBAGE, "broken lines while measuring");
    test_run(FAKE_FAULT, -1, ERR_FAULT,
             "hardfault at pc 0x08001234, lr 0x08004321: imprecise bus error");
    test_run(FAKE_RESTART, -1, ERR_OFFLINE, "restarted");
    test_run(FAKE_RESTART_EARLY, -1, ERR_OFFLINE, "restarted");
    test_late_hello();
    test_run(FAKE_HANG_UP, -1, ERR_OFFLINE, "went away");
    test_hello(FAKE_SILENT, ERR_SERIAL, "silent");
    test_hello(FAKE_NOISE, ERR_GARBAGE, "broken lines");
    test_wrong("nucleo-f412zg", FAKE_FIRMWARE, FAKE_PROGRAM, "nucleo-f412zg");
    test_wrong(FAKE_BOARD, "ffffffffffffffffffffffffffffffffffffffff", FAKE_PROGRAM,
               "runs firmware ffff");
    test_wrong(FAKE_BOARD, FAKE_FIRMWARE, "00000001", "holds program 00000001");
    test_wrong(FAKE_BOARD, FAKE_FIRMWARE, "none", "holds program none");
    test_late_truth();
    test_give_up();
    test_open_errors();
    test_record("run", "{\"i\":0,\"cycles\":9007199254740992}", 0, "");
    test_record("run", "{\"i\":0}", -1, "\"cycles\"");
    test_record("run", "{\"i\":0,\"cycles\":-1}", -1, "\"cycles\"");
    test_record("run", "{\"i\":0,\"cycles\":1.5}", -1, "\"cycles\"");
    test_record("run", "{\"i\":4294967296,\"cycles\":1}", -1, "\"i\"");
    test_record("run", "{\"i\":0,\"cycles\":1", -1, "not a JSON object");
    test_record("out", "{\"bytes\":1,\"crc32\":\"DEADBEEF\",\"head\":[]}", -1, "\"crc32\"");
    test_record("out", "{\"bytes\":1,\"crc32\":\"deadbeef\",\"head\":[128]}", -1, "\"head\"");
    test_record("out", "{\"bytes\":1,\"crc32\":\"deadbeef\",\"head\":[0,0,0,0,0,0,0,0,0]}", -1,
                "\"head\"");
    test_record("hello", "{\"proto\":1,\"board\":\"x\",\"firmware\":\"12\"}", -1, "\"firmware\"");
    test_record("weather", "{\"sun\":true}", 0, "");
    return tap_done();
}
