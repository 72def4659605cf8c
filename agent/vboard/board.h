// SPDX-License-Identifier: GPL-2.0-only
// A virtual board: memory map, core, SoC and serial line put together. What is a fact of the board comes from
// boards/<id>/board.json; what is a fact of the chip is in its soc_*.c or a table beside it.
//
//   address      what (STM32F767)                       access
//   0x00000000   ITCM-RAM 16 KB                         cpu_map_memory
//   0x00200000   flash, ITCM view                       read-only, stores go to the flash controller
//   0x08000000   flash, AXIM view (the same bytes)
//   0x20000000   DTCM, SRAM1, SRAM2: 512 KB
//   0x40000000   peripherals                            soc_stm32.c
//   0xe0000000   system control space, DWT, debug       armv7m.c (0xe0042000 DBGMCU: SoC)
//   0xf0000000   the virtual board's own page           board.c
#ifndef VBOARD_BOARD_H
#define VBOARD_BOARD_H

#include "agent/vboard/cpu.h"
#include "agent/vboard/fault.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board_config { // board.json
    char id[48], name[64], core[32], soc[32];
    uint32_t ram_bytes, flash_bytes, clock_hz, baud;
    uint32_t program_address;
    // Wiring of an STM32 board; 0 and "" where board.json has none.
    uint32_t hse_hz;  // clock or crystal at OSC_IN
    bool hse_bypass;  // a clock, not a crystal
    uint32_t usart;   // number of the USART on the serial line
    char usart_tx[8]; // its pins: "PD8"
    char usart_rx[8];
};

// Reads <boards_dir>/<id>/board.json. Errors name the file and the field.
int board_config_load(struct board_config *cfg, const char *boards_dir, const char *id,
                      struct err *e);

enum { BOARD_MAX_RANGES = 8, BOARD_MISUSES = 8 };

struct board_range { // memory, as debugger and exception entry see it
    uint32_t base, size;
    uint8_t *memory;
    bool flash; // stores go through the flash controller
};

struct soc; // of the soc_*.c in use

struct board {
    struct board_config config;
    char serial[33]; // of the ST-LINK
    struct cpu *cpu;
    const struct soc_ops *soc_ops;
    struct soc *soc;
    struct board_range ranges[BOARD_MAX_RANGES];
    int range_count;
    uint8_t *flash; // flash_bytes, the caller's
    struct fault fault;
    uint64_t reset_instructions; // cpu_instructions() at the last reset
    uint32_t page_latch; // high word of the instruction counter, latched by reading the low one
    bool nrst_low;
    bool reset_requested; // by a register of the SoC
    // Wrong use of the hardware since the last reset: board_misuse().
    char misuse[BOARD_MISUSES][192];
    int misuse_count;
    bool misuse_due;      // the core has not yet taken the fault for the last of them
    bool debugging;       // the access under way is a debugger's
    int debugger_misuses; // said in the log
    bool hung;            // fault injection
    uint64_t strike_at;   // fault injection: when the instruction counter is there; 0: never
    // What the board sends on its serial line. Set by the owner.
    void (*uart_out)(void *user, uint8_t byte);
    void *uart_user;
};

// flash: flash_bytes of memory, page-aligned, that outlives the board. It starts in reset state, running.
struct board *board_new(const struct board_config *cfg, uint8_t *flash, struct err *e);
void board_free(struct board *b);

void board_add_range(struct board *b, uint32_t base, uint32_t size, uint8_t *memory,
                     bool flash); // for soc_*.c
void board_reset(struct board *b, bool by_software);
void board_set_nrst(struct board *b, bool low);
bool board_runnable(const struct board *b); // there is work for board_run
bool board_idle(const struct board *b);     // it runs, but only waits for its serial line
bool board_waits_for_debugger(
    const struct board *b); // nothing but a debugger or a reset gets it going
void board_run(struct board *b, uint64_t instructions);
void board_wake(struct board *b);                       // ends a WFI
void board_let_time_pass(struct board *b, uint64_t ns); // idle time, in the board's cycles
size_t board_uart_in(struct board *b, const uint8_t *bytes,
                     size_t n);                     // returns how many were taken
void board_uart_out(struct board *b, uint8_t byte); // for soc_*.c: leaves through a pin

// For soc_*.c: the hardware is used in a way that silicon answers with a status bit or with nothing. The board does not
// pass over it: the log says why, and the core takes a bus fault before its next block of instructions. The same words
// do that once per reset. What a debugger does is only logged.
void board_misuse(struct board *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Memory or NULL; write: translated code from it is forgotten.
uint8_t *board_memory(struct board *b, uint32_t address, uint32_t size, bool write);
// The debugger's view of one location, size 1, 2 or 4, aligned. false: nothing there.
bool board_debug_read(struct board *b, uint32_t address, unsigned size, uint32_t *value);
bool board_debug_write(struct board *b, uint32_t address, unsigned size, uint32_t value);

#endif
