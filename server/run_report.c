// SPDX-License-Identifier: MIT
// A run for other tools and for people: JUnit XML, Markdown, the message of a webhook, a badge. See run_out.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/json_out.h"
#include "server/run.h"
#include "server/run_out.h"

#define MAX_TEXT_FINDINGS 100     // in Markdown; JSON and CSV have all
#define MAX_MESSAGE_FINDINGS 1000 // in a webhook's message, which must not grow without end

struct findings {
    struct finding_row *at;
    size_t n, max;
    bool failed;
};

static void findings_add(void *cls, const struct finding_row *f)
{
    struct findings *all = cls;
    if (all->n == all->max) {
        size_t max = all->max ? 2 * all->max : 32;
        struct finding_row *at = realloc(all->at, max * sizeof *at);
        if (!at) {
            all->failed = true;
            return;
        }
        all->at = at;
        all->max = max;
    }
    all->at[all->n++] = *f;
}

static int findings_load(struct app *a, int64_t run, struct findings *out, struct err *e)
{
    *out = (struct findings){0};
    if (store_finding_of_run(a->store, run, findings_add, out, e))
        return -1;
    return out->failed ? err_set(e, ERR_NO_MEMORY, "no memory for findings") : 0;
}

// A finding that makes a run red: not one that somebody knows of, nor one that a rerun did not confirm.
static bool finding_is_red(const struct finding_row *f)
{
    return run_out_is_regression(f->kind) && strcmp(f->state, "acknowledged") != 0 &&
           strcmp(f->state, "expected") != 0 && strcmp(f->state, "unconfirmed") != 0;
}

static void finding_sentence(struct buf *b, const struct finding_row *f)
{
    buf_printf(b, "%s: %s", f->kind, f->metric);
    if (isfinite(f->was) && isfinite(f->current) && (f->was != 0 || f->current != 0))
        buf_printf(b, " %.0f to %.0f", f->was, f->current);
    if (isfinite(f->percent) && f->percent != 0)
        buf_printf(b, " (%+.2f %%)", f->percent);
    buf_printf(b, ", %s since run %" PRId64 ", firmware %s", f->state, f->first_run,
               f->firmware_changed ? "changed" : "unchanged");
}

// --- JUnit XML ------------------------------------------------------------------------------------------------------

static void xml_text(struct buf *b, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == 0xEF &&
            (strncmp(text, "\xEF\xBF\xBE", 3) == 0 || strncmp(text, "\xEF\xBF\xBF", 3) == 0)) {
            buf_puts(b, "\xEF\xBF\xBD"); // U+FFFE and U+FFFF are UTF-8, but not XML
            text += 2;
        } else if (c == '&')
            buf_puts(b, "&amp;");
        else if (c == '<')
            buf_puts(b, "&lt;");
        else if (c == '>')
            buf_puts(b, "&gt;");
        else if (c == '"')
            buf_puts(b, "&quot;");
        else
            buf_add(b, c < 0x20 && c != '\n' && c != '\t' ? " " : text, 1);
    }
}

static void xml_attribute(struct buf *b, const char *name, const char *text)
{
    buf_printf(b, " %s=\"", name);
    xml_text(b, text);
    buf_puts(b, "\"");
}

struct junit {
    struct buf cases;
    const struct findings *findings;
    int64_t tests, failures, errors, skipped;
};

static void junit_outcome(struct junit *j, const char *element, const char *type,
                          const char *message)
{
    buf_printf(&j->cases, "    <%s", element);
    xml_attribute(&j->cases, "type", type);
    xml_attribute(&j->cases, "message", message);
    buf_puts(&j->cases, "/>\n");
}

// The findings of a series, or of rigs and fronts (series 0).
static int junit_findings(struct junit *j, int64_t series)
{
    int n = 0;
    for (size_t i = 0; i < j->findings->n; i++) {
        const struct finding_row *f = &j->findings->at[i];
        struct buf message;
        if (f->series != series || !finding_is_red(f))
            continue;
        buf_init(&message, 4096);
        finding_sentence(&message, f);
        junit_outcome(j, "failure", f->kind, buf_str(&message));
        buf_free(&message);
        n++;
    }
    return n;
}

