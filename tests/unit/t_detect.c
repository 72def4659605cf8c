// SPDX-License-Identifier: MIT
// The rules of a night, one by one on short histories; then the noise of a rig's series over many simulated ones.
#include "tests/tap.h"
#include "tests/history/simulate.h"

#include "server/nightly/detect.h"

enum { NIGHTS = 60 };

// One series to plant things into: nights of 1,000,000 cycles that scatter by 0.1 %.
static struct series_point night[NIGHTS];
static struct finding *found;
static long n_found;

static void fill(struct series_point *at, int n, uint64_t seed, bool emulated)
{
    struct simulate s = simulate_seed(seed);
    for (int i = 0; i < n; i++) {
        double jitter = emulated ? 0 : simulate_jitter(&s, 0.1, 0);
        at[i] = (struct series_point){
            .state = POINT_OK,
            .emulated = emulated,
            .cycles = (uint64_t)(1e6 * (1 + jitter)),
            .instructions = emulated ? 800000 : 0,
            .arena_bytes = 10000,
            .stack_bytes = 512,
            .static_bytes = 2048,
            .flash_bytes = 40000,
            .firmware = "f1",
            .program = "p1",
            .rig = "a/r1",
            .timing = emulated ? "t/1" : NULL,
        };
    }
}

static void fresh(bool emulated)
{
    fill(night, NIGHTS, 1, emulated);
}

// Findings of the night with index `last`.
static void judge(int last)
{
    struct detect_series s = {"nucleo-f767zi", night, (size_t)last + 1};
    struct detect_limits l = detect_limits_default();
    struct err e = {0};
    free(found);
    n_found = detect_run(&s, 1, &l, &found, &e);
    if (n_found < 0)
        printf("# %s\n", e.msg);
}

static void firmware_from(int first, const char *build)
{
    for (int i = first; i < NIGHTS; i++)
        night[i].firmware = build;
}

static void slower_from(int first, double percent)
{
    for (int i = first; i < NIGHTS; i++)
        night[i].cycles = (uint64_t)((double)night[i].cycles * (1 + percent / 100));
}

// Reruns of a night, as percent off a million cycles.
static void reruns(int i, int n, double first, double second)
{
    night[i].n_reruns = n;
    night[i].rerun_cycles[0] = (uint64_t)(1e6 * (1 + first / 100));
    night[i].rerun_cycles[1] = (uint64_t)(1e6 * (1 + second / 100));
}

#define ONE(kind_, state_)                                                                         \
    (n_found == 1 && found[0].kind == (kind_) && found[0].state == FINDING_##state_)

static void check_nothing(void)
{
    fresh(false);
    for (int i = 0; i < NIGHTS; i++) {
        judge(i);
        if (n_found != 0)
            OKF(false, "night %d of a quiet series: %ld findings", i, n_found);
    }
    OK(n_found == 0 && detect_verdict(found, 0) == VERDICT_OK);
}

static void check_exact_events(void)
{
    static const struct {
        const char *what;
        size_t offset;
        enum detect_metric metric;
        enum detect_kind kind;
    } at[] = {
        {"arena", offsetof(struct series_point, arena_bytes), METRIC_ARENA, DETECT_RAM_GROWTH},
        {"stack", offsetof(struct series_point, stack_bytes), METRIC_STACK, DETECT_RAM_GROWTH},
        {"static", offsetof(struct series_point, static_bytes), METRIC_STATIC, DETECT_RAM_GROWTH},
        {"flash", offsetof(struct series_point, flash_bytes), METRIC_FLASH, DETECT_FLASH_GROWTH},
    };
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        fresh(false);
        firmware_from(30, "f2");
#define FIELD(i) (*(uint32_t *)((char *)&night[i] + at[k].offset))
        uint32_t was = FIELD(0);
        for (int i = 30; i < NIGHTS; i++)
            FIELD(i) = was + 1;
        judge(30);
        OKF(ONE(at[k].kind, CONFIRMED) && found[0].metric == at[k].metric && found[0].was == was &&
                found[0].is == was + 1 && found[0].is_new && found[0].firmware_changed &&
                !found[0].program_changed,
            "one byte more of %s", at[k].what);
        OK(detect_verdict(found, 1) == VERDICT_REGRESSION);
        judge(45);
        OKF(ONE(at[k].kind, CONFIRMED) && found[0].first_bad == 30 && !found[0].is_new &&
                found[0].firmware_changed,
            "still, since night 30");
        for (int i = 50; i < NIGHTS; i++)
            FIELD(i) = was + 5;
        judge(52);
        OKF(ONE(at[k].kind, CONFIRMED) && found[0].first_bad == 50 && found[0].was == was + 1,
            "and worse");
        for (int i = 55; i < NIGHTS; i++)
            FIELD(i) = was;
        judge(55);
        OKF(n_found == 0, "and back");
        for (int i = 56; i < NIGHTS; i++)
            FIELD(i) = was - 8;
        judge(56);
        OKF(ONE(DETECT_SMALLER, CONFIRMED) && found[0].is == was - 8, "less of it is told");
        OK(detect_verdict(found, 1) == VERDICT_IMPROVED);
        judge(57);
        OKF(n_found == 0, "once");
        FIELD(58) = was;
        judge(58);
        OKF(ONE(at[k].kind, CONFIRMED) && found[0].was == was - 8,
            "and what was won may not be lost");
        FIELD(59) = 0;
        judge(59);
        OKF(n_found == 0, "unknown is no growth");
#undef FIELD
    }
}

