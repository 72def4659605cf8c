// SPDX-License-Identifier: MIT
// A plan becomes campaigns: one for each model and board, with the configurations that fit the board. See run.h.
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "models/zoo.h"
#include "server/hash.h"
#include "server/judge.h"
#include "server/planner/tflite.h"
#include "server/planning.h"
#include "server/run.h"

#define MAX_MODELS 256 // after folders are read

struct run_model {
    char id[STORE_ID_SIZE], name[STORE_NAME_SIZE];
};

// One configuration of a model on a board: a point to be.
struct wanted {
    char key[PLAN_KEY_SIZE];
    struct config config; // spec "": there is none
    char why[STORE_TEXT_SIZE];
    const char *type; // why it is not measured; NULL: it is
    int64_t job;
};

struct draft_run {
    struct app *app;
    struct run *run;
    const struct plan *plan;
    const char *dir;
    struct run_model models[MAX_MODELS];
    int n_models;
    int n_points; // so far
    struct wanted *wanted;
    int n_wanted;
    struct queue_change *ch;
    struct err *e;
};

// --- models ---------------------------------------------------------------------------------------------------------

static void run_left_out(struct draft_run *d, const char *name, const char *why)
{
    char *at = d->run->detail;
    size_t n = strlen(at);
    snprintf(at + n, sizeof d->run->detail - n, "%s%.60s is left out: %.160s", n ? "; " : "", name,
             why);
    log_warn("plans", "run %" PRId64 ": %s is left out: %s", d->run->id, name, why);
}

static int run_model_add(struct draft_run *d, const char *id, const char *name)
{
    for (int i = 0; i < d->n_models; i++) {
        if (strcmp(d->models[i].id, id) == 0)
            return 0; // the same bytes under another name are the same model
    }
    if (d->n_models == MAX_MODELS)
        return err_set(d->e, ERR_BAD_FIELD, "models: more than %d", MAX_MODELS);
    struct run_model *m = &d->models[d->n_models++];
    snprintf(m->id, sizeof m->id, "%s", id);
    snprintf(m->name, sizeof m->name, "%s", name);
    return 0;
}

static int run_model_bytes(struct draft_run *d, const struct buf *bytes, const char *name,
                           struct err *e)
{
    struct model m;
    struct problem p = {0};
    bool known = false;
    if (planning_import(d->app, bytes->data, bytes->len, name, &m, &known, &p))
        return err_set(e, p.err.code, "%s", p.err.msg);
    return run_model_add(d, m.id, name);
}

static int run_model_file(struct draft_run *d, const char *path, struct err *e)
{
    struct buf bytes;
    char name[STORE_NAME_SIZE];
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base), suffix = strlen(".tflite");
    snprintf(name, sizeof name, "%.*s",
             (int)(n > suffix && strcmp(base + n - suffix, ".tflite") == 0 ? n - suffix : n), base);
    buf_init(&bytes, TFLITE_MAX_FILE_BYTES);
    int bad = plan_read(path, &bytes) ? err_set(e, ERR_BAD_FIELD, "%s: %s", path, strerror(errno))
                                      : run_model_bytes(d, &bytes, name, e);
    buf_free(&bytes);
    return bad;
}

static int is_tflite(const struct dirent *f)
{
    size_t n = strlen(f->d_name);
    return f->d_name[0] != '.' && n > 7 && strcmp(f->d_name + n - 7, ".tflite") == 0;
}

// What of a folder cannot be used is left out: a folder of models is a collection, not a promise.
static int run_model_folder(struct draft_run *d, const char *path, struct err *e)
{
    struct dirent **files = NULL;
    int n = scandir(path, &files, is_tflite, alphasort), bad = 0;
    if (n < 0)
        return err_set(e, ERR_BAD_FIELD, "%s: %s", path, strerror(errno));
    if (n == 0)
        bad = err_set(e, ERR_BAD_FIELD, "%s: there is no .tflite file", path);
    for (int i = 0; i < n; i++) {
        char file[4096];
        struct err why = {0};
        if (!bad && (plan_path(path, files[i]->d_name, file, sizeof file, &why) ||
                     run_model_file(d, file, &why))) {
            bad = why.code == ERR_IO || why.code == ERR_NO_MEMORY
                      ? err_set(e, why.code, "%s", why.msg)
                      : 0;
            run_left_out(d, files[i]->d_name, why.msg);
        }
        free(files[i]);
    }
    free(files);
    return bad;
}

