// SPDX-License-Identifier: MIT
// rig.json and the ready line of a virtual board: what is accepted, and that errors name rig and
// field. Also the build-id of an ELF file.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/elf.h"
#include "agent/rig_file.h"
#include "tests/tap.h"

#define GOOD "\"name\":\"a\",\"board\":\"b1\",\"serial\":\"S1\",\"tty\":\"/dev/ttyA\""

static void test_good(void)
{
    static const char text[] = "{\"rigs\":[{" GOOD "},\n"
                               "{\"name\":\"b\",\"board\":\"b1\",\"serial\":\"S:2\",\"tty\":\"/dev/"
                               "ttyB\",\"stlink_port\":7184}]}\n";
    struct rig_config *rigs;
    size_t n;
    struct err e = {0};
    EQ_INT(rig_file_parse("rig.json", text, strlen(text), &rigs, &n, &e), 0);
    EQ_INT(n, 2);
    EQ_STR(rigs[0].name, "a");
    EQ_STR(rigs[0].tty, "/dev/ttyA");
    EQ_INT(rigs[0].stlink_port, 0);
    EQ_STR(rigs[1].serial, "S:2");
    EQ_INT(rigs[1].stlink_port, 7184);
    free(rigs);
    EQ_INT(rig_file_parse("rig.json", "{\"rigs\":[]}", 11, &rigs, &n, &e), 0);
    EQ_INT(n, 0);
    free(rigs);
}

static void test_bad(const char *text, const char *words)
{
    struct rig_config *rigs;
    size_t n;
    struct err e = {0};
    OKF(rig_file_parse("rig.json", text, strlen(text), &rigs, &n, &e) < 0, "refuses %.*s",
        (int)strcspn(text, "\n"), text);
    OKF(strstr(e.msg, words) && strstr(e.msg, "rig.json"), "says \"%s\": %s", words, e.msg);
    OK(rigs == NULL && n == 0);
}

static void test_ready(void)
{
    struct rig_config c = {.name = "mine"};
    struct err e = {0};
    const char *text = "{\"board\":\"nucleo-f767zi\",\"serial\":\"VB0001\",\"stlink_port\":40001,"
                       "\"tty\":\"/dev/pts/7\",\"pid\":5}";
    EQ_INT(rig_file_parse_ready(text, strlen(text), &c, &e), 0);
    EQ_STR(c.name, "mine");
    EQ_STR(c.tty, "/dev/pts/7");
    EQ_INT(c.stlink_port, 40001);
    text = "{\"board\":\"esp32s3-devkit\",\"serial\":\"VB0002\",\"jtag_tty\":\"/dev/pts/8\","
           "\"tty\":\"/dev/pts/9\"}";
    EQ_INT(rig_file_parse_ready(text, strlen(text), &c, &e), 0);
    EQ_STR(c.jtag_tty, "/dev/pts/8");
    EQ_INT(c.stlink_port, 0);
    text = "{\"board\":\"nucleo-f767zi\",\"serial\":\"VB0001\",\"tty\":\"/dev/pts/7\"}";
    EQ_INT(rig_file_parse_ready(text, strlen(text), &c, &e), -1);
    OKF(strstr(e.msg, "stlink_port") != NULL, "%s", e.msg);
    err_clear(&e);
    EQ_INT(rig_file_parse_ready("Segmentation fault", 18, &c, &e), -1);
}

// A 32-bit ELF file with one note section, or with less than that: cut is how many of its bytes are
// written.
static void test_elf(size_t cut, bool by_section, int rc, const char *words)
{
    uint8_t f[52 + 40 + 36] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    char path[] = "/tmp/t_agent_elf.XXXXXX", id[ELF_BUILD_ID_CHARS];
    struct err e = {0};
    f[by_section ? 32 : 28] = 52; // e_shoff or e_phoff
    f[by_section ? 46 : 42] = 40; // size of a row
    f[by_section ? 48 : 44] = 1;  // rows
    uint8_t *row = f + 52, *note = f + 92;
    row[by_section ? 4 : 0] = by_section ? 7 : 4; // type
    row[by_section ? 16 : 4] = 92;
    row[by_section ? 20 : 16] = 36;
    note[0] = 4;
    note[4] = 20;
    note[8] = 3;
    memcpy(note + 12, "GNU", 4);
    for (int i = 0; i < 20; i++)
        note[16 + i] = (uint8_t)(0xa0 + i);
    int fd = mkstemp(path);
    OK(fd >= 0 && write(fd, f, cut) == (ssize_t)cut);
    close(fd);
    OKF(elf_read_build_id(path, id, &e) == rc, "%zu bytes -> %d", cut, rc);
    if (rc == 0)
        EQ_STR(id, "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");
    else
        OKF(strstr(e.msg, words) != NULL, "says \"%s\": %s", words, e.msg);
    unlink(path);
}

static void test_power_cycle(void)
{
    static const char text[] =
        "{\"rigs\":[{" GOOD ",\"power_cycle\":[\"uhubctl\",\"-a\",\"cycle\"]}]}";
    const char *argv[RIG_POWER_ARGS + 1];
    struct rig_config *rigs;
    size_t n;
    struct err e = {0};
    if (!OKF(rig_file_parse("rig.json", text, strlen(text), &rigs, &n, &e) == 0, "%s", e.msg))
        return;
    rig_file_power_argv(&rigs[0], argv);
    EQ_STR(argv[0], "uhubctl");
    EQ_STR(argv[2], "cycle");
    OK(argv[3] == NULL && rigs[0].power_cycle_s == 30);
    free(rigs);
}

