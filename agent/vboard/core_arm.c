// SPDX-License-Identifier: GPL-2.0-only
// Unicorn behind core_arm.h. Facts about Unicorn 2.0.1 that shape this file:
//  - a stop requested in the block hook takes effect before the block runs, and the hook fires again on the way back;
//  - after a memory fault pc is the block's start, the registers are those at the faulting instruction;
//  - WFE and YIELD end a block and come back as "invalid instruction" with pc behind them;
//  - its instruction limit ("count") flushes and touches the whole translation buffer, a gigabyte: never used;
//  - stores into memory mapped read-only reach the hook first and are then done all the same.
#include "agent/vboard/core_arm.h"
#include "agent/vboard/timing.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

enum {
    MAX_REGIONS = 16,
    TABLE_SIZE = 1 << 15, // decoded blocks, direct-mapped: a collision only costs a new decode
    MAX_PATCHES = 64,
    INTR_SVC = 2,
    INTR_PREFETCH_ABORT = 3,
    INTR_BKPT = 7,
};

#define RUN_FOREVER 0xfffffffeu // the 'until' address of uc_emu_start: never reached

#define CPSR_T (1u << 5)

#define PERIPHERALS_BASE 0x40000000u // by the architecture
#define PERIPHERALS_BYTES 0x20000000u

struct entry {
    uint32_t address, size; // size 0: free
    struct timing_block t;
    uint32_t target; // where execution went on last, for TIMING_PREDICT_TARGET
    uint8_t history; // of a conditional branch, a two-bit counter: 2 and 3 say taken
    uint32_t era;    // of the core, in which target and history were learned
    bool arm_state;  // the block was decoded as Arm code: INVSTATE on a Cortex-M
};

struct region {
    uint32_t base, size;
    uint8_t *memory;
    uint32_t changed_low, changed_high; // offsets; low < high: changed behind Unicorn's back
};

struct patch { // bytes that read-only memory must hold after Unicorn's raw store
    uint8_t *at;
    uint32_t value;
    unsigned size;
};

struct io_window { // what Unicorn's peripheral callbacks get
    struct core *core;
    uint32_t base, size;
};

struct core {
    uc_engine *uc;
    struct core_bus bus;
    struct timing *timing;
    struct entry *table;

    uint64_t instructions, stop_at;
    uint64_t half_cycles;
    uint32_t era; // of branch prediction: another with each access to a peripheral
    bool fpu_enabled, fpu_double;

    struct entry *current; // the block that runs
    enum core_stop stop;   // why a hook stopped the run
    uint32_t stop_address; // of a memory fault, or the pc of an early stop
    bool stop_set;

    struct region regions[MAX_REGIONS];
    int region_count;
    struct patch patches[MAX_PATCHES];
    int patch_count;
    struct io_window io[MAX_REGIONS];
    int io_count;
};

static uint32_t reg_read(struct core *c, int reg)
{
    uint32_t v = 0;
    uc_reg_read(c->uc, reg, &v);
    return v;
}

static void reg_write(struct core *c, int reg, uint32_t v)
{
    uc_reg_write(c->uc, reg, &v);
}

static struct region *find_region(struct core *c, uint32_t address)
{
    for (int i = 0; i < c->region_count; i++) {
        if (address - c->regions[i].base < c->regions[i].size)
            return &c->regions[i];
    }
    return NULL;
}

static const uint8_t *find_code(struct core *c, uint32_t address, uint32_t size)
{
    struct region *r = find_region(c, address);
    return r && size <= r->size - (address - r->base) ? r->memory + (address - r->base) : NULL;
}

static void apply_patches(struct core *c)
{
    for (int i = 0; i < c->patch_count; i++)
        memcpy(c->patches[i].at, &c->patches[i].value, c->patches[i].size);
    c->patch_count = 0;
}

static void stop_before_block(struct core *c, enum core_stop why, uint32_t pc)
{
    c->stop = why;
    c->stop_address = pc;
    c->stop_set = true;
    uc_emu_stop(c->uc);
}