static void junit_point(void *cls, const struct point *p)
{
    struct junit *j = cls;
    if (p->rerun != 0)
        return;
    j->tests++;
    buf_puts(&j->cases, "  <testcase");
    char name[STORE_NAME_SIZE + STORE_NAME_SIZE];
    snprintf(name, sizeof name, "%s.%s", p->board, p->model_name);
    xml_attribute(&j->cases, "classname", name);
    xml_attribute(&j->cases, "name", p->config);
    if (p->cycles_median >= 0 && p->clock_hz > 0)
        buf_printf(&j->cases, " time=\"%.6f\"", (double)p->cycles_median / (double)p->clock_hz);
    buf_puts(&j->cases, ">\n");
    bool red = junit_findings(j, p->series) > 0;
    j->failures += red;
    if (!red && p->state == ROW_FAILED) {
        junit_outcome(j, "error", p->error_type, p->error_detail);
        j->errors++;
    } else if (!red && p->state != ROW_DONE) {
        junit_outcome(j, "skipped", p->error_type, row_state_names[p->state]);
        j->skipped++;
    }
    buf_puts(&j->cases, "  </testcase>\n");
}

static void junit_rest(struct junit *j)
{
    for (size_t i = 0; i < j->findings->n; i++) {
        const struct finding_row *f = &j->findings->at[i];
        if (f->series != 0 || !finding_is_red(f))
            continue;
        struct buf message;
        buf_init(&message, 4096);
        finding_sentence(&message, f);
        buf_puts(&j->cases, "  <testcase");
        xml_attribute(&j->cases, "classname", f->board);
        xml_attribute(&j->cases, "name", f->kind);
        buf_puts(&j->cases, ">\n");
        junit_outcome(j, "failure", f->kind, buf_str(&message));
        buf_puts(&j->cases, "  </testcase>\n");
        buf_free(&message);
        j->tests++;
        j->failures++;
    }
}

int run_out_junit(struct app *a, const struct run *r, struct buf *b, struct err *e)
{
    struct findings all;
    struct junit j = {.findings = &all};
    char slot[CLOCK_TEXT_SIZE];
    buf_init(&j.cases, 16u << 20);
    int bad = findings_load(a, r->id, &all, e) ||
              store_point_of_run(a->store, r->id, 0, -1, junit_point, &j, e);
    if (!bad) {
        junit_rest(&j);
        buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite");
        xml_attribute(b, "name", r->plan);
        buf_printf(b,
                   " id=\"%" PRId64 "\" timestamp=\"%.19s\" tests=\"%" PRId64
                   "\" failures=\"%" PRId64 "\" errors=\"%" PRId64 "\" skipped=\"%" PRId64 "\">\n",
                   r->id, clock_text(r->slot_ms, slot), j.tests, j.failures, j.errors, j.skipped);
        buf_add(b, buf_str(&j.cases), j.cases.len);
        buf_puts(b, "</testsuite>\n</testsuites>\n");
        b->failed = b->failed || j.cases.failed;
    }
    buf_free(&j.cases);
    free(all.at);
    return bad ? -1 : 0;
}

// --- Markdown -------------------------------------------------------------------------------------------------------

// Text of others in a table cell: no markup, no new cell, no new line.
static void md_text(struct buf *b, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr("\\`*_{}[]<>#|!&~", c))
            buf_puts(b, "\\");
        buf_add(b, c < 0x20 ? " " : text, 1);
    }
}

static void md_number(struct buf *b, const char *fmt, double v)
{
    char text[40];
    snprintf(text, sizeof text, fmt, v); // only from the two literals below
    buf_puts(b, isfinite(v) ? text : "");
}

static void md_finding(struct buf *b, const struct finding_row *f)
{
    buf_printf(b, "| %s | ", f->kind);
    md_text(b, f->model_name[0] ? f->model_name : "(all)");
    buf_puts(b, " | ");
    md_text(b, f->board);
    buf_puts(b, " | ");
    md_text(b, f->config[0] ? f->config : f->rig);
    buf_printf(b, " | %s | ", f->metric);
    md_number(b, "%.0f", f->was);
    buf_puts(b, " | ");
    md_number(b, "%.0f", f->current);
    buf_puts(b, " | ");
    md_number(b, "%+.2f", f->percent);
    buf_puts(b, " | ");
    md_number(b, "%.1f", f->noise);
    buf_printf(b, " | %" PRId64 " | %s | %s | ", f->first_run,
               f->firmware_changed ? "changed" : "same", f->state);
    md_text(b, f->owner);
    buf_puts(b, " |\n");
}

static void md_findings(struct buf *b, const struct findings *all)
{
    size_t n = all->n < MAX_TEXT_FINDINGS ? all->n : MAX_TEXT_FINDINGS;
    if (all->n == 0)
        return;
    buf_puts(b, "\n| finding | model | board | configuration | metric | was | is | % | noise | "
                "first run | firmware | state | owner |\n"
                "|---|---|---|---|---|---:|---:|---:|---:|---:|---|---|---|\n");
    for (size_t i = 0; i < n; i++)
        md_finding(b, &all->at[i]);
    if (all->n > n)
        buf_printf(b, "\n%zu more are in the CSV and JSON of this run.\n", all->n - n);
}

// --- ours beside theirs ---------------------------------------------------------------------------------------------

