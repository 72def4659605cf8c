// SPDX-License-Identifier: MIT
// See openocd.h.
#include "agent/openocd.h"

#include <stdio.h>
#include <string.h>

#include "agent/child.h"
#include "common/buf.h"

enum { GRACE_MS = 2000, TEXT_MAX = 4096, KEEP_MAX = 64 << 10 };

bool openocd_path_ok(const char *path)
{
    for (const char *p = path; *p; p++) {
        if (strchr("{}\\\"", *p) || (unsigned char)*p < 0x20)
            return false;
    }
    return path[0] != '\0';
}

bool openocd_serial_ok(const char *serial)
{
    static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t n = strlen(serial);
    return n > 0 && n <= 64 && strspn(serial, ok) == n;
}

struct openocd_run {
    const struct openocd_target *target;
    struct buf kept; // the first part of the output: the first "Error:" is the cause, what follows
                     // are consequences
};

static void openocd_output(void *ctx, const char *text, size_t len)
{
    struct openocd_run *run = ctx;
    size_t room = run->kept.max - run->kept.len;
    buf_add(&run->kept, text, len < room ? len : room);
    if (run->target->on_output)
        run->target->on_output(run->target->ctx, text, len);
}

static bool openocd_tick(void *ctx)
{
    const struct openocd_run *run = ctx;
    return !run->target->on_tick || run->target->on_tick(run->target->ctx);
}

// The first line that says "Error", with the warning right before it (there OpenOCD says what it found, in the error
// only what it expected); without an error the last line of all.
static void openocd_cause(struct buf *kept, char *out, size_t size)
{
    const char *before = "";
    char *next, *line = kept->data ? (char *)kept->data : NULL;
    snprintf(out, size, "it said nothing");
    for (; line && *line; line = next) {
        size_t n = strcspn(line, "\r\n");
        next = line + n + strspn(line + n, "\r\n");
        line[n] = '\0';
        bool error = strstr(line, "Error") != NULL,
             warned = error && strncmp(before, "Warn", 4) == 0;
        if (line[0])
            snprintf(out, size, "%s%s%s", warned ? before : "", warned ? "; " : "", line);
        if (error)
            return;
        before = line;
    }
}

// OpenOCD has no exit codes: its words tell a missing probe or board from a flash that failed.
static bool openocd_means_offline(const char *cause)
{
    static const char *const words[] = {
        "open failed",        "unable to open",    "No such device",
        "not found",          "init mode failed",  "connect failed",
        "Connection refused", "unable to connect", "Could not open serial port",
        "Error reading data"}; // the last two: a JTAG adapter
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strstr(cause, words[i]))
            return true;
    }
    return false;
}

// The chip at the probe is another one than the board's file expects.
static bool openocd_means_wrong_board(const char *cause)
{
    return strstr(cause, "UNEXPECTED") != NULL;
}

static int openocd_execute(const struct openocd_target *t, const char *command, struct err *e)
{
    int rc = -1;
    char port[64], jtag[320], serial[128], cause[200];
    struct openocd_run run = {.target = t};
    buf_init(&run.kept, KEEP_MAX);
    snprintf(port, sizeof port, "set FARM_STLINK_PORT %d", t->stlink_port);
    const char *jtag_tty = t->jtag_tty ? t->jtag_tty : "";
    snprintf(jtag, sizeof jtag, "set FARM_JTAG_TTY {%s}", jtag_tty);
    snprintf(serial, sizeof serial, "set FARM_SERIAL %s", t->serial);
    const char *argv[16];
    int n = 0;
    argv[n++] = t->openocd;
    argv[n++] = "-c";
    argv[n++] = "gdb_port disabled; telnet_port disabled; tcl_port disabled";
    if (t->stlink_port) {
        argv[n++] = "-c";
        argv[n++] = port;
    }
    if (jtag_tty[0]) {
        argv[n++] = "-c";
        argv[n++] = jtag;
    }
    argv[n++] = "-c";
    argv[n++] = serial;
    argv[n++] = "-f";
    argv[n++] = t->config;
    argv[n++] = "-c";
    argv[n++] = command;
    argv[n] = NULL;
    if (!openocd_serial_ok(t->serial)) {
        err_set(e, ERR_FLASH, "the probe's serial \"%s\" is not one", t->serial);
        goto out;
    }
    if (jtag_tty[0] && (!openocd_path_ok(jtag_tty) || strlen(jtag_tty) > 255)) {
        err_set(e, ERR_FLASH, "\"%s\" cannot be given to OpenOCD as the JTAG adapter's terminal",
                jtag_tty);
        goto out;
    }
    const struct child_job job = {
        .argv = argv,
        .deadline_ms = t->deadline_ms,
        .grace_ms = GRACE_MS,
        .on_output = openocd_output,
        .on_tick = openocd_tick,
        .ctx = &run,
    };
    struct child_end end;
    if (child_run(&job, &end, e) < 0)
        goto out;
    openocd_cause(&run.kept, cause, sizeof cause);
    if (end.aborted)
        err_set(e, ERR_OFFLINE, "given up while flashing");
    else if (end.timed_out)
        err_set(e, ERR_FLASH, "OpenOCD did not end within %d s and was killed; it said: %s",
                t->deadline_ms / 1000, cause);
    else if (end.exit_code == 0)
        rc = 0;
    else if (end.signal)
        err_set(e, ERR_FLASH, "OpenOCD was ended by signal %d; it said: %s", end.signal, cause);
    else
        err_set(e,
                openocd_means_wrong_board(cause) ? ERR_WRONG_BOARD
                : openocd_means_offline(cause)   ? ERR_OFFLINE
                                                 : ERR_FLASH,
                "OpenOCD (exit code %d): %s", end.exit_code, cause);
out:
    buf_free(&run.kept);
    return rc;
}

int openocd_flash(const struct openocd_target *t, const char *firmware_elf, const char *program,
                  struct err *e)
{
    int rc = -1;
    struct buf command;
    buf_init(&command, TEXT_MAX);
    if ((firmware_elf && !openocd_path_ok(firmware_elf)) || !openocd_path_ok(program)) {
        err_set(e, ERR_FLASH,
                "a path with braces, quotes or backslashes cannot be given to OpenOCD: %s",
                firmware_elf && !openocd_path_ok(firmware_elf) ? firmware_elf : program);
        goto out;
    }
    if (firmware_elf)
        buf_printf(&command, "init; farm_flash {%s} {%s}; shutdown", firmware_elf, program);
    else
        buf_printf(&command, "init; farm_flash_program {%s}; shutdown", program);
    if (command.failed) {
        err_set(e, ERR_FLASH, "the path %s is too long", program);
        goto out;
    }
    rc = openocd_execute(t, buf_str(&command), e);
out:
    buf_free(&command);
    return rc;
}
