// SPDX-License-Identifier: MIT
// See explain.h.
#include "cli/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/look.h"
#include "cli/table.h"

enum { BAR = 40, ROWS_A_BLOCK = 10, MAX_LAYERS = 4096 };

// The layer with index `i` in the array of layers; NULL where there is none.
static const cJSON *find_layer(const cJSON *layers, int64_t i)
{
    const cJSON *l = NULL;
    cJSON_ArrayForEach(l, layers)
    {
        if (look_int(l, "i", -1) == i)
            return l;
    }
    return NULL;
}

// "layer 7 (conv 3x3, stride 2)"
static void say_layer(struct buf *out, const cJSON *layers, int64_t i)
{
    const cJSON *l = find_layer(layers, i);
    buf_printf(out, "layer %lld", (long long)i);
    if (!l)
        return;
    const cJSON *kernel = look_at(l, "kernel"), *stride = look_at(l, "stride");
    buf_puts(out, " (");
    text_clean(out, look_text(l, "op"));
    if (cJSON_GetArraySize(kernel) == 2)
        buf_printf(out, " %dx%d", cJSON_GetArrayItem(kernel, 0)->valueint,
                   cJSON_GetArrayItem(kernel, 1)->valueint);
    if (cJSON_GetArraySize(stride) == 2 && cJSON_GetArrayItem(stride, 0)->valueint > 1)
        buf_printf(out, ", stride %d", cJSON_GetArrayItem(stride, 0)->valueint);
    buf_puts(out, ")");
}

