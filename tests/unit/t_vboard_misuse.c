// SPDX-License-Identifier: MIT
// Wrong use of the hardware on every family of chips: a store to locked flash, programming without an erase, an access
// outside memory, the UART without its clock, bad settings of a PLL (docs/virtual-boards.md, "Wrong use"). The board's
// firmware image runs first; then its core executes a few loads and stores, assembled here, that do the wrong thing. What
// has to come of it: a fault record on the serial line with a pc in those instructions, the board's own record where silicon
// would not fault, and registers and flash as silicon leaves them. Needs build/firmware (make firmware).
#include "tests/tap.h"

#include "agent/vboard/board.h"
#include "agent/vboard/cpu_arm.h"
#include "agent/vboard/cpu_riscv.h"
#include "agent/vboard/cpu_xtensa.h"
#include "common/buf.h"
#include "firmware/wire/wire.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define BOARDS_DIR "firmware/boards"

enum {
    MAX_STEPS = 24,
    MAX_CODE = 2048,
    POOL = 256,       // bytes before the code: constants of an Xtensa
    SLICE = 10000,    // instructions
    MAX_SLICES = 400, // 4 M instructions: to the hello, and to a fault record
};

// ---- the steps of a case, and machine code for them ----

enum step_kind { END, STORE, STORE_BYTE, LOAD, LOAD_OFTEN, SET, CLEAR, FLASH_HOLDS };

struct step {
    enum step_kind kind;
    uint32_t address, value; // SET, CLEAR: bits of the word; FLASH_HOLDS: set up from outside
};

enum { LOAD_TIMES = 16 }; // what the virtual FE310 takes for waiting

struct code {
    uint8_t bytes[MAX_CODE];
    uint32_t base, length, constants;
    uint32_t last_access; // address of the last load or store
};

static void emit(struct code *c, uint32_t word, unsigned bytes)
{
    if (c->length + bytes > sizeof c->bytes)
        abort();
    memcpy(c->bytes + c->length, &word, bytes);
    c->length += bytes;
}

static void thumb_constant(struct code *c, unsigned reg, uint32_t v)
{
    for (unsigned top = 0; top < 2; top++, v >>= 16) {
        emit(c, (top ? 0xf2c0u : 0xf240u) | (v >> 11 & 1) << 10 | (v >> 12 & 15), 2);
        emit(c, (v >> 8 & 7) << 12 | reg << 8 | (v & 0xff), 2);
    }
}

static void thumb_access(struct code *c, enum step_kind kind, uint32_t address, uint32_t value)
{
    thumb_constant(c, 0, address);
    thumb_constant(c, 1, value);
    c->last_access = c->base + c->length;
    emit(c, kind == STORE ? 0x6001 : kind == STORE_BYTE ? 0x7001 : 0x6801, 2); // of r1 at r0
    emit(c, 0xe7ff, 2); // b to the next: the end of a block
}

static void thumb_end(struct code *c)
{
    emit(c, 0xe7ffbf00, 4); // nop; b to the next
    emit(c, 0xe7febf00, 4); // nop; b .
}

static void riscv_constant(struct code *c, unsigned reg, uint32_t v)
{
    emit(c, ((v + 0x800) & 0xfffff000u) | reg << 7 | 0x37, 4);   // lui
    emit(c, (v & 0xfff) << 20 | reg << 15 | reg << 7 | 0x13, 4); // addi
}

static void riscv_access(struct code *c, enum step_kind kind, uint32_t address, uint32_t value)
{
    riscv_constant(c, 5, address);
    riscv_constant(c, 6, value);
    c->last_access = c->base + c->length;
    emit(c, kind == STORE ? 0x0062a023 : kind == STORE_BYTE ? 0x00628023 : 0x0002a303, 4);
}

static void riscv_end(struct code *c)
{
    emit(c, 0x00000013, 4); // nop
    emit(c, 0x0000006f, 4); // j .
}

