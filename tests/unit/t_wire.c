// SPDX-License-Identifier: MIT
// The serial protocol: published CRC vectors, round trips, every single-byte corruption, over-long
// lines, resync.
#include "firmware/wire/wire.h"
#include "tests/tap.h"

struct text {
    char bytes[4 * WIRE_LINE_MAX];
    size_t len;
};

static void text_put(void *ctx, char c)
{
    struct text *t = ctx;
    if (t->len < sizeof t->bytes - 1)
        t->bytes[t->len++] = c;
    t->bytes[t->len] = '\0';
}

static struct wire_writer writer_to(struct text *t)
{
    t->len = 0;
    t->bytes[0] = '\0';
    struct wire_writer w = {.put = text_put, .ctx = t};
    return w;
}

// Feeds all bytes; counts good and bad lines, copies the last good one.
struct heard {
    int good, bad;
    char name[WIRE_LINE_MAX], json[WIRE_LINE_MAX];
};

static struct heard hear(struct wire_reader *r, const char *bytes, size_t n)
{
    struct heard h = {0};
    for (size_t i = 0; i < n; i++) {
        struct wire_line line;
        int got = wire_feed(r, (uint8_t)bytes[i], &line);
        if (got > 0) {
            h.good++;
            snprintf(h.name, sizeof h.name, "%s", line.name);
            snprintf(h.json, sizeof h.json, "%s", line.json);
        } else if (got < 0) {
            h.bad++;
        }
    }
    return h;
}

static struct heard hear_new(enum wire_kind kind, const char *bytes, size_t n)
{
    char buffer[WIRE_LINE_MAX];
    struct wire_reader r;
    wire_reader_init(&r, kind, buffer, sizeof buffer);
    return hear(&r, bytes, n);
}

// `text` plus "*XXXX\n".
static size_t seal(char *out, size_t out_bytes, const char *text)
{
    uint16_t crc = wire_crc16(WIRE_CRC16_INIT, text, strlen(text));
    return (size_t)snprintf(out, out_bytes, "%s*%04X\n", text, crc);
}

static struct heard hear_sealed(enum wire_kind kind, const char *text)
{
    char line[2 * WIRE_LINE_MAX];
    return hear_new(kind, line, seal(line, sizeof line, text));
}

static void test_checksums(void)
{
    EQ_INT(wire_crc16(WIRE_CRC16_INIT, "123456789", 9), 0x29B1);
    EQ_INT(wire_crc16(WIRE_CRC16_INIT, "", 0), 0xFFFF);
    EQ_INT(wire_crc16(WIRE_CRC16_INIT, "A", 1), 0xB915);
    EQ_INT(wire_crc16(wire_crc16(WIRE_CRC16_INIT, "1234", 4), "56789", 5), 0x29B1);
    EQ_INT(wire_crc32(0, "123456789", 9), 0xCBF43926);
    EQ_INT(wire_crc32(0, "", 0), 0);
    EQ_INT(wire_crc32(0, "The quick brown fox jumps over the lazy dog", 43), 0x414FA339);
    EQ_INT(wire_crc32(wire_crc32(0, "1234", 4), "56789", 5), 0xCBF43926);
}

static void test_record_round_trip(void)
{
    struct text t;
    struct wire_writer w = writer_to(&t);
    const int8_t head[] = {-128, -1, 0, 7, 127};
    const uint8_t id[] = {0x00, 0xAB, 0xFF};
    wire_begin(&w, "out");
    wire_field_u64(&w, "bytes", 0);
    wire_field_u64(&w, "big", UINT64_MAX);
    wire_field_hex32(&w, "crc32", 0x0BADF00D);
    wire_field_bool(&w, "yes", true);
    wire_field_bool(&w, "no", false);
    wire_field_str(&w, "text", "a \"b\" \\ c*d\n\xC3\xA9");
    wire_field_hex_bytes(&w, "id", id, sizeof id);
    wire_field_i8_array(&w, "head", head, sizeof head);
    wire_field_i8_array(&w, "none", head, 0);
    EQ_INT(wire_end(&w), 0);
    struct heard h = hear_new(WIRE_RECORDS, t.bytes, t.len);
    EQ_INT(h.good, 1);
    EQ_INT(h.bad, 0);
    EQ_STR(h.name, "out");
    EQ_STR(h.json, "{\"bytes\":0,\"big\":18446744073709551615,\"crc32\":\"0badf00d\",\"yes\":true,"
                   "\"no\":false,"
                   "\"text\":\"a \\\"b\\\" \\\\ "
                   "c*d???\",\"id\":\"00abff\",\"head\":[-128,-1,0,7,127],\"none\":[]}");

    w = writer_to(&t);
    wire_begin(&w, "done");
    EQ_INT(wire_end(&w), 0);
    h = hear_new(WIRE_RECORDS, t.bytes, t.len);
    EQ_STR(h.json, "{}");
}

