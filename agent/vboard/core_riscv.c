// SPDX-License-Identifier: GPL-2.0-only
// See core_riscv.h.
#include "agent/vboard/core_riscv.h"
#include "agent/vboard/riscv_decode.h"

#include <stdlib.h>
#include <string.h>

enum {
    TABLE_SIZE =
        1 << 14, // decoded instructions, direct-mapped: a collision only costs a new decode
    MAX_RANGES = 8,
    TRAPS_TO_LOCKUP = 100, // traps without an instruction in between
    NO_PC = 1,             // of a free entry: no instruction has an odd address

    MISA_A = 1 << 0,
    MSTATUS_MIE = 1 << 3,
    MSTATUS_MPIE = 1 << 7,
    MSTATUS_MPP = 3 << 11, // always machine mode
    MPCER_CYCLES = 1 << 0,
    MPCER_WRITABLE = 0x7ff,
    MPCMR_ENABLE = 1 << 0,
    MPCMR_WRITABLE = 3,
    DCSR_STEP = 1 << 2,
    DCSR_EBREAKM = 1 << 15,
    DCSR_WRITABLE = 0xbe04, // ebreakm, ebreaks, ebreaku, stepie, stopcount, stoptime, step
    DCSR_CAUSE_SHIFT = 6,
};
#define DCSR_RESET 0x40000003u // version 0.13, machine mode

enum cause {
    CAUSE_FETCH = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD = 5,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE = 7,
    CAUSE_ECALL_M = 11,
};

// clang-format off
enum csr {
    CSR_MSTATUS = 0x300, CSR_MISA = 0x301, CSR_MIE = 0x304, CSR_MTVEC = 0x305, CSR_MCOUNTEREN = 0x306,
    CSR_MSCRATCH = 0x340, CSR_MEPC = 0x341, CSR_MCAUSE = 0x342, CSR_MTVAL = 0x343, CSR_MIP = 0x344,
    CSR_MPCER = 0x7e0, CSR_MPCMR = 0x7e1, CSR_MPCCR = 0x7e2,
    CSR_DCSR = 0x7b0, CSR_DPC = 0x7b1, CSR_FEATURE = 0x7c1, CSR_BPM = 0x7c0,
    CSR_MCYCLE = 0xb00, CSR_MINSTRET = 0xb02, CSR_MCYCLEH = 0xb80, CSR_MINSTRETH = 0xb82,
    CSR_CYCLE = 0xc00, CSR_INSTRET = 0xc02, CSR_CYCLEH = 0xc80, CSR_INSTRETH = 0xc82,
    CSR_MVENDORID = 0xf11, CSR_MARCHID = 0xf12, CSR_MIMPID = 0xf13, CSR_MHARTID = 0xf14,
};
// clang-format on

const struct riscv_timing riscv_timing_fe310 = {
    .name = "fe310-table",
    .version = 1,
    .load_word = 2,
    .load_narrow = 3,
    .csr = 3,
    .multiply = 5,
    .divide_max = 33,
    .mispredicted = 3,
    .trap = 5,
};

const struct riscv_timing riscv_timing_c3 = {
    .name = "c3-table",
    .version = 1,
    .load_word = 2,
    .load_narrow = 2,
    .csr = 1,
    .multiply = 2,
    .divide_max = 33,
    .mispredicted = 2,
    .trap = 5,
};

struct range {
    uint32_t base, size;
    uint8_t *memory; // NULL: registers, or a window
    uint8_t **pages; // of a window: memory of each page or NULL; NULL: no window
    uint32_t page_bytes;
    unsigned access;
    bool enabled;
};

struct entry {
    uint32_t pc;
    struct rv_op op;
};