static void xtensa_constant(struct code *c, unsigned reg, uint32_t v)
{
    uint32_t at = 0, pc = c->base + c->length, old;
    for (; at < c->constants; at += 4) {
        memcpy(&old, c->bytes + at, 4);
        if (old == v)
            break;
    }
    if (at == POOL)
        abort();
    memcpy(c->bytes + at, &v, 4);
    if (at == c->constants)
        c->constants += 4;
    emit(c, ((c->base + at - ((pc + 3) & ~3u)) >> 2 & 0xffff) << 8 | reg << 4 | 1, 3); // l32r
}

static void xtensa_access(struct code *c, enum step_kind kind, uint32_t address, uint32_t value)
{
    xtensa_constant(c, 2, address);
    xtensa_constant(c, 3, value);
    c->last_access = c->base + c->length;
    emit(c, kind == STORE ? 0x006232 : kind == STORE_BYTE ? 0x004232 : 0x002232, 3); // a3 at a2
}

static void xtensa_end(struct code *c)
{
    emit(c, 0xffffc6, 3); // j to the next: the end of a block
    emit(c, 0x0020f0, 3); // nop
    emit(c, 0xffff06, 3); // j .
}

static void arm_jump(struct cpu *c, uint32_t pc)
{
    core_set(cpu_arm(c)->core, CORE_PC, pc);
}

static bool arm_bus_faulted(struct cpu *c)
{
    const uint32_t ibuserr = 1 << 8;
    return cpu_arm(c)->m.cfsr & ibuserr;
}

static void riscv_jump(struct cpu *c, uint32_t pc)
{
    riscv_csr_write(cpu_riscv_core(c), 0x7b1, true, pc); // dpc
}

static bool riscv_bus_faulted(struct cpu *c)
{
    uint32_t cause = 0;
    return riscv_csr_read(cpu_riscv_core(c), 0x342, true, &cause) && cause == 1; // mcause
}

static void xtensa_jump(struct cpu *c, uint32_t pc)
{
    xtensa_set_pc(cpu_xtensa_core(c), pc);
}

static bool xtensa_bus_faulted(struct cpu *c)
{
    const unsigned exccause = 232;
    return xtensa_sr(cpu_xtensa_core(c), exccause) == XTENSA_CAUSE_FETCH_PROHIBITED;
}

struct isa {
    void (*access)(struct code *c, enum step_kind kind, uint32_t address, uint32_t value);
    void (*end)(struct code *c);
    void (*jump)(struct cpu *c, uint32_t pc);
    bool (*bus_faulted)(struct cpu *c); // the fault that the SoC raises: a fetch that fails
};

static const struct isa thumb = {thumb_access, thumb_end, arm_jump, arm_bus_faulted};
static const struct isa rv32 = {riscv_access, riscv_end, riscv_jump, riscv_bus_faulted};
static const struct isa xtensa = {xtensa_access, xtensa_end, xtensa_jump, xtensa_bus_faulted};

// ---- families and cases ----

enum misuse { LOCKED_FLASH, NOT_ERASED, OUTSIDE_MEMORY, UART_CLOCK, PLL, MISUSES };

static const char *const misuse_names[MISUSES] = {
    "store to locked flash", "programming without an erase", "access outside memory",
    "UART without its clock", "bad settings of a clock"};

struct misuse_case {
    enum misuse misuse;
    struct step steps[MAX_STEPS];
    const char *
        board_says; // in the board's own record; NULL: the core faults as on silicon, at the last access
    const char *silent; // why the firmware cannot send its record; NULL: it does
    struct {
        uint32_t address, mask, value;
    } after[3]; // what a debugger finds, up to mask 0
};

struct family {
    const char *board;
    const struct isa *isa;
    uint32_t code; // RAM that can be executed from and that the firmware does not need any more
    uint32_t image_offset; // of firmware.bin in the flash
    const struct misuse_case *cases;
    size_t n_cases;
};

// Both families of STM32: RCC at 0x40023800, FLASH at 0x40023c00, USART3 at 0x40004800. v1 and v2 of the USART differ.
#define STM32_UNLOCK                                                                               \
    {STORE, 0x40023c04, 0x45670123},                                                               \
    {                                                                                              \
        STORE, 0x40023c04, 0xcdef89ab                                                              \
    }
