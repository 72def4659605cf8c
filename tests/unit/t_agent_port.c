// SPDX-License-Identifier: MIT
// Serial ports by USB id, in a table of ports that does not exist: two equal boards, a device with two ports, nothing.
#include <stdio.h>
#include <string.h>

#include "agent/port.h"
#include "tests/tap.h"

static const struct port_entry table[] = {
    {"/dev/ttyACM10", 0x1366, 0x1051, "000979", "J-Link"},
    {"/dev/ttyACM1", 0x0483, 0x374b, "066EFF22", "STM32 STLink"},
    {"/dev/ttyACM9", 0x1366, 0x1051, "000979", "J-Link"},
    {"/dev/ttyUSB0", 0x10c4, 0xea60, "", "CP2102"},
    {"/dev/ttyACM0", 0x0483, 0x374b, "066EFF11", "STM32 STLink"},
};

static int fake_list(void *ctx, struct port_entry *out, int max)
{
    int n = *(const int *)ctx;
    for (int i = 0; i < n && i < max; i++)
        out[i] = table[i];
    return n;
}

static void finds(int n, const char *id, const char *device)
{
    const struct port_source source = {.list = fake_list, .ctx = &n};
    char path[64] = "";
    struct err e = {0};
    OKF(port_find(&source, id, path, sizeof path, &e) == 0 && strcmp(path, device) == 0,
        "%s is %s: %s %s", id, device, path, e.msg);
}

static void misses(int n, const char *id, const char *words)
{
    const struct port_source source = {.list = fake_list, .ctx = &n};
    char path[64] = "";
    struct err e = {0};
    OKF(port_find(&source, id, path, sizeof path, &e) < 0 && e.code == ERR_OFFLINE &&
            strstr(e.msg, words) && strstr(e.msg, id),
        "%s: %s", id, e.msg);
}

static void refuses(const char *id, const char *words)
{
    struct err e = {0};
    OKF(port_check_id(id, &e) < 0 && e.code == ERR_BAD_FIELD && strstr(e.msg, words), "%s: %s", id,
        e.msg);
}

int main(void)
{
    struct err e = {0};
    OK(port_is_id("usb:1") && !port_is_id("/dev/ttyACM0"));
    OK(port_check_id("usb:0483:374B:066EFF11#1", &e) == 0);
    finds(5, "/dev/anything", "/dev/anything"); // a path is itself
    finds(5, "usb:0483:374b:066EFF11", "/dev/ttyACM0");
    finds(5, "usb:0483:374B:066eff22", "/dev/ttyACM1");
    finds(5, "usb:1366:1051:000979#1", "/dev/ttyACM9");
    finds(5, "usb:1366:1051:000979#2", "/dev/ttyACM10");
    misses(5, "usb:1366:1051:000979", "2 serial ports, say which with #1 to #2: /dev/ttyACM9");
    misses(5, "usb:1366:1051:000979#3", "has only 2 serial ports");
    misses(5, "usb:0483:374b:066EFF33", "of that vendor and product there are: /dev/ttyACM0");
    misses(5, "usb:dead:beef:1", "is not plugged in");
    misses(0, "usb:0483:374b:066EFF11", "is not plugged in");
    misses(-1, "usb:0483:374b:066EFF11", "cannot be listed");
    refuses("usb:483:374b:1", "four hex digits");
    refuses("usb:0483:374b", "four hex digits");
    refuses("usb:0483:374b:", "no serial number");
    refuses("usb:0483:374b:#1", "no serial number");
    refuses("usb:0483:374b:1#0", "number of the port");
    refuses("usb:0483:374b:1#10", "number of the port");
    return tap_done();
}