static void decode(struct core *c, struct entry *e, uint32_t address, uint32_t size)
{
    const uint8_t *code = find_code(c, address, size);
    memset(e, 0, sizeof *e);
    e->address = address;
    e->size = size;
    e->arm_state = (reg_read(c, UC_ARM_REG_CPSR) & CPSR_T) == 0;
    if (code && !e->arm_state)
        timing_block(c->timing, code, address, size, &e->t);
}

// With each access to a peripheral of the chip, as the serial line, what branches did is forgotten, and a half cycle is
// rounded up. So what runs between two such accesses takes the same time whatever ran before them. The core's own
// counters do not count as that.
static void settle(struct core *c, uint32_t address)
{
    if (address - PERIPHERALS_BASE >= PERIPHERALS_BYTES)
        return;
    c->era++;
    c->half_cycles += c->half_cycles & 1;
}

// The block that ran ends, and execution goes on at address: what its branch costs.
static void leave_block(struct core *c, uint32_t address)
{
    struct entry *e = c->current;
    if (!e)
        return;
    c->current = NULL;
    bool taken = address != e->address + e->size, miss = false;
    if (e->era != c->era) {
        e->era = c->era;
        e->target = address;
        e->history = e->t.predict == TIMING_PREDICT_TAKEN ? 2 : 1;
    }
    switch (e->t.predict) {
    case TIMING_PREDICT_FALL:
    case TIMING_PREDICT_TAKEN:
        miss = taken != (e->history >= 2);
        e->history = (uint8_t)(taken ? (e->history < 3 ? e->history + 1 : 3)
                                     : (e->history > 0 ? e->history - 1 : 0));
        break;
    case TIMING_PREDICT_TARGET:
        miss = address != e->target;
        e->target = address;
        break;
    default:
        break;
    }
    c->half_cycles += 2u * ((taken ? e->t.taken : e->t.fall) + (miss ? e->t.miss : 0u));
}

static void on_block(uc_engine *uc, uint64_t address64, uint32_t size, void *user)
{
    struct core *c = user;
    uint32_t address = (uint32_t)address64;
    (void)uc;

    if (c->patch_count > 0)
        apply_patches(c);
    if (c->instructions >= c->stop_at) {
        stop_before_block(c, CORE_BUDGET, address);
        return;
    }
    struct entry *e = &c->table[((address >> 1) ^ (size * 0x9e5u)) & (TABLE_SIZE - 1)];
    if (e->address != address || e->size != size) {
        leave_block(c, address); // it may be the one that gives way
        decode(c, e, address, size);
    }
    if (e->arm_state) {
        stop_before_block(c, CORE_INVSTATE, address);
        e->size = 0; // T may be right the next time
        return;
    }
    if (e->t.flags) {
        if ((e->t.flags & TIMING_FLAG_DOUBLE) && c->fpu_enabled && !c->fpu_double) {
            stop_before_block(c, CORE_UNDEFINED, e->t.double_address);
            return;
        }
        if ((e->t.flags & TIMING_FLAG_FPU) && !c->fpu_enabled) {
            stop_before_block(c, CORE_NOCP, e->t.fpu_address);
            return;
        }
        if ((e->t.flags & TIMING_FLAG_SPIN) && c->current == e) {
            c->current = NULL;
            stop_before_block(c, CORE_SLEEP, address);
            return;
        }
    }
    leave_block(c, address);
    c->half_cycles += 2u * e->t.cycles + e->t.half;
    c->instructions += e->t.instructions;
    c->current = e;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    struct core *c = user;
    uint32_t pc = reg_read(c, UC_ARM_REG_PC);
    if (number == INTR_BKPT)
        c->stop = CORE_BKPT;
    else if (number == INTR_SVC)
        c->stop = CORE_SVC;
    else if (pc >= 0xfffffff0u)
        c->stop = CORE_EXC_RETURN;
    else if (number == INTR_PREFETCH_ABORT)
        c->stop = CORE_BUS_FETCH;
    else
        c->stop = CORE_UNDEFINED;
    c->stop_address = pc;
    c->stop_set = true;
    uc_emu_stop(uc);
}

