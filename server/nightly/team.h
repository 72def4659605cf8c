// SPDX-License-Identifier: MIT
// All series of a run, walked in step, and their rigs judged night by night by what their series did at once:
//
//     off = (cycles - median) / median of a series       off
//                                                         |                 . : : .        .   :
//     the code is what it was, and                        |                  : : .       .   :   .
//       their median is off: the rig moved                0 --- . : : . ------------------ . --- . ----
//       they scatter about it, in their own MADs,         |      : : :                        .   :
//       more than usual: the rig is noisy                        usual       moved         noisy
//
#ifndef NIGHTLY_TEAM_H
#define NIGHTLY_TEAM_H

#include "server/nightly/walk.h"

struct team_rig {
    const char *name;
    const char *board;
    struct rig_state state; // tonight
    bool seen;              // tonight
    bool replaced;          // moved: it is another rig than before
    double moved_percent;   // moved: median over its series
    bool has_moved;         // on some night
    size_t moved_night;     // the last one
    size_t judged;          // series tonight whose code is what it was
    size_t series;          // that gave a number tonight
    size_t noisy_since;     // night, while state.scatter > 0
};

struct team {
    const struct detect_series *series;
    size_t n;
    const struct detect_limits *limits;
    size_t nights; // of the series with the most; a series with fewer begins later
    struct walk *walks;
    struct team_rig *rigs; // every rig that was seen so far, in the order in which they came
    size_t n_rigs, cap_rigs;
    size_t *rig_of;                 // by series: index into rigs, tonight
    double *z, *off, *usual, *move; // scratch
};

// 0, or -1: ERR_NO_MEMORY. team_close() in either case.
int team_open(struct team *t, const struct detect_series *series, size_t n,
              const struct detect_limits *l, struct err *e);
void team_close(struct team *t);
// Nights 0 .. nights - 1 in order. 0, or -1: ERR_NO_MEMORY.
int team_walk(struct team *t, size_t night, struct err *e);

// The index of a night into the points of a series; false when the series began later.
bool team_index(const struct team *t, size_t series, size_t night, size_t *index);

#endif
