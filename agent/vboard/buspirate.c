// SPDX-License-Identifier: GPL-2.0-only
// See buspirate.h. Bytes of a command, then what is answered:
//   outside: 20 times 0x00 -> "BBIO1"; 0x06 -> "OCD1", OpenOCD mode; anything else is ignored
//   0x00 leave -> "BBIO1"                      0x01 pin mode, 1 byte -> nothing
//   0x02 feature, 2 bytes -> nothing           0x03 read voltages -> 10 bytes
//   0x05 shift: bits (2 bytes, high first), then for each 8 bits TDI, TMS -> 0x05, bits, TDO for each 8
//   0x07 line speed, 3 bytes -> 0x07, speed    0x08 JTAG speed, 2 bytes -> nothing
#include "agent/vboard/buspirate.h"
#include "agent/vboard/pty.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
enum {
    CMD_LEAVE = 0, CMD_PIN_MODE = 1, CMD_FEATURE = 2, CMD_READ_VOLTAGES = 3, CMD_SHIFT = 5, CMD_ENTER = 6,
    CMD_LINE_SPEED = 7, CMD_JTAG_SPEED = 8,
    FEATURE_SRST = 8,
    ENTER_ZEROS = 20,
    SHIFT_HEADER = 3,
    COMMAND_MAX = SHIFT_HEADER + 2 * 8192, // 65535 bits
};
// clang-format on

struct buspirate {
    struct jtag_tap *tap;
    struct buspirate_hooks hooks;
    struct pty pty;
    bool connected; // in OpenOCD mode
    unsigned zeros;
    uint8_t command[COMMAND_MAX];
    size_t used;
    bool warned;
};

struct buspirate *buspirate_new(struct jtag_tap *tap, const struct buspirate_hooks *hooks,
                                struct err *e)
{
    struct buspirate *p = calloc(1, sizeof *p);
    if (!p) {
        err_set(e, ERR_NO_MEMORY, "no memory for the JTAG adapter");
        return NULL;
    }
    p->tap = tap;
    p->hooks = *hooks;
    if (pty_open(&p->pty, NULL, e)) {
        free(p);
        return NULL;
    }
    return p;
}

void buspirate_free(struct buspirate *p)
{
    if (!p)
        return;
    pty_close(&p->pty);
    free(p);
}

const char *buspirate_tty(const struct buspirate *p)
{
    return p->pty.name;
}

bool buspirate_busy(const struct buspirate *p)
{
    return p->connected;
}

static void reply(struct buspirate *p, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    while (n--)
        pty_put(&p->pty, *at++);
}

static void outside(struct buspirate *p, uint8_t byte)
{
    p->zeros = byte == 0 ? p->zeros + 1 : 0;
    if (p->zeros == ENTER_ZEROS) {
        p->zeros = 0;
        reply(p, "BBIO1", 5);
    } else if (byte == CMD_ENTER) {
        p->connected = true;
        p->used = 0;
        reply(p, "OCD1", 4);
    }
}

static unsigned shift_bits(const struct buspirate *p)
{
    return (unsigned)p->command[1] << 8 | p->command[2];
}

// Bytes that the command under way has when it is complete, as far as they tell by now.
static size_t command_length(const struct buspirate *p)
{
    switch (p->command[0]) {
    case CMD_PIN_MODE:
        return 2;
    case CMD_FEATURE:
    case CMD_JTAG_SPEED:
        return 3;
    case CMD_LINE_SPEED:
        return 4;
    case CMD_SHIFT:
        return p->used < SHIFT_HEADER ? SHIFT_HEADER
                                      : SHIFT_HEADER + 2 * ((size_t)(shift_bits(p) + 7) / 8);
    default:
        return 1;
    }
}

static void shift(struct buspirate *p)
{
    unsigned bits = shift_bits(p);
    reply(p, p->command, SHIFT_HEADER);
    for (unsigned at = 0; at < bits; at += 8) {
        uint8_t tdi = p->command[SHIFT_HEADER + at / 4],
                tms = p->command[SHIFT_HEADER + at / 4 + 1];
        unsigned tdo = 0, n = bits - at < 8 ? bits - at : 8;
        for (unsigned i = 0; i < n; i++)
            tdo |= (unsigned)jtag_tap_clock(p->tap, tms >> i & 1, tdi >> i & 1) << i;
        pty_put(&p->pty, (uint8_t)tdo);
    }
}

static void obey(struct buspirate *p)
{
    static const uint8_t voltages[10] = {CMD_READ_VOLTAGES, 8};
    switch (p->command[0]) {
    case CMD_LEAVE:
        p->connected = false;
        p->zeros = 0;
        reply(p, "BBIO1", 5);
        break;
    case CMD_FEATURE:
        if (p->command[1] == FEATURE_SRST && p->hooks.system_reset)
            p->hooks.system_reset(p->hooks.user, p->command[2] == 0); // the pin's level
        break;
    case CMD_READ_VOLTAGES:
        reply(p, voltages, sizeof voltages);
        break;
    case CMD_SHIFT:
        shift(p);
        break;
    case CMD_LINE_SPEED:
        reply(p, p->command, 2);
        break;
    case CMD_PIN_MODE:
    case CMD_JTAG_SPEED:
        break;
    default:
        if (!p->warned)
            log_warn("buspirate", "unknown command 0x%02x from the debugger: ignored",
                     p->command[0]);
        p->warned = true;
        break;
    }
}

void buspirate_input(struct buspirate *p, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!p->connected) {
            outside(p, bytes[i]);
            continue;
        }
        p->command[p->used++] = bytes[i];
        if (p->used < command_length(p))
            continue;
        if (!p->hooks.silent || !p->hooks.silent(p->hooks.user))
            obey(p);
        p->used = 0;
    }
}

void buspirate_poll_prepare(struct buspirate *p, struct pollfd fds[BUSPIRATE_FDS])
{
    pty_flush(&p->pty);
    // While answers wait to be read nothing new is taken: they must not be lost.
    fds[0] = (struct pollfd){.fd = p->pty.master, .events = p->pty.out_used ? POLLOUT : POLLIN};
}

void buspirate_poll_handle(struct buspirate *p, const struct pollfd fds[BUSPIRATE_FDS])
{
    uint8_t bytes[4096];
    if (fds[0].revents & POLLIN)
        buspirate_input(p, bytes, pty_read(&p->pty, bytes, sizeof bytes));
    pty_flush(&p->pty);
}
