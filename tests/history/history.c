// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tests/history/history.h"
#include "tests/history/simulate.h"

#define JITTER_MAD 0.1 // percent
#define RIG_MAD 0.03   // percent, common to a rig's series
#define NOISY_MAD 1.0  // percent
#define OUTLIERS 0.005

enum {
    FIRST_PLANT = 12, // nights before are quiet, so that there is a baseline
    SLOW_BOARD = 0,
    BIT_BOARD = 1, // and faster, and away
    NOISY_BOARD = 2,
    SWAPPED_BOARD = 3, // and not run
    FLASH_BOARD = 4,
    EMULATED_BOARD = 5,
    RING_MODEL = 2,
    BIT_MODEL = 3,
    FASTER_MODEL = 4,
    RING_CONFIG = 4, // and the two behind it
    RING_CONFIGS = 3,
    RING_BYTES = 640,
    NOISY_NIGHTS = 4,
    BIT_NIGHTS = 3,
    AWAY_NIGHTS = 2
};

static const char *const boards[HISTORY_BOARDS] = {"nucleo-f767zi",  "stm32f746g-disco",
                                                   "nucleo-f412zg",  "esp32s3-devkit",
                                                   "esp32c3-devkit", "hifive1b"};
static const uint32_t clocks_hz[HISTORY_BOARDS] = {216000000, 216000000, 100000000,
                                                   240000000, 160000000, 320000000};
static const char *const models[HISTORY_MODELS] = {
    "simulated-vww", "simulated-kws", "simulated-resnet", "simulated-fomo", "simulated-toy"};
static const char *const plants[] = {
#define X(id, what) what,
    HISTORY_PLANT_MAP(X)
#undef X
};

// Which nights things happen on.
struct script {
    bool build[HISTORY_NIGHTS]; // all boards have new firmware
    int slow, mended, ring, bit, bit_config, noisy, swapped, flash, faster, odd, odd_model,
        odd_config, away, not_run;
};

const char *history_board(int board)
{
    return boards[board];
}

uint32_t history_clock_hz(int board)
{
    return clocks_hz[board];
}

const char *history_model(int model)
{
    return models[model];
}

const char *history_model_id(int model)
{
    static char ids[HISTORY_MODELS][65];
    for (int i = 0; i < 64; i++)
        ids[model][i] = "0123456789abcdef"[(model * 7 + i * 5 + 3) % 16];
    return ids[model];
}

const char *history_config(int config)
{
    static char names[HISTORY_CONFIGS][24];
    snprintf(names[config], sizeof names[config], "simulated:%d", config);
    return names[config];
}

const char *history_plant_text(enum history_plant p)
{
    return plants[p];
}

int history_series(int board, int model, int config)
{
    return (board * HISTORY_MODELS + model) * HISTORY_CONFIGS + config;
}

/* ---- the script ---- */

static int between(struct simulate *s, int first, int last)
{
    return first + (int)(simulate_uniform(s) * (last - first + 1));
}

// A night with new firmware in [first, last]: one is made so where there is none.
static int build_between(struct simulate *s, struct script *x, int first, int last)
{
    int night = between(s, first, last);
    x->build[night] = true;
    return night;
}

// A night without new firmware, nor in the `clear` nights from it on.
static int quiet_between(struct simulate *s, const struct script *x, int first, int last, int clear)
{
    for (;;) {
        int night = between(s, first, last);
        bool busy = false;
        for (int i = 0; i < clear; i++)
            busy = busy || x->build[night + i];
        if (!busy)
            return night;
    }
}