static void check_growth_limits(void)
{
    fresh(false);
    struct detect_series s = {"b", night, 31};
    struct detect_limits l = detect_limits_default();
    l.ram_bytes = 8;
    night[30].arena_bytes += 8;
    free(found);
    EQ_INT(detect_run(&s, 1, &l, &found, NULL), 0);
    night[30].arena_bytes += 1;
    EQ_INT(detect_run(&s, 1, &l, &found, NULL), 1);
}

static void check_output(void)
{
    fresh(false);
    firmware_from(30, "f2");
    for (int i = 30; i < 40; i++)
        night[i].state = POINT_MISMATCH;
    night[33].state = POINT_INFRASTRUCTURE;
    judge(30);
    OK(ONE(DETECT_OUTPUT_MISMATCH, CONFIRMED) && found[0].metric == METRIC_OUTPUT &&
       found[0].is_new);
    OK(found[0].firmware_changed && found[0].reason == REASON_CODE);
    judge(33);
    OK(ONE(DETECT_INFRASTRUCTURE, CONFIRMED));
    judge(36);
    OK(ONE(DETECT_OUTPUT_MISMATCH, CONFIRMED) && found[0].first_bad == 30 && !found[0].is_new);
    judge(40);
    EQ_INT(n_found, 0);
    night[50].state = POINT_MISMATCH; // nothing had changed: the finding says so
    judge(50);
    OK(ONE(DETECT_OUTPUT_MISMATCH, CONFIRMED) && !found[0].firmware_changed &&
       found[0].reason == REASON_NONE);
    night[51].state = POINT_FAILED;
    judge(51);
    OK(ONE(DETECT_FAILED, CONFIRMED) && found[0].first_bad == 51);
    for (int i = 0; i < 5; i++)
        night[i].state = POINT_FAILED;
    judge(4);
    OKF(n_found == 0, "what never ran is no regression");
    night[0].state = POINT_MISMATCH;
    judge(0);
    OKF(ONE(DETECT_OUTPUT_MISMATCH, CONFIRMED), "a wrong output is, from the first night");
}

