// SPDX-License-Identifier: MIT
// See json_in.h.
#include "server/json_in.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/hash.h"
#include "server/json_field.h"

#define MAX_LOG (16u << 10)

bool json_in_id_valid(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(text);
    return n >= 1 && n <= 63 && strspn(text, allowed) == n && !strchr("._-", text[0]);
}

bool json_in_name_valid(const char *text)
{
    size_t n = strlen(text);
    if (n < 1 || n > 127)
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    }
    return true;
}

// --- requests -------------------------------------------------------------------------------------------------------

static int campaign_boards(const cJSON *root, struct campaign_in *c, struct problem *p)
{
    const cJSON *list = field_array(root, "", "boards", 1, JSON_IN_MAX_BOARDS, &c->n_boards, p);
    if (!list)
        return -1;
    for (struct items it = items_of(list, "boards"); it.item; items_next(&it)) {
        if (!cJSON_IsString(it.item) || !json_in_id_valid(it.item->valuestring))
            return field_fail(p, it.path, "",
                              "must be the id of a board; GET /api/v1/boards lists them");
        snprintf(c->boards[it.i], sizeof c->boards[it.i], "%s", it.item->valuestring);
        for (int k = 0; k < it.i; k++) {
            if (strcmp(c->boards[k], c->boards[it.i]) == 0)
                return field_fail(p, it.path, "", "is given twice");
        }
    }
    return 0;
}

static int campaign_strategies(const cJSON *root, struct campaign_in *c, struct problem *p)
{
    int n = 0;
    const cJSON *list = field_array(root, "", "strategies", 0, PLANNER_STRATEGIES, &n, p);
    if (p->err.code)
        return -1;
    if (!list)
        c->strategies = c->n_specs ? 0 : 1u << PLANNER_PARETO;
    else if (c->n_specs)
        return field_fail(p, "strategies", "", "cannot go together with specs");
    else if (n == 0)
        return field_fail(p, "strategies", "", "is empty; leave it out for pareto");
    for (struct items it = items_of(list, "strategies"); it.item; items_next(&it)) {
        int strategy = cJSON_IsString(it.item) ? planner_strategy(it.item->valuestring) : -1;
        if (strategy < 0)
            return field_fail(
                p, it.path, "",
                "must be vanilla, mcunetv2, streamnet, msfcnn, msfcnn-paper or pareto");
        if (c->strategies >> strategy & 1)
            return field_fail(p, it.path, "", "is given twice");
        c->strategies |= 1u << strategy;
    }
    return 0;
}

static int campaign_specs(const cJSON *root, struct campaign_in *c, struct problem *p)
{
    int n = 0;
    const cJSON *list = field_array(root, "", "specs", 0, JSON_IN_MAX_SPECS, &n, p);
    if (p->err.code)
        return -1;
    const cJSON *points = field(root, "points");
    if (list && points)
        return field_fail(p, "points", "", "cannot go together with specs");
    if (!list) {
        c->points = 12;
        return points ? field_int(root, "", "points", 1, JSON_IN_MAX_SPECS, &c->points, p) : 0;
    }
    if (n == 0)
        return field_fail(p, "specs", "",
                          "is empty; leave it out to have points spread over the front");
    c->specs = calloc((size_t)n, sizeof *c->specs);
    if (!c->specs)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for %d specs", n);
    for (struct items it = items_of(list, "specs"); it.item; items_next(&it)) {
        if (!cJSON_IsString(it.item))
            return field_fail(p, it.path, "", "must be a string");
        size_t len = strlen(it.item->valuestring);
        if (len < 1 || len >= PLANNER_MAX_SPEC)
            return field_fail(p, it.path, "", "must have 1 to %d bytes, has %zu",
                              PLANNER_MAX_SPEC - 1, len);
        c->specs[c->n_specs] = strdup(it.item->valuestring);
        if (!c->specs[c->n_specs]) // -fanalyzer: no leak, the campaign has it
            return err_set(&p->err, ERR_NO_MEMORY, "no memory for %d specs", n);
        c->n_specs++;
    }
    return 0;
}