struct riscv {
    uint32_t x[RV_NOWHERE + 1];
    uint32_t pc;
    uint64_t instructions, cycles, stop_at;
    uint64_t ready[RV_NOWHERE + 1]; // cycle at which a register's value can be used
    uint64_t hazard;                // the latest of them
    uint64_t unit_free;             // multiplier and divider
    enum riscv_state state;
    bool stop_requested, stale;
    unsigned traps_in_a_row;
    bool reserved; // LR without SC
    uint32_t reserved_address;
    uint32_t mstatus, mie, mtvec, mscratch, mepc, mcause, mtval, mcounteren, feature, bpm;
    uint32_t dcsr;
    uint64_t cycle_offset, instret_offset; // CSR = counter + offset
    uint32_t mpcer, mpcmr, mpccr;          // mpccr: its value while it stands still
    uint64_t mpccr_offset;                 // CSR = counter + offset while it counts
    struct riscv_config config;
    struct riscv_bus bus;
    struct range ranges[MAX_RANGES];
    int range_count;
    struct entry *table;
};

struct riscv *riscv_new(const struct riscv_config *config, const struct riscv_bus *bus,
                        struct err *e)
{
    struct riscv *c = calloc(1, sizeof *c);
    if (c)
        c->table = calloc(TABLE_SIZE, sizeof *c->table);
    if (!c || !c->table) {
        err_set(e, ERR_NO_MEMORY, "no memory for the RISC-V core");
        riscv_free(c);
        return NULL;
    }
    c->config = *config;
    c->bus = *bus;
    riscv_reset(c);
    return c;
}

void riscv_free(struct riscv *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->range_count; i++)
        free(c->ranges[i].pages);
    free(c->table);
    free(c);
}

static int add_range(struct riscv *c, const struct range *r, struct err *e)
{
    if (c->range_count == MAX_RANGES)
        return err_set(e, ERR_INTERNAL, "more than %d ranges of memory and registers", MAX_RANGES);
    c->ranges[c->range_count++] = *r;
    return 0;
}

int riscv_map_memory(struct riscv *c, uint32_t base, uint32_t size, uint8_t *memory,
                     unsigned access, struct err *e)
{
    const struct range r = {
        .base = base, .size = size, .memory = memory, .access = access, .enabled = true};
    return add_range(c, &r, e);
}

int riscv_map_io(struct riscv *c, uint32_t base, uint32_t size, struct err *e)
{
    const struct range r = {
        .base = base, .size = size, .access = RISCV_READ | RISCV_WRITE, .enabled = true};
    return add_range(c, &r, e);
}

int riscv_map_window(struct riscv *c, uint32_t base, uint32_t size, uint32_t page_bytes,
                     unsigned access, struct err *e)
{
    struct range r = {.base = base,
                      .size = size,
                      .pages = calloc(size / page_bytes, sizeof(uint8_t *)),
                      .page_bytes = page_bytes,
                      .access = access,
                      .enabled = true};
    if (!r.pages)
        return err_set(e, ERR_NO_MEMORY, "no memory for a table of pages");
    if (add_range(c, &r, e)) {
        free(r.pages);
        return -1;
    }
    return 0;
}

static struct range *find_range(struct riscv *c, uint32_t address)
{
    for (int i = 0; i < c->range_count; i++) {
        if (address - c->ranges[i].base < c->ranges[i].size)
            return &c->ranges[i];
    }
    return NULL;
}

bool riscv_map_page(struct riscv *c, uint32_t base, uint8_t *memory)
{
    struct range *r = find_range(c, base);
    if (!r || !r->pages)
        return false;
    r->pages[(base - r->base) / r->page_bytes] = memory;
    c->stale = true;
    return true;
}

static bool is_io(const struct range *r)
{
    return !r->memory && !r->pages;
}

// Memory behind an offset of a range; NULL: none there.
static uint8_t *host(const struct range *r, uint32_t offset)
{
    if (!r->pages)
        return r->memory + offset;
    uint8_t *page = r->pages[offset / r->page_bytes];
    return page ? page + offset % r->page_bytes : NULL;
}

bool riscv_is_io(const struct riscv *c, uint32_t address)
{
    for (int i = 0; i < c->range_count; i++) {
        if (address - c->ranges[i].base < c->ranges[i].size)
            return is_io(&c->ranges[i]);
    }
    return false;
}

void riscv_forget_code(struct riscv *c)
{
    c->stale = true;
}

void riscv_enable_memory(struct riscv *c, uint32_t base, bool enabled)
{
    struct range *r = find_range(c, base);
    if (r && r->enabled != enabled) {
        r->enabled = enabled;
        c->stale = true;
    }
}