static void check_slower(void)
{
    fresh(false);
    firmware_from(30, "f2");
    slower_from(30, 2);
    judge(30);
    OK(ONE(DETECT_SLOWER, SUSPECTED) && found[0].reruns_wanted == 1 && found[0].is_new &&
       found[0].firmware_changed);
    OK(found[0].percent > 1.7 && found[0].percent < 2.3 && found[0].noise_multiple > 10);
    OK(detect_verdict(found, 1) == VERDICT_SUSPECTED);
    reruns(30, 1, 2.1, 0);
    judge(30);
    OK(ONE(DETECT_SLOWER, CONFIRMED) && found[0].reruns_wanted == 0 &&
       detect_verdict(found, 1) == VERDICT_REGRESSION);
    judge(59);
    OKF(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 30 && !found[0].is_new &&
            found[0].firmware_changed,
        "thirty nights later it still is, since night 30");
    OK(found[0].was > 0.999e6 && found[0].was < 1.001e6);
    reruns(30, 0, 0, 0);
    judge(31);
    OKF(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 30,
        "without a rerun the next night confirms it");
    reruns(30, 1, 0.1, 0);
    judge(30);
    OKF(ONE(DETECT_SLOWER, UNCONFIRMED) && detect_verdict(found, 1) == VERDICT_OK,
        "a rerun that disagrees clears it");
    reruns(30, 1, 2.1, 0);
    night[40].baseline = true;
    judge(40);
    OKF(n_found == 0, "expected: a baseline of its own");
    judge(59);
    OK(n_found == 0);
}

static void check_resolved_and_worse(void)
{
    fresh(false);
    firmware_from(30, "f2");
    slower_from(30, 2);
    reruns(30, 1, 2.1, 0);
    firmware_from(45, "f3");
    slower_from(45, 4);
    judge(44);
    OK(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 30);
    judge(45);
    OKF(ONE(DETECT_SLOWER, SUSPECTED) && found[0].first_bad == 45 && found[0].was > 1.018e6 &&
            found[0].was < 1.022e6,
        "a second regression behind an open one has a first night of its own");
    reruns(45, 1, 2.1, 0);
    judge(45);
    OKF(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 30,
        "unless a rerun is no worse than the first");
    judge(46);
    OKF(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 30, "which goes on");
    reruns(45, 1, 6.1, 0);
    judge(46);
    OK(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 45);
    for (int i = 50; i < NIGHTS; i++)
        night[i].cycles = 1000100;
    firmware_from(50, "f4");
    judge(50);
    OKF(n_found == 0, "mended");
}

static void check_outliers(void)
{
    fresh(false);
    night[0].cycles = 1040000;
    for (int i = 0; i < NIGHTS; i++)
        reruns(i, 2, 0, 0);
    bool alarm = false;
    for (int i = 0; i < NIGHTS; i++) {
        judge(i);
        alarm = alarm || detect_verdict(found, (size_t)n_found) != VERDICT_OK;
    }
    OKF(!alarm, "an outlier in the first night accuses nobody later");
    fresh(false);
    firmware_from(30, "f2");
    slower_from(30, 2);
    reruns(30, 1, 2.1, 0);
    night[40].cycles = 1000000;
    judge(40);
    OKF(n_found == 0, "a good night among bad ones");
    judge(41);
    OKF(ONE(DETECT_SLOWER, CONFIRMED) && found[0].first_bad == 30, "does not end what goes on");
    night[41].cycles = 1000000;
    judge(42);
    OKF(ONE(DETECT_RIG_SUSPECT, SUSPECTED),
        "two do: after them the same code is slow by no fault of its own");
}

static void check_faster(void)
{
    fresh(false);
    firmware_from(30, "f2");
    slower_from(30, -5);
    reruns(30, 1, -5, 0);
    judge(30);
    OK(ONE(DETECT_FASTER, CONFIRMED) && found[0].percent < -4.7 &&
       detect_verdict(found, 1) == VERDICT_IMPROVED);
    judge(31);
    OKF(n_found == 0, "told once; the baseline follows");
    firmware_from(40, "f3");
    slower_from(40, 3);
    judge(40);
    OKF(ONE(DETECT_SLOWER, SUSPECTED), "half of it lost again is a regression");
}

