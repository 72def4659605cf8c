// SPDX-License-Identifier: MIT
// See port.h.
#include "agent/port.h"

#include <libserialport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"

struct port_id {
    int vendor, product;
    char serial[128];
    int nth; // from 1; 0: the only one
};

bool port_is_id(const char *tty)
{
    return strncmp(tty, "usb:", 4) == 0;
}

static bool take_hex(const char **at, int *out)
{
    size_t n = strspn(*at, "0123456789abcdefABCDEF");
    if (n != 4 || (*at)[4] != ':')
        return false;
    *out = (int)strtol(*at, NULL, 16);
    *at += 5;
    return true;
}

static int port_parse(const char *text, struct port_id *id, struct err *e)
{
    const char *at = text + 4;
    *id = (struct port_id){0};
    if (!port_is_id(text) || !take_hex(&at, &id->vendor) || !take_hex(&at, &id->product))
        return err_set(e, ERR_BAD_FIELD,
                       "must be usb:VENDOR:PRODUCT:SERIAL with four hex digits each, "
                       "such as usb:0483:374b:066EFF515055657867072137");
    size_t n = strcspn(at, "#");
    if (n == 0 || n >= sizeof id->serial)
        return err_set(e, ERR_BAD_FIELD, "has no serial number: the third part names it");
    memcpy(id->serial, at, n);
    if (!at[n])
        return 0;
    if (at[n + 1] < '1' || at[n + 1] > '9' || at[n + 2])
        return err_set(e, ERR_BAD_FIELD, "ends with #N, the number of the port: 1 to 9");
    id->nth = at[n + 1] - '0';
    return 0;
}

int port_check_id(const char *id, struct err *e)
{
    struct port_id parsed;
    return port_parse(id, &parsed, e);
}

// ttyACM9 before ttyACM10: the ports of one device in their order.
static int by_name(const void *a, const void *b)
{
    const struct port_entry *p = a, *q = b;
    size_t n = strlen(p->path), m = strlen(q->path);
    return n != m ? (n > m) - (n < m) : strcmp(p->path, q->path);
}

// Nothing matches, or too much does: what is there?
static int port_refuse(const char *tty, const struct port_entry *at, int n, int matches,
                       const struct port_id *id, struct err *e)
{
    struct buf there;
    buf_init(&there, 300);
    for (int i = 0; i < n; i++) {
        bool kin = at[i].vendor == id->vendor && at[i].product == id->product;
        bool same = kin && strcasecmp(at[i].serial, id->serial) == 0;
        if (matches ? same : kin)
            buf_printf(&there, "%s%s (%.60s)", there.len ? ", " : "", at[i].path, at[i].serial);
    }
    if (matches && !id->nth)
        err_set(e, ERR_OFFLINE, "%s is %d serial ports, say which with #1 to #%d: %s", tty, matches,
                matches, buf_str(&there));
    else if (matches)
        err_set(e, ERR_OFFLINE, "%s: the device has only %d serial ports: %s", tty, matches,
                buf_str(&there));
    else if (there.len)
        err_set(e, ERR_OFFLINE, "%s is not plugged in; of that vendor and product there are: %s",
                tty, buf_str(&there));
    else
        err_set(e, ERR_OFFLINE, "%s is not plugged in", tty);
    buf_free(&there);
    return -1;
}

int port_find(const struct port_source *source, const char *tty, char *path, size_t size,
              struct err *e)
{
    struct port_id id;
    int rc = -1, matches = 0;
    if (!port_is_id(tty)) {
        snprintf(path, size, "%s", tty);
        return 0;
    }
    if (port_parse(tty, &id, e) < 0)
        return -1;
    struct port_entry *at = calloc(PORT_MAX, sizeof *at);
    int n = at ? source->list(source->ctx, at, PORT_MAX) : -1;
    if (n < 0) {
        err_set(e, ERR_OFFLINE, "%s: the serial ports of this machine cannot be listed", tty);
        goto out;
    }
    qsort(at, (size_t)n, sizeof *at, by_name);
    for (int i = 0; i < n; i++) {
        if (at[i].vendor != id.vendor || at[i].product != id.product ||
            strcasecmp(at[i].serial, id.serial) != 0)
            continue;
        matches++;
        if (matches == (id.nth ? id.nth : 1))
            snprintf(path, size, "%s", at[i].path);
    }
    if (id.nth ? matches < id.nth : matches != 1)
        port_refuse(tty, at, n, matches, &id, e);
    else
        rc = 0;
out:
    free(at);
    return rc;
}

static int usb_list(void *ctx, struct port_entry *out, int max)
{
    struct sp_port **ports = NULL;
    int n = 0;
    (void)ctx;
    if (sp_list_ports(&ports) != SP_OK)
        return -1;
    for (int i = 0; ports[i] && n < max; i++) {
        struct port_entry *p = &out[n];
        const char *serial = sp_get_port_usb_serial(ports[i]),
                   *description = sp_get_port_description(ports[i]);
        *p = (struct port_entry){0};
        if (sp_get_port_transport(ports[i]) != SP_TRANSPORT_USB ||
            sp_get_port_usb_vid_pid(ports[i], &p->vendor, &p->product) != SP_OK)
            continue;
        snprintf(p->path, sizeof p->path, "%s", sp_get_port_name(ports[i]));
        snprintf(p->serial, sizeof p->serial, "%s", serial ? serial : "");
        snprintf(p->description, sizeof p->description, "%s", description ? description : "");
        n++;
    }
    sp_free_port_list(ports);
    return n;
}

const struct port_source port_usb = {.list = usb_list};
