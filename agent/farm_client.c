// SPDX-License-Identifier: MIT
// See farm_client.h.
#include "agent/farm_client.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_S = 5,
    CALL_S = 15,
    HEARTBEAT_S = 5, // the board is not read meanwhile
    FAREWELL_S = 2,
    PROGRAM_S = 60,
    ANSWER_MAX = 64 << 10,
    BODY_MAX = 1 << 20,
};

struct farm_client {
    CURL *curl;
    struct curl_slist *json_headers, *plain_headers;
    char *server; // without a trailing slash
    const atomic_bool *stop;
    bool farewell; // see farm_client_set_farewell()
};

static size_t client_on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct buf *answer = ctx;
    buf_add(answer, bytes, size * n);
    return answer->failed ? 0 : size * n; // 0 ends the transfer: the answer is too large
}

static int client_on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t f)
{
    const struct farm_client *c = ctx;
    (void)a, (void)b, (void)d, (void)f;
    return !c->farewell && atomic_load(c->stop);
}

static bool client_add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *more = curl_slist_append(*list, text);
    if (more)
        *list = more;
    return more != NULL;
}

struct farm_client *farm_client_new(const char *server, const char *token, const atomic_bool *stop,
                                    struct err *e)
{
    struct farm_client *c = calloc(1, sizeof *c);
    struct buf bearer;
    buf_init(&bearer, 8192);
    if (!c || !(c->curl = curl_easy_init()) || !(c->server = strdup(server))) {
        err_set(e, ERR_NO_MEMORY, "out of memory");
        goto fail;
    }
    if (strncmp(server, "http://", 7) != 0 && strncmp(server, "https://", 8) != 0) {
        err_set(e, ERR_BAD_REQUEST,
                "the server's address \"%s\" must begin with http:// or https://", server);
        goto fail;
    }
    for (size_t n = strlen(c->server); n && c->server[n - 1] == '/'; n--)
        c->server[n - 1] = '\0';
    c->stop = stop;
    bool ok = client_add_header(&c->json_headers, "Content-Type: application/json") &&
              client_add_header(&c->json_headers, "Expect:"); // no 100-continue round trip
    if (token) {
        buf_printf(&bearer, "Authorization: Bearer %s", token);
        ok = ok && !bearer.failed && client_add_header(&c->json_headers, buf_str(&bearer)) &&
             client_add_header(&c->plain_headers, buf_str(&bearer));
    }
    if (!ok) {
        err_set(e, ERR_NO_MEMORY, "out of memory");
        goto fail;
    }
    buf_free(&bearer);
    return c;
fail:
    buf_free(&bearer);
    farm_client_free(c);
    return NULL;
}

void farm_client_free(struct farm_client *c)
{
    if (!c)
        return;
    curl_slist_free_all(c->json_headers);
    curl_slist_free_all(c->plain_headers);
    if (c->curl)
        curl_easy_cleanup(c->curl);
    free(c->server);
    free(c);
}

// What went wrong, in the server's words when it has some.
static enum farm_answer client_judge(long status, const char *url, const struct buf *answer,
                                     struct err *e)
{
    char type[64], detail[200];
    if (status >= 200 && status < 300)
        return status == 204 ? FARM_NONE : FARM_OK;
    farm_json_read_problem(buf_str(answer), answer->len, type, sizeof type, detail, sizeof detail);
    err_set(e, err_from_type(type) != ERR_NONE ? err_from_type(type) : ERR_IO,
            "%s: status %ld%s%s%s%s", url, status, type[0] ? " " : "", type, detail[0] ? ": " : "",
            detail);
    // a proxy or a server that is starting may say 404 to anything: only our own problem documents
    // are final
    if (status == 409)
        return FARM_STALE;
    return status >= 400 && status < 500 && status != 429 && status != 408 && type[0] ? FARM_REFUSED
                                                                                      : FARM_RETRY;
}

// body NULL: GET. answer is reset first; its limit holds for the download.
static enum farm_answer client_call(struct farm_client *c, const char *url, const struct buf *body,
                                    int timeout_s, struct buf *answer, struct err *e)
{
    long status = 0;
    char why[CURL_ERROR_SIZE] = "";
    CURL *h = c->curl;
    if (c->farewell)
        timeout_s = FAREWELL_S;
    buf_reset(answer);
    if (body && body->failed) {
        err_set(e, ERR_TOO_LARGE, "%s: the request would be too large", url);
        return FARM_REFUSED;
    }
    curl_easy_reset(h); // keeps the connection
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, body ? c->json_headers : c->plain_headers);
    if (body) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, buf_str(body));
    }
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT,
                     (long)(timeout_s < CONNECT_S ? timeout_s : CONNECT_S));
    curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)timeout_s);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, client_on_bytes);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, client_on_progress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "farm-agent");
    CURLcode rc = curl_easy_perform(h);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, NULL);
    if (answer->failed) {
        err_set(e, ERR_TOO_LARGE, "%s: the answer is longer than %zu bytes", url, answer->max);
        return FARM_REFUSED;
    }
    if (rc != CURLE_OK) {
        err_set(e, ERR_OFFLINE, "%s: %s", url, why[0] ? why : curl_easy_strerror(rc));
        return FARM_RETRY;
    }
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    return client_judge(status, url, answer, e);
}

static enum farm_answer client_post(struct farm_client *c, const char *path, const struct buf *body,
                                    int timeout_s, struct buf *answer, struct err *e)
{
    char url[1024];
    int n = snprintf(url, sizeof url, "%s/api/v1%s", c->server, path);
    if (n < 0 || (size_t)n >= sizeof url) {
        err_set(e, ERR_BAD_REQUEST, "the server's address is too long");
        return FARM_REFUSED;
    }
    return client_call(c, url, body, timeout_s, answer, e);
}

