// SPDX-License-Identifier: GPL-2.0-only
// See stlink.h. Integers are little-endian unless noted. The first byte of a request is its command:
//
//   byte  request length            reply
//   0x00  2   refresh               4   status
//   0x01  1   count                 4   number of devices
//   0x02  8   information           45  status, id, serial[32], vid, pid, in use
//   0x03  8   open                  8   status, handle
//   0x04  8   close                 4   status
//   0x05  32 + size when writing    4 + size when reading: a USB command, see usb_command()
//             @8 USB command (16), @24 direction (0 write, 1 read), @28 size
//   0x06  4   version               16  status, API, client, server version
#include "agent/vboard/stlink.h"
#include "agent/vboard/cpu_arm.h"
#include "agent/vboard/debug.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// clang-format off
enum {
    SRV_REFRESH = 0x00, SRV_COUNT = 0x01, SRV_INFO = 0x02, SRV_OPEN = 0x03, SRV_CLOSE = 0x04, SRV_USB = 0x05,
    SRV_VERSION = 0x06,
    SRV_OK = 1, USB_HEADER = 32, MAX_TRANSFER = 10240, INFO_BYTES = 45,
    OUT_LIMIT = 64 * 1024,

    USB_VERSION = 0xf1, USB_DEBUG = 0xf2, USB_DFU = 0xf3, USB_MODE = 0xf5, USB_VOLTAGE = 0xf7,
    DEBUG_READ_32 = 0x07, DEBUG_WRITE_32 = 0x08, DEBUG_READ_8 = 0x0c, DEBUG_WRITE_8 = 0x0d, DEBUG_EXIT = 0x21,
    DEBUG_ENTER = 0x30, DEBUG_IDCODES = 0x31, DEBUG_RESET = 0x32, DEBUG_READ_REG = 0x33, DEBUG_WRITE_REG = 0x34,
    DEBUG_WRITE_WORD = 0x35, DEBUG_READ_WORD = 0x36, DEBUG_READ_REGS = 0x3a, DEBUG_STATUS = 0x3b, DEBUG_NRST = 0x3c,
    DEBUG_STATUS2 = 0x3e, DEBUG_TRACE_START = 0x40, DEBUG_TRACE_STOP = 0x41, DEBUG_TRACE_COUNT = 0x42,
    DEBUG_SWD_FREQ = 0x43, DEBUG_JTAG_FREQ = 0x44, DEBUG_READ_16 = 0x47, DEBUG_WRITE_16 = 0x48, DEBUG_AP_INIT = 0x4b,
    DEBUG_AP_CLOSE = 0x4c, DEBUG_WRITE_32_SAME = 0x50, DEBUG_READ_32_SAME = 0x54,
    STATUS_OK = 0x80, STATUS_AP_FAULT = 0x11, STATUS_UNKNOWN = 0x42,
    MODE_MASS_STORAGE = 1, MODE_DEBUG = 2,
    VID = 0x0483, PID = 0x374b,
    VERSION_STLINK = 2, VERSION_JTAG = 37, VERSION_MSC = 27,
};
// clang-format on

struct stlink {
    struct board *board;
    int listener, client;
    uint16_t port;
    uint8_t in[USB_HEADER + MAX_TRANSFER];
    size_t in_used;
    uint8_t *out; // OUT_LIMIT bytes
    size_t out_used;
    uint8_t mode;
    uint8_t status; // of the last memory access
    uint64_t requests;
};

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

