// SPDX-License-Identifier: MIT
// Two nights' fronts of one model on one board, compared: which configurations left the front and why, which entered
// it, and how far it moved. A front is the set of points that no other point beats in RAM and latency.
//
//   latency (log)                     left:     was on the front, tonight another point beats it clearly
//     |  o--.                         entered:  is on the front, and another point beat it clearly, or it is new
//     |  x==|==.   moved: the mean    moved:    the staircases o and x: latency at equal RAM is so many percent
//     |     o--|-----.  height        higher, in the mean over the logarithm of RAM, where both reach
//     |        x=====|======
//     +------------------- RAM (log)
//
// Latency jitters, RAM does not: a point beats another clearly with no more RAM and a latency that is lower by more
// than `tolerance_percent` (0 for emulated boards, where anything better counts). What has no number tonight is left
// out of both staircases: a board that was away moves no front.
#ifndef NIGHTLY_FRONT_DIFF_H
#define NIGHTLY_FRONT_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct front_diff_point {
    const char *key;    // configuration, unique among the points of a night; borrowed
    uint32_t ram_bytes; // > 0
    uint64_t cycles;    // > 0
};

enum front_diff_change {
    FRONT_STAYED,      // on the front on both nights, within the tolerance
    FRONT_ENTERED,     // tonight
    FRONT_LEFT_SLOWER, // beaten tonight, and its own latency rose by more than the tolerance
    FRONT_LEFT_LARGER, // beaten tonight, and its own RAM rose
    FRONT_LEFT_BEATEN, // beaten tonight, although it is what it was: another one became better
    FRONT_LEFT_MISSING // has no number tonight
};
// "stayed", "entered", "slower", "larger", "beaten", "missing"
const char *front_diff_change_name(enum front_diff_change c);

struct front_diff_entry {
    enum front_diff_change change;
    const char *key;    // borrowed from the point
    long before, after; // indices into the two nights' points, -1 = none
    // Left by being beaten: index into tonight's points, of the fastest that beats it clearly; else -1.
    long beaten_by;
};

struct front_diff {
    size_t n;
    struct front_diff_entry *at; // by rising RAM (tonight's, or else the night before's), then key
    size_t n_left, n_entered;    // n_left without the missing ones
    bool comparable;             // both staircases have a point: the rest holds
    double latency_percent;      // at equal RAM; > 0 = slower
    double
        ram_percent; // at equal latency, the axes exchanged; > 0 = more; jitters where a front is flat
    uint32_t least_ram_before, least_ram_after; // the staircases' ends
    uint64_t least_cycles_before, least_cycles_after;
};

// Compares all measured points of two nights, those on the fronts and the others; points without a number or with a
// wrong output are not among them. 0, or -1: ERR_NO_MEMORY. front_diff_free() in either case.
int front_diff(const struct front_diff_point *before, size_t n_before,
               const struct front_diff_point *after, size_t n_after, double tolerance_percent,
               struct front_diff *out, struct err *e);
void front_diff_free(struct front_diff *d);

#endif
