// SPDX-License-Identifier: MIT
// See run_in.h.
#include "server/run_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/hash.h"
#include "server/json_field.h"
#include "server/json_in.h"
#include "server/planner/planner.h"

const char *const triage_action_names[TRIAGE_ACTIONS] = {"acknowledge", "expect", "reopen",
                                                         "assign", "note"};

// "2026-01-31T12:00:00Z", as all times of this API, to the second.
static int field_time(const cJSON *obj, const char *path, const char *name, int64_t *ms,
                      struct problem *p)
{
    char text[40];
    struct tm tm = {0};
    if (field_text(obj, path, name, text, sizeof text, 1, p))
        return -1;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (!end || strcmp(end, "Z") != 0)
        return field_fail(p, path, name, "must be a time such as 2026-01-31T12:00:00Z");
    int day = tm.tm_mday;
    int64_t s = (int64_t)timegm(&tm); // makes the 3rd of March of the 31st of February
    if (tm.tm_mday != day)
        return field_fail(p, path, name, "names a day that its month does not have");
    if (s <= 0 || s > INT64_C(13569465600)) // the year 2400
        return field_fail(p, path, name, "must be between 1970 and 2400");
    *ms = s * 1000;
    return 0;
}

// A text that lives as long as the parsed request; "" when it is not given.
static int field_borrow(const cJSON *obj, const char *path, const char *name, size_t max,
                        bool needed, const char **out, struct problem *p)
{
    const cJSON *item = field(obj, name);
    *out = "";
    if (!item)
        return needed ? field_fail(p, path, name, "is missing") : 0;
    if (!cJSON_IsString(item))
        return field_fail(p, path, name, "must be a string");
    size_t n = strlen(item->valuestring);
    if (n > max || (needed && n == 0))
        return field_fail(p, path, name, "must have %d to %zu bytes, has %zu", needed, max, n);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)item->valuestring[i] < 0x20 || item->valuestring[i] == 0x7F)
            return field_fail(p, path, name, "must not contain control characters");
    }
    *out = item->valuestring;
    return 0;
}

static int field_optional(const cJSON *obj, const char *path, const char *name, int64_t max,
                          int64_t *out, struct problem *p)
{
    return field(obj, name) ? field_integer(obj, path, name, 0, max, out, p) : 0;
}

static int import_state(const cJSON *item, const char *path, struct point *q, struct problem *p)
{
    char state[16];
    if (field_text(item, path, "state", state, sizeof state, 1, p) ||
        field_borrow(item, path, "error_type", 31, false, &q->error_type, p) ||
        field_borrow(item, path, "error_detail", 399, false, &q->error_detail, p))
        return -1;
    for (int i = ROW_DONE; i < ROW_STATES; i++) {
        if (strcmp(state, row_state_names[i]) == 0)
            q->state = (enum row_state)i;
    }
    if (q->state == ROW_OPEN)
        return field_fail(p, path, "state", "must be done, failed, not-run or no-fit");
    if (q->state != ROW_FAILED)
        return 0;
    if (field_borrow(item, path, "class", 16, true, &q->class, p))
        return -1;
    if (strcmp(q->class, "model") != 0 && strcmp(q->class, "infrastructure") != 0)
        return field_fail(p, path, "class", "must be model or infrastructure");
    return q->error_type[0] ? 0 : field_fail(p, path, "error_type", "is missing");
}

static int import_cycles(const cJSON *item, const char *path, struct point *q, struct problem *p)
{
    const cJSON *c = field(item, "cycles");
    char inner[64];
    snprintf(inner, sizeof inner, "%.40s.cycles", path);
    if (!c)
        return field_fail(p, path, "cycles", "is missing");
    if (OBJECT_CHECK(c, inner, p, "min", "median", "max") ||
        field_integer(c, inner, "median", 1, INT64_MAX, &q->cycles_median, p))
        return -1;
    q->cycles_min = q->cycles_max = q->cycles_median;
    if (field_optional(c, inner, "min", q->cycles_median, &q->cycles_min, p) ||
        (field(c, "max") &&
         field_integer(c, inner, "max", q->cycles_median, INT64_MAX, &q->cycles_max, p)))
        return -1;
    return 0;
}

