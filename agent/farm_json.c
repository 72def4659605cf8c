// SPDX-License-Identifier: MIT
// See farm_json.h. Cycles and instructions travel as strings: they may pass 2^53.
#include "agent/farm_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

// An answer being read: the first failing field sets e.
struct answer {
    const cJSON *json;
    struct err *e;
    bool ok;
};

static int64_t answer_int(struct answer *a, const char *field, int64_t min, int64_t max)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(a->json, field);
    if (!a->ok)
        return 0;
    if (!cJSON_IsNumber(v) || v->valuedouble < (double)min || v->valuedouble > (double)max ||
        v->valuedouble != floor(v->valuedouble)) {
        err_set(a->e, ERR_BAD_FIELD,
                "the server's answer: \"%s\" must be an integer from %" PRId64 " to %" PRId64,
                field, min, max);
        a->ok = false;
        return 0;
    }
    return (int64_t)v->valuedouble;
}

static void answer_text(struct answer *a, const char *field, char *out, size_t size)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(a->json, field);
    if (!a->ok)
        return;
    if (!cJSON_IsString(v) || !v->valuestring[0] || strlen(v->valuestring) >= size) {
        err_set(a->e, ERR_BAD_FIELD, "the server's answer: \"%s\" must be a string of 1..%zu bytes",
                field, size - 1);
        a->ok = false;
        return;
    }
    snprintf(out, size, "%s", v->valuestring);
}

static cJSON *answer_parse(const char *text, size_t len, struct err *e)
{
    cJSON *json = cJSON_ParseWithLength(text, len);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        err_set(e, ERR_BAD_JSON, "the server's answer is not a JSON object");
        return NULL;
    }
    return json;
}

int farm_json_read_lease(const char *text, size_t len, struct farm_lease *out, struct err *e)
{
    cJSON *json = answer_parse(text, len, e);
    if (!json)
        return -1;
    struct answer a = {.json = json, .e = e, .ok = true};
    *out = (struct farm_lease){0};
    out->job = answer_int(&a, "job", 1, (int64_t)1 << 53);
    out->attempt = (int)answer_int(&a, "attempt", 1, 1000);
    answer_text(&a, "lease", out->lease, sizeof out->lease);
    answer_text(&a, "rig", out->rig, sizeof out->rig);
    answer_text(&a, "board", out->board, sizeof out->board);
    answer_text(&a, "program_url", out->program_url, sizeof out->program_url);
    answer_text(&a, "program_crc32", out->program_crc32, sizeof out->program_crc32);
    if (a.ok &&
        (strlen(out->program_crc32) != 8 || strspn(out->program_crc32, "0123456789abcdef") != 8)) {
        err_set(e, ERR_BAD_FIELD,
                "the server's answer: \"program_crc32\" must be 8 lower-case hex digits");
        a.ok = false;
    }
    out->program_bytes = (uint32_t)answer_int(&a, "program_bytes", 1, UINT32_MAX);
    out->macs = (uint64_t)answer_int(&a, "macs", 0, (int64_t)1 << 53);
    out->repeats = (uint32_t)answer_int(&a, "repeats", 1, WIRE_REPEATS_MAX);
    out->deadline_s = (int)answer_int(&a, "deadline_s", 1, 3600);
    cJSON_Delete(json);
    return a.ok ? 0 : -1;
}

int farm_json_read_heartbeat(const char *text, size_t len, int *deadline_s, struct err *e)
{
    cJSON *json = answer_parse(text, len, e);
    if (!json)
        return -1;
    struct answer a = {.json = json, .e = e, .ok = true};
    int64_t s = answer_int(&a, "deadline_s", 1, 3600);
    if (a.ok)
        *deadline_s = (int)s;
    cJSON_Delete(json);
    return a.ok ? 0 : -1;
}

static void json_copy_text(const cJSON *json, const char *field, char *out, size_t size)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(json, field);
    snprintf(out, size, "%s", cJSON_IsString(v) ? v->valuestring : "");
}

void farm_json_read_verdict(const char *text, size_t len, char *out, size_t size)
{
    cJSON *json = cJSON_ParseWithLength(text, len);
    json_copy_text(json, "verdict", out, size);
    cJSON_Delete(json);
}

void farm_json_read_problem(const char *text, size_t len, char *type, size_t type_size,
                            char *detail, size_t detail_size)
{
    cJSON *json = cJSON_ParseWithLength(text, len);
    json_copy_text(json, "type", type, type_size);
    json_copy_text(json, "detail", detail, detail_size);
    cJSON_Delete(json);
}

void farm_json_write_lease(struct buf *out, const char *agent, const char *rig, const char *board,
                           int wait_s)
{
    buf_puts(out, "{\"agent\":");
    buf_json_str(out, agent);
    buf_puts(out, ",\"rigs\":[{\"name\":");
    buf_json_str(out, rig);
    buf_puts(out, ",\"board\":");
    buf_json_str(out, board);
    buf_printf(out, "}],\"wait_s\":%d}", wait_s);
}

void farm_json_write_heartbeat(struct buf *out, const struct farm_lease *l, const char *phase,
                               double progress, const char *log)
{
    buf_puts(out, "{\"lease\":");
    buf_json_str(out, l->lease);
    buf_puts(out, ",\"phase\":");
    buf_json_str(out, phase);
    buf_printf(out, ",\"progress\":%.3f,\"log\":", progress);
    buf_json_str(out, log);
    buf_puts(out, "}");
}

