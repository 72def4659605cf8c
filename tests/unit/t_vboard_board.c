// SPDX-License-Identifier: MIT
// The virtual board on fragments of Thumb code: exact counts, exceptions, lockup, sleep, peripherals whose clock is off,
// clocks out of limits, guest writes to flash, halting debug, fault injection.
#include "tests/tap.h"

#include "agent/vboard/board.h"
#include "agent/vboard/cpu_arm.h"
#include "agent/vboard/debug.h"

#include <unistd.h>

enum {
    FLASH_BYTES = 2048 * 1024,
    CODE = 0x20000100, // where fragments go
    STACK = 0x20008000,
    VECTORS = 0x08000000,
    HANDLER = 0x08000400, // handler n is at HANDLER + 16 n: "b ."
    CFSR_PRECISE_VALID = 0x8200,
    CFSR_IBUSERR = 0x100,
    CFSR_UNDEFINSTR = 0x10000,
    CFSR_INVSTATE = 0x20000,
    CFSR_NOCP = 0x80000,
    HFSR_FORCED = 1 << 30,
};
#define SCB_CFSR 0xe000ed28u
#define SCB_HFSR 0xe000ed2cu
#define SCB_BFAR 0xe000ed38u
#define DHCSR 0xe000edf0u
#define DEMCR 0xe000edfcu
#define DWT_CTRL 0xe0001000u
#define DWT_CYCCNT 0xe0001004u
#define DWT_LAR 0xe0001fb0u
#define PAGE 0xf0000000u

static uint8_t *flash;
static struct board *board;
static char heard[64];
static size_t heard_count;

static void hear(void *user, uint8_t byte)
{
    (void)user;
    if (heard_count + 1 < sizeof heard)
        heard[heard_count++] = (char)byte;
}

static void put32(uint32_t flash_address, uint32_t v)
{
    memcpy(flash + (flash_address - VECTORS), &v, 4);
}

static uint32_t rd(uint32_t address)
{
    uint32_t v = 0;
    board_debug_read(board, address, 4, &v);
    return v;
}

static void wr(uint32_t address, uint32_t v)
{
    board_debug_write(board, address, 4, v);
}

// A board after reset, with handlers, thread mode, a stack, and the fragment about to run.
static void start(const uint16_t *code, size_t halfwords)
{
    struct err e = {0};
    struct board_config cfg = {.id = "nucleo-f767zi",
                               .soc = "STM32F767ZI",
                               .ram_bytes = 512 * 1024,
                               .flash_bytes = FLASH_BYTES,
                               .clock_hz = 216000000,
                               .baud = 115200,
                               .program_address = 0x08040000,
                               .hse_hz = 8000000,
                               .hse_bypass = true,
                               .usart = 3,
                               .usart_tx = "PD8",
                               .usart_rx = "PD9"};
    memset(flash, 0xff, FLASH_BYTES);
    put32(VECTORS, STACK);
    for (uint32_t n = 1; n < 16; n++) {
        put32(VECTORS + 4 * n, (HANDLER + 16 * n) | 1);
        put32(HANDLER + 16 * n, 0xe7fee7fe);
    }
    if (!board)
        board = board_new(&cfg, flash, &e);
    if (!board) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    core_memory_changed(cpu_arm(board->cpu)->core, VECTORS, 0x1000);
    cpu_arm(board->cpu)->m.dhcsr = cpu_arm(board->cpu)->m.demcr = 0;
    board->fault.kind = FAULT_NONE;
    board_reset(board, false);
    board->uart_out = hear;
    heard_count = 0;
    memset(heard, 0, sizeof heard);
    if (code) {
        debug_write(board, CODE, 2, (const uint8_t *)code, 2 * halfwords, true);
        core_set(cpu_arm(board->cpu)->core, CORE_PC, CODE);
    }
}
#define START(...)                                                                                 \
    start((const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / 2)

static uint32_t reg(unsigned n)
{
    return core_get(cpu_arm(board->cpu)->core, n);
}

static void set(unsigned n, uint32_t v)
{
    core_set(cpu_arm(board->cpu)->core, n, v);
}

static void run(void)
{
    for (int i = 0; i < 20 && board_runnable(board); i++)
        board_run(board, 1000);
}

static bool in_handler(unsigned n)
{
    return (reg(CORE_PC) & ~1u) - (HANDLER + 16 * n) < 16;
}

static uint32_t stacked(unsigned word) // of the exception frame on the stack
{
    return rd(reg(CORE_SP) + 4 * word);
}

static void test_counts(void)
{
    // movs r0,#0; movs r1,#100; 1: adds r0,#3; subs r1,#1; bne 1b; b .
    static const uint16_t loop[] = {0x2000, 0x2164, 0x3003, 0x3901, 0xd1fc, 0xe7fe};
    uint64_t cycles = 0;
    static const uint64_t slices[] = {1000000, 1, 7, 64};
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        start(loop, sizeof loop / 2);
        uint64_t before = core_instructions(cpu_arm(board->cpu)->core),
                 cycles_before = core_cycles(cpu_arm(board->cpu)->core);
        for (int n = 0; n < 2000 && board_runnable(board); n++)
            board_run(board, slices[i]);
        // 2 + 100 * 3, and once the branch to itself, which then counts as sleep
        EQ_INT(core_instructions(cpu_arm(board->cpu)->core) - before, 303);
        EQ_INT(reg(0), 300);
        uint64_t taken = core_cycles(cpu_arm(board->cpu)->core) - cycles_before;
        if (i == 0)
            cycles = taken;
        OKF(taken == cycles, "slices of %llu instructions: %llu cycles",
            (unsigned long long)slices[i], (unsigned long long)taken);
    }
    START(0x2001, 0x2802, 0xbf08, 0x2009, 0xe7fe); // movs; cmp; it eq; moveq; b .
    uint64_t before = core_instructions(cpu_arm(board->cpu)->core);
    run();
    EQ_INT(core_instructions(cpu_arm(board->cpu)->core) - before,
           5 + 1); // what an IT block skips counts
    EQ_INT(reg(0), 1);
}