static void freshen(struct riscv *c)
{
    for (int i = 0; i < TABLE_SIZE; i++)
        c->table[i].pc = NO_PC;
    c->stale = false;
}

void riscv_reset(struct riscv *c)
{
    memset(c->x, 0, sizeof c->x);
    memset(c->ready, 0, sizeof c->ready);
    c->hazard = c->unit_free = 0;
    c->pc = c->config.entry_point ? c->config.entry_point(c->bus.user) : c->config.reset_pc;
    c->state = RISCV_RUNS;
    c->traps_in_a_row = 0;
    c->reserved = false;
    c->mstatus = MSTATUS_MPP;
    c->mie = c->mtvec = c->mscratch = c->mepc = c->mcause = c->mtval = c->mcounteren = 0;
    c->feature = c->bpm = 0;
    c->mpcer = c->mpcmr = c->mpccr = 0;
    c->dcsr = DCSR_RESET;
    c->cycle_offset = -c->cycles;
    c->instret_offset = -c->instructions;
    c->stale = true;
}

void riscv_request_stop(struct riscv *c)
{
    c->stop_requested = true;
}

void riscv_wake(struct riscv *c)
{
    if (c->state == RISCV_SLEEPS)
        c->state = RISCV_RUNS;
}

enum riscv_state riscv_state(const struct riscv *c)
{
    return c->state;
}

// ---- traps and halting ----------------------------------------------------------------------------
static void trap(struct riscv *c, enum cause cause, uint32_t value)
{
    c->mepc = c->pc;
    c->mcause = cause;
    c->mtval = value;
    c->mstatus = MSTATUS_MPP | (c->mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0);
    c->pc = c->mtvec & ~3u; // vectored mode is for interrupts
    c->cycles += c->config.timing->trap;
    if (++c->traps_in_a_row >= TRAPS_TO_LOCKUP)
        c->state = RISCV_LOCKED_UP;
}

void riscv_fetch_fault(struct riscv *c)
{
    trap(c, CAUSE_FETCH, c->pc);
}

void riscv_halt(struct riscv *c, unsigned cause)
{
    c->state = RISCV_HALTED;
    c->dcsr = (c->dcsr & ~(7u << DCSR_CAUSE_SHIFT)) | cause << DCSR_CAUSE_SHIFT;
}

// ---- CSRs -----------------------------------------------------------------------------------------
// The ESP32-C3's counter: of cycles, the one event that is modelled, while it is enabled.
static bool mpccr_counts(const struct riscv *c)
{
    return (c->mpcer & MPCER_CYCLES) && (c->mpcmr & MPCMR_ENABLE);
}

static uint32_t mpccr(const struct riscv *c)
{
    return mpccr_counts(c) ? (uint32_t)(c->cycles + c->mpccr_offset) : c->mpccr;
}

static bool espressif_csr_read(const struct riscv *c, unsigned csr, uint32_t *value)
{
    *value = csr == CSR_MPCER ? c->mpcer : csr == CSR_MPCMR ? c->mpcmr : mpccr(c);
    return true;
}

static bool espressif_csr_write(struct riscv *c, unsigned csr, uint32_t value)
{
    uint32_t now = mpccr(c);
    if (csr == CSR_MPCER)
        c->mpcer = value & MPCER_WRITABLE;
    else if (csr == CSR_MPCMR)
        c->mpcmr = value & MPCMR_WRITABLE;
    else
        now = value;
    c->mpccr = now;
    c->mpccr_offset = now - c->cycles;
    return true;
}

// Whether the core has the register: some cores lack the standard's counters.
static bool has_csr(const struct riscv *c, unsigned csr)
{
    bool standard_counter = (csr >= CSR_MCYCLE && csr <= CSR_MINSTRETH) ||
                            (csr >= CSR_CYCLE && csr <= CSR_INSTRETH) || csr == CSR_MCOUNTEREN ||
                            csr == CSR_MIE || csr == CSR_MIP;
    bool espressif = csr >= CSR_MPCER && csr <= CSR_MPCCR;
    return c->config.espressif_csrs ? !standard_counter : !espressif;
}

