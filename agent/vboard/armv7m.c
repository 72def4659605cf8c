// SPDX-License-Identifier: GPL-2.0-only
// Armv7-M system control space and exception model. Source of the register layout: Armv7-M Architecture Reference
// Manual (DDI 0403) and the Cortex-M7 Technical Reference Manual.
#include "agent/vboard/armv7m.h"
#include "common/log.h"

#include <string.h>

// clang-format off
enum {
    DHCSR_C_DEBUGEN = 1, DHCSR_C_HALT = 2, DHCSR_C_STEP = 4, DHCSR_CONTROL = 0x2f,
    DHCSR_S_REGRDY = 1 << 16, DHCSR_S_HALT = 1 << 17, DHCSR_S_SLEEP = 1 << 18, DHCSR_S_LOCKUP = 1 << 19,
    DHCSR_S_RETIRE = 1 << 24, DHCSR_S_RESET = 1 << 25,
    DEMCR_VC_CORERESET = 1, DEMCR_VC_HARDERR = 1 << 10, DEMCR_TRCENA = 1 << 24,
    DFSR_HALTED = 1, DFSR_BKPT = 2, DFSR_VCATCH = 8,
    CFSR_IBUSERR = 1 << 8, CFSR_PRECISERR = 1 << 9, CFSR_STKERR = 1 << 12, CFSR_UNSTKERR = 1 << 11,
    CFSR_BFARVALID = 1 << 15, CFSR_UNDEFINSTR = 1 << 16, CFSR_INVSTATE = 1 << 17, CFSR_INVPC = 1 << 18,
    CFSR_NOCP = 1 << 19,
    HFSR_VECTTBL = 1 << 1, HFSR_FORCED = 1 << 30,
    SHCSR_MEMFAULTENA = 1 << 16, SHCSR_BUSFAULTENA = 1 << 17, SHCSR_USGFAULTENA = 1 << 18,
    DWT_CYCCNTENA = 1,
    CCR_M4 = 0x31b, // no caches, no branch prediction
    FRAME_BYTES = 32,
};
// clang-format on
#define HFSR_DEBUGEVT (1u << 31)
#define DWT_KEY 0xc5acce55u

void armv7m_init(struct armv7m *m, struct core *core, uint32_t boot_address,
                 armv7m_memory_fn memory, void *user)
{
    memset(m, 0, sizeof *m);
    m->core = core;
    m->boot_address = boot_address;
    m->memory = memory;
    m->user = user;
}

// The Cortex-M7 has caches and a lock on the DWT; the Cortex-M4 has neither.
static bool is_m7(const struct armv7m *m)
{
    return (m->cpuid >> 4 & 0xfff) == 0xc27;
}

uint32_t armv7m_swd_idcode(const struct armv7m *m)
{
    return is_m7(m) ? 0x5ba02477u : 0x2ba01477u;
}

static bool load_word(struct armv7m *m, uint32_t address, uint32_t *value)
{
    const uint8_t *p = m->memory(m->user, address, 4, false);
    if (p)
        memcpy(value, p, 4);
    return p != NULL;
}

// Neither halted, locked up nor asleep.
static bool runnable(const struct armv7m *m)
{
    return !m->halted && !m->lockup && !m->sleeping;
}

static void halt(struct armv7m *m)
{
    if (!m->halted)
        m->dfsr |= DFSR_HALTED;
    m->halted = true;
}

static void lock_up(struct armv7m *m, const char *why)
{
    m->lockup = true;
    log_warn("cpu", "lockup at pc 0x%08x (cfsr 0x%08x, hfsr 0x%08x): %s; only a reset helps",
             core_get(m->core, CORE_PC), m->cfsr, m->hfsr, why);
}

static bool dwt_counts(const struct armv7m *m)
{
    return (m->demcr & DEMCR_TRCENA) && (m->dwt_ctrl & DWT_CYCCNTENA);
}

static uint32_t dwt_cycles(const struct armv7m *m)
{
    return dwt_counts(m) ? (uint32_t)(core_cycles(m->core) - m->dwt_base) : m->dwt_frozen;
}

