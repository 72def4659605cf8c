// SPDX-License-Identifier: MIT
// What a run means: gives the points of its series, as far back as the detection looks, to server/nightly/ and keeps what
// comes out as findings. A finding that goes on from run to run is one row with its triage; one that has stopped is resolved.
#ifndef SERVER_JUDGE_H
#define SERVER_JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "server/nightly/detect.h"
#include "server/store.h"
#include "server/store_runs.h"

#define JUDGE_HORIZON 400 // runs that are looked back

struct judge_wish { // a series that must be measured again
    int64_t series;
    int first, n; // reruns first..first+n-1
};

struct judgement {
    struct judge_wish *wishes; // owned
    size_t n_wishes;
    char verdict[16]; // of the findings that nobody has acknowledged
};

// Judges a run whose points are collected and writes its findings. final: no more reruns will come, so what has stopped is
// resolved. The caller holds a transaction. -1: ERR_NO_MEMORY, ERR_IO.
int judge_run(struct store *s, const struct run *r, const struct detect_limits *limits, bool final,
              int64_t now_ms, struct judgement *out, struct err *e);
void judgement_free(struct judgement *j);

// One series up to its newest run, as the detection sees it, for whoever draws it. A run that did not get to it is a point
// without a number.
struct judge_series {
    struct series_point *at;  // owned; the texts in it are not kept
    struct detect_band *band; // owned; of each point, before it
    int64_t *runs;            // owned; ids
    size_t n;
};
int judge_series(struct store *s, const struct series *series, const struct detect_limits *limits,
                 struct judge_series *out, struct err *e);
void judge_series_free(struct judge_series *j);

#endif
