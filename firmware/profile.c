// SPDX-License-Identifier: MIT
#include "firmware/profile.h"

#include "firmware/executor/exec.h"
#include "firmware/measure.h"
#include "firmware/platform.h"
#include "firmware/session.h"
#include "firmware/virtual_page.h"
#include "firmware/wire/wire.h"

#include <stdbool.h>
#include <stddef.h>

#define PROBES 64     // calls of an idle kernel that are averaged
#define FEW_ENTRIES 4 // table on the stack, where the arena leaves less room

struct entry {
    uint64_t cycles, instructions;
    uint32_t calls;
};

struct profile {
    const void *program;
    const volatile struct virtual_page *page;
    struct entry *table; // of operators first .. first + n - 1
    uint32_t n, first;
    uint32_t capacity, pass;
    struct entry outside; // between the kernel calls
    uint64_t cycles;      // when the last hook returned
    uint64_t instructions;
    struct entry idle_in, idle_out; // of PROBES idle kernels
};

static void mark(struct profile *p)
{
    p->instructions = p->page ? virtual_instructions(p->page) : 0;
    p->cycles = platform_cycles();
}

static void add(struct profile *p, struct entry *e, uint64_t cycles)
{
    uint64_t instructions = p->page ? virtual_instructions(p->page) : 0;
    e->cycles += (cycles - p->cycles) & platform_cycles_mask;
    e->instructions += instructions - p->instructions;
    e->calls++;
}

static void on_kernel(void *ctx, unsigned op, int pixels)
{
    uint64_t cycles = platform_cycles();
    struct profile *p = ctx;
    if (pixels >= 0)
        add(p, &p->outside, cycles);
    else if (op - p->first < p->n)
        add(p, &p->table[op - p->first], cycles);
    mark(p);
}

static struct entry less(const struct entry *a, const struct entry *b)
{
    return (struct entry){a->cycles - b->cycles, a->instructions - b->instructions,
                          a->calls - b->calls};
}

// What an idle kernel would show, taken off.
static struct entry net(const struct entry *e, const struct entry *idle)
{
    uint64_t cycles = (uint64_t)e->calls * idle->cycles / PROBES;
    uint64_t instructions = (uint64_t)e->calls * idle->instructions / PROBES;
    return (struct entry){e->cycles > cycles ? e->cycles - cycles : 0,
                          e->instructions > instructions ? e->instructions - instructions : 0,
                          e->calls};
}

static void report(const struct profile *p, const char *record, int layer, const struct entry *e,
                   const struct entry *idle)
{
    struct wire_writer w;
    const struct entry own = net(e, idle);
    session_begin(&w, record);
    if (layer >= 0)
        wire_field_u64(&w, "i", (uint64_t)layer);
    wire_field_u64(&w, "calls", own.calls);
    wire_field_u64(&w, "cycles", own.cycles);
    if (p->page)
        wire_field_u64(&w, "instructions", own.instructions);
    wire_end(&w);
}

// Points the table at the part of block `block` that this pass is for.
static void open_block(struct profile *p, unsigned block)
{
    uint32_t first, n, skip = p->pass * p->capacity;
    p->n = 0;
    if (block == exec_blocks(p->program))
        return;
    exec_block_ops(p->program, block, &first, &n);
    p->first = first + skip;
    if (n > skip)
        p->n = n - skip < p->capacity ? n - skip : p->capacity;
    for (uint32_t i = 0; i < p->n; i++)
        p->table[i] = (struct entry){0, 0, 0};
}

static void on_block(void *ctx, unsigned block)
{
    uint64_t cycles = platform_cycles();
    struct profile *p = ctx;
    add(p, &p->outside, cycles);
    p->outside.calls--; // no kernel call
    for (uint32_t i = 0; i < p->n; i++)
        report(p, "layer", (int)exec_op_layer(p->program, p->first + i), &p->table[i], &p->idle_in);
    open_block(p, block + 1);
    mark(p);
}

static void probe(struct profile *p, const struct exec_hooks *hooks, unsigned n)
{
    p->first = 0;
    p->n = 1;
    p->table[0] = p->outside = (struct entry){0, 0, 0};
    mark(p);
    exec_probe(p->program, hooks, n);
}

// Learns what idle kernels show inside and outside: what twice as many show more, since the way into exec_probe() shows
// as well. The first is for caches.
static void calibrate(struct profile *p, const struct exec_hooks *hooks)
{
    probe(p, hooks, PROBES);
    probe(p, hooks, PROBES);
    const struct entry in = p->table[0], out = p->outside;
    probe(p, hooks, 2 * PROBES);
    p->idle_in = less(&p->table[0], &in);
    p->idle_out = less(&p->outside, &out);
}

static uint32_t most_ops(const void *program)
{
    uint32_t most = 0;
    for (unsigned b = 0; b < exec_blocks(program); b++) {
        uint32_t first, n;
        exec_block_ops(program, b, &first, &n);
        most = n > most ? n : most;
    }
    return most;
}

int profile_run(const void *program, uint32_t arena_bytes, const int8_t **output)
{
    const uintptr_t align = _Alignof(struct entry);
    struct entry few[FEW_ENTRIES];
    struct profile p = {.program = program, .page = platform_virtual()};
    const struct exec_hooks hooks = {.block = on_block, .kernel = on_kernel, .ctx = &p};
    uintptr_t behind = ((uintptr_t)fw_arena_start + arena_bytes + align - 1) / align * align;
    uintptr_t end = (uintptr_t)fw_arena_end - measure_outside(program);
    uint32_t most = most_ops(program);
    p.table = few;
    p.capacity = FEW_ENTRIES;
    if (behind < end && (end - behind) / sizeof *few > FEW_ENTRIES) {
        p.table = (struct entry *)behind;
        p.capacity = (uint32_t)((end - behind) / sizeof *few);
    }
    calibrate(&p, &hooks);
    struct entry interpreter = {0, 0, 0};
    int error = 0;
    for (p.pass = 0; p.pass * p.capacity < most && !error; p.pass++) {
        p.outside = (struct entry){0, 0, 0};
        open_block(&p, 0);
        mark(&p);
        error = measure_exec(program, arena_bytes, &hooks, output);
        interpreter = p.outside;
    }
    if (!error)
        report(&p, "interpreter", -1, &interpreter, &p.idle_out);
    return error;
}
