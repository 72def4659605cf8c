// SPDX-License-Identifier: GPL-2.0-only
// Xtensa instructions of the call0 ABI as records for the interpreter: base, density, 32-bit multiply (low and high),
// divide, NSA, MIN/MAX, SEXT and CLAMPS, MAC16, zero-overhead loops, exceptions. Not here: windowed calls, booleans,
// floating point, vectors; they decode as XT_ILLEGAL. Encodings follow the Xtensa ISA reference manual.
#ifndef VBOARD_XTENSA_DECODE_H
#define VBOARD_XTENSA_DECODE_H

#include <stdbool.h>
#include <stdint.h>

// Operands as named in the manual: ar[r] is usually the result, of loads and moves it is ar[t].
// clang-format off
enum xt_kind {
    XT_ILLEGAL,
    // ar[r] = f(ar[s], ar[t])
    XT_AND, XT_OR, XT_XOR, XT_ADD, XT_ADDX2, XT_ADDX4, XT_ADDX8, XT_SUB, XT_SUBX2, XT_SUBX4, XT_SUBX8,
    XT_MUL16U, XT_MUL16S, XT_MULL, XT_MULUH, XT_MULSH, XT_QUOU, XT_QUOS, XT_REMU, XT_REMS,
    XT_MIN, XT_MAX, XT_MINU, XT_MAXU, XT_MOVEQZ, XT_MOVNEZ, XT_MOVLTZ, XT_MOVGEZ, XT_SRC,
    // ar[r] = f(ar[s] or ar[t], imm)
    XT_NEG, XT_ABS, XT_SLLI, XT_SRAI, XT_SRLI, XT_SLL, XT_SRL, XT_SRA, XT_SEXT, XT_CLAMPS, XT_EXTUI,
    // ar[t] = f(ar[s], imm)
    XT_NSA, XT_NSAU, XT_ADDI, XT_MOVI, XT_MOV,
    // SAR
    XT_SSR, XT_SSL, XT_SSA8L, XT_SSA8B, XT_SSAI,
    // memory: ar[t] at ar[s] + imm; XT_L32R: at imm
    XT_L8UI, XT_L16UI, XT_L16SI, XT_L32I, XT_L32R, XT_S8I, XT_S16I, XT_S32I,
    XT_NOP,
    // MAC16. imm: a set of enum xt_mac; r, t: the operands, registers or XT_M0 and following; s: address register
    XT_MAC, XT_MAC_LOAD, XT_M_LOAD,
    XT_RSR_MAC, XT_WSR_MAC, XT_XSR_MAC, // like XT_RSR ..., of ACCLO, ACCHI, M0 to M3
    // the rest ends a block of instructions
    XT_FIRST_END,
    XT_BEQZ = XT_FIRST_END, XT_BNEZ, XT_BLTZ, XT_BGEZ, // imm: target
    XT_BEQI, XT_BNEI, XT_BLTI, XT_BGEI, XT_BLTUI, XT_BGEUI, // r: index into xt_b4const, xt_b4constu
    XT_BNONE, XT_BEQ, XT_BLT, XT_BLTU, XT_BALL, XT_BBC, XT_BANY, XT_BNE, XT_BGE, XT_BGEU, XT_BNALL, XT_BBS,
    XT_BBCI, XT_BBSI, // t: bit
    XT_J, XT_CALL0, XT_JX, XT_CALLX0, XT_RET,
    XT_LOOP, XT_LOOPNEZ, XT_LOOPGTZ, // imm: the loop's end
    XT_RSR, XT_WSR, XT_XSR, // imm: special register
    XT_RSIL, XT_WAITI, XT_RFE, XT_RFDE, XT_RFI, XT_ISYNC, // imm: interrupt level
    XT_SYSCALL, XT_BREAK, XT_ILL,
    XT_BLOCK_LIMIT // no instruction: a block ends because it is long, or because a loop may end there
};
// clang-format on

enum { XT_M0 = 16, XT_REGISTERS = XT_M0 + 4 }; // M0 to M3 are numbered behind a0 to a15

enum xt_mac {          // imm of the MAC16 kinds
    XT_MAC_HIGH_R = 1, // the upper half of operand r, of operand t
    XT_MAC_HIGH_T = 2,
    XT_MAC_UMUL = 0 << 2, // ACC = r * t, unsigned
    XT_MAC_MUL = 1 << 2,
    XT_MAC_MULA = 2 << 2, // ACC += r * t
    XT_MAC_MULS = 3 << 2,
    XT_MAC_OPERATION = 3 << 2,
    XT_MAC_DECREMENT = 1 << 4, // LDDEC, not LDINC
    XT_MAC_TARGET_SHIFT = 5,   // number of the M register that is loaded
};

struct xt_op {
    uint8_t kind, r, s, t;
    uint32_t imm; // sign-extended where the instruction does that; targets are absolute
};

enum xt_special { // numbers of special registers
    XT_SR_LBEG = 0,
    XT_SR_LEND = 1,
    XT_SR_LCOUNT = 2,
    XT_SR_SAR = 3,
    XT_SR_ACCLO = 16,
    XT_SR_ACCHI = 17,
    XT_SR_M0 = 32, // to M3
    XT_SR_DDR = 104,
    XT_SR_EPC1 = 177,
    XT_SR_DEPC = 192,
    XT_SR_EPS2 = 194,
    XT_SR_EXCSAVE1 = 209,
    XT_SR_PS = 230,
    XT_SR_VECBASE = 231,
    XT_SR_EXCCAUSE = 232,
    XT_SR_DEBUGCAUSE = 233,
    XT_SR_CCOUNT = 234,
    XT_SR_EXCVADDR = 238,
};

extern const int32_t xt_b4const[16];
extern const uint32_t xt_b4constu[16];

// Length of the instruction that begins with this byte: 2 or 3.
static inline unsigned xt_length(uint8_t first)
{
    return (first & 0xf) >= 8 && (first & 0xf) < 14 ? 2 : 3;
}

// word: the instruction's bytes, the lowest address in bits 7:0 (a third byte is ignored where there are two).
void xt_decode(uint32_t word, uint32_t pc, struct xt_op *op);

// Timing: registers that the instruction reads, and those that are ready a cycle later than others' results. Bit
// XT_M0 and following: M0 to M3; XT_ACC: the accumulator, but for adding to it.
#define XT_ACC (1u << XT_REGISTERS)
uint32_t xt_sources(const struct xt_op *op);
uint32_t xt_late_result(const struct xt_op *op);

#endif
