// SPDX-License-Identifier: MIT
// A whole rig, state by state, between a fake server, a fake OpenOCD and a fake board: good jobs,
// each kind of failure, a server that goes away, a lease that goes stale, quarantine, and stopping.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/rig.h"
#include "agent/runtime_dir.h"
#include "firmware/executor/program.h"
#include "tests/fakes/board.h"
#include "tests/fakes/farm.h"
#include "tests/tap.h"

enum { PROGRAM_BYTES = 4096 };

struct bench {
    struct fake_board board;
    struct fake_farm farm;
    struct rig_settings settings;
    struct rig *rig;
    atomic_bool stop;
    uint8_t program[PROGRAM_BYTES];
    unsigned macs;           // of the job that is offered
    const char *tty;         // NULL: the fake board's
    const char *power_cycle; // program; NULL: none
    struct health_program health;
    char url[64], reset_file[300];
};

static char dir[256]; // boards, firmware and OpenOCD's files

static void write_file(const char *name, const void *bytes, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n)
        printf("# cannot write %s\n", path);
    if (f)
        fclose(f);
}

static void openocd_mode(const char *mode)
{
    write_file("mode", mode, strlen(mode));
}

static bool openocd_was_told(const char *words)
{
    char path[300], text[4096] = "";
    snprintf(path, sizeof path, "%s/args", dir);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    return n && strstr(text, words);
}

// An ELF file whose only content is the build-id FAKE_FIRMWARE.
static void make_firmware(void)
{
    uint8_t f[128] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    f[32] = 52;
    f[46] = 40;
    f[48] = 1;
    f[56] = 7;
    f[68] = 92;
    f[72] = 36;
    f[92] = 4;
    f[96] = 20;
    f[100] = 3;
    memcpy(f + 104, "GNU", 4);
    for (int i = 0; i < 20; i++) {
        unsigned byte = 0;
        sscanf(FAKE_FIRMWARE + 2 * i, "%2x", &byte);
        f[108 + i] = (uint8_t)byte;
    }
    write_file(FAKE_BOARD "/firmware.elf", f, sizeof f);
}

static uint32_t make_program(uint8_t program[PROGRAM_BYTES])
{
    struct prog_header h = {
        .magic = PROG_MAGIC, .version = PROG_VERSION, .total_bytes = PROGRAM_BYTES};
    for (int i = 0; i < PROGRAM_BYTES; i++)
        program[i] = (uint8_t)(i * 7);
    memcpy(program, &h, sizeof h);
    h.crc32 = wire_crc32(0, program, PROGRAM_BYTES);
    memcpy(program, &h, sizeof h);
    return h.crc32;
}

static void bench_offer_job(struct bench *t)
{
    struct prog_header h;
    memcpy(&h, t->program, sizeof h);
    snprintf(
        t->farm.lease, sizeof t->farm.lease,
        "{\"job\":7,\"attempt\":2,\"lease\":\"abc123\",\"rig\":\"f767-1\",\"board\":\"" FAKE_BOARD
        "\",\"campaign\":1,"
        "\"spec\":\"x\",\"program_url\":\"/api/v1/jobs/7/"
        "program\",\"program_crc32\":\"%08x\",\"program_bytes\":%d,"
        "\"macs\":%u,\"repeats\":3,\"deadline_s\":30,\"firmware\":null}",
        (unsigned)h.crc32, PROGRAM_BYTES, t->macs);
}

// The serial ports that there are: of one board, or none.
static char plugged_tty[128];

static int plugged_list(void *ctx, struct port_entry *out, int max)
{
    (void)ctx;
    if (!plugged_tty[0] || max < 1)
        return 0;
    out[0] = (struct port_entry){.vendor = 0x0483, .product = 0x374b, .serial = "066EFF"};
    snprintf(out[0].path, sizeof out[0].path, "%s", plugged_tty);
    return 1;
}
static const struct port_source plugged = {.list = plugged_list};

