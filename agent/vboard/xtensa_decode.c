// SPDX-License-Identifier: GPL-2.0-only
// See xtensa_decode.h. Field names are the manual's: op0 in bits 3:0, t 7:4, s 11:8, r 15:12, op1 19:16, op2 23:20.
#include "agent/vboard/xtensa_decode.h"

const int32_t xt_b4const[16] = {-1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256};
const uint32_t xt_b4constu[16] = {32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256};

struct fields {
    uint32_t word, pc;
    unsigned t, s, r, op1, op2, imm8;
};

// Two's complement value of the lowest bits of v.
static uint32_t extend(uint32_t v, unsigned bits)
{
    uint32_t sign = 1u << (bits - 1);
    v &= 2 * sign - 1;
    return (v ^ sign) - sign;
}

static void decode_snm0(const struct fields *f, struct xt_op *op) // returns and indirect jumps
{
    if (f->t == 8 && f->s == 0)
        op->kind = XT_RET;
    else if (f->t == 10)
        op->kind = XT_JX;
    else if (f->t == 12)
        op->kind = XT_CALLX0;
    else if (f->t == 0 && f->s == 0)
        op->kind = XT_ILL;
}

static void decode_sync(const struct fields *f, struct xt_op *op)
{
    switch (f->t) {
    case 0:
        op->kind = XT_ISYNC;
        break;
    case 1: // RSYNC, ESYNC, DSYNC, EXCW, MEMW, EXTW, NOP
    case 2:
    case 3:
    case 8:
    case 12:
    case 13:
    case 15:
        op->kind = XT_NOP;
        break;
    default:
        break;
    }
}

static void decode_rfei(const struct fields *f, struct xt_op *op)
{
    if (f->t == 0 && f->s == 0)
        op->kind = XT_RFE;
    else if (f->t == 0 && f->s == 2)
        op->kind = XT_RFDE;
    else if (f->t == 1)
        op->kind = XT_RFI;
}

// RSR, WSR, XSR. Registers of MAC16 need no block of instructions to end.
static void decode_sr(const struct fields *f, enum xt_kind kind, struct xt_op *op)
{
    const unsigned sr = f->word >> 8 & 0xff;
    op->imm = sr;
    if (sr == XT_SR_ACCLO || sr == XT_SR_ACCHI || (sr >= XT_SR_M0 && sr < XT_SR_M0 + 4))
        kind = kind - XT_RSR + XT_RSR_MAC;
    op->kind = (uint8_t)kind;
}

static void decode_st0(const struct fields *f, struct xt_op *op)
{
    op->imm = f->s;
    switch (f->r) {
    case 0:
        decode_snm0(f, op);
        break;
    case 2:
        if (f->s == 0)
            decode_sync(f, op);
        break;
    case 3:
        decode_rfei(f, op);
        break;
    case 4:
        op->kind = XT_BREAK;
        break;
    case 5:
        if (f->t == 0 && f->s == 0)
            op->kind = XT_SYSCALL;
        break;
    case 6:
        op->kind = XT_RSIL;
        break;
    case 7:
        if (f->t == 0)
            op->kind = XT_WAITI;
        break;
    default:
        break;
    }
}

static void decode_st1(const struct fields *f, struct xt_op *op)
{
    switch (f->r) {
    case 0:
        op->kind = XT_SSR;
        break;
    case 1:
        op->kind = XT_SSL;
        break;
    case 2:
        op->kind = XT_SSA8L;
        break;
    case 3:
        op->kind = XT_SSA8B;
        break;
    case 4:
        op->kind = XT_SSAI;
        op->imm = f->s | (f->t & 1) << 4;
        break;
    case 14:
        op->kind = XT_NSA;
        break;
    case 15:
        op->kind = XT_NSAU;
        break;
    default:
        break;
    }
}

static void decode_rst0(const struct fields *f, struct xt_op *op)
{
    static const uint8_t plain[16] = {
        [1] = XT_AND,    [2] = XT_OR,     [3] = XT_XOR,    [8] = XT_ADD,
        [9] = XT_ADDX2,  [10] = XT_ADDX4, [11] = XT_ADDX8, [12] = XT_SUB,
        [13] = XT_SUBX2, [14] = XT_SUBX4, [15] = XT_SUBX8,
    };
    switch (f->op2) {
    case 0:
        decode_st0(f, op);
        break;
    case 4:
        decode_st1(f, op);
        break;
    case 6:
        op->kind = f->s == 0 ? XT_NEG : f->s == 1 ? XT_ABS : XT_ILLEGAL;
        break;
    default:
        op->kind = plain[f->op2];
        break;
    }
}

