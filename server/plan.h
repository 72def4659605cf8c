// SPDX-License-Identifier: MIT
// A plan: what is measured again and again, and when. plans/NAME.json is a plan (server/plan.schema.json describes its
// fields, docs/nightly.md explains them); a run (run.h) is one execution of it.
//
// What a plan measures is models x boards x configurations. A configuration has a key, the name under which its results are
// compared from run to run: "pareto least-ram" stays the same question when the planner finds another answer to it.
#ifndef SERVER_PLAN_H
#define SERVER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "server/board.h"
#include "server/json_in.h"
#include "server/nightly/cron.h"
#include "server/nightly/detect.h"
#include "server/planner/planner.h"
#include "server/problem.h"

#define PLAN_MAX_BYTES (256u << 10) // of a file
#define PLAN_MAX_PLANS 64
#define PLAN_MAX_MODELS 64
#define PLAN_MAX_CONFIGS 64
#define PLAN_MAX_OWNERS 16
#define PLAN_MAX_PUBLISHED 200
#define PLAN_MAX_JOBS 5000 // the most that a budget may allow
#define PLAN_KEY_SIZE 96

enum plan_model_kind {
    PLAN_NETWORK, // a seeded test network, by name (farm-models)
    PLAN_FILE,    // a .tflite file
    PLAN_FOLDER,  // every .tflite file of a folder
    PLAN_UPLOADED // a model that the server has, by its SHA-256
};
struct plan_model {
    enum plan_model_kind kind;
    char text[256]; // name, path relative to the plan's folder, or SHA-256
    uint64_t seed;  // of a network
    bool
        optional; // a missing file, a missing or empty folder, or a model that cannot be imported is no error
};

enum plan_pick {
    PLAN_PICK_ONLY,       // the strategy's one configuration
    PLAN_PICK_LEAST_RAM,  // the end of its front with the least RAM ...
    PLAN_PICK_LEAST_WORK, // ... and the one with the least multiply-accumulates
    PLAN_PICK_MAX_OVERHEAD, // the least RAM at no more than limit times the plain multiply-accumulates
    PLAN_PICK_MAX_RAM,      // the least multiply-accumulates in limit bytes of RAM
    PLAN_PICK_POINTS,       // spread over that part of the front that fits the board
    PLAN_PICK_SPEC          // the configuration that is written down
};
struct plan_config {
    enum planner_strategy strategy; // not with PLAN_PICK_SPEC
    enum plan_pick pick;
    double limit;
    int points;
    char *spec; // owned; NULL unless PLAN_PICK_SPEC
    char key
        [PLAN_KEY_SIZE]; // unique in the plan; of PLAN_PICK_POINTS: its beginning, see plan_key()
};

// What somebody else published for a model and configuration, to print beside what was measured.
struct plan_published {
    char model[128], config[PLAN_KEY_SIZE], board[64]; // board "": a figure that no board changes
    char system[64];                                   // whose figures these are
    double ram_bytes, overhead, ms;                    // negative: not published
};

// The body of a request to run a plan now.
struct run_request_in {
    int n_boards; // 0: all of the plan's
    char boards[JSON_IN_MAX_BOARDS][64];
    char note[400]; // "" = none
};
int json_in_run_request(const char *text, size_t n, struct run_request_in *out, struct problem *p);

struct plan {
    char name[64]; // of the file
    char title[128];
    char description[1000];
    char cron[CRON_TEXT_MAX + 1],
        timezone[CRON_TEXT_MAX + 1]; // cron "": runs only when it is told to
    int n_models, n_boards, n_configs, n_owners, n_published;
    struct plan_model models[PLAN_MAX_MODELS];
    char boards[JSON_IN_MAX_BOARDS][64];
    struct plan_config configs[PLAN_MAX_CONFIGS];
    bool output_outside; // the model output is not in the arena
    int repeats;
    int max_jobs, max_minutes;
    char owners[PLAN_MAX_OWNERS][128];
    struct detect_limits thresholds;
    struct {
        char url[512];         // "": none
        char secret_file[256]; // relative to the plan's folder
        bool always;           // else only when a run is not a pass
    } webhook;
    char published_source[400];
    struct plan_published *published; // owned
};

// Parses and checks one plan. boards: those of the farm; NULL: not checked. -1: p names the field.
int plan_parse(const char *text, size_t n, const struct boards *boards, struct plan *out,
               struct problem *p);
void plan_free(struct plan *plan); // accepts a zeroed plan

// The text of a plan for some of its boards only. -1: p names boards[i] that the plan does not have.
int plan_restrict(const char *text, size_t n, const struct run_request_in *want, struct buf *out,
                  struct problem *p);

// Key of the i-th of n points (from 0) of a configuration: "pareto 1/4"; the plain key for other picks.
void plan_key(const struct plan_config *c, int i, char key[PLAN_KEY_SIZE]);

// A path that a plan gives: absolute, or relative to the folder of the plans. -1: it is too long.
int plan_path(const char *dir, const char *relative, char *out, size_t size, struct err *e);
// Reads a file that a plan names, or a plan; -1 and errno. Files only: a pipe would stop the scheduler.
int plan_read(const char *path, struct buf *out);

// --- the folder of the plans ---

struct plan_entry {
    char name[64];
    char *text; // the file; owned
    size_t bytes;
    struct plan plan;       // valid only when there is no problem
    struct cron cron;       // of plan.cron, when that is not ""
    struct cron_zone *zone; // of plan.timezone
    struct problem wrong;   // why it cannot run
};
struct plans {
    size_t n;
    struct plan_entry *at[PLAN_MAX_PLANS]; // by name
    uint64_t stamp;                        // of the folder's files: changes when one of them does
};
// Reads every DIR/NAME.json. A wrong plan is kept with its problem and harms no other. -1: the folder cannot be read.
int plans_load(const char *dir, const struct boards *boards, struct plans *out, struct err *e);
void plans_free(struct plans *p);
uint64_t plans_stamp(const char *dir); // cheap: names, sizes and times of the files
const struct plan_entry *plans_find(const struct plans *p, const char *name); // NULL: none

#endif
