// SPDX-License-Identifier: MIT
// The reference interpreter against golden outputs of TFLite Micro: every output byte, and the
// CRC-32 of every operator's output, for every case of every int8 model of the optional model
// folder.
#include "server/planner/reference.h"
#include "tests/tfbuild.h"
#include "tests/unit/golden.h"

/* ---- by hand ---- */

// Runs `net` and compares its output.
static void expect(const char *what, int output, const void *in, size_t n_in, const void *want,
                   size_t n_want)
{
    struct buf file;
    struct tflite_model m = {0};
    struct reference *r = NULL;
    struct err e = {0};
    size_t n = 0;
    net_output(output);
    buf_init(&file, 1u << 20);
    tfnet_write(&net, &file);
    int rc = tflite_parse(&m, file.data, file.len, &e);
    rc = rc ? rc : reference_run(&m, in, n_in, &r, &e);
    const void *got = rc ? NULL : reference_tensor(r, output, &n);
    bool same = got && n == n_want && memcmp(got, want, n) == 0;
    if (!OKF(same, "%s %s", what, e.msg)) {
        for (size_t i = 0; got && i < n && i < 16; i++)
            printf("#   byte %zu is %d, want %d\n", i, ((const int8_t *)got)[i],
                   ((const int8_t *)want)[i]);
    }
    reference_free(r);
    tflite_free(&m);
    buf_free(&file);
}

#define BYTES(...) (const int8_t[]){__VA_ARGS__}, sizeof((int8_t[]){__VA_ARGS__})

static int row(float scale, int zero, int n)
{
    net_begin(1);
    return net_input(scale, zero, DIMS(1, 1, 1, n));
}

static void test_by_hand(void)
{
    net_begin(1);
    int f = tfnet_tensor(&net, TFLITE_FLOAT32, DIMS(7)), q = tfnet_act(&net, 1, 3, DIMS(7));
    net.inputs[net.n_inputs++] = f;
    tfnet_op(&net, TFLITE_OP_QUANTIZE, q, INPUTS(f));
    const float floats[7] = {0.5f, 1.5f, -0.5f, -2.5f, 1e30f, -1e30f, NAN};
    expect("QUANTIZE rounds half away from zero and saturates", q, floats, sizeof floats,
           BYTES(4, 5, 2, 0, 127, -128, 3));

    net_begin(1);
    int x = net_input(0.5f, 3, DIMS(3));
    f = tfnet_tensor(&net, TFLITE_FLOAT32, DIMS(3));
    tfnet_op(&net, TFLITE_OP_DEQUANTIZE, f, INPUTS(x));
    const float reals[3] = {-65.5f, 0.0f, 62.0f};
    expect("DEQUANTIZE", f, BYTES(-128, 3, 127), reals, sizeof reals);

    net_begin(1);
    x = net_input(1, 0, DIMS(1, 1, 4, 2));
    expect("AVERAGE_POOL rounds half away from zero",
           pool(TFLITE_OP_AVERAGE_POOL_2D, x, 1, 2, 1, 2, false),
           BYTES(1, -1, 2, -2, 127, -128, 127, -127), BYTES(2, -2, 127, -128));

    net_begin(1);
    x = net_input(1, 0, DIMS(1, 2, 2, 2));
    int m = mean(x, 2, (int32_t[]){1, 2}, true, DIMS(1, 1, 1, 2));
    net.tensors[m].scale[0] = 1;
    net.tensors[m].zero = 0;
    expect("MEAN rounds half away from zero", m, BYTES(1, -1, 2, -2, 3, -3, 4, -4), BYTES(3, -3));

    x = row(1, 0, 5);
    expect("ADD of itself to twice the scale", add(x, x, 2, 0), BYTES(0, 1, -1, 127, -128),
           BYTES(0, 1, -1, 127, -128));
    x = row(1, 10, 4);
    expect("ADD saturates", add(x, x, 1, 0), BYTES(10, 127, -128, 11), BYTES(0, 127, -128, 2));
    x = row(1, 0, 4);
    expect("RELU6", unary_like(TFLITE_OP_RELU6, x), BYTES(-5, 0, 6, 7), BYTES(0, 0, 6, 6));
    x = row(0.25f, 0, 5);
    expect("RELU_N1_TO_1 into another scale", unary(TFLITE_OP_RELU_N1_TO_1, x, 0.125f, 1),
           BYTES(-5, -4, 2, 4, 100), BYTES(-7, -7, 5, 9, 9));
    x = row(1, 0, 3);
    // -1.5 + -1: the high multiplication's ties go up.
    expect("QUANTIZE int8 to int8", unary(TFLITE_OP_QUANTIZE, x, 2, -1), BYTES(3, -3, 100),
           BYTES(1, -2, 49));
    x = row(0.1f, 0, 4);
    expect("SOFTMAX of equals", unary(TFLITE_OP_SOFTMAX, x, 1.0f / 256, -128), BYTES(9, 9, 9, 9),
           BYTES(-64, -64, -64, -64));
    x = row(1, 0, 3);
    expect("SOFTMAX of a clear winner", unary(TFLITE_OP_SOFTMAX, x, 1.0f / 256, -128),
           BYTES(-128, 127, -128), BYTES(-128, 127, -128));
    net_begin(1);
    x = net_input(1, 0, DIMS(2, 3));
    expect("TRANSPOSE", transpose(x, 2, (int32_t[]){1, 0}), BYTES(1, 2, 3, 4, 5, 6),
           BYTES(1, 4, 2, 5, 3, 6));
    net_begin(1);
    x = net_input(1, -9, DIMS(1, 1, 2, 1));
    expect("PAD", pad(x, 0, 1, 1, 0), BYTES(1, 2), BYTES(-9, 1, 2, -9, -9, -9));

    net_begin(1);
    x = net_input(1, 0, DIMS(5, 7));
    int shape = tfnet_tensor(&net, TFLITE_INT32, DIMS(2)),
        part = tfnet_tensor(&net, TFLITE_INT32, DIMS(1));
    tfnet_op(&net, TFLITE_OP_SHAPE, shape, INPUTS(x));
    int begin = tfnet_ints(&net, (int32_t[]){1}, 1), end = tfnet_ints(&net, (int32_t[]){2}, 1);
    tfnet_op(&net, TFLITE_OP_STRIDED_SLICE, part, INPUTS(shape, begin, end, begin));
    int pack = tfnet_tensor(&net, TFLITE_INT32, DIMS(2));
    tfnet_op(&net, TFLITE_OP_PACK, pack, INPUTS(part, end));
    const int32_t packed[2] = {7, 2};
    expect("SHAPE, STRIDED_SLICE, PACK", pack, (int8_t[35]){0}, 35, packed, sizeof packed);
}