static void dwt_set_cycles(struct armv7m *m, uint32_t value)
{
    m->dwt_frozen = value;
    m->dwt_base = core_cycles(m->core) - value;
}

void armv7m_reset(struct armv7m *m)
{
    uint32_t sp = 0, pc = 0;

    m->vtor = m->boot_address;
    m->ccr = is_m7(m) ? 0x00040200 : 0x00000200;
    m->scr = m->shcsr = m->cfsr = m->hfsr = m->mmfar = m->bfar = m->cpacr = m->csselr = 0;
    m->mpu_ctrl = m->mpu_rnr = m->syst_csr = m->syst_rvr = 0;
    memset(m->shpr, 0, sizeof m->shpr);
    memset(m->mpu_rbar, 0, sizeof m->mpu_rbar);
    memset(m->mpu_rasr, 0, sizeof m->mpu_rasr);
    memset(m->misc, 0, sizeof m->misc);
    m->dwt_ctrl = 0;
    m->dwt_frozen = 0;
    m->dwt_unlocked = false;
    m->lockup = m->sleeping = m->reset_requested = m->warned_nvic = false;
    m->reset_seen = true;
    m->halted = false;

    core_clear_registers(m->core);
    core_enable_fpu(m->core, false);
    core_has_double(m->core, m->fpu_double);
    bool have_vectors = load_word(m, m->vtor, &sp) && load_word(m, m->vtor + 4, &pc);
    core_set(m->core, CORE_MSP, sp & ~3u);
    core_set(m->core, CORE_SP, sp & ~3u);
    core_set(m->core, CORE_PC, pc & ~1u);
    if (m->dhcsr & DHCSR_C_DEBUGEN) {
        if (m->demcr & DEMCR_VC_CORERESET) {
            m->halted = true;
            m->dfsr |= DFSR_VCATCH;
        } else if (m->dhcsr & DHCSR_C_HALT) {
            halt(m);
        }
    }
    if (m->halted)
        return;
    if (!have_vectors || pc == 0xffffffffu)
        lock_up(m, "the vector table is empty (flash erased?)");
    else if ((pc & 1) == 0)
        lock_up(m, "the reset vector is even: not Thumb code");
}

// Pushes the basic frame on the current stack; false when the stack has no memory.
static bool push_frame(struct armv7m *m, uint32_t return_address)
{
    struct core *c = m->core;
    uint32_t sp = core_get(c, CORE_SP);
    uint32_t aligned = (sp - FRAME_BYTES) & ~7u; // CCR.STKALIGN is always set
    uint32_t frame[8] = {core_get(c, 0),       core_get(c, 1),
                         core_get(c, 2),       core_get(c, 3),
                         core_get(c, 12),      core_get(c, CORE_LR),
                         return_address & ~1u, core_get(c, CORE_XPSR) | (sp & 4 ? 1u << 9 : 0)};
    uint8_t *p = m->memory(m->user, aligned, FRAME_BYTES, true);
    core_set(c, CORE_SP, aligned);
    if (!p)
        return false;
    memcpy(p, frame, sizeof frame);
    return true;
}

static void enter_exception(struct armv7m *m, unsigned number, uint32_t return_address)
{
    struct core *c = m->core;
    bool thread = core_ipsr(c) == 0;
    bool psp = thread && (core_get(c, CORE_SPECIAL) >> 25 & 1);
    uint32_t handler = 0;

    if (!push_frame(m, return_address)) {
        m->cfsr |= CFSR_STKERR;
        if (number != ARMV7M_HARDFAULT) {
            m->hfsr |= HFSR_FORCED;
            number = ARMV7M_HARDFAULT;
        }
    }
    if (psp) {
        uint32_t sp = core_get(c, CORE_SP);
        core_set(c, CORE_SPECIAL, core_get(c, CORE_SPECIAL) & ~(2u << 24));
        core_set(c, CORE_PSP, sp);
        core_set(c, CORE_SP, core_get(c, CORE_MSP));
    }
    if (!load_word(m, m->vtor + 4 * number, &handler) || handler == 0xffffffffu) {
        m->hfsr |= HFSR_VECTTBL;
        lock_up(m, "the vector table has no handler for the fault");
        return;
    }
    core_set(c, CORE_LR, thread ? (psp ? 0xfffffffdu : 0xfffffff9u) : 0xfffffff1u);
    core_set_ipsr(c, number);
    core_set(c, CORE_PC, handler & ~1u);
    if ((handler & 1) == 0)
        lock_up(m, "the fault handler's vector is even: not Thumb code");
}