static void decode_rst1(const struct fields *f, struct xt_op *op)
{
    switch (f->op2) {
    case 0:
    case 1:
        op->kind = XT_SLLI;
        op->imm = (32u - (f->t | (f->op2 & 1) << 4)) & 31;
        break;
    case 2:
    case 3:
        op->kind = XT_SRAI;
        op->imm = f->s | (f->op2 & 1) << 4;
        break;
    case 4:
        op->kind = XT_SRLI;
        op->imm = f->s;
        break;
    case 6:
        decode_sr(f, XT_XSR, op);
        break;
    case 8:
        op->kind = XT_SRC;
        break;
    case 9:
        op->kind = f->s == 0 ? XT_SRL : XT_ILLEGAL;
        break;
    case 10:
        op->kind = f->t == 0 ? XT_SLL : XT_ILLEGAL;
        break;
    case 11:
        op->kind = f->s == 0 ? XT_SRA : XT_ILLEGAL;
        break;
    case 12:
        op->kind = XT_MUL16U;
        break;
    case 13:
        op->kind = XT_MUL16S;
        break;
    default:
        break;
    }
}

static void decode_rst2(const struct fields *f, struct xt_op *op)
{
    static const uint8_t kinds[16] = {
        [8] = XT_MULL,  [10] = XT_MULUH, [11] = XT_MULSH, [12] = XT_QUOU,
        [13] = XT_QUOS, [14] = XT_REMU,  [15] = XT_REMS,
    };
    op->kind = kinds[f->op2];
}

static void decode_rst3(const struct fields *f, struct xt_op *op)
{
    static const uint8_t kinds[16] = {
        [2] = XT_SEXT, XT_CLAMPS, XT_MIN,    XT_MAX,    XT_MINU,
        XT_MAXU,       XT_MOVEQZ, XT_MOVNEZ, XT_MOVLTZ, XT_MOVGEZ,
    };
    op->kind = kinds[f->op2];
    if (f->op2 < 2)
        decode_sr(f, f->op2 ? XT_WSR : XT_RSR, op);
    else if (f->op2 < 4)
        op->imm = f->t + 7;
}

static void decode_qrst(const struct fields *f, struct xt_op *op)
{
    switch (f->op1) {
    case 0:
        decode_rst0(f, op);
        break;
    case 1:
        decode_rst1(f, op);
        break;
    case 2:
        decode_rst2(f, op);
        break;
    case 3:
        decode_rst3(f, op);
        break;
    case 4:
    case 5: // s becomes the shift
        op->kind = XT_EXTUI;
        op->s = (uint8_t)(f->s | (f->op1 & 1) << 4);
        op->imm = (2u << f->op2) - 1;
        break;
    default:
        break;
    }
}

static void decode_lsai(const struct fields *f, struct xt_op *op)
{
    // clang-format off
    static const struct { uint8_t kind, shift; } table[16] = {
        [0] = {XT_L8UI, 0}, [1] = {XT_L16UI, 1}, [2] = {XT_L32I, 2}, [4] = {XT_S8I, 0}, [5] = {XT_S16I, 1},
        [6] = {XT_S32I, 2}, [9] = {XT_L16SI, 1}, [11] = {XT_L32I, 2}, [15] = {XT_S32I, 2}, // 11, 15: acquire, release
    };
    // clang-format on
    op->kind = table[f->r].kind;
    op->imm = f->imm8 << table[f->r].shift;
    switch (f->r) {
    case 7: // cache operations: the caches are not modelled
        op->kind = XT_NOP;
        break;
    case 10:
        op->kind = XT_MOVI;
        op->imm = extend(f->s << 8 | f->imm8, 12);
        break;
    case 12:
        op->kind = XT_ADDI;
        op->imm = extend(f->imm8, 8);
        break;
    case 13:
        op->kind = XT_ADDI; // ADDMI
        op->imm = extend(f->imm8, 8) << 8;
        break;
    default:
        break;
    }
}

