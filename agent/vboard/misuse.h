// SPDX-License-Identifier: GPL-2.0-only
// How a part of a chip tells its board that it is used wrongly (board_misuse()), without knowing the board.
#ifndef VBOARD_MISUSE_H
#define VBOARD_MISUSE_H

struct misuse_ear {
    void (*hear)(void *user, const char *why); // NULL: nobody listens
    void *user;
};

void misuse_tell(const struct misuse_ear *ear, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