static int run_model_network(struct draft_run *d, const struct plan_model *m, struct err *e)
{
    struct buf bytes;
    char name[STORE_NAME_SIZE];
    if (m->seed == ZOO_DEFAULT_SEED)
        snprintf(name, sizeof name, "%.100s", m->text);
    else
        snprintf(name, sizeof name, "%.80s seed %" PRIu64, m->text, m->seed);
    buf_init(&bytes, TFLITE_MAX_FILE_BYTES);
    int bad = zoo_write(m->text, m->seed, &bytes, e) || run_model_bytes(d, &bytes, name, e);
    buf_free(&bytes);
    return bad ? -1 : 0;
}

static int run_model_one(struct draft_run *d, const struct plan_model *m, struct err *e)
{
    char path[4096];
    struct model known;
    switch (m->kind) {
    case PLAN_NETWORK:
        return run_model_network(d, m, e);
    case PLAN_FILE:
        return plan_path(d->dir, m->text, path, sizeof path, e) || run_model_file(d, path, e) ? -1
                                                                                              : 0;
    case PLAN_FOLDER:
        return plan_path(d->dir, m->text, path, sizeof path, e) || run_model_folder(d, path, e) ? -1
                                                                                                : 0;
    case PLAN_UPLOADED:
        return store_model_get(d->app->store, m->text, &known, e) ||
                       run_model_add(d, known.id, known.name)
                   ? -1
                   : 0;
    }
    return err_set(e, ERR_INTERNAL, "unknown kind of model");
}

static int run_models(struct draft_run *d)
{
    for (int i = 0; i < d->plan->n_models; i++) {
        struct err e = {0};
        if (run_model_one(d, &d->plan->models[i], &e) == 0)
            continue;
        if (!d->plan->models[i].optional || e.code == ERR_IO || e.code == ERR_NO_MEMORY)
            return err_set(d->e, e.code, "models[%d]: %.400s", i, e.msg);
        run_left_out(d, d->plan->models[i].text, e.msg);
    }
    return d->n_models ? 0 : err_set(d->e, ERR_BAD_FIELD, "models: none of them is there");
}

// --- configurations -------------------------------------------------------------------------------------------------

static struct wanted *want(struct draft_run *d, const struct plan_config *c, int i)
{
    struct wanted *w = &d->wanted[d->n_wanted++];
    *w = (struct wanted){0};
    plan_key(c, i, w->key);
    return w;
}

static void want_none(struct wanted *w, const char *type, const char *why)
{
    w->type = type;
    snprintf(w->why, sizeof w->why, "%.399s", why);
}

// What strategies offer for one model, computed when it is first needed.
struct offers {
    const char *model;
    const struct planner *planner;
    bool known[PLANNER_STRATEGIES];
    struct front at[PLANNER_STRATEGIES];
};

static const struct front *offer(struct draft_run *d, struct offers *o, enum planner_strategy s)
{
    struct problem p = {0};
    if (!o->known[s]) {
        // With the output in the arena a model's front is kept in the store.
        if (d->plan->output_outside ? planner_strategy_front(o->planner, s, true, &o->at[s], &p.err)
                                    : planning_front(d->app, o->model, s, &o->at[s], &p)) {
            err_set(d->e, p.err.code, "%s", p.err.msg);
            return NULL;
        }
        o->known[s] = true;
    }
    return &o->at[s];
}

static void offers_free(struct offers *o)
{
    for (int s = 0; s < PLANNER_STRATEGIES; s++)
        front_free(&o->at[s]);
}

// That part of a front that fits the board; why: of its smallest point that does not. The specs are copies.
static int front_that_fits(const struct front *all, const struct board *board, struct front *out,
                           struct err *why, struct err *e)
{
    *out = (struct front){.at = calloc(all->n + 1, sizeof *out->at)};
    if (!out->at)
        return err_set(e, ERR_NO_MEMORY, "no memory for a front");
    for (size_t i = 0; i < all->n; i++) {
        if (board_fits(board, &all->at[i], 0, why) == 0)
            out->at[out->n++] = all->at[i];
    }
    return 0;
}

// Is a better than b?
static bool pick_better(const struct plan_config *rule, const struct config *a,
                        const struct config *b)
{
    bool by_ram = rule->pick == PLAN_PICK_LEAST_RAM || rule->pick == PLAN_PICK_MAX_OVERHEAD;
    if (by_ram && a->believed_bytes != b->believed_bytes)
        return a->believed_bytes < b->believed_bytes;
    return a->believed_overhead != b->believed_overhead
               ? a->believed_overhead < b->believed_overhead
               : a->believed_bytes < b->believed_bytes;
}