// The families of MAC16 by op2: where the operands come from, and what is loaded beside the multiplication.
static void decode_mac16(const struct fields *f, struct xt_op *op)
{
    enum { A_A = 1, A_D = 2, D_A = 4, D_D = 8, INC = 16, DEC = 32, PLAIN = 64 };
    static const uint8_t families[16] = {
        D_D | INC, D_D | DEC, D_D, A_D, D_A | INC, D_A | DEC, D_A, A_A, PLAIN | INC, PLAIN | DEC,
    };
    const unsigned family = families[f->op2], load = family & (INC | DEC);
    const bool first_m = family & (D_D | D_A), second_m = family & (D_D | A_D);
    // Bits of the fields that must be zero.
    const unsigned r_zero = 8u | (first_m ? 0 : 4) | (load ? 0 : 3), t_zero = second_m ? 11 : 0;
    op->imm =
        f->op1 | (f->op2 & 1 && load ? XT_MAC_DECREMENT : 0) | (f->r & 3) << XT_MAC_TARGET_SHIFT;
    if (family & PLAIN) {
        if (f->op1 == 0 && f->r < 4 && f->t == 0)
            op->kind = XT_M_LOAD;
        return;
    }
    const unsigned operation = f->op1 & XT_MAC_OPERATION;
    if (family == 0 || f->r & r_zero || f->t & t_zero || (load && operation != XT_MAC_MULA) ||
        (operation == XT_MAC_UMUL && family != A_A))
        return;
    op->r = (uint8_t)(first_m ? XT_M0 + (f->r >> 2 & 1) : f->s);
    op->t = (uint8_t)(second_m ? XT_M0 + 2 + (f->t >> 2 & 1) : f->t);
    op->kind = load ? XT_MAC_LOAD : XT_MAC;
}

// A loop's first instruction must not cross a word of instruction memory: undefined on silicon.
static void decode_loop(const struct fields *f, struct xt_op *op)
{
    static const uint8_t kinds[16] = {[8] = XT_LOOP, XT_LOOPNEZ, XT_LOOPGTZ};
    if ((f->pc & 3) == 1 || (f->pc & 3) == 2)
        op->kind = kinds[f->r];
    op->imm = f->pc + 4 + f->imm8;
}

static void decode_si(const struct fields *f, struct xt_op *op)
{
    unsigned m = f->t >> 2;
    switch (f->t & 3) {
    case 0:
        op->kind = XT_J;
        op->imm = f->pc + 4 + extend(f->word >> 6, 18);
        break;
    case 1:
        op->kind = (uint8_t)(XT_BEQZ + m);
        op->imm = f->pc + 4 + extend(f->word >> 12, 12);
        break;
    case 2:
        op->kind = (uint8_t)(XT_BEQI + m);
        op->imm = f->pc + 4 + extend(f->imm8, 8);
        break;
    default: // m == 0: ENTRY; m == 1: loops, booleans
        op->imm = f->pc + 4 + extend(f->imm8, 8);
        if (m >= 2)
            op->kind = m == 2 ? XT_BLTUI : XT_BGEUI;
        else if (m == 1)
            decode_loop(f, op);
        break;
    }
}

static void decode_b(const struct fields *f, struct xt_op *op)
{
    static const uint8_t kinds[16] = {
        XT_BNONE, XT_BEQ, XT_BLT, XT_BLTU, XT_BALL,  XT_BBC, XT_BBCI, XT_BBCI,
        XT_BANY,  XT_BNE, XT_BGE, XT_BGEU, XT_BNALL, XT_BBS, XT_BBSI, XT_BBSI,
    };
    op->kind = kinds[f->r];
    op->imm = f->pc + 4 + extend(f->imm8, 8);
    if ((f->r & 6) == 6)
        op->t = (uint8_t)(f->t | (f->r & 1) << 4);
}

static void decode_st2(const struct fields *f, struct xt_op *op) // MOVI.N, BEQZ.N, BNEZ.N
{
    if (f->t & 8) {
        op->kind = f->t & 4 ? XT_BNEZ : XT_BEQZ;
        op->imm = f->pc + 4 + (f->r | (f->t & 3) << 4);
        return;
    }
    uint32_t v = f->r | (f->t & 7) << 4;
    op->kind = XT_MOVI;
    op->t = (uint8_t)f->s;
    op->imm = v < 96 ? v : v - 128;
}

static void decode_st3(const struct fields *f, struct xt_op *op)
{
    if (f->r == 0) {
        op->kind = XT_MOV;
    } else if (f->r == 15) {
        op->imm = f->s;
        if (f->t == 0 && f->s == 0)
            op->kind = XT_RET;
        else if (f->t == 2)
            op->kind = XT_BREAK;
        else if (f->t == 3 && f->s == 0)
            op->kind = XT_NOP;
        else if (f->t == 6 && f->s == 0)
            op->kind = XT_ILL;
    }
}

