// SPDX-License-Identifier: MIT
// farm-server: opens what a server consists of, tells that it is ready, keeps time until a signal ends it.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/http.h"
#include "server/planning.h"
#include "server/queue.h"
#include "server/scheduler.h"
#include "server/store.h"
#include "server/webhook.h"

#define TICK_MS 200

// One server per data folder: the lock goes with the process, however it ends. Returns the descriptor.
static int lock_data(const char *dir, struct err *e)
{
    char path[4096];
    if (mkdir(dir, 0700) && errno != EEXIST)
        return err_set(e, ERR_IO, "--data %s: %s", dir, strerror(errno));
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path)
        return err_set(e, ERR_IO, "--data: the path is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        err_set(e, ERR_CONFLICT,
                errno == EWOULDBLOCK
                    ? "%s is in use by another farm-server; stop it or take another --data"
                    : "%s: could not be locked",
                dir);
        close(fd);
        return -1;
    }
    return fd;
}

// Every waiting agent and watcher is a descriptor.
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void tick(struct app *a)
{
    bool more = true;
    while (more) {
        struct queue_change ch = {0};
        struct err e = {0};
        if (queue_lapse(a, &ch, &more, &e)) {
            log_error("queue", "%s", e.msg);
            break;
        }
        http_wake(a->http, &ch);
    }
    http_tick(a->http);
}

static void run(struct app *a, const sigset_t *signals)
{
    bool v6 = strchr(a->options.host, ':') != NULL;
    printf("{\"url\":\"http://%s%s%s:%d\"}\n", v6 ? "[" : "", a->options.host, v6 ? "]" : "",
           http_port(a->http));
    fflush(stdout);
    log_info("server", "ready: %zu boards, data in %s%s", a->boards.n, a->options.data,
             a->tokens.n ? ", tokens needed" : "");
    const struct timespec wait = {.tv_nsec = TICK_MS * 1000000L};
    for (;;) {
        int got = sigtimedwait(signals, NULL, &wait);
        if (got == SIGTERM || got == SIGINT)
            break;
        tick(a);
    }
    log_info("server", "going down");
}

int main(int argc, char **argv)
{
    static struct app app;
    struct err e = {0};
    int bad = 1, lock = -1;
    sigset_t signals;
    app.started_ms = clock_now_ms();
    if (options_parse(argc, argv, &app.options, &e))
        goto out;
    if (app.options.help) {
        fputs(options_usage, stdout);
        return 0;
    }
    // Blocked in every thread: the main loop takes them.
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a full disk is an error of the request that meets it
    umask(077);
    raise_descriptor_limit();
    if (app.options.tokens && tokens_load(app.options.tokens, &app.tokens, &e))
        goto out;
    if (boards_load(app.options.boards, &app.boards, &e) ||
        (lock = lock_data(app.options.data, &e)) < 0 ||
        store_open(app.options.data, &app.store, &e) || store_blob_sweep(app.store, &e) ||
        planning_open(&app.planning, &e) || webhook_init(&e) ||
        scheduler_open(&app, &app.scheduler, &e) || http_start(&app, &app.http, &e) ||
        scheduler_start(app.scheduler, &e))
        goto out;
    run(&app, &signals);
    bad = 0;
out:
    if (e.code != ERR_NONE)
        fprintf(stderr, "farm-server: %s\n", e.msg);
    scheduler_stop(app.scheduler);
    http_stop(app.http);
    scheduler_close(app.scheduler);
    planning_close(app.planning);
    store_close(app.store);
    if (lock >= 0)
        close(lock);
    tokens_free(&app.tokens);
    return bad;
}
