// SPDX-License-Identifier: MIT
// See rig_file.h.
#include "agent/rig_file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

#include "agent/openocd.h"
#include "agent/port.h"
#include "common/buf.h"

enum { FILE_MAX = 1 << 20, RIGS_MAX = 256, POWER_CYCLE_S = 30 };

bool rig_file_name_ok(const char *name, size_t max)
{
    static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n <= max && strspn(name, ok) == n && !strchr("._-", name[0]);
}

// One rig being read. label is "rigs[2]", or "rig \"f767-1\"" once its name is known.
struct rig_reading {
    const char *where;
    char label[96];
    struct err *e;
};

static int __attribute__((format(printf, 3, 4)))
rig_fail(const struct rig_reading *r, const char *field, const char *fmt, ...)
{
    char why[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_BAD_FIELD, "%s: %s: field \"%s\" %s", r->where, r->label, field, why);
}

static int rig_take_text(const struct rig_reading *r, const char *field, const cJSON *v, char *out,
                         size_t size)
{
    if (!cJSON_IsString(v) || !v->valuestring[0] || strlen(v->valuestring) >= size)
        return rig_fail(r, field, "must be a string of 1..%zu bytes", size - 1);
    if (out[0])
        return rig_fail(r, field, "occurs twice");
    snprintf(out, size, "%s", v->valuestring);
    return 0;
}

static int rig_take_power_cycle(const struct rig_reading *r, const cJSON *v, struct rig_config *rig)
{
    size_t used = 0;
    const cJSON *word;
    int n = cJSON_GetArraySize(v);
    if (!cJSON_IsArray(v) || n < 1 || n > RIG_POWER_ARGS)
        return rig_fail(r, "power_cycle", "must be a list of 1..%d words: program, arguments",
                        RIG_POWER_ARGS);
    if (rig->power_cycle_args)
        return rig_fail(r, "power_cycle", "occurs twice");
    cJSON_ArrayForEach(word, v)
    {
        size_t size = cJSON_IsString(word) ? strlen(word->valuestring) + 1 : 0;
        if (size < 2 || used + size > sizeof rig->power_cycle)
            return rig_fail(r, "power_cycle", "must hold strings, together up to %zu bytes",
                            sizeof rig->power_cycle - 1);
        memcpy(rig->power_cycle + used, word->valuestring, size);
        used += size;
    }
    rig->power_cycle_args = n;
    return 0;
}

void rig_file_power_argv(const struct rig_config *c, const char **argv)
{
    const char *at = c->power_cycle;
    for (int i = 0; i < c->power_cycle_args; i++) {
        argv[i] = at;
        at += strlen(at) + 1;
    }
    argv[c->power_cycle_args] = NULL;
}

static int rig_take_int(const struct rig_reading *r, const char *field, const cJSON *v, int max,
                        int *out)
{
    if (!cJSON_IsNumber(v) || v->valuedouble < 1 || v->valuedouble > max ||
        v->valuedouble != floor(v->valuedouble))
        return rig_fail(r, field, "must be a whole number, 1..%d", max);
    if (*out)
        return rig_fail(r, field, "occurs twice");
    *out = v->valueint;
    return 0;
}

static int rig_take_field(const struct rig_reading *r, const cJSON *v, struct rig_config *rig)
{
    const char *field = v->string;
    if (strcmp(field, "name") == 0)
        return rig_take_text(r, field, v, rig->name, sizeof rig->name);
    if (strcmp(field, "board") == 0)
        return rig_take_text(r, field, v, rig->board, sizeof rig->board);
    if (strcmp(field, "serial") == 0)
        return rig_take_text(r, field, v, rig->serial, sizeof rig->serial);
    if (strcmp(field, "tty") == 0)
        return rig_take_text(r, field, v, rig->tty, sizeof rig->tty);
    if (strcmp(field, "jtag_tty") == 0)
        return rig_take_text(r, field, v, rig->jtag_tty, sizeof rig->jtag_tty);
    if (strcmp(field, "stlink_port") == 0)
        return rig_take_int(r, field, v, 65535, &rig->stlink_port);
    if (strcmp(field, "power_cycle") == 0)
        return rig_take_power_cycle(r, v, rig);
    if (strcmp(field, "power_cycle_s") == 0)
        return rig_take_int(r, field, v, 600, &rig->power_cycle_s);
    return rig_fail(r, field,
                    "is not known (known: name, board, serial, tty, stlink_port, "
                    "jtag_tty, power_cycle, power_cycle_s)");
}