bool riscv_csr_read(struct riscv *c, unsigned csr, bool debugger, uint32_t *value)
{
    if (!has_csr(c, csr))
        return false;
    uint64_t cycles = c->cycles + c->cycle_offset, retired = c->instructions + c->instret_offset;
    switch ((enum csr)csr) {
    case CSR_MSTATUS:
        *value = c->mstatus;
        return true;
    case CSR_MISA:
        *value = c->config.misa;
        return true;
    case CSR_MIE:
        *value = c->mie;
        return true;
    case CSR_MTVEC:
        *value = c->mtvec;
        return true;
    case CSR_MCOUNTEREN:
        *value = c->mcounteren;
        return true;
    case CSR_MSCRATCH:
        *value = c->mscratch;
        return true;
    case CSR_MEPC:
        *value = c->mepc;
        return true;
    case CSR_MCAUSE:
        *value = c->mcause;
        return true;
    case CSR_MTVAL:
        *value = c->mtval;
        return true;
    case CSR_MIP:
    case CSR_MHARTID:
        *value = 0;
        return true;
    case CSR_FEATURE:
        *value = c->feature;
        return true;
    case CSR_BPM:
        *value = c->bpm;
        return true;
    case CSR_MPCER:
    case CSR_MPCMR:
    case CSR_MPCCR:
        return espressif_csr_read(c, csr, value);
    case CSR_MCYCLE:
    case CSR_CYCLE:
        *value = (uint32_t)cycles;
        return true;
    case CSR_MCYCLEH:
    case CSR_CYCLEH:
        *value = (uint32_t)(cycles >> 32);
        return true;
    case CSR_MINSTRET:
    case CSR_INSTRET:
        *value = (uint32_t)retired;
        return true;
    case CSR_MINSTRETH:
    case CSR_INSTRETH:
        *value = (uint32_t)(retired >> 32);
        return true;
    case CSR_MVENDORID:
        *value = c->config.mvendorid;
        return true;
    case CSR_MARCHID:
        *value = c->config.marchid;
        return true;
    case CSR_MIMPID:
        *value = c->config.mimpid;
        return true;
    case CSR_DCSR:
        *value = c->dcsr;
        return debugger;
    case CSR_DPC:
        *value = c->pc;
        return debugger;
    }
    return false;
}

static uint64_t with_low(uint64_t counter, uint32_t low)
{
    return (counter & ~0xffffffffull) | low;
}

static uint64_t with_high(uint64_t counter, uint32_t high)
{
    return (counter & 0xffffffffull) | (uint64_t)high << 32;
}

bool riscv_csr_write(struct riscv *c, unsigned csr, bool debugger, uint32_t value)
{
    if (!has_csr(c, csr))
        return false;
    uint64_t cycles = c->cycles + c->cycle_offset, retired = c->instructions + c->instret_offset;
    switch ((enum csr)csr) {
    case CSR_MSTATUS:
        c->mstatus = MSTATUS_MPP | (value & (MSTATUS_MIE | MSTATUS_MPIE));
        return true;
    case CSR_MISA:
    case CSR_MIP:
        return true; // read-only fields
    case CSR_MIE:
        c->mie = value;
        return true;
    case CSR_MTVEC:
        c->mtvec = c->config.espressif_csrs ? (value & ~0xffu) | 1 : value & ~2u;
        return true;
    case CSR_MCOUNTEREN:
        c->mcounteren = value;
        return true;
    case CSR_MSCRATCH:
        c->mscratch = value;
        return true;
    case CSR_MEPC:
        c->mepc = value & ~1u;
        return true;
    case CSR_MCAUSE:
        c->mcause = value;
        return true;
    case CSR_MTVAL:
        c->mtval = value;
        return true;
    case CSR_FEATURE:
        c->feature = value;
        return true;
    case CSR_BPM:
        c->bpm = value & 1;
        return true;
    case CSR_MPCER:
    case CSR_MPCMR:
    case CSR_MPCCR:
        return espressif_csr_write(c, csr, value);
    case CSR_MCYCLE:
        c->cycle_offset = with_low(cycles, value) - c->cycles;
        return true;
    case CSR_MCYCLEH:
        c->cycle_offset = with_high(cycles, value) - c->cycles;
        return true;
    case CSR_MINSTRET:
        c->instret_offset = with_low(retired, value) - c->instructions;
        return true;
    case CSR_MINSTRETH:
        c->instret_offset = with_high(retired, value) - c->instructions;
        return true;
    case CSR_DCSR:
        if (debugger)
            c->dcsr = (c->dcsr & ~(uint32_t)DCSR_WRITABLE) | (value & DCSR_WRITABLE);
        return debugger;
    case CSR_DPC:
        if (debugger)
            c->pc = value & ~1u;
        return debugger;
    default:
        return false; // the other ones are read-only
    }
}

