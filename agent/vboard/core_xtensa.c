// SPDX-License-Identifier: GPL-2.0-only
// See core_xtensa.h. A block is decoded once: up to BLOCK_OPS instructions that are entered at the first and left at
// the last, so counters are added once a block. What goes wrong or looks at a counter in the middle takes back the rest.
#include "agent/vboard/core_xtensa.h"

#include <stdlib.h>
#include <string.h>

// The table of docs/timing.md. Changing a number means raising LX7_VERSION: results carry both.
enum {
    LX7_VERSION = 1,
    LX7_ISSUE = 1,   // every instruction
    LX7_LATE = 1,    // wait for the result of a load or multiplication by the very next instruction
    LX7_TAKEN = 2,   // any change of the flow: refill of the pipeline
    LX7_DIVIDE = 10, // QUOU and friends, on top of LX7_ISSUE
    LX7_SYNC = 3,    // ISYNC, WSR and XSR but those of MAC16, on top of LX7_ISSUE
    LX7_LOOP = 1,    // LOOP and relatives, on top of LX7_ISSUE; going round costs nothing
    LX7_EXCEPTION = 5, // entering a vector
};

enum {
    PAGE_SHIFT = 13,
    PAGES = 1 << (32 - PAGE_SHIFT),
    PAGE_MASK = XTENSA_PAGE - 1,
    BLOCK_OPS = 32,
    TABLE_BITS = 12,
    TABLE_SIZE =
        1 << TABLE_BITS, // decoded blocks, direct-mapped: a collision only costs a new decode
};
_Static_assert(1 << PAGE_SHIFT == XTENSA_PAGE, "one page size");
#define LOOP_ENDS (1u << 16) // by the lower half of an address

struct block {
    uint32_t pc, end;    // end: address behind the last instruction
    uint32_t generation; // valid while equal to the core's
    uint32_t cycles;     // without LX7_TAKEN
    uint32_t narrow;     // bit i: instruction i has two bytes
    uint32_t count;      // instructions; ops has one more when the block ends because it is long
    struct xt_op ops[BLOCK_OPS + 1];
};

enum map_kind { MAP_FETCH, MAP_READ_WORD, MAP_READ_NARROW, MAP_WRITE_WORD, MAP_WRITE_NARROW, MAPS };

struct xtensa {
    uint32_t a[XT_REGISTERS];
    int64_t acc; // 40 bits, sign-extended
    uint32_t pc, sar;
    uint64_t instructions, cycles;
    uint64_t pending_instructions, pending_cycles; // of the current block, not executed yet
    bool stop_requested;
    uint32_t generation;
    uint32_t vecbase_reset;
    uint64_t ccount_base;             // cycles at CCOUNT == 0
    uint32_t sr[256];                 // SAR, CCOUNT and those of MAC16 are elsewhere
    uint8_t loop_ends[LOOP_ENDS / 8]; // addresses that LEND has held: blocks end there
    struct xtensa_bus bus;
    uint8_t **map[MAPS]; // a pointer per page, NULL: the bus, or nothing
    struct block *table;
};

struct xtensa *xtensa_new(uint32_t vecbase, const struct xtensa_bus *bus, struct err *e)
{
    struct xtensa *x = calloc(1, sizeof *x);
    if (!x)
        goto fail;
    x->bus = *bus;
    x->vecbase_reset = vecbase;
    x->generation = 1;
    x->table = calloc(TABLE_SIZE, sizeof *x->table);
    if (!x->table)
        goto fail;
    for (int i = 0; i < MAPS; i++) {
        x->map[i] = calloc(PAGES, sizeof *x->map[i]);
        if (!x->map[i])
            goto fail;
    }
    xtensa_reset(x, 0);
    return x;
fail:
    err_set(e, ERR_NO_MEMORY, "no memory for the Xtensa core");
    xtensa_free(x);
    return NULL;
}

void xtensa_free(struct xtensa *x)
{
    if (!x)
        return;
    for (int i = 0; i < MAPS; i++)
        free(x->map[i]);
    free(x->table);
    free(x);
}