static void expect_refusal(const char *what, int output, size_t n_in, enum err_code code,
                           const char *text)
{
    static const int8_t zeros[4096];
    struct buf file;
    struct tflite_model m = {0};
    struct reference *r = NULL;
    struct err e = {0};
    net_output(output);
    buf_init(&file, 1u << 20);
    tfnet_write(&net, &file);
    int rc = tflite_parse(&m, file.data, file.len, &e) ? 0 : reference_run(&m, zeros, n_in, &r, &e);
    OKF(rc == -1 && r == NULL && e.code == code && strstr(e.msg, text), "%s: %s", what, e.msg);
    reference_free(r);
    tflite_free(&m);
    buf_free(&file);
}

static void test_refusals(void)
{
    int x = row(1, 0, 4);
    expect_refusal("an input of another size", unary_like(TFLITE_OP_RELU, x), 3, ERR_BAD_REQUEST,
                   "has 4 bytes, not 3");
    x = row(1, 0, 4);
    expect_refusal("an operator beyond it", unary_like(28, x), 4, ERR_UNSUPPORTED,
                   "operator 0 TANH (output tensor 1");
    x = row(1, 0, 4);
    int y = unary_like(TFLITE_OP_RELU, like(x, DIMS(1, 1, 1, 4)));
    expect_refusal("a tensor that nobody wrote", y, 4, ERR_UNSUPPORTED,
                   "read before it is written");
    x = row(1, 0, 4);
    y = unary_like(TFLITE_OP_RELU, x);
    tfnet_op(&net, TFLITE_OP_RELU, y, INPUTS(x));
    expect_refusal("a tensor that is written twice", y, 4, ERR_UNSUPPORTED, "written twice");
    x = row(0, 0, 4);
    expect_refusal("a scale of 0", unary(TFLITE_OP_RELU, x, 1, 0), 4, ERR_UNSUPPORTED,
                   "one positive scale");
    net_begin(1);
    x = net_input(1, 0, DIMS(1, 1, 1, 1));
    y = with_ints(TFLITE_OP_PAD, x, 8, (int32_t[]){0, 0, 4000, 4000, 4000, 4000, 0, 0},
                  DIMS(1, 8001, 8001, 1));
    expect_refusal("more work than a server should do",
                   pool(TFLITE_OP_MAX_POOL_2D, y, 4000, 4000, 1, 1, false), 1, ERR_UNSUPPORTED,
                   "too much work");
    net_begin(1);
    x = net_input(1, 0, DIMS(1, 1, 1, 1));
    for (int i = 0; i < 5; i++)
        x = with_ints(TFLITE_OP_PAD, x, 8,
                      (int32_t[]){0, 0, 0, i ? 0 : 7999, 0, i ? 0 : 7999, 0, 0},
                      DIMS(1, 8000, 8000, 1));
    expect_refusal("more memory than a server should give", x, 1, ERR_UNSUPPORTED,
                   "need more than");
}

