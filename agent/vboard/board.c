// SPDX-License-Identifier: GPL-2.0-only
// See board.h.
#include "agent/vboard/board.h"
#include "agent/vboard/soc.h"
#include "common/buf.h"
#include "common/log.h"
#include "firmware/executor/program.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BASE                                                                                  \
    0xf0000000u // how firmware finds out that it is emulated, and its exact instruction count
#define PAGE_MAGIC 0x44524256u // "VBRD"

enum {
    PAGE_VERSION = 1,
    PAGE_REG_VERSION = 0x04,
    PAGE_REG_INSTRUCTIONS_LOW = 0x08,
    PAGE_REG_INSTRUCTIONS_HIGH = 0x0c,
    PAGE_REG_MODEL = 0x10,
    PAGE_MODEL_BYTES = 32,
    PAGE_REG_MODEL_VERSION = 0x30,
    BOARD_JSON_MAX = 64 * 1024,
};

static const struct soc_ops *const soc_table[] = {&soc_esp32c3, &soc_esp32s3, &soc_fe310,
                                                  &soc_stm32f4, &soc_stm32f7};

// ---- board.json ----

static int json_text(const cJSON *root, const char *path, const char *field, char *out,
                     size_t out_bytes, struct err *e)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(root, field);
    if (!cJSON_IsString(v) || v->valuestring[0] == '\0' || strlen(v->valuestring) >= out_bytes)
        return err_set(e, ERR_BAD_FIELD, "%s: \"%s\" must be a text of 1 to %zu characters", path,
                       field, out_bytes - 1);
    memcpy(out, v->valuestring, strlen(v->valuestring) + 1);
    return 0;
}

// A number, or a text with a number in C notation ("0x08040000").
static int json_u32(const cJSON *root, const char *path, const char *field, uint32_t *out,
                    struct err *e)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(root, field);
    if (cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= UINT32_MAX) {
        *out = (uint32_t)v->valuedouble;
        return 0;
    }
    if (cJSON_IsString(v)) {
        char *end;
        errno = 0;
        unsigned long long n = strtoull(v->valuestring, &end, 0);
        if (!errno && end != v->valuestring && !*end && n <= UINT32_MAX) {
            *out = (uint32_t)n;
            return 0;
        }
    }
    return err_set(e, ERR_BAD_FIELD, "%s: \"%s\" must be a number from 0 to 4294967295", path,
                   field);
}

static bool json_has(const cJSON *root, const char *field)
{
    return cJSON_GetObjectItemCaseSensitive(root, field) != NULL;
}

static int json_wiring(const cJSON *root, const char *path, struct board_config *cfg, struct err *e)
{
    const cJSON *bypass = cJSON_GetObjectItemCaseSensitive(root, "hse_bypass");
    if (bypass && !cJSON_IsBool(bypass))
        return err_set(e, ERR_BAD_FIELD, "%s: \"hse_bypass\" must be true or false", path);
    cfg->hse_bypass = cJSON_IsTrue(bypass);
    if ((json_has(root, "hse_hz") && json_u32(root, path, "hse_hz", &cfg->hse_hz, e)) ||
        (json_has(root, "usart") && json_u32(root, path, "usart", &cfg->usart, e)) ||
        (json_has(root, "usart_tx") &&
         json_text(root, path, "usart_tx", cfg->usart_tx, sizeof cfg->usart_tx, e)) ||
        (json_has(root, "usart_rx") &&
         json_text(root, path, "usart_rx", cfg->usart_rx, sizeof cfg->usart_rx, e)))
        return -1;
    return 0;
}

int board_config_load(struct board_config *cfg, const char *boards_dir, const char *id,
                      struct err *e)
{
    char path[512];
    struct buf text;
    cJSON *root = NULL;
    int rc = -1;

