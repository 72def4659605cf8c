// SPDX-License-Identifier: GPL-2.0-only
// "m7-table": Cortex-M7 cost of a block. Two instructions a cycle, in order, from the pipeline that LLVM's scheduling
// model describes (ARMScheduleM7.td, ARMLatencyMutations.cpp, contributed by Arm; numbers, no text): operands that
// are wanted a cycle early or late, two load ports, one of everything else. Branches and early additions as measured
// on an STM32H743 by github.com/jnk0le/random (doc/cortex_m7.md). docs/timing.md has the whole table.
//
// The stages, with the cycle that the rest counts by:
//
//     EX1  address, shifter, early addition    "early": operands a cycle before
//     EX2  ALU, data of word loads              cycle of issue
//     EX3  data of byte loads, products         "late": accumulators and what is stored a cycle after
#include "agent/vboard/timing_model.h"

#include <string.h>

// Changing a number means raising M7_VERSION: results carry both.
enum {
    M7_VERSION = 2,
    M7_WIDTH = 2,         // instructions issued per cycle
    M7_LAT_ALU = 1,       // result of an ALU operation usable in the next cycle
    M7_LAT_SATURATE = 2,  // saturation, absolute differences
    M7_LAT_LOAD = 1,      // word load to ALU, cache or TCM hit
    M7_LAT_LOAD_PART = 2, // byte or halfword load to ALU
    M7_LAT_STORED = 5,    // store to a load of the same address
    M7_LAT_MUL = 2,       // all multiplications; to the next accumulation: 1
    M7_LAT_DIV = 3,       // SDIV/UDIV of a quotient of a few bits; nothing else issues meanwhile
    M7_LAT_FPU = 3,       // VADD, VMUL, VCVT, moves between files
    M7_LAT_FMA = 6,       // VMLA, VFMA
    M7_LAT_FDIV = 16,     // VDIV.F32, VSQRT.F32 (double: twice)
    M7_COST_SYSTEM = 4,   // MRS, MSR, CPS, DSB, DMB, ISB
    M7_MISS = 8,          // a branch that went where it was not predicted
    M7_MISS_EARLY = 6,    // ... when its flags were there some cycles before
    M7_EARLY_FLAGS = 3,   // ... so many
};

enum unit { UNIT_ALU, UNIT_LOAD, UNIT_STORE, UNIT_MUL, UNIT_SHIFT, UNIT_FPU, UNIT_BRANCH, UNITS };
_Static_assert((int)UNITS <= (int)TIMING_UNITS, "room in struct timing_pipe");

struct cost {
    enum unit unit;
    unsigned latency; // cycles until a result can be used
    unsigned alone;   // cycles for which nothing else issues; 0: it pairs
    bool first_slot;  // pairs only as the first of two
    bool word_load;
    bool simple; // an addition or a move: EX1 can do it when its operands are there
};

static bool is_any(const char *m, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (timing_starts_with(m, *prefixes))
            return true;
    }
    return false;
}

static struct cost fpu_cost(const cs_insn *insn)
{
    const char *m = insn->mnemonic;
    bool is_double = strstr(m, ".f64") != NULL;
    static const char *const multiple[] = {"vldm", "vpop", "vstm", "vpush", NULL};
    static const char *const fused[] = {"vmla", "vmls", "vfm", "vfn", "vnml", NULL};
    if (is_any(m, multiple))
        return (struct cost){
            timing_starts_with(m, "vl") || timing_starts_with(m, "vpo") ? UNIT_LOAD : UNIT_STORE,
            .latency = M7_LAT_LOAD_PART, .alone = (unsigned)(insn->detail->arm.op_count + 1) / 2};
    if (timing_starts_with(m, "vldr"))
        return (struct cost){UNIT_LOAD, .latency = M7_LAT_LOAD, .alone = is_double};
    if (timing_starts_with(m, "vstr"))
        return (struct cost){UNIT_STORE, .latency = M7_LAT_ALU, .alone = is_double};
    if (timing_starts_with(m, "vdiv") || timing_starts_with(m, "vsqrt"))
        return (struct cost){UNIT_FPU, .latency = M7_LAT_FDIV * (is_double ? 2u : 1u),
                             .alone = M7_LAT_FDIV - 2};
    if (is_any(m, fused))
        return (struct cost){UNIT_FPU, .latency = M7_LAT_FMA, .alone = is_double ? 3 : 0};
    return (struct cost){UNIT_FPU, .latency = M7_LAT_FPU, .alone = is_double ? 2 : 0};
}

