// SPDX-License-Identifier: MIT
// Fits a board's latency coefficients to what it measured for each layer, by non-negative least
// squares of the error relative to the whole configuration. Input: for each configuration a line
//   config<TAB>model.tflite<TAB>cycles<TAB>spec      the median of unprofiled runs
// then  layer<TAB>i<TAB>cycles  of its profile (a layer may come more than once), and
//   interpreter<TAB>cycles.
// Every fourth configuration is kept out of the fit; the error is that of those. Output: the members
// of "latency" of board.json. tools/fit-latency measures and calls it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/planner.h"

enum { MAX_CONFIGS = 4096, HOLD_OUT = 4, CALLS_ONLY = LATENCY_CLASSES };

struct row { // a layer of a configuration, or its interpreter
    int kind, config;
    double amount[LATENCY_TERMS], cycles;
};

struct data {
    struct row *rows;
    size_t n, cap;
    double total[MAX_CONFIGS]; // cycles of a configuration
    int n_configs;
    // the configuration at hand
    struct planner *planner;
    char path[1024];
    struct latency_work *work;
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
    double calls = 0;
    if (d->n_configs == 0)
        return 0;
    for (int i = 0; i < d->n_layers; i++) {
        struct row r = {
            .kind = (int)d->work[i].kind, .config = d->n_configs - 1, .cycles = d->measured[i]};
        memcpy(r.amount, d->work[i].amount, sizeof r.amount);
        calls += d->work[i].amount[LATENCY_CALL];
        if (add_row(d, &r, e))
            return -1;
    }
    struct row r = {.kind = CALLS_ONLY, .config = d->n_configs - 1, .cycles = d->interpreter};
    r.amount[LATENCY_CALL] = calls;
    return add_row(d, &r, e);
}

static int take_line(struct data *d, char *line, struct err *e)
{
    char *save = NULL;
    const char *what = strtok_r(line, "\t\n", &save), *a = strtok_r(NULL, "\t\n", &save),
               *b = strtok_r(NULL, "\t\n", &save), *c = strtok_r(NULL, "\t\n", &save);
    if (what && strcmp(what, "config") == 0 && c) {
        if (end_config(d, e) || open_model(d, a, e) || planner_work(d->planner, c, d->work, e))
            return -1;
        if (d->n_configs == MAX_CONFIGS)
            return err_set(e, ERR_TOO_LARGE, "more than %d configurations", MAX_CONFIGS);
        memset(d->measured, 0, (size_t)d->n_layers * sizeof *d->measured);
        d->total[d->n_configs++] = strtod(b, NULL);
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

static bool in_fit(int config)
{
    return config % HOLD_OUT != HOLD_OUT - 1;
}

// Gaussian elimination with pivoting of the normal equations over the terms in use; a term that the
// data does not tell apart from others is left out (use becomes false).
static void solve(const struct data *d, int kind, bool *use, double *x)
{
    enum { N = LATENCY_TERMS };
    double a[N][N + 1] = {{0}}, scale[N] = {0};
    for (size_t r = 0; r < d->n; r++) {
        const struct row *row = &d->rows[r];
        if (row->kind != kind || !in_fit(row->config))
            continue;
        double w = 1 / d->total[row->config];
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < N; k++)
                a[i][k] += w * w * row->amount[i] * row->amount[k];
            a[i][N] += w * w * row->amount[i] * row->cycles;
        }
    }
    for (int i = 0; i < N; i++)
        scale[i] = sqrt(a[i][i]);
    for (int i = 0; i < N; i++) { // columns of length 1
        use[i] = use[i] && scale[i] > 0;
        for (int k = 0; k < N; k++)
            a[i][k] = use[i] && scale[i] * scale[k] > 0 ? a[i][k] / (scale[i] * scale[k]) : 0;
        a[i][N] = use[i] ? a[i][N] / scale[i] : 0;
    }
    for (int i = 0; i < N; i++) {
        if (!use[i]) {
            for (int k = 0; k < N; k++)
                a[k][i] = 0;
            a[i][i] = 1;
        }
        a[i][i] += use[i] ? 1e-9 : 0;
    }
    for (int i = 0; i < N; i++) { // positive definite: no pivoting needed
        for (int r = 0; r < N; r++) {
            double f = r == i ? 0 : a[r][i] / a[i][i];
            for (int k = i; k <= N && f != 0; k++)
                a[r][k] -= f * a[i][k];
        }
    }
    for (int i = 0; i < N; i++)
        x[i] = use[i] ? a[i][N] / a[i][i] / scale[i] : 0;
}