struct ours { // one published figure with what was measured for it
    const struct plan_published *theirs;
    bool found;
    bool emulated;
    char board[STORE_NAME_SIZE];
    int64_t arena_bytes;
    double overhead, ms;
};

struct comparison {
    struct plan plan;
    struct ours *at;
    int n;
};

static void comparison_point(void *cls, const struct point *p)
{
    struct comparison *c = cls;
    if (p->rerun != 0 || p->state != ROW_DONE)
        return;
    for (int i = 0; i < c->n; i++) {
        struct ours *o = &c->at[i];
        const struct plan_published *t = o->theirs;
        if (o->found || strcmp(t->model, p->model_name) != 0 || strcmp(t->config, p->config) != 0 ||
            (t->board[0] && strcmp(t->board, p->board) != 0))
            continue;
        o->found = true;
        o->emulated = p->emulated > 0;
        snprintf(o->board, sizeof o->board, "%s", p->board);
        o->arena_bytes = p->arena_bytes;
        o->overhead = p->overhead < 0 ? NAN : p->overhead;
        o->ms = p->clock_hz > 0 ? (double)p->cycles_median * 1000 / (double)p->clock_hz : NAN;
    }
}

static int comparison_load(struct app *a, const struct run *r, struct comparison *c, struct err *e)
{
    *c = (struct comparison){0};
    if (run_plan_of(a->store, r->id, &c->plan, e))
        return -1;
    c->at = calloc((size_t)c->plan.n_published + 1, sizeof *c->at);
    if (!c->at)
        return err_set(e, ERR_NO_MEMORY, "no memory for a comparison");
    for (c->n = 0; c->n < c->plan.n_published; c->n++)
        c->at[c->n].theirs = &c->plan.published[c->n];
    return store_point_of_run(a->store, r->id, 0, -1, comparison_point, c, e);
}

static void comparison_free(struct comparison *c)
{
    free(c->at);
    plan_free(&c->plan);
}

static double known(double v)
{
    return v < 0 ? NAN : v;
}

static void md_comparison(struct buf *b, const struct comparison *c)
{
    if (c->n == 0)
        return;
    buf_puts(b, "\n## Ours beside the published figures\n\nSource: ");
    md_text(b, c->plan.published_source);
    buf_puts(b, "\n\n| model | configuration | published by | RAM, bytes | ours | F | ours | ms | "
                "ours | board | by |\n|---|---|---|---:|---:|---:|---:|---:|---:|---|---|\n");
    for (int i = 0; i < c->n; i++) {
        const struct ours *o = &c->at[i];
        buf_puts(b, "| ");
        md_text(b, o->theirs->model);
        buf_puts(b, " | ");
        md_text(b, o->theirs->config);
        buf_puts(b, " | ");
        md_text(b, o->theirs->system);
        buf_puts(b, " | ");
        md_number(b, "%.0f", known(o->theirs->ram_bytes));
        buf_puts(b, " | ");
        md_number(b, "%.0f", o->found ? (double)o->arena_bytes : NAN);
        buf_puts(b, " | ");
        md_number(b, "%.3f", known(o->theirs->overhead));
        buf_puts(b, " | ");
        md_number(b, "%.3f", o->found ? o->overhead : NAN);
        buf_puts(b, " | ");
        md_number(b, "%.1f", known(o->theirs->ms));
        buf_puts(b, " | ");
        md_number(b, "%.1f", o->found && o->theirs->board[0] ? o->ms : NAN);
        buf_puts(b, " | ");
        md_text(b, o->theirs->board);
        buf_printf(b, " | %s |\n",
                   !o->found     ? "not measured"
                   : o->emulated ? "emulated"
                                 : "measured");
    }
}

int run_out_published(struct app *a, const struct run *r, struct buf *b, struct err *e)
{
    struct comparison c;
    int bad = comparison_load(a, r, &c, e);
    buf_puts(b, "{\"source\":");
    json_out_text_or_null(b, c.plan.published_source);
    buf_puts(b, ",\"items\":[");
    for (int i = 0; i < c.n && !bad; i++) {
        const struct ours *o = &c.at[i];
        buf_puts(b, i ? ",{\"model\":" : "{\"model\":");
        buf_json_str(b, o->theirs->model);
        buf_puts(b, ",\"configuration\":");
        buf_json_str(b, o->theirs->config);
        buf_puts(b, ",\"board\":");
        json_out_text_or_null(b, o->theirs->board);
        buf_puts(b, ",\"system\":");
        buf_json_str(b, o->theirs->system);
        buf_puts(b, ",\"published\":{\"ram_bytes\":");
        json_out_double(b, known(o->theirs->ram_bytes));
        buf_puts(b, ",\"overhead\":");
        json_out_double(b, known(o->theirs->overhead));
        buf_puts(b, ",\"ms\":");
        json_out_double(b, known(o->theirs->ms));
        buf_puts(b, "},\"ours\":");
        if (o->found) {
            buf_printf(b, "{\"ram_bytes\":%" PRId64 ",\"overhead\":", o->arena_bytes);
            json_out_double(b, o->overhead);
            buf_puts(b, ",\"ms\":");
            json_out_double(b, o->ms);
            buf_puts(b, ",\"board\":");
            buf_json_str(b, o->board);
            buf_printf(b, ",\"emulated\":%s}}", o->emulated ? "true" : "false");
        } else {
            buf_puts(b, "null}");
        }
    }
    buf_puts(b, "]}");
    comparison_free(&c);
    return bad;
}

