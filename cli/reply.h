// SPDX-License-Identifier: MIT
// The server's JSON as the command line shows it: checked plain structs, and tables as text. No
// I/O; no other file of the client sees cJSON. Every function takes JSON text from the network and
// survives any of it.
#ifndef CLI_REPLY_H
#define CLI_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct api_problem;

// A problem document; texts stay empty where it is none.
void reply_problem(const char *json, struct api_problem *out);

// A list endpoint gives {"items":[..],"next":cursor|null} or a bare array. Adds the items to items,
// which becomes the text of one growing JSON array without its closing bracket, and copies the
// cursor ("" at the end). -1: ERR_BAD_JSON.
int reply_page(const char *json, struct buf *items, char *cursor, size_t cursor_size,
               struct err *e);

enum reply_list {
    REPLY_MODELS,
    REPLY_CAMPAIGNS,
    REPLY_RIGS,
    REPLY_BOARDS,
    REPLY_RESULTS,
    REPLY_JOBS
};
// The table of a JSON array. -1: ERR_BAD_JSON.
int reply_table(enum reply_list kind, const char *json_array, struct buf *out, struct err *e);

struct reply_front_options {
    bool all;            // also the points that nobody asked to measure; always so without jobs
    double max_overhead; // the P1 question; < 0: not asked
    int64_t max_ram;     // the P2 question; < 0: not asked
};
// The table of a front. jobs_json is the array of the campaign's jobs, or NULL for the front of a
// model.
int reply_front(const char *front_json, const char *jobs_json, const struct reply_front_options *o,
                struct buf *out, struct err *e);

struct reply_campaign {
    int64_t id;
    char name[128], model_name[128];
    bool done;                              // nothing is queued or leased any more
    long queued, leased, succeeded, failed; // jobs
};
int reply_campaign(const char *json, struct reply_campaign *out, struct err *e);
// A line for each strategy of a campaign of which nothing fits a board, and for each board for which
// the campaign chose what to measure next; else empty.
int reply_omitted(const char *json, struct buf *out, struct err *e);

struct reply_job {
    char model[65];
    char *spec, *result; // owned; result: the JSON of its measurement, NULL: none yet
};
int reply_job(const char *json, struct reply_job *out, struct err *e);
void reply_job_free(struct reply_job *j);

// Id of the model that a reply describes (64 hex digits); -1: ERR_BAD_JSON.
int reply_model_id(const char *json, char id[65], struct err *e);
// Finds a model in an array of models by id, beginning of an id (6 digits at least) or name; the
// newest wins among equal names. -1: ERR_NOT_FOUND, or ERR_CONFLICT when the beginning fits
// several.
int reply_find_model(const char *models_json, const char *text, char id[65], struct err *e);
// Boards that have a rig which is not offline, as a JSON array of their ids, each once. Returns how
// many; -1: ERR_BAD_JSON.
int reply_live_boards(const char *rigs_json, struct buf *out, struct err *e);

// One line for each job that ended, and for each attempt after which a job is tried again; each is told once.
struct reply_seen {
    int64_t *ids; // what was told already; free() it
    size_t n, cap;
};
int reply_ended_jobs(const char *jobs_json, struct reply_seen *seen, struct buf *out,
                     struct err *e);
// "f767-1 flashing, f767-2 running 40 %" of the leased jobs; empty when there are none.
int reply_running_jobs(const char *jobs_json, struct buf *out, struct err *e);

#endif
