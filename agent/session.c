// SPDX-License-Identifier: MIT
// See session.h.
#include "agent/session.h"

#include <stdio.h>
#include <string.h>

#include "agent/child.h"

enum {
    TICK_MS = 100,
    WRITE_MS = 2000,
    ASK_EVERY_MS = 500,
    WRONG_HELLOS = 3, // answers of the state before the reset may still be under way
    LEAST_SILENCE_MS = 15000,
    RUN_TRIES = 3,
};

void session_init(struct session *s, struct serial *port, const struct session_ops *ops)
{
    *s = (struct session){.port = port, .ops = *ops};
    wire_reader_init(&s->reader, WIRE_RECORDS, s->line, sizeof s->line);
}

static int session_send(struct session *s, const struct wire_command *cmd, struct err *e)
{
    char line[WIRE_COMMAND_MAX + 1];
    int n = wire_command_write(cmd, line, sizeof line);
    if (n < 0)
        return err_set(e, ERR_BAD_REQUEST, "repeats %u is not 1..%d", (unsigned)cmd->repeats,
                       WIRE_REPEATS_MAX);
    return serial_write(s->port, line, (size_t)n, WRITE_MS, e);
}

static int session_ask(struct session *s, struct err *e)
{
    const struct wire_command ask = {.kind = WIRE_CMD_HELLO};
    s->late_hellos++;
    return session_send(s, &ask, e);
}

static void session_note_bad(struct session *s, const char *why)
{
    char text[sizeof((struct err){0}.msg) + 52];
    s->bad_lines++;
    snprintf(text, sizeof text, "(a broken line was skipped: %s)", why);
    if (s->bad_lines <= SESSION_MAX_BAD_LINES)
        s->ops.log(s->ops.ctx, text);
}

// The bytes at hand: 1 with a record, 0 when they are used up.
static int session_feed(struct session *s, struct record *rec)
{
    while (s->chunk_at < s->chunk_len) {
        struct wire_line line;
        struct err bad = {0};
        int got = wire_feed(&s->reader, s->chunk[s->chunk_at++], &line);
        if (got < 0) {
            session_note_bad(s, wire_bad_text(s->reader.bad));
        } else if (got > 0) {
            char text[WIRE_LINE_MAX + 8];
            snprintf(text, sizeof text, "@%s %s", line.name, line.json);
            s->ops.log(s->ops.ctx, text);
            if (record_parse(&line, rec, &bad) == 0 && rec->kind != RECORD_OTHER) {
                s->late_hellos -= rec->kind == RECORD_HELLO;
                return 1;
            }
            if (bad.code != ERR_NONE)
                session_note_bad(s, bad.msg);
        }
    }
    return 0;
}

// Waits for the next record: 1, 0 when none came until the deadline, -1 when the port is gone or
// tick gave up.
static int session_next(struct session *s, int64_t deadline, struct record *rec, struct err *e)
{
    for (;;) {
        if (session_feed(s, rec))
            return 1;
        if (!s->ops.tick(s->ops.ctx))
            return err_set(e, ERR_OFFLINE, "given up while talking to the board");
        int64_t left = deadline - child_now_ms();
        if (left <= 0)
            return 0;
        int n = serial_read(s->port, s->chunk, sizeof s->chunk,
                            left < TICK_MS ? (int)left : TICK_MS, e);
        if (n < 0)
            return -1;
        s->chunk_at = 0;
        s->chunk_len = n;
    }
}

static int session_fault(const struct record_fault *f, struct err *e)
{
    return err_set(e, ERR_FAULT, "the firmware reported %s at pc 0x%s, lr 0x%s%s%s", f->code, f->pc,
                   f->lr, f->detail[0] ? ": " : "", f->detail);
}

// Nothing usable came in time: silence, or noise?
static int session_silent(const struct session *s, const char *waiting_for, int ms, struct err *e)
{
    if (s->bad_lines)
        return err_set(e, ERR_GARBAGE,
                       "no %s within %d ms, but %u broken lines: check baud rate and wiring",
                       waiting_for, ms, s->bad_lines);
    return err_set(e, ERR_SERIAL, "no %s within %d ms: the board is silent", waiting_for, ms);
}

