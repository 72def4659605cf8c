// SPDX-License-Identifier: MIT
// See cells.h.
#include "server/planner/cells.h"

#include <stdlib.h>
#include <string.h>

#include "server/planner/fusion_inside.h"

#define LAYOUT_MAX_BYTES (64u << 20)
#define MAX_WORK (1u << 30) // calls * cells^2 that placing all of a block may take: seconds
#define FROM_X (-1)
#define FROM_WHOLE (-2)

static uint64_t align4(uint64_t n)
{
    return (n + 3) & ~(uint64_t)3;
}

// ---- facts ----

// Tensors of the arena that the cell at hand reads; their number, or -1 when there are too many.
static int outside_inputs(const struct fusion *f, int in[CELL_MAX_INPUTS])
{
    int n = 0;
    for (int i = f->first; i <= f->last; i++) {
        for (int k = 0; k < 2 && f->g->layers[i].in[k] >= 0; k++) {
            int t = f->g->layers[i].in[k], born = f->g->tensors[t].producer, seen = 0;
            while (seen < n && in[seen] != t)
                seen++;
            if (born < 0 || born >= f->first || seen < n)
                continue;
            if (n == CELL_MAX_INPUTS)
                return -1;
            in[n++] = t;
        }
    }
    return n;
}

static struct cell_facts *new_facts(const struct cell *cell, int n_inputs, int n_bands)
{
    size_t needs = (size_t)n_inputs * (size_t)n_bands, bands = (size_t)n_bands + 1;
    struct cell_facts *c =
        calloc(1, sizeof *c + 2 * bands * sizeof *c->macs + needs * sizeof *c->need);
    if (!c)
        return NULL;
    c->cell = *cell;
    c->n_inputs = n_inputs;
    c->n_bands = n_bands;
    c->macs = (uint64_t *)(void *)(c + 1);
    c->calls = c->macs + bands;
    c->need = (struct fusion_interval *)(void *)(c->calls + bands);
    return c;
}

static void fill_needs(struct fusion *f, struct cell_facts *c)
{
    for (int b = 0; b < c->n_bands; b++) {
        fusion_band(f, b);
        for (int k = 0; k < c->n_inputs; k++)
            c->need[k * c->n_bands + b] = f->need[c->in[k]];
    }
    for (int k = 0; k < c->n_inputs; k++) {
        struct fusion_interval *need = c->need + k * c->n_bands;
        int first = INT32_MAX;
        for (int b = c->n_bands - 1; b >= 0; b--) {
            if (need[b].lo < need[b].hi && need[b].lo < first)
                first = need[b].lo;
            need[b].lo = first;
        }
    }
}

// Of the cell at hand.
static uint32_t scratch_of(const struct fusion *f)
{
    return f->group ? f->sums_offset + f->sums_bytes : (uint32_t)f->ring_bytes;
}

// Bytes of a band's last row that may lie over rows of input k that die, right above. When column x of
// the output is written, dead[x] columns of the input are not needed any more.
static uint32_t most_overlap(const struct fusion *f, int tensor, const int *dead)
{
    const struct tensor *in = &f->g->tensors[tensor];
    const struct layer *l = &f->g->layers[f->last];
    int64_t most = UINT32_MAX;
    for (int x = 0; x < l->out_w; x++) {
        int64_t bytes = (int64_t)(l->out_w - x - 1) * l->out_c + (int64_t)dead[x] * in->c;
        if (dead[x] < in->w && bytes < most)
            most = bytes;
    }
    return (uint32_t)most;
}

static bool fill_overlaps(struct fusion *f, struct cell_facts *c)
{
    int *dead = malloc((size_t)f->g->layers[f->last].out_w * sizeof *dead);
    if (!dead)
        return false;
    for (int k = 0; k < c->n_inputs && !c->acc; k++) {
        fusion_cell_dead(f, c->in[k], dead);
        c->overlap[k] = most_overlap(f, c->in[k], dead);
    }
    free(dead);
    return true;
}

