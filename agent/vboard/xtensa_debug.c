// SPDX-License-Identifier: GPL-2.0-only
// See xtensa_debug.h. Numbers and bits follow the Xtensa Debug Guide's register lists as OpenOCD uses them.
#include "agent/vboard/xtensa_debug.h"
#include "common/log.h"

#include <string.h>

// clang-format off
enum { // JTAG instructions
    IR_BITS = 5, IR_PWRCTL = 0x08, IR_PWRSTAT = 0x09, IR_NAR = 0x1c, IR_IDCODE = 0x1e,
};
enum { // Nexus registers
    NAR_OCDID = 0x40, NAR_DCRCLR = 0x42, NAR_DCRSET = 0x43, NAR_DSR = 0x44, NAR_DDR = 0x45, NAR_DDREXEC = 0x46,
    NAR_DIR0EXEC = 0x47, NAR_DIR0 = 0x48,
};
enum {
    DCR_ENABLEOCD = 1 << 0, DCR_DEBUGINTERRUPT = 1 << 1,
    DSR_EXECDONE = 1 << 0, DSR_EXECEXCEPTION = 1 << 1, DSR_STOPPED = 1 << 4,
    PWRCTL_CORERESET = 1 << 4,
    PWRSTAT_ON = 0x07, // core, memory and debug domains
    PWRSTAT_COREWASRESET = 1 << 4, PWRSTAT_DEBUGWASRESET = 1 << 6,
    CAUSE_BREAK = 1 << 3, CAUSE_DEBUGINTERRUPT = 1 << 5,
    SR_WINDOWBASE = 72,
    EPC_DEBUG = XT_SR_EPC1 + XTENSA_DEBUG_LEVEL - 1, EPS_DEBUG = XT_SR_EPS2 + XTENSA_DEBUG_LEVEL - 2,
};
// clang-format on
#define DSR_POWERON 0x80000000u
#define IDCODE 0x120034e5u // ESP32-S3
#define OCDID 0x0b33c001u

void xtensa_debug_init(struct xtensa_debug *d, struct xtensa *core,
                       const struct xtensa_debug_bus *bus)
{
    memset(d, 0, sizeof *d);
    d->core = core;
    d->bus = *bus;
    d->pwrstat = PWRSTAT_ON | PWRSTAT_COREWASRESET | PWRSTAT_DEBUGWASRESET;
}

void xtensa_debug_core_was_reset(struct xtensa_debug *d)
{
    d->halted = false;
    d->pwrstat |= PWRSTAT_COREWASRESET;
    memset(d->ar, 0, sizeof d->ar);
}

static void halt(struct xtensa_debug *d, uint32_t cause)
{
    struct xtensa *x = d->core;
    xtensa_set_sr(x, EPC_DEBUG, xtensa_pc(x));
    xtensa_set_sr(x, EPS_DEBUG, xtensa_sr(x, XT_SR_PS));
    xtensa_set_sr(x, XT_SR_PS,
                  (xtensa_sr(x, XT_SR_PS) & ~0xfu) | XTENSA_PS_EXCM | XTENSA_DEBUG_LEVEL);
    xtensa_set_sr(x, XT_SR_DEBUGCAUSE, cause);
    d->halted = true;
}

static void resume(struct xtensa_debug *d)
{
    struct xtensa *x = d->core;
    if (xtensa_sr(x, SR_WINDOWBASE) != 0)
        log_warn("xtensa", "resumed with WINDOWBASE %u: register windows are not emulated",
                 xtensa_sr(x, SR_WINDOWBASE));
    xtensa_set_pc(x, xtensa_sr(x, EPC_DEBUG));
    xtensa_set_sr(x, XT_SR_PS, xtensa_sr(x, EPS_DEBUG));
    xtensa_forget_code(x);
    d->halted = false;
}

bool xtensa_debug_break(struct xtensa_debug *d)
{
    if (!(d->dcr & DCR_ENABLEOCD))
        return false;
    halt(d, CAUSE_BREAK);
    return true;
}

// ---- injected instructions ----

static unsigned ar_index(const struct xtensa_debug *d, unsigned n)
{
    return (xtensa_sr(d->core, SR_WINDOWBASE) * 4 + n) & 63;
}

static uint32_t ar(const struct xtensa_debug *d, unsigned n)
{
    unsigned i = ar_index(d, n);
    return i < 16 ? xtensa_ar(d->core, i) : d->ar[i];
}