    memset(cfg, 0, sizeof *cfg);
    buf_init(&text, BOARD_JSON_MAX);
    if (strchr(id, '/') ||
        (size_t)snprintf(path, sizeof path, "%s/%s/board.json", boards_dir, id) >= sizeof path) {
        err_set(e, ERR_BAD_FIELD, "\"%s\" is not a board's name", id);
        goto out;
    }
    if (buf_read_file(&text, path)) {
        err_set(e, ERR_NOT_FOUND, "board \"%s\": cannot read %s: %s (is --boards right?)", id, path,
                strerror(errno));
        goto out;
    }
    root = cJSON_ParseWithLength(buf_str(&text), text.len);
    if (!cJSON_IsObject(root)) {
        err_set(e, ERR_BAD_JSON, "%s is not a JSON object", path);
        goto out;
    }
    if (json_text(root, path, "id", cfg->id, sizeof cfg->id, e) ||
        json_text(root, path, "name", cfg->name, sizeof cfg->name, e) ||
        json_text(root, path, "core", cfg->core, sizeof cfg->core, e) ||
        json_text(root, path, "soc", cfg->soc, sizeof cfg->soc, e) ||
        json_u32(root, path, "ram_bytes", &cfg->ram_bytes, e) ||
        json_u32(root, path, "flash_bytes", &cfg->flash_bytes, e) ||
        json_u32(root, path, "clock_hz", &cfg->clock_hz, e) ||
        json_u32(root, path, "baud", &cfg->baud, e) ||
        json_u32(root, path, "program_address", &cfg->program_address, e) ||
        json_wiring(root, path, cfg, e))
        goto out;
    if (strcmp(cfg->id, id) != 0) {
        err_set(e, ERR_BAD_FIELD, "%s: \"id\" is \"%s\", the folder is \"%s\"", path, cfg->id, id);
        goto out;
    }
    if (cfg->flash_bytes == 0 || cfg->flash_bytes % 4096 || cfg->flash_bytes > 64u << 20) {
        err_set(e, ERR_BAD_FIELD, "%s: \"flash_bytes\" must be a multiple of 4096 up to 64 MB",
                path);
        goto out;
    }
    if (cfg->baud == 0) {
        err_set(e, ERR_BAD_FIELD, "%s: \"baud\" must not be 0", path);
        goto out;
    }
    rc = 0;
out:
    cJSON_Delete(root);
    buf_free(&text);
    return rc;
}

// ---- memory and bus ----

void board_add_range(struct board *b, uint32_t base, uint32_t size, uint8_t *memory, bool flash)
{
    if (b->range_count < BOARD_MAX_RANGES)
        b->ranges[b->range_count++] = (struct board_range){base, size, memory, flash};
}

static const struct board_range *find_range(const struct board *b, uint32_t address, uint32_t size)
{
    for (int i = 0; i < b->range_count; i++) {
        const struct board_range *r = &b->ranges[i];
        if (address - r->base < r->size && size <= r->size - (address - r->base))
            return r;
    }
    return NULL;
}

uint8_t *board_memory(struct board *b, uint32_t address, uint32_t size, bool write)
{
    const struct board_range *r = find_range(b, address, size);
    if (!r || (write && r->flash))
        return NULL;
    if (write)
        cpu_memory_changed(b->cpu, address, size);
    return r->memory + (address - r->base);
}

static uint8_t *cpu_memory(void *user, uint32_t address, uint32_t size, bool write)
{
    struct board *b = user;
    // Exception frames are data: no need to forget translated code.
    const struct board_range *r = find_range(b, address, size);
    return !r || (write && r->flash) ? NULL : r->memory + (address - r->base);
}

static uint32_t page_read(struct board *b, uint32_t offset)
{
    uint64_t n = cpu_instructions(b->cpu);
    uint32_t word = 0;
    switch (offset) {
    case 0:
        return PAGE_MAGIC;
    case PAGE_REG_VERSION:
        return PAGE_VERSION;
    case PAGE_REG_INSTRUCTIONS_LOW:
        b->page_latch = (uint32_t)(n >> 32);
        return (uint32_t)n;
    case PAGE_REG_INSTRUCTIONS_HIGH:
        return b->page_latch;
    case PAGE_REG_MODEL_VERSION:
        return b->cpu->ops->timing_version(b->cpu);
    default:
        break;
    }
    if (offset >= PAGE_REG_MODEL && offset < PAGE_REG_MODEL + PAGE_MODEL_BYTES) {
        char name[PAGE_MODEL_BYTES] = {0};
        snprintf(name, sizeof name, "%s", b->cpu->ops->timing_name(b->cpu));
        memcpy(&word, name + (offset - PAGE_REG_MODEL), 4);
    }
    return word;
}

static bool is_cpu_register(const struct board *b, uint32_t address)
{
    return b->cpu->ops->owns && b->cpu->ops->owns(address);
}

static uint32_t register_read(struct board *b, uint32_t address, bool debugger)
{
    if (is_cpu_register(b, address))
        return b->cpu->ops->read(b->cpu, address, debugger);
    if (address >= PAGE_BASE)
        return page_read(b, address - PAGE_BASE);
    return b->soc_ops->read(b->soc, address, debugger);
}

