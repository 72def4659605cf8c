// SPDX-License-Identifier: MIT
// See planning.h.
#include "server/planning.h"

#include "server/choose.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "firmware/executor/program.h"
#include "server/clock.h"
#include "server/hash.h"
#include "server/json_out.h"
#include "server/no_fit.h"

#define CACHE_SIZE 8      // open models; each holds its file and some tables
#define MAX_EXTRA 64      // models beyond that, while all of the cache is in use
#define LATENCY_FRONTS 16 // that are kept: of a large model they take seconds

struct planning_entry {
    char model[HASH_HEX_SIZE];
    struct planner *planner; // NULL: free
    bool
        in_use; // by one thread at a time: pricing and compiling use scratch memory inside the planner
    int64_t used; // tick of the last use
};

struct latency_front {
    char model[HASH_HEX_SIZE];
    const struct board *board; // NULL: free
    struct front front;
    int64_t used;
};

struct planning {
    char version[HASH_HEX_SIZE]; // of the planner
    pthread_mutex_t lock;
    int64_t tick;
    struct planning_entry at[CACHE_SIZE];
    int n_extra;
    struct planner *extra[MAX_EXTRA];
    struct latency_front latency[LATENCY_FRONTS];
};

int planning_open(struct planning **out, struct err *e)
{
    struct planning *pl = calloc(1, sizeof *pl);
    *out = pl;
    if (!pl)
        return err_set(e, ERR_NO_MEMORY, "no memory for the planner");
    pthread_mutex_init(&pl->lock, NULL);
    // The planner is linked into this program: another program may plan differently, the same one never does.
    if (hash_hex_file("/proc/self/exe", pl->version, e)) {
        planning_close(pl);
        *out = NULL;
        return -1;
    }
    return 0;
}

void planning_close(struct planning *pl)
{
    if (!pl)
        return;
    for (int i = 0; i < CACHE_SIZE; i++)
        planner_free(pl->at[i].planner);
    for (int i = 0; i < LATENCY_FRONTS; i++)
        front_free(&pl->latency[i].front);
    pthread_mutex_destroy(&pl->lock);
    free(pl);
}

// --- open models ----------------------------------------------------------------------------------------------------

static const struct planner *planning_cached(struct planning *pl, const char *model)
{
    const struct planner *found = NULL;
    pthread_mutex_lock(&pl->lock);
    for (int i = 0; i < CACHE_SIZE && !found; i++) {
        struct planning_entry *entry = &pl->at[i];
        if (entry->planner && !entry->in_use && strcmp(entry->model, model) == 0) {
            entry->in_use = true;
            entry->used = ++pl->tick;
            found = entry->planner;
        }
    }
    pthread_mutex_unlock(&pl->lock);
    return found;
}

// Takes a fresh planner over, in use. Falls back to the list of extras when every cached one is in use.
static int planning_keep(struct planning *pl, const char *model, struct planner *planner,
                         struct err *e)
{
    struct planning_entry *best = NULL;
    struct planner *old = NULL;
    int bad = 0;
    pthread_mutex_lock(&pl->lock);
    for (int i = 0; i < CACHE_SIZE; i++) {
        struct planning_entry *entry = &pl->at[i];
        if (!entry->in_use &&
            (!best || !entry->planner || (best->planner && entry->used < best->used)))
            best = entry;
    }
    if (best) {
        old = best->planner;
        *best = (struct planning_entry){.planner = planner, .in_use = true, .used = ++pl->tick};
        snprintf(best->model, sizeof best->model, "%s", model);
    } else if (pl->n_extra < MAX_EXTRA) {
        pl->extra[pl->n_extra++] = planner;
    } else {
        bad = err_set(e, ERR_RATE,
                      "too many models are being planned at once; try again in a moment");
    }
    pthread_mutex_unlock(&pl->lock);
    planner_free(old);
    return bad;
}