// One of the configurations that fit, by the rule and by what its strategy believes: a published method answers as its
// authors' own planner does. NULL: none is within the limit.
static const struct config *pick_one(const struct front *fits, const struct plan_config *rule)
{
    const struct config *best = NULL;
    for (size_t i = 0; i < fits->n; i++) {
        const struct config *c = &fits->at[i];
        if ((rule->pick == PLAN_PICK_MAX_OVERHEAD && c->believed_overhead > rule->limit) ||
            (rule->pick == PLAN_PICK_MAX_RAM && (double)c->believed_bytes > rule->limit))
            continue;
        if (!best || pick_better(rule, c, best))
            best = c;
    }
    return best;
}

static void want_front(struct draft_run *d, const struct plan_config *c, const struct front *fits,
                       const struct err *why)
{
    size_t index[JSON_IN_MAX_SPECS];
    if (c->pick != PLAN_PICK_POINTS) {
        struct wanted *w = want(d, c, 0);
        const struct config *config = pick_one(fits, c);
        if (config)
            w->config = *config;
        else
            want_none(w, "does-not-fit",
                      why->code ? why->msg : "no configuration is within the limit");
        return;
    }
    size_t n = fits->n ? front_spread(fits, (size_t)c->points, index) : 0;
    for (size_t i = 0; i < n; i++)
        want(d, c, (int)i)->config = fits->at[index[i]];
    if (n == 0)
        want_none(want(d, c, 0), "does-not-fit", why->msg);
}

static void want_priced(struct draft_run *d, const struct plan_config *c,
                        const struct planner *planner, const char *spec, const struct board *board)
{
    struct wanted *w = want(d, c, 0);
    struct err why = {0};
    if (planner_price(planner, spec, &w->config, &why) || board_fits(board, &w->config, 0, &why))
        want_none(w, err_type(why.code), why.msg);
}

static int run_config_front(struct draft_run *d, const struct plan_config *c, struct offers *o,
                            const struct board *board)
{
    struct front fits;
    struct err why = {0};
    const struct front *all = offer(d, o, c->strategy);
    if (!all || front_that_fits(all, board, &fits, &why, d->e))
        return -1;
    want_front(d, c, &fits, &why);
    free(fits.at);
    return 0;
}

static int run_configs(struct draft_run *d, const struct planner *planner, struct offers *o,
                       const struct board *board)
{
    struct planner_info info;
    char plain[64];
    planner_info(planner, &info);
    snprintf(plain, sizeof plain, "%s%d:plain%s", info.layers > 1 ? "0-" : "", info.layers - 1,
             d->plan->output_outside ? " output:outside" : "");
    d->n_wanted = 0;
    for (int i = 0; i < d->plan->n_configs; i++) {
        const struct plan_config *c = &d->plan->configs[i];
        if (c->pick == PLAN_PICK_SPEC)
            want_priced(d, c, planner, c->spec, board);
        else if (c->pick == PLAN_PICK_ONLY)
            want_priced(d, c, planner, plain, board);
        else if (run_config_front(d, c, o, board))
            return -1;
    }
    return 0;
}

// --- campaigns ------------------------------------------------------------------------------------------------------

// The campaign's request, of the wanted configurations that fit, each spec once. The specs are borrowed.
static int run_request(const struct draft_run *d, const struct run_model *m, const char *board,
                       const char *what, char **specs, struct campaign_in *in)
{
    *in = (struct campaign_in){.n_boards = 1,
                               .specs = specs,
                               .repeats = d->plan->repeats,
                               .input_seed = PLANNER_DEFAULT_SEED};
    snprintf(in->model, sizeof in->model, "%s", m->id);
    snprintf(in->name, sizeof in->name, "%.40s, run %" PRId64 "%s: %.40s", d->run->plan, d->run->id,
             what, m->name);
    snprintf(in->boards[0], sizeof in->boards[0], "%.63s", board);
    snprintf(in->input_kind, sizeof in->input_kind, "uniform");
    for (int i = 0; i < d->n_wanted; i++) {
        bool again = d->wanted[i].type != NULL;
        for (int k = 0; k < in->n_specs && !again; k++)
            again = strcmp(specs[k], d->wanted[i].config.spec) == 0;
        if (!again && in->n_specs < JSON_IN_MAX_SPECS)
            specs[in->n_specs++] = d->wanted[i].config.spec;
    }
    return in->n_specs;
}

