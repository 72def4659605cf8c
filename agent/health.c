// SPDX-License-Identifier: MIT
// See health.h.
#include "agent/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/executor/program.h"
#include "models/zoo.h"
#include "server/planner/planner.h"

enum { MODEL_MAX = 1 << 20, PROGRAM_MAX = 1 << 20 };
static const char network[] = "tiny_mbv2"; // fits every board, and uses every common kernel

static int health_output(const struct planner *p, const int8_t *input, uint32_t bytes, char crc[9],
                         struct err *e)
{
    int8_t *output = malloc(bytes);
    if (!output)
        return err_set(e, ERR_NO_MEMORY, "no memory for a test output");
    int rc = planner_reference(p, input, output, e);
    if (rc == 0)
        snprintf(crc, 9, "%08x", (unsigned)planner_crc32(output, bytes));
    free(output);
    return rc;
}

static int health_compile(const struct planner *p, const char *kernels, struct health_program *out,
                          struct err *e)
{
    int rc = -1;
    struct planner_info info;
    struct front front = {0};
    struct prog_header h;
    planner_info(p, &info);
    int8_t *input = malloc(info.input.bytes);
    if (!input) {
        err_set(e, ERR_NO_MEMORY, "no memory for a test input");
        goto out;
    }
    planner_input(p, PLANNER_INPUT_UNIFORM, PLANNER_DEFAULT_SEED, input);
    if (planner_front(p, &front, e) < 0 ||
        planner_program(p, front.at[0].spec, kernels, input, &out->bytes, e) < 0 ||
        health_output(p, input, info.output.bytes, out->output_crc32, e) < 0)
        goto out;
    memcpy(&h, out->bytes.data, sizeof h);
    snprintf(out->crc32, sizeof out->crc32, "%08x", (unsigned)h.crc32);
    out->arena_bytes = front.at[0].arena_bytes;
    rc = 0;
out:
    free(input);
    front_free(&front);
    return rc;
}

int health_program_make(const char *kernels, struct health_program *out, struct err *e)
{
    struct buf model;
    struct planner *p = NULL;
    buf_init(&model, MODEL_MAX);
    *out = (struct health_program){.crc32 = ""};
    buf_init(&out->bytes, PROGRAM_MAX);
    int rc = zoo_write(network, ZOO_DEFAULT_SEED, &model, e) < 0 ||
                     planner_open(model.data, model.len, &p, e) < 0 ||
                     health_compile(p, kernels, out, e) < 0
                 ? -1
                 : 0;
    planner_free(p);
    buf_free(&model);
    if (rc < 0)
        health_program_free(out);
    return rc;
}

void health_program_free(struct health_program *p)
{
    buf_free(&p->bytes);
    *p = (struct health_program){.crc32 = ""};
}

int health_program_judge(const struct health_program *p, const struct measurement *m, struct err *e)
{
    if (strcmp(m->out.crc32, p->output_crc32) != 0)
        return err_set(e, ERR_MISMATCH,
                       "the known program gives an output with CRC-32 %s, it must be %s",
                       m->out.crc32, p->output_crc32);
    if (m->mem.arena != p->arena_bytes)
        return err_set(e, ERR_MISMATCH, "the known program uses %u bytes of arena, it must be %u",
                       (unsigned)m->mem.arena, (unsigned)p->arena_bytes);
    return 0;
}
