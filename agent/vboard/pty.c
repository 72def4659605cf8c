// SPDX-License-Identifier: GPL-2.0-only
// See pty.h.
#include "agent/vboard/pty.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int make_link(struct pty *p, const char *link, struct err *e)
{
    struct stat st;
    if (strlen(link) >= sizeof p->link)
        return err_set(e, ERR_BAD_FIELD, "--tty-link: the path is longer than %zu characters",
                       sizeof p->link - 1);
    if (lstat(link, &st) == 0) {
        if (!S_ISLNK(st.st_mode))
            return err_set(e, ERR_CONFLICT, "--tty-link: %s exists and is no symbolic link", link);
        unlink(link);
    }
    if (symlink(p->name, link))
        return err_set(e, ERR_IO, "--tty-link: cannot make %s: %s", link, strerror(errno));
    memcpy(p->link, link, strlen(link) + 1);
    return 0;
}

int pty_open(struct pty *p, const char *link, struct err *e)
{
    struct termios t;
    memset(p, 0, sizeof *p);
    p->slave = -1;
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p->master < 0 || grantpt(p->master) || unlockpt(p->master) ||
        ptsname_r(p->master, p->name, sizeof p->name)) {
        err_set(e, ERR_IO, "cannot open a pseudo-terminal: %s", strerror(errno));
        goto fail;
    }
    p->slave = open(p->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p->slave < 0 || tcgetattr(p->slave, &t)) {
        err_set(e, ERR_IO, "cannot open %s: %s", p->name, strerror(errno));
        goto fail;
    }
    cfmakeraw(&t);
    if (tcsetattr(p->slave, TCSANOW, &t) || fcntl(p->master, F_SETFL, O_NONBLOCK)) {
        err_set(e, ERR_IO, "cannot set up %s: %s", p->name, strerror(errno));
        goto fail;
    }
    if (link && make_link(p, link, e))
        goto fail;
    return 0;
fail:
    pty_close(p);
    return -1;
}

void pty_close(struct pty *p)
{
    char target[sizeof p->name] = "";
    if (p->link[0] && readlink(p->link, target, sizeof target - 1) > 0 &&
        strcmp(target, p->name) == 0)
        unlink(p->link); // unless another board took the name over
    p->link[0] = '\0';
    if (p->slave >= 0)
        close(p->slave);
    if (p->master >= 0)
        close(p->master);
    p->slave = p->master = -1;
}

void pty_put(struct pty *p, uint8_t byte)
{
    if (p->out_used == sizeof p->out)
        pty_flush(p);
    if (p->out_used == sizeof p->out) {
        if (p->lost++ == 0)
            log_warn("pty", "nobody reads %s: bytes are lost", p->name);
        return;
    }
    p->out[p->out_used++] = byte;
}

void pty_flush(struct pty *p)
{
    while (p->out_used > 0) {
        ssize_t n = write(p->master, p->out, p->out_used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        memmove(p->out, p->out + n, p->out_used - (size_t)n);
        p->out_used -= (size_t)n;
    }
}

size_t pty_read(struct pty *p, uint8_t *bytes, size_t n)
{
    ssize_t got = read(p->master, bytes, n);
    return got > 0 ? (size_t)got : 0;
}
