// SPDX-License-Identifier: MIT
// The reference interpreter against golden outputs of TFLite Micro: every output byte, and the
// CRC-32 of every operator's output, for every case of every int8 model of the optional model
// folder.
#include "server/planner/reference.h"
#include "tests/unit/golden.h"

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
