// SPDX-License-Identifier: MIT
// The firmware image of every virtual board, without OpenOCD: what it says, what it measures against the executor on the
// host, and how it reports each fault. Needs build/firmware (make firmware); FARM_FIRMWARE names another folder.
#include "tests/tap.h"
#include "tests/unit/netgen.h"

#include "agent/vboard/board.h"
#include "agent/vboard/cpu_arm.h"
#include "agent/vboard/cpu_riscv.h"
#include "agent/vboard/cpu_xtensa.h"
#include "firmware/executor/exec.h"
#include "firmware/executor/program.h"
#include "firmware/wire/wire.h"
#include "server/planner/config.h"
#include "server/planner/fusion.h"
#include "server/planner/program.h"

#include <cjson/cJSON.h>
#include <glob.h>
#include <inttypes.h>

#define BOARDS_DIR "firmware/boards"
#define MAX_RECORDS 128
#define SLICE 1000000u  // instructions
#define MAX_SLICES 2000 // per command; a hang ends here

struct record {
    char name[16];
    cJSON *json;
};

struct bench {
    struct board_config config;
    char kernels[16]; // of board.json
    struct board *board;
    uint8_t *flash;
    size_t program_offset;
    struct wire_reader reader;
    char line[WIRE_LINE_MAX];
    struct record records[MAX_RECORDS];
    int n_records, bad_lines;
};

static void bench_hear(void *user, uint8_t byte)
{
    struct bench *b = user;
    struct wire_line line;
    int got = wire_feed(&b->reader, byte, &line);
    if (got < 0)
        b->bad_lines++;
    if (got <= 0 || b->n_records == MAX_RECORDS)
        return;
    struct record *r = &b->records[b->n_records++];
    snprintf(r->name, sizeof r->name, "%s", line.name);
    r->json = cJSON_Parse(line.json);
}

static void bench_forget(struct bench *b)
{
    for (int i = 0; i < b->n_records; i++)
        cJSON_Delete(b->records[i].json);
    b->n_records = b->bad_lines = 0;
}

// Runs until the firmware waits for a command again.
static bool bench_settle(struct bench *b)
{
    for (int i = 0; i < MAX_SLICES; i++) {
        board_run(b->board, SLICE);
        if (board_idle(b->board))
            return true;
    }
    return false;
}

static bool bench_send(struct bench *b, const char *bytes, size_t n)
{
    bench_forget(b);
    if (board_uart_in(b->board, (const uint8_t *)bytes, n) != n)
        return false;
    return bench_settle(b);
}

static bool bench_command(struct bench *b, enum wire_command_kind kind, uint32_t repeats)
{
    char line[WIRE_COMMAND_MAX + 1];
    const struct wire_command command = {.kind = kind, .repeats = repeats};
    int n = wire_command_write(&command, line, sizeof line);
    return n > 0 && bench_send(b, line, (size_t)n);
}

static const cJSON *bench_field(const struct bench *b, const char *record, int nth,
                                const char *field)
{
    for (int i = 0; i < b->n_records; i++) {
        if (strcmp(b->records[i].name, record) == 0 && nth-- == 0)
            return cJSON_GetObjectItemCaseSensitive(b->records[i].json, field);
    }
    return NULL;
}

static long long number(const struct bench *b, const char *record, int nth, const char *field)
{
    const cJSON *item = bench_field(b, record, nth, field);
    return cJSON_IsNumber(item) ? (long long)item->valuedouble : -1;
}

static const char *text(const struct bench *b, const char *record, const char *field)
{
    const cJSON *item = bench_field(b, record, 0, field);
    return cJSON_IsString(item) ? item->valuestring : "(none)";
}

static int count(const struct bench *b, const char *record)
{
    int n = 0;
    for (int i = 0; i < b->n_records; i++)
        n += strcmp(b->records[i].name, record) == 0;
    return n;
}

static bool bench_reset(struct bench *b)
{
    bench_forget(b);
    board_reset(b->board, false);
    return bench_settle(b);
}