struct cell_facts *cell_facts(struct fusion *f, const struct cell *cell, int chunk)
{
    int in[CELL_MAX_INPUTS], n_inputs = 0;
    const char *why = fusion_cell_begin(f, cell->first, cell->last, cell);
    if (!why && (n_inputs = outside_inputs(f, in)) < 0)
        why = "a cell reads too many tensors";
    int rows = why ? 1 : fusion_max_band(f);
    int band_rows = cell->band_rows && cell->band_rows < rows ? cell->band_rows : rows;
    int n_bands = why ? 0 : (rows + band_rows - 1) / band_rows;
    struct cell_facts *c = new_facts(cell, why ? 0 : n_inputs, n_bands);
    if (!c)
        return NULL;
    if (!why) {
        f->record = true;
        f->out_of_memory = false;
        why = fusion_cell_cols(f, band_rows, chunk, INT32_MAX);
        f->record = false;
    }
    c->why = why;
    if (c->why)
        return c;
    c->band_rows = band_rows;
    c->sums = f->group != 0;
    c->scratch_bytes = scratch_of(f);
    c->acc = f->acc;
    c->acc_bytes = (uint32_t)f->acc_bytes;
    memcpy(c->in, in, sizeof in);
    fusion__begin_bands(f, band_rows);
    for (int b = 0; b < n_bands; b++) {
        fusion__add_band(f, b);
        c->macs[b + 1] = f->cost.macs;
        c->calls[b + 1] = f->cost.calls;
    }
    c->calls[n_bands] += f->acc; // that closes it
    fill_needs(f, c);
    if (f->out_of_memory || !fill_overlaps(f, c)) {
        free(c);
        return NULL;
    }
    return c;
}

// ---- the block ----

int cells_open(struct cells *c, struct fusion *f, struct err *e)
{
    size_t n = (size_t)f->g->n_layers;
    *c = (struct cells){.f = f};
    // NOLINTBEGIN(bugprone-sizeof-expression): arrays of pointers
    c->facts = calloc(n, sizeof *c->facts);
    c->own = calloc(n, sizeof *c->own);
    c->varieties = calloc(n, sizeof *c->varieties);
    // NOLINTEND(bugprone-sizeof-expression)
    c->windows = calloc(n, sizeof *c->windows);
    c->done = calloc(n, sizeof *c->done);
    c->chunk = calloc(n, sizeof *c->chunk);
    c->beside = calloc(n, sizeof *c->beside);
    c->apart = calloc(n, sizeof *c->apart);
    c->source = calloc(n * CELL_MAX_INPUTS, sizeof *c->source);
    c->reader = calloc(n + 1, sizeof *c->reader);
    c->next_reader = calloc(n * CELL_MAX_INPUTS, sizeof *c->next_reader);
    c->beside_option = calloc(n * CELLS_MAX_OPTIONS, sizeof *c->beside_option);
    buf_init(&c->calls, LAYOUT_MAX_BYTES);
    buf_init(&c->moves, LAYOUT_MAX_BYTES);
    buf_init(&c->bases, LAYOUT_MAX_BYTES);
    buf_init(&c->moments, LAYOUT_MAX_BYTES);
    if (!c->facts || !c->own || !c->windows || !c->done || !c->chunk || !c->beside || !c->apart ||
        !c->source || !c->reader || !c->next_reader || !c->varieties || !c->beside_option) {
        cells_close(c);
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for cells of %zu layers", n);
    }
    return 0;
}

static void free_own(struct cells *c)
{
    for (int i = 0; i < c->n_own; i++)
        free(c->own[i]);
    c->n_own = 0;
}

void cells_close(struct cells *c)
{
    if (!c->f)
        return;
    free_own(c);
    free(c->own);
    free(c->facts);
    free(c->windows);
    free(c->done);
    free(c->chunk);
    free(c->beside);
    free(c->apart);
    free(c->source);
    free(c->reader);
    free(c->next_reader);
    free(c->varieties);
    free(c->beside_option);
    buf_free(&c->calls);
    buf_free(&c->moves);
    buf_free(&c->bases);
    buf_free(&c->moments);
    *c = (struct cells){0};
}

static const struct layer *out_layer(const struct cells *c, int cell)
{
    return &c->f->g->layers[c->facts[cell]->cell.last];
}

static bool y_in_arena(const struct cells *c)
{
    return !(c->f->output_outside && out_layer(c, c->n - 1)->out == c->f->g->output);
}

// Where input k of a cell comes from.
static int source_of(const struct cells *c, int cell, int k)
{
    int t = c->facts[cell]->in[k], born = c->f->g->tensors[t].producer;
    if (born < c->first)
        return t == c->x ? FROM_X : FROM_WHOLE;
    for (int i = 0; i < cell; i++) {
        if (c->facts[i]->cell.last == born)
            return i;
    }
    return FROM_WHOLE; // not reached: cells keep what they make inside to themselves
}

