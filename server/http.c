// SPDX-License-Identifier: MIT
// See http.h. The life of a request (struct call), all on the HTTP thread unless said otherwise:
//
//   headers -> [body ...] -> handler --------------------------------------------> reply
//                              |  \-- slow route: suspended -> worker thread --------^
//                              \-- OUTCOME_PARK: suspended -> woken -> handler again
//   A reply may be a stream: its reader suspends the connection whenever there is nothing to send.
#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "server/clock.h"
#include "server/hash.h"
#include "server/json_out.h"
#include "server/rate.h"
#include "server/request.h"
#include "server/route.h"

#define WORKERS 2
#define MAX_QUEUED 64   // slow requests that wait for a worker
#define IDLE_S 30       // a connection that moves no byte for so long is closed
#define HEADER_MS 20000 // from connect (or the last reply) to complete headers
#define BODY_MS 30000   // for the body, plus a second for every BODY_RATE bytes
#define BODY_RATE (16 << 10)
#define DRAIN_MAX                                                                                  \
    (64u << 20)       // bytes of a refused body that are read, so that the client sees the reply
#define PING_MS 15000 // a quiet stream sends a comment that often
#define GRACE_MS 3000 // for running requests when the server stops
#define MEMORY_PER_CONNECTION (64u << 10)

static const char api_policy[] = "default-src 'none'; frame-ancestors 'none'";

struct conn { // one TCP connection
    struct conn *prev, *next;
    int fd;
    int64_t waiting_since_ms; // for headers; 0: a request is being served
};

struct call {           // one request
    struct request req; // first: peer_gone() finds the call
    struct reply reply;
    struct problem problem;
    struct http *http;
    struct MHD_Connection *mhd;
    struct conn *conn;
    const struct route *route;
    char if_none_match[256];
    bool worked; // a worker has had it
    uint64_t drained;
    enum { CALL_NEW, CALL_PARKED, CALL_FINISHED } state;
    // while parked, under http->lock:
    struct call *prev, *next;
    bool listed;
    int64_t until_ms;
    // of a stream
    struct buf pending;
    size_t sent;
};

struct http {
    struct app *app;
    struct MHD_Daemon *daemon;
    int port;
    struct rate rate; // HTTP thread
    bool loopback;

    pthread_mutex_t lock;
    uint64_t
        generation; // counts wakes: news that came between looking and parking are not slept through
    bool stopping;
    struct call *parked;
    struct call *queue[MAX_QUEUED]; // ring of slow requests
    int queue_head, queue_len;
    pthread_cond_t work;
    pthread_t worker[WORKERS];
    int n_workers;
    int open_calls;

    pthread_mutex_t conn_lock;
    struct conn *conns;
};

// --- parking --------------------------------------------------------------------------------------------------------

static uint64_t http_generation(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    uint64_t g = h->generation;
    pthread_mutex_unlock(&h->lock);
    return g;
}

// Suspends the connection until a wake or until_ms. False: something has happened since `generation`, look again.
static bool call_park(struct call *c, uint64_t generation, int64_t until_ms)
{
    struct http *h = c->http;
    bool parked = false;
    pthread_mutex_lock(&h->lock);
    if (h->stopping) {
        c->req.last_call = true;
    } else if (generation == h->generation) {
        c->until_ms = until_ms;
        c->prev = NULL;
        c->next = h->parked;
        if (c->next)
            c->next->prev = c;
        h->parked = c;
        c->listed = parked = true;
        c->state = CALL_PARKED;
        MHD_suspend_connection(c->mhd);
    }
    pthread_mutex_unlock(&h->lock);
    return parked;
}

// The caller holds h->lock.
static void call_unpark(struct call *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        c->http->parked = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->listed = false;
    MHD_resume_connection(c->mhd);
}