static void set_ar(struct xtensa_debug *d, unsigned n, uint32_t value)
{
    unsigned i = ar_index(d, n);
    if (i < 16)
        xtensa_set_ar(d->core, i, value);
    else
        d->ar[i] = value;
}

static uint32_t sr(const struct xtensa_debug *d, unsigned n)
{
    return n == XT_SR_DDR ? d->ddr : xtensa_sr(d->core, n);
}

static void set_sr(struct xtensa_debug *d, unsigned n, uint32_t value)
{
    if (n == XT_SR_DDR)
        d->ddr = value;
    else
        xtensa_set_sr(d->core, n, value);
}

struct injected {
    unsigned t, s, r, sr, imm8;
};

static bool load(struct xtensa_debug *d, const struct injected *i, unsigned size)
{
    uint32_t v = 0;
    bool ok = d->bus.read(d->bus.user, ar(d, i->s) + i->imm8 * size, size, &v);
    set_ar(d, i->t, v);
    return ok;
}

static bool store(struct xtensa_debug *d, const struct injected *i, unsigned size)
{
    return d->bus.write(d->bus.user, ar(d, i->s) + i->imm8 * size, size, ar(d, i->t));
}

// Loads and stores, and what keeps caches in order (nothing here). false: nothing at the address.
static bool execute_memory(struct xtensa_debug *d, const struct injected *i)
{
    switch (i->r) {
    case 0: // L8UI
        return load(d, i, 1);
    case 1: // L16UI
        return load(d, i, 2);
    case 2: // L32I
        return load(d, i, 4);
    case 4: // S8I
        return store(d, i, 1);
    case 5: // S16I
        return store(d, i, 2);
    case 6: // S32I
        return store(d, i, 4);
    case 7: // cache operations
        return true;
    default:
        return false;
    }
}

// The instructions that exist for the debugger alone. false: it is none of them.
static bool execute_debug(struct xtensa_debug *d, uint32_t word, const struct injected *i, bool *ok)
{
    switch (word & 0xfff0ff) {
    case 0x0070e0: // LDDR32.P
        *ok = d->bus.read(d->bus.user, ar(d, i->s), 4, &d->ddr);
        set_ar(d, i->s, ar(d, i->s) + 4);
        return true;
    case 0x0070f0: // SDDR32.P
        *ok = d->bus.write(d->bus.user, ar(d, i->s), 4, d->ddr);
        set_ar(d, i->s, ar(d, i->s) + 4);
        return true;
    default:
        break;
    }
    if (word == 0xf1e000) { // RFDO
        resume(d);
        return true;
    }
    if ((word & 0xffff0f) == 0x408000) { // ROTW
        uint32_t n = i->t & 8 ? i->t | ~15u : i->t;
        set_sr(d, SR_WINDOWBASE, (sr(d, SR_WINDOWBASE) + n) & 15);
        return true;
    }
    return false;
}

static bool execute_register(struct xtensa_debug *d, uint32_t word, const struct injected *i)
{
    uint32_t v;
    switch (word & 0xff000f) {
    case 0x030000: // RSR
        set_ar(d, i->t, sr(d, i->sr));
        return true;
    case 0x130000: // WSR
        set_sr(d, i->sr, ar(d, i->t));
        return true;
    case 0x610000: // XSR
        v = sr(d, i->sr);
        set_sr(d, i->sr, ar(d, i->t));
        set_ar(d, i->t, v);
        return true;
    case 0xe30000: // RUR
        set_ar(d, i->r, d->ur[word >> 4 & 0xff]);
        return true;
    case 0xf30000: // WUR
        d->ur[i->sr] = ar(d, i->t);
        return true;
    default:
        break;
    }
    switch (word & 0xff00ff) {
    case 0xfa0040: // RFR
        set_ar(d, i->r, d->fr[i->s]);
        return true;
    case 0xfa0050: // WFR
        d->fr[i->r] = ar(d, i->s);
        return true;
    default:
        return false;
    }
}