static void bench_flash_program(struct bench *b, const struct buf *program)
{
    uint8_t *at = b->flash + b->program_offset;
    memset(at, 0xFF, b->config.flash_bytes - b->program_offset);
    memcpy(at, program->data, program->len);
    board_memory(b->board, b->config.program_address, (uint32_t)program->len, true);
}

// The kernel variant that board.json promises, which the server compiles programs for.
static bool read_kernels(const char *board, char *out, size_t bytes)
{
    char path[256];
    struct buf text;
    snprintf(path, sizeof path, BOARDS_DIR "/%s/board.json", board);
    buf_init(&text, 64 * 1024);
    cJSON *json =
        buf_read_file(&text, path) ? NULL : cJSON_ParseWithLength(buf_str(&text), text.len);
    const cJSON *kernels = cJSON_GetObjectItemCaseSensitive(json, "kernels");
    bool ok = cJSON_IsString(kernels) && strlen(kernels->valuestring) < bytes;
    if (ok)
        snprintf(out, bytes, "%s", kernels->valuestring);
    cJSON_Delete(json);
    buf_free(&text);
    return ok;
}

// hse: the clock or crystal at OSC_IN works.
// at: offset of the image in the flash.
static bool bench_open(struct bench *b, const char *board, const struct buf *image, uint32_t at,
                       bool hse)
{
    struct err e = {0};
    memset(b, 0, sizeof *b);
    wire_reader_init(&b->reader, WIRE_RECORDS, b->line, sizeof b->line);
    if (board_config_load(&b->config, BOARDS_DIR, board, &e) ||
        !read_kernels(board, b->kernels, sizeof b->kernels)) {
        printf("# %s\n", e.msg);
        return false;
    }
    if (!hse)
        b->config.hse_hz = 0;
    b->flash = aligned_alloc(4096, b->config.flash_bytes);
    if (!b->flash)
        return false;
    memset(b->flash, 0xFF, b->config.flash_bytes);
    memcpy(b->flash + at, image->data, image->len);
    b->board = board_new(&b->config, b->flash, &e);
    if (!b->board) {
        printf("# %s\n", e.msg);
        return false;
    }
    for (int i = 0; i < b->board->range_count; i++) {
        const struct board_range *r = &b->board->ranges[i];
        if (r->flash && b->config.program_address - r->base < r->size)
            b->program_offset = b->config.program_address - r->base;
    }
    b->board->uart_out = bench_hear;
    b->board->uart_user = b;
    return true;
}

static void bench_close(struct bench *b)
{
    bench_forget(b);
    board_free(b->board);
    free(b->flash);
    b->board = NULL;
    b->flash = NULL;
}

// A network's plain or two-block program, and what the executor on the host makes of it.
struct expected {
    uint32_t arena_bytes, blocks, ops, output_bytes, output_crc;
    int8_t head[8];
    uint8_t last_byte; // of the arena after a run
};

static bool make_program(const struct bench *b, uint32_t seed, bool plain, struct buf *out,
                         struct expected *want)
{
    struct netgen n;
    struct fusion f;
    struct err e = {0};
    struct config_block blocks[NETGEN_MAX];
    netgen_make(&n, seed, 10);
    if (fusion_open(&f, &n.g, &e))
        return false;
    size_t input_bytes = fusion_tensor_bytes(&n.g, n.g.input);
    int8_t *input = malloc(input_bytes);
    for (size_t i = 0; i < input_bytes; i++)
        input[i] = (int8_t)(netgen_next(&n) >> 24);
    int n_blocks = 0;
    f.output_outside = !plain;
    for (int i = 0; i < n.g.n_layers;) { // as long as possible, or one layer each
        int last = plain ? i : n.g.n_layers - 1;
        while (last > i && fusion_block_begin(&f, i, last) != NULL)
            last--;
        blocks[n_blocks++] = (struct config_block){.first = i, .last = last, .axis = FUSION_ROWS};
        i = last + 1;
    }
    buf_reset(out);
    bool ok = program_compile(&f, blocks, n_blocks, b->kernels, input, out, &e) == 0;
    if (!ok)
        printf("# seed %" PRIu32 ": %s\n", seed, e.msg);
    if (ok) {
        *want =
            (struct expected){.arena_bytes = exec_arena_bytes(out->data),
                              .blocks = exec_blocks(out->data),
                              .ops = ((const struct prog_header *)(const void *)out->data)->n_ops,
                              .output_bytes = exec_output_bytes(out->data)};
        void *arena = malloc(want->arena_bytes);
        int8_t *output = malloc(want->output_bytes);
        ok = exec_run_into(out->data, arena, want->arena_bytes, NULL, NULL, output) == 0;
        want->output_crc = wire_crc32(0, output, want->output_bytes);
        memcpy(want->head, output, want->output_bytes < 8 ? want->output_bytes : 8);
        want->last_byte = ((const uint8_t *)arena)[want->arena_bytes - 1];
        free(output);
        free(arena);
    }
    free(input);
    fusion_close(&f);
    netgen_free(&n);
    return ok;
}

