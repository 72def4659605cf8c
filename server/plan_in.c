// SPDX-License-Identifier: MIT
// A plan's JSON -> struct plan, see plan.h. Every refusal names the field.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/zoo.h"
#include "server/hash.h"
#include "server/json_field.h"
#include "server/nightly/cron.h"
#include "server/plan.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

// --- models ---------------------------------------------------------------------------------------------------------

static int plan_network(const cJSON *item, const char *path, struct plan_model *m,
                        struct problem *p)
{
    int64_t seed = ZOO_DEFAULT_SEED;
    if (field(item, "seed") && field_integer(item, path, "seed", 0, (int64_t)1 << 53, &seed, p))
        return -1;
    m->seed = (uint64_t)seed;
    for (size_t i = 0; i < zoo_count(); i++) {
        if (strcmp(zoo_at(i)->name, m->text) == 0)
            return 0;
    }
    return field_fail(p, path, "network",
                      "there is no network \"%.60s\"; farm-models --list names them", m->text);
}

static int plan_model(const cJSON *item, const char *path, struct plan_model *m, struct problem *p)
{
    static const char *const kinds[] = {"network", "file", "folder", "model"};
    int n = 0;
    if (OBJECT_CHECK(item, path, p, "network", "seed", "file", "folder", "model", "optional"))
        return -1;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (!field(item, kinds[i]))
            continue;
        n++;
        m->kind = (enum plan_model_kind)i;
        if (field_text(item, path, kinds[i], m->text, sizeof m->text, 1, p))
            return -1;
    }
    if (n != 1)
        return field_fail(p, path, "", "must name one of network, file, folder or model");
    if (field(item, "optional") && field_bool(item, path, "optional", &m->optional, p))
        return -1;
    if (m->kind == PLAN_NETWORK)
        return plan_network(item, path, m, p);
    if (field(item, "seed"))
        return field_fail(p, path, "seed", "belongs to a network");
    if (m->kind == PLAN_UPLOADED && !hash_hex_valid(m->text))
        return field_fail(p, path, "model", "must be the id of a model: 64 lower-case hex digits");
    return 0;
}

static int plan_models(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *list = field_array(root, "", "models", 1, PLAN_MAX_MODELS, &plan->n_models, p);
    if (!list)
        return -1;
    for (struct items it = items_of(list, "models"); it.item; items_next(&it)) {
        struct plan_model *m = &plan->models[it.i];
        if (plan_model(it.item, it.path, m, p))
            return -1;
        for (int k = 0; k < it.i; k++) {
            if (plan->models[k].kind == m->kind && plan->models[k].seed == m->seed &&
                strcmp(plan->models[k].text, m->text) == 0)
                return field_fail(p, it.path, "", "is given twice");
        }
    }
    return 0;
}

// --- configurations -------------------------------------------------------------------------------------------------

static int plan_strategy(const cJSON *item, const char *path, struct plan_config *c, bool *front,
                         struct problem *p)
{
    char known[120] = "", name[32];
    if (field_text(item, path, "strategy", name, sizeof name, 1, p))
        return -1;
    int strategy = planner_strategy(name);
    if (strategy >= 0) {
        c->strategy = (enum planner_strategy)strategy;
        *front = c->strategy != PLANNER_VANILLA; // which has one configuration of a model
        return 0;
    }
    for (int i = 0; i < PLANNER_STRATEGIES; i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", planner_strategy_names[i]);
    }
    return field_fail(p, path, "strategy", "there is no strategy \"%s\"; there are %s", name,
                      known);
}

static int plan_pick_named(const cJSON *item, const char *path, struct plan_config *c,
                           struct problem *p)
{
    char pick[32];
    const char *name = planner_strategy_names[c->strategy];
    if (field_text(item, path, "pick", pick, sizeof pick, 1, p))
        return -1;
    if (strcmp(pick, "least-ram") == 0)
        c->pick = PLAN_PICK_LEAST_RAM;
    else if (strcmp(pick, "least-work") == 0)
        c->pick = PLAN_PICK_LEAST_WORK;
    else
        return field_fail(p, path, "pick", "must be least-ram or least-work");
    snprintf(c->key, sizeof c->key, "%s %s", name, pick);
    return 0;
}

