// SPDX-License-Identifier: MIT
// One series, night by night: what detect.c walks through all series of a run in step. A night is first looked at (what
// does the baseline say of it?), then, when the rigs have been judged by what was seen in all their series, settled:
// findings are made, and the night joins the baseline or not.
#ifndef NIGHTLY_WALK_H
#define NIGHTLY_WALK_H

#include "server/nightly/detect.h"

// The last good nights, as indices into the points, oldest first.
struct window {
    size_t n;
    size_t at[DETECT_WINDOW_MAX];
};

// What the baseline says of a night.
struct look {
    bool judged;            // the night has cycles and there is a baseline: the rest is set
    bool young;             // fewer nights than young_nights are behind it
    size_t nights;          // behind median and mad
    double median;          // cycles
    double mad;             // cycles
    double band;            // cycles: median - band .. median + band is good
    bool same_hashes;       // firmware and program are the last good night's
    bool same_as_yesterday; // they are the last measured night's
    double yesterday;       // cycles of the last measured night
    bool rig_replaced;      // none of the nights behind it is of tonight's rig
};

// A stretch of nights beyond the band, on one side.
struct step {
    bool open;
    bool confirmed;
    bool doubted;        // the last night was good
    int sign;            // +1 slower, -1 faster
    int agreeing;        // reruns and later nights that say the same
    size_t first;        // the night it began
    size_t good;         // the last good night before it
    double was;          // the level that it left
    struct window level; // its nights
};

// A figure in bytes that may not grow.
struct exact {
    bool known, open;
    uint32_t accepted; // what it may be
    uint32_t was;      // before the growth that is open
    uint32_t level;    // since
    size_t first, good;
};

// A stretch of nights without numbers; POINT_OK: none.
struct trouble {
    enum point_state state;
    size_t first;
};

enum {
    WALK_EXACT = 4,   // arena, stack, static, flash
    WALK_FINDINGS = 6 // at most, of one night
};

struct walk {
    const struct detect_series *series;
    const struct detect_limits *limits;
    // Of the night that was looked at last, and of the one that was settled last; `series` is left to the caller.
    struct look look;
    struct finding findings[WALK_FINDINGS];
    size_t n_findings;

    struct window window;
    size_t begins;             // the night with which the baseline began
    bool has_good;             // some night since then was good
    size_t last_good;          // which
    bool has_ok;               // some night since then gave numbers
    size_t last_ok;            // which
    struct step step, beneath; // beneath: what a step was before it got worse
    bool has_beneath;
    struct exact exact[WALK_EXACT];
    struct trouble wrong;  // wrong output or failed, since the last night that was right
    struct trouble absent; // no number by no fault of the code, without a break
};

// What was found of the rig of a night.
struct rig_state {
    bool moved;     // most of its series moved together: this night begins their baselines
    double scatter; // of its series, in multiples of the usual; 0 = it is not noisy
    double noise;   // the same as a part of their cycles
};

void walk_begin(struct walk *w, const struct detect_series *s, const struct detect_limits *l);
void walk_look(struct walk *w, size_t night);
void walk_settle(struct walk *w, size_t night, const struct rig_state *rig);

// Whether two texts name the same thing, as far as is known.
bool walk_same(const char *a, const char *b);

#endif
