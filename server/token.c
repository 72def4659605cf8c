// SPDX-License-Identifier: MIT
// See token.h.
#include "server/token.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"

#define MAX_TOKENS 1000

static const char *const role_names[] = {"none", "read", "submit", "agent", "admin"};

const char *role_name(enum role r)
{
    return role_names[r];
}

int role_allows(enum role have, enum role need)
{
    switch (need) {
    case ROLE_NONE:
        return 1;
    case ROLE_READ:
        return have != ROLE_NONE;
    case ROLE_SUBMIT:
        return have == ROLE_SUBMIT || have == ROLE_ADMIN;
    case ROLE_AGENT:
        return have == ROLE_AGENT || have == ROLE_ADMIN;
    case ROLE_ADMIN:
        return have == ROLE_ADMIN;
    }
    return 0;
}

static int token_line(const char *path, int number, const char *line, struct tokens *out,
                      struct err *e)
{
    char role[16] = "", sha[80] = "", name[64] = "";
    int fields = sscanf(line, "%15s %79s %63s", role, sha, name);
    if (fields < 1 || role[0] == '#')
        return 0;
    enum role r = ROLE_NONE;
    for (int i = ROLE_READ; i <= ROLE_ADMIN; i++) {
        if (strcmp(role_names[i], role) == 0)
            r = (enum role)i;
    }
    if (r == ROLE_NONE)
        return err_set(e, ERR_BAD_FIELD, "%s:%d: the role must be read, submit, agent or admin",
                       path, number);
    if (!hash_hex_valid(sha))
        return err_set(
            e, ERR_BAD_FIELD,
            "%s:%d: after the role comes the SHA-256 of the token: 64 lower-case hex digits", path,
            number);
    if (out->n == MAX_TOKENS)
        return err_set(e, ERR_BAD_FIELD, "%s:%d: more than %d tokens", path, number, MAX_TOKENS);
    struct token *t = &out->at[out->n++];
    t->role = r;
    memcpy(t->sha256, sha, sizeof t->sha256);
    snprintf(t->name, sizeof t->name, "%s", name);
    return 0;
}

int tokens_load(const char *path, struct tokens *out, struct err *e)
{
    int bad = -1;
    struct buf text;
    buf_init(&text, 1u << 20);
    *out = (struct tokens){.at = calloc(MAX_TOKENS, sizeof *out->at)};
    if (!out->at) {
        err_set(e, ERR_NO_MEMORY, "no memory for tokens");
        goto out;
    }
    if (buf_read_file(&text, path)) {
        err_set(e, ERR_IO, "--tokens %s: %s", path, strerror(errno));
        goto out;
    }
    int number = 1;
    for (char *line = text.data ? (char *)text.data : NULL, *next; line && *line;
         line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (token_line(path, number, line, out, e))
            goto out;
    }
    if (out->n == 0) {
        err_set(e, ERR_BAD_FIELD, "--tokens %s: there is no token in it", path);
        goto out;
    }
    bad = 0;
out:
    buf_free(&text);
    if (bad)
        tokens_free(out);
    return bad;
}

void tokens_free(struct tokens *t)
{
    free(t->at);
    *t = (struct tokens){0};
}

enum role tokens_role(const struct tokens *t, const char *authorization)
{
    char sha[HASH_HEX_SIZE];
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return ROLE_NONE;
    const char *token = authorization + 7;
    if (hash_hex(token, strlen(token), sha, NULL))
        return ROLE_NONE;
    enum role found = ROLE_NONE;
    for (size_t i = 0; i < t->n;
         i++) { // all of them, so that the time does not tell which one matched
        if (hash_hex_equal(t->at[i].sha256, sha))
            found = t->at[i].role;
    }
    return found;
}