void xtensa_map(struct xtensa *x, uint32_t base, uint32_t size, uint8_t *memory, unsigned access)
{
    for (uint32_t at = 0; at < size; at += XTENSA_PAGE) {
        for (unsigned i = 0; i < MAPS; i++) {
            if (access & (1u << i))
                x->map[i][(base + at) >> PAGE_SHIFT] = memory ? memory + at : NULL;
        }
    }
    xtensa_forget_code(x);
}

void xtensa_forget_code(struct xtensa *x)
{
    if (++x->generation == 0) { // wrapped: a block of long ago must not look new
        memset(x->table, 0, TABLE_SIZE * sizeof *x->table);
        x->generation = 1;
    }
}

void xtensa_reset(struct xtensa *x, uint32_t pc)
{
    memset(x->a, 0, sizeof x->a);
    memset(x->sr, 0, sizeof x->sr);
    memset(x->loop_ends, 0, sizeof x->loop_ends);
    x->acc = 0;
    x->sr[XT_SR_PS] = XTENSA_PS_RESET;
    x->sr[XT_SR_VECBASE] = x->vecbase_reset;
    x->sar = 0;
    x->pc = pc;
    x->ccount_base = x->cycles;
    xtensa_forget_code(x);
}

void xtensa_request_stop(struct xtensa *x)
{
    x->stop_requested = true;
}

// ---- registers ----

uint32_t xtensa_ar(const struct xtensa *x, unsigned n)
{
    return x->a[n & 15];
}

void xtensa_set_ar(struct xtensa *x, unsigned n, uint32_t value)
{
    x->a[n & 15] = value;
}

uint32_t xtensa_pc(const struct xtensa *x)
{
    return x->pc;
}

void xtensa_set_pc(struct xtensa *x, uint32_t pc)
{
    x->pc = pc;
}

// The value of the lowest 40 bits.
static int64_t accumulator(uint64_t v)
{
    return (int64_t)(v << 24) >> 24;
}

static bool is_loop_end(const struct xtensa *x, uint32_t address)
{
    const uint32_t i = address % LOOP_ENDS;
    return x->loop_ends[i / 8] >> i % 8 & 1;
}

// Code that was decoded across the address has to be decoded again.
static void set_loop_end(struct xtensa *x, uint32_t address)
{
    const uint32_t i = address % LOOP_ENDS;
    x->sr[XT_SR_LEND] = address;
    if (is_loop_end(x, address))
        return;
    x->loop_ends[i / 8] |= (uint8_t)(1u << i % 8);
    xtensa_forget_code(x);
}

uint32_t xtensa_sr(const struct xtensa *x, unsigned n)
{
    n &= 255;
    if (n == XT_SR_ACCLO)
        return (uint32_t)x->acc;
    if (n == XT_SR_ACCHI)
        return (uint32_t)(x->acc >> 32);
    if (n >= XT_SR_M0 && n < XT_SR_M0 + 4)
        return x->a[XT_M0 + n - XT_SR_M0];
    if (n == XT_SR_SAR)
        return x->sar;
    if (n == XT_SR_CCOUNT)
        return (uint32_t)(xtensa_cycles(x) - x->ccount_base);
    return x->sr[n];
}

void xtensa_set_sr(struct xtensa *x, unsigned n, uint32_t value)
{
    n &= 255;
    if (n == XT_SR_ACCLO)
        x->acc = accumulator(((uint64_t)x->acc & ~0xffffffffull) | value);
    else if (n == XT_SR_ACCHI)
        x->acc = accumulator((uint64_t)value << 32 | (uint32_t)x->acc);
    else if (n >= XT_SR_M0 && n < XT_SR_M0 + 4)
        x->a[XT_M0 + n - XT_SR_M0] = value;
    else if (n == XT_SR_LEND)
        set_loop_end(x, value);
    else if (n == XT_SR_SAR)
        x->sar = value & 63;
    else if (n == XT_SR_CCOUNT)
        x->ccount_base = xtensa_cycles(x) - value;
    else
        x->sr[n] = value;
}

uint64_t xtensa_instructions(const struct xtensa *x)
{
    return x->instructions - x->pending_instructions;
}

uint64_t xtensa_cycles(const struct xtensa *x)
{
    return x->cycles - x->pending_cycles;
}

