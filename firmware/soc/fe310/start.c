// SPDX-License-Identifier: MIT
// What the board's boot loader jumps to.
__asm__("    .section .entry, \"ax\"\n"
        "    .global fe310_entry\n"
        "fe310_entry:\n"
        "    csrw mie, zero\n"
        "    csrci mstatus, 8\n" // MIE off: the boot loader may have left it on
        "    la t0, riscv_vector\n"
        "    csrw mtvec, t0\n"
        "    la sp, fw_stack_top\n"
        "    li ra, 0\n"
        "    j soc_start\n"
        "    .text\n");
