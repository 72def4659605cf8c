// SPDX-License-Identifier: MIT
// fit-latency KERNELS [ROWS.tsv]: fits a board's latency coefficients to what it measured for each layer and for the
// interpreter, by non-negative least squares of the error relative to the whole configuration. Input: for each
// configuration a line
//   config<TAB>model.tflite<TAB>cycles<TAB>spec      the median of unprofiled runs
// then  layer<TAB>i<TAB>cycles  of its profile (a layer may come more than once), and
//   interpreter<TAB>cycles.
// Configurations come sorted. Two errors are told, both of configurations that the fit has not seen: of every fourth one,
// kept out of the fit that is printed; and, by further fits, of each real model when all of its configurations are kept out.
// Output: the members of "latency" of board.json. tools/fit-latency measures and calls it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/planner.h"

enum {
    MAX_CONFIGS = 4096,
    HOLD_OUT = 4,
    INTERPRETER = LATENCY_CLASSES, // a kind of rows beside the classes
    KINDS,
    SWEEPS = 2000,
    LEAST_NETWORKS = 3,
    N = LATENCY_TERMS
};
_Static_assert((int)LATENCY_WORKS <= (int)N, "a row has room for the interpreter's work");

struct row { // a layer of a configuration, or its interpreter
    int kind, config, layer;
    double amount[N], cycles;
};

struct run {       // of a configuration
    char name[32]; // of its model
    int model;
    double total, predicted;
};

struct fit {
    double x[KINDS][N];
};

struct data {
    const char *kernels;
    struct row *rows;
    size_t n, cap;
    struct run configs[MAX_CONFIGS];
    int n_configs, n_models;
    // the configuration at hand
    struct planner *planner;
    char path[1024];
    struct planner_work *work;
    double works[LATENCY_WORKS];
    double *measured;
    int n_layers;
    double interpreter;
};

static int open_model(struct data *d, const char *path, struct err *e)
{
    struct planner_info info;
    struct buf file;
    if (strcmp(path, d->path) == 0)
        return 0;
    planner_free(d->planner);
    d->planner = NULL;
    d->n_models++;
    snprintf(d->path, sizeof d->path, "%s", path);
    buf_init(&file, 64u << 20);
    int rc = buf_read_file(&file, path) ? err_set(e, ERR_IO, "%s: cannot be read", path)
                                        : planner_open(file.data, file.len, &d->planner, e);
    buf_free(&file);
    if (rc)
        return rc;
    planner_info(d->planner, &info);
    d->n_layers = info.layers;
    free(d->work);
    free(d->measured);
    d->work = calloc((size_t)info.layers, sizeof *d->work);
    d->measured = calloc((size_t)info.layers, sizeof *d->measured);
    return d->work && d->measured ? 0 : err_set(e, ERR_NO_MEMORY, "no memory");
}

static int add_row(struct data *d, const struct row *r, struct err *e)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 1024;
        struct row *p = realloc(d->rows, cap * sizeof *p);
        if (!p)
            return err_set(e, ERR_NO_MEMORY, "no memory for %zu rows", cap);
        d->rows = p;
        d->cap = cap;
    }
    d->rows[d->n++] = *r;
    return 0;
}

