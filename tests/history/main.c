// SPDX-License-Identifier: MIT
// nightly-history SEED: a simulated history (history.h) on stdout, a line for each night: the body of a request that
// imports a run (docs/nightly.md). nightly-history SEED expected: what must be found in it, a line each, with tabs:
// what was planted, kind, metric, reason, board, model, configuration ("-" = of the board or its rig), the night's
// date, firmware changed (0, 1).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "tests/history/history.h"

#define LINE_MAX_BYTES (4u << 20)
#define FIRST_NIGHT_S INT64_C(1767232800) // 2026-01-01T02:00:00Z

static struct history h;

static const char *date(int night)
{
    static char text[24];
    time_t s = (time_t)(FIRST_NIGHT_S + night * INT64_C(86400));
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
    return text;
}

static void add_text(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, ",\"%s\":", name);
    buf_json_str(b, value);
}

static void add_figures(struct buf *b, const struct series_point *p, int board)
{
    buf_printf(b, ",\"cycles\":{\"median\":\"%" PRIu64 "\"}", p->cycles);
    buf_printf(b,
               ",\"repeats\":3,\"clock_hz\":%" PRIu32 ",\"arena_bytes\":%" PRIu32
               ",\"stack_bytes\":%" PRIu32,
               history_clock_hz(board), p->arena_bytes, p->stack_bytes);
    buf_printf(b, ",\"static_bytes\":%" PRIu32 ",\"flash_bytes\":%" PRIu32 ",\"emulated\":%s",
               p->static_bytes, p->flash_bytes, p->emulated ? "true" : "false");
    add_text(b, "firmware", p->firmware);
    add_text(b, "program", p->program);
    add_text(b, "toolchain", "simulated");
    if (p->instructions)
        buf_printf(b, ",\"instructions\":\"%" PRIu64 "\"", p->instructions);
    if (p->timing)
        buf_printf(b, ",\"timing\":\"simulated\",\"timing_version\":1");
    const char *rig = strchr(p->rig, '/');
    buf_printf(b, ",\"agent\":\"%.*s\"", (int)(rig - p->rig), p->rig);
    add_text(b, "rig", rig + 1);
    for (int i = 0; i < p->n_reruns; i++)
        buf_printf(b, "%s\"%" PRIu64 "\"", i ? "," : ",\"reruns\":[", p->rerun_cycles[i]);
    buf_puts(b, p->n_reruns ? "]" : "");
}

static void add_point(struct buf *b, int board, int model, int config, int night)
{
    const struct series_point *p = &h.at[history_series(board, model, config)][night];
    buf_printf(b, "{\"model\":\"%s\"", history_model_id(model));
    add_text(b, "model_name", history_model(model));
    add_text(b, "board", history_board(board));
    add_text(b, "configuration", history_config(config));
    switch (p->state) {
    case POINT_OK:
        add_text(b, "state", "done");
        add_figures(b, p, board);
        break;
    case POINT_MISMATCH:
    case POINT_FAILED:
        buf_puts(b, ",\"state\":\"failed\",\"class\":\"model\",\"error_type\":\"output-mismatch\"");
        add_text(b, "firmware", p->firmware);
        add_text(b, "program", p->program);
        break;
    case POINT_INFRASTRUCTURE:
        buf_puts(
            b,
            ",\"state\":\"failed\",\"class\":\"infrastructure\",\"error_type\":\"board-offline\"");
        break;
    case POINT_MISSING:
        add_text(b, "state", "not-run");
        break;
    }
    buf_puts(b, "}");
}

static int print_nights(void)
{
    struct buf b;
    buf_init(&b, LINE_MAX_BYTES);
    for (int night = 0; night < HISTORY_NIGHTS; night++) {
        buf_reset(&b);
        buf_printf(&b, "{\"date\":\"%s\",\"note\":\"simulated, seed %" PRIu64 "\",\"points\":[",
                   date(night), h.seed);
        for (int i = 0; i < HISTORY_SERIES; i++) {
            int config = i % HISTORY_CONFIGS, rest = i / HISTORY_CONFIGS;
            buf_puts(&b, i ? "," : "");
            add_point(&b, rest / HISTORY_MODELS, rest % HISTORY_MODELS, config, night);
        }
        buf_puts(&b, "]}");
        if (b.failed || puts(buf_str(&b)) < 0)
            return 1;
    }
    buf_free(&b);
    return 0;
}

static int print_expected(void)
{
    for (size_t i = 0; i < h.n_expected; i++) {
        const struct history_expected *x = &h.expected[i];
        printf(
            "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", history_plant_text(x->plant),
            detect_kind_name(x->kind), detect_metric_name(x->metric), detect_reason_name(x->reason),
            history_board(x->board), x->model < 0 ? "-" : history_model(x->model),
            x->config < 0 ? "-" : history_config(x->config), date(x->night), x->firmware_changed);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fputs("usage: nightly-history SEED [expected]\n", stderr);
        return 2;
    }
    history_make(&h, strtoull(argv[1], NULL, 10));
    return argc > 2 ? print_expected() : print_nights();
}