static void return_from_exception(struct armv7m *m, uint32_t exc_return)
{
    struct core *c = m->core;
    bool to_psp = (exc_return & 0xf) == 0xd;
    if (core_ipsr(c) == 0)
        return;
    if (to_psp)
        core_set(c, CORE_SP, core_get(c, CORE_PSP));
    uint32_t sp = core_get(c, CORE_SP), frame[8];
    const uint8_t *p = m->memory(m->user, sp, FRAME_BYTES, false);
    if (!p) {
        m->cfsr |= CFSR_UNSTKERR;
        lock_up(m, "exception return from a stack without memory");
        return;
    }
    memcpy(frame, p, sizeof frame);
    for (unsigned i = 0; i < 4; i++)
        core_set(c, i, frame[i]);
    core_set(c, 12, frame[4]);
    core_set(c, CORE_LR, frame[5]);
    core_set(c, CORE_SP, sp + FRAME_BYTES + (frame[7] & 1u << 9 ? 4 : 0));
    core_set(c, CORE_XPSR, frame[7] & ~(1u << 9));
    core_set_ipsr(c, frame[7] & 0x1ff);
    if (to_psp)
        core_set(c, CORE_SPECIAL, core_get(c, CORE_SPECIAL) | 2u << 24);
    core_set(c, CORE_PC, frame[6] & ~1u);
}

static void take_fault(struct armv7m *m, unsigned number, uint32_t cfsr_bits, uint32_t pc)
{
    uint32_t current = core_ipsr(m->core);
    uint32_t special = core_get(m->core, CORE_SPECIAL);
    uint32_t enable = number == ARMV7M_BUSFAULT     ? SHCSR_BUSFAULTENA
                      : number == ARMV7M_USAGEFAULT ? SHCSR_USGFAULTENA
                                                    : SHCSR_MEMFAULTENA;
    m->cfsr |= cfsr_bits;
    if (current == ARMV7M_HARDFAULT || current == 2 || (special >> 16 & 1)) {
        core_set(m->core, CORE_PC, pc);
        lock_up(m, "a fault inside the fault handler");
        return;
    }
    // Priorities are not modelled: inside any handler, or masked, a fault escalates.
    if (number != ARMV7M_HARDFAULT && (!(m->shcsr & enable) || current != 0 || (special & 1))) {
        m->hfsr |= HFSR_FORCED;
        number = ARMV7M_HARDFAULT;
    }
    if ((m->dhcsr & DHCSR_C_DEBUGEN) && (m->demcr & DEMCR_VC_HARDERR) &&
        number == ARMV7M_HARDFAULT) {
        m->halted = true;
        m->dfsr |= DFSR_VCATCH;
        core_set(m->core, CORE_PC, pc);
        return;
    }
    enter_exception(m, number, pc);
}

void armv7m_bus_fault(struct armv7m *m, uint32_t address, const char *why)
{
    uint32_t pc = core_get(m->core, CORE_PC);
    log_warn("cpu", "bus fault at pc 0x%08x: %s", pc, why);
    m->bfar = address;
    take_fault(m, ARMV7M_BUSFAULT, CFSR_IBUSERR, pc);
}

