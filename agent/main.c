// SPDX-License-Identifier: MIT
// farm-agent: serves the boards of one host. Reads the command line, starts the virtual boards'
// rigs and the configured ones with a thread each, and ends them on SIGTERM.
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "agent/child.h"
#include "agent/openocd.h"
#include "agent/rig.h"
#include "agent/rig_file.h"
#include "agent/runtime_dir.h"
#include "agent/vrig.h"
#include "common/buf.h"
#include "common/log.h"

enum {
    MAX_RIGS = 256,
    MAX_KINDS = 32,     // --virtual options
    MAX_MORE_ARGS = 16, // --vboard-arg options
    STOP_MS = 12000,    // longest farewell: a heartbeat under way, OpenOCD's grace, the report
    SIGNAL_POLL_MS = 100,
};

static const char help[] =
    "farm-agent: lends the boards of this host to a farm-server.\n"
    "\n"
    "usage: farm-agent [--server URL] --rigs FILE            boards on the desk\n"
    "       farm-agent [--server URL] --virtual BOARD[:N]    no board at all: N virtual ones\n"
    "\n"
    "  --server URL         the farm-server [$FARM_SERVER, or http://127.0.0.1:8080]\n"
    "  --rigs FILE          rig.json: one line for each board on the desk, see below\n"
    "  --virtual BOARD[:N]  start N (1) virtual boards of a kind; may be repeated\n"
    "  --name NAME          this host's name on the server [its host name]\n"
    "  --firmware DIR       DIR/<board>/firmware.elf [build/firmware]\n"
    "  --boards DIR         the boards' folders [firmware/boards]\n"
    "  --token-file FILE    the token of role `agent` [or $FARM_TOKEN; none]\n"
    "  --openocd FILE       [openocd]\n"
    "  --vboard FILE        [farm-vboard beside this program]\n"
    "  --vboard-arg ARG     one more argument for each farm-vboard; may be repeated\n"
    "  --silence SECONDS    longest wait for a measuring board to say something [120]\n"
    "  --pause SECONDS      first pause of a rig after three failures in a row, doubles [30]\n"
    "  --list-ports         the serial ports on USB, as rig.json names them, and end\n"
    "  --once               end when the server has no job; exit code 1 when a board was missing\n"
    "  --help\n"
    "\n"
    "rig.json:\n"
    "  {\"rigs\":[{\"name\":\"f767-1\",                  any name, unique on this host\n"
    "            \"board\":\"BOARD\",                 a folder in firmware/boards\n"
    "            \"serial\":\"066EFF...\",             of the debug probe: openocd prints it, "
    "lsusb -v too\n"
    "            \"tty\":\"usb:0483:374b:066EFF...\"}]}  the board's serial line; never "
    "/dev/ttyACM0, numbers move\n"
    "\n"
    "Log level: FARM_LOG=debug|info|warn|error. SIGTERM ends it politely: jobs go back to the "
    "queue.\n"
    "More: docs/running-a-farm.md\n";

struct options {
    const char *server, *rigs, *name, *firmware, *boards, *token_file, *openocd, *vboard;
    const char *kinds[MAX_KINDS]; // "nucleo-f767zi:2"
    int n_kinds;
    const char *more_args[MAX_MORE_ARGS];
    int n_more_args;
    int silence_s, pause_s;
    bool once, list_ports, help;
};

enum option_id {
    OPT_SERVER = 256,
    OPT_RIGS,
    OPT_VIRTUAL,
    OPT_NAME,
    OPT_FIRMWARE,
    OPT_BOARDS,
    OPT_TOKEN_FILE,
    OPT_OPENOCD,
    OPT_VBOARD,
    OPT_VBOARD_ARG,
    OPT_SILENCE,
    OPT_PAUSE,
    OPT_LIST_PORTS,
    OPT_ONCE,
    OPT_HELP,
};

