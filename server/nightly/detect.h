// SPDX-License-Identifier: MIT
// What a night says: the points of each series up to that night in, findings out. Pure: the same points give the same
// findings, nothing is remembered between calls; the caller keeps triage (owner, note, acknowledged) by series, kind
// and metric. docs/nightly-detection.md draws the rules.
//
//   night            . . . . . . . . . . .        x       asked, and said of it
//   cycles    ~~~~~~~~~~~~~~~~~~~~~~              |
//             baseline: the last 20       beyond max(0.5 %, 4 * MAD)?  -- no --> good: joins the baseline
//             good nights since it began    | yes
//                                           v
//                                       suspected: reruns_wanted --> they agree: confirmed
//                                                                \-> one does not: unconfirmed, no alarm
//
// Who is accused. Firmware or program changed since the last good night: the code (slower, faster; one rerun decides, or
// two within 1.5 bands). Neither did: the rig (rig-suspect; two reruns), or on an emulated board, where counts are
// exact, determinism. Most series of a rig at once, with the same hashes: the rig, without reruns, in one finding for
// all of them.
//
// How long. slower, larger and determinism: every night with the same first_bad, until a night is good again or the
// caller sets `baseline` on one ("expected"). faster, smaller, and a rig that moved: told once, the night is the new
// baseline by itself. A noisy rig: every night while it lasts; its nights join no baseline, its noise widens the band.
#ifndef NIGHTLY_DETECT_H
#define NIGHTLY_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

// clang-format off
#define DETECT_KIND_MAP(X)                                                                                           \
    /* kind                   name               regression  metric; what                                         */ \
    X(DETECT_OUTPUT_MISMATCH, "output-mismatch", true)  /* output; exact                                          */ \
    X(DETECT_FAILED,          "failed",          true)  /* output; ran before, now fails by the model's fault     */ \
    X(DETECT_RAM_GROWTH,      "ram-growth",      true)  /* arena, stack, static: bytes; exact                     */ \
    X(DETECT_FLASH_GROWTH,    "flash-growth",    true)  /* flash: bytes; exact                                    */ \
    X(DETECT_SLOWER,          "slower",          true)  /* cycles; the code changed                               */ \
    X(DETECT_DETERMINISM,     "determinism",     true)  /* instructions, cycles; emulated, same hashes            */ \
    X(DETECT_DRIFT,           "drift",           true)  /* cycles; slower in steps too small for the nightly rule */ \
    X(DETECT_FRONT_LEFT,      "front-left",      true)  /* made by the caller from front_diff.h                   */ \
    X(DETECT_FRONT_MOVED,     "front-moved",     true)  /* likewise                                               */ \
    X(DETECT_RIG_SUSPECT,     "rig-suspect",     false) /* cycles; the rig is accused, not the code               */ \
    X(DETECT_INFRASTRUCTURE,  "infrastructure",  false) /* none; no number, and the farm's own fault              */ \
    X(DETECT_MISSING,         "missing",         false) /* none; was not run                                      */ \
    X(DETECT_FASTER,          "faster",          false) /* cycles; an improvement                                 */ \
    X(DETECT_SMALLER,         "smaller",         false) /* arena, stack, static, flash; an improvement            */
#define DETECT_METRIC_MAP(X)                                                                    \
    X(METRIC_NONE, "none") X(METRIC_OUTPUT, "output") X(METRIC_ARENA, "arena_bytes")            \
    X(METRIC_STACK, "stack_bytes") X(METRIC_STATIC, "static_bytes") X(METRIC_FLASH, "flash_bytes") \
    X(METRIC_CYCLES, "cycles") X(METRIC_INSTRUCTIONS, "instructions")
