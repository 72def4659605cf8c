// SPDX-License-Identifier: MIT
// See record.h.
#include "agent/record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#define EXACT_MAX 9007199254740992.0 // 2^53: cJSON keeps numbers as doubles

// One record being read: the first failing field sets e, the rest is skipped by the caller's single
// test of ok.
struct reading {
    const char *name;
    const cJSON *json;
    struct err *e;
    bool ok;
};

static void reading_fail(struct reading *r, const char *field, const char *want)
{
    err_set(r->e, ERR_GARBAGE, "record @%s: field \"%s\" %s", r->name, field, want);
    r->ok = false;
}

static bool json_uint(const cJSON *v, double max, uint64_t *out)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0) || v->valuedouble > max ||
        v->valuedouble != floor(v->valuedouble))
        return false;
    *out = (uint64_t)v->valuedouble;
    return true;
}

static uint64_t reading_u64(struct reading *r, const char *field)
{
    uint64_t v = 0;
    if (r->ok && !json_uint(cJSON_GetObjectItemCaseSensitive(r->json, field), EXACT_MAX, &v))
        reading_fail(r, field, "must be an integer from 0 to 2^53");
    return v;
}

static uint32_t reading_u32(struct reading *r, const char *field)
{
    uint64_t v = 0;
    if (r->ok && !json_uint(cJSON_GetObjectItemCaseSensitive(r->json, field), UINT32_MAX, &v))
        reading_fail(r, field, "must be an integer from 0 to 2^32 - 1");
    return (uint32_t)v;
}

static void reading_text(struct reading *r, const char *field, char *out, size_t size)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->json, field);
    if (!r->ok)
        return;
    if (!cJSON_IsString(v) || strlen(v->valuestring) >= size)
        reading_fail(r, field, "must be a string, and a short one");
    else
        snprintf(out, size, "%s", v->valuestring);
}