static enum farm_answer client_post_job(struct farm_client *c, const struct farm_lease *l,
                                        const char *verb, const struct buf *body, int timeout_s,
                                        struct buf *answer, struct err *e)
{
    char path[96];
    snprintf(path, sizeof path, "/agent/jobs/%" PRId64 "/%s", l->job, verb);
    return client_post(c, path, body, timeout_s, answer, e);
}

enum farm_answer farm_client_lease(struct farm_client *c, const char *agent, const char *rig,
                                   const char *board, int wait_s, struct farm_lease *out,
                                   struct err *e)
{
    struct buf body, answer;
    buf_init(&body, BODY_MAX);
    buf_init(&answer, ANSWER_MAX);
    farm_json_write_lease(&body, agent, rig, board, wait_s);
    enum farm_answer got = client_post(c, "/agent/lease", &body, wait_s + CALL_S, &answer, e);
    if (got == FARM_OK && farm_json_read_lease(buf_str(&answer), answer.len, out, e) < 0)
        got = FARM_RETRY;
    buf_free(&body);
    buf_free(&answer);
    return got;
}

enum farm_answer farm_client_program(struct farm_client *c, const struct farm_lease *l,
                                     struct buf *out, struct err *e)
{
    char url[1024];
    size_t origin = strlen(c->server);
    // The token goes along: only to the server that it belongs to.
    bool relative = l->program_url[0] == '/';
    if (!relative &&
        (strncmp(l->program_url, c->server, origin) != 0 || l->program_url[origin] != '/')) {
        err_set(e, ERR_BAD_FIELD, "the program's address %s is not on the server %s",
                l->program_url, c->server);
        return FARM_REFUSED;
    }
    snprintf(url, sizeof url, "%s%s", relative ? c->server : "", l->program_url);
    enum farm_answer got = client_call(c, url, NULL, PROGRAM_S, out, e);
    if (got == FARM_NONE)
        got = FARM_OK; // no bytes: the caller's size check names it
    return got;
}

enum farm_answer farm_client_heartbeat(struct farm_client *c, const struct farm_lease *l,
                                       const char *phase, double progress, const char *log,
                                       int *deadline_s, struct err *e)
{
    struct buf body, answer;
    buf_init(&body, BODY_MAX);
    buf_init(&answer, ANSWER_MAX);
    farm_json_write_heartbeat(&body, l, phase, progress, log);
    enum farm_answer got = client_post_job(c, l, "heartbeat", &body, HEARTBEAT_S, &answer, e);
    if (got == FARM_OK && farm_json_read_heartbeat(buf_str(&answer), answer.len, deadline_s, e) < 0)
        got = FARM_RETRY;
    buf_free(&body);
    buf_free(&answer);
    return got;
}

enum farm_answer farm_client_result(struct farm_client *c, const struct farm_lease *l,
                                    const struct measurement *m, char *verdict, size_t verdict_size,
                                    struct err *e)
{
    struct buf body, answer;
    buf_init(&body, BODY_MAX);
    buf_init(&answer, ANSWER_MAX);
    farm_json_write_result(&body, l, m);
    enum farm_answer got = client_post_job(c, l, "result", &body, CALL_S, &answer, e);
    farm_json_read_verdict(buf_str(&answer), got == FARM_OK ? answer.len : 0, verdict,
                           verdict_size);
    buf_free(&body);
    buf_free(&answer);
    return got == FARM_NONE ? FARM_OK : got;
}

enum farm_answer farm_client_failure(struct farm_client *c, const struct farm_lease *l,
                                     const struct err *why, struct err *e)
{
    struct buf body, answer;
    buf_init(&body, BODY_MAX);
    buf_init(&answer, ANSWER_MAX);
    farm_json_write_failure(&body, l, why);
    enum farm_answer got = client_post_job(c, l, "failure", &body, CALL_S, &answer, e);
    buf_free(&body);
    buf_free(&answer);
    return got == FARM_NONE ? FARM_OK : got;
}

enum farm_answer farm_client_offline(struct farm_client *c, const char *agent, const char *rig,
                                     const char *board, const char *why, struct err *e)
{
    char path[128];
    struct buf body, answer;
    buf_init(&body, BODY_MAX);
    buf_init(&answer, ANSWER_MAX);
    farm_json_write_offline(&body, agent, board, why);
    snprintf(path, sizeof path, "/agent/rigs/%s/offline", rig); // a rig's name needs no escapes
    enum farm_answer got = client_post(c, path, &body, CALL_S, &answer, e);
    buf_free(&body);
    buf_free(&answer);
    return got == FARM_NONE ? FARM_OK : got;
}

enum farm_answer farm_client_health(struct farm_client *c, const char *agent, const char *rig,
                                    bool ok, const char *detail, struct err *e)
{
    char path[128];
    struct buf body, answer;
    buf_init(&body, BODY_MAX);
    buf_init(&answer, ANSWER_MAX);
    farm_json_write_health(&body, agent, ok, detail);
    snprintf(path, sizeof path, "/agent/rigs/%s/health", rig); // a rig's name needs no escapes
    enum farm_answer got = client_post(c, path, &body, CALL_S, &answer, e);
    buf_free(&body);
    buf_free(&answer);
    return got == FARM_NONE ? FARM_OK : got;
}

void farm_client_set_farewell(struct farm_client *c)
{
    c->farewell = true;
}