void xtensa_skip_cycles(struct xtensa *x, uint64_t cycles)
{
    x->cycles += cycles;
}

const char *xtensa_timing_name(void)
{
    return "lx7-table";
}

unsigned xtensa_timing_version(void)
{
    return LX7_VERSION;
}

// ---- blocks ----

// Cycles of the first n instructions of a block.
static uint32_t block_cycles(const struct block *b, uint32_t n)
{
    uint32_t cycles = 0, late = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct xt_op *op = &b->ops[i];
        cycles += LX7_ISSUE;
        if (late & xt_sources(op))
            cycles += LX7_LATE;
        late = xt_late_result(op);
        if (op->kind >= XT_QUOU && op->kind <= XT_REMS)
            cycles += LX7_DIVIDE;
        if (op->kind == XT_WSR || op->kind == XT_XSR || op->kind == XT_ISYNC)
            cycles += LX7_SYNC;
        if (op->kind >= XT_LOOP && op->kind <= XT_LOOPGTZ)
            cycles += LX7_LOOP;
    }
    return cycles;
}

static uint32_t block_pc(const struct block *b, uint32_t index)
{
    uint32_t narrow = b->narrow & (uint32_t)((1ull << index) - 1);
    return b->pc + 3 * index - (uint32_t)__builtin_popcount(narrow);
}

static bool fetch_byte(const struct xtensa *x, uint32_t address, uint32_t *byte)
{
    const uint8_t *page = x->map[MAP_FETCH][address >> PAGE_SHIFT];
    if (page)
        *byte = page[address & PAGE_MASK];
    return page != NULL;
}

// The instruction at pc, or its length 0 when there is no memory to fetch from.
static unsigned fetch(const struct xtensa *x, uint32_t pc, uint32_t *word)
{
    uint32_t b[3] = {0, 0, 0};
    if (!fetch_byte(x, pc, &b[0]))
        return 0;
    unsigned length = xt_length((uint8_t)b[0]);
    for (unsigned i = 1; i < length; i++) {
        if (!fetch_byte(x, pc + i, &b[i]))
            return 0;
    }
    *word = b[0] | b[1] << 8 | b[2] << 16;
    return length;
}

// false: nothing can be fetched at pc.
static bool decode_block(const struct xtensa *x, struct block *b, uint32_t pc, uint32_t limit)
{
    b->pc = b->end = pc;
    b->narrow = b->count = 0;
    while (b->count < limit) {
        uint32_t word;
        unsigned length = fetch(x, b->end, &word);
        if (length == 0)
            break;
        struct xt_op *op = &b->ops[b->count];
        xt_decode(word, b->end, op);
        if (length == 2)
            b->narrow |= 1u << b->count;
        b->end += length;
        b->count++;
        if (op->kind >= XT_FIRST_END || op->kind == XT_ILLEGAL || is_loop_end(x, b->end))
            break;
    }
    b->ops[b->count] = (struct xt_op){.kind = XT_BLOCK_LIMIT};
    b->cycles = block_cycles(b, b->count);
    b->generation = x->generation;
    return b->count > 0;
}

// ---- exceptions ----

static void enter_vector(struct xtensa *x, enum xtensa_cause cause)
{
    uint32_t offset;
    if (x->sr[XT_SR_PS] & XTENSA_PS_EXCM) {
        x->sr[XT_SR_DEPC] = x->pc;
        offset = XTENSA_VECTOR_DOUBLE;
    } else {
        x->sr[XT_SR_EPC1] = x->pc;
        offset = x->sr[XT_SR_PS] & XTENSA_PS_UM ? XTENSA_VECTOR_USER : XTENSA_VECTOR_KERNEL;
    }
    x->sr[XT_SR_PS] |= XTENSA_PS_EXCM;
    x->sr[XT_SR_EXCCAUSE] = cause;
    x->pc = x->sr[XT_SR_VECBASE] + offset;
    x->cycles += LX7_EXCEPTION;
}

void xtensa_raise(struct xtensa *x, enum xtensa_cause cause, uint32_t address)
{
    x->sr[XT_SR_EXCVADDR] = address;
    enter_vector(x, cause);
}