int session_probe(struct session *s, int timeout_ms, struct record_hello *hello, struct err *e)
{
    int64_t deadline = child_now_ms() + timeout_ms;
    struct record rec = {0};
    int got;
    s->bad_lines = 0;
    if (session_ask(s, e) < 0)
        return -1;
    while ((got = session_next(s, deadline, &rec, e)) > 0) {
        if (rec.kind == RECORD_HELLO) {
            *hello = rec.hello;
            return 0;
        }
    }
    return got < 0 ? -1 : session_silent(s, "answer to hello", timeout_ms, e);
}

static int session_check_hello(const struct record_hello *h, const struct session_expect *want,
                               struct err *e)
{
    if (h->proto != WIRE_PROTO)
        return err_set(e, ERR_WRONG_BOARD, "the firmware speaks protocol %u, this agent %d",
                       (unsigned)h->proto, WIRE_PROTO);
    if (strcmp(h->board, want->board) != 0)
        return err_set(e, ERR_WRONG_BOARD,
                       "the board says it is %s, but the rig is configured as %s", h->board,
                       want->board);
    if (strcmp(h->firmware, want->firmware) != 0)
        return err_set(e, ERR_WRONG_BOARD, "the board runs firmware %s, flashed was %s",
                       h->firmware, want->firmware);
    if (want->program && strcmp(h->program, want->program) != 0)
        return err_set(e, ERR_WRONG_BOARD, "the board holds program %s, flashed was %s", h->program,
                       want->program);
    return 0;
}

int session_hello(struct session *s, const struct session_expect *want, int timeout_ms,
                  struct record_hello *hello, struct err *e)
{
    int64_t deadline = child_now_ms() + timeout_ms;
    struct err wrong = {0};
    int n_wrong = 0;
    s->bad_lines = 0;
    for (int64_t now = child_now_ms(); now < deadline; now = child_now_ms()) {
        struct record rec = {0};
        int64_t until = now + ASK_EVERY_MS < deadline ? now + ASK_EVERY_MS : deadline;
        int got = session_next(s, until, &rec, e);
        if (got < 0)
            return -1;
        if (got > 0 && rec.kind == RECORD_FAULT && strcmp(rec.fault.code, "bad-command") != 0)
            return session_fault(&rec.fault, e);
        if (got > 0 && rec.kind == RECORD_HELLO) {
            err_clear(&wrong);
            if (session_check_hello(&rec.hello, want, &wrong) == 0) {
                *hello = rec.hello;
                s->late_hellos++; // the one after the reset came unasked
                return 0;
            }
            if (++n_wrong == WRONG_HELLOS)
                break;
        }
        // silence, or an answer to doubt: ask
        if (got > 0 && rec.kind != RECORD_HELLO)
            continue;
        if (session_ask(s, e) < 0)
            return -1;
    }
    if (wrong.code != ERR_NONE)
        return err_set(e, wrong.code, "%s", wrong.msg);
    return session_silent(s, "@hello", timeout_ms, e);
}

// A note or fault by which the firmware says that a command did not arrive whole: worth sending
// again.
static bool session_command_lost(const struct record *rec)
{
    if (rec->kind == RECORD_FAULT)
        return strcmp(rec->fault.code, "bad-command") == 0;
    if (rec->kind != RECORD_NOTE)
        return false;
    for (int bad = WIRE_BAD_TOO_LONG; bad <= WIRE_BAD_FORM; bad++) {
        if (strcmp(rec->note, wire_bad_text((enum wire_bad)bad)) == 0)
            return true;
    }
    return false;
}