static void check_bands(void)
{
    fresh(false);
    for (int i = 0; i < 5; i++)
        night[i].cycles = 1000000;
    firmware_from(2, "f2");
    slower_from(2, 2);
    judge(2);
    OKF(n_found == 0, "two nights are too few for 2 %%");
    slower_from(2, 2);
    judge(2);
    OKF(ONE(DETECT_SLOWER, SUSPECTED), "not for 4 %%");
    fresh(false);
    firmware_from(30, "f2");
    night[30].cycles = 1004000;
    judge(30);
    OKF(n_found == 0, "0.4 %% is inside the floor");
    night[30].cycles = 1006500;
    judge(30);
    OKF(ONE(DETECT_SLOWER, SUSPECTED) && found[0].reruns_wanted == 2,
        "0.65 %% is not, but so near needs two reruns");
    reruns(30, 1, 0.65, 0);
    judge(30);
    OK(ONE(DETECT_SLOWER, SUSPECTED) && found[0].reruns_wanted == 1);
    reruns(30, 2, 0.65, 0.1);
    judge(30);
    OK(ONE(DETECT_SLOWER, UNCONFIRMED));
    struct simulate s5 = simulate_seed(5);
    for (int i = 0; i < NIGHTS; i++)
        night[i].cycles = (uint64_t)(1e6 * (1 + simulate_jitter(&s5, 0.5, 0)));
    bool alarm = false;
    for (int i = 0; i < NIGHTS; i++) {
        judge(i);
        alarm = alarm || detect_verdict(found, (size_t)n_found) > VERDICT_SUSPECTED;
    }
    OKF(!alarm, "where the noise is larger, so is the band");
    firmware_from(59, "f3");
    night[59].cycles = 1040000;
    judge(59);
    OK(n_found == 1 && found[0].noise_multiple > 4 && found[0].noise_multiple < 20);
    fresh(false);
    struct detect_band band[NIGHTS];
    struct detect_series s = {"b", night, NIGHTS};
    struct detect_limits l = detect_limits_default();
    OK(detect_bands(&s, 1, 0, &l, band, NULL) == 0);
    OK(band[0].begins && band[0].nights == 0 && !band[1].begins && band[1].nights == 1 &&
       band[25].nights == 20);
    OK(fabs(band[29].high / band[29].median - 1.005) < 0.0005 && fabs(band[29].median - 1e6) < 500);
    OK(fabs(band[29].high + band[29].low - 2 * band[29].median) < 1);
}

static void check_same_hashes(void)
{
    fresh(false);
    slower_from(30, 2);
    judge(30);
    OK(ONE(DETECT_RIG_SUSPECT, SUSPECTED) && found[0].reason == REASON_SAME_HASHES &&
       found[0].reruns_wanted == 2);
    reruns(30, 1, 2, 0);
    judge(30);
    OK(ONE(DETECT_RIG_SUSPECT, SUSPECTED) && found[0].reruns_wanted == 1);
    reruns(30, 2, 2, 2);
    judge(30);
    OK(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && detect_verdict(found, 1) == VERDICT_RIG);
    firmware_from(35, "f2");
    judge(35);
    OKF(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && found[0].first_bad == 30,
        "new firmware later does not put it on the code");
    reruns(30, 2, 2, 0.1);
    judge(30);
    OK(ONE(DETECT_RIG_SUSPECT, UNCONFIRMED));
    fresh(false);
    slower_from(30, 2);
    for (int i = 30; i < NIGHTS; i++)
        night[i].program = "p2";
    judge(30);
    OKF(ONE(DETECT_SLOWER, SUSPECTED) && found[0].program_changed && !found[0].firmware_changed,
        "the program is code too");
    for (int i = 30; i < NIGHTS; i++)
        night[i].program = NULL;
    judge(30);
    OKF(ONE(DETECT_RIG_SUSPECT, SUSPECTED), "unknown counts as unchanged");
    fresh(false);
    slower_from(30, 2);
    for (int i = 30; i < NIGHTS; i++)
        night[i].rig = "a/r2";
    reruns(30, 2, 2, 2);
    judge(30);
    OKF(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && found[0].rig_changed,
        "another rig of the same board is told");
    judge(31);
    OKF(n_found == 0, "once, and has a baseline of its own");
    night[31].rig = "a/r1";
    night[31].cycles = 1000000;
    judge(31);
    OKF(n_found == 0, "so has the first one still");
}

