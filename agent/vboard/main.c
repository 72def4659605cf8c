// SPDX-License-Identifier: GPL-2.0-only
// farm-vboard: one virtual board as a process. Serial line on a pseudo-terminal, debug port as an ST-LINK server on
// loopback TCP or a JTAG adapter on another pseudo-terminal. Prints one JSON line when it is ready; runs until SIGTERM, SIGINT or its parent's end.
#include "agent/vboard/board.h"
#include "agent/vboard/buspirate.h"
#include "agent/vboard/pty.h"
#include "agent/vboard/state.h"
#include "agent/vboard/stlink.h"
#include "common/buf.h"
#include "common/log.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    SLICE = 1000000, // instructions between two looks at the outside: about 4 ms
    SLICE_DEBUGGED =
        20000,    // while a debugger is connected: it asks often and waits for each answer
    IDLE_MS = 20, // how long to sleep when the program only waits for input
};

struct options {
    const char *board, *boards, *serial, *tty_link, *state, *fault;
    uint16_t stlink_port;
};

static const char usage[] =
    "usage: farm-vboard --board ID --boards DIR [options]\n"
    "A virtual development board: serial line on a pseudo-terminal, debug port as an ST-LINK on\n"
    "loopback TCP (STM32 boards) or as a JTAG adapter (Bus Pirate) on another pseudo-terminal.\n"
    "  --board ID         folder of DIR that describes the board\n"
    "  --boards DIR       firmware/boards\n"
    "  --serial TEXT      serial number of the ST-LINK (VB0001), up to 32 characters\n"
    "  --stlink-port N    TCP port on 127.0.0.1; 0: any free one (the default)\n"
    "  --tty-link PATH    make a symbolic link to the pseudo-terminal there\n"
    "  --state FILE       keep the flash in FILE; without it the board starts erased\n"
    "  --help             this text\n";

