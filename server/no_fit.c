// SPDX-License-Identifier: MIT
// See no_fit.h.
#include "server/no_fit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "server/store.h"

enum { PROGRAMS_MAX = 16 }; // built in search of one that fits the flash: their sizes differ little

static uint64_t ram_of(const struct board *b, const struct config *c)
{
    return (uint64_t)c->arena_bytes + b->arena_overhead_bytes;
}

static size_t program_size(const struct planner *planner, const char *spec, const struct board *b,
                           const int8_t *input)
{
    struct buf bytes;
    struct err untold = {0};
    buf_init(&bytes, STORE_MAX_BLOB);
    size_t n = planner_program(planner, spec, b->kernels, input, &bytes, &untold) || bytes.failed
                   ? SIZE_MAX
                   : bytes.len;
    buf_free(&bytes);
    return n;
}

// The points of the front that fit the board's RAM are its first n. Of two that are the next to look at, below and above
// those that were seen: the closer one to the wish.
static size_t closer(const struct front *front, size_t below, size_t above, size_t n,
                     uint32_t arena_bytes)
{
    if (below == 0 || above == n)
        return below == 0 ? above : below - 1;
    uint32_t down = arena_bytes - front->at[below - 1].arena_bytes,
             up = front->at[above].arena_bytes - arena_bytes;
    return down <= up ? below - 1 : above;
}

// The nearest point that fits RAM and flash, or NULL; *least_program: the smallest program that was built.
static const struct config *nearest(const struct no_fit_wish *wish, const struct planner *planner,
                                    const struct front *front, const int8_t *input,
                                    size_t *least_program)
{
    const struct board *b = wish->board;
    size_t n = 0, above = 0;
    while (n < front->n && ram_of(b, &front->at[n]) <= b->arena_max_bytes)
        n++;
    while (above < n && front->at[above].arena_bytes < wish->arena_bytes)
        above++;
    size_t below = above;
    *least_program = SIZE_MAX;
    for (size_t tries = 0; tries < PROGRAMS_MAX && (below > 0 || above < n); tries++) {
        size_t i = closer(front, below, above, n, wish->arena_bytes);
        size_t bytes = program_size(planner, front->at[i].spec, b, input);
        if (bytes <= b->program_max_bytes)
            return &front->at[i];
        *least_program = bytes < *least_program ? bytes : *least_program;
        below -= i < below;
        above += i >= above;
    }
    return NULL;
}

static void say_missing(struct buf *out, const struct no_fit_wish *wish, const struct no_fit *f)
{
    // "any" of a campaign's strategies: others may offer something that fits
    unsigned long long needed = f->needed_bytes, missing = f->needed_bytes - f->available_bytes,
                       available = f->available_bytes;
    const struct board *b = wish->board;
    if (wish->any)
        buf_printf(out, "no configuration of %s fits: ",
                   f->nearest ? "the campaign's strategies" : "this model");
    if (f->flash)
        buf_printf(out,
                   "%s: the program of \"%.60s\" has %llu bytes, %llu more than the %llu that its "
                   "flash of %llu has room for beside the firmware",
                   b->id, wish->spec, needed, missing, available,
                   (unsigned long long)b->flash_bytes);
    else
        buf_printf(out,
                   "%s: \"%.60s\" needs %llu bytes of RAM, %llu more than the %llu that there are "
                   "beside stack and data",
                   b->id, wish->spec, needed, missing, available);
}

int no_fit_set(struct problem *p, const struct no_fit_wish *wish, const struct planner *planner,
               const struct front *front, const int8_t *input)
{
    const struct board *b = wish->board;
    size_t least_program;
    struct buf text;
    struct no_fit f = {.known = true};
    const struct config *near = nearest(wish, planner, front, input, &least_program);
    uint64_t ram = (uint64_t)wish->arena_bytes + b->arena_overhead_bytes;
    size_t program = wish->program_bytes;
    // Where something fits the RAM and nothing the flash, it is the flash that is in the way.
    f.flash = ram <= b->arena_max_bytes || (!near && least_program != SIZE_MAX);
    if (f.flash && program <= b->program_max_bytes)
        program = least_program;
    snprintf(f.board, sizeof f.board, "%s", b->id);
    f.available_bytes = f.flash ? b->program_max_bytes : b->arena_max_bytes;
    f.needed_bytes = f.flash ? program : ram;
    f.least_bytes = f.flash    ? (least_program < program ? least_program : program)
                    : front->n ? ram_of(b, &front->at[0])
                               : ram;
    buf_init(&text, sizeof p->err.msg);
    f.nearest = near ? strdup(near->spec) : NULL;
    say_missing(&text, wish, &f);
    if (near && f.nearest) {
        f.nearest_arena_bytes = near->arena_bytes;
        f.nearest_overhead = near->overhead;
        buf_printf(&text, "; the nearest that fits takes %u at F %.3f: \"%.60s\"",
                   near->arena_bytes, near->overhead, near->spec);
    } else if (!wish->any) {
        buf_printf(&text, "; the least that any configuration of this model needs is %llu",
                   (unsigned long long)f.least_bytes);
    }
    problem_field(p, ERR_NO_FIT, wish->field, "%s", buf_str(&text));
    buf_free(&text);
    if (!p->no_fit.known)
        p->no_fit = f;
    else
        free(f.nearest);
    return -1;
}