static void test_exceptions(void)
{
    START(0x2001, 0x3001, 0x6823, 0x3001, 0x680a, 0x3001,
          0xe7fe); // .. ldr r3,[r4] .. ldr r2,[r1] ..
    set(4, 0x20000000);
    set(1, 0x60000000);
    set(2, 0x22);
    uint64_t before = core_instructions(cpu_arm(board->cpu)->core);
    run();
    OK(in_handler(3));
    EQ_INT(core_ipsr(cpu_arm(board->cpu)->core), 3);
    EQ_INT(stacked(6), CODE + 8); // pc of the load that faulted
    EQ_INT(stacked(0), 3);        // r0 as it was there
    EQ_INT(stacked(2), 0x22);
    EQ_INT(reg(CORE_LR), 0xfffffff9);
    EQ_INT(rd(SCB_CFSR), CFSR_PRECISE_VALID);
    EQ_INT(rd(SCB_HFSR), HFSR_FORCED);
    EQ_INT(rd(SCB_BFAR), 0x60000000);
    EQ_INT(core_instructions(cpu_arm(board->cpu)->core) - before,
           4 + 1); // four before the fault, one in the handler

    START(0x600a, 0xe7fe); // str r2,[r1]
    set(1, 0x60000000);
    wr(0xe000ed24, 1 << 17); // BusFault has a handler of its own
    run();
    OK(in_handler(5));
    EQ_INT(rd(SCB_HFSR), 0);

    START(0x2007, 0xde00, 0xe7fe); // udf
    wr(0xe000ed24, 1 << 18);
    run();
    OK(in_handler(6));
    EQ_INT(rd(SCB_CFSR), CFSR_UNDEFINSTR);
    EQ_INT(stacked(6), CODE + 2);

    START(0x2007, 0x4708); // bx r1
    set(1, CODE);          // even
    run();
    OK(in_handler(3));
    EQ_INT(rd(SCB_CFSR), CFSR_INVSTATE);

    START(0x2007, 0x4708);
    set(1, 0x60000001);
    run();
    OK(in_handler(3));
    EQ_INT(rd(SCB_CFSR), CFSR_IBUSERR);
    EQ_INT(stacked(6), 0x60000000);

    START(0xee30, 0x0a00, 0xe7fe); // vadd.f32
    run();
    OK(in_handler(3));
    EQ_INT(rd(SCB_CFSR), CFSR_NOCP);
    START(0xee30, 0x0a00, 0xe7fe);
    wr(0xe000ed88, 0xf << 20); // CPACR
    run();
    EQ_INT(rd(SCB_CFSR), 0);
    EQ_INT(reg(CORE_PC), CODE + 4);

    START(0xdf01, 0x2005, 0xe7fe);        // svc; movs r0,#5; b .
    put32(HANDLER + 16 * 11, 0x47702207); // movs r2,#7; bx lr
    set(0, 1);
    run();
    EQ_INT(reg(0), 5);
    EQ_INT(reg(2), 0); // restored by the return
    EQ_INT(core_ipsr(cpu_arm(board->cpu)->core), 0);
    EQ_INT(reg(CORE_SP), STACK);

    START(0x2001, 0xbe00, 0xe7fe); // bkpt without a debugger
    run();
    OK(in_handler(3));
    EQ_INT(rd(SCB_HFSR), 1u << 31);

    START(0x680a, 0xe7fe); // a fault inside the fault handler
    put32(HANDLER + 16 * 3, 0xe7fe680a);
    set(1, 0x60000000);
    run();
    OK(cpu_arm(board->cpu)->m.lockup && !board_runnable(board));
    OK(rd(DHCSR) & 1 << 19);

    START(0x680a, 0xe7fe); // no stack for the frame
    set(1, 0x60000000);
    set(CORE_SP, 0x10);
    run();
    OK(rd(SCB_CFSR) & 1 << 12); // STKERR

    start(NULL, 0);
    memset(flash, 0xff, FLASH_BYTES);
    board_reset(board, false);
    OK(cpu_arm(board->cpu)->m.lockup); // nothing flashed
}