// The build-id as hex digits, found in the image by its note's header.
static void image_build_id(const struct buf *image, char hex[41])
{
    static const uint8_t note[16] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
    hex[0] = '\0';
    for (size_t i = 0; i + sizeof note + 20 <= image->len; i += 4) {
        if (memcmp(image->data + i, note, sizeof note) != 0)
            continue;
        for (size_t k = 0; k < 20; k++)
            snprintf(hex + 2 * k, 3, "%02x", image->data[i + sizeof note + k]);
    }
}

static void test_hello(struct bench *b, const struct buf *image)
{
    char build_id[41];
    image_build_id(image, build_id);
    OK(bench_settle(b));
    EQ_INT(count(b, "hello"), 1); // unasked
    OK(bench_command(b, WIRE_CMD_HELLO, 0));
    EQ_INT(b->n_records, 1);
    EQ_INT(number(b, "hello", 0, "proto"), 1);
    EQ_STR(text(b, "hello", "board"), b->config.id);
    EQ_STR(text(b, "hello", "firmware"), build_id);
    EQ_INT(strlen(build_id), 40);
    EQ_STR(text(b, "hello", "program"), "none");
    EQ_INT(number(b, "hello", 0, "program_bytes"), 0);
    EQ_INT(number(b, "hello", 0, "clock_hz"), b->config.clock_hz);
    EQ_STR(text(b, "hello", "kernels"), b->kernels);
    OK(number(b, "hello", 0, "arena_limit") > 0 &&
       number(b, "hello", 0, "arena_limit") < b->config.ram_bytes);
    OK(cJSON_IsTrue(bench_field(b, "hello", 0, "emulated")));
    OK(strlen(text(b, "hello", "timing")) > 0 && number(b, "hello", 0, "timing_version") >= 1);
    EQ_INT(b->bad_lines, 0);
}

// What the tests have to know of an architecture.
struct arch {
    const char *soc; // how the names of its chips begin
    void (*set_pc)(struct cpu *c, uint32_t v);
    void (*set_sp)(struct cpu *c, uint32_t v);
    uint32_t program_to_code; // added to an address of the program's flash: where it is fetched
    uint32_t stack_bottom;
    const char *code;      // first digits of the firmware's addresses
    uint32_t image_offset; // in the flash: behind a boot loader
    // What a kernel call costs more or less in a run that is profiled, and the firmware cannot know (test_profile()).
    int told_instructions, told_cycles;
};

static void arm_set_pc(struct cpu *c, uint32_t v)
{
    core_set(cpu_arm(c)->core, CORE_PC, v);
}

static void arm_set_sp(struct cpu *c, uint32_t v)
{
    core_set(cpu_arm(c)->core, CORE_SP, v);
}

static void xtensa_set_pc_of(struct cpu *c, uint32_t v)
{
    xtensa_set_pc(cpu_xtensa_core(c), v);
}

static void xtensa_set_sp_of(struct cpu *c, uint32_t v)
{
    xtensa_set_ar(cpu_xtensa_core(c), 1, v);
}

