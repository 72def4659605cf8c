// SPDX-License-Identifier: MIT
// See choose.h.
#include "server/choose.h"

#include <stdlib.h>
#include <string.h>

#include "server/planner/next.h"
#include "server/store.h"

#define UNTESTED_ERROR 0.15 // of predictions whose error is not known

struct known {
    const struct config *configs;
    const size_t *of; // candidate -> configuration
    struct next_candidate *candidates;
    size_t n;
};

static void take_known(void *cls, const char *spec, double ms)
{
    struct known *k = cls;
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->configs[k->of[i]].spec, spec) == 0)
            k->candidates[i].measured_ms = ms; // the last one is the newest
    }
}

int choose_next(struct app *a, const struct board *board, const struct planner *planner,
                const char *model, const struct config *configs, size_t n, size_t weight_bytes,
                size_t budget, size_t *picks, struct choice *out, struct problem *p)
{
    int bad = -1;
    struct next_candidate *c = calloc(n + 1, sizeof *c);
    size_t *of = calloc(n + 1, sizeof *of);
    struct known known = {.configs = configs, .of = of, .candidates = c};
    *out = (struct choice){0};
    if (!c || !of) {
        err_set(&p->err, ERR_NO_MEMORY, "no memory for %zu configurations", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (board_fits(board, &configs[i], weight_bytes, NULL))
            continue;
        c[known.n] = (struct next_candidate){.arena_bytes = configs[i].arena_bytes,
                                             .predicted_ms =
                                                 board_predict_ms(board, planner, configs[i].spec),
                                             .measured_ms = -1};
        of[known.n++] = i;
    }
    if (store_result_known(a->store, model, board->id, take_known, &known, &p->err))
        goto out;
    next_limits(c, known.n, board->latency.tested ? board->latency.worst_error : UNTESTED_ERROR);
    out->candidates = known.n;
    out->chosen = next_pick(c, known.n, CHOOSE_GRAIN, budget, picks);
    for (size_t i = 0; i < known.n; i++) {
        out->known += c[i].measured_ms >= 0;
        out->left += next_matters(c, known.n, i, CHOOSE_GRAIN);
    }
    out->left = out->left > out->chosen ? out->left - out->chosen : 0;
    out->saved = out->candidates - out->known - out->chosen - out->left;
    for (size_t i = 0; i < out->chosen; i++)
        picks[i] = of[picks[i]];
    bad = 0;
out:
    free(c);
    free(of);
    return bad;
}