static void test_known_line(void)
{
    // The CRC was computed bit by bit, by another program.
    const char line[] = "@done {\"repeats\":3}*945A\n";
    struct text t;
    struct wire_writer w = writer_to(&t);
    wire_begin(&w, "done");
    wire_field_u64(&w, "repeats", 3);
    wire_end(&w);
    EQ_STR(t.bytes, line);
}

static void test_commands(void)
{
    char line[WIRE_COMMAND_MAX + 1];
    char buffer[WIRE_COMMAND_MAX];
    struct wire_reader r;
    wire_reader_init(&r, WIRE_COMMANDS, buffer, sizeof buffer);
    int wrong = 0, checked = 0;
    for (uint32_t repeats = 0; repeats <= WIRE_REPEATS_MAX; repeats++) {
        struct wire_command sent = {.kind = repeats ? WIRE_CMD_RUN : WIRE_CMD_HELLO,
                                    .repeats = repeats};
        int n = wire_command_write(&sent, line, sizeof line);
        for (int i = 0; i < n; i++) {
            struct wire_line got;
            struct wire_command read;
            const char *why;
            if (wire_feed(&r, (uint8_t)line[i], &got) != 1)
                continue;
            checked++;
            if (wire_command_parse(&got, &read, &why) || read.kind != sent.kind ||
                read.repeats != repeats)
                wrong++;
        }
    }
    EQ_INT(checked, WIRE_REPEATS_MAX + 1);
    EQ_INT(wrong, 0);

    struct wire_command cmd = {.kind = WIRE_CMD_RESET};
    EQ_INT(wire_command_write(&cmd, line, sizeof line), 11);
    cmd = (struct wire_command){.kind = WIRE_CMD_RUN, .repeats = WIRE_REPEATS_MAX + 1};
    EQ_INT(wire_command_write(&cmd, line, sizeof line), -1);
    cmd.repeats = 0;
    EQ_INT(wire_command_write(&cmd, line, sizeof line), -1);
    cmd.repeats = 100;
    int full = wire_command_write(&cmd, line, sizeof line);
    OK(full > 0 && full <= WIRE_COMMAND_MAX);
    EQ_INT(wire_command_write(&cmd, line, (size_t)full + 1), full);
    EQ_INT(wire_command_write(&cmd, line, (size_t)full), -1);
    EQ_INT(wire_command_write(&cmd, line, 0), -1);
}