static void bench_open(struct bench *t, enum fake_board_mode mode)
{
    struct err e = {0};
    struct rig_config config = {
        .name = "f767-1", .board = FAKE_BOARD, .serial = "066EFF", .stlink_port = 7184};
    uint32_t crc = make_program(t->program);
    snprintf(t->board.program, sizeof t->board.program, "%08x", (unsigned)crc);
    snprintf(t->reset_file, sizeof t->reset_file, "%s/reset", dir);
    t->board.mode = mode;
    t->board.reset_file = t->reset_file;
    t->farm.program = t->program;
    t->farm.program_bytes = PROGRAM_BYTES;
    OK(fake_board_start(&t->board) == 0 && fake_farm_start(&t->farm) == 0);
    snprintf(config.tty, sizeof config.tty, "%s", t->tty ? t->tty : t->board.tty);
    snprintf(t->url, sizeof t->url, "http://127.0.0.1:%d/", t->farm.port);
    t->settings = (struct rig_settings){
        .server = t->url,
        .token = "secret",
        .agent = "host-1",
        .boards = dir,
        .firmware = dir,
        .openocd = "tests/fakes/openocd",
        .dir = dir,
        .wait_s = 0,
        .hello_ms = 700,
        .silence_ms = 400,
        .pause_ms = 300,
        .stop = &t->stop,
        .health = &t->health,
        .ports = &plugged,
    };
    // The known program is the job's, and the fake board's answer is right.
    buf_init(&t->health.bytes, PROGRAM_BYTES);
    buf_add(&t->health.bytes, t->program, PROGRAM_BYTES);
    snprintf(t->health.crc32, sizeof t->health.crc32, "%08x", (unsigned)crc);
    snprintf(t->health.output_crc32, sizeof t->health.output_crc32, "deadbeef");
    t->health.arena_bytes = 5000;
    if (t->power_cycle) {
        snprintf(config.power_cycle, sizeof config.power_cycle, "%s%cf767-1", t->power_cycle, 0);
        config.power_cycle_args = 2;
        config.power_cycle_s = 1;
    }
    t->rig = rig_new(&t->settings, &config, NULL, &e);
    OKF(t->rig != NULL, "rig: %s", e.msg);
    openocd_mode("ok");
    bench_offer_job(t);
}

static void bench_close(struct bench *t)
{
    rig_free(t->rig);
    buf_free(&t->health.bytes);
    fake_farm_stop(&t->farm);
    if (!atomic_load(&t->board.stop))
        fake_board_stop(&t->board);
    unlink(t->reset_file);
}

// Steps until the state is reached. False when that took longer.
static bool bench_step_until(struct bench *t, enum rig_state state, int timeout_ms)
{
    int64_t end = child_now_ms() + timeout_ms;
    enum rig_state now = RIG_IDLE;
    do
        now = rig_step(t->rig);
    while (now != state && now != RIG_ENDED && child_now_ms() < end);
    return now == state;
}

static bool bench_step_to(struct bench *t, enum rig_state state)
{
    return bench_step_until(t, state, 15000);
}

static bool bench_job(struct bench *t)
{
    return bench_step_to(t, RIG_REPORTING) && (bench_step_to(t, RIG_IDLE), true);
}

static void expect_failure(struct bench *t, const char *type, const char *words)
{
    char field[64];
    snprintf(field, sizeof field, "\"type\":\"%s\"", type);
    EQ_INT(atomic_load(&t->farm.results), 0);
    EQ_INT(atomic_load(&t->farm.failures), 1);
    OKF(strstr(t->farm.last_failure, field) && strstr(t->farm.last_failure, words),
        "fails with %s, \"%s\": %s", type, words, t->farm.last_failure);
}