// A negative cost is none: the most negative is left out until there is none.
static void fit_kind(const struct data *d, int kind, double *x)
{
    bool use[LATENCY_TERMS];
    for (int t = 0; t < LATENCY_TERMS; t++)
        use[t] = kind != CALLS_ONLY || t == LATENCY_CALL;
    for (int round = 0; round <= LATENCY_TERMS; round++) {
        int worst = -1;
        solve(d, kind, use, x);
        for (int t = 0; t < LATENCY_TERMS; t++) {
            if (x[t] < 0 && (worst < 0 || x[t] < x[worst]))
                worst = t;
        }
        if (worst < 0)
            return;
        use[worst] = false;
    }
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

// Errors of the configurations that were kept out, against runs without a profile.
static void test_fit(const struct data *d, struct latency_model *m)
{
    static double predicted[MAX_CONFIGS], error[MAX_CONFIGS];
    for (size_t r = 0; r < d->n; r++) {
        const struct row *row = &d->rows[r];
        struct latency_work w = {.kind = (enum latency_class)row->kind};
        if (row->kind == CALLS_ONLY)
            continue;
        memcpy(w.amount, row->amount, sizeof w.amount);
        predicted[row->config] += latency_cycles(m, &w);
    }
    for (int c = 0; c < d->n_configs; c++) {
        if (!in_fit(c))
            error[m->tested++] = fabs(predicted[c] / d->total[c] - 1);
    }
    qsort(error, m->tested, sizeof *error, by_value);
    if (m->tested == 0)
        return;
    m->median_error = error[m->tested / 2];
    m->worst_error = error[m->tested - 1];
}

static void print_model(const struct latency_model *m)
{
    for (int k = 0; k < LATENCY_CLASSES; k++) {
        printf("    \"%s\": {", latency_class_names[k]);
        for (int t = 0; t < LATENCY_TERMS; t++)
            printf("%s\"%s\": %.4g", t ? ", " : "", latency_term_names[t], m->cycles[k][t]);
        printf("},\n");
    }
    printf("    \"interpreter\": %.4g, \"median_error\": %.4f, \"worst_error\": %.4f, \"tested\": "
           "%u\n",
           m->interpreter, m->median_error, m->worst_error, (unsigned)m->tested);
}

int main(void)
{
    static char line[PLANNER_MAX_SPEC + 2048];
    static struct data d;
    struct latency_model m = {0};
    struct err e = {0};
    int rc = 0;
    while (rc == 0 && fgets(line, sizeof line, stdin))
        rc = take_line(&d, line, &e);
    if (rc == 0)
        rc = end_config(&d, &e);
    if (rc == 0 && d.n_configs < 2 * LATENCY_TERMS)
        rc = err_set(&e, ERR_BAD_REQUEST, "%d configurations are too few, at least %d are needed",
                     d.n_configs, 2 * LATENCY_TERMS);
    if (rc == 0) {
        double x[LATENCY_TERMS];
        for (int k = 0; k < LATENCY_CLASSES; k++)
            fit_kind(&d, k, m.cycles[k]);
        fit_kind(&d, CALLS_ONLY, x);
        m.interpreter = x[LATENCY_CALL];
        test_fit(&d, &m);
        print_model(&m);
        fprintf(stderr,
                "%d configurations, %u of them kept out of the fit: error median %.1f %%, worst "
                "%.1f %%\n",
                d.n_configs, (unsigned)m.tested, 100 * m.median_error, 100 * m.worst_error);
    } else {
        fprintf(stderr, "fit-latency: %s\n", e.msg);
    }
    planner_free(d.planner);
    free(d.rows);
    free(d.work);
    free(d.measured);
    return rc ? 1 : 0;
}