static void check_emulated(void)
{
    fresh(true);
    judge(59);
    EQ_INT(n_found, 0);
    night[30].cycles += 1;
    judge(30);
    OK(ONE(DETECT_DETERMINISM, CONFIRMED) && found[0].metric == METRIC_CYCLES &&
       found[0].noise_multiple == 0);
    OK(detect_verdict(found, 1) == VERDICT_REGRESSION);
    night[30].cycles -= 1;
    night[30].instructions += 1;
    judge(30);
    OK(ONE(DETECT_DETERMINISM, CONFIRMED) && found[0].metric == METRIC_INSTRUCTIONS &&
       found[0].is == 800001);
    fresh(true);
    for (int i = 30; i < NIGHTS; i++)
        night[i].instructions -= 1;
    judge(40);
    OKF(ONE(DETECT_DETERMINISM, CONFIRMED) && found[0].first_bad == 30,
        "it stays until somebody says that it is right");
    night[40].baseline = true;
    judge(40);
    EQ_INT(n_found, 0);

    fresh(true);
    firmware_from(1, "f2");
    slower_from(1, 1);
    judge(1);
    OKF(ONE(DETECT_SLOWER, CONFIRMED) && found[0].is_new && fabs(found[0].percent - 1) < 1e-3,
        "the second night is enough, and no rerun is needed");
    night[5].cycles += 1;
    judge(5);
    OKF(ONE(DETECT_DETERMINISM, CONFIRMED), "counts are watched behind an open regression too");
    fresh(true);
    firmware_from(30, "f2");
    slower_from(30, 0.1);
    for (int i = 30; i < NIGHTS; i++)
        night[i].instructions += 100;
    judge(30);
    OKF(n_found == 0, "code that changed may cost 0.1 %%");
    fresh(true);
    slower_from(30, 20);
    for (int i = 30; i < NIGHTS; i++)
        night[i].timing = "t/2";
    judge(30);
    OKF(n_found == 0, "another timing model begins cycles anew");
    night[30].instructions += 1;
    judge(30);
    OKF(ONE(DETECT_DETERMINISM, CONFIRMED), "but not instructions");
}

static void check_absent(void)
{
    fresh(false);
    for (int i = 30; i < 34; i++)
        night[i].state = POINT_INFRASTRUCTURE;
    for (int i = 34; i < 40; i++)
        night[i].state = POINT_MISSING;
    judge(33);
    OK(ONE(DETECT_INFRASTRUCTURE, CONFIRMED) && found[0].first_bad == 30 &&
       found[0].series == FINDING_NO_SERIES);
    OK(found[0].count == 1 && detect_verdict(found, 1) == VERDICT_INCOMPLETE);
    judge(36);
    OK(ONE(DETECT_MISSING, CONFIRMED) && found[0].first_bad == 34);
    judge(40);
    OKF(n_found == 0, "and nothing remains of it");
    firmware_from(35, "f2");
    slower_from(40, 2);
    judge(40);
    OKF(ONE(DETECT_SLOWER, SUSPECTED) && found[0].firmware_changed,
        "what changed meanwhile is found behind it");
}

/* ---- rigs: forty series at once ---- */

enum { TEAM = 40 };
static struct series_point team[TEAM][NIGHTS];

static void judge_team(int last)
{
    static struct detect_series s[TEAM];
    struct detect_limits l = detect_limits_default();
    struct err e = {0};
    for (int i = 0; i < TEAM; i++)
        s[i] = (struct detect_series){"nucleo-f767zi", team[i], (size_t)last + 1};
    free(found);
    n_found = detect_run(s, TEAM, &l, &found, &e);
    if (n_found < 0)
        printf("# %s\n", e.msg);
}

static void fresh_team(void)
{
    for (int i = 0; i < TEAM; i++)
        fill(team[i], NIGHTS, 100 + (uint64_t)i, false);
}