static void find_sources(struct cells *c)
{
    for (int i = 0; i <= c->n; i++)
        c->reader[i] = -1;
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < c->facts[i]->n_inputs; k++) {
            const int input = i * CELL_MAX_INPUTS + k, from = source_of(c, i, k);
            c->source[input] = from;
            if (from == FROM_WHOLE)
                continue;
            c->next_reader[input] = c->reader[from - FROM_X];
            c->reader[from - FROM_X] = input;
        }
    }
}

// A text from a stranger may ask for hundreds of cells with thousands of bands each.
static bool takes_too_long(const struct cell_facts *const *facts, int n)
{
    uint64_t calls = 0;
    for (int i = 0; i < n; i++)
        calls += (uint64_t)facts[i]->n_bands;
    return calls > MAX_WORK / ((uint64_t)n * (uint64_t)n);
}

static const char *take_up(struct cells *c, const struct cell_facts *const *facts, int n)
{
    if (takes_too_long(facts, n))
        return "it takes too many calls";
    const struct graph *g = c->f->g;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    memcpy(c->facts, facts, (size_t)n * sizeof(*facts));
    c->n = n;
    c->first = facts[0]->cell.first;
    c->last = facts[n - 1]->cell.last;
    c->live_bytes = c->acc_bytes = 0;
    c->macs = c->calls_made = 0;
    c->x = -1;
    c->f->work += (uint64_t)(c->first + n);
    for (int i = 0; i < c->first; i++) {
        int t = g->layers[i].out;
        if (c->f->last_use[t] < c->first)
            continue;
        if (i == c->first - 1 && c->f->last_use[t] <= c->last)
            c->x = t;
        else
            c->live_bytes += fusion_tensor_bytes(g, t);
    }
    for (int i = 0; i < n; i++) {
        const struct layer *l = out_layer(c, i);
        if (facts[i]->why)
            return facts[i]->why;
        if (i < n - 1 && c->f->last_use[l->out] > c->last)
            return "a tensor made inside is needed by a later block";
        c->acc_bytes += facts[i]->acc_bytes;
    }
    find_sources(c);
    return NULL;
}

// First row of cell `from`'s output, or of X, that is still needed: cells[i] has begun its band
// done[i].
static int first_needed(const struct cells *c, int from)
{
    int first = INT32_MAX;
    c->f->work += (uint64_t)c->n; // for the caller as well, who looks at every window
    for (int input = c->reader[from - FROM_X]; input >= 0; input = c->next_reader[input]) {
        const int i = input / CELL_MAX_INPUTS, k = input % CELL_MAX_INPUTS;
        const struct cell_facts *p = c->facts[i];
        const int lo =
            c->done[i] < p->n_bands ? p->need[k * p->n_bands + c->done[i]].lo : INT32_MAX;
        first = lo < first ? lo : first;
    }
    return first;
}

// Rows of cell i's output when its band is done.
static int made_after(const struct cells *c, int i)
{
    const struct cell_facts *p = c->facts[i];
    int rows = (c->done[i] + 1) * p->band_rows;
    if (p->acc)
        return c->done[i] + 1 == p->n_bands;
    return rows < out_layer(c, i)->out_h ? rows : out_layer(c, i)->out_h;
}

// Moves the windows' rows together, without running one over another: first those that go down,
// from below, then those that go up, from above.
static void note_moves(struct cells *c)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < c->n - 1; k++) {
            int i = pass ? k : c->n - 2 - k; // window 0 lies highest
            const struct cells_window *w = &c->windows[i];
            bool up = w->offset > w->kept_offset;
            if (w->kept_bytes == 0 || w->offset == w->kept_offset || up != (pass == 1))
                continue;
            struct cells_move m = {w->offset, w->kept_offset, w->kept_bytes};
            buf_add(&c->moves, &m, sizeof m);
        }
    }
}

static void note_base(struct cells *c, int cell)
{
    const struct cells_window *w = &c->windows[cell];
    struct cells_base b = {out_layer(c, cell)->out, w->offset, w->lo};
    buf_add(&c->bases, &b, sizeof b);
}

static void note_moment(struct cells *c, int i, uint64_t bytes, uint64_t x_bytes, uint64_t y_bytes)
{
    struct fusion_moment m = {
        .first_step = c->steps,
        .layer = c->facts[i]->cell.first,
        .y_bytes = (uint32_t)y_bytes,
        .x_bytes = (uint32_t)x_bytes,
        .inner_bytes = (uint32_t)(bytes - c->live_bytes - x_bytes - y_bytes),
    };
    buf_add(&c->moments, &m, sizeof m);
    c->steps++;
}

