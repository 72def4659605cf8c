// SPDX-License-Identifier: MIT
// The policy of the queue: who gets which job, what a result means, what happens to failures. Every step is one
// transaction; the caller tells watchers and waiting agents afterwards what changed.
//
//            lease                     result: output and arena as predicted
//   queued ---------> leased ------------------------------------------------> done
//     ^                 |  |            result: they differ (class model) ----> failed
//     |                 |  +--- board-fault (class model) --------------------> failed
//     +-----------------+------ infrastructure failure or lapsed lease; after --attempts leases: failed
#ifndef SERVER_QUEUE_H
#define SERVER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/app.h"
#include "server/json_in.h"
#include "server/problem.h"
#include "server/store.h"

#define QUEUE_QUARANTINE_AFTER 3  // infrastructure failures of a rig in a row
#define QUEUE_OFFLINE_MS 90000    // a rig that was not heard of for so long is offline
#define QUEUE_SEEN_MS 15000       // how exact "last seen" is
#define QUEUE_LOG_MAX (256 << 10) // bytes of log kept of one job

// What changed, for those who wait.
struct queue_change {
    int64_t campaigns[100]; // whose watchers have news
    int n_campaigns;
    uint64_t boards; // that have work in the queue again
};

// Leases the next job for one of the rigs. *leased false: there is none. wait_boards: boards of the rigs that could take one.
int queue_lease(struct app *a, const struct lease_in *in, struct job *job, bool *leased,
                uint64_t *wait_boards, struct queue_change *ch, struct problem *p);
int queue_heartbeat(struct app *a, int64_t job, const struct heartbeat_in *in,
                    struct queue_change *ch, struct problem *p);
// verdict: "match", "output-mismatch", "ram-mismatch" or "wrong-board"; the stored one when this attempt has ended already.
int queue_result(struct app *a, int64_t job, const struct result_in *in, char verdict[32],
                 struct queue_change *ch, struct problem *p);
int queue_failure(struct app *a, int64_t job, const struct failure_in *in, char verdict[32],
                  struct queue_change *ch, struct problem *p);
int queue_offline(struct app *a, const char *rig, const struct offline_in *in, struct problem *p);
int queue_health(struct app *a, const char *rig, const struct health_in *in, struct problem *p);
int queue_cancel(struct app *a, int64_t campaign, struct queue_change *ch, struct problem *p);
// Takes back what was leased to agents that have fallen silent. *more: call again at once.
int queue_lapse(struct app *a, struct queue_change *ch, bool *more, struct err *e);

#endif