static bool on_invalid(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
                       void *user)
{
    struct core *c = user;
    (void)uc;
    (void)size;
    (void)value;
    c->stop_address = (uint32_t)address;
    switch (type) {
    case UC_MEM_WRITE_UNMAPPED:
    case UC_MEM_WRITE_PROT:
    case UC_MEM_WRITE:
        c->stop = CORE_BUS_WRITE;
        break;
    case UC_MEM_FETCH_UNMAPPED:
    case UC_MEM_FETCH_PROT:
    case UC_MEM_FETCH:
        c->stop = CORE_BUS_FETCH;
        break;
    default:
        c->stop = CORE_BUS_READ;
        break;
    }
    c->stop_set = true;
    return false;
}

static bool on_rom_write(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
                         void *user)
{
    struct core *c = user;
    (void)uc;
    (void)type;
    struct region *r = find_region(c, (uint32_t)address);
    if (!r || size > 4)
        return false;
    uint32_t wanted =
        c->bus.rom_write(c->bus.user, (uint32_t)address, (unsigned)size, (uint32_t)value);
    if (c->patch_count == MAX_PATCHES)
        apply_patches(c);
    c->patches[c->patch_count++] =
        (struct patch){r->memory + ((uint32_t)address - r->base), wanted, (unsigned)size};
    core_memory_changed(c, (uint32_t)address, (uint32_t)size);
    return true;
}

static uint64_t on_io_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    struct io_window *io = user;
    (void)uc;
    settle(io->core, io->base + (uint32_t)offset);
    apply_patches(io->core); // the guest is about to look at the flash controller's verdict
    return io->core->bus.read(io->core->bus.user, io->base + (uint32_t)offset, size);
}

static void on_io_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    struct io_window *io = user;
    (void)uc;
    settle(io->core, io->base + (uint32_t)offset);
    apply_patches(io->core);
    io->core->bus.write(io->core->bus.user, io->base + (uint32_t)offset, size, (uint32_t)value);
}

// One cast in one place: uc_hook_add takes the callback as void *, which ISO C cannot convert to implicitly.
static uc_err add_hook(struct core *c, int type, void (*callback)(void))
{
    uc_hook hook;
    void *p;
    memcpy(&p, &callback, sizeof p);
    return uc_hook_add(c->uc, &hook, type, p, c, (uint64_t)1, (uint64_t)0);
}

struct core_model {
    const char *name;
    int unicorn_model;
    struct timing *(*timing)(struct err *e);
};

static const struct core_model *find_model(const char *name)
{
    static const struct core_model models[] = {
        {"cortex-m4", UC_CPU_ARM_CORTEX_M4, timing_m4_new},
        {"cortex-m7", UC_CPU_ARM_CORTEX_M7, timing_m7_new},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    }
    return NULL;
}

struct core *core_new(const char *model, const struct core_bus *bus, struct err *e)
{
    struct core *c = calloc(1, sizeof *c);
    uc_err rc = UC_ERR_OK;
    if (c)
        c->table = calloc(TABLE_SIZE, sizeof *c->table);
    if (!c || !c->table) {
        err_set(e, ERR_NO_MEMORY, "no memory for the emulated core");
        goto fail;
    }
    const struct core_model *m = find_model(model);
    if (!m) {
        err_set(e, ERR_UNSUPPORTED, "core \"%s\" is not emulated; known: cortex-m4, cortex-m7",
                model);
        goto fail;
    }
    c->bus = *bus;
    c->timing = m->timing(e);
    if (!c->timing)
        goto fail;
    // UC_MODE_MCLASS would silently force a Cortex-M33; the model must be set before anything else.
    rc = uc_open(UC_ARCH_ARM, UC_MODE_THUMB, &c->uc);
    if (!rc)
        rc = uc_ctl_set_cpu_model(c->uc, m->unicorn_model);
    if (!rc)
        rc = add_hook(c, UC_HOOK_BLOCK, (void (*)(void))on_block);
    if (!rc)
        rc = add_hook(c, UC_HOOK_INTR, (void (*)(void))on_interrupt);
    if (!rc)
        rc = add_hook(c, UC_HOOK_MEM_UNMAPPED | UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_FETCH_PROT,
                      (void (*)(void))on_invalid);
    if (!rc)
        rc = add_hook(c, UC_HOOK_MEM_WRITE_PROT, (void (*)(void))on_rom_write);
    if (rc) {
        err_set(e, ERR_INTERNAL, "Unicorn: %s", uc_strerror(rc));
        goto fail;
    }
    return c;
fail:
    core_free(c);
    return NULL;
}