static void note_call(struct cells *c, int i, uint32_t scratch)
{
    struct cells_call call = {.cell = i,
                              .band = c->done[i],
                              .scratch = scratch,
                              .first_base = (uint32_t)(c->bases.len / sizeof(struct cells_base))};
    call.first_move = (uint32_t)(c->moves.len / sizeof(struct cells_move));
    buf_add(&c->calls, &call, sizeof call);
    for (int k = 0; k < c->facts[i]->n_inputs; k++) {
        if (c->source[i * CELL_MAX_INPUTS + k] >= 0)
            note_base(c, c->source[i * CELL_MAX_INPUTS + k]);
    }
    if (i < c->n - 1)
        note_base(c, i);
}

static uint32_t row_bytes_of(const struct tensor *t)
{
    return (uint32_t)t->w * (uint32_t)t->c;
}

static uint32_t out_row_bytes(const struct cells *c, int i)
{
    return row_bytes_of(&c->f->g->tensors[out_layer(c, i)->out]);
}

// Rows lo .. made - 1 of cell from's output, or of X.
struct rows {
    int from, lo, made;
};

// What is in RAM beside the scratch while a band runs.
struct alive {
    uint64_t y, windows, x; // bytes
    // Of the band, `over` bytes at most lie over what dies of input `input` above it; -1: none.
    int input;
    uint32_t over;
};

// What of cell i's next band may lie over what dies of `above`, right above it.
static void meet(struct cells *c, int i, const struct rows *above, struct alive *a)
{
    const struct cell_facts *p = c->facts[i];
    for (int k = 0; k < p->n_inputs; k++) {
        if (c->source[i * CELL_MAX_INPUTS + k] != above->from)
            continue;
        const int new_rows = made_after(c, i) - c->done[i] * p->band_rows;
        c->done[i]++;
        int stop = first_needed(c, above->from);
        c->done[i]--;
        stop = stop < above->made ? stop : above->made;
        const uint32_t row = row_bytes_of(&c->f->g->tensors[p->in[k]]);
        const uint32_t dying = stop > above->lo ? (uint32_t)(stop - above->lo) * row : 0;
        const uint32_t written = (uint32_t)new_rows * out_row_bytes(c, i);
        a->input = k;
        a->over = dying < written ? dying : written;
        return;
    }
}

static uint32_t overlap_of(const struct cell_facts *p, const struct alive *a)
{
    if (a->input < 0)
        return 0;
    return a->over < p->overlap[a->input] ? a->over : p->overlap[a->input];
}

// Rows of the windows while cell i's next band runs, and what of it meets dying rows.
static void grow_windows(struct cells *c, int i, struct rows r, struct alive *a)
{
    for (int k = 0; k < c->n - 1; k++) {
        struct cells_window *w = &c->windows[k];
        int lo = first_needed(c, k);
        lo = lo < w->made ? lo : w->made;
        w->kept_offset = w->offset + (uint32_t)(lo - w->lo) * w->row_bytes;
        w->kept_bytes = (uint32_t)(w->made - lo) * w->row_bytes;
        w->lo = lo;
        if (k == i) {
            meet(c, i, &r, a);
            w->made = made_after(c, i);
        }
        w->most_rows = w->made - w->lo > w->most_rows ? w->made - w->lo : w->most_rows;
        w->bytes = (uint32_t)(w->made - w->lo) * w->row_bytes;
        a->windows += w->bytes;
        if (w->bytes)
            r = (struct rows){k, w->lo, w->made};
    }
    const bool touch = r.from >= 0 || c->n == 1; // else the scratch lies between X and Y
    if (i == c->n - 1 && y_in_arena(c) && touch)
        meet(c, i, &r, a);
}

// Rows of X that are still needed.
static struct rows rows_of_x(const struct cells *c)
{
    struct rows x = {FROM_X, 0, 0};
    if (c->x < 0)
        return x;
    x.made = c->f->g->tensors[c->x].h;
    x.lo = first_needed(c, FROM_X);
    x.lo = x.lo < x.made ? x.lo : x.made;
    return x;
}

// Bytes of Y that are there when cell i's next band is done.
static uint64_t y_bytes_after(const struct cells *c, int i)
{
    const int y = c->n - 1;
    const uint64_t row = out_row_bytes(c, y);
    if (!y_in_arena(c))
        return 0;
    if (i == y)
        return (uint64_t)made_after(c, i) * row;
    return c->facts[y]->acc ? 0 : (uint64_t)(c->done[y] * c->facts[y]->band_rows) * row;
}