static void riscv_set_pc(struct cpu *c, uint32_t v)
{
    const unsigned dpc = 0x7b1;
    riscv_csr_write(cpu_riscv_core(c), dpc, true, v);
}

static void riscv_set_sp(struct cpu *c, uint32_t v)
{
    riscv_set(cpu_riscv_core(c), 2, v);
}

static const struct arch archs[] = {
    {"STM32", arm_set_pc, arm_set_sp, 0, 0x20000000, "0800", 0, 4, 16},
    {"ESP32-S3", xtensa_set_pc_of, xtensa_set_sp_of, 0x42000000u - 0x3c000000u, 0x3fc88000, "4200",
     0, 4, 8},
    {"ESP32-C3", riscv_set_pc, riscv_set_sp, 0x42000000u - 0x3c000000u, 0x3fc80000, "4200", 0, 4,
     8},
    // Two bytes at another place of the SPI flash: 24 clocks of SCK to begin, 4 each, of 8 cycles.
    {"FE310", riscv_set_pc, riscv_set_sp, 0, 0x80000000, "2001", 0x10000, 4, 4 + (24 + 2 * 4) * 8},
};

static const struct arch *arch_of(const struct board_config *config)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        if (strncmp(config->soc, archs[i].soc, strlen(archs[i].soc)) == 0)
            return &archs[i];
    }
    return NULL;
}

// Instructions of the blocks, and of layers and interpreter, add up to those of a run, and so do the cycles of layers and
// interpreter, but for
// - each kernel call: the loop that tells of kernel calls is compiled by itself, and holds a value or two more, or less, in
//   registers than the one that does not;
// - each block: a timed run has the hook that stops the watch, a profiled one the record of each layer, after which the
//   Cortex-M7 has forgotten its branches and the flash of the HiFive1 begins a new burst.
static void test_profile(struct bench *b, uint32_t blocks, long long instructions, long long cycles)
{
    const int block_instructions = 40, block_cycles = 100;
    const struct arch *arch = arch_of(&b->config);
    long long of_blocks = 0, of_layers = 0, layer_cycles = 0, calls = 0;
    for (uint32_t i = 0; i < blocks; i++)
        of_blocks += number(b, "block", (int)i, "instructions");
    for (int i = 0; i < count(b, "layer"); i++) {
        of_layers += number(b, "layer", i, "instructions");
        layer_cycles += number(b, "layer", i, "cycles");
        calls += number(b, "layer", i, "calls");
    }
    long long between = number(b, "interpreter", 0, "instructions");
    EQ_INT(number(b, "interpreter", 0, "calls"), calls);
    OK(calls > 0 && between > 0 && number(b, "interpreter", 0, "cycles") > 0);
    long long off = of_layers + between - instructions, per_block = of_blocks - instructions;
    long long slack = block_instructions * (long long)blocks;
    OKF(llabs(off) < arch->told_instructions * calls + slack,
        "layers %lld + interpreter %lld = %lld instructions, a run has %lld (%lld calls)",
        of_layers, between, of_layers + between, instructions, calls);
    OKF(per_block < 60 * blocks + 60 && per_block > -60 * (long long)blocks - 60,
        "blocks sum to %lld instructions, a run has %lld", of_blocks, instructions);
    layer_cycles += number(b, "interpreter", 0, "cycles");
    slack = block_cycles * (long long)blocks;
    OKF(llabs(layer_cycles - cycles) < arch->told_cycles * calls + slack,
        "layers and interpreter sum to %lld cycles, a run has %lld", layer_cycles, cycles);
}