static void script_make(struct script *x, struct simulate *s)
{
    *x = (struct script){0};
    for (int i = 3; i < HISTORY_NIGHTS; i++)
        x->build[i] = simulate_uniform(s) < 0.15;
    x->slow = build_between(s, x, FIRST_PLANT, 30);
    x->mended =
        simulate_uniform(s) < 0.5 ? build_between(s, x, x->slow + 6, x->slow + 16) : HISTORY_NIGHTS;
    x->bit = build_between(s, x, FIRST_PLANT, 24);
    x->faster = build_between(s, x, 36, 54);
    x->flash = build_between(s, x, FIRST_PLANT, 54);
    x->ring = between(s, FIRST_PLANT, 54);
    x->bit_config = between(s, 0, HISTORY_CONFIGS - 1);
    x->noisy = quiet_between(s, x, FIRST_PLANT, 50, 1); // new firmware may come while it lasts
    x->swapped = quiet_between(s, x, FIRST_PLANT, 50, 1);
    x->odd = quiet_between(s, x, FIRST_PLANT, 58, 2);
    x->odd_model = between(s, 0, HISTORY_MODELS - 1);
    x->odd_config = between(s, 0, HISTORY_CONFIGS - 1);
    x->away = between(s, 28, 32); // behind the flipped bit, before the faster kernel
    x->not_run = x->swapped < 30 ? x->swapped + 8 : x->swapped - 8;
}

/* ---- nights ---- */

static void names_make(struct history *h, const struct script *x, struct simulate *s)
{
    for (int b = 0; b < HISTORY_BOARDS; b++) {
        int build = 100;
        snprintf(h->rigs[b][0], sizeof h->rigs[b][0], "lab/rig-%d", b);
        snprintf(h->rigs[b][1], sizeof h->rigs[b][1], "lab/rig-%d%s", b, h->seed % 2 ? "b" : "");
        for (int i = 0; i < HISTORY_NIGHTS; i++) {
            build += x->build[i];
            snprintf(h->builds[b][i], sizeof h->builds[b][i], "%s-%d", boards[b], build);
        }
    }
    for (int m = 0; m < HISTORY_MODELS; m++)
        for (int c = 0; c < HISTORY_CONFIGS; c++)
            for (int v = 0; v < 2; v++)
                for (int i = 0; i < 64; i++)
                    h->programs[m][c][v][i] = "0123456789abcdef"[simulate_bits(s) >> 60];
}

static double slowdown(const struct script *x, int b, int m, int c, int night)
{
    double factor = 1;
    if (b == SLOW_BOARD && m < 2 && night >= x->slow && night < x->mended)
        factor *= 1.02 + 0.06 * c / (HISTORY_CONFIGS - 1);
    if (b == SWAPPED_BOARD && night >= x->swapped)
        factor *= x->swapped % 2 ? 1.012 : 0.988;
    if (b == BIT_BOARD && m == FASTER_MODEL && night >= x->faster)
        factor *= 0.94;
    return factor;
}

static bool has_ring_row(const struct script *x, int m, int c, int night)
{
    return m == RING_MODEL && c >= RING_CONFIG && c < RING_CONFIG + RING_CONFIGS &&
           night >= x->ring;
}

static enum point_state state_of(const struct script *x, int b, int m, int c, int night,
                                 struct simulate *s)
{
    double u = simulate_uniform(s);
    if (b == BIT_BOARD && night >= x->away && night < x->away + AWAY_NIGHTS)
        return POINT_INFRASTRUCTURE;
    if (b == SWAPPED_BOARD && night == x->not_run)
        return POINT_MISSING;
    if (b == BIT_BOARD && m == BIT_MODEL && c == x->bit_config && night >= x->bit &&
        night < x->bit + BIT_NIGHTS)
        return POINT_MISMATCH;
    if (b == EMULATED_BOARD && m == x->odd_model && c == x->odd_config && night <= x->odd + 1)
        return POINT_OK;
    return u < 0.003 ? POINT_INFRASTRUCTURE : u < 0.005 ? POINT_MISSING : POINT_OK;
}

// What lasts from night to night.
struct levels {
    double cycles[HISTORY_SERIES];
    double rig[HISTORY_BOARDS]; // tonight's common jitter
};