// Turns the configuration at hand into rows.
static int end_config(struct data *d, struct err *e)
{
    if (d->n_configs == 0)
        return 0;
    for (int i = 0; i < d->n_layers; i++) {
        struct row r = {.kind = (int)d->work[i].kind,
                        .config = d->n_configs - 1,
                        .layer = i,
                        .cycles = d->measured[i]};
        memcpy(r.amount, d->work[i].amount, sizeof d->work[i].amount);
        if (add_row(d, &r, e))
            return -1;
    }
    struct row r = {
        .kind = INTERPRETER, .config = d->n_configs - 1, .layer = -1, .cycles = d->interpreter};
    memcpy(r.amount, d->works, sizeof d->works);
    return add_row(d, &r, e);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int take_line(struct data *d, char *line, struct err *e)
{
    char *save = NULL;
    const char *what = strtok_r(line, "\t\n", &save), *a = strtok_r(NULL, "\t\n", &save),
               *b = strtok_r(NULL, "\t\n", &save), *c = strtok_r(NULL, "\t\n", &save);
    if (what && strcmp(what, "config") == 0 && c) {
        if (end_config(d, e) || open_model(d, a, e) ||
            planner_work(d->planner, c, d->kernels, d->work, d->works, e))
            return -1;
        if (d->n_configs == MAX_CONFIGS)
            return err_set(e, ERR_TOO_LARGE, "more than %d configurations", MAX_CONFIGS);
        memset(d->measured, 0, (size_t)d->n_layers * sizeof *d->measured);
        struct run *run = &d->configs[d->n_configs++];
        *run = (struct run){.model = d->n_models - 1, .total = strtod(b, NULL)};
        snprintf(run->name, sizeof run->name, "%s", base_name(a));
        return 0;
    }
    if (what && strcmp(what, "layer") == 0 && b && d->n_configs && atoi(a) < d->n_layers) {
        d->measured[atoi(a)] += strtod(b, NULL);
        return 0;
    }
    if (what && strcmp(what, "interpreter") == 0 && a) {
        d->interpreter = strtod(a, NULL);
        return 0;
    }
    return err_set(e, ERR_BAD_REQUEST, "configuration %d: a line of another form", d->n_configs);
}

// ---- the fit ----

// Which configurations a fit sees: all but those of a model, or all but every fourth.
struct sight {
    int without_model; // -1: without every fourth
};

static bool sees(const struct data *d, struct sight s, int config)
{
    return s.without_model >= 0 ? d->configs[config].model != s.without_model
                                : config % HOLD_OUT != HOLD_OUT - 1;
}

// The networks that have some of a term; of term N, those that have rows of the kind at all.
static int networks_with(const struct data *d, int kind, struct sight s, int term)
{
    int networks = 0, last = -1;
    for (size_t r = 0; r < d->n; r++) {
        const struct row *row = &d->rows[r];
        const int model = d->configs[row->config].model;
        if (row->kind == kind && model != last && sees(d, s, row->config) &&
            (term == N ? row->cycles > 0 : row->amount[term] > 0)) {
            networks++;
            last = model;
        }
    }
    return networks;
}

// What a few of many networks have would be made to explain whatever else is particular to those.
static bool is_fair(const struct data *d, int kind, struct sight s, int term)
{
    const int with = networks_with(d, kind, s, term);
    return with >= LEAST_NETWORKS || with == networks_with(d, kind, s, N);
}

// Least squares without negative coefficients: each in turn gets the best value that the others leave it, until
// nothing moves.
static void fit_kind(const struct data *d, int kind, struct sight s, double *x)
{
    double a[N][N] = {{0}}, b[N] = {0};
    bool fair[N];
    for (size_t r = 0; r < d->n; r++) {
        const struct row *row = &d->rows[r];
        if (row->kind != kind || !sees(d, s, row->config))
            continue;
        double w = 1 / d->configs[row->config].total;
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < N; k++)
                a[i][k] += w * w * row->amount[i] * row->amount[k];
            b[i] += w * w * row->amount[i] * row->cycles;
        }
    }
    for (int i = 0; i < N; i++)
        fair[i] = is_fair(d, kind, s, i);
    memset(x, 0, N * sizeof *x);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (int i = 0; i < N; i++) {
            double rest = b[i];
            for (int k = 0; k < N; k++)
                rest -= k == i ? 0 : a[i][k] * x[k];
            x[i] = fair[i] && a[i][i] > 0 && rest > 0 ? rest / a[i][i] : 0;
        }
    }
}

// Coefficients of a class that no network has, from one whose kernels are like its own.
static void borrow(const struct data *d, struct sight s, struct fit *f, int kind, int like)
{
    if (networks_with(d, kind, s, N) == 0)
        memcpy(f->x[kind], f->x[like], sizeof f->x[kind]);
}

static void fit_all(const struct data *d, struct sight s, struct fit *f)
{
    for (int k = 0; k < KINDS; k++)
        fit_kind(d, k, s, f->x[k]);
    borrow(d, s, f, LATENCY_PLAIN_CONV, LATENCY_SUM);
    borrow(d, s, f, LATENCY_PLAIN_DWCONV, LATENCY_DWCONV);
    borrow(d, s, f, LATENCY_LARGE, LATENCY_CONV);
}

static double predicted(const struct fit *f, const struct row *r)
{
    double cycles = 0;
    for (int t = 0; t < N; t++)
        cycles += f->x[r->kind][t] * r->amount[t];
    return cycles;
}

// Predicts every configuration that the fit has not seen.
static void predict_unseen(struct data *d, struct sight s, const struct fit *f)
{
    for (int c = 0; c < d->n_configs; c++)
        d->configs[c].predicted = sees(d, s, c) ? d->configs[c].predicted : 0;
    for (size_t r = 0; r < d->n; r++) {
        if (!sees(d, s, d->rows[r].config))
            d->configs[d->rows[r].config].predicted += predicted(f, &d->rows[r]);
    }
}

struct errors {
    double median, worst;
    const char *worst_of; // model
    uint32_t tested;
};

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

// Of the configurations that were predicted, against runs without a profile.
static struct errors errors_of(const struct data *d)
{
    static double error[MAX_CONFIGS];
    struct errors e = {0};
    for (int c = 0; c < d->n_configs; c++) {
        const struct run *run = &d->configs[c];
        if (run->predicted <= 0)
            continue;
        error[e.tested] = fabs(run->predicted / run->total - 1);
        if (error[e.tested] >= e.worst) {
            e.worst = error[e.tested];
            e.worst_of = run->name;
        }
        e.tested++;
    }
    if (e.tested == 0)
        return e;
    qsort(error, e.tested, sizeof *error, by_value);
    e.median = error[e.tested / 2];
    return e;
}