static bool has_shifted_operand(const cs_arm *arm)
{
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_REG && arm->operands[i].shift.type != ARM_SFT_INVALID)
            return true;
    }
    return false;
}

static struct cost memory_cost(const cs_insn *insn)
{
    const char *m = insn->mnemonic;
    bool load = timing_starts_with(m, "ldr") || timing_starts_with(m, "pld");
    if (timing_starts_with(m, "ldrd") || timing_starts_with(m, "strd"))
        return (struct cost){load ? UNIT_LOAD : UNIT_STORE, .latency = M7_LAT_LOAD, .alone = 1};
    if (!load)
        return (struct cost){UNIT_STORE, .latency = M7_LAT_ALU};
    bool word = m[3] == 0 || m[3] == '.';
    return (struct cost){UNIT_LOAD, .latency = word ? M7_LAT_LOAD : M7_LAT_LOAD_PART,
                         .word_load = word};
}

static struct cost cost_of(const cs_insn *insn)
{
    const char *m = insn->mnemonic;
    const cs_arm *arm = &insn->detail->arm;
    static const char *const multiplications[] = {"mul",  "mla",  "mls", "smla", "smul", "smua",
                                                  "smus", "smls", "smm", "usad", "smml", NULL};
    static const char *const saturations[] = {"ssat", "usat", "q", "uq", NULL};
    static const char *const simd[] = {"sadd",  "uadd",  "ssub16", "ssub8", "usub16",
                                       "usub8", "sxt",   "uxt",    "shadd", "uhadd",
                                       "shsub", "uhsub", "sel",    "clz",   NULL};
    static const char *const bit_fields[] = {"sbfx", "ubfx", "bfi", "bfc",
                                             "rbit", "rev",  "pkh", NULL};
    static const char *const simple[] = {"add", "sub", "mov", NULL};

    if (m[0] == 'v')
        return fpu_cost(insn);
    switch (insn->id) {
    case ARM_INS_LDM:
    case ARM_INS_LDMDB:
        return (struct cost){UNIT_LOAD, .latency = M7_LAT_LOAD,
                             .alone = (unsigned)arm->op_count / 2};
    case ARM_INS_STM:
    case ARM_INS_STMDB:
        return (struct cost){UNIT_STORE, .latency = M7_LAT_ALU,
                             .alone = (unsigned)arm->op_count / 2};
    case ARM_INS_POP:
        return (struct cost){UNIT_LOAD, .latency = M7_LAT_LOAD,
                             .alone = ((unsigned)arm->op_count + 1) / 2};
    case ARM_INS_PUSH:
        return (struct cost){UNIT_STORE, .latency = M7_LAT_ALU,
                             .alone = ((unsigned)arm->op_count + 1) / 2};
    case ARM_INS_SDIV:
    case ARM_INS_UDIV:
        return (struct cost){UNIT_ALU, .latency = M7_LAT_DIV, .alone = M7_LAT_DIV};
    case ARM_INS_UMULL:
    case ARM_INS_SMULL:
    case ARM_INS_UMLAL:
    case ARM_INS_SMLAL:
    case ARM_INS_UMAAL:
        return (struct cost){UNIT_MUL, .latency = M7_LAT_MUL};
    case ARM_INS_DSB:
    case ARM_INS_DMB:
    case ARM_INS_ISB:
    case ARM_INS_MRS:
    case ARM_INS_MSR:
    case ARM_INS_CPS:
        return (struct cost){UNIT_ALU, .latency = M7_COST_SYSTEM, .alone = M7_COST_SYSTEM};
    case ARM_INS_B:
    case ARM_INS_BL:
    case ARM_INS_BX:
    case ARM_INS_BLX:
    case ARM_INS_CBZ:
    case ARM_INS_CBNZ:
        return (struct cost){UNIT_BRANCH, .latency = M7_LAT_ALU};
    case ARM_INS_TBB:
    case ARM_INS_TBH:
        return (struct cost){UNIT_LOAD, .latency = M7_LAT_LOAD, .alone = 2};
    default:
        break;
    }
    if (timing_starts_with(m, "ldr") || timing_starts_with(m, "str") ||
        timing_starts_with(m, "pld"))
        return memory_cost(insn);
    if (is_any(m, multiplications))
        return (struct cost){UNIT_MUL, .latency = M7_LAT_MUL};
    if (is_any(m, saturations))
        return (struct cost){UNIT_SHIFT, .latency = M7_LAT_SATURATE, .first_slot = true};
    if (is_any(m, simd) || is_any(m, bit_fields))
        return (struct cost){UNIT_SHIFT, .latency = M7_LAT_ALU, .first_slot = true};
    if (has_shifted_operand(arm))
        return (struct cost){UNIT_SHIFT, .latency = M7_LAT_ALU};
    return (struct cost){UNIT_ALU, .latency = M7_LAT_ALU, .simple = is_any(m, simple)};
}