const struct planner *planning_acquire(struct app *a, const char *model, struct problem *p)
{
    const struct planner *cached = planning_cached(a->planning, model);
    if (cached)
        return cached;
    struct planner *planner = NULL;
    struct model m;
    struct buf bytes;
    buf_init(&bytes, STORE_MAX_BLOB);
    int bad = store_model_get(a->store, model, &m, &p->err) ||
              store_blob_get(a->store, model, &bytes, &p->err) ||
              planner_open(bytes.data, bytes.len, &planner, &p->err) ||
              planning_keep(a->planning, model, planner, &p->err);
    buf_free(&bytes);
    if (bad) {
        planner_free(planner);
        return NULL;
    }
    return planner;
}

void planning_release(struct app *a, const struct planner *planner)
{
    struct planning *pl = a->planning;
    struct planner *drop = NULL;
    if (!planner)
        return;
    pthread_mutex_lock(&pl->lock);
    for (int i = 0; i < CACHE_SIZE; i++) {
        if (pl->at[i].planner == planner)
            pl->at[i].in_use = false;
    }
    for (int i = 0; i < pl->n_extra && !drop; i++) {
        if (pl->extra[i] == planner) {
            drop = pl->extra[i];
            pl->extra[i] = pl->extra[--pl->n_extra];
        }
    }
    pthread_mutex_unlock(&pl->lock);
    planner_free(drop);
}

// --- models and fronts ----------------------------------------------------------------------------------------------

int planning_import(struct app *a, const void *bytes, size_t n, const char *name, struct model *out,
                    bool *known, struct problem *p)
{
    struct planner *planner = NULL;
    struct buf layers;
    int bad = -1;
    char id[HASH_HEX_SIZE];
    struct err none = {0};
    buf_init(&layers, 8u << 20);
    *known = false;
    if (hash_hex(bytes, n, id, &p->err))
        goto out;
    if (store_model_get(a->store, id, out, &none) == 0) {
        *known = true;
        bad = 0;
        goto out;
    }
    if (planner_open(bytes, n, &planner, &p->err))
        goto out;
    *out = (struct model){.bytes = (int64_t)n, .created_ms = clock_now_ms()};
    snprintf(out->id, sizeof out->id, "%s", id);
    snprintf(out->name, sizeof out->name, "%s", name);
    planner_info(planner, &out->info);
    planner_layers_json(planner, &layers);
    if (layers.failed) {
        err_set(&p->err, ERR_NO_MEMORY, "the list of layers is too long");
        goto out;
    }
    if (store_blob_add(a->store, id, bytes, n, &p->err) ||
        store_model_add(a->store, out, buf_str(&layers), &p->err) ||
        store_model_get(a->store, id, out, &p->err))
        goto out;
    log_info("planning", "model %.12s \"%s\": %d layers, %" PRIu64 " MACs", id, out->name,
             out->info.layers, out->info.macs);
    bad = 0;
out:
    buf_free(&layers);
    planner_free(planner);
    return bad;
}

// A strategy's restricted front, computed each time: it takes milliseconds.
static int planning_strategy(struct app *a, const char *model, enum planner_strategy strategy,
                             struct front *out, struct problem *p)
{
    const struct planner *planner = planning_acquire(a, model, p);
    if (!planner)
        return -1;
    int bad = planner_strategy_front(planner, strategy, false, out, &p->err);
    planning_release(a, planner);
    return bad;
}