static void test_run(struct bench *b, uint32_t seed, bool plain)
{
    struct buf program;
    struct expected want;
    char crc[9], output_crc[9];
    buf_init(&program, PROGRAM_MAX_BYTES);
    if (!OK(make_program(b, seed, plain, &program, &want)))
        goto out;
    bench_flash_program(b, &program);
    snprintf(crc, sizeof crc, "%08" PRIx32, exec_crc32(program.data));
    snprintf(output_crc, sizeof output_crc, "%08" PRIx32, want.output_crc);
    OK(bench_command(b, WIRE_CMD_HELLO, 0));
    EQ_STR(text(b, "hello", "program"), crc);
    EQ_INT(number(b, "hello", 0, "program_bytes"), program.len);

    OK(bench_command(b, WIRE_CMD_RUN, 3));
    EQ_INT(count(b, "run"), 3);
    EQ_INT(count(b, "block"), want.blocks);
    EQ_INT(count(b, "layer"), want.ops);
    EQ_INT(count(b, "interpreter"), 1);
    EQ_INT(b->n_records, 3 + (int)want.blocks + (int)want.ops + 4);
    EQ_STR(b->records[b->n_records - 1].name, "done");
    EQ_INT(number(b, "done", 0, "repeats"), 3);
    EQ_INT(number(b, "mem", 0, "arena"), want.arena_bytes);
    EQ_INT(number(b, "mem", 0, "arena_size"), want.arena_bytes);
    OKF(number(b, "mem", 0, "stack") > 100 && number(b, "mem", 0, "stack") <= 1024,
        "at most 1 kB of stack: %lld B", number(b, "mem", 0, "stack"));
    OK(number(b, "mem", 0, "static") >= 0 && number(b, "mem", 0, "static") < 1024);
    OK(number(b, "mem", 0, "code") > 4096);
    EQ_INT(number(b, "out", 0, "bytes"), want.output_bytes);
    EQ_STR(text(b, "out", "crc32"), output_crc);
    const cJSON *head = bench_field(b, "out", 0, "head");
    int wrong = 0, n_head = cJSON_GetArraySize(head);
    for (int i = 0; i < n_head && i < 8; i++)
        wrong += cJSON_GetArrayItem(head, i)->valueint != want.head[i];
    EQ_INT(n_head, want.output_bytes < 8 ? want.output_bytes : 8);
    EQ_INT(wrong, 0);

    // The same instructions every time, and the blocks add up to a run but for the bookkeeping.
    long long cycles = number(b, "run", 0, "cycles"),
              instructions = number(b, "run", 0, "instructions"), sum = 0;
    OK(cycles > 0 && instructions > 0);
    EQ_INT(number(b, "run", 2, "i"), 2);
    EQ_INT(number(b, "run", 1, "cycles"), number(b, "run", 2, "cycles"));
    EQ_INT(number(b, "run", 2, "instructions"), instructions);
    for (uint32_t i = 0; i < want.blocks; i++)
        sum += number(b, "block", (int)i, "cycles");
    OKF(sum > cycles * 97 / 100 && sum < cycles * 103 / 100,
        "blocks sum to %lld cycles, a run takes %lld", sum, cycles);
    test_profile(b, want.blocks, instructions, cycles);
    EQ_INT(b->bad_lines, 0);
out:
    buf_free(&program);
}

// A program that leaves the first paint's value, 0xA5, in the arena's last byte: one painted run would miss that byte.
static void test_paint_value(struct bench *b)
{
    struct buf program;
    struct expected want = {0};
    uint32_t seed = 0;
    buf_init(&program, PROGRAM_MAX_BYTES);
    while (want.last_byte != 0xA5 && seed < 50000) {
        if (!make_program(b, seed++, true, &program, &want))
            break;
    }
    if (OKF(want.last_byte == 0xA5, "seed %" PRIu32 " ends its arena with 0xa5", seed)) {
        bench_flash_program(b, &program);
        bench_command(b, WIRE_CMD_RUN, 1);
        EQ_INT(number(b, "mem", 0, "arena"), want.arena_bytes);
    }
    buf_free(&program);
}

static void reseal(struct buf *program)
{
    struct prog_header h;
    memcpy(&h, program->data, sizeof h);
    h.crc32 = 0;
    memcpy(program->data, &h, sizeof h);
    h.crc32 = wire_crc32(0, program->data, program->len);
    memcpy(program->data, &h, sizeof h);
}

