// SPDX-License-Identifier: MIT
// Child processes: output, exit codes, deadlines that a child cannot ignore, groups; and OpenOCD on
// top of them, played by tests/fakes/openocd.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/joblog.h"
#include "agent/openocd.h"
#include "agent/runtime_dir.h"
#include "common/buf.h"
#include "tests/tap.h"

struct watch {
    struct buf out;
    int ticks, refuse_at; // tick says no from this call on; 0: never
};

static void watch_output(void *ctx, const char *text, size_t len)
{
    struct watch *w = ctx;
    buf_add(&w->out, text, len);
}

static bool watch_tick(void *ctx)
{
    struct watch *w = ctx;
    return ++w->ticks != w->refuse_at;
}

static struct child_end run_shell(const char *script, int deadline_ms, struct watch *w)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct child_job job = {
        .argv = argv,
        .deadline_ms = deadline_ms,
        .grace_ms = 200,
        .on_output = watch_output,
        .on_tick = watch_tick,
        .ctx = w,
    };
    struct child_end end;
    struct err e = {0};
    buf_init(&w->out, 1 << 20);
    OKF(child_run(&job, &end, &e) == 0, "runs: %s", script);
    return end;
}

static void test_output_and_exit(void)
{
    struct watch w = {0};
    struct child_end end = run_shell("echo out; echo err >&2; exit 3", 5000, &w);
    EQ_INT(end.exit_code, 3);
    EQ_INT(end.signal, 0);
    OK(!end.timed_out && !end.aborted);
    OK(strstr(buf_str(&w.out), "out\n") && strstr(buf_str(&w.out), "err\n"));
    buf_free(&w.out);
    end = run_shell("kill -9 $$", 5000, &w);
    EQ_INT(end.signal, SIGKILL);
    EQ_INT(end.exit_code, -1);
    buf_free(&w.out);
    end = run_shell("yes | head -c 300000", 5000, &w);
    EQ_INT(w.out.len, 300000);
    buf_free(&w.out);
    end = run_shell("read line; echo \"got:$line\"", 5000, &w);
    EQ_STR(buf_str(&w.out), "got:\n");
    buf_free(&w.out);
}

static void test_deadline(void)
{
    struct watch w = {0};
    int64_t start = child_now_ms();
    struct child_end end =
        run_shell("trap '' TERM; echo here; while :; do sleep 0.05; done", 300, &w);
    int64_t took = child_now_ms() - start;
    OK(end.timed_out);
    EQ_INT(end.signal, SIGKILL);
    OKF(took >= 500 && took < 2000, "killed after deadline and grace: %d ms", (int)took);
    EQ_STR(buf_str(&w.out), "here\n");
    buf_free(&w.out);

    start = child_now_ms();
    end = run_shell("sleep 60", 200, &w);
    OK(end.timed_out && end.signal == SIGTERM);
    OK(child_now_ms() - start < 1000);
    buf_free(&w.out);
}

static void test_abort(void)
{
    struct watch w = {.refuse_at = 3};
    int64_t start = child_now_ms();
    struct child_end end = run_shell("sleep 60", 60000, &w);
    OK(end.aborted && !end.timed_out);
    OK(child_now_ms() - start < 2000);
    buf_free(&w.out);
}

// A grandchild in the background must not survive, nor keep us waiting at the pipe.
static void test_group(void)
{
    struct watch w = {0};
    int64_t start = child_now_ms();
    struct child_end end = run_shell("sleep 60 & echo $!", 5000, &w);
    EQ_INT(end.exit_code, 0);
    OK(child_now_ms() - start < 2000);
    pid_t left = (pid_t)atoi(buf_str(&w.out));
    char path[64], state = '?';
    bool gone = false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)left);
    for (int i = 0; left > 1 && i < 100 && !gone; i++) {
        FILE *f = fopen(path, "r");
        gone = !f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z';
        if (f)
            fclose(f);
        usleep(10000);
    }
    OKF(gone, "the background child %d is gone (state %c)", (int)left, state);
    buf_free(&w.out);
}