// 12345678 -> "12,345,678"
static void say_count(char *out, size_t size, double v)
{
    char digits[40];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%.0f", v), at = 0;
    for (size_t i = 0; i < n && at + 2 < size; i++) {
        if (i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static void cell_count(struct table *t, double v)
{
    char text[48];
    say_count(text, sizeof text, v);
    table_cell(t, text);
}

static void say_block_name(struct buf *out, const cJSON *block, int index)
{
    long long first = look_int(block, "first", -1), last = look_int(block, "last", -1);
    buf_printf(out, "block %d, ", index + 1);
    if (first == last)
        buf_printf(out, "layer %lld, ", first);
    else
        buf_printf(out, "layers %lld-%lld, ", first, last);
    text_clean(out, look_text(block, "schedule"));
}

static void say_part(struct buf *out, const cJSON *part)
{
    const char *kind = look_text(part, "kind");
    long long layer = look_int(part, "layer", -1), slices = look_int(part, "slices", 0);
    if (strcmp(kind, "skipped") == 0)
        buf_printf(out, "output of layer %lld, for later", layer);
    else if (strcmp(kind, "kept") == 0)
        buf_printf(out, "output of layer %lld, for later blocks", layer);
    else if (strcmp(kind, "ring") == 0)
        buf_printf(out, "ring of layer %lld, %lld slices", layer, slices);
    else if (strcmp(kind, "tiles") == 0)
        buf_puts(out, "tiles of a patch");
    else if (strcmp(kind, "scratch") == 0)
        buf_printf(out, "scratch behind layer %lld", layer);
    else if (strcmp(kind, "accumulators") == 0)
        buf_printf(out, "accumulators of layer %lld", layer);
    else
        text_clean(out, kind);
}

static void add_bar(struct table *t, double bytes, double arena)
{
    char bar[BAR + 1];
    int n = arena > 0 ? (int)(bytes / arena * BAR + 0.5) : 0;
    n = n < 0 ? 0 : n > BAR ? BAR : n;
    memset(bar, '#', (size_t)n);
    bar[n] = '\0';
    table_cell(t, bar);
}

// At most ROWS_A_BLOCK moments, the largest among them.
static void say_moments(struct buf *out, const cJSON *block, double arena)
{
    const cJSON *moments = look_at(block, "moments"), *m = NULL;
    int n = cJSON_GetArraySize(moments), peak = (int)look_int(block, "peak", 0), i = 0;
    int every = (n + ROWS_A_BLOCK - 1) / ROWS_A_BLOCK;
    struct table t;
    table_init(&t);
    table_column(&t, "    step", true);
    table_column(&t, "layer", true);
    table_column(&t, "throughout", true);
    table_column(&t, "output", true);
    table_column(&t, "input", true);
    table_column(&t, "inside", true);
    table_column(&t, "bytes", true);
    table_column(&t, "", false);
    cJSON_ArrayForEach(m, moments)
    {
        bool shown = i % (every ? every : 1) == 0 || i == peak || i == n - 1;
        i++;
        if (!shown)
            continue;
        table_cell_printf(&t, "%lld", (long long)look_int(m, "step", 0));
        table_cell_printf(&t, "%lld", (long long)look_int(m, "layer", -1));
        cell_count(&t, (double)look_int(block, "fixed_bytes", 0));
        cell_count(&t, (double)look_int(m, "output_bytes", 0));
        cell_count(&t, (double)look_int(m, "input_bytes", 0));
        cell_count(&t, (double)look_int(m, "inner_bytes", 0));
        cell_count(&t, (double)look_int(m, "bytes", 0));
        add_bar(&t, (double)look_int(m, "bytes", 0), arena);
    }
    table_render(&t, out);
    table_free(&t);
}

static void say_block(struct buf *out, const cJSON *block, int index, double arena, bool is_peak)
{
    char bytes[48];
    const cJSON *part = NULL;
    say_count(bytes, sizeof bytes, (double)look_int(block, "arena_bytes", 0));
    buf_puts(out, "\n");
    say_block_name(out, block, index);
    buf_printf(out, ": %s bytes%s\n", bytes, is_peak ? "  <- the peak" : "");
    cJSON_ArrayForEach(part, look_at(block, "parts"))
    {
        say_count(bytes, sizeof bytes, (double)look_int(part, "bytes", 0));
        buf_printf(out, "  %10s  ", bytes);
        say_part(out, part);
        buf_puts(out, "\n");
    }
    say_moments(out, block, arena);
}

static bool parse_all(const char *const *texts, cJSON **out, int n, struct err *e)
{
    for (int i = 0; i < n; i++) {
        out[i] = cJSON_Parse(texts[i]);
        if (!out[i]) {
            err_set(e, ERR_BAD_JSON, "the reply is not JSON; is that a farm-server?");
            return false;
        }
    }
    return true;
}

int explain_timeline(const char *timeline_json, const char *layers_json, struct buf *out,
                     struct err *e)
{
    cJSON *root[2] = {NULL, NULL};
    int result = -1, i = 0;
    if (!parse_all((const char *const[]){timeline_json, layers_json}, root, 2, e))
        goto out;
    const cJSON *blocks = look_at(root[0], "blocks"), *block = NULL;
    double arena = 0;
    if (!cJSON_IsArray(blocks) || !look_number(root[0], "arena_bytes", &arena)) {
        err_set(e, ERR_BAD_JSON, "the reply is not a timeline");
        goto out;
    }
    long long peak = look_int(root[0], "peak.block", 0);
    char bytes[48];
    say_count(bytes, sizeof bytes, arena);
    buf_printf(out, "%s bytes of RAM, set by ", bytes);
    say_layer(out, root[1], look_int(root[0], "peak.layer", -1));
    buf_puts(out, " in ");
    say_block_name(out, cJSON_GetArrayItem(blocks, (int)peak), (int)peak);
    buf_printf(out, "\nAt a step: what is there throughout + output written so far + input still "
                    "needed + windows and scratch inside, of cells = bytes.\n");
    cJSON_ArrayForEach(block, blocks)
    {
        say_block(out, block, i, arena, i == peak);
        i++;
    }
    result = 0;
out:
    cJSON_Delete(root[0]);
    cJSON_Delete(root[1]);
    return result;
}

// ---- measured ----

struct line { // of a profile; a layer that comes more than once is added up
    double calls, cycles, instructions;
    bool counted; // instructions
};

static void add_line(struct line *to, const cJSON *from)
{
    double v = 0;
    to->calls += look_number(from, "calls", &v) ? v : 0;
    to->cycles += look_number(from, "cycles", &v) ? v : 0;
    bool counted = look_number(from, "instructions", &v);
    to->instructions += counted ? v : 0;
    to->counted = to->counted || counted;
}

static void show_line(struct table *t, const char *first, const char *what, const struct line *l,
                      double macs, double all_cycles)
{
    table_cell(t, first);
    table_cell(t, what);
    cell_count(t, l->calls);
    cell_count(t, l->cycles);
    if (l->counted)
        cell_count(t, l->instructions);
    else
        table_cell(t, "-");
    if (macs > 0)
        cell_count(t, macs);
    else
        table_cell(t, "-");
    if (macs > 0 && l->counted)
        table_cell_printf(t, "%.2f", l->instructions / macs);
    else
        table_cell(t, "-");
    table_cell_printf(t, "%.1f %%", all_cycles > 0 ? 100 * l->cycles / all_cycles : 0);
}

// MACs of layer `i` in a run of block `block`: those that the planner counts for it.
static double macs_of(const cJSON *block, int64_t i)
{
    double v = 0;
    const cJSON *m = NULL;
    cJSON_ArrayForEach(m, look_at(block, "layer_macs"))
    {
        if (look_int(m, "layer", -1) == i && look_number(m, "macs", &v))
            return v;
    }
    return 0;
}

static void show_block(struct table *t, const cJSON *profile, const cJSON *block, int index,
                       const cJSON *layers, double all_cycles)
{
    long long first = look_int(block, "first", 0), last = look_int(block, "last", -1);
    const cJSON *own = cJSON_GetArrayItem(look_at(profile, "blocks"), index), *entry = NULL;
    struct line whole = {0};
    struct buf name;
    double macs = 0;
    char number[24];
    buf_init(&name, 256);
    for (long long i = first; i <= last && i - first < MAX_LAYERS; i++) {
        struct line l = {0};
        cJSON_ArrayForEach(entry, look_at(profile, "layers"))
        {
            if (look_int(entry, "layer", -1) == i)
                add_line(&l, entry);
        }
        whole.calls += l.calls;
        buf_reset(&name);
        say_layer(&name, layers, i);
        snprintf(number, sizeof number, "%lld", i);
        show_line(t, number, strchr(buf_str(&name), '(') ? strchr(buf_str(&name), '(') : "", &l,
                  macs_of(block, i), all_cycles);
        macs += macs_of(block, i);
    }
    double calls = whole.calls;
    add_line(&whole, own);
    whole.calls = calls;
    buf_reset(&name);
    say_block_name(&name, block, index);
    show_line(t, "", buf_str(&name), &whole, macs, all_cycles);
    buf_free(&name);
}

int explain_profile(const char *result_json, const char *timeline_json, const char *layers_json,
                    struct buf *out, struct err *e)
{
    cJSON *root[3] = {NULL, NULL, NULL};
    int result = -1, i = 0;
    struct table t;
    table_init(&t);
    if (!parse_all((const char *const[]){result_json, timeline_json, layers_json}, root, 3, e))
        goto out;
    const cJSON *profile = look_at(root[0], "profile"), *blocks = look_at(root[1], "blocks");
    const cJSON *block = NULL, *entry = NULL;
    if (!cJSON_IsObject(profile)) {
        err_set(e, ERR_NOT_FOUND, "this result has no profile: its firmware sent none");
        goto out;
    }
    static const char *const names[] = {
        "layer", "", "calls", "cycles", "instructions", "MACs", "instructions/MAC", "share"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        table_column(&t, names[k], k != 1);
    struct line sum = {0}, interpreter = {0};
    cJSON_ArrayForEach(entry, look_at(profile, "layers"))
    {
        add_line(&sum, entry);
    }
    add_line(&interpreter, look_at(profile, "interpreter"));
    interpreter.calls = 0;
    sum.cycles += interpreter.cycles;
    sum.instructions += interpreter.instructions;
    double macs = 0, v = 0;
    cJSON_ArrayForEach(block, blocks)
    {
        show_block(&t, profile, block, i++, root[2], sum.cycles);
        macs += look_number(block, "macs", &v) ? v : 0;
    }
    show_line(&t, "", "interpreter, between the kernels", &interpreter, 0, sum.cycles);
    show_line(&t, "", "layers and interpreter", &sum, macs, sum.cycles);
    struct line run = {.counted = look_number(root[0], "instructions", &v)};
    run.instructions = run.counted ? v : 0;
    run.cycles = look_number(root[0], "cycles.median", &v) ? v : 0;
    show_line(&t, "", "a run without profile", &run, macs, sum.cycles);
    table_render(&t, out);
    result = 0;
out:
    table_free(&t);
    for (int k = 0; k < 3; k++)
        cJSON_Delete(root[k]);
    return result;
}