#define DETECT_REASON_MAP(X)                                                                     \
    X(REASON_NONE, "none")                                                                       \
    X(REASON_CODE, "code")                   /* firmware or program changed                   */ \
    X(REASON_SAME_HASHES, "same-hashes")     /* one series of the rig, two reruns agree       */ \
    X(REASON_RIG_MOVED, "rig-moved")         /* most series of the rig moved the same way     */ \
    X(REASON_RIG_REPLACED, "rig-replaced")   /* the same, and it is another rig than before   */ \
    X(REASON_RIG_NOISY, "rig-noisy")         /* series of the rig scatter in both directions  */
// clang-format on

#define X(id, name, regression) id,
enum detect_kind { DETECT_KIND_MAP(X) DETECT_KINDS };
#undef X
#define X(id, name) id,
enum detect_metric { DETECT_METRIC_MAP(X) DETECT_METRICS };
enum detect_reason { DETECT_REASON_MAP(X) DETECT_REASONS };
#undef X

const char *detect_kind_name(enum detect_kind k);
bool detect_kind_is_regression(enum detect_kind k);
const char *detect_metric_name(enum detect_metric m);
const char *detect_reason_name(enum detect_reason r);

enum point_state {
    POINT_OK,             // measured, output right: all figures below hold
    POINT_MISMATCH,       // output wrong; the other figures are not looked at
    POINT_FAILED,         // failed by the model's fault (does-not-fit, ram-mismatch, board-fault)
    POINT_INFRASTRUCTURE, // failed by the farm's fault (flash-failed, serial-timeout, board-offline, ...)
    POINT_MISSING         // never ran: no rig, budget spent, run cancelled
};

enum { DETECT_RERUNS_MAX = 2, DETECT_WINDOW_MAX = 100 };

// One night of one series. A text names a thing (a hash, a rig) and is only compared; borrowed; NULL = unknown, which
// is equal to anything.
struct series_point {
    enum point_state state;
    // Counts are exact: at equal hashes one cycle more is a fault; where the code changed, the floor holds.
    bool emulated;
    // Somebody said that the history begins anew with this night ("expected", "reset baseline").
    bool baseline;
    // Confirming runs of this night that gave a number, and their median cycles, in the order in which they ran.
    int n_reruns;
    uint64_t rerun_cycles[DETECT_RERUNS_MAX];
    uint64_t cycles;                                              // median of the repeats
    uint64_t instructions;                                        // 0 = unknown
    uint32_t arena_bytes, stack_bytes, static_bytes, flash_bytes; // 0 = unknown
    const char *firmware;                                         // build id
    const char *program;                                          // SHA-256
    const char *rig;                                              // "agent/rig"
    // Timing model and version of an emulated board: another one begins cycles anew.
    const char *timing;
};

// Thresholds of a plan. detect_limits_default() gives the figures in [].
struct detect_limits {
    double latency_percent; // floor of the band [0.5]
    double mad_multiple;    // [4]
    // Floor while fewer than young_nights are known (one: twice that), real boards only [3].
    double young_percent;
    int young_nights;     // [5]
    int window_nights;    // good nights in the baseline, at most DETECT_WINDOW_MAX [20]
    uint32_t ram_bytes;   // growth that is let pass, of each of arena, stack and static [0]
    uint32_t flash_bytes; // likewise [0]
    double drift_percent; // of the slow drift since the baseline began [1]
    double rig_noise; // scatter of a rig's series, in multiples of the usual, that accuses it [3]
    int rig_series;   // a rig with fewer judged series is not accused as a whole [8]
};
struct detect_limits detect_limits_default(void);

enum finding_state {
    FINDING_SUSPECTED,  // reruns_wanted more reruns decide; no alarm yet
    FINDING_CONFIRMED,  // exact, or reruns agree, or it goes on since an earlier night
    FINDING_UNCONFIRMED // a rerun was inside the band: told, never an alarm
};
const char *detect_state_name(enum finding_state s); // "suspected", "confirmed", "unconfirmed"

// Where there is no series: a finding about a rig or a board, standing for `count` series.
#define FINDING_NO_SERIES ((size_t)-1)