static void check_moved(void)
{
    fresh_team();
    for (int i = 0; i < TEAM; i++)
        for (int k = 30; k < NIGHTS; k++)
            team[i][k].cycles = team[i][k].cycles * 101 / 100;
    judge_team(30);
    OK(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && found[0].reason == REASON_RIG_MOVED &&
       found[0].count == TEAM);
    OK(found[0].series == FINDING_NO_SERIES && found[0].reruns_wanted == 0 &&
       strcmp(found[0].rig, "a/r1") == 0);
    OK(fabs(found[0].percent - 1) < 0.1 && found[0].first_bad == 30 && found[0].is_new);
    judge_team(31);
    OKF(n_found == 0, "told once");
    team[7][30].state = POINT_MISSING;
    judge_team(31);
    OKF(n_found == 0, "also of a series that was not there when it happened");
    team[7][30].state = POINT_OK;
    for (int i = 0; i < TEAM; i++)
        for (int k = 38; k < NIGHTS; k++) {
            team[i][k].firmware = "f2";
            team[i][k].cycles = i == 7 ? team[i][k].cycles * 103 / 100 : team[i][k].cycles;
        }
    judge_team(38);
    OKF(ONE(DETECT_SLOWER, SUSPECTED) && found[0].series == 7,
        "after which a slower kernel is the kernel's again");
    for (int i = 0; i < TEAM; i++)
        for (int k = 30; k < NIGHTS; k++)
            team[i][k].rig = "a/r2";
    judge_team(30);
    OK(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && found[0].reason == REASON_RIG_REPLACED &&
       found[0].rig_changed);

    fresh_team();
    for (int i = 0; i < TEAM; i++)
        for (int k = 30; k < NIGHTS; k++) {
            team[i][k].firmware = "f2";
            team[i][k].cycles = team[i][k].cycles * 101 / 100;
        }
    judge_team(30);
    OKF(n_found == TEAM && found[0].kind == DETECT_SLOWER && found[TEAM - 1].kind == DETECT_SLOWER,
        "all at once with another firmware: the code");
}

static void check_noisy(void)
{
    fresh_team();
    struct simulate s = simulate_seed(5);
    for (int i = 0; i < TEAM; i++)
        for (int k = 30; k < 40; k++)
            team[i][k].cycles = (uint64_t)(1e6 * (1 + simulate_jitter(&s, 0.8, 0)));
    judge_team(29);
    EQ_INT(n_found, 0);
    judge_team(30);
    OK(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && found[0].reason == REASON_RIG_NOISY &&
       found[0].is_new);
    OK(found[0].noise_multiple > 5 && found[0].noise_multiple < 12 && found[0].count == TEAM);
    for (int i = 0; i < TEAM; i++)
        for (int k = 35; k < NIGHTS; k++)
            team[i][k].firmware = "f2";
    judge_team(35);
    OKF(ONE(DETECT_RIG_SUSPECT, CONFIRMED) && found[0].first_bad == 30 && !found[0].is_new,
        "new firmware on a noisy rig: still the rig's noise");
    judge_team(39);
    OK(n_found == 1 && found[0].first_bad == 30);
    judge_team(41);
    OKF(n_found == 0, "quiet again");
    judge_team(59);
    OK(n_found == 0);
}

static void check_outage(void)
{
    fresh_team();
    for (int i = 0; i < TEAM; i++)
        team[i][30].state = i < 10 ? POINT_MISSING : POINT_INFRASTRUCTURE;
    team[39][30].state = POINT_MISMATCH;
    judge_team(30);
    EQ_INT(n_found, 3);
    OK(found[0].kind == DETECT_OUTPUT_MISMATCH && found[0].series == 39);
    OK(found[1].kind == DETECT_INFRASTRUCTURE && found[1].count == 29 &&
       found[1].series == FINDING_NO_SERIES);
    OK(found[2].kind == DETECT_MISSING && found[2].count == 10);
    OK(detect_verdict(found, 3) == VERDICT_REGRESSION);
}

static void check_later_series(void)
{
    struct detect_series s[2] = {{"b", team[0], 40}, {"b", &team[1][30], 10}};
    struct detect_limits l = detect_limits_default();
    fresh_team();
    for (int k = 39; k >= 36; k--)
        team[0][k].state = team[1][k].state = POINT_MISSING;
    free(found);
    n_found = detect_run(s, 2, &l, &found, NULL);
    OKF(n_found == 1 && found[0].first_bad == 36 && found[0].count == 2,
        "nights are counted back from tonight");
}

static long drift(const struct detect_series *s)
{
    struct detect_limits l = detect_limits_default();
    free(found);
    return n_found = detect_drift(s, 1, &l, &found, NULL);
}