void xtensa_debug_exception(struct xtensa *x)
{
    x->sr[XT_SR_EPC1 + XTENSA_DEBUG_LEVEL - 1] = x->pc;
    x->sr[XT_SR_EPS2 + XTENSA_DEBUG_LEVEL - 2] = x->sr[XT_SR_PS];
    x->sr[XT_SR_PS] = (x->sr[XT_SR_PS] & ~0xfu) | XTENSA_PS_EXCM | XTENSA_DEBUG_LEVEL;
    x->pc = x->sr[XT_SR_VECBASE] + XTENSA_VECTOR_DEBUG;
    x->cycles += LX7_EXCEPTION;
}

// Counters as if the block had ended before instruction `index`, and pc there.
static void take_back(struct xtensa *x, const struct block *b, uint32_t index)
{
    x->instructions -= b->count - index;
    x->cycles -= b->cycles - block_cycles(b, index);
    x->pc = block_pc(b, index);
}

// ---- memory ----

struct access { // one that the fast path could not do
    struct xtensa *x;
    const struct block *b;
    const struct xt_op *op;
    uint32_t address;
    unsigned size;
};

// Is it in order? Otherwise the exception is taken.
static bool access_aligned(const struct access *a)
{
    if ((a->address & (a->size - 1)) == 0)
        return true;
    take_back(a->x, a->b, (uint32_t)(a->op - a->b->ops));
    xtensa_raise(a->x, XTENSA_CAUSE_ALIGNMENT, a->address);
    return false;
}

// The counters that a bus callback sees include this instruction and nothing behind it.
static void access_begin(const struct access *a)
{
    uint32_t done = (uint32_t)(a->op - a->b->ops) + 1;
    a->x->pending_instructions = a->b->count - done;
    a->x->pending_cycles = a->b->cycles - block_cycles(a->b, done);
}

static bool access_end(const struct access *a, bool ok, bool write)
{
    struct xtensa *x = a->x;
    x->pending_instructions = x->pending_cycles = 0;
    if (ok)
        return true;
    bool word_only = x->map[write ? MAP_WRITE_WORD : MAP_READ_WORD][a->address >> PAGE_SHIFT];
    take_back(x, a->b, (uint32_t)(a->op - a->b->ops));
    xtensa_raise(x,
                 word_only ? XTENSA_CAUSE_LOAD_STORE
                 : write   ? XTENSA_CAUSE_STORE_PROHIBITED
                           : XTENSA_CAUSE_LOAD_PROHIBITED,
                 a->address);
    return false;
}

static bool slow_load(const struct access *a, uint32_t *value)
{
    if (!access_aligned(a))
        return false;
    access_begin(a);
    return access_end(a, a->x->bus.read(a->x->bus.user, a->address, a->size, value), false);
}

static bool slow_store(const struct access *a, uint32_t value)
{
    if (!access_aligned(a))
        return false;
    access_begin(a);
    return access_end(a, a->x->bus.write(a->x->bus.user, a->address, a->size, value), true);
}

// false: an exception was taken.
static inline bool load(struct xtensa *x, const struct block *b, const struct xt_op *op,
                        uint32_t address, unsigned size, uint32_t *value)
{
    const uint8_t *page =
        x->map[size == 4 ? MAP_READ_WORD : MAP_READ_NARROW][address >> PAGE_SHIFT];
    if (!page || (address & (size - 1))) {
        const struct access a = {x, b, op, address, size};
        return slow_load(&a, value);
    }
    *value = 0;
    memcpy(value, page + (address & PAGE_MASK), size);
    return true;
}

static inline bool store(struct xtensa *x, const struct block *b, const struct xt_op *op,
                         uint32_t address, unsigned size, uint32_t value)
{
    uint8_t *page = x->map[size == 4 ? MAP_WRITE_WORD : MAP_WRITE_NARROW][address >> PAGE_SHIFT];
    if (!page || (address & (size - 1))) {
        const struct access a = {x, b, op, address, size};
        return slow_store(&a, value);
    }
    memcpy(page + (address & PAGE_MASK), &value, size);
    return true;
}