void http_wake(struct http *h, const struct queue_change *ch)
{
    if (!h || (ch->n_campaigns == 0 && ch->boards == 0))
        return;
    pthread_mutex_lock(&h->lock);
    h->generation++;
    for (struct call *c = h->parked, *next; c; c = next) {
        next = c->next;
        bool wanted = !c->reply.stream.next && (c->reply.wake_boards & ch->boards) != 0;
        for (int i = 0; c->reply.stream.next && i < ch->n_campaigns && !wanted; i++)
            wanted = ch->campaigns[i] == c->reply.stream.topic;
        if (wanted)
            call_unpark(c);
    }
    pthread_mutex_unlock(&h->lock);
}

void http_tick(struct http *h)
{
    int64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&h->lock);
    for (struct call *c = h->parked, *next; c; c = next) {
        next = c->next;
        if (c->until_ms <= now)
            call_unpark(c);
    }
    pthread_mutex_unlock(&h->lock);
    // Headers that trickle in byte by byte keep the library's idle timer from firing.
    pthread_mutex_lock(&h->conn_lock);
    for (struct conn *c = h->conns; c; c = c->next) {
        if (c->waiting_since_ms && now - c->waiting_since_ms > HEADER_MS)
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&h->conn_lock);
}

static bool call_peer_gone(const struct request *r)
{
    const struct call *c = (const struct call *)r;
    char byte;
    ssize_t n = recv(c->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

// --- replies --------------------------------------------------------------------------------------------------------

static void call_free(struct call *c)
{
    if (!c)
        return;
    if (c->reply.stream.free)
        c->reply.stream.free(c->reply.stream.cls);
    buf_free(&c->req.body);
    buf_free(&c->reply.body);
    buf_free(&c->pending);
    problem_clear(&c->problem);
    free(c);
}

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
    MHD_add_response_header(r, name, value);
}

static enum MHD_Result call_queue(struct call *c, struct MHD_Response *response, int status)
{
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Referrer-Policy", "no-referrer");
    add_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    add_header(response, "X-Frame-Options", "DENY");
    enum MHD_Result ok = MHD_queue_response(c->mhd, (unsigned)status, response);
    MHD_destroy_response(response);
    int digit = status / 100;
    atomic_fetch_add(&c->http->app->count.requests[digit < 6 ? digit : 0], 1);
    log_debug("http", "%s %s %d %lld ms", c->req.method, c->req.path, status,
              (long long)(clock_monotonic_ms() - c->req.started_ms));
    c->state = CALL_FINISHED;
    return ok;
}

static enum MHD_Result call_send_problem(struct call *c)
{
    struct buf body;
    size_t n = 0;
    int status = err_http(c->problem.err.code);
    buf_init(&body, 64u << 10);
    json_out_problem(&body, &c->problem);
    char *text = buf_take(&body, &n);
    struct MHD_Response *response = MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    if (status >= 500)
        log_error("http", "%s %s: %s", c->req.method, c->req.path, c->problem.err.msg);
    add_header(response, "Content-Type", "application/problem+json");
    add_header(response, "Content-Security-Policy", api_policy);
    add_header(response, "Cache-Control", "no-store");
    if (c->problem.allow)
        add_header(response, "Allow", c->problem.allow);
    if (status == 401)
        add_header(response, "WWW-Authenticate", "Bearer realm=\"msf-farm\"");
    if (c->problem.retry_after_s) {
        char text_s[16];
        snprintf(text_s, sizeof text_s, "%d", c->problem.retry_after_s);
        add_header(response, "Retry-After", text_s);
    }
    return call_queue(c, response, status);
}

// The body of an event stream, piece by piece; called by the HTTP thread.
static ssize_t stream_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct call *c = cls;
    (void)pos;
    for (;;) {
        if (c->sent < c->pending.len) {
            size_t n = c->pending.len - c->sent < max ? c->pending.len - c->sent : max;
            memcpy(out, c->pending.data + c->sent, n);
            c->sent += n;
            return (ssize_t)n;
        }
        buf_reset(&c->pending);
        c->sent = 0;
        if (c->req.last_call)
            return MHD_CONTENT_READER_END_OF_STREAM;
        bool woken = c->state == CALL_PARKED;
        c->state = CALL_FINISHED;
        uint64_t generation = http_generation(c->http);
        if (c->reply.stream.next(c->reply.stream.cls, &c->pending) || c->pending.failed)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (c->pending.len == 0 && woken && c->until_ms <= clock_monotonic_ms())
            buf_puts(&c->pending, ": still here\n\n");
        if (c->pending.len == 0 && call_park(c, generation, clock_monotonic_ms() + PING_MS))
            return 0;
    }
}