int planning_front(struct app *a, const char *model, enum planner_strategy strategy,
                   struct front *out, struct problem *p)
{
    struct err none = {0};
    *out = (struct front){0};
    if (strategy != PLANNER_PARETO)
        return planning_strategy(a, model, strategy, out, p);
    if (store_front_get(a->store, model, a->planning->version, out, &none) == 0)
        return 0;
    if (none.code != ERR_NOT_FOUND)
        return err_set(&p->err, none.code, "%s", none.msg);
    const struct planner *planner = planning_acquire(a, model, p);
    if (!planner)
        return -1;
    struct front computed = {0};
    int64_t start = clock_monotonic_ms();
    int bad = planner_front(planner, &computed, &p->err);
    planning_release(a, planner);
    if (!bad) {
        log_info("planning", "model %.12s: front of %zu points in %" PRId64 " ms", model,
                 computed.n, clock_monotonic_ms() - start);
        bad = store_front_put(a->store, model, a->planning->version, &computed, clock_now_ms(),
                              &p->err) ||
              store_front_get(a->store, model, a->planning->version, out, &p->err);
    }
    front_free(&computed);
    return bad ? -1 : 0;
}

static int front_copy(const struct front *from, struct front *to, struct err *e)
{
    *to = (struct front){.n = from->n, .at = malloc((from->n + 1) * sizeof *to->at)};
    if (!to->at)
        return err_set(e, ERR_NO_MEMORY, "no memory for a front");
    memcpy(to->at, from->at, from->n * sizeof *to->at);
    return 0;
}

// 1: a copy is in out, 0: it is not kept, -1: e is set.
static int latency_front_kept(struct planning *pl, const char *model, const struct board *board,
                              struct front *out, struct err *e)
{
    int got = 0;
    pthread_mutex_lock(&pl->lock);
    for (int i = 0; i < LATENCY_FRONTS && got == 0; i++) {
        struct latency_front *f = &pl->latency[i];
        if (f->board != board || strcmp(f->model, model) != 0)
            continue;
        f->used = ++pl->tick;
        got = front_copy(&f->front, out, e) ? -1 : 1;
    }
    pthread_mutex_unlock(&pl->lock);
    return got;
}

// Keeps a copy in place of the one that was not asked for the longest. No memory: it is computed again next time.
static void latency_front_keep(struct planning *pl, const char *model, const struct board *board,
                               const struct front *front)
{
    struct front copy;
    if (front_copy(front, &copy, NULL))
        return;
    pthread_mutex_lock(&pl->lock);
    struct latency_front *oldest = &pl->latency[0];
    for (int i = 1; i < LATENCY_FRONTS; i++) {
        if (pl->latency[i].used < oldest->used)
            oldest = &pl->latency[i];
    }
    front_free(&oldest->front);
    *oldest = (struct latency_front){.board = board, .front = copy, .used = ++pl->tick};
    snprintf(oldest->model, sizeof oldest->model, "%s", model);
    pthread_mutex_unlock(&pl->lock);
}

int planning_latency_front(struct app *a, const char *model, const struct board *board,
                           struct front *out, struct problem *p)
{
    *out = (struct front){0};
    int got = latency_front_kept(a->planning, model, board, out, &p->err);
    if (got)
        return got < 0 ? -1 : 0;
    const struct planner *planner = planning_acquire(a, model, p);
    if (!planner)
        return -1;
    int64_t start = clock_monotonic_ms();
    int bad = planner_latency_front(planner, &board->latency, out, &p->err);
    planning_release(a, planner);
    if (bad)
        return -1;
    log_info("planning", "model %.12s on %s: latency front of %zu points in %" PRId64 " ms", model,
             board->id, out->n, clock_monotonic_ms() - start);
    latency_front_keep(a->planning, model, board, out);
    return 0;
}

// --- campaigns ------------------------------------------------------------------------------------------------------

struct built {           // a program that is in the database
    const char *spec;    // of one of the draft's configs: equal pointers, equal text
    const char *kernels; // of a board
    char sha256[HASH_HEX_SIZE];
    uint32_t crc32, bytes;
};

struct draft { // a campaign in the making
    struct app *app;
    const struct campaign_in *in;
    const struct planner *planner;
    int8_t *input;
    uint32_t output_crc32, output_bytes;
    struct config *configs; // what the campaign may measure, each once
    uint32_t *strategies;   // that offer it
    size_t n_configs;
    struct buf omitted; // {"board","strategy","arena_bytes"}, ...
    struct buf choice;  // {"board","candidates",..}, ... of "choose":"next"
    struct built *built;
    size_t n_built, max_built;
    struct job *jobs;
    size_t n_jobs, max_jobs;
};