// ---- arithmetic that is more than an operator ----

static uint32_t shift_right_signed(uint32_t v, unsigned n)
{
    return (uint32_t)((int32_t)v >> (n > 31 ? 31 : n));
}

static uint32_t multiply_low16(uint32_t a, uint32_t b)
{
    return (uint32_t)((int32_t)(int16_t)a * (int16_t)b);
}

static uint32_t multiply_high_signed(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)((int64_t)(int32_t)a * (int32_t)b) >> 32);
}

static uint32_t divide(const struct xt_op *op, uint32_t a, uint32_t b) // b is not 0
{
    bool overflow = a == 0x80000000u && b == 0xffffffffu;
    switch (op->kind) {
    case XT_QUOU:
        return a / b;
    case XT_REMU:
        return a % b;
    case XT_QUOS:
        return overflow ? a : (uint32_t)((int32_t)a / (int32_t)b);
    default:
        return overflow ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
    }
}

static uint32_t clamp_signed(uint32_t v, uint32_t bit) // to -2^bit .. 2^bit - 1
{
    int32_t high = (int32_t)((1u << bit) - 1), low = -high - 1, value = (int32_t)v;
    return (uint32_t)(value < low ? low : value > high ? high : value);
}

static uint32_t sign_extend(uint32_t v, uint32_t bit) // bit: number of the sign bit
{
    return (uint32_t)((int32_t)(v << (31 - bit)) >> (31 - bit));
}

// What the MAC16 operation leaves in ACC.
static int64_t multiply_accumulate(const struct xtensa *x, const struct xt_op *op)
{
    const uint32_t p = x->a[op->r] >> (op->imm & XT_MAC_HIGH_R ? 16 : 0);
    const uint32_t q = x->a[op->t] >> (op->imm & XT_MAC_HIGH_T ? 16 : 0);
    const int32_t product = (int32_t)(int16_t)p * (int16_t)q;
    switch (op->imm & XT_MAC_OPERATION) {
    case XT_MAC_UMUL:
        return (int64_t)((p & 0xffff) * (uint64_t)(q & 0xffff));
    case XT_MAC_MUL:
        return product;
    case XT_MAC_MULS:
        return accumulator((uint64_t)(x->acc - product));
    default:
        return accumulator((uint64_t)(x->acc + product));
    }
}

static uint32_t leading_zeros(uint32_t v)
{
    return v ? (uint32_t)__builtin_clz(v) : 32;
}

static uint32_t normalization_shift(uint32_t v) // NSA
{
    uint32_t n = leading_zeros((int32_t)v < 0 ? ~v : v);
    return n - 1;
}

// The load of LDINC and LDDEC, alone or beside a multiplication, which takes the M registers' old values. false: an
// exception was taken.
static bool mac_load(struct xtensa *x, const struct block *b, const struct xt_op *op)
{
    const uint32_t address = x->a[op->s] + (op->imm & XT_MAC_DECREMENT ? (uint32_t)-4 : 4u);
    uint32_t value;
    if (!load(x, b, op, address, 4, &value))
        return false;
    if (op->kind == XT_MAC_LOAD)
        x->acc = multiply_accumulate(x, op);
    x->a[XT_M0 + (op->imm >> XT_MAC_TARGET_SHIFT & 3)] = value;
    x->a[op->s] = address;
    return true;
}

// ---- running ----

// Behind the last instruction of a block, unless it jumped: does a loop go round?
static inline void fall_through(struct xtensa *x, const struct block *b)
{
    if (b->end == x->sr[XT_SR_LEND] && x->sr[XT_SR_LCOUNT] != 0 &&
        !(x->sr[XT_SR_PS] & XTENSA_PS_EXCM)) {
        x->sr[XT_SR_LCOUNT]--;
        x->pc = x->sr[XT_SR_LBEG];
    }
}

static void begin_loop(struct xtensa *x, const struct block *b, const struct xt_op *op)
{
    const int32_t count = (int32_t)x->a[op->s];
    x->sr[XT_SR_LCOUNT] = (uint32_t)count - 1;
    x->sr[XT_SR_LBEG] = b->end;
    set_loop_end(x, op->imm);
    if ((op->kind == XT_LOOPNEZ && count == 0) || (op->kind == XT_LOOPGTZ && count <= 0)) {
        x->pc = op->imm;
        x->cycles += LX7_TAKEN;
    }
}