static int campaign_input(const cJSON *root, struct campaign_in *c, struct problem *p)
{
    snprintf(c->input_kind, sizeof c->input_kind, "uniform");
    c->input_seed = PLANNER_DEFAULT_SEED;
    const cJSON *input = field(root, "input");
    if (!input)
        return 0;
    if (OBJECT_CHECK(input, "input", p, "kind", "seed"))
        return -1;
    if (field(input, "kind") &&
        field_text(input, "input", "kind", c->input_kind, sizeof c->input_kind, 1, p))
        return -1;
    if (planner_input_kind(c->input_kind) < 0)
        return field_fail(p, "input", "kind", "must be uniform, walk or extreme");
    if (field(input, "seed")) {
        int64_t seed = 0;
        if (field_integer(input, "input", "seed", 1, UINT32_MAX, &seed,
                          p)) // xorshift never leaves 0
            return -1;
        c->input_seed = (uint32_t)seed;
    }
    return 0;
}

static int campaign_choose(const cJSON *root, struct campaign_in *c, struct problem *p)
{
    char how[16] = "spread";
    if (field(root, "choose") && field_text(root, "", "choose", how, sizeof how, 1, p))
        return -1;
    c->next = strcmp(how, "next") == 0;
    if (!c->next && strcmp(how, "spread") != 0)
        return field_fail(p, "choose", "", "must be spread or next");
    if (c->next && (c->n_specs || c->strategies != 1u << PLANNER_PARETO))
        return field_fail(p, "choose", "", "next goes with the strategy pareto, and without specs");
    return 0;
}

int json_in_campaign(const char *text, size_t n, struct campaign_in *out, struct problem *p)
{
    *out = (struct campaign_in){.repeats = 3};
    int bad = -1;
    cJSON *root = json_parse(text, n, p);
    if (!root || OBJECT_CHECK(root, "", p, "model", "boards", "points", "specs", "strategies",
                              "choose", "repeats", "input", "name"))
        goto out;
    if (field_text(root, "", "model", out->model, sizeof out->model, 1, p))
        goto out;
    if (!hash_hex_valid(out->model)) {
        field_fail(p, "model", "", "must be the id of a model: 64 lower-case hex digits");
        goto out;
    }
    if (field(root, "name")) {
        if (field_text(root, "", "name", out->name, sizeof out->name, 1, p))
            goto out;
        if (!json_in_name_valid(out->name)) {
            field_fail(p, "name", "", "must not contain control characters");
            goto out;
        }
    }
    if (field(root, "repeats") &&
        field_int(root, "", "repeats", 1, JSON_IN_MAX_RUNS, &out->repeats, p))
        goto out;
    bad = campaign_boards(root, out, p) || campaign_specs(root, out, p) ||
                  campaign_strategies(root, out, p) || campaign_choose(root, out, p) ||
                  campaign_input(root, out, p)
              ? -1
              : 0;
out:
    cJSON_Delete(root);
    if (bad)
        campaign_in_free(out);
    return bad;
}

void campaign_in_free(struct campaign_in *c)
{
    for (int i = 0; i < c->n_specs; i++)
        free(c->specs[i]);
    free(c->specs);
    c->specs = NULL;
    c->n_specs = 0;
}

