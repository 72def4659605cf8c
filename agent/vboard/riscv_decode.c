// SPDX-License-Identifier: GPL-2.0-only
// See riscv_decode.h. Encodings follow "The RISC-V Instruction Set Manual", volume I.
#include "agent/vboard/riscv_decode.h"

// Bits high..low of w, at the bottom.
static uint32_t bits(uint32_t w, unsigned high, unsigned low)
{
    return w >> low & ((2u << (high - low)) - 1u);
}

// The same, moved up to bit position to: the scattered immediates are sums of these.
static uint32_t part(uint32_t w, unsigned high, unsigned low, unsigned to)
{
    return bits(w, high, low) << to;
}

static int32_t extend(uint32_t value, unsigned width)
{
    uint32_t sign = 1u << (width - 1);
    return (int32_t)((value ^ sign) - sign);
}

static uint8_t destination(uint32_t r)
{
    return r ? (uint8_t)r : RV_NOWHERE;
}

static void set(struct rv_op *op, enum rv_kind kind, uint32_t rd, uint32_t rs1, uint32_t rs2,
                int32_t imm)
{
    op->kind = (uint8_t)kind;
    op->rd = destination(rd);
    op->rs1 = (uint8_t)rs1;
    op->rs2 = (uint8_t)rs2;
    op->imm = imm;
}

static int32_t target(uint32_t pc, int32_t offset)
{
    return (int32_t)(pc + (uint32_t)offset);
}

static void decode_op(uint32_t w, struct rv_op *op)
{
    static const uint8_t base[8] = {RV_ADD, RV_SLL, RV_SLT, RV_SLTU, RV_XOR, RV_SRL, RV_OR, RV_AND};
    uint32_t f3 = bits(w, 14, 12), f7 = bits(w, 31, 25);
    uint32_t rd = bits(w, 11, 7), rs1 = bits(w, 19, 15), rs2 = bits(w, 24, 20);
    if (f7 == 0)
        set(op, base[f3], rd, rs1, rs2, 0);
    else if (f7 == 1)
        set(op, RV_MUL + f3, rd, rs1, rs2, 0);
    else if (f7 == 0x20 && f3 == 0)
        set(op, RV_SUB, rd, rs1, rs2, 0);
    else if (f7 == 0x20 && f3 == 5)
        set(op, RV_SRA, rd, rs1, rs2, 0);
}

static void decode_op_imm(uint32_t w, struct rv_op *op)
{
    static const uint8_t kinds[8] = {RV_ADDI, RV_SLLI, RV_SLTI, RV_SLTIU,
                                     RV_XORI, RV_SRLI, RV_ORI,  RV_ANDI};
    uint32_t f3 = bits(w, 14, 12), f7 = bits(w, 31, 25);
    int32_t imm = extend(bits(w, 31, 20), 12);
    enum rv_kind kind = kinds[f3];
    if (f3 == 1 || f3 == 5) {
        if (f7 != 0 && !(f3 == 5 && f7 == 0x20))
            return;
        if (f7)
            kind = RV_SRAI;
        imm = (int32_t)bits(w, 24, 20);
    }
    set(op, kind, bits(w, 11, 7), bits(w, 19, 15), 0, imm);
}

static void decode_amo(uint32_t w, struct rv_op *op)
{
    enum rv_kind kind;
    if (bits(w, 14, 12) != 2)
        return;
    switch (bits(w, 31, 27)) {
    case 0x02:
        if (bits(w, 24, 20))
            return;
        kind = RV_LR;
        break;
    case 0x03:
        kind = RV_SC;
        break;
    case 0x01:
        kind = RV_AMOSWAP;
        break;
    case 0x00:
        kind = RV_AMOADD;
        break;
    case 0x04:
        kind = RV_AMOXOR;
        break;
    case 0x0c:
        kind = RV_AMOAND;
        break;
    case 0x08:
        kind = RV_AMOOR;
        break;
    case 0x10:
        kind = RV_AMOMIN;
        break;
    case 0x14:
        kind = RV_AMOMAX;
        break;
    case 0x18:
        kind = RV_AMOMINU;
        break;
    case 0x1c:
        kind = RV_AMOMAXU;
        break;
    default:
        return;
    }
    set(op, kind, bits(w, 11, 7), bits(w, 19, 15), bits(w, 24, 20), 0);
}