void armv7m_handle(struct armv7m *m, const struct core_event *ev)
{
    switch (ev->stop) {
    case CORE_BUDGET:
        break;
    case CORE_SLEEP:
        m->sleeping = true;
        break;
    case CORE_BKPT:
        core_set(m->core, CORE_PC, ev->pc);
        if (m->dhcsr & DHCSR_C_DEBUGEN) {
            m->halted = true;
            m->dfsr |= DFSR_BKPT;
        } else {
            log_warn("cpu", "BKPT at pc 0x%08x without a debugger: HardFault", ev->pc);
            m->hfsr |= HFSR_DEBUGEVT;
            take_fault(m, ARMV7M_HARDFAULT, 0, ev->pc);
        }
        break;
    case CORE_SVC:
        if (core_ipsr(m->core) != 0 || (core_get(m->core, CORE_SPECIAL) & 1)) {
            m->hfsr |= HFSR_FORCED;
            take_fault(m, ARMV7M_HARDFAULT, 0, ev->pc);
        } else {
            enter_exception(m, ARMV7M_SVCALL, ev->pc);
        }
        break;
    case CORE_EXC_RETURN:
        return_from_exception(m, ev->pc | 1);
        break;
    case CORE_UNDEFINED:
        log_warn("cpu", "undefined instruction at pc 0x%08x", ev->pc);
        take_fault(m, ARMV7M_USAGEFAULT, CFSR_UNDEFINSTR, ev->pc);
        break;
    case CORE_INVSTATE:
        log_warn("cpu", "branch to the even address 0x%08x", ev->pc);
        take_fault(m, ARMV7M_USAGEFAULT, CFSR_INVSTATE, ev->pc);
        break;
    case CORE_NOCP:
        log_warn("cpu", "floating-point instruction at pc 0x%08x while CPACR keeps the FPU off",
                 ev->pc);
        take_fault(m, ARMV7M_USAGEFAULT, CFSR_NOCP, ev->pc);
        break;
    case CORE_BUS_READ:
    case CORE_BUS_WRITE:
        log_warn("cpu", "bus fault at pc 0x%08x: %s 0x%08x, where there is no memory", ev->pc,
                 ev->stop == CORE_BUS_READ ? "load from" : "store to", ev->address);
        m->bfar = ev->address;
        take_fault(m, ARMV7M_BUSFAULT, CFSR_PRECISERR | CFSR_BFARVALID, ev->pc);
        break;
    case CORE_BUS_FETCH:
        log_warn("cpu", "bus fault: instruction fetch from 0x%08x, where there is no memory",
                 ev->address);
        take_fault(m, ARMV7M_BUSFAULT, CFSR_IBUSERR, ev->pc);
        break;
    case CORE_BROKEN:
        lock_up(m, "the emulator cannot go on");
        break;
    }
}

static uint32_t systick_current(struct armv7m *m)
{
    if (!(m->syst_csr & 1) || m->syst_rvr == 0)
        return 0;
    uint64_t period = (uint64_t)m->syst_rvr + 1;
    return m->syst_rvr - (uint32_t)((core_cycles(m->core) - m->syst_start) % period);
}

static uint32_t systick_control(struct armv7m *m)
{
    uint32_t v = m->syst_csr & 7;
    if ((v & 1) && m->syst_rvr) {
        uint64_t wraps = (core_cycles(m->core) - m->syst_start) / ((uint64_t)m->syst_rvr + 1);
        if (wraps != m->syst_seen)
            v |= 1u << 16; // COUNTFLAG, cleared by this read
        m->syst_seen = wraps;
    }
    return v;
}

static void systick_restart(struct armv7m *m)
{
    m->syst_start = core_cycles(m->core);
    m->syst_seen = 0;
}

static uint32_t dhcsr_read(struct armv7m *m)
{
    uint32_t v = (m->dhcsr & DHCSR_CONTROL) | DHCSR_S_REGRDY;
    if (m->halted)
        v |= DHCSR_S_HALT;
    if (m->sleeping)
        v |= DHCSR_S_SLEEP;
    if (m->lockup)
        v |= DHCSR_S_LOCKUP;
    if (runnable(m))
        v |= DHCSR_S_RETIRE;
    if (m->reset_seen)
        v |= DHCSR_S_RESET;
    m->reset_seen = false;
    return v;
}

static void dhcsr_write(struct armv7m *m, uint32_t v)
{
    if (v >> 16 != 0xa05f)
        return;
    m->dhcsr = v & DHCSR_CONTROL;
    bool debug = v & DHCSR_C_DEBUGEN;
    if (debug && (v & DHCSR_C_HALT)) {
        m->sleeping = false;
        halt(m);
    } else if (debug && m->halted && (v & DHCSR_C_STEP)) {
        struct core_event ev;
        m->halted = false;
        core_step(m->core, &ev);
        armv7m_handle(m, &ev);
        m->sleeping = false;
        halt(m);
    } else {
        m->halted = false;
    }
}