static int plan_pick(const cJSON *item, const char *path, struct plan_config *c, bool front,
                     struct problem *p)
{
    static const char *const picks[] = {"pick", "max_overhead", "max_ram", "points"};
    const char *name = planner_strategy_names[c->strategy];
    int n = 0;
    for (size_t i = 0; i < COUNT(picks); i++) {
        if (field(item, picks[i]) && (!front || ++n > 1))
            return field_fail(p, path, picks[i],
                              front ? "cannot go together with another choice"
                                    : "is of no use: this strategy has one configuration");
    }
    if (!front) {
        c->pick = PLAN_PICK_ONLY;
        snprintf(c->key, sizeof c->key, "%s", name);
        return 0;
    }
    if (field(item, "pick"))
        return plan_pick_named(item, path, c, p);
    if (field(item, "max_overhead")) {
        c->pick = PLAN_PICK_MAX_OVERHEAD;
        snprintf(c->key, sizeof c->key, "%s F<=", name);
        if (field_number(item, path, "max_overhead", 1, 1000, &c->limit, p))
            return -1;
        size_t at = strlen(c->key);
        snprintf(c->key + at, sizeof c->key - at, "%.10g", c->limit);
        return 0;
    }
    if (field(item, "max_ram")) {
        int64_t bytes = 0;
        c->pick = PLAN_PICK_MAX_RAM;
        if (field_integer(item, path, "max_ram", 1, INT32_MAX, &bytes, p))
            return -1;
        c->limit = (double)bytes;
        snprintf(c->key, sizeof c->key, "%s RAM<=%lld", name, (long long)bytes);
        return 0;
    }
    if (!field(item, "points"))
        return field_fail(p, path, "",
                          "must choose by pick, max_overhead, max_ram or points: the strategy has "
                          "more than one configuration");
    c->pick = PLAN_PICK_POINTS;
    snprintf(c->key, sizeof c->key, "%s", name);
    return field_int(item, path, "points", 2, JSON_IN_MAX_SPECS, &c->points, p);
}

static int plan_spec(const cJSON *item, const char *path, struct plan_config *c, struct problem *p)
{
    const cJSON *spec = field(item, "spec");
    c->pick = PLAN_PICK_SPEC;
    if (!field(item, "name"))
        return field_fail(p, path, "name", "is missing: a spec needs one to be known by");
    if (!cJSON_IsString(spec) || !spec->valuestring[0] ||
        strlen(spec->valuestring) >= PLANNER_MAX_SPEC)
        return field_fail(p, path, "spec", "must be a string of 1 to %d bytes",
                          PLANNER_MAX_SPEC - 1);
    char *copy = strdup(spec->valuestring);
    if (!copy)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for a configuration");
    c->spec = copy; // -fanalyzer: no leak, the plan has it
    return 0;
}

static int plan_config(const cJSON *item, const char *path, struct plan_config *c,
                       struct problem *p)
{
    bool front = false;
    if (OBJECT_CHECK(item, path, p, "strategy", "pick", "max_overhead", "max_ram", "points", "spec",
                     "name"))
        return -1;
    if (field(item, "spec")) {
        if (field(item, "strategy"))
            return field_fail(p, path, "strategy", "cannot go together with spec");
        if (plan_spec(item, path, c, p))
            return -1;
    } else if (plan_strategy(item, path, c, &front, p) || plan_pick(item, path, c, front, p)) {
        return -1;
    }
    if (!field(item, "name"))
        return 0;
    if (field_text(item, path, "name", c->key, 64, 1, p))
        return -1;
    return json_in_name_valid(c->key) && !strchr(c->key, '/')
               ? 0
               : field_fail(p, path, "name", "must not contain control characters or \"/\"");
}