// The last instruction of a block, when it is none of the plain branches: pc is at the following instruction.
static bool end_block(struct xtensa *x, const struct block *b, const struct xt_op *op,
                      enum xtensa_stop *stop)
{
    uint32_t v;
    switch (op->kind) {
    case XT_RSR:
        x->a[op->t] = xtensa_sr(x, op->imm);
        fall_through(x, b);
        return true;
    case XT_WSR:
        xtensa_set_sr(x, op->imm, x->a[op->t]);
        fall_through(x, b);
        return true;
    case XT_XSR:
        v = xtensa_sr(x, op->imm);
        xtensa_set_sr(x, op->imm, x->a[op->t]);
        x->a[op->t] = v;
        fall_through(x, b);
        return true;
    case XT_LOOP:
    case XT_LOOPNEZ:
    case XT_LOOPGTZ:
        begin_loop(x, b, op);
        return true;
    case XT_RSIL:
        x->a[op->t] = x->sr[XT_SR_PS];
        x->sr[XT_SR_PS] = (x->sr[XT_SR_PS] & ~0xfu) | op->imm;
        fall_through(x, b);
        return true;
    case XT_ISYNC: // what a program has written to memory may be code from here on
        xtensa_forget_code(x);
        fall_through(x, b);
        return true;
    case XT_RFE:
        x->sr[XT_SR_PS] &= ~(uint32_t)XTENSA_PS_EXCM;
        x->pc = x->sr[XT_SR_EPC1];
        return true;
    case XT_RFDE:
        x->pc = x->sr[XT_SR_DEPC];
        return true;
    case XT_RFI:
        if (op->imm >= 2 && op->imm <= 7) {
            x->pc = x->sr[XT_SR_EPC1 + op->imm - 1];
            x->sr[XT_SR_PS] = x->sr[XT_SR_EPS2 + op->imm - 2];
            return true;
        }
        break;
    case XT_WAITI:
        x->sr[XT_SR_PS] = (x->sr[XT_SR_PS] & ~0xfu) | op->imm;
        *stop = XTENSA_SLEEP;
        return false;
    case XT_BREAK:
        take_back(x, b, b->count - 1);
        *stop = XTENSA_BREAK;
        return false;
    case XT_SYSCALL:
        take_back(x, b, b->count - 1);
        enter_vector(x, XTENSA_CAUSE_SYSCALL);
        return true;
    default:
        break;
    }
    take_back(x, b, b->count - 1);
    enter_vector(x, XTENSA_CAUSE_ILLEGAL);
    return true;
}

