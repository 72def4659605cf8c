// SPDX-License-Identifier: MIT
// Runs oracle_main() (or oracle_stream, which returns likewise) on a stack of its own, then ends: under QEMU by writing
// oracle_result to standard output through the simulator call, elsewhere by a jump to itself.
#ifndef RESULT_BYTES
#error "RESULT_BYTES says how much of oracle_result is written"
#endif
    .section .start, "ax"
    .global start
start:
    j run
    .text
    .align 4
    .literal_position
run:
    movi a2, 0x2f // PS: no exception at hand, so that loops go round
    wsr.ps a2
    rsync
    movi a1, stack_top - 16
    movi a2, ENTRY
    callx0 a2
    .begin no-transform
#ifdef QEMU
    nop // both images have all addresses in common
#else
    j end
#endif
    .end no-transform
    movi a2, 4 // write
    movi a3, 1
    movi a4, oracle_result
    movi a5, RESULT_BYTES
    simcall
    movi a2, 1 // exit
    movi a3, 0
    simcall
end:
    j end
    .bss
    .align 16
    .space 4096
stack_top:
