// SPDX-License-Identifier: GPL-2.0-only
// What the timing models share: decoding a block, and finding an access in it. See timing.h.
#include "agent/vboard/timing_model.h"

#include <stdlib.h>
#include <string.h>

struct timing {
    const struct timing_model *model;
    csh capstone;
    cs_insn *insn;
};

struct timing *timing_new(const struct timing_model *model, struct err *e)
{
    struct timing *t = calloc(1, sizeof *t);
    if (!t) {
        err_set(e, ERR_NO_MEMORY, "no memory for the timing model");
        return NULL;
    }
    t->model = model;
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
    return t->model->name;
}

unsigned timing_version(const struct timing *t)
{
    return t->model->version;
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

bool timing_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

// Registers that the models keep track of.
static uint8_t keep_known(const cs_regs from, uint8_t n, uint16_t *to)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < n; i++) {
        if (from[i] < TIMING_REGISTERS)
            to[kept++] = from[i];
    }
    return kept;
}

static void note_fpu(const struct timing_insn *i, uint32_t address, struct timing_block *out)
{
    if (!i->insn || i->insn->mnemonic[0] != 'v')
        return;
    if (!(out->flags & TIMING_FLAG_FPU)) {
        out->flags |= TIMING_FLAG_FPU;
        out->fpu_address = address;
    }
    if (strstr(i->insn->mnemonic, ".f64") && !(out->flags & TIMING_FLAG_DOUBLE)) {
        out->flags |= TIMING_FLAG_DOUBLE;
        out->double_address = address;
    }
}

// Issues the block's instructions once. Returns whether it ends with a branch to its own beginning.
static bool pass(struct timing *t, struct timing_pipe *pipe, const uint8_t *bytes, uint32_t address,
                 uint32_t size, struct timing_block *out)
{
    bool loops = false;
    memset(out, 0, sizeof *out);
    for (uint32_t at = 0; at + 2 <= size;) {
        struct timing_insn i = {0};
        cs_regs used, written;
        uint8_t used_count = 0, written_count = 0;
        out->instructions++;
        if (decode_next(t, bytes + at, size - at, address + at)) {
            i.insn = t->insn;
            if (cs_regs_access(t->capstone, t->insn, used, &used_count, written, &written_count) ==
                CS_ERR_OK) {
                i.used_count = keep_known(used, used_count, i.used);
                i.written_count = keep_known(written, written_count, i.written);
            }
        }
        t->model->issue(pipe, &i);
        note_fpu(&i, address + at, out);
        at += timing_instruction_length(bytes + at);
        if (at >= size && i.insn) {
            const cs_arm *arm = &i.insn->detail->arm;
            t->model->branch(pipe, i.insn, out);
            loops = i.insn->id == ARM_INS_B && arm->op_count > 0 &&
                    arm->operands[0].type == ARM_OP_IMM &&
                    (uint32_t)arm->operands[0].imm == address;
            if (out->instructions == 1 && bytes[0] == 0xfe && bytes[1] == 0xe7)
                out->flags |= TIMING_FLAG_SPIN;
        }
    }
    return loops;
}

void timing_block(struct timing *t, const uint8_t *bytes, uint32_t address, uint32_t size,
                  struct timing_block *out)
{
    struct timing_pipe pipe = {.cycle = TIMING_START, .end = TIMING_START};
    uint32_t halves;
    bool loops = pass(t, &pipe, bytes, address, size, out);
    if (t->model->pairs && loops) {
        // A loop of one block: what a round costs when the one before is still under way, over two rounds because a
        // round may end in the middle of a cycle.
        pass(t, &pipe, bytes, address, size, out);
        uint32_t end = pipe.end, extra = pipe.halves;
        pass(t, &pipe, bytes, address, size, out);
        pass(t, &pipe, bytes, address, size, out);
        halves = pipe.end - end + (pipe.halves - extra) / 2;
    } else {
        halves = 2 * (pipe.end - TIMING_START) + pipe.halves;
        if (t->model->pairs && pipe.width_used == 1 && halves > 1)
            halves--; // the other slot of the last cycle is the next block's
    }
    out->cycles = (uint16_t)(halves / 2 > UINT16_MAX ? UINT16_MAX : halves / 2);
    out->half = halves & 1;
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