static void test_good_job(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    t.settings.hello_ms = 10000; // nothing of this is waited for
    OK(bench_step_to(&t, RIG_LEASED));
    OK(bench_step_to(&t, RIG_FLASHING));
    OK(bench_step_to(&t, RIG_HELLO));
    OKF(openocd_was_told("farm_flash_program {") && openocd_was_told("f767-1.prog"),
        "the firmware is there: program only");
    OK(bench_step_to(&t, RIG_RUNNING));
    OK(bench_step_to(&t, RIG_REPORTING));
    OK(bench_step_to(&t, RIG_IDLE));
    EQ_INT(atomic_load(&t.farm.results), 1);
    EQ_INT(rig_jobs_reported(t.rig), 1);
    static const char *const wanted[] = {
        "\"lease\":\"abc123\"",
        "\"attempt\":2",
        "\"firmware\":\"" FAKE_FIRMWARE "\"",
        "\"runs\":[{\"cycles\":\"1000\",\"instructions\":\"900\"},{\"cycles\":\"1001\"",
        "\"blocks\":[{\"i\":0,\"cycles\":\"400\"},{\"i\":1,\"cycles\":\"401\"}]",
        "\"profile\":{\"layers\":[{\"i\":0,\"calls\":5,\"cycles\":\"300\",\"instructions\":\"250\"}"
        ","
        "{\"i\":1,\"calls\":5,\"cycles\":\"301\",\"instructions\":\"251\"}],\"interpreter\":{"
        "\"calls\":10,\"cycles\":\"302\",\"instructions\":\"252\"}}",
        "\"mem\":{\"arena\":5000,\"arena_size\":400000,\"stack\":600,\"static\":700,\"code\":"
        "30000}",
        "\"out\":{\"bytes\":3,\"crc32\":\"deadbeef\",\"head\":[-128,0,127]}",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        OKF(strstr(t.farm.last_result, wanted[i]) != NULL, "the result has %s", wanted[i]);
    EQ_STR(t.farm.last_auth, "Authorization: Bearer secret");
    OKF(strstr(t.farm.log, "Verified OK") && strstr(t.farm.log, "@done"),
        "OpenOCD's words and the records are in the log");
    OK(atomic_load(&t.farm.heartbeats) >= 4);
    // the second job meets a board that is known: no question needed, and nothing is left of the
    // first
    bench_offer_job(&t);
    OK(bench_job(&t));
    EQ_INT(atomic_load(&t.farm.results), 2);
    bench_close(&t);
}

static void test_lost_layer(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_NO_LAYER);
    OK(bench_job(&t));
    EQ_INT(atomic_load(&t.farm.results), 1);
    OKF(strstr(t.farm.last_result, "profile") == NULL, "half a profile is none");
    bench_close(&t);
}

static void test_other_firmware(void)
{
    struct bench t = {0};
    snprintf(t.board.firmware, sizeof t.board.firmware, "ffffffffffffffffffffffffffffffffffffffff");
    bench_open(&t, FAKE_GOOD);
    OK(bench_job(&t));
    OKF(openocd_was_told("farm_flash {") && openocd_was_told("firmware.elf"),
        "another firmware: both are flashed");
    expect_failure(&t, "wrong-board", "runs firmware ffff");
    bench_close(&t);
}

static void test_failing_board(enum fake_board_mode mode, const char *type, const char *words)
{
    struct bench t = {0};
    bench_open(&t, mode);
    OK(bench_job(&t));
    expect_failure(&t, type, words);
    bench_close(&t);
}

// A board is given longer for a configuration with more work.
static void test_heavy_configuration(void)
{
    struct bench t = {.macs = 400000};
    bench_open(&t, FAKE_STALL);
    OK(bench_job(&t));
    expect_failure(&t, "serial-timeout", "no record within 1000 ms"); // 400 and 3 * 400,000 / 2,000
    bench_close(&t);
}

static void test_bad_program(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    t.program[PROGRAM_BYTES - 1] ^= 1;
    OK(bench_job(&t));
    expect_failure(&t, "flash-failed", "CRC-32");
    bench_close(&t);

    struct bench s = {0};
    bench_open(&s, FAKE_GOOD);
    s.farm.program_bytes--;
    OK(bench_job(&s));
    expect_failure(&s, "flash-failed", "downloaded with 4095 bytes");
    bench_close(&s);
}

static void test_quarantine(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    openocd_mode("fail");
    for (int i = 0; i < 3; i++) {
        bench_offer_job(&t);
        OK(bench_step_to(&t, RIG_REPORTING));
        enum rig_state after = rig_step(t.rig);
        OKF(after == (i < 2 ? RIG_IDLE : RIG_PAUSED), "failure %d: %s", i + 1,
            rig_state_name(after));
    }
    OK(strstr(t.farm.last_failure, "stm32x device protected") != NULL);
    int leases = atomic_load(&t.farm.leases);
    int64_t end = child_now_ms() + 500;
    enum rig_state state = RIG_PAUSED;
    while (child_now_ms() < end)
        state = rig_step(t.rig);
    OKF(state == RIG_PAUSED && openocd_was_told("farm_flash {") && openocd_was_told(".prog"),
        "stays paused: the known program cannot be flashed");
    OK(atomic_load(&t.farm.unhealthy) > 0 && atomic_load(&t.farm.healthy) == 0);
    openocd_mode("ok");
    snprintf(t.health.output_crc32, sizeof t.health.output_crc32, "deadbeee");
    OKF(!bench_step_until(&t, RIG_IDLE, 1500) && atomic_load(&t.farm.healthy) == 0,
        "stays paused: the known program's output is wrong");
    snprintf(t.health.output_crc32, sizeof t.health.output_crc32, "deadbeef");
    OK(bench_step_to(&t, RIG_IDLE));
    EQ_INT(atomic_load(&t.farm.healthy), 1);
    EQ_INT(atomic_load(&t.farm.leases), leases);
    bench_offer_job(&t);
    OK(bench_job(&t));
    EQ_INT(atomic_load(&t.farm.results), 1);
    OKF(openocd_was_told("farm_flash_program {"), "the health check wrote the firmware");
    bench_close(&t);
}