// Runs one block. false: *stop says why the run ends.
static bool run_block(struct xtensa *x, const struct block *b, enum xtensa_stop *stop)
{
    uint32_t *const a = x->a;
    const struct xt_op *op = b->ops;
    bool taken;

    x->pc = b->end;
    x->instructions += b->count;
    x->cycles += b->cycles;
#define R a[op->r]
#define S a[op->s]
#define T a[op->t]
    // clang-format off
    for (;; op++) {
        uint32_t v;
        switch (op->kind) {
        case XT_AND:    R = S & T; break;
        case XT_OR:     R = S | T; break;
        case XT_XOR:    R = S ^ T; break;
        case XT_ADD:    R = S + T; break;
        case XT_ADDX2:  R = (S << 1) + T; break;
        case XT_ADDX4:  R = (S << 2) + T; break;
        case XT_ADDX8:  R = (S << 3) + T; break;
        case XT_SUB:    R = S - T; break;
        case XT_SUBX2:  R = (S << 1) - T; break;
        case XT_SUBX4:  R = (S << 2) - T; break;
        case XT_SUBX8:  R = (S << 3) - T; break;
        case XT_MUL16U: R = (S & 0xffff) * (T & 0xffff); break;
        case XT_MUL16S: R = multiply_low16(S, T); break;
        case XT_MULL:   R = S * T; break;
        case XT_MULUH:  R = (uint32_t)((uint64_t)S * T >> 32); break;
        case XT_MULSH:  R = multiply_high_signed(S, T); break;
        case XT_QUOU: case XT_QUOS: case XT_REMU: case XT_REMS:
            if (T == 0) {
                take_back(x, b, (uint32_t)(op - b->ops));
                enter_vector(x, XTENSA_CAUSE_DIVIDE);
                return true;
            }
            R = divide(op, S, T);
            break;
        case XT_MIN:    R = (int32_t)S < (int32_t)T ? S : T; break;
        case XT_MAX:    R = (int32_t)S > (int32_t)T ? S : T; break;
        case XT_MINU:   R = S < T ? S : T; break;
        case XT_MAXU:   R = S > T ? S : T; break;
        case XT_MOVEQZ: if (T == 0) R = S; break;
        case XT_MOVNEZ: if (T != 0) R = S; break;
        case XT_MOVLTZ: if ((int32_t)T < 0) R = S; break;
        case XT_MOVGEZ: if ((int32_t)T >= 0) R = S; break;
        case XT_SRC:    R = (uint32_t)(((uint64_t)S << 32 | T) >> x->sar); break;
        case XT_NEG:    R = 0 - T; break;
        case XT_ABS:    R = (int32_t)T < 0 ? 0 - T : T; break;
        case XT_SLLI:   R = S << op->imm; break;
        case XT_SRAI:   R = shift_right_signed(T, op->imm); break;
        case XT_SRLI:   R = T >> op->imm; break;
        case XT_SLL:    R = (uint32_t)(((uint64_t)S << 32) >> x->sar); break;
        case XT_SRL:    R = x->sar > 31 ? 0 : T >> x->sar; break;
        case XT_SRA:    R = shift_right_signed(T, x->sar); break;
        case XT_SEXT:   R = sign_extend(S, op->imm); break;
        case XT_CLAMPS: R = clamp_signed(S, op->imm); break;
        case XT_EXTUI:  R = T >> op->s & op->imm; break;
        case XT_NSA:    T = normalization_shift(S); break;
        case XT_NSAU:   T = leading_zeros(S); break;
        case XT_ADDI:   T = S + op->imm; break;
        case XT_MOVI:   T = op->imm; break;
        case XT_MOV:    T = S; break;
        case XT_SSR:    x->sar = S & 31; break;
        case XT_SSL:    x->sar = 32 - (S & 31); break;
        case XT_SSA8L:  x->sar = (S & 3) * 8; break;
        case XT_SSA8B:  x->sar = 32 - (S & 3) * 8; break;
        case XT_SSAI:   x->sar = op->imm; break;
        case XT_L8UI:   if (!load(x, b, op, S + op->imm, 1, &v)) return true; T = v; break;
        case XT_L16UI:  if (!load(x, b, op, S + op->imm, 2, &v)) return true; T = v; break;
        case XT_L16SI:  if (!load(x, b, op, S + op->imm, 2, &v)) return true; T = sign_extend(v, 15); break;
        case XT_L32I:   if (!load(x, b, op, S + op->imm, 4, &v)) return true; T = v; break;
        case XT_L32R:   if (!load(x, b, op, op->imm, 4, &v)) return true; T = v; break;
        case XT_S8I:    if (!store(x, b, op, S + op->imm, 1, T)) return true; break;
        case XT_S16I:   if (!store(x, b, op, S + op->imm, 2, T)) return true; break;
        case XT_S32I:   if (!store(x, b, op, S + op->imm, 4, T)) return true; break;
        case XT_NOP:    break;
        case XT_MAC:    x->acc = multiply_accumulate(x, op); break;
        case XT_MAC_LOAD: case XT_M_LOAD: if (!mac_load(x, b, op)) return true; break;
        case XT_RSR_MAC: T = xtensa_sr(x, op->imm); break;
        case XT_WSR_MAC: xtensa_set_sr(x, op->imm, T); break;
        case XT_XSR_MAC: v = xtensa_sr(x, op->imm); xtensa_set_sr(x, op->imm, T); T = v; break;
        case XT_BEQZ:   taken = S == 0; goto branch;
        case XT_BNEZ:   taken = S != 0; goto branch;
        case XT_BLTZ:   taken = (int32_t)S < 0; goto branch;
        case XT_BGEZ:   taken = (int32_t)S >= 0; goto branch;
        case XT_BEQI:   taken = S == (uint32_t)xt_b4const[op->r]; goto branch;
        case XT_BNEI:   taken = S != (uint32_t)xt_b4const[op->r]; goto branch;
        case XT_BLTI:   taken = (int32_t)S < xt_b4const[op->r]; goto branch;
        case XT_BGEI:   taken = (int32_t)S >= xt_b4const[op->r]; goto branch;
        case XT_BLTUI:  taken = S < xt_b4constu[op->r]; goto branch;
        case XT_BGEUI:  taken = S >= xt_b4constu[op->r]; goto branch;
        case XT_BNONE:  taken = (S & T) == 0; goto branch;
        case XT_BANY:   taken = (S & T) != 0; goto branch;
        case XT_BALL:   taken = (~S & T) == 0; goto branch;
        case XT_BNALL:  taken = (~S & T) != 0; goto branch;
        case XT_BEQ:    taken = S == T; goto branch;
        case XT_BNE:    taken = S != T; goto branch;
        case XT_BLT:    taken = (int32_t)S < (int32_t)T; goto branch;
        case XT_BGE:    taken = (int32_t)S >= (int32_t)T; goto branch;
        case XT_BLTU:   taken = S < T; goto branch;
        case XT_BGEU:   taken = S >= T; goto branch;
        case XT_BBC:    taken = (S >> (T & 31) & 1) == 0; goto branch;
        case XT_BBS:    taken = (S >> (T & 31) & 1) != 0; goto branch;
        case XT_BBCI:   taken = (S >> op->t & 1) == 0; goto branch;
        case XT_BBSI:   taken = (S >> op->t & 1) != 0; goto branch;
        case XT_J:
            if (op->imm == block_pc(b, b->count - 1)) {
                x->pc = op->imm;
                *stop = XTENSA_SLEEP;
                return false;
            }
            taken = true;
            goto branch;
        case XT_CALL0:  a[0] = b->end; taken = true; goto branch;
        case XT_CALLX0: v = S; a[0] = b->end; goto jump;
        case XT_JX:     v = S; goto jump;
        case XT_RET:    v = a[0]; goto jump;
        case XT_BLOCK_LIMIT:
            fall_through(x, b);
            return true;
        default:
            return end_block(x, b, op, stop);
        }
        continue;
    branch:
        if (!taken) {
            fall_through(x, b);
            return true;
        }
        v = op->imm;
    jump:
        x->pc = v;
        x->cycles += LX7_TAKEN;
        return true;
    }
    // clang-format on
#undef R
#undef S
#undef T
}