static void test_bad_programs(struct bench *b)
{
    bench_command(b, WIRE_CMD_HELLO, 0);
    const uint32_t limit = (uint32_t)number(b, "hello", 0, "arena_limit");
    char missing[24];
    const struct {
        const char *what;
        size_t offset;
        uint32_t value;
        bool sealed;
        const char *code, *detail;
    } cases[] = {
        {"no program", offsetof(struct prog_header, magic), 0xFFFFFFFF, true, "bad-program",
         "no program in flash"},
        {"version", offsetof(struct prog_header, version), 99, true, "bad-program", "version"},
        {"size", offsetof(struct prog_header, total_bytes), 0xFFFFFFFF, true, "bad-program",
         "size"},
        {"one bit", offsetof(struct prog_header, ops), 0x12345678, false, "bad-program", "CRC-32"},
        {"kernels", offsetof(struct prog_header, variant), 0x78787878, true, "bad-program",
         "kernels"},
        {"arena", offsetof(struct prog_header, arena_bytes), limit + 77, true, "does-not-fit",
         missing},
    };
    struct buf program;
    struct expected want;
    buf_init(&program, PROGRAM_MAX_BYTES);
    // Its output lies outside the arena, at the end of the same memory.
    if (!OK(make_program(b, 7, false, &program, &want)))
        return;
    snprintf(missing, sizeof missing, "%u bytes", (unsigned)(77 + want.output_bytes));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!make_program(b, 7, false, &program, &want))
            break;
        memcpy(program.data + cases[i].offset, &cases[i].value, 4);
        if (cases[i].sealed)
            reseal(&program);
        bench_flash_program(b, &program);
        bool settled = bench_command(b, WIRE_CMD_RUN, 1);
        OKF(settled && b->n_records == 1 && strcmp(text(b, "fault", "code"), cases[i].code) == 0 &&
                strstr(text(b, "fault", "detail"), cases[i].detail),
            "%s: %s, %s", cases[i].what, text(b, "fault", "code"), text(b, "fault", "detail"));
    }
    // None of them stops the board.
    OK(make_program(b, 7, false, &program, &want));
    bench_flash_program(b, &program);
    OK(bench_command(b, WIRE_CMD_RUN, 1) && count(b, "done") == 1);
    buf_free(&program);
}

static void test_bad_lines(struct bench *b)
{
    static const char *const lines[] = {
        "run {\"repeats\":3}*0000\n", "hello\n", "\x01\x02\x03\n",
        "a line that is much longer than the sixty-four bytes of any command *1234\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        bool settled = bench_send(b, lines[i], strlen(lines[i]));
        OKF(settled && b->n_records == 1 && count(b, "note") == 1, "bad line %zu: a note, %s", i,
            text(b, "note", "text"));
    }
    OK(bench_send(b, "bogus*4D60\n", 11)); // the CRC does not matter for what follows
    OK(bench_command(b, WIRE_CMD_HELLO, 0));
    EQ_INT(count(b, "hello"), 1);
    OK(bench_command(b, WIRE_CMD_RESET, 0));
    EQ_INT(count(b, "hello"), 1);
}

// A stopped board repeats its fault to every command, and a reset brings it back.
static void expect_stopped(struct bench *b, const char *what, const char *code)
{
    char first[200];
    OKF(count(b, "fault") >= 1 && strcmp(text(b, "fault", "code"), code) == 0,
        "%s: %s (want %s), pc %s, %s", what, text(b, "fault", "code"), code, text(b, "fault", "pc"),
        text(b, "fault", "detail"));
    snprintf(first, sizeof first, "%s", text(b, "fault", "detail"));
    OK(bench_command(b, WIRE_CMD_HELLO, 0));
    OKF(b->n_records == 1 && strcmp(text(b, "fault", "detail"), first) == 0,
        "%s: hello gets the same fault", what);
    OK(bench_command(b, WIRE_CMD_RESET, 0));
    EQ_INT(count(b, "hello"), 1);
}