// A board whose serial line is broken resets well: that is not enough to come back.
static void test_quarantine_serial(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_NOISE);
    for (int i = 0; i < 3; i++) {
        bench_offer_job(&t);
        OK(bench_step_to(&t, RIG_REPORTING));
        rig_step(t.rig);
    }
    OK(strstr(t.farm.last_failure, "serial-garbage") != NULL);
    bool back = bench_step_until(&t, RIG_IDLE, 1000);
    OKF(!back && atomic_load(&t.farm.unhealthy) > 0, "stays paused while the line carries noise");
    t.board.mode = FAKE_GOOD;
    OK(bench_step_to(&t, RIG_IDLE));
    bench_offer_job(&t);
    OK(bench_job(&t));
    EQ_INT(atomic_load(&t.farm.results), 1);
    bench_close(&t);
}

static void test_stale_lease(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    OK(bench_step_to(&t, RIG_HELLO));
    atomic_store(&t.farm.heartbeat_status, 409);
    OK(bench_step_to(&t, RIG_IDLE));
    EQ_INT(atomic_load(&t.farm.results), 0);
    EQ_INT(atomic_load(&t.farm.failures), 0);
    EQ_INT(rig_jobs_reported(t.rig), 0);
    bench_close(&t);
}

static void test_server_trouble(void)
{
    struct bench t = {0};
    bench_open(&t, FAKE_GOOD);
    OK(bench_step_to(&t, RIG_FLASHING));
    atomic_store(&t.farm.heartbeat_status, 503); // heartbeats are lost, the job goes on
    atomic_store(&t.farm.report_failures, 1);
    OK(bench_step_to(&t, RIG_IDLE));
    EQ_INT(atomic_load(&t.farm.results), 1);
    bench_close(&t);

    struct bench gone = {0}; // nobody listens
    bench_open(&gone, FAKE_GOOD);
    fake_farm_stop(&gone.farm);
    OK(rig_step(gone.rig) == RIG_IDLE);
    gone.farm = (struct fake_farm){.program = gone.program, .program_bytes = PROGRAM_BYTES};
    OK(fake_farm_start(&gone.farm) == 0);
    bench_close(&gone);
}

static void test_missing_tty(void)
{
    struct bench t = {.tty = "/nonexistent/tty"};
    bench_open(&t, FAKE_GOOD);
    EQ_INT(rig_step(t.rig), RIG_IDLE);
    EQ_INT(atomic_load(&t.farm.leases), 0);
    t.settings.once = true;
    EQ_INT(rig_step(t.rig), RIG_ENDED);
    OK(rig_was_missing(t.rig));
    bench_close(&t);
}

// By USB id: a board that is not plugged in is offline on the server, with the reason, and comes back.
static void test_usb_port(void)
{
    struct bench t = {.tty = "usb:0483:374b:066EFF"};
    plugged_tty[0] = '\0';
    bench_open(&t, FAKE_GOOD);
    EQ_INT(rig_step(t.rig), RIG_IDLE);
    EQ_INT(atomic_load(&t.farm.leases), 0);
    EQ_INT(rig_step(t.rig), RIG_IDLE);
    EQ_INT(atomic_load(&t.farm.offline), 1); // told once
    OKF(strstr(t.farm.last_offline, "usb:0483:374b:066EFF is not plugged in") &&
            strstr(t.farm.last_offline, "\"board\":\"" FAKE_BOARD "\""),
        "with the reason: %s", t.farm.last_offline);
    snprintf(plugged_tty, sizeof plugged_tty, "%s", t.board.tty);
    OK(bench_job(&t));
    EQ_INT(atomic_load(&t.farm.results), 1);
    plugged_tty[0] = '\0';
    EQ_INT(rig_step(t.rig), RIG_IDLE);
    EQ_INT(atomic_load(&t.farm.offline), 2); // and again when it is unplugged
    bench_close(&t);
}

