// SPDX-License-Identifier: MIT
// Child processes of the agent: an argv array (never a shell), a process group of their own, death
// with the agent (PR_SET_PDEATHSIG), and a deadline that a child cannot ignore. Knows nothing of
// boards.
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

// Milliseconds of the monotonic clock; the time base of every deadline of the agent.
int64_t child_now_ms(void);

// Starts argv[0] (looked up in PATH when it has no slash) with /dev/null as stdin.
//   out_fd  receives the reading end of a non-blocking pipe for stdout (and stderr when both is
//   true,
//           else stderr stays the agent's); the caller closes it
// The child is killed when the *thread* that calls this ends. Returns 0, or -1 with ERR_IO.
int child_spawn(const char *const argv[], bool both, pid_t *pid, int *out_fd, struct err *e);

// True while the child lives; reaps it when it has ended and then stores its wait status.
bool child_alive(pid_t pid, int *wait_status);

// SIGTERM to the group, SIGKILL when it is still there after grace_ms, then reaps it. pid <= 0:
// nothing.
void child_stop(pid_t pid, int grace_ms);

struct child_job {
    const char *const *argv;
    int deadline_ms;                                            // from the start; then SIGTERM
    int grace_ms;                                               // from SIGTERM to SIGKILL
    void (*on_output)(void *ctx, const char *text, size_t len); // stdout and stderr as they come
    bool (*on_tick)(void *ctx); // called about 10 times a second; false stops the child
    void *ctx;
};

struct child_end {
    bool timed_out; // the deadline passed
    bool aborted;   // on_tick said so
    int exit_code;  // -1 when a signal ended it
    int signal;     // 0 when it exited
};

// Runs a child to its end. Returns 0 when it ran (see *end, also for failures), -1 when it could
// not start.
int child_run(const struct child_job *job, struct child_end *end, struct err *e);

#endif