// ---- memory ---------------------------------------------------------------------------------------
// A load has the value, or has trapped (false).
static bool load(struct riscv *c, uint32_t address, unsigned size, uint32_t *value,
                 uint64_t *issued)
{
    if (address & (size - 1)) {
        trap(c, CAUSE_LOAD_MISALIGNED, address);
        return false;
    }
    const struct range *r = find_range(c, address);
    if (!r || !r->enabled || size > r->size - (address - r->base) ||
        (size < 4 && (r->access & RISCV_WORDS_ONLY))) {
        trap(c, CAUSE_LOAD, address);
        return false;
    }
    if (is_io(r)) {
        c->cycles = *issued;
        *value = c->bus.read(c->bus.user, address, size);
        *issued = c->cycles; // it may have let time pass
        return true;
    }
    if (r->access & RISCV_SLOW)
        *issued += c->bus.slow_read(c->bus.user, address, size) - 1;
    const uint8_t *memory = host(r, address - r->base);
    if (!memory) {
        trap(c, CAUSE_LOAD, address);
        return false;
    }
    *value = 0;
    memcpy(value, memory, size);
    return true;
}

static bool store(struct riscv *c, uint32_t address, unsigned size, uint32_t value,
                  uint64_t *issued)
{
    if (address & (size - 1)) {
        trap(c, CAUSE_STORE_MISALIGNED, address);
        return false;
    }
    const struct range *r = find_range(c, address);
    if (!r || !r->enabled || !(r->access & RISCV_WRITE) || size > r->size - (address - r->base) ||
        (size < 4 && (r->access & RISCV_WORDS_ONLY))) {
        trap(c, CAUSE_STORE, address);
        return false;
    }
    if (is_io(r)) {
        c->cycles = *issued;
        c->bus.write(c->bus.user, address, size, value);
        *issued = c->cycles;
        return true;
    }
    uint8_t *memory = host(r, address - r->base);
    if (!memory) {
        trap(c, CAUSE_STORE, address);
        return false;
    }
    memcpy(memory, &value, size);
    return true;
}

// Decodes the instruction at pc. false: it cannot be fetched.
static bool fetch(struct riscv *c, struct entry *at)
{
    const struct range *r = find_range(c, c->pc);
    uint16_t half[2] = {0};
    if (!r || is_io(r) || !r->enabled || !(r->access & RISCV_EXECUTE))
        return false;
    uint32_t offset = c->pc - r->base;
    for (unsigned i = 0; i < 2; i++) { // the second one may be on another page, or nowhere
        const uint8_t *memory = offset + 2 * i < r->size ? host(r, offset + 2 * i) : NULL;
        if (!memory && (i == 0 || (half[0] & 3) == 3))
            return false;
        if (memory)
            memcpy(&half[i], memory, sizeof half[i]);
    }
    uint32_t word = half[0] | (uint32_t)half[1] << 16;
    rv_decode(word, c->pc, &at->op);
    at->pc = c->pc;
    return true;
}