int json_in_lease(const char *text, size_t n, struct lease_in *out, struct problem *p)
{
    *out = (struct lease_in){0};
    int bad = -1;
    cJSON *root = json_parse(text, n, p);
    if (!root || OBJECT_CHECK(root, "", p, "agent", "rigs", "wait_s") ||
        field_id(root, "", "agent", out->agent, p))
        goto out;
    if (field(root, "wait_s") && field_int(root, "", "wait_s", 0, 60, &out->wait_s, p))
        goto out;
    const cJSON *list = field_array(root, "", "rigs", 1, JSON_IN_MAX_RIGS, &out->n_rigs, p);
    if (!list)
        goto out;
    for (struct items it = items_of(list, "rigs"); it.item; items_next(&it)) {
        if (OBJECT_CHECK(it.item, it.path, p, "name", "board") ||
            field_id(it.item, it.path, "name", out->rigs[it.i].name, p) ||
            field_id(it.item, it.path, "board", out->rigs[it.i].board, p))
            goto out;
        for (int k = 0; k < it.i; k++) {
            if (strcmp(out->rigs[k].name, out->rigs[it.i].name) == 0) {
                field_fail(p, it.path, "name", "is given twice");
                goto out;
            }
        }
    }
    bad = 0;
out:
    cJSON_Delete(root);
    return bad;
}

int json_in_heartbeat(const char *text, size_t n, struct heartbeat_in *out, struct problem *p)
{
    *out = (struct heartbeat_in){0};
    int bad = -1;
    cJSON *root = json_parse(text, n, p);
    if (!root || OBJECT_CHECK(root, "", p, "lease", "phase", "progress", "log") ||
        field_hex(root, "", "lease", out->lease, sizeof out->lease, 1, p) ||
        field_text(root, "", "phase", out->phase, sizeof out->phase, 0, p))
        goto out;
    if (out->phase[0] && strcmp(out->phase, "flashing") != 0 &&
        strcmp(out->phase, "running") != 0 && strcmp(out->phase, "collecting") != 0) {
        field_fail(p, "phase", "", "must be flashing, running or collecting");
        goto out;
    }
    if (field(root, "progress") && field_number(root, "", "progress", 0, 1, &out->progress, p))
        goto out;
    const cJSON *log = field(root, "log");
    if (log) {
        if (!cJSON_IsString(log) || strlen(log->valuestring) > MAX_LOG) {
            field_fail(p, "log", "", "must be a string of at most %u bytes", MAX_LOG);
            goto out;
        }
        if (log->valuestring[0] && !(out->log = strdup(log->valuestring))) {
            err_set(&p->err, ERR_NO_MEMORY, "no memory for the log");
            goto out;
        }
    }
    bad = 0;
out:
    cJSON_Delete(root);
    return bad;
}

void heartbeat_in_free(struct heartbeat_in *h)
{
    free(h->log);
    h->log = NULL;
}

static int result_hello(const cJSON *root, struct result_in *r, struct problem *p)
{
    const cJSON *hello = field(root, "hello");
    const char *const path = "hello";
    if (!cJSON_IsObject(hello))
        return field_fail(p, path, "", hello ? "must be an object" : "is missing");
    if (field_id(hello, path, "board", r->hello.board, p) ||
        field_text(hello, path, "firmware", r->hello.firmware, sizeof r->hello.firmware, 1, p) ||
        field_text(hello, path, "program", r->hello.program, sizeof r->hello.program, 1, p) ||
        field_text(hello, path, "kernels", r->hello.kernels, sizeof r->hello.kernels, 1, p) ||
        field_integer(hello, path, "clock_hz", 1, 10000000000, &r->hello.clock_hz, p) ||
        field_bool(hello, path, "emulated", &r->hello.emulated, p))
        return -1;
    if (!r->hello.emulated) {
        // A timing model that a real board claims to have would mark its points as something that they are not.
        if (field(hello, "timing") || field(hello, "timing_version"))
            return field_fail(p, path, "timing", "belongs to an emulated board");
        return 0;
    }
    if (field_text(hello, path, "timing", r->hello.timing, sizeof r->hello.timing, 1, p) ||
        field_integer(hello, path, "timing_version", 0, INT_MAX, &r->hello.timing_version, p))
        return -1;
    return 0;
}