static void night_make(struct history *h, const struct script *x, struct levels *l, int b, int m,
                       int c, int night, struct simulate *s)
{
    int series = history_series(b, m, c);
    bool emulated = b == EMULATED_BOARD,
         noisy = b == NOISY_BOARD && night >= x->noisy && night < x->noisy + NOISY_NIGHTS;
    bool odd = emulated && night == x->odd && m == x->odd_model && c == x->odd_config;
    bool ring = has_ring_row(x, m, c, night), swapped = b == SWAPPED_BOARD && night >= x->swapped;
    if (x->build[night])
        l->cycles[series] *= 1 + 0.0003 * (2 * simulate_uniform(s) - 1);
    double level = l->cycles[series] * slowdown(x, b, m, c, night);
    double mad = noisy ? NOISY_MAD : JITTER_MAD, jitter[1 + DETECT_RERUNS_MAX];
    for (int i = 0; i <= DETECT_RERUNS_MAX; i++)
        jitter[i] = emulated ? 0 : simulate_jitter(s, mad, OUTLIERS) + l->rig[b];
    uint32_t plain = 20000 + 9000 * (uint32_t)m;
    struct series_point *p = &h->at[series][night];
    *p = (struct series_point){
        .state = state_of(x, b, m, c, night, s),
        .emulated = emulated,
        .n_reruns = DETECT_RERUNS_MAX,
        .cycles = (uint64_t)(level * (1 + jitter[0])) + odd,
        .instructions = emulated ? (uint64_t)(level * 0.8) + odd : 0,
        .arena_bytes = plain - (uint32_t)c * plain / 14 + (ring ? RING_BYTES : 0),
        .stack_bytes = 400 + 8 * (uint32_t)(b + m),
        .static_bytes = 2048 + 64 * (uint32_t)b,
        .flash_bytes =
            38000 + 500 * (uint32_t)b + (b == FLASH_BOARD && night >= x->flash ? 1024 : 0),
        .firmware = h->builds[b][night],
        .program = h->programs[m][c][ring],
        .rig = h->rigs[b][swapped],
        .timing = emulated ? "simulated/1" : NULL,
    };
    for (int i = 0; i < DETECT_RERUNS_MAX; i++)
        p->rerun_cycles[i] = emulated ? p->cycles : (uint64_t)(level * (1 + jitter[1 + i]));
}

/* ---- what must be found ---- */

static void expect(struct history *h, struct history_expected e)
{
    if (h->n_expected < HISTORY_EXPECTED_MAX)
        h->expected[h->n_expected++] = e;
}

// Of one series, from the first night on that gave a number; `until` is the first at which it is over.
static void expect_series(struct history *h, struct history_expected e, int until)
{
    const struct series_point *at = h->at[history_series(e.board, e.model, e.config)];
    int good = e.night - 1;
    while (at[good].state != POINT_OK)
        good--;
    while (e.night < until && at[e.night].state != POINT_OK && at[e.night].state != POINT_MISMATCH)
        e.night++;
    if (e.night >= until)
        return;
    e.firmware_changed = strcmp(at[e.night].firmware, at[good].firmware) != 0;
    expect(h, e);
}

static void expect_model(struct history *h, struct history_expected e, int until)
{
    for (e.config = 0; e.config < HISTORY_CONFIGS; e.config++)
        expect_series(h, e, until);
}

