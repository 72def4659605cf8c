// SPDX-License-Identifier: MIT
// OpenOCD as a child process: one process per flash. What is written where is the board folder's
// openocd.cfg's affair (Tcl procedures farm_flash and farm_flash_program).
#ifndef AGENT_OPENOCD_H
#define AGENT_OPENOCD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct openocd_target {
    const char *openocd;        // program; looked up in PATH when it has no slash
    const char *config;         // .../boards/<id>/openocd.cfg
    const char *serial;         // of the probe
    int stlink_port;            // ST-LINK server on loopback; 0: none
    const char *jtag_tty;       // terminal of a JTAG adapter; NULL or "": none. With neither: USB
    int deadline_ms;            // then SIGTERM, and SIGKILL 2 s later
    bool (*on_tick)(void *ctx); // see child.h
    void (*on_output)(void *ctx, const char *text, size_t len);
    void *ctx;
};

// Texts that are put into OpenOCD commands must not end a Tcl word: paths (in braces) may not hold
// braces, backslashes or control characters; serials are letters, digits and ". _ : -" only.
bool openocd_path_ok(const char *path);
bool openocd_serial_ok(const char *serial);

// Writes firmware (NULL: leave it) and program, verifies both, resets the board and lets it run.
// Errors: ERR_FLASH with OpenOCD's own words, ERR_WRONG_BOARD when the chip is another one than the
// board's file expects, ERR_OFFLINE when the probe or the board does not answer or on_tick stopped it.
int openocd_flash(const struct openocd_target *t, const char *firmware_elf, const char *program,
                  struct err *e);

#endif