// ---- execution ------------------------------------------------------------------------------------
static bool amo(struct riscv *c, const struct rv_op *op, uint32_t *result, uint64_t *issued)
{
    uint32_t address = c->x[op->rs1], b = c->x[op->rs2], a, v;
    if (op->kind == RV_SC) {
        bool good = c->reserved && c->reserved_address == address;
        c->reserved = false;
        *result = !good;
        return !good || store(c, address, 4, b, issued);
    }
    if (address & 3 && op->kind != RV_LR) {
        trap(c, CAUSE_STORE_MISALIGNED, address);
        return false;
    }
    if (!load(c, address, 4, &a, issued))
        return false;
    *result = a;
    switch ((enum rv_kind)op->kind) {
    case RV_LR:
        c->reserved = true;
        c->reserved_address = address;
        return true;
    case RV_AMOSWAP:
        v = b;
        break;
    case RV_AMOADD:
        v = a + b;
        break;
    case RV_AMOXOR:
        v = a ^ b;
        break;
    case RV_AMOAND:
        v = a & b;
        break;
    case RV_AMOOR:
        v = a | b;
        break;
    case RV_AMOMIN:
        v = (int32_t)a < (int32_t)b ? a : b;
        break;
    case RV_AMOMAX:
        v = (int32_t)a > (int32_t)b ? a : b;
        break;
    case RV_AMOMINU:
        v = a < b ? a : b;
        break;
    default:
        v = a > b ? a : b;
        break;
    }
    return store(c, address, 4, v, issued);
}

static uint32_t divide(enum rv_kind kind, uint32_t a, uint32_t b)
{
    bool overflow = a == 0x80000000u && b == 0xffffffffu;
    switch (kind) {
    case RV_DIV:
        return b == 0 ? 0xffffffffu : overflow ? a : (uint32_t)((int32_t)a / (int32_t)b);
    case RV_DIVU:
        return b == 0 ? 0xffffffffu : a / b;
    case RV_REM:
        return b == 0 ? a : overflow ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
    default:
        return b == 0 ? a : a % b;
    }
}

static uint32_t multiply_high(enum rv_kind kind, uint32_t a, uint32_t b)
{
    switch (kind) {
    case RV_MULH:
        return (uint32_t)((uint64_t)((int64_t)(int32_t)a * (int32_t)b) >> 32);
    case RV_MULHSU:
        return (uint32_t)((uint64_t)((int64_t)(int32_t)a * (int64_t)b) >> 32);
    default:
        return (uint32_t)((uint64_t)a * b >> 32);
    }
}

// One quotient bit a cycle, leading zeros of the dividend are skipped; 2 to divide_max cycles.
static unsigned divide_cycles(const struct riscv *c, enum rv_kind kind, uint32_t a)
{
    bool is_signed = kind == RV_DIV || kind == RV_REM;
    uint32_t magnitude = is_signed && (int32_t)a < 0 ? 0u - a : a;
    unsigned n = 1;
    for (; magnitude; magnitude >>= 1)
        n++;
    return n < 2 ? 2 : n < c->config.timing->divide_max ? n : c->config.timing->divide_max;
}