static int draft_reference(struct draft *d, struct problem *p)
{
    struct planner_info info;
    planner_info(d->planner, &info);
    int bad = -1;
    int8_t *output = malloc(info.output.bytes ? info.output.bytes : 1);
    d->input = malloc(info.input.bytes ? info.input.bytes : 1);
    if (!output || !d->input) {
        err_set(&p->err, ERR_NO_MEMORY, "no memory for the test input");
        goto out;
    }
    planner_input(d->planner, (enum planner_input_kind)planner_input_kind(d->in->input_kind),
                  d->in->input_seed, d->input);
    if (planner_reference(d->planner, d->input, output, &p->err))
        goto out;
    d->output_bytes = info.output.bytes;
    d->output_crc32 = planner_crc32(output, info.output.bytes);
    bad = 0;
out:
    free(output);
    return bad;
}

// Adds what a strategy offers; a configuration that another one offers too is there already.
static int draft_offers(struct draft *d, enum planner_strategy strategy, const struct front *f,
                        struct problem *p)
{
    size_t max = d->n_configs + f->n;
    struct config *configs = realloc(d->configs, max * sizeof *configs);
    d->configs = configs ? configs : d->configs;
    uint32_t *strategies = realloc(d->strategies, max * sizeof *strategies);
    d->strategies = strategies ? strategies : d->strategies;
    if (!configs || !strategies)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for %zu configurations", max);
    for (size_t i = 0; i < f->n; i++) {
        size_t k = 0;
        while (k < d->n_configs && strcmp(d->configs[k].spec, f->at[i].spec) != 0)
            k++;
        if (k == d->n_configs) {
            d->configs[d->n_configs] = f->at[i];
            d->strategies[d->n_configs++] = 0;
        }
        d->strategies[k] |= 1u << strategy;
    }
    return 0;
}

static int draft_strategies(struct draft *d, struct problem *p)
{
    int bad = 0;
    for (int s = 0; s < PLANNER_STRATEGIES && !bad; s++) {
        struct front f = {0};
        if (!(d->in->strategies >> s & 1))
            continue;
        bad = s == PLANNER_PARETO ? planning_front(d->app, d->in->model, PLANNER_PARETO, &f, p)
                                  : planner_strategy_front(d->planner, (enum planner_strategy)s,
                                                           false, &f, &p->err);
        bad = bad || draft_offers(d, (enum planner_strategy)s, &f, p);
        front_free(&f);
    }
    for (int i = 0; d->in->next && i < d->in->n_boards && !bad; i++) {
        const struct board *board = boards_find(&d->app->boards, d->in->boards[i]);
        struct front f = {0};
        char field[32];
        snprintf(field, sizeof field, "boards[%d]", i);
        if (!board->has_latency)
            return problem_field(p, ERR_BAD_FIELD, field,
                                 "%s has no latency coefficients to choose by", board->id);
        bad = planning_latency_front(d->app, d->in->model, board, &f, p) ||
              draft_offers(d, PLANNER_PARETO, &f, p);
        front_free(&f);
    }
    return bad ? -1 : 0;
}

// The configurations: those that were asked for, or what strategies offer.
static int draft_configs(struct draft *d, struct problem *p)
{
    if (d->in->n_specs == 0)
        return draft_strategies(d, p);
    d->configs = calloc((size_t)d->in->n_specs, sizeof *d->configs);
    d->strategies = calloc((size_t)d->in->n_specs, sizeof *d->strategies);
    if (!d->configs || !d->strategies)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for %d configurations", d->in->n_specs);
    for (int i = 0; i < d->in->n_specs; i++) {
        struct config *c = &d->configs[d->n_configs];
        struct err e = {0};
        char field[32];
        snprintf(field, sizeof field, "specs[%d]", i);
        if (planner_price(d->planner, d->in->specs[i], c, &e))
            return problem_field(p, e.code, field, "%s", e.msg);
        bool again = false; // two spellings of one configuration are one job
        for (size_t k = 0; k < d->n_configs; k++)
            again = again || strcmp(d->configs[k].spec, c->spec) == 0;
        d->n_configs += !again;
    }
    return 0;
}

