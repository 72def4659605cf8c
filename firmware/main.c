// SPDX-License-Identifier: MIT
// The firmware of a board: bring the chip up, talk to the host. The SoC's start-up code
// (firmware/soc) set up memory.
#include "firmware/fault.h"
#include "firmware/platform.h"
#include "firmware/session.h"

int main(void);

int main(void)
{
    const char *failed = platform_init();
    if (failed) {
        const struct fault f = {.code = "clock", .detail = failed, .pc = 0, .lr = 0};
        fault_stop(&f);
    }
    session_run();
}
