// SPDX-License-Identifier: MIT
// The JSON edge of the agent's own files: rig.json (which boards are plugged in here), board.json
// (what the agent needs to know of a kind of board), and the line that a virtual board prints when
// it is ready.
#ifndef AGENT_RIG_FILE_H
#define AGENT_RIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct rig_config {
    char name[64];      // unique on this host: a letter or digit, then also ". _ -"
    char board[48];     // id of a folder in firmware/boards
    char serial[65];    // of the debug probe
    char tty[256];      // "usb:0483:374b:SERIAL" (port.h), a path, or a virtual board's link
    int stlink_port;    // ST-LINK server on loopback; 0: none
    char jtag_tty[256]; // terminal of a JTAG adapter; "": none. With neither the probe is on USB
    // Switches the board's power off and on: arguments, each with its NUL, one behind the other; 0: there is none.
    char power_cycle[512];
    int power_cycle_args;
    int power_cycle_s; // its deadline
};

// Reads {"rigs":[{"name","board","serial","tty","stlink_port"?,"jtag_tty"?,"power_cycle"?,"power_cycle_s"?}]}
// strictly: unknown fields, two rigs with one name, serial or tty (also by two names of one device), and wrong values are refused with a message that names file,
// rig and field. *rigs is malloc'ed, the caller frees it; it may have 0 entries. Files are at most
// 1 MB, rigs at most 256.
int rig_file_load(const char *path, struct rig_config **rigs, size_t *n, struct err *e);
int rig_file_parse(const char *where, const char *text, size_t len, struct rig_config **rigs,
                   size_t *n, struct err *e);

// The command as an argv array with its NULL at the end; argv has room for RIG_POWER_ARGS + 1.
enum { RIG_POWER_ARGS = 16 };
void rig_file_power_argv(const struct rig_config *c, const char **argv);

struct board_info {
    char kernels[32];           // variant that programs are compiled for
    int baud;                   // of the serial line
    uint32_t program_max_bytes; // room for a program in flash
};

// Reads <boards>/<id>/board.json. Its other fields are the server's affair.
int rig_file_load_board(const char *boards, const char *id, struct board_info *out, struct err *e);

// Reads {"board","serial","tty", and "stlink_port" or "jtag_tty"} as printed by farm-vboard. name is
// left alone.
int rig_file_parse_ready(const char *text, size_t len, struct rig_config *out, struct err *e);

// True for a name that is safe as a part of a path and of a URL.
bool rig_file_name_ok(const char *name, size_t max);

#endif