static int parse_int(const char *text, int min, int max, int *out)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < min || v > max)
        return -1;
    *out = (int)v;
    return 0;
}

static int options_read(struct options *o, int argc, char **argv, struct err *e)
{
    static const struct option table[] = {
        {"server", required_argument, NULL, OPT_SERVER},
        {"rigs", required_argument, NULL, OPT_RIGS},
        {"virtual", required_argument, NULL, OPT_VIRTUAL},
        {"name", required_argument, NULL, OPT_NAME},
        {"firmware", required_argument, NULL, OPT_FIRMWARE},
        {"boards", required_argument, NULL, OPT_BOARDS},
        {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
        {"openocd", required_argument, NULL, OPT_OPENOCD},
        {"vboard", required_argument, NULL, OPT_VBOARD},
        {"vboard-arg", required_argument, NULL, OPT_VBOARD_ARG},
        {"silence", required_argument, NULL, OPT_SILENCE},
        {"pause", required_argument, NULL, OPT_PAUSE},
        {"list-ports", no_argument, NULL, OPT_LIST_PORTS},
        {"once", no_argument, NULL, OPT_ONCE},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        switch (c) {
        case OPT_SERVER:
            o->server = optarg;
            break;
        case OPT_RIGS:
            o->rigs = optarg;
            break;
        case OPT_VIRTUAL:
            if (o->n_kinds == MAX_KINDS)
                return err_set(e, ERR_BAD_REQUEST, "--virtual may be given %d times", MAX_KINDS);
            o->kinds[o->n_kinds++] = optarg;
            break;
        case OPT_NAME:
            o->name = optarg;
            break;
        case OPT_FIRMWARE:
            o->firmware = optarg;
            break;
        case OPT_BOARDS:
            o->boards = optarg;
            break;
        case OPT_TOKEN_FILE:
            o->token_file = optarg;
            break;
        case OPT_OPENOCD:
            o->openocd = optarg;
            break;
        case OPT_VBOARD:
            o->vboard = optarg;
            break;
        case OPT_VBOARD_ARG:
            if (o->n_more_args == MAX_MORE_ARGS)
                return err_set(e, ERR_BAD_REQUEST, "--vboard-arg may be given %d times",
                               MAX_MORE_ARGS);
            o->more_args[o->n_more_args++] = optarg;
            break;
        case OPT_SILENCE:
            if (parse_int(optarg, 1, 3600, &o->silence_s) < 0)
                return err_set(e, ERR_BAD_REQUEST, "--silence %s: must be 1..3600 seconds", optarg);
            break;
        case OPT_PAUSE:
            if (parse_int(optarg, 1, 3600, &o->pause_s) < 0)
                return err_set(e, ERR_BAD_REQUEST, "--pause %s: must be 1..3600 seconds", optarg);
            break;
        case OPT_LIST_PORTS:
            o->list_ports = true;
            return 0;
        case OPT_ONCE:
            o->once = true;
            break;
        case OPT_HELP:
        case 'h':
            o->help = true;
            return 0;
        default:
            return err_set(e, ERR_BAD_REQUEST, "see farm-agent --help");
        }
    }
    if (optind < argc)
        return err_set(e, ERR_BAD_REQUEST, "\"%s\" was not expected; see farm-agent --help",
                       argv[optind]);
    if (!o->rigs && o->n_kinds == 0)
        return err_set(e, ERR_BAD_REQUEST,
                       "no boards: give --rigs FILE or --virtual BOARD; see farm-agent --help");
    return 0;
}

struct host {
    struct options options;
    struct rig_settings settings;
    struct vrig_options vrig_options;
    atomic_bool stop;
    char name[64], dir[256], *boards, *firmware, *vboard;
    struct buf token;
    struct rig *rigs[MAX_RIGS];
    pthread_t threads[MAX_RIGS];
    int n_rigs, n_threads;
    atomic_int n_running;
};

static int host_read_token(struct host *h, struct err *e)
{
    const char *env = getenv("FARM_TOKEN");
    buf_init(&h->token, 4096);
    if (h->options.token_file && buf_read_file(&h->token, h->options.token_file) < 0)
        return err_set(e, ERR_NOT_FOUND, "--token-file %s: %s", h->options.token_file,
                       strerror(errno));
    if (!h->options.token_file && env)
        buf_puts(&h->token, env);
    char *text = h->token.data ? (char *)h->token.data : NULL;
    if (text)
        text[strcspn(text, " \t\r\n")] = '\0';
    h->settings.token = text && text[0] ? text : NULL;
    return 0;
}

static int host_name(struct host *h, struct err *e)
{
    if (h->options.name)
        snprintf(h->name, sizeof h->name, "%.63s", h->options.name);
    else if (gethostname(h->name, sizeof h->name - 1) < 0)
        h->name[0] = '\0';
    if (!rig_file_name_ok(h->name, sizeof h->name - 1))
        return err_set(e, ERR_BAD_REQUEST,
                       "the name \"%s\" must be letters, digits and . _ - (--name NAME)", h->name);
    return 0;
}

// Children and OpenOCD get absolute paths.
static int host_folder(const char *option, const char *path, char **out, struct err *e)
{
    struct stat st;
    *out = realpath(path, NULL);
    if (!*out || stat(*out, &st) < 0)
        return err_set(e, ERR_NOT_FOUND, "%s %s: %s", option, path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_BAD_REQUEST, "%s %s is not a folder", option, path);
    if (!openocd_path_ok(*out))
        return err_set(
            e, ERR_BAD_REQUEST,
            "%s %s: a path with braces, quotes or backslashes cannot be given to OpenOCD", option,
            *out);
    return 0;
}

// --vboard, or farm-vboard beside this program.
static int host_find_vboard(struct host *h, struct err *e)
{
    char self[400];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 16);
    if (h->options.vboard) {
        h->vboard = strdup(h->options.vboard);
    } else if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        snprintf(slash + 1, 16, "farm-vboard");
        h->vboard = strdup(self);
    }
    if (!h->vboard)
        return err_set(e, ERR_IO, "cannot find farm-vboard (--vboard FILE)");
    if (strchr(h->vboard, '/') && access(h->vboard, X_OK) < 0)
        return err_set(e, ERR_NOT_FOUND, "%s: %s (--vboard FILE)", h->vboard, strerror(errno));
    return 0;
}

