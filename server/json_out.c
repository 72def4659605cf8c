// SPDX-License-Identifier: MIT
// See json_out.h.
#include "server/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"

void json_out_time(struct buf *b, int64_t ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (ms == 0)
        buf_puts(b, "null");
    else
        buf_printf(b, "\"%s\"", clock_text(ms, text));
}

void json_out_double(struct buf *b, double v)
{
    char text[40];
    if (!isfinite(v)) {
        buf_puts(b, "null");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_puts(b, text);
}

void json_out_text_or_null(struct buf *b, const char *text)
{
    if (*text)
        buf_json_str(b, text);
    else
        buf_puts(b, "null");
}

static void key_text(struct buf *b, const char *key, const char *text)
{
    buf_printf(b, "\"%s\":", key);
    buf_json_str(b, text);
}

static void key_double(struct buf *b, const char *key, double v)
{
    buf_printf(b, "\"%s\":", key);
    json_out_double(b, v);
}

static void key_time(struct buf *b, const char *key, int64_t ms)
{
    buf_printf(b, "\"%s\":", key);
    json_out_time(b, ms);
}

static const char *json_bool(bool v)
{
    return v ? "true" : "false";
}

static void json_out_no_fit(struct buf *b, const struct no_fit *f)
{
    buf_puts(b, ",");
    key_text(b, "board", f->board);
    buf_printf(b,
               ",\"memory\":\"%s\",\"needed_bytes\":%" PRIu64 ",\"available_bytes\":%" PRIu64
               ",\"missing_bytes\":%" PRIu64 ",\"least_bytes\":%" PRIu64 ",\"nearest\":",
               f->flash ? "flash" : "ram", f->needed_bytes, f->available_bytes,
               f->needed_bytes - f->available_bytes, f->least_bytes);
    if (!f->nearest) {
        buf_puts(b, "null");
        return;
    }
    buf_puts(b, "{");
    key_text(b, "spec", f->nearest);
    buf_printf(b, ",\"arena_bytes\":%" PRIu32 ",\"overhead\":%.6f}", f->nearest_arena_bytes,
               f->nearest_overhead);
}

void json_out_problem(struct buf *b, const struct problem *p)
{
    buf_puts(b, "{");
    key_text(b, "type", err_type(p->err.code));
    buf_puts(b, ",");
    key_text(b, "title", err_title(p->err.code));
    buf_printf(b, ",\"status\":%d,", err_http(p->err.code));
    key_text(b, "detail", p->err.msg);
    if (p->field[0]) {
        buf_puts(b, ",");
        key_text(b, "field", p->field);
    }
    if (p->no_fit.known)
        json_out_no_fit(b, &p->no_fit);
    buf_puts(b, "}");
}

static void json_out_tensor(struct buf *b, const char *key, const struct planner_tensor *t)
{
    buf_printf(b, "\"%s\":{\"h\":%d,\"w\":%d,\"c\":%d,\"bytes\":%" PRIu32 ",", key, t->h, t->w,
               t->c, t->bytes);
    buf_printf(b, "\"scale\":%.9g,\"zero\":%" PRId32 "}", (double)t->scale,
               t->zero); // 9 digits give the float back
}

void json_out_model(struct buf *b, const struct model *m)
{
    buf_printf(b, "{\"id\":\"%s\",", m->id);
    key_text(b, "name", m->name);
    buf_printf(b, ",\"bytes\":%" PRId64 ",", m->bytes);
    key_time(b, "created", m->created_ms);
    buf_printf(b,
               ",\"layers\":%d,\"macs\":\"%" PRIu64
               "\",\"weight_bytes\":%zu,\"plain_arena_bytes\":%" PRIu32 ",",
               m->info.layers, m->info.macs, m->info.weight_bytes, m->info.plain_arena_bytes);
    json_out_tensor(b, "input", &m->info.input);
    buf_puts(b, ",");
    json_out_tensor(b, "output", &m->info.output);
    buf_puts(b, "}");
}

void json_out_strategies(struct buf *b, uint32_t strategies)
{
    const char *comma = "";
    buf_puts(b, "[");
    for (int i = 0; i < PLANNER_STRATEGIES; i++) {
        if (strategies >> i & 1) {
            buf_printf(b, "%s\"%s\"", comma, planner_strategy_names[i]);
            comma = ",";
        }
    }
    buf_puts(b, "]");
}

static void key_strategies(struct buf *b, uint32_t strategies)
{
    buf_puts(b, "\"strategies\":");
    json_out_strategies(b, strategies);
    buf_puts(b, ",");
}

void json_out_campaign(struct buf *b, const struct campaign *c)
{
    buf_printf(b, "{\"id\":%" PRId64 ",", c->id);
    key_text(b, "name", c->name);
    buf_printf(b, ",\"model\":\"%s\",", c->model);
    key_text(b, "model_name", c->model_name);
    buf_printf(b, ",\"boards\":%s,\"state\":\"%s\",\"jobs\":{", c->boards_json,
               c->finished_ms ? "done" : "running");
    for (int i = 0; i < JOB_STATES; i++)
        buf_printf(b, "%s\"%s\":%" PRId64, i ? "," : "", job_state_names[i], c->jobs[i]);
    buf_printf(b, ",\"cancelled\":%" PRId64 "},", c->cancelled);
    key_strategies(b, c->strategies);
    buf_printf(b, "\"omitted\":%s,\"choice\":%s,", c->omitted_json, c->choice_json);
    key_time(b, "created", c->created_ms);
    buf_puts(b, ",");
    key_time(b, "finished", c->finished_ms);
    buf_printf(b,
               ",\"repeats\":%d,\"input\":{\"kind\":\"%s\",\"seed\":%" PRIu32
               "},\"output_crc32\":\"%08" PRIx32 "\"}",
               c->repeats, c->input_kind, c->input_seed, c->output_crc32);
}

void json_out_job(struct buf *b, const struct job *j, const char *result)
{
    buf_printf(b, "{\"id\":%" PRId64 ",\"campaign\":%" PRId64 ",\"model\":\"%s\",", j->id,
               j->campaign, j->model);
    key_text(b, "board", j->board);
    buf_puts(b, ",");
    key_text(b, "spec", j->spec);
    buf_puts(b, ",");
    key_strategies(b, j->strategies);
    buf_printf(b, "\"state\":\"%s\",\"phase\":", job_state_names[j->state]);
    json_out_text_or_null(b, j->phase);
    buf_puts(b, ",");
    key_double(b, "progress", j->progress);
    buf_printf(b, ",\"attempts\":%d,\"rig\":", j->attempt);
    json_out_text_or_null(b, j->rig);
    if (j->error_type[0]) {
        buf_puts(b, ",\"error\":{");
        key_text(b, "type", j->error_type);
        buf_puts(b, ",");
        key_text(b, "detail", j->error_detail);
        buf_puts(b, "}");
    } else {
        buf_puts(b, ",\"error\":null");
    }
    buf_printf(
        b, ",\"result\":%s,\"predicted\":{\"arena_bytes\":%" PRIu32 ",\"macs\":\"%" PRIu64 "\",",
        result ? result : "null", j->arena_bytes, j->macs);
    key_double(b, "overhead", j->overhead);
    buf_puts(b, ",");
    key_double(b, "ms", j->predicted_ms < 0 ? NAN : j->predicted_ms);
    buf_printf(
        b, "},\"program\":{\"bytes\":%" PRIu32 ",\"crc32\":\"%08" PRIx32 "\",\"sha256\":\"%s\"}}",
        j->program_bytes, j->program_crc32, j->program);
}

static void json_out_count(struct buf *b, const char *key, int64_t v)
{
    if (v < 0)
        buf_printf(b, "\"%s\":null", key);
    else
        buf_printf(b, "\"%s\":\"%" PRId64 "\"", key, v);
}

static void json_out_timing(struct buf *b, const struct result *r)
{
    buf_printf(b, "\"emulated\":%s,\"timing\":", json_bool(r->emulated));
    json_out_text_or_null(b, r->timing);
    if (r->timing[0])
        buf_printf(b, ",\"timing_version\":%" PRId64, r->timing_version);
    else
        buf_puts(b, ",\"timing_version\":null");
}

void json_out_result(struct buf *b, const struct result *r)
{
    buf_printf(b,
               "{\"id\":%" PRId64 ",\"job\":%" PRId64 ",\"campaign\":%" PRId64 ",\"attempt\":%d,",
               r->id, r->job, r->campaign, r->attempt);
    key_text(b, "board", r->board);
    buf_puts(b, ",");
    key_text(b, "agent", r->agent);
    buf_puts(b, ",");
    key_text(b, "rig", r->rig);
    buf_puts(b, ",");
    key_text(b, "spec", r->spec);
    buf_puts(b, ",");
    key_strategies(b, r->strategies);
    buf_printf(b,
               "\"arena_bytes\":%" PRIu32 ",\"predicted_arena_bytes\":%" PRIu32
               ",\"stack_bytes\":%" PRIu32 ",\"static_bytes\":%" PRIu32 ",\"code_bytes\":%" PRIu32
               ",\"cycles\":{\"min\":\"%" PRIu64 "\",\"median\":\"%" PRIu64 "\",\"max\":\"%" PRIu64
               "\"},\"runs\":%s,",
               r->arena_bytes, r->predicted_arena_bytes, r->stack_bytes, r->static_bytes,
               r->code_bytes, r->cycles_min, r->cycles_median, r->cycles_max, r->runs_json);
    key_double(b, "ms", r->ms);
    buf_printf(b, ",\"clock_hz\":%" PRId64 ",", r->clock_hz);
    json_out_count(b, "instructions", r->instructions);
    buf_puts(b, ",");
    json_out_timing(b, r);
    buf_puts(b, ",");
    key_text(b, "kernels", r->kernels);
    buf_puts(b, ",");
    key_text(b, "firmware", r->firmware);
    buf_printf(b,
               ",\"program_crc32\":\"%08" PRIx32 "\",\"output_crc32\":\"%08" PRIx32
               "\",\"output\":\"match\",\"block_cycles\":%s,"
               "\"profile\":%s,",
               r->program_crc32, r->output_crc32, r->blocks_json,
               r->profile_json && *r->profile_json ? r->profile_json : "null");
    key_time(b, "created", r->created_ms);
    buf_puts(b, "}");
}

void json_out_measured(struct buf *b, const struct result *r)
{
    buf_puts(b, "{");
    key_text(b, "board", r->board);
    buf_printf(b,
               ",\"result\":%" PRId64 ",\"job\":%" PRId64 ",\"arena_bytes\":%" PRIu32
               ",\"stack_bytes\":%" PRIu32 ",\"static_bytes\":%" PRIu32 ",",
               r->id, r->job, r->arena_bytes, r->stack_bytes, r->static_bytes);
    key_double(b, "ms", r->ms);
    buf_printf(b, ",\"cycles\":\"%" PRIu64 "\",", r->cycles_median);
    json_out_count(b, "instructions", r->instructions);
    buf_puts(b, ",");
    json_out_timing(b, r);
    buf_puts(b, ",\"output\":\"match\"}");
}

static void coefficients(struct buf *b, const char *name, const char *const *names, int n,
                         const double *values)
{
    buf_printf(b, "\"%s\":{", name);
    for (int i = 0; i < n; i++) {
        key_double(b, names[i], values[i]);
        buf_puts(b, i + 1 < n ? "," : "},");
    }
}

void json_out_board(struct buf *b, const struct board *board)
{
    const struct latency_model *m = &board->latency;
    buf_puts(b, "{");
    key_text(b, "id", board->id);
    buf_puts(b, ",");
    key_text(b, "name", board->name);
    buf_puts(b, ",");
    key_text(b, "core", board->core);
    buf_puts(b, ",");
    key_text(b, "soc", board->soc);
    buf_printf(
        b,
        ",\"ram_bytes\":%" PRIu64 ",\"flash_bytes\":%" PRIu64 ",\"clock_hz\":%" PRIu64
        ",\"baud\":%" PRIu32 ",\"program_address\":%" PRIu64 ",\"program_max_bytes\":%" PRIu32
        ",\"arena_max_bytes\":%" PRIu32 ",\"arena_overhead_bytes\":%" PRIu32 ",",
        board->ram_bytes, board->flash_bytes, board->clock_hz, board->baud, board->program_address,
        board->program_max_bytes, board->arena_max_bytes, board->arena_overhead_bytes);
    key_text(b, "kernels", board->kernels);
    if (!board->has_latency) {
        buf_puts(b, ",\"latency\":null}");
        return;
    }
    buf_puts(b, ",\"latency\":{");
    for (int k = 0; k < LATENCY_CLASSES; k++)
        coefficients(b, latency_class_names[k], latency_term_names, LATENCY_TERMS, m->cycles[k]);
    coefficients(b, "interpreter", latency_work_names, LATENCY_WORKS, m->interpreter);
    key_double(b, "median_error", m->median_error);
    buf_puts(b, ",");
    key_double(b, "worst_error", m->worst_error);
    buf_printf(b, ",\"tested\":%" PRIu32, m->tested);
    buf_puts(b, "}}");
}

void json_out_prediction(struct buf *b, const struct board *board)
{
    if (!board || !board->has_latency || board->latency.tested == 0) {
        buf_puts(b, "null");
        return;
    }
    buf_puts(b, "{");
    key_double(b, "median_error", board->latency.median_error);
    buf_puts(b, ",");
    key_double(b, "worst_error", board->latency.worst_error);
    buf_printf(b, ",\"tested\":%" PRIu32 "}", board->latency.tested);
}

void json_out_rig(struct buf *b, const struct rig *r, int64_t job, int64_t now_ms,
                  int64_t offline_ms)
{
    const char *state = job                                     ? "busy"
                        : r->quarantine_until_ms                ? "quarantined"
                        : r->offline                            ? "offline"
                        : now_ms - r->last_seen_ms > offline_ms ? "offline"
                                                                : "idle";
    buf_puts(b, "{");
    key_text(b, "name", r->name);
    buf_puts(b, ",");
    key_text(b, "agent", r->agent);
    buf_puts(b, ",");
    key_text(b, "board", r->board);
    buf_printf(b, ",\"state\":\"%s\",\"job\":", state);
    if (job)
        buf_printf(b, "%" PRId64, job);
    else
        buf_puts(b, "null");
    buf_puts(b, ",");
    key_time(b, "last_seen", r->last_seen_ms);
    buf_printf(b, ",\"failures\":%d,\"last_error\":", r->failures);
    json_out_text_or_null(b, r->last_error);
    buf_puts(b, ",");
    key_time(b, "quarantine_until", r->quarantine_until_ms);
    buf_printf(b, ",\"emulated\":%s}", r->emulated < 0 ? "null" : json_bool(r->emulated));
}

void json_out_runs(struct buf *b, const struct result_in *r)
{
    buf_puts(b, "[");
    for (int i = 0; i < r->n_runs; i++) {
        buf_printf(b, "%s{\"cycles\":\"%" PRIu64 "\",", i ? "," : "", r->runs[i].cycles);
        json_out_count(b, "instructions", r->runs[i].instructions);
        buf_puts(b, "}");
    }
    buf_puts(b, "]");
}

void json_out_block_cycles(struct buf *b, const struct result_in *r)
{
    buf_puts(b, "[");
    for (int i = 0; i < r->n_blocks; i++)
        buf_printf(b, "%s\"%" PRIu64 "\"", i ? "," : "", r->block_cycles[i]);
    buf_puts(b, "]");
}

static void json_out_layer(struct buf *b, const struct layer_in *l)
{
    buf_printf(b, "\"calls\":%" PRId64 ",\"cycles\":\"%" PRIu64 "\",", l->calls, l->cycles);
    json_out_count(b, "instructions", l->instructions);
    buf_puts(b, "}");
}

void json_out_profile(struct buf *b, const struct result_in *r)
{
    if (!r->has_profile)
        return;
    buf_puts(b, "{\"layers\":[");
    for (int i = 0; i < r->n_layers; i++) {
        buf_printf(b, "%s{\"layer\":%d,", i ? "," : "", r->layers[i].i);
        json_out_layer(b, &r->layers[i]);
    }
    buf_puts(b, "],\"interpreter\":{");
    json_out_layer(b, &r->interpreter);
    buf_puts(b, ",\"blocks\":[");
    for (int i = 0; i < r->n_blocks; i++) {
        buf_printf(b, "%s{\"cycles\":\"%" PRIu64 "\",", i ? "," : "", r->block_cycles[i]);
        json_out_count(b, "instructions", r->block_instructions[i]);
        buf_puts(b, "}");
    }
    buf_puts(b, "]}");
}

void json_out_boards(struct buf *b, const struct campaign_in *c)
{
    buf_puts(b, "[");
    for (int i = 0; i < c->n_boards; i++) {
        buf_puts(b, i ? "," : "");
        buf_json_str(b, c->boards[i]);
    }
    buf_puts(b, "]");
}

void json_out_point_open(struct buf *b, const struct config *c, double predicted_ms, bool fits)
{
    buf_puts(b, "{");
    key_text(b, "spec", c->spec);
    buf_printf(b, ",\"arena_bytes\":%" PRIu32 ",\"macs\":\"%" PRIu64 "\",", c->arena_bytes,
               c->macs);
    key_double(b, "overhead", c->overhead);
    buf_printf(b, ",\"input_streamed\":%s,\"input_bytes\":%" PRIu32 ",\"blocks\":%" PRIu32 ",",
               json_bool(c->input_streamed), c->input_bytes, c->blocks);
    key_double(b, "predicted_ms", predicted_ms < 0 ? NAN : predicted_ms);
    buf_printf(b, ",\"fits\":%s", json_bool(fits));
}

void json_list_open(struct json_list *l, struct buf *b)
{
    *l = (struct json_list){.buf = b};
    buf_puts(b, "{\"items\":[");
}

void json_list_item(struct json_list *l)
{
    buf_puts(l->buf, l->n++ ? "," : "");
}

void json_list_close(struct json_list *l, int64_t next)
{
    if (next)
        buf_printf(l->buf, "],\"next\":\"%" PRId64 "\"}", next);
    else
        buf_puts(l->buf, "],\"next\":null}");
}
