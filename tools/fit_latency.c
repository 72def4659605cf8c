// SPDX-License-Identifier: MIT
// Fits a board's latency coefficients to measured cycles by non-negative least squares of the relative error. Input:
// lines "model.tflite<TAB>cycles<TAB>configuration". Every fourth line is kept out of the fit; the error is that of those.
// Output: the "latency" object of board.json. tools/fit-latency measures and calls it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/planner.h"

enum { FEATURES = 6, MAX_ROWS = 4096, HOLD_OUT = 4 };

static const char *const names[FEATURES] = {"per_mac_conv", "per_mac_pointwise", "per_mac_dwconv",
                                            "per_output",   "per_call",          "per_pixel"};

struct row {
    double work[FEATURES], cycles;
};

static int open_model(const char *path, struct planner **p, struct err *e)
{
    struct buf file;
    buf_init(&file, 64u << 20);
    int rc = buf_read_file(&file, path) ? err_set(e, ERR_IO, "%s: cannot be read", path)
                                        : planner_open(file.data, file.len, p, e);
    buf_free(&file);
    return rc;
}

// Reads stdin. Consecutive lines of one model share its planner.
static int read_rows(struct row *rows, int *n, struct err *e)
{
    static char line[PLANNER_MAX_SPEC + 1024];
    char open_path[1024] = "";
    struct planner *p = NULL;
    int rc = 0;
    while (rc == 0 && *n < MAX_ROWS && fgets(line, sizeof line, stdin)) {
        char *save = NULL, *path = strtok_r(line, "\t\n", &save),
             *cycles = strtok_r(NULL, "\t\n", &save);
        char *spec = strtok_r(NULL, "\t\n", &save);
        struct latency_model w;
        if (!spec) {
            rc = err_set(e, ERR_BAD_REQUEST, "line %d: expected model, cycles and configuration",
                         *n + 1);
            break;
        }
        if (strcmp(path, open_path) != 0) {
            planner_free(p);
            p = NULL;
            snprintf(open_path, sizeof open_path, "%s", path);
            rc = open_model(path, &p, e);
        }
        if (rc == 0)
            rc = planner_work(p, spec, &w, e);
        if (rc == 0) {
            rows[*n] = (struct row){{w.per_mac_conv, w.per_mac_pointwise, w.per_mac_dwconv,
                                     w.per_output, w.per_call, w.per_pixel},
                                    strtod(cycles, NULL)};
            (*n)++;
        }
    }
    planner_free(p);
    return rc;
}

// Gaussian elimination with pivoting of the normal equations over the features in use.
static bool solve(const struct row *rows, int n, const bool *use, double *x)
{
    double a[FEATURES][FEATURES + 1] = {{0}};
    for (int r = 0; r < n; r++) {
        if (r % HOLD_OUT == HOLD_OUT - 1)
            continue;
        for (int i = 0; i < FEATURES; i++) {
            double wi = rows[r].work[i] / rows[r].cycles;
            for (int k = 0; k < FEATURES; k++)
                a[i][k] += wi * rows[r].work[k] / rows[r].cycles;
            a[i][FEATURES] += wi;
        }
    }
    for (int i = 0; i < FEATURES; i++) {
        if (use[i])
            continue;
        for (int k = 0; k <= FEATURES; k++)
            a[i][k] = a[k % FEATURES][i] = 0;
        a[i][i] = 1;
    }
    for (int i = 0; i < FEATURES; i++) {
        int pivot = i;
        for (int r = i + 1; r < FEATURES; r++)
            pivot = fabs(a[r][i]) > fabs(a[pivot][i]) ? r : pivot;
        for (int k = 0; k <= FEATURES; k++) {
            double t = a[i][k];
            a[i][k] = a[pivot][k];
            a[pivot][k] = t;
        }
        if (fabs(a[i][i]) < 1e-12)
            return false;
        for (int r = 0; r < FEATURES; r++) {
            double f = r == i ? 0 : a[r][i] / a[i][i];
            for (int k = i; k <= FEATURES && f != 0; k++)
                a[r][k] -= f * a[i][k];
        }
    }
    for (int i = 0; i < FEATURES; i++)
        x[i] = a[i][FEATURES] / a[i][i];
    return true;
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

int main(void)
{
    static struct row rows[MAX_ROWS];
    static double error[MAX_ROWS];
    bool use[FEATURES] = {true, true, true, true, true, true};
    double x[FEATURES] = {0};
    struct err e = {0};
    int n = 0, held = 0;
    if (read_rows(rows, &n, &e)) {
        fprintf(stderr, "fit-latency: %s\n", e.msg);
        return 1;
    }
    if (n < 2 * FEATURES) {
        fprintf(stderr, "fit-latency: %d measurements are too few, at least %d are needed\n", n,
                2 * FEATURES);
        return 1;
    }
    for (int round = 0; round < FEATURES;
         round++) { // a negative cost is none: leave the most negative one out
        int worst = -1;
        if (!solve(rows, n, use, x)) {
            fprintf(stderr, "fit-latency: the measurements do not tell the coefficients apart\n");
            return 1;
        }
        for (int i = 0; i < FEATURES; i++) {
            if (x[i] < 0 && (worst < 0 || x[i] < x[worst]))
                worst = i;
        }
        if (worst < 0)
            break;
        use[worst] = false;
    }
    for (int r = HOLD_OUT - 1; r < n; r += HOLD_OUT) {
        double predicted = 0;
        for (int i = 0; i < FEATURES; i++)
            predicted += use[i] ? x[i] * rows[r].work[i] : 0;
        error[held++] = fabs(predicted / rows[r].cycles - 1);
    }
    qsort(error, (size_t)held, sizeof *error, by_value);
    printf("{");
    for (int i = 0; i < FEATURES; i++)
        printf("%s\"%s\": %.3f", i ? ", " : "", names[i], use[i] ? x[i] : 0.0);
    printf("}\n");
    fprintf(
        stderr,
        "%d measurements, %d of them kept out of the fit: error median %.1f %%, worst %.1f %%\n", n,
        held, 100 * error[held / 2], 100 * error[held - 1]);
    return 0;
}
