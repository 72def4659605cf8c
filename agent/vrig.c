// SPDX-License-Identifier: MIT
// See vrig.h.
#include "agent/vrig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"

enum {
    READY_MS = 15000,
    GRACE_MS = 1000,
    PAUSE_MIN_MS = 1000,
    PAUSE_MAX_MS = 60000,
    LONG_LIFE_MS = 60000, // a process that lived this long was not a failed start
    MAX_ARGS = 48,
};

struct vrig {
    const struct vrig_options *options;
    char board[48], serial[65], link[300];
    pid_t pid; // 0: none
    int out;   // its stdout, -1: none
    int64_t started_ms, next_try_ms;
    int pause_ms;
};

struct vrig *vrig_new(const struct vrig_options *options, const char *board, const char *serial,
                      struct err *e)
{
    struct vrig *v = calloc(1, sizeof *v);
    if (!v) {
        err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    v->options = options;
    v->out = -1;
    v->pause_ms = PAUSE_MIN_MS;
    snprintf(v->board, sizeof v->board, "%s", board);
    snprintf(v->serial, sizeof v->serial, "%s", serial);
    snprintf(v->link, sizeof v->link, "%s/%s.tty", options->dir, serial);
    return v;
}

static void vrig_cleanup(struct vrig *v)
{
    if (v->out >= 0)
        close(v->out);
    v->out = -1;
    v->pid = 0;
    unlink(v->link); // a killed process leaves it
}

void vrig_free(struct vrig *v)
{
    if (!v)
        return;
    child_stop(v->pid, GRACE_MS);
    vrig_cleanup(v);
    free(v);
}

bool vrig_alive(struct vrig *v)
{
    if (v->pid == 0)
        return false;
    if (child_alive(v->pid, NULL))
        return true;
    int64_t now = child_now_ms();
    kill(-v->pid, SIGKILL); // helpers that it left behind
    vrig_cleanup(v);
    if (now - v->started_ms >= LONG_LIFE_MS)
        v->pause_ms = PAUSE_MIN_MS;
    v->next_try_ms = now + v->pause_ms;
    v->pause_ms = v->pause_ms * 2 < PAUSE_MAX_MS ? v->pause_ms * 2 : PAUSE_MAX_MS;
    return false;
}

// Reads the first line that the process prints.
static int vrig_read_line(struct vrig *v, const atomic_bool *stop, char *line, size_t size,
                          struct err *e)
{
    int64_t deadline = child_now_ms() + READY_MS;
    size_t n = 0;
    while (n + 1 < size) {
        struct pollfd p = {.fd = v->out, .events = POLLIN};
        if (child_now_ms() >= deadline || atomic_load(stop))
            return err_set(e, ERR_OFFLINE,
                           "virtual board %s (%s) printed no ready line within %d s", v->serial,
                           v->board, READY_MS / 1000);
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t got = read(v->out, line + n, 1);
        if (got == 0)
            return err_set(
                e, ERR_OFFLINE,
                "virtual board %s (%s) ended before it was ready: run %s by hand to see why",
                v->serial, v->board, v->options->vboard);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return err_set(e, ERR_IO, "virtual board %s: %s", v->serial, strerror(errno));
        if (got == 1 && line[n] == '\n')
            break;
        n += got == 1;
    }
    line[n] = '\0';
    return 0;
}

int vrig_ensure(struct vrig *v, struct rig_config *cfg, const atomic_bool *stop, bool *waiting,
                struct err *e)
{
    char line[1024];
    *waiting = false;
    if (vrig_alive(v))
        return 0;
    if (child_now_ms() < v->next_try_ms) {
        *waiting = true;
        return err_set(e, ERR_OFFLINE, "virtual board %s is about to be started again", v->serial);
    }
    const char *argv[MAX_ARGS + 1] = {
        v->options->vboard,
        "--board",
        v->board,
        "--boards",
        v->options->boards,
        "--serial",
        v->serial,
        "--stlink-port",
        "0",
        "--tty-link",
        v->link,
    };
    int n = 11;
    for (int i = 0; i < v->options->n_more_args && n < MAX_ARGS; i++)
        argv[n++] = v->options->more_args[i];
    unlink(v->link);
    v->started_ms = child_now_ms();
    if (child_spawn(argv, false, &v->pid, &v->out, e) < 0) {
        v->pid = 0;
        goto fail;
    }
    if (vrig_read_line(v, stop, line, sizeof line, e) < 0 ||
        rig_file_parse_ready(line, strlen(line), cfg, e) < 0)
        goto fail;
    if (strcmp(cfg->board, v->board) != 0 || strcmp(cfg->serial, v->serial) != 0) {
        err_set(e, ERR_WRONG_BOARD, "farm-vboard started %s (%s), asked for was %s (%s)",
                cfg->serial, cfg->board, v->serial, v->board);
        goto fail;
    }
    return 0;
fail:
    child_stop(v->pid, GRACE_MS);
    vrig_cleanup(v);
    v->next_try_ms = child_now_ms() + v->pause_ms;
    v->pause_ms = v->pause_ms * 2 < PAUSE_MAX_MS ? v->pause_ms * 2 : PAUSE_MAX_MS;
    return -1;
}