static void test_command_refusals(void)
{
    static const struct {
        const char *name, *json;
        int want;
    } cases[] = {
        {"run", "{\"repeats\":1}", 0},
        {"run", "{ \"repeats\" : 100 }", 0},
        {"run", "{\"repeats\":101}", -1},
        {"run", "{\"repeats\":0}", -1},
        {"run", "{\"repeats\":-1}", -1},
        {"run", "{\"repeats\":}", -1},
        {"run", "{\"repeats\":1,\"x\":2}", -1},
        {"run", "{\"repeats\":1}}", -1},
        {"run", "{\"repeats\":99999999999999999999}", -1},
        {"run", "{\"repeat\":1}", -1},
        {"run", "{\"repeats\":1.5}", -1},
        {"run", "", -1},
        {"run", "{}", -1},
        {"hello", "", 0},
        {"hello", "{}", -1},
        {"reset", "", 0},
        {"resets", "", -1},
        {"Hello", "", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_line line = {.name = cases[i].name, .json = cases[i].json};
        struct wire_command cmd;
        const char *why = NULL;
        int got = wire_command_parse(&line, &cmd, &why);
        OKF(got == cases[i].want && why && (got == 0) == (why[0] == '\0'), "command %s %s: %d",
            cases[i].name, cases[i].json, got);
    }
}

static void test_forms(void)
{
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a {}").good, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a-1 {\"x\":\"*\"}").good, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "a {}").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@ {}").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a  {}").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a {").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a []").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@sixteen-letters- {}").bad, 1);
    EQ_INT(hear_sealed(WIRE_COMMANDS, "hello").good, 1);
    EQ_INT(hear_sealed(WIRE_COMMANDS, "@hello {}").bad, 1);
    EQ_INT(hear_sealed(WIRE_COMMANDS, "hello ").bad, 1);
    EQ_INT(hear_sealed(WIRE_COMMANDS, "").bad, 1);
    // Bytes that no line may hold, although the CRC is right.
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a {\" ~\"}").good, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a {\"\x1F\"}").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a {\"\x7F\"}").bad, 1);
    EQ_INT(hear_sealed(WIRE_RECORDS, "@a {\"\r\"}").bad, 1);
    EQ_INT(hear_new(WIRE_COMMANDS, "*FFFF\n", 6).bad, 1);
    EQ_INT(hear_new(WIRE_COMMANDS, "FFFF\n", 5).bad, 1);

    // "\r\n" is a line end, an empty line is nothing, a '\r' elsewhere is an error.
    char line[64], crlf[70];
    size_t n = seal(line, sizeof line, "@a {}");
    snprintf(crlf, sizeof crlf, "\n\r\n%.*s\r\n", (int)n - 1, line);
    struct heard h = hear_new(WIRE_RECORDS, crlf, strlen(crlf));
    EQ_INT(h.good, 1);
    EQ_INT(h.bad, 0);
    snprintf(crlf, sizeof crlf, "%.*s\r\r\n", (int)n - 1, line);
    EQ_INT(hear_new(WIRE_RECORDS, crlf, strlen(crlf)).bad, 1);
    snprintf(crlf, sizeof crlf, "\r%s", line);
    EQ_INT(hear_new(WIRE_RECORDS, crlf, strlen(crlf)).bad, 1);
    for (char *c = strchr(line, '*'); *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c + 32 : *c); // lower-case hex digits are not ours
    EQ_INT(hear_new(WIRE_RECORDS, line, n).bad, 1);
}

// 'G' must not count as sixteen: "…0G" would pass for "…10".
static void test_hex_digits(void)
{
    for (int i = 0; i < 1000; i++) {
        char text[32], line[64];
        snprintf(text, sizeof text, "@a {\"x\":%d}", i);
        size_t n = seal(line, sizeof line, text);
        char *tens = line + n - 3, *ones = line + n - 2;
        if (*ones != '0' || *tens < '1' || *tens > '9')
            continue;
        (*tens)--;
        *ones = 'G';
        EQ_INT(hear_new(WIRE_RECORDS, line, n).bad, 1);
        return;
    }
    OKF(false, "no line has a CRC that ends in 10, 20, ... 90");
}

// Whatever one byte is changed into, no line but the true ones may come out, and the line after
// next must.
static void test_every_corruption(void)
{
    static const char *const texts[] = {"@run {\"i\":0,\"cycles\":123456789}",
                                        "@mem {\"arena\":4711,\"x\":\"*12AB\"}",
                                        "@done {\"repeats\":3}"};
    char lines[256];
    size_t n = 0, first = 0;
    for (int i = 0; i < 3; i++) {
        n += seal(lines + n, sizeof lines - n, texts[i]);
        if (i == 0)
            first = n;
    }
    int undetected = 0, lost = 0, cases = 0;
    for (size_t at = 0; at < first; at++) {
        for (int value = 0; value < 256; value++) {
            if (value == (unsigned char)lines[at])
                continue;
            char bad[256];
            memcpy(bad, lines, n);
            bad[at] = (char)value;
            char buffer[WIRE_LINE_MAX];
            struct wire_reader r;
            wire_reader_init(&r, WIRE_RECORDS, buffer, sizeof buffer);
            struct heard h = hear(&r, bad, n);
            cases++;
            // Of three lines the first is broken; a broken line end takes the second with it.
            if (h.good > 2 || h.bad == 0)
                undetected++;
            if (h.good < (at == first - 1 ? 1 : 2) || strcmp(h.name, "done") != 0)
                lost++;
        }
    }
    EQ_INT(cases, (int)first * 255);
    EQ_INT(undetected, 0);
    EQ_INT(lost, 0);
}

