// SPDX-License-Identifier: MIT
// A rig (one board with its probe and tty) as a state machine: it asks the server for a job,
// flashes, measures and reports, for ever. One thread a rig; rigs share nothing but the settings.
//
//            job             program fits          flashed          hello is right       @done
//   IDLE ---------> LEASED ---------------> FLASHING ------> HELLO ---------------> RUNNING ------>
//   REPORTING
//    ^  ^             |                        |               |                       | | |  |
//    +------------------------+---------------+-----------------------+-- failure --->+ |  | | |
//    +------------------------- accepted, or the lease went stale
//    ----------------------------------+ | |
//    +-- health check passed -- PAUSED <--------- third infrastructure failure in a row
//    ---------------+
#ifndef AGENT_RIG_H
#define AGENT_RIG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "agent/health.h"
#include "agent/port.h"
#include "agent/rig_file.h"
#include "agent/vrig.h"
#include "common/err.h"

struct rig;

enum rig_state {
    RIG_IDLE,
    RIG_LEASED,
    RIG_FLASHING,
    RIG_HELLO,
    RIG_RUNNING,
    RIG_REPORTING,
    RIG_PAUSED,
    RIG_ENDED
};

// What all rigs of a host have in common; borrowed by each for its life.
struct rig_settings {
    const char *server;
    const char *token;    // NULL: none
    const char *agent;    // this host's name on the server
    const char *boards;   // firmware/boards
    const char *firmware; // build/firmware
    const char *openocd;
    const char *dir;                 // runtime folder
    int wait_s;                      // of the long poll
    int hello_ms;                    // longest wait for the hello after flashing
    int silence_ms;                  // longest wait for a record while measuring
    int pause_ms;                    // first pause after failures; doubles up to 20 times itself
    bool once;                       // end when there is no job
    const struct port_source *ports; // where USB ids are looked up; NULL: this machine's ports
    const struct health_program *health; // of health checks; NULL: made for the board's kernels
    const atomic_bool *stop;
};

// config is copied. virtual: NULL for a board on the desk; else handed over to the rig (also on
// failure), and its process supplies serial, tty and ST-LINK port. NULL when the board's folder is
// unusable: e says why.
struct rig *rig_new(const struct rig_settings *settings, const struct rig_config *config,
                    struct vrig *virtual, struct err *e);
void rig_free(struct rig *r); // accepts NULL

// Works until *stop becomes true, or with settings->once until there is no job. To be called by the
// rig's thread.
void rig_run(struct rig *r);

// One step of the state machine, for tests: the state after it.
enum rig_state rig_step(struct rig *r);
const char *rig_state_name(enum rig_state state);
// With settings->once: the rig ended because its board was not there or its virtual board did not start.
bool rig_was_missing(const struct rig *r);
// Jobs that ended in a result or a failure that the server accepted.
unsigned rig_jobs_reported(const struct rig *r);

#endif
