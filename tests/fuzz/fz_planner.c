// SPDX-License-Identifier: MIT
// A model file from a stranger, all the way: import, front, program, executor. Where the naive reference runs it too, the
// two must agree byte for byte. Large models are imported only.
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "firmware/executor/exec.h"
#include "server/planner/planner.h"

#define MAX_MACS 300000u
#define MAX_LAYERS 24
#define MAX_TENSOR (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct planner *p, const struct planner_info *info, const char *spec)
{
    struct buf program;
    struct err e = {0};
    const int8_t *result;
    int8_t *input = malloc(info->input.bytes), *want = malloc(info->output.bytes);
    buf_init(&program, 16u << 20);
    if (!input || !want)
        abort();
    planner_input(p, PLANNER_INPUT_UNIFORM, 7, input);
    if (planner_reference(p, input, want, &e) == 0 &&
        planner_program(p, spec, "generic", input, &program, &e) == 0) {
        uint32_t bytes = exec_arena_bytes(program.data);
        void *arena = malloc(bytes);
        if (!arena || exec_check(program.data, program.len) != EXEC_OK ||
            exec_run(program.data, arena, bytes, NULL, NULL, &result) != EXEC_OK ||
            memcmp(result, want, info->output.bytes) != 0)
            abort();
        free(arena);
    }
    buf_free(&program);
    free(input);
    free(want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct planner *p = NULL;
    struct planner_info info;
    struct front front = {0};
    struct err e = {0};
    if (planner_open(data, size, &p, &e))
        return 0;
    planner_info(p, &info);
    if (info.macs < MAX_MACS && info.layers <= MAX_LAYERS && info.input.bytes < MAX_TENSOR &&
        info.plain_arena_bytes < MAX_TENSOR && planner_front(p, &front, &e) == 0) {
        run(p, &info, front.at[0].spec);
        run(p, &info, front.at[front.n - 1].spec);
    }
    front_free(&front);
    planner_free(p);
    return 0;
}