#define STM32_TO_HSI(brr)                                                                          \
    {SET, 0x40023800, 1}, {STORE, 0x40023808, 0}, {STORE, brr, 139},                               \
    {                                                                                              \
        CLEAR, 0x40023800, 1 << 24                                                                 \
    }
// clang-format off
#define STM32_CASES(brr, data)                                                                     \
    {LOCKED_FLASH, {{STORE, 0x08080000, 0x12345678}},                                              \
     "store to flash offset 0x80000 while it is locked", NULL,                                     \
     {{0x08080000, ~0u, ~0u}, {0x40023c0c, 0xf2, 0x80}}},                                          \
    {LOCKED_FLASH, {{STORE, 0x40023c10, 1 | 2 << 8}},                                              \
     "to the locked FLASH_CR", NULL, {{0x40023c10, ~0u, 1u << 31}}},                               \
    {LOCKED_FLASH, {{STORE, 0x40023c04, 0x12345678}},                                              \
     "wrong key 0x12345678", NULL, {{0x40023c10, ~0u, 1u << 31}}},                                 \
    {LOCKED_FLASH, {{STORE, 0x40023c08, 0x08192a3b}, {STORE, 0x40023c08, 0x4c5d6e7f},              \
      {STORE, 0x40023c14, 0}, STM32_UNLOCK, {STORE, 0x40023c10, 1 | 2 << 8},                       \
      {STORE, 0x08080000, 0x12345678}}, "in a write-protected sector", NULL,                       \
     {{0x08080000, ~0u, ~0u}, {0x40023c0c, 0xf2, 0x10}}},                                          \
    {NOT_ERASED, {{FLASH_HOLDS, 0x08080000, 0xff00ffff}, STM32_UNLOCK,                             \
      {STORE, 0x40023c10, 1 | 2 << 8}, {STORE, 0x08080000, 0x12345678}},                           \
     "without an erase", NULL, {{0x08080000, ~0u, 0x12005678}, {0x40023c0c, 0xf2, 0}}},            \
    {NOT_ERASED, {STM32_UNLOCK, {STORE, 0x40023c10, 1 | 2 << 8}, {STORE_BYTE, 0x08080000, 0x12}},  \
     "PSIZE asks for 4", NULL, {{0x08080000, ~0u, ~0u}, {0x40023c0c, 0xf2, 0x40}}},                \
    {OUTSIDE_MEMORY, {{LOAD, 0x60000000, 0}}, NULL, NULL, {{0xe000ed38, ~0u, 0x60000000}}},        \
    {OUTSIDE_MEMORY, {{STORE, 0x20080000, 1}}, NULL, NULL, {{0xe000ed38, ~0u, 0x20080000}}},       \
    {UART_CLOCK, {{CLEAR, 0x40023840, 1 << 18}, {STORE, data, 'x'}},                               \
     "USART3 (0x40004800) is used while its clock is off", "it has no clock", {{data, ~0u, 0}}},   \
    {PLL, {STM32_TO_HSI(brr), {STORE, 0x40023804, 1 | 50 << 6 | 1 << 22}, {SET, 0x40023800, 1 << 24}}, \
     "the PLL does not lock, PLLRDY stays 0: PLLM 1", NULL, {{0x40023800, 1 << 25, 0}}},           \
    {PLL, {STM32_TO_HSI(brr), {STORE, 0x40023804, 4 | 432 << 6 | 1 << 22}, {SET, 0x40023800, 1 << 24}}, \
     "the VCO runs at 864000000 Hz", NULL, {{0x40023800, 1 << 25, 0}}},                            \
    {PLL, {{STORE, 0x40023804, 8 | 200 << 6 | 1 << 22}},                                           \
     "PLLCFGR is written while the PLL is on", NULL, {{0x40023800, 1 << 25, 1 << 25}}},            \
    {PLL, {{STORE, 0x40023c00, 0}}, "FLASH_ACR has 0", NULL, {{0x40023c00, 0xf, 0}}}

static const struct misuse_case f4_cases[] = {STM32_CASES(0x40004808, 0x40004804)};
static const struct misuse_case f7_cases[] = {STM32_CASES(0x4000480c, 0x40004828)};