// What lies over the scratch of cell i: the windows and X. The last cell's scratch lies above the
// windows, or of an only cell above X, so that these meet Y.
static uint64_t over_scratch(const struct cells *c, int i, const struct alive *a)
{
    return i < c->n - 1 ? a->windows + a->x : c->n > 1 ? a->x : 0;
}

// All that is alive beside the scratch, if cell i runs as p says.
static uint64_t beside_of(const struct cells *c, int i, const struct cell_facts *p,
                          const struct alive *a)
{
    uint64_t over = over_scratch(c, i, a);
    uint64_t under = c->live_bytes + a->y + a->windows + a->x - over;
    if (i == c->n - 1)
        under -= overlap_of(p, a);
    else
        over -= overlap_of(p, a);
    return over + (p->sums ? align4(under) : under); // a scratch with sums is a multiple of 4 long
}

static void widen(uint64_t *most, uint64_t bytes)
{
    *most = bytes > *most ? bytes : *most;
}

// Leaves the windows where they are below `top`, those that grow with it, the one of cell i by up to
// `overlap` bytes in what is above it; the lowest byte of any. More than `top`: there is no room that
// way.
static uint32_t stay(struct cells *c, int i, uint32_t top, uint32_t overlap)
{
    const uint32_t none = top + 1;
    for (int k = 0; k < c->n - 1; k++) { // window 0 lies highest
        struct cells_window *w = &c->windows[k];
        top += k == i ? overlap : 0;
        w->offset = w->kept_bytes ? w->kept_offset : top - w->bytes;
        if (w->bytes == 0)
            continue;
        if (top < w->bytes || w->offset > top - w->bytes)
            return none;
        top = w->offset;
    }
    return top;
}

// Bytes by which a band makes window k grow.
static uint64_t growth_of(const struct cells *c, int k)
{
    return (uint64_t)c->facts[k]->band_rows * c->windows[k].row_bytes;
}

// The window that is the first to lack room for a band of its cell, or -1: in the same time every cell
// runs all of its bands.
static int first_to_lack_room(const struct cells *c)
{
    int first = -1;
    for (int k = 0; k < c->n - 1; k++) {
        const struct cells_window *w = &c->windows[k];
        const int bands = c->facts[k]->n_bands, left = bands - c->done[k];
        if (w->bytes == 0 || w->room >= left)
            continue;
        if (first < 0 || (uint64_t)(w->room + 1) * (uint64_t)c->facts[first]->n_bands <
                             (uint64_t)(c->windows[first].room + 1) * (uint64_t)bands)
            first = k;
    }
    return first;
}

// Moves the windows together below `top`, but for `spare` bytes: they are room above the windows, in which
// these grow for as long as possible before one lacks room.
static uint32_t pack(struct cells *c, int i, uint32_t top, uint32_t overlap, uint64_t spare)
{
    for (int k = 0; k < c->n - 1; k++)
        c->windows[k].room = 0;
    for (int k; (k = first_to_lack_room(c)) >= 0 && growth_of(c, k) <= spare;) {
        spare -= growth_of(c, k);
        c->windows[k].room++;
    }
    for (int k = 0; k < c->n - 1; k++) {
        struct cells_window *w = &c->windows[k];
        top += k == i ? overlap : 0;
        top -= w->bytes + (uint32_t)((uint64_t)w->room * growth_of(c, k));
        w->offset = top;
    }
    return top;
}

// Where the windows lie while cell i runs, between `bottom`, with the cell's scratch above it, and `top`;
// the lowest byte of any. They are moved only where they do not fit as they are.
static uint32_t place_windows(struct cells *c, int i, uint32_t top, uint32_t bottom,
                              uint32_t overlap)
{
    uint64_t needed = bottom, later = 0;
    for (int k = 0; k < c->n; k++) {
        const uint64_t scratch = c->facts[k]->scratch_bytes + (c->facts[k]->sums ? 3 : 0);
        if (k == i)
            needed += scratch;
        later = scratch > later ? scratch : later;
    }
    uint32_t lowest = stay(c, i, top, overlap);
    if (lowest <= top && lowest >= needed)
        return lowest;
    uint64_t bytes = bottom + later;
    for (int k = 0; k < c->n - 1; k++)
        bytes += c->windows[k].bytes;
    return pack(c, i, top, overlap, bytes < top + overlap ? top + overlap - bytes : 0);
}