static const unsigned ports[UNITS] = {
    [UNIT_ALU] = 2,   [UNIT_LOAD] = 2, [UNIT_STORE] = 1, [UNIT_MUL] = 1,
    [UNIT_SHIFT] = 1, [UNIT_FPU] = 1,  [UNIT_BRANCH] = 1};

static bool is_memory(const struct cost *c)
{
    return c->unit == UNIT_LOAD || c->unit == UNIT_STORE;
}

// The base and index registers of a memory access; ARM_REG_INVALID where there is none.
static void address_registers(const cs_insn *insn, unsigned *base, unsigned *index)
{
    const cs_arm *arm = &insn->detail->arm;
    *base = *index = ARM_REG_INVALID;
    if (insn->id == ARM_INS_POP || insn->id == ARM_INS_PUSH) {
        *base = ARM_REG_SP;
        return;
    }
    if (insn->id == ARM_INS_LDM || insn->id == ARM_INS_LDMDB || insn->id == ARM_INS_STM ||
        insn->id == ARM_INS_STMDB) {
        *base = arm->op_count > 0 ? (unsigned)arm->operands[0].reg : ARM_REG_INVALID;
        return;
    }
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_MEM) {
            *base = (unsigned)arm->operands[i].mem.base;
            *index = (unsigned)arm->operands[i].mem.index;
        }
    }
}

static bool is_shifted(const cs_insn *insn, unsigned reg)
{
    const cs_arm *arm = &insn->detail->arm;
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_REG && (unsigned)arm->operands[i].reg == reg &&
            arm->operands[i].shift.type != ARM_SFT_INVALID)
            return true;
    }
    return false;
}

static bool is_accumulator(const cs_insn *insn, unsigned reg)
{
    const cs_arm *arm = &insn->detail->arm;
    if (strstr(insn->mnemonic, "mlal") || strstr(insn->mnemonic, "mlsl"))
        return arm->op_count > 1 &&
               ((unsigned)arm->operands[0].reg == reg || (unsigned)arm->operands[1].reg == reg);
    return arm->op_count == 4 && (unsigned)arm->operands[3].reg == reg &&
           (unsigned)arm->operands[1].reg != reg && (unsigned)arm->operands[2].reg != reg;
}

