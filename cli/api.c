// SPDX-License-Identifier: MIT
// HTTP calls of the command line client to farm-server.
#include "cli/api.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/reply.h"

struct api {
    CURL *curl;
    char *server; // without trailing slashes
    char *authorization;
    struct api_problem problem;
};

int api_open(struct api **out, const char *server, const char *token, struct err *e)
{
    *out = NULL;
    if (strncmp(server, "http://", 7) != 0 && strncmp(server, "https://", 8) != 0)
        return err_set(e, ERR_BAD_REQUEST,
                       "the server's URL begins with http:// or https://, not \"%s\"", server);
    struct buf header;
    buf_init(&header, 4096);
    struct api *a = calloc(1, sizeof *a);
    if (!a)
        goto no_memory;
    a->server = strdup(server);
    a->curl = curl_easy_init();
    if (token) {
        if (strpbrk(token, "\r\n"))
            goto bad_token;
        buf_printf(&header, "Authorization: Bearer %s", token);
        a->authorization = buf_take(&header, NULL);
    }
    if (!a->server || !a->curl || (token && !a->authorization))
        goto no_memory;
    for (size_t n = strlen(a->server); n > 0 && a->server[n - 1] == '/'; n--)
        a->server[n - 1] = '\0';
    *out = a;
    return 0;
bad_token:
    err_set(e, ERR_BAD_REQUEST, "the token has a line break in it; look at $FARM_TOKEN");
no_memory:
    err_set(e, ERR_NO_MEMORY, "no memory for a connection");
    buf_free(&header);
    api_close(a);
    return -1;
}

void api_close(struct api *a)
{
    if (!a)
        return;
    curl_easy_cleanup(a->curl);
    free(a->server);
    free(a->authorization);
    free(a);
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
    struct buf *body = user;
    buf_add(body, bytes, size * n);
    return body->failed ? 0 : size * n; // fewer: curl ends the transfer
}

// A list that curl can grow; on failure the old one survives, to be freed by the caller.
static int add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer)
        return -1;
    *list = longer;
    return 0;
}

static int refuse(struct api *a, long status, const struct buf *body, struct err *e)
{
    reply_problem(buf_str(body), &a->problem);
    a->problem.status = (int)status;
    enum err_code code = err_from_type(a->problem.type);
    if (!a->problem.title[0] && status >= 502 && status <= 504)
        return err_set(e, ERR_OFFLINE, "no answer from %s (HTTP %ld of a proxy)", a->server,
                       status);
    if (code == ERR_NONE)
        code = ERR_INTERNAL;
    if (!a->problem.title[0])
        return err_set(e, code, "%s answered HTTP %ld without saying why; is that a farm-server?",
                       a->server, status);
    return err_set(e, code, "%s: %s", a->problem.title, a->problem.detail);
}

int api_call(struct api *a, const struct api_request *rq, struct buf *body, struct err *e)
{
    int result = -1;
    struct curl_slist *headers = NULL;
    struct buf url, line;
    buf_init(&url, 8192);
    buf_init(&line, 4096);
    buf_reset(body);
    a->problem = (struct api_problem){0};

    buf_printf(&url, "%s%s", a->server, rq->path);
    bool ok = !url.failed;
    if (a->authorization)
        ok = ok && add_header(&headers, a->authorization) == 0;
    if (rq->body) {
        buf_printf(&line, "Content-Type: %s", rq->content_type);
        ok = ok && add_header(&headers, buf_str(&line)) == 0;
        ok = ok && add_header(&headers, "Expect:") == 0; // no round trip before the body
    }
    if (rq->idempotency_key) {
        buf_reset(&line);
        buf_printf(&line, "Idempotency-Key: %s", rq->idempotency_key);
        ok = ok && add_header(&headers, buf_str(&line)) == 0;
    }
    if (!ok || line.failed) {
        err_set(e, ERR_NO_MEMORY, "no memory for a request");
        goto out;
    }

    curl_easy_reset(a->curl); // keeps the connection
    curl_easy_setopt(a->curl, CURLOPT_URL, buf_str(&url));
    curl_easy_setopt(a->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(a->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(a->curl, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(a->curl, CURLOPT_USERAGENT, "farm");
    curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, body);
    if (rq->body) {
        curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, rq->body);
        curl_easy_setopt(a->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_bytes);
    }
    curl_easy_setopt(a->curl, CURLOPT_CUSTOMREQUEST, rq->method);
    CURLcode rc = curl_easy_perform(a->curl);
    if (body->failed) {
        err_set(e, ERR_TOO_LARGE, "the reply to %s is larger than %zu bytes", rq->path, body->max);
        goto out;
    }
    if (rc != CURLE_OK) {
        err_set(e, ERR_OFFLINE, "no answer from %s (%s)", a->server, curl_easy_strerror(rc));
        goto out;
    }
    long status = 0;
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    result = status >= 200 && status < 300 ? 0 : refuse(a, status, body, e);
out:
    curl_slist_free_all(headers);
    buf_free(&line);
    buf_free(&url);
    return result;
}

const struct api_problem *api_problem(const struct api *a)
{
    return &a->problem;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void api_heard(struct api_patience *w)
{
    if (w->away)
        fprintf(stderr, "farm: the server answers again\n");
    w->away = false;
}

bool api_may_return(struct api_patience *w, const struct err *why)
{
    if (!w->away)
        w->since_ms = now_ms();
    if ((why->code != ERR_OFFLINE && why->code != ERR_RATE) ||
        now_ms() - w->since_ms >= w->limit_s * 1000)
        return false;
    if (!w->away)
        fprintf(stderr, "%sfarm: %s; waiting up to %ld s for it\n",
                isatty(STDERR_FILENO) ? "\n" : "", why->msg, w->limit_s);
    w->away = true;
    return true;
}

const char *api_advice(const char *type)
{
    static const struct {
        const char *type, *advice;
    } table[] = {
        {"bad-model", "give a .tflite file of an int8 network, whole and unchanged"},
        {"unsupported-op",
         "docs/models.md lists the operators; convert the model without the one named above"},
        {"too-complex",
         "ask for fewer schedules, as --strategy vanilla, or give configurations by --spec"},
        {"does-not-fit", "ask for a smaller configuration: farm front MODEL --max-ram 16KiB"},
        {"unknown-board", "farm boards lists the ids"},
        {"not-found", "farm models and farm campaigns list what is there"},
        {"unauthorized", "set FARM_TOKEN to a token of this server (docs/security.md)"},
        {"forbidden", "use a token whose role allows it (docs/security.md)"},
        {"too-many-requests", "wait a moment and try again"},
        {"too-large", "a model may have 32 MiB at most"},
        {"internal", "the server's log on stderr has the cause"},
        {"io", "the server's log on stderr has the cause; is its disk full?"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].type, type) == 0)
            return table[i].advice;
    }
    return NULL;
}

void api_escape(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     strchr("-._~", c);
        if (plain)
            buf_add(out, text, 1);
        else
            buf_printf(out, "%%%02X", c);
    }
}