static void put_byte(void *user, uint8_t byte)
{
    pty_put(user, byte);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The board's debug port: one of the two is NULL.
struct probe {
    struct stlink *stlink;
    struct jtag_tap tap;
    struct buspirate *jtag;
};

enum { PROBE_FDS = (int)STLINK_FDS > (int)BUSPIRATE_FDS ? (int)STLINK_FDS : (int)BUSPIRATE_FDS };

static void probe_system_reset(void *user, bool asserted)
{
    board_set_nrst(user, asserted);
}

static bool probe_silent(void *user)
{
    struct board *b = user;
    return fault_stlink_silent(&b->fault);
}

static int probe_open(struct probe *p, struct board *b, uint16_t stlink_port_wanted, struct err *e)
{
    const struct buspirate_hooks hooks = {b, probe_system_reset, probe_silent};
    if (!b->cpu->ops->jtag) {
        p->stlink = stlink_new(b, stlink_port_wanted, e);
        return p->stlink ? 0 : -1;
    }
    struct jtag_device device = b->cpu->ops->jtag(b->cpu);
    jtag_tap_init(&p->tap, &device);
    p->jtag = buspirate_new(&p->tap, &hooks, e);
    return p->jtag ? 0 : -1;
}

static void probe_close(struct probe *p)
{
    stlink_free(p->stlink);
    buspirate_free(p->jtag);
}

static bool probe_busy(const struct probe *p)
{
    return p->stlink ? stlink_busy(p->stlink) : buspirate_busy(p->jtag);
}

static void probe_poll_prepare(struct probe *p, struct pollfd fds[PROBE_FDS])
{
    for (int i = 0; i < PROBE_FDS; i++)
        fds[i] = (struct pollfd){.fd = -1};
    if (p->stlink)
        stlink_poll_prepare(p->stlink, fds);
    else
        buspirate_poll_prepare(p->jtag, fds);
}

static void probe_poll_handle(struct probe *p, const struct pollfd fds[PROBE_FDS])
{
    if (p->stlink)
        stlink_poll_handle(p->stlink, fds);
    else
        buspirate_poll_handle(p->jtag, fds);
}

static int announce(const struct board *b, const struct probe *probe, const struct pty *p,
                    struct err *e)
{
    struct buf line;
    int rc = 0;
    buf_init(&line, 4096);
    buf_puts(&line, "{\"board\":");
    buf_json_str(&line, b->config.id);
    buf_puts(&line, ",\"serial\":");
    buf_json_str(&line, b->serial);
    if (probe->stlink) {
        buf_printf(&line, ",\"stlink_port\":%u", stlink_port(probe->stlink));
    } else {
        buf_puts(&line, ",\"jtag_tty\":");
        buf_json_str(&line, buspirate_tty(probe->jtag));
    }
    buf_puts(&line, ",\"tty\":");
    buf_json_str(&line, p->name);
    buf_puts(&line, "}\n");
    if (line.failed || fputs(buf_str(&line), stdout) == EOF || fflush(stdout))
        rc = err_set(e, ERR_IO, "cannot write to standard output: %s", strerror(errno));
    buf_free(&line);
    return rc;
}

// Bytes from the terminal that the board's queue has no room for yet.
struct input {
    uint8_t bytes[1024];
    size_t used;
};

static void feed(struct board *b, struct pty *p, struct input *in, bool readable)
{
    if (readable && in->used < sizeof in->bytes)
        in->used += pty_read(p, in->bytes + in->used, sizeof in->bytes - in->used);
    if (in->used == 0)
        return;
    size_t taken = board_uart_in(b, in->bytes, in->used);
    memmove(in->bytes, in->bytes + taken, in->used - taken);
    in->used -= taken;
}

static void serve(struct board *b, struct probe *probe, struct pty *p, int signals)
{
    struct input in = {.used = 0};
    struct pollfd fds[2 + PROBE_FDS];
    uint64_t idle_since = 0;

    for (;;) {
        bool idle = board_idle(b), runnable = board_runnable(b);
        // Work: do not wait. Asleep or polling its serial line: wait for input, but let time pass for it now and then.
        // Halted: wait for the debugger.
        int timeout = runnable && !idle ? 0 : board_waits_for_debugger(b) ? -1 : IDLE_MS;
        probe_poll_prepare(probe, fds + 2);
        fds[0] = (struct pollfd){.fd = signals, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = p->master, .events = in.used < sizeof in.bytes ? POLLIN : 0};
        if (p->out_used) {
            pty_flush(p);
            fds[1].events |= p->out_used ? POLLOUT : 0;
        }
        if (idle && !idle_since)
            idle_since = now_ns();
        if (poll(fds, 2 + PROBE_FDS, timeout) < 0 && errno != EINTR) {
            log_error("main", "poll: %s", strerror(errno));
            return;
        }
        if (fds[0].revents)
            return;
        if (idle) {
            uint64_t now = now_ns();
            board_let_time_pass(b, now - idle_since);
            idle_since = 0;
            board_wake(b);
        }
        probe_poll_handle(probe, fds + 2);
        feed(b, p, &in, (fds[1].revents & POLLIN) != 0);
        board_run(b, probe_busy(probe) ? SLICE_DEBUGGED : SLICE);
    }
}

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {{"board", required_argument, NULL, 'b'},
                                          {"boards", required_argument, NULL, 'd'},
                                          {"serial", required_argument, NULL, 's'},
                                          {"stlink-port", required_argument, NULL, 'p'},
                                          {"tty-link", required_argument, NULL, 't'},
                                          {"state", required_argument, NULL, 'f'},
                                          {"fault", required_argument, NULL, 'x'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;
    char *end;
    unsigned long port;
    *o = (struct options){.serial = "VB0001"};
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'b':
            o->board = optarg;
            break;
        case 'd':
            o->boards = optarg;
            break;
        case 's':
            o->serial = optarg;
            break;
        case 'p':
            port = strtoul(optarg, &end, 10);
            if (*end || end == optarg || port > UINT16_MAX) {
                fprintf(stderr,
                        "farm-vboard: --stlink-port: \"%s\" is not a port number (0 to 65535)\n",
                        optarg);
                return -1;
            }
            o->stlink_port = (uint16_t)port;
            break;
        case 't':
            o->tty_link = optarg;
            break;
        case 'f':
            o->state = optarg;
            break;
        case 'x':
            o->fault = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            fputs(fault_help, stdout);
            exit(0);
        default:
            return -1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "farm-vboard: unexpected argument \"%s\"\n", argv[optind]);
        return -1;
    }
    if (!o->board || !o->boards) {
        fputs(usage, stderr);
        return -1;
    }
    if (o->serial[0] == '\0' || strlen(o->serial) > 32) {
        fprintf(stderr, "farm-vboard: --serial must have 1 to 32 characters\n");
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = {0};
    struct board_config config;
    struct state flash = {.fd = -1};
    struct pty pty = {.master = -1, .slave = -1};
    struct board *board = NULL;
    struct probe probe = {.stlink = NULL};
    struct fault fault;
    sigset_t mask;
    int signals = -1, rc = 1;
    pid_t parent = getppid();

    if (parse_options(argc, argv, &o))
        return 2;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) // it died before the line above
        return 1;
    signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        err_set(&e, ERR_IO, "signalfd: %s", strerror(errno));
        goto out;
    }
    if (fault_parse(&fault, o.fault, &e) || board_config_load(&config, o.boards, o.board, &e) ||
        state_open(&flash, o.state, config.flash_bytes, &e))
        goto out;
    board = board_new(&config, flash.memory, &e);
    if (!board)
        goto out;
    board->fault = fault;
    memcpy(board->serial, o.serial, strlen(o.serial) + 1);
    if (probe_open(&probe, board, o.stlink_port, &e) || pty_open(&pty, o.tty_link, &e))
        goto out;
    board->uart_out = put_byte;
    board->uart_user = &pty;
    if (fault.kind != FAULT_NONE)
        log_warn("fault", "fault injection is on: %s", o.fault);
    if (announce(board, &probe, &pty, &e))
        goto out;
    serve(board, &probe, &pty, signals);
    rc = 0;
out:
    if (e.code)
        fprintf(stderr, "farm-vboard: %s\n", e.msg);
    pty_close(&pty);
    probe_close(&probe);
    board_free(board);
    state_close(&flash);
    if (signals >= 0)
        close(signals);
    return rc;
}
