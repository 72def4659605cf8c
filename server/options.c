// SPDX-License-Identifier: MIT
// See options.h.
#include "server/options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const options_usage =
    "usage: farm-server --data DIR [options]\n"
    "  --data DIR        database and lock; made if missing\n"
    "  --boards DIR      folder of the boards (default firmware/boards)\n"
    "  --web DIR         the built page (default: no page)\n"
    "  --plans DIR       folder of the plans that run by themselves (default: none; "
    "docs/nightly.md)\n"
    "  --listen IP:PORT  address (default 127.0.0.1:8080; port 0: any free one, told on stdout)\n"
    "  --tokens FILE     who may do what: lines \"role sha256-of-token name\", role read, submit, "
    "agent or admin;\n"
    "                    needed for every address but loopback\n"
    "  --lease-s N       a job returns to the queue after N seconds without a heartbeat (default "
    "30)\n"
    "  --attempts N      a job fails for good after N attempts that the rig is to blame for "
    "(default "
    "3)\n"
    "  --quarantine-s N  first quarantine of a rig that keeps failing (default 60)\n"
    "  --rate N          requests per second and address (default 0 = no limit on loopback, else "
    "100)\n"
    "  --connections N   connections at once (default 4096), --per-ip N of one address (default "
    "1024)\n"
    "  --clock FILE      for tests: plans go by the milliseconds since 1970 UTC that stand in "
    "FILE\n"
    "FARM_LOG=debug|info|warn|error sets how much is logged on stderr.\n";

bool options_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int options_number(const char *name, const char *text, int min, int max, int *out,
                          struct err *e)
{
    size_t n = strlen(text);
    if (n < 1 || n > 9 || strspn(text, "0123456789") != n || atoi(text) < min || atoi(text) > max)
        return err_set(e, ERR_BAD_FIELD, "%s: must be %d to %d, is \"%.40s\"", name, min, max,
                       text);
    *out = atoi(text);
    return 0;
}

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080"
static int options_listen(const char *text, struct options *o, struct err *e)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    const char *host = text;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        host++;
        n -= 2;
    }
    if (n < 1 || n >= sizeof o->host)
        return err_set(e, ERR_BAD_FIELD,
                       "--listen: must be ADDRESS:PORT such as 127.0.0.1:8080, is \"%.60s\"", text);
    memcpy(o->host, host, n);
    o->host[n] = '\0';
    if (strcmp(o->host, "localhost") == 0)
        snprintf(o->host, sizeof o->host, "127.0.0.1");
    unsigned char any[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, o->host, any) != 1 && inet_pton(AF_INET6, o->host, any) != 1)
        return err_set(e, ERR_BAD_FIELD, "--listen: \"%s\" is not an IP address", o->host);
    return options_number("--listen (port)", colon + 1, 0, 65535, &o->port, e);
}

// Every option but --help takes a value; options_usage names them all.
static bool options_known(const char *name)
{
    size_t n = strlen(name);
    for (const char *at = strstr(options_usage, name); at; at = strstr(at + 1, name)) {
        if (strncmp(name, "--", 2) == 0 && n > 2 && at[-1] == ' ' && at[n] == ' ')
            return true;
    }
    return false;
}

int options_parse(int argc, char **argv, struct options *o, struct err *e)
{
    *o = (struct options){.host = "127.0.0.1",
                          .port = 8080,
                          .boards = "firmware/boards",
                          .lease_s = 30,
                          .attempts = 3,
                          .quarantine_s = 60,
                          .rate = -1,
                          .connections = 4096,
                          .per_ip = 1024};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
            o->help = true;
            return 0;
        }
        const char *value = i + 1 < argc ? argv[++i] : NULL;
        if (!options_known(name) || !value)
            return err_set(e, ERR_BAD_FIELD, "%.60s: %s; see --help", name,
                           options_known(name) ? "needs a value" : "is not an option");
        int bad = 0;
        if (strcmp(name, "--listen") == 0)
            bad = options_listen(value, o, e);
        else if (strcmp(name, "--data") == 0)
            o->data = value;
        else if (strcmp(name, "--boards") == 0)
            o->boards = value;
        else if (strcmp(name, "--web") == 0)
            o->web = value;
        else if (strcmp(name, "--tokens") == 0)
            o->tokens = value;
        else if (strcmp(name, "--plans") == 0)
            o->plans = value;
        else if (strcmp(name, "--clock") == 0)
            o->clock = value;
        else if (strcmp(name, "--lease-s") == 0)
            bad = options_number(name, value, 1, 3600, &o->lease_s, e);
        else if (strcmp(name, "--attempts") == 0)
            bad = options_number(name, value, 1, 100, &o->attempts, e);
        else if (strcmp(name, "--quarantine-s") == 0)
            bad = options_number(name, value, 1, 3600, &o->quarantine_s, e);
        else if (strcmp(name, "--rate") == 0)
            bad = options_number(name, value, 0, 1000000, &o->rate, e);
        else if (strcmp(name, "--connections") == 0)
            bad = options_number(name, value, 4, 100000, &o->connections, e);
        else if (strcmp(name, "--per-ip") == 0)
            bad = options_number(name, value, 1, 100000, &o->per_ip, e);
        if (bad)
            return -1;
    }
    if (!o->data)
        return err_set(e, ERR_BAD_FIELD,
                       "--data: names the folder of the database and is missing; see --help");
    bool loopback = options_loopback(o->host);
    if (!loopback && !o->tokens)
        return err_set(
            e, ERR_BAD_FIELD,
            "--listen %s: without --tokens the server listens on loopback only (docs/security.md)",
            o->host);
    if (o->rate < 0)
        o->rate = loopback ? 0 : 100;
    return 0;
}