int main(void)
{
    test_good();
    test_power_cycle();
    test_bad("{\"rigs\":[{" GOOD ",\"power_cycle\":\"reboot\"}]}", "list of 1..16 words");
    test_bad("{\"rigs\":[{" GOOD ",\"power_cycle\":[]}]}", "list of 1..16 words");
    test_bad("{\"rigs\":[{" GOOD ",\"power_cycle\":[\"a\",7]}]}", "must hold strings");
    test_bad("{\"rigs\":[{" GOOD ",\"power_cycle_s\":5}]}", "needs power_cycle");
    test_bad("{\"rigs\":[{\"name\":\"a\",\"board\":\"b\",\"serial\":\"S\",\"tty\":\"usb:1:2:3\"}]}",
             "field \"tty\" must be usb:VENDOR:PRODUCT:SERIAL");
    test_bad(
        "{\"rigs\":[{\"name\":\"a\",\"board\":\"b\",\"serial\":\"S\",\"tty\":\"usb:0483:374b:A\"},"
        "{\"name\":\"b\",\"board\":\"b\",\"serial\":\"T\",\"tty\":\"usb:0483:374B:a\"}]}",
        "rig \"b\": field \"tty\" is the same as that of rig \"a\"");
    test_bad("", "not valid JSON");
    test_bad("{\"rigs\":[\n{\"name\":}]}", "line 2");
    test_bad("{\"rigs\":[]} x", "something follows");
    test_bad("[]", "must be {\"rigs\"");
    test_bad("{}", "must be {\"rigs\"");
    test_bad("{\"rig\":[]}", "\"rig\" is not known");
    test_bad("{\"rigs\":[],\"rigs\":[]}", "occurs twice");
    test_bad("{\"rigs\":[7]}", "rigs[0] must be an object");
    test_bad("{\"rigs\":[{" GOOD ",\"speed\":1}]}", "rig \"a\": field \"speed\" is not known");
    test_bad("{\"rigs\":[{" GOOD ",\"name\":\"b\"}]}", "field \"name\" occurs twice");
    test_bad("{\"rigs\":[{\"board\":\"b1\",\"serial\":\"S1\",\"tty\":\"/dev/a\"}]}",
             "rigs[0]: field \"name\" is missing");
    test_bad("{\"rigs\":[{\"name\":\"a\",\"serial\":\"S1\",\"tty\":\"/dev/a\"}]}",
             "rig \"a\": field \"board\" is missing");
    test_bad("{\"rigs\":[{\"name\":\"a\",\"board\":\"b\",\"tty\":\"/dev/a\"}]}",
             "rig \"a\": field \"serial\" is missing");
    test_bad("{\"rigs\":[{\"name\":\"a\",\"board\":\"b\",\"serial\":\"S\"}]}",
             "rig \"a\": field \"tty\" is missing");
    test_bad("{\"rigs\":[{\"name\":7,\"board\":\"b\",\"serial\":\"S\",\"tty\":\"/dev/a\"}]}",
             "field \"name\" must be a string");
    test_bad("{\"rigs\":[{\"name\":\"a/b\",\"board\":\"b\",\"serial\":\"S\",\"tty\":\"/dev/a\"}]}",
             "field \"name\" may hold");
    test_bad("{\"rigs\":[{\"name\":\"a\",\"board\":\"../b\",\"serial\":\"S\",\"tty\":\"/dev/a\"}]}",
             "field \"board\"");
    test_bad(
        "{\"rigs\":[{\"name\":\"a\",\"board\":\"b\",\"serial\":\"S; exit\",\"tty\":\"/dev/a\"}]}",
        "field \"serial\"");
    test_bad("{\"rigs\":[{\"name\":\"a\",\"board\":\"b\",\"serial\":\"S\",\"tty\":\"ttyACM0\"}]}",
             "field \"tty\"");
    test_bad("{\"rigs\":[{" GOOD ",\"stlink_port\":65536}]}", "field \"stlink_port\"");
    test_bad("{\"rigs\":[{" GOOD ",\"stlink_port\":\"1\"}]}", "field \"stlink_port\"");
    test_bad("{\"rigs\":[{" GOOD ",\"jtag_tty\":\"pts/3\"}]}", "absolute path");
    test_bad("{\"rigs\":[{" GOOD ",\"jtag_tty\":\"/dev/{x}\"}]}", "field \"jtag_tty\"");
    test_bad("{\"rigs\":[{" GOOD ",\"jtag_tty\":\"/dev/pts/3\",\"stlink_port\":1}]}",
             "one debug probe");
    test_bad("{\"rigs\":[{" GOOD
             "},{\"name\":\"a\",\"board\":\"b\",\"serial\":\"S2\",\"tty\":\"/dev/ttyB\"}]}",
             "field \"name\" is taken");
    test_bad("{\"rigs\":[{" GOOD
             "},{\"name\":\"b\",\"board\":\"b\",\"serial\":\"S1\",\"tty\":\"/dev/ttyB\"}]}",
             "rig \"b\": field \"serial\" is the same as that of rig \"a\"");
    test_bad("{\"rigs\":[{" GOOD
             "},{\"name\":\"b\",\"board\":\"b\",\"serial\":\"S2\",\"tty\":\"/dev/ttyA\"}]}",
             "rig \"b\": field \"tty\" is the same as that of rig \"a\"");
    test_ready();
    test_elf(128, true, 0, "");
    test_elf(128, false, 0, "");
    test_elf(127, true, -1, "no GNU build-id");
    test_elf(60, true, -1, "no GNU build-id");
    test_elf(51, true, -1, "not a 32-bit");
    test_elf(0, true, -1, "not a 32-bit");
    struct err e = {0};
    char id[ELF_BUILD_ID_CHARS];
    EQ_INT(elf_read_build_id("/nonexistent.elf", id, &e), -1);
    OK(strstr(e.msg, "/nonexistent.elf") != NULL);
    return tap_done();
}