static int result_runs(const cJSON *root, struct result_in *r, struct problem *p)
{
    const cJSON *list = field_array(root, "", "runs", 1, JSON_IN_MAX_RUNS, &r->n_runs, p);
    if (!list)
        return -1;
    for (struct items it = items_of(list, "runs"); it.item; items_next(&it)) {
        int64_t cycles = 0;
        r->runs[it.i].instructions = -1;
        if (OBJECT_CHECK(it.item, it.path, p, "i", "cycles", "instructions") ||
            field_integer(it.item, it.path, "cycles", 1, INT64_MAX, &cycles, p))
            return -1;
        if (field(it.item, "instructions") &&
            field_integer(it.item, it.path, "instructions", 0, INT64_MAX,
                          &r->runs[it.i].instructions, p))
            return -1;
        r->runs[it.i].cycles = (uint64_t)cycles;
    }
    return 0;
}

static int result_blocks(const cJSON *root, struct result_in *r, struct problem *p)
{
    const cJSON *list = field_array(root, "", "blocks", 0, JSON_IN_MAX_BLOCKS, &r->n_blocks, p);
    if (!list)
        return p->err.code ? -1 : 0;
    for (struct items it = items_of(list, "blocks"); it.item; items_next(&it)) {
        int64_t cycles = 0;
        int index = 0;
        r->block_instructions[it.i] = -1;
        if (OBJECT_CHECK(it.item, it.path, p, "i", "cycles", "instructions") ||
            field_int(it.item, it.path, "i", it.i, it.i, &index, p) ||
            field_integer(it.item, it.path, "cycles", 0, INT64_MAX, &cycles, p) ||
            (field(it.item, "instructions") &&
             field_integer(it.item, it.path, "instructions", 0, INT64_MAX,
                           &r->block_instructions[it.i], p)))
            return -1;
        r->block_cycles[it.i] = (uint64_t)cycles;
    }
    return 0;
}

static int profile_layer(const cJSON *item, const char *path, bool numbered, struct layer_in *out,
                         struct problem *p)
{
    int64_t cycles = 0;
    *out = (struct layer_in){.instructions = -1};
    if (!cJSON_IsObject(item))
        return field_fail(p, path, "", "must be an object");
    if (OBJECT_CHECK(item, path, p, "calls", "cycles", "instructions", numbered ? "i" : "cycles") ||
        (numbered && field_int(item, path, "i", 0, INT16_MAX, &out->i, p)) ||
        field_integer(item, path, "calls", 0, INT64_MAX, &out->calls, p) ||
        field_integer(item, path, "cycles", 0, INT64_MAX, &cycles, p) ||
        (field(item, "instructions") &&
         field_integer(item, path, "instructions", 0, INT64_MAX, &out->instructions, p)))
        return -1;
    out->cycles = (uint64_t)cycles;
    return 0;
}

static int result_profile(const cJSON *root, struct result_in *r, struct problem *p)
{
    const cJSON *profile = field(root, "profile"), *list;
    if (!profile)
        return 0;
    if (!cJSON_IsObject(profile))
        return field_fail(p, "profile", "", "must be an object");
    if (OBJECT_CHECK(profile, "profile", p, "layers", "interpreter") ||
        !(list = field_array(profile, "profile", "layers", 1, JSON_IN_MAX_LAYERS, &r->n_layers, p)))
        return -1;
    for (struct items it = items_of(list, "profile.layers"); it.item; items_next(&it)) {
        if (profile_layer(it.item, it.path, true, &r->layers[it.i], p))
            return -1;
    }
    r->has_profile = true;
    return profile_layer(field(profile, "interpreter"), "profile.interpreter", false,
                         &r->interpreter, p);
}

static int result_device(const cJSON *root, struct result_in *r, struct problem *p)
{
    const cJSON *mem = field(root, "mem"), *out = field(root, "out");
    char crc[9];
    if (!cJSON_IsObject(mem))
        return field_fail(p, "mem", "", mem ? "must be an object" : "is missing");
    if (!cJSON_IsObject(out))
        return field_fail(p, "out", "", out ? "must be an object" : "is missing");
    if (field_u32(mem, "mem", "arena", &r->mem.arena, p) ||
        field_u32(mem, "mem", "stack", &r->mem.stack, p) ||
        field_u32(mem, "mem", "static", &r->mem.static_bytes, p) ||
        field_u32(mem, "mem", "code", &r->mem.code, p) ||
        field_u32(out, "out", "bytes", &r->out.bytes, p) ||
        field_hex(out, "out", "crc32", crc, sizeof crc, 8, p))
        return -1;
    r->out.crc32 = (uint32_t)strtoul(crc, NULL, 16);
    return 0;
}