static bool etag_listed(const char *list, const char *etag)
{
    if (strcmp(list, "*") == 0)
        return true;
    const char *at = strstr(list, etag); // both with quotes, so that no part of a tag matches
    return at != NULL;
}

static enum MHD_Result call_send(struct call *c)
{
    struct reply *r = &c->reply;
    if (c->problem.err.code == ERR_NONE && r->body.failed)
        err_set(&c->problem.err, ERR_NO_MEMORY, "no memory for the answer");
    if (c->problem.err.code != ERR_NONE)
        return call_send_problem(c);
    struct MHD_Response *response;
    bool get = strcmp(c->req.method, "GET") == 0;
    int status = r->status ? r->status : 200;
    if (r->stream.next) {
        buf_init(&c->pending, 16u << 20);
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, stream_read, c, NULL);
        r->type = "text/event-stream";
        r->cache = "no-store";
    } else {
        char sha[HASH_HEX_SIZE];
        if (get && status == 200 && !r->etag[0] &&
            hash_hex(r->body.data, r->body.len, sha, NULL) == 0)
            snprintf(r->etag, sizeof r->etag, "\"%.32s\"", sha);
        if (get && status == 200 && r->etag[0] && c->if_none_match[0] &&
            etag_listed(c->if_none_match, r->etag)) {
            buf_reset(&r->body);
            status = 304;
        }
        size_t n = 0;
        char *bytes = buf_take(&r->body, &n);
        response = MHD_create_response_from_buffer(
            n, bytes ? bytes : "", bytes ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    }
    if (!response)
        return MHD_NO;
    if (status != 204 && status != 304)
        add_header(response, "Content-Type", r->type ? r->type : "application/json");
    add_header(response, "Content-Security-Policy", r->policy ? r->policy : api_policy);
    add_header(response, "Cache-Control", r->cache ? r->cache : "no-cache");
    if (r->etag[0])
        add_header(response, "ETag", r->etag);
    if (r->location[0])
        add_header(response, "Location", r->location);
    if (r->disposition)
        add_header(response, "Content-Disposition", r->disposition);
    return call_queue(c, response, status);
}

// Runs the handler until it replies or parks. MHD_YES also when the connection is now suspended.
static enum MHD_Result call_handle(struct call *c)
{
    for (;;) {
        uint64_t generation = http_generation(c->http);
        if (c->route->handler(&c->req, &c->reply, &c->problem) == OUTCOME_REPLY ||
            c->problem.err.code != ERR_NONE)
            return call_send(c);
        if (call_park(c, generation, c->reply.park_until_ms))
            return MHD_YES;
    }
}

// --- workers --------------------------------------------------------------------------------------------------------

