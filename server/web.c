// SPDX-License-Identifier: MIT
// See web.h.
#include "server/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Scripts and styles come from this server only. Style attributes are allowed because plots position their tooltips with
// them; images may be made in the page (export of plots).
const char *const web_policy = "default-src 'none'; script-src 'self'; style-src 'self'; "
                               "style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; "
                               "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri "
                               "'none'; form-action 'none'; frame-ancestors 'none'";

static const char *web_type(const char *path)
{
    static const struct {
        const char *extension, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".mjs", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".json", "application/json"},
                 {".map", "application/json"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".ico", "image/x-icon"},
                 {".woff2", "font/woff2"},
                 {".txt", "text/plain; charset=utf-8"},
                 {".webmanifest", "application/manifest+json"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++) {
        if (strcmp(dot, types[i].extension) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

// Only segments of ordinary names: no "..", no hidden files, no backslashes or control characters.
static bool web_path_plain(const char *path)
{
    for (const char *s = path; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == '\\' || *s == 0x7F ||
            (s[0] == '/' && (s[1] == '.' || s[1] == '/')))
            return false;
    }
    return path[0] == '/';
}

// 0: read, 1: no such regular file, -1: failed.
static int web_try(const char *dir, const char *path, struct buf *out, struct err *e)
{
    char full[4096], chunk[16384];
    struct stat st;
    if (snprintf(full, sizeof full, "%s%s", dir, path) >= (int)sizeof full)
        return 1;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG
                   ? 1
                   : err_set(e, ERR_IO, "%s: %s", full, strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return 1;
    }
    int bad = st.st_size > (off_t)WEB_MAX_FILE
                  ? err_set(e, ERR_IO, "%s: larger than %u bytes", full, WEB_MAX_FILE)
                  : 0;
    for (ssize_t n = 1; n > 0 && !bad;) {
        n = read(fd, chunk, sizeof chunk);
        if (n < 0)
            bad = err_set(e, ERR_IO, "%s: %s", full, strerror(errno));
        else
            buf_add(out, chunk, (size_t)n);
    }
    close(fd);
    return bad;
}

int web_read(const char *dir, const char *path, struct buf *out, struct web_file *info,
             struct err *e)
{
    int got = 1;
    if (dir && web_path_plain(path)) {
        const char *want = strcmp(path, "/") == 0 ? "/index.html" : path;
        got = web_try(dir, want, out, e);
        *info = (struct web_file){.type = web_type(want),
                                  .immutable = strncmp(want, "/assets/", 8) == 0};
        const char *name = strrchr(path, '/');
        if (got == 1 && !strchr(name, '.')) {
            got = web_try(dir, "/index.html", out, e);
            *info = (struct web_file){.type = web_type("/index.html")};
        }
    }
    if (got == 1)
        return err_set(e, ERR_NOT_FOUND,
                       dir ? "there is nothing at %.200s"
                           : "there is nothing at %.200s: the server was started without --web",
                       path);
    return got;
}