// Better said now than in the log of every job.
static int host_find_openocd(const char *openocd, struct err *e)
{
    char path[1024];
    const char *dirs = getenv("PATH");
    if (strchr(openocd, '/'))
        return access(openocd, X_OK) == 0
                   ? 0
                   : err_set(e, ERR_NOT_FOUND, "--openocd %s: %s", openocd, strerror(errno));
    while (dirs && *dirs) {
        size_t n = strcspn(dirs, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)n, dirs, openocd);
        if (access(path, X_OK) == 0)
            return 0;
        dirs += n + (dirs[n] == ':');
    }
    return err_set(e, ERR_NOT_FOUND,
                   "%s is not in PATH: install OpenOCD 0.12 (Debian: apt install openocd) or give "
                   "--openocd FILE",
                   openocd);
}

static int host_add(struct host *h, const struct rig_config *config, struct vrig *virtual,
                    struct err *e)
{
    if (h->n_rigs == MAX_RIGS) {
        vrig_free(virtual);
        return err_set(e, ERR_BAD_REQUEST, "more than %d rigs on one host", MAX_RIGS);
    }
    h->rigs[h->n_rigs] = rig_new(&h->settings, config, virtual, e);
    if (!h->rigs[h->n_rigs])
        return -1;
    h->n_rigs++;
    return 0;
}

