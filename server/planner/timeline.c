// SPDX-License-Identifier: MIT
// See timeline.h.
#include "server/planner/timeline.h"

#include <stdlib.h>
#include <string.h>

#define MOMENTS_A_BLOCK 48 // in JSON

const char *const timeline_kind_names[] = {"skipped", "kept",         "ring",     "tiles",
                                           "scratch", "accumulators", "alignment"};

static void add_part(struct timeline_block *t, enum timeline_kind kind, int layer, uint32_t slots,
                     uint64_t bytes)
{
    if (bytes == 0)
        return;
    t->parts[t->n_parts++] = (struct timeline_part){kind, layer, slots, (uint32_t)bytes};
    t->fixed_bytes += (uint32_t)bytes;
}

static void list_parts(const struct fusion *f, struct timeline_block *t)
{
    for (int i = 0; i <= f->last; i++) {
        const struct fusion_tensor *own = &f->tensors[f->g->layers[i].out];
        if (own->role == FUSION_LIVE)
            add_part(t, TIMELINE_SKIPPED, i, 0, own->bytes);
        else if (own->role == FUSION_KEPT)
            add_part(t, TIMELINE_KEPT, i, 0, own->bytes);
        else if (own->role == FUSION_CHUNK && i >= f->first)
            add_part(t, TIMELINE_SCRATCH, i, 0, own->bytes);
        else if (own->role == FUSION_RING && i >= f->first && f->axis != FUSION_PATCH)
            add_part(t, TIMELINE_RING, i, own->slots, own->bytes);
    }
    if (f->axis == FUSION_PATCH)
        add_part(t, TIMELINE_TILES, -1, 0, f->ring_bytes);
    if (f->acc) {
        uint64_t below = f->live_bytes + f->kept_bytes + f->io_bytes + f->ring_bytes;
        add_part(t, TIMELINE_ALIGNMENT, -1, 0, f->acc_offset - below);
        add_part(t, TIMELINE_ACCUMULATORS, f->last, 0, f->acc_bytes);
    }
}

int timeline_of(const struct fusion *f, const struct config_block *b, struct timeline_block *out,
                struct err *e)
{
    *out = (struct timeline_block){.block = b,
                                   .last = config_last(b),
                                   .arena_bytes = f->cost.arena_bytes,
                                   .steps = (uint32_t)(f->n_steps * (size_t)f->n_bands)};
    out->parts = calloc((size_t)f->last + 4, sizeof *out->parts);
    out->moments = malloc((f->n_moments + 1) * sizeof *out->moments);
    if (!out->parts || !out->moments) {
        timeline_free(out);
        return err_set(e, ERR_NO_MEMORY, "planner: no memory for a timeline");
    }
    list_parts(f, out);
    out->n_moments = f->n_moments;
    memcpy(out->moments, f->moments, f->n_moments * sizeof *out->moments);
    for (size_t i = 1; i < out->n_moments; i++) {
        if (timeline_bytes(out, i) > timeline_bytes(out, out->peak))
            out->peak = i;
    }
    return 0;
}

void timeline_free(struct timeline_block *t)
{
    free(t->parts);
    free(t->moments);
    *t = (struct timeline_block){0};
}

void timeline_thin(struct timeline_block *t, size_t most)
{
    size_t kept = 0, peak = 0, n = t->n_moments;
    if (n <= most)
        return;
    for (size_t part = 0; part < most; part++) {
        size_t first = part * n / most, end = (part + 1) * n / most, best = first;
        for (size_t i = first + 1; i < end; i++) {
            if (timeline_bytes(t, i) > timeline_bytes(t, best))
                best = i;
        }
        uint32_t step = t->moments[first].first_step;
        if (best == t->peak)
            peak = kept;
        t->moments[kept] = t->moments[best];
        t->moments[kept++].first_step = step;
    }
    t->n_moments = kept;
    t->peak = peak;
}

static void block_json(const struct fusion *f, const struct timeline_block *t, struct buf *out)
{
    char schedule[CONFIG_MAX_SCHEDULE];
    config_schedule(t->block, schedule);
    buf_printf(out,
               "{\"first\":%d,\"last\":%d,\"schedule\":\"%s\",\"arena_bytes\":%u,\"macs\":\"%llu\","
               "\"steps\":%u,\"fixed_bytes\":%u,\"peak\":%zu,\"parts\":[",
               // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): of a laid out block
               t->block->first, f->last, schedule, t->arena_bytes, (unsigned long long)f->cost.macs,
               t->steps, t->fixed_bytes, t->peak);
    for (size_t i = 0; i < t->n_parts; i++) {
        const struct timeline_part *p = &t->parts[i];
        buf_printf(out, "%s{\"kind\":\"%s\",", i ? "," : "", timeline_kind_names[p->kind]);
        if (p->layer >= 0)
            buf_printf(out, "\"layer\":%d,", p->layer);
        if (p->slots)
            buf_printf(out, "\"slices\":%u,", p->slots);
        buf_printf(out, "\"bytes\":%u}", p->bytes);
    }
    buf_puts(out, "],\"layer_macs\":[");
    for (int i = t->block->first; i <= t->last; i++)
        buf_printf(out, "%s{\"layer\":%d,\"macs\":\"%llu\"}", i > t->block->first ? "," : "", i,
                   (unsigned long long)f->layer_cost[i].macs);
    buf_puts(out, "],\"moments\":[");
    for (size_t i = 0; i < t->n_moments; i++) {
        const struct fusion_moment *m = &t->moments[i];
        buf_printf(out,
                   "%s{\"step\":%u,\"layer\":%d,\"output_bytes\":%u,\"input_bytes\":%u,"
                   "\"inner_bytes\":%u,\"bytes\":%u}",
                   i ? "," : "", m->first_step, m->layer, m->y_bytes, m->x_bytes, m->inner_bytes,
                   timeline_bytes(t, i));
    }
    buf_puts(out, "]}");
}

// The layer at the peak: of the largest block, the one that runs there.
struct peak {
    uint32_t bytes;
    int block, layer;
};

int timeline_json(struct fusion *f, const struct config_block *blocks, int n, struct buf *out,
                  struct err *e)
{
    uint32_t arena;
    struct peak peak = {0};
    int block = 0;
    if (config_arena(f, blocks, n, &arena, e))
        return -1;
    buf_printf(out, "{\"arena_bytes\":%u,\"blocks\":[", arena);
    for (int i = 0; i < n; i += config_entries(&blocks[i]), block++) {
        struct timeline_block t;
        if (config_block_fill(f, &blocks[i], arena, e) || timeline_of(f, &blocks[i], &t, e))
            return -1;
        timeline_thin(&t, MOMENTS_A_BLOCK);
        buf_puts(out, i ? "," : "");
        block_json(f, &t, out);
        uint32_t bytes = timeline_bytes(&t, t.peak);
        if (bytes > peak.bytes)
            peak = (struct peak){bytes, block, t.moments[t.peak].layer};
        timeline_free(&t);
    }
    buf_printf(out, "],\"peak\":{\"bytes\":%u,\"block\":%d,\"layer\":%d}}", peak.bytes, peak.block,
               peak.layer);
    return 0;
}