// After a failed flash the board's power is cycled, whatever the command does.
static void test_power_cycle(void)
{
    static const char script[] = "#!/bin/sh\necho \"$1\" >>\"$FAKE_OPENOCD_DIR/cycled\"\n"
                                 "[ -e \"$FAKE_OPENOCD_DIR/hang\" ] && sleep 60\nexit 3\n";
    char command[300], cycled[300], text[100] = "";
    snprintf(command, sizeof command, "%s/cycle", dir);
    snprintf(cycled, sizeof cycled, "%s/cycled", dir);
    write_file("cycle", script, sizeof script - 1);
    OK(chmod(command, 0700) == 0);
    struct bench t = {.power_cycle = command};
    bench_open(&t, FAKE_GOOD);
    openocd_mode("fail");
    OK(bench_job(&t));
    OK(access(cycled, R_OK) == 0);
    write_file("hang", "", 0);
    bench_offer_job(&t);
    int64_t start = child_now_ms();
    OK(bench_job(&t));
    OKF(child_now_ms() - start < 10000, "a command that hangs is killed at its deadline: %d ms",
        (int)(child_now_ms() - start));
    FILE *f = fopen(cycled, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    EQ_STR(text, "f767-1\nf767-1\n");
    openocd_mode("ok");
    bench_offer_job(&t);
    OK(bench_job(&t));
    EQ_INT(atomic_load(&t.farm.results), 1);
    bench_close(&t);
}

// What the agent makes for itself: a program for every variant, with the reference's answer.
static void test_known_program(void)
{
    static const char *const variants[] = {"generic", "armv7em", "rv32"};
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        struct health_program p;
        struct err e = {0};
        struct measurement m = {.n_runs = 1};
        OKF(health_program_make(variants[i], &p, &e) == 0, "%s: %s", variants[i], e.msg);
        OKF(p.arena_bytes > 1000 && p.arena_bytes < 14000, "it fits every board: %u bytes",
            (unsigned)p.arena_bytes);
        snprintf(m.out.crc32, sizeof m.out.crc32, "%s", p.output_crc32);
        m.mem.arena = p.arena_bytes;
        EQ_INT(health_program_judge(&p, &m, &e), 0);
        m.mem.arena++;
        EQ_INT(health_program_judge(&p, &m, &e), -1);
        health_program_free(&p);
    }
}

static void *stop_soon(void *ctx)
{
    struct bench *t = ctx;
    usleep(300000);
    atomic_store(&t->stop, true);
    return NULL;
}

static void test_stop(void)
{
    struct bench t = {0};
    pthread_t thread;
    bench_open(&t, FAKE_GOOD);
    OK(bench_step_to(&t, RIG_FLASHING));
    openocd_mode("stuck");
    OK(pthread_create(&thread, NULL, stop_soon, &t) == 0);
    int64_t start = child_now_ms();
    rig_run(t.rig);
    OKF(child_now_ms() - start < 6000, "stopped in %d ms", (int)(child_now_ms() - start));
    pthread_join(thread, NULL);
    expect_failure(&t, "board-offline", "told to stop");
    bench_close(&t);
}

int main(void)
{
    static const char board[] =
        "{\"id\":\"" FAKE_BOARD "\",\"baud\":115200,\"program_max_bytes\":1000000,"
        "\"kernels\":\"generic\"}";
    char path[300];
    struct err e = {0};
    OK(runtime_dir_make(dir, sizeof dir, &e) == 0);
    snprintf(path, sizeof path, "%s/" FAKE_BOARD, dir);
    OK(mkdir(path, 0700) == 0);
    setenv("FAKE_OPENOCD_DIR", dir, 1);
    setenv("FARM_LOG", "error", 0);
    write_file(FAKE_BOARD "/board.json", board, strlen(board));
    make_firmware();
    test_good_job();
    test_lost_layer();
    test_other_firmware();
    test_failing_board(FAKE_FAULT, "board-fault", "0x08001234");
    test_failing_board(FAKE_LOST_PROGRAM, "flash-failed", "the flash lost the program");
    test_failing_board(FAKE_STALL, "serial-timeout", "silent");
    test_failing_board(FAKE_CUT_RUN, "serial-garbage", "@run 2");
    test_failing_board(FAKE_RESTART, "board-offline", "restarted");
    test_heavy_configuration();
    test_bad_program();
    test_quarantine();
    test_quarantine_serial();
    test_usb_port();
    test_power_cycle();
    test_known_program();
    test_stale_lease();
    test_server_trouble();
    test_missing_tty();
    test_stop();
    runtime_dir_remove(path);
    runtime_dir_remove(dir);
    return tap_done();
}