void core_free(struct core *c)
{
    if (!c)
        return;
    if (c->uc)
        uc_close(c->uc);
    timing_free(c->timing);
    free(c->table);
    free(c);
}

int core_map_memory(struct core *c, uint32_t base, uint32_t size, uint8_t *memory, bool writable,
                    struct err *e)
{
    if (c->region_count == MAX_REGIONS)
        return err_set(e, ERR_INTERNAL, "more than %d memory regions", MAX_REGIONS);
    uint32_t rights = writable ? UC_PROT_ALL : UC_PROT_READ | UC_PROT_EXEC;
    uc_err rc = uc_mem_map_ptr(c->uc, base, size, rights, memory);
    if (rc)
        return err_set(e, ERR_INTERNAL, "mapping %u bytes at 0x%08x: %s", size, base,
                       uc_strerror(rc));
    c->regions[c->region_count++] = (struct region){.base = base, .size = size, .memory = memory};
    return 0;
}

int core_map_io(struct core *c, uint32_t base, uint32_t size, struct err *e)
{
    if (c->io_count == MAX_REGIONS)
        return err_set(e, ERR_INTERNAL, "more than %d peripheral regions", MAX_REGIONS);
    struct io_window *user = &c->io[c->io_count++];
    *user = (struct io_window){c, base, size};
    uc_err rc = uc_mmio_map(c->uc, base, size, on_io_read, user, on_io_write, user);
    return rc ? err_set(e, ERR_INTERNAL, "mapping peripherals at 0x%08x: %s", base, uc_strerror(rc))
              : 0;
}

bool core_is_io(const struct core *c, uint32_t address)
{
    for (int i = 0; i < c->io_count; i++) {
        if (address - c->io[i].base < c->io[i].size)
            return true;
    }
    return false;
}

void core_memory_changed(struct core *c, uint32_t base, uint32_t size)
{
    struct region *r = find_region(c, base);
    if (!r || size == 0)
        return;
    // The same memory may be mapped twice (flash at two addresses): both views are stale.
    for (int i = 0; i < c->region_count; i++) {
        struct region *view = &c->regions[i];
        if (view->memory != r->memory)
            continue;
        uint32_t low = base - r->base, high = low + size;
        if (view->changed_low >= view->changed_high) {
            view->changed_low = low;
            view->changed_high = high;
        } else {
            view->changed_low = low < view->changed_low ? low : view->changed_low;
            view->changed_high = high > view->changed_high ? high : view->changed_high;
        }
    }
}

void core_forget_code(struct core *c)
{
    memset(c->table, 0, TABLE_SIZE * sizeof *c->table);
    c->current = NULL;
}

static void flush_changed(struct core *c)
{
    for (int i = 0; i < c->region_count; i++) {
        struct region *r = &c->regions[i];
        if (r->changed_low >= r->changed_high)
            continue;
        // Whole pages: a block may begin before the first byte that changed.
        uint64_t low = r->base + (uint64_t)(r->changed_low & ~0xfffu);
        uint64_t high = r->base + (((uint64_t)r->changed_high + 0xfff) & ~0xfffull);
        uc_ctl_remove_cache(c->uc, low, high);
        for (int k = 0; k < TABLE_SIZE; k++) {
            if (c->table[k].size && c->table[k].address >= low && c->table[k].address < high)
                c->table[k].size = 0;
        }
        r->changed_low = r->changed_high = 0;
    }
}