// A CSR instruction; false: it trapped.
static bool csr_access(struct riscv *c, const struct rv_op *op, uint32_t *old)
{
    bool immediate = op->kind >= RV_CSRRWI;
    unsigned how = immediate ? op->kind - RV_CSRRWI : op->kind - RV_CSRRW; // write, set, clear
    uint32_t operand = immediate ? op->rs1 : c->x[op->rs1], csr = (uint32_t)op->imm;
    bool good = riscv_csr_read(c, csr, false, old);
    if (good && (how == 0 || op->rs1 != 0)) {
        uint32_t v = how == 0 ? operand : how == 1 ? *old | operand : *old & ~operand;
        good = csr >> 10 != 3 && riscv_csr_write(c, csr, false, v);
    }
    if (!good)
        trap(c, CAUSE_ILLEGAL, 0);
    return good;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// Runs one instruction. Everything it changes is done when it returns.
static void step(struct riscv *c)
{
    const struct riscv_timing *t = c->config.timing;
    struct entry *at = &c->table[(c->pc >> 1) & (TABLE_SIZE - 1)];
    if (at->pc != c->pc && !fetch(c, at)) {
        trap(c, CAUSE_FETCH, c->pc);
        return;
    }
    const struct rv_op *op = &at->op;
    uint32_t *x = c->x;
    uint32_t a = x[op->rs1], b = x[op->rs2], imm = (uint32_t)op->imm;
    uint32_t next = c->pc + op->length, address, v;
    uint64_t issued = c->cycles + 1;
    unsigned latency = 1;
    bool taken = false;

    if (issued < c->hazard) {
        // Reads after writes, and writes after writes. CSR immediates look like a register here: they do not in code.
        issued = later(issued, later(c->ready[op->rs1], c->ready[op->rs2]));
        issued = later(issued, c->ready[op->rd]);
    }
    switch ((enum rv_kind)op->kind) {
    case RV_LI:
        x[op->rd] = imm;
        break;
    case RV_JAL:
        x[op->rd] = next;
        next = imm;
        break;
    case RV_JALR:
        x[op->rd] = next;
        next = (a + imm) & ~1u;
        // A return comes from the return-address stack; other computed jumps count as not foreseen.
        if (!(op->rs1 == 1 && op->rd == RV_NOWHERE))
            issued += t->mispredicted;
        break;
    case RV_BEQ:
        taken = a == b;
        goto branch;
    case RV_BNE:
        taken = a != b;
        goto branch;
    case RV_BLT:
        taken = (int32_t)a < (int32_t)b;
        goto branch;
    case RV_BGE:
        taken = (int32_t)a >= (int32_t)b;
        goto branch;
    case RV_BLTU:
        taken = a < b;
        goto branch;
    case RV_BGEU:
        taken = a >= b;
    branch: // foreseen: backward ones are taken, forward ones are not
        if (taken != (imm <= c->pc))
            issued += t->mispredicted;
        if (taken)
            next = imm;
        break;
    case RV_LB:
    case RV_LBU:
        if (!load(c, a + imm, 1, &v, &issued))
            return;
        x[op->rd] = op->kind == RV_LB ? (uint32_t)(int32_t)(int8_t)v : v;
        latency = t->load_narrow;
        break;
    case RV_LH:
    case RV_LHU:
        if (!load(c, a + imm, 2, &v, &issued))
            return;
        x[op->rd] = op->kind == RV_LH ? (uint32_t)(int32_t)(int16_t)v : v;
        latency = t->load_narrow;
        break;
    case RV_LW:
        if (!load(c, a + imm, 4, &v, &issued))
            return;
        x[op->rd] = v;
        latency = t->load_word;
        break;
    case RV_SB:
    case RV_SH:
    case RV_SW:
        address = a + imm;
        if (!store(c, address, 1u << (op->kind - RV_SB), b, &issued))
            return;
        break;
    case RV_ADDI:
        x[op->rd] = a + imm;
        break;
    case RV_SLTI:
        x[op->rd] = (int32_t)a < (int32_t)imm;
        break;
    case RV_SLTIU:
        x[op->rd] = a < imm;
        break;
    case RV_XORI:
        x[op->rd] = a ^ imm;
        break;
    case RV_ORI:
        x[op->rd] = a | imm;
        break;
    case RV_ANDI:
        x[op->rd] = a & imm;
        break;
    case RV_SLLI:
        x[op->rd] = a << imm;
        break;
    case RV_SRLI:
        x[op->rd] = a >> imm;
        break;
    case RV_SRAI:
        x[op->rd] = (uint32_t)((int32_t)a >> imm);
        break;
    case RV_ADD:
        x[op->rd] = a + b;
        break;
    case RV_SUB:
        x[op->rd] = a - b;
        break;
    case RV_SLL:
        x[op->rd] = a << (b & 31);
        break;
    case RV_SLT:
        x[op->rd] = (int32_t)a < (int32_t)b;
        break;
    case RV_SLTU:
        x[op->rd] = a < b;
        break;
    case RV_XOR:
        x[op->rd] = a ^ b;
        break;
    case RV_SRL:
        x[op->rd] = a >> (b & 31);
        break;
    case RV_SRA:
        x[op->rd] = (uint32_t)((int32_t)a >> (b & 31));
        break;
    case RV_OR:
        x[op->rd] = a | b;
        break;
    case RV_AND:
        x[op->rd] = a & b;
        break;
    case RV_MUL:
    case RV_MULH:
    case RV_MULHSU:
    case RV_MULHU:
        issued = later(issued, c->unit_free);
        x[op->rd] = op->kind == RV_MUL ? a * b : multiply_high(op->kind, a, b);
        latency = t->multiply;
        c->unit_free = issued + latency;
        break;
    case RV_DIV:
    case RV_DIVU:
    case RV_REM:
    case RV_REMU:
        issued = later(issued, c->unit_free);
        x[op->rd] = divide(op->kind, a, b);
        latency = divide_cycles(c, op->kind, a);
        c->unit_free = issued + latency;
        break;
    case RV_LR:
    case RV_SC:
    case RV_AMOSWAP:
    case RV_AMOADD:
    case RV_AMOXOR:
    case RV_AMOAND:
    case RV_AMOOR:
    case RV_AMOMIN:
    case RV_AMOMAX:
    case RV_AMOMINU:
    case RV_AMOMAXU:
        if (!(c->config.misa & MISA_A)) {
            trap(c, CAUSE_ILLEGAL, 0);
            return;
        }
        if (!amo(c, op, &v, &issued))
            return;
        x[op->rd] = v;
        latency = t->load_word;
        break;
    case RV_FENCE:
        break;
    case RV_FENCE_I:
        c->stale = true; // op lives in the table: it goes when the instruction is done
        issued += t->mispredicted;
        break;
    case RV_CSRRW:
    case RV_CSRRS:
    case RV_CSRRC:
    case RV_CSRRWI:
    case RV_CSRRSI:
    case RV_CSRRCI:
        if (!csr_access(c, op, &v))
            return;
        x[op->rd] = v;
        latency = t->csr;
        break;
    case RV_MRET:
        next = c->mepc;
        c->mstatus = MSTATUS_MPP | MSTATUS_MPIE | (c->mstatus & MSTATUS_MPIE ? MSTATUS_MIE : 0);
        issued += t->mispredicted;
        break;
    case RV_WFI:
        c->state = RISCV_SLEEPS;
        break;
    case RV_ECALL:
        trap(c, CAUSE_ECALL_M, 0);
        return;
    case RV_EBREAK:
        if (c->dcsr & DCSR_EBREAKM)
            riscv_halt(c, RISCV_DEBUG_EBREAK);
        else
            trap(c, CAUSE_BREAKPOINT, c->pc);
        return;
    case RV_ILLEGAL:
        trap(c, CAUSE_ILLEGAL, 0);
        return;
    }
    if (latency > 1 && op->rd != RV_NOWHERE) {
        c->ready[op->rd] = issued + latency;
        c->hazard = later(c->hazard, issued + latency);
    }
    c->cycles = issued;
    c->instructions++;
    c->traps_in_a_row = 0;
    c->pc = next;
}

void riscv_run(struct riscv *c, uint64_t instructions)
{
    c->stop_requested = false;
    c->stop_at = c->instructions + instructions;
    if (c->stale)
        freshen(c);
    while (c->state == RISCV_RUNS && c->instructions < c->stop_at && !c->stop_requested) {
        step(c);
        if (c->stale)
            freshen(c);
    }
}

void riscv_resume(struct riscv *c)
{
    c->state = RISCV_RUNS;
    c->traps_in_a_row = 0;
    if (!(c->dcsr & DCSR_STEP))
        return;
    if (c->stale)
        freshen(c);
    step(c);
    if (c->state != RISCV_HALTED) // unless it was an EBREAK
        riscv_halt(c, RISCV_DEBUG_STEP);
}

uint32_t riscv_get(const struct riscv *c, unsigned reg)
{
    return reg < 32 ? c->x[reg] : 0;
}

void riscv_set(struct riscv *c, unsigned reg, uint32_t value)
{
    if (reg > 0 && reg < 32)
        c->x[reg] = value;
}

uint64_t riscv_instructions(const struct riscv *c)
{
    return c->instructions;
}

uint64_t riscv_cycles(const struct riscv *c)
{
    return c->cycles;
}

void riscv_skip_cycles(struct riscv *c, uint64_t cycles)
{
    c->cycles += cycles;
}

const struct riscv_timing *riscv_timing_of(const struct riscv *c)
{
    return c->config.timing;
}