// A program that is too large for the board's flash: only building it tells.
static bool run_drop(struct draft_run *d, const struct problem *p, const struct campaign_in *in)
{
    int i = 0;
    if (p->err.code != ERR_NO_FIT || sscanf(p->field, "specs[%d]", &i) != 1 || i >= in->n_specs)
        return false;
    for (int k = 0; k < d->n_wanted; k++) {
        if (!d->wanted[k].type && strcmp(d->wanted[k].config.spec, in->specs[i]) == 0)
            want_none(&d->wanted[k], "does-not-fit", p->err.msg);
    }
    return true;
}

static void run_job_found(void *cls, const struct job *j)
{
    struct draft_run *d = cls;
    for (int i = 0; i < d->n_wanted; i++) {
        if (!d->wanted[i].type && strcmp(d->wanted[i].config.spec, j->spec) == 0)
            d->wanted[i].job = j->id;
    }
}

// Makes the campaign of one model on one board, or finds the one that was made before a crash; gives the points their jobs.
static int run_campaign(struct draft_run *d, const struct run_model *m, const char *board)
{
    char key[128], sha[HASH_HEX_SIZE];
    char *specs[JSON_IN_MAX_SPECS];
    struct campaign_in in;
    struct campaign c;
    bool known = false;
    snprintf(key, sizeof key, "run %" PRId64 " %.32s %.63s", d->run->id, m->id, board);
    if (hash_hex(key, strlen(key), sha, d->e))
        return -1;
    for (;;) {
        struct problem p = {0};
        if (run_request(d, m, board, "", specs, &in) == 0)
            return 0;
        if (planning_campaign(d->app, &in, key, sha, &c, &known, d->ch, &p) == 0)
            break;
        if (!run_drop(d, &p, &in))
            return err_set(d->e, p.err.code, "%.60s on %.60s: %.300s", m->name, board, p.err.msg);
    }
    return store_job_list(d->app->store, c.id, 0, -1, run_job_found, d, d->e);
}

static int run_point(struct draft_run *d, const struct run_model *m, const char *board,
                     const struct wanted *w)
{
    struct series s = {0};
    struct point p = point_blank();
    p.run = d->run->id;
    p.job = w->job;
    p.spec = w->config.spec;
    p.overhead = w->config.spec[0] ? w->config.overhead : -1;
    snprintf(s.plan, sizeof s.plan, "%s", d->run->plan);
    snprintf(s.model, sizeof s.model, "%s", m->id);
    snprintf(s.model_name, sizeof s.model_name, "%s", m->name);
    snprintf(s.board, sizeof s.board, "%s", board);
    snprintf(s.config, sizeof s.config, "%s", w->key);
    if (w->type) {
        p.state = strcmp(w->type, "budget") == 0 ? ROW_NOT_RUN : ROW_NO_FIT;
        p.error_type = w->type;
        p.error_detail = w->why;
    } else if (w->job == 0) {
        p.state = ROW_NOT_RUN;
        p.error_type = "changed";
        p.error_detail = "the server was replaced by one that plans differently";
    }
    if (store_series_add(d->app->store, &s, d->e))
        return -1;
    p.series = s.id;
    return store_point_add(d->app->store, &p, d->e);
}

static int run_model_board(struct draft_run *d, const struct run_model *m, struct offers *o,
                           const char *board_id)
{
    const struct board *board = boards_find(&d->app->boards, board_id);
    struct problem p = {0};
    if (!board)
        return err_set(d->e, ERR_UNKNOWN_BOARD, "boards: there is no board %s", board_id);
    const struct planner *planner = planning_acquire(d->app, m->id, &p);
    if (!planner)
        return err_set(d->e, p.err.code, "%s", p.err.msg);
    o->planner = planner;
    int bad = run_configs(d, planner, o, board);
    planning_release(d->app, planner); // the campaign takes it itself
    for (int i = 0; i < d->n_wanted; i++) {
        if (d->n_points++ >= d->plan->max_jobs && !d->wanted[i].type)
            want_none(&d->wanted[i], "budget", "the plan's budget of jobs was spent");
    }
    if (bad || run_campaign(d, m, board_id) || store_begin(d->app->store, d->e))
        return -1;
    for (int i = 0; i < d->n_wanted; i++) {
        if (run_point(d, m, board_id, &d->wanted[i])) {
            store_rollback(d->app->store);
            return -1;
        }
    }
    return store_commit(d->app->store, d->e);
}