// The block was counted whole when it began; takes off what the fault kept from running.
static void uncount_tail(struct core *c, uint32_t pc)
{
    const struct entry *e = c->current;
    if (!e || pc - e->address >= e->size)
        return;
    const uint8_t *code = find_code(c, e->address, e->size);
    if (code)
        c->instructions -= (uint64_t)e->t.instructions -
                           timing_count_before(c->timing, code, e->address, e->size, pc);
}

static void fault_position(struct core *c, struct core_event *ev)
{
    const struct entry *e = c->current;
    const uint8_t *code = e ? find_code(c, e->address, e->size) : NULL;
    if (!code)
        return;
    uint32_t regs[16];
    for (unsigned i = 0; i < 16; i++)
        regs[i] = core_get(c, i);
    ev->pc = timing_find_access(c->timing, code, e->address, e->size, regs, ev->address);
}

static void run(struct core *c, uint32_t until, struct core_event *ev)
{
    flush_changed(c);
    c->stop_set = false;
    uc_err rc = uc_emu_start(c->uc, core_get(c, CORE_PC) | 1, until, 0, 0);
    apply_patches(c);

    *ev = (struct core_event){
        .stop = CORE_BUDGET, .pc = core_get(c, CORE_PC), .address = c->stop_address};
    if ((reg_read(c, UC_ARM_REG_CPSR) & CPSR_T) == 0 && ev->pc < 0xfffffff0u) {
        // The block hook sees this only for blocks that are new to it.
        ev->stop = CORE_INVSTATE;
        return;
    }
    if (rc == UC_ERR_OK) {
        if (c->stop_set) {
            ev->stop = c->stop;
            if (ev->stop == CORE_NOCP || ev->stop == CORE_UNDEFINED)
                ev->pc = c->stop_address;
            if (ev->stop == CORE_BKPT)
                uncount_tail(c, ev->pc);
        } else if (until == RUN_FOREVER) {
            ev->stop = CORE_SLEEP; // WFI is the only other way out
        }
        return;
    }
    switch (rc) {
    case UC_ERR_INSN_INVALID:
        if (c->current && ev->pc == c->current->address + c->current->size) {
            ev->stop = CORE_BUDGET; // WFE or YIELD, a hint
        } else {
            ev->stop = CORE_UNDEFINED;
            uncount_tail(c, ev->pc);
        }
        return;
    case UC_ERR_READ_UNMAPPED:
    case UC_ERR_READ_PROT:
    case UC_ERR_WRITE_UNMAPPED:
    case UC_ERR_WRITE_PROT:
        ev->stop = c->stop_set ? c->stop : CORE_BUS_READ;
        fault_position(c, ev);
        uncount_tail(c, ev->pc);
        return;
    case UC_ERR_FETCH_UNMAPPED:
    case UC_ERR_FETCH_PROT:
        ev->stop = CORE_BUS_FETCH;
        ev->pc = ev->address;
        return;
    default:
        log_error("core", "Unicorn gave up at pc 0x%08x: %s", ev->pc, uc_strerror(rc));
        ev->stop = CORE_BROKEN;
        return;
    }
}

void core_run(struct core *c, uint64_t instructions, struct core_event *ev)
{
    c->stop_at = c->instructions + instructions;
    run(c, RUN_FOREVER, ev);
}

void core_step(struct core *c, struct core_event *ev)
{
    uint32_t pc = core_get(c, CORE_PC);
    const uint8_t *code = find_code(c, pc, 2);
    uint32_t length = code ? timing_instruction_length(code) : 2;
    // Unicorn's instruction count would flush its whole translation buffer and touch a gigabyte of memory. Instead:
    // a block that ends behind the instruction, or, for a branch, a stop before the block that it leads to.
    core_memory_changed(c, pc & ~0xfffu, 0x1000);
    c->current = NULL;
    c->stop_at = c->instructions + 1;
    run(c, pc + length, ev);
    if (ev->stop == CORE_SLEEP)
        ev->stop = CORE_BUDGET;
    core_memory_changed(c, pc & ~0xfffu, 0x1000); // the shortened block must not stay
    c->current = NULL;
}

