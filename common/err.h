// SPDX-License-Identifier: MIT
// Errors of the host programs: one table gives the enum, the stable problem type of the REST API,
// its HTTP status and its title. Functions return int, 0 or -1; the words travel in struct err, set
// once, where the cause is known.
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

// clang-format off
#define ERR_MAP(X)                                                                   \
    /* code             problem type        HTTP  title                           */ \
    X(ERR_BAD_REQUEST,  "bad-request",      400, "The request is malformed")         \
    X(ERR_BAD_JSON,     "bad-json",         400, "The body is not valid JSON")       \
    X(ERR_BAD_FIELD,    "bad-field",        422, "A field has a wrong value")        \
    X(ERR_BAD_MODEL,    "bad-model",        422, "The file is not a usable model")   \
    X(ERR_UNSUPPORTED,  "unsupported-op",   422, "The model uses something unsupported") \
    X(ERR_TOO_COMPLEX,  "too-complex",      422, "The model takes too long to plan") \
    X(ERR_NO_FIT,       "does-not-fit",     422, "The configuration does not fit the board") \
    X(ERR_UNAUTHORIZED, "unauthorized",     401, "A valid token is needed")          \
    X(ERR_FORBIDDEN,    "forbidden",        403, "The token's role does not allow this") \
    X(ERR_NOT_FOUND,    "not-found",        404, "There is no such thing")           \
    X(ERR_UNKNOWN_BOARD,"unknown-board",    422, "There is no such board")           \
    X(ERR_METHOD,       "method-not-allowed",405,"The method is not allowed here")   \
    X(ERR_CONFLICT,     "conflict",         409, "The state does not allow this")    \
    X(ERR_STALE_LEASE,  "stale-lease",      409, "The lease is no longer valid")     \
    X(ERR_TOO_LARGE,    "too-large",        413, "The body is too large")            \
    X(ERR_RATE,         "too-many-requests",429, "Too many requests")                \
    X(ERR_FLASH,        "flash-failed",     502, "OpenOCD could not flash the board") \
    X(ERR_SERIAL,       "serial-timeout",   504, "The board did not answer on its serial line") \
    X(ERR_GARBAGE,      "serial-garbage",   502, "The serial line carried garbage")  \
    X(ERR_WRONG_BOARD,  "wrong-board",      502, "Another board, firmware or program answered") \
    X(ERR_FAULT,        "board-fault",      502, "The firmware reported a fault")    \
    X(ERR_MISMATCH,     "output-mismatch",  422, "The output differs from the reference") \
    X(ERR_OFFLINE,      "board-offline",    503, "The board is not reachable")       \
    X(ERR_IO,           "io",               500, "Input or output failed")           \
    X(ERR_NO_MEMORY,    "out-of-memory",    500, "The server ran out of memory")     \
    X(ERR_INTERNAL,     "internal",         500, "The server failed")
// clang-format on

enum err_code {
    ERR_NONE = 0,
#define X(code, type, http, title) code,
    ERR_MAP(X)
#undef X
};

struct err {
    enum err_code code; // ERR_NONE: no error
    char msg[480];      // one sentence that names the thing and the place
};

// Sets e unless it is already set (the first cause survives). e may be NULL. Always returns -1.
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void err_clear(struct err *e);
const char *err_type(enum err_code code);      // "bad-model"; "none" for ERR_NONE
const char *err_title(enum err_code code);     // "The file is not a usable model"
int err_http(enum err_code code);              // 422
enum err_code err_from_type(const char *type); // ERR_NONE when unknown

#endif