static void test_lengths(void)
{
    // The longest record and one byte more.
    char text[WIRE_LINE_MAX * 2], line[WIRE_LINE_MAX * 2 + 8];
    size_t body = WIRE_LINE_MAX - 6; // without "*XXXX\n"
    snprintf(text, sizeof text, "@note {\"text\":\"%0*d\"}", (int)(body - 17), 0);
    EQ_INT(strlen(text), body);
    struct heard h = hear_sealed(WIRE_RECORDS, text);
    EQ_INT(h.good, 1);
    snprintf(text, sizeof text, "@note {\"text\":\"%0*d\"}", (int)(body - 16), 0);
    size_t n = seal(line, sizeof line, text);
    EQ_INT(n, WIRE_LINE_MAX + 1);
    char buffer[WIRE_LINE_MAX];
    struct wire_reader r;
    wire_reader_init(&r, WIRE_RECORDS, buffer, sizeof buffer);
    h = hear(&r, line, n);
    EQ_INT(h.good, 0);
    EQ_INT(h.bad, 1);
    EQ_INT(r.bad, WIRE_BAD_TOO_LONG);

    // A megabyte without a line end, then a record.
    for (int i = 0; i < 1000000; i++) {
        struct wire_line out;
        wire_feed(&r, (uint8_t)('a' + i % 26), &out);
    }
    n = seal(line, sizeof line, "@a {}");
    h = hear(&r, line, n); // ends the long line
    EQ_INT(h.good, 0);
    EQ_INT(h.bad, 1);
    h = hear(&r, line, n);
    EQ_INT(h.good, 1);
    EQ_INT(r.good_lines, 1);
    EQ_INT(r.bad_lines, 2);
}

static void test_writer_limit(void)
{
    char huge[3 * WIRE_LINE_MAX];
    memset(huge, '"', sizeof huge - 1); // each needs an escape
    huge[sizeof huge - 1] = '\0';
    struct text t;
    for (size_t before = 0; before < 520; before += 3) {
        struct wire_writer w = writer_to(&t);
        wire_begin(&w, "note");
        wire_field_str(&w, "a", huge + sizeof huge - 1 - before);
        wire_field_str(&w, "b", huge);
        wire_field_u64(&w, "c", UINT64_MAX);
        int overflow = wire_end(&w);
        struct heard h = hear_new(WIRE_RECORDS, t.bytes, t.len);
        bool has_c = strstr(h.json, "\"c\":18446744073709551615") != NULL;
        if (t.len > WIRE_LINE_MAX || h.good != 1 || (overflow == 0) != has_c) {
            OKF(false, "text of %zu bytes: line of %zu bytes, %d good", before, t.len, h.good);
            return;
        }
    }
    OKF(true, "over-long fields are cut or left out, the line stays valid");
    struct wire_writer w = writer_to(&t);
    wire_begin(&w, "x");
    wire_field_hex_bytes(&w, "b", (const uint8_t *)huge, sizeof huge);
    wire_field_i8_array(&w, "c", (const int8_t *)huge, sizeof huge);
    EQ_INT(wire_end(&w), -1);
    EQ_STR(hear_new(WIRE_RECORDS, t.bytes, t.len).json, "{}");
}

static void test_resync(void)
{
    // Noise of every length and seed, then two records: after the noise's line ends, everything is
    // heard.
    char line[64];
    size_t n = seal(line, sizeof line, "@a {\"x\":1}");
    uint32_t seed = 1;
    int lost = 0, invented = 0;
    for (int round = 0; round < 2000; round++) {
        char buffer[WIRE_LINE_MAX];
        struct wire_reader r;
        wire_reader_init(&r, WIRE_RECORDS, buffer, sizeof buffer);
        char noise[64];
        size_t length = (size_t)(round % 64);
        for (size_t i = 0; i < length; i++) {
            seed = seed * 1664525u + 1013904223u;
            noise[i] = (char)(seed >> 24);
        }
        invented += hear(&r, noise, length).good;
        hear(&r, "\n", 1);
        lost += hear(&r, line, n).good != 1;
    }
    EQ_INT(lost, 0);
    EQ_INT(invented, 0);
}

int main(void)
{
    test_checksums();
    test_record_round_trip();
    test_known_line();
    test_commands();
    test_command_refusals();
    test_forms();
    test_hex_digits();
    test_every_corruption();
    test_lengths();
    test_writer_limit();
    test_resync();
    return tap_done();
}