static void expect_planted(struct history *h, const struct script *x)
{
    struct history_expected e = {
        PLANT_SLOWER, DETECT_SLOWER, METRIC_CYCLES, REASON_CODE, SLOW_BOARD, 0, 0, x->slow, true};
    for (e.model = 0; e.model < 2; e.model++)
        expect_model(h, e, x->mended);
    e = (struct history_expected){
        PLANT_RING_ROW, DETECT_RAM_GROWTH, METRIC_ARENA, REASON_CODE, 0, RING_MODEL, 0, x->ring,
        false};
    for (e.board = 0; e.board < HISTORY_BOARDS; e.board++)
        for (e.config = RING_CONFIG; e.config < RING_CONFIG + RING_CONFIGS; e.config++)
            expect_series(h, e, HISTORY_NIGHTS);
    e = (struct history_expected){
        PLANT_FLASH, DETECT_FLASH_GROWTH, METRIC_FLASH, REASON_CODE, FLASH_BOARD, 0, 0, x->flash,
        true};
    for (e.model = 0; e.model < HISTORY_MODELS; e.model++)
        expect_model(h, e, HISTORY_NIGHTS);
    e = (struct history_expected){
        PLANT_BIT, DETECT_OUTPUT_MISMATCH, METRIC_OUTPUT, REASON_CODE, BIT_BOARD,
        BIT_MODEL, x->bit_config,          x->bit,        true};
    expect_series(h, e, x->bit + BIT_NIGHTS);
    e = (struct history_expected){
        PLANT_FASTER, DETECT_FASTER, METRIC_CYCLES, REASON_CODE, BIT_BOARD, FASTER_MODEL, 0,
        x->faster,    true};
    expect_model(h, e, HISTORY_NIGHTS);
    e = (struct history_expected){PLANT_DETERMINISM,
                                  DETECT_DETERMINISM,
                                  METRIC_INSTRUCTIONS,
                                  REASON_NONE,
                                  EMULATED_BOARD,
                                  x->odd_model,
                                  x->odd_config,
                                  x->odd,
                                  false};
    expect_series(h, e, x->odd + 1);
    expect(h, (struct history_expected){PLANT_NOISY, DETECT_RIG_SUSPECT, METRIC_CYCLES,
                                        REASON_RIG_NOISY, NOISY_BOARD, -1, -1, x->noisy, false});
    expect(h, (struct history_expected){PLANT_SWAPPED, DETECT_RIG_SUSPECT, METRIC_CYCLES,
                                        h->seed % 2 ? REASON_RIG_REPLACED : REASON_RIG_MOVED,
                                        SWAPPED_BOARD, -1, -1, x->swapped, false});
}

// The night with which the longest stretch of a board's series in this state began, -1 = none is in it.
static int stretch(const struct history *h, int board, int night, enum point_state state)
{
    int first = -1;
    for (int i = history_series(board, 0, 0); i < history_series(board + 1, 0, 0); i++) {
        int from = night;
        while (from >= 0 && h->at[i][from].state == state)
            from--;
        if (from < night && (first < 0 || from + 1 < first))
            first = from + 1;
    }
    return first;
}

static void expect_absent(struct history *h, enum point_state state, enum detect_kind kind)
{
    for (int b = 0; b < HISTORY_BOARDS; b++) {
        bool told[HISTORY_NIGHTS] = {false};
        for (int i = 0; i < HISTORY_NIGHTS; i++) {
            int first = stretch(h, b, i, state);
            if (first < 0 || told[first])
                continue;
            told[first] = true;
            expect(h, (struct history_expected){PLANT_NOTHING, kind, METRIC_NONE, REASON_NONE, b,
                                                -1, -1, first, false});
        }
    }
}

void history_make(struct history *h, uint64_t seed)
{
    struct simulate s = simulate_seed(seed + 40);
    struct script x;
    static struct levels l;
    memset(h, 0, sizeof *h);
    h->seed = seed;
    script_make(&x, &s);
    names_make(h, &x, &s);
    for (int b = 0; b < HISTORY_BOARDS; b++) {
        double rig = 1 + 0.005 * (2 * simulate_uniform(&s) - 1);
        for (int m = 0; m < HISTORY_MODELS; m++)
            for (int c = 0; c < HISTORY_CONFIGS; c++)
                l.cycles[history_series(b, m, c)] =
                    4e6 * (1 + m) * (1 + 0.4 * b) * (1 + 0.08 * c) * rig;
    }
    for (int night = 0; night < HISTORY_NIGHTS; night++) {
        for (int b = 0; b < HISTORY_BOARDS; b++)
            l.rig[b] = simulate_jitter(&s, RIG_MAD, 0);
        for (int b = 0; b < HISTORY_BOARDS; b++)
            for (int m = 0; m < HISTORY_MODELS; m++)
                for (int c = 0; c < HISTORY_CONFIGS; c++)
                    night_make(h, &x, &l, b, m, c, night, &s);
    }
    expect_planted(h, &x);
    expect_absent(h, POINT_INFRASTRUCTURE, DETECT_INFRASTRUCTURE);
    expect_absent(h, POINT_MISSING, DETECT_MISSING);
}