static int rig_check(const struct rig_reading *r, const struct rig_config *rig)
{
    struct err bad = {0};
    if (!rig->name[0])
        return rig_fail(r, "name", "is missing");
    if (!rig->board[0])
        return rig_fail(r, "board", "is missing");
    if (!rig->serial[0])
        return rig_fail(r, "serial",
                        "is missing (of the debug probe: `lsusb -v`, or `udevadm info`)");
    if (!rig->tty[0])
        return rig_fail(r, "tty", "is missing (farm-agent --list-ports shows what there is)");
    if (!rig_file_name_ok(rig->name, sizeof rig->name - 1))
        return rig_fail(
            r, "name", "may hold letters, digits and . _ - only, and begin with a letter or digit");
    if (!rig_file_name_ok(rig->board, sizeof rig->board - 1))
        return rig_fail(r, "board", "is not the id of a board (a folder in firmware/boards)");
    if (!openocd_serial_ok(rig->serial))
        return rig_fail(r, "serial", "may hold letters, digits and . _ : - only");
    if (port_is_id(rig->tty) && port_check_id(rig->tty, &bad) < 0)
        return rig_fail(r, "tty", "%s", bad.msg);
    if (!port_is_id(rig->tty) && rig->tty[0] != '/')
        return rig_fail(r, "tty", "must be usb:VENDOR:PRODUCT:SERIAL or an absolute path");
    if (rig->power_cycle_s && !rig->power_cycle_args)
        return rig_fail(r, "power_cycle_s", "needs power_cycle");
    if (rig->jtag_tty[0] && (rig->jtag_tty[0] != '/' || !openocd_path_ok(rig->jtag_tty)))
        return rig_fail(r, "jtag_tty",
                        "must be an absolute path without braces, quotes or backslashes");
    if (rig->jtag_tty[0] && rig->stlink_port)
        return rig_fail(r, "jtag_tty", "excludes stlink_port: a rig has one debug probe");
    return 0;
}

// The device that a tty is, by one name for all its names; as it is written where it is not there.
static void rig_device(const char *tty, char *out, size_t size)
{
    struct err untold = {0};
    if (port_find(&port_usb, tty, out, size, &untold) < 0)
        snprintf(out, size, "%s", tty);
    char *real = realpath(out, NULL);
    if (real)
        snprintf(out, size, "%s", real);
    free(real);
}

static int rig_check_unique(const struct rig_reading *r, const struct rig_config *rig,
                            const struct rig_config *others, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rig->name, others[i].name) == 0)
            return rig_fail(r, "name", "is taken by an earlier rig");
        if (strcmp(rig->serial, others[i].serial) == 0)
            return rig_fail(r, "serial", "is the same as that of rig \"%s\"", others[i].name);
        char mine[256], other[256];
        rig_device(rig->tty, mine, sizeof mine);
        rig_device(others[i].tty, other, sizeof other);
        if ((port_is_id(mine) ? strcasecmp(mine, other) : strcmp(mine, other)) == 0)
            return rig_fail(r, "tty", "is the same as that of rig \"%s\"", others[i].name);
    }
    return 0;
}

static int rig_parse_one(const char *where, size_t index, const cJSON *json,
                         struct rig_config *rigs, struct err *e)
{
    struct rig_reading r = {.where = where, .e = e};
    struct rig_config *rig = &rigs[index];
    const cJSON *v, *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    if (cJSON_IsString(name) && strlen(name->valuestring) < sizeof rig->name)
        snprintf(r.label, sizeof r.label, "rig \"%s\"", name->valuestring);
    else
        snprintf(r.label, sizeof r.label, "rigs[%zu]", index);
    if (!cJSON_IsObject(json))
        return err_set(e, ERR_BAD_FIELD, "%s: rigs[%zu] must be an object", where, index);
    *rig = (struct rig_config){0};
    cJSON_ArrayForEach(v, json)
    {
        if (rig_take_field(&r, v, rig) < 0)
            return -1;
    }
    if (rig_check(&r, rig) < 0 || rig_check_unique(&r, rig, rigs, index) < 0)
        return -1;
    if (rig->power_cycle_args && !rig->power_cycle_s)
        rig->power_cycle_s = POWER_CYCLE_S;
    return 0;
}

// The line of a byte: people write rig.json by hand.
static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int rig_file_parse(const char *where, const char *text, size_t len, struct rig_config **rigs,
                   size_t *n, struct err *e)
{
    int rc = -1;
    const char *end = NULL;
    struct rig_config *list = NULL;
    size_t count = 0;
    *rigs = NULL;
    *n = 0;
    cJSON *json = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (!json) {
        err_set(e, ERR_BAD_JSON, "%s: line %d: not valid JSON", where,
                end ? line_of(text, end) : 1);
        goto out;
    }
    while (end < text + len && strchr(" \t\r\n", *end) && *end)
        end++;
    if (end != text + len) {
        err_set(e, ERR_BAD_JSON, "%s: line %d: something follows the JSON object", where,
                line_of(text, end));
        goto out;
    }
    const cJSON *v, *array = NULL;
    cJSON_ArrayForEach(v, json)
    {
        if (!cJSON_IsObject(json) || strcmp(v->string, "rigs") != 0 || array) {
            err_set(e, ERR_BAD_FIELD, "%s: field \"%s\" is not known or occurs twice (known: rigs)",
                    where, v->string ? v->string : "");
            goto out;
        }
        array = v;
    }
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > RIGS_MAX) {
        err_set(e, ERR_BAD_FIELD, "%s: must be {\"rigs\":[...]} with at most %d rigs", where,
                RIGS_MAX);
        goto out;
    }
    list = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof *list);
    if (!list) {
        err_set(e, ERR_NO_MEMORY, "out of memory");
        goto out;
    }
    cJSON_ArrayForEach(v, array)
    {
        if (rig_parse_one(where, count, v, list, e) < 0)
            goto out;
        count++;
    }
    *rigs = list;
    *n = count;
    list = NULL;
    rc = 0;
