// SPDX-License-Identifier: GPL-2.0-only
// "m7-table": Cortex-M7 cost of a block. Two instructions a cycle, in order, subject to one load/store, one
// multiplier, one divider, one FPU and one branch a cycle and to result latencies. Caches and TCM are taken as warm.
#include "agent/vboard/timing.h"

#include <capstone/capstone.h>
#include <stdlib.h>
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

struct timing {
    csh capstone;
    cs_insn *insn;
};

struct timing *timing_m7_new(struct err *e)
{
    struct timing *t = calloc(1, sizeof *t);
    if (!t) {
        err_set(e, ERR_NO_MEMORY, "no memory for the timing model");
        return NULL;
    }
    if (cs_open(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS, &t->capstone) != CS_ERR_OK) {
        err_set(e, ERR_INTERNAL, "Capstone does not offer a Thumb decoder");
        free(t);
        return NULL;
    }
    cs_option(t->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    t->insn = cs_malloc(t->capstone);
    return t;
}

void timing_free(struct timing *t)
{
    if (!t)
        return;
    cs_free(t->insn, 1);
    cs_close(&t->capstone);
    free(t);
}

const char *timing_name(const struct timing *t)
{
    (void)t;
    return "m7-table";
}

unsigned timing_version(const struct timing *t)
{
    (void)t;
    return M7_VERSION;
}

uint32_t timing_instruction_length(const uint8_t *p)
{
    return (p[1] & 0xf8) >= 0xe8 ? 4 : 2; // first halfword 0b11101, 0b11110, 0b11111
}

// The next instruction, or false when Capstone does not know it (it still has its length).
static bool decode_next(struct timing *t, const uint8_t *p, uint32_t left, uint64_t address)
{
    const uint8_t *code = p;
    size_t n = left;
    return cs_disasm_iter(t->capstone, &code, &n, &address, t->insn);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

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
        if (starts_with(m, "vldm") || starts_with(m, "vstm") || starts_with(m, "vpush") ||
            starts_with(m, "vpop"))
            return (struct cost){UNIT_MEMORY, M7_LAT_LOAD,
                                 arm->op_count > 2 ? (unsigned)(arm->op_count + 1) / 2 : 1};
        if (starts_with(m, "vldr") || starts_with(m, "vstr"))
            return (struct cost){UNIT_MEMORY, M7_LAT_LOAD, 1};
        if (starts_with(m, "vdiv") || starts_with(m, "vsqrt"))
            return (struct cost){UNIT_FPU, M7_LAT_FDIV * (is_double ? 2u : 1u), M7_LAT_FDIV - 2};
        if (starts_with(m, "vmla") || starts_with(m, "vmls") || starts_with(m, "vfm") ||
            starts_with(m, "vnml"))
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
    if (starts_with(m, "ldr") || starts_with(m, "str") || starts_with(m, "pld"))
        return (struct cost){UNIT_MEMORY, M7_LAT_LOAD, 1};
    if (starts_with(m, "mul") || starts_with(m, "mla") || starts_with(m, "mls") ||
        starts_with(m, "smla") || starts_with(m, "smul") || starts_with(m, "smua") ||
        starts_with(m, "smus") || starts_with(m, "smls") || starts_with(m, "smm") ||
        starts_with(m, "usad"))
        return (struct cost){UNIT_MUL,
                             strstr(m, "lal") || strstr(m, "sld") ? M7_LAT_MULL : M7_LAT_MUL, 1};
    if (starts_with(m, "ssat") || starts_with(m, "usat") || starts_with(m, "pkh") ||
        starts_with(m, "q") || starts_with(m, "sadd") || starts_with(m, "uadd") ||
        starts_with(m, "sxtb16") || starts_with(m, "uxtb16"))
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

void timing_block(struct timing *t, const uint8_t *bytes, uint32_t address, uint32_t size,
                  struct timing_block *out)
{
    uint32_t ready[ARM_REG_ENDING] = {0}; // cycle at which a register's value can be used
    uint32_t free_at[UNIT_SYSTEM + 1] = {0};
    uint32_t cycle = 0, end = 0, width_used = 0;

    memset(out, 0, sizeof *out);
    for (uint32_t at = 0; at + 2 <= size;) {
        uint32_t length = timing_instruction_length(bytes + at);
        out->instructions++;
        bool known = decode_next(t, bytes + at, size - at, address + at);
        struct cost cost = {UNIT_ALU, M7_LAT_ALU, 1};
        cs_regs used, written;
        uint8_t used_count = 0, written_count = 0;
        if (known) {
            cost = cost_of(t->insn);
            if (cs_regs_access(t->capstone, t->insn, used, &used_count, written, &written_count) !=
                CS_ERR_OK)
                used_count = written_count = 0;
        }

        uint32_t when = cycle;
        for (unsigned i = 0; i < used_count; i++) {
            if (used[i] < ARM_REG_ENDING && ready[used[i]] > when)
                when = ready[used[i]];
        }
        if (free_at[cost.unit] > when && cost.unit != UNIT_ALU)
            when = free_at[cost.unit];
        if (when == cycle && width_used == M7_WIDTH)
            when++;
        if (cost.unit == UNIT_SYSTEM && when < end)
            when = end; // waits for all that is under way
        if (when > cycle) {
            cycle = when;
            width_used = 0;
        }
        width_used++;
        free_at[cost.unit] = cycle + cost.busy;
        if (cost.unit == UNIT_SYSTEM) {
            cycle += cost.busy - 1;
            width_used = M7_WIDTH;
        }
        for (unsigned i = 0; i < written_count; i++) {
            if (written[i] < ARM_REG_ENDING) {
                // A base register's writeback comes from the ALU, not from memory.
                bool base = cost.unit == UNIT_MEMORY && is_base(t->insn, written[i]);
                ready[written[i]] =
                    cycle + (base || written[i] == ARM_REG_CPSR ? M7_LAT_ALU : cost.latency);
            }
        }
        uint32_t done = cycle + cost.busy;
        end = done > end ? done : end;

        if (known && t->insn->mnemonic[0] == 'v' && !(out->flags & TIMING_FLAG_FPU)) {
            out->flags |= TIMING_FLAG_FPU;
            out->fpu_address = address + at;
        }
        at += length;
        if (at >= size && known) {
            out->taken = (uint16_t)taken_cost(t->insn);
            if (is_backward_conditional(t->insn)) {
                out->taken = M7_TAKEN_LOOP;
                out->fall = M7_LOOP_EXIT;
            }
            if (out->instructions == 1 && bytes[0] == 0xfe && bytes[1] == 0xe7)
                out->flags |= TIMING_FLAG_SPIN;
        }
    }
    out->cycles = (uint16_t)(end > UINT16_MAX ? UINT16_MAX : end);
}

static int core_number(unsigned reg)
{
    if (reg >= ARM_REG_R0 && reg <= ARM_REG_R12)
        return (int)(reg - ARM_REG_R0);
    return reg == ARM_REG_SP ? 13 : reg == ARM_REG_LR ? 14 : reg == ARM_REG_PC ? 15 : -1;
}

// Does this load or store touch address? *base: its base register's number, -1 for none.
static bool touches(const cs_insn *insn, const uint32_t regs[16], uint32_t address, int *base)
{
    const cs_arm *arm = &insn->detail->arm;
    *base = -1;
    if (insn->id == ARM_INS_POP || insn->id == ARM_INS_PUSH) {
        uint32_t bytes = 4u * arm->op_count;
        uint32_t low = insn->id == ARM_INS_POP ? regs[13] : regs[13] - bytes;
        *base = 13;
        return address - low < bytes;
    }
    if (insn->id == ARM_INS_LDM || insn->id == ARM_INS_STM || insn->id == ARM_INS_LDMDB ||
        insn->id == ARM_INS_STMDB) {
        *base = core_number((unsigned)arm->operands[0].reg);
        uint32_t bytes = 4u * (uint32_t)(arm->op_count - 1);
        uint32_t low = *base < 0 ? 0 : regs[*base];
        if (insn->id == ARM_INS_LDMDB || insn->id == ARM_INS_STMDB)
            low -= bytes;
        return *base >= 0 && address - low < bytes;
    }
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type != ARM_OP_MEM)
            continue;
        const arm_op_mem *mem = &arm->operands[i].mem;
        *base = core_number((unsigned)mem->base);
        if (*base < 0)
            return false;
        uint32_t at = *base == 15 ? ((uint32_t)insn->address + 4) & ~3u : regs[*base];
        int index = core_number((unsigned)mem->index);
        // A post-indexed access has its offset in a following operand: the address is the base alone.
        if (index >= 0)
            at += regs[index] << (arm->operands[i].shift.type == ARM_SFT_LSL
                                      ? arm->operands[i].shift.value
                                      : 0);
        else
            at += (uint32_t)mem->disp;
        return address - at < 8;
    }
    return false;
}