int run_out_markdown(struct app *a, const struct run *r, struct buf *b, struct err *e)
{
    struct findings all;
    struct comparison c = {0};
    char slot[CLOCK_TEXT_SIZE];
    int bad = findings_load(a, r->id, &all, e) || comparison_load(a, r, &c, e);
    if (!bad) {
        buf_puts(b, "# ");
        md_text(b, r->plan);
        buf_printf(b,
                   ", run %" PRId64 ": %s\n\n%s, %s%s: %" PRId64 " of %" PRId64
                   " points measured, %" PRId64 " failed, %" PRId64
                   " lost to infrastructure, %" PRId64 " not run, %" PRId64 " do not fit.\n",
                   r->id, r->verdict[0] ? r->verdict : run_state_names[r->state],
                   clock_text(r->slot_ms, slot), run_trigger_names[r->trigger],
                   r->trigger == RUN_IMPORT ? " (measured elsewhere)" : "", r->done, r->points,
                   r->failed, r->infrastructure, r->not_run, r->no_fit);
        if (r->detail[0]) {
            buf_puts(b, "\n");
            md_text(b, r->detail);
            buf_puts(b, "\n");
        }
        md_findings(b, &all);
        md_comparison(b, &c);
    }
    comparison_free(&c);
    free(all.at);
    return bad ? -1 : 0;
}

int run_out_message(struct app *a, int64_t run, struct buf *b, struct err *e)
{
    struct run r;
    struct findings all = {0};
    struct buf text;
    buf_init(&text, 1u << 20);
    int bad = store_run_get(a->store, run, &r, e) || findings_load(a, run, &all, e) ||
              run_out_markdown(a, &r, &text, e);
    if (!bad) {
        buf_puts(b, "{\"event\":\"run\",\"run\":");
        run_out_run(b, &r);
        buf_puts(b, "},\"findings\":[");
        size_t n = all.n < MAX_MESSAGE_FINDINGS ? all.n : MAX_MESSAGE_FINDINGS;
        for (size_t i = 0; i < n; i++) {
            buf_puts(b, i ? "," : "");
            run_out_finding(b, &all.at[i]);
            buf_puts(b, "}");
        }
        buf_printf(b, "],\"more_findings\":%zu,\"text\":", all.n - n);
        buf_json_str(b, buf_str(&text));
        buf_puts(b, "}");
        if (b->failed || text.failed)
            bad = err_set(e, ERR_NO_MEMORY, "the message of run %" PRId64 " is too long", run);
    }
    buf_free(&text);
    free(all.at);
    return bad ? -1 : 0;
}

// --- the badge ------------------------------------------------------------------------------------------------------

void run_out_badge(struct buf *b, const char *plan, const char *verdict)
{
    static const struct {
        const char *verdict, *colour;
    } looks[] = {{"ok", "#2a7d3c"},  {"improved", "#2a7d3c"},  {"incomplete", "#8a6d00"},
                 {"rig", "#8a6d00"}, {"suspected", "#8a6d00"}, {"regression", "#b3261e"}};
    const char *colour = "#5f6368", *text = verdict[0] ? verdict : "not run yet";
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        if (strcmp(looks[i].verdict, verdict) == 0)
            colour = looks[i].colour;
    }
    int left = 12 + 7 * (int)strlen(plan), right = 12 + 7 * (int)strlen(text);
    buf_printf(b,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"20\" role=\"img\" "
               "aria-label=\"%s: %s\"><title>%s: %s</title><rect width=\"%d\" height=\"20\" "
               "fill=\"#444\"/><rect x=\"%d\" width=\"%d\" height=\"20\" fill=\"%s\"/>"
               "<g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">"
               "<text x=\"6\" y=\"14\" textLength=\"%d\">%s</text>"
               "<text x=\"%d\" y=\"14\" textLength=\"%d\">%s</text></g></svg>\n",
               left + right, plan, text, plan, text, left, left, right, colour, left - 12, plan,
               left + 6, right - 12, text);
}