static void register_write(struct board *b, uint32_t address, uint32_t value, bool debugger)
{
    if (is_cpu_register(b, address))
        b->cpu->ops->write(b->cpu, address, value, debugger);
    else if (address < PAGE_BASE)
        b->soc_ops->write(b->soc, address, value, debugger);
}

static uint32_t narrow(uint32_t word, uint32_t address, unsigned size)
{
    word >>= (address & 3) * 8;
    return size == 4 ? word : word & ((1u << (8 * size)) - 1);
}

static uint32_t widen(struct board *b, uint32_t address, unsigned size, uint32_t value)
{
    if (size == 4)
        return value;
    uint32_t mask = ((1u << (8 * size)) - 1) << ((address & 3) * 8);
    uint32_t base = is_cpu_register(b, address) ? b->cpu->ops->read(b->cpu, address & ~3u, false)
                    : address >= PAGE_BASE      ? 0
                                                : b->soc_ops->merge_base(b->soc, address & ~3u);
    return (base & ~mask) | (value << ((address & 3) * 8) & mask);
}

static uint32_t cpu_read(void *user, uint32_t address, unsigned size)
{
    return narrow(register_read(user, address & ~3u, false), address, size);
}

static void cpu_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    register_write(user, address & ~3u, widen(user, address, size, value), false);
}

static uint32_t cpu_rom_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    struct board *b = user;
    const struct board_range *r = find_range(b, address, size);
    return r ? b->soc_ops->program(b->soc, address - r->base, size, value) : 0;
}

// ---- wrong use ----

void board_misuse(struct board *b, const char *fmt, ...)
{
    char why[sizeof b->misuse[0]];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    if (b->debugging) {
        if (b->debugger_misuses++ < BOARD_MISUSES)
            log_warn("misuse", "by the debugger: %s", why);
        return;
    }
    for (int i = 0; i < b->misuse_count; i++) {
        if (strcmp(b->misuse[i], why) == 0)
            return;
    }
    if (b->misuse_count == BOARD_MISUSES)
        return;
    memcpy(b->misuse[b->misuse_count++], why, sizeof why);
    b->misuse_due = true;
    log_warn("misuse", "%s", why);
    cpu_request_stop(b->cpu);
}

static void take_misuse(struct board *b)
{
    b->misuse_due = false;
    board_wake(b); // it may have gone to sleep in the same slice
    b->cpu->ops->bus_fault(b->cpu, b->misuse[b->misuse_count - 1]);
}

static bool reset_if_requested(struct board *b)
{
    bool by_cpu = b->cpu->ops->reset_requested && b->cpu->ops->reset_requested(b->cpu);
    if (!by_cpu && !b->reset_requested)
        return false;
    board_reset(b, true);
    return true;
}

static uint32_t debugger_read(struct board *b, uint32_t address, unsigned size)
{
    b->debugging = true;
    uint32_t value = narrow(register_read(b, address & ~3u, true), address, size);
    b->debugging = false;
    return value;
}

bool board_debug_read(struct board *b, uint32_t address, unsigned size, uint32_t *value)
{
    const struct board_range *r = find_range(b, address, size);
    *value = 0;
    if (r)
        memcpy(value, r->memory + (address - r->base), size);
    else if (b->cpu->ops->is_io(b->cpu, address))
        *value = debugger_read(b, address, size);
    else
        return false;
    return true;
}

static bool debugger_write(struct board *b, uint32_t address, unsigned size, uint32_t value)
{
    const struct board_range *r = find_range(b, address, size);
    if (!r && !b->cpu->ops->is_io(b->cpu, address))
        return false;
    if (!r) {
        register_write(b, address & ~3u, widen(b, address, size, value), true);
        reset_if_requested(b);
        return true;
    }
    if (r->flash)
        value = b->soc_ops->program(b->soc, address - r->base, size, value);
    memcpy(r->memory + (address - r->base), &value, size);
    cpu_memory_changed(b->cpu, address, size);
    return true;
}

bool board_debug_write(struct board *b, uint32_t address, unsigned size, uint32_t value)
{
    b->debugging = true;
    bool there = debugger_write(b, address, size, value);
    b->debugging = false;
    return there;
}

static bool cpu_debug_read(void *user, uint32_t address, unsigned size, uint32_t *value)
{
    return board_debug_read(user, address, size, value);
}