enum xtensa_stop xtensa_run(struct xtensa *x, uint64_t instructions)
{
    enum xtensa_stop stop = XTENSA_BUDGET;
    uint64_t stop_at = x->instructions + instructions;
    x->stop_requested = false;
    while (x->instructions < stop_at && !x->stop_requested) {
        struct block *b = &x->table[(x->pc ^ x->pc >> TABLE_BITS) & (TABLE_SIZE - 1)];
        if (b->pc != x->pc || b->generation != x->generation) {
            if (!decode_block(x, b, x->pc, BLOCK_OPS)) {
                b->generation = 0;
                xtensa_raise(x, XTENSA_CAUSE_FETCH_PROHIBITED, x->pc);
                // A vector that cannot be fetched either would go on for ever without counting.
                stop_at -= stop_at > x->instructions;
                continue;
            }
        }
        if (!run_block(x, b, &stop))
            return stop;
    }
    return XTENSA_BUDGET;
}

enum xtensa_stop xtensa_step(struct xtensa *x)
{
    struct block b;
    enum xtensa_stop stop = XTENSA_BUDGET;
    if (!decode_block(x, &b, x->pc, 1))
        xtensa_raise(x, XTENSA_CAUSE_FETCH_PROHIBITED, x->pc);
    else if (run_block(x, &b, &stop))
        stop = XTENSA_BUDGET;
    return stop;
}
