// SPDX-License-Identifier: GPL-2.0-only
// See soc.h.
#include "agent/vboard/soc.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>

bool soc_first_time(struct soc_seen *seen, uint32_t address)
{
    for (int i = 0; i < seen->count; i++) {
        if (seen->at[i] == address)
            return false;
    }
    if (seen->count == SOC_SEEN_MAX)
        return false;
    seen->at[seen->count++] = address;
    return true;
}

void soc_log_load(struct soc_seen *seen, uint32_t address)
{
    if (soc_first_time(seen, address))
        log_info("soc", "load from 0x%08x: no such peripheral on the virtual board, reads 0",
                 address);
}

void soc_log_store(struct soc_seen *seen, uint32_t address)
{
    if (soc_first_time(seen, address))
        log_info("soc", "store to 0x%08x: no such peripheral on the virtual board, ignored",
                 address);
}

uint8_t *soc_new_ram(uint32_t bytes, struct err *e)
{
    uint8_t *p = aligned_alloc(SOC_RAM_UNIT, bytes);
    if (p)
        memset(p, 0xa5, bytes);
    else
        err_set(e, ERR_NO_MEMORY, "no memory for the RAM");
    return p;
}

static void hear_misuse(void *user, const char *why)
{
    board_misuse(user, "%s", why);
}

struct misuse_ear soc_misuse(struct board *b)
{
    return (struct misuse_ear){hear_misuse, b};
}