// The flash is behind two controllers: the cache, whose windows are read-only, and SPI1, which the virtual board has not.
#define ESP_CASES(clk_en0, per_conf)                                                               \
    {LOCKED_FLASH, {{FLASH_HOLDS, 0x3c080000, 0xff00ffff}, {STORE, 0x3c080000, 0x12345678}},       \
     NULL, NULL, {{0x3c080000, ~0u, 0xff00ffff}}},                                                 \
    {LOCKED_FLASH, {{STORE, 0x42080000, 0x12345678}}, NULL, NULL, {{0x3c080000, ~0u, ~0u}}},       \
    {NOT_ERASED, {{FLASH_HOLDS, 0x3c080000, 0xff00ffff}, {STORE, 0x60002000, 1 << 25}},            \
     "the flash chip is given a command", NULL, {{0x3c080000, ~0u, 0xff00ffff}}},                  \
    {OUTSIDE_MEMORY, {{LOAD, 0x20000000, 0}}, NULL, NULL, {{0}}},                                  \
    {OUTSIDE_MEMORY, {{STORE, 0x3fe00000, 1}}, NULL, NULL, {{0}}},                                 \
    {UART_CLOCK, {{CLEAR, clk_en0, 1 << 2}, {STORE, 0x60000000, 'x'}},                             \
     "UART0 is used while its clock is off", "it has no clock", {{0}}},                            \
    {UART_CLOCK, {{CLEAR, 0x60000078, 1 << 22}, {STORE, 0x60000000, 'x'}},                         \
     "UART_CLK_CONF gives it no clock", "it has no clock", {{0}}},                                 \
    {PLL, {{SET, per_conf, 3}}, "CPUPERIOD_SEL 3 names no clock", NULL, {{per_conf, 3, 3}}}

static const struct misuse_case s3_cases[] = {
    ESP_CASES(0x600c0018, 0x600c0010),
    {PLL, {{CLEAR, 0x600c0010, 1 << 2}}, "240 MHz is asked of a PLL that is set to 320 MHz", NULL, {{0}}},
};
static const struct misuse_case c3_cases[] = {
    ESP_CASES(0x600c0010, 0x600c0008),
    {PLL, {{SET, 0x600c0058, 3 << 10}}, "SOC_CLK_SEL 3 names no clock", NULL, {{0}}},
};

// SPI0 at 0x10014000, the flash's window off while its commands are sent.
#define SPI_BEGIN {CLEAR, 0x10014060, 1}, {STORE, 0x10014018, 2}
#define SPI(byte) {STORE, 0x10014048, byte}
#define SPI_END {STORE, 0x10014018, 0}
static const struct misuse_case fe310_cases[] = {
    {LOCKED_FLASH, {{STORE, 0x20080000, 0x12345678}}, NULL, NULL, {{0x20080000, ~0u, ~0u}}},
    {LOCKED_FLASH, {SPI_BEGIN, SPI(0x02), SPI(0x08), SPI(0), SPI(0), SPI(0x12)},
     "SPI flash command 0x02 without a write enable", "it runs from the flash, whose window is off",
     {{0x20080000, ~0u, ~0u}}},
    {NOT_ERASED, {{FLASH_HOLDS, 0x20080000, 0xffffff0f}, SPI_BEGIN, SPI(0x06), SPI_END,
      {STORE, 0x10014018, 2}, SPI(0x02), SPI(0x08), SPI(0), SPI(0), SPI(0x12)},
     "programming 0x12 over 0x0f at SPI flash offset 0x80000 without an erase",
     "it runs from the flash, whose window is off", {{0x20080000, ~0u, 0xffffff02}}},
    {OUTSIDE_MEMORY, {{LOAD, 0x40000000, 0}}, NULL, NULL, {{0}}},
    {OUTSIDE_MEMORY, {{STORE, 0x80004000, 1}}, NULL, NULL, {{0}}},
    // Its clock is the core's and has no gate: what can be forgotten is txctrl.
    {UART_CLOCK, {{CLEAR, 0x10013008, 1}, {STORE, 0x10013000, 'x'}},
     "UART0 is given a byte before txctrl enables it", "it is not enabled", {{0}}},
    // From the ring oscillator, 14.4 MHz, with the UART's divider for that.
    {PLL, {{CLEAR, 0x10008008, 1 << 16}, {STORE, 0x10013018, 124}, {STORE, 0x10008008, 0x00020c01},
      {LOAD_OFTEN, 0x10008008, 0}},
     "waits for a PLL that does not lock", NULL, {{0x10008008, 1u << 31, 0}}},
    {PLL, {{STORE, 0x10008008, 0x00030c01}}, "a PLL that is not locked", "the core has no clock", {{0}}},
};

