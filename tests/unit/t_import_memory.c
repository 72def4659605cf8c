// SPDX-License-Identifier: MIT
// Memory runs out at every single allocation of the reader, the import and the reference: each time they say so, and
// give back what they had (a leak checker sees the rest).
#include "server/planner/graph.h"
#include "server/planner/reference.h"
#include "server/planner/tflite.h"
#include "tests/tap.h"
#include "tests/tfbuild.h"

static long allocations_left = -1; // -1: as many as you like

// The linker puts these in the place of the library's calls.
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left -= allocations_left > 0;
    return __real_calloc(n, size);
}

// 0, or -1 with the error.
static int import_and_run(const struct buf *file, struct err *e)
{
    static const int8_t input[5 * 4 * 3];
    struct tflite_model m = {0};
    struct graph g = {0};
    struct reference *r = NULL;
    int rc = tflite_parse(&m, file->data, file->len, e);
    rc = rc ? rc : graph_build(&g, &m, e);
    rc = rc ? rc : reference_run(&m, input, sizeof input, &r, e);
    reference_free(r);
    graph_free(&g);
    tflite_free(&m);
    return rc;
}

int main(void)
{
    struct buf file;
    net_begin(4);
    int x = net_input(0.05f, -3, DIMS(1, 3, 5, 4));
    int y = conv(pad(transpose(x, NCHW_TO_NHWC), 1, 1, 1, 1), K(4, 3));
    y = add(unary(TFLITE_OP_RELU, y, 0.7f, -128), y, 0.9f, 2);
    y = mean(y, 1, (int32_t[]){1}, true, DIMS(1, 1, 4, 4));
    y = dense(reshape(transpose(y, NHWC_TO_NCHW), DIMS(1, 16)), 3, 16, DIMS(1, 3));
    net_output(unary(TFLITE_OP_SOFTMAX, y, 1.0f / 256, -128));
    buf_init(&file, 1u << 20);
    tfnet_write(&net, &file);
    struct err e = {0};
    OKF(import_and_run(&file, &e) == 0, "with memory it works %s", e.msg);
    int failures = 0, wrong = 0;
    for (long n = 0;; n++) {
        err_clear(&e);
        allocations_left = n;
        int rc = import_and_run(&file, &e);
        allocations_left = -1;
        if (rc == 0)
            break;
        failures++;
        wrong += e.code != ERR_NO_MEMORY || e.msg[0] == 0;
    }
    OKF(failures > 40 && wrong == 0, "all %d allocations may fail (%d without the right error)",
        failures, wrong);
    buf_free(&file);
    return tap_done();
}