static void test_core_faults(struct bench *b)
{
    struct buf program;
    struct expected want;
    char pc[9], erased[9];
    const struct arch *arch = arch_of(&b->config);
    struct cpu *cpu = b->board->cpu;
    uint32_t erased_code = b->config.program_address - 0x1000 + arch->program_to_code;

    bench_reset(b);
    arch->set_pc(cpu, erased_code); // all ones are no instruction
    bench_send(b, "\n", 1);         // wakes the board, says nothing
    snprintf(erased, sizeof erased, "%08" PRIx32, erased_code);
    EQ_STR(text(b, "fault", "pc"), erased);
    expect_stopped(b, "undefined instruction", "usagefault");

    arch->set_pc(cpu, 0x68000000); // no memory
    bench_send(b, "\n", 1);
    expect_stopped(b, "jump into nothing", "busfault");

    arch->set_sp(cpu, arch->stack_bottom + 4); // the next push goes below the stack
    bench_command(b, WIRE_CMD_HELLO, 0);
    expect_stopped(b, "stack overflow", "stack-overflow");

    // A program with a good CRC whose tables point nowhere: the fault happens with interrupts off.
    buf_init(&program, PROGRAM_MAX_BYTES);
    OK(make_program(b, 7, false, &program, &want));
    const uint32_t nowhere = 0x70000000;
    memcpy(program.data + offsetof(struct prog_header, blocks), &nowhere, 4);
    reseal(&program);
    bench_flash_program(b, &program);
    bench_command(b, WIRE_CMD_RUN, 1);
    snprintf(pc, sizeof pc, "%s", text(b, "fault", "pc"));
    OKF(strncmp(pc, arch->code, 4) == 0 && strcmp(pc + 4, "0000") != 0, "pc %s is in the firmware",
        pc);
    expect_stopped(b, "wild program", "busfault");
    buf_free(&program);
}

static void inject(struct bench *b, const char *fault)
{
    struct err e = {0};
    OKF(fault_parse(&b->board->fault, fault, &e) == 0, "--fault %s %s", fault, e.msg);
}

// A program whose output says so when bit 6 of its input flips: random networks often saturate.
static bool make_sensitive_program(const struct bench *b, struct buf *program,
                                   struct expected *want)
{
    bool differs = false;
    for (uint32_t seed = 0; seed < 1000 && !differs; seed++) {
        struct prog_header h;
        struct buf copy;
        if (!make_program(b, seed, false, program, want))
            return false;
        buf_init(&copy, PROGRAM_MAX_BYTES);
        buf_add(&copy, program->data, program->len);
        memcpy(&h, copy.data, sizeof h);
        for (uint32_t i = 0; i < h.input_bytes; i++)
            copy.data[h.input + i] ^= 0x40;
        void *arena = malloc(want->arena_bytes);
        int8_t *output = malloc(want->output_bytes);
        differs = exec_run_into(copy.data, arena, want->arena_bytes, NULL, NULL, output) == 0 &&
                  wire_crc32(0, output, want->output_bytes) != want->output_crc;
        free(output);
        free(arena);
        buf_free(&copy);
    }
    return differs;
}