// Carries out a USB command. in: reply buffer of in_size zeroed bytes; out: the data that came with the command.
static void debug_command(struct stlink *s, const uint8_t *cmd, const uint8_t *out, size_t out_size,
                          uint8_t *in, size_t in_size)
{
    struct board *b = s->board;
    uint32_t address = le32(cmd + 2);
    size_t n = le16(cmd + 6);
    enum debug_status done = DEBUG_OK;
    uint8_t scratch[4 + 4 * 21] = {0};
    size_t reply = 0; // bytes of scratch that answer

    scratch[0] = STATUS_OK;
    switch (cmd[1]) {
    case DEBUG_READ_32:
    case DEBUG_READ_16:
    case DEBUG_READ_8:
    case DEBUG_READ_32_SAME:
        done = debug_read(b, address,
                          cmd[1] == DEBUG_READ_16  ? 2
                          : cmd[1] == DEBUG_READ_8 ? 1
                                                   : 4,
                          in, n < in_size ? n : in_size, cmd[1] != DEBUG_READ_32_SAME);
        s->status = done == DEBUG_OK ? STATUS_OK : STATUS_AP_FAULT;
        return;
    case DEBUG_WRITE_32:
    case DEBUG_WRITE_16:
    case DEBUG_WRITE_8:
    case DEBUG_WRITE_32_SAME:
        done = debug_write(b, address,
                           cmd[1] == DEBUG_WRITE_16  ? 2
                           : cmd[1] == DEBUG_WRITE_8 ? 1
                                                     : 4,
                           out, n < out_size ? n : out_size, cmd[1] != DEBUG_WRITE_32_SAME);
        s->status = done == DEBUG_OK ? STATUS_OK : STATUS_AP_FAULT;
        return;
    case DEBUG_EXIT:
        s->mode = MODE_MASS_STORAGE;
        return;
    case DEBUG_ENTER:
        s->mode = MODE_DEBUG;
        reply = 2;
        break;
    case DEBUG_IDCODES:
        put32(scratch + 4, armv7m_swd_idcode(&cpu_arm(s->board->cpu)->m));
        reply = 12;
        break;
    case DEBUG_RESET:
        debug_system_reset(b);
        reply = 2;
        break;
    case DEBUG_READ_REG:
        put32(scratch + 4, debug_reg_read(b, cmd[2]));
        reply = 8;
        break;
    case DEBUG_WRITE_REG:
        debug_reg_write(b, cmd[2], le32(cmd + 3));
        reply = 2;
        break;
    case DEBUG_READ_REGS:
        for (unsigned i = 0; i < 21; i++)
            put32(scratch + 4 + 4 * i, debug_reg_read(b, i));
        reply = sizeof scratch;
        break;
    case DEBUG_WRITE_WORD:
        done = debug_write(b, address, 4, cmd + 6, 4, true);
        reply = 2;
        break;
    case DEBUG_READ_WORD:
        done = debug_read(b, address, 4, scratch + 4, 4, true);
        reply = 8;
        break;
    case DEBUG_STATUS:
    case DEBUG_STATUS2:
        scratch[0] = s->status;
        s->status = STATUS_OK;
        reply = 12;
        break;
    case DEBUG_NRST: // 0 low, 1 high, 2 pulse
        board_set_nrst(b, cmd[2] != 1);
        if (cmd[2] == 2)
            board_set_nrst(b, false);
        reply = 2;
        break;
    case DEBUG_TRACE_COUNT:
        scratch[0] = 0; // no trace bytes
        reply = 2;
        break;
    case DEBUG_TRACE_START:
    case DEBUG_TRACE_STOP:
    case DEBUG_SWD_FREQ:
    case DEBUG_JTAG_FREQ:
    case DEBUG_AP_INIT:
    case DEBUG_AP_CLOSE:
        reply = 2;
        break;
    default:
        log_warn("stlink", "debug command 0x%02x is not known", cmd[1]);
        scratch[0] = STATUS_UNKNOWN;
        reply = 2;
        break;
    }
    if (done != DEBUG_OK)
        scratch[0] = STATUS_AP_FAULT;
    memcpy(in, scratch, reply < in_size ? reply : in_size);
}

static void usb_command(struct stlink *s, const uint8_t *cmd, const uint8_t *out, size_t out_size,
                        uint8_t *in, size_t in_size)
{
    uint8_t reply[12] = {0};
    size_t n = 0;
    switch (cmd[0]) {
    case USB_DEBUG:
        debug_command(s, cmd, out, out_size, in, in_size);
        return;
    case USB_VERSION: { // version big-endian, ids little-endian
        unsigned version = VERSION_STLINK << 12 | VERSION_JTAG << 6 | VERSION_MSC;
        reply[0] = (uint8_t)(version >> 8);
        reply[1] = (uint8_t)version;
        put32(reply + 2, VID | (uint32_t)PID << 16);
        n = 6;
        break;
    }
    case USB_MODE:
        reply[0] = s->mode;
        n = 2;
        break;
    case USB_VOLTAGE: // reference and half the target voltage in ADC counts: 3.3 V
        put32(reply, 1000);
        put32(reply + 4, 1375);
        n = 8;
        break;
    case USB_DFU:
        s->mode = MODE_MASS_STORAGE;
        break;
    default:
        log_warn("stlink", "USB command 0x%02x is not known", cmd[0]);
        break;
    }
    memcpy(in, reply, n < in_size ? n : in_size);
}

static uint8_t *reserve(struct stlink *s, size_t n)
{
    uint8_t *p = s->out + s->out_used;
    memset(p, 0, n);
    s->out_used += n;
    put32(p, SRV_OK);
    return p;
}

