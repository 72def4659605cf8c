// SPDX-License-Identifier: MIT
// See rig.h. Every step may be repeated: flashing writes the whole program again, reporting is
// idempotent by (job, attempt) on the server.
#include "agent/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/elf.h"
#include "agent/farm_client.h"
#include "agent/joblog.h"
#include "agent/openocd.h"
#include "agent/serial.h"
#include "agent/session.h"
#include "common/buf.h"
#include "common/log.h"
#include "firmware/executor/program.h"
#include "firmware/wire/wire.h"

enum {
    BEAT_MAX_MS = 5000,  // longest pause between heartbeats
    BEAT_NEWS_MS = 1000, // shortest, when there is something to tell
    RETRY_MIN_MS = 1000, // pause after a call that nobody answered; doubles up to ...
    RETRY_MAX_MS = 30000,
    TTY_POLL_MS = 2000, // looking for a board that is not plugged in
    PROBE_PART = 6,     // of hello_ms: waiting for the hello of a board that need not boot first
    FLASH_BYTES_PER_MS = 20, // slower than any probe that works
    // A quarter of a HiFive1, whose weights come from SPI flash; a virtual board on a host that is busy.
    SLOWEST_MACS_PER_MS = 2000,
    THINKING_MAX_MS = 3600000,
    FAILURES_TO_PAUSE = 3,
    PAUSE_GROWTH = 20,
    CRC_OFFSET = 12, // of prog_header.crc32
};
_Static_assert(offsetof(struct prog_header, crc32) == CRC_OFFSET, "wire layout");

// A deadline of 0: the state ends by itself.
static const struct {
    const char *name;
    const char *phase; // as the server calls it
    int deadline_ms;
} states[] = {
    [RIG_IDLE] = {"idle", NULL, 0},
    [RIG_LEASED] = {"leased", "flashing", 70000},
    [RIG_FLASHING] = {"flashing", "flashing", 30000}, // plus time by size, see rig_flash()
    [RIG_HELLO] = {"hello", "running", 0},            // settings: hello_ms
    [RIG_RUNNING] = {"running", "running", 0},        // by repeats, see rig_measure()
    [RIG_REPORTING] = {"reporting", "collecting", 600000},
    [RIG_PAUSED] = {"paused", NULL, 0},
    [RIG_ENDED] = {"ended", NULL, 0},
};

struct rig {
    const struct rig_settings *set;
    struct rig_config config;
    struct board_info board;
    struct vrig *virtual; // NULL: a board on the desk
    char tty[256];        // the device that config.tty is now
    char absent[sizeof(
        (struct err){0}.msg)];    // why the board is not there, as the server was told; "": it is
    struct health_program health; // empty until it is needed
    struct farm_client *client;
    enum rig_state state;
    int64_t deadline_ms; // of the state; INT64_MAX: none
    bool complained;     // the present reason for idling is already in the log
    int retry_ms;        // present pause between calls that nobody answers
    // what is known of the board
    char firmware[ELF_BUILD_ID_CHARS]; // build-id that it runs; "" unknown
    bool distrust;                     // flash everything, whatever the board says
    int failures;                      // infrastructure failures in a row
    int pause_ms;
    int64_t pause_until_ms;
    unsigned jobs_reported;
    bool missing; // see rig_was_missing()
    // the present job
    struct farm_lease lease;
    struct buf program;
    char program_path[400];
    struct serial *port;
    struct session session;
    struct measurement result;
    struct err failure; // ERR_NONE: the result is good
    struct err give_up; // why rig_tick() said no
    bool stale;         // the server gave the job to someone else
    bool beat_failed;   // the last heartbeat was not answered
    struct joblog log;
    int64_t last_beat_ms, next_beat_ms;
};

const char *rig_state_name(enum rig_state state)
{
    return states[state].name;
}

unsigned rig_jobs_reported(const struct rig *r)
{
    return r->jobs_reported;
}

bool rig_was_missing(const struct rig *r)
{
    return r->missing;
}

static bool rig_stopping(const struct rig *r)
{
    return atomic_load(r->set->stop);
}

