// SPDX-License-Identifier: MIT
// A simulated history of nights, from a seed: six boards (one of them emulated), five models, ten configurations,
// sixty nights; and in it things that the detection must find, and things that must not disturb it. Nothing here was
// measured.
//
//   noise       each rig is off by up to 0.5 % for ever; a night jitters by a MAD of 0.1 %, all series of a rig together
//               by a MAD of 0.03 %; one night of 200 is an outlier of 1 to 4 %; reruns are drawn in the same way
//   builds      every fifth night or so all boards get new firmware, which moves a series by up to 0.03 %
//   absent      a board away for two nights, a board not run for one, single failures and points that were not run
//   planted     what enum history_plant names, each on nights and series that the seed chooses
#ifndef TESTS_HISTORY_H
#define TESTS_HISTORY_H

#include "server/nightly/detect.h"

enum {
    HISTORY_NIGHTS = 60,
    HISTORY_BOARDS = 6,
    HISTORY_MODELS = 5,
    HISTORY_CONFIGS = 10,
    HISTORY_SERIES = HISTORY_BOARDS * HISTORY_MODELS * HISTORY_CONFIGS,
    HISTORY_EXPECTED_MAX = 1000
};

// clang-format off
#define HISTORY_PLANT_MAP(X)                                                                                   \
    X(PLANT_SLOWER,      "a slower kernel: two models on a board by 2 to 8 %, in one seed of two mended later") \
    X(PLANT_RING_ROW,    "one more ring row: 640 bytes of arena in three configurations of a model, everywhere") \
    X(PLANT_BIT,         "a flipped output bit: one series for three nights")                                   \
    X(PLANT_NOISY,       "a noisy rig: ten times the jitter for four nights")                                   \
    X(PLANT_SWAPPED,     "a swapped board: all its series off by 1.2 %, in one seed of two under another name") \
    X(PLANT_FLASH,       "a firmware that is 1,024 bytes larger, on one board")                                 \
    X(PLANT_FASTER,      "a faster kernel: a model on a board by 6 %")                                          \
    X(PLANT_DETERMINISM, "one instruction more on an emulated board, for one night")                            \
    X(PLANT_NOTHING,     "nothing: a board that is away")
// clang-format on
#define X(id, what) id,
enum history_plant { HISTORY_PLANT_MAP(X) HISTORY_PLANTS };
#undef X

// A finding that must come, once it begins, and no other may.
struct history_expected {
    enum history_plant plant;
    enum detect_kind kind;
    enum detect_metric metric;
    enum detect_reason reason;
    int board, model, config; // model, config: -1 = of the board or its rig
    int night;                // first_bad
    bool firmware_changed;    // of a series
};

struct history {
    uint64_t seed;
    struct series_point at[HISTORY_SERIES]
                          [HISTORY_NIGHTS]; // board-major, then model, then configuration
    struct history_expected expected[HISTORY_EXPECTED_MAX];
    size_t n_expected;
    char builds[HISTORY_BOARDS][HISTORY_NIGHTS][40]; // firmware of a night
    char rigs[HISTORY_BOARDS][2][24];                // "agent/rig", before and after a swap
    char programs[HISTORY_MODELS][HISTORY_CONFIGS][2]
                 [65]; // SHA-256 look-alikes, before and after the ring row
};

void history_make(struct history *h, uint64_t seed);

const char *history_board(int board);
uint32_t history_clock_hz(int board);
const char *history_model(int model);    // name
const char *history_model_id(int model); // 64 hexadecimal digits
const char *history_config(int config);
const char *history_plant_text(enum history_plant p);
int history_series(int board, int model, int config);

#endif