static void test_sleep(void)
{
    START(0xbf30, 0x2003, 0xe7fe); // wfi; movs r0,#3
    board_run(board, 1000);
    OK(cpu_arm(board->cpu)->m.sleeping);
    EQ_INT(reg(0), 0);
    board_wake(board);
    run();
    EQ_INT(reg(0), 3);
    START(0xbf20, 0xbf10, 0x2003, 0xe7fe); // wfe; yield: hints
    run();
    EQ_INT(reg(0), 3);
    EQ_INT(rd(SCB_CFSR), 0);
}

static void test_cycle_counter(void)
{
    static const uint16_t code[] = {0x680a, 0xbf00, 0xbf00,
                                    0xe7ff, 0x680b, 0xe7fe}; // ldr r2; nop; nop; b; ldr r3
    start(code, 6);
    set(1, DWT_CYCCNT);
    run();
    EQ_INT(reg(3), 0); // off
    start(code, 6);
    set(1, DWT_CYCCNT);
    cpu_arm(board->cpu)->m.demcr = 1 << 24;
    armv7m_write(&cpu_arm(board->cpu)->m, DWT_CTRL, 1, false);
    EQ_INT(rd(DWT_CTRL), 0); // the Cortex-M7 wants its key first
    armv7m_write(&cpu_arm(board->cpu)->m, DWT_LAR, 0xc5acce55u, false);
    armv7m_write(&cpu_arm(board->cpu)->m, DWT_CYCCNT, 0, false);
    armv7m_write(&cpu_arm(board->cpu)->m, DWT_CTRL, 1, false);
    run();
    OKF(reg(3) > reg(2) && reg(3) - reg(2) <= 4, "CYCCNT went from %u to %u", reg(2), reg(3));
    uint32_t now = rd(DWT_CYCCNT);
    wr(DEMCR, 0); // stops and keeps its value
    core_skip_cycles(cpu_arm(board->cpu)->core, 1000);
    EQ_INT(rd(DWT_CYCCNT), now);

    EQ_INT(rd(PAGE), 0x44524256);
    EQ_INT(rd(PAGE + 4), 1);
    EQ_INT(rd(PAGE + 8), core_instructions(cpu_arm(board->cpu)->core));
    char name[33] = "";
    for (unsigned i = 0; i < 8; i++) {
        uint32_t v = rd(PAGE + 0x10 + 4 * i);
        memcpy(name + 4 * i, &v, 4);
    }
    EQ_STR(name, "m7-table");
    EQ_INT(rd(PAGE + 0x30), 2);
    EQ_INT(rd(0xe0042000u), 0xf00d0451);
}

