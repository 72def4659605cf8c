// SPDX-License-Identifier: MIT
// See webhook.h.
#include "server/webhook.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "server/clock.h"
#include "server/hash.h"
#include "server/plan.h"
#include "server/run.h"
#include "server/store_runs.h"

#define CONNECT_MS 5000L
#define TOTAL_MS 15000L
#define MAX_SECRET 4096

int webhook_init(struct err *e)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK
               ? 0
               : err_set(e, ERR_INTERNAL, "libcurl cannot be used");
}

int64_t webhook_wait_ms(int attempts)
{
    int64_t wait = 2000;
    if (attempts >= WEBHOOK_ATTEMPTS)
        return 0;
    for (int i = 1; i < attempts && wait < 3600000; i++)
        wait *= 5;
    return wait < 3600000 ? wait : 3600000;
}

// The secret without the newline that editors add.
static int webhook_secret(const char *dir, const char *file, struct buf *out, struct err *e)
{
    char path[4096];
    if (plan_path(dir, file, path, sizeof path, e))
        return -1;
    if (plan_read(path, out))
        return err_set(e, ERR_IO, "secret_file %s: %s", file, strerror(errno));
    while (out->len && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
        out->data[--out->len] = '\0';
    return out->len ? 0 : err_set(e, ERR_IO, "secret_file %s is empty", file);
}

static struct curl_slist *webhook_headers(const struct delivery *d, const struct buf *secret,
                                          const struct buf *body, struct err *e)
{
    char at[32], mac[HASH_HEX_SIZE], line[160];
    struct buf message;
    struct curl_slist *list = NULL;
    snprintf(at, sizeof at, "%" PRId64, clock_now_ms() / 1000);
    buf_init(&message, body->len + 64);
    buf_puts(&message, at);
    buf_puts(&message, ".");
    buf_add(&message, body->data, body->len);
    if (!message.failed &&
        hash_hmac_hex(secret->data, secret->len, message.data, message.len, mac, e) == 0) {
        list = curl_slist_append(list, "Content-Type: application/json");
        snprintf(line, sizeof line, "X-Farm-Timestamp: %s", at);
        list = curl_slist_append(list, line);
        snprintf(line, sizeof line, "X-Farm-Signature: sha256=%s", mac);
        list = curl_slist_append(list, line);
        snprintf(line, sizeof line, "X-Farm-Delivery: %" PRId64, d->id);
        list = curl_slist_append(list, line);
    }
    buf_free(&message);
    return list;
}

static size_t webhook_discard(char *bytes, size_t size, size_t n, void *cls)
{
    (void)bytes;
    (void)cls;
    return size * n;
}

// Called by curl at least once a second, whatever the receiver does; not 0 ends the transfer.
static int webhook_progress(void *cls, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                            curl_off_t up)
{
    atomic_bool *stop = cls;
    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    return atomic_load(stop);
}

// One try. -1: it was not taken, e says why; *status is the HTTP status if there was one.
static int webhook_send(const struct plan *plan, const char *dir, const struct delivery *d,
                        const struct buf *body, atomic_bool *stop, int *status, struct err *e)
{
    struct buf secret;
    char said[CURL_ERROR_SIZE] = "";
    long code = 0;
    int bad = -1;
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    buf_init(&secret, MAX_SECRET);
    if (!curl || webhook_secret(dir, plan->webhook.secret_file, &secret, e) ||
        !(headers = webhook_headers(d, &secret, body, e))) {
        err_set(e, ERR_NO_MEMORY, "no memory for a message"); // unless something else is wrong
        goto out;
    }
    curl_easy_setopt(curl, CURLOPT_URL, plan->webhook.url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body->data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body->len);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "msf-farm");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, webhook_discard);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, webhook_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stop);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, said);
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    *status = (int)code;
    if (rc != CURLE_OK)
        err_set(e, ERR_OFFLINE, "%.300s", said[0] ? said : curl_easy_strerror(rc));
    else if (code < 200 || code > 299)
        err_set(e, ERR_OFFLINE, "the receiver answered %ld", code);
    else
        bad = 0;
out:
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    buf_free(&secret);
    return bad;
}

// Writes down what became of a try. sent: it was taken; else why says what was wrong.
static int webhook_note(struct app *a, struct delivery *d, bool sent, const struct err *why,
                        struct err *e)
{
    int64_t wait = sent ? 0 : webhook_wait_ms(d->attempts);
    d->updated_ms = clock_now_ms();
    d->due_ms = wait ? d->updated_ms + wait : 0;
    snprintf(d->state, sizeof d->state, "%s", sent ? "delivered" : wait ? "pending" : "failed");
    snprintf(d->error, sizeof d->error, "%.399s", why->msg);
    if (!sent)
        log_warn("webhook", "run %" PRId64 ", attempt %d: %s", d->run, d->attempts, why->msg);
    return store_delivery_put(a->store, d, e);
}

static int webhook_try(struct app *a, const char *dir, struct delivery *d, const struct buf *body,
                       atomic_bool *stop, struct err *e)
{
    struct plan *plan = calloc(1, sizeof *plan);
    struct err why = {0};
    int bad = plan ? 0 : err_set(e, ERR_NO_MEMORY, "no memory for a plan");
    if (!bad) {
        d->status = 0;
        d->attempts++;
        int refused = run_plan_of(a->store, d->run, plan, &why) ||
                      webhook_send(plan, dir, d, body, stop, &d->status, &why);
        if (!refused || !atomic_load(stop))
            bad = webhook_note(a, d, !refused, &why, e);
        plan_free(plan);
    }
    free(plan);
    return bad;
}

int webhook_deliver(struct app *a, const char *plans_dir, atomic_bool *stop, struct err *e)
{
    struct buf body;
    struct delivery d;
    bool found = true;
    int bad = 0;
    buf_init(&body, 8u << 20);
    while (found && !bad && !atomic_load(stop)) {
        buf_reset(&body);
        bad = store_delivery_due(a->store, clock_now_ms(), &d, &body, &found, e);
        if (found && !bad)
            bad = webhook_try(a, plans_dir, &d, &body, stop, e);
    }
    buf_free(&body);
    return bad;
}