// The first cycle in which an instruction can issue that reads reg.
static uint32_t wanted(const struct timing_pipe *p, const cs_insn *insn, const struct cost *c,
                       unsigned reg, unsigned base, unsigned index)
{
    uint32_t ready = p->ready[reg];
    bool slow = p->from_word_load[reg]; // the short way from a word load leads to the ALU alone
    if (c->unit == UNIT_BRANCH && reg == ARM_REG_CPSR)
        return 0; // predicted
    if (is_memory(c) && reg == base)
        return ready + 1;
    if (is_memory(c) && reg == index)
        return ready + 1 + slow;
    if (c->unit == UNIT_STORE)
        return ready ? ready - 1 : 0;
    if (c->unit == UNIT_MUL)
        return is_accumulator(insn, reg) ? (ready ? ready - 1 : 0) : ready + slow;
    if (c->unit == UNIT_SHIFT)
        return ready +
               (is_shifted(insn, reg) || slow || (c->first_slot && insn->mnemonic[1] == 'b'));
    return ready;
}

// Words at an odd and at an even address come from two banks. Two accesses through one base tell; of others every other
// pair is taken to collide: that is worth half a cycle.
static void share_banks(struct timing_pipe *p, const cs_insn *insn)
{
    unsigned base, index;
    int32_t offset = 0;
    address_registers(insn, &base, &index);
    for (int i = 0; i < insn->detail->arm.op_count; i++) {
        if (insn->detail->arm.operands[i].type == ARM_OP_MEM)
            offset = insn->detail->arm.operands[i].mem.disp;
    }
    if (p->used[UNIT_LOAD] == 1) { // the second load of this cycle
        bool same_base = base == p->load_base && index == ARM_REG_INVALID && !p->load_index;
        if (!same_base)
            p->halves++;
        else if ((((uint32_t)offset ^ (uint32_t)p->load_offset) & 4) == 0)
            p->halves += 2;
    }
    p->load_base = base;
    p->load_index = index != ARM_REG_INVALID;
    p->load_offset = offset;
}

// The address of an access as far as the code tells: a base register with nothing else but an offset.
static bool known_address(const cs_insn *insn, unsigned *base, int32_t *offset)
{
    unsigned index;
    const cs_arm *arm = &insn->detail->arm;
    address_registers(insn, base, &index);
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_MEM)
            *offset = arm->operands[i].mem.disp;
    }
    return *base != ARM_REG_INVALID && index == ARM_REG_INVALID;
}

// The first cycle in which a load can issue that reads what was stored.
static uint32_t stored(const struct timing_pipe *p, const cs_insn *insn)
{
    unsigned base;
    int32_t offset = 0;
    uint32_t when = 0;
    if (!known_address(insn, &base, &offset))
        return 0;
    for (unsigned i = 0; i < TIMING_STORES; i++) {
        const struct timing_store *s = &p->stores[i];
        if (s->base == base && s->offset == offset && s->at && s->at + M7_LAT_STORED > when)
            when = s->at + M7_LAT_STORED;
    }
    return when;
}

static void remember_store(struct timing_pipe *p, const cs_insn *insn)
{
    struct timing_store s = {.at = p->cycle};
    if (!known_address(insn, &s.base, &s.offset))
        return;
    p->stores[p->next_store] = s;
    p->next_store = (p->next_store + 1) % TIMING_STORES;
}

static void forget_stores(struct timing_pipe *p, unsigned base)
{
    for (unsigned i = 0; i < TIMING_STORES; i++) {
        if (p->stores[i].base == base)
            p->stores[i].base = ARM_REG_INVALID;
    }
}

// A base register that is written back, not loaded.
static bool is_updated_base(const cs_insn *insn, const struct cost *c, unsigned reg, unsigned base)
{
    return insn && is_memory(c) && reg == base &&
           ((unsigned)insn->detail->arm.operands[0].reg != reg || c->alone > 1 ||
            insn->id == ARM_INS_LDM || insn->id == ARM_INS_STM);
}

static void next_cycle(struct timing_pipe *p, uint32_t when)
{
    p->cycle = when;
    p->width_used = 0;
    memset(p->used, 0, sizeof p->used);
}