static bool is_core_feature(uint32_t address)
{
    return address >= 0xe000ef90u && address <= 0xe000efb0u;
}

uint32_t armv7m_read(struct armv7m *m, uint32_t address, bool from_debugger)
{
    if (address >= 0xe000ed9cu && address < 0xe000edbcu) // MPU_RBAR, RASR and their aliases
        return (address & 4) ? m->mpu_rbar[m->mpu_rnr & 7] : m->mpu_rasr[m->mpu_rnr & 7];
    if (is_core_feature(address))
        return m->misc[(address - 0xe000ef90u) / 4];
    switch (address) {
    case 0xe0001000: // DWT_CTRL: no comparators
        return m->dwt_ctrl;
    case 0xe0001004:
        return dwt_cycles(m);
    case 0xe0001fb4: // LSR: implemented, locked
        return !is_m7(m) ? 0 : m->dwt_unlocked ? 1 : 3;
    case 0xe0002000: // FP_CTRL: version 2 (M4: 1), no comparators
        return (is_m7(m) ? 1u << 28 : 0) | (m->fp_ctrl & 1);
    case 0xe000e004: // ICTR
        return 3;
    case 0xe000e010:
        return systick_control(m);
    case 0xe000e014:
        return m->syst_rvr;
    case 0xe000e018:
        return systick_current(m);
    case 0xe000ed00:
        return m->cpuid;
    case 0xe000ed04:
        return core_ipsr(m->core); // VECTACTIVE
    case 0xe000ed08:
        return m->vtor;
    case 0xe000ed0c:
        return 0xfa050000u;
    case 0xe000ed10:
        return m->scr;
    case 0xe000ed14:
        return m->ccr;
    case 0xe000ed18:
    case 0xe000ed1c:
    case 0xe000ed20:
        return m->shpr[(address - 0xe000ed18u) / 4];
    case 0xe000ed24:
        return m->shcsr;
    case 0xe000ed28:
        return m->cfsr;
    case 0xe000ed2c:
        return m->hfsr;
    case 0xe000ed30:
        return m->dfsr;
    case 0xe000ed34:
        return m->mmfar;
    case 0xe000ed38:
        return m->bfar;
    case 0xe000ed78: // CLIDR: separate L1 caches
        return is_m7(m) ? 0x09000003u : 0;
    case 0xe000ed7c: // CTR
        return is_m7(m) ? 0x8303c003u : 0;
    case 0xe000ed80: // CCSIDR: 16 KB each, 32-byte lines; 4-way data, 2-way instructions
        return !is_m7(m) ? 0 : m->csselr & 1 ? 0xf01fe009u : 0xf00fe019u;
    case 0xe000ed84:
        return m->csselr;
    case 0xe000ed88:
        return m->cpacr;
    case 0xe000ed90: // MPU_TYPE: 8 regions
        return 0x800;
    case 0xe000ed94:
        return m->mpu_ctrl;
    case 0xe000ed98:
        return m->mpu_rnr;
    case 0xe000edf0:
        return from_debugger ? dhcsr_read(m) : (m->dhcsr & DHCSR_CONTROL) | DHCSR_S_REGRDY;
    case 0xe000edf8:
        return m->dcrdr;
    case 0xe000edfc:
        return m->demcr;
    case 0xe000ef40: // MVFR0-2
        return m->fpu_double ? 0x10110221u : 0x10110021u;
    case 0xe000ef44:
        return m->fpu_double ? 0x12000011u : 0x11000011u;
    case 0xe000ef48:
        return is_m7(m) ? 0x40 : 0;
    case 0xe00fffd0: // ROM table, peripheral id 4: Arm's continuation code
        return 4;
    default:
        return 0;
    }
}

static void demcr_write(struct armv7m *m, uint32_t v)
{
    uint32_t now = dwt_cycles(m);
    m->demcr = v;
    dwt_set_cycles(m, now);
}