static void write_hello(struct buf *out, const struct record_hello *h)
{
    buf_printf(out, "{\"proto\":%u,\"board\":", (unsigned)h->proto);
    buf_json_str(out, h->board);
    buf_puts(out, ",\"firmware\":");
    buf_json_str(out, h->firmware);
    buf_puts(out, ",\"program\":");
    buf_json_str(out, h->program);
    buf_printf(out, ",\"program_bytes\":%u,\"clock_hz\":%" PRIu64 ",\"kernels\":",
               (unsigned)h->program_bytes, h->clock_hz);
    buf_json_str(out, h->kernels);
    buf_printf(out, ",\"arena_limit\":%" PRIu64 ",\"emulated\":%s", h->arena_limit,
               h->emulated ? "true" : "false");
    if (h->emulated) {
        buf_puts(out, ",\"timing\":");
        buf_json_str(out, h->timing);
        buf_printf(out, ",\"timing_version\":%u", (unsigned)h->timing_version);
    }
    buf_puts(out, "}");
}

static void write_instructions(struct buf *out, bool has, uint64_t n)
{
    if (has)
        buf_printf(out, ",\"instructions\":\"%" PRIu64 "\"", n);
}

static void write_layer(struct buf *out, const struct record_layer *l)
{
    buf_printf(out, "\"calls\":%" PRIu64 ",\"cycles\":\"%" PRIu64 "\"", l->calls, l->cycles);
    write_instructions(out, l->has_instructions, l->instructions);
    buf_puts(out, "}");
}

// Nothing where the firmware gave no profile, or where a line of it was lost.
static void write_profile(struct buf *out, const struct measurement *m)
{
    uint64_t calls = 0;
    for (uint32_t i = 0; i < m->n_layers; i++)
        calls += m->layers[i].calls;
    if (!m->has_interpreter || calls != m->interpreter.calls)
        return;
    buf_puts(out, ",\"profile\":{\"layers\":[");
    for (uint32_t i = 0; i < m->n_layers; i++) {
        buf_printf(out, "%s{\"i\":%u,", i ? "," : "", (unsigned)m->layers[i].i);
        write_layer(out, &m->layers[i]);
    }
    buf_puts(out, "],\"interpreter\":{");
    write_layer(out, &m->interpreter);
    buf_puts(out, "}");
}

void farm_json_write_result(struct buf *out, const struct farm_lease *l,
                            const struct measurement *m)
{
    buf_puts(out, "{\"lease\":");
    buf_json_str(out, l->lease);
    buf_printf(out, ",\"attempt\":%d,\"hello\":", l->attempt);
    write_hello(out, &m->hello);
    buf_puts(out, ",\"runs\":[");
    for (uint32_t i = 0; i < m->n_runs; i++) {
        buf_printf(out, "%s{\"cycles\":\"%" PRIu64 "\"", i ? "," : "", m->runs[i].cycles);
        write_instructions(out, m->runs[i].has_instructions, m->runs[i].instructions);
        buf_puts(out, "}");
    }
    buf_puts(out, "],\"blocks\":[");
    for (uint32_t i = 0; i < m->n_blocks; i++) {
        buf_printf(out, "%s{\"i\":%u,\"cycles\":\"%" PRIu64 "\"", i ? "," : "",
                   (unsigned)m->blocks[i].i, m->blocks[i].cycles);
        write_instructions(out, m->blocks[i].has_instructions, m->blocks[i].instructions);
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
    write_profile(out, m);
    buf_printf(out,
               ",\"mem\":{\"arena\":%" PRIu64 ",\"arena_size\":%" PRIu64 ",\"stack\":%" PRIu64
               ",\"static\":%" PRIu64 ",\"code\":%" PRIu64 "},\"out\":{\"bytes\":%" PRIu64
               ",\"crc32\":",
               m->mem.arena, m->mem.arena_size, m->mem.stack, m->mem.static_bytes, m->mem.code,
               m->out.bytes);
    buf_json_str(out, m->out.crc32);
    buf_puts(out, ",\"head\":[");
    for (uint32_t i = 0; i < m->out.n_head; i++)
        buf_printf(out, "%s%d", i ? "," : "", m->out.head[i]);
    buf_puts(out, "]}}");
}

void farm_json_write_failure(struct buf *out, const struct farm_lease *l, const struct err *why)
{
    static const enum err_code known[] = {ERR_FLASH, ERR_SERIAL, ERR_GARBAGE, ERR_WRONG_BOARD,
                                          ERR_FAULT};
    enum err_code code = ERR_OFFLINE;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i] == why->code)
            code = why->code;
    }
    buf_puts(out, "{\"lease\":");
    buf_json_str(out, l->lease);
    buf_printf(out, ",\"attempt\":%d,\"type\":", l->attempt);
    buf_json_str(out, err_type(code));
    buf_puts(out, ",\"detail\":");
    buf_json_str(out, why->msg);
    buf_puts(out, "}");
}

void farm_json_write_health(struct buf *out, const char *agent, bool ok, const char *detail)
{
    buf_puts(out, "{\"agent\":");
    buf_json_str(out, agent);
    buf_printf(out, ",\"ok\":%s,\"detail\":", ok ? "true" : "false");
    buf_json_str(out, detail);
    buf_puts(out, "}");
}

void farm_json_write_offline(struct buf *out, const char *agent, const char *board,
                             const char *detail)
{
    buf_puts(out, "{\"agent\":");
    buf_json_str(out, agent);
    buf_puts(out, ",\"board\":");
    buf_json_str(out, board);
    buf_puts(out, ",\"detail\":");
    buf_json_str(out, detail);
    buf_puts(out, "}");
}
