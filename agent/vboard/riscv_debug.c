// SPDX-License-Identifier: GPL-2.0-only
// See riscv_debug.h. Names of registers and fields are those of the specification.
#include "agent/vboard/riscv_debug.h"

#include <string.h>

// clang-format off
enum {
    IR_BITS = 5, IR_IDCODE = 0x01, IR_DTMCS = 0x10, IR_DMI = 0x11,
    DMI_ADDRESS_BITS = 7, DMI_BITS = 34 + DMI_ADDRESS_BITS, DMI_READ = 1, DMI_WRITE = 2,
    DTMCS = 1 | DMI_ADDRESS_BITS << 4, // version 0.13, no idle cycles needed

    DATA0 = 0x04, DATA1 = 0x05, DMCONTROL = 0x10, DMSTATUS = 0x11, HARTINFO = 0x12, ABSTRACTCS = 0x16, COMMAND = 0x17,
    ABSTRACTAUTO = 0x18, SBCS = 0x38, SBADDRESS0 = 0x39, SBDATA0 = 0x3c, HALTSUM0 = 0x40,

    DM_ACTIVE = 1 << 0, DM_NDMRESET = 1 << 1, DM_ACKHAVERESET = 1 << 28, DM_RESUMEREQ = 1 << 30,
    STATUS_VERSION_013 = 2, STATUS_AUTHENTICATED = 1 << 7, STATUS_HALTED = 3 << 8, STATUS_RUNNING = 3 << 10,
    STATUS_RESUMEACK = 3 << 16, STATUS_HAVERESET = 3 << 18,

    ABSTRACT_DATA_COUNT = 2, ABSTRACT_ERROR_SHIFT = 8,
    ERROR_NOT_SUPPORTED = 2, ERROR_EXCEPTION = 3, ERROR_HALT_RESUME = 4,
    COMMAND_WRITE = 1 << 16, COMMAND_TRANSFER = 1 << 17, COMMAND_POSTEXEC = 1 << 18, COMMAND_INCREMENT = 1 << 19,
    COMMAND_REGNO = 0xffff, REGNO_GPR = 0x1000,

    SB_ACCESS_8_16_32 = 7, SB_SIZE_32 = 32 << 5, SB_ERROR_SHIFT = 12, SB_ERROR_MASK = 7 << SB_ERROR_SHIFT,
    SB_READ_ON_DATA = 1 << 15, SB_AUTOINCREMENT = 1 << 16, SB_ACCESS_SHIFT = 17, SB_READ_ON_ADDRESS = 1 << 20,
    SB_WRITABLE = 0x1f8000, SB_VERSION_1 = 1 << 29,
    SB_BAD_ADDRESS = 2, SB_BAD_ALIGNMENT = 3, SB_BAD_SIZE = 4,
};
// clang-format on
#define DM_HALTREQ (1u << 31)
#define SBCS_RESET                                                                                 \
    ((uint32_t)SB_VERSION_1 | 2u << SB_ACCESS_SHIFT | (uint32_t)SB_SIZE_32 | SB_ACCESS_8_16_32)

static bool halted(const struct riscv_debug *d)
{
    return riscv_state(d->core) == RISCV_HALTED;
}

// ---- system bus -----------------------------------------------------------------------------------
static bool sb_ready(struct riscv_debug *d, unsigned *size)
{
    unsigned log2 = d->sbcs >> SB_ACCESS_SHIFT & 7;
    uint32_t error = log2 > 2                            ? SB_BAD_SIZE
                     : d->sbaddress & ((1u << log2) - 1) ? SB_BAD_ALIGNMENT
                                                         : 0;
    *size = 1u << log2;
    if (d->sbcs & SB_ERROR_MASK) // sticky: nothing happens until it is cleared
        return false;
    d->sbcs |= error << SB_ERROR_SHIFT;
    return !error;
}

static void sb_done(struct riscv_debug *d, bool good, unsigned size)
{
    if (!good)
        d->sbcs |= (uint32_t)SB_BAD_ADDRESS << SB_ERROR_SHIFT;
    else if (d->sbcs & SB_AUTOINCREMENT)
        d->sbaddress += size;
}

