// SPDX-License-Identifier: MIT
// Where the bare image finds things; kernel-run maps them for every core.
#ifndef TESTS_KERNELS_BARE_H
#define TESTS_KERNELS_BARE_H

#define BARE_BASE 0x10000000u  // image, entry
#define BARE_BYTES 0x08000000u // of memory, for everything
#define BARE_CASES 0x10400000u
#define BARE_COUNTER 0x40000000u // a register: instructions so far

#endif