static void check_drift(void)
{
    enum { LONG = 150 };
    static struct series_point slow[LONG];
    fill(slow, LONG, 17, false);
    struct detect_series s = {"b", slow, LONG};
    struct detect_limits l = detect_limits_default();
    EQ_INT(drift(&s), 0);
    long confirmed = 0;
    for (size_t i = 0; i < LONG; i++) {
        slow[i].cycles += (uint64_t)(i * 120); // 0.012 % a night
        slow[i].firmware = i % 10 < 5 ? "f1" : "f2";
        s.n = i + 1;
        free(found);
        n_found = detect_run(&s, 1, &l, &found, NULL);
        for (long k = 0; k < n_found; k++)
            confirmed += found[k].state == FINDING_CONFIRMED;
    }
    OKF(confirmed == 0, "no night by itself is a finding");
    slow[LONG - 1].firmware = "f3";
    EQ_INT(drift(&s), 1);
    OK(found[0].kind == DETECT_DRIFT && found[0].percent > 1 && found[0].percent < 2 &&
       found[0].firmware_changed && found[0].first_bad > 5);
    for (int i = 0; i < LONG; i++)
        slow[i].firmware = "f1";
    EQ_INT(drift(&s), 1);
    OK(found[0].kind == DETECT_RIG_SUSPECT && found[0].reason == REASON_SAME_HASHES);
    slow[130].baseline = true;
    EQ_INT(drift(&s), 0);
}

// Clean nights with outliers, reruns at hand as a live farm would make them: how many alarms?
static void check_false_alarms(void)
{
    static struct detect_series s[TEAM];
    struct detect_limits l = detect_limits_default();
    long alarms = 0, points = 0, suspicions = 0;
    for (uint64_t seed = 0; seed < 4; seed++) {
        for (int i = 0; i < TEAM; i++) {
            struct simulate sim = simulate_seed(9000 + 100 * seed + (uint64_t)i);
            fill(team[i], NIGHTS, 1, false);
            for (int k = 0; k < NIGHTS; k++) {
                team[i][k].cycles = (uint64_t)(1e6 * (1 + simulate_jitter(&sim, 0.1, 0.005)));
                team[i][k].n_reruns = DETECT_RERUNS_MAX;
                for (int r = 0; r < DETECT_RERUNS_MAX; r++)
                    team[i][k].rerun_cycles[r] =
                        (uint64_t)(1e6 * (1 + simulate_jitter(&sim, 0.1, 0.005)));
                team[i][k].firmware = k % 8 < 4 ? "f1" : "f2";
            }
        }
        for (size_t last = 0; last < NIGHTS; last++) {
            for (int i = 0; i < TEAM; i++)
                s[i] = (struct detect_series){"b", team[i], last + 1};
            free(found);
            n_found = detect_run(s, TEAM, &l, &found, NULL);
            points += TEAM;
            suspicions += n_found;
            alarms += detect_verdict(found, (size_t)n_found) != VERDICT_OK;
        }
    }
    OKF(alarms == 0, "%ld clean points: %ld suspicions were cleared by reruns, %ld alarms", points,
        suspicions, alarms);
}

static void check_names(void)
{
    EQ_STR(detect_kind_name(DETECT_OUTPUT_MISMATCH), "output-mismatch");
    EQ_STR(detect_kind_name(DETECT_SMALLER), "smaller");
    EQ_STR(detect_metric_name(METRIC_STATIC), "static_bytes");
    EQ_STR(detect_reason_name(REASON_RIG_NOISY), "rig-noisy");
    EQ_STR(detect_state_name(FINDING_UNCONFIRMED), "unconfirmed");
    EQ_STR(detect_verdict_name(VERDICT_REGRESSION), "regression");
    OK(detect_kind_is_regression(DETECT_FRONT_MOVED) &&
       !detect_kind_is_regression(DETECT_RIG_SUSPECT));
    struct detect_limits l = detect_limits_default();
    EQ_INT(detect_run(NULL, 0, &l, &found, NULL), 0);
    found = NULL;
}

int main(void)
{
    check_nothing();
    check_exact_events();
    check_growth_limits();
    check_output();
    check_slower();
    check_resolved_and_worse();
    check_outliers();
    check_faster();
    check_bands();
    check_same_hashes();
    check_emulated();
    check_absent();
    check_moved();
    check_noisy();
    check_outage();
    check_later_series();
    check_drift();
    check_false_alarms();
    free(found);
    check_names();
    return tap_done();
}
