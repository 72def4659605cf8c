// SPDX-License-Identifier: MIT
// The import on the optional model folder: int8 networks build with the published number of MACs,
// everything else is refused by name.
#include "server/planner/graph.h"
#include "server/planner/tflite.h"
#include "tests/unit/golden.h"

static void check_model(const cJSON *model)
{
    const char *name = golden_str(model, "name");
    struct buf file;
    struct tflite_model m = {0};
    struct graph g = {0};
    struct err e = {0};
    bool odd = strncmp(name, "odd_", 4) == 0;
    bool have = golden_read(&file, "%s", golden_str(model, "file"));
    int rc = have ? tflite_parse(&m, file.data, file.len, &e) : -1;
    rc = rc ? rc : graph_build(&g, &m, &e);
    if (odd) {
        OKF(have && rc == -1 && e.code == ERR_UNSUPPORTED && strncmp(e.msg, "operator ", 9) == 0,
            "%s is refused: %s", name, e.msg);
    } else if (OKF(rc == 0, "%s builds %s", name, e.msg)) {
        EQ_INT(g.macs, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(model, "macs")));

        int sound = graph_check(&g, &e);
        OKF(sound == 0, "%s is sound %s", name, e.msg);
        int counts[LAYER_OP_COUNT] = {0};
        for (int i = 0; i < g.n_layers; i++)
            counts[g.layers[i].op]++;
        printf("# %s:", name);
        for (int i = 0; i < LAYER_OP_COUNT; i++)
            if (counts[i])
                printf(" %s %d", layer_op_names[i], counts[i]);
        printf("%s%s\n", g.input_chw ? " input_chw" : "", g.output_chw ? " output_chw" : "");
    }
    graph_free(&g);
    tflite_free(&m);
    buf_free(&file);
}

int main(void)
{
    if (tap_models()) {
        cJSON *manifest = golden_json("MANIFEST.json");
        const cJSON *model;
        OK(manifest != NULL);
        cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(manifest, "models"))
            check_model(model);
        cJSON_Delete(manifest);
    } else {
        SKIP("published models", "no model folder; set FARM_MODELS");
    }
    return tap_done();
}
