// SPDX-License-Identifier: MIT
// Plays farm-server's side of the agent's calls: one job at most, answers set by the test, requests
// kept for it to read.
#ifndef TESTS_FAKES_FARM_H
#define TESTS_FAKES_FARM_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_farm {
    // set by the test while no request is under way
    char lease[1024];       // JSON of the next lease; "" answers 204. Handed out once
    const uint8_t *program; // answer to /program
    size_t program_bytes;
    atomic_int heartbeat_status; // 200, 409, 503
    atomic_int report_failures;  // that many reports are answered with 503 first
    // kept for the test
    atomic_int leases, heartbeats, results, failures, healthy, unhealthy, offline;
    char last_offline[600];
    char last_result[16384], last_failure[2048], last_auth[256], log[65536];
    int listener, port;
    pthread_t thread;
    atomic_bool stop;
};

static inline void fake_farm_send(int fd, int status, const void *body, size_t len)
{
    char head[256];
    int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, len);
    ssize_t sent = send(fd, head, (size_t)n, MSG_NOSIGNAL);
    for (size_t at = 0; sent >= 0 && at < len; at += (size_t)sent)
        sent = send(fd, (const char *)body + at, len - at, MSG_NOSIGNAL);
}

static inline void fake_farm_reply(int fd, int status, const char *text)
{
    fake_farm_send(fd, status, text, strlen(text));
}

static inline void fake_farm_answer(struct fake_farm *f, int fd, const char *head, const char *body)
{
    const char *auth = strstr(head, "Authorization: ");
    if (auth)
        snprintf(f->last_auth, sizeof f->last_auth, "%.*s", (int)strcspn(auth, "\r"), auth);
    if (strncmp(head, "POST /api/v1/agent/lease ", 25) == 0) {
        atomic_fetch_add(&f->leases, 1);
        if (f->lease[0])
            fake_farm_reply(fd, 200, f->lease);
        else
            fake_farm_reply(fd, 204, "");
        f->lease[0] = '\0';
    } else if (strncmp(head, "GET /api/v1/jobs/7/program ", 27) == 0) {
        fake_farm_send(fd, 200, f->program, f->program_bytes);
    } else if (strncmp(head, "POST /api/v1/agent/jobs/7/heartbeat ", 36) == 0) {
        int status = atomic_load(&f->heartbeat_status);
        const char *log = strstr(body, "\"log\":\"");
        size_t room = sizeof f->log - strlen(f->log);
        if (log && strlen(log) < room)
            memcpy(f->log + strlen(f->log), log, strlen(log) + 1);
        atomic_fetch_add(&f->heartbeats, 1);
        fake_farm_reply(fd, status,
                        status == 200 ? "{\"deadline_s\":30}"
                                      : "{\"type\":\"stale-lease\",\"detail\":\"gone\"}");
    } else if (strncmp(head, "POST /api/v1/agent/rigs/f767-1/health ", 38) == 0) {
        atomic_fetch_add(strstr(body, "\"ok\":true") ? &f->healthy : &f->unhealthy, 1);
        fake_farm_reply(fd, 204, "");
    } else if (strncmp(head, "POST /api/v1/agent/rigs/f767-1/offline ", 39) == 0) {
        snprintf(f->last_offline, sizeof f->last_offline, "%s", body);
        atomic_fetch_add(&f->offline, 1);
        fake_farm_reply(fd, 204, "");
    } else if (atomic_load(&f->report_failures) > 0) {
        atomic_fetch_sub(&f->report_failures, 1);
        fake_farm_reply(fd, 503, "starting");
    } else if (strncmp(head, "POST /api/v1/agent/jobs/7/result ", 33) == 0) {
        snprintf(f->last_result, sizeof f->last_result, "%s", body);
        atomic_fetch_add(&f->results, 1);
        fake_farm_reply(fd, 200, "{\"verdict\":\"match\"}");
    } else if (strncmp(head, "POST /api/v1/agent/jobs/7/failure ", 34) == 0) {
        snprintf(f->last_failure, sizeof f->last_failure, "%s", body);
        atomic_fetch_add(&f->failures, 1);
        fake_farm_reply(fd, 200, "{}");
    } else {
        fake_farm_reply(fd, 404, "{\"type\":\"not-found\",\"detail\":\"no such thing\"}");
    }
}

static inline void fake_farm_serve(struct fake_farm *f, int fd)
{
    size_t size = 1 << 20, len = 0, want = 0;
    char *text = calloc(1, size), *body = NULL;
    while (text && (!body || len < want) && len + 1 < size) {
        ssize_t n = recv(fd, text + len, size - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
        if (!body && (body = strstr(text, "\r\n\r\n"))) {
            const char *length = strcasestr(text, "Content-Length: ");
            body += 4;
            want = (size_t)(body - text) +
                   (length && length < body ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    if (body && len >= want)
        fake_farm_answer(f, fd, text, body);
    free(text);
}

static inline void *fake_farm_main(void *ctx)
{
    struct fake_farm *f = ctx;
    while (!atomic_load(&f->stop)) {
        struct pollfd p = {.fd = f->listener, .events = POLLIN};
        int fd = poll(&p, 1, 20) > 0 ? accept4(f->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0) {
            fake_farm_serve(f, fd);
            close(fd);
        }
    }
    close(f->listener);
    return NULL;
}

static inline int fake_farm_start(struct fake_farm *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    if (!atomic_load(&f->heartbeat_status))
        atomic_store(&f->heartbeat_status, 200);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&a, len) < 0 ||
        listen(f->listener, 16) < 0 || getsockname(f->listener, (struct sockaddr *)&a, &len) < 0)
        return -1;
    f->port = ntohs(a.sin_port);
    return pthread_create(&f->thread, NULL, fake_farm_main, f) ? -1 : 0;
}

static inline void fake_farm_stop(struct fake_farm *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
}

#endif