static void test_missing_program(void)
{
    struct watch w = {0};
    const char *const argv[] = {"/nonexistent/openocd", NULL};
    const struct child_job job = {
        .argv = argv, .deadline_ms = 1000, .grace_ms = 100, .on_output = watch_output, .ctx = &w};
    struct child_end end;
    struct err e = {0};
    buf_init(&w.out, 1000);
    EQ_INT(child_run(&job, &end, &e), 0);
    EQ_INT(end.exit_code, 127);
    OK(strstr(buf_str(&w.out), "installed") != NULL);
    buf_free(&w.out);
}

// ---- OpenOCD ----
static char dir[256];

static void set_mode(const char *mode)
{
    char path[300];
    snprintf(path, sizeof path, "%s/mode", dir);
    FILE *f = fopen(path, "w");
    if (f) {
        fputs(mode, f);
        fclose(f);
    }
}

static void test_openocd(const char *mode, int rc, enum err_code code, const char *words)
{
    struct watch w = {0};
    struct err e = {0};
    const struct openocd_target target = {
        .openocd = "tests/fakes/openocd",
        .config = "boards/x/openocd.cfg",
        .serial = "VB0001",
        .stlink_port = 7184,
        .deadline_ms = 1000,
        .on_tick = watch_tick,
        .on_output = watch_output,
        .ctx = &w,
    };
    buf_init(&w.out, 1 << 16);
    set_mode(mode);
    int64_t start = child_now_ms();
    OKF(openocd_flash(&target, "a b/fw.elf", "/run/x.prog", &e) == rc, "%s: returns %d", mode, rc);
    EQ_STR(err_type(e.code), err_type(code));
    OKF(strstr(e.msg, words) != NULL, "%s says \"%s\": %s", mode, words, e.msg);
    OK(strstr(buf_str(&w.out), "Open On-Chip Debugger") != NULL);
    OK(child_now_ms() - start < 5000);
    buf_free(&w.out);
}

static void test_openocd_arguments(void)
{
    char path[300];
    struct buf args;
    struct err e = {0};
    buf_init(&args, 1 << 16);
    snprintf(path, sizeof path, "%s/args", dir);
    OK(buf_read_file(&args, path) == 0);
    EQ_STR(buf_str(&args),
           "-c\ngdb_port disabled; telnet_port disabled; tcl_port disabled\n"
           "-c\nset FARM_STLINK_PORT 7184\n-c\nset FARM_SERIAL VB0001\n-f\nboards/x/openocd.cfg\n"
           "-c\ninit; farm_flash {a b/fw.elf} {/run/x.prog}; shutdown\n");
    buf_reset(&args);
    set_mode("ok");
    const struct openocd_target usb = {.openocd = "tests/fakes/openocd",
                                       .config = "c.cfg",
                                       .serial = "066EFF",
                                       .deadline_ms = 5000};
    EQ_INT(openocd_flash(&usb, NULL, "p.prog", &e), 0);
    OK(buf_read_file(&args, path) == 0);
    EQ_STR(buf_str(&args), "-c\ngdb_port disabled; telnet_port disabled; tcl_port "
                           "disabled\n-c\nset FARM_SERIAL 066EFF\n"
                           "-f\nc.cfg\n-c\ninit; farm_flash_program {p.prog}; shutdown\n");
    buf_reset(&args);
    const struct openocd_target jtag = {.openocd = "tests/fakes/openocd",
                                        .config = "c.cfg",
                                        .serial = "VB0002",
                                        .jtag_tty = "/dev/pts/7",
                                        .deadline_ms = 5000};
    EQ_INT(openocd_flash(&jtag, NULL, "p.prog", &e), 0);
    OK(buf_read_file(&args, path) == 0);
    EQ_STR(buf_str(&args), "-c\ngdb_port disabled; telnet_port disabled; tcl_port "
                           "disabled\n-c\nset FARM_JTAG_TTY {/dev/pts/7}\n"
                           "-c\nset FARM_SERIAL VB0002\n"
                           "-f\nc.cfg\n-c\ninit; farm_flash_program {p.prog}; shutdown\n");
    buf_free(&args);
    // texts that would end a Tcl word never reach OpenOCD
    const struct openocd_target evil = {.openocd = "tests/fakes/openocd",
                                        .config = "c.cfg",
                                        .serial = "x; exit",
                                        .deadline_ms = 5000};
    EQ_INT(openocd_flash(&evil, NULL, "p.prog", &e), -1);
    OK(strstr(e.msg, "serial") != NULL);
    err_clear(&e);
    const struct openocd_target evil_tty = {.openocd = "tests/fakes/openocd",
                                            .config = "c.cfg",
                                            .serial = "VB0002",
                                            .jtag_tty = "/dev/pts/7} {x",
                                            .deadline_ms = 5000};
    EQ_INT(openocd_flash(&evil_tty, NULL, "p.prog", &e), -1);
    OK(strstr(e.msg, "terminal") != NULL);
    err_clear(&e);
    EQ_INT(openocd_flash(&usb, NULL, "p}; exec rm {", &e), -1);
    OK(strstr(e.msg, "braces") != NULL);
}