void xt_decode(uint32_t word, uint32_t pc, struct xt_op *op)
{
    struct fields f = {
        .word = word & 0xffffff,
        .pc = pc,
        .t = word >> 4 & 15,
        .s = word >> 8 & 15,
        .r = word >> 12 & 15,
        .op1 = word >> 16 & 15,
        .op2 = word >> 20 & 15,
        .imm8 = word >> 16 & 0xff,
    };
    *op = (struct xt_op){XT_ILLEGAL, (uint8_t)f.r, (uint8_t)f.s, (uint8_t)f.t, 0};
    switch (word & 15) {
    case 0:
        decode_qrst(&f, op);
        break;
    case 1:
        op->kind = XT_L32R;
        op->imm = ((pc + 3) & ~3u) + ((0xffff0000u | f.word >> 8) << 2);
        break;
    case 2:
        decode_lsai(&f, op);
        break;
    case 4:
        decode_mac16(&f, op);
        break;
    case 5:
        if ((f.t & 3) == 0) {
            op->kind = XT_CALL0;
            op->imm = (pc & ~3u) + 4 + (extend(f.word >> 6, 18) << 2);
        }
        break;
    case 6:
        decode_si(&f, op);
        break;
    case 7:
        decode_b(&f, op);
        break;
    case 8:
        op->kind = XT_L32I;
        op->imm = f.r << 2;
        break;
    case 9:
        op->kind = XT_S32I;
        op->imm = f.r << 2;
        break;
    case 10:
        op->kind = XT_ADD;
        break;
    case 11: // ADDI.N: the result is ar[r]
        op->kind = XT_ADDI;
        op->imm = f.t ? f.t : 0xffffffffu;
        op->t = (uint8_t)f.r;
        break;
    case 12:
        decode_st2(&f, op);
        break;
    case 13:
        decode_st3(&f, op);
        break;
    default:
        break;
    }
}

// The register of MAC16 that RSR_MAC and the like are about.
static uint32_t mac_register(const struct xt_op *op)
{
    return op->imm >= XT_SR_M0 ? 1u << (XT_M0 + op->imm - XT_SR_M0) : XT_ACC;
}

uint32_t xt_sources(const struct xt_op *op)
{
    uint32_t r = 1u << (op->r & 15), s = 1u << (op->s & 15), t = 1u << (op->t & 15);
    uint32_t mask = 0;
    if (op->kind >= XT_AND && op->kind <= XT_SRC) {
        mask = s | t;
        if (op->kind >= XT_MOVEQZ && op->kind <= XT_MOVGEZ)
            mask |= r; // the old value may stay
    } else if (op->kind >= XT_BNONE && op->kind <= XT_BBS) {
        mask = s | t;
    } else if (op->kind >= XT_BEQZ && op->kind <= XT_BBSI) {
        mask = s;
    } else {
        switch (op->kind) {
        case XT_NEG:
        case XT_ABS:
        case XT_SRAI:
        case XT_SRLI:
        case XT_SRL:
        case XT_SRA:
        case XT_EXTUI:
        case XT_WSR:
        case XT_XSR:
            mask = t;
            break;
        case XT_S8I:
        case XT_S16I:
        case XT_S32I:
            mask = s | t;
            break;
        case XT_MAC:
            mask = 1u << op->r | 1u << op->t;
            break;
        case XT_MAC_LOAD:
            mask = s | 1u << op->r | 1u << op->t;
            break;
        case XT_RSR_MAC:
            mask = mac_register(op);
            break;
        case XT_WSR_MAC:
            mask = t;
            break;
        case XT_XSR_MAC:
            mask = t | mac_register(op);
            break;
        case XT_L32R:
        case XT_MOVI:
        case XT_NOP:
        case XT_SSAI:
        case XT_J:
        case XT_CALL0:
            break;
        case XT_RET:
            mask = 1;
            break;
        default:
            mask = s;
            break;
        }
    }
    return mask;
}

uint32_t xt_late_result(const struct xt_op *op)
{
    const uint32_t loaded = 1u << (XT_M0 + (op->imm >> XT_MAC_TARGET_SHIFT & 3));
    switch (op->kind) {
    case XT_MAC:
        return XT_ACC;
    case XT_MAC_LOAD:
        return XT_ACC | loaded;
    case XT_M_LOAD:
        return loaded;
    case XT_L8UI:
    case XT_L16UI:
    case XT_L16SI:
    case XT_L32I:
    case XT_L32R:
        return 1u << op->t;
    case XT_MUL16U:
    case XT_MUL16S:
    case XT_MULL:
    case XT_MULUH:
    case XT_MULSH:
        return 1u << op->r;
    default:
        return 0;
    }
}