out:
    free(list);
    cJSON_Delete(json);
    return rc;
}

int rig_file_load(const char *path, struct rig_config **rigs, size_t *n, struct err *e)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    int rc = -1;
    if (buf_read_file(&text, path) < 0)
        err_set(e, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    else
        rc = rig_file_parse(path, buf_str(&text), text.len, rigs, n, e);
    buf_free(&text);
    return rc;
}

static int board_int(const char *path, const cJSON *json, const char *field, double min, double max,
                     uint32_t *out, struct err *e)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(json, field);
    if (!cJSON_IsNumber(v) || v->valuedouble < min || v->valuedouble > max ||
        v->valuedouble != floor(v->valuedouble))
        return err_set(e, ERR_BAD_FIELD, "%s: \"%s\" must be an integer from %.0f to %.0f", path,
                       field, min, max);
    *out = (uint32_t)v->valuedouble;
    return 0;
}

int rig_file_load_board(const char *boards, const char *id, struct board_info *out, struct err *e)
{
    int rc = -1;
    char path[512];
    struct buf text;
    cJSON *json = NULL;
    uint32_t baud = 0;
    buf_init(&text, FILE_MAX);
    if (!rig_file_name_ok(id, 47)) {
        err_set(e, ERR_UNKNOWN_BOARD, "\"%s\" is not the id of a board", id);
        goto out;
    }
    snprintf(path, sizeof path, "%s/%s/board.json", boards, id);
    if (buf_read_file(&text, path) < 0) {
        err_set(e, ERR_UNKNOWN_BOARD, "board %s: %s: %s", id, path, strerror(errno));
        goto out;
    }
    json = cJSON_ParseWithLength(buf_str(&text), text.len);
    if (!cJSON_IsObject(json)) {
        err_set(e, ERR_BAD_JSON, "%s: not a JSON object", path);
        goto out;
    }
    if (board_int(path, json, "baud", 1200, 4000000, &baud, e) < 0 ||
        board_int(path, json, "program_max_bytes", 1, UINT32_MAX, &out->program_max_bytes, e) < 0)
        goto out;
    out->baud = (int)baud;
    const cJSON *kernels = cJSON_GetObjectItemCaseSensitive(json, "kernels");
    if (!cJSON_IsString(kernels) || strlen(kernels->valuestring) >= sizeof out->kernels) {
        err_set(e, ERR_BAD_FIELD, "%s: \"kernels\" must be the name of a kernel variant", path);
        goto out;
    }
    snprintf(out->kernels, sizeof out->kernels, "%s", kernels->valuestring);
    rc = 0;
out:
    cJSON_Delete(json);
    buf_free(&text);
    return rc;
}

int rig_file_parse_ready(const char *text, size_t len, struct rig_config *out, struct err *e)
{
    int rc = -1;
    struct rig_reading r = {.where = "farm-vboard", .label = "its ready line", .e = e};
    struct rig_config ready = {0};
    const cJSON *v;
    cJSON *json = cJSON_ParseWithLength(text, len);
    if (!cJSON_IsObject(json)) {
        err_set(e, ERR_BAD_JSON, "farm-vboard: its ready line is not a JSON object");
        goto out;
    }
    // A board with a JTAG adapter has its terminal in place of the ST-LINK's port.
    bool jtag = cJSON_GetObjectItemCaseSensitive(json, "jtag_tty") != NULL;
    const char *const wanted[] = {"board", "serial", jtag ? "jtag_tty" : "stlink_port", "tty"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        v = cJSON_GetObjectItemCaseSensitive(json, wanted[i]);
        if (!v) {
            rig_fail(&r, wanted[i], "is missing");
            goto out;
        }
        if (rig_take_field(&r, v, &ready) < 0)
            goto out;
    }
    snprintf(out->board, sizeof out->board, "%s", ready.board);
    snprintf(out->serial, sizeof out->serial, "%s", ready.serial);
    snprintf(out->tty, sizeof out->tty, "%s", ready.tty);
    snprintf(out->jtag_tty, sizeof out->jtag_tty, "%s", ready.jtag_tty);
    out->stlink_port = ready.stlink_port;
    rc = 0;
out:
    cJSON_Delete(json);
    return rc;
}