// Clock, pins and USART as firmware would set them, through the debugger.
static void serial_on(void)
{
    wr(0x40023830, 1 << 3);            // GPIOD
    wr(0x40023840, 1 << 18);           // USART3
    wr(0x40020c00, 2 << 16 | 2 << 18); // PD8, PD9: alternate function
    wr(0x40020c24, 0x77);
    wr(0x4000480c, 139); // 16 MHz
    wr(0x40004800, 0xd);
}

static void test_peripherals(void)
{
    start(NULL, 0);
    wr(0x4000480c, 139);
    EQ_INT(rd(0x4000480c), 0); // clock off: reads 0, ignores writes
    wr(0x40020c00, 5);
    EQ_INT(rd(0x40020c00), 0);
    wr(0x40007000, 1 << 16);
    EQ_INT(rd(0x40007000), 0);
    wr(0x40023830, 1 << 3);
    wr(0x40020c00, 5);
    EQ_INT(rd(0x40020c00), 5);
    wr(0x40020c18, 1 << 16 | 2); // BSRR
    EQ_INT(rd(0x40020c14), 2);
    EQ_INT(rd(0x1ff0f440) >> 16, 2048);

    serial_on();
    wr(0x40004828, 'A');
    EQ_STR(heard, "A");
    wr(0x40020c24, 0); // another function on the pin
    wr(0x40004828, 'B');
    EQ_STR(heard, "A");
    wr(0x40020c24, 0x77);

    // The program polls ISR and is found idle; a byte ends that.
    START(0x6808, 0xe7fd); // 1: ldr r0,[r1]; b 1b
    serial_on();
    set(1, 0x4000481c);
    board_run(board, 100000);
    OK(board_idle(board) && board_runnable(board));
    EQ_INT(board_uart_in(board, (const uint8_t *)"x", 1), 1);
    OK(!board_idle(board));
    board_run(board, 1000);
    EQ_INT(rd(0x40004824), 'x');

    // 216 MHz without wait states: the next fetch fails.
    START(0x600a, 0xbf00, 0xe7ff, 0xbf00, 0xe7fe); // str r2,[r1]; nop; b; ...
    wr(0x40023840, 1 << 28);
    wr(0x40023800, 0x50083);
    wr(0x40023804, 4 | 216 << 6 | 1 << 22);
    wr(0x40023800, 0x1050083);
    wr(0x40007000, 0x3c000);
    set(1, 0x40023808);
    set(2, 5 << 10 | 4 << 13 | 2);
    run();
    OK(in_handler(3));
    EQ_INT(rd(SCB_CFSR), CFSR_IBUSERR);

    START(0x600a, 0xe7fe); // the program resets itself
    set(1, 0xe000ed0c);
    set(2, 0x05fa0004);
    board_run(board, 1000);
    EQ_INT(reg(CORE_PC) & ~1u, HANDLER + 16);
    OK(rd(0x40023874) & 1 << 28);
}

static void test_flash(void)
{
    START(0x600a, 0x6823, 0x680d, 0xe7fe); // str r2,[r1]; ldr r3,[r4]; ldr r5,[r1]
    set(1, 0x08100000);
    set(2, 0x12345678);
    set(4, 0x40023c0c); // FLASH_SR
    run();
    EQ_INT(reg(3), 1 << 7); // locked
    EQ_INT(reg(5), 0xffffffff);
    EQ_INT(rd(0x08100000), 0xffffffff);

    START(0x600a, 0x6823, 0x680d, 0xe7fe);
    wr(0x40023c04, 0x45670123);
    wr(0x40023c04, 0xcdef89ab);
    wr(0x40023c10, 1 | 2 << 8);
    put32(0x08100000, 0xff00ffff);
    set(1, 0x08100000);
    set(2, 0x12345678);
    set(4, 0x40023c0c);
    run();
    EQ_INT(reg(3), 0);
    EQ_INT(rd(0x08100000), 0x12005678);
    EQ_INT(rd(0x00300000), 0x12005678); // the ITCM view
}