// Where all lies while the last cell runs; returns where its scratch ends. Where there is no room for that
// below the windows, it lies above them, so that these meet Y.
static uint32_t place_last(struct cells *c, const struct alive *a, uint32_t top, uint32_t bottom)
{
    const int i = c->n - 1;
    const struct cell_facts *p = c->facts[i];
    const uint32_t mask = p->sums ? ~3u : ~0u;
    if (c->n == 1)
        return c->region;
    if (bottom + p->scratch_bytes + (p->sums ? 3 : 0) + a->windows <= top)
        return place_windows(c, i, top, bottom, 0) & mask;
    pack(c, i, (top & mask) - p->scratch_bytes, 0, 0);
    return top & mask;
}

// What is alive while cell i runs its next band. Without c->record: how high the region must be.
// With it: where everything lies in a region of c->region bytes.
static void place(struct cells *c, int i)
{
    const struct cell_facts *p = c->facts[i];
    const struct rows x = rows_of_x(c);
    const bool last = i == c->n - 1;
    struct alive a = {.y = y_bytes_after(c, i), .input = -1};
    if (x.made > x.lo)
        a.x = (uint64_t)(x.made - x.lo) * row_bytes_of(&c->f->g->tensors[c->x]);
    grow_windows(c, i, x, &a);
    const uint64_t beside = beside_of(c, i, p, &a), need = beside + p->scratch_bytes;
    widen(&c->beside[i], beside);
    widen(&c->apart[i], beside_of(c, i, p, &(struct alive){a.y, a.windows, a.x, -1, 0}));
    for (int k = 0; c->varieties[i] && k < c->varieties[i]->n; k++)
        widen(&c->beside_option[i * CELLS_MAX_OPTIONS + k],
              beside_of(c, i, c->varieties[i]->facts[k], &a));
    if (!c->record) {
        c->region =
            need > c->region ? (uint32_t)(need < UINT32_MAX ? need : UINT32_MAX) : c->region;
        return;
    }
    const uint32_t overlap = overlap_of(p, &a), top = c->region - (uint32_t)a.x;
    const uint32_t bottom = c->live_bytes + (uint32_t)a.y;
    uint32_t scratch_end =
        last ? place_last(c, &a, top, bottom) : place_windows(c, i, top, bottom, overlap);
    scratch_end &= p->sums ? ~3u : ~0u;
    note_moment(c, i, need, a.x, a.y - (last ? overlap : 0));
    note_call(c, i, scratch_end - p->scratch_bytes);
    note_moves(c);
}

static void run(struct cells *c, int i)
{
    const struct cell_facts *p = c->facts[i];
    for (int k = 0; k < p->n_inputs; k++) {
        int from = c->source[i * CELL_MAX_INPUTS + k];
        while (from >= 0 && c->windows[from].made < p->need[k * p->n_bands + c->done[i]].hi)
            run(c, from);
    }
    place(c, i);
    c->done[i]++;
}

static uint32_t x_bytes_of(const struct cells *c)
{
    return c->x >= 0 ? fusion_tensor_bytes(c->f->g, c->x) : 0;
}

// An only cell's scratch.
static uint32_t above_x(const struct cells *c)
{
    return c->n == 1 ? c->facts[0]->scratch_bytes : 0;
}

static void simulate(struct cells *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct layer *l = out_layer(c, i);
        c->windows[i] = (struct cells_window){.row_bytes = (uint32_t)(l->out_w * l->out_c)};
        c->done[i] = 0;
        c->beside[i] = c->apart[i] = 0;
        for (int k = 0; k < CELLS_MAX_OPTIONS; k++)
            c->beside_option[i * CELLS_MAX_OPTIONS + k] = 0;
    }
    while (c->done[c->n - 1] < c->facts[c->n - 1]->n_bands)
        run(c, c->n - 1);
}