// BOARD[:N]
static int host_add_virtual(struct host *h, const char *kind, struct err *e)
{
    int n = 1;
    char board[48];
    size_t len = strcspn(kind, ":");
    if (len == 0 || len >= sizeof board ||
        (kind[len] && parse_int(kind + len + 1, 1, MAX_RIGS, &n) < 0))
        return err_set(e, ERR_BAD_REQUEST,
                       "--virtual %s: must be BOARD or BOARD:N with N from 1 to %d", kind,
                       MAX_RIGS);
    snprintf(board, sizeof board, "%.*s", (int)len, kind);
    for (int i = 0; i < n; i++) {
        struct rig_config config = {0};
        snprintf(config.serial, sizeof config.serial, "VB%04d", h->n_rigs + 1);
        snprintf(config.board, sizeof config.board, "%s", board);
        snprintf(config.name, sizeof config.name, "%.50s-vb%d", board, h->n_rigs + 1);
        struct vrig *v = vrig_new(&h->vrig_options, config.board, config.serial, e);
        if (!v || host_add(h, &config, v, e) < 0)
            return -1;
    }
    return 0;
}

static int host_add_all(struct host *h, struct err *e)
{
    int rc = -1;
    struct rig_config *configs = NULL;
    size_t n = 0;
    if (h->options.rigs && rig_file_load(h->options.rigs, &configs, &n, e) < 0)
        goto out;
    for (size_t i = 0; i < n; i++) {
        if (host_add(h, &configs[i], NULL, e) < 0)
            goto out;
    }
    for (int i = 0; i < h->options.n_kinds; i++) {
        if (host_add_virtual(h, h->options.kinds[i], e) < 0)
            goto out;
    }
    if (h->n_rigs == 0) {
        err_set(e, ERR_BAD_REQUEST, "%s names no rigs", h->options.rigs);
        goto out;
    }
    rc = 0;
out:
    free(configs);
    return rc;
}

static int host_prepare(struct host *h, struct err *e)
{
    const struct options *o = &h->options;
    const char *server = o->server ? o->server : getenv("FARM_SERVER");
    h->settings = (struct rig_settings){
        .server = server ? server : "http://127.0.0.1:8080",
        .openocd = o->openocd ? o->openocd : "openocd",
        .wait_s = o->once ? 1 : 20,
        .silence_ms = (o->silence_s ? o->silence_s : 120) * 1000,
        .hello_ms = 10000,
        .pause_ms = (o->pause_s ? o->pause_s : 30) * 1000,
        .once = o->once,
        .stop = &h->stop,
        .agent = h->name,
    };
    if (host_name(h, e) < 0 || host_read_token(h, e) < 0 ||
        host_folder("--boards", o->boards ? o->boards : "firmware/boards", &h->boards, e) < 0 ||
        host_folder("--firmware", o->firmware ? o->firmware : "build/firmware", &h->firmware, e) <
            0 ||
        host_find_openocd(h->settings.openocd, e) < 0 ||
        (o->n_kinds && host_find_vboard(h, e) < 0) ||
        runtime_dir_make(h->dir, sizeof h->dir, e) < 0)
        return -1;
    h->settings.boards = h->boards;
    h->settings.firmware = h->firmware;
    h->settings.dir = h->dir;
    h->vrig_options = (struct vrig_options){
        .vboard = h->vboard,
        .boards = h->boards,
        .dir = h->dir,
        .more_args = o->more_args,
        .n_more_args = o->n_more_args,
    };
    return host_add_all(h, e);
}

struct rig_thread {
    struct host *host;
    struct rig *rig;
};

static void *rig_thread_main(void *ctx)
{
    struct rig_thread t = *(struct rig_thread *)ctx;
    free(ctx);
    rig_run(t.rig);
    atomic_fetch_sub(&t.host->n_running, 1);
    return NULL;
}

