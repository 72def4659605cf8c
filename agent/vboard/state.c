// SPDX-License-Identifier: GPL-2.0-only
// See state.h.
#include "agent/vboard/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// A fresh image appears under its name only when it is complete.
static int create_erased(const char *path, size_t bytes, struct err *e)
{
    char temp[512];
    uint8_t block[4096];
    int rc = -1;
    if ((size_t)snprintf(temp, sizeof temp, "%s.%ld.tmp", path, (long)getpid()) >= sizeof temp)
        return err_set(e, ERR_BAD_FIELD, "--state: the path is too long");
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(e, ERR_IO, "--state: cannot create %s: %s", temp, strerror(errno));
    memset(block, 0xff, sizeof block);
    for (size_t done = 0; done < bytes; done += sizeof block) {
        size_t n = bytes - done < sizeof block ? bytes - done : sizeof block;
        if (write(fd, block, n) != (ssize_t)n)
            goto out;
    }
    if (fsync(fd) || link(temp, path)) // link: never over a file that somebody else just made
        goto out;
    rc = 0;
out:
    if (rc)
        err_set(e, ERR_IO, "--state: cannot write %s: %s", path, strerror(errno));
    close(fd);
    unlink(temp);
    return rc;
}

int state_open(struct state *s, const char *path, size_t bytes, struct err *e)
{
    struct stat st;
    memset(s, 0, sizeof *s);
    s->fd = -1;
    s->bytes = bytes;
    if (!path) {
        s->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s->memory == MAP_FAILED) {
            s->memory = NULL;
            return err_set(e, ERR_NO_MEMORY, "no memory for %zu bytes of flash", bytes);
        }
        memset(s->memory, 0xff, bytes);
        return 0;
    }
    if (access(path, F_OK) && create_erased(path, bytes, e))
        return -1;
    s->fd = open(path, O_RDWR | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st)) {
        err_set(e, ERR_IO, "--state: cannot open %s: %s", path, strerror(errno));
        goto fail;
    }
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size != bytes) {
        err_set(e, ERR_CONFLICT,
                "--state: %s has %lld bytes, the board's flash %zu; give another file or remove it",
                path, (long long)st.st_size, bytes);
        goto fail;
    }
    if (flock(s->fd, LOCK_EX | LOCK_NB)) {
        err_set(e, ERR_CONFLICT, "--state: %s is in use by another virtual board", path);
        goto fail;
    }
    s->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (s->memory == MAP_FAILED) {
        s->memory = NULL;
        err_set(e, ERR_IO, "--state: cannot map %s: %s", path, strerror(errno));
        goto fail;
    }
    return 0;
fail:
    state_close(s);
    return -1;
}

void state_close(struct state *s)
{
    if (s->memory)
        munmap(s->memory, s->bytes);
    if (s->fd >= 0)
        close(s->fd);
    s->memory = NULL;
    s->fd = -1;
}