// What takes `region` bytes below the accumulators.
static uint32_t arena_of(const struct cells *c, uint64_t region)
{
    uint64_t bytes = c->acc_bytes ? align4(region) + c->acc_bytes : region;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

// Before the first call.
static uint64_t whole_x(const struct cells *c, const struct cell_facts *only)
{
    const uint64_t whole = c->live_bytes + x_bytes_of(c);
    return c->n > 1 ? whole : (only->sums ? align4(whole) : whole) + only->scratch_bytes;
}

static void price(struct cells *c)
{
    c->record = false;
    c->region = (uint32_t)whole_x(c, c->facts[0]);
    simulate(c);
    for (int i = 0; i < c->n; i++) {
        c->macs += c->facts[i]->macs[c->done[i]];
        c->calls_made += c->facts[i]->calls[c->done[i]];
    }
    c->acc_offset = (uint32_t)align4(c->region);
    c->arena_bytes = arena_of(c, c->region);
    c->x_offset = c->region - above_x(c) - x_bytes_of(c);
}

const char *cells_price(struct cells *c, const struct cell_facts *const *facts, int n)
{
    const char *why = take_up(c, facts, n);
    for (int i = 0; i < n; i++)
        c->varieties[i] = NULL;
    if (!why)
        price(c);
    return why;
}

const char *cells_price_varieties(struct cells *c, const struct cells_variety *const *varieties,
                                  const struct cell_facts **facts, int n)
{
    for (int i = 0; i < n; i++) {
        facts[i] = varieties[i]->facts[0];
        c->varieties[i] = varieties[i];
    }
    const char *why = take_up(c, facts, n);
    if (!why)
        price(c);
    return why;
}

uint32_t cells_option_arena(const struct cells *c, int i, int k)
{
    const struct cell_facts *p = c->varieties[i]->facts[k];
    uint64_t bytes = c->beside_option[i * CELLS_MAX_OPTIONS + k] + p->scratch_bytes;
    widen(&bytes, whole_x(c, p));
    return arena_of(c, bytes);
}

const char *cells_lay_out(struct cells *c, const struct cell_facts *const *facts, int n)
{
    const char *why = cells_price(c, facts, n);
    if (why)
        return why;
    buf_reset(&c->calls);
    buf_reset(&c->moves);
    buf_reset(&c->bases);
    buf_reset(&c->moments);
    c->steps = 0;
    c->record = true;
    struct fusion_moment whole_x = {.layer = c->first};
    whole_x.x_bytes = x_bytes_of(c);
    buf_add(&c->moments, &whole_x, sizeof whole_x);
    simulate(c);
    c->record = false;
    return c->calls.failed || c->moves.failed || c->bases.failed || c->moments.failed
               ? "it takes too many calls"
               : NULL;
}

// Where whole tensors lie while the cell at hand runs.
static void place_whole(struct cells *c)
{
    const struct graph *g = c->f->g;
    uint32_t base = 0;
    for (int i = 0; i < c->first; i++) { // by age
        struct fusion_tensor *t = &c->f->tensors[g->layers[i].out];
        t->bytes = fusion_tensor_bytes(g, g->layers[i].out);
        t->offset = t->role == FUSION_X ? c->x_offset : base;
        if (t->role == FUSION_LIVE)
            base += t->bytes;
    }
    struct fusion_tensor *y = &c->f->tensors[g->layers[c->last].out];
    y->offset = base;
    y->bytes = y->role == FUSION_Y ? fusion_tensor_bytes(g, g->layers[c->last].out) : 0;
}

void cells_take_up_cell(struct cells *c, int i, int bands)
{
    const struct cell_facts *p = c->facts[i];
    fusion_cell_begin(c->f, c->first, c->last, &p->cell);
    fusion_cell_cols(c->f, p->band_rows, c->chunk[i], bands);
    if (c->f->record)
        fusion_cell_turn(c->f);
    c->f->acc_offset = c->acc_offset;
    for (int k = 0; k < i; k++)
        c->f->acc_offset += c->facts[k]->acc_bytes;
    place_whole(c);
}

static uint64_t bands_done(const struct cells *c)
{
    uint64_t bands = 0;
    for (int i = 0; i < c->n; i++)
        bands += (uint64_t)c->done[i];
    return bands;
}

// Windows are moved too rarely to count.
static uint64_t moved_bytes(const struct cells *c)
{
    return c->x >= 0 ? fusion_tensor_bytes(c->f->g, c->x) : 0;
}

double cells_overhead(const struct cells *c)
{
    const double *cycles = c->f->latency->model.interpreter;
    return cycles[LATENCY_BAND] * (double)bands_done(c) +
           cycles[LATENCY_BYTE] * (double)moved_bytes(c) + cycles[LATENCY_BLOCK];
}

// Adds up the work of the bands that run, and leaves it in f->cost.
static void add_up_cost(struct cells *c)
{
    struct fusion_cost sum = {.arena_bytes = c->arena_bytes};
    for (int i = 0; i < c->n; i++) {
        c->f->record = true;
        c->f->out_of_memory = false;
        cells_take_up_cell(c, i, c->done[i]);
        c->f->record = false;
        fusion_cost_add(&sum, &c->f->cost);
    }
    c->f->cost = sum;
    fusion__add_interpreter(c->f, bands_done(c), moved_bytes(c));
}

void cells_choices(struct cells *c, int i, struct cells_choice choices[FUSION_CHUNK_SIZES])
{
    for (int k = 0; k < FUSION_CHUNK_SIZES; k++) {
        c->chunk[i] = fusion_chunk_sizes[k];
        cells_take_up_cell(c, i, c->done[i]);
        choices[k] = (struct cells_choice){
            .chunk = c->chunk[i], .scratch_bytes = scratch_of(c->f), .cost = c->f->cost};
        choices[k].apart = !fusion_cell_overlaps(c->f);
        const uint64_t beside = choices[k].apart ? c->apart[i] : c->beside[i];
        choices[k].arena_bytes = arena_of(c, beside + choices[k].scratch_bytes);
    }
}

uint32_t cells_chunk_arena(const struct cells *c, int i, int k, bool apart, uint32_t scratch_bytes)
{
    const uint64_t beside = apart ? c->apart[i] : c->beside_option[i * CELLS_MAX_OPTIONS + k];
    return arena_of(c, beside + scratch_bytes);
}

static void choose_chunks(struct cells *c, uint32_t limit)
{
    struct cells_choice choices[FUSION_CHUNK_SIZES];
    for (int i = 0; i < c->n; i++) {
        int k = FUSION_CHUNK_SIZES - 1;
        cells_choices(c, i, choices);
        while (k > 0 && choices[k].arena_bytes > limit)
            k--;
        c->chunk[i] = choices[k].chunk;
        c->own[i]->scratch_bytes = choices[k].scratch_bytes;
        cells_take_up_cell(c, i, c->done[i]);
        if (!fusion_cell_overlaps(c->f))
            memset(c->own[i]->overlap, 0, sizeof c->own[i]->overlap);
    }
}

// Leaves in the fusion what timelines and lists of blocks read there.
static int tell_fusion(struct cells *c, struct err *e)
{
    struct fusion *f = c->f;
    f->first = c->first;
    f->live_bytes = c->live_bytes;
    f->io_bytes = c->region - c->live_bytes;
    f->ring_bytes = f->kept_bytes = 0;
    f->acc = c->acc_bytes > 0;
    f->acc_bytes = c->acc_bytes;
    f->acc_offset = c->acc_offset;
    f->n_bands = 1;
    f->n_steps = c->steps;
    for (int i = c->first; i < c->last; i++)
        f->tensors[f->g->layers[i].out] = (struct fusion_tensor){.role = FUSION_NONE};
    for (int i = 0; i < c->n - 1; i++) {
        const struct cells_window *w = &c->windows[i];
        f->tensors[out_layer(c, i)->out] =
            (struct fusion_tensor){.role = FUSION_WINDOW,
                                   .slots = (uint32_t)w->most_rows,
                                   .bytes = (uint32_t)w->most_rows * w->row_bytes};
    }
    f->n_moments = 0;
    f->out_of_memory = false;
    for (size_t i = 0; i < c->moments.len / sizeof(struct fusion_moment); i++)
        fusion__record_moment(f, (const struct fusion_moment *)(const void *)c->moments.data + i);
    return f->out_of_memory ? err_set(e, ERR_NO_MEMORY, "planner: no memory for a timeline") : 0;
}

static int look_at_cells(struct cells *c, const struct cell *cells, int n, struct err *e)
{
    free_own(c);
    for (int i = 0; i < n; i++) {
        c->own[i] = cell_facts(c->f, &cells[i], 1);
        if (!c->own[i]) // -fanalyzer: no leak, free_own() has it
            return err_set(e, ERR_NO_MEMORY, "planner: no memory for %d cells", n);
        c->n_own++;
    }
    return 0;
}

int cells_fill(struct cells *c, const struct cell *cells, int n, uint32_t limit, struct err *e)
{
    if (look_at_cells(c, cells, n, e))
        return -1;
    const struct cell_facts *const *facts = (const struct cell_facts *const *)c->own;
    const char *why = cells_price(c, facts, n);
    if (!why) {
        choose_chunks(c, limit);
        why = cells_lay_out(c, facts, n);
    }
    if (why)
        return err_set(e, ERR_BAD_FIELD, "block %d-%d: %s", cells[0].first, cells[n - 1].last, why);
    add_up_cost(c);
    return tell_fusion(c, e);
}