// Compiles a configuration for a kernel variant, once, and stores the bytes.
static const struct built *draft_build(struct draft *d, const char *spec, const char *kernels,
                                       struct problem *p)
{
    for (size_t i = 0; i < d->n_built; i++) {
        if (d->built[i].spec == spec && strcmp(d->built[i].kernels, kernels) == 0)
            return &d->built[i];
    }
    struct built *out = NULL;
    struct buf bytes;
    struct prog_header header;
    buf_init(&bytes, STORE_MAX_BLOB);
    if (planner_program(d->planner, spec, kernels, d->input, &bytes, &p->err))
        goto out;
    if (bytes.failed || bytes.len < sizeof header) {
        err_set(&p->err, ERR_INTERNAL, "the program of \"%.120s\" could not be built", spec);
        goto out;
    }
    memcpy(&header, bytes.data, sizeof header);
    struct built *b = &d->built[d->n_built];
    *b = (struct built){
        .spec = spec, .kernels = kernels, .crc32 = header.crc32, .bytes = (uint32_t)bytes.len};
    if (hash_hex(bytes.data, bytes.len, b->sha256, &p->err) ||
        store_blob_add(d->app->store, b->sha256, bytes.data, bytes.len, &p->err))
        goto out;
    d->n_built++;
    out = b;
out:
    buf_free(&bytes);
    return out;
}

static int draft_job(struct draft *d, const struct board *board, const struct config *c,
                     struct problem *p)
{
    const struct built *b = draft_build(d, c->spec, board->kernels, p);
    if (!b || board_fits(board, c, b->bytes, &p->err))
        return -1;
    struct job *j = &d->jobs[d->n_jobs++];
    *j = (struct job){.program_crc32 = b->crc32,
                      .program_bytes = b->bytes,
                      .arena_bytes = c->arena_bytes,
                      .macs = c->macs,
                      .overhead = c->overhead,
                      .predicted_ms = board_predict_ms(board, d->planner, c->spec)};
    snprintf(j->board, sizeof j->board, "%s", board->id);
    snprintf(j->spec, sizeof j->spec, "%s", c->spec);
    snprintf(j->program, sizeof j->program, "%s", b->sha256);
    return 0;
}

// Tells what is missing for a configuration, and what would fit in its place. Always returns -1.
static int draft_no_fit(struct draft *d, const struct board *board, const struct config *c,
                        const char *field, bool any, struct problem *p)
{
    struct front f = {0};
    const struct built *b = draft_build(d, c->spec, board->kernels, p);
    if (!b || planning_front(d->app, d->in->model, PLANNER_PARETO, &f, p))
        return -1;
    const struct no_fit_wish wish = {.board = board,
                                     .spec = c->spec,
                                     .arena_bytes = c->arena_bytes + c->outside_bytes,
                                     .program_bytes = b->bytes,
                                     .field = field,
                                     .any = any};
    no_fit_set(p, &wish, d->planner, &f, d->input);
    front_free(&f);
    return -1;
}

// Explicit configurations: each must fit the board.
static int draft_board_specs(struct draft *d, const struct board *board, struct problem *p)
{
    for (size_t i = 0; i < d->n_configs; i++) {
        struct problem one = {0};
        char field[32];
        snprintf(field, sizeof field, "specs[%zu]", i);
        bool made = draft_job(d, board, &d->configs[i], &one) == 0;
        if (!made && one.err.code == ERR_NO_FIT)
            return draft_no_fit(d, board, &d->configs[i], field, false, p);
        if (!made)
            return problem_field(p, one.err.code, field, "%s", one.err.msg);
    }
    return 0;
}