static void test_debug(void)
{
    uint32_t v;
    START(0x2001, 0x3001, 0xe7fd); // movs r0,#1; 1: adds r0,#1; b 1b
    board_run(board, 1000);
    OK(rd(DHCSR) & 1 << 25); // S_RESET_ST, cleared by reading
    OK(!(rd(DHCSR) & 1 << 25));
    wr(DHCSR, 0xa05f0003u); // C_DEBUGEN, C_HALT
    OK(rd(DHCSR) & 1 << 17);
    uint32_t r0 = debug_reg_read(board, 0);
    board_run(board, 1000);
    EQ_INT(debug_reg_read(board, 0), r0);
    debug_reg_write(board, CORE_PC, CODE + 2);
    wr(DHCSR, 0xa05f0005u); // C_STEP
    EQ_INT(debug_reg_read(board, 0), r0 + 1);
    EQ_INT(debug_reg_read(board, CORE_PC), CODE + 4);
    OK(rd(DHCSR) & 1 << 17);

    // New code over old: what was translated is forgotten.
    static const uint16_t other[] = {0x2063, 0xbe00}; // movs r0,#99; bkpt
    debug_write(board, CODE, 2, (const uint8_t *)other, sizeof other, true);
    debug_reg_write(board, CORE_PC, CODE);
    wr(DHCSR, 0xa05f0001u);
    run();
    OK(cpu_arm(board->cpu)->m.halted);
    EQ_INT(debug_reg_read(board, 0), 99);
    EQ_INT(debug_reg_read(board, CORE_PC), CODE + 2);

    wr(DEMCR, 1); // vector catch
    debug_system_reset(board);
    OK(cpu_arm(board->cpu)->m.halted);
    EQ_INT(debug_reg_read(board, CORE_PC), HANDLER + 16);
    board_set_nrst(board, true);
    OK(!board_runnable(board));
    wr(DEMCR, 0);
    wr(DHCSR, 0xa05f0000u);
    board_set_nrst(board, false);
    OK(board_runnable(board));

    OK(!board_debug_read(board, 0x60000000, 4, &v));
    OK(!board_debug_write(board, 0x60000000, 4, 1));
    uint8_t bytes[8];
    EQ_INT(debug_read(board, 0x60000000, 4, bytes, sizeof bytes, true), DEBUG_FAULT);
    EQ_INT(debug_read(board, 0x2007fffc, 4, bytes, sizeof bytes, true),
           DEBUG_FAULT); // across the end of RAM
}