#define CASES(list) list, sizeof(list) / sizeof(list)[0]
static const struct family families[] = {
    {"nucleo-f412zg", &thumb, 0x20010000, 0, CASES(f4_cases)},
    {"nucleo-f767zi", &thumb, 0x20010000, 0, CASES(f7_cases)},
    {"esp32s3-devkit", &xtensa, 0x403a0000, 0, CASES(s3_cases)},
    {"esp32c3-devkit", &rv32, 0x403a0000, 0, CASES(c3_cases)},
    {"hifive1b", &rv32, 0x08001000, 0x10000, CASES(fe310_cases)},
};
// clang-format on

// ---- a board that is listened to ----

struct bench {
    struct board_config config;
    struct board *board;
    uint8_t *flash;
    struct wire_reader reader;
    char line[WIRE_LINE_MAX];
    int hellos, faults;
    char code[32], pc[16];
};

static void copy_field(const cJSON *json, const char *field, char *out, size_t bytes)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, field);
    snprintf(out, bytes, "%s", cJSON_IsString(item) ? item->valuestring : "(none)");
}

static void hear(void *user, uint8_t byte)
{
    struct bench *b = user;
    struct wire_line line;
    if (wire_feed(&b->reader, byte, &line) != 1)
        return;
    b->hellos += strcmp(line.name, "hello") == 0;
    if (strcmp(line.name, "fault") != 0)
        return;
    cJSON *json = cJSON_Parse(line.json);
    b->faults++;
    copy_field(json, "code", b->code, sizeof b->code);
    copy_field(json, "pc", b->pc, sizeof b->pc);
    cJSON_Delete(json);
}

static void run_until(struct bench *b, const int *count)
{
    for (int i = 0; i < MAX_SLICES && !*count; i++)
        board_run(b->board, SLICE);
}

static bool bench_open(struct bench *b, const struct family *f, const struct buf *image)
{
    struct err e = {0};
    memset(b, 0, sizeof *b);
    wire_reader_init(&b->reader, WIRE_RECORDS, b->line, sizeof b->line);
    if (board_config_load(&b->config, BOARDS_DIR, f->board, &e) == 0)
        b->flash = aligned_alloc(4096, b->config.flash_bytes);
    if (b->flash) {
        memset(b->flash, 0xff, b->config.flash_bytes);
        memcpy(b->flash + f->image_offset, image->data, image->len);
        b->board = board_new(&b->config, b->flash, &e);
    }
    if (!b->board) {
        printf("# %s\n", e.msg);
        return false;
    }
    b->board->uart_out = hear;
    b->board->uart_user = b;
    run_until(b, &b->hellos);
    return b->hellos == 1 && b->board->misuse_count == 0;
}

static void bench_close(struct bench *b)
{
    board_free(b->board);
    free(b->flash);
}

static uint32_t word_at(struct bench *b, uint32_t address)
{
    uint32_t v = 0xdeadbeef;
    return board_debug_read(b->board, address, 4, &v) ? v : 0xdeadbeef;
}

static void assemble(struct bench *b, const struct family *f, const struct misuse_case *c,
                     struct code *code)
{
    *code = (struct code){.base = f->code, .length = POOL};
    for (const struct step *s = c->steps; s->kind != END; s++) {
        uint32_t old = word_at(b, s->address);
        if (s->kind == FLASH_HOLDS) {
            const struct board_range *r = b->board->ranges;
            while (!r->flash || s->address - r->base >= r->size)
                r++;
            memcpy(b->flash + (s->address - r->base), &s->value, 4);
        } else if (s->kind == SET || s->kind == CLEAR) {
            f->isa->access(code, STORE, s->address,
                           s->kind == SET ? old | s->value : old & ~s->value);
        } else {
            for (int i = 0; i < (s->kind == LOAD_OFTEN ? LOAD_TIMES : 1); i++)
                f->isa->access(code, s->kind, s->address, s->value);
        }
    }
    f->isa->end(code);
}