static void *http_worker(void *cls)
{
    struct http *h = cls;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (h->queue_len == 0 && !h->stopping)
            pthread_cond_wait(&h->work, &h->lock);
        if (h->queue_len == 0)
            break;
        struct call *c = h->queue[h->queue_head];
        h->queue_head = (h->queue_head + 1) % MAX_QUEUED;
        h->queue_len--;
        bool stopping = h->stopping;
        pthread_mutex_unlock(&h->lock);
        if (stopping)
            err_set(&c->problem.err, ERR_RATE,
                    "the server is going down; try again when it is back");
        else
            c->route->handler(&c->req, &c->reply, &c->problem);
        pthread_mutex_lock(&h->lock);
        MHD_resume_connection(c->mhd);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

// Hands a request to a worker. The connection is suspended before a worker can see the request.
static bool call_to_worker(struct call *c)
{
    struct http *h = c->http;
    bool ok = false;
    pthread_mutex_lock(&h->lock);
    if (h->queue_len < MAX_QUEUED && !h->stopping) {
        MHD_suspend_connection(c->mhd);
        h->queue[(h->queue_head + h->queue_len) % MAX_QUEUED] = c;
        h->queue_len++;
        ok = true;
        pthread_cond_signal(&h->work);
    }
    pthread_mutex_unlock(&h->lock);
    if (!ok) {
        c->problem.retry_after_s = 5;
        err_set(&c->problem.err, ERR_RATE, "%d requests are waiting for the planner already",
                MAX_QUEUED);
    }
    return ok;
}

// --- requests -------------------------------------------------------------------------------------------------------

static const char *call_header(struct call *c, const char *name)
{
    return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

// Length of a valid authority's host part: "farm.local:8080" -> 10, "[::1]:80" -> 5.
static size_t host_length(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    return end ? (size_t)(end - host) + 1 : strcspn(host, ":");
}

// On loopback without tokens the browser's same-origin rule is all that protects the API; a DNS name that was bent to
// 127.0.0.1 would defeat it, so only names of loopback are answered.
static int check_host(struct call *c)
{
    const char *host = call_header(c, MHD_HTTP_HEADER_HOST);
    char name[64];
    size_t n = host ? host_length(host) : 0;
    if (!c->http->loopback || c->http->app->tokens.n)
        return 0;
    if (n >= 1 && n < sizeof name) {
        bool bracket = host[0] == '[' && n > 2;
        snprintf(name, sizeof name, "%.*s", (int)(bracket ? n - 2 : n), bracket ? host + 1 : host);
        if (strcasecmp(name, "localhost") == 0 || options_loopback(name))
            return 0;
    }
    return err_set(
        &c->problem.err, ERR_FORBIDDEN,
        "Host \"%.80s\" is not this machine's loopback; use http://127.0.0.1:%d (docs/security.md)",
        host ? host : "", c->http->port);
}

// Pages of other origins get nothing, whatever method they use.
static int check_origin(struct call *c)
{
    const char *origin = call_header(c, MHD_HTTP_HEADER_ORIGIN);
    const char *site = call_header(c, "Sec-Fetch-Site");
    const char *host = call_header(c, MHD_HTTP_HEADER_HOST);
    if (origin) {
        const char *at = strncmp(origin, "http://", 7) == 0    ? origin + 7
                         : strncmp(origin, "https://", 8) == 0 ? origin + 8
                                                               : NULL;
        if (!at || !host || strcasecmp(at, host) != 0)
            return err_set(&c->problem.err, ERR_FORBIDDEN, "Origin %.100s is not this server",
                           origin);
    }
    const char *mode = call_header(c, "Sec-Fetch-Mode");
    bool navigation = mode && strcmp(mode, "navigate") == 0 && strcmp(c->req.method, "GET") == 0;
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 && !navigation)
        return err_set(&c->problem.err, ERR_FORBIDDEN,
                       "requests from other sites (%.20s) are refused", site);
    return 0;
}

static int check_role(struct call *c)
{
    struct app *a = c->http->app;
    if (a->tokens.n == 0) {
        c->req.role = ROLE_ADMIN;
        return 0;
    }
    c->req.role = tokens_role(&a->tokens, call_header(c, MHD_HTTP_HEADER_AUTHORIZATION));
    if (role_allows(c->req.role, c->route->role))
        return 0;
    if (c->req.role == ROLE_NONE)
        return err_set(&c->problem.err, ERR_UNAUTHORIZED,
                       "send \"Authorization: Bearer TOKEN\" with a token of role %s",
                       role_name(c->route->role));
    return err_set(&c->problem.err, ERR_FORBIDDEN, "the token has role %s, this needs %s",
                   role_name(c->req.role), role_name(c->route->role));
}

static int check_rate(struct call *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return 0;
    const struct sockaddr *addr = info->client_addr;
    const void *bytes = addr->sa_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)addr)->sin_addr;
    if (rate_allow(&c->http->rate, bytes, addr->sa_family == AF_INET6 ? 16 : 4,
                   clock_monotonic_ms()))
        return 0;
    c->problem.retry_after_s = 1;
    return err_set(&c->problem.err, ERR_RATE, "more than %d requests per second from one address",
                   c->http->rate.per_second);
}