static void rig_sleep(const struct rig *r, int ms)
{
    int64_t end = child_now_ms() + ms;
    while (!rig_stopping(r) && child_now_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static void rig_on_output(void *ctx, const char *text, size_t len)
{
    struct rig *r = ctx;
    joblog_add(&r->log, text, len);
}

static void rig_on_line(void *ctx, const char *line)
{
    struct rig *r = ctx;
    joblog_printf(&r->log, "%s", line);
}

// ---- heartbeats ----
static double rig_progress(const struct rig *r)
{
    switch (r->state) {
    case RIG_HELLO:
        return 0.3;
    case RIG_RUNNING:
        return 0.35 + 0.6 * (double)r->session.progress;
    case RIG_REPORTING:
        return 0.95;
    default:
        return 0.1;
    }
}

// Tells the server that the job goes on, with the next piece of the log. False when the lease is
// stale.
static bool rig_beat(struct rig *r)
{
    char piece[JOBLOG_PIECE + 1];
    struct err e = {0};
    size_t n = joblog_peek(&r->log, piece);
    const char *phase =
        r->state == RIG_RUNNING && r->session.collecting ? "collecting" : states[r->state].phase;
    int deadline_s = r->lease.deadline_s;
    enum farm_answer got =
        farm_client_heartbeat(r->client, &r->lease, phase, rig_progress(r), piece, &deadline_s, &e);
    int64_t now = child_now_ms();
    r->last_beat_ms = now;
    if (got == FARM_OK) {
        int pause = deadline_s * 1000 / 3;
        r->lease.deadline_s = deadline_s;
        joblog_mark_sent(&r->log, n);
        r->next_beat_ms = now + (pause < BEAT_MAX_MS ? pause : BEAT_MAX_MS);
        r->beat_failed = false;
    } else if (got == FARM_STALE) {
        r->stale = true;
    } else {
        if (got == FARM_REFUSED)
            joblog_mark_sent(&r->log,
                             n); // the server does not want this piece: the next one may pass
        if (!r->beat_failed && !r->complained && !rig_stopping(r))
            log_warn(r->config.name, "job %" PRId64 ": heartbeat: %s (the job goes on)",
                     r->lease.job, e.msg);
        r->beat_failed = true;
        r->next_beat_ms = now + BEAT_MAX_MS / 2;
    }
    return !r->stale;
}

// Called while something takes long. False ends it: r->give_up says why.
static bool rig_tick(void *ctx)
{
    struct rig *r = ctx;
    int64_t now = child_now_ms();
    bool news =
        joblog_has_news(&r->log) && now - r->last_beat_ms >= BEAT_NEWS_MS && !r->beat_failed;
    if (rig_stopping(r))
        err_set(&r->give_up, ERR_OFFLINE, "the agent was told to stop");
    else if (r->virtual && !vrig_alive(r->virtual))
        err_set(&r->give_up, ERR_OFFLINE, "the virtual board's process ended");
    else if (now >= r->deadline_ms)
        err_set(&r->give_up, ERR_SERIAL, "the job took longer than it may in state %s",
                states[r->state].name);
    else if ((now >= r->next_beat_ms || news) && !rig_beat(r))
        err_set(&r->give_up, ERR_STALE_LEASE, "the lease is stale");
    return r->give_up.code == ERR_NONE;
}

// ---- states ----
static void rig_enter(struct rig *r, enum rig_state state)
{
    if (state == r->state)
        return;
    log_debug(r->config.name, "%s -> %s", states[r->state].name, states[state].name);
    r->state = state;
    r->deadline_ms =
        states[state].deadline_ms ? child_now_ms() + states[state].deadline_ms : INT64_MAX;
    r->next_beat_ms = 0; // a new state is news
    r->complained = false;
    r->retry_ms = RETRY_MIN_MS;
}

static void rig_complain(struct rig *r, const char *what)
{
    if (!r->complained)
        log_warn(r->config.name, "%s", what);
    r->complained = true;
}

// After a call that nobody answered.
static void rig_back_off(struct rig *r)
{
    rig_sleep(r, r->retry_ms);
    r->retry_ms = r->retry_ms * 2 < RETRY_MAX_MS ? r->retry_ms * 2 : RETRY_MAX_MS;
}

static enum rig_state rig_fail(struct rig *r, const struct err *why)
{
    if (r->virtual && !rig_stopping(r) && why->code == ERR_OFFLINE) {
        rig_sleep(r, 50); // a hung up tty comes a moment before its process is known to be dead
        if (!vrig_alive(r->virtual))
            err_set(&r->give_up, ERR_OFFLINE, "the virtual board's process ended");
    }
    r->failure = r->give_up.code != ERR_NONE ? r->give_up : *why;
    joblog_printf(&r->log, "failed: %s: %s", err_type(r->failure.code), r->failure.msg);
    return RIG_REPORTING;
}

// The server shows such a rig as offline, with the reason.
static void rig_tell_absent(struct rig *r, const char *why)
{
    char text[sizeof r->absent + 32];
    struct err untold = {0};
    snprintf(text, sizeof text, "%s; waiting for the board", why);
    rig_complain(r, text);
    r->firmware[0] = '\0'; // whatever comes back may be another board
    if (strcmp(r->absent, why) != 0 &&
        farm_client_offline(r->client, r->set->agent, r->config.name, r->config.board, why,
                            &untold) == FARM_OK)
        snprintf(r->absent, sizeof r->absent, "%s", why);
}

// A virtual board is started (again), and a board on the desk is looked for. False: not now.
static bool rig_present(struct rig *r)
{
    struct err e = {0};
    if (r->virtual && !vrig_alive(r->virtual)) {
        bool waiting;
        if (vrig_ensure(r->virtual, &r->config, r->set->stop, &waiting, &e) < 0) {
            if (!waiting && !rig_stopping(r))
                log_warn(r->config.name, "%s", e.msg);
            rig_sleep(r, 200);
            return false;
        }
        r->distrust = true; // its flash is empty: no need to ask it
        if (r->config.stlink_port)
            log_info(r->config.name, "virtual board %s is up: ST-LINK on port %d, serial line %s",
                     r->config.serial, r->config.stlink_port, r->config.tty);
        else
            log_info(r->config.name, "virtual board %s is up: JTAG on %s, serial line %s",
                     r->config.serial, r->config.jtag_tty, r->config.tty);
    }
    if (port_find(r->set->ports ? r->set->ports : &port_usb, r->config.tty, r->tty, sizeof r->tty,
                  &e) < 0 ||
        access(r->tty, R_OK | W_OK) < 0) {
        err_set(&e, ERR_OFFLINE, "%s: %s", r->tty, strerror(errno));
        rig_tell_absent(r, e.msg);
        rig_sleep(r, r->set->once ? 0 : TTY_POLL_MS);
        return false;
    }
    if (r->absent[0])
        log_info(r->config.name, "the board is there again: %s", r->tty);
    r->absent[0] = '\0';
    return true;
}

static void rig_begin_job(struct rig *r)
{
    buf_reset(&r->program);
    joblog_reset(&r->log);
    r->last_beat_ms = child_now_ms();
    r->stale = r->beat_failed = false;
    err_clear(&r->failure);
    err_clear(&r->give_up);
    log_info(r->config.name, "job %" PRId64 ", attempt %d: %u repeats of a program of %u bytes",
             r->lease.job, r->lease.attempt, (unsigned)r->lease.repeats,
             (unsigned)r->lease.program_bytes);
    joblog_printf(&r->log, "%s/%s: job %" PRId64 ", attempt %d", r->set->agent, r->config.name,
                  r->lease.job, r->lease.attempt);
}

static enum rig_state rig_idle(struct rig *r)
{
    struct err e = {0};
    if (rig_stopping(r))
        return RIG_ENDED;
    if (!rig_present(r)) {
        r->missing = r->set->once;
        return r->set->once ? RIG_ENDED : RIG_IDLE;
    }
    int64_t asked = child_now_ms();
    enum farm_answer got = farm_client_lease(r->client, r->set->agent, r->config.name,
                                             r->config.board, r->set->wait_s, &r->lease, &e);
    if (got == FARM_OK) {
        rig_begin_job(r);
        return RIG_LEASED;
    }
    if (got == FARM_NONE) {
        if (r->complained)
            log_info(r->config.name, "back: the server answers");
        r->complained = false;
        r->retry_ms = RETRY_MIN_MS;
        if (r->set->once)
            return RIG_ENDED;
        if (child_now_ms() - asked <
            500) // a server that does not hold requests must not be flooded
            rig_sleep(r, 500);
        return RIG_IDLE;
    }
    if (!rig_stopping(r)) {
        rig_complain(r, e.msg);
        rig_back_off(r);
    }
    return RIG_IDLE;
}

// The bytes must be the program that the lease names: size, header and CRC-32.
static int rig_check_program(const struct rig *r, struct err *e)
{
    static const uint8_t no_crc[4];
    struct prog_header h;
    char crc_text[9];
    const struct buf *p = &r->program;
    if (r->lease.program_bytes > r->board.program_max_bytes)
        return err_set(e, ERR_FLASH, "the program has %u bytes, board %s has room for %u",
                       (unsigned)r->lease.program_bytes, r->config.board,
                       (unsigned)r->board.program_max_bytes);
    if (p->len != r->lease.program_bytes || p->len < sizeof h)
        return err_set(e, ERR_FLASH, "the program was downloaded with %zu bytes instead of %u",
                       p->len, (unsigned)r->lease.program_bytes);
    memcpy(&h, p->data, sizeof h);
    if (h.magic != PROG_MAGIC || h.total_bytes != p->len)
        return err_set(e, ERR_FLASH, "the downloaded file is not a program of %zu bytes", p->len);
    uint32_t crc = wire_crc32(0, p->data, CRC_OFFSET);
    crc = wire_crc32(crc, no_crc, sizeof no_crc);
    crc = wire_crc32(crc, p->data + CRC_OFFSET + 4, p->len - CRC_OFFSET - 4);
    snprintf(crc_text, sizeof crc_text, "%08x", (unsigned)crc);
    if (h.crc32 != crc || strcmp(crc_text, r->lease.program_crc32) != 0)
        return err_set(e, ERR_FLASH,
                       "the program's CRC-32 is %s, its header says %08x, the server %s", crc_text,
                       (unsigned)h.crc32, r->lease.program_crc32);
    return 0;
}

static int rig_save_program(struct rig *r, struct err *e)
{
    snprintf(r->program_path, sizeof r->program_path, "%s/%s.prog", r->set->dir, r->config.name);
    FILE *f = fopen(r->program_path, "wb");
    bool ok = f && fwrite(r->program.data, 1, r->program.len, f) == r->program.len;
    if (f)
        ok = fclose(f) == 0 && ok;
    return ok ? 0 : err_set(e, ERR_FLASH, "cannot write %s: %s", r->program_path, strerror(errno));
}

static enum rig_state rig_leased(struct rig *r)
{
    const struct session_ops ops = {.tick = rig_tick, .log = rig_on_line, .ctx = r};
    struct err e = {0};
    if (!rig_tick(r))
        return rig_fail(r, &e);
    if (strcmp(r->lease.board, r->config.board) != 0) {
        err_set(&e, ERR_WRONG_BOARD, "the job is for board %s, the rig has %s", r->lease.board,
                r->config.board);
        return rig_fail(r, &e);
    }
    enum farm_answer got = farm_client_program(r->client, &r->lease, &r->program, &e);
    if (got == FARM_RETRY) { // until the deadline; rig_tick() looks at it
        rig_complain(r, e.msg);
        rig_back_off(r);
        return RIG_LEASED;
    }
    if (got != FARM_OK) {
        struct err failed = {0};
        err_set(&failed, ERR_FLASH, "the program could not be downloaded: %.250s", e.msg);
        return rig_fail(r, &failed);
    }
    if (rig_check_program(r, &e) < 0 || rig_save_program(r, &e) < 0)
        return rig_fail(r, &e);
    // open before flashing: the hello that follows the reset must not be missed
    r->port = serial_open(r->tty, r->board.baud, &e);
    if (!r->port)
        return rig_fail(r, &e);
    session_init(&r->session, r->port, &ops);
    return RIG_FLASHING;
}

static void rig_openocd_target(struct rig *r, char *config, size_t size, int deadline_ms,
                               struct openocd_target *out)
{
    snprintf(config, size, "%s/%s/openocd.cfg", r->set->boards, r->config.board);
    *out = (struct openocd_target){
        .openocd = r->set->openocd,
        .config = config,
        .serial = r->config.serial,
        .stlink_port = r->config.stlink_port,
        .jtag_tty = r->config.jtag_tty,
        .deadline_ms = deadline_ms,
        .on_tick = rig_tick,
        .on_output = rig_on_output,
        .ctx = r,
    };
}

// Does the board already run this firmware? Asks a board that this agent has not met yet.
static bool rig_has_firmware(struct rig *r, const char *build_id)
{
    struct record_hello hello;
    struct err e = {0};
    if (r->distrust)
        return false;
    if (!r->firmware[0] &&
        session_probe(&r->session, r->set->hello_ms / PROBE_PART, &hello, &e) == 0 &&
        strcmp(hello.board, r->config.board) == 0)
        snprintf(r->firmware, sizeof r->firmware, "%s", hello.firmware);
    return strcmp(r->firmware, build_id) == 0;
}

// The image of the board as it is now, and its build-id.
static int rig_firmware(const struct rig *r, char *elf, size_t size, char build_id[], struct err *e)
{
    struct err bad = {0};
    snprintf(elf, size, "%s/%s/firmware.elf", r->set->firmware, r->config.board);
    return elf_read_build_id(elf, build_id, &bad) < 0 ? err_set(e, ERR_FLASH, "%.300s", bad.msg)
                                                      : 0;
}

static enum rig_state rig_flash(struct rig *r)
{
    struct err e = {0};
    char elf[512], config[512], build_id[ELF_BUILD_ID_CHARS];
    struct openocd_target target;
    if (rig_firmware(r, elf, sizeof elf, build_id, &e) < 0)
        return rig_fail(r, &e);
    bool all = !rig_has_firmware(r, build_id);
    if (r->give_up.code != ERR_NONE)
        return rig_fail(r, &e);
    int more_ms = (int)(r->lease.program_bytes / FLASH_BYTES_PER_MS);
    int limit_ms = states[RIG_FLASHING].deadline_ms + more_ms;
    r->deadline_ms = child_now_ms() + limit_ms + 10000; // OpenOCD's own deadline comes first
    joblog_printf(&r->log,
                  all ? "flashing firmware %s and program %s (%u bytes)"
                      : "firmware %s is there; flashing program %s (%u bytes)",
                  build_id, r->lease.program_crc32, (unsigned)r->lease.program_bytes);
    serial_discard(r->port);
    rig_openocd_target(r, config, sizeof config, limit_ms, &target);
    r->firmware[0] = '\0'; // unknown until hello
    if (openocd_flash(&target, all ? elf : NULL, r->program_path, &e) < 0)
        return rig_fail(r, &e);
    snprintf(r->firmware, sizeof r->firmware, "%s", build_id);
    return RIG_HELLO;
}

static enum rig_state rig_hello(struct rig *r)
{
    struct err e = {0};
    const struct session_expect want = {
        .board = r->config.board,
        .firmware = r->firmware,
        .program = r->lease.program_crc32,
    };
    if (session_hello(&r->session, &want, r->set->hello_ms, &r->result.hello, &e) < 0)
        return rig_fail(r, &e);
    r->distrust = false;
    return RIG_RUNNING;
}

// A fault is the program's, and final, unless the flash does not hold that program any more.
static void rig_doubt_fault(struct rig *r, struct err *e)
{
    struct record_hello hello;
    struct err untold = {0};
    if (session_probe(&r->session, r->set->hello_ms / PROBE_PART, &hello, &untold) < 0 ||
        strcmp(hello.program, r->lease.program_crc32) == 0)
        return;
    err_clear(e);
    err_set(e, ERR_FLASH, "the flash lost the program: it was %s at hello, now it is %s",
            r->lease.program_crc32, hello.program);
}

static enum rig_state rig_measure(struct rig *r)
{
    struct err e = {0};
    // The first record comes after two painted runs and one that counts.
    uint64_t thinking_ms = 3 * r->lease.macs / SLOWEST_MACS_PER_MS;
    int silence_ms =
        r->set->silence_ms + (int)(thinking_ms < THINKING_MAX_MS ? thinking_ms : THINKING_MAX_MS);
    // repeats, the profiled run, two painted runs; and as much again
    r->deadline_ms = child_now_ms() + (int64_t)silence_ms * (r->lease.repeats + 3) * 2;
    if (session_run(&r->session, r->lease.repeats, silence_ms, &r->result, &e) < 0) {
        if (e.code == ERR_FAULT)
            rig_doubt_fault(r, &e);
        return rig_fail(r, &e);
    }
    joblog_printf(&r->log, "measured: %u runs, %u blocks, %u broken lines",
                  (unsigned)r->result.n_runs, (unsigned)r->result.n_blocks, r->session.bad_lines);
    return RIG_REPORTING;
}

static void rig_end_job(struct rig *r)
{
    serial_close(r->port);
    r->port = NULL;
    if (r->program_path[0])
        unlink(r->program_path);
    r->program_path[0] = '\0';
}

// Between jobs: no heartbeats.
static bool rig_idle_tick(void *ctx)
{
    return !rig_stopping(ctx);
}

static void rig_idle_line(void *ctx, const char *line)
{
    const struct rig *r = ctx;
    log_debug(r->config.name, "%s", line);
}

static void rig_on_power_output(void *ctx, const char *text, size_t len)
{
    const struct rig *r = ctx;
    int n = len > 200 ? 200 : (int)len;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    log_debug(r->config.name, "power cycle: %.*s", n, text);
}

// After a failed flash or a hung board, before the next attempt or the quarantine.
static void rig_power_cycle(struct rig *r)
{
    const char *argv[RIG_POWER_ARGS + 1];
    const struct child_job job = {
        .argv = argv,
        .deadline_ms = r->config.power_cycle_s * 1000,
        .grace_ms = 1000,
        .on_output = rig_on_power_output,
        .on_tick = rig_idle_tick,
        .ctx = r,
    };
    struct child_end end;
    struct err e = {0};
    if (!r->config.power_cycle_args || rig_stopping(r))
        return;
    rig_file_power_argv(&r->config, argv);
    if (child_run(&job, &end, &e) < 0)
        log_error(r->config.name, "power cycle: %s", e.msg);
    else if (end.timed_out)
        log_error(r->config.name, "power cycle: %s did not end within %d s and was killed", argv[0],
                  r->config.power_cycle_s);
    else if (end.exit_code != 0)
        log_error(r->config.name, "power cycle: %s ended with %s %d", argv[0],
                  end.signal ? "signal" : "exit code", end.signal ? end.signal : end.exit_code);
    else
        log_info(r->config.name, "the board's power was switched off and on");
}

// What the job's end says about the rig; the state that follows.
static enum rig_state rig_settle(struct rig *r)
{
    rig_end_job(r);
    if (rig_stopping(r))
        return RIG_ENDED;
    if (r->stale)
        return RIG_IDLE;
    if (r->failure.code == ERR_NONE) {
        r->failures = 0;
        r->pause_ms = r->set->pause_ms;
        return RIG_IDLE;
    }
    if (r->failure.code == ERR_FAULT) // the program's fault, not the rig's
        return RIG_IDLE;
    r->firmware[0] = '\0';
    r->distrust = r->failure.code == ERR_FLASH || r->failure.code == ERR_WRONG_BOARD;
    if (r->failure.code != ERR_WRONG_BOARD)
        rig_power_cycle(r);
    if (++r->failures < FAILURES_TO_PAUSE)
        return RIG_IDLE;
    log_error(r->config.name, "quarantined for %d s after %d failures in a row; the last: %s: %s",
              r->pause_ms / 1000, r->failures, err_type(r->failure.code), r->failure.msg);
    r->pause_until_ms = child_now_ms() + r->pause_ms;
    return RIG_PAUSED;
}

static enum rig_state rig_report(struct rig *r)
{
    struct err e = {0};
    char verdict[64] = "";
    enum farm_answer got = FARM_OK;
    if (rig_stopping(r))
        farm_client_set_farewell(r->client);
    // the rest of the log goes first: the result ends the lease
    for (int i = 0; !r->stale && !r->beat_failed && joblog_has_news(&r->log) &&
                    i <= 2 * JOBLOG_MAX / JOBLOG_PIECE;
         i++)
        rig_beat(r);
    if (r->stale || r->failure.code == ERR_STALE_LEASE)
        got = FARM_STALE;
    else if (r->failure.code != ERR_NONE)
        got = farm_client_failure(r->client, &r->lease, &r->failure, &e);
    else
        got = farm_client_result(r->client, &r->lease, &r->result, verdict, sizeof verdict, &e);
    switch (got) {
    case FARM_OK:
    case FARM_NONE:
        r->jobs_reported++;
        if (r->failure.code == ERR_NONE)
            log_info(r->config.name, "job %" PRId64 ": done, verdict: %s", r->lease.job, verdict);
        else
            log_warn(r->config.name, "job %" PRId64 ": %s: %s", r->lease.job,
                     err_type(r->failure.code), r->failure.msg);
        return rig_settle(r);
    case FARM_STALE:
        r->stale = true;
        log_warn(r->config.name, "job %" PRId64 ": abandoned, the server lent it to someone else",
                 r->lease.job);
        return rig_settle(r);
    case FARM_REFUSED:
        log_error(r->config.name, "job %" PRId64 ": the server refuses the report: %s",
                  r->lease.job, e.msg);
        return rig_settle(r);
    case FARM_RETRY:
        break;
    }
    if (rig_stopping(r) || child_now_ms() >= r->deadline_ms) {
        log_error(r->config.name, "job %" PRId64 ": the report was given up: %s", r->lease.job,
                  e.msg);
        return rig_settle(r);
    }
    rig_complain(r, e.msg);
    rig_back_off(r);
    r->beat_failed = false;
    return RIG_REPORTING;
}

static const struct health_program *rig_health(struct rig *r, struct err *e)
{
    if (r->set->health)
        return r->set->health;
    if (!r->health.bytes.len && health_program_make(r->board.kernels, &r->health, e) < 0)
        return NULL;
    return &r->health;
}

// Firmware and the known program are written, the board says so, runs it, and the output is right.
static int rig_run_health(struct rig *r, const struct health_program *p, struct err *e)
{
    const struct session_ops ops = {.tick = rig_idle_tick, .log = rig_idle_line, .ctx = r};
    char elf[512], config[512], build_id[ELF_BUILD_ID_CHARS];
    struct openocd_target target;
    buf_reset(&r->program);
    buf_add(&r->program, p->bytes.data, p->bytes.len);
    if (r->program.failed)
        return err_set(e, ERR_NO_MEMORY, "no memory for the known program");
    if (rig_firmware(r, elf, sizeof elf, build_id, e) < 0 || rig_save_program(r, e) < 0)
        return -1;
    r->port = serial_open(r->tty, r->board.baud, e);
    if (!r->port)
        return -1;
    session_init(&r->session, r->port, &ops);
    serial_discard(r->port);
    rig_openocd_target(r, config, sizeof config, states[RIG_FLASHING].deadline_ms, &target);
    target.on_tick = rig_idle_tick;
    target.on_output = NULL;
    const struct session_expect want = {
        .board = r->config.board, .firmware = build_id, .program = p->crc32};
    if (openocd_flash(&target, elf, r->program_path, e) < 0 ||
        session_hello(&r->session, &want, r->set->hello_ms, &r->result.hello, e) < 0 ||
        session_run(&r->session, 1, r->set->silence_ms, &r->result, e) < 0 ||
        health_program_judge(p, &r->result, e) < 0)
        return -1;
    snprintf(r->firmware, sizeof r->firmware, "%s", build_id);
    r->distrust = false;
    return 0;
}

// A quarantined rig comes back when it is there and runs a known program right.
static int rig_check_health(struct rig *r, struct err *e)
{
    if (!rig_present(r))
        return err_set(e, ERR_OFFLINE, "%s", r->absent[0] ? r->absent : "the board is not there");
    const struct health_program *p = rig_health(r, e);
    int rc = p ? rig_run_health(r, p, e) : -1;
    rig_end_job(r);
    return rc;
}

static enum rig_state rig_paused(struct rig *r)
{
    struct err e = {0};
    if (rig_stopping(r) || r->set->once)
        return RIG_ENDED;
    int64_t left = r->pause_until_ms - child_now_ms();
    if (left > 0) {
        rig_sleep(r, left < 1000 ? (int)left : 1000);
        return RIG_PAUSED;
    }
    r->pause_ms = r->pause_ms < r->set->pause_ms * PAUSE_GROWTH / 2
                      ? r->pause_ms * 2
                      : r->set->pause_ms * PAUSE_GROWTH;
    bool healthy = rig_check_health(r, &e) == 0;
    if (rig_stopping(r))
        return RIG_ENDED;
    struct err untold = {0};
    if (farm_client_health(r->client, r->set->agent, r->config.name, healthy,
                           healthy ? "the known program ran and was right" : e.msg,
                           &untold) != FARM_OK)
        log_warn(r->config.name, "the server was not told of the health check: %s", untold.msg);
    if (!healthy) {
        log_error(r->config.name, "still quarantined, next check in %d s: %s", r->pause_ms / 1000,
                  e.msg);
        rig_power_cycle(r);
        r->pause_until_ms = child_now_ms() + r->pause_ms;
        return RIG_PAUSED;
    }
    r->failures =
        FAILURES_TO_PAUSE - 1; // on probation: the next failure pauses it again, for longer
    log_info(r->config.name, "the health check passed: back from quarantine");
    return RIG_IDLE;
}

enum rig_state rig_step(struct rig *r)
{
    enum rig_state next = r->state;
    switch (r->state) {
    case RIG_IDLE:
        next = rig_idle(r);
        break;
    case RIG_LEASED:
        next = rig_leased(r);
        break;
    case RIG_FLASHING:
        next = rig_flash(r);
        break;
    case RIG_HELLO:
        next = rig_hello(r);
        break;
    case RIG_RUNNING:
        next = rig_measure(r);
        break;
    case RIG_REPORTING:
        next = rig_report(r);
        break;
    case RIG_PAUSED:
        next = rig_paused(r);
        break;
    case RIG_ENDED:
        break;
    }
    rig_enter(r, next);
    return r->state;
}

void rig_run(struct rig *r)
{
    while (rig_step(r) != RIG_ENDED)
        continue;
    // here and not in rig_free(): children end with the thread that started them
    vrig_free(r->virtual);
    r->virtual = NULL;
}

struct rig *rig_new(const struct rig_settings *settings, const struct rig_config *config,
                    struct vrig *virtual, struct err *e)
{
    struct rig *r = calloc(1, sizeof *r);
    if (!r) {
        vrig_free(virtual);
        err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    r->set = settings;
    r->config = *config;
    r->virtual = virtual;
    r->retry_ms = RETRY_MIN_MS;
    r->pause_ms = settings->pause_ms;
    r->deadline_ms = INT64_MAX;
    joblog_init(&r->log);
    char elf[512], build_id[ELF_BUILD_ID_CHARS];
    snprintf(elf, sizeof elf, "%s/%s/firmware.elf", settings->firmware, config->board);
    if (rig_file_load_board(settings->boards, config->board, &r->board, e) < 0 ||
        elf_read_build_id(elf, build_id, e) < 0) // read again for each job: it may be rebuilt
        goto fail;
    buf_init(&r->program, r->board.program_max_bytes);
    r->client = farm_client_new(settings->server, settings->token, settings->stop, e);
    if (!r->client)
        goto fail;
    return r;
fail:
    rig_free(r);
    return NULL;
}

void rig_free(struct rig *r)
{
    if (!r)
        return;
    rig_end_job(r);
    farm_client_free(r->client);
    vrig_free(r->virtual);
    joblog_free(&r->log);
    buf_free(&r->program);
    health_program_free(&r->health);
    free(r);
}
