// SPDX-License-Identifier: MIT
// See serial.h. After opening, both kinds of port are a file descriptor with poll().
#include "agent/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "agent/child.h"

// Major numbers of the far ends of pseudo-terminals (Linux, Documentation/admin-guide/devices.txt).
enum { PTY_MAJOR_FIRST = 136, PTY_MAJOR_LAST = 143 };

struct serial {
    char *path;           // as the user wrote it, for messages
    int fd;               // of either kind
    struct sp_port *port; // NULL for a pseudo-terminal, else owns fd
};

static const char *port_why(enum sp_return rc)
{
    return rc == SP_ERR_FAIL  ? strerror(errno)
           : rc == SP_ERR_ARG ? "not a serial port"
                              : "not supported";
}

static int serial_open_pty(struct serial *s, const char *device, struct err *e)
{
    struct termios raw;
    s->fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0 || tcgetattr(s->fd, &raw) < 0)
        return err_set(e, ERR_OFFLINE, "cannot open %s: %s", s->path, strerror(errno));
    cfmakeraw(&raw);
    if (tcsetattr(s->fd, TCSANOW, &raw) < 0)
        return err_set(e, ERR_OFFLINE, "cannot configure %s: %s", s->path, strerror(errno));
    return 0;
}

static int serial_open_port(struct serial *s, const char *device, int baud, struct err *e)
{
    enum sp_return rc = sp_get_port_by_name(device, &s->port);
    if (rc != SP_OK)
        s->port = NULL;
    if (rc == SP_OK && (rc = sp_open(s->port, SP_MODE_READ_WRITE)) != SP_OK) {
        err_set(e, ERR_OFFLINE, "cannot open %s: %s", s->path, port_why(rc));
        sp_free_port(s->port); // sp_close() is for open ports only
        s->port = NULL;
        return -1;
    }
    if (rc != SP_OK)
        return err_set(e, ERR_OFFLINE, "cannot open %s: %s", s->path, port_why(rc));
    if ((rc = sp_set_baudrate(s->port, baud)) != SP_OK || (rc = sp_set_bits(s->port, 8)) != SP_OK ||
        (rc = sp_set_parity(s->port, SP_PARITY_NONE)) != SP_OK ||
        (rc = sp_set_stopbits(s->port, 1)) != SP_OK ||
        (rc = sp_set_flowcontrol(s->port, SP_FLOWCONTROL_NONE)) != SP_OK ||
        (rc = sp_get_port_handle(s->port, &s->fd)) != SP_OK)
        return err_set(e, ERR_OFFLINE, "cannot set %s to %d baud 8N1: %s", s->path, baud,
                       port_why(rc));
    return 0;
}

struct serial *serial_open(const char *path, int baud, struct err *e)
{
    struct stat st;
    char *device = realpath(path, NULL); // links of udev and of virtual boards
    struct serial *s = calloc(1, sizeof *s);
    if (s)
        s->fd = -1;
    if (!s || !(s->path = strdup(path))) {
        err_set(e, ERR_NO_MEMORY, "out of memory");
        goto fail;
    }
    if (!device || stat(device, &st) < 0) {
        err_set(e, ERR_OFFLINE, "%s is missing: is the board plugged in?", path);
        goto fail;
    }
    if (!S_ISCHR(st.st_mode)) {
        err_set(e, ERR_OFFLINE, "%s is not a tty", path);
        goto fail;
    }
    bool pty = major(st.st_rdev) >= PTY_MAJOR_FIRST && major(st.st_rdev) <= PTY_MAJOR_LAST;
    if ((pty ? serial_open_pty(s, device, e) : serial_open_port(s, device, baud, e)) < 0)
        goto fail;
    if (flock(s->fd, LOCK_EX | LOCK_NB) < 0) {
        err_set(e, ERR_OFFLINE, "%s is in use by another agent", path);
        goto fail;
    }
    free(device);
    return s;
fail:
    free(device);
    serial_close(s);
    return NULL;
}

void serial_close(struct serial *s)
{
    if (!s)
        return;
    if (s->port) {
        sp_close(s->port);
        sp_free_port(s->port);
    } else if (s->fd >= 0) {
        close(s->fd);
    }
    free(s->path);
    free(s);
}

static int serial_gone(const struct serial *s, struct err *e)
{
    return err_set(e, ERR_OFFLINE, "%s went away", s->path);
}

int serial_read(struct serial *s, void *bytes, size_t max, int timeout_ms, struct err *e)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    int n = poll(&p, 1, timeout_ms);
    if (n == 0 || (n < 0 && errno == EINTR))
        return 0;
    ssize_t got = n < 0 ? -1 : read(s->fd, bytes, max);
    if (got > 0)
        return (int)got;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return serial_gone(s, e); // 0 bytes although poll() promised some: hung up
}

int serial_write(struct serial *s, const void *bytes, size_t n, int timeout_ms, struct err *e)
{
    const char *at = bytes;
    int64_t deadline = child_now_ms() + timeout_ms;
    while (n) {
        ssize_t put = write(s->fd, at, n);
        if (put > 0) {
            at += put;
            n -= (size_t)put;
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return serial_gone(s, e);
        int64_t left = deadline - child_now_ms();
        struct pollfd p = {.fd = s->fd, .events = POLLOUT};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return err_set(e, ERR_SERIAL,
                           "%s takes no bytes: the board does not read its serial line", s->path);
    }
    return 0;
}

void serial_discard(struct serial *s)
{
    tcflush(s->fd, TCIFLUSH);
}