static enum MHD_Result take_query(void *cls, enum MHD_ValueKind kind, const char *key,
                                  size_t key_size, const char *value, size_t value_size)
{
    struct call *c = cls;
    struct request *r = &c->req;
    (void)kind;
    if (c->route->query[0] == '*')
        return MHD_YES;
    if (key_size != strlen(key) || !route_takes_query(c->route, key) || strchr(key, ',') || !*key) {
        problem_field(&c->problem, ERR_BAD_FIELD, key, "%.60s is not a query parameter here", key);
        return MHD_NO;
    }
    if (!value || value_size != strlen(value) || value_size >= sizeof r->query[0].value) {
        problem_field(&c->problem, ERR_BAD_FIELD, key,
                      "the value is missing, too long or contains a NUL");
        return MHD_NO;
    }
    if (request_query(r, key) || r->n_query == REQUEST_MAX_QUERY) {
        problem_field(&c->problem, ERR_BAD_FIELD, key, "is given twice");
        return MHD_NO;
    }
    snprintf(r->query[r->n_query].name, sizeof r->query[0].name, "%s", key);
    snprintf(r->query[r->n_query++].value, sizeof r->query[0].value, "%s", value);
    return MHD_YES;
}

static int take_headers(struct call *c)
{
    const char *etags = call_header(c, MHD_HTTP_HEADER_IF_NONE_MATCH);
    const char *key = call_header(c, "Idempotency-Key");
    const char *last = call_header(c, "Last-Event-ID");
    if (etags)
        snprintf(c->if_none_match, sizeof c->if_none_match, "%s", etags);
    if (key && !json_in_name_valid(key))
        return problem_field(&c->problem, ERR_BAD_REQUEST, "Idempotency-Key",
                             "must have 1 to 127 printable characters");
    if (key)
        snprintf(c->req.idempotency_key, sizeof c->req.idempotency_key, "%s", key);
    c->req.last_event_id = -1;
    if (last && strspn(last, "0123456789") == strlen(last) && strlen(last) >= 1 &&
        strlen(last) <= 18)
        c->req.last_event_id = strtoll(last, NULL, 10);
    return 0;
}

static int check_length(struct call *c)
{
    const char *length = call_header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length && strtoull(length, NULL, 10) > c->route->body_max)
        return err_set(&c->problem.err, ERR_TOO_LARGE,
                       "the body has %.20s bytes, at most %zu are taken here", length,
                       c->route->body_max);
    return 0;
}

// All that can be refused before the body has come.
static void call_check(struct call *c)
{
    const char *method = c->req.method;
    if (check_rate(c) || check_host(c) || check_origin(c))
        return;
    c->route = route_find(method, c->req.path, c->req.params, &c->problem);
    if (!c->route || check_role(c) || check_length(c) || take_headers(c))
        return;
    MHD_get_connection_values_n(c->mhd, MHD_GET_ARGUMENT_KIND, take_query, c);
    buf_init(&c->req.body, c->route->body_max);
}