static int import_measured(const cJSON *item, const char *path, struct point *q, struct problem *p)
{
    bool emulated = false;
    if (import_cycles(item, path, q, p) ||
        field_integer(item, path, "arena_bytes", 0, UINT32_MAX, &q->arena_bytes, p) ||
        field_integer(item, path, "clock_hz", 1, INT64_C(10000000000), &q->clock_hz, p) ||
        field_bool(item, path, "emulated", &emulated, p))
        return -1;
    q->emulated = emulated;
    if (!emulated && (field(item, "timing") || field(item, "timing_version")))
        return field_fail(p, path, "timing", "belongs to an emulated board");
    if (emulated &&
        (field_borrow(item, path, "timing", 47, true, &q->timing, p) ||
         field_integer(item, path, "timing_version", 0, INT32_MAX, &q->timing_version, p)))
        return -1;
    return 0;
}

static int import_reruns(const cJSON *item, const char *path, struct run_import_point *out,
                         struct problem *p)
{
    const cJSON *list = field_array(item, path, "reruns", 0, DETECT_RERUNS_MAX, &out->n_reruns, p);
    if (!list)
        return p->err.code ? -1 : 0;
    char inner[64];
    snprintf(inner, sizeof inner, "%.20s.reruns", path);
    for (struct items it = items_of(list, inner); it.item; items_next(&it)) {
        if (item_integer(it.item, it.path, "", 1, INT64_MAX, &out->reruns[it.i], p))
            return -1;
    }
    return 0;
}

static int import_point(const cJSON *item, const char *path, struct run_import_point *out,
                        struct problem *p)
{
    struct point *q = &out->point;
    *q = point_blank();
    if (OBJECT_CHECK(item, path, p, "model", "model_name", "board", "configuration", "state",
                     "class", "error_type", "error_detail", "spec", "overhead", "cycles", "repeats",
                     "instructions", "clock_hz", "arena_bytes", "stack_bytes", "static_bytes",
                     "flash_bytes", "firmware", "program", "toolchain", "kernels", "agent", "rig",
                     "emulated", "timing", "timing_version", "reruns") ||
        field_text(item, path, "model", out->model, sizeof out->model, 1, p) ||
        field_text(item, path, "model_name", out->model_name, sizeof out->model_name, 1, p) ||
        field_id(item, path, "board", out->board, p) ||
        field_text(item, path, "configuration", out->config, sizeof out->config, 1, p))
        return -1;
    if (!hash_hex_valid(out->model))
        return field_fail(p, path, "model", "must be the id of a model: 64 lower-case hex digits");
    if (!json_in_name_valid(out->model_name) || !json_in_name_valid(out->config))
        return field_fail(p, path, "", "names must not contain control characters");
    if (field(item, "overhead") && field_number(item, path, "overhead", 0, 1e6, &q->overhead, p))
        return -1;
    if (import_state(item, path, q, p) ||
        field_borrow(item, path, "spec", PLANNER_MAX_SPEC - 1, false, &q->spec, p) ||
        field_borrow(item, path, "toolchain", 127, false, &q->toolchain, p) ||
        field_borrow(item, path, "kernels", 31, false, &q->kernels, p) ||
        field_borrow(item, path, "agent", 63, false, &q->agent, p) ||
        field_borrow(item, path, "rig", 63, false, &q->rig, p) ||
        field_optional(item, path, "repeats", JSON_IN_MAX_RUNS, &q->repeats, p) ||
        field_optional(item, path, "instructions", INT64_MAX, &q->instructions, p) ||
        field_optional(item, path, "stack_bytes", UINT32_MAX, &q->stack_bytes, p) ||
        field_optional(item, path, "static_bytes", UINT32_MAX, &q->static_bytes, p) ||
        field_optional(item, path, "flash_bytes", UINT32_MAX, &q->flash_bytes, p))
        return -1;
    // A wrong output has a firmware too: it says who is to blame.
    bool done = q->state == ROW_DONE;
    if ((done && import_measured(item, path, q, p)) ||
        field_borrow(item, path, "firmware", 64, done, &q->firmware, p) ||
        field_borrow(item, path, "program", 64, done, &q->program, p))
        return -1;
    return import_reruns(item, path, out, p);
}

