// SPDX-License-Identifier: GPL-2.0-only
// "m7-table": Cortex-M7 cost of a block. Two instructions a cycle, in order, subject to one load/store, one
// multiplier, one divider, one FPU and one branch a cycle and to result latencies. Caches and TCM are taken as warm.
#include "agent/vboard/timing_model.h"

#include <string.h>

// The table of docs/timing.md. Changing a number means raising M7_VERSION: results carry both.
enum {
    M7_VERSION = 1,
    M7_WIDTH = 2,       // instructions issued per cycle
    M7_LAT_ALU = 1,     // result of an ALU operation usable in the next cycle
    M7_LAT_SHIFT = 2,   // ALU operation with a shifted operand, packing, saturation
    M7_LAT_LOAD = 2,    // load to use, cache or TCM hit
    M7_LAT_MUL = 2,     // 32-bit multiply and multiply-accumulate
    M7_LAT_MULL = 3,    // 64-bit result
    M7_LAT_DIV = 8,     // SDIV/UDIV; silicon takes 2 to 12 by operand
    M7_BUSY_DIV = 7,    // the divider blocks issue of another division
    M7_LAT_FPU = 3,     // VADD, VMUL, VCVT, moves between files
    M7_LAT_FMA = 6,     // VMLA, VFMA
    M7_LAT_FDIV = 16,   // VDIV.F32, VSQRT.F32 (double: twice)
    M7_COST_SYSTEM = 4, // MRS, MSR, CPS, DSB, DMB, ISB
    M7_TAKEN = 1,       // taken branch to a fixed target: one cycle without issue
    M7_TAKEN_LOOP =
        0, // backward conditional branch: predicted, target from the branch target cache
    M7_TAKEN_INDIRECT = 3, // BX, BLX register, POP {pc}, table branches
    M7_LOOP_EXIT =
        3, // a backward conditional branch that falls through: mispredicted every other time
};

enum unit { UNIT_ALU, UNIT_MEMORY, UNIT_MUL, UNIT_DIV, UNIT_FPU, UNIT_BRANCH, UNIT_SYSTEM };
_Static_assert((int)UNIT_SYSTEM < (int)TIMING_UNITS, "room in struct timing_pipe");

struct cost {
    enum unit unit;
    unsigned latency; // cycles until a result can be used
    unsigned busy;    // cycles during which the unit takes nothing else (1 = pipelined)
};

static struct cost cost_of(const cs_insn *insn)
{
    const char *m = insn->mnemonic;
    const cs_arm *arm = &insn->detail->arm;

    if (m[0] == 'v') {
        bool is_double = strstr(m, ".f64") != NULL;
        if (timing_starts_with(m, "vldm") || timing_starts_with(m, "vstm") ||
            timing_starts_with(m, "vpush") || timing_starts_with(m, "vpop"))
            return (struct cost){UNIT_MEMORY, M7_LAT_LOAD,
                                 arm->op_count > 2 ? (unsigned)(arm->op_count + 1) / 2 : 1};
        if (timing_starts_with(m, "vldr") || timing_starts_with(m, "vstr"))
            return (struct cost){UNIT_MEMORY, M7_LAT_LOAD, 1};
        if (timing_starts_with(m, "vdiv") || timing_starts_with(m, "vsqrt"))
            return (struct cost){UNIT_FPU, M7_LAT_FDIV * (is_double ? 2u : 1u), M7_LAT_FDIV - 2};
        if (timing_starts_with(m, "vmla") || timing_starts_with(m, "vmls") ||
            timing_starts_with(m, "vfm") || timing_starts_with(m, "vnml"))
            return (struct cost){UNIT_FPU, M7_LAT_FMA, is_double ? 3 : 1};
        return (struct cost){UNIT_FPU, M7_LAT_FPU, is_double ? 2 : 1};
    }
    switch (insn->id) {
    case ARM_INS_LDM:
    case ARM_INS_LDMDB:
    case ARM_INS_STM:
    case ARM_INS_STMDB:
        return (struct cost){UNIT_MEMORY, M7_LAT_LOAD,
                             (unsigned)arm->op_count / 2 + 1 - (arm->op_count > 1)};
    case ARM_INS_POP:
    case ARM_INS_PUSH:
        return (struct cost){UNIT_MEMORY, M7_LAT_LOAD, ((unsigned)arm->op_count + 1) / 2};
    case ARM_INS_SDIV:
    case ARM_INS_UDIV:
        return (struct cost){UNIT_DIV, M7_LAT_DIV, M7_BUSY_DIV};
    case ARM_INS_UMULL:
    case ARM_INS_SMULL:
    case ARM_INS_UMLAL:
    case ARM_INS_SMLAL:
    case ARM_INS_UMAAL:
        return (struct cost){UNIT_MUL, M7_LAT_MULL, 1};
    case ARM_INS_DSB:
    case ARM_INS_DMB:
    case ARM_INS_ISB:
    case ARM_INS_MRS:
    case ARM_INS_MSR:
    case ARM_INS_CPS:
        return (struct cost){UNIT_SYSTEM, M7_COST_SYSTEM, M7_COST_SYSTEM};
    case ARM_INS_B:
    case ARM_INS_BL:
    case ARM_INS_BX:
    case ARM_INS_BLX:
    case ARM_INS_CBZ:
    case ARM_INS_CBNZ:
        return (struct cost){UNIT_BRANCH, 1, 1};
    case ARM_INS_TBB:
    case ARM_INS_TBH:
        return (struct cost){UNIT_MEMORY, M7_LAT_LOAD, 1};
    default:
        break;
    }
    if (timing_starts_with(m, "ldr") || timing_starts_with(m, "str") ||
        timing_starts_with(m, "pld"))
        return (struct cost){UNIT_MEMORY, M7_LAT_LOAD, 1};
    if (timing_starts_with(m, "mul") || timing_starts_with(m, "mla") ||
        timing_starts_with(m, "mls") || timing_starts_with(m, "smla") ||
        timing_starts_with(m, "smul") || timing_starts_with(m, "smua") ||
        timing_starts_with(m, "smus") || timing_starts_with(m, "smls") ||
        timing_starts_with(m, "smm") || timing_starts_with(m, "usad"))
        return (struct cost){UNIT_MUL,
                             strstr(m, "lal") || strstr(m, "sld") ? M7_LAT_MULL : M7_LAT_MUL, 1};
    if (timing_starts_with(m, "ssat") || timing_starts_with(m, "usat") ||
        timing_starts_with(m, "pkh") || timing_starts_with(m, "q") ||
        timing_starts_with(m, "sadd") || timing_starts_with(m, "uadd") ||
        timing_starts_with(m, "sxtb16") || timing_starts_with(m, "uxtb16"))
        return (struct cost){UNIT_ALU, M7_LAT_SHIFT, 1};
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_REG && arm->operands[i].shift.type != ARM_SFT_INVALID)
            return (struct cost){UNIT_ALU, M7_LAT_SHIFT, 1};
    }
    return (struct cost){UNIT_ALU, M7_LAT_ALU, 1};
}