static void issue(struct timing_pipe *p, const struct timing_insn *i)
{
    struct cost cost = {UNIT_ALU, .latency = M7_LAT_ALU};
    unsigned base = ARM_REG_INVALID, index = ARM_REG_INVALID;
    if (i->insn) {
        cost = cost_of(i->insn);
        if (is_memory(&cost))
            address_registers(i->insn, &base, &index);
    }

    uint32_t when = p->cycle, operands = 0;
    for (unsigned k = 0; i->insn && k < i->used_count; k++) {
        uint32_t t = wanted(p, i->insn, &cost, i->used[k], base, index);
        operands = t > operands ? t : operands;
    }
    if (cost.unit == UNIT_LOAD && i->insn && !cost.alone) {
        uint32_t t = stored(p, i->insn);
        operands = t > operands ? t : operands;
    }
    when = operands > when ? operands : when;
    if (when == p->cycle && (p->width_used == M7_WIDTH || p->used[cost.unit] == ports[cost.unit] ||
                             (p->width_used > 0 && (cost.alone || cost.first_slot))))
        when++;
    if (when > p->cycle)
        next_cycle(p, when);
    if (cost.unit == UNIT_LOAD && i->insn && !cost.alone)
        share_banks(p, i->insn);
    if (cost.unit == UNIT_STORE && i->insn && !cost.alone)
        remember_store(p, i->insn);

    // EX1 can add what was there a cycle ago: whoever issues beside it has the sum at once.
    bool early = cost.simple && p->width_used == 0 && operands < p->cycle;
    p->width_used++;
    p->used[cost.unit]++;
    for (unsigned k = 0; k < i->written_count; k++) {
        unsigned reg = i->written[k];
        bool flags = reg == ARM_REG_CPSR, updated = is_updated_base(i->insn, &cost, reg, base);
        p->ready[reg] = p->cycle + (updated || (early && !flags) ? 0
                                    : flags                      ? M7_LAT_ALU
                                                                 : cost.latency);
        p->from_word_load[reg] = cost.word_load && !updated;
        forget_stores(p, reg);
    }
    if (i->insn && (i->insn->detail->arm.update_flags || i->insn->id == ARM_INS_CMP ||
                    i->insn->id == ARM_INS_TST || i->insn->id == ARM_INS_CMN))
        p->flags_at = p->cycle;
    if (cost.alone) {
        p->cycle += cost.alone - 1;
        p->width_used = M7_WIDTH;
    }
    p->end = p->cycle + 1;
}

static bool is_conditional(const cs_insn *insn)
{
    return insn->id == ARM_INS_CBZ || insn->id == ARM_INS_CBNZ ||
           (insn->id == ARM_INS_B && insn->detail->arm.cc != ARM_CC_AL &&
            insn->detail->arm.cc != ARM_CC_INVALID);
}

static void branch(const struct timing_pipe *p, const cs_insn *insn, struct timing_block *out)
{
    const cs_arm *arm = &insn->detail->arm;
    if (is_conditional(insn)) {
        out->miss = p->flags_at + M7_EARLY_FLAGS < p->cycle ? M7_MISS_EARLY : M7_MISS;
        out->predict =
            arm->op_count > 0 && arm->operands[arm->op_count - 1].type == ARM_OP_IMM &&
                    (uint32_t)arm->operands[arm->op_count - 1].imm <= (uint32_t)insn->address
                ? TIMING_PREDICT_TAKEN
                : TIMING_PREDICT_FALL;
    } else if (insn->id != ARM_INS_B && insn->id != ARM_INS_BL &&
               !(insn->id == ARM_INS_BLX && arm->operands[0].type == ARM_OP_IMM)) {
        out->miss = M7_MISS;
        out->predict = TIMING_PREDICT_TARGET;
    }
}

static const struct timing_model model = {
    .name = "m7-table", .version = M7_VERSION, .issue = issue, .branch = branch, .pairs = true};

struct timing *timing_m7_new(struct err *e)
{
    return timing_new(&model, e);
}
