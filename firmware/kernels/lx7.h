// SPDX-License-Identifier: MIT
// Instructions of Xtensa LX7 by name, as macros of the assembler: its compiler, lx106's, knows the ABI but not these.
// Put together from the fields of the Xtensa ISA reference manual. Operands are registers as the compiler writes them;
// M registers are numbers, halves of operands ll, hl, lh, hh.
#ifndef KERNELS_LX7_H
#define KERNELS_LX7_H

// clang-format off
__asm__(
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    ".set lx7_a\\n, \\n\n"
    ".endr\n"
    ".set lx7_ll, 8\n"
    ".set lx7_hl, 9\n"
    ".set lx7_lh, 10\n"
    ".set lx7_hh, 11\n"
    ".macro lx7_rrr op2, op1, r, s, t, op0\n"
    "    .byte (\\t) << 4 | \\op0, (\\r) << 4 | (\\s), \\op2 << 4 | (\\op1)\n"
    ".endm\n"
    ".macro lx7_sext8 r, s\n" // SEXT r, s, 7
    "    lx7_rrr 2, 3, lx7_\\r, lx7_\\s, 0, 0\n"
    ".endm\n"
    ".macro lx7_clamps8 r, s\n" // CLAMPS r, s, 7
    "    lx7_rrr 3, 3, lx7_\\r, lx7_\\s, 0, 0\n"
    ".endm\n"
    ".macro lx7_mulsh r, s, t\n"
    "    lx7_rrr 11, 2, lx7_\\r, lx7_\\s, lx7_\\t, 0\n"
    ".endm\n"
    ".macro lx7_wsr_acclo t\n"
    "    lx7_rrr 1, 3, 1, 0, lx7_\\t, 0\n"
    ".endm\n"
    ".macro lx7_rsr_acclo t\n"
    "    lx7_rrr 0, 3, 1, 0, lx7_\\t, 0\n"
    ".endm\n"
    ".macro lx7_ldinc w, s\n" // M register w = the word at s += 4
    "    lx7_rrr 8, 0, \\w, lx7_\\s, 0, 4\n"
    ".endm\n"
    ".macro lx7_mula_dd_ldinc halves, w, s, x, y\n" // ACC += x * y, and LDINC; x: 0 or 1, y: 2 or 3
    "    lx7_rrr 0, lx7_\\halves, \\x << 2 | \\w, lx7_\\s, (\\y & 1) << 2, 4\n"
    ".endm\n"
    ".macro lx7_align\n" // to a word; the assembler fills up with what is no instruction
    "    j lx7_aligned\\@\n"
    "    .balign 4\n"
    "lx7_aligned\\@:\n"
    ".endm\n"
    ".macro lx7_loop s, bytes\n" // at an address of 1 or 2 modulo 4
    "    .byte 0x76, 8 << 4 | lx7_\\s, \\bytes - 1\n"
    ".endm\n");
// clang-format on

#endif