static void sb_read(struct riscv_debug *d)
{
    unsigned size;
    if (sb_ready(d, &size))
        sb_done(d, d->bus.read(d->bus.user, d->sbaddress, size, &d->sbdata), size);
}

static void sb_write(struct riscv_debug *d, uint32_t value)
{
    unsigned size;
    d->sbdata = value;
    if (!sb_ready(d, &size))
        return;
    uint32_t mask = size == 4 ? 0xffffffffu : (1u << 8 * size) - 1;
    sb_done(d, d->bus.write(d->bus.user, d->sbaddress, size, value & mask), size);
}

// ---- abstract commands ----------------------------------------------------------------------------
static bool transfer(struct riscv_debug *d, uint32_t regno, bool write)
{
    if (regno >= REGNO_GPR && regno < REGNO_GPR + 32) {
        if (write)
            riscv_set(d->core, regno - REGNO_GPR, d->data[0]);
        else
            d->data[0] = riscv_get(d->core, regno - REGNO_GPR);
        return true;
    }
    if (regno >= REGNO_GPR)
        return false;
    return write ? riscv_csr_write(d->core, regno, true, d->data[0])
                 : riscv_csr_read(d->core, regno, true, &d->data[0]);
}

static void execute(struct riscv_debug *d)
{
    uint32_t c = d->command, regno = c & COMMAND_REGNO;
    bool access_register = c >> 24 == 0;
    if (d->abstract_error)
        return;
    if (!access_register || (c & COMMAND_POSTEXEC) ||
        ((c & COMMAND_TRANSFER) && (c >> 20 & 7) != 2)) {
        d->abstract_error = ERROR_NOT_SUPPORTED;
        return;
    }
    if (!halted(d)) {
        d->abstract_error = ERROR_HALT_RESUME;
        return;
    }
    if ((c & COMMAND_TRANSFER) && !transfer(d, regno, (c & COMMAND_WRITE) != 0))
        d->abstract_error = ERROR_EXCEPTION;
    else if (c & COMMAND_INCREMENT)
        d->command = (c & ~(uint32_t)COMMAND_REGNO) | ((regno + 1) & COMMAND_REGNO);
}

// ---- registers ------------------------------------------------------------------------------------
static void module_reset(struct riscv_debug *d)
{
    d->data[0] = d->data[1] = d->command = d->abstract_error = d->abstract_auto = 0;
    d->sbcs = SBCS_RESET;
    d->sbaddress = d->sbdata = 0;
    d->active = d->halt_request = d->resume_ack = d->in_reset = false;
}

void riscv_debug_init(struct riscv_debug *d, struct riscv *core, uint32_t idcode,
                      const struct riscv_debug_bus *bus)
{
    memset(d, 0, sizeof *d);
    d->core = core;
    d->bus = *bus;
    d->idcode = idcode;
    d->have_reset = true;
    module_reset(d);
}

void riscv_debug_core_was_reset(struct riscv_debug *d)
{
    d->have_reset = true;
    if (d->in_reset || (d->active && d->halt_request))
        riscv_halt(d->core, RISCV_DEBUG_HALTREQ); // before the first instruction
}

static uint32_t status(const struct riscv_debug *d)
{
    uint32_t v = STATUS_VERSION_013 | STATUS_AUTHENTICATED;
    v |= halted(d) && !d->in_reset ? STATUS_HALTED : 0;
    v |= !halted(d) && !d->in_reset ? STATUS_RUNNING : 0;
    v |= d->resume_ack ? STATUS_RESUMEACK : 0;
    v |= d->have_reset ? STATUS_HAVERESET : 0;
    return v;
}

static void control(struct riscv_debug *d, uint32_t v)
{
    if (!(v & DM_ACTIVE)) {
        module_reset(d);
        return;
    }
    d->active = true;
    d->halt_request = (v & DM_HALTREQ) != 0;
    if (v & DM_ACKHAVERESET)
        d->have_reset = false;
    if (v & DM_NDMRESET) {
        if (!d->in_reset) {
            d->in_reset = true;
            d->bus.chip_reset(d->bus.user); // which stops the core, until the bit goes
        }
        return;
    }
    if (d->in_reset) {
        d->in_reset = false;
        d->have_reset = true;
        if (!d->halt_request)
            riscv_resume(d->core);
        return;
    }
    if (d->halt_request) {
        if (!halted(d))
            riscv_halt(d->core, RISCV_DEBUG_HALTREQ);
    } else if ((v & DM_RESUMEREQ) && halted(d)) {
        d->resume_ack = true;
        riscv_resume(d->core);
    }
}