static int run_model_boards(struct draft_run *d, const struct run_model *m)
{
    struct offers o = {.model = m->id};
    int bad = 0;
    for (int i = 0; i < d->plan->n_boards && !bad; i++)
        bad = run_model_board(d, m, &o, d->plan->boards[i]);
    offers_free(&o);
    return bad;
}

// A draft with room for so many points of a model on a board. NULL with e set.
static struct draft_run *draft_run_new(struct app *a, struct run *r, const struct plan *plan,
                                       size_t max_wanted, struct queue_change *ch, struct err *e)
{
    struct draft_run *d = calloc(1, sizeof *d);
    struct wanted *wanted = calloc(max_wanted, sizeof *wanted);
    if (!d || !wanted) {
        free(d);
        free(wanted);
        err_set(e, ERR_NO_MEMORY, "no memory to plan run %" PRId64, r->id);
        return NULL;
    }
    d->app = a;
    d->run = r;
    d->plan = plan;
    d->wanted = wanted;
    d->ch = ch;
    d->e = e;
    return d;
}

static void draft_run_free(struct draft_run *d)
{
    free(d->wanted);
    free(d);
}

int run_plan(struct app *a, struct run *r, const struct plan *plan, const char *plans_dir,
             struct queue_change *ch, struct err *e)
{
    struct draft_run *d = draft_run_new(a, r, plan, JSON_IN_MAX_SPECS, ch, e);
    if (!d)
        return -1;
    d->dir = plans_dir;
    r->detail[0] = '\0';
    int bad = run_models(d);
    for (int i = 0; i < d->n_models && !bad; i++)
        bad = run_model_boards(d, &d->models[i]);
    draft_run_free(d);
    return bad;
}

// --- reruns ---------------------------------------------------------------------------------------------------------

struct spec_of { // the spec that a series had in a run
    int64_t series;
    struct wanted *out;
    bool found;
};

static void spec_found(void *cls, const struct point *p)
{
    struct spec_of *s = cls;
    if (p->rerun != 0 || p->series != s->series)
        return;
    s->found = true;
    snprintf(s->out->config.spec, sizeof s->out->config.spec, "%s", p->spec);
    s->out->config.overhead = p->overhead;
}

static int rerun_one(struct draft_run *d, int64_t series, int rerun)
{
    struct series s;
    struct run_model m;
    struct wanted *w = &d->wanted[0];
    *w = (struct wanted){0};
    d->n_wanted = 1;
    struct spec_of of = {.series = series, .out = w};
    if (store_series_get(d->app->store, series, &s, d->e) ||
        store_point_of_run(d->app->store, d->run->id, series * 8 - 1, 1, spec_found, &of, d->e))
        return -1;
    if (!of.found)
        return err_set(d->e, ERR_INTERNAL, "run %" PRId64 " has no point of series %" PRId64,
                       d->run->id, series);
    snprintf(m.id, sizeof m.id, "%s", s.model);
    snprintf(m.name, sizeof m.name, "%s", s.model_name);
    struct point p = point_blank();
    p.series = series;
    p.run = d->run->id;
    p.rerun = rerun;
    p.spec = w->config.spec;
    p.overhead = w->config.overhead;
    char key[128], sha[HASH_HEX_SIZE];
    char *specs[1] = {w->config.spec};
    struct campaign_in in;
    struct campaign c;
    struct problem problem = {0};
    bool known = false;
    run_request(d, &m, s.board, ", rerun", specs, &in);
    snprintf(key, sizeof key, "run %" PRId64 " series %" PRId64 " rerun %d", d->run->id, series,
             rerun);
    if (hash_hex(key, strlen(key), sha, d->e))
        return -1;
    if (planning_campaign(d->app, &in, key, sha, &c, &known, d->ch, &problem))
        return err_set(d->e, problem.err.code, "%s", problem.err.msg);
    if (store_job_list(d->app->store, c.id, 0, -1, run_job_found, d, d->e))
        return -1;
    p.job = w->job;
    return store_point_add(d->app->store, &p, d->e);
}

int run_rerun(struct app *a, const struct run *r, const struct plan *plan,
              const struct judge_wish *wishes, size_t n, struct queue_change *ch, struct err *e)
{
    struct run run = *r;
    struct draft_run *d = draft_run_new(a, &run, plan, 1, ch, e);
    int bad = 0;
    if (!d)
        return -1;
    for (size_t i = 0; i < n && !bad; i++) {
        for (int k = 0; k < wishes[i].n && !bad; k++)
            bad = rerun_one(d, wishes[i].series, wishes[i].first + k);
    }
    draft_run_free(d);
    return bad;
}
