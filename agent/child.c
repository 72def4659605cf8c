// SPDX-License-Identifier: MIT
// See child.h.
#include "agent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 100 };

int64_t child_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// The child's side of fork(). Other threads may have held any lock at that moment: only system
// calls here.
static _Noreturn void child_become(const char *const argv[], int out, int null_fd, bool both,
                                   pid_t parent)
{
    static const char broken[] = "cannot start the program: is it installed, and in PATH?\n";
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) // the agent died before prctl()
        _exit(127);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        (both && dup2(out, STDERR_FILENO) < 0))
        _exit(127);
    close_range(3, ~0U, 0);
    // execvp() takes char *const[] for historical reasons; it does not write to the strings.
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    ssize_t written = write(STDERR_FILENO, broken, sizeof broken - 1);
    (void)written;
    _exit(127);
}

int child_spawn(const char *const argv[], bool both, pid_t *pid, int *out_fd, struct err *e)
{
    int pipe_fds[2] = {-1, -1};
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0) {
        err_set(e, ERR_IO, "cannot start %s: %s", argv[0], strerror(errno));
        goto fail;
    }
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) {
        err_set(e, ERR_IO, "cannot start %s: fork: %s", argv[0], strerror(errno));
        goto fail;
    }
    if (child == 0)
        child_become(argv, pipe_fds[1], null_fd, both, parent);
    setpgid(child, child); // in both processes: whoever comes first
    close(pipe_fds[1]);
    close(null_fd);
    *pid = child;
    *out_fd = pipe_fds[0];
    return 0;
fail:
    if (pipe_fds[0] >= 0)
        close(pipe_fds[0]);
    if (pipe_fds[1] >= 0)
        close(pipe_fds[1]);
    if (null_fd >= 0)
        close(null_fd);
    return -1;
}

bool child_alive(pid_t pid, int *wait_status)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return true;
    if (wait_status)
        *wait_status = got == pid ? status : 0;
    return false;
}

void child_stop(pid_t pid, int grace_ms)
{
    if (pid <= 0)
        return;
    int64_t kill_at = child_now_ms() + grace_ms;
    kill(-pid, SIGTERM);
    while (child_now_ms() < kill_at) {
        if (!child_alive(pid, NULL)) {
            kill(-pid, SIGKILL); // helpers that it left behind
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

// Hands over what the pipe holds. False at the end of the stream.
static bool child_drain(int fd, const struct child_job *job)
{
    char chunk[4096];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        if (job->on_output)
            job->on_output(job->ctx, chunk, (size_t)n);
    }
}

int child_run(const struct child_job *job, struct child_end *end, struct err *e)
{
    pid_t pid = -1;
    int out = -1, status = 0;
    *end = (struct child_end){.exit_code = -1};
    if (child_spawn(job->argv, true, &pid, &out, e) < 0)
        return -1;
    int64_t deadline = child_now_ms() + job->deadline_ms;
    int64_t kill_at = INT64_MAX;
    bool open = true;
    while (child_alive(pid, &status)) {
        int64_t now = child_now_ms();
        if (kill_at == INT64_MAX) {
            end->timed_out = now >= deadline;
            end->aborted = !end->timed_out && job->on_tick && !job->on_tick(job->ctx);
            if (end->timed_out || end->aborted) {
                kill(-pid, SIGTERM);
                kill_at = now + job->grace_ms;
            }
        } else if (now >= kill_at) {
            kill(-pid, SIGKILL);
        }
        struct pollfd p = {.fd = open ? out : -1, .events = POLLIN};
        poll(&p, 1, TICK_MS);
        if (p.revents)
            open = child_drain(out, job);
    }
    kill(-pid, SIGKILL); // helpers that it left behind
    child_drain(out, job);
    close(out);
    end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return 0;
}