/* ---- golden outputs ---- */

static bool same_bytes(const struct reference *r, int tensor, const struct buf *want)
{
    size_t n = 0;
    const void *bytes = reference_tensor(r, tensor, &n);
    return bytes && n == want->len && memcmp(bytes, want->data, n) == 0;
}

static void check_operators(const struct reference *r, const char *name, const cJSON *golden)
{
    cJSON *list = golden_json(golden_str(golden, "tensors"));
    const cJSON *op;
    int wrong = 0, n_ops = 0;
    cJSON_ArrayForEach(op, cJSON_GetObjectItemCaseSensitive(list, "ops"))
    {
        int tensor = (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(op, "tensor"));
        size_t n = 0;
        const void *bytes = reference_tensor(r, tensor, &n);
        char crc[16];
        snprintf(crc, sizeof crc, "%08x", bytes ? golden_crc32(bytes, n) : 0);
        n_ops++;
        if (!bytes || strcmp(crc, golden_str(op, "crc32")) != 0) {
            if (wrong++ == 0)
                printf("# %s: tensor %d of %s differs: %s, want %s\n", name, tensor,
                       golden_str(op, "opname"), crc, golden_str(op, "crc32"));
        }
    }
    OKF(n_ops > 0 && wrong == 0, "%s %s: all %d operators have the golden CRC", name,
        golden_str(golden, "case"), n_ops);
    cJSON_Delete(list);
}

static void check_core(const struct tflite_model *m, const char *name, const char *test_case)
{
    struct buf in, out;
    struct reference *r = NULL;
    struct err e = {0};
    bool have = golden_read(&in, "golden/%s/%s.input_i8.bin", name, test_case);
    have = golden_read(&out, "golden/%s/%s.output_i8.bin", name, test_case) && have;
    if (have) {
        int rc = reference_run_core(m, (const int8_t *)in.data, in.len, &r, &e);
        OKF(rc == 0 && same_bytes(r, reference_core_output(m), &out),
            "%s %s: the int8 core gives the golden output %s", name, test_case, e.msg);
    }
    buf_free(&in);
    buf_free(&out);
    reference_free(r);
}

static void check_case(const struct tflite_model *m, const char *name, const cJSON *golden)
{
    struct buf in, out;
    struct reference *r = NULL;
    struct err e = {0};
    bool have = golden_read(&in, "%s", golden_str(golden, "input"));
    have = golden_read(&out, "%s", golden_str(golden, "output")) && have;
    int rc = have ? reference_run(m, in.data, in.len, &r, &e) : -1;
    if (OKF(rc == 0, "%s %s runs %s", name, golden_str(golden, "case"), e.msg)) {
        OKF(same_bytes(r, m->outputs[0], &out), "%s %s: golden output", name,
            golden_str(golden, "case"));
        check_operators(r, name, golden);
    }
    buf_free(&in);
    buf_free(&out);
    reference_free(r);
    check_core(m, name, golden_str(golden, "case"));
}

static void check_model(const cJSON *model)
{
    const char *name = golden_str(model, "name");
    struct buf file;
    struct tflite_model m = {0};
    struct err e = {0};
    bool parsed = golden_read(&file, "%s", golden_str(model, "file")) &&
                  !tflite_parse(&m, file.data, file.len, &e);
    if (OKF(parsed, "%s parses %s", name, e.msg)) {
        const cJSON *golden;
        cJSON_ArrayForEach(golden, cJSON_GetObjectItemCaseSensitive(model, "golden"))
            check_case(&m, name, golden);
    }
    tflite_free(&m);
    buf_free(&file);
}

int main(void)
{
    test_by_hand();
    test_refusals();
    if (!tap_models()) {
        SKIP("golden outputs", "no model folder; set FARM_MODELS");
        return tap_done();
    }
    cJSON *manifest = golden_json("MANIFEST.json");
    const cJSON *model;
    OK(manifest != NULL);
    cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(manifest, "models"))
    {
        if (strncmp(golden_str(model, "name"), "odd_", 4) != 0)
            check_model(model);
    }
    cJSON_Delete(manifest);
    return tap_done();
}