static void test_runtime_dir(void)
{
    char stale[400], file[450], mine[256];
    struct err e = {0};
    // of a process that cannot exist: beyond the kernel's largest pid
    snprintf(stale, sizeof stale, "%s/farm-agent.4194305.abcdef", dir);
    snprintf(file, sizeof file, "%s/x.prog", stale);
    EQ_INT(mkdir(stale, 0700), 0);
    FILE *f = fopen(file, "w");
    if (f)
        fclose(f);
    setenv("XDG_RUNTIME_DIR", dir, 1);
    EQ_INT(runtime_dir_make(mine, sizeof mine, &e), 0);
    OK(access(stale, F_OK) < 0 && errno == ENOENT);
    OK(access(mine, W_OK) == 0);
    char again[256];
    EQ_INT(runtime_dir_make(again, sizeof again, &e), 0); // of a living process: stays
    OK(access(mine, W_OK) == 0);
    runtime_dir_remove(mine);
    runtime_dir_remove(again);
    OK(access(mine, F_OK) < 0);
}

static void test_joblog(void)
{
    struct joblog l;
    char piece[JOBLOG_PIECE + 1];
    size_t total = 0, pieces = 0, n;
    joblog_init(&l);
    EQ_INT(joblog_peek(&l, piece), 0);
    joblog_printf(&l, "a line of %d", 7);
    joblog_add(&l, "x\0y\n", 4);
    EQ_INT(joblog_peek(&l, piece), 16);
    EQ_STR(piece, "a line of 7\nx?y\n");
    OK(joblog_has_news(&l)); // peeking is not sending
    joblog_mark_sent(&l, 16);
    OK(!joblog_has_news(&l));
    for (int i = 0; i < 10000; i++)
        joblog_add(&l, "0123456789abcdef\n", 17);
    bool whole = true;
    while ((n = joblog_peek(&l, piece)) > 0) {
        whole = whole && n <= JOBLOG_PIECE && piece[n - 1] == '\n';
        total += n;
        pieces++;
        joblog_mark_sent(&l, n);
    }
    OKF(whole && pieces > 4, "%zu pieces of whole lines", pieces);
    EQ_INT(total + 16, JOBLOG_MAX);
    OKF(strstr(buf_str(&l.text), "it is full)\n"), "the end says that it is full");
    joblog_reset(&l);
    joblog_printf(&l, "again");
    EQ_INT(joblog_peek(&l, piece), 6);
    joblog_free(&l);
}

int main(void)
{
    struct err e = {0};
    test_output_and_exit();
    test_deadline();
    test_abort();
    test_group();
    test_missing_program();
    OK(runtime_dir_make(dir, sizeof dir, &e) == 0);
    setenv("FAKE_OPENOCD_DIR", dir, 1);
    test_openocd("ok", 0, ERR_NONE, "");
    test_openocd("fail", -1, ERR_FLASH, "Warn : option bytes 0xCC; Error: stm32x device protected");
    test_openocd("offline", -1, ERR_OFFLINE, "open failed");
    test_openocd("offline-jtag", -1, ERR_OFFLINE, "serial port");
    test_openocd("stuck", -1, ERR_FLASH, "did not end within 1 s");
    test_openocd_arguments();
    test_runtime_dir();
    test_joblog();
    runtime_dir_remove(dir);
    return tap_done();
}