static int import_compare(const void *a, const void *b)
{
    const struct run_import_point *x = *(const struct run_import_point *const *)a;
    const struct run_import_point *y = *(const struct run_import_point *const *)b;
    int model = strcmp(x->model, y->model), board = strcmp(x->board, y->board);
    return model ? model : board ? board : strcmp(x->config, y->config);
}

// A series has one point in a run.
static int import_unique(const struct run_import_in *in, struct problem *p)
{
    const struct run_import_point **at = calloc((size_t)in->n_points, sizeof *at);
    if (!at)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for %d points", in->n_points);
    for (int i = 0; i < in->n_points; i++)
        at[i] = &in->points[i];
    qsort(at, (size_t)in->n_points, sizeof *at, import_compare);
    for (int i = 1; i < in->n_points; i++) {
        if (import_compare(&at[i - 1], &at[i]) == 0) {
            char path[32];
            snprintf(path, sizeof path, "points[%td]", at[i] - in->points);
            field_fail(p, path, "", "%.60s on %s has configuration %s twice", at[i]->model_name,
                       at[i]->board, at[i]->config);
            break;
        }
    }
    free(at);
    return p->err.code ? -1 : 0;
}

int json_in_run_import(const char *text, size_t n, struct run_import_in *out, struct problem *p)
{
    *out = (struct run_import_in){0};
    int bad = -1, n_points = 0;
    cJSON *root = json_parse(text, n, p);
    out->texts = root;
    if (!root || OBJECT_CHECK(root, "", p, "date", "note", "points") ||
        field_time(root, "", "date", &out->slot_ms, p) ||
        field_note(root, "", "note", out->note, sizeof out->note, p))
        goto out;
    const cJSON *list = field_array(root, "", "points", 1, RUN_IN_MAX_POINTS, &n_points, p);
    if (!list)
        goto out;
    out->points = calloc((size_t)n_points, sizeof *out->points);
    if (!out->points) {
        err_set(&p->err, ERR_NO_MEMORY, "no memory for %d points", n_points);
        goto out;
    }
    for (struct items it = items_of(list, "points"); it.item; items_next(&it)) {
        if (import_point(it.item, it.path, &out->points[it.i], p))
            goto out;
    }
    out->n_points = n_points;
    bad = import_unique(out, p);
out:
    if (bad)
        run_import_in_free(out);
    return bad;
}

void run_import_in_free(struct run_import_in *in)
{
    free(in->points);
    cJSON_Delete(in->texts);
    *in = (struct run_import_in){0};
}

int json_in_triage(const char *text, size_t n, struct triage_in *out, struct problem *p)
{
    char action[16] = "";
    *out = (struct triage_in){.action = TRIAGE_ACTIONS};
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "action", "owner", "note") ||
              field_text(root, "", "action", action, sizeof action, 1, p) ||
              field_text(root, "", "owner", out->owner, sizeof out->owner, 0, p) ||
              field_note(root, "", "note", out->note, sizeof out->note, p);
    for (int i = 0; i < TRIAGE_ACTIONS && !bad; i++) {
        if (strcmp(action, triage_action_names[i]) == 0)
            out->action = (enum triage_action)i;
    }
    if (!bad && out->action == TRIAGE_ACTIONS)
        bad = field_fail(p, "", "action", "must be acknowledge, expect, reopen, assign or note");
    if (!bad && out->owner[0] && !json_in_name_valid(out->owner))
        bad = field_fail(p, "", "owner", "must not contain control characters");
    if (!bad && out->action == TRIAGE_ASSIGN && !out->owner[0])
        bad = field_fail(p, "", "owner", "is missing: assign it to whom?");
    if (!bad && out->action == TRIAGE_NOTE && !out->note[0])
        bad = field_fail(p, "", "note", "is missing");
    cJSON_Delete(root);
    return bad ? -1 : 0;
}

int json_in_baseline(const char *text, size_t n, struct baseline_in *out, struct problem *p)
{
    *out = (struct baseline_in){0};
    cJSON *root = json_parse(text, n, p);
    int bad = !root || OBJECT_CHECK(root, "", p, "run", "note") ||
              field_integer(root, "", "run", 1, INT64_MAX, &out->run, p) ||
              field_note(root, "", "note", out->note, sizeof out->note, p);
    cJSON_Delete(root);
    return bad ? -1 : 0;
}
