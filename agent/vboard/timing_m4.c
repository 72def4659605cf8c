// SPDX-License-Identifier: GPL-2.0-only
// "m4-table": Cortex-M4 cost of a block. One instruction at a time, in order; each takes the cycles of Arm's table
// (Cortex-M4 Technical Reference Manual, "Instruction set summary"), and neighbouring accesses overlap.
#include "agent/vboard/timing_model.h"

#include <string.h>

// The table of docs/timing.md. Changing a number means raising M4_VERSION: results carry both.
enum {
    M4_VERSION = 1,
    M4_ALU = 1,   // also MUL, MLA, SMULL, SMLAD and all other multiplications, packing, saturation
    M4_LOAD = 2,  // one less when the access before it was a load, too
    M4_STORE = 1, // into the write buffer; with a register offset as a load
    M4_MULTIPLE = 1, // LDM, STM, PUSH, POP, LDRD, STRD: this and one for each word
    M4_DIV = 7,      // silicon takes 2 to 12 by operand
    M4_SYSTEM = 2,   // MRS, MSR, CPS
    M4_BARRIER = 4,  // DSB, DMB, ISB
    M4_FPU = 1,      // VADD, VMUL, VCVT, VMOV; the result is usable one cycle later
    M4_FPU_USE = 1,  // that cycle
    M4_FMA = 3,      // VMLA, VFMA
    M4_FDIV = 14,    // VDIV, VSQRT
    M4_TAKEN_LOOP =
        1, // backward conditional branch: refill of the pipeline, code in the flash accelerator's memory
    M4_TAKEN = 2, // other branches: refill, and the share of lines that the accelerator must fetch
};

static bool is_multiple(const cs_insn *insn)
{
    switch (insn->id) {
    case ARM_INS_LDM:
    case ARM_INS_LDMDB:
    case ARM_INS_STM:
    case ARM_INS_STMDB:
    case ARM_INS_POP:
    case ARM_INS_PUSH:
    case ARM_INS_LDRD:
    case ARM_INS_STRD:
        return true;
    default:
        return false;
    }
}

static unsigned words(const cs_insn *insn)
{
    unsigned operands = insn->detail->arm.op_count;
    switch (insn->id) {
    case ARM_INS_LDRD:
    case ARM_INS_STRD:
        return 2;
    case ARM_INS_POP:
    case ARM_INS_PUSH:
        return operands;
    default:
        return operands > 1 ? operands - 1 : 1; // the first is the base
    }
}

static bool is_load(const cs_insn *insn)
{
    return timing_starts_with(insn->mnemonic, "ldr") || insn->id == ARM_INS_TBB ||
           insn->id == ARM_INS_TBH || timing_starts_with(insn->mnemonic, "vldr");
}

static bool is_store(const cs_insn *insn)
{
    return timing_starts_with(insn->mnemonic, "str") || timing_starts_with(insn->mnemonic, "vstr");
}

static bool has_register_offset(const cs_insn *insn)
{
    const cs_arm *arm = &insn->detail->arm;
    for (int i = 0; i < arm->op_count; i++) {
        if (arm->operands[i].type == ARM_OP_MEM)
            return arm->operands[i].mem.index != ARM_REG_INVALID;
    }
    return false;
}

static unsigned fpu_cycles(const cs_insn *insn)
{
    const char *m = insn->mnemonic;
    if (timing_starts_with(m, "vldm") || timing_starts_with(m, "vstm") ||
        timing_starts_with(m, "vpush") || timing_starts_with(m, "vpop"))
        return M4_MULTIPLE + insn->detail->arm.op_count;
    if (timing_starts_with(m, "vdiv") || timing_starts_with(m, "vsqrt"))
        return M4_FDIV;
    if (timing_starts_with(m, "vmla") || timing_starts_with(m, "vmls") ||
        timing_starts_with(m, "vfm") || timing_starts_with(m, "vfn") ||
        timing_starts_with(m, "vnml"))
        return M4_FMA;
    return M4_FPU;
}

static unsigned cycles_of(const cs_insn *insn)
{
    if (is_multiple(insn))
        return M4_MULTIPLE + words(insn);
    if (is_load(insn) || (is_store(insn) && has_register_offset(insn)))
        return M4_LOAD;
    if (is_store(insn))
        return M4_STORE;
    if (insn->mnemonic[0] == 'v')
        return fpu_cycles(insn);
    switch (insn->id) {
    case ARM_INS_SDIV:
    case ARM_INS_UDIV:
        return M4_DIV;
    case ARM_INS_MRS:
    case ARM_INS_MSR:
    case ARM_INS_CPS:
        return M4_SYSTEM;
    case ARM_INS_DSB:
    case ARM_INS_DMB:
    case ARM_INS_ISB:
        return M4_BARRIER;
    default:
        return M4_ALU;
    }
}

static void issue(struct timing_pipe *p, const struct timing_insn *i)
{
    const cs_insn *insn = i->insn;
    bool access = insn && !is_multiple(insn) && (is_load(insn) || is_store(insn));
    uint32_t sources = 0; // when all of them are there
    for (unsigned k = 0; k < i->used_count; k++) {
        if (p->ready[i->used[k]] > sources)
            sources = p->ready[i->used[k]];
    }
    uint32_t when = p->cycle - (access && p->access_open ? 1 : 0);
    if (sources > when)
        when = sources;
    unsigned cycles = insn ? cycles_of(insn) : M4_ALU;
    p->cycle = when + cycles;
    p->access_open = access && cycles == M4_LOAD;
    // A load's result is there when it is through; one that overlaps it must not need it.
    unsigned late = insn && insn->mnemonic[0] == 'v' && !access ? M4_FPU_USE : 0;
    for (unsigned k = 0; k < i->written_count; k++)
        p->ready[i->written[k]] = p->cycle + late;
    if (access && i->written_count > 0) {
        // The address register that is written back is there at once.
        const cs_arm *arm = &insn->detail->arm;
        for (int k = 0; k < arm->op_count; k++) {
            if (arm->operands[k].type == ARM_OP_MEM &&
                (unsigned)arm->operands[k].mem.base != (unsigned)arm->operands[0].reg)
                p->ready[arm->operands[k].mem.base] = when + 1;
        }
    }
    p->end = p->cycle;
}

static void branch(const struct timing_pipe *p, const cs_insn *insn, struct timing_block *out)
{
    (void)p;
    const cs_arm *arm = &insn->detail->arm;
    bool backward = insn->id == ARM_INS_B && arm->cc != ARM_CC_AL && arm->cc != ARM_CC_INVALID &&
                    arm->op_count > 0 && arm->operands[0].type == ARM_OP_IMM &&
                    (uint32_t)arm->operands[0].imm <= (uint32_t)insn->address;
    out->taken = backward ? M4_TAKEN_LOOP : M4_TAKEN;
}

static const struct timing_model model = {
    .name = "m4-table", .version = M4_VERSION, .issue = issue, .branch = branch};

struct timing *timing_m4_new(struct err *e)
{
    return timing_new(&model, e);
}