static void decode_system(uint32_t w, struct rv_op *op)
{
    static const uint8_t csr[8] = {RV_ILLEGAL, RV_CSRRW,  RV_CSRRS,  RV_CSRRC,
                                   RV_ILLEGAL, RV_CSRRWI, RV_CSRRSI, RV_CSRRCI};
    uint32_t f3 = bits(w, 14, 12);
    if (f3) {
        set(op, csr[f3], bits(w, 11, 7), bits(w, 19, 15), 0, (int32_t)bits(w, 31, 20));
        return;
    }
    switch (w) {
    case 0x00000073:
        set(op, RV_ECALL, 0, 0, 0, 0);
        break;
    case 0x00100073:
        set(op, RV_EBREAK, 0, 0, 0, 0);
        break;
    case 0x30200073:
        set(op, RV_MRET, 0, 0, 0, 0);
        break;
    case 0x10500073:
        set(op, RV_WFI, 0, 0, 0, 0);
        break;
    default:
        break;
    }
}

static void decode_32(uint32_t w, uint32_t pc, struct rv_op *op)
{
    static const uint8_t branches[8] = {RV_BEQ, RV_BNE, RV_ILLEGAL, RV_ILLEGAL,
                                        RV_BLT, RV_BGE, RV_BLTU,    RV_BGEU};
    static const uint8_t loads[8] = {RV_LB,  RV_LH,  RV_LW,      RV_ILLEGAL,
                                     RV_LBU, RV_LHU, RV_ILLEGAL, RV_ILLEGAL};
    uint32_t rd = bits(w, 11, 7), rs1 = bits(w, 19, 15), rs2 = bits(w, 24, 20);
    uint32_t f3 = bits(w, 14, 12);
    int32_t offset;
    switch (bits(w, 6, 0)) {
    case 0x37: // LUI
        set(op, RV_LI, rd, 0, 0, (int32_t)(w & 0xfffff000u));
        break;
    case 0x17: // AUIPC
        set(op, RV_LI, rd, 0, 0, (int32_t)(pc + (w & 0xfffff000u)));
        break;
    case 0x6f:
        offset = extend(part(w, 31, 31, 20) | part(w, 19, 12, 12) | part(w, 20, 20, 11) |
                            part(w, 30, 21, 1),
                        21);
        set(op, RV_JAL, rd, 0, 0, target(pc, offset));
        break;
    case 0x67:
        if (f3 == 0)
            set(op, RV_JALR, rd, rs1, 0, extend(bits(w, 31, 20), 12));
        break;
    case 0x63:
        offset = extend(
            part(w, 31, 31, 12) | part(w, 7, 7, 11) | part(w, 30, 25, 5) | part(w, 11, 8, 1), 13);
        set(op, branches[f3], 0, rs1, rs2, target(pc, offset));
        break;
    case 0x03:
        set(op, loads[f3], rd, rs1, 0, extend(bits(w, 31, 20), 12));
        break;
    case 0x23:
        if (f3 <= 2)
            set(op, RV_SB + f3, 0, rs1, rs2, extend(part(w, 31, 25, 5) | bits(w, 11, 7), 12));
        break;
    case 0x13:
        decode_op_imm(w, op);
        break;
    case 0x33:
        decode_op(w, op);
        break;
    case 0x0f:
        if (f3 <= 1)
            set(op, f3 ? RV_FENCE_I : RV_FENCE, 0, 0, 0, 0);
        break;
    case 0x2f:
        decode_amo(w, op);
        break;
    case 0x73:
        decode_system(w, op);
        break;
    default:
        break;
    }
}

static int32_t c_jump_offset(uint32_t w)
{
    return extend(part(w, 12, 12, 11) | part(w, 11, 11, 4) | part(w, 10, 9, 8) | part(w, 8, 8, 10) |
                      part(w, 7, 7, 6) | part(w, 6, 6, 7) | part(w, 5, 3, 1) | part(w, 2, 2, 5),
                  12);
}

static int32_t c_branch_offset(uint32_t w)
{
    return extend(part(w, 12, 12, 8) | part(w, 11, 10, 3) | part(w, 6, 5, 6) | part(w, 4, 3, 1) |
                      part(w, 2, 2, 5),
                  9);
}

static void decode_c0(uint32_t w, struct rv_op *op)
{
    uint32_t low = 8 + bits(w, 4, 2), high = 8 + bits(w, 9, 7), imm;
    switch (bits(w, 15, 13)) {
    case 0: // C.ADDI4SPN
        imm = part(w, 12, 11, 4) | part(w, 10, 7, 6) | part(w, 6, 6, 2) | part(w, 5, 5, 3);
        if (imm)
            set(op, RV_ADDI, low, 2, 0, (int32_t)imm);
        break;
    case 2:
        imm = part(w, 12, 10, 3) | part(w, 6, 6, 2) | part(w, 5, 5, 6);
        set(op, RV_LW, low, high, 0, (int32_t)imm);
        break;
    case 6:
        imm = part(w, 12, 10, 3) | part(w, 6, 6, 2) | part(w, 5, 5, 6);
        set(op, RV_SW, 0, high, low, (int32_t)imm);
        break;
    default:
        break;
    }
}