int json_in_result(const char *text, size_t n, struct result_in *out, struct problem *p)
{
    *out = (struct result_in){0};
    cJSON *root = json_parse(text, n, p);
    int bad = !root ||
              OBJECT_CHECK(root, "", p, "lease", "attempt", "hello", "runs", "blocks", "profile",
                           "mem", "out") ||
              field_hex(root, "", "lease", out->lease, sizeof out->lease, 1, p) ||
              field_int(root, "", "attempt", 1, 1000, &out->attempt, p) ||
              result_hello(root, out, p) || result_runs(root, out, p) ||
              result_blocks(root, out, p) || result_profile(root, out, p) ||
              result_device(root, out, p);
    cJSON_Delete(root);
    return bad ? -1 : 0;
}

int json_in_failure(const char *text, size_t n, struct failure_in *out, struct problem *p)
{
    static const char *const types[] = {"flash-failed", "serial-timeout", "serial-garbage",
                                        "wrong-board",  "board-fault",    "board-offline"};
    *out = (struct failure_in){0};
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "lease", "attempt", "type", "detail") ||
              field_hex(root, "", "lease", out->lease, sizeof out->lease, 1, p) ||
              field_int(root, "", "attempt", 1, 1000, &out->attempt, p) ||
              field_text(root, "", "type", out->type, sizeof out->type, 1, p) ||
              field_note(root, "", "detail", out->detail, sizeof out->detail, p);
    if (!bad) {
        bad = -1;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            if (strcmp(types[i], out->type) == 0)
                bad = 0;
        }
        if (bad)
            field_fail(p, "type", "",
                       "must be flash-failed, serial-timeout, serial-garbage, wrong-board, "
                       "board-fault or board-offline");
    }
    cJSON_Delete(root);
    return bad ? -1 : 0;
}

int json_in_offline(const char *text, size_t n, struct offline_in *out, struct problem *p)
{
    *out = (struct offline_in){0};
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "agent", "board", "detail") ||
              field_id(root, "", "agent", out->agent, p) ||
              field_id(root, "", "board", out->board, p) ||
              field_note(root, "", "detail", out->detail, sizeof out->detail, p);
    cJSON_Delete(root);
    return bad ? -1 : 0;
}

int json_in_health(const char *text, size_t n, struct health_in *out, struct problem *p)
{
    *out = (struct health_in){0};
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "agent", "ok", "detail") ||
              field_id(root, "", "agent", out->agent, p) ||
              field_bool(root, "", "ok", &out->ok, p) ||
              field_note(root, "", "detail", out->detail, sizeof out->detail, p);
    cJSON_Delete(root);
    return bad ? -1 : 0;
}

// --- board.json -----------------------------------------------------------------------------------------------------

static int name_index(const char *name, const char *const *names, int n)
{
    int i = 0;
    while (i < n && strcmp(name, names[i]) != 0)
        i++;
    return i;
}

// Coefficients by name; those that are left out are 0.
static int coefficients(const cJSON *obj, const char *path, const char *const *names, int n,
                        double *out, struct problem *p)
{
    if (!cJSON_IsObject(obj))
        return field_fail(p, path, "", "must be an object");
    for (const cJSON *item = obj->child; item; item = item->next) {
        const int i = name_index(item->string, names, n);
        if (i == n)
            return field_fail(p, path, item->string, "is unknown");
        if (field_number(obj, path, names[i], 0, 1e9, &out[i], p))
            return -1;
    }
    return 0;
}