static void test_case(const struct family *f, const struct misuse_case *c, const struct buf *image)
{
    struct bench b;
    struct code code;
    if (!OKF(bench_open(&b, f, image), "%s: the firmware says hello and does nothing wrong",
             f->board)) {
        bench_close(&b);
        return;
    }
    assemble(&b, f, c, &code);
    for (uint32_t at = 0; at < code.length; at += 4) {
        uint32_t word;
        memcpy(&word, code.bytes + at, 4);
        board_debug_write(b.board, f->code + at, 4, word);
    }
    f->isa->jump(b.board->cpu, f->code + POOL);
    run_until(&b, &b.faults);

    const char *says = b.board->misuse_count ? b.board->misuse[0] : "(nothing)";
    printf("# %s, %s: %s; @fault %s pc %s\n", f->board, misuse_names[c->misuse], says, b.code,
           b.pc);
    EQ_INT(b.board->debugger_misuses, 0); // none of it was the setting up
    if (c->board_says) {
        OKF(b.board->misuse_count >= 1 && strstr(says, c->board_says), "the board's record: %s",
            says);
        OKF(f->isa->bus_faulted(b.board->cpu), "the core took a bus fault");
    } else {
        EQ_INT(b.board->misuse_count, 0);
    }
    if (c->silent) {
        OKF(b.faults == 0, "no record on the line: %s", c->silent);
    } else {
        uint32_t pc = (uint32_t)strtoul(b.pc, NULL, 16);
        EQ_INT(b.faults, 1);
        EQ_STR(b.code, "busfault");
        OKF(c->board_says ? pc > code.last_access && pc < f->code + code.length
                          : pc == code.last_access,
            "pc 0x%08x, the access is at 0x%08x", pc, code.last_access);
    }
    for (size_t i = 0; i < 3 && c->after[i].mask; i++) {
        uint32_t v = word_at(&b, c->after[i].address);
        OKF((v & c->after[i].mask) == c->after[i].value, "0x%08x holds 0x%08x, not 0x%08x",
            c->after[i].address, v & c->after[i].mask, c->after[i].value);
    }
    bench_close(&b);
}

// What a debugger does wrong is said in the log and stops nobody.
static void test_debugger(const struct family *f, uint32_t locked, const struct buf *image)
{
    struct bench b;
    if (OK(bench_open(&b, f, image))) {
        board_debug_write(b.board, locked, 4, 0x12345678);
        EQ_INT(b.board->debugger_misuses, 1);
        EQ_INT(word_at(&b, locked), ~0u);
        for (int i = 0; i < 10; i++)
            board_run(b.board, SLICE);
        EQ_INT(b.board->misuse_count, 0);
        EQ_INT(b.faults, 0);
        board_reset(b.board, false);
        EQ_INT(b.board->debugger_misuses, 0);
        b.hellos = 0;
        run_until(&b, &b.hellos);
        EQ_INT(b.hellos, 1);
    }
    bench_close(&b);
}

int main(void)
{
    const char *dir = getenv("FARM_FIRMWARE");
    setenv("FARM_LOG", "error", 1);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        const struct family *f = &families[i];
        bool covered[MISUSES] = {false};
        struct buf image;
        char path[512];
        snprintf(path, sizeof path, "%s/%s/firmware.bin", dir ? dir : "build/firmware", f->board);
        buf_init(&image, 256 * 1024);
        if (OKF(buf_read_file(&image, path) == 0, "%s", path)) {
            for (size_t k = 0; k < f->n_cases; k++) {
                test_case(f, &f->cases[k], &image);
                covered[f->cases[k].misuse] = true;
            }
            if (f->isa == &thumb)
                test_debugger(f, 0x08080000, &image);
        }
        for (int m = 0; m < MISUSES; m++)
            OKF(covered[m], "%s: %s", f->board, misuse_names[m]);
        buf_free(&image);
    }
    return tap_done();
}