static bool cpu_debug_write(void *user, uint32_t address, unsigned size, uint32_t value)
{
    return board_debug_write(user, address, size, value);
}

static void cpu_chip_reset(void *user)
{
    board_reset(user, true);
}

// ---- faults on purpose ----

static uint32_t program_offset(const struct board *b) // in flash
{
    for (int i = 0; i < b->range_count; i++) {
        if (b->ranges[i].flash && b->config.program_address - b->ranges[i].base < b->ranges[i].size)
            return b->config.program_address - b->ranges[i].base;
    }
    return 0;
}

// A bit of the program, or of each byte of the test input in it, so that the output is another one. Behind the CPU's
// back: these are constants, no translated code has to be forgotten.
static void flip_program_bits(struct board *b, bool input)
{
    struct prog_header h;
    uint32_t offset = program_offset(b);
    memcpy(&h, b->flash + offset, sizeof h);
    uint32_t at = input ? h.input : h.total_bytes / 4 * 3, n = input ? h.input_bytes : 1;
    if (h.total_bytes < sizeof h || h.total_bytes > b->config.flash_bytes - offset ||
        at > h.total_bytes || n > h.total_bytes - at) {
        log_warn("fault", "there is no program at 0x%08x to flip bits in",
                 b->config.program_address);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        b->flash[offset + at + i] ^= 0x40;
    log_warn("fault", "bit 6 of %u bytes from flash offset 0x%x flipped", n, offset + at);
}

// The image says what it is; from now on it says something else. Once is enough: what is gone is not found again.
static void disguise(struct board *b)
{
    static const uint8_t note[16] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
    uint32_t end = program_offset(b);
    if (b->fault.kind == FAULT_OTHER_FIRMWARE) {
        uint8_t *at = memmem(b->flash, end, note, sizeof note);
        if (at && at + sizeof note + 20 <= b->flash + end)
            memset(at + sizeof note, 0xee, 20);
    } else if (b->fault.kind == FAULT_OTHER_BOARD) {
        uint8_t *at;
        while ((at = memmem(b->flash, end, b->config.id, strlen(b->config.id) + 1)))
            at[0] = 'X';
    }
}

// Moves what is on the stack down to the bottom of the RAM that holds it, as if everything between had been used up.
static void fill_stack(struct board *b)
{
    enum { LEFT = 16 };
    uint32_t sp = b->cpu->ops->stack_pointer(b->cpu);
    const struct board_range *r = find_range(b, sp, 4);
    uint32_t room = r ? sp - r->base : 0; // below the stack pointer
    if (room <= LEFT) {
        log_warn("fault", "there is no room below the stack pointer 0x%08x", sp);
        return;
    }
    uint32_t moved = r->size - room < room - LEFT ? r->size - room : room - LEFT;
    memcpy(r->memory + LEFT, r->memory + room, moved);
    b->cpu->ops->set_stack_pointer(b->cpu, r->base + LEFT);
    log_warn("fault", "the stack pointer goes from 0x%08x to 0x%08x", sp, r->base + LEFT);
}

static void strike(struct board *b)
{
    b->strike_at = 0;
    if (b->fault.kind == FAULT_RESET) {
        log_warn("fault", "the board resets");
        board_reset(b, false);
    } else if (b->fault.kind == FAULT_STACK) {
        fill_stack(b);
    } else if (b->fault.kind == FAULT_CRASH) {
        b->cpu->ops->bus_fault(b->cpu, "fault injection");
    }
}

// ---- life ----

struct board *board_new(const struct board_config *cfg, uint8_t *flash, struct err *e)
{
    struct board *b = calloc(1, sizeof *b);
    if (!b) {
        err_set(e, ERR_NO_MEMORY, "no memory for the board");
        return NULL;
    }
    b->config = *cfg;
    b->flash = flash;
    for (size_t i = 0; i < sizeof soc_table / sizeof soc_table[0]; i++) {
        if (strncmp(cfg->soc, soc_table[i]->prefix, strlen(soc_table[i]->prefix)) == 0)
            b->soc_ops = soc_table[i];
    }
    if (!b->soc_ops) {
        err_set(e, ERR_UNSUPPORTED, "board \"%s\": there is no virtual %s", cfg->id, cfg->soc);
        goto fail;
    }
    const struct cpu_bus bus = {
        .user = b,
        .read = cpu_read,
        .write = cpu_write,
        .rom_write = cpu_rom_write,
        .memory = cpu_memory,
        .debug_read = cpu_debug_read,
        .debug_write = cpu_debug_write,
        .chip_reset = cpu_chip_reset,
    };
    b->cpu = b->soc_ops->new_cpu(&bus, e);
    if (!b->cpu)
        goto fail;
    b->soc = b->soc_ops->open(b, e);
    if (!b->soc)
        goto fail;
    board_reset(b, false);
    return b;
fail:
    board_free(b);
    return NULL;
}

void board_free(struct board *b)
{
    if (!b)
        return;
    if (b->soc)
        b->soc_ops->close(b->soc);
    if (b->cpu)
        b->cpu->ops->close(b->cpu);
    free(b);
}

void board_reset(struct board *b, bool by_software)
{
    b->soc_ops->reset(b->soc, by_software);
    b->cpu->ops->reset(b->cpu);
    b->reset_requested = false;
    b->reset_instructions = cpu_instructions(b->cpu);
    b->hung = false;
    b->misuse_count = b->debugger_misuses = 0;
    b->misuse_due = false;
    b->strike_at = 0;
    fault_reset(&b->fault);
    disguise(b);
}

void board_set_nrst(struct board *b, bool low)
{
    if (low && !b->nrst_low && b->cpu->ops->reset_pin_low)
        b->cpu->ops->reset_pin_low(b->cpu);
    if (!low && b->nrst_low)
        board_reset(b, false);
    b->nrst_low = low;
}

bool board_waits_for_debugger(const struct board *b)
{
    return b->cpu->ops->state(b->cpu) == CPU_STOPPED || b->nrst_low || b->hung;
}

bool board_runnable(const struct board *b)
{
    return !b->nrst_low && !b->hung && b->cpu->ops->state(b->cpu) == CPU_RUNS;
}

bool board_idle(const struct board *b)
{
    return b->cpu->ops->state(b->cpu) == CPU_SLEEPS || b->soc_ops->uart_idle(b->soc);
}

void board_uart_out(struct board *b, uint8_t byte)
{
    if (fault_answered(&b->fault, byte) && b->fault.kind == FAULT_OUTPUT) {
        b->fault.kind = FAULT_NONE;
        flip_program_bits(b, true);
    }
    if (fault_transmit(&b->fault, &byte) && b->uart_out)
        b->uart_out(b->uart_user, byte);
}

size_t board_uart_in(struct board *b, const uint8_t *bytes, size_t n)
{
    size_t taken = b->soc_ops->uart_in(b->soc, bytes, n);
    for (size_t i = 0; i < taken; i++) {
        if (!fault_asked(&b->fault, bytes[i]))
            continue;
        b->strike_at = cpu_instructions(b->cpu) + b->fault.n;
        if (b->fault.kind == FAULT_BITFLIP) {
            b->fault.kind = FAULT_NONE; // once: a second attempt finds a healthy board
            flip_program_bits(b, false);
        }
    }
    board_wake(b);
    return taken;
}

void board_wake(struct board *b)
{
    b->cpu->ops->wake(b->cpu);
}

void board_let_time_pass(struct board *b, uint64_t ns)
{
    uint64_t hz = b->soc_ops->cpu_hz(b->soc);
    cpu_skip_cycles(b->cpu, ns / 1000 * (hz / 1000) / 1000);
}

void board_run(struct board *b, uint64_t instructions)
{
    if (!board_runnable(b))
        return;
    uint64_t end = 0; // of the instruction counter, when a fault is due
    if (b->fault.kind == FAULT_HANG)
        end = b->reset_instructions + b->fault.n;
    else if (b->fault.kind == FAULT_RESET || b->fault.kind == FAULT_STACK ||
             b->fault.kind == FAULT_CRASH)
        end = b->strike_at;
    if (end) {
        uint64_t now = cpu_instructions(b->cpu);
        if (now >= end && b->fault.kind == FAULT_HANG) {
            b->hung = true;
            log_warn("fault", "hang: the CPU stops after %llu instructions",
                     (unsigned long long)(now - b->reset_instructions));
            return;
        }
        if (now >= end)
            strike(b);
        else if (end - now < instructions)
            instructions = end - now;
    }
    b->cpu->ops->run(b->cpu, instructions);
    if (b->soc_ops->after_slice)
        b->soc_ops->after_slice(b->soc);
    if (reset_if_requested(b)) {
        log_info("board", "system reset requested by the program");
        return;
    }
    if (b->misuse_due)
        take_misuse(b);
}
