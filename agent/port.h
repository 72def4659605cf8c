// SPDX-License-Identifier: MIT
// Which device a serial line is, by USB id: "usb:VENDOR:PRODUCT:SERIAL", hex numbers as lsusb prints them, and
// "#N" behind it where one USB device has several serial ports (N = 1: the first). Such an id stays with the board
// wherever it is plugged in, /dev/ttyACM0 does not.
#ifndef AGENT_PORT_H
#define AGENT_PORT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct port_entry {
    char path[128]; // "/dev/ttyACM0"
    int vendor, product;
    char serial[128], description[128]; // "" where the device tells none
};

struct port_source {
    // The serial ports on USB that are there now; at most max. -1: they cannot be listed.
    int (*list)(void *ctx, struct port_entry *out, int max);
    void *ctx;
};
extern const struct port_source port_usb; // of this machine, through libserialport

enum { PORT_MAX = 256 };

bool port_is_id(const char *tty);                 // begins with "usb:"
int port_check_id(const char *id, struct err *e); // ERR_BAD_FIELD says what is wrong with it

// The device of tty: a path is itself, an id is looked up. -1 with ERR_OFFLINE: it is not plugged in, or the id names
// several ports; the message tells which ones are there.
int port_find(const struct port_source *source, const char *tty, char *path, size_t size,
              struct err *e);

#endif