static void decode_c1_alu(uint32_t w, struct rv_op *op)
{
    static const uint8_t kinds[4] = {RV_SUB, RV_XOR, RV_OR, RV_AND};
    uint32_t rd = 8 + bits(w, 9, 7), shift = bits(w, 6, 2);
    switch (bits(w, 11, 10)) {
    case 0:
    case 1:
        if (bits(w, 12, 12) == 0) // a shift by 32 or more is RV64's
            set(op, bits(w, 10, 10) ? RV_SRAI : RV_SRLI, rd, rd, 0, (int32_t)shift);
        break;
    case 2:
        set(op, RV_ANDI, rd, rd, 0, extend(part(w, 12, 12, 5) | shift, 6));
        break;
    default:
        if (bits(w, 12, 12) == 0)
            set(op, kinds[bits(w, 6, 5)], rd, rd, 8 + bits(w, 4, 2), 0);
        break;
    }
}

static void decode_c1(uint32_t w, uint32_t pc, struct rv_op *op)
{
    uint32_t rd = bits(w, 11, 7);
    int32_t imm = extend(part(w, 12, 12, 5) | bits(w, 6, 2), 6);
    switch (bits(w, 15, 13)) {
    case 0:
        set(op, RV_ADDI, rd, rd, 0, imm);
        break;
    case 1:
        set(op, RV_JAL, 1, 0, 0, target(pc, c_jump_offset(w)));
        break;
    case 2:
        set(op, RV_LI, rd, 0, 0, imm);
        break;
    case 3:
        if (rd == 2) // C.ADDI16SP
            imm = extend(part(w, 12, 12, 9) | part(w, 6, 6, 4) | part(w, 5, 5, 6) |
                             part(w, 4, 3, 7) | part(w, 2, 2, 5),
                         10);
        if (imm && rd == 2)
            set(op, RV_ADDI, 2, 2, 0, imm);
        else if (imm)
            set(op, RV_LI, rd, 0, 0, (int32_t)((uint32_t)imm << 12));
        break;
    case 4:
        decode_c1_alu(w, op);
        break;
    case 5:
        set(op, RV_JAL, 0, 0, 0, target(pc, c_jump_offset(w)));
        break;
    default:
        set(op, bits(w, 13, 13) ? RV_BNE : RV_BEQ, 0, 8 + bits(w, 9, 7), 0,
            target(pc, c_branch_offset(w)));
        break;
    }
}

static void decode_c2(uint32_t w, struct rv_op *op)
{
    uint32_t rd = bits(w, 11, 7), rs2 = bits(w, 6, 2), imm;
    switch (bits(w, 15, 13)) {
    case 0:
        if (bits(w, 12, 12) == 0)
            set(op, RV_SLLI, rd, rd, 0, (int32_t)rs2);
        break;
    case 2:
        imm = part(w, 12, 12, 5) | part(w, 6, 4, 2) | part(w, 3, 2, 6);
        if (rd)
            set(op, RV_LW, rd, 2, 0, (int32_t)imm);
        break;
    case 4:
        if (bits(w, 12, 12) == 0) {
            if (rs2)
                set(op, RV_ADD, rd, 0, rs2, 0);
            else if (rd)
                set(op, RV_JALR, 0, rd, 0, 0);
        } else if (rs2) {
            set(op, RV_ADD, rd, rd, rs2, 0);
        } else if (rd) {
            set(op, RV_JALR, 1, rd, 0, 0);
        } else {
            set(op, RV_EBREAK, 0, 0, 0, 0);
        }
        break;
    case 6:
        imm = part(w, 12, 9, 2) | part(w, 8, 7, 6);
        set(op, RV_SW, 0, 2, rs2, (int32_t)imm);
        break;
    default:
        break;
    }
}

void rv_decode(uint32_t word, uint32_t pc, struct rv_op *op)
{
    set(op, RV_ILLEGAL, 0, 0, 0, 0);
    op->length = (word & 3) == 3 ? 4 : 2;
    switch (word & 3) {
    case 0:
        decode_c0(word & 0xffff, op);
        break;
    case 1:
        decode_c1(word & 0xffff, pc, op);
        break;
    case 2:
        decode_c2(word & 0xffff, op);
        break;
    default:
        decode_32(word, pc, op);
        break;
    }
    if (op->kind == RV_ILLEGAL)
        set(op, RV_ILLEGAL, 0, 0, 0, 0);
}