static void dwt_ctrl_write(struct armv7m *m, uint32_t v)
{
    uint32_t now = dwt_cycles(m);
    m->dwt_ctrl = v & DWT_CYCCNTENA;
    dwt_set_cycles(m, now);
}

void armv7m_write(struct armv7m *m, uint32_t address, uint32_t value, bool from_debugger)
{
    if (address >= 0xe000ed9cu && address < 0xe000edbcu) {
        if (address & 4) {
            m->mpu_rbar[m->mpu_rnr & 7] = value;
            if (value & 0x10)
                m->mpu_rnr = value & 7;
        } else {
            m->mpu_rasr[m->mpu_rnr & 7] = value;
        }
        return;
    }
    if (is_core_feature(address)) {
        m->misc[(address - 0xe000ef90u) / 4] = value;
        return;
    }
    if (address >= 0xe000e100u && address < 0xe000e120u && value && !m->warned_nvic) {
        m->warned_nvic = true;
        log_warn("cpu",
                 "an interrupt was enabled (0x%08x = 0x%08x): the virtual board delivers none",
                 address, value);
        return;
    }
    // On the Cortex-M7 software must unlock the DWT first; a debugger need not.
    bool dwt_open = from_debugger || m->dwt_unlocked || !is_m7(m);
    switch (address) {
    case 0xe0001000:
        if (dwt_open)
            dwt_ctrl_write(m, value);
        break;
    case 0xe0001004:
        if (dwt_open)
            dwt_set_cycles(m, value);
        break;
    case 0xe0001fb0:
        m->dwt_unlocked = value == DWT_KEY;
        break;
    case 0xe0002000:
        if (value & 2)
            m->fp_ctrl = value & 1;
        break;
    case 0xe000e010:
        if ((value & 1) && !(m->syst_csr & 1))
            systick_restart(m);
        m->syst_csr = value & 7;
        break;
    case 0xe000e014:
        m->syst_rvr = value & 0xffffff;
        break;
    case 0xe000e018:
        systick_restart(m);
        break;
    case 0xe000ed08:
        m->vtor = value & ~0x7fu;
        break;
    case 0xe000ed0c:
        if (value >> 16 == 0x05fa && (value & 5)) {
            m->reset_requested = true;
            core_request_stop(m->core);
        }
        break;
    case 0xe000ed10:
        m->scr = value;
        break;
    case 0xe000ed14:
        m->ccr = (is_m7(m) ? value : value & CCR_M4) | 0x200;
        break;
    case 0xe000ed18:
    case 0xe000ed1c:
    case 0xe000ed20:
        m->shpr[(address - 0xe000ed18u) / 4] = value;
        break;
    case 0xe000ed24:
        m->shcsr = value;
        break;
    case 0xe000ed28:
        m->cfsr &= ~value;
        break;
    case 0xe000ed2c:
        m->hfsr &= ~value;
        break;
    case 0xe000ed30:
        m->dfsr &= ~value;
        break;
    case 0xe000ed34:
        m->mmfar = value;
        break;
    case 0xe000ed38:
        m->bfar = value;
        break;
    case 0xe000ed84:
        m->csselr = value & 1;
        break;
    case 0xe000ed88:
        m->cpacr = value & 0x00f00000u;
        core_enable_fpu(m->core, (m->cpacr & 0x00f00000u) == 0x00f00000u ||
                                     (m->cpacr & 0x00f00000u) == 0x00500000u);
        break;
    case 0xe000ed94:
        m->mpu_ctrl = value & 7;
        break;
    case 0xe000ed98:
        m->mpu_rnr = value & 7;
        break;
    case 0xe000edf0:
        if (from_debugger)
            dhcsr_write(m, value);
        break;
    case 0xe000edf4: // DCRSR
        if (from_debugger && m->halted) {
            if (value & 1u << 16)
                core_set(m->core, value & 0x7f, m->dcrdr);
            else
                m->dcrdr = core_get(m->core, value & 0x7f);
        }
        break;
    case 0xe000edf8:
        m->dcrdr = value;
        break;
    case 0xe000edfc:
        demcr_write(m, value);
        break;
    default: // cache maintenance and the like: nothing to do with warm, coherent memory
        break;
    }
}
