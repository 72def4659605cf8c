// SPDX-License-Identifier: GPL-2.0-only
// Decoder of RV32IMAC: one instruction, 16 or 32 bits wide, to one flat operation. Compressed instructions become the
// operation that they stand for.
#ifndef VBOARD_RISCV_DECODE_H
#define VBOARD_RISCV_DECODE_H

#include <stdint.h>

// clang-format off
enum rv_kind {
    RV_ILLEGAL,
    RV_LI,                          // rd = imm: LUI, AUIPC (pc is in imm already)
    RV_JAL, RV_JALR,                // JAL: imm is the target
    RV_BEQ, RV_BNE, RV_BLT, RV_BGE, RV_BLTU, RV_BGEU, // imm is the target
    RV_LB, RV_LH, RV_LW, RV_LBU, RV_LHU, RV_SB, RV_SH, RV_SW,
    RV_ADDI, RV_SLTI, RV_SLTIU, RV_XORI, RV_ORI, RV_ANDI, RV_SLLI, RV_SRLI, RV_SRAI,
    RV_ADD, RV_SUB, RV_SLL, RV_SLT, RV_SLTU, RV_XOR, RV_SRL, RV_SRA, RV_OR, RV_AND,
    RV_MUL, RV_MULH, RV_MULHSU, RV_MULHU, RV_DIV, RV_DIVU, RV_REM, RV_REMU,
    RV_LR, RV_SC, RV_AMOSWAP, RV_AMOADD, RV_AMOXOR, RV_AMOAND, RV_AMOOR,
    RV_AMOMIN, RV_AMOMAX, RV_AMOMINU, RV_AMOMAXU,
    RV_FENCE, RV_FENCE_I, RV_ECALL, RV_EBREAK, RV_MRET, RV_WFI,
    RV_CSRRW, RV_CSRRS, RV_CSRRC,    // imm is the CSR, rs1 a register
    RV_CSRRWI, RV_CSRRSI, RV_CSRRCI, // rs1 is the value
};
// clang-format on

enum { RV_NOWHERE = 32 }; // rd of an instruction that writes x0, or no register

struct rv_op {
    uint8_t kind;   // enum rv_kind
    uint8_t length; // 2 or 4 bytes
    uint8_t rd;     // 1 to 31 or RV_NOWHERE
    uint8_t rs1, rs2;
    int32_t imm;
};

// word: the instruction in its low 16 or all 32 bits; pc: where it is.
void rv_decode(uint32_t word, uint32_t pc, struct rv_op *op);

#endif