// Is this register the base of the instruction's memory access?
static bool is_base(const cs_insn *insn, unsigned reg)
{
    const cs_arm *arm = &insn->detail->arm;
    if (insn->id == ARM_INS_POP || insn->id == ARM_INS_PUSH)
        return reg == ARM_REG_SP;
    if (insn->id == ARM_INS_LDM || insn->id == ARM_INS_LDMDB || insn->id == ARM_INS_STM ||
        insn->id == ARM_INS_STMDB)
        return arm->op_count > 0 && (unsigned)arm->operands[0].reg == reg;
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_MEM)
            return (unsigned)arm->operands[i].mem.base == reg;
    }
    return false;
}

// Cycles until execution goes on at a branch target, over falling through; 0 for what is no branch.
static unsigned taken_cost(const cs_insn *insn)
{
    const cs_arm *arm = &insn->detail->arm;
    switch (insn->id) {
    case ARM_INS_B:
    case ARM_INS_BL:
    case ARM_INS_CBZ:
    case ARM_INS_CBNZ:
        return M7_TAKEN;
    case ARM_INS_BLX:
        return arm->operands[0].type == ARM_OP_IMM ? M7_TAKEN : M7_TAKEN_INDIRECT;
    default:
        return M7_TAKEN_INDIRECT;
    }
}

static bool is_backward_conditional(const cs_insn *insn)
{
    const cs_arm *arm = &insn->detail->arm;
    if (insn->id != ARM_INS_B || arm->cc == ARM_CC_AL || arm->cc == ARM_CC_INVALID)
        return false;
    return arm->op_count > 0 && arm->operands[0].type == ARM_OP_IMM &&
           (uint32_t)arm->operands[0].imm <= (uint32_t)insn->address;
}

static void branch(const cs_insn *insn, struct timing_block *out)
{
    if (is_backward_conditional(insn)) {
        out->taken = M7_TAKEN_LOOP;
        out->fall = M7_LOOP_EXIT;
    } else {
        out->taken = (uint16_t)taken_cost(insn);
    }
}

static void issue(struct timing_pipe *p, const struct timing_insn *i)
{
    struct cost cost = {UNIT_ALU, M7_LAT_ALU, 1};
    if (i->insn)
        cost = cost_of(i->insn);

    uint32_t when = p->cycle;
    for (unsigned k = 0; k < i->used_count; k++) {
        if (p->ready[i->used[k]] > when)
            when = p->ready[i->used[k]];
    }
    if (p->free_at[cost.unit] > when && cost.unit != UNIT_ALU)
        when = p->free_at[cost.unit];
    if (when == p->cycle && p->width_used == M7_WIDTH)
        when++;
    if (cost.unit == UNIT_SYSTEM && when < p->end)
        when = p->end; // waits for all that is under way
    if (when > p->cycle) {
        p->cycle = when;
        p->width_used = 0;
    }
    p->width_used++;
    p->free_at[cost.unit] = p->cycle + cost.busy;
    if (cost.unit == UNIT_SYSTEM) {
        p->cycle += cost.busy - 1;
        p->width_used = M7_WIDTH;
    }
    for (unsigned k = 0; k < i->written_count; k++) {
        // A base register's writeback comes from the ALU, not from memory.
        bool base = cost.unit == UNIT_MEMORY && is_base(i->insn, i->written[k]);
        p->ready[i->written[k]] =
            p->cycle + (base || i->written[k] == ARM_REG_CPSR ? M7_LAT_ALU : cost.latency);
    }
    uint32_t done = p->cycle + cost.busy;
    p->end = done > p->end ? done : p->end;
}

static const struct timing_model model = {
    .name = "m7-table", .version = M7_VERSION, .issue = issue, .branch = branch};

struct timing *timing_m7_new(struct err *e)
{
    return timing_new(&model, e);
}