static int by_arena(const void *a, const void *b)
{
    const struct config *p = *(const struct config *const *)a,
                        *q = *(const struct config *const *)b;
    if (p->arena_bytes != q->arena_bytes)
        return p->arena_bytes < q->arena_bytes ? -1 : 1;
    return (p->macs > q->macs) - (p->macs < q->macs);
}

// The job of a configuration on the board whose jobs begin at first_job; NULL: none yet.
static struct job *draft_find(struct draft *d, size_t first_job, const struct config *c)
{
    for (size_t i = first_job; i < d->n_jobs; i++) {
        if (strcmp(d->jobs[i].spec, c->spec) == 0)
            return &d->jobs[i];
    }
    return NULL;
}

// Points spread over what a strategy offers that fits the board.
static int draft_board_strategy(struct draft *d, const struct board *board, size_t first_job, int s,
                                struct problem *p)
{
    size_t index[JSON_IN_MAX_SPECS], n_fits = 0, n_jobs = 0;
    const struct config **fits = calloc(d->n_configs + 1, sizeof(const struct config *));
    uint32_t least = UINT32_MAX;
    int bad = -1;
    if (!fits)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for a front");
    for (size_t i = 0; i < d->n_configs; i++) {
        const struct config *c = &d->configs[i];
        if (!(d->strategies[i] >> s & 1))
            continue;
        least = c->arena_bytes < least ? c->arena_bytes : least;
        if (board_fits(board, c, 0, NULL) == 0)
            fits[n_fits++] = c;
    }
    if (n_fits)
        qsort(fits, n_fits, sizeof(const struct config *), by_arena);
    size_t n = front_spread(&(struct front){.n = n_fits}, (size_t)d->in->points, index);
    for (size_t i = 0; i < n; i++) {
        const struct config *c = fits[index[i]];
        struct job *j = draft_find(d, first_job, c);
        struct problem one = {0};
        if (!j && draft_job(d, board, c, &one) == 0)
            j = &d->jobs[d->n_jobs - 1];
        if (j) {
            j->strategies |= 1u << s;
            n_jobs++;
        } else if (one.err.code != ERR_NO_FIT) {
            *p = one;
            goto out;
        }
    }
    if (n_jobs == 0)
        buf_printf(&d->omitted,
                   "%s{\"board\":\"%s\",\"strategy\":\"%s\",\"arena_bytes\":%" PRIu32 "}",
                   d->omitted.len ? "," : "", board->id, planner_strategy_names[s], least);
    bad = 0;
out:
    free(fits);
    return bad;
}

// What to measure next on a board: of its fronts over RAM and MACs and over RAM and latency.
static int draft_board_next(struct draft *d, const struct board *board, struct problem *p)
{
    size_t picks[JSON_IN_MAX_SPECS];
    struct planner_info info;
    struct choice c;
    planner_info(d->planner, &info);
    if (choose_next(d->app, board, d->planner, d->in->model, d->configs, d->n_configs,
                    info.weight_bytes, (size_t)d->in->points, picks, &c, p))
        return -1;
    for (size_t i = 0; i < c.chosen; i++) {
        struct problem one = {0};
        const size_t before = d->n_jobs;
        if (draft_job(d, board, &d->configs[picks[i]], &one) && one.err.code != ERR_NO_FIT)
            return err_set(&p->err, one.err.code, "%s", one.err.msg);
        if (d->n_jobs > before)
            d->jobs[before].strategies = 1u << PLANNER_PARETO;
    }
    buf_printf(&d->choice,
               "%s{\"board\":\"%s\",\"candidates\":%zu,\"known\":%zu,\"chosen\":%zu,\"left\":%zu,"
               "\"saved\":%zu}",
               d->choice.len ? "," : "", board->id, c.candidates, c.known, c.chosen, c.left,
               c.saved);
    return 0;
}