uint32_t timing_find_access(struct timing *t, const uint8_t *bytes, uint32_t block, uint32_t size,
                            const uint32_t regs[16], uint32_t address)
{
    // Registers are those at the fault. An earlier access can only fit by accident when its base was overwritten in
    // between, so a candidate falls when its base is written before a later candidate.
    uint32_t found = block;
    int found_base = -1;
    bool have = false, base_written = false;
    for (uint32_t at = 0; at + 2 <= size; at += timing_instruction_length(bytes + at)) {
        if (!decode_next(t, bytes + at, size - at, block + at))
            continue;
        int base;
        if ((!have || base_written) && touches(t->insn, regs, address, &base)) {
            found = block + at;
            found_base = base;
            have = true;
            base_written = false;
        }
        cs_regs used, written;
        uint8_t used_count = 0, written_count = 0;
        if (have && cs_regs_access(t->capstone, t->insn, used, &used_count, written,
                                   &written_count) == CS_ERR_OK) {
            for (unsigned i = 0; i < written_count; i++)
                base_written |= found_base >= 0 && core_number(written[i]) == found_base;
        }
    }
    return found;
}

unsigned timing_count_before(struct timing *t, const uint8_t *bytes, uint32_t block, uint32_t size,
                             uint32_t pc)
{
    (void)t;
    unsigned n = 0;
    for (uint32_t at = 0; at + 2 <= size && block + at < pc;
         at += timing_instruction_length(bytes + at))
        n++;
    return n;
}
