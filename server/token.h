// SPDX-License-Identifier: MIT
// Bearer tokens: a file of lines "role sha256-hex name" (# comments). The file holds hashes only; a token is 20 characters
// or more out of a random generator, so that a plain SHA-256 of it cannot be searched.
#ifndef SERVER_TOKEN_H
#define SERVER_TOKEN_H

#include <stddef.h>

#include "server/hash.h"
#include "server/request.h"

struct token {
    enum role role;
    char sha256[HASH_HEX_SIZE];
    char name[64];
};

struct tokens {
    size_t n;
    struct token *at; // owned
};

int tokens_load(const char *path, struct tokens *out,
                struct err *e); // names the line that is wrong
void tokens_free(struct tokens *t);
// Role of the value of an Authorization header ("Bearer x"); ROLE_NONE when it is not a known token.
enum role tokens_role(const struct tokens *t, const char *authorization);
// May a role do what needs another one? read < submit < admin; agent does what read does, and the agent's own.
int role_allows(enum role have, enum role need);
const char *role_name(enum role r);

#endif