static int plan_configs(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *list =
        field_array(root, "", "configurations", 1, PLAN_MAX_CONFIGS, &plan->n_configs, p);
    if (!list)
        return -1;
    int total = 0;
    plan->n_configs = 0; // what plan_free() has to free
    for (struct items it = items_of(list, "configurations"); it.item; items_next(&it)) {
        struct plan_config *c = &plan->configs[it.i];
        plan->n_configs = it.i + 1;
        if (plan_config(it.item, it.path, c, p))
            return -1;
        total += c->pick == PLAN_PICK_POINTS ? c->points : 1;
        if (total > JSON_IN_MAX_SPECS)
            return field_fail(p, it.path, "", "makes more than %d configurations of a model",
                              JSON_IN_MAX_SPECS);
        for (int k = 0; k < it.i; k++) {
            if (strcmp(plan->configs[k].key, c->key) == 0)
                return field_fail(p, it.path, "",
                                  "has the key \"%.60s\" of configurations[%d]; give it a name",
                                  c->key, k);
        }
    }
    return 0;
}

void plan_key(const struct plan_config *c, int i, char key[PLAN_KEY_SIZE])
{
    if (c->pick == PLAN_PICK_POINTS)
        snprintf(key, PLAN_KEY_SIZE, "%.63s %d/%d", c->key, i + 1, c->points);
    else
        snprintf(key, PLAN_KEY_SIZE, "%s", c->key);
}

// --- the rest -------------------------------------------------------------------------------------------------------

static int plan_boards(const cJSON *root, const struct boards *boards, struct plan *plan,
                       struct problem *p)
{
    const cJSON *list = field_array(root, "", "boards", 1, JSON_IN_MAX_BOARDS, &plan->n_boards, p);
    if (!list)
        return -1;
    for (struct items it = items_of(list, "boards"); it.item; items_next(&it)) {
        if (!cJSON_IsString(it.item) || !json_in_id_valid(it.item->valuestring))
            return field_fail(p, it.path, "", "must be the id of a board");
        if (boards && !boards_find(boards, it.item->valuestring))
            return problem_field(p, ERR_UNKNOWN_BOARD, it.path,
                                 "there is no board \"%.63s\"; GET /api/v1/boards lists them",
                                 it.item->valuestring);
        snprintf(plan->boards[it.i], sizeof plan->boards[it.i], "%s", it.item->valuestring);
        for (int k = 0; k < it.i; k++) {
            if (strcmp(plan->boards[k], plan->boards[it.i]) == 0)
                return field_fail(p, it.path, "", "is given twice");
        }
    }
    return 0;
}

// The words of a cron error begin with the part at fault ("minute: ..."), which the field already names in part.
static int plan_schedule(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *s = field(root, "schedule");
    struct cron cron;
    struct err e = {0};
    if (!s)
        return 0;
    if (OBJECT_CHECK(s, "schedule", p, "cron", "timezone") ||
        field_text(s, "schedule", "cron", plan->cron, sizeof plan->cron, 1, p) ||
        field_text(s, "schedule", "timezone", plan->timezone, sizeof plan->timezone, 1, p))
        return -1;
    if (cron_parse(&cron, plan->cron, &e))
        return field_fail(p, "schedule", "cron", "%s", e.msg);
    struct cron_zone *zone = cron_zone_open(plan->timezone, &e);
    if (!zone)
        return field_fail(p, "schedule", "timezone", "%s", e.msg);
    cron_zone_close(zone);
    return 0;
}

static int plan_budget(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *b = field(root, "budget");
    plan->max_jobs = 1000;
    plan->max_minutes = 240;
    if (!b)
        return 0;
    if (OBJECT_CHECK(b, "budget", p, "max_jobs", "max_minutes"))
        return -1;
    if (field(b, "max_jobs") &&
        field_int(b, "budget", "max_jobs", 1, PLAN_MAX_JOBS, &plan->max_jobs, p))
        return -1;
    if (field(b, "max_minutes") &&
        field_int(b, "budget", "max_minutes", 1, 10080, &plan->max_minutes, p))
        return -1;
    return 0;
}

