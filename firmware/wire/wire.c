// SPDX-License-Identifier: MIT
// Lines, checksums, records and commands of the serial protocol. See wire.h.
#include "firmware/wire/wire.h"

#define CRC_TAIL 5                     // "*XXXX"
#define END_RESERVE (1 + CRC_TAIL + 1) // "}*XXXX\n"

static const char hex_upper[] = "0123456789ABCDEF";
static const char hex_lower[] = "0123456789abcdef";

static size_t text_len(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

static bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

// ---- checksums ----

static uint16_t crc16_byte(uint16_t crc, uint8_t byte)
{
    // Eight steps of the polynomial at once: x folds the byte into itself by the two taps x^12 and
    // x^5.
    uint32_t x = (uint32_t)(crc >> 8) ^ byte;
    x ^= x >> 4;
    return (uint16_t)(((uint32_t)crc << 8) ^ (x << 12) ^ (x << 5) ^ x);
}

uint16_t wire_crc16(uint16_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n--)
        crc = crc16_byte(crc, *p++);
    return crc;
}

uint32_t wire_crc32(uint32_t crc, const void *bytes, size_t n)
{
    // A table of 16 words instead of 256: the board reads it from flash and the loop stays short.
    static const uint32_t nibble[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    const uint8_t *p = bytes;
    crc = ~crc;
    while (n--) {
        crc ^= *p++;
        crc = nibble[crc & 15] ^ (crc >> 4);
        crc = nibble[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

// ---- reading ----

void wire_reader_init(struct wire_reader *r, enum wire_kind kind, char *buffer, size_t cap)
{
    r->kind = kind;
    r->line = buffer;
    r->cap = cap;
    r->len = 0;
    r->dropping = false;
    r->bad = WIRE_BAD_NONE;
    r->good_lines = 0;
    r->bad_lines = 0;
}

static void reader_drop(struct wire_reader *r, enum wire_bad why)
{
    if (!r->dropping)
        r->bad = why;
    r->dropping = true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

// r->line holds len printable bytes without the line end. Splits and checks it in place.
static enum wire_bad reader_check(struct wire_reader *r, size_t len, struct wire_line *line)
{
    char *text = r->line;
    if (len <= CRC_TAIL || text[len - CRC_TAIL] != '*')
        return WIRE_BAD_CRC;
    size_t end = len - CRC_TAIL;
    uint32_t got = 0;
    for (size_t i = end + 1; i < len; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0)
            return WIRE_BAD_CRC;
        got = got << 4 | (uint32_t)digit;
    }
    if (got != wire_crc16(WIRE_CRC16_INIT, text, end))
        return WIRE_BAD_CRC;
    text[end] = '\0';

    size_t at = 0;
    if (r->kind == WIRE_RECORDS && text[at++] != '@')
        return WIRE_BAD_FORM;
    size_t name = at;
    while (name_char(text[at]))
        at++;
    if (at == name || at - name > WIRE_NAME_MAX)
        return WIRE_BAD_FORM;
    line->name = text + name;
    line->json = text + end; // the empty string
    if (text[at] == '\0')
        return r->kind == WIRE_COMMANDS ? WIRE_BAD_NONE : WIRE_BAD_FORM;
    if (text[at] != ' ' || text[at + 1] != '{' || text[end - 1] != '}')
        return WIRE_BAD_FORM;
    text[at] = '\0';
    line->json = text + at + 1;
    return WIRE_BAD_NONE;
}

int wire_feed(struct wire_reader *r, uint8_t byte, struct wire_line *line)
{
    if (byte != '\n') {
        if (r->dropping)
            return 0;
        // A '\r' is kept, because only the next byte tells whether it belongs to the line end.
        bool after_cr = r->len > 0 && r->line[r->len - 1] == '\r';
        if (after_cr || (byte != '\r' && (byte < 0x20 || byte > 0x7E)))
            reader_drop(r, WIRE_BAD_BYTE);
        else if (r->len + 1 >= r->cap) // the '\n' counts too
            reader_drop(r, WIRE_BAD_TOO_LONG);
        else
            r->line[r->len++] = (char)byte;
        return 0;
    }
    size_t len = r->len;
    if (len > 0 && r->line[len - 1] == '\r')
        len--;
    if (len == 0 && !r->dropping) {
        r->len = 0;
        return 0; // an empty line
    }
    if (!r->dropping) {
        enum wire_bad bad = reader_check(r, len, line);
        if (bad != WIRE_BAD_NONE)
            reader_drop(r, bad);
    }
    r->len = 0;
    if (r->dropping) {
        r->dropping = false;
        r->bad_lines++;
        return -1;
    }
    r->good_lines++;
    return 1;
}

const char *wire_bad_text(enum wire_bad bad)
{
    switch (bad) {
    case WIRE_BAD_NONE:
        return "no bad line yet";
    case WIRE_BAD_TOO_LONG:
        return "the line is too long";
    case WIRE_BAD_BYTE:
        return "a byte is not printable ASCII";
    case WIRE_BAD_CRC:
        return "the CRC is missing or does not match";
    case WIRE_BAD_FORM:
        return "not a name followed by a JSON object";
    }
    return "unknown";
}

// ---- writing records ----

static void put(struct wire_writer *w, char c)
{
    w->crc = crc16_byte(w->crc, (uint8_t)c);
    w->len++;
    w->put(w->ctx, c);
}

static void put_text(struct wire_writer *w, const char *s)
{
    while (*s)
        put(w, *s++);
}

void wire_begin(struct wire_writer *w, const char *name)
{
    w->crc = WIRE_CRC16_INIT;
    w->len = 0;
    w->first = true;
    w->overflow = false;
    put(w, '@');
    put_text(w, name);
    put(w, ' ');
    put(w, '{');
}

// Writes `"key":` when at least value_bytes more fit the line; false leaves the field out.
static bool put_key(struct wire_writer *w, const char *key, size_t value_bytes)
{
    if (w->len + text_len(key) + 4 + value_bytes + END_RESERVE > WIRE_LINE_MAX) {
        w->overflow = true;
        return false;
    }
    if (!w->first)
        put(w, ',');
    w->first = false;
    put(w, '"');
    put_text(w, key);
    put(w, '"');
    put(w, ':');
    return true;
}

static void put_u64(struct wire_writer *w, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n)
        put(w, digits[--n]);
}

void wire_field_u64(struct wire_writer *w, const char *key, uint64_t value)
{
    if (put_key(w, key, 20))
        put_u64(w, value);
}

void wire_field_bool(struct wire_writer *w, const char *key, bool value)
{
    if (put_key(w, key, 5))
        put_text(w, value ? "true" : "false");
}

void wire_field_hex32(struct wire_writer *w, const char *key, uint32_t value)
{
    if (!put_key(w, key, 10))
        return;
    put(w, '"');
    for (int shift = 28; shift >= 0; shift -= 4)
        put(w, hex_lower[value >> shift & 15]);
    put(w, '"');
}

void wire_field_str(struct wire_writer *w, const char *key, const char *text)
{
    if (!put_key(w, key, 2))
        return;
    put(w, '"');
    for (; *text; text++) {
        char c = *text;
        if (c < 0x20 || c > 0x7E)
            c = '?';
        bool escape = c == '"' || c == '\\';
        if (w->len + 1u + escape + 1u + END_RESERVE > WIRE_LINE_MAX)
            break;
        if (escape)
            put(w, '\\');
        put(w, c);
    }
    put(w, '"');
}

void wire_field_hex_bytes(struct wire_writer *w, const char *key, const uint8_t *bytes, size_t n)
{
    if (n > WIRE_LINE_MAX || !put_key(w, key, 2 * n + 2)) {
        w->overflow = true;
        return;
    }
    put(w, '"');
    for (size_t i = 0; i < n; i++) {
        put(w, hex_lower[bytes[i] >> 4]);
        put(w, hex_lower[bytes[i] & 15]);
    }
    put(w, '"');
}

void wire_field_i8_array(struct wire_writer *w, const char *key, const int8_t *values, size_t n)
{
    if (n > WIRE_LINE_MAX || !put_key(w, key, 5 * n + 2)) {
        w->overflow = true;
        return;
    }
    put(w, '[');
    for (size_t i = 0; i < n; i++) {
        int value = values[i];
        if (i)
            put(w, ',');
        if (value < 0) {
            put(w, '-');
            value = -value;
        }
        put_u64(w, (uint64_t)value);
    }
    put(w, ']');
}

int wire_end(struct wire_writer *w)
{
    put(w, '}');
    uint16_t crc = w->crc;
    put(w, '*');
    for (int shift = 12; shift >= 0; shift -= 4)
        put(w, hex_upper[crc >> shift & 15]);
    put(w, '\n');
    return w->overflow ? -1 : 0;
}

// ---- commands ----

static const char *const command_names[] = {
    [WIRE_CMD_HELLO] = "hello", [WIRE_CMD_RUN] = "run", [WIRE_CMD_RESET] = "reset"};
#define N_COMMANDS (sizeof command_names / sizeof command_names[0])

struct text_out {
    char *at;
    size_t left; // bytes that still fit, without the NUL
    bool full;
};

static void out_text(struct text_out *o, const char *s)
{
    for (; *s; s++) {
        if (o->left == 0) {
            o->full = true;
            return;
        }
        *o->at++ = *s;
        o->left--;
    }
}

int wire_command_write(const struct wire_command *cmd, char *out, size_t out_bytes)
{
    if (out_bytes == 0 || (unsigned)cmd->kind >= N_COMMANDS)
        return -1;
    struct text_out o = {.at = out, .left = out_bytes - 1, .full = false};
    out_text(&o, command_names[cmd->kind]);
    if (cmd->kind == WIRE_CMD_RUN) {
        if (cmd->repeats < 1 || cmd->repeats > WIRE_REPEATS_MAX)
            return -1;
        char digits[4] = {0}; // at most "100"
        size_t n = 0;
        for (uint32_t unit = 100; unit; unit /= 10) {
            if (cmd->repeats >= unit)
                digits[n++] = (char)('0' + cmd->repeats / unit % 10);
        }
        out_text(&o, " {\"repeats\":");
        out_text(&o, digits);
        out_text(&o, "}");
    }
    uint16_t crc = wire_crc16(WIRE_CRC16_INIT, out, (size_t)(o.at - out));
    const char tail[] = {'*',
                         hex_upper[crc >> 12],
                         hex_upper[crc >> 8 & 15],
                         hex_upper[crc >> 4 & 15],
                         hex_upper[crc & 15],
                         '\n',
                         '\0'};
    out_text(&o, tail);
    *o.at = '\0';
    return o.full ? -1 : (int)(o.at - out);
}

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

// `{"repeats":N}` and nothing else, with spaces where JSON allows them.
static int parse_run(const char *json, uint32_t *repeats, const char **why)
{
    static const char key[] = "\"repeats\"";
    *why = "run needs {\"repeats\":N}";
    if (*json != '{')
        return -1;
    json = skip_spaces(json + 1);
    for (const char *k = key; *k; k++) {
        if (*json++ != *k)
            return -1;
    }
    json = skip_spaces(json);
    if (*json++ != ':')
        return -1;
    json = skip_spaces(json);
    if (*json < '0' || *json > '9')
        return -1;
    uint32_t value = 0;
    while (*json >= '0' && *json <= '9' && value <= WIRE_REPEATS_MAX)
        value = value * 10 + (uint32_t)(*json++ - '0');
    if (value < 1 || value > WIRE_REPEATS_MAX) {
        *why = "repeats must be 1..100";
        return -1;
    }
    json = skip_spaces(json);
    if (json[0] != '}' || json[1] != '\0')
        return -1;
    *repeats = value;
    *why = "";
    return 0;
}

int wire_command_parse(const struct wire_line *line, struct wire_command *cmd, const char **why)
{
    cmd->repeats = 0;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!text_equal(line->name, command_names[i]))
            continue;
        cmd->kind = (enum wire_command_kind)i;
        if (cmd->kind == WIRE_CMD_RUN)
            return parse_run(line->json, &cmd->repeats, why);
        *why = line->json[0] ? "this command takes no arguments" : "";
        return line->json[0] ? -1 : 0;
    }
    *why = "unknown command";
    return -1;
}