static void execute(struct xtensa_debug *d, uint32_t word)
{
    word &= 0xffffff;
    struct injected i = {
        .t = word >> 4 & 15,
        .s = word >> 8 & 15,
        .r = word >> 12 & 15,
        .sr = word >> 8 & 0xff,
        .imm8 = word >> 16,
    };
    bool ok = true;
    d->dsr &= ~(uint32_t)DSR_EXECEXCEPTION;
    if (!d->halted)
        return; // a running core takes no instruction
    if ((word & 15) == 2)
        ok = execute_memory(d, &i);
    else if ((word & 0xffff0f) != 0x002000 && // ISYNC, DSYNC and friends
             !execute_debug(d, word, &i, &ok) && !execute_register(d, word, &i)) {
        if (d->unknown != word)
            log_warn("xtensa", "the debugger injects 0x%06x: not emulated", word);
        d->unknown = word;
        ok = false;
    }
    d->dsr |= DSR_EXECDONE | (ok ? 0u : DSR_EXECEXCEPTION);
}

// ---- registers behind JTAG ----

static uint32_t nar_read(struct xtensa_debug *d, unsigned n)
{
    uint32_t v;
    switch (n) {
    case NAR_OCDID:
        return OCDID;
    case NAR_DCRCLR:
    case NAR_DCRSET:
        return d->dcr;
    case NAR_DSR:
        return d->dsr | DSR_POWERON | (d->halted ? DSR_STOPPED : 0u);
    case NAR_DDR:
        return d->ddr;
    case NAR_DDREXEC:
        v = d->ddr;
        execute(d, d->dir0);
        return v;
    case NAR_DIR0:
        return d->dir0;
    default:
        return 0;
    }
}

static void nar_write(struct xtensa_debug *d, unsigned n, uint32_t value)
{
    switch (n) {
    case NAR_DCRCLR:
        d->dcr &= ~value;
        break;
    case NAR_DCRSET:
        d->dcr |= value;
        if (d->dcr & DCR_DEBUGINTERRUPT) {
            d->dcr &= ~(uint32_t)DCR_DEBUGINTERRUPT; // taken at once
            if (!d->halted)
                halt(d, CAUSE_DEBUGINTERRUPT);
        }
        break;
    case NAR_DSR:
        d->dsr &= ~value;
        break;
    case NAR_DDR:
        d->ddr = value;
        break;
    case NAR_DDREXEC:
        d->ddr = value;
        execute(d, d->dir0);
        break;
    case NAR_DIR0EXEC:
        d->dir0 = value;
        execute(d, value);
        break;
    case NAR_DIR0:
        d->dir0 = value;
        break;
    default:
        break;
    }
}

static unsigned capture_dr(void *user, uint32_t ir, uint64_t *value)
{
    struct xtensa_debug *d = user;
    switch (ir) {
    case IR_IDCODE:
        *value = IDCODE;
        return 32;
    case IR_PWRCTL:
        *value = d->pwrctl;
        return 8;
    case IR_PWRSTAT:
        *value = d->pwrstat;
        return 8;
    case IR_NAR:
        if (!d->nar_selected)
            return 8;
        *value = d->nar & 1 ? 0 : nar_read(d, d->nar >> 1);
        return 32;
    default:
        return 0;
    }
}

static void update_dr(void *user, uint32_t ir, uint64_t value)
{
    struct xtensa_debug *d = user;
    switch (ir) {
    case IR_PWRCTL:
        if ((value & PWRCTL_CORERESET) && !(d->pwrctl & PWRCTL_CORERESET))
            d->bus.core_reset(d->bus.user);
        d->pwrctl = (uint8_t)value;
        break;
    case IR_PWRSTAT:
        d->pwrstat &= (uint8_t) ~(value & (PWRSTAT_COREWASRESET | PWRSTAT_DEBUGWASRESET));
        break;
    case IR_NAR:
        if (!d->nar_selected)
            d->nar = (uint8_t)value;
        else if (d->nar & 1)
            nar_write(d, d->nar >> 1, (uint32_t)value);
        d->nar_selected = !d->nar_selected;
        break;
    default:
        break;
    }
}

static void update_ir(void *user, uint32_t ir)
{
    struct xtensa_debug *d = user;
    (void)ir;
    d->nar_selected = false;
}

struct jtag_device xtensa_debug_device(struct xtensa_debug *d)
{
    return (struct jtag_device){
        .user = d,
        .ir_bits = IR_BITS,
        .ir_reset = IR_IDCODE,
        .capture_dr = capture_dr,
        .update_dr = update_dr,
        .update_ir = update_ir,
    };
}