static void print_members(const char *name, const char *const *names, int n, const double *x)
{
    bool some = false;
    printf("    \"%s\": {", name);
    for (int i = 0; i < n; i++) {
        if (x[i] > 1e-6) // an iteration does not reach 0
            printf("%s\"%s\": %.4g", some ? ", " : "", names[i], x[i]);
        some = some || x[i] > 1e-6;
    }
    printf("},\n");
}

static void print_fit(const struct fit *f, const struct errors *e)
{
    for (int k = 0; k < LATENCY_CLASSES; k++)
        print_members(latency_class_names[k], latency_term_names, LATENCY_TERMS, f->x[k]);
    print_members("interpreter", latency_work_names, LATENCY_WORKS, f->x[INTERPRETER]);
    printf("    \"median_error\": %.4f, \"worst_error\": %.4f, \"tested\": %u\n", e->median,
           e->worst, (unsigned)e->tested);
}

// How much of all time a kind takes, and how far off its rows are.
static void print_kinds(const struct data *d, const struct fit *f)
{
    for (int k = 0; k < KINDS; k++) {
        double share = 0, off = 0;
        int rows = 0;
        for (size_t r = 0; r < d->n; r++) {
            const struct row *row = &d->rows[r];
            if (row->kind != k)
                continue;
            rows++;
            share += row->cycles / d->configs[row->config].total;
            off += fabs(predicted(f, row) - row->cycles) / d->configs[row->config].total;
        }
        if (rows)
            fprintf(stderr, "%-14s %5d rows, %5.1f %% of the time, off by %.1f %%\n",
                    k == INTERPRETER ? "interpreter" : latency_class_names[k], rows,
                    100 * share / d->n_configs, 100 * off / share);
    }
}

static void dump_rows(const struct data *d, const struct fit *f, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        return;
    for (size_t r = 0; r < d->n; r++) {
        const struct row *row = &d->rows[r];
        fprintf(out, "%s\t%d\t%d\t%d\t%.0f\t%.0f\t%.0f",
                row->kind == INTERPRETER ? "interpreter" : latency_class_names[row->kind],
                row->config, d->configs[row->config].model, row->layer,
                d->configs[row->config].total, row->cycles, predicted(f, row));
        for (int t = 0; t < N; t++)
            fprintf(out, "\t%.0f", row->amount[t]);
        fprintf(out, "\n");
    }
    fclose(out);
}

static void print_errors(const char *what, const struct errors *e)
{
    fprintf(stderr, "%s: %u, error median %.1f %%, worst %.1f %% (%s)\n", what, (unsigned)e->tested,
            100 * e->median, 100 * e->worst, e->worst_of ? e->worst_of : "none");
}

// Not one of the small networks that fit-models writes: they are there to be in the fit, each with layers that no other
// has.
static bool is_real(const struct data *d, int model)
{
    int c = 0;
    while (d->configs[c].model != model)
        c++;
    return strncmp(d->configs[c].name, "fit_", 4) != 0;
}

static void fit_and_tell(struct data *d, const char *rows)
{
    static struct fit f, other;
    fit_all(d, (struct sight){-1}, &f);
    predict_unseen(d, (struct sight){-1}, &f);
    struct errors kept_out = errors_of(d);
    print_fit(&f, &kept_out);
    for (int c = 0; c < d->n_configs; c++)
        d->configs[c].predicted = 0;
    for (int m = 0; m < d->n_models; m++) {
        if (!is_real(d, m))
            continue;
        fit_all(d, (struct sight){m}, &other);
        predict_unseen(d, (struct sight){m}, &other);
    }
    struct errors models = errors_of(d);
    print_kinds(d, &f);
    fprintf(stderr, "%d configurations of %d models\n", d->n_configs, d->n_models);
    print_errors("every fourth kept out of the fit", &kept_out);
    print_errors("each real model kept out in turn", &models);
    if (rows)
        dump_rows(d, &f, rows);
}

int main(int argc, char **argv)
{
    static char line[PLANNER_MAX_SPEC + 2048];
    static struct data d;
    struct err e = {0};
    int rc = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: fit-latency KERNELS [ROWS.tsv] < MEASUREMENTS\n");
        return 2;
    }
    d.kernels = argv[1];
    while (rc == 0 && fgets(line, sizeof line, stdin))
        rc = take_line(&d, line, &e);
    if (rc == 0)
        rc = end_config(&d, &e);
    if (rc == 0 && d.n_configs < 2 * N)
        rc = err_set(&e, ERR_BAD_REQUEST, "%d configurations are too few, at least %d are needed",
                     d.n_configs, 2 * N);
    if (rc == 0)
        fit_and_tell(&d, argc > 2 ? argv[2] : NULL);
    else
        fprintf(stderr, "fit-latency: %s\n", e.msg);
    planner_free(d.planner);
    free(d.rows);
    free(d.work);
    free(d.measured);
    return rc ? 1 : 0;
}