static int plan_thresholds(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *t = field(root, "thresholds");
    struct detect_limits *l = &plan->thresholds;
    const char *const path = "thresholds";
    *l = detect_limits_default();
    if (!t)
        return 0;
    const struct {
        const char *name;
        double min, max, *out;
    } numbers[] = {{"latency_percent", 0, 100, &l->latency_percent},
                   {"mad_multiple", 0, 100, &l->mad_multiple},
                   {"young_percent", 0, 100, &l->young_percent},
                   {"drift_percent", 0, 100, &l->drift_percent}};
    if (OBJECT_CHECK(t, path, p, "latency_percent", "mad_multiple", "young_percent",
                     "drift_percent", "window_nights", "ram_bytes", "flash_bytes"))
        return -1;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (field(t, numbers[i].name) && field_number(t, path, numbers[i].name, numbers[i].min,
                                                      numbers[i].max, numbers[i].out, p))
            return -1;
    }
    if (field(t, "window_nights") &&
        field_int(t, path, "window_nights", 5, DETECT_WINDOW_MAX, &l->window_nights, p))
        return -1;
    if (field(t, "ram_bytes") && field_u32(t, path, "ram_bytes", &l->ram_bytes, p))
        return -1;
    if (field(t, "flash_bytes") && field_u32(t, path, "flash_bytes", &l->flash_bytes, p))
        return -1;
    return 0;
}

static int plan_owners(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *list = field_array(root, "", "owners", 0, PLAN_MAX_OWNERS, &plan->n_owners, p);
    if (!list)
        return p->err.code ? -1 : 0;
    for (struct items it = items_of(list, "owners"); it.item; items_next(&it)) {
        if (!cJSON_IsString(it.item) || !json_in_name_valid(it.item->valuestring))
            return field_fail(p, it.path, "", "must be a name of 1 to 127 bytes");
        snprintf(plan->owners[it.i], sizeof plan->owners[it.i], "%s", it.item->valuestring);
    }
    return 0;
}

static int plan_webhook(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *w = field(root, "webhook");
    char when[16] = "";
    if (!w)
        return 0;
    if (OBJECT_CHECK(w, "webhook", p, "url", "secret_file", "when") ||
        field_text(w, "webhook", "url", plan->webhook.url, sizeof plan->webhook.url, 1, p) ||
        field_text(w, "webhook", "secret_file", plan->webhook.secret_file,
                   sizeof plan->webhook.secret_file, 1, p) ||
        field_text(w, "webhook", "when", when, sizeof when, 0, p))
        return -1;
    if (strncmp(plan->webhook.url, "http://", 7) != 0 &&
        strncmp(plan->webhook.url, "https://", 8) != 0)
        return field_fail(p, "webhook", "url", "must begin with http:// or https://");
    if (strcmp(when, "always") == 0)
        plan->webhook.always = true;
    else if (when[0] && strcmp(when, "not-pass") != 0)
        return field_fail(p, "webhook", "when", "must be always or not-pass");
    return 0;
}

static int published_number(const cJSON *item, const char *path, const char *name, double *out,
                            struct problem *p)
{
    *out = -1;
    return field(item, name) ? field_number(item, path, name, 0, 1e12, out, p) : 0;
}

static int plan_published(const cJSON *root, struct plan *plan, struct problem *p)
{
    const cJSON *pub = field(root, "published");
    int n = 0;
    if (!pub)
        return 0;
    if (OBJECT_CHECK(pub, "published", p, "source", "figures") ||
        field_text(pub, "published", "source", plan->published_source,
                   sizeof plan->published_source, 1, p))
        return -1;
    const cJSON *list = field_array(pub, "published", "figures", 1, PLAN_MAX_PUBLISHED, &n, p);
    if (!list)
        return -1;
    plan->published = calloc((size_t)n, sizeof *plan->published);
    if (!plan->published)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for published figures");
    for (struct items it = items_of(list, "published.figures"); it.item; items_next(&it)) {
        struct plan_published *f = &plan->published[plan->n_published++];
        if (OBJECT_CHECK(it.item, it.path, p, "model", "configuration", "board", "system",
                         "ram_bytes", "overhead", "ms") ||
            field_text(it.item, it.path, "model", f->model, sizeof f->model, 1, p) ||
            field_text(it.item, it.path, "configuration", f->config, sizeof f->config, 1, p) ||
            field_text(it.item, it.path, "board", f->board, sizeof f->board, 0, p) ||
            field_text(it.item, it.path, "system", f->system, sizeof f->system, 1, p) ||
            published_number(it.item, it.path, "ram_bytes", &f->ram_bytes, p) ||
            published_number(it.item, it.path, "overhead", &f->overhead, p) ||
            published_number(it.item, it.path, "ms", &f->ms, p))
            return -1;
    }
    return 0;
}