struct finding {
    enum detect_kind kind;
    enum detect_metric metric;
    enum detect_reason reason;
    enum finding_state state;
    size_t series;     // index into detect_run()'s series, or FINDING_NO_SERIES
    const char *board; // borrowed from the series
    const char *rig;   // borrowed from tonight's point; NULL when it has none
    size_t count;      // series that it stands for, 1 for a series' own
    // In the metric's unit: the baseline (cycles: its median) and tonight. 0 where there is no series.
    double was, is;
    double percent; // (is / was - 1) * 100; rig-moved: median over the series; rig-noisy: 0
    // |is - was| / MAD of the baseline; 0 where there is no noise. rig-noisy: scatter / usual scatter.
    double noise_multiple;
    // The night it began, an index into the series' points (n - 1 = tonight); where there is no series, into those of
    // the series with the most nights.
    size_t first_bad;
    bool is_new; // first_bad is tonight
    // Between first_bad and the last good night before it:
    bool firmware_changed, program_changed, rig_changed;
    int reruns_wanted; // more confirming runs asked for, 0..DETECT_RERUNS_MAX
};

struct detect_series {
    const char *board; // id
    const struct series_point
        *at;  // one for each run of the plan since the series exists, oldest first
    size_t n; // > 0; at[n - 1] is the night to judge
};

// The findings of one night over all series of a run: each series' own, and those of rigs and boards in place of the
// ones that they explain. Sorted by kind, then by series. Reruns: run each series with reruns_wanted > 0 that often,
// add the cycles to tonight's points and call again, until none is wanted.
//   series    from the same run, any order; nights count back from tonight: at[n - 1 - k] is the same night in all
//   out       taken by the caller: free(*out); NULL when there are none
// returns the number of findings, or -1: ERR_NO_MEMORY
// source: median and MAD as location and scale: Leys et al. 2013, J. Exp. Soc. Psychol. 49(4), 764; factor and
//   floor: the plan
long detect_run(const struct detect_series *series, size_t n, const struct detect_limits *l,
                struct finding **out, struct err *e);

// What the rule knew of a series before each night: median and band to draw. The other series of the run are needed
// because a rig that moves begins their baselines anew. out has series[which].n entries. 0, or -1: ERR_NO_MEMORY.
struct detect_band {
    size_t nights;    // good nights behind it, 0 = none: the rest is 0
    double median;    // cycles
    double low, high; // cycles; a night outside is suspected
    bool begins;      // the baseline began (anew) with this night
};
int detect_bands(const struct detect_series *series, size_t n, size_t which,
                 const struct detect_limits *l, struct detect_band *out, struct err *e);

// The slow pass, weekly say: of each series, the good nights since its baseline began, cut by changepoint.h; a finding of
// kind drift where the last level is slower than the first by drift_percent or more although each night by itself was
// inside the band; rig-suspect where no hash changed meanwhile. first_bad is the first change point.
//   out       taken by the caller: free(*out); NULL when there are none; by series
// returns the number of findings, or -1: ERR_NO_MEMORY, ERR_TOO_LARGE (a series beyond CHANGEPOINT_N_MAX)
long detect_drift(const struct detect_series *series, size_t n, const struct detect_limits *l,
                  struct finding **out, struct err *e);

enum detect_verdict {
    VERDICT_OK,         // nothing to tell
    VERDICT_IMPROVED,   // faster or smaller, nothing else
    VERDICT_INCOMPLETE, // missing or infrastructure
    VERDICT_RIG,        // a rig is suspect
    VERDICT_SUSPECTED,  // reruns are still wanted
    VERDICT_REGRESSION  // a confirmed regression
};
// The worst, in the order of the enum.
enum detect_verdict detect_verdict(const struct finding *f, size_t n);
const char *detect_verdict_name(
    enum detect_verdict v); // "ok", "improved", "incomplete", "rig", "suspected", "regression"

#endif
