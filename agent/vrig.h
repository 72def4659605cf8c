// SPDX-License-Identifier: MIT
// A virtual board's process (farm-vboard) kept alive for a rig. Once it runs, the rig is like any
// other: a probe serial, an ST-LINK port and a tty.
#ifndef AGENT_VRIG_H
#define AGENT_VRIG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "agent/rig_file.h"
#include "common/err.h"

struct vrig;

struct vrig_options {
    const char *vboard;           // program
    const char *boards;           // folder of the boards' folders
    const char *dir;              // where links to ptys go
    const char *const *more_args; // NULL-terminated further arguments; NULL: none
    int n_more_args;
};

// Does not start anything yet. options is borrowed; board and serial are copied.
struct vrig *vrig_new(const struct vrig_options *options, const char *board, const char *serial,
                      struct err *e);
// Stops the process and removes its link. Accepts NULL.
void vrig_free(struct vrig *v);

bool vrig_alive(struct vrig *v);

// Starts the process unless it lives, and fills board, serial, tty and stlink_port or jtag_tty of cfg from its
// ready line. Failed starts and early deaths are spaced by a pause that doubles from 1 s to 60 s:
// until it is over, -1 with ERR_OFFLINE and *waiting true. Must be called by one thread only, which
// has to live as long as the process is needed.
int vrig_ensure(struct vrig *v, struct rig_config *cfg, const atomic_bool *stop, bool *waiting,
                struct err *e);

#endif