int plan_parse(const char *text, size_t n, const struct boards *boards, struct plan *out,
               struct problem *p)
{
    *out = (struct plan){.repeats = 3};
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "title", "description", "schedule", "models",
                                    "boards", "configurations", "output_outside", "repeats",
                                    "budget", "thresholds", "owners", "webhook", "published");
    if (!bad)
        bad =
            field_text(root, "", "title", out->title, sizeof out->title, 1, p) ||
            field_text(root, "", "description", out->description, sizeof out->description, 0, p) ||
            plan_schedule(root, out, p) || plan_models(root, out, p) ||
            plan_boards(root, boards, out, p) || plan_configs(root, out, p) ||
            plan_budget(root, out, p) || plan_thresholds(root, out, p) ||
            plan_owners(root, out, p) || plan_webhook(root, out, p) || plan_published(root, out, p);
    if (!bad && !json_in_name_valid(out->title))
        bad = field_fail(p, "", "title", "must not contain control characters");
    if (!bad && field(root, "repeats"))
        bad = field_int(root, "", "repeats", 1, JSON_IN_MAX_RUNS, &out->repeats, p);
    if (!bad && field(root, "output_outside"))
        bad = field_bool(root, "", "output_outside", &out->output_outside, p);
    cJSON_Delete(root);
    if (bad)
        plan_free(out);
    return bad ? -1 : 0;
}

void plan_free(struct plan *plan)
{
    for (int i = 0; i < plan->n_configs; i++) {
        free(plan->configs[i].spec);
        plan->configs[i].spec = NULL;
    }
    free(plan->published);
    plan->published = NULL;
    plan->n_published = 0;
}

// --- running a part of a plan ---------------------------------------------------------------------------------------

int json_in_run_request(const char *text, size_t n, struct run_request_in *out, struct problem *p)
{
    *out = (struct run_request_in){0};
    if (n == 0)
        return 0; // everything, without a note
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "boards", "note") ||
              field_note(root, "", "note", out->note, sizeof out->note, p);
    const cJSON *list =
        bad ? NULL : field_array(root, "", "boards", 0, JSON_IN_MAX_BOARDS, &out->n_boards, p);
    for (struct items it = items_of(list, "boards"); it.item && !bad; items_next(&it)) {
        if (!cJSON_IsString(it.item) || !json_in_id_valid(it.item->valuestring))
            bad = field_fail(p, it.path, "", "must be the id of a board");
        else
            snprintf(out->boards[it.i], sizeof out->boards[it.i], "%s", it.item->valuestring);
    }
    cJSON_Delete(root);
    return bad || p->err.code ? -1 : 0;
}

static bool plan_has_board(const cJSON *boards, const char *id)
{
    for (const cJSON *item = boards ? boards->child : NULL; item; item = item->next) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, id) == 0)
            return true;
    }
    return false;
}

int plan_restrict(const char *text, size_t n, const struct run_request_in *want, struct buf *out,
                  struct problem *p)
{
    cJSON *root = json_parse(text, n, p);
    cJSON *boards = cJSON_CreateArray();
    char *printed = NULL;
    int bad = -1;
    if (!root)
        goto out;
    for (int i = 0; i < want->n_boards; i++) {
        char path[32];
        snprintf(path, sizeof path, "boards[%d]", i);
        if (!plan_has_board(field(root, "boards"), want->boards[i])) {
            problem_field(p, ERR_UNKNOWN_BOARD, path, "the plan does not have board %s",
                          want->boards[i]);
            goto out;
        }
        if (!plan_has_board(boards, want->boards[i]))
            cJSON_AddItemToArray(boards, cJSON_CreateString(want->boards[i]));
    }
    if (want->n_boards && cJSON_ReplaceItemInObjectCaseSensitive(root, "boards", boards))
        boards = NULL; // the plan has it now
    if (!(printed = cJSON_PrintUnformatted(root))) {
        err_set(&p->err, ERR_NO_MEMORY, "no memory for a plan");
        goto out;
    }
    buf_puts(out, printed);
    bad = 0;
out:
    cJSON_free(printed);
    cJSON_Delete(boards);
    cJSON_Delete(root);
    return bad;
}
