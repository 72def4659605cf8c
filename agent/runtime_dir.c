// SPDX-License-Identifier: MIT
// See runtime_dir.h. A folder is called farm-agent.<pid>.XXXXXX; it is stale when no process has
// that pid.
#include "agent/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_PREFIX "farm-agent."

static const char *runtime_dir_base(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    if (!dir || dir[0] != '/' || access(dir, W_OK) < 0)
        dir = getenv("TMPDIR");
    if (!dir || dir[0] != '/' || access(dir, W_OK) < 0)
        dir = "/tmp";
    return dir;
}

static void runtime_dir_remove_at(int base, const char *name)
{
    // O_NOFOLLOW: /tmp is shared, a link there may point anywhere
    int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *d;
    while ((d = readdir(dir))) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            unlinkat(dirfd(dir), d->d_name, 0);
    }
    closedir(dir);
    unlinkat(base, name, AT_REMOVEDIR);
}

static void runtime_dir_sweep(const char *base)
{
    DIR *dir = opendir(base);
    struct dirent *d;
    while (dir && (d = readdir(dir))) {
        struct stat st;
        char *end;
        if (strncmp(d->d_name, DIR_PREFIX, sizeof DIR_PREFIX - 1) != 0)
            continue;
        long pid = strtol(d->d_name + sizeof DIR_PREFIX - 1, &end, 10);
        if (*end != '.' || pid <= 1 || pid > INT32_MAX ||
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != geteuid())
            continue;
        if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
            runtime_dir_remove_at(dirfd(dir), d->d_name);
    }
    if (dir)
        closedir(dir);
}

int runtime_dir_make(char *path, size_t size, struct err *e)
{
    const char *base = runtime_dir_base();
    runtime_dir_sweep(base);
    int n = snprintf(path, size, "%s/" DIR_PREFIX "%ld.XXXXXX", base, (long)getpid());
    if (n < 0 || (size_t)n >= size || !mkdtemp(path)) {
        path[0] = '\0';
        return err_set(e, ERR_IO, "cannot make a runtime folder in %s: %s (set XDG_RUNTIME_DIR)",
                       base, n > 0 && (size_t)n >= size ? "the path is too long" : strerror(errno));
    }
    return 0;
}

void runtime_dir_remove(const char *path)
{
    if (path[0])
        runtime_dir_remove_at(AT_FDCWD, path);
}