// Handles the request at the buffer's start. Returns its length, 0 when it is not complete, -1 when it is nonsense.
static long handle_request(struct stlink *s)
{
    static const uint8_t lengths[] = {2, 1, 8, 8, 8, USB_HEADER, 4};
    const uint8_t *in = s->in;
    uint8_t *out;
    if (in[0] >= sizeof lengths) {
        log_warn("stlink", "the client sent command 0x%02x, which the protocol does not have",
                 in[0]);
        return -1;
    }
    size_t length = lengths[in[0]];
    if (s->in_used < length)
        return 0;
    switch (in[0]) {
    case SRV_VERSION:
        out = reserve(s, 16);
        put32(out, 2);
        put32(out + 4, 2);
        put32(out + 8, 1);
        put32(out + 12, 1);
        break;
    case SRV_REFRESH:
    case SRV_CLOSE:
    case SRV_COUNT: // one device
        reserve(s, 4);
        break;
    case SRV_INFO:
        out = reserve(s, INFO_BYTES);
        put32(out + 4, 1);
        memcpy(out + 8, s->board->serial, strnlen(s->board->serial, 32));
        put32(out + 40, VID | (uint32_t)PID << 16);
        break;
    case SRV_OPEN:
        out = reserve(s, 8);
        put32(out + 4, 1);
        break;
    default: {
        bool write = in[24] == 0;
        size_t size = le32(in + 28);
        if (size > MAX_TRANSFER) {
            log_warn("stlink", "the client wants to transfer %zu bytes; at most %d are allowed",
                     size, MAX_TRANSFER);
            return -1;
        }
        if (write)
            length += size;
        if (s->in_used < length)
            return 0;
        out = reserve(s, 4 + (write ? 0 : size));
        usb_command(s, in + 8, in + USB_HEADER, write ? size : 0, out + 4, write ? 0 : size);
        break;
    }
    }
    s->requests++;
    return (long)length;
}

static void hang_up(struct stlink *s, const char *why)
{
    log_info("stlink", "client gone after %llu requests: %s", (unsigned long long)s->requests, why);
    close(s->client);
    s->client = -1;
    s->in_used = s->out_used = 0;
}

static void send_replies(struct stlink *s)
{
    while (s->client >= 0 && s->out_used > 0) {
        ssize_t n = send(s->client, s->out, s->out_used, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                hang_up(s, strerror(errno));
            return;
        }
        memmove(s->out, s->out + n, s->out_used - (size_t)n);
        s->out_used -= (size_t)n;
    }
}

static void handle_requests(struct stlink *s)
{
    while (s->client >= 0 && s->in_used > 0 && s->out_used + 4 + MAX_TRANSFER <= OUT_LIMIT) {
        size_t replies = s->out_used;
        long length = handle_request(s);
        if (length < 0) {
            hang_up(s, "nonsense on the line");
            return;
        }
        if (length == 0)
            return;
        if (fault_stlink_silent(&s->board->fault))
            s->out_used = replies;
        memmove(s->in, s->in + length, s->in_used - (size_t)length);
        s->in_used -= (size_t)length;
    }
}

static void receive(struct stlink *s)
{
    ssize_t n = recv(s->client, s->in + s->in_used, sizeof s->in - s->in_used, MSG_DONTWAIT);
    if (n > 0) {
        s->in_used += (size_t)n;
    } else if (n == 0) {
        hang_up(s, "closed");
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        hang_up(s, strerror(errno));
    }
}

void stlink_attach(struct stlink *s, int fd)
{
    s->client = fd;
    s->requests = 0;
    s->status = STATUS_OK;
}

static void accept_client(struct stlink *s)
{
    int one = 1;
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (s->client >= 0) {
        log_info("stlink", "a second client was refused");
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    stlink_attach(s, fd);
}

struct stlink *stlink_new(struct board *b, uint16_t port, struct err *e)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1;
    struct stlink *s = calloc(1, sizeof *s);
    if (s)
        s->out = malloc(OUT_LIMIT);
    if (!s || !s->out) {
        err_set(e, ERR_NO_MEMORY, "no memory for the ST-LINK");
        free(s);
        return NULL;
    }
    s->board = b;
    s->client = -1;
    s->mode = MODE_MASS_STORAGE;
    s->status = STATUS_OK;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener >= 0)
        setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, sizeof address) ||
        listen(s->listener, 4) || getsockname(s->listener, (struct sockaddr *)&address, &length)) {
        err_set(e, ERR_IO, "--stlink-port %u: cannot listen on 127.0.0.1: %s", port,
                strerror(errno));
        stlink_free(s);
        return NULL;
    }
    s->port = ntohs(address.sin_port);
    return s;
}

void stlink_free(struct stlink *s)
{
    if (!s)
        return;
    if (s->client >= 0)
        close(s->client);
    if (s->listener >= 0)
        close(s->listener);
    free(s->out);
    free(s);
}

uint16_t stlink_port(const struct stlink *s)
{
    return s->port;
}

bool stlink_busy(const struct stlink *s)
{
    return s->client >= 0;
}

void stlink_poll_prepare(struct stlink *s, struct pollfd fds[STLINK_FDS])
{
    fds[0] = (struct pollfd){.fd = s->listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->client, .events = 0};
    if (s->in_used < sizeof s->in)
        fds[1].events |= POLLIN;
    if (s->out_used)
        fds[1].events |= POLLOUT;
}

void stlink_poll_handle(struct stlink *s, const struct pollfd fds[STLINK_FDS])
{
    if (s->client >= 0 && fds[1].fd == s->client && fds[1].revents) {
        if (s->in_used < sizeof s->in)
            receive(s);
        handle_requests(s);
        send_replies(s);
    }
    if (fds[0].revents)
        accept_client(s);
}