static bool hex_digits(const char *s, size_t n)
{
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static void reading_hex(struct reading *r, const char *field, char *out, size_t digits)
{
    reading_text(r, field, out, digits + 1);
    if (r->ok && !hex_digits(out, digits))
        reading_fail(r, field, "must be lower-case hex digits of the full length");
}

static void reading_hello(struct reading *r, struct record_hello *h)
{
    h->proto = reading_u32(r, "proto");
    reading_text(r, "board", h->board, sizeof h->board);
    reading_hex(r, "firmware", h->firmware, 40);
    reading_text(r, "program", h->program, sizeof h->program);
    if (r->ok && strcmp(h->program, "none") != 0 && !hex_digits(h->program, 8))
        reading_fail(r, "program", "must be 8 hex digits or \"none\"");
    h->program_bytes = reading_u32(r, "program_bytes");
    h->clock_hz = reading_u64(r, "clock_hz");
    reading_text(r, "kernels", h->kernels, sizeof h->kernels);
    h->arena_limit = reading_u64(r, "arena_limit");
    const cJSON *emulated = cJSON_GetObjectItemCaseSensitive(r->json, "emulated");
    if (r->ok && !cJSON_IsBool(emulated))
        reading_fail(r, "emulated", "must be true or false");
    h->emulated = cJSON_IsTrue(emulated);
    if (h->emulated) {
        reading_text(r, "timing", h->timing, sizeof h->timing);
        h->timing_version = reading_u32(r, "timing_version");
    }
}

// Only an emulator counts instructions.
static uint64_t reading_instructions(struct reading *r, bool *has)
{
    *has = cJSON_HasObjectItem(r->json, "instructions");
    return *has ? reading_u64(r, "instructions") : 0;
}

static void reading_run(struct reading *r, struct record_run *run)
{
    run->i = reading_u32(r, "i");
    run->cycles = reading_u64(r, "cycles");
    run->instructions = reading_instructions(r, &run->has_instructions);
}

static void reading_layer(struct reading *r, struct record_layer *l)
{
    l->calls = reading_u64(r, "calls");
    l->cycles = reading_u64(r, "cycles");
    l->instructions = reading_instructions(r, &l->has_instructions);
}

static void reading_out(struct reading *r, struct record_out *out)
{
    out->bytes = reading_u64(r, "bytes");
    reading_hex(r, "crc32", out->crc32, 8);
    const cJSON *head = cJSON_GetObjectItemCaseSensitive(r->json, "head");
    const cJSON *v;
    if (r->ok && (!cJSON_IsArray(head) || cJSON_GetArraySize(head) > 8))
        reading_fail(r, "head", "must be an array of at most 8 integers");
    if (!r->ok)
        return;
    cJSON_ArrayForEach(v, head)
    {
        if (!cJSON_IsNumber(v) || v->valuedouble < -128 || v->valuedouble > 127 ||
            v->valuedouble != floor(v->valuedouble)) {
            reading_fail(r, "head", "must hold integers from -128 to 127");
            return;
        }
        out->head[out->n_head++] = (int8_t)v->valueint;
    }
}

static void reading_fault(struct reading *r, struct record_fault *f)
{
    reading_text(r, "code", f->code, sizeof f->code);
    reading_text(r, "pc", f->pc, sizeof f->pc);
    reading_text(r, "lr", f->lr, sizeof f->lr);
    // the words matter less than the fault: cut them rather than lose it
    const cJSON *detail = cJSON_GetObjectItemCaseSensitive(r->json, "detail");
    if (cJSON_IsString(detail))
        snprintf(f->detail, sizeof f->detail, "%s", detail->valuestring);
}

static enum record_kind record_kind_of(const char *name)
{
    static const char *const names[] = {
        [RECORD_HELLO] = "hello",
        [RECORD_RUN] = "run",
        [RECORD_BLOCK] = "block",
        [RECORD_LAYER] = "layer",
        [RECORD_INTERPRETER] = "interpreter",
        [RECORD_MEM] = "mem",
        [RECORD_OUT] = "out",
        [RECORD_DONE] = "done",
        [RECORD_FAULT] = "fault",
        [RECORD_NOTE] = "note",
    };
    int kind = 0;
    while (kind < RECORD_OTHER && strcmp(names[kind], name) != 0)
        kind++;
    return (enum record_kind)kind;
}

int record_parse(const struct wire_line *line, struct record *out, struct err *e)
{
    *out = (struct record){.kind = record_kind_of(line->name)};
    if (out->kind == RECORD_OTHER)
        return 0;
    cJSON *json = cJSON_ParseWithLength(line->json, strlen(line->json));
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return err_set(e, ERR_GARBAGE, "record @%s: not a JSON object", line->name);
    }
    struct reading r = {.name = line->name, .json = json, .e = e, .ok = true};
    switch (out->kind) {
    case RECORD_HELLO:
        reading_hello(&r, &out->hello);
        break;
    case RECORD_RUN:
        reading_run(&r, &out->run);
        break;
    case RECORD_BLOCK:
        out->block.i = reading_u32(&r, "i");
        out->block.cycles = reading_u64(&r, "cycles");
        out->block.instructions = reading_instructions(&r, &out->block.has_instructions);
        break;
    case RECORD_LAYER:
        out->layer.i = reading_u32(&r, "i");
        reading_layer(&r, &out->layer);
        break;
    case RECORD_INTERPRETER:
        reading_layer(&r, &out->layer);
        break;
    case RECORD_MEM:
        out->mem.arena = reading_u64(&r, "arena");
        out->mem.arena_size = reading_u64(&r, "arena_size");
        out->mem.stack = reading_u64(&r, "stack");
        out->mem.static_bytes = reading_u64(&r, "static");
        out->mem.code = reading_u64(&r, "code");
        break;
    case RECORD_OUT:
        reading_out(&r, &out->out);
        break;
    case RECORD_DONE:
        out->done_repeats = reading_u32(&r, "repeats");
        break;
    case RECORD_FAULT:
        reading_fault(&r, &out->fault);
        break;
    case RECORD_NOTE:
        reading_text(&r, "text", out->note, sizeof out->note);
        break;
    case RECORD_OTHER:
        break;
    }
    cJSON_Delete(json);
    return r.ok ? 0 : -1;
}