// Fault injection: what each kind looks like from outside, and that the next run is a good one. Damages the image last.
static void test_injected_faults(struct bench *b, const struct buf *image)
{
    struct buf program;
    struct expected want;
    char crc[9], build_id[41];
    const char *code = arch_of(&b->config)->code;
    buf_init(&program, PROGRAM_MAX_BYTES);
    OK(make_sensitive_program(b, &program, &want));
    snprintf(crc, sizeof crc, "%08" PRIx32, want.output_crc);
    bench_flash_program(b, &program);

    inject(b, "stack:20000");
    bench_command(b, WIRE_CMD_RUN, 1);
    expect_stopped(b, "all of the stack is taken", "stack-overflow");
    inject(b, "crash:20000");
    bench_command(b, WIRE_CMD_RUN, 1);
    OKF(strncmp(text(b, "fault", "pc"), code, 4) == 0, "crash: pc %s is in the firmware",
        text(b, "fault", "pc"));
    expect_stopped(b, "a fetch fails", "busfault");
    inject(b, "reset:20000");
    bench_command(b, WIRE_CMD_RUN, 1);
    OKF(count(b, "hello") == 1 && count(b, "done") == 0, "reset: it says hello in place of @done");

    inject(b, "output");
    bench_command(b, WIRE_CMD_RUN, 1);
    OKF(count(b, "done") == 1 && strcmp(text(b, "out", "crc32"), crc) != 0,
        "output: %s, the executor says %s", text(b, "out", "crc32"), crc);
    bench_command(b, WIRE_CMD_RUN, 1);
    EQ_STR(text(b, "fault", "code"), "bad-program"); // the next run finds the damage
    bench_flash_program(b, &program);
    bench_command(b, WIRE_CMD_RUN, 1);
    EQ_STR(text(b, "out", "crc32"), crc);

    image_build_id(image, build_id);
    inject(b, "other-firmware");
    OK(bench_reset(b) && bench_reset(b));
    OKF(strlen(text(b, "hello", "firmware")) == 40 &&
            strcmp(text(b, "hello", "firmware"), build_id) != 0,
        "other-firmware: %s", text(b, "hello", "firmware"));
    EQ_STR(text(b, "hello", "board"), b->config.id);
    inject(b, "other-board");
    OK(bench_reset(b) && bench_reset(b));
    OKF(strlen(text(b, "hello", "board")) == strlen(b->config.id) &&
            strcmp(text(b, "hello", "board"), b->config.id) != 0,
        "other-board: %s", text(b, "hello", "board"));
    buf_free(&program);
}

// Without its external clock the firmware says so, from the clock after reset, and goes no further.
static void test_no_clock(struct bench *b)
{
    OK(bench_settle(b));
    EQ_INT(count(b, "hello"), 0);
    OKF(count(b, "fault") == 1 && strcmp(text(b, "fault", "code"), "clock") == 0 &&
            strstr(text(b, "fault", "detail"), "HSE"),
        "no external clock: %s", text(b, "fault", "detail"));
    OK(bench_command(b, WIRE_CMD_RUN, 1));
    EQ_INT(count(b, "fault"), 1);
    EQ_INT(count(b, "run"), 0);
}

static void test_board(const char *board, uint32_t image_offset)
{
    struct bench b = {0};
    struct buf image;
    char path[512];
    const char *dir = getenv("FARM_FIRMWARE");
    printf("# %s\n", board);
    snprintf(path, sizeof path, "%s/%s/firmware.bin", dir ? dir : "build/firmware", board);
    buf_init(&image, 256 * 1024);
    if (buf_read_file(&image, path)) {
        SKIP("firmware on the virtual board",
             "no firmware.bin: make firmware, or set FARM_FIRMWARE");
    } else if (OKF(bench_open(&b, board, &image, image_offset, true), "%s", board)) {
        test_hello(&b, &image);
        test_run(&b, 1000005, true);
        test_run(&b, 1000005, false);
        test_run(&b, 1000011, false);
        test_paint_value(&b);
        test_bad_programs(&b);
        test_bad_lines(&b);
        test_core_faults(&b);
        test_injected_faults(&b, &image);
        bool has_hse = b.config.hse_hz != 0;
        bench_close(&b);
        if (has_hse && OK(bench_open(&b, board, &image, image_offset, false)))
            test_no_clock(&b);
    }
    bench_close(&b);
    buf_free(&image);
}

// Every board folder whose chip can be virtual.
int main(void)
{
    glob_t folders;
    int boards = 0;
    if (glob(BOARDS_DIR "/*/board.json", 0, NULL, &folders) != 0)
        return 1;
    for (size_t i = 0; i < folders.gl_pathc; i++) {
        char board[64];
        struct board_config config;
        struct err e = {0};
        const char *begin = folders.gl_pathv[i] + sizeof BOARDS_DIR;
        snprintf(board, sizeof board, "%.*s", (int)strcspn(begin, "/"), begin);
        if (!OKF(board_config_load(&config, BOARDS_DIR, board, &e) == 0, "%s: %s", board, e.msg) ||
            !arch_of(&config))
            continue;
        test_board(board, arch_of(&config)->image_offset);
        boards++;
    }
    globfree(&folders);
    OKF(boards >= 7, "%d boards", boards);
    return tap_done();
}