void core_request_stop(struct core *c)
{
    c->stop_at = 0;
}

static int map_reg(unsigned reg)
{
    if (reg <= 12)
        return UC_ARM_REG_R0 + (int)reg;
    if (reg >= CORE_S0 && reg < CORE_S0 + 32)
        return UC_ARM_REG_S0 + (int)(reg - CORE_S0);
    switch (reg) {
    case CORE_SP:
        return UC_ARM_REG_SP;
    case CORE_LR:
        return UC_ARM_REG_LR;
    case CORE_PC:
        return UC_ARM_REG_PC;
    case CORE_XPSR:
        return UC_ARM_REG_XPSR;
    case CORE_MSP:
        return UC_ARM_REG_MSP;
    case CORE_PSP:
        return UC_ARM_REG_PSP;
    case CORE_FPSCR:
        return UC_ARM_REG_FPSCR;
    default:
        return UC_ARM_REG_INVALID;
    }
}

uint32_t core_get(struct core *c, unsigned reg)
{
    if (reg == CORE_SPECIAL)
        return (reg_read(c, UC_ARM_REG_CONTROL) & 0xff) << 24 |
               (reg_read(c, UC_ARM_REG_FAULTMASK) & 1) << 16 |
               (reg_read(c, UC_ARM_REG_BASEPRI) & 0xff) << 8 |
               (reg_read(c, UC_ARM_REG_PRIMASK) & 1);
    int r = map_reg(reg);
    uint32_t v = r == UC_ARM_REG_INVALID ? 0 : reg_read(c, r);
    return reg == CORE_XPSR ? v | 1u << 24 : v; // T: always Thumb
}

void core_set(struct core *c, unsigned reg, uint32_t value)
{
    if (reg == CORE_SPECIAL) {
        reg_write(c, UC_ARM_REG_PRIMASK, value & 1);
        reg_write(c, UC_ARM_REG_BASEPRI, value >> 8 & 0xff);
        reg_write(c, UC_ARM_REG_FAULTMASK, value >> 16 & 1);
        reg_write(c, UC_ARM_REG_CONTROL, value >> 24);
        return;
    }
    int r = map_reg(reg);
    if (r == UC_ARM_REG_INVALID)
        return;
    if (reg == CORE_PC)
        value |= 1; // Unicorn takes the state from bit 0
    if (reg == CORE_XPSR)
        value |= 1u << 24;
    reg_write(c, r, value);
}

uint32_t core_ipsr(struct core *c)
{
    return reg_read(c, UC_ARM_REG_IPSR) & 0x1ff;
}

void core_set_ipsr(struct core *c, uint32_t number)
{
    reg_write(c, UC_ARM_REG_IPSR, number);
}

void core_enable_fpu(struct core *c, bool enabled)
{
    c->fpu_enabled = enabled;
}

void core_has_double(struct core *c, bool has)
{
    c->fpu_double = has;
}

void core_clear_registers(struct core *c)
{
    for (unsigned i = 0; i <= 12; i++)
        core_set(c, i, 0);
    for (unsigned i = 0; i < 32; i++)
        core_set(c, CORE_S0 + i, 0);
    core_set_ipsr(c, 0);
    core_set(c, CORE_SPECIAL, 0);
    core_set(c, CORE_XPSR, 0);
    core_set(c, CORE_LR, 0xffffffffu);
    c->current = NULL;
}

uint64_t core_instructions(const struct core *c)
{
    return c->instructions;
}

uint64_t core_cycles(const struct core *c)
{
    return c->half_cycles / 2;
}

void core_skip_cycles(struct core *c, uint64_t cycles)
{
    c->half_cycles += 2 * cycles;
}

const char *core_timing_name(const struct core *c)
{
    return timing_name(c->timing);
}

unsigned core_timing_version(const struct core *c)
{
    return timing_version(c->timing);
}
