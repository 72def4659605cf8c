// SPDX-License-Identifier: MIT
// Bodies of the nightly requests: JSON from outside -> checked plain structs, as in json_in.h.
#ifndef SERVER_RUN_IN_H
#define SERVER_RUN_IN_H

#include <stddef.h>
#include <stdint.h>

#include "server/nightly/detect.h"
#include "server/problem.h"
#include "server/store_runs.h"

#define RUN_IN_MAX_POINTS 5000 // of an imported run

// One point of an imported run. The texts of point belong to the request and live as long as it.
struct run_import_point {
    char model[STORE_ID_SIZE], model_name[STORE_NAME_SIZE], board[64], config[96];
    struct point point;
    int n_reruns;
    int64_t reruns[DETECT_RERUNS_MAX]; // their median cycles
};

struct run_import_in {
    int64_t slot_ms; // its date
    char note[400];
    int n_points;
    struct run_import_point *points; // owned
    void *texts;                     // owned: what the points borrow from
};
int json_in_run_import(const char *text, size_t n, struct run_import_in *out, struct problem *p);
void run_import_in_free(struct run_import_in *in); // accepts a zeroed one

enum triage_action {
    TRIAGE_ACKNOWLEDGE, // known: it no longer makes a run red, until it gets worse
    TRIAGE_EXPECT,      // as it should be: the history begins anew with it
    TRIAGE_REOPEN,      // takes either back
    TRIAGE_ASSIGN,      // an owner
    TRIAGE_NOTE,
    TRIAGE_ACTIONS
};
extern const char *const triage_action_names[TRIAGE_ACTIONS];
struct triage_in {
    enum triage_action action;
    char owner[STORE_NAME_SIZE]; // "" = leave as it is
    char note[STORE_TEXT_SIZE];  // "" = leave as it is
};
int json_in_triage(const char *text, size_t n, struct triage_in *out, struct problem *p);

struct baseline_in {
    int64_t run;
    char note[STORE_TEXT_SIZE];
};
int json_in_baseline(const char *text, size_t n, struct baseline_in *out, struct problem *p);

#endif