// Takes a record into m. 1: it was @done.
static int session_take(struct session *s, const struct record *rec, uint32_t repeats,
                        struct measurement *m, bool *have_mem, bool *have_out, struct err *e)
{
    switch (rec->kind) {
    case RECORD_RUN:
        if (rec->run.i != m->n_runs || m->n_runs == repeats)
            return err_set(e, ERR_GARBAGE, "@run %u where %u was due of %u (%u broken lines)",
                           (unsigned)rec->run.i, (unsigned)m->n_runs, (unsigned)repeats,
                           s->bad_lines);
        m->runs[m->n_runs++] = rec->run;
        break;
    case RECORD_BLOCK:
        if (rec->block.i != m->n_blocks || m->n_blocks == SESSION_MAX_BLOCKS)
            return err_set(e, ERR_GARBAGE, "@block %u where %u was due (%u broken lines)",
                           (unsigned)rec->block.i, (unsigned)m->n_blocks, s->bad_lines);
        m->blocks[m->n_blocks++] = rec->block;
        break;
    case RECORD_LAYER:
        if (m->n_layers == SESSION_MAX_LAYERS)
            return err_set(e, ERR_GARBAGE, "more than %d @layer records", SESSION_MAX_LAYERS);
        m->layers[m->n_layers++] = rec->layer;
        break;
    case RECORD_INTERPRETER:
        m->interpreter = rec->layer;
        m->has_interpreter = true;
        break;
    case RECORD_MEM:
        m->mem = rec->mem;
        *have_mem = true;
        break;
    case RECORD_OUT:
        m->out = rec->out;
        *have_out = true;
        break;
    case RECORD_DONE:
        if (m->n_runs != repeats || rec->done_repeats != repeats || m->n_blocks == 0 ||
            !*have_mem || !*have_out)
            return err_set(
                e, ERR_GARBAGE, "@done after %u of %u runs, %u blocks%s%s (%u broken lines)",
                (unsigned)m->n_runs, (unsigned)repeats, (unsigned)m->n_blocks,
                *have_mem ? "" : ", no @mem", *have_out ? "" : ", no @out", s->bad_lines);
        return 1;
    default:
        break;
    }
    return 0;
}

int session_run(struct session *s, uint32_t repeats, int silence_ms, struct measurement *m,
                struct err *e)
{
    const struct wire_command run = {.kind = WIRE_CMD_RUN, .repeats = repeats};
    int limit_ms = silence_ms;
    int64_t longest_gap = 0, last = child_now_ms();
    bool have_mem = false, have_out = false;
    int tries = 1;
    m->n_runs = m->n_blocks = m->n_layers = 0;
    m->has_interpreter = false;
    s->bad_lines = 0;
    s->progress = 0;
    s->collecting = false;
    if (session_send(s, &run, e) < 0)
        return -1;
    for (;;) {
        struct record rec = {0};
        int got = session_next(s, last + limit_ms, &rec, e);
        if (got < 0)
            return -1;
        if (got == 0)
            return session_silent(s, "record", limit_ms, e);
        if (s->bad_lines > SESSION_MAX_BAD_LINES)
            return err_set(e, ERR_GARBAGE,
                           "%u broken lines while measuring: check baud rate and wiring",
                           s->bad_lines);
        int64_t now = child_now_ms();
        if (m->n_runs == 0 && session_command_lost(&rec)) {
            if (tries++ == RUN_TRIES)
                return err_set(
                    e, ERR_GARBAGE,
                    "the board did not receive `run` whole in %d tries: check the wiring",
                    RUN_TRIES);
            if (session_send(s, &run, e) < 0)
                return -1;
        } else if (rec.kind == RECORD_FAULT) {
            return session_fault(&rec.fault, e);
        } else if (rec.kind == RECORD_HELLO && (m->n_runs > 0 || s->late_hellos < 0)) {
            return err_set(e, ERR_OFFLINE,
                           "the board restarted while measuring (power, or a reset by hand?)");
        }
        if (m->n_runs > 0 || rec.kind == RECORD_RUN)
            longest_gap = now - last > longest_gap ? now - last : longest_gap;
        last = now;
        if (longest_gap * 10 < silence_ms)
            limit_ms = m->n_runs > 0 ? (int)longest_gap * 10 : silence_ms;
        if (limit_ms < LEAST_SILENCE_MS)
            limit_ms = LEAST_SILENCE_MS < silence_ms ? LEAST_SILENCE_MS : silence_ms;
        got = session_take(s, &rec, repeats, m, &have_mem, &have_out, e);
        if (got != 0)
            return got < 0 ? -1 : 0;
        s->collecting = m->n_runs == repeats;
        s->progress = (float)(m->n_runs + have_mem + have_out) / (float)(repeats + 3);
    }
}