static int host_start(struct host *h, struct err *e)
{
    for (int i = 0; i < h->n_rigs; i++) {
        struct rig_thread *t = malloc(sizeof *t);
        if (t)
            *t = (struct rig_thread){.host = h, .rig = h->rigs[i]};
        atomic_fetch_add(&h->n_running, 1);
        if (!t || pthread_create(&h->threads[i], NULL, rig_thread_main, t) != 0) {
            atomic_fetch_sub(&h->n_running, 1);
            free(t);
            return err_set(e, ERR_NO_MEMORY, "cannot start a thread for rig %d of %d", i + 1,
                           h->n_rigs);
        }
        h->n_threads++;
    }
    return 0;
}

// Until all rigs have ended; on a signal, within STOP_MS.
static void host_wait(struct host *h, const sigset_t *signals)
{
    const struct timespec poll = {.tv_nsec = SIGNAL_POLL_MS * 1000000L};
    int64_t end = INT64_MAX;
    while (atomic_load(&h->n_running) > 0) {
        int s = sigtimedwait(signals, NULL, &poll);
        if (s > 0 && !atomic_load(&h->stop)) {
            log_info("agent", "%s: stopping %d rigs", strsignal(s), h->n_rigs);
            atomic_store(&h->stop, true);
            end = child_now_ms() + STOP_MS;
        } else if (s > 0 || child_now_ms() >= end) {
            // asked twice, or a thread is stuck: children die with us
            log_error("agent", "stopped without waiting for %d rigs", atomic_load(&h->n_running));
            runtime_dir_remove(h->dir);
            _exit(1);
        }
    }
}

static void host_free(struct host *h)
{
    for (int i = 0; i < h->n_threads; i++)
        pthread_join(h->threads[i], NULL);
    for (int i = 0; i < h->n_rigs; i++)
        rig_free(h->rigs[i]);
    runtime_dir_remove(h->dir);
    buf_free(&h->token);
    free(h->boards);
    free(h->firmware);
    free(h->vboard);
    free(h);
}

// What to write into rig.json.
static int list_ports(void)
{
    struct port_entry *at = calloc(PORT_MAX, sizeof *at);
    int n = at ? port_usb.list(port_usb.ctx, at, PORT_MAX) : -1;
    if (n < 0)
        fputs("farm-agent: the serial ports of this machine cannot be listed\n", stderr);
    if (n == 0)
        puts("no serial port on USB");
    for (int i = 0; i < n; i++)
        printf("usb:%04x:%04x:%s  %s  %s\n", (unsigned)at[i].vendor, (unsigned)at[i].product,
               at[i].serial, at[i].path, at[i].description);
    free(at);
    return n < 0;
}

int main(int argc, char **argv)
{
    int rc = 1;
    struct err e = {0};
    struct host *h = calloc(1, sizeof *h);
    sigset_t signals;
    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        fputs("farm-agent: out of memory\n", stderr);
        return 1;
    }
    if (options_read(&h->options, argc, argv, &e) < 0) {
        fprintf(stderr, "farm-agent: %s\n", e.msg);
        rc = 2;
        goto out;
    }
    if (h->options.help) {
        fputs(help, stdout);
        rc = 0;
        goto out;
    }
    if (h->options.list_ports) {
        rc = list_ports();
        goto out;
    }
    // all threads inherit the mask: only host_wait() takes signals
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (host_prepare(h, &e) < 0) {
        fprintf(stderr, "farm-agent: %s\n", e.msg);
        rc = 2;
        goto out;
    }
    log_info("agent", "%s: %d rigs for %s, files in %s", h->name, h->n_rigs, h->settings.server,
             h->dir);
    if (host_start(h, &e) < 0) {
        log_error("agent", "%s", e.msg);
        atomic_store(&h->stop, true);
        goto out;
    }
    host_wait(h, &signals);
    rc = 0;
    for (int i = 0; i < h->n_rigs; i++)
        rc |= rig_was_missing(h->rigs[i]);
out:
    host_free(h);
    curl_global_cleanup();
    return rc;
}