// The points of every strategy; a board that none fits is an error, a strategy is left out.
static int draft_board_strategies(struct draft *d, const struct board *board, int i_board,
                                  struct problem *p)
{
    const size_t before = d->n_jobs;
    const struct config *least = d->configs;
    struct problem one = {0};
    char field[32];
    snprintf(field, sizeof field, "boards[%d]", i_board);
    for (int s = 0; s < PLANNER_STRATEGIES; s++) {
        if ((d->in->strategies >> s & 1) && draft_board_strategy(d, board, before, s, &one))
            return problem_field(p, one.err.code, field, "%s", one.err.msg);
    }
    if (d->n_jobs > before)
        return 0;
    for (size_t i = 1; i < d->n_configs; i++)
        least = d->configs[i].arena_bytes < least->arena_bytes ? &d->configs[i] : least;
    return draft_no_fit(d, board, least, field, true, p);
}

static int draft_jobs(struct draft *d, struct problem *p)
{
    d->max_jobs = d->n_configs * (size_t)d->in->n_boards;
    d->jobs = calloc(d->max_jobs + 1, sizeof *d->jobs);
    d->built = calloc(d->max_jobs + 1, sizeof *d->built);
    if (!d->jobs || !d->built)
        return err_set(&p->err, ERR_NO_MEMORY, "no memory for %zu jobs", d->max_jobs);
    for (int i = 0; i < d->in->n_boards; i++) {
        const struct board *board = boards_find(&d->app->boards, d->in->boards[i]);
        if (d->in->n_specs ? draft_board_specs(d, board, p)
            : d->in->next  ? draft_board_next(d, board, p)
                           : draft_board_strategies(d, board, i, p))
            return -1;
    }
    if (d->in->next && d->n_jobs == 0)
        return problem_field(p, ERR_CONFLICT, "choose",
                             "nothing is left to measure: every configuration that could make the "
                             "front faster by %g %% is measured, or does not fit",
                             100 * CHOOSE_GRAIN);
    return 0;
}

// Writes campaign, jobs and events in one transaction.
static int draft_store(struct draft *d, const char *idempotency_key, const char *request_sha256,
                       struct campaign *out, struct queue_change *ch, struct problem *p)
{
    const struct campaign_in *in = d->in;
    int64_t now = clock_now_ms();
    struct campaign c = {.repeats = in->repeats,
                         .input_seed = in->input_seed,
                         .output_crc32 = d->output_crc32,
                         .output_bytes = d->output_bytes,
                         .strategies = in->strategies,
                         .created_ms = now};
    struct model m;
    struct buf boards;
    buf_init(&boards, sizeof c.boards_json - 1);
    json_out_boards(&boards, in);
    snprintf(c.boards_json, sizeof c.boards_json, "%s", buf_str(&boards));
    bool too_long = boards.failed;
    buf_free(&boards);
    if (too_long)
        return problem_field(p, ERR_BAD_FIELD, "boards", "the list of boards is too long");
    if (d->omitted.failed || snprintf(c.omitted_json, sizeof c.omitted_json, "[%s]",
                                      buf_str(&d->omitted)) >= (int)sizeof c.omitted_json)
        return err_set(&p->err, ERR_NO_MEMORY, "the list of what does not fit is too long");
    if (d->choice.failed || snprintf(c.choice_json, sizeof c.choice_json, "[%s]",
                                     buf_str(&d->choice)) >= (int)sizeof c.choice_json)
        return err_set(&p->err, ERR_NO_MEMORY, "the list of what was chosen is too long");
    snprintf(c.model, sizeof c.model, "%s", in->model);
    snprintf(c.input_kind, sizeof c.input_kind, "%s", in->input_kind);
    snprintf(c.request_sha256, sizeof c.request_sha256, "%s",
             idempotency_key ? request_sha256 : "");
    if (store_model_get(d->app->store, in->model, &m, &p->err) ||
        store_begin(d->app->store, &p->err))
        return -1;
    snprintf(c.name, sizeof c.name, "%s", in->name[0] ? in->name : m.name);
    if (store_campaign_add(d->app->store, &c, idempotency_key, &p->err))
        goto fail;
    for (size_t i = 0; i < d->n_jobs; i++) {
        d->jobs[i].campaign = c.id;
        if (store_job_add(d->app->store, &d->jobs[i], now, &p->err) ||
            store_event_add(d->app->store, c.id, EVENT_JOB, d->jobs[i].id, &p->err))
            goto fail;
        ch->boards |= boards_bit(&d->app->boards, d->jobs[i].board);
    }
    if (store_event_add(d->app->store, c.id, EVENT_CAMPAIGN, c.id, &p->err) ||
        store_campaign_get(d->app->store, c.id, out, &p->err))
        goto fail;
    if (store_commit(d->app->store, &p->err))
        return -1;
    log_info("planning", "campaign %" PRId64 ": %zu jobs of model %.12s", c.id, d->n_jobs, c.model);
    return 0;
fail:
    store_rollback(d->app->store);
    return -1;
}