uint32_t riscv_debug_read(struct riscv_debug *d, unsigned address)
{
    uint32_t v;
    switch (address) {
    case DATA0:
    case DATA1:
        v = d->data[address - DATA0];
        if (d->abstract_auto >> (address - DATA0) & 1)
            execute(d);
        return v;
    case DMCONTROL:
        return (d->active ? DM_ACTIVE : 0u) | (d->in_reset ? DM_NDMRESET : 0u);
    case DMSTATUS:
        return status(d);
    case ABSTRACTCS:
        return ABSTRACT_DATA_COUNT | d->abstract_error << ABSTRACT_ERROR_SHIFT;
    case ABSTRACTAUTO:
        return d->abstract_auto;
    case SBCS:
        return d->sbcs;
    case SBADDRESS0:
        return d->sbaddress;
    case SBDATA0:
        v = d->sbdata;
        if (d->sbcs & SB_READ_ON_DATA)
            sb_read(d);
        return v;
    case HALTSUM0:
        return halted(d);
    default: // HARTINFO too: nothing to tell
        return 0;
    }
}

void riscv_debug_write(struct riscv_debug *d, unsigned address, uint32_t value)
{
    if (!d->active && address != DMCONTROL)
        return;
    switch (address) {
    case DATA0:
    case DATA1:
        d->data[address - DATA0] = value;
        if (d->abstract_auto >> (address - DATA0) & 1)
            execute(d);
        break;
    case DMCONTROL:
        control(d, value);
        break;
    case ABSTRACTCS:
        d->abstract_error &= ~(value >> ABSTRACT_ERROR_SHIFT & 7);
        break;
    case COMMAND:
        d->command = value;
        execute(d);
        break;
    case ABSTRACTAUTO:
        d->abstract_auto = value & ((1u << ABSTRACT_DATA_COUNT) - 1);
        break;
    case SBCS:
        d->sbcs =
            (d->sbcs & ~(uint32_t)SB_WRITABLE & ~(value & SB_ERROR_MASK)) | (value & SB_WRITABLE);
        break;
    case SBADDRESS0:
        d->sbaddress = value;
        if (d->sbcs & SB_READ_ON_ADDRESS)
            sb_read(d);
        break;
    case SBDATA0:
        sb_write(d, value);
        break;
    default:
        break;
    }
}

// ---- JTAG -----------------------------------------------------------------------------------------
static unsigned capture_dr(void *user, uint32_t ir, uint64_t *value)
{
    struct riscv_debug *d = user;
    switch (ir) {
    case IR_IDCODE:
        *value = d->idcode;
        return 32;
    case IR_DTMCS:
        *value = DTMCS;
        return 32;
    case IR_DMI:
        *value = d->answer;
        return DMI_BITS;
    default:
        return 0;
    }
}

static void update_dr(void *user, uint32_t ir, uint64_t value)
{
    struct riscv_debug *d = user;
    if (ir != IR_DMI)
        return;
    unsigned address = (unsigned)(value >> 34) & ((1u << DMI_ADDRESS_BITS) - 1);
    uint32_t data = (uint32_t)(value >> 2);
    if ((value & 3) == DMI_READ)
        data = riscv_debug_read(d, address);
    else if ((value & 3) == DMI_WRITE)
        riscv_debug_write(d, address, data);
    else
        return; // the last answer stays
    d->answer = (uint64_t)address << 34 | (uint64_t)data << 2;
}

struct jtag_device riscv_debug_device(struct riscv_debug *d)
{
    return (struct jtag_device){
        .user = d,
        .ir_bits = IR_BITS,
        .ir_reset = IR_IDCODE,
        .capture_dr = capture_dr,
        .update_dr = update_dr,
    };
}