static enum MHD_Result call_begin(struct http *h, struct MHD_Connection *mhd, const char *url,
                                  const char *method, void **con_cls)
{
    struct call *c = calloc(1, sizeof *c);
    if (!c)
        return MHD_NO;
    *con_cls = c;
    c->http = h;
    c->mhd = mhd;
    c->req.app = h->app;
    c->req.method = strcmp(method, "HEAD") == 0 ? "GET" : method; // the library leaves the body out
    c->req.peer_gone = call_peer_gone;
    c->req.started_ms = clock_monotonic_ms();
    buf_init(&c->reply.body, STORE_MAX_BLOB);
    pthread_mutex_lock(&h->lock);
    h->open_calls++;
    pthread_mutex_unlock(&h->lock);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    c->conn = info ? info->socket_context : NULL;
    if (!c->conn)
        return MHD_NO;
    pthread_mutex_lock(&h->conn_lock);
    c->conn->waiting_since_ms = 0;
    pthread_mutex_unlock(&h->conn_lock);
    if (strlen(url) >= sizeof c->req.path) {
        snprintf(c->req.path, sizeof c->req.path, "/");
        err_set(&c->problem.err, ERR_NOT_FOUND, "there is nothing at a path of %zu bytes",
                strlen(url));
    } else {
        snprintf(c->req.path, sizeof c->req.path, "%s", url);
        call_check(c);
    }
    // A client that waits for "100 Continue" hears of the refusal instead, and never sends the body.
    const char *expect = call_header(c, MHD_HTTP_HEADER_EXPECT);
    if (c->problem.err.code != ERR_NONE && expect && strcasecmp(expect, "100-continue") == 0)
        return call_send_problem(c);
    return MHD_YES;
}

// One piece of the body.
static enum MHD_Result call_body(struct call *c, const char *bytes, size_t n)
{
    c->drained += n;
    int64_t allowed_ms = BODY_MS + (int64_t)(c->drained / BODY_RATE) * 1000;
    if (c->drained > DRAIN_MAX || clock_monotonic_ms() - c->req.started_ms > allowed_ms)
        return MHD_NO; // closes the connection
    if (c->problem.err.code != ERR_NONE)
        return MHD_YES;
    buf_add(&c->req.body, bytes, n);
    if (c->req.body.failed) {
        buf_free(&c->req.body);
        err_set(&c->problem.err, ERR_TOO_LARGE,
                "the body has more than the %zu bytes that are taken here", c->route->body_max);
    }
    return MHD_YES;
}

static enum MHD_Result http_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_size, void **con_cls)
{
    struct http *h = cls;
    struct call *c = *con_cls;
    (void)version;
    if (!c)
        return call_begin(h, mhd, url, method, con_cls);
    if (*upload_size > 0) {
        enum MHD_Result ok = call_body(c, upload, *upload_size);
        *upload_size = 0;
        return ok;
    }
    if (c->problem.err.code != ERR_NONE)
        return call_send_problem(c);
    if (c->state == CALL_PARKED) {
        if (c->until_ms <= clock_monotonic_ms())
            c->req.last_call = true;
        return call_handle(c);
    }
    if (!c->route->slow)
        return call_handle(c);
    if (c->worked)
        return call_send(c);
    c->worked = true;
    return call_to_worker(c) ? MHD_YES : call_send_problem(c);
}

static void http_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                           enum MHD_RequestTerminationCode code)
{
    struct http *h = cls;
    struct call *c = *con_cls;
    (void)mhd;
    (void)code;
    *con_cls = NULL;
    if (!c)
        return;
    pthread_mutex_lock(&h->conn_lock);
    if (c->conn)
        c->conn->waiting_since_ms = clock_monotonic_ms();
    pthread_mutex_unlock(&h->conn_lock);
    call_free(c);
    pthread_mutex_lock(&h->lock);
    h->open_calls--;
    pthread_mutex_unlock(&h->lock);
}