// The campaign that an Idempotency-Key has made already, if any.
static int planning_repeated(struct app *a, const char *key, const char *request_sha256,
                             struct campaign *out, bool *known, struct problem *p)
{
    struct err none = {0};
    if (store_campaign_by_key(a->store, key, out, &none))
        return none.code == ERR_NOT_FOUND ? 0 : err_set(&p->err, none.code, "%s", none.msg);
    if (strcmp(out->request_sha256, request_sha256) != 0)
        return err_set(
            &p->err, ERR_CONFLICT,
            "this Idempotency-Key was used for another request, which made campaign %" PRId64
            "; take a new key for a new campaign",
            out->id);
    *known = true;
    return 0;
}

int planning_campaign(struct app *a, const struct campaign_in *in, const char *idempotency_key,
                      const char *request_sha256, struct campaign *out, bool *known,
                      struct queue_change *ch, struct problem *p)
{
    struct draft d = {.app = a, .in = in};
    struct err e = {0};
    struct model m;
    int bad = -1;
    *known = false;
    buf_init(&d.omitted, sizeof out->omitted_json);
    buf_init(&d.choice, sizeof out->choice_json);
    if (idempotency_key &&
        (planning_repeated(a, idempotency_key, request_sha256, out, known, p) || *known))
        return p->err.code ? -1 : 0;
    for (int i = 0; i < in->n_boards; i++) {
        if (!boards_find(&a->boards, in->boards[i])) {
            char field[32];
            snprintf(field, sizeof field, "boards[%d]", i);
            return problem_field(p, ERR_UNKNOWN_BOARD, field,
                                 "there is no board \"%s\"; GET /api/v1/boards lists them",
                                 in->boards[i]);
        }
    }
    if (store_model_get(a->store, in->model, &m, &e))
        return problem_field(p, e.code == ERR_NOT_FOUND ? ERR_BAD_FIELD : e.code, "model", "%s",
                             e.msg);
    d.planner = planning_acquire(a, in->model, p);
    if (!d.planner || draft_reference(&d, p) || draft_configs(&d, p) || draft_jobs(&d, p))
        goto out;
    bad = draft_store(&d, idempotency_key, request_sha256, out, ch, p);
    if (bad && idempotency_key) {
        // The same key may have come in twice at once: the other request has won.
        struct problem again = {0};
        if (planning_repeated(a, idempotency_key, request_sha256, out, known, &again) == 0 &&
            *known)
            bad = 0;
        else if (again.err.code)
            *p = again;
    }
    if (bad == 0)
        *p = (struct problem){0};
out:
    planning_release(a, d.planner);
    free(d.input);
    free(d.configs);
    free(d.strategies);
    buf_free(&d.omitted);
    buf_free(&d.choice);
    free(d.built);
    free(d.jobs);
    return bad;
}