// Classes of kernels, each with its coefficients, the interpreter's, and the errors.
static int board_latency(const cJSON *root, struct board *b, struct problem *p)
{
    static const char *const errors[] = {"median_error", "worst_error", "tested"};
    const cJSON *l = field(root, "latency");
    const char *const path = "latency";
    struct latency_model *m = &b->latency;
    double tested = 0;
    if (!l)
        return 0;
    if (!cJSON_IsObject(l))
        return field_fail(p, path, "", "must be an object");
    if (!l->child)
        return 0; // {}: not measured yet
    for (const cJSON *item = l->child; item; item = item->next) {
        const int k = name_index(item->string, latency_class_names, LATENCY_CLASSES);
        char at[48];
        snprintf(at, sizeof at, "latency.%.32s", item->string);
        if (k < LATENCY_CLASSES) {
            if (coefficients(item, at, latency_term_names, LATENCY_TERMS, m->cycles[k], p))
                return -1;
        } else if (strcmp(item->string, "interpreter") == 0) {
            if (coefficients(item, at, latency_work_names, LATENCY_WORKS, m->interpreter, p))
                return -1;
        } else if (name_index(item->string, errors, 3) == 3) {
            return field_fail(p, path, item->string, "is unknown");
        }
    }
    if (field_number(l, path, "median_error", 0, 100, &m->median_error, p) ||
        field_number(l, path, "worst_error", 0, 100, &m->worst_error, p) ||
        field_number(l, path, "tested", 0, 1e6, &tested, p))
        return -1;
    snprintf(m->kernels, sizeof m->kernels, "%s", b->kernels);
    m->tested = (uint32_t)tested;
    b->has_latency = true;
    return 0;
}

// An address: a number, or text as people write it ("0x08040000").
static int board_address(const cJSON *root, struct board *b, struct problem *p)
{
    const cJSON *item = field(root, "program_address");
    int64_t v = 0;
    if (cJSON_IsString(item) && strncmp(item->valuestring, "0x", 2) == 0) {
        char *end = NULL;
        b->program_address = strtoull(item->valuestring, &end, 16);
        return *end || b->program_address > UINT32_MAX
                   ? field_fail(p, "program_address", "", "must be a 32-bit address")
                   : 0;
    }
    if (item_integer(item, "", "program_address", 0, UINT32_MAX, &v, p))
        return -1;
    b->program_address = (uint64_t)v;
    return 0;
}

int json_in_board(const char *text, size_t n, struct board *out, struct problem *p)
{
    *out = (struct board){0};
    int64_t ram = 0, flash = 0, clock = 0;
    cJSON *root = json_parse(text, n, p);
    int bad = !root || field_id(root, "", "id", out->id, p) ||
              field_text(root, "", "name", out->name, sizeof out->name, 1, p) ||
              field_text(root, "", "core", out->core, sizeof out->core, 1, p) ||
              field_text(root, "", "soc", out->soc, sizeof out->soc, 0, p) ||
              field_integer(root, "", "ram_bytes", 1, UINT32_MAX, &ram, p) ||
              field_integer(root, "", "flash_bytes", 1, UINT32_MAX, &flash, p) ||
              field_integer(root, "", "clock_hz", 1, 10000000000, &clock, p) ||
              field_u32(root, "", "baud", &out->baud, p) || board_address(root, out, p) ||
              field_u32(root, "", "program_max_bytes", &out->program_max_bytes, p) ||
              field_u32(root, "", "arena_max_bytes", &out->arena_max_bytes, p) ||
              field_text(root, "", "kernels", out->kernels, sizeof out->kernels, 1, p) ||
              board_latency(root, out, p);
    if (!bad && field(root, "arena_overhead_bytes"))
        bad = field_u32(root, "", "arena_overhead_bytes", &out->arena_overhead_bytes, p);
    out->ram_bytes = (uint64_t)ram;
    out->flash_bytes = (uint64_t)flash;
    out->clock_hz = (uint64_t)clock;
    cJSON_Delete(root);
    return bad ? -1 : 0;
}