static void test_faults(void)
{
    struct err e = {0};
    START(0x3001, 0xe7fd);
    OK(fault_parse(&board->fault, "hang:5000", &e) == 0);
    run();
    OK(board->hung && !board_runnable(board));
    uint64_t used = core_instructions(cpu_arm(board->cpu)->core) - board->reset_instructions;
    OKF(used >= 5000 && used < 5100, "hang:5000 stopped after %llu instructions",
        (unsigned long long)used);
    board_reset(board, false);
    OK(board_runnable(board));

    start(NULL, 0);
    serial_on();
    OK(fault_parse(&board->fault, "silent", &e) == 0);
    wr(0x40004828, 'A');
    EQ_INT(heard_count, 0);
    OK(fault_parse(&board->fault, "garbage", &e) == 0);
    for (int i = 0; i < 16; i++)
        wr(0x40004828, 'A');
    EQ_INT(heard_count, 16);
    OK(strspn(heard, "A") < 4);
    heard_count = 0;
    memset(heard, 0, sizeof heard);
    OK(fault_parse(&board->fault, "cut", &e) == 0);
    for (const char *p = "@run {}\n@out {\"bytes\":10,\"crc\":1}*1234\n"; *p; p++)
        wr(0x40004828, (uint8_t)*p);
    EQ_STR(heard, "@run {}\n@out {\"bytes\":10,\"cr");

    OK(fault_parse(&board->fault, "bitflip", &e) == 0);
    memset(flash + 0x40000, 0, 4096);
    put32(0x08040008, 4096); // the program's length
    board_uart_in(board, (const uint8_t *)"hello*1234\nbrun\n", 16);
    EQ_INT(flash[0x40000 + 3072], 0);
    board_uart_in(board, (const uint8_t *)"run {}*1234\nrun\n", 16);
    EQ_INT(flash[0x40000 + 3072], 0x40);

    // The kind can stand in a file, which is read again at each reset.
    char path[] = "/tmp/t_vboard_board.XXXXXX", at[64];
    int fd = mkstemp(path);
    snprintf(at, sizeof at, "@%s", path);
    OK(fd >= 0 && write(fd, "silent\n", 7) == 7);
    OK(fault_parse(&board->fault, at, &e) == 0 && board->fault.kind == FAULT_SILENT);
    OK(pwrite(fd, "hang:7\n", 7, 0) == 7);
    board_reset(board, false);
    OK(board->fault.kind == FAULT_HANG && board->fault.n == 7);
    OK(pwrite(fd, "what?\n", 6, 0) == 6);
    board_reset(board, false);
    EQ_INT(board->fault.kind, FAULT_NONE);
    OK(ftruncate(fd, 0) == 0);
    board_reset(board, false);
    EQ_INT(board->fault.kind, FAULT_NONE);
    close(fd);
    unlink(path);

    static const char *const bad[] = {
        "", "hang", "hang:", "hang:x", "hang:-1", "stlink-hang:", "loud", "silent:3", "@"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err_clear(&e);
        OKF(fault_parse(&board->fault, bad[i], &e) < 0 && e.msg[0], "--fault \"%s\": %s", bad[i],
            e.msg);
    }
}

static void test_config(void)
{
    struct board_config cfg;
    struct err e = {0};
    OKF(board_config_load(&cfg, "firmware/boards", "nucleo-f767zi", &e) == 0,
        "board.json of nucleo-f767zi: %s", e.msg);
    EQ_INT(cfg.program_address, 0x08040000);
    EQ_INT(cfg.flash_bytes, FLASH_BYTES);
    EQ_INT(board_config_load(&cfg, "firmware/boards", "../boards", &e), -1);
    err_clear(&e);
    EQ_INT(board_config_load(&cfg, "firmware/boards", "no-such-board", &e), -1);
    OK(strstr(e.msg, "no-such-board") != NULL);
    // What board.json says must be possible with the chip.
    static const struct {
        const char *soc, *tx;
        uint32_t ram_bytes, usart;
        const char *named;
    } wrong[] = {{"STM32H743ZI", "PD8", 512 * 1024, 3, "STM32H743ZI"},
                 {"STM32F407VG", "PD8", 512 * 1024, 3, "STM32F407VG"},
                 {"STM32F746NG", "PD8", 512 * 1024, 3, "ram_bytes"},
                 {"STM32F767ZI", "PD7", 512 * 1024, 3, "usart_tx"},
                 {"STM32F767ZI", "PA10", 512 * 1024, 1, "usart_tx"},
                 {"STM32F767ZI", "PD8", 512 * 1024, 4, "usart"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct board_config other = {.id = "wrong",
                                     .ram_bytes = wrong[i].ram_bytes,
                                     .flash_bytes = FLASH_BYTES,
                                     .usart = wrong[i].usart,
                                     .usart_rx = "PD9"};
        snprintf(other.soc, sizeof other.soc, "%s", wrong[i].soc);
        snprintf(other.usart_tx, sizeof other.usart_tx, "%s", wrong[i].tx);
        err_clear(&e);
        OKF(board_new(&other, flash, &e) == NULL && strstr(e.msg, wrong[i].named), "refused: %s",
            e.msg);
    }
}

int main(void)
{
    setenv("FARM_LOG", "error", 1);
    flash = aligned_alloc(4096, FLASH_BYTES);
    if (!flash)
        return 1;
    test_counts();
    test_exceptions();
    test_sleep();
    test_cycle_counter();
    test_peripherals();
    test_flash();
    test_debug();
    test_faults();
    test_config();
    board_free(board);
    free(flash);
    return tap_done();
}