static void http_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                            enum MHD_ConnectionNotificationCode code)
{
    struct http *h = cls;
    struct conn *c = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = calloc(1, sizeof *c);
        if (!c || !info) {
            free(c);
            return; // requests without a struct conn are refused
        }
        c->fd = info->connect_fd;
        c->waiting_since_ms = clock_monotonic_ms();
        pthread_mutex_lock(&h->conn_lock);
        c->next = h->conns;
        if (c->next)
            c->next->prev = c;
        h->conns = c;
        pthread_mutex_unlock(&h->conn_lock);
        *socket_context = c;
    } else if (c) {
        pthread_mutex_lock(&h->conn_lock);
        if (c->prev)
            c->prev->next = c->next;
        else
            h->conns = c->next;
        if (c->next)
            c->next->prev = c->prev;
        pthread_mutex_unlock(&h->conn_lock);
        free(c);
        *socket_context = NULL;
    }
}

// --- start and stop -------------------------------------------------------------------------------------------------

__attribute__((format(printf, 2, 0))) static void http_log(void *cls, const char *fmt, va_list ap)
{
    char text[400];
    (void)cls;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http", "%s", text);
}

static int http_listen(struct app *a, int *port, struct err *e)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->options.port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)a->options.port)};
    bool is_v6 = inet_pton(AF_INET6, a->options.host, &v6.sin6_addr) == 1;
    if (!is_v6 && inet_pton(AF_INET, a->options.host, &v4.sin_addr) != 1)
        return err_set(e, ERR_BAD_FIELD, "%s is not an IP address", a->options.host);
    struct sockaddr *addr = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t len = is_v6 ? sizeof v6 : sizeof v4;
    int on = 1;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, addr, len) ||
        listen(fd, 511) || getsockname(fd, addr, &len)) {
        err_set(e, ERR_IO, "cannot listen on %s port %d: %s", a->options.host, a->options.port,
                strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    return fd;
}

int http_start(struct app *a, struct http **out, struct err *e)
{
    *out = NULL;
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return err_set(e, ERR_NO_MEMORY, "no memory for the HTTP server");
    h->app = a;
    h->rate.per_second = a->options.rate;
    h->loopback = options_loopback(a->options.host);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->conn_lock, NULL);
    pthread_cond_init(&h->work, NULL);
    int fd = http_listen(a, &h->port, e);
    if (fd < 0)
        goto fail;
    for (; h->n_workers < WORKERS; h->n_workers++) {
        if (pthread_create(&h->worker[h->n_workers], NULL, http_worker, h)) {
            err_set(e, ERR_NO_MEMORY, "cannot start a worker thread");
            close(fd);
            goto fail;
        }
    }
    *out = h; // handlers may run before this function returns
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        http_access, h, MHD_OPTION_EXTERNAL_LOGGER, http_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, http_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
        http_connection, h, MHD_OPTION_CONNECTION_LIMIT, (unsigned)a->options.connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)a->options.per_ip,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!h->daemon) {
        err_set(e, ERR_IO, "cannot start the HTTP server on %s port %d", a->options.host, h->port);
        close(fd);
        goto fail;
    }
    return 0;
fail:
    *out = NULL;
    http_stop(h);
    return -1;
}

int http_port(const struct http *h)
{
    return h->port;
}

void http_stop(struct http *h)
{
    if (!h)
        return;
    MHD_socket fd = h->daemon ? MHD_quiesce_daemon(h->daemon) : MHD_INVALID_SOCKET;
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    for (struct call *c = h->parked, *next; c; c = next) {
        next = c->next;
        c->req.last_call = true;
        call_unpark(c);
    }
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (int i = 0; i < h->n_workers; i++)
        pthread_join(h->worker[i], NULL);
    int64_t deadline = clock_monotonic_ms() + GRACE_MS;
    for (int open = 1; h->daemon && open > 0 && clock_monotonic_ms() < deadline;) {
        pthread_mutex_lock(&h->lock);
        open = h->open_calls;
        pthread_mutex_unlock(&h->lock);
        usleep(20000);
    }
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->conn_lock);
    free(h);
}
