// SPDX-License-Identifier: MIT
// Whatever a TCP client sends to the virtual ST-LINK: requests whole, cut and nonsensical, against one board.
// Input format: the raw bytes of the connection.
#include "agent/vboard/stlink.h"
#include "common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLASH_BYTES = 2048 * 1024 };

static struct board *board;
static struct stlink *stlink;

static void set_up(void)
{
    struct err e = {0};
    struct board_config cfg = {.id = "nucleo-f767zi",
                               .soc = "STM32F767ZI",
                               .ram_bytes = 512 * 1024,
                               .flash_bytes = FLASH_BYTES,
                               .baud = 115200,
                               .program_address = 0x08040000,
                               .hse_hz = 8000000,
                               .hse_bypass = true,
                               .usart = 3,
                               .usart_tx = "PD8",
                               .usart_rx = "PD9"};
    uint8_t *flash = aligned_alloc(4096, FLASH_BYTES);
    setenv("FARM_LOG", "error", 1);
    if (flash) {
        memset(flash, 0xff, FLASH_BYTES);
        board = board_new(&cfg, flash, &e);
    }
    if (board)
        stlink = stlink_new(board, 0, &e);
    if (!stlink) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    uint8_t sink[4096];
    if (!stlink)
        set_up();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
        abort();
    stlink_attach(stlink, pair[1]);
    size_t sent = 0;
    bool open = true;
    while (stlink_busy(stlink)) {
        struct pollfd fds[STLINK_FDS];
        if (sent < size) {
            ssize_t n = send(pair[0], data + sent, size - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        } else if (open) {
            shutdown(pair[0], SHUT_WR);
            open = false;
        }
        stlink_poll_prepare(stlink, fds);
        if (poll(fds, STLINK_FDS, 1000) <= 0)
            abort(); // it neither reads on nor hangs up
        stlink_poll_handle(stlink, fds);
        while (recv(pair[0], sink, sizeof sink, 0) > 0)
            ;
    }
    close(pair[0]);
    return 0;
}
